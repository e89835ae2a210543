/*
 * HealthCheck: a connection to the tunnel's own listener, which the test is here, on the registry's loop.
 */
#include "tests/tunnels_fake.h"

#include "net/sock.h"

static int listener;
static struct tunnel *tunnel;
static struct link *link_of;

/* The tunnel of a file, whose local port is the test's listener; its connection is up. */
static void open_world(const char *check)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct sock_addr a, bound;
    char conf[256];
    assert_true(sock_addr_parse(&a, "127.0.0.1", 0));
    assert_int_equal(sock_listen(&listener, &a, NULL, &err), ADIT_E_OK);
    assert_true(sock_local(listener, &bound));
    (void)adit_format(conf, sizeof conf, "Tunnel one\n Via h\n LocalForward %u a:1\n HealthCheck %s\n",
                      (unsigned)sock_addr_port(&bound), check);
    world_open(conf);
    tunnel = tunnels_first(world.t);
    start_it(tunnel);
    link_of = fake_links[0];
    fake_connect(link_of);
}

static void close_world(void)
{
    world_close();
    sock_close(&listener);
}

/* The next timer is due, if it is within a minute. */
static void fire_timer(void)
{
    struct loop_timer *timer = loop_expired(&world.loop, loop_now_ms() + 60000);
    if (timer)
        tunnels_on_timer(world.t, timer);
}

static void turn(void)
{
    struct loop_fd *f;
    assert_int_equal(loop_wait(&world.loop, loop_now_ms() + 10, NULL), ADIT_E_OK);
    while ((f = loop_next(&world.loop)))
        tunnels_on_fd(world.t, f);
    world_mail();
}

/* The check has come; TCP asks for the numbers before. */
static int accept_check(bool is_tcp)
{
    struct sock_addr peer;
    int fd = -1;
    fire_timer();
    if (is_tcp) {
        fake_numbers(link_of, 0);
        world_mail();
    }
    while (sock_accept(listener, &fd, &peer, NULL) != SOCK_ACCEPT_OK)
        turn();
    turn(); /* its own end is connected, and it knows */
    return fd;
}

static void until(const unsigned *count, unsigned n)
{
    while (*count < n)
        turn();
}

/* The registry asks, and is told so many channels. */
static void answer_numbers(uint64_t opened)
{
    while (link_of->snapshot_count == 0)
        turn();
    link_of->forwards[0].stats.opened = opened;
    fake_numbers(link_of, 0);
    world_mail();
}

static void test_tcp(void **state)
{
    (void)state;
    open_world("tcp 7s");
    int fd = accept_check(true);
    assert_int_equal(write(fd, "hello", 5), 5);
    until(&link_of->good, 1);
    sock_close(&fd);
    fd = accept_check(true);
    sock_close(&fd); /* without a word: was somebody there? */
    answer_numbers(1);
    until(&link_of->good, 2);
    fd = accept_check(true);
    sock_close(&fd);
    answer_numbers(1); /* no more than before */
    until(&link_of->bad, 1);
    assert_true(has_logged("one: health check failed: the server could not connect (1 of 3)\n"));
    fd = accept_check(true);
    sock_close_reset(&fd);
    until(&link_of->bad, 2);
    assert_string_equal(state_of(tunnel), "connected");
    assert_true(has_logged("one: health check failed: reset (2 of 3)\n"));
    close_world();
}

static void test_a_service_that_waits(void **state)
{
    (void)state;
    open_world("tcp 7s");
    int fd = accept_check(true);
    turn();
    fire_timer(); /* no word in time: was a channel opened? */
    link_of->forwards[0].stats.opened = 1;
    fake_numbers(link_of, 0);
    world_mail();
    until(&link_of->good, 1);
    sock_close(&fd);
    fd = accept_check(true);
    turn();
    fire_timer();
    fake_numbers(link_of, 0); /* none since */
    world_mail();
    until(&link_of->bad, 1);
    sock_close(&fd);
    close_world();
}

static void serve(const char *answer)
{
    char request[256] = "";
    size_t n = 0;
    int fd = accept_check(false);
    while (!strstr(request, "\r\n\r\n")) {
        size_t got = 0;
        (void)!sock_read(fd, request + n, sizeof request - 1 - n, &got, NULL);
        n += got;
        turn();
    }
    assert_int_equal(strncmp(request, "GET /health HTTP/1.1\r\nHost: ", 28), 0);
    assert_int_equal(write(fd, answer, strlen(answer)), (ssize_t)strlen(answer));
    sock_close(&fd);
}

static void test_http_fails_and_comes_back(void **state)
{
    (void)state;
    open_world("http /health 7s");
    serve("HTTP/1.1 204 No Content\r\n\r\n");
    until(&link_of->good, 1);
    serve("HTTP/1.0 503 Service Unavailable\r\n\r\n");
    until(&link_of->bad, 1);
    serve("what?");
    until(&link_of->bad, 2);
    assert_string_equal(state_of(tunnel), "connected");
    serve("HTTP/1.1 500 No\r\n\r\n");
    until(&link_of->bad, 3);
    assert_string_equal(state_of(tunnel), "degraded");
    assert_true(has_logged("one: health check failed: status 503 (1 of 3)\n"));
    assert_true(has_logged("one: state connected -> degraded: the health check fails\n"));
    /* The connection is another one now; that does not make it well. */
    fake_lost(link_of, KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "dropped");
    world_mail();
    assert_string_equal(state_of(tunnel), "reconnecting");
    fake_state(link_of, KEEP_DEGRADED, 1, "up");
    world_mail();
    assert_string_equal(state_of(tunnel), "degraded");
    serve("HTTP/1.1 302 Found\r\n\r\n");
    until(&link_of->good, 2);
    assert_string_equal(state_of(tunnel), "connected");
    close_world();
}

static void test_it_ends_with_the_tunnel(void **state)
{
    (void)state;
    open_world("tcp 7s");
    int fd = accept_check(true);
    turn();
    tunnel_stop(tunnel);
    world_settle();
    fire_timer();
    assert_int_equal(link_of->good + link_of->bad, 0);
    sock_close(&fd);
    close_world();
}

static void test_no_answer_in_time(void **state)
{
    (void)state;
    open_world("http /health 7s");
    int fd = accept_check(false);
    fire_timer();
    assert_int_equal(link_of->bad, 1);
    assert_true(has_logged("no answer in time"));
    sock_close(&fd);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_a_service_that_waits),
        cmocka_unit_test(test_http_fails_and_comes_back),
        cmocka_unit_test(test_it_ends_with_the_tunnel),
        cmocka_unit_test(test_no_answer_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
