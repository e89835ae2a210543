#include "ssh/auth_server.h"

#include <string.h>

#include "ssh/key.h"
#include "ssh/msg.h"
#include "ssh/wire.h"

void auth_server_init(struct auth_server *a)
{
    *a = (struct auth_server){0};
}

static enum adit_err send(struct packet *pk, const struct wr *w, struct adit_error *err)
{
    if (packet_send(pk, w))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_LIMIT, "an authentication message does not fit");
}

static enum adit_err send_failure(struct packet *pk, struct span methods, bool partial,
                                  struct adit_error *err)
{
    struct wr w = packet_begin(pk, SSH_MSG_USERAUTH_FAILURE, methods.n + 6);
    wr_string(&w, methods);
    wr_bool(&w, partial);
    return send(pk, &w, err);
}

static enum adit_err bad(struct adit_error *err, const char *what)
{
    return adit_fail(err, ADIT_E_PROTOCOL, "%s", what);
}

/* RFC 4252 §7: the signature is over the session identifier and the request up to the signature. The bytes
 * before it in the packet are that request; they are put behind the identifier in a scratch region of the
 * output buffer, which no packet claims afterwards. */
static bool signature_is_good(struct auth_server *a, struct packet *pk, struct span session_id,
                              struct span signed_part, struct span signature)
{
    struct key key;
    struct adit_error why = {0};
    struct wspan to = packet_reserve(pk, 4 + session_id.n + signed_part.n);
    struct wr w = wr_init(to.p, to.n);
    wr_string(&w, session_id);
    wr_bytes(&w, signed_part);
    return wr_ok(&w) && key_parse(&key, a->blob) &&
           key_verify(&key, a->alg, signature, wr_done(&w), &why) == ADIT_E_OK;
}

static enum adit_err on_publickey(struct auth_server *a, struct packet *pk, struct span session_id,
                                  struct span payload, struct rd *r, struct adit_error *err)
{
    bool has_signature = rd_bool(r);
    a->alg = rd_string(r);
    a->blob = rd_string_max(r, LIMIT_KEY_BLOB);
    struct span signed_part = {payload.p, payload.n - r->n};
    struct span signature = has_signature ? rd_string_max(r, LIMIT_SIGNATURE) : (struct span){0};
    if (!rd_done(r))
        return bad(err, "USERAUTH_REQUEST publickey: wrong lengths (RFC 4252 §7)");
    a->kind = has_signature ? AUTH_REQUEST_PUBKEY : AUTH_REQUEST_PROBE;
    if (has_signature && !signature_is_good(a, pk, session_id, signed_part, signature)) {
        a->wants_verdict = false;
        return send_failure(pk, span_str("publickey"), false, err);
    }
    return ADIT_E_OK;
}

enum adit_err auth_on_request(struct auth_server *a, struct packet *pk, struct span session_id,
                              struct span payload, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    struct span user = rd_string_max(&r, LIMIT_USER);
    if (user.n > 0)
        memcpy(a->user_bytes, user.p, user.n);
    a->user = (struct span){a->user_bytes, user.n};
    struct span service = rd_string_max(&r, 64);
    a->method = rd_string_max(&r, 64);
    a->kind = AUTH_REQUEST_NONE;
    a->blob = a->alg = a->data = (struct span){0};
    a->wants_verdict = true;
    a->awaits_answers = false; /* RFC 4256 §3.1: a new request abandons the one in progress */
    if (!rd_ok(&r) || !span_is(service, "ssh-connection"))
        return bad(err, "USERAUTH_REQUEST: wrong lengths or an unknown service (RFC 4252 §5)");
    if (++a->tries > LIMIT_AUTH_TRIES)
        return adit_fail(err, ADIT_E_AUTH, "too many authentication requests");
    if (span_is(a->method, "publickey"))
        return on_publickey(a, pk, session_id, payload, &r, err);
    if (span_is(a->method, "password")) {
        a->kind = AUTH_REQUEST_PASSWORD;
        (void)rd_bool(&r);
        a->data = rd_string(&r);
        (void)rd_rest(&r); /* a new password */
    } else if (span_is(a->method, "keyboard-interactive")) {
        a->kind = AUTH_REQUEST_KBDINT;
        (void)rd_string(&r);
        a->data = rd_string(&r);
    } else {
        (void)rd_rest(&r);
    }
    return rd_done(&r) ? ADIT_E_OK : bad(err, "USERAUTH_REQUEST: wrong lengths (RFC 4252 §8, RFC 4256 §3.1)");
}

enum adit_err auth_on_info_response(struct auth_server *a, struct span payload, struct adit_error *err)
{
    if (!a->awaits_answers)
        return bad(err, "USERAUTH_INFO_RESPONSE without a request (RFC 4256 §3.4)");
    a->awaits_answers = false;
    a->kind = AUTH_REQUEST_KBDINT_ANSWERS;
    a->method = span_str("keyboard-interactive");
    a->blob = a->alg = (struct span){0};
    a->data = span_sub(payload, 1, payload.n);
    a->wants_verdict = true;
    return ADIT_E_OK;
}

enum adit_err auth_verdict(struct auth_server *a, struct packet *pk, bool success, bool partial,
                           struct span methods, bool *done, struct adit_error *err)
{
    a->wants_verdict = false;
    *done = false;
    if (success && a->kind == AUTH_REQUEST_PROBE) {
        struct wr w = packet_begin(pk, SSH_MSG_USERAUTH_PK_OK, a->alg.n + a->blob.n + 16);
        wr_string(&w, a->alg);
        wr_string(&w, a->blob);
        return send(pk, &w, err);
    }
    if (!success)
        return send_failure(pk, methods, partial, err);
    struct wr w = packet_begin(pk, SSH_MSG_USERAUTH_SUCCESS, 1);
    *done = true;
    return send(pk, &w, err);
}

enum adit_err auth_prompt(struct auth_server *a, struct packet *pk, const struct span *prompts, size_t count,
                          struct adit_error *err)
{
    size_t n = 64;
    for (size_t i = 0; i < count; i++)
        n += prompts[i].n + 5;
    struct wr w = packet_begin(pk, SSH_MSG_USERAUTH_INFO_REQUEST, n);
    wr_cstring(&w, "");
    wr_cstring(&w, "");
    wr_cstring(&w, "");
    wr_u32(&w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        wr_string(&w, prompts[i]);
        wr_bool(&w, false);
    }
    a->wants_verdict = false;
    a->awaits_answers = true;
    return send(pk, &w, err);
}

enum adit_err auth_send_banner(struct packet *pk, struct span text, struct adit_error *err)
{
    struct wr w = packet_begin(pk, SSH_MSG_USERAUTH_BANNER, text.n + 16);
    wr_string(&w, text);
    wr_cstring(&w, "");
    return send(pk, &w, err);
}
