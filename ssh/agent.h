/*
 * agent.h - the client's side of the agent protocol (draft-ietf-sshm-ssh-agent), bytes only.
 *
 * The caller owns the socket and the buffers: it writes what a writer made, collects bytes until
 * agent_frame says that a reply is whole, and hands the reply to the parser that fits the request. One
 * request at a time. An agent is trusted with signatures, not with our memory: replies above
 * LIMIT_AGENT_REPLY, unknown or malformed ones are errors (ADIT_E_AUTH, so that the next method is tried).
 */
#ifndef SSH_AGENT_H
#define SSH_AGENT_H

#include "adit.h"
#include "ssh/key.h"
#include "ssh/wire.h"

/* ---- Requests: with their 4-byte length, ready to be sent; check wr_ok. ------------------------------ */

void agent_write_list(struct wr *w); /* 5 bytes */
/* Asks for a signature over data by the key of blob. blob.n + data.n + 17 bytes. */
void agent_write_sign(struct wr *w, struct span blob, struct span data, uint32_t flags);
enum { AGENT_RSA_SHA2_256 = 2, AGENT_RSA_SHA2_512 = 4 };
/* The flags for a signature algorithm: one of the two for rsa-sha2-*, 0 for the others. */
uint32_t agent_sign_flags(struct span sigalg);
/* session-bind@openssh.com (OpenSSH PROTOCOL.agent §1): what the rest of this connection to the agent is for.
 * signature: the host key's, over session_id. is_forwarding: for somebody at the other end, not for this
 * authentication. An agent that does not know it answers with a failure, which is fine. */
void agent_write_bind(struct wr *w, struct span host_key, struct span session_id, struct span signature,
                      bool is_forwarding);
/* Adds a key; AGENT_ADD_MAX bytes are enough. lifetime_s: 0 for ever. confirm: each use is to be confirmed.
 */
enum { AGENT_ADD_MAX = 4096 };
void agent_write_add(struct wr *w, const struct key_secret *secret, struct span comment, uint32_t lifetime_s,
                     bool confirm);

/* ---- Replies ------------------------------------------------------------------------------------------ */

enum agent_frame {
    AGENT_FRAME_MORE,  /* at least *wanted more bytes are needed; never more than the reply has */
    AGENT_FRAME_WHOLE, /* *reply is the message without its length; it points into received */
    AGENT_FRAME_BAD,   /* err says why; close the connection */
};
/* received: everything since the request, which must be one reply and nothing behind it. */
enum agent_frame agent_frame(struct span received, struct span *reply, size_t *wanted,
                             struct adit_error *err) ADIT_MUST_USE;

/* The reply to an addition. */
enum adit_err agent_success(struct span reply, struct adit_error *err) ADIT_MUST_USE;

/* The keys of an IDENTITIES_ANSWER; the whole list is checked before the first one is given out. Spans point
 * into the reply. A locked agent answers with an empty list. More than LIMIT_AGENT_KEYS is an error. */
struct agent_keys {
    struct rd rest;
    uint32_t left;
};
struct agent_key {
    struct span blob, comment; /* neither is parsed; the comment is not fit for a terminal yet */
};
enum adit_err agent_keys_init(struct agent_keys *keys, struct span reply,
                              struct adit_error *err) ADIT_MUST_USE;
bool agent_keys_next(struct agent_keys *keys, struct agent_key *key);

/* The signature blob of a SIGN_RESPONSE (at most LIMIT_SIGNATURE bytes), not verified, but its algorithm name
 * is sigalg: an old agent that ignores the flags answers with ssh-rsa. Points into the reply. */
enum adit_err agent_signature(struct span reply, struct span sigalg, struct span *signature,
                              struct adit_error *err) ADIT_MUST_USE;

#endif
