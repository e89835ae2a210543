/*
 * test_sntrup761_code.c - polynomials to bytes and back; bytes that are no encoding. What the bytes are is in
 * test_sntrup761.c.
 */
#include "../crypto/sntrup761_code.h"
#include "unhex.h"

static void random_make(struct drbg *random, uint8_t seed)
{
    uint8_t bytes[32] = {seed};
    drbg_init(random, bytes);
}

static void rq_random(int16_t a[SNTRUP_ROOM], struct drbg *random, int range, int unit, int kind)
{
    memset(a, 0, SNTRUP_ROOM * sizeof a[0]);
    for (size_t i = 0; i < SNTRUP_P; i++) {
        uint16_t word;
        drbg_bytes(random, &word, sizeof word);
        int number = kind == 0 ? 0 : kind == 1 ? range - 1 : word % range;
        a[i] = (int16_t)(number * unit - 2295);
    }
}

static void small_comes_back(void **state)
{
    struct drbg random;
    int8_t a[SNTRUP_P], b[SNTRUP_P];
    uint8_t bytes[SNTRUP_SMALL_LEN];
    (void)state;
    random_make(&random, 1);
    for (int n = 0; n < 20; n++) {
        sntrup_small_random(a, &random);
        sntrup_small_encode(bytes, a);
        sntrup_small_decode(b, bytes);
        assert_memory_equal(a, b, sizeof a);
    }
    memset(a, -1, sizeof a);
    a[0] = 1, a[5] = 0;
    sntrup_small_encode(bytes, a);
    assert_int_equal(bytes[0], 2);
    assert_int_equal(bytes[1], 4);
    assert_int_equal(bytes[190], 0);
}

static void rq_comes_back(void **state)
{
    struct drbg random;
    int16_t a[SNTRUP_ROOM], b[SNTRUP_ROOM];
    uint8_t bytes[SNTRUP_RQ_LEN];
    (void)state;
    random_make(&random, 2);
    for (int n = 0; n < 50; n++) {
        rq_random(a, &random, SNTRUP_Q, 1, n);
        sntrup_rq_encode(bytes, a);
        sntrup_rq_decode(b, bytes);
        assert_memory_equal(a, b, sizeof a);
    }
}

static void rounded_comes_back(void **state)
{
    struct drbg random;
    int16_t a[SNTRUP_ROOM], b[SNTRUP_ROOM];
    uint8_t bytes[SNTRUP_ROUNDED_LEN];
    (void)state;
    random_make(&random, 3);
    for (int n = 0; n < 50; n++) {
        rq_random(a, &random, 1531, 3, n);
        sntrup_rounded_encode(bytes, a);
        sntrup_rounded_decode(b, bytes);
        assert_memory_equal(a, b, sizeof a);
    }
}

/* Whatever the bytes are, the coefficients are in their range. */
static void any_bytes_decode(void **state)
{
    struct drbg random;
    int16_t a[SNTRUP_ROOM];
    uint8_t bytes[SNTRUP_RQ_LEN];
    (void)state;
    random_make(&random, 4);
    for (int n = 0; n < 200; n++) {
        drbg_bytes(&random, bytes, sizeof bytes);
        if (n == 0)
            memset(bytes, 0xff, sizeof bytes);
        sntrup_rq_decode(a, bytes);
        for (size_t i = 0; i < SNTRUP_P; i++)
            assert_in_range(a[i] + 2295, 0, 4590);
        sntrup_rounded_decode(a, bytes);
        for (size_t i = 0; i < SNTRUP_P; i++) {
            assert_in_range(a[i] + 2295, 0, 4590);
            assert_int_equal((a[i] + 2295) % 3, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_comes_back),
        cmocka_unit_test(rq_comes_back),
        cmocka_unit_test(rounded_comes_back),
        cmocka_unit_test(any_bytes_decode),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
