#include "test.h"

#include <string.h>

#include "ssh/mux.h"
#include "tests/unhex.h"

static uint8_t bytes[4096];

static struct span hex(const char *text)
{
    unhex(bytes, sizeof bytes, text);
    return span_make(bytes, strlen(text) / 2);
}

/* Of one whole message with its length. */
static void parse(struct mux_message *m, const char *text)
{
    struct adit_error err = {0};
    struct span in = hex(text), message = {0};
    size_t used = 0;
    assert_int_equal(mux_frame(in, &message, &used), MUX_FRAME_WHOLE);
    assert_int_equal(used, in.n);
    assert_int_equal(mux_parse(m, message, &err), ADIT_E_OK);
    assert_true(m->is_known);
}

/* Writing what was read gives the same bytes. */
static void assert_written(const struct mux_message *m, const char *text)
{
    uint8_t out[4096], expected[4096];
    struct wr w = wr_init(out, sizeof out);
    mux_write(&w, m);
    assert_true(wr_ok(&w));
    unhex(expected, sizeof expected, text);
    assert_int_equal(w.used, strlen(text) / 2);
    assert_memory_equal(out, expected, w.used);
}

/* The requests below were recorded from OpenSSH 9.2's ssh -S. */

static void test_hello_and_requests(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t type;
    } rows[] = {
        {"0000000810000004"
         "00000000",
         MUX_C_ALIVE_CHECK},
        {"0000000810000005"
         "00000000",
         MUX_C_TERMINATE},
        {"0000000810000009"
         "00000000",
         MUX_C_STOP_LISTENING},
        {"000000081000000f"
         "00000000",
         MUX_C_PROXY},
    };
    struct mux_message m;
    parse(&m, "000000080000000100000004");
    assert_int_equal(m.type, MUX_MSG_HELLO);
    assert_int_equal(m.version, MUX_VERSION);
    assert_written(&m, "000000080000000100000004");
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        parse(&m, rows[i].text);
        assert_int_equal(m.type, rows[i].type);
        assert_written(&m, rows[i].text);
    }
    /* extensions of a later version */
    parse(&m, "00000012"
              "00000001"
              "00000004"
              "00000001"
              "61"
              "00000001"
              "62");
    assert_int_equal(m.version, 4);
}

static void test_session(void **state)
{
    (void)state;
    static const char plain[] = "000000341000000200000000000000000000000000000000000000000000"
                                "00000000007e00000005787465726d000000076563686f206869",
                      subsystem[] = "00000038100000020000000000000000000000010000000000000000000000"
                                    "01ffffffff00000005787465726d000000047366747000000003413d62";
    struct mux_message m;
    struct span one;
    parse(&m, plain);
    assert_int_equal(m.type, MUX_C_NEW_SESSION);
    assert_false(m.session.wants_tty || m.session.wants_x11 || m.session.wants_agent ||
                 m.session.is_subsystem);
    assert_int_equal(m.session.escape, '~');
    assert_true(span_is(m.session.term, "xterm") && span_is(m.session.command, "echo hi"));
    assert_false(mux_env_next(&m.session.env, &one));
    assert_written(&m, plain);
    parse(&m, subsystem);
    assert_true(m.session.wants_tty && m.session.is_subsystem);
    assert_int_equal(m.session.escape, MUX_ESCAPE_NONE);
    assert_true(span_is(m.session.command, "sftp"));
    assert_written(&m, subsystem);
    assert_true(mux_env_next(&m.session.env, &one));
    assert_true(span_is(one, "A=b"));
    assert_false(mux_env_next(&m.session.env, &one));
}

static void test_forwards(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t type, kind;
        const char *listen_host;
        uint32_t listen_port;
        const char *connect_host;
        uint32_t connect_port;
    } rows[] = {
        {"0000001e1000000600000000000000010000000000001f9000000002646200001538", MUX_C_OPEN_FWD,
         MUX_FORWARD_LOCAL, "", 8080, "db", 5432},
        {"00000024100000060000000000000001000000042f612f62fffffffe000000042f632f64fffffffe", MUX_C_OPEN_FWD,
         MUX_FORWARD_LOCAL, "/a/b", MUX_PORT_PATH, "/c/d", MUX_PORT_PATH},
        {"0000002a100000060000000000000002000000093132372e302e302e310000043800000005736f636b7300000000",
         MUX_C_OPEN_FWD, MUX_FORWARD_REMOTE, "127.0.0.1", 1080, "socks", 0},
        {"00000021100000060000000100000003000000000000043800000005736f636b7300000000", MUX_C_OPEN_FWD,
         MUX_FORWARD_DYNAMIC, "", 1080, "socks", 0},
        {"0000001d1000000600000002000000020000000000000000000000016800000050", MUX_C_OPEN_FWD,
         MUX_FORWARD_REMOTE, "", 0, "h", 80},
        {"0000001e1000000700000000000000010000000000001f9000000002646200001538", MUX_C_CLOSE_FWD,
         MUX_FORWARD_LOCAL, "", 8080, "db", 5432},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct mux_message m;
        parse(&m, rows[i].text);
        assert_int_equal(m.type, rows[i].type);
        assert_int_equal(m.forward.type, rows[i].kind);
        assert_true(span_is(m.forward.listen_host, rows[i].listen_host));
        assert_int_equal(m.forward.listen_port, rows[i].listen_port);
        assert_true(span_is(m.forward.connect_host, rows[i].connect_host));
        assert_int_equal(m.forward.connect_port, rows[i].connect_port);
        assert_true(mux_forward_is_sound(&m.forward));
        assert_written(&m, rows[i].text);
    }
}

static void test_stdio(void **state)
{
    (void)state;
    static const char text[] = "0000001610000008000000010000000000000002646200000016";
    struct mux_message m;
    parse(&m, text);
    assert_int_equal(m.id, 1);
    assert_true(span_is(m.forward.connect_host, "db"));
    assert_int_equal(m.forward.connect_port, 22);
    assert_written(&m, text);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t type, id, session_id, number;
        const char *reason;
    } rows[] = {
        {"000000088000000100000007", MUX_S_OK, 7, 0, 0, ""},
        {"0000000e8000000200000007000000026e6f", MUX_S_PERMISSION_DENIED, 7, 0, 0, "no"},
        {"0000000e8000000300000007000000026e6f", MUX_S_FAILURE, 7, 0, 0, "no"},
        {"0000000c800000040000000900000003", MUX_S_EXIT_MESSAGE, 0, 9, 3, ""},
        {"0000000c800000050000000700001267", MUX_S_ALIVE, 7, 0, 0x1267, ""},
        {"0000000c800000060000000700000009", MUX_S_SESSION_OPENED, 7, 9, 0, ""},
        {"0000000c800000070000000700009c41", MUX_S_REMOTE_PORT, 7, 0, 40001, ""},
        {"000000088000000800000009", MUX_S_TTY_ALLOC_FAIL, 0, 9, 0, ""},
        {"000000088000000f00000007", MUX_S_PROXY, 7, 0, 0, ""},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct mux_message m;
        parse(&m, rows[i].text);
        assert_int_equal(m.type, rows[i].type);
        assert_int_equal(m.id, rows[i].id);
        assert_int_equal(m.session_id, rows[i].session_id);
        assert_int_equal(m.number, rows[i].number);
        assert_true(span_is(m.reason, rows[i].reason));
        assert_written(&m, rows[i].text);
    }
}

static void test_frames(void **state)
{
    (void)state;
    struct span message, in;
    size_t used;
    static const char two[] = "000000088000000100000007"
                              "0000000880000001";
    for (size_t n = 0; n < 12; n++)
        assert_int_equal(mux_frame(span_sub(hex(two), 0, n), &message, &used), MUX_FRAME_MORE);
    in = hex(two);
    assert_int_equal(mux_frame(in, &message, &used), MUX_FRAME_WHOLE);
    assert_int_equal(used, 12);
    assert_int_equal(message.n, 8);
    assert_int_equal(mux_frame(span_sub(in, used, SIZE_MAX), &message, &used), MUX_FRAME_MORE);
    assert_int_equal(mux_frame(hex("00000003"), &message, &used), MUX_FRAME_BAD);
    assert_int_equal(mux_frame(hex("00000000"), &message, &used), MUX_FRAME_BAD);
    assert_int_equal(mux_frame(hex("00040001"), &message, &used), MUX_FRAME_BAD);
    assert_int_equal(mux_frame(hex("00040000"), &message, &used), MUX_FRAME_MORE);
    assert_int_equal(mux_frame(hex("ffffffff"), &message, &used), MUX_FRAME_BAD);
}

/* A request that a later version may bring: its id is known, so that it can be refused. */
static void test_unknown(void **state)
{
    (void)state;
    struct mux_message m;
    assert_int_equal(mux_parse(&m, hex("1000000300000005ffff"), NULL), ADIT_E_OK);
    assert_false(m.is_known);
    assert_int_equal(m.id, 5);
    assert_int_equal(mux_parse(&m, hex("10000003"), NULL), ADIT_E_OK);
    assert_false(m.is_known);
    uint8_t out[64];
    struct wr w = wr_init(out, sizeof out);
    mux_write(&w, &m);
    assert_false(wr_ok(&w));
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "00000001",                                                     /* hello without version */
        "000000010000000400000001",                                     /* an extension cut off */
        "10000004",                                                     /* no id */
        "1000000400000000ff",                                           /* something behind it */
        "10000006000000000000000100000000",                             /* a forward cut off */
        "1000000600000000000000010000000000001f9000000002640000001538", /* a zero byte in a host */
        "1000000800000001000000000000000264620000",                     /* a port cut off */
        "8000000200000007000000036e6f",                                 /* a reason cut off */
        "8000000400000009",                                             /* no exit status */
        "800000060000000700000009ff",
        /* an environment string that is longer than the rest */
        ("10000002000000000000000000000000000000000000000000000000000000000000000000000000"
         "000000ff41"),
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct mux_message m;
        struct adit_error err = {0};
        assert_int_equal(mux_parse(&m, hex(rows[i]), &err), ADIT_E_PROTOCOL);
        assert_non_null(strstr(err.text, "control socket"));
    }
}

static void test_sound(void **state)
{
    (void)state;
    static const struct mux_forward bad[] = {
        {0, SPAN_LIT(""), 1, SPAN_LIT("h"), 1},
        {4, SPAN_LIT(""), 1, SPAN_LIT("h"), 1},
        {1, SPAN_LIT(""), 65536, SPAN_LIT("h"), 1},
        {1, SPAN_LIT(""), MUX_PORT_PATH, SPAN_LIT("h"), 1},
        {1, SPAN_LIT(""), 1, SPAN_LIT(""), 1},
        {1, SPAN_LIT(""), 1, SPAN_LIT("h"), 0},
        {1, SPAN_LIT(""), 1, SPAN_LIT("socks"), 0},
        {1, SPAN_LIT(""), 1, SPAN_LIT("h"), 65536},
        {2, SPAN_LIT(""), 1, SPAN_LIT(""), MUX_PORT_PATH},
        {2, SPAN_LIT(""), 0xffffffff, SPAN_LIT("h"), 1},
        {3, SPAN_LIT(""), 65536, SPAN_LIT(""), 0},
    };
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(mux_forward_is_sound(&bad[i]));
}

static void test_no_room(void **state)
{
    (void)state;
    struct mux_message m = {.type = MUX_S_FAILURE, .reason = SPAN_LIT("because")};
    uint8_t out[64];
    for (size_t n = 0; n < 23; n++) {
        struct wr w = wr_init(out, n);
        mux_write(&w, &m);
        assert_false(wr_ok(&w));
    }
    struct wr w = wr_init(out, 23);
    mux_write(&w, &m);
    assert_true(wr_ok(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_and_requests),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_forwards),
        cmocka_unit_test(test_stdio),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
