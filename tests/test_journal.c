#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/journal.h"

static struct journal *j;
static int ends[2];

static void begin(bool is_json, const char *filter)
{
    struct adit_error err = {0};
    assert_int_equal(pipe(ends), 0);
    const struct journal_config config = {ends[1], is_json, SESSION_INFO, filter};
    assert_int_equal(journal_new(&j, &config, &err), ADIT_E_OK);
}

static void end(void)
{
    journal_free(j);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* What came on the descriptor so far. */
static const char *written(void)
{
    static char text[65536];
    struct pollfd ready = {ends[0], POLLIN, 0};
    size_t n = 0;
    while (n < sizeof text - 1 && poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0) {
        ssize_t got = read(ends[0], text + n, sizeof text - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    text[n] = 0;
    return text;
}

static const char *after_time(const char *line)
{
    const char *at = strchr(line, ' ');
    assert_non_null(at);
    assert_int_equal(at - line, strlen("2026-11-21T03:06:00Z"));
    assert_int_equal(line[10], 'T');
    assert_int_equal(at[-1], 'Z');
    return at + 1;
}

static void test_text(void **state)
{
    const struct journal_note note = {.level = SESSION_INFO,
                                      .tunnel = "web",
                                      .conn = 7,
                                      .text = "state connecting -> connected: \x1b[1mup\n"};
    (void)state;
    begin(false, NULL);
    journal_write(j, &note);
    assert_string_equal(after_time(written()), "INFO tunnel=web conn=7 state connecting -> connected: up?\n");
    journal_say(j, SESSION_ERROR, "%d", 5);
    assert_string_equal(after_time(written()), "ERROR 5\n");
    journal_say(j, SESSION_VERBOSE, "not asked for");
    assert_string_equal(written(), "");
    end();
}

/* Under systemd the journal has the time, and wants the priority. */
static void test_systemd(void **state)
{
    struct adit_error err = {0};
    struct stat st;
    char stream[64];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fstat(ends[1], &st), 0);
    (void)adit_format(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
                      (unsigned long long)st.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    const struct journal_config config = {ends[1], false, SESSION_DEBUG1, NULL};
    assert_int_equal(journal_new(&j, &config, &err), ADIT_E_OK);
    journal_say(j, SESSION_ERROR, "one");
    journal_say(j, SESSION_INFO, "two");
    journal_say(j, SESSION_DEBUG1, "three");
    assert_string_equal(written(), "<3>ERROR one\n<6>INFO two\n<7>DEBUG1 three\n");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    end();
}

static void test_json(void **state)
{
    const struct journal_note note = {.level = SESSION_ERROR,
                                      .tunnel = "a \"b\"",
                                      .transport = "me@h:22",
                                      .conn = 3,
                                      .kind = "transport",
                                      .error_number = 111,
                                      .text = "tab\tand \\"};
    (void)state;
    begin(true, NULL);
    journal_write(j, &note);
    const char *line = written();
    assert_memory_equal(line, "{\"ts\":\"", 7);
    assert_non_null(strstr(line,
                           "Z\",\"level\":\"ERROR\",\"msg\":\"tab\\tand \\\\\",\"tunnel\":\"a \\\"b\\\"\","
                           "\"transport\":\"me@h:22\",\"conn\":3,\"kind\":\"transport\",\"errno\":111}\n"));
    journal_say(j, SESSION_INFO, "alone");
    assert_non_null(strstr(written(), "Z\",\"level\":\"INFO\",\"msg\":\"alone\"}\n"));
    end();
}

static void test_filter(void **state)
{
    struct adit_error err = {0};
    struct journal *none;
    (void)state;
    begin(false, "error,forward=debug2");
    assert_false(journal_wants(j, SESSION_INFO, SESSION_ABOUT_DAEMON));
    assert_true(journal_wants(j, SESSION_DEBUG2, SESSION_ABOUT_FORWARD));
    assert_false(journal_wants(j, SESSION_DEBUG3, SESSION_ABOUT_FORWARD));
    journal_set_level(j, SESSION_DEBUG3); /* what the variable says stays */
    assert_false(journal_wants(j, SESSION_INFO, SESSION_ABOUT_API));
    end();
    begin(false, "api=quiet");
    assert_false(journal_wants(j, SESSION_ERROR, SESSION_ABOUT_API));
    journal_set_level(j, SESSION_DEBUG1);
    assert_true(journal_wants(j, SESSION_DEBUG1, SESSION_ABOUT_KEX));
    assert_int_equal(journal_most(j), SESSION_DEBUG1);
    end();
    const struct journal_config bad[] = {{1, false, SESSION_INFO, "loud"},
                                         {1, false, SESSION_INFO, "info,x=info"}};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        err = (struct adit_error){0};
        assert_int_equal(journal_new(&none, &bad[i], &err), ADIT_E_CONFIG);
        assert_null(none);
        assert_non_null(strstr(err.text, "ADIT_LOG"));
    }
}

static void say_of(const char *tunnel, int number)
{
    char text[32];
    (void)adit_format(text, sizeof text, "line %d", number);
    const struct journal_note note = {.level = SESSION_INFO, .tunnel = tunnel, .text = text};
    journal_write(j, &note);
    (void)written();
}

static void test_ring(void **state)
{
    char line[JOURNAL_LINE_CAP];
    (void)state;
    begin(false, NULL);
    assert_int_equal(journal_tail(j, NULL, 5), 1);
    assert_int_equal(journal_read(j, 1, NULL, line), 0);
    for (int i = 1; i <= JOURNAL_LINES + 3; i++)
        say_of(i % 10 == 0 ? "ten" : "other", i);
    assert_int_equal(journal_tail(j, NULL, 2), JOURNAL_LINES + 2);
    assert_int_equal(journal_read(j, 0, NULL, line), 4); /* older ones are gone */
    assert_string_equal(after_time(line), "INFO tunnel=other line 4");
    assert_int_equal(journal_tail(j, "ten", 2), JOURNAL_LINES - 10);
    assert_int_equal(journal_read(j, JOURNAL_LINES - 9, "ten", line), JOURNAL_LINES);
    assert_string_equal(after_time(line), "INFO tunnel=ten line 2000");
    assert_int_equal(journal_read(j, JOURNAL_LINES + 1, "ten", line), 0);
    assert_int_equal(journal_tail(j, "nobody", 2), JOURNAL_LINES + 4);
    assert_int_equal(journal_tail(j, NULL, SIZE_MAX), 4);
    end();
}

static void test_news(void **state)
{
    struct pollfd news;
    (void)state;
    begin(false, NULL);
    news = (struct pollfd){journal_news_fd(j), POLLIN, 0};
    assert_int_equal(poll(&news, 1, 0), 0);
    say_of(NULL, 1);
    say_of(NULL, 2);
    assert_int_equal(poll(&news, 1, 0), 1);
    journal_news_take(j);
    assert_int_equal(poll(&news, 1, 0), 0);
    end();
}

/* A reader who has stopped: lines are left out, counted, and the log goes on. */
static void test_stuck(void **state)
{
    (void)state;
    begin(false, NULL);
    for (int i = 0; i < 5000; i++)
        journal_say(j, SESSION_INFO,
                    "a line of some length, so that the pipe is full before the last one of them");
    (void)written();
    (void)written();
    journal_say(j, SESSION_INFO, "again");
    const char *text = written();
    assert_non_null(strstr(text, "lines were left out here\n"));
    assert_non_null(strstr(text, "INFO again\n"));
    end();
}

/* That is said as JSON, too. */
static void test_stuck_json(void **state)
{
    (void)state;
    begin(true, NULL);
    for (int i = 0; i < 5000; i++)
        journal_say(j, SESSION_INFO, "a line of some length, so that the pipe is full before the last one");
    (void)written();
    (void)written();
    journal_say(j, SESSION_INFO, "again");
    const char *text = written();
    assert_memory_equal(text, "{\"ts\":\"", 7);
    assert_non_null(strstr(text, " lines were left out here\"}\n{\"ts\""));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text),  cmocka_unit_test(test_systemd),
                                       cmocka_unit_test(test_json),  cmocka_unit_test(test_filter),
                                       cmocka_unit_test(test_ring),  cmocka_unit_test(test_news),
                                       cmocka_unit_test(test_stuck), cmocka_unit_test(test_stuck_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
