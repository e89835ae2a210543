# Completion of adit(1) for fish 3.1 or later: flags, keywords of -o, hosts of ~/.ssh/config, verbs and tunnels.

set -g __adit_valued BbcDEeFIiJLlmOoPpQRSWw

set -g __adit_keywords \
    AddKeysToAgent AddressFamily AditBackoff AditDetect AditExitCodes AditHostKeyFingerprint AditProxy \
    AditReadyFd AditReclaim AditReconnect AditSandbox BatchMode BindAddress BindInterface CASignatureAlgorithms CanonicalDomains \
    CanonicalizeFallbackLocal CanonicalizeHostname CanonicalizeMaxDots CanonicalizePermittedCNAMEs \
    CertificateFile ChannelTimeout CheckHostIP Ciphers ClearAllForwardings Compression ConnectTimeout \
    ConnectionAttempts ControlMaster ControlPath ControlPersist DynamicForward EnableEscapeCommandline \
    EscapeChar ExitOnForwardFailure FingerprintHash ForkAfterAuthentication ForwardAgent GatewayPorts \
    GlobalKnownHostsFile HashKnownHosts HostKeyAlgorithms HostKeyAlias HostName IPQoS IdentitiesOnly \
    IdentityAgent IdentityFile IgnoreUnknown KbdInteractiveAuthentication KbdInteractiveDevices KexAlgorithms \
    KnownHostsCommand LocalCommand LocalForward LogLevel MACs NoHostAuthenticationForLocalhost \
    NumberOfPasswordPrompts ObscureKeystrokeTiming PasswordAuthentication PermitLocalCommand PermitRemoteOpen \
    Port PreferredAuthentications ProxyCommand ProxyJump ProxyUseFdpass PubkeyAcceptedAlgorithms \
    PubkeyAuthentication RefuseConnection RekeyLimit RemoteCommand RemoteForward RequestTTY RequiredRSASize \
    RevokedHostKeys SendEnv ServerAliveCountMax ServerAliveInterval SessionType SetEnv StdinNull \
    StreamLocalBindMask StreamLocalBindUnlink StrictHostKeyChecking SyslogFacility TCPKeepAlive Tag \
    UpdateHostKeys User UserKnownHostsFile VersionAddendum VisualHostKey WarnWeakCrypto

# The literal names of the Host lines of an ssh_config and of what it includes; __adit_seen: the files so far.
function __adit_hosts_of --argument-names file
    contains -- "$file" $__adit_seen; and return
    test -f "$file" -a -r "$file"; or return
    set -ga __adit_seen $file
    while read -l text
        set -l words (string replace -r '^\s*([[:alpha:]]+)\s*=?' '$1 ' -- "$text" | string replace -ar '[\s"]+' ' ' | string split -n ' ')
        switch (string lower -- "$words[1]")
            case host
                for word in $words[2..-1]
                    string match -q '#*' -- $word; and break
                    string match -r '^[[:alnum:]_][[:alnum:]._:%@+-]*$' -- $word
                end
            case include
                for word in $words[2..-1]
                    string match -q '#*' -- $word; and break
                    if string match -q '~/*' -- $word
                        set word $HOME/(string sub -s 3 -- $word)
                    else if not string match -q '/*' -- $word
                        set word $HOME/.ssh/$word
                    end
                    set -l folder (string replace -r '/[^/]*$' '' -- $word)
                    for found in $folder/*
                        string match -q -- $word $found; and __adit_hosts_of $found
                    end
                end
        end
    end <$file
end

# The word at the cursor, without its flag: -oName is Name.
function __adit_current
    string replace -r "^-[^-$__adit_valued][^$__adit_valued]*[$__adit_valued]|^-[$__adit_valued]" '' -- (commandline -ct)
end

# [user@]host, the last one of a list with commas.
function __adit_hosts
    set -l config $HOME/.ssh/config
    set -l before (__adit_current | string replace -r '[^@,=]*$' '')
    set -l words (commandline -opc)
    for i in (seq (count $words))
        set -l given (string match -r "^-[^$__adit_valued-]*F(.*)\$" -- $words[$i])[2]
        and set config $given
        and test -z "$given"
        and set config "$words[$(math $i + 1)]"
    end
    set -g __adit_seen
    string replace -r '^' -- "$before" (__adit_hosts_of (string replace -r '^~/' "$HOME/" -- $config))
end

function __adit_interfaces
    for at in /sys/class/net/*
        string replace -r '.*/' '' -- $at
    end
end

# What adit -Q answers.
function __adit_query
    set -l words (commandline -opc)
    command $words[1] -Q $argv[1] 2>/dev/null </dev/null
end

function __adit_query_list
    set -l before (__adit_current | string replace -r '[^,=]*$' '')
    string replace -r '^' -- "$before" (__adit_query $argv[1])
end

function __adit_keyword
    set -l word (__adit_current)
    set -l keyword (string lower -- (string replace -r '=.*' '' -- $word))
    if not string match -q '*=*' -- $word
        printf '%s=\n' $__adit_keywords
        return
    end
    switch $keyword
        case ciphers macs kexalgorithms hostkeyalgorithms pubkeyacceptedalgorithms casignaturealgorithms
            __adit_query_list $keyword
        case proxyjump
            __adit_hosts
        case identityfile certificatefile controlpath globalknownhostsfile userknownhostsfile identityagent revokedhostkeys
            set -l before (string replace -r '=.*' '=' -- $word)
            string replace -r '^' -- $before (__fish_complete_path (string replace -r '^[^=]*=' '' -- $word))
    end
end

# No destination stands on the line yet.
function __adit_wants_destination
    set -l skips 0
    set -l only_words 0
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test $skips = 1
            set skips 0
        else if test $only_words$word = 0--
            set only_words 1
        else if test $only_words = 0; and string match -qr '^-.' -- $word
            string match -qr "^-[^$__adit_valued]*[$__adit_valued]\$" -- $word; and set skips 1
        else
            return 1
        end
    end
    return 0
end

# The verbs, as adit -h names them below "VERB"; without the daemon there are none.
function __adit_verbs
    set -l words (commandline -opc)
    set -l is_below 0
    for row in (command $words[1] -h 2>/dev/null </dev/null)
        test $is_below = 1; and string match -ar '\S+' -- $row
        string match -q '*adit VERB*' -- $row; and set is_below 1
    end
end

function __adit_has_verb
    set -l words (commandline -opc)
    test (count $words) -gt 1; or return
    string match -qr '^[a-z]+$' -- $words[2]; and contains -- $words[2] (__adit_verbs)
end

function __adit_wants_verb
    test (count (commandline -opc)) = 1
end

# The options of a verb are those of its usage; what takes a value has a "=" behind it here.
function __adit_verb_options
    set -l words (commandline -opc)
    set -l usage (command $words[1] $words[2] -h 2>/dev/null </dev/null)[1]
    echo -- -h
    if string match -q '*\[ssh options\]*' -- $usage
        string match -ar '.' -- 46AaCfGghKkMNnqsTtVvXxYy | string replace -r '^' -- -
        string match -ar '.' -- BbcDEeFiJLlmOoPpQRSW | string replace -r '(.)' -- '-$1='
    end
    for option in (string match -ar '(?<=[[ |])--?[[:alnum:]][[:alnum:]-]*(?:(?:\|-[[:alpha:]])*(?:=| [[:alnum:]]| \[[[:upper:]]))?' -- $usage)
        set -l name (string match -r '^--?[[:alnum:]-]+' -- $option)
        if test "$name" != "$option"
            echo -- $name=
            # -L|-R|-D SPEC: all of them
            string match -ar '(?<=\|)-[[:alpha:]]' -- $option | string replace -r '$' =
        else if string match -q -- '--*' $name
            echo -- $name
        else
            string match -ar '[[:alnum:]]' -- $name | string replace -r '^' -- -
        end
    end
end

# The names of the daemon's tunnels: the first column of adit list, below its header.
function __adit_tunnels
    set -l rows (command $argv[1] list $argv[2..-1] 2>/dev/null </dev/null)
    string replace -r '  .*' '' -- $rows[2..-1]
end

function __adit_verb_value
    switch $argv[1]
        case --socket --state -c -E -F -i
            __fish_complete_path (string replace -r '^--[^=]*=' '' -- (commandline -ct))
        case --log-format
            printf '%s\n' text json
        case --tools
            printf '%s\n' read tunnel read,tunnel
        case -J
            __adit_hosts
        case -l
            __fish_complete_users
        case -o
            __adit_keyword
    end
end

# What may stand at the cursor, behind a verb.
function __adit_verb
    set -l words (commandline -opc)
    set -l verb $words[2]
    set -l options (__adit_verb_options)
    set -l program $words[1]
    set -l waiting
    set -l only_words 0
    set -l count 0
    for word in $words[3..-1]
        if set -q waiting[1]
            test $waiting = --socket; and set program $words[1] --socket=$word
            set waiting
        else if test $only_words = 1; or not string match -qr '^-.' -- $word
            set count (math $count + 1)
        else if test "x$word" = x--
            set only_words 1
            test $verb = run; and set verb command; and set count 0
        else if string match -q -- '--socket=*' $word
            set program $words[1] $word
        else if contains -- "$word=" $options
            set waiting $word
        else if string match -qr '^-[^-]' -- $word; and contains -- -(string sub -s -1 -- $word)= $options
            string match -qr '^-[46ACNadfgkqstTvVXxYyKGMn]*.$' -- $word; and set waiting -(string sub -s -1 -- $word)
        end
    end
    set -l current (commandline -ct)
    if set -q waiting[1]
        __adit_verb_value $waiting
    else if test $only_words = 0; and string match -qr '^--[^=]+=' -- $current
        set -l name (string replace -r '=.*' '' -- $current)
        string replace -r '^' -- "$name=" (__adit_verb_value $name)
    else if test $only_words = 0; and string match -q -- '-*' $current
        string replace -r '^(-[^-])=$' '$1' -- $options
    else
        switch $verb:$count
            case 'up:*' 'down:*' 'restart:*' 'wait:*' 'status:*' addr:0 rm:0 logs:0 edit:0
                __adit_tunnels $program
            case 'edit:*'
                printf '%s=\n' name host port profile_id jump_host_id jump_session_id forward_type local_port bind_address \
                    remote_host remote_port auto_start auto_reconnect max_retries description lazy idle_exit
            case check:0
                __fish_complete_path $current
            case add:1 open:0 run:0
                __adit_hosts
            case command:0
                __fish_complete_command
            case 'command:*'
                __fish_complete_path $current
        end
    end
end

complete -c adit -f
complete -c adit -n '__adit_wants_verb' -a '(__adit_verbs)'
complete -c adit -n '__adit_has_verb' -a '(__adit_verb)'
complete -c adit -n 'not __adit_has_verb; and __adit_wants_destination' -a '(__adit_hosts)'
complete -c adit -n 'not __adit_has_verb' -s 4 -d 'use IPv4 only'
complete -c adit -n 'not __adit_has_verb' -s 6 -d 'use IPv6 only'
complete -c adit -n 'not __adit_has_verb' -s A -d 'forward the agent'
complete -c adit -n 'not __adit_has_verb' -s a -d 'do not forward the agent'
complete -c adit -n 'not __adit_has_verb' -s B -x -a '(__adit_interfaces)' -d 'connect from an interface'
complete -c adit -n 'not __adit_has_verb' -s b -x -d 'connect from an address'
complete -c adit -n 'not __adit_has_verb' -s C -d 'compress'
complete -c adit -n 'not __adit_has_verb' -s c -x -a '(__adit_query_list cipher)' -d 'ciphers, best first'
complete -c adit -n 'not __adit_has_verb' -s D -x -d 'listen as a SOCKS server'
complete -c adit -n 'not __adit_has_verb' -s E -r -F -d 'append the log to a file'
complete -c adit -n 'not __adit_has_verb' -s e -x -d 'set the escape character'
complete -c adit -n 'not __adit_has_verb' -s F -r -F -d 'read this configuration file'
complete -c adit -n 'not __adit_has_verb' -s f -d 'go to the background once authenticated'
complete -c adit -n 'not __adit_has_verb' -s G -d 'print the configuration and end'
complete -c adit -n 'not __adit_has_verb' -s g -d 'let other hosts use local forwards'
complete -c adit -n 'not __adit_has_verb' -s h -d 'show a short help'
complete -c adit -n 'not __adit_has_verb' -s i -r -F -d 'use this private key'
complete -c adit -n 'not __adit_has_verb' -s J -x -a '(__adit_hosts)' -d 'go through jump hosts'
complete -c adit -n 'not __adit_has_verb' -s K -d 'ask for GSSAPI (no effect)'
complete -c adit -n 'not __adit_has_verb' -s k -d 'do not delegate GSSAPI credentials'
complete -c adit -n 'not __adit_has_verb' -s L -x -d 'forward a local port'
complete -c adit -n 'not __adit_has_verb' -s l -x -a '(__fish_complete_users)' -d 'log in as this user'
complete -c adit -n 'not __adit_has_verb' -s M -d 'be a master for other connections'
complete -c adit -n 'not __adit_has_verb' -s m -x -a '(__adit_query_list mac)' -d 'MACs, best first'
complete -c adit -n 'not __adit_has_verb' -s N -d 'carry the forwards and nothing else'
complete -c adit -n 'not __adit_has_verb' -s n -d 'read nothing from standard input'
complete -c adit -n 'not __adit_has_verb' -s O -x -a 'check forward cancel exit stop' -d 'command the master'
complete -c adit -n 'not __adit_has_verb' -s o -x -a '(__adit_keyword)' -d 'set a keyword of ssh_config'
complete -c adit -n 'not __adit_has_verb' -s P -x -d 'set the tag of Match tagged'
complete -c adit -n 'not __adit_has_verb' -s p -x -d 'connect to this port'
complete -c adit -n 'not __adit_has_verb' -s Q -x -a '(__adit_query help)' -d 'print the algorithms of a kind'
complete -c adit -n 'not __adit_has_verb' -s q -d 'say nothing'
complete -c adit -n 'not __adit_has_verb' -s R -x -d 'forward a port of the server'
complete -c adit -n 'not __adit_has_verb' -s S -r -F -d 'use this socket of a master'
complete -c adit -n 'not __adit_has_verb' -s s -d 'ask for a subsystem'
complete -c adit -n 'not __adit_has_verb' -s T -d 'ask for no terminal'
complete -c adit -n 'not __adit_has_verb' -s t -d 'ask for a terminal'
complete -c adit -n 'not __adit_has_verb' -s V -d 'print the version'
complete -c adit -n 'not __adit_has_verb' -s v -d 'say more; up to three times'
complete -c adit -n 'not __adit_has_verb' -s W -x -d 'connect standard input and output to a host'
complete -c adit -n 'not __adit_has_verb' -s X -d 'forward X11 (no effect)'
complete -c adit -n 'not __adit_has_verb' -s x -d 'do not forward X11'
complete -c adit -n 'not __adit_has_verb' -s Y -d 'forward trusted X11 (no effect)'
complete -c adit -n 'not __adit_has_verb' -s y -d 'log to syslog'
