/*
 * auth_server.h - user authentication, the server's side: RFC 4252, RFC 4256.
 *
 * It checks the form and the signatures; who may log in is the caller's decision, asked for by `want`.
 */
#ifndef SSH_AUTH_SERVER_H
#define SSH_AUTH_SERVER_H

#include "adit.h"
#include "ssh/packet.h"

enum auth_request_kind {
    AUTH_REQUEST_NONE, /* also a method that this side does not know */
    AUTH_REQUEST_PROBE,
    AUTH_REQUEST_PUBKEY, /* the signature was verified */
    AUTH_REQUEST_PASSWORD,
    AUTH_REQUEST_KBDINT,        /* the request itself */
    AUTH_REQUEST_KBDINT_ANSWERS /* data: uint32 count, then strings */
};

struct auth_server {
    bool wants_verdict; /* the request below waits for the caller */
    enum auth_request_kind kind;
    bool awaits_answers; /* an INFO_REQUEST is out */
    uint32_t tries;
    uint8_t user_bytes[LIMIT_USER]; /* the answers to prompts come in a later packet without the name */
    struct span user;               /* in user_bytes */
    struct span method;             /* these: in the packet that is being answered */
    struct span blob, alg, data;
};

void auth_server_init(struct auth_server *a);
/* USERAUTH_REQUEST; a bad signature is answered with a failure at once. */
enum adit_err auth_on_request(struct auth_server *a, struct packet *pk, struct span session_id,
                              struct span payload, struct adit_error *err);
enum adit_err auth_on_info_response(struct auth_server *a, struct span payload, struct adit_error *err);
/* Success of a probe is PK_OK. methods: what can continue, for a failure. *done: the user is in. */
enum adit_err auth_verdict(struct auth_server *a, struct packet *pk, bool success, bool partial,
                           struct span methods, bool *done, struct adit_error *err);
enum adit_err auth_prompt(struct auth_server *a, struct packet *pk, const struct span *prompts, size_t count,
                          struct adit_error *err);
enum adit_err auth_send_banner(struct packet *pk, struct span text, struct adit_error *err);

#endif
