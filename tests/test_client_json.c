#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/client_json.h"

static struct adit_error err;

static void same(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static struct forward_spec spec(enum forward_type type, const char *text)
{
    struct forward_spec f;
    err = (struct adit_error){0};
    assert_int_equal(forward_spec_parse(&f, type, text, true, &err), ADIT_E_OK);
    return f;
}

static void test_new(void **state)
{
    static const struct {
        enum forward_type type;
        const char *spec, *json;
    } rows[] = {
        {FORWARD_LOCAL, "8443:10.0.0.5:443",
         "\"forward_type\":\"local\",\"local_port\":8443,\"remote_host\":\"10.0.0.5\",\"remote_port\":443"},
        {FORWARD_LOCAL, "localhost:0:h:80",
         "\"forward_type\":\"local\",\"local_port\":0,\"bind_address\":\"localhost\",\"remote_host\":\"h\","
         "\"remote_port\":80"},
        {FORWARD_LOCAL, "*:1:h:80",
         "\"forward_type\":\"local\",\"local_port\":1,\"bind_address\":\"0.0.0.0\",\"remote_host\":\"h\","
         "\"remote_port\":80"},
        {FORWARD_DYNAMIC, "[::1]:1080",
         "\"forward_type\":\"dynamic\",\"local_port\":1080,\"bind_address\":\"::1\""},
        {FORWARD_REMOTE, "8080:localhost:3000",
         "\"forward_type\":\"remote\",\"local_port\":3000,\"bind_address\":\"localhost\",\"remote_port\":"
         "8080"},
        {FORWARD_REMOTE, "*:0:127.0.0.2:3000",
         "\"forward_type\":\"remote\",\"local_port\":3000,\"bind_address\":\"127.0.0.2\",\"remote_host\":\"*"
         "\",\"remote_port\":0"}};
    char expected[400];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        const struct forward_spec f = spec(rows[i].type, rows[i].spec);
        const struct client_new n = {.name = "w\"eb", .host = "me@b", .forwards = &f, .forward_count = 1};
        (void)adit_format(expected, sizeof expected,
                          "{\"name\":\"w\\\"eb\",\"host\":\"me@b\",\"profile_id\":\"default\",%s}",
                          rows[i].json);
        same(client_new_json(&n, &err), expected);
    }
    const struct forward_spec f = spec(FORWARD_DYNAMIC, "1");
    const struct client_new all = {.name = "n",
                                   .host = "h",
                                   .port = 22,
                                   .profile = "p",
                                   .description = "d",
                                   .forwards = &f,
                                   .forward_count = 1,
                                   .auto_start = true,
                                   .has_max_retries = true};
    same(client_new_json(&all, &err),
         "{\"name\":\"n\",\"host\":\"h\",\"port\":22,\"profile_id\":\"p\",\"description\":\"d\","
         "\"forward_type\":\"dynamic\",\"local_port\":1,\"auto_start\":true,\"max_retries\":0}");
    const struct forward_spec three[] = {spec(FORWARD_DYNAMIC, "1"), spec(FORWARD_LOCAL, "10000+:a:2"),
                                         spec(FORWARD_REMOTE, "3:b:4")};
    const struct client_new several = {.name = "n", .host = "h", .forwards = three, .forward_count = 3};
    same(client_new_json(&several, &err),
         "{\"name\":\"n\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"dynamic\",\"local_"
         "port\":1,"
         "\"more_forwards\":[{\"forward_type\":\"local\",\"local_port\":\"10000+\",\"remote_host\":\"a\","
         "\"remote_port\":2},{\"forward_type\":\"remote\",\"local_port\":4,\"bind_address\":\"b\","
         "\"remote_port\":3}]}");
}

static void test_not_for_the_daemon(void **state)
{
    static const struct {
        enum forward_type type;
        const char *spec;
    } rows[] = {{FORWARD_LOCAL, "/tmp/a:h:1"}, {FORWARD_LOCAL, "1:/tmp/a"}, {FORWARD_REMOTE, "1080"}};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        const struct forward_spec f = spec(rows[i].type, rows[i].spec);
        const struct client_new n = {.name = "n", .host = "h", .forwards = &f, .forward_count = 1};
        assert_null(client_new_json(&n, &err));
        assert_int_equal(err.code, ADIT_E_USAGE);
    }
    const struct forward_spec f = spec(FORWARD_DYNAMIC, "1");
    const struct client_new bad = {.name = "\xff", .host = "h", .forwards = &f, .forward_count = 1};
    assert_null(client_new_json(&bad, &err));
    assert_int_equal(err.code, ADIT_E_USAGE);
}

static char *edit(const char *a, const char *b)
{
    char *const fields[] = {(char *)(uintptr_t)a, (char *)(uintptr_t)b};
    err = (struct adit_error){0};
    return client_edit_json(fields, b != NULL ? 2 : 1, &err);
}

static void test_edit(void **state)
{
    static const char *const bad[] = {
        "port", "=5", "port=x", "port=-1", "lazy=maybe", "max_retries=99999999999", "name=\xff"};
    (void)state;
    same(edit("port=2222", "name=a=b"), "{\"port\":2222,\"name\":\"a=b\"}");
    same(edit("local_port=10000+", "local_port=80"), "{\"local_port\":80}");
    same(edit("local_port=10000+", NULL), "{\"local_port\":\"10000+\"}");
    same(edit("lazy=yes", "auto_start=false"), "{\"lazy\":true,\"auto_start\":false}");
    same(edit("description=", "port="), "{\"description\":null,\"port\":null}");
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        assert_null(edit(bad[i], NULL));
        assert_int_equal(err.code, ADIT_E_USAGE);
    }
}

static void test_answers(void **state)
{
    static const char error[] =
        "{\"error\":{\"code\":\"exists\",\"message\":\"Tunnel a\\u0007 exists\",\"field\":null}}";
    static const char counts[] = "{\"added\":1,\"removed\":0,\"changed\":2,\"unchanged\":7}";
    static const char asked[] = "{\"prompt\":{\"id\":7,\"kind\":\"line\",\"text\":\"a\\nb? \"}}";
    char code[CLIENT_CODE_CAP], message[LIMIT_ERROR_TEXT];
    struct client_reloaded r;
    struct client_question q;
    (void)state;
    assert_true(client_error_read(error, strlen(error), code, message));
    assert_string_equal(code, "exists");
    assert_string_equal(message, "Tunnel a? exists");
    assert_false(client_error_read("{}", 2, code, message));
    assert_false(client_error_read("<html>", 6, code, message));
    assert_int_equal(client_reloaded_read(counts, strlen(counts), &r, &err), ADIT_E_OK);
    assert_true(r.added == 1 && r.removed == 0 && r.changed == 2 && r.unchanged == 7);
    assert_int_equal(client_reloaded_read("{\"added\":1}", 11, &r, &err), ADIT_E_PROTOCOL);
    assert_true(client_question_read(asked, strlen(asked), &q));
    assert_string_equal(q.text, "a\nb? ");
    assert_false(q.is_secret);
    same(client_answer_json(&q, "yes"), "{\"id\":7,\"answer\":\"yes\"}");
    same(client_answer_json(&q, NULL), "{\"id\":7,\"answer\":null}");
    free(q.text);
    assert_false(client_question_read("{\"prompt\":null}", 15, &q));
    same(client_text_json("fingerprint", "SHA256:x"), "{\"fingerprint\":\"SHA256:x\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_new), cmocka_unit_test(test_not_for_the_daemon),
                                       cmocka_unit_test(test_edit), cmocka_unit_test(test_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
