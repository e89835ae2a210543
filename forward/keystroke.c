#include "forward/keystroke.h"

void keystroke_init(struct keystroke *k, uint32_t interval_ms)
{
    *k = (struct keystroke){.interval_ms = interval_ms};
}

bool keystroke_may_send(const struct keystroke *k)
{
    return !k->is_active || k->is_open;
}

uint64_t keystroke_deadline(const struct keystroke *k)
{
    return k->is_active ? k->next_us : UINT64_MAX;
}

static uint64_t interval_us(const struct keystroke *k)
{
    return (uint64_t)k->interval_ms * 1000;
}

static uint32_t fuzz_us(const struct keystroke *k)
{
    return (uint32_t)(interval_us(k) * KEYSTROKE_FUZZ_PERCENT / 100);
}

/* Two independent numbers of one: the bounds are so small that the remainder is as good as even. */
static uint32_t first_of(uint64_t random, uint32_t bound)
{
    return (uint32_t)(random >> 32) % bound;
}

static uint32_t second_of(uint64_t random, uint32_t bound)
{
    return (uint32_t)random % bound;
}

static void plan(struct keystroke *k, uint64_t now_us, uint64_t random)
{
    uint32_t fuzz = fuzz_us(k);
    k->next_us = now_us + interval_us(k) - fuzz + first_of(random, fuzz) + k->rate_us;
}

static void prolong(struct keystroke *k, uint64_t now_us, uint64_t random)
{
    k->until_us = now_us + 1000 * (uint64_t)(KEYSTROKE_CHAFF_MS + second_of(random, KEYSTROKE_CHAFF_MORE));
}

/* Is what goes now part of something big? It is carried in pieces, and each of them may be small. */
static bool is_bulk(struct keystroke *k, size_t n, uint64_t now_us)
{
    if (now_us - k->since_us >= interval_us(k)) {
        k->since_us = now_us;
        k->sent_len = 0;
    }
    k->sent_len += n;
    if (k->sent_len >= KEYSTROKE_TYPED_LEN)
        k->bulk_us = now_us + interval_us(k);
    return now_us < k->bulk_us;
}

bool keystroke_sent(struct keystroke *k, size_t n, uint64_t now_us, uint64_t random)
{
    bool was_active = k->is_active;
    k->is_open = false;
    if (n == 0 || k->interval_ms == 0)
        return false;
    if (was_active) {
        prolong(k, now_us, random);
        return false;
    }
    if (is_bulk(k, n, now_us))
        return false;
    k->is_active = true;
    k->chaff_count = 0;
    k->rate_us = second_of(random, fuzz_us(k));
    plan(k, now_us, random);
    prolong(k, now_us, random >> 16);
    return true;
}

static enum keystroke_due stop(struct keystroke *k, size_t waiting, uint64_t now_us)
{
    k->is_active = k->is_open = false;
    if (waiting >= KEYSTROKE_TYPED_LEN)
        k->bulk_us = now_us + interval_us(k);
    return KEYSTROKE_STOP;
}

void keystroke_end(struct keystroke *k)
{
    k->until_us = 0;
}

enum keystroke_due keystroke_look(struct keystroke *k, size_t waiting, uint64_t now_us, uint64_t random)
{
    if (!k->is_active || now_us < k->next_us)
        return KEYSTROKE_NOTHING;
    if (waiting >= KEYSTROKE_TYPED_LEN || (waiting == 0 && now_us >= k->until_us))
        return stop(k, waiting, now_us);
    plan(k, now_us, random);
    k->is_open = waiting > 0;
    k->chaff_count += waiting == 0;
    return waiting > 0 ? KEYSTROKE_SEND : KEYSTROKE_CHAFF;
}
