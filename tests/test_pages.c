#define _GNU_SOURCE /* MADV_DONTDUMP */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "net/pages.h"

/* What the kernel says of the mapping with this address: its VmFlags. */
static void flags_at(const void *p, char flags[static 256])
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool is_here = false;
    assert_non_null(maps);
    flags[0] = 0;
    while (flags[0] == 0 && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_here = (unsigned long)p >= from && (unsigned long)p < to;
        else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, 256, "%.250s", line);
    }
    fclose(maps);
}

/* Under an emulator the file may be one of its own, which knows nothing of this. */
static bool smaps_tells(void)
{
    char flags[256];
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    memset(p, 1, 4096);
    (void)madvise(p, 4096, MADV_DONTDUMP);
    flags_at(p, flags);
    (void)munmap(p, 4096);
    return strstr(flags, " dd") != NULL;
}

static void no_core_image_has_them(void **state)
{
    (void)state;
    char flags[256];
    uint8_t *p = pages_new(80000);
    assert_non_null(p);
    for (size_t i = 0; i < 80000; i++)
        assert_int_equal(p[i], 0);
    memset(p, 0xa5, 80000);
    flags_at(p, flags);
    if (smaps_tells())
        assert_non_null(strstr(flags, " dd"));
    pages_free(p, 80000);
    pages_free(NULL, 1);
}

static void none_is_left(void **state)
{
    (void)state;
    assert_null(pages_new(SIZE_MAX - 65535));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_core_image_has_them),
        cmocka_unit_test(none_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
