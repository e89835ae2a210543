/*
 * test_gcm_x86.c - AES-GCM by AES-NI against the portable code. Published vectors: test_gcm.c.
 *
 * That the 32-bit counter comes round cannot be seen here: with a 96-bit IV it begins at 1 (SP 800-38D §7.1)
 * and ends with the longest message, 2^36 - 32 bytes.
 */
#include "../crypto/cpu.h"
#include "../crypto/crypto.h"
#include "gcm_compare.h"
#include "test.h"

#ifdef __x86_64__
static void run(void (*test)(struct gcm_compare *))
{
    struct gcm_compare c;

    cpu_limit(NULL);
    cpu_detect();
    if (!cpu()->has_aes) {
        print_message("this CPU has no AES instructions\n");
        skip();
    }
    gcm_compare_init(&c, NULL);
    test(&c);
}
#define RUN(test) run(test)
#else
#define RUN(test) skip()
#endif

/* There is no other fast AES-GCM for keys of 128 bits. */
static void chosen_where_it_runs(void **state)
{
    (void)state;
    crypto_force_portable(false);
    assert_true(crypto_init());
    assert_int_equal(crypto_has_fast_gcm(128), cpu()->has_aes);
#ifndef __x86_64__
    assert_false(cpu()->has_aes);
#endif
}

static void short_messages(void **state)
{
    (void)state;
    RUN(gcm_compare_short);
}

static void whole_batches(void **state)
{
    (void)state;
    RUN(gcm_compare_batches);
}

static void every_alignment(void **state)
{
    (void)state;
    RUN(gcm_compare_every_alignment);
}

static void long_messages(void **state)
{
    (void)state;
    RUN(gcm_compare_long);
}

static void forgeries(void **state)
{
    (void)state;
    RUN(gcm_compare_forgeries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_where_it_runs), cmocka_unit_test(short_messages),
        cmocka_unit_test(whole_batches),        cmocka_unit_test(every_alignment),
        cmocka_unit_test(long_messages),        cmocka_unit_test(forgeries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
