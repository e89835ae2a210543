#include "fuzz/fuzz.h"
#include "ssh/channel.h"
#include "ssh/global.h"
#include "ssh/msg.h"

enum { RECORDS_HEAD = 0 };
#include "fuzz/records.h"

/* Messages of the connection protocol at a table with two channels open, one being opened and one that the
 * peer asked for; a message below 80 is something that our own side does. */

struct table {
    struct channels channels;
    struct globals globals;
    struct packet pk;
    struct channel *last; /* the channel that the last message was for; NULL when it is gone */
};

static void own_side(struct table *t, struct span m)
{
    struct wspan places[8];
    struct channel *ch = t->last;
    if (ch == NULL || ch->is_gone)
        return;
    switch (m.p[0] % 8) {
    case 0:
        channel_consumed(&t->channels, ch, m.n * 1000, m.n % 2);
        break;
    case 1:
        channel_eof(&t->channels, ch);
        break;
    case 2:
        channel_close(&t->channels, ch);
        break;
    case 3:
        (void)channel_write(&t->channels, &t->pk, ch, true, m.n % 2, m);
        break;
    case 4: {
        size_t n = channel_space(&t->channels, &t->pk, ch, true, places, 8, m.n * 5000), total = 0;
        for (size_t i = 0; i < n; i++)
            total += places[i].n;
        ALWAYS(total <= ch->tx_window);
        channel_commit(&t->pk, ch, total);
        break;
    }
    case 5:
        if (ch->state == CHANNEL_REQUESTED)
            channel_accept(&t->channels, ch, NULL);
        break;
    case 6:
        if (ch->state == CHANNEL_REQUESTED) {
            channel_refuse(&t->channels, ch, 1, m);
            t->last = NULL;
        }
        break;
    default:
        t->last = channel_open(&t->channels, "direct-tcpip", m, NULL);
    }
}

static void gone(struct table *t, struct channel *ch)
{
    if (ch == NULL)
        return;
    channel_gone(&t->channels, ch);
    t->last = NULL;
}

static enum adit_err peer_side(struct table *t, struct span m)
{
    struct adit_error err = {0};
    struct span a, b;
    uint32_t number;
    bool flag;
    struct global_answer answer;
    struct channel *ch = NULL;
    switch (m.p[0]) {
    case SSH_MSG_GLOBAL_REQUEST:
        return global_on_request(m, &a, &flag, &b, &err);
    case SSH_MSG_REQUEST_SUCCESS:
    case SSH_MSG_REQUEST_FAILURE:
        return global_on_reply(&t->globals, m, &answer, &err);
    case SSH_MSG_CHANNEL_OPEN:
        ch = channel_on_open(&t->channels, m, &a, &b, &number, &err);
        break;
    case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
        ch = channel_on_confirmation(&t->channels, m, &err);
        break;
    case SSH_MSG_CHANNEL_OPEN_FAILURE:
        gone(t, channel_on_open_failure(&t->channels, m, &number, &a, &err));
        return err.code;
    case SSH_MSG_CHANNEL_WINDOW_ADJUST:
        ch = channel_on_window_adjust(&t->channels, m, &flag, &err);
        break;
    case SSH_MSG_CHANNEL_DATA:
    case SSH_MSG_CHANNEL_EXTENDED_DATA:
        ch = channel_on_data(&t->channels, m, &a, &number, &err);
        break;
    case SSH_MSG_CHANNEL_EOF:
        ch = channel_on_eof(&t->channels, m, &err);
        break;
    case SSH_MSG_CHANNEL_CLOSE:
        gone(t, channel_on_close(&t->channels, m, &err));
        return err.code;
    case SSH_MSG_CHANNEL_REQUEST:
        ch = channel_on_request(&t->channels, m, &a, &flag, &b, &err);
        break;
    default:
        ch = channel_on_reply(&t->channels, m, &(bool){false}, &err);
    }
    if (ch != NULL)
        t->last = ch;
    return err.code;
}

static void check(const struct channels *t)
{
    uint64_t granted = 0;
    for (uint32_t i = 0; i < t->slot_count; i++) {
        const struct channel *ch = t->slots[i];
        if (ch == NULL)
            continue;
        granted += ch->rx_max;
        ALWAYS(ch->id == i && ch->rx_max <= LIMIT_WINDOW);
        ALWAYS((uint64_t)ch->rx_window + ch->rx_held <= LIMIT_WINDOW);
    }
    ALWAYS(granted == t->granted);
}

static void begin(struct table *t, const struct adit_alloc *alloc, struct drbg *random)
{
    static const uint8_t confirm[] = {91, 0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 0, 0, 0, 0, 128, 0};
    struct adit_error err = {0};
    packet_init(&t->pk, alloc, random);
    channels_init(&t->channels, alloc, 0);
    globals_init(&t->globals, alloc);
    t->last = channel_open(&t->channels, "direct-tcpip", span_str("host"), NULL);
    ALWAYS(channel_open(&t->channels, "direct-tcpip", span_str("host"), NULL) != NULL);
    ALWAYS(globals_add(&t->globals, GLOBAL_FORWARD, "tcpip-forward", span_str("x"), true, 0, NULL));
    globals_flush(&t->globals, &t->pk, false, 1);
    channels_flush(&t->channels, &t->pk, true);
    ALWAYS(channel_on_confirmation(&t->channels, span_make(confirm, sizeof(confirm)), &err) == t->last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32];
    struct fuzz_memory memory = {0};
    const struct adit_alloc alloc = {&memory, fuzz_alloc, fuzz_release};
    struct drbg random;
    struct table t;
    struct span message;
    if (!crypto_init())
        return 0;
    drbg_init(&random, seed);
    begin(&t, &alloc, &random);
    struct rd r = rd_init((struct span){data, size});
    while (next_message(&r, &message)) {
        if (message.p[0] < 80)
            own_side(&t, message);
        else if (peer_side(&t, message) != ADIT_E_OK)
            break;
        channels_flush(&t.channels, &t.pk, true);
        packet_out_consume(&t.pk, packet_out(&t.pk).n);
        channels_reap(&t.channels);
        (void)channels_unblocked(&t.channels, &t.pk);
        check(&t.channels);
        /* A message never buys more than one channel's worth of memory. */
        ALWAYS(memory.now <= 2 * LIMIT_OUT_BUFFER + (1 + t.channels.used) * 4096);
    }
    channels_wipe(&t.channels);
    globals_wipe(&t.globals);
    packet_wipe(&t.pk);
    ALWAYS(memory.now == 0);
    return 0;
}
