#include "test.h"

#include <string.h>

#include "client/forward_spec.h"

struct good {
    enum forward_type type;
    const char *text;
    enum forward_bind bind;
    const char *address;
    uint16_t port;
    const char *host;
    uint16_t host_port;
    bool target_is_path;
};

static void check_good(const struct good *g)
{
    struct forward_spec s;
    struct adit_error err = {0};
    enum adit_err e = forward_spec_parse(&s, g->type, g->text, true, &err);
    if (e != ADIT_E_OK)
        print_error("%s: %s\n", g->text, err.text);
    assert_int_equal(e, ADIT_E_OK);
    assert_int_equal(s.type, g->type);
    assert_int_equal(s.bind, g->bind);
    assert_string_equal(s.address, g->address);
    assert_int_equal(s.port, g->port);
    assert_string_equal(s.host, g->host);
    assert_int_equal(s.host_port, g->host_port);
    assert_int_equal(s.target_is_path, g->target_is_path);
    assert_int_equal(forward_spec_is_socks(&s), g->host[0] == 0);
}

static void test_good(void **state)
{
    (void)state;
    static const struct good rows[] = {
        {FORWARD_LOCAL, "8080:h:80", FORWARD_BIND_DEFAULT, "", 8080, "h", 80, false},
        {FORWARD_LOCAL, "0:h:80", FORWARD_BIND_DEFAULT, "", 0, "h", 80, false},
        {FORWARD_LOCAL, "8080:80", FORWARD_BIND_DEFAULT, "", 8080, "localhost", 80, false},
        {FORWARD_LOCAL, ":8080:h:80", FORWARD_BIND_ALL, "", 8080, "h", 80, false},
        {FORWARD_LOCAL, "*:8080:h:80", FORWARD_BIND_ALL, "", 8080, "h", 80, false},
        {FORWARD_LOCAL, "localhost:8080:h:80", FORWARD_BIND_LOCAL, "", 8080, "h", 80, false},
        {FORWARD_LOCAL, "127.0.0.1:8080:h:80", FORWARD_BIND_ADDRESS, "127.0.0.1", 8080, "h", 80, false},
        {FORWARD_LOCAL, "[::1]:8080:[2001:db8::1]:80", FORWARD_BIND_ADDRESS, "::1", 8080, "2001:db8::1", 80,
         false},
        {FORWARD_LOCAL, "8080:[h]:80", FORWARD_BIND_DEFAULT, "", 8080, "h", 80, false},
        {FORWARD_LOCAL, "65535:h:65535", FORWARD_BIND_DEFAULT, "", 65535, "h", 65535, false},
        {FORWARD_REMOTE, "0:h:80", FORWARD_BIND_DEFAULT, "", 0, "h", 80, false},
        {FORWARD_REMOTE, "0.0.0.0:9000:h:80", FORWARD_BIND_ADDRESS, "0.0.0.0", 9000, "h", 80, false},
        {FORWARD_DYNAMIC, "1080", FORWARD_BIND_DEFAULT, "", 1080, "", 0, false},
        {FORWARD_DYNAMIC, "0", FORWARD_BIND_DEFAULT, "", 0, "", 0, false},
        {FORWARD_DYNAMIC, "*:1080", FORWARD_BIND_ALL, "", 1080, "", 0, false},
        {FORWARD_DYNAMIC, "[::1]:1080", FORWARD_BIND_ADDRESS, "::1", 1080, "", 0, false},
        {FORWARD_STDIO, "h:80", FORWARD_BIND_DEFAULT, "", 0, "h", 80, false},
        {FORWARD_STDIO, "[::1]:80", FORWARD_BIND_DEFAULT, "", 0, "::1", 80, false},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        check_good(&rows[i]);
}

static void refused(enum forward_type type, const char *text, bool short_form, enum adit_err wanted)
{
    struct forward_spec s;
    struct adit_error err = {0};
    enum adit_err e = forward_spec_parse(&s, type, text, short_form, &err);
    if (e != wanted)
        print_error("%s: %s\n", text, err.text);
    assert_int_equal(e, wanted);
    assert_int_equal(err.code, wanted);
    assert_true(strchr(err.text, "LRDW"[type]) != NULL); /* says which option */
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const local[] = {"",
                                        "8080",
                                        "8080:",
                                        "8080:h:0",
                                        "8080:h:80:",
                                        "70000:h:80",
                                        "-1:h:80",
                                        "8080::80",
                                        "::1:80:h:80",
                                        "8080:::1:80",
                                        "[::1:8080:h:80",
                                        "[]:8080:h:80",
                                        "[::1]x:80:h:1",
                                        "x y:80:h:1",
                                        "8080: h:80",
                                        "8080:h h:80",
                                        "1:2:3:4:5",
                                        "8080:h:99999",
                                        "8080:nosuchservice:h",
                                        "8080:h:nosuchservice"};
    for (size_t i = 0; i < ADIT_COUNT(local); i++)
        refused(FORWARD_LOCAL, local[i], true, ADIT_E_USAGE);
    refused(FORWARD_LOCAL, "8080:80", false, ADIT_E_USAGE); /* the short form is asked for */
    refused(FORWARD_LOCAL, "10000+:h:80", false, ADIT_E_USAGE);
    refused(FORWARD_LOCAL, "+:h:80", true, ADIT_E_USAGE);
    refused(FORWARD_LOCAL, "0+:h:80", true, ADIT_E_USAGE);
    refused(FORWARD_LOCAL, "1++:h:80", true, ADIT_E_USAGE);
    refused(FORWARD_LOCAL, "1:h:80+", true, ADIT_E_USAGE);
    refused(FORWARD_REMOTE, "1+:h:80", true, ADIT_E_USAGE);
    refused(FORWARD_REMOTE, "1+", true, ADIT_E_USAGE);
    refused(FORWARD_DYNAMIC, "a:b:1080", true, ADIT_E_USAGE);
    refused(FORWARD_DYNAMIC, "", true, ADIT_E_USAGE);
    refused(FORWARD_STDIO, "h", true, ADIT_E_USAGE);
    refused(FORWARD_STDIO, "80", true, ADIT_E_USAGE);
    refused(FORWARD_STDIO, ":80", true, ADIT_E_USAGE);
    refused(FORWARD_STDIO, "h:0", true, ADIT_E_USAGE);
}

#define ALL       FORWARD_BIND_ALL, ""
#define DEFAULT   FORWARD_BIND_DEFAULT, ""
#define AT(a)     FORWARD_BIND_ADDRESS, a
#define SOCKET(p) FORWARD_BIND_PATH, p

/* Compared with OpenSSH 9.2's `ssh -G`, which prints what it understood. */
static void test_paths(void **state)
{
    (void)state;
    static const struct good both[] = {
        {FORWARD_LOCAL, "8080:/run/s", DEFAULT, 8080, "/run/s", 0, true},
        {FORWARD_LOCAL, "h:8080:/run/s", AT("h"), 8080, "/run/s", 0, true},
        {FORWARD_LOCAL, ":8080:/run/s", ALL, 8080, "/run/s", 0, true},
        {FORWARD_LOCAL, "*:8080:/run/s", ALL, 8080, "/run/s", 0, true},
        {FORWARD_LOCAL, "localhost:8080:/run/s", FORWARD_BIND_LOCAL, "", 8080, "/run/s", 0, true},
        {FORWARD_LOCAL, "[::1]:8080:/run/s", AT("::1"), 8080, "/run/s", 0, true},
        {FORWARD_LOCAL, "0:./s", DEFAULT, 0, "./s", 0, true},
        {FORWARD_LOCAL, "/run/s:h:80", SOCKET("/run/s"), 0, "h", 80, false},
        {FORWARD_LOCAL, "/run/s:[::1]:80", SOCKET("/run/s"), 0, "::1", 80, false},
        {FORWARD_LOCAL, "run/s:h:80", SOCKET("run/s"), 0, "h", 80, false},
        {FORWARD_LOCAL, "/run/s:/run/t", SOCKET("/run/s"), 0, "/run/t", 0, true},
        {FORWARD_LOCAL, "/run/s:s/", SOCKET("/run/s"), 0, "s/", 0, true},
        {FORWARD_LOCAL, "[/run/a:b]:h:80", SOCKET("/run/a:b"), 0, "h", 80, false},
        {FORWARD_LOCAL, "/run/a\\:b:h:80", SOCKET("/run/a:b"), 0, "h", 80, false},
        {FORWARD_LOCAL, "/run/a\\\\b:/c\\d", SOCKET("/run/a\\b"), 0, "/cd", 0, true},
        {FORWARD_LOCAL, "[/a\\b]:/c d", SOCKET("/a\\b"), 0, "/c d", 0, true},
        {FORWARD_LOCAL, "%d/%u:${HOME}/t", SOCKET("%d/%u"), 0, "${HOME}/t", 0, true},
        {FORWARD_LOCAL, "~/s:h:80", SOCKET("~/s"), 0, "h", 80, false},
        {FORWARD_LOCAL, "@/s:h:80", SOCKET("@/s"), 0, "h", 80, false},
    };
    static const struct good alone[] = {
        {FORWARD_REMOTE, "1080", DEFAULT, 1080, "", 0, false},
        {FORWARD_REMOTE, "0", DEFAULT, 0, "", 0, false},
        {FORWARD_REMOTE, "h:1080", AT("h"), 1080, "", 0, false},
        {FORWARD_REMOTE, "*:1080", ALL, 1080, "", 0, false},
        {FORWARD_REMOTE, ":1080", ALL, 1080, "", 0, false},
        {FORWARD_REMOTE, "[::1]:1080", AT("::1"), 1080, "", 0, false},
        {FORWARD_REMOTE, "/run/s", SOCKET("/run/s"), 0, "", 0, false},
        {FORWARD_DYNAMIC, "/run/s", SOCKET("/run/s"), 0, "", 0, false},
        {FORWARD_STDIO, "/run/s", DEFAULT, 0, "/run/s", 0, true},
        {FORWARD_STDIO, "[/run/a:b]", DEFAULT, 0, "/run/a:b", 0, true},
    };
    for (size_t i = 0; i < ADIT_COUNT(both); i++) {
        struct good g = both[i];
        check_good(&g);
        g.type = FORWARD_REMOTE;
        check_good(&g);
    }
    for (size_t i = 0; i < ADIT_COUNT(alone); i++)
        check_good(&alone[i]);
}

static void test_bad_paths(void **state)
{
    (void)state;
    static const char *const both[] = {
        "/run/s:80",     "8080:/run/s:80",   "8080:h:/run/s:80", "h:8080:x:/run/s", "/run/s:8080:/run/t",
        "/run/s:h:0",    "/run/s:/run/t:80", "/run/s:h:80:90",   "/run/s\n:h:80",   "8080:/run/\x7f",
        "8080:/run/s\\", "8080:[/run/s",     "/h:8080:h:80",     "70000:/run/s",    "nosuchservice:/run/s"};
    for (size_t i = 0; i < ADIT_COUNT(both); i++) {
        refused(FORWARD_LOCAL, both[i], true, ADIT_E_USAGE);
        refused(FORWARD_REMOTE, both[i], true, ADIT_E_USAGE);
    }
    refused(FORWARD_LOCAL, "/run/s", true, ADIT_E_USAGE);
    refused(FORWARD_DYNAMIC, "/run/s:1080", true, ADIT_E_USAGE);
    refused(FORWARD_DYNAMIC, "1080:/run/s", true, ADIT_E_USAGE);
    refused(FORWARD_REMOTE, "", true, ADIT_E_USAGE);
    refused(FORWARD_REMOTE, "h:70000", true, ADIT_E_USAGE);
    refused(FORWARD_STDIO, "/run/s:80", true, ADIT_E_USAGE);
    refused(FORWARD_STDIO, "h:/run/s", true, ADIT_E_USAGE);
}

static void test_long_host(void **state)
{
    (void)state;
    char text[LIMIT_HOST + 32];
    struct forward_spec s;
    for (size_t n = LIMIT_HOST; n <= LIMIT_HOST + 1; n++) {
        struct adit_error err = {0};
        memcpy(text, "80:", 3);
        memset(text + 3, 'h', n);
        memcpy(text + 3 + n, ":80", 4);
        enum adit_err e = forward_spec_parse(&s, FORWARD_LOCAL, text, false, &err);
        assert_int_equal(e, n == LIMIT_HOST ? ADIT_E_OK : ADIT_E_USAGE);
        text[3] = '/';
        text[3 + n] = 0;
        e = forward_spec_parse(&s, FORWARD_LOCAL, text, false, NULL);
        assert_int_equal(e, n == LIMIT_HOST ? ADIT_E_OK : ADIT_E_USAGE);
    }
    char huge[4096];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    refused(FORWARD_LOCAL, huge, true, ADIT_E_USAGE);
}

static void test_target(void **state)
{
    (void)state;
    struct forward_spec s = {.type = FORWARD_LOCAL, .host = "h", .host_port = 80};
    char out[FORWARD_TARGET_CAP];
    forward_spec_target(&s, out);
    assert_string_equal(out, "h:80");
    memcpy(s.host, "::1", 4);
    forward_spec_target(&s, out);
    assert_string_equal(out, "[::1]:80");
    memcpy(s.host, "/a:b", 5);
    s.target_is_path = true;
    forward_spec_target(&s, out);
    assert_string_equal(out, "/a:b");
    s = (struct forward_spec){.type = FORWARD_REMOTE};
    forward_spec_target(&s, out);
    assert_string_equal(out, "-");
    s.type = FORWARD_DYNAMIC;
    forward_spec_target(&s, out);
    assert_string_equal(out, "-");
    assert_int_equal(forward_spec_letter(FORWARD_DYNAMIC), 'D');
}

static void parse(struct forward_spec *s, enum forward_type type, const char *text)
{
    struct adit_error err = {0};
    memset(s, 0xa5, sizeof *s);
    assert_int_equal(forward_spec_parse(s, type, text, true, &err), ADIT_E_OK);
}

/* What only adit knows. */
static void test_a_port_that_counts_up(void **state)
{
    struct forward_spec a, b;
    (void)state;
    parse(&a, FORWARD_LOCAL, "127.0.0.1:10000+:h:80");
    assert_true(a.port_counts_up && a.port == 10000);
    parse(&b, FORWARD_LOCAL, "127.0.0.1:10000:h:80");
    assert_false(b.port_counts_up);
    assert_false(forward_spec_same(&a, &b));
    parse(&a, FORWARD_DYNAMIC, "1+");
    assert_true(a.port_counts_up && a.port == 1);
}

static void test_same(void **state)
{
    (void)state;
    static const struct {
        enum forward_type type;
        const char *text;
    } others[] = {
        {FORWARD_REMOTE, "8080:localhost:80"},  {FORWARD_LOCAL, "8081:localhost:80"},
        {FORWARD_LOCAL, "8080:localhost:81"},   {FORWARD_LOCAL, "8080:localhosu:80"},
        {FORWARD_LOCAL, "*:8080:localhost:80"}, {FORWARD_LOCAL, "10.0.0.1:8080:localhost:80"},
        {FORWARD_LOCAL, "8080:/localhost"},
    };
    struct forward_spec a, b;
    parse(&a, FORWARD_LOCAL, "8080:localhost:80");
    parse(&b, FORWARD_LOCAL, "8080:80");
    assert_true(forward_spec_same(&a, &b));
    for (size_t i = 0; i < ADIT_COUNT(others); i++) {
        parse(&b, others[i].type, others[i].text);
        assert_false(forward_spec_same(&a, &b));
    }
    parse(&a, FORWARD_LOCAL, "10.0.0.1:1:h:2");
    parse(&b, FORWARD_LOCAL, "10.0.0.2:1:h:2");
    assert_false(forward_spec_same(&a, &b));
    b = a; /* padding need not come along */
    assert_true(forward_spec_same(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_a_port_that_counts_up),
        cmocka_unit_test(test_bad),       cmocka_unit_test(test_paths),
        cmocka_unit_test(test_bad_paths), cmocka_unit_test(test_long_host),
        cmocka_unit_test(test_target),    cmocka_unit_test(test_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
