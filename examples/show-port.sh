#!/bin/sh
# show-port.sh PORT - programs on the server reach your port PORT at a free port there, until this is interrupted. Prints
# one line: listening R ADDRESS:PORT localhost:PORT
#
#   SSH_HOST=bastion.example.net examples/show-port.sh 3000
set -eu
. "$(dirname "$0")/server.sh"
exec "$adit" -N -o ExitOnForwardFailure=yes -R "127.0.0.1:0:localhost:${1:?which port?}" "$destination"
