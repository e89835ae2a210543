/*
 * conn.c - a session's connection: from a host name to the machine, and the transport's bytes from then on.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/internal.h"
#include "net/pages.h"
#include "net/random.h"

enum {
    READ_LEN = LIMIT_IN_BUFFER,
    READS_A_TURN = 4, /* then the local ends have their turn */
    ROUNDS_A_TURN = 8,
    /* The bound of unsent bytes: about 10 ms at the measured rate, one packet at the least (design:
       fairness). */
    BOUND_MIN = LIMIT_CHANNEL_PACKET + 4096,
    BOUND_MAX = LIMIT_OUT_BUFFER,
    BOUND_START = 128 * 1024,
    BOUND_MS = 10,
    MEASURE_US = 20 * 1000,
    LIGHT_LEN = 8 * 1024,
    REST_LEN = 32 * 1024,    /* a turn that read this much or more is one of a bulk transfer */
    REST_WORTH = 128 * 1024, /* and a rest is as long as this much takes to come, */
    REST_SLACK_US = 50,      /* by the kernel's slack shorter, */
    REST_MAX_US = 300,       /* and never longer than this */
    REST_QUIET_US = 20 * 1000,
};

/* ---- Making it ---- */

/* The machine itself comes first (ssh.h), and has the keys of the connection. */
static void *memory_alloc(void *ctx, size_t n)
{
    struct conn *c = ctx;
    if (c->machine == NULL)
        return c->machine = pages_new(n);
    return malloc(n);
}

static void memory_release(void *ctx, void *p, size_t n)
{
    struct conn *c = ctx;
    if (p == NULL || p != c->machine) {
        free(p);
        return;
    }
    pages_free(p, n);
    c->machine = NULL;
}

void conn_init(struct conn *c, struct session *s)
{
    memset(c, 0, sizeof *c);
    c->session = s;
    c->bound = BOUND_START;
    c->deadline_ms = LOOP_NEVER;
    loop_fd_init(&c->transport, SESSION_FD_TRANSPORT, c);
    dial_init(&c->dial, s);
}

void conn_fail(struct conn *c, const struct adit_error *why)
{
    struct session *s = c->session;
    c->is_over = true;
    loop_timer_cancel(&s->loop, &s->phase_timer);
    if (!survive_loss(s, why))
        session_finish(s, why);
}

static bool conn_seed(struct conn *c, uint8_t seed[32], struct adit_error *err)
{
    const uint8_t *given = c->session->config.seed;
    if (!given)
        return random_seed(seed, 32, err) == ADIT_E_OK;
    memcpy(seed, given, 32);
    return true;
}

/* What is left of the connect timeout goes to version and key exchange. */
static void config_times(const struct conn *c, struct ssh_config *config)
{
    uint64_t now = loop_now_ms();
    config->handshake_ms = 0;
    if (c->deadline_ms != LOOP_NEVER)
        config->handshake_ms = c->deadline_ms > now ? (uint32_t)(c->deadline_ms - now) : 1;
}

static void conn_machine(struct conn *c)
{
    struct session *s = c->session;
    struct adit_error err = {ADIT_E_OK, ""};
    struct ssh_config config = s->config.ssh;
    uint8_t seed[32];
    config_times(c, &config);
    config.receive_budget = s->config.buffer_budget;
    if (!conn_seed(c, seed, &err)) {
        conn_fail(c, &err);
        return;
    }
    c->ssh = ssh_new(&ssh_client, &config, &(struct adit_alloc){c, memory_alloc, memory_release}, seed);
    adit_wipe(seed, sizeof seed);
    if (!c->ssh) {
        (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory for a connection");
        conn_fail(c, &err);
        return;
    }
    ssh_auth_user(c->ssh, span_str(s->config.user));
    c->window_us = loop_now_us();
    s->phase = PHASE_HANDSHAKE;
}

void conn_up(struct conn *c)
{
    struct session *s = c->session;
    struct sock_addr peer;
    char text[SOCK_TEXT_CAP] = "the given stream";
    int fd = c->transport.fd;
    (void)sock_set_nodelay(fd, true);
    (void)sock_set_keepalive(fd, s->config.tcp_keepalive);
    if (s->config.unacked_ms > 0)
        (void)sock_set_user_timeout(fd, s->config.unacked_ms);
    (void)sock_set_notsent_lowat(fd, (uint32_t)c->bound);
    if (s->config.transport_fd < 0 && sock_peer(fd, &peer))
        sock_addr_text(&peer, text);
    session_log(s, SESSION_DEBUG1, "Connection established.");
    session_notify_text(s, SESSION_CONNECTED, text);
    conn_machine(c);
}

void conn_close(struct conn *c)
{
    int fd = c->transport.fd;
    loop_del(&c->session->loop, &c->transport);
    sock_close(&fd);
}

void conn_dialled(struct conn *c, int fd)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (loop_add(&c->session->loop, &c->transport, fd, &err) != ADIT_E_OK) {
        sock_close(&fd);
        conn_fail(c, &err);
    } else if (c->session->config.proxy && c->session->config.transport_fd < 0) {
        proxy_begin(c);
    } else {
        conn_up(c);
    }
}

void conn_on_timer(struct conn *c)
{
    if (c->upstream)
        proxy_on_timer(c);
    else
        dial_on_timer(&c->dial);
}

static void conn_given(struct conn *c)
{
    struct adit_error err = {ADIT_E_OK, ""};
    int fd = c->session->config.transport_fd;
    if (sock_set_nonblock(fd, true)) {
        conn_dialled(c, fd);
        return;
    }
    (void)adit_fail(&err, ADIT_E_SYSTEM, "the given stream cannot be made non-blocking");
    sock_close(&fd);
    conn_fail(c, &err);
}

void conn_start(struct conn *c)
{
    struct session *s = c->session;
    if (s->config.connect_timeout_ms > 0)
        c->deadline_ms = loop_now_ms() + s->config.connect_timeout_ms;
    s->phase = PHASE_CONNECTING;
    c->is_begun = true;
    const struct session_proxy *proxy = s->config.proxy;
    if (s->config.transport_fd >= 0)
        conn_given(c);
    else if (proxy)
        dial_start(&c->dial, proxy->host, proxy->port, c->deadline_ms);
    else
        dial_start(&c->dial, s->config.host, s->config.port, c->deadline_ms);
}

void conn_open_qos(struct conn *c)
{
    const struct session_config *config = &c->session->config;
    int tos = c->session->has_terminal ? config->qos_terminal : config->qos_open;
    if (tos > 0 && c->transport.fd >= 0)
        (void)sock_set_tos(c->transport.fd, (uint8_t)tos);
}

/* ---- Output ---- */

/* How fast the line drains, from what it took in the last 20 ms or more. A window in which the socket was
 * never full says only "at least that much", and may only raise the bound. */
static void conn_measure(struct conn *c, size_t written, bool was_full)
{
    uint64_t now = loop_now_us(), elapsed = now - c->window_us;
    c->window_len += written;
    c->window_was_blocked |= was_full;
    if (elapsed < MEASURE_US)
        return;
    uint64_t target = c->window_len * 1000 * BOUND_MS / elapsed;
    size_t old = c->bound;
    if (c->window_was_blocked && elapsed < 50 * MEASURE_US)
        c->bound = (size_t)((c->bound + (target < BOUND_MAX ? target : BOUND_MAX)) / 2);
    else if (target > c->bound)
        c->bound = (size_t)(target < BOUND_MAX ? target : BOUND_MAX);
    c->bound = c->bound < BOUND_MIN ? BOUND_MIN : c->bound;
    if (c->bound / 8 != old / 8)
        (void)sock_set_notsent_lowat(c->transport.fd, (uint32_t)c->bound);
    c->window_us = now;
    c->window_len = 0;
    c->window_was_blocked = false;
}

/* While the socket is full, what it holds already is the bound's worth. */
size_t conn_room(const struct conn *c)
{
    size_t waiting = c->ssh ? ssh_out(c->ssh).n : 0;
    if (!c->ssh || c->is_over || !c->transport.can_write || waiting >= c->bound)
        return 0;
    return c->bound - waiting;
}

static void conn_broken(struct conn *c, const struct adit_error *why)
{
    ssh_out_consume(c->ssh, ssh_out(c->ssh).n); /* it can go nowhere, and nobody shall wait for that */
    session_log(c->session, SESSION_DEBUG1, "transport: %s", why->text);
    ssh_fail(c->ssh, ADIT_E_CLOSED, why->text);
    loop_fd_not_writable(&c->transport);
    loop_fd_not_readable(&c->transport);
}

bool conn_flush(struct conn *c)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct span out;
    if (!c->ssh || c->transport.fd < 0)
        return true;
    while (out = ssh_out(c->ssh), out.n > 0 && c->transport.can_write) {
        size_t n = 0;
        enum sock_io r = sock_write(c->transport.fd, out.p, out.n, &n, &err);
        if (r == SOCK_IO_FAILED) {
            conn_broken(c, &err);
            return true;
        }
        if (r != SOCK_IO_OK || n < out.n)
            loop_fd_not_writable(&c->transport);
        conn_measure(c, n, n < out.n);
        c->owes_ack = false; /* it went along */
        c->turn_len += n;
        c->session->stats.transport_up += n;
        ssh_out_consume(c->ssh, n);
    }
    return out.n == 0;
}

/* ---- Input ---- */

static bool conn_events(struct conn *c)
{
    struct session *s = c->session;
    struct ssh_event ev;
    bool any = false;
    while (!question_pauses(s) && !c->is_over && ssh_next(c->ssh, &ev)) {
        any = true;
        session_event(s, &ev);
    }
    pump_set_flush(&s->pumps);
    return any;
}

static bool may_read(const struct conn *c)
{
    const struct session *s = c->session;
    return !c->is_over && !question_pauses(s) && c->transport.can_read && !pump_set_is_full(&s->pumps);
}

/* A server that has not set TCP_NODELAY holds its next small packet back until the last one is acknowledged,
 * for up to 40 ms. So what was read is acknowledged at once, but after it was delivered. */
void conn_ack(struct conn *c)
{
    if (c->owes_ack && !c->is_over)
        (void)sock_set_quickack(c->transport.fd);
    c->owes_ack = false;
}

/* One read. False: nothing more now. */
static bool conn_read(struct conn *c)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct wspan space = ssh_in_space(c->ssh);
    size_t n = 0;
    if (space.n == 0)
        return false;
    size_t want = space.n < READ_LEN ? space.n : READ_LEN;
    switch (sock_read(c->transport.fd, space.p, want, &n, &err)) {
    case SOCK_IO_OK:
        c->owes_ack = true;
        c->turn_len += n;
        c->turn_read_len += n;
        c->session->stats.transport_down += n;
        ssh_in_commit(c->ssh, n);
        if (n < want && !c->transport.peer_done && !c->transport.hangup)
            loop_fd_not_readable(&c->transport);
        return true;
    case SOCK_IO_AGAIN:
        loop_fd_not_readable(&c->transport);
        return false;
    case SOCK_IO_EOF:
        loop_fd_not_readable(&c->transport);
        ssh_in_eof(c->ssh);
        return false;
    case SOCK_IO_FAILED:
        conn_broken(c, &err);
        return false;
    }
    return false;
}

static void conn_input(struct conn *c)
{
    int reads = 0;
    c->has_unread = false;
    (void)conn_events(c);
    while (may_read(c) && conn_read(c)) {
        (void)conn_events(c);
        if (++reads == READS_A_TURN) {
            c->has_unread = may_read(c);
            break;
        }
    }
    (void)conn_events(c);
}

void conn_tick(struct conn *c)
{
    struct session *s = c->session;
    uint64_t now_us = loop_now_us();
    s->pumps.now_ms = now_us / 1000;
    if (!c->ssh || c->is_over)
        return;
    uint64_t at_us = ssh_tick(c->ssh, now_us);
    loop_timer_set(&s->loop, &s->tick_timer, at_us == UINT64_MAX ? LOOP_NEVER : at_us / 1000 + 1);
}

/* The local ends fill the output buffer in turns, the socket empties it, and room makes new events. */
static void conn_output(struct conn *c)
{
    struct session *s = c->session;
    for (int i = 0; i < ROUNDS_A_TURN && !c->is_over; i++) {
        int turns = 0;
        while (turns < 64 && pump_set_run(&s->pumps))
            turns++;
        (void)conn_flush(c);
        bool any = conn_events(c);
        if (!any && !pump_set_has_work(&s->pumps))
            break;
    }
    (void)conn_flush(c);
}

bool conn_work(struct conn *c)
{
    struct session *s = c->session;
    c->turn_len = c->turn_read_len =
        0; /* also of a connection that is over: its session may have turns yet */
    if (!c->ssh || c->is_over)
        return false;
    conn_tick(c);
    conn_input(c);
    conn_output(c);
    conn_tick(c);
    return !c->is_over && (c->has_unread || pump_set_has_work(&s->pumps));
}

/* A server hands a bulk transfer over in pieces of some 64 KiB, and to be woken for each of them costs more
 * than to decrypt it. So after such a piece nothing is looked for until more have come; but not while
 * somebody sends, who may wait for an answer. */
uint32_t conn_may_rest(struct conn *c)
{
    const struct session *s = c->session;
    uint64_t now_us = loop_now_us(), since_us = now_us - c->looked_us;
    uint64_t len = s->stats.transport_down - c->seen_down, up = s->pumps.bytes_up;
    c->looked_us = now_us;
    c->seen_down += len;
    if (up != c->seen_up) {
        c->seen_up = up;
        c->seen_up_us = now_us;
    }
    if (c->turn_read_len < REST_LEN || c->turn_read_len >= READ_LEN ||
        now_us - c->seen_up_us <= REST_QUIET_US)
        return 0;
    uint64_t rest_us = REST_WORTH * since_us / len;
    if (rest_us <= REST_SLACK_US)
        return 0;
    return (uint32_t)(rest_us < REST_MAX_US ? rest_us : REST_MAX_US) - REST_SLACK_US;
}

bool conn_is_light(const struct conn *c)
{
    return c->turn_len < LIGHT_LEN;
}

/* Bytes that are left unread would turn the close into a reset, which may overtake our DISCONNECT. */
static void discard_input(int fd)
{
    struct adit_error err = {ADIT_E_OK, ""};
    uint8_t buf[4096];
    size_t n;
    for (int i = 0; i < 256; i++)
        if (sock_read(fd, buf, sizeof buf, &n, &err) != SOCK_IO_OK)
            return;
}

void conn_wipe(struct conn *c)
{
    dial_wipe(&c->dial);
    proxy_over(c);
    ssh_free(c->ssh);
    c->ssh = NULL;
    if (c->transport.fd >= 0) {
        (void)sock_shutdown_write(c->transport.fd);
        discard_input(c->transport.fd);
        conn_close(c);
    }
    if (!c->is_begun)
        sock_close(&c->session->config.transport_fd);
}
