#include "forward/keystroke.h"

#include "tests/test.h"

enum { MS = 1000, TYPED = KEYSTROKE_TYPED_LEN };

/* The most that randomness can add, and nothing. */
static const uint64_t most = UINT64_MAX, none = 0;

static void test_off(void **state)
{
    struct keystroke k;
    (void)state;
    keystroke_init(&k, 0);
    assert_true(keystroke_may_send(&k));
    assert_false(keystroke_sent(&k, 1, 5, none));
    assert_true(keystroke_may_send(&k));
    assert_true(keystroke_deadline(&k) == UINT64_MAX);
    assert_int_equal(keystroke_look(&k, 1, 1000 * MS, none), KEYSTROKE_NOTHING);
}

/* The first key goes at once, what is typed then waits for the interval's end and goes together. */
static void test_keys(void **state)
{
    struct keystroke k;
    (void)state;
    keystroke_init(&k, 20);
    assert_true(keystroke_may_send(&k));
    assert_true(keystroke_sent(&k, 1, 100 * MS, none));
    assert_false(keystroke_may_send(&k));
    assert_int_equal(keystroke_deadline(&k), 118 * MS);
    assert_int_equal(keystroke_look(&k, 1, 118 * MS - 1, none), KEYSTROKE_NOTHING);
    assert_false(keystroke_may_send(&k));
    assert_int_equal(keystroke_look(&k, 3, 118 * MS, none), KEYSTROKE_SEND);
    assert_true(keystroke_may_send(&k));
    assert_false(keystroke_sent(&k, 3, 119 * MS, none));
    assert_false(keystroke_may_send(&k));
    assert_int_equal(keystroke_deadline(&k), 136 * MS);
}

/* Nothing typed: chaff at each interval's end, for so long after the last key. */
static void test_chaff(void **state)
{
    struct keystroke k;
    (void)state;
    keystroke_init(&k, 20);
    assert_true(keystroke_sent(&k, 1, 0, none));
    uint64_t now = 0, last_key = 500 * MS;
    uint32_t chaff = 0;
    enum keystroke_due due = KEYSTROKE_CHAFF;
    while (due != KEYSTROKE_STOP) {
        bool is_key = now < last_key && keystroke_deadline(&k) >= last_key;
        now = keystroke_deadline(&k);
        due = keystroke_look(&k, is_key ? 1 : 0, now, none);
        assert_int_equal(due == KEYSTROKE_SEND, is_key);
        if (is_key)
            last_key = now;
        if (is_key)
            assert_false(keystroke_sent(&k, 1, now, none));
        chaff += due == KEYSTROKE_CHAFF;
        assert_int_equal(k.chaff_count, chaff);
    }
    assert_true(now >= last_key + KEYSTROKE_CHAFF_MS * MS);
    assert_true(now < last_key + (KEYSTROKE_CHAFF_MS + 20) * MS);
    assert_true(keystroke_may_send(&k));
    assert_true(keystroke_deadline(&k) == UINT64_MAX);
    assert_true(keystroke_sent(&k, 1, now + 1000 * MS, most)); /* and anew */
    assert_int_equal(k.chaff_count, 0);
}

/* Every random number keeps interval and end within their bounds. */
static void test_randomness(void **state)
{
    uint64_t random = 1, least = UINT64_MAX, greatest = 0;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct keystroke k;
        random = random * 6364136223846793005U + 1442695040888963407U;
        keystroke_init(&k, 20);
        assert_true(keystroke_sent(&k, 1, 0, random ^ random >> 29));
        assert_true(k.next_us >= 18 * MS && k.next_us < 22 * MS);
        assert_true(k.until_us >= 1024 * MS && k.until_us < 3072 * MS);
        least = k.next_us < least ? k.next_us : least;
        greatest = k.next_us > greatest ? k.next_us : greatest;
    }
    assert_true(least < 19 * MS && greatest > 21 * MS);
}

/* A look that comes late begins the next interval then: nothing is made up for. */
static void test_late_look(void **state)
{
    struct keystroke k;
    (void)state;
    keystroke_init(&k, 20);
    assert_true(keystroke_sent(&k, 1, 0, none));
    assert_int_equal(keystroke_look(&k, 0, 200 * MS, none), KEYSTROKE_CHAFF);
    assert_int_equal(keystroke_deadline(&k), 218 * MS);
}

/* What was to be sent and was not there after all shuts the door again. */
static void test_nothing_there(void **state)
{
    struct keystroke k;
    (void)state;
    keystroke_init(&k, 20);
    assert_true(keystroke_sent(&k, 1, 0, none));
    assert_int_equal(keystroke_look(&k, 1, 20 * MS, none), KEYSTROKE_SEND);
    assert_false(keystroke_sent(&k, 0, 20 * MS, none));
    assert_false(keystroke_may_send(&k));
}

/* A paste ends the run, and is carried in pieces of any size. */
static void test_bulk(void **state)
{
    struct keystroke k;
    (void)state;
    keystroke_init(&k, 20);
    assert_false(keystroke_sent(&k, TYPED, 0, none)); /* all at once: no run begins */
    assert_true(keystroke_sent(&k, 1, 100 * MS, none));
    assert_int_equal(keystroke_look(&k, TYPED, 118 * MS, none), KEYSTROKE_STOP);
    for (uint64_t now = 118 * MS; now < 500 * MS; now += 2 * MS) {
        assert_true(keystroke_may_send(&k));
        assert_false(keystroke_sent(&k, 64, now, none));
    }
    assert_true(keystroke_sent(&k, 64, 600 * MS, none));
}

static void test_end_of_input(void **state)
{
    struct keystroke k;
    (void)state;
    keystroke_init(&k, 20);
    assert_true(keystroke_sent(&k, 1, 0, none));
    keystroke_end(&k);
    assert_int_equal(keystroke_look(&k, 1, 20 * MS, none), KEYSTROKE_SEND);
    assert_false(keystroke_sent(&k, 1, 20 * MS, none));
    keystroke_end(&k);
    assert_int_equal(keystroke_look(&k, 0, 40 * MS, none), KEYSTROKE_STOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),       cmocka_unit_test(test_keys),
        cmocka_unit_test(test_chaff),     cmocka_unit_test(test_randomness),
        cmocka_unit_test(test_late_look), cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_bulk),      cmocka_unit_test(test_end_of_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
