/*
 * proof.c - the server's other host keys: what it shows once the session is open (hostkeys-00@openssh.com,
 * OpenSSH's PROTOCOL §2.5) goes to whoever keeps them, and of those that are new the server must prove that
 * it holds the secret halves. Traffic goes on meanwhile, whatever time a person takes: the peer's bytes are
 * kept here, once a connection and bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/internal.h"

void proof_on_shown(struct session *s, struct span keys)
{
    struct proof *p = &s->proof;
    if (!s->config.wants_host_keys || p->is_seen || s->phase != PHASE_OPEN || s->is_asking)
        return;
    p->is_seen = true;
    if (keys.n > SESSION_HOST_KEYS_LEN_MAX) {
        session_log(s, SESSION_ERROR, "the server shows too many host keys: known_hosts stays as it is");
        return;
    }
    p->bytes = malloc(keys.n + 1);
    if (p->bytes == NULL)
        return;
    if (keys.n > 0)
        memcpy(p->bytes, keys.p, keys.n);
    question_host_keys(s, SESSION_ASK_HOST_KEYS, span_make(p->bytes, keys.n));
}

static void proof_failed(struct session *s)
{
    session_log(s, SESSION_ERROR, "Server failed to confirm ownership of private host keys");
    proof_wipe(&s->proof);
}

/* A request for each key: a long list would not fit into one. */
static bool ask_all(struct session *s, const struct span *keys, size_t count)
{
    struct proof *p = &s->proof;
    for (size_t i = 0; i < count; i++, p->due++)
        if (!ssh_global_request(s->conn.ssh, "hostkeys-prove-00@openssh.com", keys[i], true, p))
            return false;
    return true;
}

void proof_ask(struct session *s, const struct span *keys, size_t count)
{
    struct proof *p = &s->proof;
    uint8_t *shown = p->bytes; /* where the keys are */
    *p = (struct proof){.is_seen = true};
    if (count > 0 && count <= SESSION_HOST_KEYS_MAX) {
        p->cap = count * (4 + LIMIT_SIGNATURE);
        p->bytes = malloc(p->cap);
        p->is_bad = p->bytes == NULL || !ask_all(s, keys, count);
        if (p->is_bad && p->due == 0)
            proof_failed(s);
    }
    free(shown);
}

/* A string, and nothing behind it: whoever verifies the signatures finds each by its length. */
static bool is_one_string(struct span data)
{
    if (data.n < 4 || data.n > 4 + LIMIT_SIGNATURE)
        return false;
    size_t n = (size_t)data.p[0] << 24 | (size_t)data.p[1] << 16 | (size_t)data.p[2] << 8 | data.p[3];
    return n == data.n - 4;
}

void proof_on_reply(struct session *s, const struct ssh_event *ev)
{
    struct proof *p = &s->proof;
    if (p->due == 0)
        return;
    p->due--;
    if (!ev->flag || !is_one_string(ev->data) || p->bytes == NULL || ev->data.n > p->cap - p->n) {
        p->is_bad = true;
    } else {
        memcpy(p->bytes + p->n, ev->data.p, ev->data.n);
        p->n += ev->data.n;
    }
    if (p->due > 0)
        return;
    if (p->is_bad)
        proof_failed(s);
    else if (s->phase == PHASE_OPEN && !s->is_asking)
        question_host_keys(s, SESSION_ASK_PROOFS, span_make(p->bytes, p->n));
}

void proof_wipe(struct proof *p)
{
    free(p->bytes);
    *p = (struct proof){.is_seen = p->is_seen};
}
