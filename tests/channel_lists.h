/*
 * channel_lists.h - what is always true of a table of channels between two calls: its lists agree with what
 * each channel says of itself, its free numbers are all there, and its sums are right.
 */
#ifndef TESTS_CHANNEL_LISTS_H
#define TESTS_CHANNEL_LISTS_H

#include "tests/test.h"

#include "ssh/channel.h"

static inline size_t channel_lists_due(const struct channels *t)
{
    size_t n = 0;
    const struct channel *last = NULL;
    for (const struct channel *ch = t->due; ch != NULL; last = ch, ch = ch->next_due, n++) {
        assert_true(ch->in_due && n < t->used);
        assert_ptr_equal(t->slots[ch->id], ch);
    }
    assert_ptr_equal(t->due_tail, last);
    return n;
}

static inline size_t channel_lists_blocked(const struct channels *t)
{
    size_t n = 0;
    const struct channel *last = NULL;
    for (const struct channel *ch = t->blocked; ch != NULL; last = ch, ch = ch->next_blocked, n++) {
        assert_true(ch->in_blocked && !ch->is_gone && n < t->used);
        assert_ptr_equal(ch->prev_blocked, last);
        assert_ptr_equal(t->slots[ch->id], ch);
    }
    assert_ptr_equal(t->blocked_tail, last);
    return n;
}

static inline size_t channel_lists_free(const struct channels *t)
{
    size_t n = 0;
    for (uint32_t id = t->first_free; id < t->slot_count; id = t->next_free[id], n++)
        assert_true(t->slots[id] == NULL && n < t->slot_count);
    return n;
}

static inline void channel_lists_check(const struct channels *t)
{
    size_t used = 0, due = 0, blocked = 0;
    uint64_t granted = 0;
    for (uint32_t id = 0; id < t->slot_count; id++) {
        const struct channel *ch = t->slots[id];
        if (ch == NULL)
            continue;
        used++;
        due += ch->in_due;
        blocked += ch->in_blocked;
        granted += ch->rx_max;
        assert_int_equal(ch->id, id);
        assert_true(ch->opening != NULL || ch->state != CHANNEL_OPENING || ch->open_sent);
        assert_true(ch->opening == NULL || ch->state != CHANNEL_OPEN);
        /* What is due and stands in no list would never go. */
        assert_true(ch->in_due || ch->due == 0 ||
                    (ch->state == CHANNEL_OPENING && (ch->due & DUE_OPEN) == 0));
    }
    assert_int_equal(used, t->used);
    assert_int_equal(granted, t->granted);
    assert_int_equal(due, channel_lists_due(t));
    assert_int_equal(blocked, channel_lists_blocked(t));
    assert_int_equal(t->slot_count, used + channel_lists_free(t));
}

#endif
