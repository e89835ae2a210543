/*
 * test_gcm_vaes.c - AES-GCM by VAES, in both widths, against the portable code. Published vectors:
 * test_gcm.c.
 */
#include "../crypto/cpu.h"
#include "../crypto/gcm_vaes.h"
#include "gcm_compare.h"
#include "test.h"

static bool is_wide; /* 512 bits */

static int use_256(void **state)
{
    (void)state;
    is_wide = false;
    return 0;
}

static int use_512(void **state)
{
    (void)state;
    is_wide = true;
    return 0;
}

#ifdef __x86_64__
static void run(void (*test)(struct gcm_compare *))
{
    struct gcm_compare c;
    struct cpu most;
    const struct gcm_x86_kernel *kernel;

    cpu_limit(NULL);
    cpu_detect();
    most = *cpu();
    if (!most.has_vaes || (is_wide && !most.has_avx512)) {
        print_message("this CPU has no VAES in this width\n");
        skip();
    }
    most.has_avx512 = is_wide;
    cpu_limit(&most);
    cpu_detect();
    kernel = gcm_vaes_kernel();
    assert_non_null(kernel);
    assert_int_equal(kernel->batch_len, is_wide ? 512 : 256);
    gcm_compare_init(&c, kernel);
    test(&c);
}

#define RUN(test) run(test)
#else
#define RUN(test) skip()
#endif

static void none_without_the_instructions(void **state)
{
    static const struct cpu no_vaes = {.has_aes = true, .has_avx2 = true, .has_avx512 = true};

    (void)state;
    cpu_limit(&no_vaes);
    cpu_detect();
    assert_false(cpu()->has_vaes);
#ifdef __x86_64__
    assert_null(gcm_vaes_kernel());
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
    const struct CMUnitTest each[] = {
        cmocka_unit_test(short_messages), cmocka_unit_test(whole_batches), cmocka_unit_test(every_alignment),
        cmocka_unit_test(long_messages),  cmocka_unit_test(forgeries),
    };
    const struct CMUnitTest choice[] = {cmocka_unit_test(none_without_the_instructions)};
    int failed = cmocka_run_group_tests_name("256 bits", each, use_256, NULL);

    failed += cmocka_run_group_tests_name("512 bits", each, use_512, NULL);
    return failed + cmocka_run_group_tests_name("choice", choice, NULL, NULL);
}
