/*
 * ssh_internal.h - what ssh.c shares with the two roles (ssh_client.c, ssh_server.c). For nobody else.
 */
#ifndef SSH_SSH_INTERNAL_H
#define SSH_SSH_INTERNAL_H

#include "adit.h"
#include "ssh/auth_client.h"
#include "ssh/auth_server.h"
#include "ssh/channel.h"
#include "ssh/global.h"
#include "ssh/ident.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/replies.h"
#include "ssh/ssh.h"

/* Where the session is, as bits, so that a row of the message table can name several. */
enum phase {
    PHASE_IDENT = 1,
    PHASE_KEX = 2,     /* the first exchange */
    PHASE_STRICT = 4,  /* the first exchange, strict: nothing but its own messages */
    PHASE_SERVICE = 8, /* keys are in use, SERVICE_ACCEPT not seen or sent */
    PHASE_AUTH = 16,
    PHASE_OPEN = 32,  /* the connection protocol */
    PHASE_REKEX = 64, /* the peer's KEXINIT came and its NEWKEYS did not: see ssh_phase */
    PHASE_ENDED = 128,
};

/* A message: in which phases it may come, and what is done with it. The handler returns an error to end the
 * session (ssh->error has it), and fills the event when there is something to tell. */
struct message_row {
    uint8_t number;
    uint8_t phases;
    enum adit_err (*handle)(struct ssh *ssh, struct span payload, struct ssh_event *event);
};

struct ssh_role {
    const struct kex_side *kex_side;
    const struct message_row *rows;   /* this role's own messages; ends with number 0 */
    const char *const *channel_types; /* what the peer may open; ends with NULL */
    const char *const *global_types;  /* what is shown to the caller; ends with NULL */
    /* Produces the event for what the role waits for. True: *event is filled. */
    bool (*next)(struct ssh *ssh, struct ssh_event *event);
    bool (*may_send_early)(const struct ssh *ssh);  /* opens may ride along with the authentication */
    enum adit_err (*on_keys_done)(struct ssh *ssh); /* the first exchange is over */
    enum adit_err (*sign)(struct ssh *ssh, struct span signature); /* the caller's answer to SIGN */
};

enum { SIG_ALGS_MAX = 1024, HOST_KEYS_MAX = 8, LIST_TEXT_MAX = 2048 };

struct ssh {
    const struct ssh_role *role;
    struct ssh_config config;
    struct adit_alloc memory;
    struct drbg random;
    struct packet packet;
    struct kex kex;
    struct ident ident;
    struct channels channels;
    struct globals globals;
    struct replies replies;
    struct auth_client auth_client;
    struct auth_server auth_server;
    struct adit_error error;
    uint8_t phase; /* without the overlay of a re-exchange: see ssh_phase */
    bool is_asked; /* the event for the current want was delivered */
    bool in_eof;
    bool end_is_told;
    bool rekey_is_wanted; /* as soon as the phase and the room in the output allow it */
    bool is_authenticated;
    bool answer_is_due; /* a GLOBAL_REQUEST event waits for ssh_global_answer */
    bool has_held;      /* held: a packet that was looked at and not yet dispatched */
    struct span held;

    uint64_t now_us;
    uint64_t last_tick_us;
    uint64_t heard_us;          /* the last packet of the peer */
    uint64_t handshake_left_us; /* of config.handshake_ms; runs only while we wait for the peer */
    uint64_t kex_asked_us;      /* the peer's KEXINIT came: the client answers it at once */
    uint64_t kex_done_us;
    uint64_t idle_since_us;
    uint64_t alive_sent_us; /* the last of alive_sent keepalives without an answer */
    uint32_t alive_sent;
    uint32_t rtt_us;
    uint32_t ext_infos;
    char ident_self[LIMIT_IDENT_LINE + 1];
    char ident_peer[LIMIT_IDENT_LINE + 1];
    bool peer_has_host_bound; /* publickey-hostbound-v00@openssh.com, by its EXT_INFO */
    bool peer_has_ping;       /* ping@openssh.com, by its EXT_INFO */
    size_t sig_algs_n;
    uint8_t sig_algs[SIG_ALGS_MAX];
    char lists[5][LIST_TEXT_MAX]; /* the caller's algorithm lists */
    char compression[64];
    size_t host_key_count; /* server */
    struct span host_keys[HOST_KEYS_MAX];
};

uint8_t ssh_phase(const struct ssh *ssh);
/* RFC 4253 §7.1: between our KEXINIT and our NEWKEYS only messages 1-49 (but 5 and 6) may be sent. */
bool ssh_may_send(const struct ssh *ssh);
/* Sends what is due and may go now. */
void ssh_flush(struct ssh *ssh);
enum adit_err ssh_reply(struct ssh *ssh, struct reply r); /* in the order of the requests */
void ssh_rekey_if_due(struct ssh *ssh);
enum adit_err ssh_bad(struct ssh *ssh, const char *what); /* the peer broke the protocol */
/* Ends the session with ssh->error, telling the peer where that still makes sense. */
void ssh_end(struct ssh *ssh);
/* Runs an answer or command: an error it returns ends the session. */
void ssh_check(struct ssh *ssh, enum adit_err result);
/* Looks at the next packet; takes it when it is EXT_INFO (it never makes an event). */
void ssh_take_ext_info(struct ssh *ssh);
enum adit_err ssh_send_ext_info(struct ssh *ssh, const char *sig_algs);
void ssh_note_rtt(struct ssh *ssh, uint64_t sent_us);
/* ssh_chan_request with the type's own fields in two pieces, so that a long one need not be copied. */
bool ssh_chan_request2(struct ssh *ssh, struct channel *channel, const char *type, bool want_reply,
                       struct span extra, struct span more) ADIT_MUST_USE;

/* ---- ssh_connection.c: the handlers of its messages, for the table in ssh.c ---- */

enum adit_err ssh_on_channel_open(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_open_confirmation(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_open_failure(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_window_adjust(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_data(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_eof(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_close(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_channel_request(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_channel_reply(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_global_request(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_global_reply(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_unimplemented(struct ssh *ssh, struct span payload, struct ssh_event *event);

/* ---- ssh_ping.c: the same ---- */

enum adit_err ssh_on_ping(struct ssh *ssh, struct span payload, struct ssh_event *event);
enum adit_err ssh_on_pong(struct ssh *ssh, struct span payload, struct ssh_event *event);

#endif
