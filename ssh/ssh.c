#include "ssh/ssh.h"

#include <string.h>

#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "ssh/wire.h"

enum {
    IDLE_US = 1000 * 1000, /* after this much silence empty buffers are given back */
    OUT_LEAST = 4 * 1024,  /* with less room than this for answers no more input is consumed */
    EXT_INFOS_MAX = 2,     /* RFC 8308 §2.4: after NEWKEYS, and before USERAUTH_SUCCESS */
};

/* ---- birth and end ---- */

static const char *list_of(struct ssh *ssh, size_t i, const char *given, enum algo_kind kind)
{
    if (given == NULL)
        return algo_default(kind);
    adit_format(ssh->lists[i], sizeof(ssh->lists[i]), "%s", given);
    return ssh->lists[i];
}

/* [RFC 4253 4.2a 4.2c] */
static enum adit_err send_ident(struct ssh *ssh)
{
    const char *software = ssh->config.ident != NULL ? ssh->config.ident : "adit_" ADIT_VERSION;
    if (!ident_make(software, ssh->ident_self))
        return adit_fail(&ssh->error, ADIT_E_CONFIG, "the version string '%s' is not allowed (RFC 4253 §4.2)",
                         software);
    packet_out_raw(&ssh->packet, span_str(ssh->ident_self));
    packet_out_raw(&ssh->packet, span_str("\r\n"));
    ssh->kex.ident_self = span_str(ssh->ident_self);
    return ADIT_E_OK;
}

struct ssh *ssh_new(const struct ssh_role *role, const struct ssh_config *config,
                    const struct adit_alloc *memory, const uint8_t seed[32])
{
    struct ssh *ssh = memory->alloc(memory->ctx, sizeof(*ssh));
    if (ssh == NULL)
        return NULL;
    memset(ssh, 0, sizeof(*ssh));
    ssh->role = role;
    ssh->config = *config;
    ssh->memory = *memory;
    ssh->phase = PHASE_IDENT;
    ssh->handshake_left_us = (uint64_t)config->handshake_ms * 1000;
    drbg_init(&ssh->random, seed);
    packet_init(&ssh->packet, &ssh->memory, &ssh->random);
    kex_init(&ssh->kex, role->kex_side, &ssh->memory, &ssh->random);
    channels_init(&ssh->channels, &ssh->memory, config->receive_budget);
    globals_init(&ssh->globals, &ssh->memory);
    replies_init(&ssh->replies, &ssh->memory);
    auth_client_init(&ssh->auth_client, &ssh->memory);
    auth_server_init(&ssh->auth_server);
    ssh->kex.offers_strict = !config->no_strict_kex;
    ssh->kex.guesses = config->guess;
    if (config->compression != NULL) {
        adit_format(ssh->compression, sizeof(ssh->compression), "%s", config->compression);
        ssh->kex.compression = ssh->compression;
    }
    ssh->kex.lists[0] = list_of(ssh, 0, config->kex, ALGO_KEX);
    /* We serve no certificates: a server's default has the keys alone. */
    ssh->kex.lists[1] =
        list_of(ssh, 1, config->host_keys, role->kex_side->is_client ? ALGO_HOST_KEY : ALGO_SIG);
    ssh->kex.lists[2] = list_of(ssh, 2, config->ciphers, ALGO_CIPHER);
    ssh->kex.lists[3] = list_of(ssh, 3, config->macs, ALGO_MAC);
    ssh->config.sig_algs = list_of(ssh, 4, config->sig_algs, ALGO_SIG);
    /* Version line and KEXINIT go out together: one round trip less (RFC 4253 §4.2 allows it). */
    ssh_check(ssh, send_ident(ssh));
    if (ssh->phase != PHASE_ENDED)
        ssh_check(ssh, kex_start(&ssh->kex, &ssh->packet, &ssh->error));
    return ssh;
}

void ssh_free(struct ssh *ssh)
{
    if (ssh == NULL)
        return;
    struct adit_alloc memory = ssh->memory;
    channels_wipe(&ssh->channels);
    globals_wipe(&ssh->globals);
    replies_wipe(&ssh->replies);
    auth_client_wipe(&ssh->auth_client);
    kex_wipe(&ssh->kex);
    packet_wipe(&ssh->packet);
    drbg_wipe(&ssh->random);
    adit_wipe(ssh, sizeof(*ssh));
    memory.release(memory.ctx, ssh, sizeof(*ssh));
}

static void send_disconnect(struct ssh *ssh, uint32_t reason, const char *text)
{
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_DISCONNECT, 512);
    wr_u32(&w, reason);
    wr_string(&w, span_sub(span_str(text), 0, 400));
    wr_cstring(&w, "");
    (void)!packet_send(&ssh->packet, &w); /* no room: the peer sees the end all the same */
}

/* [RFC 8731 3c] */
static uint32_t disconnect_reason(const struct ssh *ssh)
{
    if (ssh->kex.has_failed)
        return SSH_DISCONNECT_KEY_EXCHANGE_FAILED;
    switch (ssh->error.code) {
    case ADIT_E_AUTH:
        return SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE;
    case ADIT_E_HOST_KEY:
        return SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE;
    case ADIT_E_INTEGRITY:
        return SSH_DISCONNECT_MAC_ERROR;
    case ADIT_E_NEGOTIATION:
        return SSH_DISCONNECT_KEY_EXCHANGE_FAILED;
    case ADIT_E_TIMEOUT:
        return SSH_DISCONNECT_CONNECTION_LOST;
    default:
        return SSH_DISCONNECT_PROTOCOL_ERROR;
    }
}

/* [RFC 4253 11.1b] */
void ssh_end(struct ssh *ssh)
{
    bool can_tell = ssh->phase != PHASE_IDENT && ssh->phase != PHASE_ENDED &&
                    ssh->error.code != ADIT_E_CLOSED && ssh->error.code != ADIT_E_DISCONNECTED;
    /* What is sent names the kind of failure; the details are for our own side. */
    if (can_tell)
        send_disconnect(ssh, disconnect_reason(ssh), adit_err_sentence(ssh->error.code));
    ssh->phase = PHASE_ENDED;
    ssh->has_held = false;
}

void ssh_check(struct ssh *ssh, enum adit_err result)
{
    if (ssh->packet.out_of_memory)
        result = adit_fail(&ssh->error, ADIT_E_MEMORY, "no memory for the session's buffers");
    if (result != ADIT_E_OK && ssh->phase != PHASE_ENDED)
        ssh_end(ssh);
}

/* [RFC 4253 11.1b] */
void ssh_disconnect(struct ssh *ssh, uint32_t reason, const char *text)
{
    if (ssh->phase == PHASE_ENDED)
        return;
    if (ssh->phase != PHASE_IDENT)
        send_disconnect(ssh, reason, text);
    ssh->phase = PHASE_ENDED;
}

void ssh_fail(struct ssh *ssh, enum adit_err code, const char *text)
{
    if (ssh->phase == PHASE_ENDED)
        return;
    adit_fail(&ssh->error, code, "%s", text);
    ssh->phase = PHASE_ENDED;
}

const struct adit_error *ssh_error(const struct ssh *ssh)
{
    return &ssh->error;
}

bool ssh_is_ended(const struct ssh *ssh)
{
    return ssh->phase == PHASE_ENDED;
}

/* ---- what may be sent ---- */

/* [RFC 4253 7.1q] */
uint8_t ssh_phase(const struct ssh *ssh)
{
    if (ssh->phase == PHASE_KEX)
        return ssh->kex.peer_started && ssh->kex.is_strict ? PHASE_STRICT : PHASE_KEX;
    /* RFC 4253 §7.1: between its KEXINIT and its NEWKEYS a peer MUST NOT send messages of the connection
     * protocol. asyncssh does (2.10, at each re-exchange) and OpenSSH takes them; the old keys protect them:
     * we take them. */
    if (ssh->phase != PHASE_ENDED && ssh->kex.is_first_done && ssh->kex.peer_started)
        return ssh->phase == PHASE_OPEN ? PHASE_REKEX | PHASE_OPEN : PHASE_REKEX;
    return ssh->phase;
}

/* RFC 4253 §7.1: between our KEXINIT and our NEWKEYS only messages 1-49 (but 5 and 6) may be sent.
 * [RFC 4253 7.1n] */
bool ssh_may_send(const struct ssh *ssh)
{
    return ssh->phase == PHASE_OPEN && !ssh->kex.self_started;
}

/* [RFC 4253 7.1n] */
void ssh_flush(struct ssh *ssh)
{
    if (ssh->phase == PHASE_ENDED)
        return;
    bool is_early = ssh->phase != PHASE_OPEN && !ssh->kex.self_started && ssh->role->may_send_early(ssh);
    if (!ssh_may_send(ssh) && !is_early)
        return;
    replies_flush(&ssh->replies, &ssh->packet);
    globals_flush(&ssh->globals, &ssh->packet, is_early, ssh->now_us);
    channels_flush(&ssh->channels, &ssh->packet, is_early);
    ssh_check(ssh, ADIT_E_OK);
}

enum adit_err ssh_reply(struct ssh *ssh, struct reply r)
{
    return replies_add(&ssh->replies, &ssh->packet, ssh_may_send(ssh), r, &ssh->error);
}

/* ---- the byte flows ---- */

/* A peer that makes us answer faster than it reads stalls its own TCP. In an exchange input is always taken:
 * the peer may be sending what it sent before our KEXINIT reached it. */
static bool must_drain(const struct ssh *ssh)
{
    return !ssh->kex.self_started && packet_out(&ssh->packet).n > LIMIT_OUT_BUFFER - OUT_LEAST;
}

static bool is_waiting(const struct ssh *ssh)
{
    return ssh->is_asked || ssh->answer_is_due;
}

struct wspan ssh_in_space(struct ssh *ssh)
{
    if (ssh->phase == PHASE_ENDED || ssh->in_eof || is_waiting(ssh) || ssh->has_held || must_drain(ssh))
        return (struct wspan){0};
    struct wspan space = packet_in_space(&ssh->packet);
    ssh_check(ssh, ADIT_E_OK);
    return space;
}

void ssh_in_commit(struct ssh *ssh, size_t n)
{
    packet_in_commit(&ssh->packet, n);
}

void ssh_in_eof(struct ssh *ssh)
{
    ssh->in_eof = true;
}

struct span ssh_out(const struct ssh *ssh)
{
    return packet_out(&ssh->packet);
}

void ssh_out_consume(struct ssh *ssh, size_t n)
{
    packet_out_consume(&ssh->packet, n);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ConnectTimeout up to the service: what a server does by itself. In the authentication it may be waiting for
 * a person; and a person here, or a touch-to-confirm key, may take as long as it wants: the clock stands
 * while the caller is asked. */
static uint64_t tick_handshake(struct ssh *ssh, uint64_t passed)
{
    if (ssh->config.handshake_ms == 0 || (ssh->kex.is_first_done && ssh->phase != PHASE_SERVICE))
        return UINT64_MAX;
    if (is_waiting(ssh))
        return UINT64_MAX;
    ssh->handshake_left_us -= earlier(passed, ssh->handshake_left_us);
    if (ssh->handshake_left_us > 0)
        return ssh->now_us + ssh->handshake_left_us;
    ssh_check(ssh, adit_fail(&ssh->error, ADIT_E_TIMEOUT, "timed out waiting for the server's %s",
                             ssh->phase == PHASE_IDENT     ? "version line"
                             : ssh->phase == PHASE_SERVICE ? "word that it serves"
                                                           : "key exchange"));
    return UINT64_MAX;
}

/* ServerAliveInterval and ServerAliveCountMax: the answer, a success or a failure, proves life. Each request
 * has a whole interval from when it was sent: after a stop of ours the time that is gone says nothing against
 * the server. */
static uint64_t tick_alive(struct ssh *ssh)
{
    uint64_t interval = (uint64_t)ssh->config.alive_interval_s * 1000 * 1000;
    if (interval == 0 || ssh->phase != PHASE_OPEN)
        return UINT64_MAX;
    uint64_t due = (ssh->alive_sent > 0 ? ssh->alive_sent_us : ssh->heard_us) + interval;
    if (ssh->now_us < due)
        return due;
    if (ssh->alive_sent >= ssh->config.alive_count_max) {
        ssh_check(ssh, adit_fail(&ssh->error, ADIT_E_TIMEOUT, "Timeout, server not responding."));
        return UINT64_MAX;
    }
    ssh->alive_sent++;
    ssh->alive_sent_us = ssh->now_us;
    (void)globals_add(&ssh->globals, GLOBAL_KEEPALIVE, "keepalive@openssh.com", (struct span){0}, true, 0,
                      NULL);
    return ssh->alive_sent_us + interval;
}

static uint64_t tick_rekey(struct ssh *ssh)
{
    uint64_t interval = (uint64_t)ssh->config.rekey_seconds * 1000 * 1000;
    if (interval == 0 || !ssh_may_send(ssh) || ssh->kex.peer_started)
        return UINT64_MAX;
    if (ssh->now_us >= ssh->kex_done_us + interval)
        ssh_rekey(ssh);
    return ssh->kex_done_us + interval > ssh->now_us ? ssh->kex_done_us + interval : UINT64_MAX;
}

static uint64_t tick_idle(struct ssh *ssh)
{
    if (ssh->packet.in.p == NULL && ssh->packet.out.p == NULL)
        return UINT64_MAX;
    if (ssh->now_us < ssh->idle_since_us + IDLE_US)
        return ssh->idle_since_us + IDLE_US;
    if (!is_waiting(ssh) && !ssh->has_held)
        packet_idle(&ssh->packet);
    ssh->idle_since_us = ssh->now_us;
    return ssh->packet.in.p == NULL && ssh->packet.out.p == NULL ? UINT64_MAX : ssh->now_us + IDLE_US;
}

uint64_t ssh_tick(struct ssh *ssh, uint64_t now_us)
{
    if (ssh->last_tick_us == 0)
        ssh->last_tick_us = ssh->heard_us = ssh->idle_since_us = now_us;
    uint64_t passed = now_us - ssh->last_tick_us;
    ssh->now_us = ssh->last_tick_us = ssh->channels.now_us = now_us;
    if (ssh->phase == PHASE_ENDED)
        return UINT64_MAX;
    uint64_t next = earlier(tick_handshake(ssh, passed), tick_alive(ssh));
    next = earlier(next, tick_rekey(ssh));
    next = earlier(next, tick_idle(ssh));
    next = earlier(next, channels_tick(&ssh->channels));
    ssh_flush(ssh);
    if (ssh->rekey_is_wanted)
        ssh_rekey(ssh);
    return next;
}

/* The smallest round trip seen lately: what the link does when nothing queues on it. */
void ssh_note_rtt(struct ssh *ssh, uint64_t sent_us)
{
    uint64_t rtt = ssh->now_us - sent_us;
    if (rtt == 0)
        rtt = 1;
    if (rtt > UINT32_MAX)
        return;
    uint32_t old = ssh->rtt_us;
    ssh->rtt_us = old == 0 || rtt < old ? (uint32_t)rtt : old + ((uint32_t)rtt - old) / 64;
    ssh->channels.rtt_us = ssh->rtt_us;
}

/* ---- transport messages ---- */

enum adit_err ssh_bad(struct ssh *ssh, const char *what)
{
    return adit_fail(&ssh->error, ADIT_E_PROTOCOL, "%s", what);
}

/* [RFC 4253 11.1a 11.1c] */
static enum adit_err on_disconnect(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)event;
    (void)rd_u8(&r);
    uint32_t reason = rd_u32(&r);
    struct span text = rd_string(&r);
    return adit_fail(&ssh->error, ADIT_E_DISCONNECTED, "the peer disconnected: %.*s (reason %lu)",
                     text.n > 300 ? 300 : (int)text.n, text.n == 0 ? "" : (const char *)text.p,
                     (unsigned long)reason);
}

/* [RFC 4253 11.2a] */
static enum adit_err on_ignore(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    (void)ssh;
    (void)payload;
    (void)event;
    return ADIT_E_OK;
}

/* [RFC 4253 11.3a] */
static enum adit_err on_debug(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    event->flag = rd_bool(&r);
    event->text = rd_string(&r);
    (void)rd_string(&r);
    if (!rd_done(&r))
        return ssh_bad(ssh, "DEBUG: wrong lengths (RFC 4253 §11.3)");
    event->kind = SSH_EVENT_DEBUG;
    return ADIT_E_OK;
}

/* How many extensions it has is bounded by the packet alone, and nothing is kept of those that we do not
 * know. [RFC 8308 2.2a 2.4c 2.5a 2.5b 2.5c 2.5d] */
static enum adit_err on_ext_info(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)event;
    (void)rd_u8(&r);
    uint32_t count = rd_u32(&r);
    if (++ssh->ext_infos > EXT_INFOS_MAX)
        return ssh_bad(ssh, "EXT_INFO: too many of them (RFC 8308 §2.4)");
    for (uint32_t i = 0; i < count && rd_ok(&r); i++) {
        struct span name = rd_string(&r), value = rd_string(&r);
        if (span_is(name, "server-sig-algs") && value.n > 0 && value.n <= SIG_ALGS_MAX) {
            memcpy(ssh->sig_algs, value.p, value.n);
            ssh->sig_algs_n = value.n;
        }
        if (span_is(name, "publickey-hostbound@openssh.com") && span_is(value, "0"))
            ssh->peer_has_host_bound = true;
        if (span_is(name, "ping@openssh.com") && span_is(value, "0"))
            ssh->peer_has_ping = true;
    }
    return rd_done(&r) ? ADIT_E_OK : ssh_bad(ssh, "EXT_INFO: wrong lengths (RFC 8308 §2.3)");
}

static enum adit_err on_kexinit(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    (void)event;
    ssh->kex_asked_us = ssh->now_us;
    return kex_on_kexinit(&ssh->kex, &ssh->packet, payload, &ssh->error);
}

static enum adit_err on_newkeys(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    bool is_first = !ssh->kex.is_first_done;
    enum adit_err result = kex_on_newkeys(&ssh->kex, &ssh->packet, payload, &ssh->error);
    if (result != ADIT_E_OK)
        return result;
    ssh->kex_done_us = ssh->now_us;
    ssh->rekey_is_wanted = false;
    event->kind = SSH_EVENT_KEX_DONE;
    if (is_first) {
        ssh->phase = PHASE_SERVICE;
        return ssh->role->on_keys_done(ssh);
    }
    return ADIT_E_OK;
}

/* ---- the table ---- */

#define ANY_KEYS (PHASE_SERVICE | PHASE_AUTH | PHASE_OPEN)
#define ANY_KEX  (PHASE_KEX | PHASE_STRICT | PHASE_REKEX)

/* The messages that both roles treat alike; a role's own rows are in ssh_client.c and ssh_server.c.
 * RFC 4253 §7.1 and §11: 1-4 stay legal in an exchange, unless it is the first and strict (PROTOCOL §1.9).
 * [RFC 4252 6a] [RFC 4253 11.2a] [RFC 8308 2.4c] */
static const struct message_row common_rows[] = {
    {SSH_MSG_DISCONNECT, PHASE_KEX | PHASE_STRICT | ANY_KEYS | PHASE_REKEX, on_disconnect},
    {SSH_MSG_IGNORE, PHASE_KEX | ANY_KEYS | PHASE_REKEX, on_ignore},
    {SSH_MSG_UNIMPLEMENTED, PHASE_KEX | ANY_KEYS | PHASE_REKEX, ssh_on_unimplemented},
    {SSH_MSG_DEBUG, PHASE_KEX | ANY_KEYS | PHASE_REKEX, on_debug},
    {SSH_MSG_EXT_INFO, PHASE_SERVICE | PHASE_AUTH, on_ext_info},
    {SSH_MSG_KEXINIT, PHASE_KEX | PHASE_STRICT | ANY_KEYS | PHASE_REKEX, on_kexinit},
    {SSH_MSG_NEWKEYS, ANY_KEX, on_newkeys},
    {SSH_MSG_GLOBAL_REQUEST, PHASE_OPEN, ssh_on_global_request},
    {SSH_MSG_REQUEST_SUCCESS, PHASE_OPEN, ssh_on_global_reply},
    {SSH_MSG_REQUEST_FAILURE, PHASE_OPEN, ssh_on_global_reply},
    {SSH_MSG_CHANNEL_OPEN, PHASE_OPEN, ssh_on_channel_open},
    {SSH_MSG_CHANNEL_OPEN_CONFIRMATION, PHASE_OPEN, ssh_on_open_confirmation},
    {SSH_MSG_CHANNEL_OPEN_FAILURE, PHASE_OPEN, ssh_on_open_failure},
    {SSH_MSG_CHANNEL_WINDOW_ADJUST, PHASE_OPEN, ssh_on_window_adjust},
    {SSH_MSG_CHANNEL_DATA, PHASE_OPEN, ssh_on_data},
    {SSH_MSG_CHANNEL_EXTENDED_DATA, PHASE_OPEN, ssh_on_data},
    {SSH_MSG_CHANNEL_EOF, PHASE_OPEN, ssh_on_eof},
    {SSH_MSG_CHANNEL_CLOSE, PHASE_OPEN, ssh_on_close},
    {SSH_MSG_CHANNEL_REQUEST, PHASE_OPEN, ssh_on_channel_request},
    {SSH_MSG_CHANNEL_SUCCESS, PHASE_OPEN, ssh_on_channel_reply},
    {SSH_MSG_CHANNEL_FAILURE, PHASE_OPEN, ssh_on_channel_reply},
    {0, 0, NULL},
};

static const struct message_row *row_of(const struct message_row *rows, uint8_t number)
{
    for (; rows->number != 0; rows++)
        if (rows->number == number)
            return rows;
    return NULL;
}

/* Numbers that some side of the protocols we speak may send: out of place they end the session. */
static bool is_known(uint8_t n)
{
    return (n >= 1 && n <= 7) || n == SSH_MSG_KEXINIT || n == SSH_MSG_NEWKEYS || n == SSH_MSG_KEX_ECDH_INIT ||
           n == SSH_MSG_KEX_ECDH_REPLY || (n >= 50 && n <= 53) || n == 60 || n == 61 ||
           (n >= 80 && n <= 82) || (n >= 90 && n <= 100);
}

/* [RFC 4253 11.4a 11.4b 11.4c] */
static enum adit_err on_unknown(struct ssh *ssh, uint8_t number)
{
    if (is_known(number) || ssh_phase(ssh) == PHASE_STRICT)
        return adit_fail(&ssh->error, ADIT_E_PROTOCOL, "message %d is out of place here (RFC 4253 §7.1, §11)",
                         number);
    /* RFC 4253 §11.4: an unrecognised message MUST be answered with UNIMPLEMENTED and otherwise ignored. */
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_UNIMPLEMENTED, 5);
    wr_u32(&w, ssh->packet.last_seq);
    if (!packet_send(&ssh->packet, &w))
        return adit_fail(&ssh->error, ADIT_E_LIMIT,
                         "the peer sends more unknown messages than can be answered");
    return ADIT_E_OK;
}

/* [RFC 4253 7a 7b 7.1m] */
static enum adit_err dispatch(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    uint8_t number = payload.p[0];
    ssh->heard_us = ssh->idle_since_us = ssh->now_us;
    ssh->alive_sent = 0;
    if (ssh->kex.ignore_next && number >= 30 && number <= 49) { /* RFC 4253 §7: the peer's guess was wrong */
        ssh->kex.ignore_next = false;
        return ADIT_E_OK;
    }
    const struct message_row *row = row_of(common_rows, number);
    if (row == NULL)
        row = row_of(ssh->role->rows, number);
    if (row == NULL || (row->phases & ssh_phase(ssh)) == 0)
        return on_unknown(ssh, number);
    return row->handle(ssh, payload, event);
}

/* ---- pulling ---- */

static enum packet_status next_packet(struct ssh *ssh, struct span *payload)
{
    if (ssh->has_held) {
        ssh->has_held = false;
        *payload = ssh->held;
        return PACKET_READY;
    }
    return packet_next(&ssh->packet, payload, &ssh->error);
}

void ssh_take_ext_info(struct ssh *ssh)
{
    struct ssh_event none = {0};
    if (ssh->has_held)
        return;
    enum packet_status status = packet_next(&ssh->packet, &ssh->held, &ssh->error);
    if (status == PACKET_BAD)
        ssh_check(ssh, ssh->error.code);
    if (status != PACKET_READY)
        return;
    if (ssh->held.p[0] == SSH_MSG_EXT_INFO)
        ssh_check(ssh, dispatch(ssh, ssh->held, &none));
    else
        ssh->has_held = true;
}

/* [RFC 4253 4.2j] */
static bool next_ident(struct ssh *ssh, struct ssh_event *event)
{
    size_t used = 0;
    struct span line = {0};
    enum ident_status status = ident_next(&ssh->ident, packet_in_raw(&ssh->packet),
                                          ssh->role->kex_side->is_client, &used, &line, &ssh->error);
    if (status == IDENT_BAD)
        ssh_check(ssh, ssh->error.code);
    if (status != IDENT_DONE) {
        packet_in_skip(&ssh->packet, used);
        return false;
    }
    memcpy(ssh->ident_peer, line.p, line.n);
    ssh->kex.ident_peer = (struct span){(const uint8_t *)ssh->ident_peer, line.n};
    packet_in_skip(&ssh->packet, used);
    ssh->phase = PHASE_KEX;
    ssh->channels.peer_grants_soon = ssh_peer_is_openssh(ssh);
    *event = (struct ssh_event){.kind = SSH_EVENT_IDENT, .text = ssh->kex.ident_peer};
    return true;
}

void ssh_rekey_if_due(struct ssh *ssh)
{
    if (!ssh_may_send(ssh) || ssh->kex.peer_started || must_drain(ssh)) /* it must fit: later, then */
        return;
    if (ssh->rekey_is_wanted || kex_is_due(&ssh->kex, &ssh->packet, ssh->config.rekey_bytes))
        ssh_check(ssh, kex_start(&ssh->kex, &ssh->packet, &ssh->error));
}

static bool next_ended(struct ssh *ssh, struct ssh_event *event)
{
    if (ssh->end_is_told)
        return false;
    ssh->end_is_told = true;
    *event = (struct ssh_event){.kind = SSH_EVENT_ENDED};
    return true;
}

static bool next_space(struct ssh *ssh, struct ssh_event *event)
{
    struct channel *ch = ssh_may_send(ssh) ? channels_unblocked(&ssh->channels, &ssh->packet) : NULL;
    if (ch == NULL)
        return false;
    *event = (struct ssh_event){.kind = SSH_EVENT_CHANNEL_SPACE, .channel = ch, .owner = ch->owner};
    return true;
}

/* One packet. False: there was none (or the session ended). */
static bool step(struct ssh *ssh, struct ssh_event *event)
{
    struct span payload;
    if (must_drain(ssh))
        return false;
    switch (next_packet(ssh, &payload)) {
    case PACKET_READY:
        ssh_check(ssh, dispatch(ssh, payload, event));
        break;
    case PACKET_BAD:
        ssh_check(ssh, ssh->error.code);
        return true;
    case PACKET_NONE:
        if (!ssh->in_eof)
            return false;
        ssh_check(ssh, adit_fail(&ssh->error, ADIT_E_CLOSED, "the connection was closed by the peer"));
        return true;
    }
    ssh_rekey_if_due(ssh);
    return true;
}

bool ssh_next(struct ssh *ssh, struct ssh_event *event)
{
    channels_reap(&ssh->channels);
    for (;;) {
        ssh_flush(ssh);
        *event = (struct ssh_event){0};
        if (ssh->phase == PHASE_ENDED)
            return next_ended(ssh, event);
        if (is_waiting(ssh))
            return false;
        if (ssh->phase == PHASE_IDENT) {
            if (next_ident(ssh, event))
                return true;
            if (ssh->phase != PHASE_ENDED && !ssh->in_eof)
                return false;
            if (ssh->phase != PHASE_ENDED)
                ssh_fail(ssh, ADIT_E_CLOSED, "the connection was closed before the peer's version line came");
            continue;
        }
        if (ssh->role->next(ssh, event) || next_space(ssh, event))
            return true;
        bool has_stepped = ssh->phase != PHASE_ENDED && step(ssh, event);
        if (event->kind != SSH_EVENT_NONE && ssh->phase != PHASE_ENDED)
            return true;
        if (!has_stepped && ssh->phase != PHASE_ENDED)
            return false;
    }
}

/* ---- small things ---- */

/* [RFC 4253 7.1p] */
void ssh_rekey(struct ssh *ssh)
{
    if (ssh->phase == PHASE_ENDED || ssh->kex.self_started || ssh->kex.peer_started)
        return;
    ssh->rekey_is_wanted = true;
    ssh_rekey_if_due(ssh);
}

void ssh_sign_answer(struct ssh *ssh, struct span signature)
{
    if (ssh->phase != PHASE_ENDED)
        ssh_check(ssh, ssh->role->sign(ssh, signature));
}

void ssh_ignore(struct ssh *ssh, struct span data)
{
    if (ssh->phase == PHASE_ENDED)
        return;
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_IGNORE, 5 + data.n);
    wr_string(&w, data);
    (void)!packet_send(&ssh->packet, &w); /* padding may be left out */
}

enum adit_err ssh_send_ext_info(struct ssh *ssh, const char *sig_algs)
{
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_EXT_INFO, 96 + SIG_ALGS_MAX);
    wr_u32(&w, 2);
    wr_cstring(&w, "server-sig-algs");
    wr_cstring(&w, sig_algs);
    wr_cstring(&w, "ping@openssh.com");
    wr_cstring(&w, "0");
    if (!packet_send(&ssh->packet, &w))
        return adit_fail(&ssh->error, ADIT_E_LIMIT, "no room for EXT_INFO");
    return ADIT_E_OK;
}

struct span ssh_server_sig_algs(const struct ssh *ssh)
{
    return (struct span){ssh->sig_algs, ssh->sig_algs_n};
}

bool ssh_has_host_bound(const struct ssh *ssh)
{
    return ssh->peer_has_host_bound && !ssh->config.no_host_bound;
}

struct span ssh_host_key(const struct ssh *ssh)
{
    return kex_first_host_key(&ssh->kex);
}

struct span ssh_host_signature(const struct ssh *ssh)
{
    return kex_first_signature(&ssh->kex);
}

bool ssh_peer_is_openssh(const struct ssh *ssh)
{
    return span_is(span_sub(ssh_peer_ident(ssh), 0, 15), "SSH-2.0-OpenSSH");
}

struct span ssh_peer_ident(const struct ssh *ssh)
{
    return ssh->kex.ident_peer;
}

struct span ssh_session_id(const struct ssh *ssh)
{
    return (struct span){ssh->kex.session_id, ssh->kex.session_id_len};
}

struct ssh_algorithms ssh_algorithms(const struct ssh *ssh)
{
    const struct algo_choice *c = &ssh->kex.choice;
    size_t out = ssh->kex.side->is_client ? 0 : 1, in = 1 - out;
    if (c->kex == NULL || c->cipher[0] == NULL || c->cipher[1] == NULL)
        return (struct ssh_algorithms){"", "", "", "", "", "", "", "", false, false};
    return (struct ssh_algorithms){
        .kex = c->kex->name,
        .host_key = c->host_key,
        .cipher_out = c->cipher[out]->name,
        .cipher_in = c->cipher[in]->name,
        .mac_out = c->mac[out] == NULL ? "<implicit>" : c->mac[out]->name,
        .mac_in = c->mac[in] == NULL ? "<implicit>" : c->mac[in]->name,
        .compress_out = compress_alg_name(c->compress[out]),
        .compress_in = compress_alg_name(c->compress[in]),
        .strict = ssh->kex.is_strict,
        .is_post_quantum = c->kex->is_hybrid,
    };
}

uint32_t ssh_rtt_us(const struct ssh *ssh)
{
    return ssh->rtt_us;
}

uint64_t ssh_rekey_count(const struct ssh *ssh)
{
    return ssh->kex.done_count > 0 ? ssh->kex.done_count - 1 : 0;
}

uint64_t ssh_last_heard_us(const struct ssh *ssh)
{
    return ssh->heard_us;
}

bool ssh_is_compressed(const struct ssh *ssh)
{
    return ssh->packet.unpacker != NULL;
}

bool ssh_is_authenticated(const struct ssh *ssh)
{
    return ssh->is_authenticated;
}

/* ---- lists ---- */

static enum algo_kind kind_of(enum ssh_list which)
{
    static const enum algo_kind kinds[] = {ALGO_KEX, ALGO_HOST_KEY, ALGO_CIPHER,
                                           ALGO_MAC, ALGO_PUBKEY,   ALGO_SIG};
    return kinds[which];
}

const char *ssh_list_default(enum ssh_list which)
{
    return algo_default(kind_of(which));
}

bool ssh_list_resolve(enum ssh_list which, const char *spec, char *out, size_t cap, struct adit_error *err)
{
    return algo_resolve(kind_of(which), spec, out, cap, err);
}
