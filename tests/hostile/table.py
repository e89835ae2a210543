"""What adit, ssh and dbclient do with the same cases, as a table for doc/."""


async def write(args, runner, cases):
    raise NotImplementedError
