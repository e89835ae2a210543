# apt.sh - sourced by deps and peers: Debian packages of other suites than the machine's own, from the
# mirror that the machine is set up with, with apt's signatures, and without touching the machine's
# package lists. Sets nothing but functions and APT_*. Callers define `die`.

# apt_setup DIR TYPES SUITES: the private lists live in DIR. Nothing is fetched yet.
apt_setup()
{
    APT_DIR=$1
    APT_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -r "$APT_KEYS" ] || die "no $APT_KEYS: run  apt-get install debian-archive-keyring"
    mkdir -p "$APT_DIR/lists/partial" "$APT_DIR/archives/partial"
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
        "$2" "$(apt_mirror)" "$3" "$APT_KEYS" >"$APT_DIR/private.sources"
    APT_OPTIONS="-qq -o Dir::Etc::sourcelist=$APT_DIR/private.sources -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists=$APT_DIR/lists -o Dir::Cache::archives=$APT_DIR/archives
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Get::List-Cleanup=0
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o APT::Sandbox::User=root -o Acquire::Retries=3"
}

# The site that this machine's own release comes from.
apt_mirror()
{
    local codename site
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    site=$(apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(CODENAME) $(COMPONENT) $(SITE)' 2>/dev/null |
        awk -v c="$codename" '$1 == "Packages" && ($2 == c || $3 == c) && $4 == "main" { print $5; exit }')
    [ -n "$site" ] || die "apt knows no Debian mirror for '$codename' main: set one up in /etc/apt/sources.list"
    echo "$site"
}

# Fetches the lists. Where the mirror's signed list is older than its own date of expiry (a frozen or slow mirror),
# it is taken all the same and APT_STALE is set: the caller may use then what it can check by itself.
apt_update()
{
    APT_STALE=
    apt_update_once && return
    if grep -q 'is expired' "$APT_DIR/update.log"; then
        APT_STALE=1
        apt_update_once -o Acquire::Check-Valid-Until=false && return
    fi
    die "the package mirror gives no lists: $(grep '^[WE]:' "$APT_DIR/update.log" | head -1)" \
        "- check the network and the mirror in /etc/apt"
}

apt_update_once()
{
    apt-get $APT_OPTIONS "$@" update >"$APT_DIR/update.log" 2>&1 && ! grep -q '^[WE]:' "$APT_DIR/update.log"
}

# apt_source_files PACKAGE: lines "version sha256 file" of every version that the signed index lists.
apt_source_files()
{
    apt-cache $APT_OPTIONS showsrc --only-source "$1" 2>/dev/null | awk -v p="$1" '
        /^Package: / { mine = ($2 == p) }
        /^Version: / { version = $2 }
        /^[^ ]/ { sums = ($1 == "Checksums-Sha256:") }
        /^ / && sums && mine { print version, $1, $3 }'
}
