/*
 * Forwards that come and go in a session that survives, and what it counts of them: each connection is a
 * socketpair, and behind it adit's own server role in a thread of its own.
 */
#include "tests/test.h"

#include <dirent.h>
#include <errno.h>
#include <sys/un.h>

#include "forward/forwarder.h"
#include "tests/session_server.h"

enum { SEEN_MAX = 20000, LOCAL = 7, REMOTE = 1000000, SOCKS = 3 };

/* So many calls of getsockname fail. */
static atomic_int nameless;

int __real_getsockname(int fd, struct sockaddr *restrict at, socklen_t *restrict len);
int __wrap_getsockname(int fd, struct sockaddr *restrict at, socklen_t *restrict len);

int __wrap_getsockname(int fd, struct sockaddr *restrict at, socklen_t *restrict len)
{
    if (atomic_load(&nameless) == 0)
        return __real_getsockname(fd, at, len);
    atomic_fetch_sub(&nameless, 1);
    errno = ENOBUFS;
    return -1;
}

/* A notice. */
struct seen {
    enum session_notice_kind kind;
    size_t index;
    uint16_t port;
    enum adit_err code;
};

struct fixture {
    struct server *server; /* of the present connection, or of the last */
    struct key_secret host_key;
    struct session *session;
    struct session_config config;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct seen seen[SEEN_MAX];
    size_t count;
    bool is_ended, is_silent /* the next server, to a cancel */;
    char algorithms[200];
};

/* ---- What the session says ---- */

static void on_ask(void *ctx, struct session_question *q)
{
    (void)ctx;
    q->accept = true;
    if (q->kind == SESSION_ASK_CREDENTIAL && q->first) {
        q->credential = SESSION_CREDENTIAL_PASSWORD;
        q->password = span_str("secret");
    }
    session_answer(q);
}

static void on_notify(void *ctx, const struct session_notice *n)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->lock);
    must(f->count < SEEN_MAX);
    f->seen[f->count++] =
        (struct seen){n->kind, n->index, n->bound_port, n->error ? n->error->code : ADIT_E_OK};
    if (n->kind == SESSION_NEGOTIATED)
        (void)adit_format(f->algorithms, sizeof f->algorithms, "%s %s %s", n->algorithms->kex,
                          n->algorithms->host_key, n->algorithms->cipher_out);
    f->is_ended = f->is_ended || n->kind == SESSION_ENDED;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    (void)ctx;
    must(level <= SESSION_DEBUG3 && about < SESSION_ABOUT_COUNT && line != NULL);
}

/* The lock is held. */
static size_t count_seen(const struct fixture *f, enum session_notice_kind kind, size_t index,
                         const struct seen **last)
{
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->seen[i].kind == kind && f->seen[i].index == index) {
            *last = &f->seen[i];
            n++;
        }
    return n;
}

/* Waits until it was said so often of this index, and returns the last one. */
static struct seen wait_seen(struct fixture *f, enum session_notice_kind kind, size_t index, size_t count)
{
    const struct seen *last = NULL;
    pthread_mutex_lock(&f->lock);
    while (count_seen(f, kind, index, &last) < count && !f->is_ended)
        pthread_cond_wait(&f->changed, &f->lock);
    bool came = count_seen(f, kind, index, &last) >= count;
    struct seen copy = came ? *last : (struct seen){0};
    pthread_mutex_unlock(&f->lock);
    assert_true(came);
    return copy;
}

static size_t count_of(struct fixture *f, enum session_notice_kind kind, size_t index)
{
    const struct seen *last;
    pthread_mutex_lock(&f->lock);
    size_t n = count_seen(f, kind, index, &last);
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* ---- Both sides ---- */

static int serve(struct fixture *f)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->server = calloc(1, sizeof *f->server);
    assert_non_null(f->server);
    f->server->host_key = f->host_key;
    f->server->fd = fds[0];
    f->server->is_silent = f->is_silent;
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
    f->config = (struct session_config){.host = "server.example",
                                        .port = 22,
                                        .user = "alice",
                                        .ssh.kex = "curve25519-sha256",
                                        .transport_fd = -1,
                                        .unix_mask = 0177,
                                        .stdin_fd = -1,
                                        .stdout_fd = -1,
                                        .log_level = SESSION_DEBUG3,
                                        .survives = true,
                                        .hold_ms = 60000,
                                        .hold_max = SESSION_HOLD_MAX};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *state = f;
    return 0;
}

static void end(struct fixture *f)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (!f->session)
        return;
    session_stop(f->session);
    session_stop(f->session);
    (void)session_join(f->session, &err, NULL);
    f->session = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    end(f);
    server_gone(f);
    key_secret_wipe(&f->host_key);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
    return 0;
}

static void start_only(struct fixture *f)
{
    struct session_ops ops = {f, on_ask, on_notify, on_log};
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(session_start(&f->session, &f->config, &ops, &err), ADIT_E_OK);
}

static void start(struct fixture *f)
{
    f->config.transport_fd = serve(f);
    start_only(f);
    wait_seen(f, SESSION_ALL_FORWARDS_DONE, 0, 1);
}

static void connect_again(struct fixture *f)
{
    struct session_config config = f->config;
    size_t done = count_of(f, SESSION_ALL_FORWARDS_DONE, 0);
    server_gone(f);
    config.transport_fd = serve(f);
    session_connect(f->session, &config);
    wait_seen(f, SESSION_ALL_FORWARDS_DONE, 0, done + 1);
}

static void lose(struct fixture *f)
{
    size_t lost = count_of(f, SESSION_LOST, 0);
    atomic_store(&f->server->die, true);
    wait_seen(f, SESSION_LOST, 0, lost + 1);
}

/* All letters that were posted before have been read when it returns. */
static void snapshot(struct fixture *f, struct session_snapshot *shot)
{
    struct mailbox box;
    struct adit_error err = {ADIT_E_OK, ""};
    shot->reply_to = &box;
    assert_int_equal(mailbox_init(&box, &err), ADIT_E_OK);
    session_snapshot(f->session, shot);
    struct pollfd p = {mailbox_fd(&box), POLLIN, 0};
    assert_int_equal(poll(&p, 1, -1), 1);
    assert_ptr_equal(mailbox_take(&box), &shot->mail);
    mailbox_wipe(&box);
}

/* False: there is no such forward. */
static bool stats_of(struct fixture *f, size_t index, struct session_forward_stats *out)
{
    struct session_snapshot shot = {.only_index = index, .forwards = out, .forward_room = 1};
    snapshot(f, &shot);
    assert_true(shot.forward_count <= 1);
    return shot.forward_count == 1;
}

static struct session_forward_stats stats(struct fixture *f, size_t index)
{
    struct session_forward_stats out = {0};
    assert_true(stats_of(f, index, &out));
    assert_int_equal(out.index, index);
    return out;
}

static void wait_open(struct fixture *f, size_t index, uint32_t count)
{
    while (stats(f, index).open_now != count)
        usleep(1000);
}

/* ---- Letters ---- */

static struct session_forward_letter local(size_t index, const char *host)
{
    return (struct session_forward_letter){
        .forward = {.type = SESSION_FORWARD_LOCAL, .host = host, .port = 7}, .index = index};
}

static struct session_forward_letter socks(size_t index)
{
    return (struct session_forward_letter){.forward = {.type = SESSION_FORWARD_DYNAMIC}, .index = index};
}

static struct session_forward_letter remote(size_t index, uint16_t target)
{
    return (struct session_forward_letter){
        .forward = {.type = SESSION_FORWARD_REMOTE, .host = "localhost", .port = target}, .index = index};
}

/* It is up; its port. */
static uint16_t add(struct fixture *f, struct session_forward_letter *letter)
{
    size_t ups = count_of(f, SESSION_FORWARD_UP, letter->index);
    session_forward_add(f->session, letter);
    return wait_seen(f, SESSION_FORWARD_UP, letter->index, ups + 1).port;
}

static void forget(struct fixture *f, struct session_forward_letter *letter)
{
    size_t gone = count_of(f, SESSION_FORWARD_GONE, letter->index);
    struct session_forward_stats out;
    session_forward_remove(f->session, letter);
    wait_seen(f, SESSION_FORWARD_GONE, letter->index, gone + 1);
    assert_false(stats_of(f, letter->index, &out));
    memset(letter, 0xee, sizeof *letter); /* nothing of it is used any more */
}

static int dial_socks(uint16_t port)
{
    static const uint8_t request[] = {5, 1, 0, 5, 1, 0, 3, 4, 'e', 'c', 'h', 'o', 0, 7};
    uint8_t got[12];
    int fd = dial(AF_INET, port);
    assert_int_equal(write(fd, request, sizeof request), sizeof request);
    assert_int_equal(read_all(fd, got, 12), 12);
    assert_memory_equal(got, ((uint8_t[]){5, 0, 5, 0}), 4);
    return fd;
}

static void ping(int fd)
{
    uint8_t got[4];
    assert_int_equal(write(fd, "ping", 4), 4);
    assert_int_equal(read_all(fd, got, 4), 4);
}

static int dial_ping(uint16_t port)
{
    int fd = dial(AF_INET, port);
    ping(fd);
    return fd;
}

static void check_reset(int fd)
{
    uint8_t byte;
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
}

/* Nobody here listens at it: what goes on in other processes is none of ours. */
static void check_free(uint16_t port)
{
    struct sock_addr mine;
    for (int fd = 0; fd < 1024; fd++) {
        int listens = 0;
        socklen_t len = sizeof listens;
        if (sock_local(fd, &mine) && sock_addr_port(&mine) == port &&
            getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0)
            assert_false(listens);
    }
}

/* A loopback address that no other process uses. */
static const char *own_address(void)
{
    static char text[20];
    unsigned pid = (unsigned)getpid();
    (void)adit_format(text, sizeof text, "127.%u.%u.%u", 64 + (pid >> 16) % 64, (pid >> 8) % 256, pid % 256);
    return text;
}

/* One of it. */
static int take_port(uint16_t *port)
{
    struct sock_addr a;
    struct adit_error err = {ADIT_E_OK, ""};
    int fd = -1;
    assert_true(sock_addr_parse(&a, own_address(), *port));
    assert_int_equal(sock_listen(&fd, &a, NULL, &err), ADIT_E_OK);
    assert_true(sock_local(fd, &a));
    *port = sock_addr_port(&a);
    return fd;
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* ---- Come ---- */

static void test_while_up(void **state)
{
    struct fixture *f = *state;
    start(f); /* without a single forward */
    struct session_forward_letter a = local(LOCAL, "echo"), b = socks(SOCKS);
    uint16_t port = add(f, &a), socks_port = add(f, &b);
    check_echo(dial(AF_INET, port), 100000);
    check_echo(dial_socks(socks_port), 1000);
    lose(f);
    connect_again(f); /* as those of the configuration */
    check_echo(dial(AF_INET, port), 1000);
    check_echo(dial_socks(socks_port), 1000);
    forget(f, &a);
    check_free(port);
    check_echo(dial_socks(socks_port), 1000);
    forget(f, &b);
    check_free(socks_port);
}

/* One port for both addresses, or none. */
static void test_port_is_not_known(void **state)
{
    struct fixture *f = *state;
    struct session_snapshot shot = {0};
    start(f);
    struct session_forward_letter a = local(LOCAL, "echo");
    atomic_store(&nameless, 1);
    session_forward_add(f->session, &a);
    snapshot(f, &shot);
    assert_int_equal(atomic_load(&nameless), 0);
    assert_int_equal(count_of(f, SESSION_FORWARD_UP, LOCAL), 0);
    assert_int_equal(wait_seen(f, SESSION_FORWARD_FAILED, LOCAL, 1).code, ADIT_E_FORWARD);
    session_retry_forwards(f->session);
    uint16_t port = wait_seen(f, SESSION_FORWARD_UP, LOCAL, 1).port;
    check_echo(dial(AF_INET, port), 1000);
    forget(f, &a);
    check_free(port);
}

static void test_while_down(void **state)
{
    struct fixture *f = *state;
    start(f);
    lose(f);
    struct session_forward_letter a = local(LOCAL, "echo");
    uint16_t port = add(f, &a);
    int client = dial(AF_INET, port);
    wait_seen(f, SESSION_WANTED, 0, 1);
    connect_again(f);
    check_echo(client, 1000);
    forget(f, &a);
}

static void test_while_connecting(void **state)
{
    struct fixture *f = *state;
    f->config.transport_fd = serve(f);
    atomic_store(&f->server->is_frozen, true);
    start_only(f);
    struct session_forward_letter a = local(LOCAL, "echo"), b = remote(REMOTE, 1), c = remote(5, 1);
    uint16_t port = add(f, &a);
    session_forward_add(f->session, &b);
    session_forward_add(f->session, &c);
    forget(f, &c); /* was not asked for */
    int client = dial(AF_INET, port);
    wait_open(f, LOCAL, 1);
    atomic_store(&f->server->is_frozen, false);
    wait_seen(f, SESSION_FORWARD_UP, REMOTE, 1);
    assert_int_equal(atomic_load(&f->server->remote_asked), 1);
    check_echo(client, 1000);
    forget(f, &a);
    forget(f, &b);
}

static void test_lazy(void **state)
{
    struct fixture *f = *state;
    f->config.is_lazy = true;
    start_only(f);
    struct session_forward_letter a = local(LOCAL, "echo");
    uint16_t port = add(f, &a);
    assert_int_equal(count_of(f, SESSION_WANTED, 0), 0);
    int client = dial(AF_INET, port);
    wait_seen(f, SESSION_WANTED, 0, 1);
    connect_again(f);
    check_echo(client, 1000);
    forget(f, &a);
}

/* Any number is an index, and none of them stands for a place. */
static void test_indexes(void **state)
{
    static const size_t indexes[] = {SIZE_MAX - 1, 1, (size_t)1 << 31, 4096};
    struct fixture *f = *state;
    struct session_forward forward = {.type = SESSION_FORWARD_LOCAL, .host = "echo", .port = 7};
    struct session_forward_letter letters[ADIT_COUNT(indexes)];
    uint16_t ports[ADIT_COUNT(indexes)];
    f->config.forwards = &forward;
    f->config.forward_count = 1;
    start(f);
    for (size_t i = 0; i < ADIT_COUNT(indexes); i++) {
        letters[i] = local(indexes[i], "echo");
        ports[i] = add(f, &letters[i]);
    }
    for (size_t i = 0; i < ADIT_COUNT(indexes); i++)
        check_echo(dial(AF_INET, ports[i]), 1000);
    for (size_t i = 0; i < ADIT_COUNT(indexes); i += 2)
        forget(f, &letters[i]);
    letters[0] = local(indexes[0], "echo"); /* again */
    check_echo(dial(AF_INET, add(f, &letters[0])), 1000);
    check_echo(dial(AF_INET, wait_seen(f, SESSION_FORWARD_UP, 0, 1).port), 1000);
    check_echo(dial(AF_INET, ports[1]), 1000);
    check_echo(dial(AF_INET, ports[3]), 1000);
    end(f); /* the others' letters are ours again */
}

static void test_unsupported(void **state)
{
    struct fixture *f = *state;
    struct session_forward_letter a = {.forward = {.type = SESSION_FORWARD_STDIO, .host = "echo", .port = 7},
                                       .index = 5},
                                  b = local(6, "echo");
    start(f);
    session_forward_add(f->session, &a);
    assert_int_equal(wait_seen(f, SESSION_FORWARD_FAILED, 5, 1).code, ADIT_E_UNSUPPORTED);
    session_retry_forwards(f->session);
    forget(f, &a);
    assert_int_equal(count_of(f, SESSION_FORWARD_FAILED, 5), 1);
    end(f);
    server_gone(f);
    f->is_ended = false;
    f->count = 0;
    f->config.survives = false;
    f->config.keep_open = true;
    start(f);
    session_forward_add(f->session, &b);
    assert_int_equal(wait_seen(f, SESSION_FORWARD_FAILED, 6, 1).code, ADIT_E_UNSUPPORTED);
    forget(f, &b);
}

/* ---- Go ---- */

static void test_remove_open(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct session_forward_letter a = local(LOCAL, "echo"), b = local(8, "echo"), c = socks(SOCKS);
    uint16_t port = add(f, &a), other_port = add(f, &b), socks_port = add(f, &c);
    int clients[3], other = dial_ping(other_port);
    for (size_t i = 0; i < ADIT_COUNT(clients); i++)
        clients[i] = dial_ping(port);
    int greeting = dial(AF_INET, socks_port), served = dial_socks(socks_port);
    ping(served);
    wait_open(f, SOCKS, 2);
    forget(f, &a);
    for (size_t i = 0; i < ADIT_COUNT(clients); i++)
        check_reset(clients[i]);
    check_free(port);
    ping(other); /* is none of it */
    ping(served);
    forget(f, &c);
    check_reset(greeting);
    check_reset(served);
    check_echo(other, 1000);
    forget(f, &b);
}

static void test_remove_held(void **state)
{
    struct fixture *f = *state;
    start(f);
    lose(f);
    struct session_forward_letter a = local(LOCAL, "echo"), b = local(8, "echo");
    uint16_t port = add(f, &a), other_port = add(f, &b);
    int first = dial(AF_INET, port), second = dial(AF_INET, port), other = dial(AF_INET, other_port);
    wait_seen(f, SESSION_WANTED, 0, 3);
    forget(f, &a);
    check_reset(first);
    check_reset(second);
    connect_again(f);
    check_echo(other, 1000);
    forget(f, &b);
}

/* The server has not answered to a client's channel, and may never: that is not waited for. */
static void test_remove_opening(void **state)
{
    struct fixture *f = *state;
    start(f);
    atomic_store(&f->server->is_mute, true);
    struct session_forward_letter a = local(LOCAL, "echo");
    uint16_t port = add(f, &a);
    int client = dial(AF_INET, port);
    while (atomic_load(&f->server->opens) < 1)
        usleep(1000);
    forget(f, &a);
    check_reset(client);
    a = local(LOCAL, "echo"); /* the same number, beside what is left of the first */
    port = add(f, &a);
    assert_int_equal(stats(f, LOCAL).open_now, 0);
    client = dial(AF_INET, port);
    while (atomic_load(&f->server->opens) < 2)
        usleep(1000);
    lose(f);
    wait_seen(f, SESSION_WANTED, 0, 1); /* held, while the first one's is gone for good */
    connect_again(f);
    check_echo(client, 1000);
    forget(f, &a);
}

static void test_thousands(void **state)
{
    enum { ROUNDS = 20, LETTERS = 100 };
    struct fixture *f = *state;
    static struct session_forward_letter letters[LETTERS];
    start(f);
    struct session_forward_stats none;
    assert_false(stats_of(f, 0, &none));
    unsigned before = descriptors();
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < LETTERS; i++) {
            letters[i] = i % 5 == 4 ? remote(i, 1) : i % 2 ? socks(i) : local(i, "echo");
            letters[i].forward.bind = "127.0.0.1";
            session_forward_add(f->session, &letters[i]);
            if (i % 3 == 0) /* before it was even read, perhaps */
                session_forward_remove(f->session, &letters[i]);
        }
        for (size_t i = 0; i < LETTERS; i++)
            if (i % 3 != 0)
                session_forward_remove(f->session, &letters[i]);
        for (size_t i = 0; i < LETTERS; i++)
            wait_seen(f, SESSION_FORWARD_GONE, i, round + 1);
    }
    struct session_snapshot shot = {.only_index = SIZE_MAX};
    snapshot(f, &shot);
    assert_int_equal(shot.forward_count, 0);
    assert_int_equal(descriptors(), before);
    assert_int_equal(atomic_load(&f->server->cancels), atomic_load(&f->server->remote_asked));
}

/* ---- Remote ones ---- */

static void test_remote(void **state)
{
    struct fixture *f = *state;
    uint16_t target;
    uint8_t got[5];
    int listener = listen_here(&target);
    start(f);
    struct session_forward_letter a = remote(REMOTE, target);
    assert_int_equal(add(f, &a), REMOTE_PORT);
    assert_int_equal(wait_seen(f, SESSION_REMOTE_PORT, REMOTE, 1).port, REMOTE_PORT);
    lose(f);
    assert_false(stats(f, REMOTE).is_up);
    connect_again(f);
    wait_seen(f, SESSION_FORWARD_UP, REMOTE, 2);
    atomic_store(&f->server->open_remote, true);
    int client = accept(listener, NULL, NULL);
    assert_int_equal(read_all(client, got, 5), 5);
    struct session_connection_info info;
    struct session_snapshot shot = {.only_index = REMOTE, .connections = &info, .connection_room = 1};
    snapshot(f, &shot);
    char wanted[40];
    (void)adit_format(wanted, sizeof wanted, "localhost:%u", target);
    assert_int_equal(shot.connection_count, 1);
    assert_string_equal(info.client, "192.0.2.7:999");
    assert_string_equal(info.target, wanted);
    assert_int_equal(info.bytes_down, 5);
    forget(f, &a);
    check_reset(client);
    assert_int_equal(atomic_load(&f->server->cancels), 1);
    atomic_store(&f->server->open_remote, true); /* and now it is nobody's */
    while (atomic_load(&f->server->remote_refused) < 1)
        usleep(1000);
    close(listener);
}

/* The server's client is refused when its target was not reached yet: here a Unix socket whose backlog is
 * full.
 */
static void test_remote_connecting(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/adit-letter.XXXXXX";
    assert_non_null(mkdtemp(folder));
    (void)adit_format(a.sun_path, sizeof a.sun_path, "%s/s", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(connect(waiting, (struct sockaddr *)&a, sizeof a), 0);
    start(f);
    struct session_forward_letter letter = remote(REMOTE, 0);
    letter.forward.host = NULL;
    letter.forward.path = a.sun_path;
    add(f, &letter);
    atomic_store(&f->server->open_remote, true);
    wait_open(f, REMOTE, 1);
    forget(f, &letter);
    while (atomic_load(&f->server->remote_refused) < 1)
        usleep(1000);
    close(listener);
    close(waiting);
    (void)unlink(a.sun_path);
    (void)rmdir(folder);
}

static void test_remote_outstanding(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct session_forward_letter a = remote(REMOTE, 1), b = remote(5, 1);
    struct session_forward_stats none;
    atomic_store(&f->server->is_frozen, true);
    session_forward_add(f->session, &a);
    session_forward_remove(f->session, &a);
    assert_false(stats_of(f, REMOTE, &none));
    assert_int_equal(count_of(f, SESSION_FORWARD_GONE, REMOTE), 0); /* the server may be listening by now */
    atomic_store(&f->server->is_frozen, false);
    wait_seen(f, SESSION_FORWARD_GONE, REMOTE, 1);
    assert_int_equal(count_of(f, SESSION_FORWARD_UP, REMOTE), 0);
    assert_int_equal(atomic_load(&f->server->cancels), 1);
    /* One that was refused has nothing to be cancelled. */
    atomic_store(&f->server->refuses_remote, true);
    atomic_store(&f->server->is_frozen, true);
    session_forward_add(f->session, &b);
    session_forward_remove(f->session, &b);
    atomic_store(&f->server->is_frozen, false);
    wait_seen(f, SESSION_FORWARD_GONE, 5, 1);
    assert_int_equal(count_of(f, SESSION_FORWARD_FAILED, 5), 0);
    assert_int_equal(atomic_load(&f->server->cancels), 1);
}

/* What is not answered before the connection is lost is over with it. */
static void test_remote_lost(void **state)
{
    struct fixture *f = *state;
    f->is_silent = true;
    start(f);
    struct session_forward_letter a = remote(REMOTE, 1), b = remote(5, 1);
    add(f, &a);
    session_forward_remove(f->session, &a);
    while (atomic_load(&f->server->cancels) < 1)
        usleep(1000);
    atomic_store(&f->server->is_frozen, true);
    session_forward_add(f->session, &b);
    session_forward_remove(f->session, &b);
    struct session_forward_stats none;
    assert_false(stats_of(f, 5, &none));
    assert_int_equal(count_of(f, SESSION_FORWARD_GONE, REMOTE), 0);
    assert_int_equal(count_of(f, SESSION_FORWARD_GONE, 5), 0);
    session_drop(f->session, "enough");
    wait_seen(f, SESSION_FORWARD_GONE, REMOTE, 1);
    wait_seen(f, SESSION_FORWARD_GONE, 5, 1);
    connect_again(f);
    assert_int_equal(atomic_load(&f->server->remote_asked), 0);
}

/* Somebody reached the server's port before it was closed: refused, and no more. [RFC 4254 7.1c] */
static void test_remote_open_before_the_answer(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct session_forward_letter a = remote(REMOTE, 1), b = remote(5, 1);
    add(f, &a);
    atomic_store(&f->server->opens_before_cancel, true);
    session_forward_remove(f->session, &a);
    while (atomic_load(&f->server->remote_refused) < 1)
        usleep(1000);
    wait_seen(f, SESSION_FORWARD_GONE, REMOTE, 1);
    assert_int_equal(add(f, &b), REMOTE_PORT); /* the session goes on */
    forget(f, &b);
}

/* More at a time than the machine lets wait for an answer: each is cancelled all the same. */
static void test_remote_many(void **state)
{
    enum { UP = LIMIT_GLOBAL_WAITING - 6, ALL = UP + 200 };
    struct fixture *f = *state;
    static struct session_forward_letter letters[ALL];
    for (size_t i = 0; i < ALL; i++)
        letters[i] = remote(i, 1);
    start(f);
    for (size_t i = 0; i < UP; i++)
        session_forward_add(f->session, &letters[i]);
    for (size_t i = 0; i < UP; i++)
        wait_seen(f, SESSION_FORWARD_UP, i, 1);
    atomic_store(&f->server->is_frozen, true);
    for (size_t i = UP; i < ALL; i++)
        session_forward_add(f->session, &letters[i]);
    for (size_t i = 0; i < ALL; i++)
        session_forward_remove(f->session, &letters[i]);
    struct session_snapshot shot = {.only_index = SIZE_MAX};
    snapshot(f, &shot);
    assert_int_equal(shot.forward_count, 0);
    assert_int_equal(count_of(f, SESSION_FORWARD_GONE, 0) + count_of(f, SESSION_FORWARD_GONE, UP - 1), 0);
    atomic_store(&f->server->is_frozen, false);
    for (size_t i = 0; i < ALL; i++)
        wait_seen(f, SESSION_FORWARD_GONE, i, 1);
    assert_int_equal(atomic_load(&f->server->remote_asked), ALL);
    assert_int_equal(atomic_load(&f->server->cancels), ALL);
}

/* ---- Ports ---- */

static void test_busy(void **state)
{
    struct fixture *f = *state;
    uint16_t port = 0;
    int taken = take_port(&port);
    struct session_forward_letter a = local(LOCAL, "echo");
    a.forward.bind = own_address();
    a.forward.bind_port = port;
    f->config.exit_on_forward_failure = true; /* is about the configuration's */
    start(f);
    session_forward_add(f->session, &a);
    assert_int_equal(wait_seen(f, SESSION_FORWARD_FAILED, LOCAL, 1).code, ADIT_E_FORWARD);
    assert_false(stats(f, LOCAL).is_up);
    session_retry_forwards(f->session);
    wait_seen(f, SESSION_FORWARD_FAILED, LOCAL, 2);
    close(taken);
    session_retry_forwards(f->session);
    assert_int_equal(wait_seen(f, SESSION_FORWARD_UP, LOCAL, 1).port, port);
    assert_true(stats(f, LOCAL).is_up);
    session_unlisten(f->session);
    assert_false(stats(f, LOCAL).is_up);
    check_free(port);
    session_retry_forwards(f->session);
    wait_seen(f, SESSION_FORWARD_UP, LOCAL, 2);
    forget(f, &a);
}

/* Both families, and the next port that is free on both. */
static void test_counts_up(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int taken = listen_here(&port);
    struct session_forward_letter a = local(LOCAL, "echo"), b = local(8, "echo"), c = local(9, "echo");
    start(f);
    a.forward.bind_port = b.forward.bind_port = port;
    a.forward.bind_counts_up = b.forward.bind_counts_up = c.forward.bind_counts_up = true;
    uint16_t first = add(f, &a), second = add(f, &b);
    assert_true(first > port && second > first);
    assert_int_equal(count_of(f, SESSION_FORWARD_FAILED, LOCAL), 0);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->count; i++)
        if (f->seen[i].kind == SESSION_FORWARD_UP)
            assert_int_equal(f->seen[i].port, f->seen[i].index == LOCAL ? first : second);
    pthread_mutex_unlock(&f->lock);
    check_echo(dial(AF_INET, first), 1000);
    check_echo(dial(AF_INET, second), 1000);
    assert_true(add(f, &c) > 0); /* counts_up from 0: any */
    forget(f, &a);
    check_free(first);
    forget(f, &b);
    forget(f, &c);
    close(taken);
}

/* No port is left above it. */
static void test_counts_to_the_end(void **state)
{
    struct fixture *f = *state;
    uint16_t port = UINT16_MAX;
    int taken = take_port(&port);
    struct session_forward_letter letter = local(LOCAL, "echo");
    letter.forward.bind = own_address();
    letter.forward.bind_port = UINT16_MAX;
    letter.forward.bind_counts_up = true;
    start(f);
    session_forward_add(f->session, &letter);
    assert_int_equal(wait_seen(f, SESSION_FORWARD_FAILED, LOCAL, 1).code, ADIT_E_FORWARD);
    forget(f, &letter);
    close(taken);
}

/* ---- What is counted ---- */

static void test_counters(void **state)
{
    struct fixture *f = *state;
    uint64_t before = loop_now_ms();
    start(f);
    struct session_forward_letter a = local(LOCAL, "echo"), b = socks(SOCKS), c = local(11, "refuse"),
                                  d = local(12, "forbid");
    uint16_t port = add(f, &a), socks_port = add(f, &b);
    assert_int_equal(stats(f, LOCAL).last_activity_ms, 0);
    check_echo(dial(AF_INET, port), 100000);
    wait_open(f, LOCAL, 0);
    int first = dial_ping(port), second = dial_ping(port);
    ping(second);
    struct session_forward_stats s = stats(f, LOCAL);
    assert_true(s.is_up);
    assert_int_equal(s.bytes_up, 100000 + 12);
    assert_int_equal(s.bytes_down, 100000 + 12);
    assert_int_equal(s.opened, 3);
    assert_int_equal(s.open_now, 2);
    assert_true(s.last_activity_ms >= before && s.last_activity_ms <= loop_now_ms());
    s = stats(f, SOCKS);
    assert_int_equal(s.bytes_up + s.bytes_down + s.opened + s.open_now + s.last_activity_ms, 0);
    check_echo(dial_socks(socks_port), 1000); /* the handshake is no payload */
    wait_open(f, SOCKS, 0);
    assert_int_equal(stats(f, SOCKS).bytes_up, 1000);
    assert_int_equal(stats(f, SOCKS).bytes_down, 1000);
    uint16_t refused = add(f, &c), forbidden = add(f, &d);
    close(dial(AF_INET, refused));
    while (stats(f, 11).refused < 1)
        usleep(1000);
    for (unsigned i = 0; i < 2; i++) {
        int client = dial(AF_INET, forbidden);
        uint8_t byte;
        assert_true(read(client, &byte, 1) <= 0);
        close(client);
    }
    while (stats(f, 12).prohibited < 2)
        usleep(1000);
    assert_int_equal(stats(f, 12).refused + stats(f, 12).opened, 0);
    struct linger reset = {1, 0};
    (void)setsockopt(first, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(first);
    while (stats(f, LOCAL).peer_reset < 1)
        usleep(1000);
    lose(f); /* counters are the forwards' */
    check_reset(second);
    s = stats(f, LOCAL);
    assert_int_equal(s.bytes_up, 100000 + 12);
    assert_int_equal(s.opened, 3);
    assert_int_equal(s.open_now, 0);
    struct session_snapshot shot = {.only_index = SIZE_MAX};
    snapshot(f, &shot);
    assert_int_equal(shot.stats.bytes_up, 101012);
    assert_int_equal(shot.stats.refused, 1);
    assert_int_equal(shot.stats.prohibited, 2);
    assert_int_equal(shot.stats.peer_reset, 1);
    assert_true(shot.last_alive_ms >= before && shot.last_alive_ms <= loop_now_ms());
    forget(f, &a);
    forget(f, &b);
    forget(f, &c);
    forget(f, &d);
}

/* By its forward, too: the kernel may give one port to two clients of different listeners. */
static const struct session_connection_info *find(const struct session_connection_info *list, size_t n,
                                                  size_t index, int client)
{
    struct sock_addr mine;
    char text[SOCK_TEXT_CAP];
    assert_true(sock_local(client, &mine));
    sock_addr_text(&mine, text);
    for (size_t i = 0; i < n; i++)
        if (list[i].index == index && strcmp(list[i].client, text) == 0)
            return &list[i];
    fail();
    return NULL;
}

static void test_connections(void **state)
{
    struct fixture *f = *state;
    struct session_connection_info list[8];
    struct session_forward_stats forwards[8];
    struct session_snapshot shot = {.only_index = SIZE_MAX,
                                    .connections = list,
                                    .connection_room = 8,
                                    .forwards = forwards,
                                    .forward_room = 8};
    uint64_t before = loop_now_ms();
    start(f);
    struct session_forward_letter a = local(LOCAL, "2001:db8::7"), b = socks(SOCKS);
    uint16_t port = add(f, &a), socks_port = add(f, &b);
    int first = dial_ping(port), second = dial_ping(port), named = dial_socks(socks_port),
        unnamed = dial(AF_INET, socks_port);
    ping(named);
    ping(second);
    wait_open(f, SOCKS, 2);
    snapshot(f, &shot);
    assert_int_equal(shot.forward_count, 2);
    assert_int_equal(forwards[0].index + forwards[1].index, LOCAL + SOCKS);
    assert_int_equal(shot.connection_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(list[i].opened_ms >= before && list[i].opened_ms <= loop_now_ms());
        assert_true(list[i].id < (uint64_t)1 << 53);
        for (size_t j = 0; j < i; j++)
            assert_true(list[i].id != list[j].id);
    }
    const struct session_connection_info *c = find(list, 4, LOCAL, second);
    assert_string_equal(c->target, "[2001:db8::7]:7");
    assert_int_equal(c->bytes_up, 8);
    assert_int_equal(c->bytes_down, 8);
    assert_int_equal(find(list, 4, LOCAL, first)->bytes_up, 4);
    c = find(list, 4, SOCKS, named);
    assert_string_equal(c->target, "echo:7");
    assert_int_equal(c->bytes_up, 4);
    assert_string_equal(find(list, 4, SOCKS, unnamed)->target, "-");
    /* Fewer than there are. */
    shot.connection_room = 1;
    shot.only_index = SOCKS;
    shot.forwards = NULL;
    shot.forward_room = 0;
    memset(&list[1], 0, sizeof list[1]);
    snapshot(f, &shot);
    assert_int_equal(shot.forward_count, 1);
    assert_int_equal(shot.connection_count, 2);
    assert_int_equal(list[0].index, SOCKS);
    assert_int_equal(list[1].id, 0);
    close(first);
    close(second);
    close(named);
    close(unnamed);
    wait_open(f, LOCAL, 0);
    wait_open(f, SOCKS, 0);
    forget(f, &a);
    forget(f, &b);
}

static void test_negotiated(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(count_of(f, SESSION_NEGOTIATED, 0), 1);
    pthread_mutex_lock(&f->lock);
    assert_non_null(strstr(f->algorithms, "curve25519-sha256 ssh-ed25519 "));
    assert_true(strlen(f->algorithms) > strlen("curve25519-sha256 ssh-ed25519 "));
    pthread_mutex_unlock(&f->lock);
    lose(f);
    connect_again(f);
    assert_int_equal(count_of(f, SESSION_NEGOTIATED, 0), 2);
}

/* What an idle connection costs is promised: a page of musl's allocator has 21 pieces of 192 bytes. */
static void test_size(void **state)
{
    (void)state;
    if (sizeof(void *) == 8)
        assert_true(sizeof(struct flow) <= 188);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_while_up),
        T(test_port_is_not_known),
        T(test_while_down),
        T(test_while_connecting),
        T(test_lazy),
        T(test_indexes),
        T(test_unsupported),
        T(test_remove_open),
        T(test_remove_held),
        T(test_remove_opening),
        T(test_thousands),
        T(test_remote),
        T(test_remote_connecting),
        T(test_remote_outstanding),
        T(test_remote_lost),
        T(test_remote_open_before_the_answer),
        T(test_remote_many),
        T(test_busy),
        T(test_counts_up),
        T(test_counts_to_the_end),
        T(test_counters),
        T(test_connections),
        T(test_negotiated),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
