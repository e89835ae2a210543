#include "test.h"

#include <string.h>

#include "client/log_filter.h"

static struct log_filter f;

static bool wants(enum session_level level, enum session_about about)
{
    return log_filter_wants(&f, level, about);
}

static void begin(enum session_level level, const char *text)
{
    struct adit_error err = {0};
    log_filter_init(&f, level);
    assert_int_equal(log_filter_parse(&f, text, &err), ADIT_E_OK);
}

static void test_nothing_said(void **state)
{
    (void)state;
    begin(SESSION_INFO, "");
    for (int about = 0; about < SESSION_ABOUT_COUNT; about++) {
        assert_true(wants(SESSION_INFO, (enum session_about)about));
        assert_false(wants(SESSION_VERBOSE, (enum session_about)about));
        assert_false(wants(SESSION_QUIET, (enum session_about)about));
    }
    assert_int_equal(log_filter_most(&f), SESSION_INFO);
}

static void test_each_subsystem(void **state)
{
    static const struct {
        const char *text;
        enum session_about about;
    } rows[] = {{"kex=debug2", SESSION_ABOUT_KEX},         {"auth=debug2", SESSION_ABOUT_AUTH},
                {"channel=debug2", SESSION_ABOUT_CHANNEL}, {"forward=debug2", SESSION_ABOUT_FORWARD},
                {"daemon=debug2", SESSION_ABOUT_DAEMON},   {"api=debug2", SESSION_ABOUT_API},
                {"config=debug2", SESSION_ABOUT_CONFIG}};
    (void)state;
    assert_int_equal(ADIT_COUNT(rows), SESSION_ABOUT_COUNT);
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        begin(SESSION_ERROR, rows[i].text);
        for (int about = 0; about < SESSION_ABOUT_COUNT; about++)
            assert_int_equal(wants(SESSION_DEBUG2, (enum session_about)about), about == (int)rows[i].about);
        assert_false(wants(SESSION_DEBUG3, rows[i].about));
        assert_int_equal(log_filter_most(&f), SESSION_DEBUG2);
    }
}

/* What the variable says stays; the rest goes with the level. */
static void test_order(void **state)
{
    (void)state;
    begin(SESSION_INFO, "error, forward=Debug2");
    log_filter_set_level(&f, SESSION_DEBUG3);
    assert_false(wants(SESSION_INFO, SESSION_ABOUT_API));
    assert_true(wants(SESSION_DEBUG2, SESSION_ABOUT_FORWARD));
    begin(SESSION_INFO, "api=quiet");
    log_filter_set_level(&f, SESSION_DEBUG1);
    assert_false(wants(SESSION_ERROR, SESSION_ABOUT_API));
    assert_true(wants(SESSION_DEBUG1, SESSION_ABOUT_KEX));
    begin(SESSION_INFO, "kex=debug3,info"); /* for all, whatever came before */
    assert_false(wants(SESSION_DEBUG1, SESSION_ABOUT_KEX));
}

static void test_wrong(void **state)
{
    static const char *const bad[] = {
        "loud", "info,x=info", "kex=",     "=info",  "kex=loud",
        "kex",  "KEX=info",    "info=kex", "debug4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        struct adit_error err = {0};
        log_filter_init(&f, SESSION_INFO);
        assert_int_equal(log_filter_parse(&f, bad[i], &err), ADIT_E_CONFIG);
        assert_non_null(strstr(err.text, "ADIT_LOG"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_said),
        cmocka_unit_test(test_each_subsystem),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
