/*
 * test_sha256_x86.c - the compression by SHA instructions against FIPS 180-4's text.
 */
#include "../crypto/cpu.h"
#include "../crypto/sha256_x86.h"
#include "sha256_plain.h"

static bool has_sha(void)
{
    cpu_limit(NULL);
    cpu_detect();
    return cpu()->has_sha;
}

static void compress_is_chosen_where_it_runs(void **state)
{
    bool runs = has_sha();
    (void)state;
#ifdef __x86_64__
    assert_int_equal(runs, sha256_compress_choose() == sha256_x86_compress);
#else
    assert_false(runs);
#endif
}

static void compress_as_the_text(void **state)
{
    (void)state;
    if (!has_sha()) {
        print_message("this CPU has no SHA instructions\n");
        skip();
    }
#ifdef __x86_64__
    assert_compresses_as_plain(sha256_x86_compress);
#endif
}

static void compress_two_as_the_text(void **state)
{
    (void)state;
    if (!has_sha()) {
        print_message("this CPU has no SHA instructions\n");
        skip();
    }
#ifdef __x86_64__
    assert_ptr_equal(sha256_compress_two_choose(), sha256_x86_compress_two);
    assert_compresses_two_as_plain(sha256_x86_compress_two);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compress_is_chosen_where_it_runs),
        cmocka_unit_test(compress_as_the_text),
        cmocka_unit_test(compress_two_as_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
