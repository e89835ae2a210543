#include "ssh/agent.h"

/* The message numbers of the protocol's §6.1. */
enum {
    AGENT_FAILURE = 5,
    AGENT_SUCCESS = 6,
    AGENT_REQUEST_IDENTITIES = 11,
    AGENT_IDENTITIES_ANSWER = 12,
    AGENT_SIGN_REQUEST = 13,
    AGENT_SIGN_RESPONSE = 14,
    AGENT_ADD_IDENTITY = 17,
    AGENT_ADD_ID_CONSTRAINED = 25,
    AGENT_EXTENSION = 27,
    AGENT_CONSTRAIN_LIFETIME = 1,
    AGENT_CONSTRAIN_CONFIRM = 2,
};

void agent_write_list(struct wr *w)
{
    size_t begin = wr_string_begin(w);
    wr_u8(w, AGENT_REQUEST_IDENTITIES);
    wr_string_end(w, begin);
}

void agent_write_sign(struct wr *w, struct span blob, struct span data, uint32_t flags)
{
    size_t begin = wr_string_begin(w);
    wr_u8(w, AGENT_SIGN_REQUEST);
    wr_string(w, blob);
    wr_string(w, data);
    wr_u32(w, flags);
    wr_string_end(w, begin);
}

void agent_write_bind(struct wr *w, struct span host_key, struct span session_id, struct span signature,
                      bool is_forwarding)
{
    size_t begin = wr_string_begin(w);
    wr_u8(w, AGENT_EXTENSION);
    wr_cstring(w, "session-bind@openssh.com");
    wr_string(w, host_key);
    wr_string(w, session_id);
    wr_string(w, signature);
    wr_bool(w, is_forwarding);
    wr_string_end(w, begin);
}

void agent_write_add(struct wr *w, const struct key_secret *secret, struct span comment, uint32_t lifetime_s,
                     bool confirm)
{
    size_t begin = wr_string_begin(w);
    wr_u8(w, lifetime_s > 0 || confirm ? AGENT_ADD_ID_CONSTRAINED : AGENT_ADD_IDENTITY);
    key_secret_write(secret, w);
    wr_string(w, comment);
    if (lifetime_s > 0) {
        wr_u8(w, AGENT_CONSTRAIN_LIFETIME);
        wr_u32(w, lifetime_s);
    }
    if (confirm)
        wr_u8(w, AGENT_CONSTRAIN_CONFIRM);
    wr_string_end(w, begin);
}

uint32_t agent_sign_flags(struct span sigalg)
{
    if (span_is(sigalg, "rsa-sha2-512"))
        return AGENT_RSA_SHA2_512;
    return span_is(sigalg, "rsa-sha2-256") ? AGENT_RSA_SHA2_256 : 0;
}

enum agent_frame agent_frame(struct span received, struct span *reply, size_t *wanted, struct adit_error *err)
{
    *reply = (struct span){0};
    *wanted = received.n < 4 ? 4 - received.n : 0;
    if (*wanted > 0)
        return AGENT_FRAME_MORE;
    uint32_t len = get_u32(received.p);
    size_t have = received.n - 4;
    if (len == 0 || len > LIMIT_AGENT_REPLY) {
        adit_fail(err, ADIT_E_AUTH, "the agent sent a reply of %lu bytes", (unsigned long)len);
        return AGENT_FRAME_BAD;
    }
    if (have > len) {
        adit_fail(err, ADIT_E_AUTH, "the agent sent more than one reply");
        return AGENT_FRAME_BAD;
    }
    *wanted = len - have;
    if (*wanted > 0)
        return AGENT_FRAME_MORE;
    *reply = span_sub(received, 4, len);
    return AGENT_FRAME_WHOLE;
}

static enum adit_err fail_malformed(struct adit_error *err, const char *what)
{
    return adit_fail(err, ADIT_E_AUTH, "the agent's %s is malformed", what);
}

/* Reads the message number: the reply that fits the request, or an error that says what came instead. */
static enum adit_err read_number(struct rd *r, uint8_t expected, struct adit_error *err)
{
    uint8_t number = rd_u8(r);
    if (!rd_ok(r))
        return fail_malformed(err, "reply");
    if (number == AGENT_FAILURE)
        return adit_fail(err, ADIT_E_AUTH, "the agent refused");
    if (number != expected)
        return adit_fail(err, ADIT_E_AUTH, "the agent sent message %u instead of %u", (unsigned)number,
                         (unsigned)expected);
    return ADIT_E_OK;
}

enum adit_err agent_success(struct span reply, struct adit_error *err)
{
    struct rd r = rd_init(reply);
    enum adit_err e = read_number(&r, AGENT_SUCCESS, err);
    if (e == ADIT_E_OK && !rd_done(&r))
        return fail_malformed(err, "reply");
    return e;
}

/* Walks the whole list, so that a malformed one gives out no key at all. */
static bool list_is_whole(struct rd r, uint32_t count)
{
    for (; count > 0 && rd_ok(&r); count--) {
        rd_string_max(&r, LIMIT_KEY_BLOB);
        rd_string(&r);
    }
    return rd_done(&r);
}

enum adit_err agent_keys_init(struct agent_keys *keys, struct span reply, struct adit_error *err)
{
    *keys = (struct agent_keys){0};
    struct rd r = rd_init(reply);
    enum adit_err e = read_number(&r, AGENT_IDENTITIES_ANSWER, err);
    if (e != ADIT_E_OK)
        return e;
    uint32_t count = rd_u32(&r);
    if (count > LIMIT_AGENT_KEYS)
        return adit_fail(err, ADIT_E_AUTH, "the agent says that it has %lu keys", (unsigned long)count);
    if (!list_is_whole(r, count))
        return fail_malformed(err, "list of keys");
    *keys = (struct agent_keys){.rest = r, .left = count};
    return ADIT_E_OK;
}

bool agent_keys_next(struct agent_keys *keys, struct agent_key *key)
{
    *key = (struct agent_key){0};
    if (keys->left == 0)
        return false;
    keys->left--;
    key->blob = rd_string(&keys->rest);
    key->comment = rd_string(&keys->rest);
    return true;
}

enum adit_err agent_signature(struct span reply, struct span sigalg, struct span *signature,
                              struct adit_error *err)
{
    *signature = (struct span){0};
    struct rd r = rd_init(reply);
    enum adit_err e = read_number(&r, AGENT_SIGN_RESPONSE, err);
    if (e != ADIT_E_OK)
        return e;
    struct span blob = rd_string_max(&r, LIMIT_SIGNATURE);
    struct rd inner = rd_init(blob);
    struct span name = rd_string(&inner);
    rd_string(&inner);
    if (!rd_done(&r) || !rd_ok(&inner))
        return fail_malformed(err, "signature");
    if (!span_eq(name, sigalg))
        return adit_fail(err, ADIT_E_AUTH, "the agent signed with %.*s instead of %.*s",
                         (int)(name.n < 64 ? name.n : 64), name.p, (int)(sigalg.n < 64 ? sigalg.n : 64),
                         sigalg.p);
    *signature = blob;
    return ADIT_E_OK;
}
