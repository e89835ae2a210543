/*
 * A real session over a socketpair against adit's own server role, which runs in a thread of its own: the
 * forwards are real loopback sockets.
 */
#include "tests/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/session.h"
#include "tests/session_server.h"

/* ---- The client's side ---- */

enum { FORWARDS = 4 };

struct fixture {
    struct server server;
    struct session *session;
    struct session_config config;
    struct session_forward forwards[FORWARDS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint16_t port[FORWARDS], remote_port;
    size_t addresses[FORWARDS];
    bool is_done, is_ended, refuse_host_key, hold_question;
    size_t failed, keys_shown, keys_to_prove;
    struct session_question *held;
    struct session_exec exec;
    int in, out, err; /* our ends of the command's pipes; -1 */
    bool exec_is_up;
    uint32_t exit_status;
    unsigned exits;
    const char *password;
    char log[64 * 1024];
    size_t log_n;
};

static void on_ask(void *ctx, struct session_question *q)
{
    struct fixture *f = ctx;
    q->accept = !f->refuse_host_key;
    must(q->kind != SESSION_ASK_HOST_KEY || q->blob.n > 30);
    if (q->kind == SESSION_ASK_CREDENTIAL && q->first) {
        q->credential = SESSION_CREDENTIAL_PASSWORD;
        q->reply_len = strlen(f->password);
        memcpy(q->reply, f->password, q->reply_len);
        q->password = span_make(q->reply, q->reply_len);
    } else if (q->kind == SESSION_ASK_CREDENTIAL) {
        q->credential = SESSION_CREDENTIAL_GIVE_UP;
        (void)adit_fail(&q->why_not, ADIT_E_AUTH, "nothing else to try");
    }
    if (q->kind == SESSION_ASK_HOST_KEYS) {
        static const struct span prove[] = {SPAN_LIT("\0\0\0\1a"), SPAN_LIT("\0\0\0\1b")};
        must(span_is(q->data, "\1\1keys") && q->session_id.n == 32);
        f->keys_shown++;
        q->prove = prove;
        q->prove_count = f->keys_to_prove;
    }
    must(q->kind != SESSION_ASK_PROOFS); /* this server proves nothing */
    pthread_mutex_lock(&f->lock);
    bool hold = f->hold_question;
    if (hold)
        f->held = q;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (!hold)
        session_answer(q);
}

static void on_notify(void *ctx, const struct session_notice *n)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->lock);
    if (n->kind == SESSION_FORWARD_UP) {
        f->port[n->index] = n->bound_port;
        f->addresses[n->index]++;
    }
    if (n->kind == SESSION_REMOTE_PORT)
        f->remote_port = n->bound_port;
    if (n->kind == SESSION_ALL_FORWARDS_DONE) {
        f->is_done = true;
        f->failed = n->count;
    }
    if (n->kind == SESSION_EXEC_UP)
        f->exec_is_up = true;
    if (n->kind == SESSION_EXEC_EXIT) {
        f->exit_status = n->number;
        f->exits++;
    }
    if (n->kind == SESSION_ENDED)
        f->is_ended = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    struct fixture *f = ctx;
    (void)about;
    pthread_mutex_lock(&f->lock);
    if (level <= SESSION_VERBOSE && f->log_n + strlen(line) + 2 < sizeof f->log)
        f->log_n += (size_t)snprintf(f->log + f->log_n, sizeof f->log - f->log_n, "%s\n", line);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static bool logged(struct fixture *f, const char *what)
{
    pthread_mutex_lock(&f->lock);
    bool found = strstr(f->log, what) != NULL;
    pthread_mutex_unlock(&f->lock);
    return found;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct drbg random;
    uint8_t seed[32] = {9};
    int fds[2];
    assert_true(crypto_init());
    drbg_init(&random, seed);
    assert_true(key_generate(KEY_ED25519, &random, &f->server.host_key));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->server.fd = fds[0];
    f->password = "secret";
    f->config = (struct session_config){.host = "server.example",
                                        .port = 22,
                                        .user = "alice",
                                        .transport_fd = fds[1],
                                        .forwards = f->forwards,
                                        .keep_open = true,
                                        .unix_mask = 0177,
                                        .stdin_fd = -1,
                                        .stdout_fd = -1,
                                        .log_level = SESSION_DEBUG3};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_int_equal(pthread_create(&f->server.thread, NULL, server_thread, &f->server), 0);
    *state = f;
    return 0;
}

static void start(struct fixture *f, size_t forwards)
{
    struct session_ops ops = {f, on_ask, on_notify, on_log};
    struct adit_error err = {ADIT_E_OK, ""};
    f->config.forward_count = forwards;
    assert_int_equal(session_start(&f->session, &f->config, &ops, &err), ADIT_E_OK);
}

static void wait_until(struct fixture *f, const bool *what)
{
    pthread_mutex_lock(&f->lock);
    while (!*what && !f->is_ended)
        pthread_cond_wait(&f->changed, &f->lock);
    bool came = *what;
    pthread_mutex_unlock(&f->lock);
    assert_true(came);
}

static enum adit_err join(struct fixture *f, struct session_stats *stats, struct adit_error *err)
{
    enum adit_err e = session_join(f->session, err, stats);
    f->session = NULL;
    return e;
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
    atomic_store(&f->server.die, true);
    pthread_join(f->server.thread, NULL);
    key_secret_wipe(&f->server.host_key);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
    return 0;
}

static void stop_cleanly(struct fixture *f, struct session_stats *stats)
{
    struct adit_error err = {ADIT_E_OK, ""};
    session_stop(f->session);
    assert_int_equal(join(f, stats, &err), ADIT_E_OK);
}

/* A path that nothing has yet, in a folder of its own. */
static void path_here(char path[static 64])
{
    memcpy(path, "/tmp/adit-session-XXXXXX", 25);
    assert_non_null(mkdtemp(path));
    memcpy(path + strlen(path), "/s", 3);
}

static void folder_gone(char *path)
{
    assert_int_not_equal(access(path, F_OK), 0);
    *strrchr(path, '/') = 0;
    assert_int_equal(rmdir(path), 0);
}

static int dial_path(const char *path)
{
    struct sock_addr a;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sock_addr_path(&a, path, NULL), ADIT_E_OK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a.storage, a.len), 0);
    return fd;
}

static void check_nodelay(int client)
{
    int value = 0;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(session_end(client), IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_int_not_equal(value, 0);
}

/* ---- Tests ---- */

static void test_local(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    start(f, 1);
    wait_until(f, &f->is_done);
    assert_int_equal(f->failed, 0);
    check_echo(dial(AF_INET, f->port[0]), 3 * 1024 * 1024);
    if (f->addresses[0] == 2)
        check_echo(dial(AF_INET6, f->port[0]), 10);
    check_echo(dial(AF_INET, f->port[0]), 0);
    stop_cleanly(f, &stats);
    assert_int_equal(stats.opened, 1 + f->addresses[0]);
    assert_int_equal(stats.open_now, 0);
    assert_true(stats.bytes_up >= 3 * 1024 * 1024 && stats.bytes_up == stats.bytes_down);
    assert_int_equal(stats.peer_reset, 0);
}

static void test_many_at_once(void **state)
{
    struct fixture *f = *state;
    int fds[CHANNELS - 4];
    uint8_t got[4];
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    start(f, 1);
    wait_until(f, &f->is_done);
    for (size_t i = 0; i < ADIT_COUNT(fds); i++) {
        fds[i] = dial(AF_INET, f->port[0]);
        assert_int_equal(write(fds[i], "ping", 4), 4);
    }
    for (size_t i = 0; i < ADIT_COUNT(fds); i++)
        assert_int_equal(read_all(fds[i], got, 4), 4);
    check_nodelay(fds[0]);
    for (size_t i = 0; i < ADIT_COUNT(fds); i++)
        close(fds[i]);
    stop_cleanly(f, NULL);
}

static void test_refused_and_resets(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    struct linger reset = {1, 0};
    uint8_t got[8];
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "refuse", .port = 7};
    f->forwards[1] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "forbid", .port = 7};
    f->forwards[2] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    start(f, 3);
    wait_until(f, &f->is_done);
    for (int i = 0; i < 3; i++) {
        int fd = dial(AF_INET, f->port[i % 2]);
        assert_int_equal(read_all(fd, got, sizeof got), 0);
        close(fd);
    }
    for (int i = 0; i < 10; i++) {
        int fd = dial(AF_INET, f->port[2]);
        assert_int_equal(write(fd, "x", 1), 1);
        assert_int_equal(read_all(fd, got, 1), 1);
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    check_echo(dial(AF_INET, f->port[2]), 1000);
    stop_cleanly(f, &stats);
    assert_int_equal(stats.refused, 2);
    assert_int_equal(stats.prohibited, 1);
    assert_int_equal(stats.peer_reset, 10);
    assert_true(logged(f, "channel open failed: connect failed: Connection refused"));
    assert_true(logged(f, "channel open failed: administratively prohibited: open failed"));
    assert_false(logged(f, "reset"));
}

static void test_dynamic(void **state)
{
    struct fixture *f = *state;
    static const uint8_t ok[] = {5, 1, 0, 5, 1, 0, 3, 4, 'e', 'c', 'h', 'o', 0, 7, 'h', 'i'};
    static const uint8_t bad[] = {5, 1, 0, 5, 1, 0, 3, 6, 'r', 'e', 'f', 'u', 's', 'e', 0, 7};
    uint8_t got[32];
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_DYNAMIC};
    start(f, 1);
    wait_until(f, &f->is_done);
    for (int bytewise = 0; bytewise < 2; bytewise++) {
        int fd = dial(AF_INET, f->port[0]);
        for (size_t i = 0; i < sizeof ok; i += bytewise ? 1 : sizeof ok)
            assert_true(write(fd, ok + i, bytewise ? 1 : sizeof ok) > 0);
        shutdown(fd, SHUT_WR);
        assert_int_equal(read_all(fd, got, sizeof got), 14); /* 2 + 10 + "hi", and the end */
        assert_memory_equal(got, ((uint8_t[]){5, 0, 5, 0}), 4);
        assert_memory_equal(got + 12, "hi", 2);
        close(fd);
    }
    int fd = dial(AF_INET, f->port[0]);
    assert_int_equal(write(fd, bad, sizeof bad), sizeof bad);
    assert_int_equal(read_all(fd, got, sizeof got), 12);
    assert_int_equal(got[3], 5);
    close(fd);
    fd = dial(AF_INET, f->port[0]);
    assert_int_equal(write(fd, "GET / HTTP/1.0\r\n", 16), 16);
    assert_int_equal(read_all(fd, got, sizeof got), 0);
    close(fd);
    stop_cleanly(f, NULL);
}

/* [RFC 4254 7.1d] */
static void test_remote(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    uint16_t port;
    uint8_t got[8];
    int listener = listen_here(&port);
    f->forwards[0] =
        (struct session_forward){.type = SESSION_FORWARD_REMOTE, .host = "localhost", .port = port};
    start(f, 1);
    wait_until(f, &f->is_done);
    assert_int_equal(f->remote_port, REMOTE_PORT);
    atomic_store(&f->server.open_remote, true);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(read_all(fd, got, 5), 5);
    assert_memory_equal(got, "hello", 5);
    check_echo(fd, 100000);
    atomic_store(&f->server.open_foreign, true);
    while (atomic_load(&f->server.remote_refused) < 1)
        usleep(1000);
    close(listener); /* the target goes down: only that channel is refused */
    atomic_store(&f->server.open_remote, true);
    while (atomic_load(&f->server.remote_refused) < 2)
        usleep(1000);
    stop_cleanly(f, &stats);
    assert_int_equal(stats.denied, 1);
    assert_int_equal(stats.local_refused, 1);
    assert_true(logged(f, "no local service for localhost:"));
    while (!atomic_load(&f->server.had_disconnect))
        usleep(1000);
    assert_int_equal(atomic_load(&f->server.cancels), 1);
    assert_string_equal(f->server.asked_address, "localhost");
}

/* The answer to a cancel is waited for, but not for ever. */
static void test_remote_cancel_unanswered(void **state)
{
    struct fixture *f = *state;
    f->server.is_silent = true;
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_REMOTE, .host = "localhost", .port = 1};
    start(f, 1);
    wait_until(f, &f->is_done);
    stop_cleanly(f, NULL);
    assert_int_equal(atomic_load(&f->server.cancels), 1);
}

static void test_remote_refused_ends(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    f->forwards[0] = (struct session_forward){
        .type = SESSION_FORWARD_REMOTE, .bind_port = 7, .host = "localhost", .port = 1};
    f->config.exit_on_forward_failure = true;
    start(f, 1);
    assert_int_equal(join(f, NULL, &err), ADIT_E_FORWARD);
    assert_non_null(strstr(err.text, "listen port 7"));
}

/* An address that no request can hold. */
static void test_remote_long_address(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    char address[LIMIT_HOST + 2];
    memset(address, 'a', sizeof address - 1);
    address[sizeof address - 1] = 0;
    f->forwards[0] = (struct session_forward){
        .type = SESSION_FORWARD_REMOTE, .bind = address, .bind_port = 7, .host = "localhost", .port = 1};
    f->config.exit_on_forward_failure = true;
    start(f, 1);
    assert_int_equal(join(f, NULL, &err), ADIT_E_FORWARD);
    assert_non_null(strstr(err.text, "listen port 7: the address is too long"));
}

/* Unix sockets at both ends of -L: the file is ours, and goes with us. */
static void test_local_paths(void **state)
{
    struct fixture *f = *state;
    char path[64];
    path_here(path);
    f->forwards[0] =
        (struct session_forward){.type = SESSION_FORWARD_LOCAL, .bind_path = path, .path = "/echo"};
    start(f, 1);
    wait_until(f, &f->is_done);
    assert_int_equal(f->failed, 0);
    check_echo(dial_path(path), 100000);
    check_echo(dial_path(path), 0);
    stop_cleanly(f, NULL);
    folder_gone(path);
}

/* A second stop does not wait: the file goes all the same. */
static void test_path_to_port(void **state)
{
    struct fixture *f = *state;
    char path[64];
    path_here(path);
    f->forwards[0] =
        (struct session_forward){.type = SESSION_FORWARD_LOCAL, .bind_path = path, .host = "echo", .port = 7};
    start(f, 1);
    wait_until(f, &f->is_done);
    check_echo(dial_path(path), 10);
    session_stop(f->session);
    session_stop(f->session); /* at once: the file goes all the same */
    assert_int_equal(join(f, NULL, NULL), ADIT_E_OK);
    folder_gone(path);
}

static void test_busy_path(void **state)
{
    struct fixture *f = *state;
    char path[64];
    struct adit_error err = {ADIT_E_OK, ""};
    path_here(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    f->forwards[0] =
        (struct session_forward){.type = SESSION_FORWARD_LOCAL, .bind_path = path, .path = "/echo"};
    f->config.unix_replace = true;
    f->config.exit_on_forward_failure = true;
    start(f, 1);
    assert_int_equal(join(f, NULL, &err), ADIT_E_FORWARD);
    assert_non_null(strstr(err.text, "is no socket"));
    assert_int_equal(unlink(path), 0);
    folder_gone(path);
}

static void test_remote_paths(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    struct sock_file file;
    char path[64];
    uint8_t got[8];
    int listener;
    path_here(path);
    assert_int_equal(sock_listen_unix(&listener, path, 0177, false, &file, NULL), ADIT_E_OK);
    assert_true(sock_set_nonblock(listener, false));
    f->forwards[0] =
        (struct session_forward){.type = SESSION_FORWARD_REMOTE, .bind_path = "/far", .path = path};
    start(f, 1);
    wait_until(f, &f->is_done);
    assert_int_equal(f->failed, 0);
    assert_string_equal(f->server.asked_address, "/far");
    atomic_store(&f->server.open_remote, true);
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(read_all(fd, got, 5), 5);
    check_echo(fd, 100000);
    atomic_store(&f->server.open_foreign, true); /* never asked for */
    while (atomic_load(&f->server.remote_refused) < 1)
        usleep(1000);
    sock_file_remove(&file, path);
    close(listener);
    atomic_store(&f->server.open_remote, true); /* nobody is there */
    while (atomic_load(&f->server.remote_refused) < 2)
        usleep(1000);
    stop_cleanly(f, &stats);
    assert_int_equal(stats.denied, 1);
    assert_int_equal(stats.local_refused, 1);
    assert_true(logged(f, "forwarded-streamlocal@openssh.com for /other: "));
    while (!atomic_load(&f->server.had_disconnect))
        usleep(1000);
    assert_int_equal(atomic_load(&f->server.cancels), 1);
    folder_gone(path);
}

/* The server's client names 127.0.0.1:port and has said "early" before it was answered. */
static size_t socks_greeting(char out[static 32], uint16_t port)
{
    static const char head[] = "\5\1\0\5\1\0\1\x7f\0\0\1";
    memcpy(out, head, 11);
    out[11] = (char)(port >> 8);
    out[12] = (char)(port & 255);
    memcpy(out + 13, "early", 5);
    return 18;
}

static void test_remote_socks(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    static const uint8_t replies[12] = {5, 0, 5, 0, 0, 1};
    char greeting[32];
    uint8_t got[17];
    uint16_t port;
    int listener = listen_here(&port);
    f->server.greeting_n = socks_greeting(greeting, port);
    f->server.greeting = greeting;
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_REMOTE};
    start(f, 1);
    wait_until(f, &f->is_done);
    atomic_store(&f->server.open_remote, true);
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(read_all(fd, got, 17),
                     17); /* the server echoes what it was told, behind its own words */
    assert_memory_equal(got, "early", 5);
    assert_memory_equal(got + 5, replies, 12);
    check_echo(fd, 100000);
    close(listener);
    stop_cleanly(f, &stats);
    assert_int_equal(stats.opened, 1);
    assert_int_equal(stats.local_refused, 0);
}

/* PermitRemoteOpen, and a target where nobody is: told to the client, and the channel ends. */
static void test_remote_socks_refusals(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    static const struct session_permit permits[] = {{"127.0.0.1", 1}};
    char greeting[32];
    uint16_t port;
    int listener = listen_here(&port);
    f->server.greeting_n = socks_greeting(greeting, port);
    f->server.greeting = greeting;
    f->config.permits_are_limited = true;
    f->config.permits = permits;
    f->config.permit_count = 1;
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_REMOTE};
    start(f, 1);
    wait_until(f, &f->is_done);
    atomic_store(&f->server.open_remote, true);
    while (!logged(f, "(PermitRemoteOpen)"))
        usleep(1000);
    close(listener);
    stop_cleanly(f, &stats);
    assert_int_equal(stats.denied, 1);
    assert_int_equal(stats.opened, 0);
    assert_int_equal(stats.open_now, 0);
}

static void test_channel_timeout(void **state)
{
    struct fixture *f = *state;
    struct session_stats stats;
    uint8_t got[4];
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    f->config.channel_timeouts_s[SESSION_CHANNEL_DIRECT_TCPIP] = 1;
    start(f, 1);
    wait_until(f, &f->is_done);
    int fd = dial(AF_INET, f->port[0]);
    assert_int_equal(write(fd, "ping", 4), 4);
    assert_int_equal(read_all(fd, got, 4), 4);
    assert_int_equal(read(fd, got, 1), 0); /* in order: no reset */
    close(fd);
    assert_true(logged(f, "direct-tcpip: closed after 1 s without traffic"));
    check_echo(dial(AF_INET, f->port[0]), 1000);
    stop_cleanly(f, &stats);
    assert_int_equal(stats.peer_reset, 0);
}

static void test_stdio(void **state)
{
    struct fixture *f = *state;
    int in[2], out[2];
    uint8_t got[16];
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_STDIO, .host = "echo", .port = 7};
    f->config.stdin_fd = in[0];
    f->config.stdout_fd = out[1];
    f->config.keep_open = false;
    start(f, 1);
    assert_int_equal(write(in[1], "over there", 10), 10);
    assert_int_equal(read_all(out[0], got, 10), 10);
    close(in[1]);
    assert_int_equal(read_all(out[0], got, 1), 0);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
    close(out[0]);
}

/* A jump host: the stream is carried, and its end is the session's. */
static void test_jump(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    (void)fcntl(fds[1], F_SETFL, 0);
    f->forwards[0] = (struct session_forward){
        .type = SESSION_FORWARD_JUMP, .host = "echo", .port = 7, .stream_fd = fds[0]};
    f->config.keep_open = false;
    start(f, 1);
    wait_until(f, &f->is_done);
    assert_int_equal(f->failed, 0);
    check_echo(fds[1], 100000);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
}

/* Nothing is told of a target that was not reached, and the stream ends. */
static void test_jump_refused(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    uint8_t got;
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    (void)fcntl(fds[1], F_SETFL, 0);
    f->forwards[0] = (struct session_forward){
        .type = SESSION_FORWARD_JUMP, .host = "refuse", .port = 7, .stream_fd = fds[0]};
    f->config.keep_open = false;
    start(f, 1);
    assert_int_equal(join(f, NULL, &err), ADIT_E_CHANNEL);
    assert_non_null(strstr(err.text, "cannot reach refuse:7 through it: connect failed: Connection refused"));
    assert_false(f->is_done);
    assert_int_equal(read_all(fds[1], &got, 1), 0);
    close(fds[1]);
}

/* A session that never got as far closes the stream all the same. */
static void test_jump_without_authentication(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    uint8_t got;
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    (void)fcntl(fds[1], F_SETFL, 0);
    f->forwards[0] = (struct session_forward){
        .type = SESSION_FORWARD_JUMP, .host = "echo", .port = 7, .stream_fd = fds[0]};
    atomic_store(&f->server.die, true);
    start(f, 1);
    assert_int_equal(join(f, NULL, &err), ADIT_E_CLOSED);
    assert_int_equal(read_all(fds[1], &got, 1), 0);
    close(fds[1]);
}

static void test_stdio_refused(void **state)
{
    struct fixture *f = *state;
    int in[2], out[2];
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_STDIO, .host = "refuse", .port = 7};
    f->config.stdin_fd = in[0];
    f->config.stdout_fd = out[1];
    f->config.keep_open = false;
    start(f, 1);
    assert_int_equal(join(f, NULL, &err), ADIT_E_CHANNEL);
    assert_non_null(strstr(err.text, "connect failed: Connection refused"));
    close(in[1]);
    close(out[0]);
}

/* A reader that does not read stalls its own channel alone, and what is held for it is bounded by its window.
 */
static void test_slow_reader(void **state)
{
    struct fixture *f = *state;
    struct mailbox box;
    struct session_snapshot snapshot = {.reply_to = &box};
    struct adit_error err = {ADIT_E_OK, ""};
    uint8_t byte;
    assert_int_equal(mailbox_init(&box, &err), ADIT_E_OK);
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "source", .port = 7};
    f->forwards[1] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    start(f, 2);
    wait_until(f, &f->is_done);
    int slow = dial(AF_INET, f->port[0]);
    assert_int_equal(read_all(slow, &byte, 1), 1);
    check_echo(dial(AF_INET, f->port[1]), 8 * 1024 * 1024);
    session_snapshot(f->session, &snapshot);
    struct pollfd p = {mailbox_fd(&box), POLLIN, 0};
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_non_null(mailbox_take(&box));
    assert_true(snapshot.stats.buffered > 0 && snapshot.stats.buffered <= 8 * 1024 * 1024);
    assert_int_equal(snapshot.stats.open_now, 1);
    close(slow);
    stop_cleanly(f, NULL);
    mailbox_wipe(&box);
}

static void test_server_dies(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    uint8_t buf[4096];
    ssize_t n;
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "source", .port = 7};
    start(f, 1);
    wait_until(f, &f->is_done);
    int fd = dial(AF_INET, f->port[0]);
    assert_int_equal(read_all(fd, buf, sizeof buf), sizeof buf);
    atomic_store(&f->server.die, true);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        ;
    assert_true(n < 0 && errno == ECONNRESET); /* not an end of file: bytes are missing */
    close(fd);
    assert_int_equal(join(f, NULL, &err), ADIT_E_CLOSED);
}

static void test_wrong_password(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    f->password = "wrong";
    start(f, 0);
    assert_int_equal(join(f, NULL, &err), ADIT_E_AUTH);
    assert_non_null(strstr(err.text, "nothing else to try"));
}

static void test_host_key_refused(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    f->refuse_host_key = true;
    start(f, 0);
    assert_int_equal(join(f, NULL, &err), ADIT_E_HOST_KEY);
}

static void test_stop_while_asking(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    f->hold_question = true;
    start(f, 0);
    pthread_mutex_lock(&f->lock);
    while (!f->held)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    session_stop(f->session);
    session_answer(f->held);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
}

/* A busy address fails before a connection is made. */
static void *nothing_thread(void *arg)
{
    return arg;
}

/* A session channel on three pipes. */
static void exec_start(struct fixture *f, const char *command, bool is_held)
{
    static const char *const env[] = {"A=1", "B"};
    int in[2], out[2], err[2];
    assert_int_equal(pipe(in) + pipe(out) + pipe(err), 0);
    f->exec = (struct session_exec){.kind = SESSION_EXEC_COMMAND,
                                    .text = command,
                                    .env = env,
                                    .env_count = 2,
                                    .is_held = is_held,
                                    .wants_pty = f->exec.wants_pty,
                                    .term = "vt220",
                                    .in_fd = in[0],
                                    .out_fd = out[1],
                                    .err_fd = err[1]};
    f->in = in[1];
    f->out = out[0];
    f->err = err[0];
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_EXEC, .exec = &f->exec};
    f->config.may_open_sessions = true;
    f->config.keep_open = false;
    start(f, 1);
}

static void exec_close_theirs(struct fixture *f)
{
    close(f->exec.in_fd);
    close(f->exec.out_fd);
    close(f->exec.err_fd);
}

/* Both outputs with their ends, the status after them, and then the session's end by itself. */
static void test_exec(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    uint8_t got[16];
    exec_start(f, "cat", false);
    wait_until(f, &f->exec_is_up);
    exec_close_theirs(f); /* the session works on copies of its own */
    assert_int_equal(write(f->in, "hello", 5), 5);
    assert_int_equal(read_all(f->out, got, 5), 5);
    assert_memory_equal(got, "hello", 5);
    close(f->in);
    assert_int_equal(read_all(f->out, got, sizeof got), 0);
    assert_int_equal(read_all(f->err, got, sizeof got), 4);
    assert_memory_equal(got, "oops", 4);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
    assert_int_equal(f->exits, 1);
    assert_int_equal(f->exit_status, 7);
    atomic_store(&f->server.die, true);
    pthread_join(f->server.thread, NULL);
    assert_string_equal(f->server.requests, "env env exec ");
    pthread_create(&f->server.thread, NULL, nothing_thread, NULL); /* for teardown */
    close(f->out);
    close(f->err);
}

/* Without its thread nothing moves, and nothing is lost; a thread made anew goes on with it. Also once it has
 * ended, and twice. */
static void test_halt(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    struct session_command take = {.kind = SESSION_DO_TAKE_CLIENT};
    uint8_t got[16];
    int fds[2];
    exec_start(f, "cat", false);
    wait_until(f, &f->exec_is_up);
    exec_close_theirs(f);
    for (int i = 0; i < 2; i++) {
        session_halt(f->session);
        assert_int_equal(write(f->in, "hello", 5), 5);
        struct pollfd p = {f->out, POLLIN, 0};
        assert_int_equal(poll(&p, 1, 50), 0);
        assert_int_equal(session_go_on(f->session, &err), ADIT_E_OK);
        assert_int_equal(read_all(f->out, got, 5), 5);
        assert_memory_equal(got, "hello", 5);
    }
    /* There is no control socket: a client of it is sent away. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    take.fd = fds[0];
    (void)session_do(f->session, &take);
    assert_int_equal(read(fds[1], got, 1), 0);
    close(fds[1]);
    close(f->in);
    assert_int_equal(read_all(f->out, got, sizeof got), 0);
    wait_until(f, &f->is_ended);
    session_halt(f->session);
    assert_int_equal(session_go_on(f->session, &err), ADIT_E_OK);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
    assert_int_equal(f->exit_status, 7);
    close(f->out);
    close(f->err);
}

/* ObscureKeystrokeTiming: all that is typed arrives, in order, and the end of it too. */
static void test_keystrokes(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    uint8_t got[16];
    f->config.keystroke_ms = 50;
    f->config.log_level = SESSION_DEBUG3;
    f->exec.wants_pty = true;
    exec_start(f, "cat", false);
    wait_until(f, &f->exec_is_up);
    exec_close_theirs(f);
    for (const char *key = "typed"; *key; key++)
        assert_int_equal(write(f->in, key, 1), 1);
    assert_int_equal(read_all(f->out, got, 5), 5);
    assert_memory_equal(got, "typed", 5);
    close(f->in);
    assert_int_equal(read_all(f->out, got, sizeof got), 0);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
    assert_int_equal(f->exit_status, 7);
    close(f->out);
    close(f->err);
}

static void test_exec_refused(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    exec_start(f, "no", false);
    assert_int_equal(join(f, NULL, &err), ADIT_E_COMMAND);
    assert_string_equal(err.text, "exec request failed on channel 0");
    assert_int_equal(f->exits, 0);
    exec_close_theirs(f);
    close(f->in);
    close(f->out);
    close(f->err);
}

/* LocalCommand's: nothing is opened before it is said; commands that come too early do nothing. */
static void test_exec_held(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    struct session_command c = {.kind = SESSION_DO_WINDOW_CHANGE};
    uint8_t got[4];
    exec_start(f, "cat", true);
    (void)session_do(f->session, &c);
    wait_until(f, &f->is_done);
    assert_false(f->exec_is_up);
    c.kind = SESSION_DO_BEGIN_EXEC;
    (void)session_do(f->session, &c);
    (void)session_do(f->session, &c); /* once is enough */
    wait_until(f, &f->exec_is_up);
    c.kind = SESSION_DO_REKEY;
    (void)session_do(f->session, &c);
    exec_close_theirs(f);
    close(f->in);
    assert_int_equal(read_all(f->err, got, sizeof got), 4);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
    assert_int_equal(f->exit_status, 7);
    close(f->out);
    close(f->err);
}

static void test_bind_failure(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    uint16_t port;
    int listener = listen_here(&port);
    f->forwards[0] =
        (struct session_forward){.type = SESSION_FORWARD_LOCAL, .bind_port = port, .host = "echo", .port = 7};
    f->config.exit_on_forward_failure = true;
    start(f, 1);
    assert_int_equal(join(f, NULL, &err), ADIT_E_FORWARD);
    assert_false(f->is_done);
    close(listener);
}

static void test_second_stop_is_at_once(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_OK, ""};
    uint8_t byte;
    f->forwards[0] = (struct session_forward){.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    start(f, 1);
    wait_until(f, &f->is_done);
    int fd = dial(AF_INET, f->port[0]);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read_all(fd, &byte, 1), 1);
    uint64_t began = loop_now_ms();
    session_stop(f->session);
    session_stop(f->session);
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
    assert_true(loop_now_ms() - began < 3000);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What the server shows is asked about once; what it does not prove is nothing, and is said once. */
static void test_host_keys(void **state)
{
    struct fixture *f = *state;
    f->config.wants_host_keys = true;
    f->keys_to_prove = 2;
    atomic_store(&f->server.show_keys, true);
    start(f, 0);
    pthread_mutex_lock(&f->lock);
    while (strstr(f->log, "failed to confirm ownership") == NULL && !f->is_ended)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    assert_true(logged(f, "Server failed to confirm ownership"));
    atomic_store(&f->server.show_keys, true);
    stop_cleanly(f, NULL);
    assert_int_equal(f->keys_shown, 1);
}

/* The question may take its time, and an end waits for its answer. */
static void test_host_keys_and_stop(void **state)
{
    struct fixture *f = *state;
    f->config.wants_host_keys = true;
    start(f, 0);
    wait_until(f, &f->is_done);
    pthread_mutex_lock(&f->lock);
    f->hold_question = true;
    pthread_mutex_unlock(&f->lock);
    atomic_store(&f->server.show_keys, true);
    pthread_mutex_lock(&f->lock);
    while (f->held == NULL && !f->is_ended)
        pthread_cond_wait(&f->changed, &f->lock);
    struct session_question *q = f->held;
    pthread_mutex_unlock(&f->lock);
    assert_non_null(q);
    session_stop(f->session);
    session_stop(f->session);
    session_answer(q);
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(join(f, NULL, &err), ADIT_E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_local),
        TEST(test_many_at_once),
        TEST(test_refused_and_resets),
        TEST(test_dynamic),
        TEST(test_remote),
        TEST(test_remote_cancel_unanswered),
        TEST(test_remote_refused_ends),
        TEST(test_remote_long_address),
        TEST(test_local_paths),
        TEST(test_path_to_port),
        TEST(test_busy_path),
        TEST(test_remote_paths),
        TEST(test_remote_socks),
        TEST(test_remote_socks_refusals),
        TEST(test_channel_timeout),
        TEST(test_host_keys),
        TEST(test_host_keys_and_stop),
        TEST(test_stdio),
        TEST(test_stdio_refused),
        TEST(test_jump),
        TEST(test_jump_refused),
        TEST(test_jump_without_authentication),
        TEST(test_slow_reader),
        TEST(test_server_dies),
        TEST(test_wrong_password),
        TEST(test_host_key_refused),
        TEST(test_stop_while_asking),
        TEST(test_exec),
        TEST(test_halt),
        TEST(test_keystrokes),
        TEST(test_exec_refused),
        TEST(test_exec_held),
        TEST(test_bind_failure),
        TEST(test_second_stop_is_at_once),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
