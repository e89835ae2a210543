# Completion of adit(1) for fish 3.1 or later: flags, keywords of -o, hosts of ~/.ssh/config.

set -g __adit_valued BbcDEeFIiJLlmOoPpQRSWw

set -g __adit_keywords \
    AddKeysToAgent AddressFamily AditBackoff AditDetect AditExitCodes AditHostKeyFingerprint AditProxy \
    AditReadyFd AditReconnect BatchMode BindAddress BindInterface CASignatureAlgorithms CanonicalDomains \
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
    set -l program (commandline -opc)[1]
    command $program -Q $argv[1] 2>/dev/null </dev/null
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

complete -c adit -f
complete -c adit -n __adit_wants_destination -a '(__adit_hosts)'
complete -c adit -s 4 -d 'use IPv4 only'
complete -c adit -s 6 -d 'use IPv6 only'
complete -c adit -s A -d 'forward the agent'
complete -c adit -s a -d 'do not forward the agent'
complete -c adit -s B -x -a '(__adit_interfaces)' -d 'connect from an interface'
complete -c adit -s b -x -d 'connect from an address'
complete -c adit -s C -d 'compress'
complete -c adit -s c -x -a '(__adit_query_list cipher)' -d 'ciphers, best first'
complete -c adit -s D -x -d 'listen as a SOCKS server'
complete -c adit -s E -r -F -d 'append the log to a file'
complete -c adit -s e -x -d 'set the escape character'
complete -c adit -s F -r -F -d 'read this configuration file'
complete -c adit -s f -d 'go to the background once authenticated'
complete -c adit -s G -d 'print the configuration and end'
complete -c adit -s g -d 'let other hosts use local forwards'
complete -c adit -s h -d 'show a short help'
complete -c adit -s i -r -F -d 'use this private key'
complete -c adit -s J -x -a '(__adit_hosts)' -d 'go through jump hosts'
complete -c adit -s K -d 'ask for GSSAPI (no effect)'
complete -c adit -s k -d 'do not delegate GSSAPI credentials'
complete -c adit -s L -x -d 'forward a local port'
complete -c adit -s l -x -a '(__fish_complete_users)' -d 'log in as this user'
complete -c adit -s M -d 'be a master for other connections'
complete -c adit -s m -x -a '(__adit_query_list mac)' -d 'MACs, best first'
complete -c adit -s N -d 'carry the forwards and nothing else'
complete -c adit -s n -d 'read nothing from standard input'
complete -c adit -s O -x -a 'check forward cancel exit stop' -d 'command the master'
complete -c adit -s o -x -a '(__adit_keyword)' -d 'set a keyword of ssh_config'
complete -c adit -s P -x -d 'set the tag of Match tagged'
complete -c adit -s p -x -d 'connect to this port'
complete -c adit -s Q -x -a '(__adit_query help)' -d 'print the algorithms of a kind'
complete -c adit -s q -d 'say nothing'
complete -c adit -s R -x -d 'forward a port of the server'
complete -c adit -s S -r -F -d 'use this socket of a master'
complete -c adit -s s -d 'ask for a subsystem'
complete -c adit -s T -d 'ask for no terminal'
complete -c adit -s t -d 'ask for a terminal'
complete -c adit -s V -d 'print the version'
complete -c adit -s v -d 'say more; up to three times'
complete -c adit -s W -x -d 'connect standard input and output to a host'
complete -c adit -s X -d 'forward X11 (no effect)'
complete -c adit -s x -d 'do not forward X11'
complete -c adit -s Y -d 'forward trusted X11 (no effect)'
complete -c adit -s y -d 'log to syslog'
