#!/bin/sh
# with-service.sh HOST:PORT COMMAND [ARGUMENT...] - runs a command while a service that the server reaches at HOST:PORT can
# be had here: its address is in $ADIT_SERVICE_ADDR, also apart in _HOST and _PORT. The command's exit status is ours.
#
#   SSH_HOST=bastion.example.net examples/with-service.sh db.internal:5432 sh -c 'pg_dump -h $ADIT_SERVICE_HOST -p $ADIT_SERVICE_PORT'
set -eu
. "$(dirname "$0")/server.sh"
service=${1:?which service, as HOST:PORT?}
shift
exec "$adit" run "$destination" -L "service=127.0.0.1:0:$service" -- env -u SSH_PASSWORD "$@"
