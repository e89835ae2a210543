# Completion of adit(1) for bash 4.3 or later: flags, keywords of -o, hosts of ~/.ssh/config, verbs and tunnels.
# It needs nothing else: `. adit.bash`, or bash-completion finds it by its name.
# Words of files are text alone here: nothing of them is expanded or run (so there is no compgen -W).

_adit_plain=46AaCfGgKkMNnqsTtVvXxYyh
_adit_valued=BbcDEeFiJLlmOopPQRSW
_adit_valued_refused=Iw

_adit_keywords='AddKeysToAgent AddressFamily AditBackoff AditDetect AditExitCodes AditHostKeyFingerprint AditProxy
AditReadyFd AditReclaim AditReconnect AditSandbox BatchMode BindAddress BindInterface CASignatureAlgorithms CanonicalDomains
CanonicalizeFallbackLocal CanonicalizeHostname CanonicalizeMaxDots CanonicalizePermittedCNAMEs CertificateFile
ChannelTimeout CheckHostIP Ciphers ClearAllForwardings Compression ConnectTimeout ConnectionAttempts ControlMaster
ControlPath ControlPersist DynamicForward EnableEscapeCommandline EscapeChar ExitOnForwardFailure FingerprintHash
ForkAfterAuthentication ForwardAgent GatewayPorts GlobalKnownHostsFile HashKnownHosts HostKeyAlgorithms HostKeyAlias
HostName IPQoS IdentitiesOnly IdentityAgent IdentityFile IgnoreUnknown KbdInteractiveAuthentication
KbdInteractiveDevices KexAlgorithms KnownHostsCommand LocalCommand LocalForward LogLevel MACs
NoHostAuthenticationForLocalhost NumberOfPasswordPrompts ObscureKeystrokeTiming PasswordAuthentication
PermitLocalCommand PermitRemoteOpen Port PreferredAuthentications ProxyCommand ProxyJump ProxyUseFdpass
PubkeyAcceptedAlgorithms PubkeyAuthentication RefuseConnection RekeyLimit RemoteCommand RemoteForward RequestTTY
RequiredRSASize RevokedHostKeys SendEnv ServerAliveCountMax ServerAliveInterval SessionType SetEnv StdinNull
StreamLocalBindMask StreamLocalBindUnlink StrictHostKeyChecking SyslogFacility TCPKeepAlive Tag UpdateHostKeys User
UserKnownHostsFile VersionAddendum VisualHostKey WarnWeakCrypto'

# ---- What there is to choose from: each adds to `words`, which is its caller's ----

# The literal names of the Host lines of an ssh_config and of what it includes; `seen` holds the files that were read.
_adit_hosts_of() {
    local file=$1 line keyword word found
    local -a rest
    [[ -f $file && -r $file && $seen != *"<$file>"* ]] || return 0
    seen+="<$file>"
    while read -r line || [[ $line ]]; do
        [[ ${line%$'\r'} =~ ^([[:alpha:]]+)[[:blank:]]*=?(.*)$ ]] || continue
        keyword=${BASH_REMATCH[1],,}
        [[ $keyword == host || $keyword == include ]] || continue
        read -ra rest <<<"${BASH_REMATCH[2]//\"/ }"
        for word in "${rest[@]}"; do
            [[ $word == '#'* ]] && break
            if [[ $keyword == host ]]; then
                [[ $word == [[:alnum:]_]* && $word != *[![:alnum:]._:%@+-]* ]] && words+=("$word")
                continue
            fi
            # shellcheck disable=SC2088  # it is a text of the file
            case $word in
            '~/'*) word=$HOME/${word#'~/'} ;;
            /*) ;;
            *) word=$HOME/.ssh/$word ;;
            esac
            while read -r found; do
                _adit_hosts_of "$found"
            done < <(compgen -G "$word")
        done
    done <"$file"
}

_adit_hosts() {
    local seen=
    _adit_hosts_of "$config"
}

# What adit -Q answers.
_adit_query() {
    local word
    while read -r word; do
        words+=("$word")
    done < <("$program" -Q "$1" 2>/dev/null </dev/null)
}

# The verbs, as adit -h names them below "VERB"; without the daemon there are none.
_adit_verbs() {
    local text
    text=$("$program" -h 2>/dev/null </dev/null)
    [[ $text == *'adit VERB'*:* ]] || return 0
    read -ra words -d '' <<<"${text##*:}"
}

# The names of the daemon's tunnels: the first column of adit list, as a word of the shell.
_adit_tunnels() {
    local row name
    while read -r row; do
        name=${row%%  *}
        if [[ $row == *'  '* && ! ($name == NAME && $row == *STATE*SPEC*) ]]; then
            printf -v name %q "$name"
            words+=("$name")
        fi
    done < <("$program" list "${socket[@]}" 2>/dev/null </dev/null)
}

# ---- Answers ----

# Those of `words` that begin with $1, where $2 stands before it in the word; in any case with a third argument.
_adit_reply() {
    local word start=$1
    [[ $# -gt 2 ]] && start=${start,,}
    for word in "${words[@]}"; do
        if [[ $# -gt 2 && ${word,,} == "$start"* || $# -eq 2 && $word == "$start"* ]]; then
            word=$2$word
            COMPREPLY+=("${word#"$cut"}")
        fi
    done
}

# The last one of a list with commas.
_adit_reply_last() {
    local before=
    [[ $1 == *,* ]] && before=${1%,*},
    _adit_reply "${1#"$before"}" "$2$before"
}

# [user@]host
_adit_reply_host() {
    local before=
    [[ $1 == *@* ]] && before=${1%@*}@
    _adit_hosts
    _adit_reply "${1#"$before"}" "$2$before"
}

# Readline's own, where the value is a word of its own or what follows a "=".
_adit_reply_file() {
    compopt -o default 2>/dev/null
}

_adit_keyword() {
    local keyword=${1%%=*} value=${1#*=} word
    if [[ $1 != *=* ]]; then
        for word in $_adit_keywords; do
            words+=("$word=")
        done
        _adit_reply "$1" "$2" anycase
        compopt -o nospace 2>/dev/null
        return
    fi
    case ${keyword,,} in
    ciphers | macs | kexalgorithms | hostkeyalgorithms | pubkeyacceptedalgorithms | casignaturealgorithms)
        _adit_query "$keyword"
        _adit_reply_last "$value" "$2$keyword="
        ;;
    proxyjump) _adit_reply_host "${value##*,}" "$2${1%"${value##*,}"}" ;;
    identityfile | certificatefile | controlpath | globalknownhostsfile | userknownhostsfile | identityagent | \
        revokedhostkeys) _adit_reply_file ;;
    esac
}

# The value $2 of the flag $1; $3 is what stands before the value in its word.
_adit_value() {
    local at
    case $1 in
    o) _adit_keyword "$2" "$3" ;;
    J) _adit_reply_host "${2##*,}" "$3${2%"${2##*,}"}" ;;
    c)
        _adit_query cipher
        _adit_reply_last "$2" "$3"
        ;;
    m)
        _adit_query mac
        _adit_reply_last "$2" "$3"
        ;;
    Q)
        _adit_query help
        _adit_reply "$2" "$3"
        ;;
    O)
        words=(check forward cancel exit stop)
        _adit_reply "$2" "$3"
        ;;
    B)
        for at in /sys/class/net/*/; do
            at=${at%/}
            words+=("${at##*/}")
        done
        _adit_reply "$2" "$3"
        ;;
    E | F | i | S) _adit_reply_file ;;
    esac
}

# ---- The line ----

# The words before the last one of `line`: which flag waits for its value, whether there is a destination already.
_adit_scan() {
    local i word letter
    for ((i = 0; i < ${#line[@]} - 1; i++)); do
        word=${line[i]}
        if [[ $waiting ]]; then
            [[ $waiting == F ]] && config=${word/#'~/'/"$HOME/"}
            waiting=
        elif [[ $word == -- && ! $only_words ]]; then
            only_words=1
        elif [[ $word == -?* && ! $only_words ]]; then
            word=${word#-}
            while [[ $word ]]; do
                letter=${word:0:1} word=${word:1}
                [[ $_adit_valued$_adit_valued_refused == *"$letter"* ]] || continue
                [[ $word ]] || waiting=$letter
                [[ $letter == F && $word ]] && config=${word/#'~/'/"$HOME/"}
                break
            done
        elif [[ $destination ]]; then
            command=1
            return
        else
            destination=$word
        fi
    done
}

# What the verb's usage says: its options to `words`, those with a value to `valued`.
_adit_verb_options() {
    local usage name i
    read -r usage < <("$program" "$1" -h 2>/dev/null </dev/null)
    words=(-h)
    if [[ $usage == *'[ssh options]'* ]]; then
        for ((i = 0; i < ${#_adit_plain}; i++)); do words+=("-${_adit_plain:i:1}"); done
        for ((i = 0; i < ${#_adit_valued}; i++)); do words+=("-${_adit_valued:i:1}") valued+="-${_adit_valued:i:1} "; done
    fi
    while [[ $usage =~ [][\ \|](--?[[:alnum:]][[:alnum:]-]*)(.*)$ ]]; do
        name=${BASH_REMATCH[1]} usage=${BASH_REMATCH[2]}
        if [[ $usage =~ ^(\|-[[:alpha:]])*(=|\ [[:alnum:]]|\ \[[[:upper:]]) ]]; then
            valued+="$name "
        fi
        if [[ $name == -[!-]?* ]]; then
            for ((i = 1; i < ${#name}; i++)); do words+=("-${name:i:1}"); done
        else
            words+=("$name")
        fi
    done
}

# The value $2 of the option $1 of the verb; $3 is what stands before it in its word.
_adit_verb_value() {
    words=()
    case $1 in
    --socket | --state) _adit_reply_file ;;
    --log-format)
        words=(text json)
        _adit_reply "$2" "$3"
        ;;
    --tools)
        words=(read tunnel)
        _adit_reply_last "$2" "$3"
        ;;
    -c) if [[ $verb == run ]]; then _adit_value c "$2" "$3"; else _adit_reply_file; fi ;;
    -[!-]) _adit_value "${1#-}" "$2" "$3" ;;
    esac
}

# A word that is no option; $2 stand before it.
_adit_verb_word() {
    words=()
    case $verb:$2 in
    up:* | down:* | restart:* | wait:* | status:* | addr:0 | rm:0 | logs:0 | edit:0)
        _adit_tunnels
        _adit_reply "$1" ''
        ;;
    edit:*)
        words=(name= host= port= profile_id= jump_host_id= jump_session_id= forward_type= local_port= bind_address=
            remote_host= remote_port= auto_start= auto_reconnect= max_retries= description= lazy= idle_exit=)
        _adit_reply "$1" ''
        compopt -o nospace 2>/dev/null
        ;;
    check:0) _adit_reply_file ;;
    add:1 | open:0 | run:0) _adit_reply_host "$1" '' ;;
    esac
}

_adit_verb() {
    local verb=${line[0]} valued=' ' count=0 i at word
    local -a socket=()
    _adit_verb_options "$verb"
    for ((i = 1; i < ${#line[@]} - 1; i++)); do
        word=${line[i]}
        if [[ $waiting ]]; then
            [[ $waiting == --socket ]] && socket=(--socket "$word")
            [[ $waiting == -F ]] && config=${word/#'~/'/"$HOME/"}
            waiting=
        elif [[ $only_words || $word != -?* ]]; then
            count=$((count + 1))
        elif [[ $word == -- ]]; then
            only_words=1
            [[ $verb == run ]] && count=0 verb=command
        elif [[ $word == --* ]]; then
            [[ $valued == *" $word "* ]] && waiting=$word
            [[ $word == --socket=* ]] && socket=("$word")
        else
            for ((at = 1; at < ${#word}; at++)); do
                [[ $valued == *" -${word:at:1} "* ]] || continue
                [[ ${word:at+1} ]] || waiting=-${word:at:1}
                break
            done
        fi
    done
    if [[ $waiting ]]; then
        _adit_verb_value "$waiting" "$cur" ''
    elif [[ $only_words || $cur != -* ]]; then
        _adit_verb_word "$cur" "$count"
        if [[ $verb == command && $count == 0 ]]; then
            while read -r word; do COMPREPLY+=("$word"); done < <(compgen -c -- "$cur")
        elif [[ $verb == command ]]; then
            _adit_reply_file
        fi
    elif [[ $cur == --*=* ]]; then
        _adit_verb_value "${cur%%=*}" "${cur#*=}" "${cur%%=*}="
    elif [[ $cur == -[!-]?* && $valued == *" ${cur:0:2} "* ]]; then
        _adit_verb_value "${cur:0:2}" "${cur:2}" "${cur:0:2}"
    else
        _adit_reply "$cur" ''
    fi
}

# A word that begins with "-": flags, and perhaps the value of the last one.
_adit_flags() {
    local i letter
    if [[ $1 == - ]]; then
        for ((i = 0; i < ${#_adit_plain}; i++)); do words+=("-${_adit_plain:i:1}"); done
        for ((i = 0; i < ${#_adit_valued}; i++)); do words+=("-${_adit_valued:i:1}"); done
        _adit_reply - ''
        return
    fi
    for ((i = 1; i < ${#1}; i++)); do
        letter=${1:i:1}
        if [[ $_adit_valued == *"$letter"* && ${1:i+1} ]]; then
            _adit_value "$letter" "${1:i+1}" "${1:0:i+1}"
            return
        fi
    done
    words=("$1")
    _adit_reply "$1" ''
}

_adit() {
    local program=$1 cur cut waiting='' only_words='' destination='' command='' config=$HOME/.ssh/config
    local i word joins=''
    local -a words=() line=()
    COMPREPLY=()
    # bash has cut the words at ":", "=" and "@" too: they are whole again here.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((${#line[@]})) && [[ $joins || $word == [:=@]* ]]; then
            line[${#line[@]} - 1]+=$word
        else
            line+=("$word")
        fi
        joins=
        [[ $word == *[:=@] ]] && joins=1
    done
    # $2 is what readline replaces: the end of the last word, up to the cursor.
    cur=${line[${#line[@]} - 1]}
    [[ $cur == *"$2" ]] || cur=$2
    cut=${cur%"$2"}
    if [[ ${line[0]} == [a-z]* ]]; then
        _adit_verbs
        if ((${#line[@]} > 1)) && [[ " ${words[*]} " == *" ${line[0]} "* ]]; then
            _adit_verb
            return
        fi
        [[ ${#line[@]} == 1 && $cur != *@* ]] || words=()
    elif ((${#line[@]} == 1)) && [[ ! $cur ]]; then
        _adit_verbs
    fi
    _adit_scan
    if [[ $command ]]; then
        return
    elif [[ $waiting ]]; then
        _adit_value "$waiting" "$cur" ''
    elif [[ $cur == -* && ! $only_words ]]; then
        _adit_flags "$cur"
    elif [[ ! $destination ]]; then
        _adit_reply_host "$cur" ''
    fi
}

complete -F _adit adit
