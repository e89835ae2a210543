/*
 * Who may use a local listener, and for what: the rules by themselves, and through a session whose server is
 * adit's own in a thread.
 */
#include "tests/test.h"

#include <errno.h>
#include <signal.h>

#include "forward/access.h"
#include "tests/session_server.h"

/* ---- The rules ---- */

#define IPV4(a, b, c, d, bits)                                                                  \
    {                                                                                           \
        {[10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c), [15] = (d)}, 96 + (bits) \
    }

static bool has(const struct session_net *net, const char *address)
{
    const struct session_access a = {.allow = net, .allow_count = 1};
    struct sock_addr client;
    assert_true(sock_addr_parse(&client, address, 1234));
    return access_has_client(&a, &client);
}

static void test_clients(void **state)
{
    (void)state;
    static const struct session_net ten = IPV4(10, 0, 0, 0, 8), odd = IPV4(192, 168, 1, 128, 25),
                                    one = IPV4(127, 0, 0, 1, 32), all4 = IPV4(0, 0, 0, 0, 0),
                                    doc = {{0x20, 1, 0xd, 0xb8, 0x80}, 33}, all6 = {{0}, 0},
                                    loopback = {{[15] = 1}, 128}, local = {{0xfe, 0x80}, 10},
                                    broken = {{0}, 129};
    assert_true(has(&ten, "10.255.0.1"));
    assert_true(has(&ten, "::ffff:10.255.0.1"));
    assert_false(has(&ten, "11.0.0.1"));
    assert_false(has(&ten, "::a00:1"));
    assert_true(has(&odd, "192.168.1.128"));
    assert_true(has(&odd, "192.168.1.255"));
    assert_false(has(&odd, "192.168.1.127"));
    assert_true(has(&one, "127.0.0.1"));
    assert_false(has(&one, "127.0.0.2"));
    assert_false(has(&one, "::1"));
    assert_true(has(&all4, "203.0.113.7"));
    assert_false(has(&all4, "2001:db8::1"));
    assert_true(has(&doc, "2001:db8:8000::1"));
    assert_false(has(&doc, "2001:db8:7fff::1"));
    assert_true(has(&all6, "::1"));
    assert_false(has(&all6, "127.0.0.1"));
    assert_false(has(&all6, "::ffff:127.0.0.1"));
    assert_true(has(&loopback, "::1"));
    assert_false(has(&loopback, "::2"));
    assert_true(has(&local, "fe80::1%lo"));
    assert_false(has(&broken, "::1"));
}

/* The caller's own socket comes in, by its whole address, and while it says so. */
static void test_own_end(void **state)
{
    (void)state;
    static const struct session_net ten = IPV4(10, 0, 0, 0, 8);
    atomic_uint own = 0;
    const struct session_access a = {.allow = &ten, .allow_count = 1, .own_end = &own};
    static const struct {
        const char *address;
        uint16_t port;
        unsigned own;
        bool is_let_in;
    } cases[] = {{"127.0.0.1", 1234, 0, false},
                 {"127.0.0.1", 1234, 1234, true},
                 {"::ffff:127.0.0.1", 1234, 1234, true},
                 {"127.0.0.1", 1235, 1234, false},
                 {"127.0.0.2", 1234, 1234, false},
                 {"192.0.2.1", 1234, 1234, false},
                 {"::1", 1234, 1234, false},
                 {"::1", 1234, SESSION_OWN_IPV6 + 1234, true},
                 {"127.0.0.1", 1234, SESSION_OWN_IPV6 + 1234, false},
                 {"127.0.0.1", 0, 0, false}};
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct sock_addr client;
        atomic_store(&own, cases[i].own);
        assert_true(sock_addr_parse(&client, cases[i].address, cases[i].port));
        assert_int_equal(access_has_client(&a, &client), cases[i].is_let_in);
    }
}

static void test_several_clients(void **state)
{
    (void)state;
    static const struct session_net nets[] = {IPV4(10, 0, 0, 0, 8), {{[15] = 1}, 128}};
    const struct session_access a = {.allow = nets, .allow_count = 2}, none = {.allow_count = 0};
    struct sock_addr client;
    assert_true(sock_addr_parse(&client, "::1", 1));
    assert_true(access_has_client(&a, &client));
    assert_true(sock_addr_parse(&client, "127.0.0.1", 1));
    assert_false(access_has_client(&a, &client));
    assert_true(access_has_client(&none, &client));
    assert_true(access_has_client(NULL, &client));
    assert_int_equal(sock_addr_path(&client, "10.0.0.1", NULL), ADIT_E_OK); /* a file, no address */
    assert_false(access_has_client(&a, &client));
    assert_true(access_has_client(&none, &client));
}

static bool reaches(const char *destination, const char *host, uint16_t port)
{
    const struct session_access a = {.destinations = &destination, .destination_count = 1};
    return access_may_reach(&a, host, port);
}

static void test_destinations(void **state)
{
    (void)state;
    assert_true(reaches("any", "h", 1));
    assert_false(reaches("none", "h", 1));
    assert_true(reaches("*:*", "::1", 1));
    assert_true(reaches("h:1", "h", 1));
    assert_true(reaches("Host.Example:443", "hOST.example", 443));
    assert_false(reaches("h:1", "h", 11));
    assert_false(reaches("h:11", "h", 1));
    assert_false(reaches("h:1", "hh", 1));
    assert_false(reaches("h:1", "h.", 1));
    assert_true(reaches("h:*", "h", 65535));
    assert_true(reaches("h:80??", "h", 8080));
    assert_false(reaches("h:80??", "h", 808));
    assert_true(reaches("*.example:443", "a.b.example", 443));
    assert_false(reaches("*.example:443", "example", 443));
    assert_false(reaches("*.example:443", "a.example.org", 443));
    assert_true(reaches("a*b*c:1", "axbbyc", 1));
    assert_false(reaches("a*b*c:1", "axbbyd", 1));
    assert_true(reaches("db?.lan:5432", "db1.lan", 5432));
    assert_false(reaches("db?.lan:5432", "db.lan", 5432));
    assert_true(reaches("[2001:db8::*]:443", "2001:db8::1", 443));
    assert_false(reaches("[2001:db8::*]:443", "2001:db8:1::1", 443));
    assert_true(reaches("[::1]:80", "::1", 80));
    assert_false(reaches("::1:80", "::1", 80)); /* malformed: nothing */
    assert_false(reaches("h", "h", 1));
    assert_false(reaches("", "h", 1));
    assert_false(reaches("h:", "h", 1));
}

/* Of addresses: a name that begins as they do is none. */
static void test_address_patterns(void **state)
{
    (void)state;
    assert_true(reaches("10.*:443", "10.1.2.3", 443));
    assert_false(reaches("10.*:443", "10.example.org", 443));
    assert_false(reaches("10.*:443", "10.0xa", 443));
    assert_false(reaches("*.1:443", "evil.1", 443));
    assert_true(reaches("192.168.?.1:22", "192.168.7.1", 22));
    assert_true(reaches("10.*x:1", "10.yx", 1));
    assert_true(reaches("*.*:1", "a.b", 1)); /* no digit: of names too */
}

static void test_several_destinations(void **state)
{
    (void)state;
    static const char *const list[] = {"none", "a:1", "b:*"};
    const struct session_access a = {.destinations = list, .destination_count = 3}, none = {.allow_count = 0};
    assert_true(access_may_reach(&a, "a", 1));
    assert_true(access_may_reach(&a, "b", 2));
    assert_false(access_may_reach(&a, "a", 2));
    assert_true(access_may_reach(&none, "a", 2));
    assert_true(access_may_reach(NULL, "a", 2));
}

static void test_destination_check(void **state)
{
    (void)state;
    static const char *const good[] = {"any",      "none",         "h:1",  "*:*",     "h:65535",
                                       "*.lan:80", "[::1]:80",     "h:8*", "h:?",     "10.0.0.0:1",
                                       "[*]:80",   "h\xc3\xa4:22", "x:1*", "h:?????", "[2001:db8::*]:4?3"};
    static const char *const bad[] = {"",     "h",      ":1",      "h:",      "h:0",         "h:65536",
                                      "h:x",  "h:1-2",  "::1",     "::1:80",  "h :1",        "h\t:1",
                                      "[]:1", "[::1:1", "h]:1",    "a:1,b:2", "ANY",         "h:??????",
                                      "h:-1", "[h:1]",  "[[h]]:1", "h\x7f:1", "h:4294967297"};
    char text[LIMIT_HOST + 4];
    for (size_t i = 0; i < ADIT_COUNT(good); i++)
        assert_true(session_destination_check(good[i]));
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(session_destination_check(bad[i]));
    for (size_t n = LIMIT_HOST; n <= LIMIT_HOST + 1; n++) {
        memset(text, 'h', n);
        memcpy(text + n, ":1", 3);
        assert_int_equal(session_destination_check(text), n == LIMIT_HOST);
    }
}

/* ---- Through a session ---- */

enum { FORWARDS = 3 };

struct fixture {
    struct server server;
    struct session *session;
    struct session_config config;
    struct session_forward forwards[FORWARDS];
    struct session_access access[FORWARDS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint16_t port[FORWARDS];
    bool is_done, is_ended;
    unsigned said_denied;         /* lines at VERBOSE */
    atomic_uint said_destination; /* of a client at the server */
};

static void on_ask(void *ctx, struct session_question *q)
{
    (void)ctx;
    q->accept = true;
    if (q->kind == SESSION_ASK_CREDENTIAL) {
        q->credential = SESSION_CREDENTIAL_PASSWORD;
        q->password = span_str("secret");
    }
    session_answer(q);
}

static void on_notify(void *ctx, const struct session_notice *n)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->lock);
    if (n->kind == SESSION_FORWARD_UP)
        f->port[n->index] = n->bound_port;
    f->is_done |= n->kind == SESSION_ALL_FORWARDS_DONE && n->count == 0;
    f->is_ended |= n->kind == SESSION_ENDED;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Who was denied is named, at VERBOSE; and no secret stands in any line. */
static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    static const char *const words[] = {" is not allowed here", " was refused: ", " may not connect to "};
    struct fixture *f = ctx;
    (void)about;
    must(!strstr(line, "pa55") && !strstr(line, "dTpw"));
    if (strstr(line, "(Destinations)"))
        atomic_fetch_add(&f->said_destination, 1);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < ADIT_COUNT(words); i++)
        f->said_denied += strstr(line, words[i]) && level == SESSION_VERBOSE && strstr(line, "127.0.0.1");
    pthread_mutex_unlock(&f->lock);
}

static int setup(void **state)
{
    static const uint8_t seed[32] = {7};
    struct fixture *f = calloc(1, sizeof *f);
    int fds[2];
    struct drbg random;
    assert_non_null(f);
    assert_true(crypto_init());
    drbg_init(&random, seed);
    assert_true(key_generate(KEY_ED25519, &random, &f->server.host_key));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->server.fd = fds[0];
    f->config = (struct session_config){.host = "test.example",
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

/* The forwards of these types, on 127.0.0.1, each with its own access. */
static void start(struct fixture *f, size_t count, const enum session_forward_type *types)
{
    const struct session_ops ops = {f, on_ask, on_notify, on_log};
    struct adit_error err = {ADIT_E_OK, ""};
    for (size_t i = 0; i < count; i++)
        f->forwards[i] = (struct session_forward){.type = types[i],
                                                  .bind = "127.0.0.1",
                                                  .host = types[i] == SESSION_FORWARD_LOCAL ? "echo" : NULL,
                                                  .port = types[i] == SESSION_FORWARD_LOCAL ? 7 : 0,
                                                  .access = &f->access[i]};
    f->config.forward_count = count;
    assert_int_equal(session_start(&f->session, &f->config, &ops, &err), ADIT_E_OK);
    pthread_mutex_lock(&f->lock);
    while (!f->is_done && !f->is_ended)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    assert_true(f->is_done);
}

static void stop(struct fixture *f, uint64_t denied, unsigned said)
{
    struct session_stats stats;
    struct adit_error err = {ADIT_E_OK, ""};
    session_stop(f->session);
    assert_int_equal(session_join(f->session, &err, &stats), ADIT_E_OK);
    f->session = NULL;
    assert_int_equal(stats.denied, denied);
    assert_int_equal(f->said_denied, said);
    assert_int_equal(stats.open_now, 0);
}

static void check_reset(int fd)
{
    uint8_t byte;
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
}

static void test_client_is_reset(void **state)
{
    struct fixture *f = *state;
    static const enum session_forward_type types[] = {SESSION_FORWARD_LOCAL, SESSION_FORWARD_DYNAMIC,
                                                      SESSION_FORWARD_LOCAL};
    static const struct session_net far = IPV4(192, 0, 2, 0, 24), near = IPV4(127, 0, 0, 0, 8);
    f->access[0] = f->access[1] = (struct session_access){.allow = &far, .allow_count = 1};
    f->access[2] = (struct session_access){.allow = &near, .allow_count = 1};
    start(f, 3, types);
    for (size_t i = 0; i < 2; i++)
        check_reset(dial(AF_INET, f->port[i]));
    check_echo(dial(AF_INET, f->port[2]), 1000);
    stop(f, 2, 2);
    assert_int_equal(atomic_load(&f->server.opens), 1);
}

/* request is said in pieces of step bytes, with "ping" behind it; then the answer comes, and what is left:
 * the echo or the end. */
static void check_talk(uint16_t port, struct span request, size_t step, struct span answer, bool is_granted)
{
    uint8_t got[256];
    int fd = dial(AF_INET, port);
    for (size_t at = 0; at < request.n; at += step) {
        struct span part = span_sub(request, at, step);
        assert_int_equal(send(fd, part.p, part.n, MSG_NOSIGNAL), part.n);
    }
    if (is_granted)
        assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    size_t n = read_all(fd, got, sizeof got);
    assert_int_equal(n, answer.n + (is_granted ? 4 : 0));
    assert_memory_equal(got, answer.p, answer.n);
    assert_memory_equal(got + answer.n, "ping", n - answer.n);
    close(fd);
}

#define TALK(port, request, answer, is_granted)                        \
    do {                                                               \
        const struct span r = SPAN_LIT(request), a = SPAN_LIT(answer); \
        check_talk(port, r, r.n, a, is_granted);                       \
        check_talk(port, r, 1, a, is_granted);                         \
    } while (0)

#define REQUEST  "\5\1\0\3\4echo\0\7"
#define OK       "\5\0\0\1\0\0\0\0\0\0"
#define REFUSED  "\5\2\0\1\0\0\0\0\0\0"
#define HTTP_END "Content-Length: 0\r\nConnection: close\r\n\r\n"
#define HTTP_OK  "HTTP/1.1 200 Connection established\r\n\r\n"
#define HTTP_407 \
    "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"adit\"\r\n" HTTP_END

static void test_user(void **state)
{
    struct fixture *f = *state;
    static const enum session_forward_type types[] = {SESSION_FORWARD_DYNAMIC};
    f->access[0] = (struct session_access){.socks_user = "u", .socks_password = "pa55"};
    start(f, 1, types);
    TALK(f->port[0], "\5\1\2\1\1u\4pa55" REQUEST, "\5\2\1\0" OK, true);
    TALK(f->port[0], "\5\1\2\1\1u\4pa56", "\5\2\1\1", false);
    TALK(f->port[0], "\5\1\0", "\5\xff", false);
    TALK(f->port[0], "\4\1\0\7\0\0\0\1u\0echo\0", "\0\x5b\0\0\0\0\0\0", false);
    stop(f, 6, 6);
    assert_int_equal(atomic_load(&f->server.opens), 2);
}

static void test_http(void **state)
{
    struct fixture *f = *state;
    static const enum session_forward_type types[] = {SESSION_FORWARD_DYNAMIC, SESSION_FORWARD_DYNAMIC};
    f->access[0] = (struct session_access){.http_connect = true};
    f->access[1] = (struct session_access){.http_connect = true, .socks_user = "u", .socks_password = "pa55"};
    start(f, 2, types);
    TALK(f->port[0], "CONNECT echo:7 HTTP/1.1\r\nHost: echo:7\r\n\r\n", HTTP_OK, true);
    TALK(f->port[0], "CONNECT refuse:7 HTTP/1.1\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n" HTTP_END, false);
    TALK(f->port[0], "CONNECT forbid:7 HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n" HTTP_END, false);
    TALK(f->port[0], "\5\1\0" REQUEST, "\5\0" OK, true);
    check_talk(f->port[0], (struct span)SPAN_LIT("GET / HTTP/1.1\r\n"), 16,
               (struct span)SPAN_LIT("HTTP/1.1 400 Bad Request\r\n" HTTP_END), false);
    TALK(f->port[1], "CONNECT echo:7 HTTP/1.1\r\nProxy-Authorization: Basic dTpwYTU1\r\n\r\n", HTTP_OK, true);
    TALK(f->port[1], "CONNECT echo:7 HTTP/1.1\r\nProxy-Authorization: Basic dTpwYTU2\r\n\r\n", HTTP_407,
         false);
    TALK(f->port[1], "CONNECT echo:7 HTTP/1.1\r\n\r\n", HTTP_407, false);
    stop(f, 2, 2);
}

static void test_http_is_off(void **state)
{
    struct fixture *f = *state;
    static const enum session_forward_type types[] = {SESSION_FORWARD_DYNAMIC};
    start(f, 1, types);
    check_talk(f->port[0], (struct span)SPAN_LIT("C"), 1, (struct span)SPAN_LIT(""), false);
    stop(f, 0, 0);
    assert_int_equal(atomic_load(&f->server.opens), 0);
}

static void test_destination_is_refused(void **state)
{
    struct fixture *f = *state;
    static const enum session_forward_type types[] = {SESSION_FORWARD_DYNAMIC, SESSION_FORWARD_LOCAL};
    static const char *const destinations[] = {"ech?:8", "ECHO:7"}, *const none[] = {"none"};
    f->access[0] = (struct session_access){
        .http_connect = true, .destinations = destinations, .destination_count = ADIT_COUNT(destinations)};
    f->access[1] =
        (struct session_access){.destinations = none, .destination_count = 1}; /* not of this type */
    start(f, 2, types);
    TALK(f->port[0], "\5\1\0" REQUEST, "\5\0" OK, true);
    TALK(f->port[0], "\5\1\0\5\1\0\3\4echo\0\x9", "\5\0" REFUSED, false);
    TALK(f->port[0], "\5\1\0\5\1\0\1\x7f\0\0\1\0\7", "\5\0" REFUSED, false);
    TALK(f->port[0], "CONNECT echo:7 HTTP/1.1\r\n\r\n", HTTP_OK, true);
    TALK(f->port[0], "CONNECT source:7 HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n" HTTP_END, false);
    check_echo(dial(AF_INET, f->port[1]), 1000);
    stop(f, 6, 6);
    assert_int_equal(atomic_load(&f->server.opens), 5);
}

/* A client of the server's listener, who has said this before he was answered. */
static void remote_client(struct fixture *f, const char *said, size_t n)
{
    unsigned over = atomic_load(&f->server.closes);
    f->server.greeting = said;
    f->server.greeting_n = n;
    atomic_store(&f->server.open_remote, true);
    while (atomic_load(&f->server.closes) == over)
        usleep(1000);
}

static void test_remote(void **state)
{
    struct fixture *f = *state;
    static const enum session_forward_type types[] = {SESSION_FORWARD_REMOTE};
    static const char nobody[] = "\5\1\0", wrong[] = "\5\1\2\1\1u\4pa56",
                      right[] = "\5\1\2\1\1u\4pa55\5\1\0\1\x7f\0\0\1\0\7",
                      http[] = "CONNECT h:7 HTTP/1.1\r\nProxy-Authorization: Basic dTpwYTU1\r\n\r\n";
    static const char *const destinations[] = {"*:8"};
    f->access[0] = (struct session_access){.socks_user = "u",
                                           .socks_password = "pa55",
                                           .destinations = destinations,
                                           .destination_count = 1,
                                           .http_connect = true};
    start(f, 1, types);
    remote_client(f, nobody, sizeof nobody - 1);
    remote_client(f, wrong, sizeof wrong - 1);
    assert_int_equal(f->said_destination, 0);
    remote_client(f, right, sizeof right - 1);
    assert_int_equal(f->said_destination, 1);
    remote_client(f, http, sizeof http - 1);
    assert_int_equal(f->said_destination, 2);
    stop(f, 4, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_own_end),
        cmocka_unit_test(test_several_clients),
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_address_patterns),
        cmocka_unit_test(test_several_destinations),
        cmocka_unit_test(test_destination_check),
        TEST(test_client_is_reset),
        TEST(test_user),
        TEST(test_http),
        TEST(test_http_is_off),
        TEST(test_destination_is_refused),
        TEST(test_remote),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
