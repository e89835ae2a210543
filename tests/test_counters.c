/*
 * Numbers: rounds of questions to all connections, sums that outlive a connection, and the list of what is
 * open. Links are the test's own.
 */
#include "tests/no_memory.h"
#include "tests/tunnels_fake.h"

static unsigned done_count;

static void done(void *ctx)
{
    (void)ctx;
    done_count++;
}

/* The registry's timers are due: as when 200 ms have passed. */
static void fire_timers(void)
{
    struct loop_timer *timer;
    while ((timer = loop_expired(&world.loop, UINT64_MAX - 1)))
        tunnels_on_timer(world.t, timer);
}

static void open_world(void)
{
    done_count = 0;
    world_open("");
}

static void test_a_round_asks_all(void **state)
{
    (void)state;
    struct tunnels_refresh one = {.done = done}, two = {.done = done}, three = {.done = done};
    open_world();
    tunnels_refresh(world.t, &one);
    assert_int_equal(done_count, 1); /* there is nobody to ask */
    struct tunnel *a = add_local("a", "h1", 8001), *b = add_local("b", "h2", 8002);
    start_it(a);
    start_it(b);
    fake_connect(fake_links[0]);
    fake_connect(fake_links[1]);
    tunnels_refresh(world.t, &one);
    tunnels_refresh(world.t, &two); /* too late for this round: the numbers were on their way */
    assert_int_equal(fake_links[0]->snapshot_count, 1);
    fake_links[0]->forwards[0].stats.bytes_up = 10;
    fake_links[0]->forwards[0].stats.opened = 3;
    fake_links[0]->forwards[0].stats.open_now = 1;
    fake_numbers(fake_links[0], 0);
    world_mail();
    assert_int_equal(done_count, 1);
    fake_links[1]->forwards[0].stats.bytes_down = 20;
    fake_numbers(fake_links[1], 0);
    world_mail();
    assert_int_equal(done_count, 2);
    assert_int_equal(tunnel_status(a)->counters.bytes_up, 10);
    assert_int_equal(tunnel_status(a)->counters.opened, 3);
    assert_int_equal(tunnel_status(a)->counters.open_now, 1);
    assert_int_equal(tunnel_status(a)->counters.bytes_down, 0);
    assert_int_equal(tunnel_status(b)->counters.bytes_down, 20);
    assert_int_equal(tunnel_status(a)->rtt_us, 2600);
    assert_int_equal(fake_links[0]->snapshot_count, 1); /* the second round */
    tunnels_refresh(world.t, &three);
    tunnels_refresh_cancel(world.t, &three);
    fake_numbers(fake_links[0], 0);
    fake_numbers(fake_links[1], 0);
    world_mail();
    assert_int_equal(done_count, 3);
    assert_int_equal(fake_links[0]->snapshot_count, 0);
    world_close();
}

static void test_who_does_not_answer(void **state)
{
    (void)state;
    struct tunnels_refresh one = {.done = done};
    open_world();
    struct tunnel *a = add_local("a", "h1", 8001), *b = add_local("b", "h2", 8002);
    start_it(a);
    start_it(b);
    fake_connect(fake_links[0]);
    tunnels_refresh(world.t, &one);
    fake_links[0]->forwards[0].stats.bytes_up = 10;
    fake_numbers(fake_links[0], 0);
    world_mail();
    assert_int_equal(done_count, 0);
    fire_timers();
    assert_int_equal(done_count, 1);
    assert_int_equal(tunnel_status(a)->counters.bytes_up, 10);
    /* It comes after all, and ends no other round. */
    tunnels_refresh(world.t, &one);
    fake_numbers(fake_links[1], 0);
    fake_numbers(fake_links[0], 0);
    world_mail();
    assert_int_equal(done_count, 1);
    fake_numbers(fake_links[1], 0);
    world_mail();
    assert_int_equal(done_count, 2);
    world_close();
}

static void test_sums_outlive_their_connection(void **state)
{
    (void)state;
    struct tunnels_refresh one = {.done = done};
    open_world();
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    fake_connect(fake_links[0]);
    fake_links[0]->forwards[0].stats.bytes_up = 10;
    fake_links[0]->forwards[0].stats.refused = 2;
    fake_links[0]->forwards[0].stats.open_now = 4;
    tunnel_stop(a); /* the last numbers are asked for before the forward is told to go */
    world_settle();
    assert_int_equal(tunnel_status(a)->counters.bytes_up, 10);
    assert_int_equal(tunnel_status(a)->counters.refused, 2);
    assert_int_equal(tunnel_status(a)->counters.open_now, 0);
    start_it(a);
    fake_connect(fake_links[1]);
    fake_links[1]->forwards[0].stats.bytes_up = 5;
    tunnels_refresh(world.t, &one);
    fake_numbers(fake_links[1], 0);
    world_mail();
    assert_int_equal(tunnel_status(a)->counters.bytes_up, 15);
    fake_links[1]->forwards[0].stats.bytes_up = 2; /* another session of the same link */
    tunnels_refresh(world.t, &one);
    fake_numbers(fake_links[1], 0);
    world_mail();
    assert_int_equal(tunnel_status(a)->counters.bytes_up, 17);
    world_close();
}

/* ---- The list ---- */

struct listed {
    unsigned told;
    size_t count;
    bool has_tunnel, has_list;
    char client[32];
};

static void list(void *ctx, struct tunnel *tunnel, const struct tunnel_connection *connections, size_t count)
{
    struct listed *l = ctx;
    l->told++;
    l->count = count;
    l->has_tunnel = tunnel != NULL;
    l->has_list = connections != NULL;
    if (count > 0)
        (void)adit_format(l->client, sizeof l->client, "%s", connections[0].client);
}

static void test_the_list_of_connections(void **state)
{
    (void)state;
    struct listed mine = {0}, others = {0};
    struct tunnel_connections request = {&mine, list}, other = {&others, list};
    open_world();
    struct tunnel *a = add_local("a", "h", 8001), *b = add_local("b", "h", 8002);
    tunnels_connections(world.t, a, &request);
    assert_int_equal(mine.told, 1); /* it does not run */
    assert_true(mine.has_list);
    start_it(a);
    start_it(b);
    fake_connect(fake_links[0]);
    tunnels_connections(world.t, a, &request);
    tunnels_connections(world.t, b, &other);
    fake_numbers(fake_links[0], 2);
    fake_numbers(fake_links[0], 2);
    world_mail();
    assert_int_equal(mine.told, 2);
    assert_int_equal(mine.count, 2);
    assert_string_equal(mine.client, "127.0.0.1:999");
    assert_int_equal(others.told, 1);
    assert_int_equal(others.count, 0);
    /* More than there was room for: it asks again. */
    tunnels_connections(world.t, a, &request);
    fake_numbers(fake_links[0], 1000);
    world_mail();
    assert_int_equal(mine.told, 2);
    fake_numbers(fake_links[0], 1000);
    world_mail();
    assert_int_equal(mine.told, 3);
    assert_int_equal(mine.count, 1000);
    /* Nobody answers, and then somebody does. */
    tunnels_connections(world.t, a, &request);
    fire_timers();
    assert_int_equal(mine.told, 4);
    assert_int_equal(mine.count, 0);
    assert_true(mine.has_tunnel);
    fake_numbers(fake_links[0], 2);
    world_mail();
    assert_int_equal(mine.told, 4);
    /* It goes meanwhile. */
    tunnels_connections(world.t, a, &request);
    struct definition_error error;
    assert_true(tunnels_remove(world.t, a, &error));
    fake_numbers(fake_links[0], 2);
    world_mail();
    assert_int_equal(mine.told, 5);
    assert_false(mine.has_tunnel);
    assert_int_equal(mine.count, 0);
    world_close();
}

/* Whatever allocation fails: all of it is told, or that it cannot be had. */
static void list_is_whole(struct tunnel *u, size_t count)
{
    for (long n = 0, is_over = 0; !is_over; n++) {
        struct listed l = {0};
        no_memory_begin(n, false);
        tunnels_connections(world.t, u, &(struct tunnel_connections){&l, list});
        while (l.told == 0) {
            fake_numbers(fake_links[0], count);
            world_mail();
        }
        is_over = !no_memory_end();
        assert_int_equal(l.told, 1);
        assert_int_equal(l.has_list, is_over);
        assert_int_equal(l.count, is_over ? count : 0);
        world_mail();
    }
}

static void test_the_list_without_memory(void **state)
{
    (void)state;
    open_world();
    struct tunnel *u = add_local("a", "h", 8001);
    start_it(u);
    fake_connect(fake_links[0]);
    list_is_whole(u, 2);
    list_is_whole(u, 1000);
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_round_asks_all),
        cmocka_unit_test(test_who_does_not_answer),
        cmocka_unit_test(test_sums_outlive_their_connection),
        cmocka_unit_test(test_the_list_of_connections),
        cmocka_unit_test(test_the_list_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
