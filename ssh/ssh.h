/*
 * ssh.h - the facade: one SSH-2 connection as a pure machine from bytes and calls to bytes and events.
 *
 * It has no socket, file, thread, clock or random source, and it calls nobody back. The caller moves
 * bytes through four flows, tells the time, pulls events and gives commands:
 *
 *     for (;;) {
 *         ssh_tick(ssh, now_us);
 *         while (ssh_next(ssh, &ev)) ...           commands may be called between any two pulls
 *         write(fd, ssh_out(ssh)); ssh_out_consume(ssh, written);
 *         read(fd, ssh_in_space(ssh)); ssh_in_commit(ssh, got);
 *     }
 *
 * Lifetimes. A span inside an event (data, texts, blobs) lives until the next ssh_in_space or ssh_tick,
 * across further ssh_next and commands (with compression, ssh_is_compressed, only until the next ssh_next);
 * that of an event which must be answered, until it is. A struct channel lives until the event that ends it
 * (CHANNEL_CLOSED, CHANNEL_OPEN_FAILED) or ssh_free; the caller drops its pointer when it sees that event.
 *
 * Errors. The first one stays (ssh_error); the machine sends DISCONNECT where it still can, delivers
 * SSH_EVENT_ENDED once, and is dead from then on: no further events, every command is harmless.
 *
 * Determinism: all randomness comes from the seed, all time through ssh_tick, so that a run can be
 * replayed bit for bit, and cutting the input into other chunks gives the same events.
 */
#ifndef SSH_SSH_H
#define SSH_SSH_H

#include "adit.h"

struct ssh;
struct channel;

/* The two sides of RFC 4253. A program that names only one of them links only that one's code. */
struct ssh_role;
extern const struct ssh_role ssh_client;
extern const struct ssh_role ssh_server;

/* What a connection is told at its birth. Name-lists are comma-separated names in order of preference,
 * all of which this build knows (ssh_algo_check); NULL means the default list. All texts are copied. */
struct ssh_config {
    const char *kex;
    const char
        *host_keys;      /* client: what it takes, known types first; server: what it has (no certificates) */
    const char *ciphers; /* both directions */
    const char *macs;
    const char *compression; /* both directions, of zlib@openssh.com, zlib and none; NULL: none alone */
    const char *sig_algs;    /* server role: what EXT_INFO's server-sig-algs says; NULL: default, "" none */
    const char *ident;       /* software version after "SSH-2.0-"; NULL: "adit_VERSION" */
    uint64_t rekey_bytes;    /* RekeyLimit, in either direction; 0: what the cipher allows (RFC 4344 §3.2) */
    uint32_t rekey_seconds;  /* 0: never by time */
    uint32_t alive_interval_s; /* ServerAliveInterval; 0: none */
    uint32_t alive_count_max;  /* ServerAliveCountMax */
    uint32_t handshake_ms;     /* from ssh_new's first tick to SERVICE_ACCEPT; 0: no limit.
                                * Pauses while an answer of the caller is awaited */
    uint32_t receive_budget;   /* bytes that all receive windows together aim at; 0: 32 MiB */
    bool no_strict_kex;        /* for tests: do not offer kex-strict-*-v00@openssh.com */
    bool no_host_bound;        /* client: do not bind signatures to the host key (OpenSSH PROTOCOL §3.1) */
    bool no_early_open;        /* do not let opens ride with the authentication (see ssh_open) */
    bool guess;                /* for tests: send a guessed first kex packet */
};

/* NULL when memory is short. seed is used up and may be wiped. */
struct ssh *ssh_new(const struct ssh_role *role, const struct ssh_config *config,
                    const struct adit_alloc *memory, const uint8_t seed[32]);
void ssh_free(struct ssh *ssh); /* wipes and releases everything; NULL is fine */

/* ---- Bytes and time -------------------------------------------------------------------------- */

/* Where the peer's next bytes go. Empty when no input is wanted now: the buffer is full, or so much output
 * waits that answering more would not fit (a peer that floods us stalls its own TCP). */
struct wspan ssh_in_space(struct ssh *ssh);
void ssh_in_commit(struct ssh *ssh, size_t n);
void ssh_in_eof(struct ssh *ssh); /* the transport has ended; what was received is still processed first */
struct span ssh_out(const struct ssh *ssh);
void ssh_out_consume(struct ssh *ssh, size_t n);
/* now_us: monotonic microseconds. Must be called before anything that depends on time. Returns when it
 * wants to be called again at the latest, UINT64_MAX for never. */
uint64_t ssh_tick(struct ssh *ssh, uint64_t now_us);

/* ---- Events ----------------------------------------------------------------------------------- */

enum ssh_event_kind {
    SSH_EVENT_NONE,
    /* Transport. HOST_KEY, SIGN, AUTH and KBDINT stop ssh_next until they are answered. */
    SSH_EVENT_IDENT,    /* text: the peer's identification string */
    SSH_EVENT_KEX_DONE, /* each exchange, algorithms by ssh_algorithms() */
    SSH_EVENT_HOST_KEY, /* blob: the server's host key or certificate (cert.h), which has signed the exchange;
                         * what its certification authority's signature is worth is for the caller to see.
                         * Once per connection: a re-exchange must show the same key. -> ssh_host_key_answer
                         */
    SSH_EVENT_SIGN,     /* blob: public key, alg: signature algorithm, data: what to sign.
                         * Client: for publickey. Server: with its host key. -> ssh_sign_answer */
    SSH_EVENT_DEBUG,    /* text; always_display in flag (RFC 4253 §11.3) */
    SSH_EVENT_ENDED,    /* the last one: see ssh_error; ADIT_E_OK there means that we disconnected */

    /* Client authentication (RFC 4252). */
    SSH_EVENT_AUTH, /* a method is wanted. names: what can continue, flag: partial success, first: nothing was
                     * tried yet and names is unknown -> one of the ssh_auth_* commands */
    SSH_EVENT_BANNER, /* text */
    SSH_EVENT_PK_OK,  /* the probed key (blob, alg) would be accepted; SIGN follows by itself */
    SSH_EVENT_KBDINT, /* RFC 4256: name in text, instruction in data, ssh_kbdint_prompt() for the prompts
                       * -> ssh_auth_kbdint_answer */
    SSH_EVENT_PASSWORD_CHANGE, /* text: the server's prompt -> ssh_auth_password_change, or any other method
                                */
    SSH_EVENT_AUTHENTICATED,   /* names: the method that succeeded */

    /* Server authentication: see auth_server.h. */
    SSH_EVENT_AUTH_REQUEST, /* user in text, method in names, key blob in blob, password or kbdint answer in
                             * data, flag: the signature was verified -> ssh_auth_request_answer */

    /* Channels (RFC 4254). channel is set; owner of it by ssh_chan_owner. */
    SSH_EVENT_CHANNEL_OPENED,         /* our open was confirmed */
    SSH_EVENT_CHANNEL_OPEN_FAILED,    /* our open was refused: reason (RFC 4254 §5.1) in number, text; the
                                         channel is gone */
    SSH_EVENT_CHANNEL_REQUESTED_OPEN, /* the peer opens: type in names, connected host in text, connected port
                                       * in number, originator in text2, originator's port in number2; for a
                                       * Unix socket its path in text
                                       * -> ssh_open_accept or ssh_open_refuse, at any later time */
    SSH_EVENT_CHANNEL_NO_ROOM,        /* the peer's open was refused: memory is short, or it has too many. No
                                       * channel; names: the type */
    SSH_EVENT_CHANNEL_DATA,           /* data; number: 0, or 1 for stderr. Give back with ssh_chan_consumed */
    SSH_EVENT_CHANNEL_SPACE,          /* ssh_chan_space, empty at its last call, is no longer */
    SSH_EVENT_CHANNEL_EOF,            /* the peer sends no more data */
    SSH_EVENT_CHANNEL_EXIT,    /* exit-status: number; or exit-signal: names is the signal, text its message,
                                  flag set */
    SSH_EVENT_CHANNEL_REQUEST, /* the peer's other request: type in names, data; flag: wants a reply
                                * -> ssh_chan_request_answer if flag */
    SSH_EVENT_CHANNEL_REPLY,   /* to our channel request: flag = success */
    SSH_EVENT_CHANNEL_CLOSED,  /* both sides have closed; the channel is gone */

    /* Global requests. */
    SSH_EVENT_GLOBAL_REPLY,   /* to ours: owner as given, flag = success, number: the bound port of a
                               * tcpip-forward with   port 0 (else as asked), data: the rest */
    SSH_EVENT_GLOBAL_REQUEST, /* the peer's: type in names, text and number for tcpip-forward (text: the path
                               * for streamlocal-forward@openssh.com), flag: wants a reply
                               * -> ssh_global_answer, in order. (keepalives and what nobody knows are
                               * answered by the machine itself and not shown; hostkeys-00@openssh.com is
                               * shown with its blobs in data and needs no answer) */
};

struct ssh_event {
    enum ssh_event_kind kind;
    struct channel *channel;
    void *owner;
    struct span text, text2; /* as the peer sent it: clean it before anybody sees it (adit_text_clean) */
    struct span names;
    struct span alg;
    struct span blob;
    struct span data;
    uint32_t number, number2;
    bool flag;
    bool first;
};

/* The next event, or false when there is none before more bytes, more time or an answer. */
bool ssh_next(struct ssh *ssh, struct ssh_event *event) ADIT_MUST_USE;
const struct adit_error *ssh_error(const struct ssh *ssh);
bool ssh_is_ended(const struct ssh *ssh);

/* ---- Answers and commands: transport ----------------------------------------------------------- */

void ssh_host_key_answer(struct ssh *ssh, bool accept, const struct adit_error *why_not);
/* An SSH signature blob (string algorithm, string signature); the empty span: it could not be made. In the
 * client role the next method is then asked for. */
void ssh_sign_answer(struct ssh *ssh, struct span signature);
void ssh_rekey(struct ssh *ssh);
/* Sends DISCONNECT and ends. reason: SSH_DISCONNECT_*; 11 for "we are done". */
void ssh_disconnect(struct ssh *ssh, uint32_t reason, const char *text);
/* The caller found the transport broken (reset, timeout): ends without DISCONNECT. */
void ssh_fail(struct ssh *ssh, enum adit_err code, const char *text);
void ssh_ignore(struct ssh *ssh, struct span data); /* an IGNORE message; tests and padding */
/* Client: a PING, which the server answers with as many bytes (OpenSSH PROTOCOL). At most LIMIT_PING
 * bytes. False, and nothing is sent: the server has not announced ping@openssh.com, an exchange of keys is
 * under way, or there is no room. */
enum { LIMIT_PING = 1024 };
bool ssh_ping(struct ssh *ssh, struct span data);
bool ssh_has_ping(const struct ssh *ssh);

/* The client's answers to SSH_EVENT_AUTH. user is what ssh_auth_user set before the first of them. */
void ssh_auth_user(struct ssh *ssh, struct span user);
void ssh_auth_none(struct ssh *ssh);
/* blob and alg as in the request. probe: ask first whether the key would do (RFC 4252 §7), then sign; without
 * it the signed request goes out at once (one round trip less, but a signature for a key that may be
 * refused). */
void ssh_auth_publickey(struct ssh *ssh, struct span blob, struct span alg, bool probe);
void ssh_auth_password(struct ssh *ssh, struct span password);
void ssh_auth_password_change(struct ssh *ssh, struct span old_password, struct span new_password);
void ssh_auth_kbdint(struct ssh *ssh, struct span submethods);
size_t ssh_kbdint_count(const struct ssh *ssh);
struct span ssh_kbdint_prompt(const struct ssh *ssh, size_t i, bool *echo);
void ssh_auth_kbdint_answer(struct ssh *ssh, const struct span *answers, size_t count);
void ssh_auth_give_up(struct ssh *ssh, const struct adit_error *why); /* ends with it */
/* Server role: a public host key that SSH_EVENT_SIGN can sign with; before the first byte comes in. blob is
 * borrowed and must live as long as ssh. False: too many, or malformed. */
bool ssh_server_host_key(struct ssh *ssh, struct span blob) ADIT_MUST_USE;
/* Server role. methods: what can continue, for a failure. */
void ssh_auth_request_answer(struct ssh *ssh, bool success, bool partial, struct span methods);
/* Server role: an INFO_REQUEST instead of a verdict (keyboard-interactive), prompts without echo. */
void ssh_auth_request_prompt(struct ssh *ssh, const struct span *prompts, size_t count);
void ssh_send_banner(struct ssh *ssh, struct span text);

/* server-sig-algs of the peer (RFC 8308 §3.1); empty when it sent none. */
struct span ssh_server_sig_algs(const struct ssh *ssh);
/* Client: publickey requests are bound to the host key, since the server has said that it knows
 * publickey-hostbound-v00@openssh.com. */
bool ssh_has_host_bound(const struct ssh *ssh);
/* Client: the server's key or certificate, and its signature over ssh_session_id; empty before the first
 * exchange. Agents are shown them (session-bind@openssh.com). */
struct span ssh_host_key(const struct ssh *ssh);
struct span ssh_host_signature(const struct ssh *ssh);
bool ssh_peer_is_openssh(const struct ssh *ssh);   /* by its version line; false before it came */
struct span ssh_peer_ident(const struct ssh *ssh); /* "SSH-2.0-..." without CR LF; empty before it came */
struct span ssh_session_id(const struct ssh *ssh);

/* What the last exchange agreed on; names live as long as the program. */
struct ssh_algorithms {
    const char *kex, *host_key;
    const char *cipher_out, *cipher_in; /* our direction first */
    const char *mac_out, *mac_in;       /* "<implicit>" with an AEAD, as OpenSSH says it */
    const char *compress_out, *compress_in;
    bool strict;
    bool is_post_quantum; /* the key exchange: what is recorded today stays closed to a quantum computer */
};
struct ssh_algorithms ssh_algorithms(const struct ssh *ssh);
uint32_t ssh_rtt_us(const struct ssh *ssh);        /* smoothed round trip; 0 until it was measured */
uint64_t ssh_rekey_count(const struct ssh *ssh);   /* exchanges after the first */
uint64_t ssh_last_heard_us(const struct ssh *ssh); /* when the last packet of the peer was processed */
bool ssh_is_authenticated(const struct ssh *ssh);
bool ssh_is_compressed(const struct ssh *ssh); /* what comes in, now */

/* Client: the message session-bind@openssh.com for an agent, on whose connection the server's side will speak
 * (agent forwarding). Returns its length, and writes it where room has so much; 0 before the first exchange.
 */
size_t ssh_agent_bind(const struct ssh *ssh, struct wspan room);

/* ---- Channels ------------------------------------------------------------------------------------ */

/* Opens a channel. May be called at any time after the first key exchange began, also before
 * authentication and during a re-exchange: it is sent as soon as the protocol allows. (It rides along with
 * the authentication when the peer is OpenSSH and exactly one signed publickey request is in flight; a peer
 * that answers UNIMPLEMENTED gets it again after success.) NULL: no memory, or LIMIT_CHANNELS are open.
 * extra: the type's own fields after the maximum packet size; at most LIMIT_OPEN_EXTRA bytes. */
enum { LIMIT_OPEN_EXTRA = 1024 };
struct channel *ssh_open(struct ssh *ssh, const char *type, struct span extra, void *owner) ADIT_MUST_USE;
/* RFC 4254 §7.2: "direct-tcpip" from originator to host:port as the server sees it; an address has at most
 * LIMIT_HOST bytes (or NULL), which is also what is taken from a peer. */
struct channel *ssh_open_direct_tcpip(struct ssh *ssh, struct span host, uint32_t port,
                                      struct span originator, uint32_t originator_port,
                                      void *owner) ADIT_MUST_USE;
struct channel *ssh_open_forwarded_tcpip(struct ssh *ssh, struct span connected, uint32_t port,
                                         struct span originator, uint32_t originator_port,
                                         void *owner) ADIT_MUST_USE;
/* OpenSSH's PROTOCOL §2.4: to a Unix socket of the server; and, in the server role, from one that listens. */
struct channel *ssh_open_direct_streamlocal(struct ssh *ssh, struct span path, void *owner) ADIT_MUST_USE;
struct channel *ssh_open_forwarded_streamlocal(struct ssh *ssh, struct span path, void *owner) ADIT_MUST_USE;
void ssh_open_accept(struct ssh *ssh, struct channel *channel, void *owner);
void ssh_open_refuse(struct ssh *ssh, struct channel *channel, uint32_t reason,
                     const char *text); /* frees it */

void *ssh_chan_owner(const struct channel *channel);
void ssh_chan_set_owner(struct channel *channel, void *owner);
uint32_t ssh_chan_id(const struct channel *channel); /* our number, for logs */

/* Up to max places inside the output buffer for channel data; their total is bounded by the peer's window,
 * its maximum packet and the free room. 0: none now (closed, EOF sent, re-exchange, no window, no room); then
 * SSH_EVENT_CHANNEL_SPACE comes when it changes. The places are void after any other call that produces
 * output. Commit takes the first n bytes of them, in order; n = 0 gives them back. */
size_t ssh_chan_space(struct ssh *ssh, struct channel *channel, struct wspan *places, size_t max,
                      size_t limit);
void ssh_chan_commit(struct ssh *ssh, struct channel *channel, size_t n);
/* The same with a copy; returns how many bytes went. */
size_t ssh_chan_write(struct ssh *ssh, struct channel *channel, struct span data);
size_t ssh_chan_write_stderr(struct ssh *ssh, struct channel *channel, struct span data);
/* n bytes of received data are done with; prompt: they were taken at once, without being stored (what lets
 * the window grow). */
void ssh_chan_consumed(struct ssh *ssh, struct channel *channel, size_t n, bool prompt);
/* On a channel that has not been answered yet, these two wait for the answer. */
void ssh_chan_eof(struct ssh *ssh, struct channel *channel);   /* no more data from us; still receives */
void ssh_chan_close(struct ssh *ssh, struct channel *channel); /* CHANNEL_CLOSED still comes */
bool ssh_chan_eof_sent(const struct channel *channel);
uint32_t ssh_chan_receive_window(
    const struct channel *channel); /* bytes granted to the peer and not yet received */

/* RFC 4254 §5.4: a request on the channel. It is sent as soon as the protocol allows, in order, and before
 * data that is written later; also on a channel that is being opened. Answers come in order as CHANNEL_REPLY
 * when want_reply. False: no memory, longer than LIMIT_CHANNEL_REQUEST, LIMIT_CHANNEL_REQUESTS wait, or the
 * channel is closed. */
bool ssh_chan_request(struct ssh *ssh, struct channel *channel, const char *type, struct span extra,
                      bool want_reply) ADIT_MUST_USE;
void ssh_chan_request_answer(struct ssh *ssh, struct channel *channel, bool success);

/* ---- What a session is asked for (ssh_session.c): RFC 4254 §6. They say what ssh_chan_request says. */

struct ssh_window {
    uint32_t columns, rows, width_px, height_px; /* 0: not known */
};

/* A terminal mode, RFC 4254 §8: opcodes 1 to 159. */
struct ssh_mode {
    uint8_t opcode;
    uint32_t value;
};
enum { LIMIT_SESSION_MODES = 128, LIMIT_SESSION_TERM = 1024 };

struct channel *ssh_open_session(struct ssh *ssh, void *owner) ADIT_MUST_USE;
bool ssh_session_pty(struct ssh *ssh, struct channel *channel, struct span term, struct ssh_window window,
                     const struct ssh_mode *modes, size_t mode_count) ADIT_MUST_USE; /* answered */
bool ssh_session_env(struct ssh *ssh, struct channel *channel, struct span name,
                     struct span value) ADIT_MUST_USE;
bool ssh_session_shell(struct ssh *ssh, struct channel *channel) ADIT_MUST_USE; /* answered */
bool ssh_session_exec(struct ssh *ssh, struct channel *channel,
                      struct span command) ADIT_MUST_USE; /* answered */
bool ssh_session_subsystem(struct ssh *ssh, struct channel *channel,
                           struct span name) ADIT_MUST_USE; /* answered */
bool ssh_session_window_change(struct ssh *ssh, struct channel *channel,
                               struct ssh_window window) ADIT_MUST_USE;
bool ssh_session_signal(struct ssh *ssh, struct channel *channel,
                        const char *name) ADIT_MUST_USE; /* "TERM" */
bool ssh_session_break(struct ssh *ssh, struct channel *channel,
                       uint32_t ms) ADIT_MUST_USE; /* RFC 4335, answered */
/* OpenSSH's "end of write": its PROTOCOL §2.1. Nothing more of what the peer sends will be taken. */
bool ssh_session_eow(struct ssh *ssh, struct channel *channel) ADIT_MUST_USE;

/* ---- Global requests ------------------------------------------------------------------------------- */

/* RFC 4254 §7.1. Sent as ssh_open is. The answer comes as GLOBAL_REPLY with owner. False: no memory, too
 * many wait, or an address has more than LIMIT_HOST bytes. */
bool ssh_global_request(struct ssh *ssh, const char *type, struct span extra, bool want_reply,
                        void *owner) ADIT_MUST_USE;
bool ssh_forward_request(struct ssh *ssh, struct span address, uint32_t port, void *owner) ADIT_MUST_USE;
bool ssh_forward_cancel(struct ssh *ssh, struct span address, uint32_t port, void *owner) ADIT_MUST_USE;
/* OpenSSH's PROTOCOL §2.4: a Unix socket of the server listens. */
bool ssh_streamlocal_forward_request(struct ssh *ssh, struct span path, void *owner) ADIT_MUST_USE;
bool ssh_streamlocal_forward_cancel(struct ssh *ssh, struct span path, void *owner) ADIT_MUST_USE;
void ssh_global_answer(struct ssh *ssh, bool success, struct span extra);

/* ---- Algorithm lists: for options and -Q -------------------------------------------------------------- */

/* HOST_KEY and PUBKEY have the names of certificates too, SIG has signature algorithms alone
 * (CASignatureAlgorithms). */
enum ssh_list {
    SSH_LIST_KEX,
    SSH_LIST_HOST_KEY,
    SSH_LIST_CIPHER,
    SSH_LIST_MAC,
    SSH_LIST_PUBKEY,
    SSH_LIST_SIG
};
/* Everything this build can do, in the default order (which depends on this CPU: AES-GCM first with AES
 * instructions, chacha20-poly1305 first without). Lives as long as the program. */
const char *ssh_list_default(enum ssh_list which);
/* Applies what an option says (a list, or +list, -list, ^list, with * and ? as wildcards) to the default.
 * False with err set for a name that is unknown (without a wildcard) or when nothing is left. */
bool ssh_list_resolve(enum ssh_list which, const char *spec, char *out, size_t cap,
                      struct adit_error *err) ADIT_MUST_USE;

#endif
