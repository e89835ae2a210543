/* The page: what the policy allows is what the page has, and nothing else. */
#define _GNU_SOURCE /* memmem */
#include <sodium.h>
#include <string.h>

#include "daemon/api_page.h"
#include "tests/test.h"

static struct span between(struct span in, const char *from, const char *to)
{
    const uint8_t *a = memmem(in.p, in.n, from, strlen(from));
    assert_non_null(a);
    a += strlen(from);
    const uint8_t *b = memmem(a, (size_t)(in.p + in.n - a), to, strlen(to));
    assert_non_null(b);
    return span_make(a, (size_t)(b - a));
}

static struct buffer text;

static int open_page(void **state)
{
    (void)state;
    api_page_text(&text);
    return text.is_failed;
}

static int close_page(void **state)
{
    (void)state;
    buffer_wipe(&text);
    return 0;
}

static struct span page(void)
{
    return span_make((const uint8_t *)text.p, text.len);
}

static void check_hash(const char *from, const char *to, const char *expected)
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    char base64[64];
    struct span s = between(page(), from, to);
    crypto_hash_sha256(digest, s.p, s.n);
    sodium_bin2base64(base64, sizeof base64, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
    assert_string_equal(base64, expected);
}

static void test_hashes(void **state)
{
    (void)state;
    check_hash("<script>", "</script>", API_PAGE_SCRIPT);
    check_hash("<style>", "</style>", API_PAGE_STYLE);
}

static size_t count(struct span in, const char *what)
{
    size_t n = 0, len = strlen(what);
    for (size_t i = 0; i + len <= in.n; i++)
        n += memcmp(in.p + i, what, len) == 0;
    return n;
}

/* One script, one style, and no way for a text to become markup or for anything to be loaded. */
static void test_self_contained(void **state)
{
    (void)state;
    assert_int_equal(count(page(), "<script"), 1);
    assert_int_equal(count(page(), "<style"), 1);
    static const char *const never[] = {"innerHTML",      "outerHTML", "insertAdjacentHTML",
                                        "document.write", "eval(",     " style=",
                                        "onclick=",       "src=",      "href=",
                                        "url(",           "@import",   "http://",
                                        "https://",       "cookie",    "localStorage"};
    for (size_t i = 0; i < ADIT_COUNT(never); i++)
        if (count(page(), never[i]) != (strcmp(never[i], "http://") == 0)) /* the name of SVG's namespace */
            fail_msg("the page has '%s'", never[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_self_contained),
    };
    return cmocka_run_group_tests(tests, open_page, close_page);
}
