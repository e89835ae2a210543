/*
 * What happened to the tunnels: the ring of the last thousand, and who is told.
 */
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

#include "client/texts.h"
#include "daemon/events.h"

static struct events events;

static void add(const char *data)
{
    events_add(&events, EVENT_TUNNEL, text_copy(span_str(data)), NULL);
}

struct ear {
    struct events_subscriber subscriber;
    unsigned heard;
    uint64_t last;
    struct ear *drops; /* unsubscribed from within the call */
};

static void hear(void *ctx, const struct event *event)
{
    struct ear *ear = ctx;
    ear->heard++;
    ear->last = event->id;
    if (ear->drops)
        events_unsubscribe(&events, &ear->drops->subscriber);
    ear->drops = NULL;
}

static void ear_open(struct ear *ear)
{
    memset(ear, 0, sizeof *ear);
    ear->subscriber.ctx = ear;
    ear->subscriber.on_event = hear;
    events_subscribe(&events, &ear->subscriber);
}

static void test_ids_grow_by_one(void **state)
{
    (void)state;
    events_init(&events, 0);
    assert_int_equal(events_last(&events), 0);
    assert_null(events_get(&events, 0));
    assert_null(events_get(&events, 1));
    add("one");
    events_add(&events, EVENT_REMOVED, text_copy(span_str("two")), NULL);
    assert_int_equal(events_last(&events), 2);
    assert_string_equal(events_get(&events, 1)->data, "one");
    assert_int_equal(events_get(&events, 2)->kind, EVENT_REMOVED);
    assert_int_equal(events_get(&events, 2)->id, 2);
    assert_null(events_get(&events, 3));
    assert_string_equal(event_kind_name(EVENT_TUNNEL), "tunnel");
    assert_string_equal(event_kind_name(EVENT_REMOVED), "removed");
    events_wipe(&events);
}

/* Where an earlier one may have had ids already. */
static void test_ids_that_begin_later(void **state)
{
    (void)state;
    events_init(&events, 5000);
    assert_int_equal(events_before(&events), 5000);
    assert_int_equal(events_last(&events), 5000);
    assert_null(events_get(&events, 5000));
    add("one");
    add("two");
    assert_int_equal(events_last(&events), 5002);
    assert_null(events_get(&events, 4999));
    assert_null(events_get(&events, 5000));
    assert_int_equal(events_get(&events, 5001)->id, 5001);
    assert_string_equal(events_get(&events, 5001)->data, "one");
    events_wipe(&events);
}

static void test_a_thousand_are_kept(void **state)
{
    char text[24];
    (void)state;
    events_init(&events, 0);
    for (unsigned i = 1; i <= EVENTS_KEPT + 7; i++) {
        (void)adit_format(text, sizeof text, "%u", i);
        add(text);
    }
    assert_int_equal(events_last(&events), EVENTS_KEPT + 7);
    assert_null(events_get(&events, 7));
    assert_string_equal(events_get(&events, 8)->data, "8");
    assert_string_equal(events_get(&events, EVENTS_KEPT + 7)->data, "1007");
    assert_null(events_get(&events, EVENTS_KEPT + 8));
    events_wipe(&events);
}

/* Each text in turn, as the events of one tunnel: it comes out as it went in. */
static void test_what_is_alike_is_kept_once(void **state)
{
    static const char *const texts[] = {
        "{\"id\":\"a\",\"state\":\"connecting\",\"kex\":null}",
        "{\"id\":\"a\",\"state\":\"connected\",\"kex\":null}",
        "{\"id\":\"a\",\"state\":\"connected\",\"kex\":null}",
        "{\"id\":\"a\",\"state\":\"a very long word that is nowhere else\",\"kex\":null}",
        "{\"id\":\"a\",\"state\":\"connecting\",\"kex\":null}",
        "",
        "aa",
        "aaaa",
        "aaa",
        "something else",
    };
    struct event_base *like = NULL;
    (void)state;
    events_init(&events, 0);
    for (unsigned i = 0; i < 3 * EVENTS_KEPT; i++)
        events_add(&events, EVENT_TUNNEL, text_copy(span_str(texts[i % ADIT_COUNT(texts)])), &like);
    for (unsigned i = 2 * EVENTS_KEPT; i < 3 * EVENTS_KEPT; i++)
        assert_string_equal(events_get(&events, i + 1)->data, texts[i % ADIT_COUNT(texts)]);
    events_forget(&like); /* what is kept stays */
    assert_string_equal(events_get(&events, 3 * EVENTS_KEPT)->data, "something else");
    events_wipe(&events);
}

static void test_subscribers_come_and_go(void **state)
{
    struct ear a, b, c;
    (void)state;
    events_init(&events, 0);
    ear_open(&a);
    ear_open(&b);
    ear_open(&c);
    add("one");
    assert_int_equal(a.heard + b.heard + c.heard, 3);
    /* The last to come is told first: it takes itself away, then the next one. */
    c.drops = &c;
    b.drops = &a;
    add("two");
    assert_int_equal(c.heard, 2);
    assert_int_equal(b.heard, 2);
    assert_int_equal(a.heard, 1);
    add("three");
    assert_int_equal(c.heard, 2);
    assert_int_equal(b.last, 3);
    assert_int_equal(a.heard, 1);
    events_unsubscribe(&events, &a.subscriber); /* is not there */
    events_unsubscribe(&events, &b.subscriber);
    add("four");
    assert_int_equal(b.last, 3);
    events_wipe(&events);
}

static void test_an_event_without_memory(void **state)
{
    struct ear a;
    (void)state;
    events_init(&events, 0);
    ear_open(&a);
    events_add(&events, EVENT_TUNNEL, NULL, NULL);
    assert_int_equal(a.last, 1);
    assert_null(events_get(&events, 1)->data);
    events_wipe(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_grow_by_one),         cmocka_unit_test(test_ids_that_begin_later),
        cmocka_unit_test(test_a_thousand_are_kept),     cmocka_unit_test(test_what_is_alike_is_kept_once),
        cmocka_unit_test(test_subscribers_come_and_go), cmocka_unit_test(test_an_event_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
