/*
 * auth_client.h - user authentication, the client's side: RFC 4252, RFC 4256, RFC 8332.
 *
 * One method at a time: a command starts it, the peer's messages carry it on, and `want` says what the driver
 * has to do. It holds one request in a scratch buffer that lives until authentication is over.
 */
#ifndef SSH_AUTH_CLIENT_H
#define SSH_AUTH_CLIENT_H

#include "adit.h"
#include "ssh/packet.h"

enum auth_want {
    AUTH_WANT_NOTHING,   /* an answer of the peer is awaited, or all is done */
    AUTH_WANT_METHOD,    /* the next method: methods, partial, first */
    AUTH_WANT_SIGNATURE, /* of to_sign with key_blob and key_alg */
    AUTH_WANT_ANSWERS,   /* keyboard-interactive: prompts */
    AUTH_WANT_PASSWORD,  /* the server wants the password changed */
};

enum auth_method { AUTH_NONE, AUTH_PUBKEY, AUTH_PUBKEY_PROBE, AUTH_PASSWORD, AUTH_KBDINT };

struct auth_client {
    const struct adit_alloc *memory;
    uint8_t *scratch; /* AUTH_SCRATCH bytes */
    size_t to_sign_at, to_sign_n, session_id_n, blob_at, blob_n, alg_at, alg_n;
    enum auth_want want;
    enum auth_method method;
    bool in_flight; /* a request waits for its answer */
    bool first;     /* nothing was tried yet */
    bool partial;
    bool has_user;
    uint32_t tries;
    uint32_t rounds; /* of INFO_REQUEST */
    uint32_t banners;
    size_t banner_bytes;
    size_t user_n;
    uint8_t user[LIMIT_USER + 1];
    size_t methods_n;
    uint8_t methods[512];                                       /* name-list of what can continue */
    struct span kbdint_name, kbdint_instruction, change_prompt; /* in the packet that is being answered */
    size_t prompt_count;
    struct span prompts[LIMIT_KBDINT_PROMPTS];
    bool echo[LIMIT_KBDINT_PROMPTS];
};

void auth_client_init(struct auth_client *a, const struct adit_alloc *memory);
void auth_client_wipe(struct auth_client *a);
void auth_client_user(struct auth_client *a, struct span user);

/* The methods. They write a USERAUTH_REQUEST; ADIT_E_LIMIT when it does not fit. */
enum adit_err auth_try_none(struct auth_client *a, struct packet *pk, struct adit_error *err);
enum adit_err auth_try_password(struct auth_client *a, struct packet *pk, struct span password,
                                struct adit_error *err);
enum adit_err auth_change_password(struct auth_client *a, struct packet *pk, struct span old_password,
                                   struct span new_password, struct adit_error *err);
enum adit_err auth_try_kbdint(struct auth_client *a, struct packet *pk, struct span submethods,
                              struct adit_error *err);
enum adit_err auth_answer_kbdint(struct auth_client *a, struct packet *pk, const struct span *answers,
                                 size_t count, struct adit_error *err);
/* probe: asks first (RFC 4252 §7). Without it the signature is wanted at once. host_key: empty, or what the
 * request that is signed is bound to by publickey-hostbound-v00@openssh.com (OpenSSH PROTOCOL §3.1), for a
 * server that has said that it knows it. */
enum adit_err auth_try_publickey(struct auth_client *a, struct packet *pk, struct span session_id,
                                 struct span blob, struct span alg, struct span host_key, bool probe,
                                 struct adit_error *err);
struct span auth_to_sign(const struct auth_client *a);
struct span auth_key_blob(const struct auth_client *a);
struct span auth_key_alg(const struct auth_client *a);
/* The empty span: could not sign; then the next method is wanted. */
enum adit_err auth_give_signature(struct auth_client *a, struct packet *pk, struct span signature,
                                  struct adit_error *err);

/* The peer's messages; payload starts with the message number. */
enum adit_err auth_on_failure(struct auth_client *a, struct span payload, struct adit_error *err);
enum adit_err auth_on_success(struct auth_client *a, struct span payload, struct adit_error *err);
enum adit_err auth_on_banner(struct auth_client *a, struct span payload, struct span *text,
                             struct adit_error *err);
/* Message 60, whose meaning is the method's (RFC 4252 §6): PK_OK, PASSWD_CHANGEREQ or INFO_REQUEST. */
enum adit_err auth_on_60(struct auth_client *a, struct span payload, struct adit_error *err);

const char *auth_method_name(enum auth_method method);

#endif
