#include "ssh/auth_client.h"

#include <string.h>

#include "ssh/msg.h"
#include "ssh/wire.h"

/* session identifier, user, two names, algorithm, key, host key, signature, and their lengths. */
enum {
    AUTH_SCRATCH = 2 * LIMIT_KEY_BLOB + LIMIT_SIGNATURE + LIMIT_USER + 512,
    BANNERS_MAX = 1024,
    BANNER_BYTES_MAX = 1024 * 1024
};

void auth_client_init(struct auth_client *a, const struct adit_alloc *memory)
{
    *a = (struct auth_client){.memory = memory, .first = true, .want = AUTH_WANT_NOTHING};
}

static void scratch_free(struct auth_client *a)
{
    if (a->scratch == NULL)
        return;
    adit_wipe(a->scratch, AUTH_SCRATCH);
    a->memory->release(a->memory->ctx, a->scratch, AUTH_SCRATCH);
    a->scratch = NULL;
}

void auth_client_wipe(struct auth_client *a)
{
    scratch_free(a);
    adit_wipe(a, sizeof(*a));
}

void auth_client_user(struct auth_client *a, struct span user)
{
    struct span cut = span_sub(user, 0, LIMIT_USER);
    if (cut.n > 0)
        memcpy(a->user, cut.p, cut.n);
    a->user_n = cut.n;
}

const char *auth_method_name(enum auth_method method)
{
    static const char *const names[] = {"none", "publickey", "publickey", "password", "keyboard-interactive"};
    return names[method];
}

/* ---- requests ---- */

/* RFC 4252 §5: user name, service name, method name. [RFC 4252 5c] */
static void write_head(const struct auth_client *a, struct wr *w, const char *method)
{
    wr_u8(w, SSH_MSG_USERAUTH_REQUEST);
    wr_string(w, (struct span){a->user, a->user_n});
    wr_cstring(w, "ssh-connection");
    wr_cstring(w, method);
}

static struct wr begin_request(const struct auth_client *a, struct packet *pk, enum auth_method method,
                               size_t extra)
{
    struct wspan to = packet_reserve(pk, 64 + a->user_n + extra);
    struct wr w = wr_init(to.p, to.n);
    write_head(a, &w, auth_method_name(method));
    return w;
}

/* [RFC 4252 5.1c] */
static enum adit_err send_request(struct auth_client *a, struct packet *pk, const struct wr *w,
                                  enum auth_method method, struct adit_error *err)
{
    if (++a->tries > LIMIT_AUTH_TRIES)
        return adit_fail(err, ADIT_E_AUTH, "gave up after %d authentication requests", (int)LIMIT_AUTH_TRIES);
    if (!packet_send(pk, w))
        return adit_fail(err, ADIT_E_LIMIT, "an authentication request does not fit into a packet");
    a->method = method;
    a->want = AUTH_WANT_NOTHING;
    a->in_flight = true;
    a->first = false;
    a->rounds = 0;
    return ADIT_E_OK;
}

enum adit_err auth_try_none(struct auth_client *a, struct packet *pk, struct adit_error *err)
{
    struct wr w = begin_request(a, pk, AUTH_NONE, 0);
    return send_request(a, pk, &w, AUTH_NONE, err);
}

enum adit_err auth_try_password(struct auth_client *a, struct packet *pk, struct span password,
                                struct adit_error *err)
{
    struct wr w = begin_request(a, pk, AUTH_PASSWORD, password.n + 8);
    wr_bool(&w, false);
    wr_string(&w, password);
    return send_request(a, pk, &w, AUTH_PASSWORD, err);
}

/* [RFC 4252 8d] */
enum adit_err auth_change_password(struct auth_client *a, struct packet *pk, struct span old_password,
                                   struct span new_password, struct adit_error *err)
{
    struct wr w = begin_request(a, pk, AUTH_PASSWORD, old_password.n + new_password.n + 12);
    wr_bool(&w, true);
    wr_string(&w, old_password);
    wr_string(&w, new_password);
    return send_request(a, pk, &w, AUTH_PASSWORD, err);
}

/* [RFC 4256 3.1a] */
enum adit_err auth_try_kbdint(struct auth_client *a, struct packet *pk, struct span submethods,
                              struct adit_error *err)
{
    struct wr w = begin_request(a, pk, AUTH_KBDINT, submethods.n + 8);
    wr_cstring(&w, ""); /* language tag, deprecated: RFC 4256 §3.1 */
    wr_string(&w, submethods);
    return send_request(a, pk, &w, AUTH_KBDINT, err);
}

/* [RFC 4256 3.4a 3.4c 3.4d] */
enum adit_err auth_answer_kbdint(struct auth_client *a, struct packet *pk, const struct span *answers,
                                 size_t count, struct adit_error *err)
{
    size_t n = 16;
    for (size_t i = 0; i < count; i++)
        n += 4 + answers[i].n;
    struct wr w = packet_begin(pk, SSH_MSG_USERAUTH_INFO_RESPONSE, n);
    wr_u32(&w, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        wr_string(&w, answers[i]);
    /* RFC 4256 §3.4: as many responses as prompts */
    if (count != a->prompt_count || !packet_send(pk, &w))
        return adit_fail(err, ADIT_E_LIMIT, "the answers to %lu prompts do not fit",
                         (unsigned long)a->prompt_count);
    a->want = AUTH_WANT_NOTHING;
    a->in_flight = true;
    return ADIT_E_OK;
}

/* ---- publickey: RFC 4252 §7 ---- */

/* What is signed: string session identifier, then the request up to the key. It is kept in the scratch
 * buffer; the request that is sent is its tail. [RFC 4252 7b] */
static enum adit_err build_request(struct auth_client *a, struct span session_id, struct span blob,
                                   struct span alg, struct span host_key, struct adit_error *err)
{
    if (a->scratch == NULL)
        a->scratch = a->memory->alloc(a->memory->ctx, AUTH_SCRATCH);
    if (a->scratch == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for an authentication request");
    struct wr w = wr_init(a->scratch, AUTH_SCRATCH);
    wr_string(&w, session_id);
    a->session_id_n = w.used;
    write_head(a, &w, host_key.n > 0 ? "publickey-hostbound-v00@openssh.com" : "publickey");
    wr_bool(&w, true);
    wr_string(&w, alg);
    a->alg_at = w.used - alg.n;
    a->alg_n = alg.n;
    wr_string(&w, blob);
    a->blob_at = w.used - blob.n;
    a->blob_n = blob.n;
    if (host_key.n > 0)
        wr_string(&w, host_key);
    a->to_sign_n = w.used;
    if (!wr_ok(&w) || blob.n > LIMIT_KEY_BLOB)
        return adit_fail(err, ADIT_E_LIMIT, "a public key of %lu bytes is too large", (unsigned long)blob.n);
    return ADIT_E_OK;
}

/* [RFC 4252 7a] */
enum adit_err auth_try_publickey(struct auth_client *a, struct packet *pk, struct span session_id,
                                 struct span blob, struct span alg, struct span host_key, bool probe,
                                 struct adit_error *err)
{
    if (build_request(a, session_id, blob, alg, host_key, err) != ADIT_E_OK)
        return err->code;
    if (!probe) {
        a->method = AUTH_PUBKEY;
        a->want = AUTH_WANT_SIGNATURE;
        a->first = false;
        return ADIT_E_OK;
    }
    struct wr w = begin_request(a, pk, AUTH_PUBKEY, alg.n + blob.n + 16);
    wr_bool(&w, false);
    wr_string(&w, alg);
    wr_string(&w, blob);
    return send_request(a, pk, &w, AUTH_PUBKEY_PROBE, err);
}

struct span auth_to_sign(const struct auth_client *a)
{
    return a->scratch == NULL ? (struct span){0} : (struct span){a->scratch, a->to_sign_n};
}

struct span auth_key_blob(const struct auth_client *a)
{
    return a->scratch == NULL ? (struct span){0} : (struct span){a->scratch + a->blob_at, a->blob_n};
}

struct span auth_key_alg(const struct auth_client *a)
{
    return a->scratch == NULL ? (struct span){0} : (struct span){a->scratch + a->alg_at, a->alg_n};
}

enum adit_err auth_give_signature(struct auth_client *a, struct packet *pk, struct span signature,
                                  struct adit_error *err)
{
    if (signature.n == 0) {
        a->want = AUTH_WANT_METHOD;
        return ADIT_E_OK;
    }
    struct span request = span_sub(auth_to_sign(a), a->session_id_n, a->to_sign_n);
    struct wspan to = packet_reserve(pk, request.n + 4 + signature.n);
    struct wr w = wr_init(to.p, to.n);
    wr_bytes(&w, request);
    wr_string(&w, signature);
    return send_request(a, pk, &w, AUTH_PUBKEY, err);
}

/* ---- the peer's messages ---- */

static enum adit_err bad(struct adit_error *err, const char *what)
{
    return adit_fail(err, ADIT_E_PROTOCOL, "%s", what);
}

enum adit_err auth_on_failure(struct auth_client *a, struct span payload, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    struct span methods = rd_namelist(&r);
    bool partial = rd_bool(&r);
    if (!rd_done(&r))
        return bad(err, "USERAUTH_FAILURE: wrong lengths (RFC 4252 §5.1)");
    if (!a->in_flight)
        return bad(err, "USERAUTH_FAILURE without a request (RFC 4252 §5.1)");
    a->methods_n = methods.n < sizeof(a->methods) ? methods.n : 0;
    if (a->methods_n > 0)
        memcpy(a->methods, methods.p, a->methods_n);
    a->partial = partial;
    a->in_flight = false;
    a->want = AUTH_WANT_METHOD;
    return ADIT_E_OK;
}

/* [RFC 4252 5.1f] */
enum adit_err auth_on_success(struct auth_client *a, struct span payload, struct adit_error *err)
{
    if (payload.n != 1)
        return bad(err, "USERAUTH_SUCCESS with trailing bytes (RFC 4252 §5.1)");
    /* A probe asks a question: success would be an answer to something else. */
    if (!a->in_flight || a->method == AUTH_PUBKEY_PROBE)
        return bad(err, "USERAUTH_SUCCESS without a request that could succeed (RFC 4252 §5.1)");
    a->in_flight = false;
    a->want = AUTH_WANT_NOTHING;
    scratch_free(a);
    return ADIT_E_OK;
}

enum adit_err auth_on_banner(struct auth_client *a, struct span payload, struct span *text,
                             struct adit_error *err)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    *text = rd_string(&r);
    (void)rd_string(&r); /* language tag */
    if (!rd_done(&r))
        return bad(err, "USERAUTH_BANNER: wrong lengths (RFC 4252 §5.4)");
    a->banner_bytes += text->n;
    if (++a->banners > BANNERS_MAX || a->banner_bytes > BANNER_BYTES_MAX)
        return adit_fail(err, ADIT_E_LIMIT, "the server sent more than %d banners or %d bytes of them",
                         (int)BANNERS_MAX, (int)BANNER_BYTES_MAX);
    return ADIT_E_OK;
}

/* [RFC 4252 7c] */
static enum adit_err on_pk_ok(struct auth_client *a, struct rd *r, struct adit_error *err)
{
    struct span alg = rd_string(r), blob = rd_string(r);
    if (!rd_done(r))
        return bad(err, "USERAUTH_PK_OK: wrong lengths (RFC 4252 §7)");
    if (!span_eq(blob, auth_key_blob(a)) || !span_eq(alg, auth_key_alg(a)))
        return bad(err, "USERAUTH_PK_OK for another key than the one asked about (RFC 4252 §7)");
    a->in_flight = false;
    a->want = AUTH_WANT_SIGNATURE;
    return ADIT_E_OK;
}

static enum adit_err on_change_request(struct auth_client *a, struct rd *r, struct adit_error *err)
{
    a->change_prompt = rd_string(r);
    (void)rd_string(r);
    if (!rd_done(r))
        return bad(err, "USERAUTH_PASSWD_CHANGEREQ: wrong lengths (RFC 4252 §8)");
    a->in_flight = false;
    a->want = AUTH_WANT_PASSWORD;
    return ADIT_E_OK;
}

/* [RFC 4256 3.2a] */
static enum adit_err on_info_request(struct auth_client *a, struct rd *r, struct adit_error *err)
{
    a->kbdint_name = rd_string(r);
    a->kbdint_instruction = rd_string(r);
    (void)rd_string(r); /* language tag, deprecated */
    uint32_t count = rd_u32(r);
    if (rd_ok(r) && (count > LIMIT_KBDINT_PROMPTS || ++a->rounds > LIMIT_KBDINT_ROUNDS))
        return adit_fail(err, ADIT_E_LIMIT,
                         "USERAUTH_INFO_REQUEST: more than %d prompts or rounds (RFC 4256 §3.2)",
                         (int)LIMIT_KBDINT_PROMPTS);
    for (uint32_t i = 0; rd_ok(r) && i < count; i++) {
        a->prompts[i] = rd_string(r);
        a->echo[i] = rd_bool(r);
    }
    if (!rd_done(r))
        return bad(err, "USERAUTH_INFO_REQUEST: wrong lengths (RFC 4256 §3.2)");
    a->prompt_count = count;
    a->in_flight = false;
    a->want = AUTH_WANT_ANSWERS;
    return ADIT_E_OK;
}

/* [RFC 4252 6b] [RFC 4256 3.2b] */
enum adit_err auth_on_60(struct auth_client *a, struct span payload, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    if (a->in_flight && a->method == AUTH_PUBKEY_PROBE)
        return on_pk_ok(a, &r, err);
    if (a->in_flight && a->method == AUTH_PASSWORD)
        return on_change_request(a, &r, err);
    if (a->in_flight && a->method == AUTH_KBDINT)
        return on_info_request(a, &r, err);
    return bad(err, "message 60 without a method that knows it (RFC 4252 §6)");
}
