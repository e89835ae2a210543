#include "ssh/underway.h"

#include "tests/test.h"

enum { MIB = 1024 * 1024, LUMP = 48 * 1024, RTT_US = 1000 };

/* A peer that takes rate bytes a millisecond and grants them in lumps, while as much is sent as may be. */
static void carry_far(struct underway *u, uint32_t *window, uint32_t rate, uint32_t rtt_us, uint64_t from_us,
                      uint64_t to_us)
{
    uint64_t taken = 0, granted = 0;
    for (uint64_t now_us = from_us; now_us < to_us; now_us += 100) {
        uint32_t n = underway_room(u, *window);
        underway_sent(u, n);
        *window -= n;
        assert_int_equal(underway_room(u, *window), 0);
        uint64_t could = (now_us - from_us) * rate / 1000;
        taken = could < granted + u->len ? could : granted + u->len;
        if (taken - granted < LUMP)
            continue;
        *window += (uint32_t)(taken - granted);
        underway_granted(u, (uint32_t)(taken - granted), now_us, rtt_us, false);
        granted = taken;
    }
}

static void carry(struct underway *u, uint32_t *window, uint32_t rate, uint64_t from_us, uint64_t to_us)
{
    carry_far(u, window, rate, RTT_US, from_us, to_us);
}

static void test_no_bound_before_it_is_known(void **state)
{
    struct underway u = {0};
    (void)state;
    assert_int_equal(underway_room(&u, 0), 0);
    assert_int_equal(underway_room(&u, UINT32_MAX), UINT32_MAX);
    underway_sent(&u, 2 * MIB);
    assert_int_equal(underway_room(&u, 5), 5);
    for (uint64_t now_us = 1000; now_us < 100000; now_us += 1000)
        underway_granted(&u, 1000, now_us, 0, false); /* the round trip is not known */
    assert_int_equal(underway_room(&u, 5), 5);
    assert_int_equal(u.len, 2 * MIB - 99 * 1000);
    underway_granted(&u, 3 * MIB, 1, 0, false); /* a window that grew */
    assert_int_equal(u.len, 0);
}

/* 25 MB/s at 1 ms: two round trips' worth is less than the least. */
static void test_a_slow_reader_is_not_filled_up(void **state)
{
    struct underway u = {0};
    uint32_t window = 2 * MIB;
    (void)state;
    carry(&u, &window, 25000, 1000, 300000);
    assert_int_equal(u.most, UNDERWAY_LEAST);
    assert_true(u.len <= UNDERWAY_LEAST && window >= 2 * MIB - UNDERWAY_LEAST);
}

/* 1 GB/s: what the link carries is above the least, and twice that may be under way, so that it can grow; but
 * less of it the shorter the round trip is. */
static void test_a_fast_reader_is_kept_busy(void **state)
{
    static const struct {
        uint32_t rtt_us, most;
    } cases[] = {{10000, 19500 * 1000}, {1000, 1500 * 1000}, {500, 500 * 1000}, {300, 300 * 1000}};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct underway u = {0};
        uint32_t window = 32 * MIB;
        carry_far(&u, &window, 1000000, cases[i].rtt_us, 1000, 300000);
        assert_in_range(u.most, cases[i].most - cases[i].most / 8, cases[i].most + cases[i].most / 8);
    }
}

/* Nobody waits behind it: two milliseconds of it, however short the round trip is. */
static void test_alone(void **state)
{
    struct underway u = {0};
    (void)state;
    for (uint64_t now_us = 1000; now_us < 100000; now_us += 1000) {
        (void)underway_room(&u, 0);
        underway_granted(&u, 1000000, now_us, 300, true);
    }
    assert_in_range(u.most, 1900000, 2100000);
    for (uint64_t now_us = 100000; now_us < 200000; now_us += 1000) {
        (void)underway_room(&u, 0);
        underway_granted(&u, 100000, now_us, 300, true);
    }
    assert_int_equal(u.most, UNDERWAY_ALONE);
}

/* Grants that come in bunches, longer than a round trip and then none, are not taken for a faster reader: 1
 * GB/s. */
static void test_bunches_are_no_rate(void **state)
{
    struct underway u = {0};
    uint32_t largest = 0;
    (void)state;
    for (uint64_t now_us = 1000; now_us < 100000; now_us += 2000)
        for (uint64_t i = 0; i < 10; i++) {
            (void)underway_room(&u, 0);
            underway_granted(&u, 200000, now_us + i * 50, 300, false);
            largest = u.most > largest ? u.most : largest;
        }
    assert_in_range(largest, 300000, 400000);
}

/* From one bound to another as the reader changes; it never stops. */
static void test_follows_the_reader(void **state)
{
    struct underway u = {0};
    uint32_t window = 8 * MIB;
    (void)state;
    carry(&u, &window, 25000, 1000, 200000);
    assert_int_equal(u.most, UNDERWAY_LEAST);
    window += u.len; /* all of it was taken */
    underway_granted(&u, u.len, 200000, RTT_US, false);
    u.lump = LUMP;
    carry(&u, &window, 3000000, 200000, 400000);
    assert_true(u.most >= 1000 * 1000);
}

/* One that grants only when half of its window is used up must be sent that much. */
static void test_large_lumps_are_waited_for(void **state)
{
    struct underway u = {0};
    uint32_t window = 2 * MIB;
    (void)state;
    for (uint64_t now_us = 1000; now_us < 1000000; now_us += 1000) {
        uint32_t n = underway_room(&u, window);
        assert_true(n > 0 || u.len >= MIB);
        underway_sent(&u, n);
        window -= n;
        if (window > MIB)
            continue;
        uint32_t back = 2 * MIB - window;
        window += back;
        underway_granted(&u, back, now_us, 100, false);
    }
    assert_true(u.most == 0 || u.most >= 4u * MIB);
}

/* A sender that has little to say learns nothing from it. */
static void test_only_a_full_round_counts(void **state)
{
    struct underway u = {0};
    (void)state;
    for (uint64_t now_us = 1000; now_us < 100000; now_us += 1000) {
        assert_int_equal(underway_room(&u, 2 * MIB), 2 * MIB);
        underway_sent(&u, 1000);
        underway_granted(&u, 1000, now_us, RTT_US, false);
    }
    assert_int_equal(u.most, 0);
    assert_int_equal(underway_room(&u, 0), 0);
    underway_granted(&u, 1000, 900000, RTT_US, false); /* a pause says nothing, too */
    assert_int_equal(u.most, 0);
}

/* A peer that changes its habits: the bound gives way, and comes back with grants that come while little is
 * under way. */
static void test_a_bound_that_holds_too_long_gives_way(void **state)
{
    struct underway u = {0};
    uint32_t window = 2 * MIB;
    (void)state;
    carry(&u, &window, 25000, 1000, 300000);
    assert_true(underway_is_bound(&u, window));
    assert_false(underway_is_bound(&u, 0)); /* it is the window's turn */
    assert_false(underway_wait(&u));        /* grants came lately */
    assert_int_equal(underway_room(&u, window), 0);
    assert_true(underway_wait(&u));
    assert_int_equal(underway_room(&u, window), window);
    underway_sent(&u, window);
    underway_granted(&u, 0, 309999, RTT_US, false); /* no grant */
    assert_int_equal(underway_room(&u, UINT32_MAX), UINT32_MAX - u.len);
    window = u.len;
    underway_granted(&u, u.len, 310000, RTT_US, false);
    assert_int_equal(underway_room(&u, UINT32_MAX), window); /* that is enough for the next one */
    underway_sent(&u, 1000);
    underway_granted(&u, 1000, 310001, RTT_US, false);
    carry(&u, &window, 25000, 310001, 610000);
    assert_int_equal(u.most, UNDERWAY_LEAST);
    assert_true(u.len <= UNDERWAY_LEAST);
}

/* One that grants only while less than half of its window is left, but then every byte that its reader takes:
 * a slow reader makes it look as if it granted soon, a fast one shows that it does not. It may cost us a wait
 * of a second or two, once. */
static void test_half_a_window_and_a_changing_reader(void **state)
{
    struct underway u = {0};
    uint32_t window = 2 * MIB, waits = 0;
    uint64_t carried = 0, taken = 0;
    (void)state;
    for (uint64_t now_us = 1000; carried < 64u * MIB; now_us += 1000) {
        uint32_t n = underway_room(&u, window), used, rate = now_us / 500000 % 2 ? 1000 * 1000 : 16 * 1024;
        underway_sent(&u, n);
        window -= n;
        carried += n;
        assert_int_equal(underway_room(&u, window), 0);
        used = 2 * MIB - window;
        taken += rate < used - taken ? rate : used - taken;
        if (used > MIB && taken > 0) {
            window += (uint32_t)taken;
            underway_granted(&u, (uint32_t)taken, now_us, RTT_US, false);
            taken = 0;
        }
        if (now_us % 1000000 == 0 && underway_is_bound(&u, window))
            waits += underway_wait(&u);
        assert_true(now_us < 20u * 1000 * 1000);
    }
    assert_int_equal(waits, 1);
}

/* The link has become longer than the round trip that we know of: no bound holds it up. */
static void test_no_bound_on_a_long_link(void **state)
{
    struct underway u = {0};
    uint32_t window = 2 * MIB;
    uint64_t now_us = 300000;
    (void)state;
    carry(&u, &window, 25000, 1000, now_us);
    assert_int_equal(u.most, UNDERWAY_LEAST);
    for (int i = 0; i < 50; i++) { /* a window each 100 ms, in grants of 48 KiB */
        now_us += 100000;
        while (u.len > 0) {
            uint32_t n = u.len < LUMP ? u.len : LUMP;
            window += n;
            underway_granted(&u, n, now_us++, RTT_US, false);
        }
        assert_int_equal(underway_room(&u, window), window);
        underway_sent(&u, window);
        window = 0;
        assert_int_equal(underway_room(&u, window), 0);
    }
    window += u.len; /* short again: a bound comes back after a while */
    underway_granted(&u, u.len, now_us + 1000, RTT_US, false);
    carry(&u, &window, 25000, now_us + 2000, now_us + UNDERWAY_OFF_US / 2);
    assert_int_equal(u.most, 0);
    carry(&u, &window, 25000, now_us + UNDERWAY_OFF_US / 2, now_us + UNDERWAY_OFF_US + 300000);
    assert_int_equal(u.most, UNDERWAY_LEAST);
}

/* Grants that come in one batch come at one time. */
static void test_grants_at_one_time(void **state)
{
    (void)state;
    for (uint64_t start_us = 1000; start_us < 1002; start_us++) {
        struct underway u = {0};
        for (uint64_t now_us = start_us; now_us < 100000; now_us += 500)
            for (int i = 0; i < 3; i++) {
                (void)underway_room(&u, 0);
                underway_granted(&u, 1000, now_us, RTT_US, false);
                assert_false(u.is_off);
            }
        assert_int_equal(u.most, UNDERWAY_LEAST);
    }
}

/* The clock is kept modulo 2^32, and sums end at what they can hold. */
static void test_edges(void **state)
{
    static const uint32_t far_us = 10000;
    struct underway u = {0};
    (void)state;
    underway_granted(&u, 1, 0xfffffff0u, far_us, false);
    assert_int_equal(underway_room(&u, 0), 0);
    underway_granted(&u, UINT32_MAX, 0x100000000u + far_us - 15, far_us, false);
    assert_int_equal(u.most, UINT32_MAX);
    underway_sent(&u, UINT32_MAX);
    underway_sent(&u, UINT32_MAX);
    assert_int_equal(u.len, UINT32_MAX);
    assert_int_equal(underway_room(&u, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_bound_before_it_is_known),
        cmocka_unit_test(test_a_slow_reader_is_not_filled_up),
        cmocka_unit_test(test_a_fast_reader_is_kept_busy),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_bunches_are_no_rate),
        cmocka_unit_test(test_follows_the_reader),
        cmocka_unit_test(test_large_lumps_are_waited_for),
        cmocka_unit_test(test_only_a_full_round_counts),
        cmocka_unit_test(test_a_bound_that_holds_too_long_gives_way),
        cmocka_unit_test(test_half_a_window_and_a_changing_reader),
        cmocka_unit_test(test_no_bound_on_a_long_link),
        cmocka_unit_test(test_grants_at_one_time),
        cmocka_unit_test(test_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
