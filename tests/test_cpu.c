#include "crypto/cpu.h"

#include <stdio.h>
#include <string.h>
#include "tests/test.h"

static bool word_is_in(const char *line, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = line; (at = strstr(at, word)) != NULL; at += n)
        if (at[-1] == ' ' && (at[n] == ' ' || at[n] == '\n'))
            return true;
    return false;
}

/* The kernel names what it found and saves. Under an emulator its list is the host's. */
static void as_the_kernel_says(void **state)
{
    char line[8192] = "";
    FILE *f = fopen("/proc/cpuinfo", "re");

    (void)state;
    cpu_limit(NULL);
    cpu_detect();
#ifdef __x86_64__
    while (f && fgets(line, sizeof line, f) && strncmp(line, "flags", 5) != 0)
        ;
#endif
    if (f)
        (void)fclose(f);
    if (strncmp(line, "flags", 5) != 0)
        skip();
    bool has_shuffles = word_is_in(line, "ssse3") && word_is_in(line, "sse4_1");
    assert_int_equal(cpu()->has_aes,
                     word_is_in(line, "aes") && word_is_in(line, "pclmulqdq") && has_shuffles);
    /* valgrind shows a CPU of its own with less: what we say must hold for the kernel too. */
    assert_true(!cpu()->has_sha || (word_is_in(line, "sha_ni") && has_shuffles));
    assert_true(!cpu()->has_avx2 || word_is_in(line, "avx2"));
    assert_true(!cpu()->has_avx512 || (word_is_in(line, "avx512f") && word_is_in(line, "avx512vl")));
    assert_true(!cpu()->has_ifma || word_is_in(line, "avx512ifma"));
    assert_true(!cpu()->has_vaes || (word_is_in(line, "vaes") && word_is_in(line, "vpclmulqdq")));
}

static void within_the_limit(void **state)
{
    static const struct cpu nothing;
    struct cpu all;

    (void)state;
    cpu_limit(NULL);
    cpu_detect();
    all = *cpu();
    cpu_limit(&nothing);
    assert_memory_equal(cpu(), &all, sizeof all); /* only from the next time on */
    cpu_detect();
    assert_memory_equal(cpu(), &nothing, sizeof nothing);
    cpu_limit(&all);
    cpu_detect();
    assert_memory_equal(cpu(), &all, sizeof all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_kernel_says),
        cmocka_unit_test(within_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
