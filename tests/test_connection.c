/*
 * The registry with real links: threads, sessions and adit's own server role behind a listener on this
 * machine. Nothing waits for time: what is awaited is a state.
 */
#include "tests/tunnels_world.h"

#include "tests/session_server.h"

#include "ssh/known_hosts.h"

/* ---- The server ---- */

enum { SERVERS = 16 };

static struct {
    int listener;
    uint16_t port;
    pthread_t thread;
    struct key_secret key;
    atomic_bool is_over;
    atomic_uint accepted;
    pthread_mutex_t lock;
    struct server *servers[SERVERS];
    size_t count;
} far;

static void serve(int fd)
{
    struct server *v = calloc(1, sizeof *v);
    must(v != NULL && far.count < SERVERS);
    v->host_key = far.key;
    v->fd = fd;
    (void)pthread_mutex_lock(&far.lock);
    far.servers[far.count++] = v;
    must(pthread_create(&v->thread, NULL, server_thread, v) == 0);
    (void)pthread_mutex_unlock(&far.lock);
}

static void *accept_thread(void *arg)
{
    int fd;
    (void)arg;
    while ((fd = accept(far.listener, NULL, NULL)) >= 0 && !atomic_load(&far.is_over)) {
        atomic_fetch_add(&far.accepted, 1);
        serve(fd);
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void far_open(void)
{
    struct sock_addr a;
    struct drbg random;
    uint8_t seed[32] = {7};
    memset(&far, 0, sizeof far);
    assert_int_equal(pthread_mutex_init(&far.lock, NULL), 0);
    far.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(sock_addr_parse(&a, "127.0.0.1", 0));
    assert_int_equal(bind(far.listener, (struct sockaddr *)&a.storage, a.len), 0);
    assert_int_equal(listen(far.listener, 16), 0);
    assert_true(sock_local(far.listener, &a));
    far.port = sock_addr_port(&a);
    drbg_init(&random, seed);
    assert_true(key_generate(KEY_ED25519, &random, &far.key));
    assert_int_equal(pthread_create(&far.thread, NULL, accept_thread, NULL), 0);
}

/* All connections that there are. */
static void far_cut(void)
{
    (void)pthread_mutex_lock(&far.lock);
    for (size_t i = 0; i < far.count; i++)
        atomic_store(&far.servers[i]->die, true);
    (void)pthread_mutex_unlock(&far.lock);
}

static void far_close(void)
{
    atomic_store(&far.is_over, true);
    close(dial(AF_INET, far.port));
    (void)pthread_join(far.thread, NULL);
    close(far.listener);
    far_cut();
    for (size_t i = 0; i < far.count; i++) {
        (void)pthread_join(far.servers[i]->thread, NULL);
        free(far.servers[i]);
    }
    key_secret_wipe(&far.key);
}

static void write_known_hosts(void)
{
    uint8_t blob[KEY_PUBLIC_MAX], line[KEY_PUBLIC_MAX * 2 + 1];
    struct known_host_query query;
    struct wr w = wr_init(blob, sizeof blob), text = wr_init(line, sizeof line - 1);
    assert_true(key_secret_public(&far.key, &w));
    assert_true(known_host_query_init(&query, span_str("127.0.0.1"), far.port));
    assert_true(known_hosts_write(&text, &query, wr_done(&w)));
    line[wr_done(&text).n] = 0;
    write_text("known_hosts", (const char *)line, 0600);
}

/* ---- The registry, in its loop ---- */

static struct loop_fd box_fd;

static void turn(void)
{
    struct loop_timer *timer;
    struct loop_fd *f;
    assert_int_equal(loop_wait(&world.loop, loop_now_ms() + 1000, NULL), ADIT_E_OK);
    while ((f = loop_next(&world.loop)))
        if (f != &box_fd)
            tunnels_on_fd(world.t, f);
    world_mail();
    while ((timer = loop_expired(&world.loop, loop_now_ms())))
        tunnels_on_timer(world.t, timer);
}

static void until(const struct tunnel *u, enum keep_state state)
{
    while (tunnel_status(u)->state != state)
        turn();
}

static void open_all(bool is_known)
{
    char conf[1024];
    far_open();
    assert_int_equal(setenv("ADIT_TEST_PASSWORD", "secret", 1), 0);
    world_open("");
    /* Again, with paths that are known only now. */
    (void)adit_format(conf, sizeof conf,
                      "Profile pw\n User alice\n Auth password\n PasswordEnv ADIT_TEST_PASSWORD\n"
                      " UserKnownHostsFile %s/known_hosts\n GlobalKnownHostsFile none\n UpdateHostKeys no\n"
                      "Tunnel one\n Via 127.0.0.1:%u\n Profile pw\n LocalForward 0 target:1\n"
                      "Tunnel two\n Via 127.0.0.1:%u\n Profile pw\n DynamicForward 0\n",
                      world.folder, (unsigned)far.port, (unsigned)far.port);
    if (is_known)
        write_known_hosts();
    struct tunnels_reloaded counts;
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, &err), ADIT_E_OK);
    assert_int_equal(counts.added, 2);
    loop_fd_init(&box_fd, 1, NULL);
    assert_int_equal(loop_add(&world.loop, &box_fd, mailbox_fd(&world.box), &err), ADIT_E_OK);
}

static void close_all(void)
{
    tunnels_end(world.t);
    while (!tunnels_has_ended(world.t))
        turn();
    loop_del(&world.loop, &box_fd);
    world_wipe();
    far_close();
}

static int dial_tunnel(const struct tunnel *u)
{
    return dial(AF_INET, tunnel_status(u)->forwards[0].bound_port);
}

static void echo(int fd, const char *text)
{
    uint8_t got[64];
    size_t n = strlen(text);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    assert_int_equal(read_all(fd, got, n), n);
    assert_memory_equal(got, text, n);
}

static void tell(void *ctx)
{
    *(bool *)ctx = true;
}

static void refresh(void)
{
    bool is_done = false;
    struct tunnels_refresh r = {.ctx = &is_done, .done = tell};
    tunnels_refresh(world.t, &r);
    while (!is_done)
        turn();
}

struct listed {
    bool is_done;
    size_t count;
    char target[64];
};

static void list(void *ctx, struct tunnel *tunnel, const struct tunnel_connection *connections, size_t count)
{
    struct listed *l = ctx;
    (void)tunnel;
    l->is_done = true;
    l->count = count;
    if (count > 0)
        (void)adit_format(l->target, sizeof l->target, "%s", connections[0].target);
}

/* ---- Tests ---- */

static void test_bytes_are_counted(void **state)
{
    (void)state;
    struct listed listed = {0};
    struct tunnel_connections request = {&listed, list};
    open_all(true);
    struct tunnel *one = tunnels_find(world.t, "one"), *two = tunnels_find(world.t, "two");
    start_it(one);
    start_it(two);
    until(one, KEEP_CONNECTED);
    until(two, KEEP_CONNECTED);
    assert_int_equal(atomic_load(&far.accepted), 1); /* both by one connection */
    assert_non_null(tunnel_status(one)->kex);
    assert_non_null(tunnel_status(one)->host_key_fingerprint);
    assert_true(tunnel_status(one)->host_key_known);
    int fd = dial_tunnel(one);
    echo(fd, "hello");
    echo(fd, "again");
    while (tunnel_status(one)->counters.bytes_down < 10)
        refresh();
    assert_int_equal(tunnel_status(one)->counters.bytes_up, 10);
    assert_int_equal(tunnel_status(one)->counters.bytes_down, 10);
    assert_int_equal(tunnel_status(one)->counters.opened, 1);
    assert_int_equal(tunnel_status(one)->counters.open_now, 1);
    assert_int_equal(tunnel_status(two)->counters.opened, 0);
    while (listed.count == 0) {
        listed.is_done = false;
        tunnels_connections(world.t, one, &request);
        while (!listed.is_done)
            turn();
    }
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.target, "target:1");
    close(fd);
    tunnel_stop(one);
    struct definition_error error;
    start_it(one); /* the old listener goes first */
    until(one, KEEP_CONNECTED);
    assert_int_equal(atomic_load(&far.accepted), 1);
    assert_int_equal(tunnel_status(one)->counters.bytes_up, 10);
    assert_false(tunnel_start(one, &error));
    close_all();
}

static void test_a_loss_and_a_new_connection(void **state)
{
    (void)state;
    struct definition_error error;
    open_all(true);
    struct tunnel *one = tunnels_find(world.t, "one");
    start_it(one);
    until(one, KEEP_CONNECTED);
    uint16_t port = tunnel_status(one)->forwards[0].bound_port;
    far_cut();
    until(one, KEEP_RECONNECTING);
    assert_int_not_equal(tunnel_status(one)->last_error.code, ADIT_E_OK);
    assert_true(tunnel_reconnect(one, &error));
    until(one, KEEP_CONNECTED);
    assert_int_equal(tunnel_status(one)->forwards[0].bound_port, port);
    assert_int_equal(tunnel_status(one)->reconnects, 1);
    int fd = dial_tunnel(one);
    echo(fd, "hello");
    close(fd);
    assert_true(has_logged("one: state connected -> reconnecting: "));
    close_all();
}

static void test_an_unknown_key_and_trust(void **state)
{
    (void)state;
    struct definition_error error;
    char fingerprint[128];
    open_all(false);
    struct tunnel *one = tunnels_find(world.t, "one");
    start_it(one);
    until(one, KEEP_FAILED);
    const struct tunnel_status *s = tunnel_status(one);
    assert_true(s->permanent);
    assert_string_equal(adit_err_kind(s->last_error.code), "host-key");
    assert_true(s->host_key_can_be_trusted);
    assert_false(tunnel_trust(one, "SHA256:of another", &error));
    (void)adit_format(fingerprint, sizeof fingerprint, "%s", s->host_key_fingerprint);
    if (!tunnel_trust(one, fingerprint, &error))
        fail_msg("%s", error.message);
    until(one, KEEP_CONNECTED);
    assert_true(s->host_key_known);
    close_all();
}

static void test_the_end_in_the_middle(void **state)
{
    (void)state;
    open_all(true);
    struct tunnel *one = tunnels_find(world.t, "one");
    start_it(one);
    until(one, KEEP_CONNECTED);
    loop_del(&world.loop, &box_fd);
    world_wipe(); /* it waits for the threads */
    far_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_counted),
        cmocka_unit_test(test_a_loss_and_a_new_connection),
        cmocka_unit_test(test_an_unknown_key_and_trust),
        cmocka_unit_test(test_the_end_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
