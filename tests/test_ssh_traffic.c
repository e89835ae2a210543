#include "tests/talk.h"

#include "ssh/ssh_internal.h"
#include "tests/channel_lists.h"
#include "tests/pair.h"

/* Properties of windows and of half-close: many channels opened by both sides, and a seeded script that
 * writes, takes in late, ends and closes at random, while keys change. Whatever the script, and however bytes
 * are cut: what comes in is what was written, in order, and all of it when the channel was ended by EOF; no
 * side ever holds more than it granted; every channel closes on both sides, and the memory goes back to where
 * it was. */

enum { CHANNELS = 24, STEPS = 400 };

/* One channel as the two sides know it: a direction is named by its sender. */
struct line {
    struct channel *channel[2];
    uint64_t left[2];             /* to be written */
    uint64_t written[2], read[2]; /* read: by the other side */
    uint64_t held[2];             /* received from the sender, not consumed */
    bool eof_said[2], eof_heard[2], closed[2], close_said[2], is_cut;
};

struct traffic {
    struct line lines[CHANNELS];
    uint32_t random;
    size_t opened;
    bool is_ending; /* no more new things: everything is to come to its end */
};

static uint32_t dice(struct traffic *f, uint32_t n)
{
    f->random = f->random * 1664525u + 1013904223u;
    return (f->random >> 8) % n;
}

static uint8_t byte_at(size_t line, int from, uint64_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) * 13 + line * 31 + (unsigned)from * 101);
}

static void write_some(struct pair *p, struct traffic *f, size_t i, int from)
{
    struct line *l = &f->lines[i];
    struct wspan places[8];
    if (l->channel[from] == NULL || l->eof_said[from] || l->close_said[from])
        return;
    uint64_t most = f->is_ending ? l->left[from] : dice(f, 1 + (uint32_t)(l->left[from] % 70000)) + 1u;
    if (most > l->left[from])
        most = l->left[from];
    while (most > 0) {
        size_t n = ssh_chan_space(p->ssh[from], l->channel[from], places, 8, (size_t)most), total = 0;
        if (n == 0)
            return;
        for (size_t k = 0; k < n; k++)
            for (size_t b = 0; b < places[k].n; b++)
                places[k].p[b] = byte_at(i, from, l->written[from] + total++);
        assert_true(total <= most);
        size_t used = f->is_ending ? total : dice(f, (uint32_t)total + 1);
        ssh_chan_commit(p->ssh[from], l->channel[from], used);
        l->written[from] += used;
        l->left[from] -= used;
        most -= used;
        if (used == 0)
            return;
    }
    if (l->left[from] == 0) {
        ssh_chan_eof(p->ssh[from], l->channel[from]);
        l->eof_said[from] = true;
    }
}

static void consume_some(struct pair *p, struct traffic *f, size_t i, int from)
{
    struct line *l = &f->lines[i];
    int to = 1 - from;
    if (l->channel[to] == NULL || l->held[from] == 0)
        return;
    size_t n = f->is_ending ? (size_t)l->held[from] : dice(f, (uint32_t)l->held[from] + 1);
    ssh_chan_consumed(p->ssh[to], l->channel[to], n, dice(f, 2) == 0);
    l->held[from] -= n;
}

static void close_if_done(struct pair *p, struct line *l, int side)
{
    bool is_done = l->eof_said[side] && l->eof_heard[side];
    if (is_done && l->channel[side] != NULL && !l->close_said[side]) {
        ssh_chan_close(p->ssh[side], l->channel[side]);
        l->close_said[side] = true;
    }
}

static void act(struct pair *p, struct traffic *f)
{
    size_t i = dice(f, CHANNELS);
    int side = (int)dice(f, 2);
    struct line *l = &f->lines[i];
    if (f->opened < CHANNELS && dice(f, 4) == 0) {
        l = &f->lines[f->opened];
        struct channel *ch = side == 0 ? ssh_open_direct_tcpip(p->ssh[0], span_str("h"), (uint32_t)f->opened,
                                                               span_str("o"), 1, l)
                                       : ssh_open_forwarded_tcpip(p->ssh[1], span_str("h"),
                                                                  (uint32_t)f->opened, span_str("o"), 1, l);
        assert_non_null(ch);
        f->opened++;
    }
    switch (dice(f, 12)) {
    case 0:
        if (l->channel[side] != NULL && dice(f, 8) == 0) { /* cut off in the middle, data or not */
            ssh_chan_close(p->ssh[side], l->channel[side]);
            l->close_said[side] = l->is_cut = true;
        }
        break;
    case 1:
        if (l->channel[side] != NULL && !l->eof_said[side]) {
            ssh_chan_eof(p->ssh[side], l->channel[side]);
            l->eof_said[side] = true;
            l->left[side] = 0;
        }
        break;
    case 2:
        if (dice(f, 10) == 0)
            ssh_rekey(p->ssh[side]);
        break;
    case 3:
    case 4:
        consume_some(p, f, i, side);
        break;
    default:
        write_some(p, f, i, side);
    }
}

static void take_data(struct line *l, size_t i, int from, const struct ssh_event *ev)
{
    for (size_t k = 0; k < ev->data.n; k++)
        assert_int_equal(ev->data.p[k], byte_at(i, from, l->read[from] + k));
    l->read[from] += ev->data.n;
    l->held[from] += ev->data.n;
    assert_true(l->read[from] <= l->written[from]);
    assert_true(l->held[from] <= LIMIT_WINDOW);
    assert_true((uint64_t)ev->channel->rx_window + ev->channel->rx_held <= LIMIT_WINDOW);
    assert_int_equal(ev->channel->rx_held, l->held[from]);
    assert_false(l->eof_heard[1 - from]);
}

static bool on_event(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    struct traffic *f = p->context;
    if (ev->kind < SSH_EVENT_CHANNEL_OPENED || ev->kind > SSH_EVENT_CHANNEL_CLOSED)
        return false;
    struct line *l =
        ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN ? &f->lines[ev->number] : ssh_chan_owner(ev->channel);
    size_t i = (size_t)(l - f->lines);
    assert_true(i < CHANNELS);
    switch (ev->kind) {
    case SSH_EVENT_CHANNEL_REQUESTED_OPEN:
        ssh_open_accept(p->ssh[side], ev->channel, l);
        l->channel[side] = ev->channel;
        break;
    case SSH_EVENT_CHANNEL_OPENED:
        l->channel[side] = ev->channel;
        break;
    case SSH_EVENT_CHANNEL_DATA:
        assert_false(l->close_said[side]); /* after our close nothing more is shown */
        take_data(l, i, 1 - (int)side, ev);
        break;
    case SSH_EVENT_CHANNEL_SPACE:
        assert_false(l->closed[side]);
        if (f->is_ending)
            write_some(p, f, i, (int)side);
        break;
    case SSH_EVENT_CHANNEL_EOF:
        assert_false(l->eof_heard[side]);
        l->eof_heard[side] = true;
        break;
    case SSH_EVENT_CHANNEL_CLOSED:
        assert_false(l->closed[side]);
        l->closed[side] = true;
        l->channel[side] = NULL;
        break;
    default:
        fail();
    }
    return true;
}

/* A few rounds of the pair, not until it rests. */
static void some_rounds(struct pair *p, struct traffic *f)
{
    bool stall = dice(f, 3) == 0;
    p->stalled[dice(f, 2)] = stall;
    assert_true(pair_run(p));
    p->stalled[0] = p->stalled[1] = false;
}

static void finish(struct pair *p, struct traffic *f)
{
    f->is_ending = true;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < CHANNELS; i++)
            for (int side = 0; side < 2; side++) {
                consume_some(p, f, i, side);
                write_some(p, f, i, side);
                close_if_done(p, &f->lines[i], side);
            }
        assert_true(pair_run(p));
    }
}

/* What a compressing pair keeps while nothing happens: two directions a side. */
enum { COMPRESSION_LEN = 2 * 384 * 1024 };
static const char *const compressions[] = {NULL, "zlib", "zlib@openssh.com,none"};

static void play(uint32_t seed, enum pair_chunks chunks, uint64_t bytes, size_t steps)
{
    struct pair *p = malloc(sizeof(*p));
    struct traffic *f = calloc(1, sizeof(*f));
    pair_init(p);
    p->config[0].kex = "curve25519-sha256";
    p->config[seed % 2].rekey_bytes = bytes;
    p->config[0].compression = p->config[1].compression = compressions[seed % 3];
    f->random = seed;
    p->random = seed;
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    p->context = f;
    p->on_event = on_event;
    p->chunks = chunks;
    for (size_t i = 0; i < CHANNELS; i++)
        for (int side = 0; side < 2; side++)
            f->lines[i].left[side] = dice(f, 4) == 0 ? 0 : bytes / 2 + dice(f, (uint32_t)bytes);
    for (size_t step = 0; step < steps; step++) {
        act(p, f);
        if (dice(f, 6) == 0)
            some_rounds(p, f);
        channel_lists_check(&p->ssh[step % 2]->channels);
    }
    finish(p, f);
    assert_true(pair_is_up(p));
    for (size_t i = 0; i < f->opened; i++) {
        struct line *l = &f->lines[i];
        for (int side = 0; side < 2; side++) {
            assert_true(l->closed[side]);
            if (!l->is_cut) {
                assert_true(l->eof_heard[side]);
                assert_int_equal(l->read[side], l->written[side]);
            }
        }
    }
    for (int side = 0; side < 2; side++) {
        assert_int_equal(p->ssh[side]->channels.used, 0);
        assert_int_equal(p->ssh[side]->channels.granted, 0);
        assert_null(p->ssh[side]->channels.due);
        assert_null(p->ssh[side]->channels.blocked);
    }
    assert_int_equal(ssh_rekey_count(p->ssh[0]), ssh_rekey_count(p->ssh[1]));
    assert_true(p->data_in[0] + p->data_in[1] == 0 && f->opened > CHANNELS / 2);
    p->chunks = PAIR_ALL; /* both clocks run */
    p->now_us += 10 * 1000 * 1000;
    assert_true(pair_run(p));
    p->now_us += 10 * 1000 * 1000;
    assert_true(pair_run(p)); /* silence: the buffers are given back */
    size_t idle = p->allocated - 2 * sizeof(struct ssh) - p->ssh[0]->kex.proof_len;
    size_t kept = compressions[seed % 3] == NULL ? 0 : COMPRESSION_LEN;
    assert_true(idle <= 2 * 32 * CHANNEL_SLOT_LEN + kept);
    pair_free(p);
    assert_int_equal(p->allocated, 0);
    free(p);
    free(f);
}

static void test_all_at_once(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++)
        play(seed, PAIR_ALL, 200000, STEPS);
}

static void test_in_random_chunks(void **state)
{
    (void)state;
    for (uint32_t seed = 101; seed <= 115; seed++)
        play(seed, PAIR_RANDOM, 20000, STEPS);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (uint32_t seed = 201; seed <= 203; seed++)
        play(seed, PAIR_BYTES, 1000, STEPS / 2);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_in_random_chunks),
        cmocka_unit_test(test_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
