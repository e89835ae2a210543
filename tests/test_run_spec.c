#include "test.h"

#include <string.h>

#include "cli/run_spec.h"
#include "tests/no_memory.h"

static struct run_spec spec;
static char joined[512];

/* The words of text, split at blanks; joined gets what is left for ssh. */
static enum adit_err parse(const char *text)
{
    static char copy[512];
    static char *argv[64];
    struct adit_error err = {0};
    int argc = 0;
    size_t n = 0;
    (void)adit_format(copy, sizeof copy, "%s", text);
    char *rest = copy;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    enum adit_err e = run_spec_parse(&spec, argc, argv, &err);
    assert_int_equal(e, err.code);
    joined[0] = 0;
    for (size_t i = 0; i < spec.options.count; i++)
        n += adit_format(joined + n, sizeof joined - n, "%s%s", i > 0 ? " " : "", spec.options.item[i]);
    return e;
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(
        parse("-p 22 -L db=0:h:5432 -vL0:h:80 me@host -D 0 -R my-web=0:localhost:3000 -L 0:x:443 "
              "-oA=b --timeout 1m -- cmd -L x"),
        ADIT_E_OK);
    assert_string_equal(joined,
                        "-p 22 -L 0:h:5432 -v -L 0:h:80 me@host -D 0 -R 0:localhost:3000 -L 0:x:443 -o A=b");
    static const char *const names[] = {"DB", "L2", "D1", "MY_WEB", "L3"};
    assert_int_equal(spec.forward_count, ADIT_COUNT(names));
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        assert_string_equal(spec.forwards[i].name, names[i]);
    assert_int_equal(spec.timeout_ms, 60000);
    assert_int_equal(spec.command, 16);
    run_spec_wipe(&spec);
    assert_int_equal(parse("host -D0 --timeout=5 -- x"), ADIT_E_OK);
    assert_int_equal(spec.timeout_ms, 5000);
    run_spec_wipe(&spec);
    assert_int_equal(parse("host -h"), ADIT_E_OK);
    assert_true(spec.wants_help);
    run_spec_wipe(&spec);
}

static void test_wrong(void **state)
{
    static const char *const lines[] = {"host -D 0",
                                        "host -D 0 --",
                                        "host -- x",
                                        "host -L",
                                        "host --timeout -- x",
                                        "host --timeout soon -D 0 -- x",
                                        "host -L =0:h:1 -- x",
                                        "host -L w=0:h:1 -L W=0:h:2 -- x",
                                        "host -L a=0:h:1 -L b=0:h:1 -- x",
                                        "host -D 0 -D0 -- x"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(lines); i++) {
        assert_int_equal(parse(lines[i]), ADIT_E_USAGE);
        run_spec_wipe(&spec);
    }
}

static void variables(char letter, const char *line, const char *expected)
{
    struct run_forward f = {letter, "DB"};
    struct texts out;
    char text[512] = "";
    size_t n = 0;
    texts_init(&out);
    assert_int_equal(run_spec_variables(&f, line, &out), expected != NULL);
    for (size_t i = 0; i < out.count && expected != NULL; i++)
        n += adit_format(text + n, sizeof text - n, "%s;", out.item[i]);
    if (expected != NULL)
        assert_string_equal(text, expected);
    texts_wipe(&out);
}

static void test_variables(void **state)
{
    (void)state;
    variables('L', "listening L 127.0.0.1:43211 10.0.0.5:443",
              "ADIT_DB_ADDR=127.0.0.1:43211;ADIT_DB_HOST=127.0.0.1;ADIT_DB_PORT=43211;ADIT_DB_URL=https://"
              "127.0.0.1:43211;");
    variables('L', "listening L [::1]:5 h:4430",
              "ADIT_DB_ADDR=[::1]:5;ADIT_DB_HOST=::1;ADIT_DB_PORT=5;ADIT_DB_URL=http://[::1]:5;");
    variables(
        'D', "listening D 127.0.0.1:1 -",
        "ADIT_DB_ADDR=127.0.0.1:1;ADIT_DB_HOST=127.0.0.1;ADIT_DB_PORT=1;ADIT_DB_URL=socks5h://127.0.0.1:1;");
    variables('L', "listening D 127.0.0.1:1 -", NULL);
    variables('L', "listening L /tmp/socket h:1", NULL);
    variables('L', "listening L 127.0.0.1:1", NULL);
    variables('L', "", NULL);
}

static void test_variables_without_memory(void **state)
{
    const struct run_forward f = {'L', "DB"};
    bool is_struck = true;
    (void)state;
    for (long n = 0; is_struck; n++) {
        struct texts out;
        texts_init(&out);
        errno = 0;
        no_memory_begin(n, false);
        bool is_fine = run_spec_variables(&f, "listening L 127.0.0.1:1 h:2", &out);
        is_struck = no_memory_end();
        assert_int_equal(is_fine, !is_struck);
        assert_int_equal(errno, is_struck ? ENOMEM : 0);
        texts_wipe(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_wrong),
                                       cmocka_unit_test(test_variables),
                                       cmocka_unit_test(test_variables_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
