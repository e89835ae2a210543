/*
 * test_sha256_avx2.c - the compression by AVX2 against FIPS 180-4's text.
 */
#include "../crypto/cpu.h"
#include "../crypto/sha256_avx2.h"
#include "sha256_plain.h"

static bool has_avx2(void)
{
    cpu_limit(NULL);
    cpu_detect();
    return cpu()->has_avx2;
}

/* Where there are SHA instructions too, these come first. */
static void compress_is_chosen_where_it_runs(void **state)
{
    static const struct cpu no_sha = {.has_aes = true, .has_avx2 = true};
    bool runs = has_avx2();
    (void)state;
    cpu_limit(&no_sha);
    cpu_detect();
#ifdef __x86_64__
    assert_int_equal(runs, sha256_compress_choose() == sha256_avx2_compress);
#else
    assert_false(runs);
#endif
}

static void compress_as_the_text(void **state)
{
    (void)state;
    if (!has_avx2()) {
        print_message("this CPU has no AVX2\n");
        skip();
    }
#ifdef __x86_64__
    assert_compresses_as_plain(sha256_avx2_compress);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compress_is_chosen_where_it_runs),
        cmocka_unit_test(compress_as_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
