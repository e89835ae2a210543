/*
 * kex.h - one key exchange after the other: RFC 4253 §7-§9, strict key exchange (OpenSSH PROTOCOL §1.9).
 *
 * It speaks of self and peer; which of the two is the client is data (struct kex_side). It writes its own
 * messages into the packet layer and sets its keys. Whoever drives it looks at `want` after every call.
 */
#ifndef SSH_KEX_H
#define SSH_KEX_H

#include "adit.h"
#include "crypto/crypto.h"
#include "ssh/algo.h"
#include "ssh/packet.h"

/* The asymmetry between the roles, as data. */
struct kex_side {
    bool is_client;            /* sends the first share; its lists decide */
    const char *ext_info;      /* markers that we put into the kex list: "ext-info-c", ... */
    const char *strict;        /* "kex-strict-c-v00@openssh.com" */
    const char *peer_ext_info; /* and those that we look for in the peer's */
    const char *peer_strict;
};
extern const struct kex_side kex_side_client, kex_side_server;

/* What the driver has to do before the exchange goes on. */
enum kex_want {
    KEX_WANT_NOTHING,
    KEX_WANT_HOST_KEY_VERDICT, /* client: kex_host_key() was proven to be the peer's; is it the right one? */
    KEX_WANT_HOST_KEY,         /* server: the public key of choice.host_key -> kex_give_host_key */
    KEX_WANT_SIGNATURE,        /* server: of kex_to_sign() with choice.host_key -> kex_give_signature */
};

struct kex_run; /* what lives only during an exchange, wiped and released at its end */

struct kex {
    const struct kex_side *side;
    const struct adit_alloc *memory;
    struct drbg *random;
    const char *compression;            /* the list of it, borrowed; NULL: none */
    const char *lists[4];               /* kex, host keys, ciphers, macs: ours, borrowed */
    struct span ident_self, ident_peer; /* identification strings without CR LF, borrowed */
    bool offers_strict, guesses;
    bool is_authenticated; /* zlib@openssh.com is in force (see kex_authenticated) */

    bool self_started; /* our KEXINIT is out and our NEWKEYS is not: only messages 1-49 may be sent */
    bool peer_started; /* the peer's KEXINIT came and its NEWKEYS did not: only 1-49 may come */
    bool ignore_next;  /* the peer's wrong guess (RFC 4253 §7) */
    bool has_failed;   /* the peer's public value is not valid */
    bool is_strict;
    bool peer_has_ext_info;
    bool is_first_done;
    enum kex_want want;
    uint64_t done_count;

    uint8_t session_id[HASH_MAX_LEN];
    size_t session_id_len;
    uint8_t host_key_hash[32]; /* SHA-256 of the first exchange's host key: it may not change */
    uint8_t *proof;            /* client: the first exchange's host key, and behind it its signature; see
                                  kex_first_host_key */
    size_t proof_key_len, proof_len;
    struct algo_choice choice; /* of the last or current exchange */
    struct kex_run *run;
};

void kex_init(struct kex *kex, const struct kex_side *side, const struct adit_alloc *memory,
              struct drbg *random);
void kex_wipe(struct kex *kex);

/* Sends our KEXINIT. May be called when none is under way on our side. */
enum adit_err kex_start(struct kex *kex, struct packet *pk, struct adit_error *err);

/* Message handlers; payload starts with the message number. They fail the session by returning an error. */
enum adit_err kex_on_kexinit(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err);
enum adit_err kex_on_init(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err);
enum adit_err kex_on_reply(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err);
enum adit_err kex_on_newkeys(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err);

/* Client: the verdict on the host key was yes. Sends NEWKEYS. */
enum adit_err kex_accept_host_key(struct kex *kex, struct packet *pk, struct adit_error *err);
struct span kex_host_key(const struct kex *kex); /* until the exchange ends */
/* Client: what the server showed in the first exchange, and its signature over the session identifier. Empty
 * before; until kex_wipe. */
struct span kex_first_host_key(const struct kex *kex);
struct span kex_first_signature(const struct kex *kex);
/* Server. */
enum adit_err kex_give_host_key(struct kex *kex, struct span blob, struct adit_error *err);
struct span kex_to_sign(const struct kex *kex);
enum adit_err kex_give_signature(struct kex *kex, struct packet *pk, struct span signature,
                                 struct adit_error *err);

/* The authentication has succeeded, in the packet that was sent (server) or opened (client) last: compression
 * that waits for that starts. */
enum adit_err kex_authenticated(struct kex *kex, struct packet *pk, struct adit_error *err);

/* True when the keys have protected as much as they may (RFC 4344 §3; limit 0: what the cipher allows). */
bool kex_is_due(const struct kex *kex, const struct packet *pk, uint64_t limit_bytes);

#endif
