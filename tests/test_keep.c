#include "test.h"

#include <string.h>

#include "client/keep.h"

enum { BEGIN = 1000 * 1000 };

static const struct adit_error cut = {ADIT_E_CLOSED, "the wire was cut"};
static const struct adit_error refused = {ADIT_E_CONNECT, "connection refused"};
static const struct adit_error denied = {ADIT_E_AUTH, "no key is welcome"};
static const struct adit_error let_go = {ADIT_E_OK, ""};

static struct keep_config exact(uint32_t max_retries)
{
    return (struct keep_config){.auto_reconnect = true, .max_retries = max_retries};
}

/* ---- Every situation and every input ---- */

/* In these nothing is due for some time, and everything after an hour. */
static void begin(struct keep *k, bool auto_reconnect, bool is_lazy, uint32_t max_retries)
{
    const struct keep_config config = {.auto_reconnect = auto_reconnect,
                                       .is_lazy = is_lazy,
                                       .max_retries = max_retries,
                                       .first_ms = 100 * 1000,
                                       .cap_ms = 100 * 1000};
    keep_init(k, &config);
    (void)!keep_start(k, BEGIN);
}

static void lose(struct keep *k, const struct adit_error *why)
{
    (void)!keep_lost(k, BEGIN, why, true);
}

static void in_off(struct keep *k)
{
    begin(k, true, false, 3);
    (void)!keep_stop(k);
}

static void in_idle(struct keep *k)
{
    begin(k, true, true, 3);
}

static void in_idle_without_port(struct keep *k)
{
    in_idle(k);
    keep_missing(k, BEGIN, 1);
}

static void in_connecting(struct keep *k)
{
    begin(k, true, false, 3);
}

static void in_reached(struct keep *k)
{
    in_connecting(k);
    keep_reached(k);
}

static void in_connecting_without_port(struct keep *k)
{
    in_reached(k);
    keep_missing(k, BEGIN, 1);
}

static void in_connected(struct keep *k)
{
    in_connecting(k);
    keep_up(k, BEGIN);
}

static void in_waiting(struct keep *k)
{
    in_connected(k);
    lose(k, &cut);
}

static void in_retrying(struct keep *k)
{
    in_waiting(k);
    (void)!keep_network_changed(k, BEGIN + 1000);
}

static void in_suspect(struct keep *k)
{
    in_connected(k);
    keep_suspect(k, BEGIN);
}

static void in_degraded(struct keep *k)
{
    in_connected(k);
    keep_missing(k, BEGIN, 1);
}

static void in_unhealthy(struct keep *k)
{
    begin(k, false, false, 3);
    keep_up(k, BEGIN);
    for (int i = 0; i < KEEP_HEALTH_FAILURES; i++)
        assert_int_equal(keep_health(k, BEGIN, false), KEEP_DO_NOTHING);
}

static void in_lazy_connected(struct keep *k)
{
    in_idle(k);
    (void)!keep_wanted(k, BEGIN);
    keep_up(k, BEGIN);
}

static void in_lazy_settled(struct keep *k)
{
    in_idle(k);
    (void)!keep_wanted(k, BEGIN - KEEP_SETTLED_MS);
    keep_up(k, BEGIN - KEEP_SETTLED_MS);
}

static void in_dropping_to_connect(struct keep *k)
{
    in_connected(k);
    (void)!keep_reconnect(k, BEGIN);
}

static void in_dropping_unhealthy(struct keep *k)
{
    in_connected(k);
    for (int i = 0; i < KEEP_HEALTH_FAILURES; i++)
        (void)!keep_health(k, BEGIN, false);
}

static void in_gave_up(struct keep *k)
{
    begin(k, true, false, 1);
    lose(k, &refused);
    (void)!keep_due(k, BEGIN + 100 * 1000);
    lose(k, &refused);
}

static void in_failed_for_good(struct keep *k)
{
    in_connecting(k);
    lose(k, &denied);
}

static void in_failed_without_reconnect(struct keep *k)
{
    begin(k, false, false, 3);
    keep_up(k, BEGIN);
    lose(k, &cut);
}

enum input {
    START,
    STOP,
    RECONNECT,
    WANTED,
    REACHED,
    UP,
    LOST,
    LOST_NO_ROUTE,
    LOST_PERMANENT,
    LOST_OK,
    MISSING,
    WHOLE,
    ALIVE,
    SUSPECT,
    HEALTHY,
    SICK,
    NETWORK,
    RESUMED,
    FILE_CHANGED,
    SOON,
    LATER,
    INPUTS
};

static const char *const input_names[INPUTS] = {
    "start",        "stop",           "reconnect",       "wanted",   "reached",         "up",
    "lost",         "lost, no route", "lost, permanent", "lost, ok", "missing",         "whole",
    "alive",        "suspect",        "healthy",         "sick",     "network changed", "resumed",
    "file changed", "due soon",       "due later"};

static unsigned sick(struct keep *k, uint64_t now)
{
    unsigned todo = KEEP_DO_NOTHING;
    for (int i = 0; i < KEEP_HEALTH_FAILURES; i++)
        todo |= keep_health(k, now, false);
    return todo;
}

static unsigned say(struct keep *k, enum input input, uint64_t now)
{
    switch (input) {
    case START:
        return keep_start(k, now);
    case STOP:
        return keep_stop(k);
    case RECONNECT:
        return keep_reconnect(k, now);
    case WANTED:
        return keep_wanted(k, now);
    case LOST:
        return keep_lost(k, now, &cut, true);
    case LOST_NO_ROUTE:
        return keep_lost(k, now, &cut, false);
    case LOST_PERMANENT:
        return keep_lost(k, now, &denied, true);
    case LOST_OK:
        return keep_lost(k, now, &let_go, true);
    case HEALTHY:
        return keep_health(k, now, true);
    case SICK:
        return sick(k, now);
    case NETWORK:
        return keep_network_changed(k, now);
    case RESUMED:
        return keep_resumed(k, now);
    case FILE_CHANGED:
        return keep_file_changed(k, now);
    case SOON:
        return keep_due(k, now);
    case LATER:
        return keep_due(k, now + 3600 * 1000);
    case REACHED:
        keep_reached(k);
        break;
    case UP:
        keep_up(k, now);
        break;
    case MISSING:
        keep_missing(k, now, 1);
        break;
    case WHOLE:
        keep_missing(k, now, 0);
        break;
    case ALIVE:
        keep_alive(k, now);
        break;
    case SUSPECT:
        keep_suspect(k, now);
        break;
    case INPUTS:
        break;
    }
    return KEEP_DO_NOTHING;
}

/* What must come of each input, in the order of enum input: the state's letter, and what is to be done.
 * d disconnected, i idle, c connecting, C connected, s suspect, g degraded, r reconnecting, f failed;
 * L listen, C connect, D drop, P probe, F retry forwards, U unlisten, S stop. */
static const char state_letters[] = "dicCsgrf", todo_letters[] = "LCDPFUS";

static const struct {
    const char *name;
    void (*in)(struct keep *k);
    const char *after;
} table[] = {
    {"off", in_off, "c:LC d c:LC d d d d d d d d d d d d d d d d d d"},
    {"idle", in_idle, "i d:S c:C c:C i i i i i i r i i i i i i i i i i"},
    {"idle without a port", in_idle_without_port, "r d:S r:C r:C r r r r r r r i r r r r r:F r:F r r r:F"},
    {"connecting", in_connecting, "c d:S r:D c c C r r f:U r r c c c c c r:D r:D c c c"},
    {"connecting, reached", in_reached, "c d:S r:D c c C r r f:U r r c c c c c c c c c c"},
    {"connecting without a port", in_connecting_without_port,
     "r d:S r:D r r g r r f:U r r c r r r r r:F r:F r r r:F"},
    {"waiting", in_waiting, "r d:S c:C r r r r r r r r r r r r r r:C r:C r r r:C"},
    {"retrying", in_retrying, "r d:S r:D r r C r r f:U r r r r r r r r:D r:D r r r"},
    {"connected", in_connected, "C d:S r:D C C C r r f:U r g C C s C r:D C:P s:P C C C"},
    {"suspect", in_suspect, "s d:S r:D s s s r r f:U r s s C s C r:D s:P s:P s s s"},
    {"degraded", in_degraded, "g d:S r:D g g g r r f:U r g C g s g r:D g:PF s:PF g g g:F"},
    {"unhealthy, no reconnect", in_unhealthy, "g d:S r:D g g g f:U f:U f:U f:U g g g s C g g:P s:P g g g"},
    {"lazy, connected", in_lazy_connected, "C d:S r:D C C C r r f:U i g C C s C r:D C:P s:P C C C"},
    {"lazy, settled", in_lazy_settled, "C d:S r:D C C C i i f:U i g C C s C r:D C:P s:P C C C"},
    {"dropping to connect", in_dropping_to_connect, "r d:S r r r r c:C c:C f:U c:C r r r r r r r r r r r"},
    {"dropping, unhealthy", in_dropping_unhealthy, "r d:S r r r r r r f:U r r r r r r r r r r r r"},
    {"gave up", in_gave_up, "c:LC d:S c:LC f f f f f f f f f f f f f f f f f f"},
    {"failed for good", in_failed_for_good, "c:LC d:S c:LC f f f f f f f f f f f f f f f c:LC f r:LC"},
    {"failed, no reconnect", in_failed_without_reconnect,
     "c:LC d:S c:LC f f f f f f f f f f f f f f f f f f"},
};

static void describe(char out[16], enum keep_state state, unsigned todo)
{
    size_t n = 0;
    out[n++] = state_letters[state];
    if (todo != 0)
        out[n++] = ':';
    for (size_t bit = 0; bit < sizeof todo_letters - 1; bit++)
        if (todo & 1u << bit)
            out[n++] = todo_letters[bit];
    out[n] = 0;
}

/* Takes the next word of a row. */
static void expected(const char **row, char out[16])
{
    size_t n = strcspn(*row, " ");
    assert_in_range(n, 1, 15);
    memcpy(out, *row, n);
    out[n] = 0;
    *row += n + ((*row)[n] == ' ');
}

static void test_every_input_in_every_situation(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < ADIT_COUNT(table); i++) {
        const char *row = table[i].after;
        for (size_t input = 0; input < INPUTS; input++) {
            struct keep k;
            char got[16], want[16];
            table[i].in(&k);
            unsigned todo = say(&k, (enum input)input, BEGIN + 5000);
            describe(got, keep_state(&k), todo);
            expected(&row, want);
            if (strcmp(got, want) == 0)
                continue;
            wrong++;
            print_message("%s: %s: '%s', not '%s'\n", table[i].name, input_names[input], got, want);
        }
        assert_int_equal(*row, 0);
    }
    assert_int_equal(wrong, 0);
}

/* ---- When it tries ---- */

/* Fails the present try, which began at *now, after ms; goes to the next one and returns how long that took.
 */
static uint64_t next_try(struct keep *k, uint64_t *now, uint64_t ms)
{
    *now += ms;
    assert_int_equal(keep_lost(k, *now, &refused, true), KEEP_DO_NOTHING);
    assert_int_equal(keep_state(k), KEEP_RECONNECTING);
    uint64_t at = keep_next(k), waited = at - *now;
    assert_int_equal(at, k->try_at);
    assert_int_equal(keep_due(k, at - 1), KEEP_DO_NOTHING);
    assert_int_equal(keep_due(k, at), KEEP_DO_CONNECT);
    *now = at;
    return waited;
}

static void start(struct keep *k, const struct keep_config *config)
{
    keep_init(k, config);
    assert_int_equal(keep_state(k), KEEP_DISCONNECTED);
    assert_int_equal(keep_next(k), KEEP_NEVER);
    assert_int_equal(keep_start(k, BEGIN), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
    assert_int_equal(keep_state(k), KEEP_CONNECTING);
}

static void test_back_off(void **state)
{
    (void)state;
    static const uint64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    const struct keep_config config = exact(0);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (size_t i = 0; i < ADIT_COUNT(seconds); i++) {
        assert_int_equal(next_try(&k, &now, 300), 1000 * seconds[i]);
        assert_int_equal(k.retry_count, i + 1);
    }
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(next_try(&k, &now, 0), 60000);
}

static void test_back_off_settings(void **state)
{
    (void)state;
    static const uint64_t ms[] = {2000, 4000, 8000, 16000, 30000, 30000};
    struct keep_config config = exact(0);
    struct keep k;
    uint64_t now = BEGIN;
    config.first_ms = 2000;
    config.cap_ms = 30000;
    start(&k, &config);
    for (size_t i = 0; i < ADIT_COUNT(ms); i++)
        assert_int_equal(next_try(&k, &now, 1), ms[i]);
    /* A first delay above the cap, and the largest there can be. */
    config.first_ms = config.cap_ms = UINT32_MAX;
    keep_configure(&k, &config);
    assert_int_equal(next_try(&k, &now, 1), UINT32_MAX);
    config.cap_ms = 500;
    keep_configure(&k, &config);
    assert_int_equal(next_try(&k, &now, 1), 500);
}

static void test_full_jitter(void **state)
{
    (void)state;
    size_t low = 0, high = 0, same = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct keep_config config = exact(0);
        struct keep k, other;
        uint64_t now = BEGIN, other_now = BEGIN;
        config.jitter_percent = 100;
        config.seed = seed;
        start(&k, &config);
        config.seed += 1000;
        start(&other, &config);
        for (uint64_t cap = 1000; cap <= 32000; cap *= 2) {
            uint64_t waited = next_try(&k, &now, 1);
            assert_in_range(waited, 1, cap);
            low += waited < cap / 2;
            high += waited >= cap / 2;
            same += waited == next_try(&other, &other_now, 1);
        }
    }
    /* Half of 1,200 are in each half; so far from it they would not be by chance. */
    assert_in_range(low, 450, 750);
    assert_in_range(high, 450, 750);
    assert_in_range(same, 0, 20);
}

static void test_some_jitter(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct keep_config config = exact(0);
        struct keep k;
        uint64_t now = BEGIN;
        config.jitter_percent = seed % 2 ? 25 : 1000;
        config.seed = seed;
        start(&k, &config);
        assert_in_range(next_try(&k, &now, 1), seed % 2 ? 750 : 1, 1000);
    }
}

/* ---- How often ---- */

static void test_max_retries(void **state)
{
    (void)state;
    for (uint32_t max = 1; max <= 5; max++) {
        const struct keep_config config = exact(max);
        struct keep k;
        uint64_t now = BEGIN;
        start(&k, &config);
        for (uint32_t i = 1; i <= max; i++) {
            next_try(&k, &now, 10);
            assert_int_equal(k.retry_count, i);
        }
        assert_int_equal(keep_lost(&k, now, &refused, true), KEEP_DO_UNLISTEN);
        assert_int_equal(keep_state(&k), KEEP_FAILED);
        assert_int_equal(k.retry_count, max);
        assert_true(k.gave_up && !k.is_permanent);
        assert_int_equal(keep_next(&k), KEEP_NEVER);
        assert_int_equal(k.last_error.code, ADIT_E_CONNECT);
        assert_string_equal(k.last_error.text, "connection refused");
        assert_int_equal(k.last_error_at, now);
    }
}

/* After a loss there are as many, and the first comes after the first delay. */
static void test_max_retries_after_a_loss(void **state)
{
    (void)state;
    const struct keep_config config = exact(2);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    keep_up(&k, now);
    assert_int_equal(next_try(&k, &now, 3600 * 1000), 1000);
    assert_int_equal(next_try(&k, &now, 10), 2000);
    assert_int_equal(keep_lost(&k, now, &refused, true), KEEP_DO_UNLISTEN);
    assert_int_equal(k.retry_count, 2);
    assert_true(k.gave_up);
}

/* A loss is not a try: that there is no route any more, most losses say. */
static void test_losses_without_a_route(void **state)
{
    (void)state;
    const struct keep_config config = exact(2);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (uint32_t i = 1; i <= 2; i++) {
        keep_up(&k, now);
        assert_int_equal(keep_lost(&k, now, &cut, false), KEEP_DO_NOTHING);
        assert_int_equal(k.retry_count, i);
        now = keep_next(&k);
        assert_int_equal(keep_due(&k, now), KEEP_DO_CONNECT);
    }
    keep_up(&k, now);
    assert_int_equal(keep_lost(&k, now, &cut, false), KEEP_DO_UNLISTEN);
}

static void test_tries_without_a_route(void **state)
{
    (void)state;
    const struct keep_config config = exact(2);
    struct keep k;
    uint64_t now = BEGIN, waited = 0;
    start(&k, &config);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(keep_lost(&k, now, &refused, false), KEEP_DO_NOTHING);
        assert_int_equal(keep_state(&k), KEEP_RECONNECTING);
        assert_int_equal(k.retry_count, 1);
        waited = keep_next(&k) - now;
        now = keep_next(&k);
        assert_int_equal(keep_due(&k, now), KEEP_DO_CONNECT);
    }
    assert_int_equal(waited, 60000);
    /* With a route again they count: this was the first, and there is one more. */
    next_try(&k, &now, 1);
    assert_int_equal(k.retry_count, 2);
    assert_int_equal(keep_lost(&k, now, &refused, false), KEEP_DO_NOTHING);
    assert_int_equal(k.retry_count, 2);
    now = keep_next(&k);
    assert_int_equal(keep_due(&k, now), KEEP_DO_CONNECT);
    assert_int_equal(keep_lost(&k, now, &refused, true), KEEP_DO_UNLISTEN);
    assert_int_equal(k.retry_count, 2);
}

/* Up for 30 s: the count goes back, by itself. */
static void test_count_back_to_zero(void **state)
{
    (void)state;
    const struct keep_config config = exact(3);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    next_try(&k, &now, 1);
    next_try(&k, &now, 1);
    keep_up(&k, now);
    assert_int_equal(k.retry_count, 2);
    assert_int_equal(k.up_at, now);
    assert_int_equal(keep_next(&k), now + 30000);
    assert_int_equal(keep_due(&k, now + 29999), KEEP_DO_NOTHING);
    assert_int_equal(k.retry_count, 2);
    assert_int_equal(keep_due(&k, now + 30000), KEEP_DO_NOTHING);
    assert_int_equal(k.retry_count, 0);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_int_equal(next_try(&k, &now, 30001), 1000);
    assert_int_equal(k.retry_count, 1);
}

/* A server that takes us and drops us again and again is not hammered, and in the end given up. */
static void test_short_connections_count_on(void **state)
{
    (void)state;
    const struct keep_config config = exact(3);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (uint32_t i = 1; i <= 3; i++) {
        keep_up(&k, now);
        assert_int_equal(next_try(&k, &now, 29999), 500u << i);
        assert_int_equal(k.retry_count, i);
    }
    keep_up(&k, now);
    assert_int_equal(keep_lost(&k, now + 29999, &cut, true), KEEP_DO_UNLISTEN);
    assert_true(k.gave_up);
}

/* Time in which nobody answers is not time connected. */
static void test_suspect_does_not_settle(void **state)
{
    (void)state;
    const struct keep_config config = exact(1);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    next_try(&k, &now, 1);
    keep_up(&k, now);
    keep_suspect(&k, now + 20000);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_int_equal(keep_due(&k, now + 40000), KEEP_DO_NOTHING);
    assert_int_equal(k.retry_count, 1);
    keep_alive(&k, now + 41000);
    assert_int_equal(k.retry_count, 0);
    assert_int_equal(keep_state(&k), KEEP_CONNECTED);
    /* Suspect after it was settled: that stays. */
    keep_suspect(&k, now + 50000);
    assert_int_equal(keep_lost(&k, now + 60000, &cut, true), KEEP_DO_NOTHING);
    assert_int_equal(k.retry_count, 1);
    assert_int_equal(keep_state(&k), KEEP_RECONNECTING);
    /* The same when the owner is late. */
    now = keep_next(&k);
    assert_int_equal(keep_due(&k, now), KEEP_DO_CONNECT);
    keep_up(&k, now);
    keep_suspect(&k, now + 30000);
    assert_int_equal(k.retry_count, 0);
}

/* ---- What no retry mends ---- */

static void test_permanent_errors(void **state)
{
    (void)state;
    for (int code = ADIT_E_OK + 1; code < ADIT_E_COUNT; code++) {
        const struct keep_config config = exact(0);
        const struct adit_error why = {(enum adit_err)code, ""};
        struct keep k;
        start(&k, &config);
        unsigned todo = keep_lost(&k, BEGIN + 7, &why, true);
        bool is_permanent = !adit_err_may_retry(why.code);
        assert_int_equal(todo, is_permanent ? KEEP_DO_UNLISTEN : KEEP_DO_NOTHING);
        assert_int_equal(k.is_permanent, is_permanent);
        assert_int_equal(k.retry_count, is_permanent ? 0 : 1);
        assert_int_equal(keep_next(&k), BEGIN + 7 + (is_permanent ? 15 * 60 * 1000 : 1000));
        assert_int_equal(k.last_error.code, code);
        assert_string_equal(k.last_error.text, adit_err_sentence(why.code));
    }
}

static void test_permanent_is_tried_late(void **state)
{
    (void)state;
    const struct keep_config config = exact(2);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (uint32_t i = 1; i <= 2; i++) {
        assert_int_equal(keep_lost(&k, now, &denied, true), KEEP_DO_UNLISTEN);
        assert_int_equal(keep_due(&k, now + 15 * 60 * 1000 - 1), KEEP_DO_NOTHING);
        now += 15 * 60 * 1000;
        assert_int_equal(keep_due(&k, now), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
        assert_int_equal(k.retry_count, i);
        assert_int_equal(keep_state(&k), KEEP_RECONNECTING);
        assert_false(k.is_permanent);
    }
    assert_int_equal(keep_lost(&k, now, &denied, true), KEEP_DO_UNLISTEN);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_true(k.is_permanent);
    /* Another file, or somebody who asks, begins anew. */
    assert_int_equal(keep_file_changed(&k, now), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
    assert_int_equal(k.retry_count, 0);
    assert_int_equal(keep_state(&k), KEEP_CONNECTING);
    assert_int_equal(keep_lost(&k, now, &denied, true), KEEP_DO_UNLISTEN);
    assert_int_equal(keep_next(&k), now + 15 * 60 * 1000);
    assert_int_equal(keep_reconnect(&k, now), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
}

/* A mended one goes on as if nothing had been. */
static void test_permanent_after_up(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    start(&k, &config);
    keep_up(&k, BEGIN);
    assert_int_equal(keep_lost(&k, BEGIN + 1, &denied, true), KEEP_DO_UNLISTEN);
    assert_string_equal(k.last_error.text, "no key is welcome");
    assert_int_equal(keep_due(&k, BEGIN + 1 + 15 * 60 * 1000), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
    keep_up(&k, BEGIN + 1 + 15 * 60 * 1000);
    assert_int_equal(keep_state(&k), KEEP_CONNECTED);
    /* The error is told as the last one there was. */
    assert_int_equal(k.last_error.code, ADIT_E_AUTH);
    assert_int_equal(k.last_error_at, BEGIN + 1);
}

/* A try that was given up for another may have failed for good before it heard of that. */
static void test_permanent_while_dropping(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    start(&k, &config);
    assert_int_equal(keep_reconnect(&k, BEGIN + 10), KEEP_DO_DROP);
    assert_int_equal(keep_lost(&k, BEGIN + 11, &denied, true), KEEP_DO_UNLISTEN);
    assert_true(k.is_permanent);
}

/* ---- Without auto_reconnect ---- */

static void test_no_auto_reconnect(void **state)
{
    (void)state;
    const struct keep_config config = {.auto_reconnect = false};
    struct keep k;
    start(&k, &config);
    keep_up(&k, BEGIN);
    assert_int_equal(keep_lost(&k, BEGIN + 1, &cut, true), KEEP_DO_UNLISTEN);
    assert_int_equal(keep_state(&k), KEEP_FAILED);
    assert_string_equal(k.last_error.text, "Connection lost (auto_reconnect disabled)");
    assert_string_equal(adit_err_kind(k.last_error.code), "transport");
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_false(k.gave_up || k.is_permanent);
    assert_int_equal(keep_network_changed(&k, BEGIN + 2), KEEP_DO_NOTHING);
    /* A try that fails tells why: no connection was lost. */
    assert_int_equal(keep_reconnect(&k, BEGIN + 3), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
    assert_int_equal(keep_lost(&k, BEGIN + 4, &refused, true), KEEP_DO_UNLISTEN);
    assert_string_equal(k.last_error.text, "connection refused");
    /* Nor is one tried again that failed for good. */
    assert_int_equal(keep_start(&k, BEGIN + 5), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
    assert_int_equal(keep_lost(&k, BEGIN + 6, &denied, true), KEEP_DO_UNLISTEN);
    assert_true(k.is_permanent);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_int_equal(keep_file_changed(&k, BEGIN + 7), KEEP_DO_NOTHING);
    /* And what ended a connection for good is told. */
    assert_int_equal(keep_start(&k, BEGIN + 8), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
    keep_up(&k, BEGIN + 9);
    assert_int_equal(keep_lost(&k, BEGIN + 10, &denied, true), KEEP_DO_UNLISTEN);
    assert_string_equal(k.last_error.text, "no key is welcome");
}

/* ---- Changes of the network ---- */

static void test_network_ends_a_wait(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (int i = 0; i < 8; i++)
        next_try(&k, &now, 10);
    assert_int_equal(keep_lost(&k, now + 5000, &refused, true), KEEP_DO_NOTHING);
    assert_int_equal(keep_next(&k), now + 65000);
    assert_int_equal(keep_network_changed(&k, now + 6000), KEEP_DO_CONNECT);
    assert_int_equal(k.retry_count, 9);
    /* The network is young: after this the steps are small again. */
    now += 6000;
    assert_int_equal(next_try(&k, &now, 1), 1000);
    assert_int_equal(next_try(&k, &now, 1), 2000);
}

/* Changes that never end bring one try a second, each within a second. */
static void test_network_changes_without_end(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    size_t tries = 0;
    start(&k, &config);
    keep_reached(&k);
    (void)!keep_lost(&k, BEGIN, &refused, true);
    for (uint64_t now = BEGIN; now < BEGIN + 20000; now += 10) {
        if (keep_network_changed(&k, now) == KEEP_DO_NOTHING)
            continue;
        tries++;
        keep_reached(&k);
        assert_int_equal(keep_lost(&k, now, &refused, true), KEEP_DO_NOTHING);
        assert_int_equal(k.try_at, now + 1000);
    }
    assert_int_equal(tries, 19);
}

static void test_network_soon_after_a_try(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (int i = 0; i < 3; i++)
        next_try(&k, &now, 10);
    (void)!keep_lost(&k, now + 100, &refused, true);
    assert_int_equal(keep_network_changed(&k, now + 300), KEEP_DO_NOTHING);
    assert_int_equal(keep_next(&k), now + 1000);
    assert_int_equal(keep_due(&k, now + 1000), KEEP_DO_CONNECT);
}

/* The server has not answered yet, perhaps because we asked on the old network: another try, which does not
 * count. */
static void test_network_during_a_try(void **state)
{
    (void)state;
    const struct keep_config config = exact(1);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    next_try(&k, &now, 10);
    assert_int_equal(keep_network_changed(&k, now + 400), KEEP_DO_NOTHING);
    assert_int_equal(keep_next(&k), now + 1000);
    assert_int_equal(keep_due(&k, now + 1000), KEEP_DO_DROP);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    keep_up(&k, now + 1001); /* was on its way when it was dropped */
    assert_int_equal(keep_state(&k), KEEP_RECONNECTING);
    assert_int_equal(keep_lost(&k, now + 1002, &cut, true), KEEP_DO_CONNECT);
    assert_int_equal(k.retry_count, 1);
    assert_string_equal(k.last_error.text, "connection refused");
    /* Late in a try: at once. */
    assert_int_equal(keep_network_changed(&k, now + 9000), KEEP_DO_DROP);
}

/* One that answered may go on; should it fail, the next comes soon. */
static void test_network_during_an_answered_try(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (int i = 0; i < 5; i++)
        next_try(&k, &now, 10);
    keep_reached(&k);
    assert_int_equal(keep_network_changed(&k, now + 2000), KEEP_DO_NOTHING);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_int_equal(keep_lost(&k, now + 5000, &cut, true), KEEP_DO_NOTHING);
    assert_int_equal(keep_next(&k), now + 5000);
    assert_int_equal(keep_due(&k, now + 5000), KEEP_DO_CONNECT);
}

static void test_resumed(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    start(&k, &config);
    keep_up(&k, BEGIN);
    assert_int_equal(keep_resumed(&k, BEGIN + 1), KEEP_DO_PROBE);
    assert_int_equal(keep_state(&k), KEEP_SUSPECT);
    keep_alive(&k, BEGIN + 2);
    assert_int_equal(keep_state(&k), KEEP_CONNECTED);
}

/* ---- Forwards and health ---- */

static void test_missing_forwards(void **state)
{
    (void)state;
    static const uint64_t seconds[] = {1, 2, 4, 8, 10, 10};
    const struct keep_config config = exact(1);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    keep_missing(&k, now, 2);
    assert_int_equal(keep_state(&k), KEEP_RECONNECTING);
    keep_up(&k, now);
    assert_int_equal(keep_state(&k), KEEP_DEGRADED);
    (void)!keep_due(&k, now);
    for (size_t i = 0; i < ADIT_COUNT(seconds); i++) {
        uint64_t at = keep_next(&k);
        if (at == BEGIN + KEEP_SETTLED_MS) {
            assert_int_equal(keep_due(&k, at), KEEP_DO_NOTHING);
            at = keep_next(&k);
        }
        assert_int_equal(at, now + 1000 * seconds[i]);
        now = at;
        assert_int_equal(keep_due(&k, now), KEEP_DO_RETRY_FORWARDS);
        keep_missing(&k, now, i < 2 ? 2 : 1);
        assert_int_equal(keep_state(&k), KEEP_DEGRADED);
        assert_int_equal(k.retry_count, 0); /* these are not connections */
    }
    keep_missing(&k, now, 0);
    assert_int_equal(keep_state(&k), KEEP_CONNECTED);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    /* The next time begins with small steps. */
    keep_missing(&k, now, 1);
    assert_int_equal(keep_next(&k), now + 1000);
}

/* Local ports are tried for while there is no connection too. */
static void test_missing_forwards_while_down(void **state)
{
    (void)state;
    struct keep_config config = exact(0);
    struct keep k;
    config.first_ms = 20000;
    start(&k, &config);
    (void)!keep_lost(&k, BEGIN, &refused, true);
    keep_missing(&k, BEGIN, 1);
    assert_int_equal(keep_next(&k), BEGIN + 10000);
    assert_int_equal(keep_due(&k, BEGIN + 10000), KEEP_DO_RETRY_FORWARDS);
    assert_int_equal(keep_due(&k, BEGIN + 20000), KEEP_DO_CONNECT | KEEP_DO_RETRY_FORWARDS);
    assert_int_equal(keep_network_changed(&k, BEGIN + 20500), KEEP_DO_NOTHING);
    assert_int_equal(keep_network_changed(&k, BEGIN + 21000), KEEP_DO_DROP);
}

static void test_health(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    start(&k, &config);
    assert_int_equal(keep_health(&k, BEGIN, false), KEEP_DO_NOTHING); /* not up: says nothing */
    keep_up(&k, BEGIN);
    for (int i = 0; i < 10; i++) { /* never three in a row */
        assert_int_equal(keep_health(&k, BEGIN, false), KEEP_DO_NOTHING);
        assert_int_equal(keep_health(&k, BEGIN, false), KEEP_DO_NOTHING);
        assert_int_equal(keep_health(&k, BEGIN, true), KEEP_DO_NOTHING);
        assert_int_equal(keep_state(&k), KEEP_CONNECTED);
    }
    assert_int_equal(sick(&k, BEGIN), KEEP_DO_DROP);
    assert_int_equal(keep_lost(&k, BEGIN, &cut, true), KEEP_DO_NOTHING);
    assert_int_equal(keep_next(&k), BEGIN + 1000);
    assert_int_equal(k.retry_count, 1);
    assert_int_equal(keep_due(&k, BEGIN + 1000), KEEP_DO_CONNECT);
    /* It is not called well before a check says so, and the new connection has three checks of its own. */
    keep_up(&k, BEGIN + 1000);
    assert_int_equal(keep_state(&k), KEEP_DEGRADED);
    assert_int_equal(keep_health(&k, BEGIN, false), KEEP_DO_NOTHING);
    assert_int_equal(keep_health(&k, BEGIN, false), KEEP_DO_NOTHING);
    assert_int_equal(keep_health(&k, BEGIN, true), KEEP_DO_NOTHING);
    assert_int_equal(keep_state(&k), KEEP_CONNECTED);
}

/* Failures of the connection before this one do not count for it. */
static void test_health_of_each_connection(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (int i = 0; i < 5; i++) {
        keep_up(&k, now);
        assert_int_equal(keep_health(&k, now, false), KEEP_DO_NOTHING);
        assert_int_equal(keep_health(&k, now, false), KEEP_DO_NOTHING);
        next_try(&k, &now, 1);
    }
}

/* A connection that ends for its health was good for as long as it was there. */
static void test_health_settles(void **state)
{
    (void)state;
    const struct keep_config config = exact(3);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    next_try(&k, &now, 1);
    next_try(&k, &now, 1);
    keep_up(&k, now);
    assert_int_equal(sick(&k, now + 31000), KEEP_DO_DROP);
    assert_int_equal(keep_lost(&k, now + 31000, &cut, true), KEEP_DO_NOTHING);
    assert_int_equal(k.retry_count, 1);
    /* Somebody who asks while it is dropped does not wait. */
    now = keep_next(&k);
    assert_int_equal(keep_due(&k, now), KEEP_DO_CONNECT);
    keep_up(&k, now);
    assert_int_equal(sick(&k, now), KEEP_DO_DROP);
    assert_int_equal(keep_reconnect(&k, now), KEEP_DO_NOTHING);
    assert_int_equal(keep_lost(&k, now, &cut, true), KEEP_DO_CONNECT);
}

static void test_health_is_forgotten(void **state)
{
    (void)state;
    const struct keep_config config = {.auto_reconnect = false};
    struct keep k;
    start(&k, &config);
    for (int i = 0; i < 2; i++) {
        keep_up(&k, BEGIN);
        assert_int_equal(keep_state(&k), KEEP_CONNECTED);
        assert_int_equal(sick(&k, BEGIN), KEEP_DO_NOTHING);
        assert_int_equal(keep_state(&k), KEEP_DEGRADED);
        if (i == 0)
            assert_int_equal(keep_stop(&k), KEEP_DO_STOP);
        else
            assert_int_equal(keep_lost(&k, BEGIN, &cut, true), KEEP_DO_UNLISTEN);
        assert_int_equal(keep_start(&k, BEGIN), KEEP_DO_LISTEN | KEEP_DO_CONNECT);
    }
}

/* ---- The rest ---- */

static void test_stop(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    keep_missing(&k, now, 1);
    (void)!keep_lost(&k, now, &refused, true);
    assert_int_equal(k.retry_count, 1);
    assert_int_equal(keep_stop(&k), KEEP_DO_STOP);
    assert_int_equal(keep_stop(&k), KEEP_DO_NOTHING);
    assert_int_equal(k.retry_count, 0);
    assert_int_equal(k.missing, 0);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_string_equal(k.last_error.text, "connection refused"); /* it is shown on */
}

static void test_reconnect_counts_anew(void **state)
{
    (void)state;
    const struct keep_config config = exact(3);
    struct keep k;
    uint64_t now = BEGIN;
    start(&k, &config);
    for (int i = 0; i < 3; i++)
        next_try(&k, &now, 10);
    assert_int_equal(keep_reconnect(&k, now + 1), KEEP_DO_DROP);
    assert_int_equal(keep_reconnect(&k, now + 1), KEEP_DO_NOTHING);
    assert_int_equal(keep_lost(&k, now + 2, &cut, true), KEEP_DO_CONNECT);
    assert_int_equal(k.retry_count, 0);
    assert_int_equal(next_try(&k, &now, 3), 1000);
    assert_int_equal(k.retry_count, 1);
    /* During a back-off: at once. */
    (void)!keep_lost(&k, now, &refused, true);
    assert_int_equal(keep_reconnect(&k, now), KEEP_DO_CONNECT);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
}

static void test_lazy(void **state)
{
    (void)state;
    struct keep_config config = exact(0);
    struct keep k;
    config.is_lazy = true;
    keep_init(&k, &config);
    assert_int_equal(keep_start(&k, BEGIN), KEEP_DO_LISTEN);
    assert_int_equal(keep_state(&k), KEEP_IDLE);
    assert_int_equal(keep_next(&k), KEEP_NEVER);
    assert_int_equal(keep_wanted(&k, BEGIN), KEEP_DO_CONNECT);
    assert_int_equal(keep_state(&k), KEEP_CONNECTING);
    keep_up(&k, BEGIN);
    assert_int_equal(keep_lost(&k, BEGIN + 1, &let_go, true), KEEP_DO_NOTHING);
    assert_int_equal(keep_state(&k), KEEP_IDLE);
    assert_int_equal(k.last_error.code, ADIT_E_OK);
    assert_int_equal(k.up_at, KEEP_NEVER);
}

static void test_a_lost_one_without_an_error(void **state)
{
    (void)state;
    const struct keep_config config = exact(0);
    struct keep k;
    start(&k, &config);
    keep_up(&k, BEGIN);
    assert_int_equal(keep_lost(&k, BEGIN, &let_go, true), KEEP_DO_NOTHING);
    assert_int_equal(keep_state(&k), KEEP_RECONNECTING);
    assert_int_equal(k.last_error.code, ADIT_E_CLOSED);
    assert_string_equal(k.last_error.text, adit_err_sentence(ADIT_E_CLOSED));
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[KEEP_STATES] = {"disconnected", "idle",     "connecting",   "connected",
                                                   "suspect",      "degraded", "reconnecting", "failed"};
    static const char *const statuses[KEEP_STATES] = {"disconnected", "disconnected", "connecting",
                                                      "connected",    "reconnecting", "reconnecting",
                                                      "reconnecting", "failed"};
    for (int i = 0; i < KEEP_STATES; i++) {
        assert_string_equal(keep_state_name((enum keep_state)i), names[i]);
        assert_string_equal(keep_status_name((enum keep_state)i), statuses[i]);
    }
}

/* ---- Whatever happens ---- */

/* What an owner does, as it was told, and what must be true for it all the time. */
struct owner {
    bool is_listening, has_connection, is_dropped;
};

static void obey(struct owner *o, unsigned todo)
{
    if (todo & KEEP_DO_LISTEN) {
        assert_false(o->is_listening);
        o->is_listening = true;
    }
    if (todo & KEEP_DO_CONNECT) {
        assert_false(o->has_connection);
        o->has_connection = true;
        o->is_dropped = false;
    }
    if (todo & KEEP_DO_DROP) {
        assert_true(o->has_connection && !o->is_dropped);
        o->is_dropped = true;
    }
    if (todo & KEEP_DO_PROBE)
        assert_true(o->has_connection && !o->is_dropped);
    if (todo & KEEP_DO_RETRY_FORWARDS)
        assert_true(o->is_listening);
    if (todo & KEEP_DO_UNLISTEN) {
        assert_true(o->is_listening);
        o->is_listening = false;
    }
    if (todo & KEEP_DO_STOP)
        *o = (struct owner){0};
}

static void check(const struct owner *o, const struct keep *k)
{
    enum keep_state s = keep_state(k);
    bool is_up = s == KEEP_CONNECTED || s == KEEP_SUSPECT || s == KEEP_DEGRADED;
    assert_true(o->is_listening == (s != KEEP_DISCONNECTED && s != KEEP_FAILED));
    assert_true(!o->has_connection || o->is_listening);
    assert_true(is_up == (k->up_at != KEEP_NEVER));
    assert_true(!is_up || (o->has_connection && !o->is_dropped));
    assert_true(s != KEEP_CONNECTED || (k->missing == 0 && !k->is_suspect));
    assert_true(k->config.max_retries == 0 || k->retry_count <= k->config.max_retries);
    assert_true(!k->is_permanent || s == KEEP_FAILED);
    assert_true(!k->gave_up || (s == KEEP_FAILED && k->retry_count == k->config.max_retries));
    assert_true(s != KEEP_FAILED || k->last_error.code != ADIT_E_OK);
    /* It never waits for ever for nothing: somebody else must come, or a time. */
    if (s == KEEP_RECONNECTING)
        assert_true(o->has_connection || keep_next(k) != KEEP_NEVER);
}

static uint32_t dice(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

static bool is_loss(enum input input)
{
    return input >= LOST && input <= LOST_OK;
}

static void walk(uint64_t seed)
{
    const struct keep_config config = {.auto_reconnect = dice(&seed, 4) > 0,
                                       .is_lazy = dice(&seed, 3) == 0,
                                       .max_retries = dice(&seed, 4),
                                       .jitter_percent = dice(&seed, 2) * 100,
                                       .seed = seed};
    struct owner o = {0};
    struct keep k;
    uint64_t now = BEGIN;
    keep_init(&k, &config);
    for (size_t i = 0; i < 2000; i++) {
        enum input input = (enum input)dice(&seed, SOON + 1);
        now += dice(&seed, 5) == 0 ? dice(&seed, 100000) : dice(&seed, 300);
        bool is_late = is_loss(input) && !o.has_connection;
        enum keep_state before = keep_state(&k);
        if (is_loss(input))
            o.has_connection = false;
        unsigned todo = say(&k, input, now);
        assert_true(!is_late || (todo == KEEP_DO_NOTHING && keep_state(&k) == before));
        obey(&o, todo);
        check(&o, &k);
        obey(&o, keep_due(&k, now));
        check(&o, &k);
        assert_true(keep_next(&k) > now); /* what was due is done */
    }
}

static void test_walks(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++)
        walk(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_input_in_every_situation),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_back_off_settings),
        cmocka_unit_test(test_full_jitter),
        cmocka_unit_test(test_some_jitter),
        cmocka_unit_test(test_max_retries),
        cmocka_unit_test(test_max_retries_after_a_loss),
        cmocka_unit_test(test_losses_without_a_route),
        cmocka_unit_test(test_tries_without_a_route),
        cmocka_unit_test(test_count_back_to_zero),
        cmocka_unit_test(test_short_connections_count_on),
        cmocka_unit_test(test_suspect_does_not_settle),
        cmocka_unit_test(test_permanent_errors),
        cmocka_unit_test(test_permanent_is_tried_late),
        cmocka_unit_test(test_permanent_after_up),
        cmocka_unit_test(test_permanent_while_dropping),
        cmocka_unit_test(test_no_auto_reconnect),
        cmocka_unit_test(test_network_ends_a_wait),
        cmocka_unit_test(test_network_changes_without_end),
        cmocka_unit_test(test_network_soon_after_a_try),
        cmocka_unit_test(test_network_during_a_try),
        cmocka_unit_test(test_network_during_an_answered_try),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_missing_forwards),
        cmocka_unit_test(test_missing_forwards_while_down),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_health_of_each_connection),
        cmocka_unit_test(test_health_settles),
        cmocka_unit_test(test_health_is_forgotten),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_reconnect_counts_anew),
        cmocka_unit_test(test_lazy),
        cmocka_unit_test(test_a_lost_one_without_an_error),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
