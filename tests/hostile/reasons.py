"""Why another client differs: (clients, cases, outcome, verdict, what it does and what its document says of that). The first that
fits counts; what fits none is said by the table to be unexplained."""
WRONG, TASTE, LACKS = "wrong", "taste", "lacks"

STILL = "still there|not over after"
BOTH = ("ssh", "dbclient")

REASONS = (
    # ---- what was not asked after all ----
    (("ssh",), r"mlkem", "never came", LACKS, "OpenSSH 9.2 has no mlkem768x25519-sha256."),
    (BOTH, r".", "the peer itself failed", LACKS, "It answers in a way that the peer of these cases cannot follow; no verdict."),
    (("dbclient",), r".", "No matching algo|never came|never connected", LACKS,
     "It has not the algorithm or the step that the case is about (it does not wish for an answer to its request of a command, for one)."),

    (("dbclient",), r".", "bad packet size|String too long", TASTE, "Takes packets of little more than 35,000 bytes, all that RFC 4253 §6.1 demands, and strings of that order."),
    (BOTH, r"^zlib-unasked", ".", TASTE, "Offers compression behind `none` without being asked, so that a server may choose it."),

    # ---- ssh: wrong ----
    (("ssh",), r"^signature-ed25519-s-order$", ".", WRONG,
     "Takes a signature whose s has the group's order added: RFC 8032 §5.1.7 has a signature with s out of range invalid. Nobody can forge one "
     "without a valid one; but signatures are no longer unique."),
    (BOTH, r"^unknown-|^flood-unknown|^flood-ping|^ping-", "ended with|transfer", WRONG,
     "Ends the session at a message number that it does not know: RFC 4253 §11.4 demands UNIMPLEMENTED. (OpenSSH knows ping@openssh.com from 9.5 on.)"),
    (("ssh",), r"^ext-info-before-success$", ".", WRONG, "Ends the session at the second EXT_INFO, which RFC 8308 §2.4 lets a server send right before the success."),
    (("ssh",), r"^(silence|slow|drip)-", STILL, WRONG,
     "ConnectTimeout does not end it, though ssh_config(5) has it cover the handshake and the key exchange: it waits for ever."),
    (BOTH, r"^cut-failure|^lie-methods|^text-methods-control|^auth-failure-nasty", STILL, WRONG,
     "A USERAUTH_FAILURE that cannot be read is dropped, and it waits for ever for an answer that came."),
    (("ssh",), r"zlib-bomb-(100-mb|in-data)", STILL, WRONG,
     "Opens all of it: a payload may have 256 KiB, what is packed in it has no such bound. It is busy for longer than 5 seconds and does not hear "
     "SIGTERM meanwhile; 20 MB in 20 KB of a packet (RFC 4253 §6.1)."),
    (("ssh",), r"-lines$", "reached the terminal", TASTE,
     "Lets carriage return through, as RFC 4251 §9.2 lets it: the server can write over the beginning of the line that quotes it."),
    (("ssh",), r"-(bidi|long)$", "reached the terminal", TASTE, "Shows bidirectional controls in a banner: no RFC speaks of them, and they turn around what is read."),
    (("ssh",), r".", "reached the terminal", WRONG,
     "BEL and backspace of the server reach the terminal: RFC 4251 §9.2 has control characters replaced. Escape sequences are made harmless."),
    (("ssh",), r"^zlib-bomb-300-kb", STILL, TASTE, "Takes a payload of 300,000 bytes if it came compressed; RFC 4253 §6.1 sets a least, not a most."),

    # ---- dbclient: wrong ----
    (("dbclient",), r"^(cut|end|gone|text|lie)-.*(disconnect|change)|^auth-password-change|^command-(session-refused|status-long)", "status 0", WRONG,
     "Ends with status 0 when the server throws it out, refuses the session, or wants the password changed: a script takes that for success."),
    (("dbclient",), r"^host-key-(stranger|changes)-at-rekey", ".", WRONG,
     "Looks at the host key in the first exchange alone; RFC 4253 §9 has a re-exchange processed like the first. (Who is inside the session by then "
     "has shown the right key once.)"),
    (("dbclient",), r"^kexinit-guess-wrong", ".", WRONG, "Ends at a wrong guess of the server's, which RFC 4253 §7 has ignored."),

    (("dbclient",), r"^strict-", ".", WRONG,
     "Takes IGNORE, DEBUG and UNIMPLEMENTED between its own NEWKEYS and the server's, where strict key exchange allows nothing else. Numbers begin "
     "anew behind it, so that the Terrapin attack (CVE-2023-48795) does not work even so."),
    (("dbclient",), r"^signature-ed25519-s-order$", ".", WRONG, "Takes a signature whose s has the group's order added, which RFC 8032 §5.1.7 has invalid."),

    # ---- dbclient: taste ----
    (("dbclient",), r"padding-[0-3]$", "still there", TASTE, "Does not look at whether there are four bytes of padding, which RFC 4253 §6 has the server put there."),
    (("dbclient",), r"^window-overflow", "still there", TASTE, "Holds a window at its largest instead of ending; RFC 4254 §5.2 forbids the server to go beyond."),
    (("dbclient",), r"^packet-.*largest$", "ended with", TASTE, "Takes no payload of more than 32,768 bytes, all that RFC 4253 §6.1 demands."),
    (("dbclient",), r"^rekey-data-inside", ".", TASTE, "Ends at data inside of a re-exchange, which RFC 4253 §7.1 forbids the server to send; adit takes it, as some servers do."),
    (("dbclient",), r"^ext-info-sig-algs-empty", ".", TASTE, "Believes a server that says it knows no signature algorithm, and offers no key; adit offers what RFC 8308 §3.1 lets it try."),
    (("dbclient",), r"^(cut|lie)-(debug|unimplemented|open|data|global|prompt|banner|extended|failure)", "still there", TASTE,
     "Does not read the fields of a message that it drops, refuses or needs the beginning of only."),

    # ---- ssh: taste ----
    (("ssh",), r"^host-key-changes-at-rekey$", ".", TASTE,
     "Takes another known key of that host at a re-exchange. RFC 4253 §9 says that host keys can change; adit holds on to the one it has checked, so that "
     "nobody who has one of the keys can step in later."),
    (("ssh",), r"^certificate-principals-many$", ".", TASTE, "Takes at most 256 principals: a limit of its own; OpenSSH's PROTOCOL.certkeys has none."),
    (("ssh",), r"hostkeys-list", "server already sent", TASTE, "Ends the session at a second list of host keys; OpenSSH's PROTOCOL §2.5 says nothing of a second one."),
    (BOTH, r"-control$|path-nul$", "ended with|transfer|never came", TASTE,
     "Ends the session at a null character in a text. RFC 4251 §5 allows it in a string; who ends there is safe, too."),
    (BOTH, r"^banner-flood|for-ever|-hundred$", STILL, TASTE,
     "No bound on banners, prompts, rounds or partial successes: the RFCs set none. A server can keep it for ever."),
    (BOTH, r"^window-(data-beyond|packet)|^command-window-burst|extended-beyond", "still there|status 0", TASTE,
     "Takes or drops data beyond what it granted: RFC 4254 §5.2 says that all extra data MAY be ignored."),
    (BOTH, r"trailing|^cut-service-accept|^zlib-(plain|finished|cut|two-messages)", "still there|status 0", TASTE,
     "Does not look at what stands behind, or is missing from, a message whose rest it does not need."),
    (BOTH, r"^(cut|lie)-(extended|exit-signal)|^command-(signal|status-then-signal)|exit-signal", "still there|status 0", TASTE,
     "Does not read these fields at all: extended data on a forward is dropped (RFC 4254 §5.2), an exit-signal is not looked at (§6.10 asks for nothing)."),
    (BOTH, r"^text-service|^order-service-wrong|^lie-service", STILL, TASTE, "Does not look at which service was accepted: it has asked for one only."),
    (BOTH, r"^order-|^auth-|^ext-info-|^machine-(twice|trailing)|^kexinit-", STILL, TASTE,
     "Drops a message that may not come there, or answers UNIMPLEMENTED, and goes on. RFC 4252 and 4253 say what a server MUST NOT send, not what "
     "becomes of it; adit ends, since nothing that follows can be trusted to be in step."),
    (BOTH, r"^channel-|twice|after-eof|after-close|before-confirm|packet-0|^open-|^remote-|^streamlocal-|^hostkeys-", "still there|status 0", TASTE,
     "Drops what a channel or a request may not get (or takes it) and goes on: RFC 4254 §5 binds who sends, not who receives."),
    (("ssh",), r"^command-gone-behind-status|^gone-close-at-(eof|close)", "status 0", TASTE, "Trusts the status that it has, though the connection ended before the channel did."),
)
