# server.sh - read by the other examples: which server, from the environment.
#   SSH_HOST      its name or address, or an alias of ~/.ssh/config
#   SSH_PORT      its port, if it is another one than 22
#   SSH_USER      the account there, if it is another one than here
#   SSH_PASSWORD  the account's password; without it keys and an agent are used, as ever
#   ADIT          which adit; `adit` by default
# Sets $adit, and $destination as ssh's URI.
: "${SSH_HOST:?which server? Set SSH_HOST, and SSH_PORT, SSH_USER, SSH_PASSWORD where they are needed}"
adit=${ADIT:-adit}
destination=ssh://${SSH_USER:+$SSH_USER@}$SSH_HOST${SSH_PORT:+:$SSH_PORT}
if [ -n "${SSH_PASSWORD:-}" ]; then
    # Asked without a terminal; neither a command line nor a file has the password.
    SSH_ASKPASS=$(cd "$(dirname "$0")" && pwd)/askpass.sh
    SSH_ASKPASS_REQUIRE=force
    export SSH_ASKPASS SSH_ASKPASS_REQUIRE SSH_PASSWORD
fi
