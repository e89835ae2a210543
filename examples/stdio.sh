#!/bin/sh
# stdio.sh HOST:PORT - standard input and output are connected with a service that the server reaches.
#
#   SSH_HOST=bastion.example.net examples/stdio.sh mail.internal:25
set -eu
. "$(dirname "$0")/server.sh"
exec "$adit" -W "${1:?which service, as HOST:PORT?}" "$destination"
