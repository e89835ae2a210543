/*
 * session_server.h - adit's own server role behind one end of a stream, in a thread of its own, and what a
 * client of a session's forwards does. For the tests of sessions; each includer gets its own.
 */
#ifndef SESSION_SERVER_H
#define SESSION_SERVER_H

#include "tests/test.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "net/loop.h"
#include "net/sock.h"
#include "ssh/key.h"
#include "ssh/ssh.h"

/* ---- The server: echoes ("echo"), sends for ever ("source"), refuses ("refuse", "forbid") ---- */

enum { REMOTE_PORT = 4242, CHANNELS = 64, ECHO_CAP = 9 * 1024 * 1024 /* more than any window */ };

struct server_channel {
    struct channel *ch;
    bool is_source, is_exec, eof, eof_sent;
    bool is_relay;
    int relay_fd;
    uint8_t *buf;
    size_t from, to;
};

/* What a server says to commands (exec), for all of its connections. Without one it echoes. */
struct server_answers {
    _Atomic(const char *) who, end; /* to one with "PPID" in it, to others; see below */
    atomic_uint whos, ends;
    char command[1024]; /* the last one of the others */
};
#define ANSWER_SILENCE "(silence)" /* it is run, and never ends */
#define ANSWER_REFUSAL "(refusal)" /* it is not run */

struct server {
    struct server_answers *answers;
    int fd;
    pthread_t thread;
    struct ssh *ssh;
    struct key_secret host_key;
    struct server_channel channels[CHANNELS];
    atomic_bool die;          /* close the transport without a word */
    atomic_bool open_remote;  /* open a forwarded-tcpip for what was asked */
    atomic_bool open_foreign; /* open one nobody asked for */
    atomic_bool show_keys;    /* hostkeys-00@openssh.com */
    const char *greeting;     /* what it says on those; "hello" */
    size_t greeting_n;
    atomic_uint cancels, remote_echoed, remote_refused;
    atomic_bool had_disconnect;
    atomic_bool is_frozen;       /* neither reads nor writes, as a path that is gone */
    atomic_bool is_mute;         /* never answers a direct-tcpip */
    atomic_bool refuses_remote;  /* tcpip-forward */
    atomic_bool refuses_session; /* channels of that type */
    atomic_bool is_shy;          /* never answers a request for authentication */
    atomic_bool relays;          /* a direct-tcpip goes to that port of this machine */
    atomic_uint opens, sessions, remote_asked;
    atomic_uint closes; /* channels that are over on both sides */
    char asked_address[64];
    bool asked_path;                 /* it is one */
    bool is_silent;                  /* to a cancel */
    atomic_bool opens_before_cancel; /* its answer finds a forwarded-tcpip under way */
    char requests[256];              /* on channels, by name; the thread's until it has ended */
};

/* cmocka's assertions belong to the main thread. */
static inline void must(bool ok)
{
    if (!ok)
        abort();
}

static inline void *plain_alloc(void *ctx, size_t n)
{
    (void)ctx;
    return malloc(n);
}

static inline void plain_release(void *ctx, void *p, size_t n)
{
    (void)ctx;
    (void)n;
    free(p);
}

static const struct adit_alloc plain = {NULL, plain_alloc, plain_release};

static inline struct server_channel *server_channel(struct server *v, struct channel *ch)
{
    for (size_t i = 0; i < CHANNELS; i++)
        if (v->channels[i].ch == ch)
            return &v->channels[i];
    return NULL;
}

static inline void relay_move(struct server *v, struct server_channel *c)
{
    if (c->from == c->to) {
        ssize_t n = c->eof_sent ? -1 : recv(c->relay_fd, c->buf, 32768, MSG_DONTWAIT);
        c->from = 0;
        c->to = n > 0 ? (size_t)n : 0;
        if (n == 0) {
            c->eof_sent = true;
            ssh_chan_close(v->ssh, c->ch);
        }
    }
    c->from += ssh_chan_write(v->ssh, c->ch, span_make(c->buf + c->from, c->to - c->from));
}

static inline void server_move(struct server *v, struct server_channel *c)
{
    static const uint8_t zeros[32768];
    if (!c->ch)
        return;
    if (c->is_relay) {
        relay_move(v, c);
        return;
    }
    if (c->is_source) {
        while (ssh_chan_write(v->ssh, c->ch, span_make(zeros, sizeof zeros)) == sizeof zeros)
            ;
        return;
    }
    if (c->from < c->to) {
        size_t n = ssh_chan_write(v->ssh, c->ch, span_make(c->buf + c->from, c->to - c->from));
        c->from += n;
        ssh_chan_consumed(v->ssh, c->ch, n, true);
    }
    if (c->from == c->to) {
        c->from = c->to = 0;
        if (c->eof && !c->eof_sent) {
            static const uint8_t seven[4] = {0, 0, 0, 7};
            c->eof_sent = true;
            ssh_chan_eof(v->ssh, c->ch);
            if (c->is_exec)
                must(ssh_chan_request(v->ssh, c->ch, "exit-status", span_make(seven, 4), false));
            ssh_chan_close(v->ssh, c->ch);
        }
    }
}

static inline void server_add(struct server *v, struct channel *ch, bool is_source)
{
    struct server_channel *c = server_channel(v, NULL);
    must(c != NULL);
    memset(c, 0, sizeof *c);
    c->ch = ch;
    c->is_source = is_source;
    c->buf = malloc(ECHO_CAP);
    ssh_chan_set_owner(ch, c);
}

static inline int relay_dial(uint16_t port)
{
    struct sock_addr a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(sock_addr_parse(&a, "127.0.0.1", port));
    if (connect(fd, (struct sockaddr *)&a.storage, a.len) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void server_relay(struct server *v, const struct ssh_event *ev)
{
    int fd = relay_dial((uint16_t)ev->number);
    if (fd < 0) {
        ssh_open_refuse(v->ssh, ev->channel, 2, "Connection refused");
        return;
    }
    ssh_open_accept(v->ssh, ev->channel, NULL);
    server_add(v, ev->channel, false);
    server_channel(v, ev->channel)->is_relay = true;
    server_channel(v, ev->channel)->relay_fd = fd;
}

static inline void server_open(struct server *v, const struct ssh_event *ev)
{
    bool is_session = span_is(ev->names, "session");
    atomic_fetch_add(is_session ? &v->sessions : &v->opens, 1);
    if (!is_session && atomic_load(&v->is_mute))
        return;
    if (is_session && atomic_load(&v->refuses_session)) {
        ssh_open_refuse(v->ssh, ev->channel, 2, "open failed");
    } else if (!is_session && atomic_load(&v->relays)) {
        server_relay(v, ev);
    } else if (span_is(ev->text, "refuse")) {
        ssh_open_refuse(v->ssh, ev->channel, 2, "Connection refused");
    } else if (span_is(ev->text, "forbid")) {
        ssh_open_refuse(v->ssh, ev->channel, 1, "\033[31mopen failed\033[0m");
    } else {
        ssh_open_accept(v->ssh, ev->channel, NULL);
        server_add(v, ev->channel, span_is(ev->text, "source"));
    }
}

static inline void server_global(struct server *v, const struct ssh_event *ev)
{
    uint8_t port[4] = {0, 0, REMOTE_PORT >> 8, REMOTE_PORT & 255};
    bool is_path = span_is(ev->names, "cancel-streamlocal-forward@openssh.com");
    v->asked_path = v->asked_path || span_is(ev->names, "streamlocal-forward@openssh.com");
    bool is_cancel = is_path || span_is(ev->names, "cancel-tcpip-forward");
    if (is_cancel && atomic_load(&v->opens_before_cancel))
        (void)!ssh_open_forwarded_tcpip(v->ssh, span_str(v->asked_address), REMOTE_PORT,
                                        span_str("192.0.2.7"), 999, NULL);
    if (is_cancel)
        atomic_fetch_add(&v->cancels, 1);
    else
        atomic_fetch_add(&v->remote_asked, 1);
    if (!is_cancel)
        (void)adit_format(v->asked_address, sizeof v->asked_address, "%.*s", (int)ev->text.n,
                          (const char *)ev->text.p);
    if (ev->flag && !(is_cancel && v->is_silent))
        ssh_global_answer(v->ssh, ev->number != 7 && (is_cancel || !atomic_load(&v->refuses_remote)),
                          span_make(port, span_is(ev->names, "tcpip-forward") && ev->number == 0 ? 4 : 0));
}

static inline void server_sign(struct server *v, const struct ssh_event *ev)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    struct adit_error err = {ADIT_E_OK, ""};
    struct wr w = wr_init(signature, sizeof signature);
    must(key_sign(&v->host_key, ev->alg, ev->data, &w, &err) == ADIT_E_OK);
    ssh_sign_answer(v->ssh, wr_done(&w));
}

static inline void server_data(struct server *v, const struct ssh_event *ev)
{
    struct server_channel *c = ev->owner;
    if (c->is_relay) {
        for (size_t done = 0; done < ev->data.n;) {
            ssize_t n = send(c->relay_fd, ev->data.p + done, ev->data.n - done, MSG_NOSIGNAL);
            done = n > 0 ? done + (size_t)n : ev->data.n;
        }
        ssh_chan_consumed(v->ssh, c->ch, ev->data.n, true);
        return;
    }
    if (c->to + ev->data.n > ECHO_CAP) {
        memmove(c->buf, c->buf + c->from, c->to - c->from);
        c->to -= c->from;
        c->from = 0;
    }
    must(c->to + ev->data.n <= ECHO_CAP); /* flow control */
    memcpy(c->buf + c->to, ev->data.p, ev->data.n);
    c->to += ev->data.n;
    server_move(v, c);
}

/* What ends another session frees its port. */
static inline void server_answer(struct server *v, const struct ssh_event *ev)
{
    struct server_channel *c = ev->owner;
    struct server_answers *a = v->answers;
    char command[1024];
    must(ev->data.n >= 4 && ev->data.n < sizeof command);
    (void)adit_format(command, sizeof command, "%.*s", (int)ev->data.n - 4, (const char *)ev->data.p + 4);
    bool is_who = strstr(command, "PPID") != NULL;
    const char *text = atomic_load(is_who ? &a->who : &a->end);
    if (!is_who)
        memcpy(a->command, command, sizeof command);
    atomic_fetch_add(is_who ? &a->whos : &a->ends, 1);
    ssh_chan_request_answer(v->ssh, ev->channel, strcmp(text, ANSWER_REFUSAL) != 0);
    c->eof_sent = true; /* what it does by itself at our EOF */
    if (strcmp(text, ANSWER_REFUSAL) == 0 || strcmp(text, ANSWER_SILENCE) == 0)
        return;
    if (strstr(text, ": ended") != NULL)
        atomic_store(&v->refuses_remote, false);
    must(ssh_chan_write_stderr(v->ssh, c->ch, span_str("sh: oops")) == 8);
    must(ssh_chan_write(v->ssh, c->ch, span_str(text)) == strlen(text));
    ssh_chan_close(v->ssh, c->ch);
}

/* "no" is refused; everything else echoes, says a word on stderr and ends with status 7. */
static inline void server_request(struct server *v, const struct ssh_event *ev)
{
    struct server_channel *c = ev->owner;
    bool is_refused = ev->data.n == 6 && memcmp(ev->data.p + 4, "no", 2) == 0;
    size_t n = strlen(v->requests);
    if (v->answers != NULL && span_is(ev->names, "exec")) {
        server_answer(v, ev);
        return;
    }
    (void)adit_format(v->requests + n, sizeof v->requests - n, "%.*s ", (int)ev->names.n,
                      (const char *)ev->names.p);
    if (span_is(ev->names, "exec") && !is_refused) {
        c->is_exec = true;
        must(ssh_chan_write_stderr(v->ssh, c->ch, span_str("oops")) == 4);
    }
    if (ev->flag)
        ssh_chan_request_answer(v->ssh, ev->channel, !is_refused);
}

static inline void server_event(struct server *v, const struct ssh_event *ev)
{
    struct server_channel *c = ev->owner;
    static const struct span methods = SPAN_LIT("password");
    switch (ev->kind) {
    case SSH_EVENT_SIGN:
        server_sign(v, ev);
        break;
    case SSH_EVENT_AUTH_REQUEST:
        if (atomic_load(&v->is_shy))
            break;
        ssh_auth_request_answer(v->ssh, span_is(ev->names, "password") && span_is(ev->data, "secret"), false,
                                methods);
        break;
    case SSH_EVENT_CHANNEL_REQUESTED_OPEN:
        server_open(v, ev);
        break;
    case SSH_EVENT_GLOBAL_REQUEST:
        server_global(v, ev);
        break;
    case SSH_EVENT_CHANNEL_OPENED: /* our forwarded-tcpip */
        server_add(v, ev->channel, false);
        (void)!ssh_chan_write(v->ssh, ev->channel,
                              v->greeting ? span_make(v->greeting, v->greeting_n) : span_str("hello"));
        break;
    case SSH_EVENT_CHANNEL_OPEN_FAILED:
        atomic_fetch_add(&v->remote_refused, 1);
        break;
    case SSH_EVENT_CHANNEL_DATA:
        server_data(v, ev);
        break;
    case SSH_EVENT_CHANNEL_REQUEST:
        server_request(v, ev);
        break;
    case SSH_EVENT_CHANNEL_EOF:
        c->eof = true;
        if (c->is_relay && !c->eof_sent) {
            c->eof_sent = true;
            ssh_chan_close(v->ssh, c->ch);
        }
        server_move(v, c);
        break;
    case SSH_EVENT_CHANNEL_SPACE:
        if (c)
            server_move(v, c);
        break;
    case SSH_EVENT_CHANNEL_CLOSED:
        atomic_fetch_add(&v->closes, 1);
        if (c->is_relay)
            close(c->relay_fd);
        free(c->buf);
        memset(c, 0, sizeof *c);
        break;
    case SSH_EVENT_ENDED:
        atomic_store(&v->had_disconnect, ssh_error(v->ssh)->code == ADIT_E_DISCONNECTED);
        break;
    default:
        break;
    }
}

static inline void server_commands(struct server *v)
{
    struct span where = span_str(v->asked_address), from = SPAN_LIT("192.0.2.7"),
                foreign = SPAN_LIT("/other");
    if (atomic_exchange(&v->show_keys, false))
        (void)!ssh_global_request(v->ssh, "hostkeys-00@openssh.com", span_str("\1\1keys"), false, NULL);
    if (v->asked_path && atomic_exchange(&v->open_remote, false))
        (void)!ssh_open_forwarded_streamlocal(v->ssh, where, NULL);
    if (v->asked_path && atomic_exchange(&v->open_foreign, false))
        (void)!ssh_open_forwarded_streamlocal(v->ssh, foreign, NULL);
    if (atomic_exchange(&v->open_remote, false))
        (void)!ssh_open_forwarded_tcpip(v->ssh, where, REMOTE_PORT, from, 999, NULL);
    if (atomic_exchange(&v->open_foreign, false))
        (void)!ssh_open_forwarded_tcpip(v->ssh, where, 9, from, 999, NULL);
}

static inline void *server_thread(void *arg)
{
    struct server *v = arg;
    struct ssh_event ev;
    uint8_t seed[32] = {3};
    uint8_t blob[KEY_PUBLIC_MAX];
    struct ssh_config config = {.host_keys = "ssh-ed25519"};
    struct wr w = wr_init(blob, sizeof blob);
    v->ssh = ssh_new(&ssh_server, &config, &plain, seed);
    must(key_secret_public(&v->host_key, &w));
    must(ssh_server_host_key(v->ssh, wr_done(&w)));
    while (!ssh_is_ended(v->ssh) && !atomic_load(&v->die)) {
        if (atomic_load(&v->is_frozen)) {
            (void)poll(NULL, 0, 1);
            continue;
        }
        (void)ssh_tick(v->ssh, loop_now_us());
        server_commands(v);
        while (ssh_next(v->ssh, &ev))
            server_event(v, &ev);
        for (size_t i = 0; i < CHANNELS; i++)
            server_move(v, &v->channels[i]);
        struct span out = ssh_out(v->ssh);
        struct wspan in = ssh_in_space(v->ssh);
        struct pollfd p = {v->fd, (short)((out.n ? POLLOUT : 0) | (in.n ? POLLIN : 0)), 0};
        if (poll(&p, 1, 5) <= 0)
            continue;
        ssize_t n = out.n ? send(v->fd, out.p, out.n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (n > 0)
            ssh_out_consume(v->ssh, (size_t)n);
        in = ssh_in_space(v->ssh);
        n = in.n ? recv(v->fd, in.p, in.n, MSG_DONTWAIT) : -1;
        if (n > 0)
            ssh_in_commit(v->ssh, (size_t)n);
        else if (n == 0)
            ssh_in_eof(v->ssh);
    }
    while (ssh_next(v->ssh, &ev))
        server_event(v, &ev);
    close(v->fd);
    for (size_t i = 0; i < CHANNELS; i++) {
        if (v->channels[i].is_relay)
            close(v->channels[i].relay_fd);
        free(v->channels[i].buf);
    }
    ssh_free(v->ssh);
    return NULL;
}

/* ---- Its clients ---- */

static inline int dial(int family, uint16_t port)
{
    struct sock_addr a;
    struct timeval limit = {20, 0};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(sock_addr_parse(&a, family == AF_INET ? "127.0.0.1" : "::1", port));
    assert_int_equal(connect(fd, (struct sockaddr *)&a.storage, a.len), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static inline size_t read_all(int fd, uint8_t *buf, size_t cap)
{
    size_t got = 0;
    ssize_t n;
    while (got < cap && (n = read(fd, buf + got, cap - got)) > 0)
        got += (size_t)n;
    return got;
}

struct writer {
    int fd;
    const uint8_t *p;
    size_t n;
};

static inline void *writer_thread(void *arg)
{
    struct writer *w = arg;
    size_t done = 0;
    while (done < w->n) {
        ssize_t n = send(w->fd, w->p + done, w->n - done, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    shutdown(w->fd, SHUT_WR);
    return NULL;
}

/* n bytes there and back, half-closed behind the last one. */
static inline void check_echo(int fd, size_t n)
{
    uint8_t *sent = malloc(n + 1), *got = malloc(n + 1);
    pthread_t thread;
    struct writer w = {fd, sent, n};
    for (size_t i = 0; i < n; i++)
        sent[i] = (uint8_t)(i * 31 + i / 251);
    pthread_create(&thread, NULL, writer_thread, &w);
    assert_int_equal(read_all(fd, got, n + 1), n); /* and then its end */
    assert_memory_equal(sent, got, n);
    pthread_join(thread, NULL);
    free(sent);
    free(got);
    close(fd);
}

/* The session's end of a client's connection: it is in this process. */
static inline int session_end(int client)
{
    struct sock_addr mine, peer;
    assert_true(sock_local(client, &mine));
    for (int fd = 0; fd < 1024; fd++)
        if (sock_peer(fd, &peer) && sock_addr_port(&peer) == sock_addr_port(&mine))
            return fd;
    fail();
    return -1;
}

static inline int listen_here(uint16_t *port)
{
    struct sock_addr a;
    struct adit_error err = {ADIT_E_OK, ""};
    int fd = -1;
    assert_true(sock_addr_parse(&a, "127.0.0.1", 0));
    assert_int_equal(sock_listen(&fd, &a, NULL, &err), ADIT_E_OK);
    assert_true(sock_local(fd, &a));
    assert_true(sock_set_nonblock(fd, false));
    *port = sock_addr_port(&a);
    return fd;
}

#endif
