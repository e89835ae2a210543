#include "tests/talk.h"

#include "ssh/ident.h"

/* The version exchange: RFC 4253 §4.2. */

static enum ident_status feed(struct ident *id, const char *text, bool lines_before, size_t *used,
                              struct span *line, struct adit_error *err)
{
    *err = (struct adit_error){0};
    return ident_next(id, span_str(text), lines_before, used, line, err);
}

static enum ident_status one(const char *text, bool lines_before, struct span *line)
{
    struct ident id = {0};
    size_t used = 0;
    struct adit_error err;
    enum ident_status status = feed(&id, text, lines_before, &used, line, &err);
    assert_true((status == IDENT_BAD) == (err.code == ADIT_E_PROTOCOL));
    assert_true(used <= strlen(text));
    return status;
}

/* [RFC 4253 4.2c 4.2d 5.1a] */
static void test_identification(void **state)
{
    (void)state;
    struct span line;
    assert_int_equal(one("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", true, &line), IDENT_DONE);
    assert_true(span_is(line, "SSH-2.0-OpenSSH_9.2p1 Debian-2"));
    assert_int_equal(one("SSH-2.0-x\n", false, &line), IDENT_DONE); /* LF alone is taken */
    assert_true(span_is(line, "SSH-2.0-x"));
    assert_int_equal(one("SSH-1.99-Cisco-1.25\r\n", true, &line), IDENT_DONE); /* §5.1 */
    assert_true(span_is(line, "SSH-1.99-Cisco-1.25"));
    assert_int_equal(one("SSH-2.0-x\r", true, &line), IDENT_MORE);
    assert_int_equal(one("", true, &line), IDENT_MORE);
}

static void test_other_protocols(void **state)
{
    (void)state;
    struct span line;
    assert_int_equal(one("SSH-1.5-old\r\n", true, &line), IDENT_BAD);
    assert_int_equal(one("SSH-2.1-new\r\n", true, &line), IDENT_BAD);
    assert_int_equal(one("SSH-20.0-x\r\n", true, &line), IDENT_BAD);
    assert_int_equal(one("SSH-\r\n", true, &line), IDENT_BAD);
    assert_int_equal(one("GET / HTTP/1.1\r\n", false, &line), IDENT_BAD);
    struct ident id = {0};
    size_t used;
    struct adit_error err = {0};
    static const uint8_t nul[] = "SSH-2.0-a\0b\r\n";
    assert_int_equal(ident_next(&id, (struct span){nul, sizeof(nul) - 1}, true, &used, &line, &err),
                     IDENT_BAD);
}

/* 255 characters with CR LF are taken, 256 are not, whether or not their end has come. [RFC 4253 4.2e] */
static void test_length(void **state)
{
    (void)state;
    char text[400];
    struct span line;
    for (size_t n = 254; n <= 257; n++) {
        memset(text, 'a', n);
        memcpy(text, "SSH-2.0-", 8);
        memcpy(text + n - 2, "\r\n", 3);
        assert_int_equal(one(text, true, &line), n <= 255 ? IDENT_DONE : IDENT_BAD);
        if (n <= 255)
            assert_int_equal(line.n, n - 2);
        memcpy(text + n - 2, "aa", 3);
        assert_int_equal(one(text, true, &line), n <= 255 ? IDENT_MORE : IDENT_BAD);
    }
}

/* [RFC 4253 4.2f] */
static void test_lines_before(void **state)
{
    (void)state;
    static const char text[] = "hello\r\n\nwait\nSSH-2.0-x\r\nmore";
    struct span line;
    struct adit_error err;
    struct ident id = {0};
    size_t used;
    assert_int_equal(feed(&id, text, true, &used, &line, &err), IDENT_DONE);
    assert_true(span_is(line, "SSH-2.0-x"));
    assert_int_equal(used, strlen(text) - 4);
    assert_int_equal(one(text, false, &line), IDENT_BAD); /* only a server may */
    /* byte by byte, dropping what is used: the same line */
    id = (struct ident){0};
    size_t from = 0, to = 1;
    enum ident_status status;
    while ((status = ident_next(&id, span_make(text + from, to - from), true, &used, &line, &err)) ==
           IDENT_MORE) {
        from += used;
        to++;
        assert_true(to < sizeof(text));
    }
    assert_int_equal(status, IDENT_DONE);
    assert_true(span_is(line, "SSH-2.0-x"));
    assert_int_equal(from + used, strlen(text) - 4);
}

static void test_lines_before_are_bounded(void **state)
{
    (void)state;
    struct ident id = {0};
    struct span line;
    struct adit_error err;
    size_t used;
    for (int i = 0; i < LIMIT_IDENT_PREFACE_LINES; i++)
        assert_int_equal(feed(&id, "x\n", true, &used, &line, &err), IDENT_MORE);
    assert_int_equal(feed(&id, "x\n", true, &used, &line, &err), IDENT_BAD);

    char *wide = malloc(LIMIT_IDENT_PREFACE_BYTES + 3);
    memset(wide, 'w', LIMIT_IDENT_PREFACE_BYTES + 2);
    wide[LIMIT_IDENT_PREFACE_BYTES + 2] = 0;
    id = (struct ident){0};
    assert_int_equal(ident_next(&id, span_make(wide, LIMIT_IDENT_PREFACE_BYTES), true, &used, &line, &err),
                     IDENT_MORE);
    assert_int_equal(
        ident_next(&id, span_make(wide, LIMIT_IDENT_PREFACE_BYTES + 1), true, &used, &line, &err), IDENT_BAD);
    wide[LIMIT_IDENT_PREFACE_BYTES / 2] = '\n'; /* two lines, each within the bound, together above it */
    wide[LIMIT_IDENT_PREFACE_BYTES + 1] = '\n';
    id = (struct ident){0};
    err = (struct adit_error){0};
    assert_int_equal(feed(&id, wide, true, &used, &line, &err), IDENT_BAD);
    free(wide);
}

/* [RFC 4253 4.2b 4.2d 4.2h] */
static void test_make(void **state)
{
    (void)state;
    char out[LIMIT_IDENT_LINE + 1], software[300];
    assert_true(ident_make("adit_1", out));
    assert_string_equal(out, "SSH-2.0-adit_1");
    assert_true(ident_make("adit_1 a-comment, and more", out)); /* a comment may hold what a name may not */
    assert_string_equal(out, "SSH-2.0-adit_1 a-comment, and more");
    assert_false(ident_make("adit-1", out));
    assert_false(ident_make(" comment alone", out));
    assert_false(ident_make("", out));
    assert_false(ident_make("two\nlines", out));
    assert_false(ident_make("\xc3\xa4", out));
    memset(software, 's', sizeof(software));
    software[LIMIT_IDENT_LINE - 10] = 0; /* with "SSH-2.0-" and CR LF: 255 */
    assert_true(ident_make(software, out));
    assert_int_equal(strlen(out) + 2, LIMIT_IDENT_LINE);
    software[LIMIT_IDENT_LINE - 10] = 's';
    software[LIMIT_IDENT_LINE - 9] = 0;
    assert_false(ident_make(software, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identification),
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_lines_before),
        cmocka_unit_test(test_lines_before_are_bounded),
        cmocka_unit_test(test_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
