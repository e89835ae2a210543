#include "tests/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/ssh_internal.h"

static void *pair_alloc(void *ctx, size_t n)
{
    struct pair *p = ctx;
    if (++p->allocations == p->fail_at)
        return NULL;
    p->allocated += n;
    return malloc(n);
}

static void pair_release(void *ctx, void *memory, size_t n)
{
    struct pair *p = ctx;
    if (memory != NULL)
        p->allocated -= n;
    free(memory);
}

static uint32_t next_random(struct pair *p)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->random >> 33);
}

static size_t public_of(const struct key_secret *key, uint8_t *blob)
{
    struct wr w = wr_init(blob, KEY_PUBLIC_MAX);
    if (!key_secret_public(key, &w))
        abort();
    return w.used;
}

void pair_init(struct pair *p)
{
    struct drbg random;
    uint8_t seed[32] = {7};
    if (!crypto_init())
        abort();
    memset(p, 0, sizeof(*p));
    p->memory = (struct adit_alloc){p, pair_alloc, pair_release};
    p->random = 1;
    p->now_us = 1000000;
    p->method = "publickey";
    p->password = "secret";
    drbg_init(&random, seed);
    if (!key_generate(KEY_ED25519, &random, &p->host_key) ||
        !key_generate(KEY_ED25519, &random, &p->user_key))
        abort();
    p->host_blob_n = public_of(&p->host_key, p->host_blob);
    p->user_blob_n = public_of(&p->user_key, p->user_blob);
    p->config[PAIR_SERVER].host_keys = "ssh-ed25519";
}

void pair_start(struct pair *p)
{
    uint8_t seed[32] = {0};
    memcpy(seed, &p->random, sizeof(p->random));
    p->ssh[PAIR_CLIENT] = ssh_new(&ssh_client, &p->config[PAIR_CLIENT], &p->memory, seed);
    seed[31] = 1;
    p->ssh[PAIR_SERVER] = ssh_new(&ssh_server, &p->config[PAIR_SERVER], &p->memory, seed);
    if (p->ssh[PAIR_SERVER] != NULL &&
        !ssh_server_host_key(p->ssh[PAIR_SERVER], (struct span){p->host_blob, p->host_blob_n}))
        abort();
}

void pair_free(struct pair *p)
{
    ssh_free(p->ssh[0]);
    ssh_free(p->ssh[1]);
    key_secret_wipe(&p->host_key);
    key_secret_wipe(&p->user_key);
}

/* ---- the log ---- */

static const char *const kind_names[] = {
    [SSH_EVENT_IDENT] = "ident",
    [SSH_EVENT_KEX_DONE] = "kex-done",
    [SSH_EVENT_HOST_KEY] = "host-key",
    [SSH_EVENT_SIGN] = "sign",
    [SSH_EVENT_DEBUG] = "debug",
    [SSH_EVENT_ENDED] = "ended",
    [SSH_EVENT_AUTH] = "auth",
    [SSH_EVENT_BANNER] = "banner",
    [SSH_EVENT_PK_OK] = "pk-ok",
    [SSH_EVENT_KBDINT] = "kbdint",
    [SSH_EVENT_PASSWORD_CHANGE] = "password-change",
    [SSH_EVENT_AUTHENTICATED] = "authenticated",
    [SSH_EVENT_AUTH_REQUEST] = "auth-request",
    [SSH_EVENT_CHANNEL_OPENED] = "opened",
    [SSH_EVENT_CHANNEL_OPEN_FAILED] = "open-failed",
    [SSH_EVENT_CHANNEL_REQUESTED_OPEN] = "requested-open",
    [SSH_EVENT_CHANNEL_NO_ROOM] = "no-room",
    [SSH_EVENT_CHANNEL_DATA] = "data",
    [SSH_EVENT_CHANNEL_SPACE] = "space",
    [SSH_EVENT_CHANNEL_EOF] = "eof",
    [SSH_EVENT_CHANNEL_EXIT] = "exit",
    [SSH_EVENT_CHANNEL_REQUEST] = "request",
    [SSH_EVENT_CHANNEL_REPLY] = "reply",
    [SSH_EVENT_CHANNEL_CLOSED] = "closed",
    [SSH_EVENT_GLOBAL_REPLY] = "global-reply",
    [SSH_EVENT_GLOBAL_REQUEST] = "global-request",
};

static void log_event(struct pair *p, enum pair_side side, const struct ssh_event *ev)
{
    char line[400];
    /* Data and space depend on what the pair does with them, not on the machine: their totals are compared.
     */
    if (ev->kind == SSH_EVENT_CHANNEL_DATA || ev->kind == SSH_EVENT_CHANNEL_SPACE)
        return;
    int n = snprintf(line, sizeof(line), "%c %s", side == PAIR_CLIENT ? 'c' : 's', kind_names[ev->kind]);
    if (ev->channel != NULL)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " %u", ssh_chan_id(ev->channel));
    if (ev->names.n > 0)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " %.*s",
                      (int)(ev->names.n > 100 ? 100 : ev->names.n), (const char *)ev->names.p);
    if (ev->text.n > 0 && ev->kind != SSH_EVENT_IDENT)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " %.*s", (int)(ev->text.n > 100 ? 100 : ev->text.n),
                      (const char *)ev->text.p);
    if (ev->flag)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " yes");
    if (p->log_n + (size_t)n + 2 < sizeof(p->log)) {
        memcpy(p->log + p->log_n, line, (size_t)n);
        p->log_n += (size_t)n;
        p->log[p->log_n++] = '\n';
        p->log[p->log_n] = 0;
    }
}

bool pair_logged(const struct pair *p, const char *line)
{
    size_t n = strlen(line);
    for (const char *at = strstr(p->log, line); at != NULL; at = strstr(at + 1, line))
        if ((at == p->log || at[-1] == '\n') && at[n] == '\n')
            return true;
    return false;
}

bool pair_is_up(const struct pair *p)
{
    return ssh_is_authenticated(p->ssh[0]) && ssh_is_authenticated(p->ssh[1]) && !ssh_is_ended(p->ssh[0]) &&
           !ssh_is_ended(p->ssh[1]);
}

/* ---- default answers ---- */

static void answer_sign(struct pair *p, enum pair_side side, const struct ssh_event *ev)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    struct adit_error err = {0};
    struct wr w = wr_init(signature, sizeof(signature));
    const struct key_secret *key = side == PAIR_CLIENT ? &p->user_key : &p->host_key;
    if (key_sign(key, ev->alg, ev->data, &w, &err) != ADIT_E_OK)
        abort();
    if (side == PAIR_SERVER && p->host_key_is_wrong)
        signature[w.used - 1] ^= 1;
    ssh_sign_answer(p->ssh[side], wr_done(&w));
}

static void answer_auth(struct pair *p, const struct ssh_event *ev)
{
    struct ssh *ssh = p->ssh[PAIR_CLIENT];
    struct span blob = {p->user_blob, p->user_blob_n};
    if (!ev->first) {
        ssh_auth_give_up(ssh, &(struct adit_error){ADIT_E_AUTH, "no more methods"});
        return;
    }
    ssh_auth_user(ssh, span_str("alice"));
    if (strcmp(p->method, "password") == 0)
        ssh_auth_password(ssh, span_str(p->password));
    else if (strcmp(p->method, "keyboard-interactive") == 0)
        ssh_auth_kbdint(ssh, (struct span){0});
    else if (strcmp(p->method, "none") == 0)
        ssh_auth_none(ssh);
    else
        ssh_auth_publickey(ssh, blob, span_str("ssh-ed25519"), strcmp(p->method, "probe") == 0);
}

static void answer_auth_request(struct pair *p, const struct ssh_event *ev)
{
    struct ssh *ssh = p->ssh[PAIR_SERVER];
    struct span prompt = SPAN_LIT("Code: "), methods = SPAN_LIT("publickey,password,keyboard-interactive");
    bool key_is_known = span_eq(ev->blob, (struct span){p->user_blob, p->user_blob_n});
    static const uint8_t answer[] = {0, 0, 0, 1, 0, 0, 0, 6, 's', 'e', 'c', 'r', 'e', 't'};
    if (span_is(ev->names, "keyboard-interactive") && !ev->first)
        ssh_auth_request_prompt(ssh, &prompt, 1);
    else if (span_is(ev->names, "keyboard-interactive"))
        ssh_auth_request_answer(ssh, span_eq(ev->data, span_make(answer, sizeof(answer))), false, methods);
    else if (span_is(ev->names, "publickey"))
        ssh_auth_request_answer(ssh, key_is_known, false, methods);
    else if (span_is(ev->names, "password"))
        ssh_auth_request_answer(ssh, span_is(ev->data, "secret"), false, methods);
    else
        ssh_auth_request_answer(ssh, false, false, methods);
}

static void take_data(struct pair *p, enum pair_side side, const struct ssh_event *ev)
{
    for (size_t i = 0; i < ev->data.n; i++)
        p->data_hash[side] = (p->data_hash[side] ^ ev->data.p[i]) * 1099511628211u;
    p->data_in[side] += ev->data.n;
    if (!p->keep_data)
        ssh_chan_consumed(p->ssh[side], ev->channel, ev->data.n, true);
}

static void answer(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    struct ssh *ssh = p->ssh[side];
    struct span secret = span_str(p->password);
    switch (ev->kind) {
    case SSH_EVENT_HOST_KEY:
        ssh_host_key_answer(ssh, true, NULL);
        break;
    case SSH_EVENT_SIGN:
        answer_sign(p, side, ev);
        break;
    case SSH_EVENT_AUTH:
        answer_auth(p, ev);
        break;
    case SSH_EVENT_KBDINT:
        ssh_auth_kbdint_answer(ssh, &secret, 1);
        break;
    case SSH_EVENT_AUTH_REQUEST:
        answer_auth_request(p, ev);
        break;
    case SSH_EVENT_CHANNEL_REQUESTED_OPEN:
        ssh_open_accept(ssh, ev->channel, NULL);
        break;
    case SSH_EVENT_CHANNEL_DATA:
        take_data(p, side, ev);
        break;
    case SSH_EVENT_GLOBAL_REQUEST:
        ssh_global_answer(ssh, true, (struct span){0});
        break;
    case SSH_EVENT_CHANNEL_REQUEST:
        if (ev->flag)
            ssh_chan_request_answer(ssh, ev->channel, true);
        break;
    default:
        break;
    }
}

void pair_answer(struct pair *p, enum pair_side side, struct ssh_event *event)
{
    if (p->on_event == NULL || !p->on_event(p, side, event))
        answer(p, side, event);
}

/* ---- the scheduler ---- */

bool pair_pull(struct pair *p, enum pair_side side)
{
    struct ssh_event ev;
    bool any = false;
    while (ssh_next(p->ssh[side], &ev)) {
        any = true;
        log_event(p, side, &ev);
        pair_answer(p, side, &ev);
    }
    return any;
}

static size_t chunk(struct pair *p, size_t n)
{
    if (p->chunks == PAIR_BYTES)
        return n > 0 ? 1 : 0;
    if (p->chunks == PAIR_RANDOM && n > 0)
        return 1 + next_random(p) % (next_random(p) % 4 == 0 ? n : n < 64 ? n : 64);
    return n;
}

bool pair_carry(struct pair *p, enum pair_side from)
{
    struct ssh *a = p->ssh[from], *b = p->ssh[1 - from];
    struct span out = ssh_out(a);
    if (p->stalled[1 - from] || out.n == 0)
        return false;
    if (ssh_is_ended(b)) {
        ssh_out_consume(a, out.n);
        return true;
    }
    struct wspan in = ssh_in_space(b);
    size_t n = chunk(p, out.n < in.n ? out.n : in.n);
    if (n == 0)
        return false;
    memcpy(in.p, out.p, n);
    ssh_in_commit(b, n);
    ssh_out_consume(a, n);
    return true;
}

bool pair_run(struct pair *p)
{
    for (size_t round = 0; round < 4000000; round++) {
        bool moved = false;
        p->now_us += p->chunks == PAIR_BYTES ? 1 : 1000;
        for (int i = 0; i < 2; i++) {
            enum pair_side side =
                (enum pair_side)(p->chunks == PAIR_RANDOM ? next_random(p) % 2 : (uint32_t)i);
            (void)ssh_tick(p->ssh[side], p->now_us);
            moved |= pair_pull(p, side);
            moved |= pair_carry(p, side);
        }
        if (p->chunks == PAIR_RANDOM && !moved) /* the dice may have named one side twice */
            for (int i = 0; i < 2; i++) {
                moved |= pair_pull(p, (enum pair_side)i);
                moved |= pair_carry(p, (enum pair_side)i);
            }
        if (!moved)
            return true;
    }
    return false;
}

bool pair_say(struct pair *p, enum pair_side from, struct span payload)
{
    struct packet *packet = &p->ssh[from]->packet;
    struct wspan to = packet_reserve(packet, payload.n);
    if (payload.n == 0 || to.n < payload.n)
        return false;
    memcpy(to.p, payload.p, payload.n);
    packet_seal(packet, payload.n);
    return true;
}
