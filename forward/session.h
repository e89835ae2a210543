/*
 * session.h - a session: one SSH connection, one thread, one loop, any number of forwards.
 *
 * The session makes its local listeners, connects, lets somebody else answer what it cannot know (is this
 * host key the right one, which credential is next), and then carries connections until it is stopped or
 * the transport ends. It never prints, never prompts, never exits, opens no file and knows no option syntax.
 *
 * Threads. session_start starts the thread. session_stop, session_answer and session_snapshot may be called
 * from any thread: they post to the session's mailbox. The functions of struct session_ops are called on the
 * session's thread and must not block: while one runs, no byte of any channel moves.
 *
 * A session outlives its connection where it is told to (survives): forwards, listeners and counters belong
 * to the session; the machine (struct ssh) and the transport's socket to a connection inside it. It makes no
 * connection but the first by itself: SESSION_LOST says that there is none, session_connect orders the next.
 * When to try again, and whether, is for whoever is told.
 */
#ifndef FORWARD_SESSION_H
#define FORWARD_SESSION_H

#include <stdatomic.h>

#include "adit.h"
#include "net/mailbox.h"
#include "net/sock.h"
#include "ssh/ssh.h"

struct session;

/* ---- What it is told ---------------------------------------------------------------------------- */

enum session_forward_type {
    SESSION_FORWARD_LOCAL,   /* -L: listens here, the server connects to the target */
    SESSION_FORWARD_REMOTE,  /* -R: the server listens, we connect to the target, or, where there is none, to
                              * what each client names by SOCKS */
    SESSION_FORWARD_DYNAMIC, /* -D: listens here, each client names its target by SOCKS */
    SESSION_FORWARD_AGENT,   /* -A: the server's side may connect to our agent's socket, path; at most one */
    SESSION_FORWARD_STDIO,   /* -W: stdin_fd and stdout_fd to the target; at most one */
    SESSION_FORWARD_JUMP, /* a jump host: stream_fd to the target. ALL_FORWARDS_DONE is said when the target
                           * is reached; the session ends when the stream or the target's end does */
    SESSION_FORWARD_EXEC, /* no forward at all: a session channel, see struct session_exec */
    SESSION_FORWARD_CONTROL, /* a control socket, at which others ask for forwards and sessions of their own;
                              * at most one, see struct session_control */
};

/* A session channel (RFC 4254 §6): a shell, a command or a subsystem with our standard descriptors. The first
 * that ends, ends the whole session. */
enum session_exec_kind { SESSION_EXEC_SHELL, SESSION_EXEC_COMMAND, SESSION_EXEC_SUBSYSTEM };
struct session_exec {
    enum session_exec_kind kind;
    const char *text;       /* the command, or the subsystem's name */
    const char *const *env; /* "NAME=value", in the order in which they are said */
    size_t env_count;
    bool wants_agent; /* a guest's (guest.h): the agent too, if it is forwarded; others have it anyway */
    bool is_held;     /* not begun before SESSION_DO_BEGIN_EXEC */
    bool wants_pty;
    const char *term; /* with a pty: TERM, the size, and the modes of the local terminal */
    struct ssh_window window;
    const struct ssh_mode *modes;
    size_t mode_count;
    /* The near ends. The session works on copies of its own (net/standard.h) and leaves these open. */
    int in_fd, out_fd, err_fd;
};

/* A master's control socket (ssh/mux.h). It is there from the authentication on. Where something is at the
 * path already that is logged, and the session goes on without; what cannot be listened at ends it. */
struct session_control {
    const char *path;   /* NULL: no socket; clients come by SESSION_DO_TAKE_CLIENT alone */
    uint32_t pid;       /* what an alive check is told */
    bool gateway_ports; /* a forward without a bind address listens on all */
    bool is_persistent; /* ControlPersist: the session is there for its guests alone, and ends */
    uint32_t persist_s; /* when there was none for that long; 0: never */
    bool has_guest; /* guest_fd is a connected stream, the session's: the first guest, which nobody is asked
                       for. */
    int guest_fd;   /* Where no socket can be had the session is for it alone, and ends with it */
    bool must_ask;  /* ControlMaster ask: somebody must agree to each request; */
    const char *askpass; /* the program that asks (see control_confirm.c); NULL: nobody can be asked, and all
                          * are refused */
    /* Fills in what a terminal at fd is: exec's window and modes (room for LIMIT_SESSION_MODES). On the
     * session's thread; must not block. */
    void (*describe)(int fd, struct session_exec *exec, struct ssh_mode *modes);
};

/* A network of clients: IPv4's as its mapped IPv6 one, ::ffff:10.0.0.0 with 104 bits. See cidr_parse. */
struct session_net {
    uint8_t address[16];
    uint8_t bits; /* of the prefix; those behind it are 0 */
};

/* Who may use a local listener, and for what. Secrets are never logged. A client that is not allowed, one
 * with wrong credentials, and a destination that is not allowed are counted as denied. */
enum { SESSION_OWN_IPV6 = 0x10000 };
struct session_access {
    const struct session_net *allow; /* of LOCAL and DYNAMIC: others are reset, and nothing of them is read. A
                                      * client of a Unix socket is in no network */
    size_t allow_count;              /* 0: everybody */
    /* What a socket of the caller's is bound to: it may come whatever allow says. A port of 127.0.0.1; of ::1
     * with SESSION_OWN_IPV6 added. 0: none; NULL: never. Read on the session's thread. */
    const atomic_uint *own_end;
    /* Of DYNAMIC, and of REMOTE without a target. */
    const char *socks_user;     /* RFC 1929, and Basic of HTTP; NULL: nobody is asked who he is. At most 255
                                 * bytes each, no colon in the user. SOCKS 4 is refused where there is one */
    const char *socks_password; /* NULL with a user: nobody passes */
    const char *const *destinations; /* "HOST:PORT" each, see session_destination_check */
    size_t destination_count;        /* 0: all */
    bool http_connect;               /* HTTP CONNECT on the same port */
};

/* False: it is no destination. PermitRemoteOpen's words, "HOST:PORT", "[IPv6]:PORT", "any" and "none", with
 * '*' and '?' in either part. A client's word is compared, without regard to case: nothing is looked up, and
 * an address is one of the form in which RFC 5952 writes it. A pattern of a host that is made of digits, dots
 * and '*' or '?' alone, but "*" itself, is of IPv4 addresses: no name with a letter in it matches "10.*". */
bool session_destination_check(const char *text);

struct session_forward {
    enum session_forward_type type;
    /* Where to listen. NULL: the default. Local sides: NULL or "localhost" is 127.0.0.1 and ::1, "" or "*"
     * every address of both families, else a literal (no brackets) or a name. Remote: NULL asks the server
     * for "localhost", "" or "*" for "" (all), else as given. */
    const char *bind;
    uint16_t bind_port;    /* 0: a free one; locally the same on both families */
    bool bind_counts_up;   /* LOCAL, DYNAMIC, not with bind_port 0: where that port is busy the next one is
                            * tried, up to 65535; the same on both families */
    const char *bind_path; /* not NULL: a Unix socket instead of bind and bind_port */
    const char *host;      /* the target, a name or a literal without brackets; NULL for dynamic */
    uint16_t port;
    const char *path; /* not NULL: a Unix socket is the target instead */
    int stream_fd;    /* JUMP: a connected stream, the session's from its start on; ignored otherwise */
    const struct session_exec *exec;       /* EXEC's */
    const struct session_control *control; /* CONTROL's */
    int *fds; /* STDIO: two descriptors, taken, instead of the configuration's; NULL: those */
    const struct session_access *access; /* NULL: everybody may use it for all */
};

/* What a client of a remote SOCKS server may be connected to. */
struct session_permit {
    const char *host; /* as the client names it, letter by letter; NULL: any */
    uint16_t port;    /* 0: any */
};

/* What ChannelTimeout tells apart; session_channel_name has its words. */
enum session_channel_kind {
    SESSION_CHANNEL_DIRECT_TCPIP, /* -L and -D */
    SESSION_CHANNEL_DIRECT_STREAMLOCAL,
    SESSION_CHANNEL_FORWARDED_TCPIP, /* -R */
    SESSION_CHANNEL_FORWARDED_STREAMLOCAL,
    SESSION_CHANNEL_STDIO, /* -W */
    SESSION_CHANNEL_SESSION,
    SESSION_CHANNEL_AGENT,
    SESSION_CHANNEL_GLOBAL, /* all of them together */
    SESSION_CHANNEL_KINDS
};
const char *session_channel_name(enum session_channel_kind kind);

/* See socks5/upstream.h. No text of it is ever logged but host and port. */
struct session_proxy {
    bool is_http; /* else SOCKS 5 */
    const char *host;
    uint16_t port;
    const char *user, *password; /* user NULL: none */
};

/* As ssh's log levels. FATAL does not exist here: see session_join. */
enum session_level {
    SESSION_QUIET,
    SESSION_ERROR,
    SESSION_INFO,
    SESSION_VERBOSE,
    SESSION_DEBUG1,
    SESSION_DEBUG2,
    SESSION_DEBUG3,
};

/* What a line is about. DAEMON, API and CONFIG are not a session's: they are here for who writes all into one
 * log. */
enum session_about {
    SESSION_ABOUT_DAEMON,
    SESSION_ABOUT_KEX, /* also all that comes before it: looking up the host, TCP, versions */
    SESSION_ABOUT_AUTH,
    SESSION_ABOUT_CHANNEL,
    SESSION_ABOUT_FORWARD,
    SESSION_ABOUT_API,
    SESSION_ABOUT_CONFIG,
    SESSION_ABOUT_COUNT
};

/* Everything that it points to must stay as it is until session_join has returned; the struct itself is
 * copied. Zeroed fields are good defaults except where said. */
struct session_config {
    const char *host; /* a name or a literal, no brackets; also names the peer in messages */
    uint16_t port;
    int family; /* AF_UNSPEC, AF_INET, AF_INET6: of the server's address and of local default binds */
    const char *user;
    struct ssh_config ssh;       /* handshake_ms and receive_budget are filled in by the session */
    uint32_t connect_timeout_ms; /* for lookup, TCP, version and key exchange together; 0: no limit of ours.
                                  * It pauses while a question waits for its answer */
    bool tcp_keepalive;
    uint32_t unacked_ms; /* TCP_USER_TIMEOUT: the kernel gives up when nobody has taken our bytes for so long;
                          * 0: when it wants to */
    const char *bind_address, *bind_interface; /* where to connect from; NULL: the kernel's choice */
    uint32_t connection_attempts;              /* rounds over all addresses, a second apart; 0 as 1 */
    int qos_login, qos_open; /* the IP_TOS of our packets up to and after the authentication; 0 or less: left
                                alone */
    int qos_terminal;        /* and after it where the last session channel that began has a terminal */
    /* A proxy to connect to instead, which is told host and port; NULL: none. Not with transport_fd. */
    const struct session_proxy *proxy;
    int transport_fd; /* a connected stream to use instead of connecting (a jump host's end, tests); the
                       * session closes it. -1: connect. There is no zero default here */
    const struct session_forward *forwards;
    size_t forward_count;
    bool exit_on_forward_failure; /* end with ADIT_E_FORWARD when any address of any forward cannot be had */
    bool any_address_will_do;     /* one of each forward is enough for that, as it is for ssh */
    uint32_t unix_mask; /* StreamLocalBindMask, of the files of our Unix sockets: ssh's is 0177. There is no
                         * zero default here */
    bool unix_replace;  /* StreamLocalBindUnlink: see sock_listen_unix */
    uint32_t channel_timeouts_s[SESSION_CHANNEL_KINDS]; /* ChannelTimeout: seconds without traffic after which
                                                         * a connection is closed; 0: never */
    bool permits_are_limited;                           /* PermitRemoteOpen: only what is in permits */
    const struct session_permit *permits;
    size_t permit_count;
    bool keep_open;       /* stay without any forward, and when the stdio forward is over (-N); otherwise the
                           * session ends by itself then */
    bool wants_host_keys; /* HOST_KEYS is asked when the server shows its keys, once a connection */
    bool may_open_sessions;  /* false: an OpenSSH server is told that no shell or command will be asked for
                              * (no-more-sessions@openssh.com) */
    uint32_t buffer_budget;  /* bytes held for slow local sockets and granted as windows; 0: 32 MiB, 4 MiB on
                              * hosts with less than 128 MiB of memory */
    int stdin_fd, stdout_fd; /* for the stdio forward, else ignored. Never made non-blocking. From the
                                authentication on they are the session's, which closes them: stdout_fd at the
                                end of the data, so that its reader sees it */
    uint32_t keystroke_ms;   /* ObscureKeystrokeTiming, of the sessions with a terminal; 0: off */
    bool warn_weak_crypto;   /* say so when the first key exchange is not post-quantum */
    enum session_level log_level; /* lines above it are not even made */
    const uint8_t *seed;          /* 32 bytes, for runs that can be repeated; NULL: the kernel's randomness */

    /* The loss of the connection is told by LOST and the session stays, its local listeners bound, until it
     * is stopped; keep_open is implied. For LOCAL, DYNAMIC, REMOTE and AGENT forwards alone. Without it the
     * session ends as its connection does. */
    bool survives;
    /* Clients who come while there is no connection that is authenticated are held, so long and so many at a
     * time; then they are reset (SOCKS: reply 01). 0: none is held. The product's defaults are these two: */
    uint32_t hold_ms, hold_max;
    bool is_lazy;          /* with survives: no connection is made before somebody asks for it (WANTED) */
    uint32_t idle_exit_ms; /* is_lazy: with no client for so long the connection is ended, and LOST says
                            * ADIT_E_OK; 0: never */
    /* Every probe_ms a session channel is opened and closed again, and nothing is asked for in it: that it is
     * refused proves life too. When for probe_limit_ms nothing at all came from the server while one was out,
     * the connection is lost (ADIT_E_TIMEOUT). 0: none but those of session_probe. With a limit,
     * may_open_sessions is implied. */
    uint32_t probe_ms, probe_limit_ms;
};
enum { SESSION_HOLD_MS = 10000, SESSION_HOLD_MAX = 64 };

/* ---- Questions: what it must ask ------------------------------------------------------------------ */

enum session_question_kind {
    SESSION_ASK_HOST_KEY,   /* blob -> accept, or why_not */
    SESSION_ASK_CREDENTIAL, /* methods, partial, first -> credential and its fields */
    SESSION_ASK_SIGN,       /* blob, alg, data -> reply/reply_len: an SSH signature blob; 0 bytes: refused */
    SESSION_ASK_KBDINT,     /* name, instruction, prompts -> accept and answers; else why_not */
    SESSION_ASK_PASSWORD_CHANGE, /* instruction -> PASSWORD (old_password, password) or any other credential
                                  */
    /* Traffic goes on while these two are answered. */
    SESSION_ASK_HOST_KEYS, /* data: the keys that the server has, a string each as it sent them -> prove */
    SESSION_ASK_PROOFS, /* data: a signature for each of prove, in order, a string each; session_id. Nothing
                         * is answered: they are to be verified and the keys kept */
};

/* A server that shows more host keys, or bytes of them, is not listened to. */
enum { SESSION_HOST_KEYS_MAX = 64, SESSION_HOST_KEYS_LEN_MAX = 64 * 1024 };

enum session_credential {
    SESSION_CREDENTIAL_GIVE_UP,   /* no more: the session ends with why_not */
    SESSION_CREDENTIAL_NONE,      /* RFC 4252 §5.2 */
    SESSION_CREDENTIAL_PUBLICKEY, /* blob, alg, probe; SESSION_ASK_SIGN follows when a signature is due */
    SESSION_CREDENTIAL_PASSWORD,  /* password */
    SESSION_CREDENTIAL_KBDINT,    /* KBDINT questions follow */
};

/* One question. It lives inside the session; exactly one is outstanding at a time. Its inputs stay valid
 * until session_answer. Every question must be answered, also after session_stop or session_drop (with a
 * refusal): the session's thread ends, or LOST is said, only then. All peer texts are as the peer sent them:
 * adit_text_clean before showing.
 */
struct session_question {
    struct mail mail;        /* for whoever has the question: free to be posted to a mailbox of its own */
    struct session *session; /* whom to answer */
    enum session_question_kind kind;

    /* ---- what is asked */
    struct span blob, alg, data;
    char peer[SOCK_TEXT_CAP]; /* HOST_KEY: the address of the other end; empty: a proxy's or a jump host's
                                 stream */
    struct span methods;      /* CREDENTIAL: names that can continue; empty when first */
    struct span sig_algs; /* CREDENTIAL: the server's server-sig-algs (RFC 8308 §3.1); empty: it sent none */
    bool host_bound;      /* CREDENTIAL: signatures will be bound to the host key (ssh_has_host_bound) */
    struct span host_key, host_signature, session_id; /* SIGN: the server's proof, to be shown to an agent */
    bool partial, first;
    struct span name, instruction;
    size_t prompt_count;
    struct {
        struct span text;
        bool echo;
    } prompts[LIMIT_KBDINT_PROMPTS];

    /* ---- the answer, all zero when the question is asked. Spans point into reply, or to memory that the
     * answerer leaves alone until the next question or the session's end. */
    bool accept;
    struct adit_error why_not;
    enum session_credential credential;
    struct span key_blob, key_alg;
    bool probe;             /* ask before signing (see ssh_auth_publickey) */
    struct span submethods; /* KBDINT: KbdInteractiveDevices; empty: the server's choice */
    struct span password, old_password;
    struct span answers[LIMIT_KBDINT_PROMPTS]; /* prompt_count of them */
    /* Room for a signature or for secrets; wiped by the session once it is used. */
    uint8_t reply[LIMIT_SIGNATURE];
    size_t reply_len;
    const struct span *prove; /* HOST_KEYS: prove_count strings, with their length before them, of data: each
                               * a key that the server must prove to own; PROOFS then follows if it does.
                               * None: it is over. Used before the question is over */
    size_t prove_count;
};

/* Hands q back, answered. Any thread, once a question. */
void session_answer(struct session_question *q);

/* ---- Notices: what it says ------------------------------------------------------------------------- */

enum session_notice_kind {
    SESSION_CONNECTING,    /* text: address:port */
    SESSION_CONNECTED,     /* TCP is up; text: address:port */
    SESSION_NEGOTIATED,    /* the first key exchange is done; algorithms */
    SESSION_AUTHENTICATED, /* text: the method */
    SESSION_BANNER,        /* text: cleaned, may hold newlines */
    SESSION_FORWARD_UP,    /* index, address_index, bound, bound_port, target. One for each address of a local
                            * forward, one for a remote one; none for stdio */
    SESSION_FORWARD_FAILED, /* index, error: one address of it, or all of it */
    SESSION_REMOTE_PORT,    /* index, bound_port, target: the server chose this port (port 0 was asked for) */
    SESSION_ALL_FORWARDS_DONE, /* authenticated, and every forward is up or has failed; count: that failed */
    SESSION_CONTROL_FAILED,    /* another has the control socket's path; logged, and all else goes on */
    SESSION_EXEC_OPENED,       /* the channel of a session or of the stdio forward is open */
    SESSION_EXEC_UP,           /* the server has begun the shell, command or subsystem */
    SESSION_EXEC_EXIT, /* it has ended: text: the signal's name (RFC 4254 §6.10), or NULL and number: its
                          status */
    SESSION_EXEC_OVER, /* and all it wrote has been delivered. Without an EXIT before: the server did not say
                        */
    SESSION_NO_PTY,    /* the server gave no terminal */
    SESSION_ENDED,     /* error: as session_join will say. The last one */

    /* With survives. Of each connection the notices above come anew, from CONNECTING to ALL_FORWARDS_DONE;
     * but a local forward that is up stays so, and is told of no second time. */
    SESSION_LOST,    /* error: why, ADIT_E_OK after idle_exit_ms. Nothing of the connection's configuration is
                      * used any more */
    SESSION_WANTED,  /* there is no connection, and a client wants one: when he comes, and after LOST if he is
                      * held */
    SESSION_ALIVE,   /* something came from the server since this was last said: looked at when a probe was
                      * answered or a keepalive is, and at once after SUSPECT; at most one a second */
    SESSION_SUSPECT, /* nothing came though something should have: half of probe_limit_ms after a probe, or a
                      * third of ServerAliveInterval after a keepalive (1.5 s at most; twice the round trip at
                      * least). Once; ALIVE or LOST follows */
    SESSION_RAN, /* what session_run asked for is over. text: what it wrote, clean, may hold newlines; or NULL
                  * and error: nothing is known of it. number: 0: it was certainly not run */
    SESSION_FORWARD_GONE,  /* index: what session_forward_remove asked for is done. The letter is its sender's
                            * again, and nothing of it is used any more */
    SESSION_FORWARD_READY, /* index: a remote one for which there is no connection: the next one asks for it.
                            * After FAILED: that has been mended */
};

/* Valid during the call. */
struct session_notice {
    enum session_notice_kind kind;
    const char *text;
    size_t index;         /* in config.forwards, or the one of a session_forward_letter */
    size_t address_index; /* 0: the first address of this forward (one line a forward: take this one) */
    const char *bound;    /* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "*:8080", "/run/sock" */
    uint16_t bound_port;
    const char *target; /* "10.0.0.5:443", "[2001:db8::1]:80", "/run/sock"; "-" for dynamic */
    size_t count;
    uint32_t number;
    bool is_partial; /* FORWARD_UP: another address of it could not be had, and is still wanted */
    bool is_refused; /* FORWARD_FAILED: there was no memory to take the letter, which is its sender's again */
    const struct ssh_algorithms *algorithms;
    const struct adit_error *error;
};

/* Called on the session's thread; none may block or call back into the session but session_stop,
 * session_answer and what gives orders to a session that survives. */
struct session_ops {
    void *ctx;
    /* Answer now or later, from any thread, with session_answer(q). */
    void (*ask)(void *ctx, struct session_question *q);
    void (*notify)(void *ctx, const struct session_notice *n);
    /* One line without its end, clean, already filtered by config.log_level. */
    void (*log)(void *ctx, enum session_level level, enum session_about about, const char *line);
};

/* ---- Counters ---------------------------------------------------------------------------------------- */

struct session_stats {
    uint64_t bytes_up, bytes_down;         /* payload of forwarded connections, towards and from the server */
    uint64_t transport_up, transport_down; /* bytes of the transport's socket */
    uint64_t opened;                       /* forwarded connections whose channel was confirmed */
    uint32_t open_now;                     /* connections that exist now, also those not yet confirmed */
    uint64_t refused, prohibited, timeout, resolve, open_failed; /* opens the server refused, by cause */
    uint64_t local_refused;                                      /* -R: our target could not be reached */
    uint64_t denied;     /* channels the server opened and we refused; and see struct session_access */
    uint64_t peer_reset; /* local connections that ended by a reset */
    uint64_t stalled;    /* closed because they held more than their share too long */
    uint64_t rekeys;
    uint64_t buffered; /* bytes held for slow local sockets now */
    uint32_t rtt_us;   /* 0: not measured */
};

/* The same of one forward, since it is there: all its connections, those that have ended too. */
struct session_forward_stats {
    size_t index;                  /* as in its notices */
    bool is_up;                    /* it listens: a local one on some of its addresses at least */
    uint64_t bytes_up, bytes_down; /* payload, towards and from the server */
    uint64_t opened;               /* connections whose channel was confirmed */
    uint32_t open_now; /* connections that exist now, also those that are held, or not confirmed yet */
    uint64_t refused, prohibited, timeout, resolve, open_failed, local_refused, denied, peer_reset;
    uint64_t last_activity_ms; /* loop_now_ms: when the last byte went, or the last connection was opened; 0:
                                * never */
};

enum { SESSION_TARGET_CAP = LIMIT_HOST + 16 };

/* A connection that exists now. */
struct session_connection_info {
    uint64_t id;                     /* never another one's in this session; below 2^53 */
    size_t index;                    /* its forward's */
    char client[SOCK_TEXT_CAP];      /* "192.0.2.7:999"; of -R: as the server says it. Empty: not known */
    char target[SESSION_TARGET_CAP]; /* "10.0.0.5:443"; "-": a SOCKS client has not named it yet */
    uint64_t opened_ms;              /* loop_now_ms, when the client came */
    uint64_t bytes_up, bytes_down;
};

/* A snapshot by letter: the session fills stats and posts mail (kind and owner as the caller set them) to
 * reply_to. The struct is the session's until then, with the rooms that it names. Not after session_join
 * began. Clients' and targets' names beyond -L are known to a session that survives alone. */
struct session_snapshot {
    struct mail request; /* the session's own */
    struct mail mail;
    struct mailbox *reply_to;
    size_t only_index;                      /* forwards and connections of this one alone; SIZE_MAX: of all */
    struct session_forward_stats *forwards; /* room for so many, NULL with 0 */
    size_t forward_room;
    struct session_connection_info *connections; /* the same */
    size_t connection_room;
    /* filled in */
    struct session_stats stats;
    size_t forward_count, connection_count; /* that there are: perhaps more than there was room for */
    uint64_t last_alive_ms; /* loop_now_ms: when something came from the server last, over any connection; 0:
                             * never */
};
void session_snapshot(struct session *s, struct session_snapshot *snapshot);

/* ---- Commands to a session that runs ---------------------------------------------------------------- */

enum session_command_kind {
    SESSION_DO_BEGIN_EXEC,    /* the session channel that was held back */
    SESSION_DO_WINDOW_CHANGE, /* window: the terminal's size now */
    SESSION_DO_BREAK,         /* RFC 4335, of a second, on the session channel */
    SESSION_DO_REKEY,
    SESSION_DO_STOP_LISTENING, /* no forward takes new connections any more */
    SESSION_DO_LOG_LEVEL,      /* level */
    SESSION_DO_TAKE_CLIENT,    /* fd: one end of a stream, the session's from now on; its control socket has a
                                * client at the other one. Where there is none it is closed */
};
struct session_command {
    enum session_command_kind kind;
    struct ssh_window window;
    enum session_level level;
    int fd;
};
/* Any thread, until session_join begins. What comes too early or too late has no effect. False: nor has it,
 * for there is no memory for the letter. */
bool session_do(struct session *s, const struct session_command *command);

/* ---- Orders to a session that survives ---- */

/* Any thread, until session_join begins. None allocates; the last one of a kind is executed behind everything
 * that was ordered before it. */

/* After LOST or WANTED: a new connection, by this configuration. What belongs to the session stays as it was
 * at its start: the forwards (with those that came since), survives, what clients are held for, is_lazy,
 * idle_exit_ms, buffer_budget, log_level, exit_on_forward_failure, and what is said of Unix sockets. The
 * struct is copied; what it points to must stay until the next LOST or the session's end. While there is a
 * connection, or one is being made, it does nothing but to close transport_fd. */
void session_connect(struct session *s, const struct session_config *config);
/* The connection, or the try to make one, is given up at once: LOST follows with ADIT_E_CLOSED and why
 * (copied). Nothing while there is none and none is about to be made. */
void session_drop(struct session *s, const char *why);
/* The local listeners are closed and whoever is held is reset: nobody waits for a connection any more.
 * session_retry_forwards opens them again. */
void session_unlisten(struct session *s);
/* What FORWARD_FAILED told of, whole forwards and single addresses, is tried again: the local ones now, the
 * remote ones of the connection if it has asked for them already. FORWARD_UP or FORWARD_FAILED comes for
 * each. */
void session_retry_forwards(struct session *s);

/* A forward that comes later than the configuration's, and may go again. */
struct session_forward_letter {
    struct mail added, removed;     /* the session's own, zero at first */
    struct forwarder *forwarder;    /* the session's own */
    struct session_forward forward; /* LOCAL, DYNAMIC or REMOTE; what it points to stays as long as this */
    size_t index; /* the sender's number for it, in every notice: any but SIZE_MAX, those of config.forwards
                   * and those of other letters that are out */
};
/* It is set up as one of config.forwards would be: a local one listens at once, whether there is a connection
 * or not; a remote one is asked for now, if there is one, and with each that is made. FORWARD_UP,
 * FORWARD_FAILED and REMOTE_PORT tell of it. It never ends the session (exit_on_forward_failure). The letter
 * is the session's until FORWARD_GONE, until FORWARD_FAILED with is_refused (then it may be added again, and
 * need not be removed; if that was asked for already, FORWARD_GONE follows), or until session_join has
 * returned. A session that does not survive, or another type: FORWARD_FAILED with ADIT_E_UNSUPPORTED. */
void session_forward_add(struct session *s, struct session_forward_letter *letter);
/* Once a letter, after session_forward_add, whatever became of it. Its listener is closed at once, its
 * clients are reset, whether they were connected or held, and the remote one is cancelled. FORWARD_GONE
 * follows when no port is held by it any more: for a remote one with the server's answer, or with the loss of
 * the connection. A session that is about to end says it no more. */
void session_forward_remove(struct session *s, struct session_forward_letter *letter);

/* A probe now, besides those of probe_ms: ALIVE, or SUSPECT and LOST, as it turns out. Nothing without
 * probe_limit_ms, or while one is out. */
void session_probe(struct session *s);

/* Runs command (copied; shorter than SESSION_COMMAND_CAP) at the server, without input and in nobody's way.
 * RAN follows, or LOST; limit_ms later at the latest. One at a time: it does nothing while another one is
 * out, or while there is no connection that is open. */
enum { SESSION_COMMAND_CAP = 1024 };
void session_run(struct session *s, const char *command, uint32_t limit_ms);

/* ---- Life ---- */

/* Makes a session and starts its thread. Everything later, bad forwards included, is told by notices. The
 * process must ignore SIGPIPE when a stdio forward writes to a pipe. ADIT_E_MEMORY, ADIT_E_SYSTEM;
 * ADIT_E_UNSUPPORTED: a forward that cannot survive. */
enum adit_err session_start(struct session **out, const struct session_config *config,
                            const struct session_ops *ops, struct adit_error *err) ADIT_MUST_USE;

/* First call: no new connections, cancel-tcpip-forward, at most 5 s for the open ones to end, DISCONNECT; the
 * session ends with ADIT_E_OK. Second call: at once. Any thread, any time before session_join returns. */
void session_stop(struct session *s);

/* For a fork, which takes one thread along alone: ends the session's thread and leaves all else as it is.
 * Commands that were given before are executed first. Then nothing moves until session_go_on, in whichever of
 * the two processes (in one alone). ADIT_E_SYSTEM: there is no thread to be had, and the session can only be
 * forgotten. A name that is being looked up is lost to the child. */
void session_halt(struct session *s);
enum adit_err session_go_on(struct session *s, struct adit_error *err) ADIT_MUST_USE;

/* Waits for the session's end and frees it. Returns the final error's code: ADIT_E_OK when it was stopped or
 * had nothing left to do. stats may be NULL. */
enum adit_err session_join(struct session *s, struct adit_error *err, struct session_stats *stats);

/* The word for a refused channel's reason (RFC 4254 §5.1): "administratively prohibited", "connect failed",
 * "unknown channel type", "resource shortage", "unknown reason". */
const char *session_open_failure_name(uint32_t reason);

#endif
