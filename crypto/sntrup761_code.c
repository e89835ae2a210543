#include "sntrup761_code.h"

#include <string.h>

enum { Q12 = (SNTRUP_Q - 1) / 2, ROUNDED_RANGE = (SNTRUP_Q + 2) / 3, LEVELS_MAX = 11, PAIR_LIMIT = 1 << 14 };

/* ---- coefficients of {-1, 0, 1}: two bits each ----------------------------------------------------- */

void sntrup_small_encode(uint8_t out[SNTRUP_SMALL_LEN], const int8_t a[SNTRUP_P])
{
    memset(out, 0, SNTRUP_SMALL_LEN);
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i / 4] |= (uint8_t)((unsigned)(a[i] + 1) << i % 4 * 2);
}

void sntrup_small_decode(int8_t out[SNTRUP_P], const uint8_t in[SNTRUP_SMALL_LEN])
{
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = (int8_t)((in[i / 4] >> i % 4 * 2 & 3) - 1);
}

/* ---- numbers below a range that is no power of two ---------------------------------------------------
 * §3.3 "Encode": two neighbours become one number, whose low bytes are put out while its range is not below
 * 2^14; half as many numbers are left, and so on down to one, which is put out whole. All numbers of a level
 * have one range but the last, which may differ. Ranges and lengths are public and the same for every
 * polynomial. */

struct level {
    size_t count;
    uint32_t range, last_range;
    size_t at; /* of its bytes */
};

/* The bytes that a number of this range gives away, and the range of what is left. */
static size_t range_drop(uint32_t *range, uint32_t limit)
{
    size_t bytes = 0;
    for (; *range >= limit; bytes++)
        *range = (*range + 255) / 256;
    return bytes;
}

/* What the pairs of a level become. The last of them is a number left alone when the count is odd. */
static struct level level_next(const struct level *l, size_t *pair_bytes, size_t *last_bytes)
{
    size_t pairs = l->count / 2;
    struct level next = {
        .count = (l->count + 1) / 2, .range = l->range * l->range, .last_range = l->last_range};
    *pair_bytes = *last_bytes = range_drop(&next.range, PAIR_LIMIT);
    if (l->count % 2 == 0) {
        next.last_range = l->range * l->last_range;
        *last_bytes = range_drop(&next.last_range, PAIR_LIMIT);
    }
    next.at = l->at + (pairs - 1) * *pair_bytes + *last_bytes;
    return next;
}

static uint32_t number_put(uint8_t **to, uint32_t number, size_t bytes)
{
    for (; bytes > 0; bytes--, number >>= 8)
        *(*to)++ = (uint8_t)number;
    return number;
}

/* Uses numbers up. */
static void numbers_encode(uint8_t *out, uint16_t numbers[SNTRUP_P], uint32_t range)
{
    struct level l = {.count = SNTRUP_P, .range = range, .last_range = range};
    while (l.count > 1) {
        size_t pair_bytes, last_bytes, pairs = l.count / 2;
        struct level next = level_next(&l, &pair_bytes, &last_bytes);
        for (size_t i = 0; i < pairs; i++) {
            uint32_t pair = numbers[2 * i] + numbers[2 * i + 1] * l.range;
            numbers[i] = (uint16_t)number_put(&out, pair, i + 1 < pairs ? pair_bytes : last_bytes);
        }
        if (l.count % 2 == 1)
            numbers[pairs] = numbers[l.count - 1];
        l = next;
    }
    uint32_t range_left = l.last_range;
    (void)number_put(&out, numbers[0], range_drop(&range_left, 2));
}

/* A public divisor of up to 2^14 with its reciprocal: dividing by it is a multiplication. */
struct divisor {
    uint32_t value, reciprocal;
};

static struct divisor divisor_of(uint32_t value)
{
    return (struct divisor){value, (uint32_t)(((uint64_t)1 << 32) / value)};
}

/* number / divisor; the first quotient may be one too small. */
static uint32_t number_divide(uint32_t number, struct divisor by, uint32_t *rest)
{
    uint32_t quotient = (uint32_t)((uint64_t)number * by.reciprocal >> 32);
    uint32_t left = number - quotient * by.value;
    uint32_t is_less = 0u - (uint32_t)(((uint64_t)left - by.value) >> 63);
    __asm__("" : "+r"(is_less));
    *rest = left - (by.value & ~is_less);
    return quotient + (1 & ~is_less);
}

static uint32_t number_get(const uint8_t *in, size_t bytes)
{
    uint32_t number = 0;
    for (size_t i = bytes; i-- > 0;)
        number = number << 8 | in[i];
    return number;
}

/* From the `count + 1 >> 1` numbers of the next level and the bytes of this one, back to `count` numbers:
 * from the end on, so that nothing is overwritten before it was read. */
static void level_decode(const struct level *l, const uint8_t *in, uint16_t numbers[SNTRUP_P])
{
    size_t pair_bytes, last_bytes, pairs = l->count / 2;
    (void)level_next(l, &pair_bytes, &last_bytes);
    struct divisor range = divisor_of(l->range), last_range = divisor_of(l->last_range);
    if (l->count % 2 == 1)
        numbers[l->count - 1] = numbers[pairs];
    for (size_t i = pairs; i-- > 0;) {
        bool is_last_pair = i + 1 == pairs;
        size_t bytes = is_last_pair ? last_bytes : pair_bytes;
        uint32_t low = number_get(in + l->at + i * pair_bytes, bytes);
        uint32_t first, second, pair = low + ((uint32_t)numbers[i] << 8 * bytes);
        uint32_t quotient = number_divide(pair, range, &first);
        (void)number_divide(quotient, is_last_pair && l->count % 2 == 0 ? last_range : range, &second);
        numbers[2 * i] = (uint16_t)first;
        numbers[2 * i + 1] = (uint16_t)second;
    }
}

static void numbers_decode(uint16_t numbers[SNTRUP_P], const uint8_t *in, uint32_t range)
{
    struct level levels[LEVELS_MAX] = {{.count = SNTRUP_P, .range = range, .last_range = range}};
    size_t n = 0, pair_bytes, last_bytes;
    for (; levels[n].count > 1; n++)
        levels[n + 1] = level_next(&levels[n], &pair_bytes, &last_bytes);
    uint32_t range_left = levels[n].last_range, rest;
    size_t bytes = range_drop(&range_left, 2);
    (void)number_divide(number_get(in + levels[n].at, bytes), divisor_of(levels[n].last_range), &rest);
    numbers[0] = (uint16_t)rest;
    while (n-- > 0)
        level_decode(&levels[n], in, numbers);
}

/* ---- R/q ---------------------------------------------------------------------------------------------- */

void sntrup_rq_encode(uint8_t out[SNTRUP_RQ_LEN], const int16_t a[SNTRUP_ROOM])
{
    uint16_t numbers[SNTRUP_P];
    for (size_t i = 0; i < SNTRUP_P; i++)
        numbers[i] = (uint16_t)(a[i] + Q12);
    numbers_encode(out, numbers, SNTRUP_Q);
    adit_wipe(numbers, sizeof(numbers));
}

void sntrup_rq_decode(int16_t out[SNTRUP_ROOM], const uint8_t in[SNTRUP_RQ_LEN])
{
    uint16_t numbers[SNTRUP_P];
    numbers_decode(numbers, in, SNTRUP_Q);
    memset(out, 0, SNTRUP_ROOM * sizeof(out[0]));
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = (int16_t)(numbers[i] - Q12);
}

/* (a + 2295) / 3, by a multiplication that is exact up to 2^15. */
void sntrup_rounded_encode(uint8_t out[SNTRUP_ROUNDED_LEN], const int16_t a[SNTRUP_ROOM])
{
    uint16_t numbers[SNTRUP_P];
    for (size_t i = 0; i < SNTRUP_P; i++)
        numbers[i] = (uint16_t)((uint32_t)(a[i] + Q12) * 10923 >> 15);
    numbers_encode(out, numbers, ROUNDED_RANGE);
    adit_wipe(numbers, sizeof(numbers));
}

void sntrup_rounded_decode(int16_t out[SNTRUP_ROOM], const uint8_t in[SNTRUP_ROUNDED_LEN])
{
    uint16_t numbers[SNTRUP_P];
    numbers_decode(numbers, in, ROUNDED_RANGE);
    memset(out, 0, SNTRUP_ROOM * sizeof(out[0]));
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = (int16_t)(numbers[i] * 3 - Q12);
}
