/*
 * test_sntrup761_poly.c - the rings against schoolbook arithmetic in plain integers, and their laws.
 */
#include "../crypto/sntrup761_poly.h"
#include "unhex.h"

static void random_make(struct drbg *random, uint8_t seed)
{
    uint8_t bytes[32] = {seed};
    drbg_init(random, bytes);
}

static int centered(long x, int m)
{
    int rest = (int)(x % m);
    if (rest > m / 2)
        return rest - m;
    return rest < -(m / 2) ? rest + m : rest;
}

/* a * b modulo x^761 - x - 1 and m. */
static void schoolbook(int out[SNTRUP_P], const int a[SNTRUP_P], const int b[SNTRUP_P], int m)
{
    static long full[2 * SNTRUP_P];
    memset(full, 0, sizeof full);
    for (size_t i = 0; i < SNTRUP_P; i++)
        for (size_t j = 0; j < SNTRUP_P; j++)
            full[i + j] += (long)a[i] * b[j];
    for (size_t i = 2 * SNTRUP_P - 1; i >= SNTRUP_P; i--) {
        full[i - SNTRUP_P] += full[i];
        full[i - SNTRUP_P + 1] += full[i];
    }
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = centered(full[i], m);
}

static void from_small(int out[SNTRUP_P], const int8_t a[SNTRUP_P])
{
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = a[i];
}

static void from_rq(int out[SNTRUP_P], const int16_t a[SNTRUP_ROOM])
{
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = a[i];
    for (size_t i = SNTRUP_P; i < SNTRUP_ROOM; i++)
        assert_int_equal(a[i], 0);
}

static void assert_one(const int a[SNTRUP_P], int one)
{
    for (size_t i = 0; i < SNTRUP_P; i++)
        assert_int_equal(a[i], i == 0 ? one : 0);
}

/* Any elements of R/q, the largest coefficients of either sign among them. */
static void rq_random(int16_t out[SNTRUP_ROOM], struct drbg *random, int kind)
{
    memset(out, 0, SNTRUP_ROOM * sizeof out[0]);
    for (size_t i = 0; i < SNTRUP_P; i++) {
        uint16_t word;
        drbg_bytes(random, &word, sizeof word);
        out[i] = (int16_t)(kind == 0   ? 2295
                           : kind == 1 ? -2295
                           : kind == 2 ? (word & 1 ? 2295 : -2295)
                                       : word % 4591 - 2295);
    }
}

static void small_is_uniform(void **state)
{
    struct drbg random;
    int8_t a[SNTRUP_P];
    long count[3] = {0};
    (void)state;
    random_make(&random, 1);
    for (int n = 0; n < 100; n++) {
        sntrup_small_random(a, &random);
        for (size_t i = 0; i < SNTRUP_P; i++) {
            assert_in_range(a[i] + 1, 0, 2);
            count[a[i] + 1]++;
        }
    }
    for (int i = 0; i < 3; i++) /* 25,367 each, give or take 130 */
        assert_in_range(count[i], 24700, 26000);
}

static void short_has_its_weight(void **state)
{
    struct drbg random;
    int8_t a[SNTRUP_P];
    long at[SNTRUP_P] = {0}, signs = 0;
    (void)state;
    random_make(&random, 2);
    for (int n = 0; n < 1000; n++) {
        int weight = 0;
        sntrup_short_random(a, &random);
        for (size_t i = 0; i < SNTRUP_P; i++) {
            assert_in_range(a[i] + 1, 0, 2);
            weight += a[i] != 0;
            at[i] += a[i] != 0;
            signs += a[i];
        }
        assert_int_equal(weight, SNTRUP_W);
        assert_int_equal(sntrup_is_short(a), UINT32_MAX);
    }
    for (size_t i = 0; i < SNTRUP_P; i++) /* 376 each, give or take 15 */
        assert_in_range(at[i], 290, 460);
    assert_in_range(signs + 3000, 0, 6000); /* 0, give or take 535 */
}

static void is_short_counts(void **state)
{
    int8_t a[SNTRUP_P] = {0};
    (void)state;
    for (size_t weight = 0; weight < SNTRUP_P; weight++) {
        assert_int_equal(sntrup_is_short(a), weight == SNTRUP_W ? UINT32_MAX : 0);
        a[weight] = weight % 2 ? -1 : 1;
    }
}

static void r3_multiplies(void **state)
{
    struct drbg random;
    static int8_t a[SNTRUP_P], b[SNTRUP_P], product[SNTRUP_P];
    static int x[SNTRUP_P], y[SNTRUP_P], want[SNTRUP_P], got[SNTRUP_P];
    (void)state;
    random_make(&random, 3);
    for (int n = 0; n < 12; n++) {
        sntrup_small_random(a, &random);
        sntrup_small_random(b, &random);
        if (n < 2)
            memset(a, n == 0 ? 1 : -1, sizeof a);
        if (n == 1)
            memset(b, -1, sizeof b);
        sntrup_r3_multiply(product, a, b);
        from_small(x, a), from_small(y, b), from_small(got, product);
        schoolbook(want, x, y, 3);
        assert_memory_equal(got, want, sizeof want);
    }
}

static void r3_inverts(void **state)
{
    struct drbg random;
    static int8_t a[SNTRUP_P], inverse[SNTRUP_P];
    static int x[SNTRUP_P], y[SNTRUP_P], product[SNTRUP_P];
    (void)state;
    random_make(&random, 4);
    for (int n = 0; n < 12; n++) {
        sntrup_small_random(a, &random);
        if (n < 3) /* 1, -x^760, x */
            memset(a, 0, sizeof a), a[n == 0 ? 0 : n == 1 ? SNTRUP_P - 1 : 1] = n == 1 ? -1 : 1;
        assert_int_equal(sntrup_r3_invert(inverse, a), UINT32_MAX);
        from_small(x, a), from_small(y, inverse);
        schoolbook(product, x, y, 3);
        assert_one(product, 1);
    }
}

/* 0, and multiples of the smallest factor of x^761 - x - 1 modulo 3, have no inverse. */
static void r3_knows_what_has_no_inverse(void **state)
{
    static const int8_t factor[20] = {1, 1, 0, 1, 1, 1, -1, 1, -1, 1, 0, 1, -1, -1, -1, -1, 1, 0, -1, -1};
    static int8_t a[SNTRUP_P], b[SNTRUP_P], product[SNTRUP_P], inverse[SNTRUP_P];
    struct drbg random;
    (void)state;
    assert_int_equal(sntrup_r3_invert(inverse, a), 0);
    memcpy(a, factor, sizeof factor);
    assert_int_equal(sntrup_r3_invert(inverse, a), 0);
    random_make(&random, 5);
    for (int n = 0; n < 4; n++) {
        sntrup_small_random(b, &random);
        sntrup_r3_multiply(product, a, b);
        assert_int_equal(sntrup_r3_invert(inverse, product), 0);
    }
}

static void rq_multiplies(void **state)
{
    struct drbg random;
    static int16_t a[SNTRUP_ROOM], product[SNTRUP_ROOM];
    static int8_t b[SNTRUP_P];
    static int x[SNTRUP_P], y[SNTRUP_P], want[SNTRUP_P], got[SNTRUP_P];
    (void)state;
    random_make(&random, 6);
    for (int n = 0; n < 12; n++) {
        rq_random(a, &random, n % 4);
        sntrup_small_random(b, &random);
        if (n < 6) /* the largest sums there can be */
            memset(b, n < 3 ? 1 : -1, sizeof b);
        sntrup_rq_multiply(product, a, b);
        from_rq(x, a), from_small(y, b), from_rq(got, product);
        schoolbook(want, x, y, SNTRUP_Q);
        assert_memory_equal(got, want, sizeof want);
    }
}

static void rq_inverts(void **state)
{
    struct drbg random;
    static int16_t third[SNTRUP_ROOM];
    static int8_t a[SNTRUP_P];
    static int x[SNTRUP_P], y[SNTRUP_P], product[SNTRUP_P];
    (void)state;
    random_make(&random, 7);
    for (int n = 0; n < 16; n++) {
        if (n % 2 == 0)
            sntrup_short_random(a, &random);
        else
            sntrup_small_random(a, &random);
        if (n < 4)
            memset(a, n == 3 ? -1 : 0, sizeof a), a[n == 0 ? 0 : n == 1 ? SNTRUP_P - 1 : 1] = n == 1 ? -1 : 1;
        sntrup_rq_invert3(third, a);
        from_small(x, a), from_rq(y, third);
        for (size_t i = 0; i < SNTRUP_P; i++)
            x[i] *= 3;
        schoolbook(product, x, y, SNTRUP_Q);
        assert_one(product, 1);
    }
}

static void rq_rounds_and_triples(void **state)
{
    static int16_t a[SNTRUP_ROOM], rounded[SNTRUP_ROOM];
    static int8_t small[SNTRUP_P];
    (void)state;
    for (int first = -2295; first <= 2295; first += SNTRUP_P) {
        for (int i = 0; i < SNTRUP_P; i++)
            a[i] = (int16_t)(first + i <= 2295 ? first + i : 0);
        memcpy(rounded, a, sizeof a);
        sntrup_rq_round(rounded);
        sntrup_rq_triple_mod3(small, a);
        for (size_t i = 0; i < SNTRUP_P; i++) {
            assert_int_equal(rounded[i] % 3, 0);
            assert_in_range(rounded[i] - a[i] + 1, 0, 2);
            assert_int_equal(small[i], centered(centered(3L * a[i], SNTRUP_Q), 3));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_is_uniform),
        cmocka_unit_test(short_has_its_weight),
        cmocka_unit_test(is_short_counts),
        cmocka_unit_test(r3_multiplies),
        cmocka_unit_test(r3_inverts),
        cmocka_unit_test(r3_knows_what_has_no_inverse),
        cmocka_unit_test(rq_multiplies),
        cmocka_unit_test(rq_inverts),
        cmocka_unit_test(rq_rounds_and_triples),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
