#include "cli/commandline.h"

#include <string.h>

#include "tests/test.h"

static void check(const char *line, enum commandline_kind kind, enum forward_type type, const char *text)
{
    struct commandline_words w = commandline_parse(line, true);
    assert_int_equal(w.kind, kind);
    if (kind == COMMANDLINE_OPEN || kind == COMMANDLINE_CLOSE)
        assert_int_equal(w.type, type);
    if (text != NULL)
        assert_string_equal(w.text, text);
}

static void test_forwards(void **state)
{
    (void)state;
    check("-L8080:h:80", COMMANDLINE_OPEN, FORWARD_LOCAL, "8080:h:80");
    check("  -L  8080:h:80", COMMANDLINE_OPEN, FORWARD_LOCAL, "8080:h:80");
    check("R 0", COMMANDLINE_OPEN, FORWARD_REMOTE, "0"); /* the dash may be left out */
    check("-D\t*:1080", COMMANDLINE_OPEN, FORWARD_DYNAMIC, "*:1080");
    check("-KL 8080", COMMANDLINE_CLOSE, FORWARD_LOCAL, "8080");
    check("KR0", COMMANDLINE_CLOSE, FORWARD_REMOTE, "0");
    check("-KD *:1", COMMANDLINE_CLOSE, FORWARD_DYNAMIC, "*:1");
    check("-L", COMMANDLINE_OPEN, FORWARD_LOCAL, "");
}

static void test_others(void **state)
{
    (void)state;
    check("", COMMANDLINE_NOTHING, 0, NULL);
    check(" -", COMMANDLINE_NOTHING, 0, NULL);
    check("-h", COMMANDLINE_HELP, 0, NULL);
    check("?", COMMANDLINE_HELP, 0, NULL);
    check("Help", COMMANDLINE_HELP, 0, NULL);
    check("!ls -l", COMMANDLINE_PROGRAM, 0, "ls -l");
    assert_int_equal(commandline_parse("!ls -l", false).kind, COMMANDLINE_INVALID);
    check("-K", COMMANDLINE_INVALID, 0, NULL);
    check("-KX 1", COMMANDLINE_INVALID, 0, NULL);
    check("-W h:1", COMMANDLINE_INVALID, 0, NULL);
    check("exit", COMMANDLINE_INVALID, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forwards), cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
