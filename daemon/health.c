/*
 * health.c - see health.h.
 */
#include "daemon/health.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/registry.h"

static struct loop *loop_of(const struct health *h)
{
    return h->tunnel->tunnels->config.loop;
}

void health_init(struct health *h, struct tunnel *tunnel)
{
    memset(h, 0, sizeof *h);
    h->tunnel = tunnel;
    h->fd = -1;
    loop_timer_init(&h->timer, REGISTRY_TIMER_HEALTH, h);
    loop_fd_init(&h->io, REGISTRY_FD_HEALTH, h);
}

/* ---- The end of a check ---- */

static void hang_up(struct health *h)
{
    if (h->refresh.is_waiting)
        tunnels_refresh_cancel(h->tunnel->tunnels, &h->refresh);
    loop_del(loop_of(h), &h->io);
    atomic_store(&h->own_end, 0); /* before another may have it */
    sock_close(&h->fd);
}

static uint32_t interval_ms(const struct health *h)
{
    return h->tunnel->definition.health.interval_s * 1000u;
}

/* What it still says is read, so that our end is closed in order: a reset would be counted as an error. */
static void drain(struct health *h)
{
    char buf[1024];
    size_t n = 0;
    enum sock_io io = SOCK_IO_OK;
    while (h->drained < HEALTH_DRAIN_MAX && (io = sock_read(h->fd, buf, sizeof buf, &n, NULL)) == SOCK_IO_OK)
        h->drained += n;
    if (io == SOCK_IO_AGAIN)
        loop_fd_not_readable(&h->io);
    else
        hang_up(h);
}

static void rest(struct health *h, uint32_t ms)
{
    bool is_open = h->phase == HEALTH_READING && h->fd >= 0;
    if (!is_open)
        hang_up(h);
    h->phase = HEALTH_RESTING;
    h->drained = 0;
    if (is_open) {
        (void)sock_shutdown_write(h->fd);
        drain(h);
    }
    loop_timer_set(loop_of(h), &h->timer, loop_now_ms() + ms);
}

static void say(struct health *h, const char *why)
{
    struct tunnel *u = h->tunnel;
    tunnel_say(u, SESSION_INFO, NULL, "health check failed: %s (%u of %u)", why, h->in_row,
               (unsigned)HEALTH_FAILURES);
}

/* why NULL: it is well. */
static void finish(struct health *h, const char *why)
{
    struct tunnel *u = h->tunnel;
    bool was_failing = h->is_failing;
    if (why && h->reply_len == 0)
        hang_up(h); /* there is nothing to be polite about */
    rest(h, interval_ms(h));
    if (!why) {
        h->run = h->in_row = 0;
    } else {
        h->run++;
        h->in_row += h->in_row < HEALTH_FAILURES;
        say(h, why);
    }
    h->is_failing = why ? h->in_row >= HEALTH_FAILURES : false;
    if (u->connection)
        connection_health(u->connection);
    if (h->is_failing != was_failing)
        tunnel_update(u, why ? "the health check fails" : "the health check succeeds again");
}

/* ---- TCP: was a channel opened? ---- */

static void on_counted(void *ctx)
{
    struct health *h = ctx;
    h->phase = HEALTH_READING;
    bool is_open = h->tunnel->status.counters.opened > h->opened;
    finish(h, is_open ? NULL : h->is_over ? "the server could not connect" : "no answer in time");
}

static void count(struct health *h, void (*done)(void *ctx))
{
    h->phase = HEALTH_COUNTING;
    h->refresh.ctx = h;
    h->refresh.done = done;
    h->refresh.is_waiting = true;
    tunnels_refresh(h->tunnel->tunnels, &h->refresh);
}

/* ---- HTTP ---- */

/* RFC 9112 §4: "HTTP/1.1 200 ". */
static void judge_reply(struct health *h)
{
    const char *r = h->reply;
    bool is_http = h->reply_len >= 12 && memcmp(r, "HTTP/1.", 7) == 0 && r[8] == ' ';
    bool is_good = is_http && (r[9] == '2' || r[9] == '3');
    char why[48];
    (void)adit_format(why, sizeof why, "status %c%c%c", is_http ? r[9] : '?', is_http ? r[10] : '?',
                      is_http ? r[11] : '?');
    finish(h, is_good ? NULL : is_http ? why : "no HTTP answer");
}

static void send_more(struct health *h)
{
    size_t n = 0;
    enum sock_io io = sock_write(h->fd, h->request + h->sent, h->request_len - h->sent, &n, NULL);
    h->sent += n;
    if (io == SOCK_IO_FAILED)
        finish(h, "reset");
    else if (h->sent == h->request_len)
        h->phase = HEALTH_READING;
    else if (io == SOCK_IO_AGAIN)
        loop_fd_not_writable(&h->io);
}

static void read_more(struct health *h)
{
    bool is_http = h->tunnel->definition.health.kind == DEFINITION_HEALTH_HTTP;
    size_t n = 0;
    enum sock_io io = sock_read(h->fd, h->reply + h->reply_len, sizeof h->reply - h->reply_len, &n, NULL);
    h->reply_len += n;
    if (io == SOCK_IO_AGAIN)
        loop_fd_not_readable(&h->io);
    else if (io == SOCK_IO_FAILED)
        finish(h, "reset");
    else if (!is_http && io == SOCK_IO_OK)
        finish(h, NULL);
    else if (!is_http) { /* the service, or an open that the server refused: both end like this */
        h->is_over = true;
        count(h, on_counted);
    } else if (io == SOCK_IO_EOF || h->reply_len >= 12)
        judge_reply(h);
}

/* ---- A check ---- */

/* Where it listens, or loopback where that is every address. */
static bool reach(struct sock_addr *to, const char *listen, uint16_t port)
{
    char host[SOCK_TEXT_CAP];
    bool is_six = listen[0] == '[';
    const char *end = strrchr(listen, ':');
    size_t n = end ? (size_t)(end - listen) : 0;
    if (n < 3 || n >= sizeof host)
        return false;
    (void)adit_format(host, sizeof host, "%.*s", (int)(is_six ? n - 2 : n), listen + is_six);
    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || !sock_addr_parse(to, host, port))
        return sock_addr_parse(to, is_six ? "::1" : "127.0.0.1", port);
    return true;
}

/* The first local forward has a listener to go through. */
static bool find_listener(struct health *h)
{
    const struct tunnel *u = h->tunnel;
    for (size_t i = 0; i < u->definition.forward_count; i++) {
        const struct tunnel_forward *f = &u->status.forwards[i];
        if (u->definition.forwards[i].type == FORWARD_LOCAL && f->listen[0] && f->bound_port)
            return reach(&h->to, f->listen[0], f->bound_port);
    }
    return false;
}

static void make_request(struct health *h)
{
    const struct definition *d = &h->tunnel->definition;
    h->request_len = h->sent = h->reply_len = 0;
    if (d->health.kind == DEFINITION_HEALTH_HTTP)
        h->request_len = adit_format(h->request, sizeof h->request,
                                     "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: adit\r\n"
                                     "Connection: close\r\n\r\n",
                                     d->health.path);
}

/* Its own end has its port before the listener can see it. From another address than loopback it comes as
 * anybody does. */
static bool begin(struct health *h, bool *done)
{
    struct sock_addr own;
    bool is_six = sock_addr_family(&h->to) == AF_INET6;
    if (sock_open(&h->fd, &h->to, NULL) != ADIT_E_OK)
        return false;
    bool is_here = sock_addr_is_loopback(&h->to) && sock_addr_parse(&own, is_six ? "::1" : "127.0.0.1", 0);
    if (is_here && bind(h->fd, (const struct sockaddr *)&own.storage, own.len) == 0 &&
        sock_local(h->fd, &own))
        atomic_store(&h->own_end, sock_addr_port(&own) + (is_six ? (unsigned)SESSION_OWN_IPV6 : 0U));
    return sock_connect_start_on(&h->fd, &h->to, NULL, done, NULL) == ADIT_E_OK;
}

static void dial(void *ctx)
{
    struct health *h = ctx;
    bool done = false;
    hang_up(h); /* of the check before */
    h->is_over = false;
    h->opened = h->tunnel->status.counters.opened;
    make_request(h);
    h->phase = HEALTH_CONNECTING;
    if (!find_listener(h)) {
        rest(h, interval_ms(h));
        return;
    }
    loop_timer_set(loop_of(h), &h->timer, loop_now_ms() + HEALTH_LIMIT_MS);
    if (!begin(h, &done))
        finish(h, "no connection to the listener");
    else if (loop_add(loop_of(h), &h->io, h->fd, NULL) != ADIT_E_OK)
        finish(h, "the loop takes no more");
}

static void connected(struct health *h)
{
    bool done = false;
    if (sock_connect_finish(h->fd, &h->to, &done, NULL) != ADIT_E_OK)
        finish(h, "no connection to the listener");
    else if (done)
        h->phase = HEALTH_SENDING;
    else
        loop_fd_not_writable(&h->io);
}

void health_on_fd(struct health *h)
{
    if (h->phase == HEALTH_CONNECTING && h->io.can_write)
        connected(h);
    while (h->phase == HEALTH_SENDING && h->io.can_write)
        send_more(h);
    while (h->phase == HEALTH_READING && h->fd >= 0 && h->io.can_read)
        read_more(h);
    if (h->phase == HEALTH_RESTING && h->fd >= 0 && h->io.can_read)
        drain(h);
}

void health_on_timer(struct health *h)
{
    bool is_tcp = h->tunnel->definition.health.kind == DEFINITION_HEALTH_TCP;
    if (h->phase == HEALTH_RESTING && is_tcp)
        count(h, dial);
    else if (h->phase == HEALTH_RESTING)
        dial(h);
    else if (h->phase == HEALTH_READING && is_tcp)
        count(h, on_counted);
    else if (h->phase != HEALTH_OFF && h->phase != HEALTH_COUNTING)
        finish(h, "no answer in time");
}

/* ---- Life ---- */

void health_stop(struct health *h)
{
    if (h->phase == HEALTH_OFF)
        return;
    hang_up(h);
    loop_timer_cancel(loop_of(h), &h->timer);
    h->phase = HEALTH_OFF;
}

void health_update(struct health *h)
{
    const struct tunnel *u = h->tunnel;
    enum keep_state s = u->status.state;
    bool is_up = s == KEEP_CONNECTED || s == KEEP_DEGRADED || s == KEEP_SUSPECT;
    bool runs = u->connection && is_up && u->definition.health.kind != DEFINITION_HEALTH_NONE;
    if (runs && h->phase == HEALTH_OFF)
        rest(h, 0);
    if (!runs)
        health_stop(h);
    if (!u->is_wanted || u->definition.health.kind == DEFINITION_HEALTH_NONE) {
        h->run = h->in_row = 0;
        h->is_failing = false;
    }
}
