/* A file that the program carries comes out as it went in. */
#include <stdio.h>

#include "daemon/packed.h"
#include "tests/test.h"

PACKED_FILE(document, "openapi.json")
PACKED_FILE(page, "page.html")

static void same(const char *path, struct span packed)
{
    FILE *f = fopen(path, "rb");
    struct buffer b = {0};

    assert_non_null(f);
    packed_open(&b, packed);
    assert_false(b.is_failed);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(fgetc(f), (uint8_t)b.p[i]);
    assert_int_equal(fgetc(f), EOF);
    assert_int_equal(b.p[b.len], 0);
    fclose(f);
    buffer_wipe(&b);
}

static void as_it_was(void **state)
{
    (void)state;
    same("daemon/openapi.json", document_packed());
    same("daemon/page.html", page_packed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_it_was)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
