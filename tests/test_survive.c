/*
 * A session that outlives its connections: each is a socketpair, and behind it adit's own server role in a
 * thread of its own. Whoever tries again is the test itself.
 */
#include "tests/test.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "forward/session.h"
#include "tests/session_server.h"

enum { FORWARDS = 3 };

struct fixture {
    struct server *server; /* of the present connection, or of the last */
    struct key_secret host_key;
    struct session *session;
    struct session_config config; /* of the first connection; the others have copies */
    char *host, *user;            /* of the present one: freed when it is lost */
    struct session_forward forwards[FORWARDS];
    const char *password;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* What was said, and how often. */
    unsigned stall_ms; /* at the next suspicion the session's thread stands still for so long */
    unsigned lost, wanted, alive, suspect, done, ups[FORWARDS], failures[FORWARDS];
    uint16_t port[FORWARDS], remote_port;
    size_t failed;
    unsigned ran, may_have_run; /* SESSION_RAN, the last one: number, */
    char wrote[LIMIT_ERRAND + 1];
    struct adit_error run_error; /* and why nothing is known */
    struct server_answers answers;
    bool has_answers;
    struct adit_error why;
    bool is_ended, hold_question;
    const char *stop_at; /* a line at which the session's thread waits until this is NULL again, */
    bool has_stopped;    /* and that it does */
    struct session_question *held;
};

/* ---- What the session says ---- */

static void on_ask(void *ctx, struct session_question *q)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->lock);
    q->accept = true;
    if (q->kind == SESSION_ASK_CREDENTIAL && q->first) {
        q->credential = SESSION_CREDENTIAL_PASSWORD;
        q->password = span_str(f->password);
    }
    bool is_held = f->hold_question;
    if (is_held)
        f->held = q;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (!is_held)
        session_answer(q);
}

static void on_ran(struct fixture *f, const struct session_notice *n)
{
    must((n->text != NULL) != (n->error != NULL));
    f->ran++;
    f->may_have_run = n->number;
    (void)adit_format(f->wrote, sizeof f->wrote, "%s", n->text ? n->text : "");
    f->run_error = n->error ? *n->error : (struct adit_error){ADIT_E_OK, ""};
}

/* The configuration of the lost connection is not to be used any more: the sanitizers see whether it is. */
static void on_lost(struct fixture *f, const struct session_notice *n)
{
    f->lost++;
    f->why = *n->error;
    if (f->host)
        memset(f->host, 'x', strlen(f->host));
    free(f->host);
    free(f->user);
    f->host = f->user = NULL;
}

static void on_notify(void *ctx, const struct session_notice *n)
{
    struct fixture *f = ctx;
    unsigned stall_ms = 0;
    pthread_mutex_lock(&f->lock);
    switch (n->kind) {
    case SESSION_LOST:
        on_lost(f, n);
        break;
    case SESSION_WANTED:
        f->wanted++;
        break;
    case SESSION_ALIVE:
        f->alive++;
        break;
    case SESSION_SUSPECT:
        f->suspect++;
        stall_ms = f->stall_ms;
        f->stall_ms = 0;
        break;
    case SESSION_FORWARD_UP:
        if (n->address_index == 0) /* the other family's is the same, and may be read by now */
            f->port[n->index] = n->bound_port;
        f->ups[n->index]++;
        break;
    case SESSION_FORWARD_FAILED:
        f->failures[n->index]++;
        break;
    case SESSION_REMOTE_PORT:
        f->remote_port = n->bound_port;
        break;
    case SESSION_ALL_FORWARDS_DONE:
        f->failed = n->count;
        f->done++;
        break;
    case SESSION_RAN:
        on_ran(f, n);
        break;
    case SESSION_ENDED:
        f->is_ended = true;
        break;
    default:
        break;
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    const struct timespec pause = {stall_ms / 1000, stall_ms % 1000 * 1000 * 1000};
    (void)nanosleep(&pause, NULL);
}

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    struct fixture *f = ctx;
    must(level <= SESSION_DEBUG3 && about < SESSION_ABOUT_COUNT && line != NULL);
    pthread_mutex_lock(&f->lock);
    while (f->stop_at && strcmp(line, f->stop_at) == 0) {
        f->has_stopped = true;
        pthread_cond_broadcast(&f->changed);
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

/* ---- Both sides ---- */

/* A server for one connection; returns the session's end. */
static int serve(struct fixture *f)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->server = calloc(1, sizeof *f->server);
    assert_non_null(f->server);
    f->server->host_key = f->host_key;
    f->server->answers = f->has_answers ? &f->answers : NULL;
    f->server->fd = fds[0];
    assert_int_equal(pthread_create(&f->server->thread, NULL, server_thread, f->server), 0);
    return fds[1];
}

static void server_gone(struct fixture *f)
{
    if (!f->server)
        return;
    atomic_store(&f->server->is_frozen, false);
    atomic_store(&f->server->die, true);
    pthread_join(f->server->thread, NULL);
    free(f->server);
    f->server = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct drbg random;
    uint8_t seed[32] = {9};
    assert_true(crypto_init());
    drbg_init(&random, seed);
    assert_true(key_generate(KEY_ED25519, &random, &f->host_key));
    f->password = "secret";
    f->config = (struct session_config){.host = "server.example",
                                        .port = 22,
                                        .user = "alice",
                                        .ssh.kex = "curve25519-sha256",
                                        .transport_fd = -1,
                                        .forwards = f->forwards,
                                        .unix_mask = 0177,
                                        .stdin_fd = -1,
                                        .stdout_fd = -1,
                                        .log_level = SESSION_DEBUG3,
                                        .survives = true,
                                        .hold_ms = SESSION_HOLD_MS,
                                        .hold_max = SESSION_HOLD_MAX};
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    f->forwards[1] = (struct session_forward){.type = SESSION_FORWARD_DYNAMIC};
    f->forwards[2] = (struct session_forward){.type = SESSION_FORWARD_REMOTE, .host = "localhost", .port = 1};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    if (f->session) {
        session_stop(f->session);
        session_stop(f->session);
        (void)session_join(f->session, &err, NULL);
    }
    server_gone(f);
    free(f->host);
    free(f->user);
    key_secret_wipe(&f->host_key);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
    return 0;
}

static enum adit_err start_only(struct fixture *f, size_t forwards)
{
    struct session_ops ops = {f, on_ask, on_notify, on_log};
    struct adit_error err = {ADIT_E_OK, ""};
    f->config.forward_count = forwards;
    return session_start(&f->session, &f->config, &ops, &err);
}

static void wait_count(struct fixture *f, const unsigned *what, unsigned count)
{
    pthread_mutex_lock(&f->lock);
    while (*what < count && !f->is_ended)
        pthread_cond_wait(&f->changed, &f->lock);
    bool came = *what >= count;
    pthread_mutex_unlock(&f->lock);
    assert_true(came);
}

static unsigned count_of(struct fixture *f, const unsigned *what)
{
    pthread_mutex_lock(&f->lock);
    unsigned n = *what;
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* With a server, up to ALL_FORWARDS_DONE. */
static void start(struct fixture *f, size_t forwards)
{
    f->config.transport_fd = serve(f);
    assert_int_equal(start_only(f, forwards), ADIT_E_OK);
    wait_count(f, &f->done, 1);
}

static void connect_to(struct fixture *f, int fd)
{
    struct session_config config = f->config;
    config.transport_fd = fd;
    config.forwards = NULL; /* those of the start stay */
    config.forward_count = 99;
    pthread_mutex_lock(&f->lock);
    config.host = f->host = strdup("another.example");
    config.user = f->user = strdup("bob");
    pthread_mutex_unlock(&f->lock);
    session_connect(f->session, &config);
}

static void connect_again(struct fixture *f)
{
    unsigned done = count_of(f, &f->done);
    server_gone(f);
    connect_to(f, serve(f));
    wait_count(f, &f->done, done + 1);
}

static void lose(struct fixture *f)
{
    unsigned lost = count_of(f, &f->lost);
    atomic_store(&f->server->die, true);
    wait_count(f, &f->lost, lost + 1);
    assert_int_equal(f->why.code, ADIT_E_CLOSED);
}

/* All letters that were posted before have been read when it returns. */
static struct session_stats snapshot(struct fixture *f)
{
    struct mailbox box;
    struct session_snapshot shot = {.reply_to = &box};
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(mailbox_init(&box, &err), ADIT_E_OK);
    session_snapshot(f->session, &shot);
    struct pollfd p = {mailbox_fd(&box), POLLIN, 0};
    assert_int_equal(poll(&p, 1, 20000), 1);
    assert_non_null(mailbox_take(&box));
    mailbox_wipe(&box);
    return shot.stats;
}

static enum adit_err join(struct fixture *f, struct session_stats *stats)
{
    struct adit_error err = {ADIT_E_OK, ""};
    enum adit_err e = session_join(f->session, &err, stats);
    f->session = NULL;
    return e;
}

static void stop_cleanly(struct fixture *f, struct session_stats *stats)
{
    session_stop(f->session);
    assert_int_equal(join(f, stats), ADIT_E_OK);
}

/* A client of the local forward that is being served. */
static int dial_served(struct fixture *f)
{
    uint8_t got[4];
    int fd = dial(AF_INET, f->port[0]);
    assert_int_equal(write(fd, "ping", 4), 4);
    assert_int_equal(read_all(fd, got, 4), 4);
    return fd;
}

static int dial_socks(struct fixture *f)
{
    static const uint8_t request[] = {5, 1, 0, 5, 1, 0, 3, 4, 'e', 'c', 'h', 'o', 0, 7};
    int fd = dial(AF_INET, f->port[1]);
    assert_int_equal(write(fd, request, sizeof request), sizeof request);
    return fd;
}

/* The reply's code; and that is all, unless it was granted. */
static int socks_result(int fd)
{
    uint8_t got[13];
    assert_int_equal(read_all(fd, got, 12), 12);
    assert_memory_equal(got, ((uint8_t[]){5, 0, 5}), 3);
    if (got[3] != 0)
        assert_int_equal(read_all(fd, got, 1), 0);
    return got[3];
}

static void check_reset(int fd)
{
    uint8_t byte;
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
}

/* The same behind any number of bytes. */
static void check_cut(int fd)
{
    uint8_t bytes[4096];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        ;
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
}

/* Waits until so many clients are known to the session: accepted, and what they said was read. */
static void wait_open(struct fixture *f, uint32_t count)
{
    while (snapshot(f).open_now != count)
        usleep(1000);
}

/* ---- Lost, and there again ---- */

static void test_reconnect(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    uint8_t got[5];
    uint16_t target, port, socks;
    int listener = listen_here(&target);
    f->forwards[2].port = target;
    start(f, 3);
    assert_int_equal(f->failed, 0);
    port = f->port[0];
    socks = f->port[1];
    unsigned ups[2] = {f->ups[0], f->ups[1]};
    for (unsigned round = 1; round <= 3; round++) {
        int client = dial_served(f);
        atomic_store(&f->server->open_remote, true);
        int remote = accept(listener, NULL, NULL);
        assert_int_equal(read_all(remote, got, 5), 5);
        assert_int_equal(atomic_load(&f->server->remote_asked), 1);
        lose(f);
        check_reset(client); /* both were this connection's, and bytes may be missing */
        check_reset(remote);
        assert_int_equal(snapshot(f).open_now, 0);
        connect_again(f);
        assert_int_equal(f->failed, 0);
        assert_int_equal(f->port[0], port);
        assert_int_equal(f->port[1], socks);
        check_echo(dial(AF_INET, port), 100000);
    }
    int client = dial_socks(f);
    assert_int_equal(socks_result(client), 0);
    check_echo(client, 1000);
    assert_int_equal(f->ups[0], ups[0]); /* told once, as they were bound once */
    assert_int_equal(f->ups[1], ups[1]);
    assert_int_equal(f->ups[2], 4);
    close(listener);
    stop_cleanly(f, &stats);
    assert_int_equal(f->lost, 3);
    assert_int_equal(stats.opened, 3 * 3 + 1);
    assert_int_equal(stats.open_now, 0);
}

/* No connection could be made: told in the same way, and another try may follow. */
static void test_refused_connection(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    close(listen_here(&port));
    f->config.host = "127.0.0.1";
    f->config.port = port;
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->lost, 1);
    assert_int_equal(f->why.code, ADIT_E_CONNECT);
    connect_again(f);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

static void test_wrong_password(void **state)
{
    struct fixture *f = *state;
    f->password = "wrong";
    f->config.transport_fd = serve(f);
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->lost, 1);
    assert_int_equal(f->why.code, ADIT_E_AUTH);
    pthread_mutex_lock(&f->lock);
    f->password = "secret";
    pthread_mutex_unlock(&f->lock);
    int client = dial(AF_INET, f->port[0]);
    connect_again(f);
    check_echo(client, 1000);
    stop_cleanly(f, NULL);
}

/* What it does not read waits with the session, and not in the kernel. */
static int dial_slow(struct fixture *f)
{
    int fd = dial(AF_INET, f->port[0]), small = 4096;
    wait_open(f, 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(setsockopt(session_end(fd), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    return fd;
}

/* What came before the channel's end is delivered, though the connection has gone since. */
static void test_slow_reader(void **state)
{
    struct fixture *f = *state;
    enum { LEN = 120 * 1024 }; /* the first window takes it */
    static uint8_t sent[LEN], got[LEN + 1];
    for (size_t i = 0; i < LEN; i++)
        sent[i] = (uint8_t)(i * 31 + i / 251);
    start(f, 1);
    int client = dial_slow(f);
    assert_int_equal(send(client, sent, LEN, MSG_NOSIGNAL), LEN);
    shutdown(client, SHUT_WR);
    while (atomic_load(&f->server->closes) < 1)
        usleep(1000);
    assert_true(snapshot(f).buffered > 0);
    lose(f);
    assert_int_equal(read_all(client, got, LEN + 1), LEN);
    assert_memory_equal(got, sent, LEN);
    close(client);
    connect_again(f);
    stop_cleanly(f, NULL);
}

/* ---- Held ---- */

static void test_held(void **state)
{
    struct fixture *f = *state;
    int clients[3];
    uint8_t got[2];
    start(f, 2);
    lose(f);
    for (size_t i = 0; i < ADIT_COUNT(clients); i++) {
        clients[i] = dial(AF_INET, f->port[0]);
        assert_int_equal(write(clients[i], "hi", 2), 2);
    }
    int socks = dial_socks(f);
    wait_count(f, &f->wanted, 4);
    close(dial(AF_INET, f->port[0])); /* one that does not wait */
    wait_count(f, &f->wanted, 5);
    connect_again(f);
    for (size_t i = 0; i < ADIT_COUNT(clients); i++) {
        assert_int_equal(read_all(clients[i], got, 2), 2);
        check_echo(clients[i], 1000);
    }
    assert_int_equal(socks_result(socks), 0);
    check_echo(socks, 1000);
    stop_cleanly(f, NULL);
}

/* Before the first connection too: they do not wait in the backlog, where nobody knows of them. */
static void test_held_at_start(void **state)
{
    struct fixture *f = *state;
    int fd = serve(f);
    atomic_store(&f->server->is_frozen, true);
    f->config.transport_fd = fd;
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->ups[0], 1);
    int client = dial(AF_INET, f->port[0]);
    wait_open(f, 1);
    atomic_store(&f->server->is_frozen, false);
    check_echo(client, 1000);
    assert_int_equal(f->wanted, 0); /* a connection is on its way */
    stop_cleanly(f, NULL);
}

static void test_hold_limit(void **state)
{
    struct fixture *f = *state;
    f->config.hold_max = 2;
    start(f, 2);
    lose(f);
    int first = dial(AF_INET, f->port[0]), second = dial_socks(f);
    wait_count(f, &f->wanted, 2);
    check_reset(dial(AF_INET, f->port[0]));
    int third = dial_socks(f);
    assert_int_equal(socks_result(third), 1);
    close(third);
    struct linger reset = {1, 0};
    (void)setsockopt(first, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(first); /* makes room */
    wait_open(f, 1);
    first = dial(AF_INET, f->port[0]);
    wait_count(f, &f->wanted, 3);
    connect_again(f);
    check_echo(first, 1000);
    assert_int_equal(socks_result(second), 0);
    check_echo(second, 1000);
    stop_cleanly(f, NULL);
}

static void test_hold_time(void **state)
{
    struct fixture *f = *state;
    f->config.hold_ms = 100;
    start(f, 2);
    lose(f);
    int client = dial(AF_INET, f->port[0]), socks = dial_socks(f);
    wait_count(f, &f->wanted, 2);
    check_reset(client);
    assert_int_equal(socks_result(socks), 1);
    close(socks);
    wait_open(f, 0);
    connect_again(f);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

static void test_no_hold(void **state)
{
    struct fixture *f = *state;
    f->config.hold_ms = 0;
    start(f, 1);
    lose(f);
    check_reset(dial(AF_INET, f->port[0]));
    wait_count(f, &f->wanted, 1); /* the next one may have more luck */
    connect_again(f);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

/* Asked for, and never answered: nothing of it is lost yet, so that the client waits for the next connection.
 */
static void test_unanswered_is_held(void **state)
{
    struct fixture *f = *state;
    start(f, 2);
    atomic_store(&f->server->is_mute, true);
    int client = dial(AF_INET, f->port[0]), socks = dial_socks(f);
    while (atomic_load(&f->server->opens) < 2)
        usleep(1000);
    lose(f);
    wait_count(f, &f->wanted, 1);
    connect_again(f);
    check_echo(client, 1000);
    assert_int_equal(socks_result(socks), 0);
    check_echo(socks, 1000);
    stop_cleanly(f, NULL);
}

/* A client in the middle of its SOCKS handshake has nothing of the connection. */
static void test_handshake_stays(void **state)
{
    struct fixture *f = *state;
    start(f, 2);
    int socks = dial(AF_INET, f->port[1]);
    assert_int_equal(write(socks, "\5\1\0\5\1\0\3", 7), 7);
    wait_open(f, 1);
    lose(f);
    connect_again(f);
    assert_int_equal(write(socks, "\4echo\0\7", 7), 7);
    assert_int_equal(socks_result(socks), 0);
    check_echo(socks, 1000);
    stop_cleanly(f, NULL);
}

/* ---- Forwards that fail ---- */

static void test_remote_retry(void **state)
{
    struct fixture *f = *state;
    f->config.transport_fd = serve(f);
    atomic_store(&f->server->refuses_remote, true);
    assert_int_equal(start_only(f, 3), ADIT_E_OK);
    wait_count(f, &f->done, 1);
    assert_int_equal(f->failed, 1);
    assert_int_equal(f->failures[2], 1);
    session_retry_forwards(f->session);
    wait_count(f, &f->failures[2], 2);
    atomic_store(&f->server->refuses_remote, false);
    session_retry_forwards(f->session);
    wait_count(f, &f->ups[2], 1);
    assert_int_equal(atomic_load(&f->server->remote_asked), 3);
    session_retry_forwards(f->session); /* nothing is missing */
    (void)snapshot(f);
    assert_int_equal(atomic_load(&f->server->remote_asked), 3);
    lose(f);
    session_retry_forwards(f->session); /* nor can it be asked for now */
    connect_again(f);
    assert_int_equal(f->failed, 0);
    assert_int_equal(atomic_load(&f->server->remote_asked), 1);
    stop_cleanly(f, NULL);
}

/* The address that is busy is told of and tried again; the other one, if there is IPv6, is there all the
 * time. */
static void test_busy_port(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int busy = listen_here(&port);
    f->forwards[0].bind_port = port;
    start(f, 1);
    unsigned ups = f->ups[0];
    assert_int_equal(f->failures[0], 1);
    assert_int_equal(f->failed, ups == 0);
    session_retry_forwards(f->session);
    wait_count(f, &f->failures[0], 2);
    close(busy);
    lose(f);
    session_retry_forwards(f->session); /* local ones need no connection */
    wait_count(f, &f->ups[0], ups + 1);
    int client = dial(AF_INET, port);
    connect_again(f);
    assert_int_equal(f->failed, 0);
    check_echo(client, 1000);
    session_retry_forwards(f->session);
    (void)snapshot(f);
    assert_int_equal(f->ups[0], ups + 1);
    stop_cleanly(f, NULL);
}

static void test_unlisten(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    struct sock_addr a;
    close(listen_here(&port));
    f->forwards[0].bind_port = port;
    start(f, 2);
    lose(f);
    int client = dial(AF_INET, port), socks = dial_socks(f);
    wait_count(f, &f->wanted, 2);
    unsigned ups = f->ups[0];
    session_unlisten(f->session);
    check_reset(client);
    assert_int_equal(socks_result(socks), 1);
    close(socks);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(sock_addr_parse(&a, "127.0.0.1", port));
    assert_int_equal(connect(fd, (struct sockaddr *)&a.storage, a.len), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    connect_again(f); /* they stay away until they are wanted again */
    assert_int_equal(f->failed, 2);
    session_retry_forwards(f->session);
    wait_count(f, &f->ups[0], ups + 1);
    check_echo(dial(AF_INET, port), 1000);
    stop_cleanly(f, NULL);
}

/* ---- Drops ---- */

static void test_drop(void **state)
{
    struct fixture *f = *state;
    start(f, 1);
    int client = dial_served(f);
    session_drop(f->session, "the network has changed");
    session_drop(f->session, "twice is once, or nothing");
    wait_count(f, &f->lost, 1);
    assert_int_equal(f->why.code, ADIT_E_CLOSED);
    assert_string_equal(f->why.text, "the network has changed");
    check_reset(client);
    while (!atomic_load(&f->server->had_disconnect)) /* it may free what it holds */
        usleep(1000);
    session_drop(f->session, "there is none");
    (void)snapshot(f);
    assert_int_equal(f->lost, 1);
    connect_again(f);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    assert_int_equal(f->lost, 1);
    stop_cleanly(f, NULL);
}

/* The server says nothing at all: there is no end to wait for. */
static void test_drop_while_connecting(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int silent = listen_here(&port);
    f->config.host = "127.0.0.1";
    f->config.port = port;
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->ups[0], 1);
    (void)snapshot(f); /* it connects by now */
    int client = dial(AF_INET, f->port[0]);
    wait_open(f, 1);
    session_drop(f->session, "too slow");
    wait_count(f, &f->lost, 1);
    wait_count(f, &f->wanted, 1); /* he still waits */
    assert_string_equal(f->why.text, "too slow");
    int fd = serve(f);
    atomic_store(&f->server->is_frozen, true);
    connect_to(f, fd);
    (void)snapshot(f);
    session_drop(f->session, "again");
    wait_count(f, &f->lost, 2);
    connect_again(f);
    check_echo(client, 1000);
    close(silent);
    stop_cleanly(f, NULL);
}

static struct session_question *wait_held(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->held && !f->is_ended)
        pthread_cond_wait(&f->changed, &f->lock);
    struct session_question *q = f->held;
    f->held = NULL;
    pthread_mutex_unlock(&f->lock);
    assert_non_null(q);
    return q;
}

static void hold_questions(struct fixture *f, bool is_held)
{
    pthread_mutex_lock(&f->lock);
    f->hold_question = is_held;
    pthread_mutex_unlock(&f->lock);
}

/* Whoever has the question still has its texts: the loss waits for the answer, which counts for nothing. */
static void test_drop_while_asking(void **state)
{
    struct fixture *f = *state;
    hold_questions(f, true);
    f->config.transport_fd = serve(f);
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    struct session_question *q = wait_held(f);
    assert_int_equal(q->kind, SESSION_ASK_HOST_KEY);
    session_drop(f->session, "enough");
    (void)snapshot(f);
    assert_int_equal(count_of(f, &f->lost), 0);
    assert_true(q->blob.n > 30 && q->blob.p[3] == 11); /* "ssh-ed25519" */
    hold_questions(f, false);
    session_answer(q);
    wait_count(f, &f->lost, 1);
    assert_string_equal(f->why.text, "enough");
    assert_int_equal(f->done, 0);
    connect_again(f);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

/* An order to connect that nobody needs does no harm, and its stream is closed. */
static void test_connect_twice(void **state)
{
    struct fixture *f = *state;
    struct session_config config = f->config;
    int fds[4][2];
    uint8_t byte;
    start(f, 1);
    for (size_t i = 0; i < ADIT_COUNT(fds); i++) { /* some of them before the last one was read */
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]), 0);
        config.transport_fd = fds[i][1];
        session_connect(f->session, &config);
    }
    for (size_t i = 0; i < ADIT_COUNT(fds); i++) {
        assert_int_equal(read(fds[i][0], &byte, 1), 0);
        close(fds[i][0]);
    }
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

/* While the bind name of a forward is still being looked up, or just after: the loss is told in any case. */
static void test_drop_at_start(void **state)
{
    struct fixture *f = *state;
    f->forwards[0].bind = "no-such-name.invalid";
    f->config.transport_fd = serve(f);
    atomic_store(&f->server->is_frozen, true);
    assert_int_equal(start_only(f, 2), ADIT_E_OK);
    session_drop(f->session, "at once");
    wait_count(f, &f->lost, 1);
    assert_string_equal(f->why.text, "at once");
    connect_again(f);
    int socks = dial_socks(f);
    assert_int_equal(socks_result(socks), 0);
    check_echo(socks, 1000);
    stop_cleanly(f, NULL);
}

/* Orders that come faster than they are read: the last of each kind counts, behind what came before it. */
static void test_orders_in_a_row(void **state)
{
    struct fixture *f = *state;
    start(f, 1);
    for (unsigned i = 0; i < 1000; i++) {
        session_unlisten(f->session);
        session_retry_forwards(f->session);
    }
    (void)snapshot(f);
    (void)snapshot(f); /* an order that came again was posted anew */
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

/* ---- Stops ---- */

static void test_stop_while_down(void **state)
{
    struct fixture *f = *state;
    start(f, 2);
    lose(f);
    int client = dial(AF_INET, f->port[0]), socks = dial_socks(f);
    wait_count(f, &f->wanted, 2);
    stop_cleanly(f, NULL);
    check_reset(client);
    close(socks);
}

static void test_stop_while_connecting(void **state)
{
    struct fixture *f = *state;
    start(f, 1);
    lose(f);
    server_gone(f);
    int fd = serve(f);
    atomic_store(&f->server->is_frozen, true);
    connect_to(f, fd);
    session_stop(f->session);
    assert_int_equal(join(f, NULL), ADIT_E_OK);
    assert_int_equal(f->lost, 1);
}

/* The order to connect is not read any more: its stream is closed all the same. */
static void test_stop_before_connect(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    uint8_t byte;
    start(f, 1);
    lose(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    session_stop(f->session);
    connect_to(f, fds[1]);
    assert_int_equal(join(f, NULL), ADIT_E_OK);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
}

static void test_stop_at_once(void **state)
{
    struct fixture *f = *state;
    f->config.transport_fd = serve(f);
    assert_int_equal(start_only(f, 3), ADIT_E_OK);
    session_stop(f->session);
    session_stop(f->session);
    assert_int_equal(join(f, NULL), ADIT_E_OK);
    assert_int_equal(f->lost, 0);
}

static void test_stop_while_dropped_and_asking(void **state)
{
    struct fixture *f = *state;
    hold_questions(f, true);
    f->config.transport_fd = serve(f);
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    struct session_question *q = wait_held(f);
    session_drop(f->session, "enough");
    session_stop(f->session);
    (void)snapshot(f);
    session_answer(q);
    assert_int_equal(join(f, NULL), ADIT_E_OK);
    assert_int_equal(f->lost, 0);
}

/* In order: an open connection is waited for, and its loss meanwhile is no LOST. */
static void test_loss_while_stopping(void **state)
{
    struct fixture *f = *state;
    start(f, 1);
    int client = dial_served(f);
    session_stop(f->session);
    (void)snapshot(f);
    atomic_store(&f->server->die, true);
    assert_int_equal(join(f, NULL), ADIT_E_OK);
    assert_int_equal(f->lost, 0);
    close(client);
}

/* A question that does not stop the connection may be out when it is lost. */
static void test_loss_with_host_keys_asked(void **state)
{
    struct fixture *f = *state;
    f->config.wants_host_keys = true;
    start(f, 1);
    for (unsigned round = 0; round < 2; round++) {
        hold_questions(f, true);
        atomic_store(&f->server->show_keys, true);
        struct session_question *q = wait_held(f);
        assert_int_equal(q->kind, SESSION_ASK_HOST_KEYS);
        int client = dial_served(f); /* traffic goes on */
        atomic_store(&f->server->die, true);
        check_reset(client);
        assert_int_equal(count_of(f, &f->lost), round);
        assert_true(span_is(q->data, "\1\1keys"));
        hold_questions(f, false);
        session_answer(q);
        wait_count(f, &f->lost, round + 1);
        connect_again(f); /* which may show its keys again */
    }
    stop_cleanly(f, NULL);
}

static void stop_at(struct fixture *f, const char *line)
{
    pthread_mutex_lock(&f->lock);
    f->stop_at = line;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void wait_stopped(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->has_stopped)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* What was read last, in one turn, is a bulk transfer's and the end; and then, while a question is out, there
 * are turns that read nothing. */
static void test_loss_in_bulk(void **state)
{
    struct fixture *f = *state;
    enum { BULK = 64 * 1024 };
    f->config.wants_host_keys = true;
    f->forwards[0].host = "source";
    f->config.transport_fd = serve(f);
    int fd = f->config.transport_fd;
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->done, 1);
    hold_questions(f, true);
    atomic_store(&f->server->show_keys, true);
    struct session_question *q = wait_held(f);
    stop_at(f, "channel 0: open");
    int client = dial(AF_INET, f->port[0]);
    wait_stopped(f);
    while (sock_waiting_len(fd) < BULK)
        usleep(1000);
    server_gone(f);
    stop_at(f, NULL);
    check_cut(client);
    for (int i = 0; i < 10; i++)
        (void)snapshot(f);
    hold_questions(f, false);
    session_answer(q);
    wait_count(f, &f->lost, 1);
    stop_cleanly(f, NULL);
}

/* ---- Lazy ---- */

static void test_lazy(void **state)
{
    struct fixture *f = *state;
    f->config.is_lazy = true;
    f->config.idle_exit_ms = 50;
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->ups[0], 1);
    (void)snapshot(f);
    assert_int_equal(count_of(f, &f->lost) + count_of(f, &f->wanted), 0);
    for (unsigned round = 1; round <= 3; round++) {
        int client = dial(AF_INET, f->port[0]);
        wait_count(f, &f->wanted, round);
        connect_again(f);
        assert_int_equal(count_of(f, &f->lost), round - 1);
        check_echo(client, 1000);
        wait_count(f, &f->lost, round);
        assert_int_equal(f->why.code, ADIT_E_OK);
        while (!atomic_load(&f->server->had_disconnect))
            usleep(1000);
    }
    stop_cleanly(f, NULL);
}

/* Whoever is there keeps the connection up, however quiet he is. */
static void test_lazy_in_use(void **state)
{
    struct fixture *f = *state;
    f->config.is_lazy = true;
    f->config.idle_exit_ms = 50;
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->ups[0], 1);
    int client = dial(AF_INET, f->port[0]);
    wait_count(f, &f->wanted, 1);
    connect_again(f);
    usleep(200 * 1000);
    assert_int_equal(count_of(f, &f->lost), 0);
    check_echo(client, 1000);
    wait_count(f, &f->lost, 1);
    stop_cleanly(f, NULL);
}

static void test_lazy_stop(void **state)
{
    struct fixture *f = *state;
    f->config.is_lazy = true;
    assert_int_equal(start_only(f, 2), ADIT_E_OK);
    stop_cleanly(f, NULL);
}

/* ---- Probes ---- */

static void check_probes(struct fixture *f, bool is_refused)
{
    f->config.probe_ms = 20;
    f->config.probe_limit_ms = 20000;
    f->config.transport_fd = serve(f);
    atomic_store(&f->server->refuses_session, is_refused);
    assert_int_equal(start_only(f, 1), ADIT_E_OK);
    wait_count(f, &f->alive, 2);
    assert_true(atomic_load(&f->server->sessions) >= 2);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    assert_int_equal(count_of(f, &f->suspect) + count_of(f, &f->lost), 0);
    lose(f);
    unsigned probes = atomic_load(&f->server->sessions);
    assert_true(probes >= 2);
    connect_again(f);
    wait_count(f, &f->alive, 3);
    struct session_stats stats;
    stop_cleanly(f, &stats);
    assert_int_equal(stats.opened, 1); /* probes are no connections */
    assert_string_equal(f->server->requests, "");
}

static void test_probe_answered(void **state)
{
    check_probes(*state, false);
}

static void test_probe_refused(void **state)
{
    check_probes(*state, true);
}

static void test_probe_overdue(void **state)
{
    struct fixture *f = *state;
    f->config.probe_ms = 20;
    f->config.probe_limit_ms = 2000;
    start(f, 1);
    wait_count(f, &f->alive, 1);
    int client = dial_served(f);
    atomic_store(&f->server->is_frozen, true);
    wait_count(f, &f->lost, 1);
    assert_true(f->suspect >= 1);
    assert_int_equal(f->why.code, ADIT_E_TIMEOUT);
    assert_non_null(strstr(f->why.text, "not responding"));
    check_reset(client);
    connect_again(f);
    wait_count(f, &f->alive, 2);
    stop_cleanly(f, NULL);
}

static void check_suspicion(struct fixture *f)
{
    start(f, 1);
    for (unsigned round = 1; round <= 2; round++) {
        atomic_store(&f->server->is_frozen, true);
        wait_count(f, &f->suspect, round);
        unsigned alive = count_of(f, &f->alive);
        atomic_store(&f->server->is_frozen, false);
        wait_count(f, &f->alive, alive + 1);
        check_echo(dial(AF_INET, f->port[0]), 1000);
    }
    assert_int_equal(count_of(f, &f->lost), 0);
    stop_cleanly(f, NULL);
}

static void test_probe_on_demand(void **state)
{
    struct fixture *f = *state;
    f->config.probe_limit_ms = 1000;
    start(f, 1);
    session_probe(f->session);
    wait_count(f, &f->alive, 1);
    assert_int_equal(atomic_load(&f->server->sessions), 1);
    check_echo(dial(AF_INET, f->port[0]), 1000); /* ALIVE of this is still to be told */
    atomic_store(&f->server->is_frozen, true);
    while (count_of(f, &f->lost) == 0) { /* while the first one is out, none is sent */
        const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
        session_probe(f->session);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(f->why.code, ADIT_E_TIMEOUT);
    assert_int_equal(f->suspect, 1);
    connect_again(f);
    stop_cleanly(f, NULL);
}

/* A stop of ours, as by SIGSTOP or of the whole machine, is no fault of the server's: it has its time anew.
 */
static void test_probe_and_a_stop_of_ours(void **state)
{
    struct fixture *f = *state;
    f->config.probe_ms = 20;
    f->config.probe_limit_ms = 3000;
    f->stall_ms = 3000;
    start(f, 1);
    atomic_store(&f->server->is_frozen, true);
    wait_count(f, &f->suspect, 1);
    unsigned alive = count_of(f, &f->alive);
    (void)snapshot(f); /* it goes on */
    atomic_store(&f->server->is_frozen, false);
    wait_count(f, &f->alive, alive + 1);
    assert_int_equal(count_of(f, &f->lost), 0);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

static void test_probe_late(void **state)
{
    struct fixture *f = *state;
    f->config.probe_ms = 20;
    f->config.probe_limit_ms = 3000;
    check_suspicion(f);
}

static void test_keepalive_late(void **state)
{
    struct fixture *f = *state;
    f->config.ssh.alive_interval_s = 1;
    f->config.ssh.alive_count_max = 30;
    check_suspicion(f);
}

/* ---- All the same for ever ---- */

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t memory_held(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

static void reconnect_once(struct fixture *f, int listener)
{
    connect_again(f);
    int client = dial_served(f);
    atomic_store(&f->server->open_remote, true);
    int remote = accept(listener, NULL, NULL);
    lose(f);
    check_reset(client);
    close(remote);
    server_gone(f);
}

static void test_a_thousand_times(void **state)
{
    struct fixture *f = *state;
    enum { WARM = 20, TIMES = 1000 };
    uint16_t target;
    int listener = listen_here(&target);
    f->forwards[2].port = target;
    f->config.hold_ms = 60000;
    start(f, 3);
    lose(f);
    for (unsigned i = 0; i < WARM; i++)
        reconnect_once(f, listener);
    unsigned fds = descriptors();
    size_t bytes = memory_held();
    for (unsigned i = 0; i < TIMES; i++)
        reconnect_once(f, listener);
    assert_int_equal(descriptors(), fds);
    size_t more = memory_held() > bytes ? memory_held() - bytes : 0;
    assert_true(more < 8 * TIMES); /* not even a pointer each */
    close(listener);
    stop_cleanly(f, NULL);
}

/* ---- And what cannot survive ---- */

static void test_unsupported(void **state)
{
    struct fixture *f = *state;
    static const enum session_forward_type types[] = {SESSION_FORWARD_STDIO, SESSION_FORWARD_JUMP,
                                                      SESSION_FORWARD_EXEC, SESSION_FORWARD_CONTROL};
    for (size_t i = 0; i < ADIT_COUNT(types); i++) {
        f->forwards[1] = (struct session_forward){.type = types[i]};
        assert_int_equal(start_only(f, 2), ADIT_E_UNSUPPORTED);
        assert_null(f->session);
    }
}

/* Orders to a session that does not survive are passed over. */
static void test_without(void **state)
{
    struct fixture *f = *state;
    f->config.survives = false;
    f->config.keep_open = true;
    start(f, 1);
    session_drop(f->session, "no");
    session_unlisten(f->session);
    session_retry_forwards(f->session);
    (void)snapshot(f);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    atomic_store(&f->server->die, true);
    assert_int_equal(join(f, NULL), ADIT_E_CLOSED);
    assert_int_equal(f->lost + f->wanted + f->alive + f->suspect, 0);
}

/* ---- A command that is run for its answer ---- */

enum { LONG_MS = 60 * 1000 };

static void start_with_answer(struct fixture *f, const char *answer)
{
    atomic_store(&f->answers.end, answer);
    f->has_answers = true;
    start(f, 1);
}

static void test_run_answered(void **state)
{
    struct fixture *f = *state;
    start_with_answer(f, "one\ntwo\033[2J\n");
    for (unsigned i = 1; i <= 2; i++) {
        session_run(f->session, "what is it", LONG_MS);
        wait_count(f, &f->ran, i);
    }
    assert_string_equal(f->wrote, "one\ntwo\n"); /* stderr is dropped, and so is what a terminal would obey */
    assert_int_equal(f->answers.ends, 2);
    assert_string_equal(f->answers.command, "what is it");
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
}

static void check_run_failed(struct fixture *f, enum adit_err code, unsigned may_have_run, uint32_t limit_ms)
{
    session_run(f->session, "what is it", limit_ms);
    wait_count(f, &f->ran, 1);
    assert_int_equal(f->run_error.code, code);
    assert_int_equal(f->may_have_run, may_have_run);
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, NULL);
    assert_int_equal(f->ran, 1);
}

static void test_run_refused(void **state)
{
    start_with_answer(*state, ANSWER_REFUSAL);
    check_run_failed(*state, ADIT_E_CHANNEL, 0, LONG_MS);
}

static void test_run_without_sessions(void **state)
{
    struct fixture *f = *state;
    start_with_answer(f, "");
    atomic_store(&f->server->refuses_session, true);
    check_run_failed(f, ADIT_E_CHANNEL, 0, LONG_MS);
    assert_int_equal(f->answers.ends, 0);
}

static void test_run_is_silent(void **state)
{
    start_with_answer(*state, ANSWER_SILENCE);
    check_run_failed(*state, ADIT_E_TIMEOUT, 1, 50);
}

static void test_run_says_too_much(void **state)
{
    static char much[LIMIT_ERRAND + 2];
    memset(much, 'x', LIMIT_ERRAND + 1);
    start_with_answer(*state, much);
    check_run_failed(*state, ADIT_E_LIMIT, 1, LONG_MS);
}

static void test_run_says_as_much_as_it_may(void **state)
{
    static char much[LIMIT_ERRAND + 1];
    struct fixture *f = *state;
    memset(much, 'x', LIMIT_ERRAND);
    start_with_answer(f, much);
    session_run(f->session, "what is it", LONG_MS);
    wait_count(f, &f->ran, 1);
    assert_string_equal(f->wrote, much);
    stop_cleanly(f, NULL);
}

/* A loss says all; and without a connection there is nothing to run it on. */
static void test_run_and_loss(void **state)
{
    struct fixture *f = *state;
    start_with_answer(f, ANSWER_SILENCE);
    session_run(f->session, "what is it", LONG_MS);
    while (atomic_load(&f->answers.ends) == 0)
        usleep(1000);
    session_run(f->session, "one too many", LONG_MS);
    lose(f);
    session_run(f->session, "nobody hears it", LONG_MS);
    (void)snapshot(f);
    connect_again(f);
    atomic_store(&f->answers.end, "here\n");
    session_run(f->session, "and now", LONG_MS);
    wait_count(f, &f->ran, 1);
    assert_string_equal(f->wrote, "here\n");
    assert_int_equal(f->answers.ends, 2);
    assert_string_equal(f->answers.command, "and now");
    stop_cleanly(f, NULL);
}

/* Nobody waits for it at the end. */
static void test_run_and_stop(void **state)
{
    struct fixture *f = *state;
    start_with_answer(f, ANSWER_SILENCE);
    session_run(f->session, "what is it", LONG_MS);
    while (atomic_load(&f->answers.ends) == 0)
        usleep(1000);
    stop_cleanly(f, NULL);
    assert_int_equal(f->ran, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reconnect),
        TEST(test_refused_connection),
        TEST(test_wrong_password),
        TEST(test_slow_reader),
        TEST(test_held),
        TEST(test_held_at_start),
        TEST(test_hold_limit),
        TEST(test_hold_time),
        TEST(test_no_hold),
        TEST(test_unanswered_is_held),
        TEST(test_handshake_stays),
        TEST(test_remote_retry),
        TEST(test_busy_port),
        TEST(test_unlisten),
        TEST(test_drop),
        TEST(test_drop_while_connecting),
        TEST(test_drop_while_asking),
        TEST(test_connect_twice),
        TEST(test_drop_at_start),
        TEST(test_orders_in_a_row),
        TEST(test_stop_while_down),
        TEST(test_stop_while_connecting),
        TEST(test_stop_before_connect),
        TEST(test_stop_at_once),
        TEST(test_stop_while_dropped_and_asking),
        TEST(test_loss_while_stopping),
        TEST(test_loss_with_host_keys_asked),
        TEST(test_loss_in_bulk),
        TEST(test_lazy),
        TEST(test_lazy_in_use),
        TEST(test_lazy_stop),
        TEST(test_run_answered),
        TEST(test_run_refused),
        TEST(test_run_without_sessions),
        TEST(test_run_is_silent),
        TEST(test_run_says_too_much),
        TEST(test_run_says_as_much_as_it_may),
        TEST(test_run_and_loss),
        TEST(test_run_and_stop),
        TEST(test_probe_answered),
        TEST(test_probe_refused),
        TEST(test_probe_overdue),
        TEST(test_probe_late),
        TEST(test_probe_and_a_stop_of_ours),
        TEST(test_probe_on_demand),
        TEST(test_keepalive_late),
        TEST(test_a_thousand_times),
        TEST(test_unsupported),
        TEST(test_without),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
