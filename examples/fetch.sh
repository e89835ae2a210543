#!/bin/sh
# fetch.sh URL - a page that only the server can reach, by curl through a SOCKS proxy on a free port; the server looks up
# the name.
#
#   SSH_HOST=bastion.example.net examples/fetch.sh http://wiki.internal/
set -eu
. "$(dirname "$0")/server.sh"
url=${1:?which URL?}
# shellcheck disable=SC2016 # the variable is set by adit
exec "$adit" run "$destination" -D "proxy=127.0.0.1:0" -- \
    env -u SSH_PASSWORD sh -c 'exec curl -sS --fail --proxy "$ADIT_PROXY_URL" "$1"' fetch "$url"
