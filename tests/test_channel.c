#include "tests/talk.h"

#include "ssh/channel.h"
#include "ssh/msg.h"
#include "tests/channel_lists.h"

/* Channels: RFC 4254 §5, message by message. */

struct scene {
    struct talk t;
    struct channels c;
};

static int set_up(void **state)
{
    struct scene *s = malloc(sizeof(*s));
    talk_init(&s->t);
    channels_init(&s->c, &s->t.memory.alloc, 0);
    s->c.now_us = 1000;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    channel_lists_check(&s->c);
    channels_wipe(&s->c);
    talk_wipe(&s->t);
    free(s);
    return 0;
}

static void flush(struct scene *s)
{
    channels_flush(&s->c, &s->t.pk, false);
    channel_lists_check(&s->c);
}

static struct channel *confirm(struct scene *s, struct channel *ch, unsigned window, unsigned packet_max)
{
    flush(s);
    (void)hear(&s->t);
    return channel_on_confirmation(&s->c, message("buuuu", 91, ch->id, 70 + ch->id, window, packet_max),
                                   &s->t.err);
}

/* An open channel of ours, number 0, the peer's number 70. */
static struct channel *open_channel(struct scene *s, unsigned window, unsigned packet_max)
{
    struct channel *ch = channel_open(&s->c, "direct-tcpip", span_str("extra"), s);
    assert_non_null(ch);
    assert_ptr_equal(confirm(s, ch, window, packet_max), ch);
    return ch;
}

static size_t write_all(struct scene *s, struct channel *ch, uint32_t code, size_t n)
{
    static uint8_t bytes[200000];
    return channel_write(&s->c, &s->t.pk, ch, true, code, (struct span){bytes, n});
}

/* What the peer did wrong ends the session, and leaves no pointer. */
#define assert_wrong(s, call)                               \
    do {                                                    \
        (s)->t.err = (struct adit_error){0};                \
        assert_null(call);                                  \
        assert_int_equal((s)->t.err.code, ADIT_E_PROTOCOL); \
        (s)->t.err = (struct adit_error){0};                \
    } while (0)

static struct channel *data(struct scene *s, struct span payload, struct span *out)
{
    uint32_t code;
    return channel_on_data(&s->c, payload, out, &code, &s->t.err);
}

/* ---- opening ---- */

static bool request(struct scene *s, struct channel *ch, const char *type, struct span extra, bool want_reply)
{
    return channel_request(&s->c, ch, type, want_reply, extra, (struct span){0});
}

/* [RFC 4254 5.2e] */
static void test_open(void **state)
{
    struct scene *s = *state;
    struct channel *ch = channel_open(&s->c, "direct-tcpip", span_str("extra"), s);
    assert_non_null(ch);
    assert_silent(&s->t);
    flush(s);
    assert_says(&s->t, message("bsuuup", 90, "direct-tcpip", 0u, (unsigned)WINDOW_FIRST,
                               (unsigned)LIMIT_CHANNEL_PACKET, span_str("extra")));
    flush(s);
    assert_silent(&s->t); /* once */
    struct wspan place;
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 0);
    assert_ptr_equal(channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 77u, 5u, 3u), &s->t.err), ch);
    assert_int_equal(ch->peer_id, 77);
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 77u, 5u, 3u), &s->t.err));
}

static void test_open_too_long(void **state)
{
    struct scene *s = *state;
    static uint8_t extra[LIMIT_OPEN_BYTES];
    assert_null(channel_open(&s->c, "x", (struct span){extra, LIMIT_OPEN_BYTES - 4}, NULL));
    assert_int_equal(s->c.used, 0);
    assert_non_null(channel_open(&s->c, "x", (struct span){extra, LIMIT_OPEN_BYTES - 5}, NULL));
}

static void test_confirmation_of_what(void **state)
{
    struct scene *s = *state;
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 0u, 1u, 1u), &s->t.err));
    struct channel *ch = channel_open(&s->c, "x", (struct span){0}, NULL);
    assert_non_null(ch); /* known, but not sent */
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 0u, 1u, 1u), &s->t.err));
    uint32_t reason;
    struct span text;
    assert_wrong(
        s, channel_on_open_failure(&s->c, message("buuss", 92, 0u, 1u, "", ""), &reason, &text, &s->t.err));
    flush(s);
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuuu", 91, 1u, 0u, 1u, 1u), &s->t.err));
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuuu", 91, 0xffffffffu, 0u, 1u, 1u), &s->t.err));
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuu", 91, 0u, 0u, 1u), &s->t.err));
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 0u, 1u, 0u), &s->t.err));
}

static void test_open_failure(void **state)
{
    struct scene *s = *state;
    uint32_t reason = 0;
    struct span text, payload = message("buuss", 92, 0u, 2u, "Connection refused", "en");
    struct channel *ch = channel_open(&s->c, "x", (struct span){0}, s);
    channel_eof(&s->c, ch); /* asked for meanwhile: never said */
    flush(s);
    (void)hear(&s->t);
    assert_ptr_equal(channel_on_open_failure(&s->c, payload, &reason, &text, &s->t.err), ch);
    assert_int_equal(reason, 2);
    assert_true(span_is(text, "Connection refused"));
    channel_gone(&s->c, ch);
    assert_wrong(s, channel_on_open_failure(&s->c, payload, &reason, &text, &s->t.err));
    flush(s);
    assert_wrong(s, channel_on_open_failure(&s->c, payload, &reason, &text, &s->t.err));
    assert_int_equal(s->c.used, 1); /* until the next event is asked for */
    channels_reap(&s->c);
    assert_int_equal(s->c.used, 0);
    assert_silent(&s->t);
}

/* ---- the peer's opens ---- */

static struct channel *peer_opens(struct scene *s, unsigned id, unsigned window)
{
    struct span type, extra;
    uint32_t peer_id;
    return channel_on_open(&s->c,
                           message("bsuuup", 90, "forwarded-tcpip", id, window, 32768u, span_str("extra")),
                           &type, &extra, &peer_id, &s->t.err);
}

static void test_accept(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    struct span none;
    struct channel *ch = peer_opens(s, 9, 100);
    assert_non_null(ch);
    assert_wrong(s, data(s, message("bus", 94, 0u, "early"), &none)); /* it does not know our number yet */
    channel_accept(&s->c, ch, s);
    assert_wrong(s, data(s, message("bus", 94, 0u, "early"), &none));
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10),
                     0); /* the confirmation goes first */
    channel_eof(&s->c, ch);
    flush(s);
    assert_says(&s->t, message("buuuu", 91, 9u, 0u, (unsigned)WINDOW_FIRST, (unsigned)LIMIT_CHANNEL_PACKET));
    assert_says(&s->t, message("bu", 96, 9u));
}

static void test_refuse(void **state)
{
    struct scene *s = *state;
    struct channel *ch = peer_opens(s, 9, 100);
    channel_refuse(&s->c, ch, 2, span_str("no"));
    flush(s);
    assert_says(&s->t, message("buuss", 92, 9u, 2u, "no", ""));
    channels_reap(&s->c);
    assert_int_equal(s->c.used, 0);
    ch = peer_opens(s, 10, 100);
    s->t.memory.fail_at = s->t.memory.count + 1; /* no memory for the text: refused all the same */
    channel_refuse(&s->c, ch, 2, span_str("no"));
    flush(s);
    assert_says(&s->t, message("buuss", 92, 10u, (unsigned)SSH_OPEN_RESOURCE_SHORTAGE, "", ""));
    channels_reap(&s->c);
}

static void test_bad_open(void **state)
{
    struct scene *s = *state;
    struct span type, extra;
    uint32_t peer_id;
    assert_wrong(
        s, channel_on_open(&s->c, message("bsuuu", 90, "x", 0u, 0u, 0u), &type, &extra, &peer_id, &s->t.err));
    assert_wrong(
        s, channel_on_open(&s->c, message("bsuu", 90, "x", 0u, 0u), &type, &extra, &peer_id, &s->t.err));
    char name[258];
    memset(name, 'n', 257);
    name[257] = 0;
    assert_wrong(s, channel_on_open(&s->c, message("bsuuu", 90, name, 0u, 0u, 1u), &type, &extra, &peer_id,
                                    &s->t.err));
    assert_int_equal(s->c.used, 0);
}

/* Full: no error, the caller refuses. */
static void test_no_room_for_channels(void **state)
{
    struct scene *s = *state;
    for (unsigned i = 0; i < LIMIT_CHANNELS; i++)
        assert_non_null(peer_opens(s, i, 1));
    assert_null(peer_opens(s, 1, 1));
    assert_int_equal(s->t.err.code, ADIT_E_OK);
    assert_null(channel_open(&s->c, "x", (struct span){0}, NULL));
    channel_refuse(&s->c, s->c.slots[500], 1, (struct span){0});
    flush(s);
    channels_reap(&s->c);
    struct channel *ch = peer_opens(s, 1, 1);
    assert_non_null(ch);
    assert_int_equal(ch->id, 500); /* the number is used again */
}

/* ---- data out ---- */

/* [RFC 4254 5a 5.2c 5.2f] */
static void test_space_is_bounded_by_window_and_packet(void **state)
{
    struct scene *s = *state;
    struct wspan places[8];
    struct channel *ch = open_channel(s, 25, 10);
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, places, 8, 100), 3);
    assert_int_equal(places[0].n + places[1].n + places[2].n, 25);
    memcpy(places[0].p, "0123456789", 10);
    memcpy(places[1].p, "abcde", 5);
    channel_commit(&s->t.pk, ch, 15);
    assert_says(&s->t, message("bus", 94, 70u, "0123456789"));
    assert_says(&s->t, message("bus", 94, 70u, "abcde"));
    assert_int_equal(ch->tx_window, 10);
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, places, 8, 4), 1);
    assert_int_equal(places[0].n, 4);
    channel_commit(&s->t.pk, ch, 0); /* given back */
    assert_int_equal(ch->tx_window, 10);
    assert_int_equal(write_all(s, ch, 0, 11), 10);
    assert_int_equal(ch->tx_window, 0);
}

/* Sealed two at once where the cipher has that: every number of places, the last one full or not. */
static void test_commit_under_every_cipher(void **state)
{
    struct scene *s = *state;
    static const uint8_t key[CIPHER_KEY_MAX] = {1}, iv[CIPHER_IV_MAX] = {2}, mackey[CIPHER_MACKEY_MAX] = {3};
    struct channel *ch = open_channel(s, 100000, 10);
    uint32_t window = ch->tx_window;
    for (const struct cipher_alg *alg = cipher_algs; alg->name != NULL; alg++)
        for (const struct mac_alg *mac = mac_algs; mac->name != NULL; mac++) {
            packet_set_keys(&s->t.pk.tx, alg, mac, key, iv, mackey);
            packet_set_keys(&s->t.ear.rx, alg, mac, key, iv, mackey);
            for (size_t n = 1; n <= 80; n++) {
                struct wspan places[8];
                size_t count = channel_space(&s->c, &s->t.pk, ch, true, places, 8, n);
                assert_int_equal(count, (n + 9) / 10);
                for (size_t i = 0; i < count; i++)
                    memset(places[i].p, (int)('a' + i), places[i].n);
                channel_commit(&s->t.pk, ch, n);
                window -= (uint32_t)n;
                assert_int_equal(ch->tx_window, window);
                for (size_t i = 0; i < count; i++) {
                    uint8_t want[10];
                    size_t len = i + 1 < count ? 10 : n - 10 * i;
                    memset(want, (int)('a' + i), len);
                    assert_says(&s->t, message("buS", 94, 70u, (struct span){want, len}));
                }
                assert_silent(&s->t);
            }
        }
}

static void test_window_comes_back(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    bool unblocked = true;
    struct channel *ch = open_channel(s, 0, 32768);
    assert_ptr_equal(channel_on_window_adjust(&s->c, message("buu", 93, 0u, 0u), &unblocked, &s->t.err), ch);
    assert_false(unblocked);
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 0);
    assert_non_null(channel_on_window_adjust(&s->c, message("buu", 93, 0u, 0u), &unblocked, &s->t.err));
    assert_false(unblocked); /* nothing came: it goes on waiting */
    assert_non_null(channel_on_window_adjust(&s->c, message("buu", 93, 0u, 3u), &unblocked, &s->t.err));
    assert_true(unblocked);
    assert_non_null(channel_on_window_adjust(&s->c, message("buu", 93, 0u, 3u), &unblocked, &s->t.err));
    assert_false(unblocked); /* said once */
    assert_int_equal(write_all(s, ch, 0, 10), 6);
}

/* The bound of what is under way, after a dozen round trips of 1 ms in which the window was used up and 10 kB
 * came back. */
static uint32_t bound_after(struct scene *s, const struct channel *ch, struct channel *other)
{
    struct wspan place;
    bool unblocked;
    for (int i = 0; i < 12; i++) {
        if (other != NULL)
            assert_int_equal(channel_space(&s->c, &s->t.pk, other, true, &place, 1, 10), 0);
        assert_int_equal(channel_space(&s->c, &s->t.pk, s->c.slots[ch->id], true, &place, 1, 10), 0);
        s->c.now_us += 1000;
        assert_non_null(
            channel_on_window_adjust(&s->c, message("buu", 93, ch->id, 10000u), &unblocked, &s->t.err));
        s->c.slots[ch->id]->tx_window = 0;
    }
    return ch->underway.most;
}

static void test_less_is_under_way_beside_others(void **state)
{
    struct scene *s = *state;
    struct channel *ch = open_channel(s, 0, 32768), *other = open_channel(s, 0, 32768);
    s->c.rtt_us = 1000;
    assert_int_equal(bound_after(s, ch, NULL), 0); /* who knows when this peer grants */
    s->c.peer_grants_soon = true;
    assert_int_equal(bound_after(s, ch, NULL), UNDERWAY_ALONE);
    assert_int_equal(bound_after(s, ch, other), UNDERWAY_LEAST);
    for (int i = 0; i < 100; i++) /* the other one is silent for more than a second */
        (void)bound_after(s, ch, NULL);
    assert_int_equal(bound_after(s, ch, NULL), UNDERWAY_ALONE);
}

/* It says that it is an OpenSSH and grants nothing any more: what the window allows goes out all the same. */
static void test_the_bound_gives_way(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    struct channel *ch = open_channel(s, 0, 32768);
    s->c.rtt_us = 1000;
    s->c.peer_grants_soon = true;
    assert_true(channels_tick(&s->c) == UINT64_MAX);
    assert_int_equal(bound_after(s, ch, NULL), UNDERWAY_ALONE);
    ch->tx_window = 2 * UNDERWAY_ALONE;
    ch->underway.len = UNDERWAY_ALONE;
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 0);
    assert_null(channels_unblocked(&s->c, &s->t.pk));
    for (int second = 0; second < 2; second++) {
        uint64_t at_us = channels_tick(&s->c);
        assert_null(channels_unblocked(&s->c, &s->t.pk));
        assert_true(at_us > s->c.now_us && at_us <= s->c.now_us + 1000000);
        s->c.now_us = at_us;
    }
    assert_true(channels_tick(&s->c) == UINT64_MAX);
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), ch);
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 1);
}

/* The window was used up before there was a bound; then it is the bound that holds. Nobody asks again. */
static void test_the_bound_takes_over_from_the_window(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    bool unblocked = true;
    struct channel *ch = open_channel(s, 0, 32768);
    s->c.rtt_us = 1000;
    s->c.peer_grants_soon = true;
    ch->underway.len = 2 * 1024 * 1024;
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 0);
    assert_true(channels_tick(&s->c) == UINT64_MAX);
    for (int i = 0; i < 10; i++) {
        s->c.now_us += 1000;
        assert_non_null(
            channel_on_window_adjust(&s->c, message("buu", 93, 0u, 16384u), &unblocked, &s->t.err));
        if (!unblocked)
            break;
        ch->underway.len += ch->tx_window; /* sent at once */
        ch->tx_window = 0;
        assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 0);
    }
    assert_false(unblocked);
    assert_int_equal(ch->underway.most, UNDERWAY_ALONE);
    for (int second = 0; second < 2; second++) {
        s->c.now_us += 1000000;
        (void)channels_tick(&s->c);
    }
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), ch);
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 1);
}

/* RFC 4254 §5.2: the window MUST NOT be increased above 2^32 - 1. [RFC 4254 5.2a 5.2b] */
static void test_window_limit(void **state)
{
    struct scene *s = *state;
    bool unblocked;
    struct channel *ch = open_channel(s, 0xfffffff0u, 32768);
    assert_non_null(channel_on_window_adjust(&s->c, message("buu", 93, 0u, 15u), &unblocked, &s->t.err));
    assert_int_equal(ch->tx_window, UINT32_MAX);
    assert_non_null(channel_on_window_adjust(&s->c, message("buu", 93, 0u, 0u), &unblocked, &s->t.err));
    assert_wrong(s, channel_on_window_adjust(&s->c, message("buu", 93, 0u, 1u), &unblocked, &s->t.err));
    assert_wrong(s,
                 channel_on_window_adjust(&s->c, message("buu", 93, 0u, 0xffffffffu), &unblocked, &s->t.err));
    assert_int_equal(write_all(s, ch, 0, 5), 5);
    assert_int_equal(ch->tx_window, UINT32_MAX - 5);
    assert_wrong(s, channel_on_window_adjust(&s->c, message("bu", 93, 0u), &unblocked, &s->t.err));
    assert_wrong(s, channel_on_window_adjust(&s->c, message("buub", 93, 0u, 1u, 1), &unblocked, &s->t.err));
}

/* [RFC 4254 5.2g] */
static void test_stderr(void **state)
{
    struct scene *s = *state;
    struct channel *ch = open_channel(s, 100, 100);
    assert_int_equal(write_all(s, ch, 1, 3), 3);
    struct span heard = hear(&s->t);
    assert_true(span_eq(heard, message("buuup", 95, 70u, 1u, 3u, span_make("\0\0\0", 3))));
    assert_int_equal(ch->tx_window, 97); /* §5.2: the same window */
}

/* A full output and a re-exchange: the channel waits and is told, in turn. */
static void test_blocked_and_unblocked(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    struct channel *a = open_channel(s, 10000000, 32768);
    struct channel *b = open_channel(s, 10000000, 32768);
    assert_null(channels_unblocked(&s->c, &s->t.pk));
    assert_int_equal(channel_space(&s->c, &s->t.pk, b, false, &place, 1, 10), 0);
    assert_int_equal(channel_space(&s->c, &s->t.pk, a, false, &place, 1, 10), 0);
    assert_int_equal(channel_space(&s->c, &s->t.pk, b, false, &place, 1, 10), 0);
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), b);
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), a);
    assert_null(channels_unblocked(&s->c, &s->t.pk));
    while (write_all(s, a, 0, 100000) == 100000)
        ;
    assert_null(channels_unblocked(&s->c, &s->t.pk)); /* no room */
    packet_out_consume(&s->t.pk, packet_out(&s->t.pk).n);
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), a);
}

/* A channel that ends while it waits is forgotten. */
static void test_blocked_and_gone(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    struct channel *a = open_channel(s, 100, 100), *b = open_channel(s, 100, 100);
    (void)channel_space(&s->c, &s->t.pk, a, false, &place, 1, 10);
    (void)channel_space(&s->c, &s->t.pk, b, false, &place, 1, 10);
    assert_ptr_equal(channel_on_close(&s->c, message("bu", 97, b->id), &s->t.err), b);
    channel_gone(&s->c, b);
    assert_int_equal(channel_space(&s->c, &s->t.pk, b, false, &place, 1, 10), 0);
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), a);
    assert_null(channels_unblocked(&s->c, &s->t.pk));
    flush(s);
    channels_reap(&s->c);
    (void)channel_space(&s->c, &s->t.pk, a, false, &place, 1, 10);
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), a);
}

/* Thousands wait, and end while they wait, from both ends and out of the middle: the others keep their turns.
 */
static void test_thousands_blocked(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    struct channel *ch[2000];
    for (unsigned i = 0; i < ADIT_COUNT(ch); i++) {
        ch[i] = peer_opens(s, i, 100);
        channel_accept(&s->c, ch[i], s);
        channels_flush(&s->c, &s->t.pk, false);
        packet_out_consume(&s->t.pk, packet_out(&s->t.pk).n);
        assert_int_equal(channel_space(&s->c, &s->t.pk, ch[i], false, &place, 1, 10), 0);
    }
    for (unsigned i = 0; i < ADIT_COUNT(ch); i++) {
        unsigned k = i % 2 == 0 ? i / 2 : (unsigned)ADIT_COUNT(ch) - 1 - i / 2;
        if (k % 3 == 0)
            continue;
        assert_ptr_equal(channel_on_close(&s->c, message("bu", 97, ch[k]->id), &s->t.err), ch[k]);
        channel_gone(&s->c, ch[k]);
        if (i % 100 == 1)
            channel_lists_check(&s->c);
    }
    flush(s);
    channels_reap(&s->c);
    channel_lists_check(&s->c);
    for (unsigned k = 0; k < ADIT_COUNT(ch); k += 3)
        assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), ch[k]);
    assert_null(channels_unblocked(&s->c, &s->t.pk));
}

/* ---- data in and the windows we grant ---- */

static void test_data(void **state)
{
    struct scene *s = *state;
    struct span out;
    uint32_t code = 9;
    struct channel *ch = open_channel(s, 0, 1);
    assert_ptr_equal(channel_on_data(&s->c, message("bus", 94, 0u, "abc"), &out, &code, &s->t.err), ch);
    assert_true(span_is(out, "abc") && code == 0);
    assert_ptr_equal(channel_on_data(&s->c, message("buus", 95, 0u, 1u, "err"), &out, &code, &s->t.err), ch);
    assert_true(span_is(out, "err") && code == 1);
    /* Of no type that is defined, and so no plain data either. */
    assert_ptr_equal(channel_on_data(&s->c, message("buus", 95, 0u, 0u, "x"), &out, &code, &s->t.err), ch);
    assert_true(span_is(out, "x") && code == CHANNEL_DATA_UNKNOWN);
    assert_int_equal(ch->rx_window, WINDOW_FIRST - 7);
    assert_int_equal(ch->rx_held, 7);
    assert_wrong(s, data(s, message("buu", 94, 0u, 1u), &out));
    assert_wrong(s, data(s, message("busb", 94, 0u, "x", 0), &out));
    assert_wrong(s, data(s, message("bu", 95, 0u), &out));
}

/* A byte more than was granted, or than a packet may have, is a violation. [RFC 4254 5b 5.2c] */
static void test_data_beyond(void **state)
{
    struct scene *s = *state;
    static uint8_t bytes[LIMIT_CHANNEL_PACKET + 1];
    struct span out;
    struct channel *ch = open_channel(s, 0, 1);
    assert_wrong(s, data(s, message("buS", 94, 0u, (struct span){bytes, LIMIT_CHANNEL_PACKET + 1}), &out));
    while (ch->rx_window > 0)
        assert_non_null(data(s, message("buS", 94, 0u, (struct span){bytes, LIMIT_CHANNEL_PACKET}), &out));
    assert_non_null(data(s, message("bus", 94, 0u, ""), &out));
    assert_wrong(s, data(s, message("bus", 94, 0u, "x"), &out));
    channel_consumed(&s->c, ch, SIZE_MAX, true);
    assert_int_equal(ch->rx_held, 0);
    flush(s);
    assert_says(&s->t, message("buu", 93, 70u, (unsigned)WINDOW_FIRST));
    assert_int_equal(ch->rx_window, WINDOW_FIRST);
}

/* A quarter of the window is worth a message; less is not. */
static void test_adjust_is_lazy(void **state)
{
    struct scene *s = *state;
    static uint8_t bytes[LIMIT_CHANNEL_PACKET];
    struct span out;
    struct channel *ch = open_channel(s, 0, 1);
    enum { N = WINDOW_FIRST / 4 / LIMIT_CHANNEL_PACKET };
    for (int i = 0; i < N; i++) {
        assert_non_null(data(s, message("buS", 94, 0u, (struct span){bytes, sizeof(bytes)}), &out));
        channel_consumed(&s->c, ch, sizeof(bytes) - (i == N - 1), true);
        flush(s);
        assert_silent(&s->t);
    }
    channel_consumed(&s->c, ch, 1, true);
    flush(s);
    assert_says(&s->t, message("buu", 93, 70u, (unsigned)(N * sizeof(bytes))));
}

/* Nobody needs window after the peer's EOF or a CLOSE. */
static void test_no_adjust_after_the_end(void **state)
{
    struct scene *s = *state;
    static uint8_t bytes[LIMIT_CHANNEL_PACKET];
    struct span out;
    for (int how = 0; how < 3; how++) {
        struct channel *ch = open_channel(s, 0, 1);
        for (int i = 0; i < 4; i++)
            assert_non_null(data(s, message("buS", 94, ch->id, (struct span){bytes, sizeof(bytes)}), &out));
        if (how == 2)
            channel_consumed(&s->c, ch, 4 * sizeof(bytes), true); /* due, not sent */
        if (how != 1)
            assert_non_null(channel_on_eof(&s->c, message("bu", 96, ch->id), &s->t.err));
        else {
            channel_close(&s->c, ch);
            flush(s);
            assert_says(&s->t, message("bu", 97, 70 + ch->id));
        }
        channel_consumed(&s->c, ch, 4 * sizeof(bytes), true);
        flush(s);
        assert_silent(&s->t);
    }
}

/* The first grant is a share of the budget; windows grow when they are the brake, up to LIMIT_WINDOW. */
static void test_first_grant(void **state)
{
    struct scene *s = *state;
    uint32_t last = WINDOW_FIRST;
    for (int i = 0; i < 300; i++) {
        struct channel *ch = channel_open(&s->c, "x", (struct span){0}, NULL);
        assert_true(ch->rx_max <= last && ch->rx_max >= WINDOW_FIRST_MIN && ch->rx_max <= WINDOW_FIRST);
        last = ch->rx_max;
    }
    assert_int_equal(last, WINDOW_FIRST_MIN);
}

static void round_of_data(struct scene *s, struct channel *ch, bool prompt)
{
    static uint8_t bytes[LIMIT_CHANNEL_PACKET];
    struct span out;
    while (ch->rx_window >= sizeof(bytes)) {
        assert_non_null(data(s, message("buS", 94, ch->id, (struct span){bytes, sizeof(bytes)}), &out));
        channel_consumed(&s->c, ch, sizeof(bytes), prompt);
    }
    flush(s);
    while (hear(&s->t).n > 0)
        ;
}

static void test_window_grows(void **state)
{
    struct scene *s = *state;
    struct channel *ch = open_channel(s, 0, 1);
    round_of_data(s, ch, true);
    assert_int_equal(ch->rx_max, WINDOW_FIRST); /* the round trip is not known */
    s->c.rtt_us = 100000;
    for (int i = 0; i < 10; i++) {
        s->c.now_us += 1000000; /* a window in ten round trips: no */
        round_of_data(s, ch, false);
    }
    assert_int_equal(ch->rx_max, WINDOW_FIRST);
    for (int i = 0; i < 12; i++) {
        s->c.now_us += 100000;
        round_of_data(s, ch, true);
        assert_true(ch->rx_max <= LIMIT_WINDOW);
        assert_true((uint64_t)ch->rx_window + ch->rx_held <= ch->rx_max);
    }
    assert_int_equal(ch->rx_max, LIMIT_WINDOW);
    assert_true(s->c.granted <= s->c.budget);
    for (int i = 0; i < 10; i++) { /* what had to be stored takes it back */
        s->c.now_us += 100000;
        round_of_data(s, ch, false);
    }
    assert_int_equal(ch->rx_max, WINDOW_FIRST);
}

/* 100 ms where 4 were known: the pauses tell. */
static void test_window_grows_on_a_link_that_became_long(void **state)
{
    struct scene *s = *state;
    struct channel *ch = open_channel(s, 0, 1);
    s->c.rtt_us = 4000;
    for (int i = 0; i < 12; i++) {
        s->c.now_us += 100000;
        round_of_data(s, ch, true);
    }
    assert_int_equal(ch->rx_max, LIMIT_WINDOW);
}

/* A short link is never granted what only a long one can use, however fast it is. */
static void test_window_of_a_short_link(void **state)
{
    struct scene *s = *state;
    struct channel *ch = open_channel(s, 0, 1);
    s->c.rtt_us = 200;
    for (int i = 0; i < 40; i++) {
        s->c.now_us += 300;
        round_of_data(s, ch, true);
    }
    assert_int_equal(ch->rx_max, 1024 * 1024);
    s->c.rtt_us = 10000;
    for (int i = 0; i < 40; i++) {
        s->c.now_us += 4000;
        round_of_data(s, ch, true);
    }
    assert_int_equal(ch->rx_max, 2 * 1024 * 1024);
}

/* A batch that was read late at once is no fast link. */
static void test_a_batch_is_no_rate(void **state)
{
    struct scene *s = *state;
    struct channel *ch = open_channel(s, 0, 1);
    s->c.rtt_us = 1000;
    for (int i = 0; i < 20; i++) {
        s->c.now_us += 4000; /* a window in four round trips */
        round_of_data(s, ch, true);
        s->c.now_us += 10; /* and at the same moment */
        round_of_data(s, ch, true);
    }
    assert_int_equal(ch->rx_max, WINDOW_FIRST);
}

static void test_windows_keep_to_the_budget(void **state)
{
    struct scene *s = *state;
    struct channel *ch[8];
    s->c.rtt_us = 100000;
    for (int i = 0; i < 8; i++)
        ch[i] = open_channel(s, 0, 1);
    for (int round = 0; round < 20; round++) {
        s->c.now_us += 100000;
        for (int i = 0; i < 8; i++)
            round_of_data(s, ch[i], true);
        assert_true(s->c.granted <= s->c.budget);
    }
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++)
        sum += ch[i]->rx_max;
    assert_int_equal(sum, s->c.granted);
    assert_true(sum > s->c.budget / 2);
}

/* ---- EOF and CLOSE ---- */

/* [RFC 4254 5.3a] */
static void test_eof(void **state)
{
    struct scene *s = *state;
    struct span out;
    struct channel *ch = open_channel(s, 100, 100);
    channel_eof(&s->c, ch);
    channel_eof(&s->c, ch);
    flush(s);
    assert_says(&s->t, message("bu", 96, 70u));
    assert_silent(&s->t);
    assert_int_equal(write_all(s, ch, 0, 5), 0);
    assert_non_null(data(s, message("bus", 94, 0u, "still"), &out)); /* the other half is open */
    assert_true(span_is(out, "still"));
    assert_ptr_equal(channel_on_eof(&s->c, message("bu", 96, 0u), &s->t.err), ch);
    assert_wrong(s, data(s, message("bus", 94, 0u, "late"), &out)); /* §5.3 */
    assert_wrong(s, channel_on_eof(&s->c, message("bu", 96, 0u), &s->t.err));
    assert_wrong(s, channel_on_eof(&s->c, message("b", 96), &s->t.err));
}

/* [RFC 4254 5.3b] */
static void test_close_by_us(void **state)
{
    struct scene *s = *state;
    struct span out = SPAN_LIT("x");
    bool unblocked;
    struct channel *ch = open_channel(s, 100, 100);
    channel_close(&s->c, ch);
    channel_close(&s->c, ch);
    channel_eof(&s->c, ch); /* too late: CLOSE says more */
    flush(s);
    assert_says(&s->t, message("bu", 97, 70u));
    assert_silent(&s->t);
    assert_int_equal(write_all(s, ch, 0, 5), 0);
    assert_false(request(s, ch, "x", (struct span){0}, false));
    assert_ptr_equal(data(s, message("bus", 94, 0u, "on its way"), &out), ch);
    assert_int_equal(out.n, 0); /* dropped, but within the window */
    assert_non_null(channel_on_window_adjust(&s->c, message("buu", 93, 0u, 1u), &unblocked, &s->t.err));
    assert_ptr_equal(channel_on_close(&s->c, message("bu", 97, 0u), &s->t.err), ch);
    channel_gone(&s->c, ch);
    assert_wrong(s, channel_on_close(&s->c, message("bu", 97, 0u), &s->t.err));
    flush(s);
    assert_silent(&s->t); /* one CLOSE a side */
    channels_reap(&s->c);
    assert_int_equal(s->c.used, 0);
    assert_int_equal(s->c.granted, 0);
}

/* §5.3: a CLOSE MUST be answered with one; EOF and window that were due are not sent any more.
 * [RFC 4254 5.3b] */
static void test_close_by_the_peer(void **state)
{
    struct scene *s = *state;
    struct channel *ch = open_channel(s, 100, 100);
    channel_eof(&s->c, ch);
    assert_ptr_equal(channel_on_close(&s->c, message("bu", 97, 0u), &s->t.err), ch);
    assert_int_equal(write_all(s, ch, 0, 5), 0);
    channel_gone(&s->c, ch);
    flush(s);
    assert_says(&s->t, message("bu", 97, 70u));
    assert_silent(&s->t);
    channels_reap(&s->c);
    assert_int_equal(s->c.used, 0);
    assert_wrong(s, channel_on_close(&s->c, message("bub", 97, 0u, 0), &s->t.err));
}

/* What was asked for while the channel was opening follows the confirmation. */
static void test_close_while_opening(void **state)
{
    struct scene *s = *state;
    struct channel *ch = channel_open(&s->c, "x", (struct span){0}, NULL);
    channel_eof(&s->c, ch);
    channel_close(&s->c, ch);
    flush(s);
    assert_int_equal(hear(&s->t).p[0], 90);
    flush(s);
    assert_silent(&s->t);
    assert_non_null(channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 8u, 1u, 1u), &s->t.err));
    flush(s);
    assert_says(&s->t, message("bu", 96, 8u));
    assert_says(&s->t, message("bu", 97, 8u));
}

/* ---- requests, and opens that were not taken ---- */

/* [RFC 4254 5.4b] */
static void test_requests(void **state)
{
    struct scene *s = *state;
    struct span type, extra;
    bool want_reply = false;
    struct channel *ch = open_channel(s, 1, 1);
    assert_true(request(s, ch, "exec", message("s", "ls"), true));
    assert_silent(&s->t);
    flush(s);
    assert_says(&s->t, message("bustp", 98, 70u, "exec", 1, message("s", "ls")));
    assert_ptr_equal(channel_on_request(&s->c, message("bustu", 98, 0u, "exit-status", 1, 5u), &type,
                                        &want_reply, &extra, &s->t.err),
                     ch);
    assert_true(span_is(type, "exit-status") && want_reply && extra.n == 4);
    assert_wrong(
        s, channel_on_request(&s->c, message("bus", 98, 0u, "x"), &type, &want_reply, &extra, &s->t.err));
    bool is_awaited = false;
    assert_ptr_equal(channel_on_reply(&s->c, message("bu", 99, 0u), &is_awaited, &s->t.err), ch);
    assert_true(is_awaited);
    assert_ptr_equal(channel_on_reply(&s->c, message("bu", 100, 0u), &is_awaited, &s->t.err), ch);
    assert_false(is_awaited); /* nothing was asked */
    assert_wrong(s, channel_on_reply(&s->c, message("bub", 99, 0u, 0), &is_awaited, &s->t.err));
}

/* What is asked before the confirmation follows it, in order, in one piece each, and before data and EOF. */
static void test_requests_while_opening(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    struct channel *ch = channel_open(&s->c, "session", (struct span){0}, NULL);
    assert_true(request(s, ch, "env", message("ss", "A", "b"), false));
    assert_true(channel_request(&s->c, ch, "exec", true, message("u", 2u), span_str("ls")));
    channel_eof(&s->c, ch);
    flush(s);
    assert_int_equal(hear(&s->t).p[0], 90);
    flush(s);
    assert_silent(&s->t);
    assert_non_null(channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 8u, 100u, 100u), &s->t.err));
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 0);
    flush(s);
    assert_says(&s->t, message("bustp", 98, 8u, "env", 0, message("ss", "A", "b")));
    assert_says(&s->t, message("bustp", 98, 8u, "exec", 1, message("s", "ls")));
    assert_says(&s->t, message("bu", 96, 8u));
    assert_silent(&s->t);
}

static void test_data_waits_for_requests(void **state)
{
    struct scene *s = *state;
    struct wspan place;
    struct channel *ch = open_channel(s, 100, 100);
    assert_true(request(s, ch, "x", (struct span){0}, false));
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 0);
    flush(s);
    assert_int_equal(hear(&s->t).p[0], 98);
    assert_ptr_equal(channels_unblocked(&s->c, &s->t.pk), ch);
    assert_int_equal(channel_space(&s->c, &s->t.pk, ch, true, &place, 1, 10), 1);
}

static void test_requests_are_bounded(void **state)
{
    struct scene *s = *state;
    static uint8_t long_one[LIMIT_CHANNEL_REQUEST];
    struct channel *ch = open_channel(s, 1, 1);
    struct span most = {long_one, LIMIT_CHANNEL_REQUEST - 6};
    assert_false(request(s, ch, "x", (struct span){long_one, most.n + 1}, false));
    assert_false(channel_request(&s->c, ch, "x", false, most, (struct span){long_one, 1}));
    assert_true(request(s, ch, "x", most, false));
    flush(s);
    assert_int_equal(hear(&s->t).n, 5 + LIMIT_CHANNEL_REQUEST);
    for (int i = 0; i < LIMIT_CHANNEL_REQUESTS; i++)
        assert_true(request(s, ch, "x", (struct span){0}, true));
    assert_false(request(s, ch, "x", (struct span){0}, false));
    assert_ptr_equal(channel_on_close(&s->c, message("bu", 97, 0u), &s->t.err), ch);
    channel_gone(&s->c, ch);
    flush(s);
    assert_says(&s->t, message("bu", 97, 70u)); /* nothing is asked of a channel that is closed */
    assert_silent(&s->t);
}

static void test_unsent(void **state)
{
    struct scene *s = *state;
    struct channel *ch = channel_open(&s->c, "x", (struct span){0}, NULL);
    s->t.pk.tx.seq = s->t.ear.rx.seq = UINT32_MAX;
    assert_false(channels_unsent(&s->c, 0));
    channels_flush(&s->c, &s->t.pk, true);
    (void)hear(&s->t);
    assert_false(channels_unsent(&s->c, 0));
    assert_true(channels_unsent(&s->c, UINT32_MAX));
    assert_false(channels_unsent(&s->c, UINT32_MAX)); /* once */
    assert_wrong(s, channel_on_confirmation(&s->c, message("buuuu", 91, 0u, 0u, 1u, 1u), &s->t.err));
    flush(s); /* now it cannot come back any more, and is forgotten */
    assert_int_equal(hear(&s->t).p[0], 90);
    assert_false(channels_unsent(&s->c, 0));
    assert_null(ch->opening);
    assert_non_null(channel_on_confirmation(&s->c, message("buuuu", 91, ch->id, 0u, 1u, 1u), &s->t.err));
    assert_false(channels_unsent(&s->c, 0));
}

/* An open that has been sent early goes on to be one that may come back, until it is confirmed. */
static void test_unsent_late(void **state)
{
    struct scene *s = *state;
    struct channel *ch = channel_open(&s->c, "x", (struct span){0}, NULL);
    s->t.pk.tx.seq = 7;
    channels_flush(&s->c, &s->t.pk, true);
    flush(s);
    assert_non_null(ch->opening);
    assert_true(channels_unsent(&s->c, 7));
    flush(s);
    assert_non_null(channel_on_confirmation(&s->c, message("buuuu", 91, ch->id, 0u, 1u, 1u), &s->t.err));
    assert_null(ch->opening);
}

/* A full output keeps what is due, in order, and loses nothing. */
static void test_due_waits_for_room(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < 10; i++)
        (void)open_channel(s, 100, 100);
    while (packet_reserve(&s->t.pk, 1).n > 0)
        packet_seal(&s->t.pk, 1);
    for (unsigned i = 0; i < 10; i++) {
        channel_eof(&s->c, s->c.slots[i]);
        channel_close(&s->c, s->c.slots[i]);
    }
    flush(s);
    flush(s);
    packet_out_consume(&s->t.pk, packet_out(&s->t.pk).n);
    s->t.ear.rx.seq = s->t.pk.tx.seq;
    flush(s);
    for (unsigned i = 0; i < 10; i++) {
        assert_says(&s->t, message("bu", 96, 70 + i));
        assert_says(&s->t, message("bu", 97, 70 + i));
    }
    assert_silent(&s->t);
}

/* Room for a little at a time: the oldest go first, short or long, and nothing is said twice. */
static void test_due_in_turn(void **state)
{
    struct scene *s = *state;
    struct channel *ch[20], *late[10];
    struct span heard;
    for (unsigned i = 0; i < 20; i++)
        ch[i] = open_channel(s, 100, 100);
    for (unsigned i = 0; i < 20; i++) {
        channel_close(&s->c, ch[i]);
        if (i % 2 == 0)
            late[i / 2] = channel_open(&s->c, "x", (struct span){0}, NULL);
    }
    unsigned said = 0, rounds = 0;
    for (; s->c.due != NULL; rounds++) {
        while (packet_has_room(&s->t.pk, 1, 100))
            packet_seal(&s->t.pk, 1);
        flush(s);
        while (heard = hear(&s->t), heard.n > 0) {
            if (heard.n == 1)
                continue; /* what filled the output */
            struct span expected = said % 3 == 1 ? message("bsu", 90, "x", (unsigned)late[said / 3]->id)
                                                 : message("bu", 97, 70 + ch[said - (said + 1) / 3]->id);
            assert_true(span_eq(span_sub(heard, 0, expected.n), expected));
            said++;
        }
    }
    assert_int_equal(said, 30);
    assert_true(rounds > 3);
}

static void test_out_of_memory(void **state)
{
    struct scene *s = *state;
    for (size_t i = 1; i <= 3; i++) { /* the table, the channel, its opening */
        s->t.memory.fail_at = s->t.memory.count + i;
        struct channel *ch = channel_open(&s->c, "x", (struct span){0}, NULL);
        s->t.memory.fail_at = 0;
        if (ch != NULL)
            return;
        assert_int_equal(s->c.used, 0);
    }
    assert_non_null(channel_open(&s->c, "x", (struct span){0}, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open),
        TEST(test_open_too_long),
        TEST(test_confirmation_of_what),
        TEST(test_open_failure),
        TEST(test_accept),
        TEST(test_refuse),
        TEST(test_bad_open),
        TEST(test_no_room_for_channels),
        TEST(test_space_is_bounded_by_window_and_packet),
        TEST(test_commit_under_every_cipher),
        TEST(test_window_comes_back),
        TEST(test_less_is_under_way_beside_others),
        TEST(test_the_bound_gives_way),
        TEST(test_the_bound_takes_over_from_the_window),
        TEST(test_window_limit),
        TEST(test_stderr),
        TEST(test_blocked_and_unblocked),
        TEST(test_blocked_and_gone),
        TEST(test_thousands_blocked),
        TEST(test_data),
        TEST(test_data_beyond),
        TEST(test_adjust_is_lazy),
        TEST(test_no_adjust_after_the_end),
        TEST(test_first_grant),
        TEST(test_window_grows),
        TEST(test_window_grows_on_a_link_that_became_long),
        TEST(test_window_of_a_short_link),
        TEST(test_a_batch_is_no_rate),
        TEST(test_windows_keep_to_the_budget),
        TEST(test_eof),
        TEST(test_close_by_us),
        TEST(test_close_by_the_peer),
        TEST(test_close_while_opening),
        TEST(test_requests),
        TEST(test_requests_while_opening),
        TEST(test_data_waits_for_requests),
        TEST(test_requests_are_bounded),
        TEST(test_unsent),
        TEST(test_unsent_late),
        TEST(test_due_waits_for_room),
        TEST(test_due_in_turn),
        TEST(test_out_of_memory),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
