#define _GNU_SOURCE

#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/test.h"

static void ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    assert_int_equal(poll(&p, 1, 10000), 1);
}

static void listen_on(const char *host, int *fd, struct sock_addr *at)
{
    assert_true(sock_addr_parse(at, host, 0));
    assert_int_equal(sock_listen(fd, at, NULL, NULL), ADIT_E_OK);
    assert_true(sock_local(*fd, at));
    assert_int_not_equal(sock_addr_port(at), 0);
}

/* c is ours, s the accepted one. */
static void connected(const char *host, int *c, int *s)
{
    struct sock_addr at, peer, local;
    int listener;
    bool done;

    listen_on(host, &listener, &at);
    assert_int_equal(sock_connect_start(c, &at, NULL, &done, NULL), ADIT_E_OK);
    ready(*c, POLLOUT);
    assert_int_equal(sock_connect_finish(*c, &at, &done, NULL), ADIT_E_OK);
    assert_true(done);
    ready(listener, POLLIN);
    assert_int_equal(sock_accept(listener, s, &peer, NULL), SOCK_ACCEPT_OK);
    assert_true(sock_local(*c, &local));
    assert_int_equal(sock_addr_port(&local), sock_addr_port(&peer));
    sock_close(&listener);
}

static void assert_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void listens_and_accepts(void **state)
{
    struct sock_addr at, peer;
    struct adit_error err = {0};
    int l, s, again;
    bool missing = true;

    (void)state;
    listen_on("127.0.0.1", &l, &at);
    assert_flags(l);
    assert_int_equal(sock_accept(l, &s, &peer, NULL), SOCK_ACCEPT_AGAIN);
    assert_int_equal(sock_listen(&again, &at, &missing, &err), ADIT_E_FORWARD);
    assert_int_equal(again, -1);
    assert_false(missing);
    assert_non_null(strstr(err.text, "cannot listen on 127.0.0.1:"));
    assert_non_null(strstr(err.text, strerror(EADDRINUSE)));
    sock_close(&l);
    assert_int_equal(sock_accept(l, &s, &peer, NULL), SOCK_ACCEPT_FAILED);
    assert_true(sock_addr_parse(&at, "192.0.2.1", 0)); /* not an address of this machine */
    assert_int_equal(sock_listen(&l, &at, &missing, NULL), ADIT_E_FORWARD);
    assert_true(missing);
    connected("127.0.0.1", &l, &s);
    assert_flags(l);
    assert_flags(s);
    sock_close(&l);
    sock_close(&s);
}

/* Both families have the same port: the IPv6 socket does not take IPv4 too. */
static void v6_only(void **state)
{
    struct sock_addr v4, v6;
    int a, b;
    bool missing;

    (void)state;
    listen_on("127.0.0.1", &a, &v4);
    assert_true(sock_addr_parse(&v6, "::", sock_addr_port(&v4)));
    if (sock_listen(&b, &v6, &missing, NULL) != ADIT_E_OK) {
        sock_close(&a);
        assert_true(missing);
        skip();
    }
    sock_close(&a);
    sock_close(&b);
}

/* In a process of its own: the limit must not reach the other tests. */
static int accept_at_the_limit(void)
{
    struct rlimit limit = {.rlim_cur = 0};
    struct sock_addr at, peer;
    int l, c, c2, s;
    bool done;

    if (!sock_addr_parse(&at, "127.0.0.1", 0) || sock_listen(&l, &at, NULL, NULL) != ADIT_E_OK ||
        !sock_local(l, &at) || sock_connect_start(&c, &at, NULL, &done, NULL) != ADIT_E_OK ||
        /* Two wait: valgrind keeps the limit itself, after the kernel has accepted one. */
        sock_connect_start(&c2, &at, NULL, &done, NULL) != ADIT_E_OK)
        return 1;
    ready(c2, POLLOUT);
    ready(l, POLLIN);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    limit.rlim_cur = 3;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || sock_accept(l, &s, &peer, NULL) != SOCK_ACCEPT_LIMIT)
        return 3;
    limit.rlim_cur = limit.rlim_max < 256 ? limit.rlim_max : 256;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || sock_accept(l, &s, &peer, NULL) != SOCK_ACCEPT_OK)
        return 4;
    sock_close(&l);
    sock_close(&c);
    sock_close(&c2);
    sock_close(&s);
    return 0;
}

static void says_when_descriptors_run_out(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(accept_at_the_limit());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_refused_connection_has_its_reason(void **state)
{
    struct sock_addr at;
    struct adit_error err = {0};
    int l, c;
    bool done;
    enum adit_err e;

    (void)state;
    listen_on("127.0.0.1", &l, &at);
    sock_close(&l);
    e = sock_connect_start(&c, &at, NULL, &done, &err);
    if (e == ADIT_E_OK) {
        ready(c, POLLOUT);
        e = sock_connect_finish(c, &at, &done, &err);
    }
    assert_int_equal(e, ADIT_E_CONNECT);
    assert_false(done);
    assert_non_null(strstr(err.text, "connect to host 127.0.0.1 port "));
    assert_non_null(strstr(err.text, strerror(ECONNREFUSED)));
    sock_close(&c);
}

static void connects_from_a_source(void **state)
{
    struct sock_addr at, source, peer;
    int l, c, s;
    bool done;

    (void)state;
    listen_on("127.0.0.1", &l, &at);
    assert_true(sock_addr_parse(&source, "127.0.0.9", 0));
    assert_int_equal(sock_connect_start(&c, &at, &source, &done, NULL), ADIT_E_OK);
    ready(l, POLLIN);
    assert_int_equal(sock_accept(l, &s, &peer, NULL), SOCK_ACCEPT_OK);
    sock_addr_set_port(&peer, 0);
    assert_memory_equal(&peer.storage, &source.storage, source.len);
    sock_close(&l);
    sock_close(&c);
    sock_close(&s);
}

static void unix_sockets(void **state)
{
    struct sock_addr at, peer;
    struct adit_error err = {0};
    char name[64];
    int l, c, s;
    bool done;

    (void)state;
    (void)snprintf(name, sizeof name, "@adit-test-%ld", (long)getpid());
    assert_int_equal(sock_addr_unix(&at, name, NULL), ADIT_E_OK);
    assert_int_equal(sock_connect_start(&c, &at, NULL, &done, &err), ADIT_E_CONNECT);
    assert_non_null(strstr(err.text, name));
    assert_int_equal(sock_listen(&l, &at, NULL, NULL), ADIT_E_OK);
    assert_int_equal(sock_connect_start(&c, &at, NULL, &done, NULL), ADIT_E_OK);
    assert_true(done);
    assert_int_equal(sock_accept(l, &s, &peer, NULL), SOCK_ACCEPT_OK);
    sock_close(&l);
    sock_close(&c);
    sock_close(&s);
}

static void options(void **state)
{
    int c, s, pair[2];

    (void)state;
    connected("127.0.0.1", &c, &s);
    assert_true(sock_set_nodelay(c, true) && sock_set_quickack(c) && sock_set_keepalive(c, true));
    assert_true(sock_set_notsent_lowat(c, 16384) && sock_set_user_timeout(c, 10000) && sock_set_tos(c, 0x10));
    sock_close(&c);
    sock_close(&s);
    assert_int_equal(sock_pair(pair, NULL), ADIT_E_OK);
    assert_flags(pair[0]);
    assert_flags(pair[1]);
    assert_false(sock_set_nodelay(pair[0], true) || sock_set_quickack(pair[0]) ||
                 sock_set_tos(pair[0], 0x10));
    sock_close(&pair[0]);
    sock_close(&pair[1]);
}

static void transfers(void **state)
{
    char a[4], b[4], none;
    struct iovec in[2] = {{a, 4}, {b, 4}}, out[2] = {{"abc", 3}, {"def", 3}};
    struct adit_error err = {0};
    int p[2];
    size_t n;

    (void)state;
    assert_int_equal(sock_pair(p, NULL), ADIT_E_OK);
    assert_int_equal(sock_read(p[0], a, 4, &n, &err), SOCK_IO_AGAIN);
    assert_int_equal(sock_writev(p[1], out, 2, &n, &err), SOCK_IO_OK);
    assert_int_equal(n, 6);
    assert_true(sock_unsent_len(p[1]) > 0 && sock_notsent_len(p[1]) > 0);
    assert_int_equal(sock_readv(p[0], in, 2, &n, &err), SOCK_IO_OK);
    assert_int_equal(n, 6);
    assert_memory_equal(a, "abcd", 4);
    assert_memory_equal(b, "ef", 2);
    assert_int_equal(sock_unsent_len(p[1]), 0);
    assert_int_equal(sock_read(p[0], &none, 0, &n, &err), SOCK_IO_OK);
    assert_true(sock_shutdown_write(p[1]));
    assert_int_equal(sock_read(p[0], a, 4, &n, &err), SOCK_IO_EOF);
    assert_int_equal(sock_write(p[0], "x", 1, &n, &err), SOCK_IO_OK); /* the other half is open */
    assert_int_equal(sock_read(p[1], a, 4, &n, &err), SOCK_IO_OK);
    sock_close(&p[1]);
    /* No SIGPIPE: it would end this test. */
    assert_int_equal(sock_write(p[0], "x", 1, &n, &err), SOCK_IO_FAILED);
    assert_int_equal(err.code, ADIT_E_CLOSED);
    assert_int_equal(n, 0);
    sock_close(&p[0]);
    sock_close(&p[0]);
}

static void write_until_full(void **state)
{
    static const char block[65536];
    enum sock_io io;
    size_t n, total = 0;
    int p[2];

    (void)state;
    assert_int_equal(sock_pair(p, NULL), ADIT_E_OK);
    while ((io = sock_write(p[0], block, sizeof block, &n, NULL)) == SOCK_IO_OK)
        total += n;
    assert_int_equal(io, SOCK_IO_AGAIN);
    assert_true(total > 0);
    sock_close(&p[0]);
    sock_close(&p[1]);
}

/* A blocking pipe: filled to the brim without ever waiting, and emptied. The alarm ends a test that blocks.
 */
static void shared_descriptors_never_block(void **state)
{
    static char block[65536];
    struct adit_error err = {0};
    size_t n, total = 0, back = 0;
    int p[2];

    (void)state;
    assert_int_equal(pipe(p), 0);
    (void)alarm(60);
    assert_int_equal(sock_shared_read(p[0], block, sizeof block, &n, &err), SOCK_IO_AGAIN);
    while (sock_shared_write(p[1], block, sizeof block, &n, &err) == SOCK_IO_OK) {
        assert_true(n > 0 && n <= 4096);
        total += n;
    }
    assert_int_equal(err.code, ADIT_E_OK);
    assert_true(total >= 4096);
    while (sock_shared_read(p[0], block, sizeof block, &n, &err) == SOCK_IO_OK)
        back += n;
    assert_int_equal(back, total);
    close(p[1]);
    assert_int_equal(sock_shared_read(p[0], block, sizeof block, &n, &err), SOCK_IO_EOF);
    close(p[0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    total = back = 0;
    while (sock_shared_write(p[1], block, sizeof block, &n, &err) == SOCK_IO_OK)
        total += n;
    while (sock_shared_read(p[0], block, sizeof block, &n, &err) == SOCK_IO_OK)
        back += n;
    assert_int_equal(back, total);
    assert_false(fcntl(p[0], F_GETFL) & O_NONBLOCK); /* the description was not touched */
    (void)alarm(0);
    close(p[0]);
    assert_int_equal(sock_shared_write(p[1], block, 1, &n, &err), SOCK_IO_FAILED);
    close(p[1]);
}

static void pipes_have_no_halves(void **state)
{
    int p[2];
    size_t n;
    char c;

    (void)state;
    assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
    assert_false(sock_shutdown_write(p[1]));
    assert_int_equal(sock_write(p[1], "x", 1, &n, NULL), SOCK_IO_OK);
    assert_int_equal(sock_read(p[0], &c, 1, &n, NULL), SOCK_IO_OK);
    close(p[0]);
    (void)signal(SIGPIPE, SIG_IGN); /* as the process does */
    assert_int_equal(sock_write(p[1], "x", 1, &n, NULL), SOCK_IO_FAILED);
    (void)signal(SIGPIPE, SIG_DFL);
    close(p[1]);
}

static void a_reset_is_passed_on(void **state)
{
    struct adit_error err = {0}, pending = {0};
    int c, s;
    size_t n;
    char buf[4];

    (void)state;
    connected("127.0.0.1", &c, &s);
    assert_int_equal(sock_pending_error(c, &pending), ADIT_E_OK);
    sock_close_reset(&s);
    assert_int_equal(s, -1);
    ready(c, POLLIN);
    assert_int_equal(sock_read(c, buf, sizeof buf, &n, &err), SOCK_IO_FAILED);
    assert_int_equal(err.code, ADIT_E_CLOSED);
    assert_string_equal(err.text, strerror(ECONNRESET));
    sock_close(&c);
    connected("127.0.0.1", &c, &s);
    sock_close_reset(&s);
    ready(c, POLLIN);
    assert_int_equal(sock_pending_error(c, &pending), ADIT_E_CLOSED);
    sock_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens_and_accepts),
        cmocka_unit_test(v6_only),
        cmocka_unit_test(says_when_descriptors_run_out),
        cmocka_unit_test(a_refused_connection_has_its_reason),
        cmocka_unit_test(connects_from_a_source),
        cmocka_unit_test(unix_sockets),
        cmocka_unit_test(options),
        cmocka_unit_test(transfers),
        cmocka_unit_test(write_until_full),
        cmocka_unit_test(shared_descriptors_never_block),
        cmocka_unit_test(pipes_have_no_halves),
        cmocka_unit_test(a_reset_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
