#include <string.h>

#include "../ssh/agent.h"
#include "test.h"

#define LIST_ONE "\x0c\0\0\0\1\0\0\0\3key\0\0\0\1c"

static void requests_are_framed(void **state)
{
    (void)state;
    static const struct span list = SPAN_LIT("\0\0\0\1\x0b");
    static const struct span sign = SPAN_LIT("\0\0\0\x10\x0d\0\0\0\2ab\0\0\0\1z\0\0\0\4");
    uint8_t out[64];
    struct wr w = wr_init(out, sizeof out);
    agent_write_list(&w);
    assert_true(span_eq(wr_done(&w), list));
    w = wr_init(out, sizeof out);
    agent_write_sign(&w, span_str("ab"), span_str("z"), AGENT_RSA_SHA2_512);
    assert_true(span_eq(wr_done(&w), sign));
    w = wr_init(out, sign.n - 1);
    agent_write_sign(&w, span_str("ab"), span_str("z"), AGENT_RSA_SHA2_512);
    assert_false(wr_ok(&w));
}

static void a_session_is_bound(void **state)
{
    (void)state;
    static const struct span bind =
        SPAN_LIT("\0\0\0\x2c\x1b\0\0\0\x18session-bind@openssh.com\0\0\0\1k\0\0\0\1i\0\0\0\0\1");
    uint8_t out[64];
    struct wr w = wr_init(out, sizeof out);
    agent_write_bind(&w, span_str("k"), span_str("i"), span_str(""), true);
    assert_true(span_eq(wr_done(&w), bind));
    assert_int_equal(agent_success(span_str("\6"), NULL), ADIT_E_OK);
    assert_int_equal(agent_success(span_str("\5"), NULL), ADIT_E_AUTH);
    assert_int_equal(agent_success(span_str("\6x"), NULL), ADIT_E_AUTH);
    assert_int_equal(agent_success(span_str(""), NULL), ADIT_E_AUTH);
}

/* What is added is what openssh-key-v1 has; the constraints come behind it. */
static void a_key_is_added(void **state)
{
    (void)state;
    static const uint8_t seed[32] = {7};
    struct key_secret secret;
    struct drbg random;
    uint8_t out[AGENT_ADD_MAX];
    struct wr w = wr_init(out, sizeof out);
    drbg_init(&random, seed);
    assert_true(key_generate(KEY_ED25519, &random, &secret));
    agent_write_add(&w, &secret, span_str("name"), 300, true);
    struct rd outer = rd_init(wr_done(&w)), r = rd_init(rd_string(&outer));
    assert_true(rd_done(&outer));
    assert_int_equal(rd_u8(&r), 25); /* SSH_AGENTC_ADD_ID_CONSTRAINED */
    assert_true(span_is(rd_string(&r), "ssh-ed25519"));
    assert_true(span_eq(rd_string(&r), span_make(secret.sk + 32, 32)));
    assert_true(span_eq(rd_string(&r), span_make(secret.sk, 64)));
    assert_true(span_is(rd_string(&r), "name"));
    assert_int_equal(rd_u8(&r), 1);
    assert_int_equal(rd_u32(&r), 300);
    assert_int_equal(rd_u8(&r), 2);
    assert_true(rd_done(&r));
    w = wr_init(out, sizeof out);
    agent_write_add(&w, &secret, span_str("name"), 0, false);
    assert_int_equal(out[4], 17); /* SSH_AGENTC_ADD_IDENTITY */
    w = wr_init(out, 100);        /* no room: said, not cut */
    agent_write_add(&w, &secret, span_str("name"), 0, false);
    assert_false(wr_ok(&w));
}

static void flags_follow_the_algorithm(void **state)
{
    (void)state;
    assert_int_equal(agent_sign_flags(span_str("rsa-sha2-512")), 4);
    assert_int_equal(agent_sign_flags(span_str("rsa-sha2-256")), 2);
    assert_int_equal(agent_sign_flags(span_str("ssh-ed25519")), 0);
}

static void a_reply_is_framed_by_its_length(void **state)
{
    (void)state;
    static const struct span whole = SPAN_LIT("\0\0\0\3abc");
    struct span reply;
    size_t wanted;
    for (size_t n = 0; n < whole.n; n++) {
        assert_int_equal(agent_frame(span_make(whole.p, n), &reply, &wanted, NULL), AGENT_FRAME_MORE);
        assert_int_equal(wanted, n < 4 ? 4 - n : 7 - n);
    }
    assert_int_equal(agent_frame(whole, &reply, &wanted, NULL), AGENT_FRAME_WHOLE);
    assert_true(span_is(reply, "abc"));
}

static void bad_frames_are_refused(void **state)
{
    (void)state;
    static const struct span bad[] = {SPAN_LIT("\0\0\0\0"), SPAN_LIT("\0\4\0\1"),
                                      SPAN_LIT("\xff\xff\xff\xff"), SPAN_LIT("\0\0\0\1ab")};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        struct span reply;
        size_t wanted;
        struct adit_error err = {0};
        assert_int_equal(agent_frame(bad[i], &reply, &wanted, &err), AGENT_FRAME_BAD);
        assert_int_equal(err.code, ADIT_E_AUTH);
    }
}

static void keys_are_listed(void **state)
{
    (void)state;
    static const struct span reply = SPAN_LIT("\x0c\0\0\0\2\0\0\0\3key\0\0\0\1c\0\0\0\1k\0\0\0\0");
    struct agent_keys keys;
    struct agent_key key;
    assert_int_equal(agent_keys_init(&keys, reply, NULL), ADIT_E_OK);
    assert_true(agent_keys_next(&keys, &key));
    assert_true(span_is(key.blob, "key") && span_is(key.comment, "c"));
    assert_true(agent_keys_next(&keys, &key));
    assert_true(span_is(key.blob, "k") && key.comment.n == 0);
    assert_false(agent_keys_next(&keys, &key));
}

static void bad_lists_give_no_key(void **state)
{
    (void)state;
    static const struct span good = SPAN_LIT(LIST_ONE);
    static const struct span bad[] = {SPAN_LIT(LIST_ONE "x"), SPAN_LIT("\5"), SPAN_LIT("\x0e\0\0\0\0"),
                                      SPAN_LIT("\x0c\xff\xff\xff\xff"), SPAN_LIT("\x0c\0\0\0\1\0\0\0\xff")};
    struct agent_keys keys;
    struct agent_key key;
    for (size_t n = 0; n < good.n; n++) {
        assert_int_equal(agent_keys_init(&keys, span_make(good.p, n), NULL), ADIT_E_AUTH);
        assert_false(agent_keys_next(&keys, &key));
    }
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_int_equal(agent_keys_init(&keys, bad[i], NULL), ADIT_E_AUTH);
    assert_int_equal(agent_keys_init(&keys, good, NULL), ADIT_E_OK);
}

static void signatures_must_be_of_the_asked_algorithm(void **state)
{
    (void)state;
    static const struct span reply = SPAN_LIT("\x0e\0\0\0\x0b\0\0\0\1a\0\0\0\2xy");
    static const struct span failure = SPAN_LIT("\5");
    struct span sig;
    struct adit_error err = {0};
    assert_int_equal(agent_signature(reply, span_str("a"), &sig, NULL), ADIT_E_OK);
    assert_int_equal(sig.n, 11);
    assert_int_equal(agent_signature(reply, span_str("b"), &sig, NULL), ADIT_E_AUTH);
    assert_int_equal(sig.n, 0);
    for (size_t n = 0; n < reply.n; n++)
        assert_int_equal(agent_signature(span_make(reply.p, n), span_str("a"), &sig, NULL), ADIT_E_AUTH);
    assert_int_equal(agent_signature(failure, span_str("a"), &sig, &err), ADIT_E_AUTH);
    assert_non_null(strstr(err.text, "refused"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_framed),
        cmocka_unit_test(a_session_is_bound),
        cmocka_unit_test(a_key_is_added),
        cmocka_unit_test(flags_follow_the_algorithm),
        cmocka_unit_test(a_reply_is_framed_by_its_length),
        cmocka_unit_test(bad_frames_are_refused),
        cmocka_unit_test(keys_are_listed),
        cmocka_unit_test(bad_lists_give_no_key),
        cmocka_unit_test(signatures_must_be_of_the_asked_algorithm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
