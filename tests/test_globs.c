#include "test.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/globs.h"
#include "few_files.h"

/* ---- Names ---- */

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*.conf", "a.conf", true},
        {"*.conf", "a.conf~", false},
        {"a*b*c", "axxbxbc", true},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"[abc]", "b", true},
        {"[!abc]", "b", false},
        {"[^abc]", "d", true},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[]]", "]", true},
        {"[!]]", "a", true},
        {"[a-]", "-", true},
        {"[", "[", true},
        {"[a", "[a", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"[\\]]", "]", true},
        {"a\\", "a\\", true},
        {"[\xff]", "\xff", true},
        {"***", "abc", true},
        {"*[0-9]", "a1b2", true},
        {"*[0-9]", "a1b", false},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        if (glob_matches(span_str(rows[i].pattern), span_str(rows[i].name)) != rows[i].matches)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].name);
}

/* The number's digits as letters of an alphabet. */
static void spell(char *out, size_t length, unsigned number, const char *alphabet)
{
    size_t n = strlen(alphabet);
    for (size_t i = 0; i < length; i++, number /= (unsigned)n)
        out[i] = alphabet[number % n];
    out[length] = 0;
}

/* Every pattern of four letters says what the C library's fnmatch says. */
static void test_as_fnmatch(void **state)
{
    (void)state;
    char pattern[8], name[4];
    for (unsigned i = 0; i < 8 * 8 * 8 * 8; i++) {
        spell(pattern, 4, i, "ab*?[]!-");
        for (unsigned j = 0; j < 4 + 16 + 64; j++) {
            size_t length = j < 4 ? 1 : j < 20 ? 2 : 3;
            spell(name, length, j < 4 ? j : j < 20 ? j - 4 : j - 20, "ab]-");
            bool want = fnmatch(pattern, name, 0) == 0;
            if (glob_matches(span_str(pattern), span_str(name)) != want)
                fail_msg("'%s' and '%s': fnmatch says %d", pattern, name, want);
        }
    }
}

/* ---- Paths ---- */

static char base[] = "/tmp/adit-test-globs.XXXXXX";

static void make(const char *name, bool is_folder)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", base, name);
    if (is_folder) {
        assert_int_equal(mkdir(path, 0700), 0);
        return;
    }
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static const char *const folders[] = {"a", "a.b", "c", "c/d"};
static const char *const files[] = {"a/2.conf",   "a/10.conf",  "a/.hidden.conf", "a/note",
                                    "a.b/1.conf", "c/d/x.conf", "star*",          "c/d/\xc3\xa9"};

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(base) == NULL)
        return -1;
    for (size_t i = 0; i < ADIT_COUNT(folders); i++)
        make(folders[i], true);
    for (size_t i = 0; i < ADIT_COUNT(files); i++)
        make(files[i], false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char path[256];
    for (size_t i = 0; i < ADIT_COUNT(files); i++)
        if (snprintf(path, sizeof path, "%s/%s", base, files[i]) > 0)
            (void)unlink(path);
    for (size_t i = ADIT_COUNT(folders); i > 0; i--)
        if (snprintf(path, sizeof path, "%s/%s", base, folders[i - 1]) > 0)
            (void)rmdir(path);
    return rmdir(base);
}

/* want: names under base with blanks between them. */
static void finds(const char *pattern, const char *want)
{
    char path[512], got[512] = "";
    struct texts found;
    (void)snprintf(path, sizeof path, "%s/%s", base, pattern);
    texts_init(&found);
    assert_true(globs_find(&found, path, NULL) == ADIT_E_OK);
    for (size_t i = 0; i < found.count; i++) {
        assert_memory_equal(found.item[i], base, strlen(base));
        size_t n = strlen(got);
        (void)snprintf(got + n, sizeof got - n, "%s%s", i > 0 ? " " : "", found.item[i] + strlen(base) + 1);
    }
    assert_string_equal(got, want);
    texts_wipe(&found);
}

static void test_paths(void **state)
{
    (void)state;
    finds("a/2.conf", "a/2.conf");
    finds("a/*.conf", "a/10.conf a/2.conf");
    finds("*/*.conf", "a.b/1.conf a/10.conf a/2.conf");
    finds("*/*/*.conf", "c/d/x.conf");
    finds("a/.*.conf", "a/.hidden.conf");
    finds("a/\\.h*", "a/.hidden.conf");
    finds("a/[!.]ote", "a/note");
    finds("star\\*", "star*");
    finds("[c]/d", "c/d");
    finds("c//d/x*", "c//d/x.conf");
    finds("nothing/*", "");
    finds("a/note/*", "");
    finds("a/none", "");
    finds("c/d/\xc3*", "c/d/\xc3\xa9");
}

static void test_too_long(void **state)
{
    (void)state;
    static char pattern[3 * 4096];
    struct texts found;
    texts_init(&found);
    memset(pattern, 'x', sizeof pattern - 1);
    pattern[0] = '/';
    assert_true(globs_find(&found, pattern, NULL) == ADIT_E_OK);
    memset(pattern, '/', sizeof pattern - 1);
    assert_true(globs_find(&found, pattern, NULL) == ADIT_E_OK);
    assert_int_equal(found.count, 0);
    assert_true(globs_find(&found, "", NULL) == ADIT_E_OK && found.count == 0);
    texts_wipe(&found);
}

static void test_unreadable(void **state)
{
    (void)state;
    struct texts found;
    texts_init(&found);
    assert_true(globs_find(&found, "/dev/null/*", NULL) == ADIT_E_OK && found.count == 0);
    assert_true(globs_find(&found, "/dev/nul[l]", NULL) == ADIT_E_OK && found.count == 1);
    assert_string_equal(found.item[0], "/dev/null");
    texts_wipe(&found);
}

/* What is not known is not taken for nothing: an Include would drop the half of its files. */
static void test_without_descriptors(void **state)
{
    (void)state;
    char path[512];
    struct texts found;
    struct adit_error err = {0};
    (void)snprintf(path, sizeof path, "%s/a/*.conf", base);
    texts_init(&found);
    struct rlimit before = few_files_begin();
    enum adit_err e = globs_find(&found, path, &err);
    few_files_end(before);
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "Too many open files"));
    texts_wipe(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_as_fnmatch),
        cmocka_unit_test(test_paths),      cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_without_descriptors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
