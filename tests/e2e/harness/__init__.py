"""What the end-to-end tests stand on: real servers, the client under test, traffic and waiting."""
