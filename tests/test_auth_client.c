#include "tests/talk.h"

#include "ssh/auth_client.h"
#include "ssh/msg.h"

/* The client's side of authentication: what it sends, what it takes (RFC 4252, RFC 4256). */

struct scene {
    struct talk t;
    struct auth_client a;
};

static const struct span session_id = SPAN_LIT("session"), alg = SPAN_LIT("rsa-sha2-512"),
                         blob = SPAN_LIT("key blob"), none;

static int set_up(void **state)
{
    struct scene *s = malloc(sizeof(*s));
    talk_init(&s->t);
    auth_client_init(&s->a, &s->t.memory.alloc);
    auth_client_user(&s->a, span_str("bob"));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    auth_client_wipe(&s->a);
    talk_wipe(&s->t);
    free(s);
    return 0;
}

#define HEAD(method) SSH_MSG_USERAUTH_REQUEST, "bob", "ssh-connection", method

static enum adit_err failure(struct scene *s, const char *methods, bool partial)
{
    return auth_on_failure(&s->a, message("bst", 51, methods, partial), &s->t.err);
}

static enum adit_err success(struct scene *s)
{
    return auth_on_success(&s->a, message("b", 52), &s->t.err);
}

static enum adit_err on_60(struct scene *s, struct span payload)
{
    return auth_on_60(&s->a, payload, &s->t.err);
}

static const struct span none;

static void try_key(struct scene *s, bool probe)
{
    assert_int_equal(auth_try_publickey(&s->a, &s->t.pk, session_id, blob, alg, none, probe, &s->t.err),
                     ADIT_E_OK);
}

/* OpenSSH PROTOCOL §3.1: another method's name, and the host key behind the key; a probe stays as it is. */
static void test_host_bound(void **state)
{
    struct scene *s = *state;
    static const struct span host_key = SPAN_LIT("the host's key");
    assert_int_equal(auth_try_publickey(&s->a, &s->t.pk, session_id, blob, alg, host_key, false, &s->t.err),
                     ADIT_E_OK);
    struct rd r = rd_init(auth_to_sign(&s->a));
    assert_true(span_eq(rd_string(&r), session_id));
    assert_int_equal(rd_u8(&r), SSH_MSG_USERAUTH_REQUEST);
    (void)rd_string(&r);
    assert_true(span_is(rd_string(&r), "ssh-connection"));
    assert_true(span_is(rd_string(&r), "publickey-hostbound-v00@openssh.com"));
    assert_true(rd_bool(&r));
    assert_true(span_eq(rd_string(&r), alg));
    assert_true(span_eq(rd_string(&r), blob));
    assert_true(span_eq(rd_string(&r), host_key));
    assert_true(rd_done(&r));
    assert_true(span_eq(auth_key_blob(&s->a), blob) && span_eq(auth_key_alg(&s->a), alg));
}

/* [RFC 4252 5c] */
static void test_user(void **state)
{
    struct scene *s = *state;
    char user[LIMIT_USER + 1];
    memset(user, 'u', LIMIT_USER);
    user[LIMIT_USER] = 0;
    auth_client_user(&s->a, span_str(user));
    assert_int_equal(auth_try_none(&s->a, &s->t.pk, &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("bsss", 50, user, "ssh-connection", "none"));
    auth_client_user(&s->a, none);
    assert_int_equal(s->a.user_n, 0);
}

static void test_none(void **state)
{
    struct scene *s = *state;
    assert_true(s->a.first);
    assert_int_equal(auth_try_none(&s->a, &s->t.pk, &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("bsss", HEAD("none")));
    assert_false(s->a.first);
    assert_int_equal(failure(s, "publickey,password", false), ADIT_E_OK);
    assert_int_equal(s->a.want, AUTH_WANT_METHOD);
    assert_true(span_is((struct span){s->a.methods, s->a.methods_n}, "publickey,password"));
    assert_false(s->a.partial);
}

/* [RFC 4252 8d] */
static void test_password(void **state)
{
    struct scene *s = *state;
    assert_int_equal(auth_try_password(&s->a, &s->t.pk, span_str("p\xc3\xa4ss"), &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("bsssts", HEAD("password"), 0, "p\xc3\xa4ss"));
    assert_int_equal(on_60(s, message("bss", 60, "Change it:", "en")), ADIT_E_OK);
    assert_int_equal(s->a.want, AUTH_WANT_PASSWORD);
    assert_true(span_is(s->a.change_prompt, "Change it:"));
    assert_int_equal(auth_change_password(&s->a, &s->t.pk, span_str("old"), span_str("new"), &s->t.err),
                     ADIT_E_OK);
    assert_says(&s->t, message("bssstss", HEAD("password"), 1, "old", "new"));
    assert_int_equal(success(s), ADIT_E_OK);
    assert_refused(&s->t, success(s), PROTOCOL); /* once */
}

static void test_oversized(void **state)
{
    struct scene *s = *state;
    struct span large = {calloc(1, LIMIT_PACKET + 1), LIMIT_PACKET + 1};
    assert_refused(&s->t, auth_try_password(&s->a, &s->t.pk, large, &s->t.err), LIMIT);
    assert_refused(&s->t,
                   auth_try_publickey(&s->a, &s->t.pk, session_id, (struct span){large.p, LIMIT_KEY_BLOB + 1},
                                      alg, none, true, &s->t.err),
                   LIMIT);
    assert_int_equal(auth_try_publickey(&s->a, &s->t.pk, session_id, (struct span){large.p, LIMIT_KEY_BLOB},
                                        alg, none, true, &s->t.err),
                     ADIT_E_OK);
    free((void *)(uintptr_t)large.p);
}

/* ---- keyboard-interactive ---- */

/* [RFC 4256 3.1a 3.2a 3.3g 3.4a 3.4d] */
static void test_kbdint(void **state)
{
    struct scene *s = *state;
    struct span answers[2] = {SPAN_LIT("one"), SPAN_LIT("")};
    assert_int_equal(auth_try_kbdint(&s->a, &s->t.pk, span_str("pam"), &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("bsssss", HEAD("keyboard-interactive"), "", "pam"));
    assert_int_equal(on_60(s, message("bsssustst", 60, "name", "do this", "en", 2u, "P1: ", 0, "P2: ", 1)),
                     ADIT_E_OK);
    assert_int_equal(s->a.want, AUTH_WANT_ANSWERS);
    assert_true(span_is(s->a.kbdint_name, "name") && span_is(s->a.kbdint_instruction, "do this"));
    assert_true(span_is(s->a.prompts[1], "P2: ") && s->a.echo[1] && !s->a.echo[0]);
    assert_refused(&s->t, auth_answer_kbdint(&s->a, &s->t.pk, answers, 1, &s->t.err),
                   LIMIT); /* RFC 4256 §3.4 */
    assert_int_equal(auth_answer_kbdint(&s->a, &s->t.pk, answers, 2, &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("buss", 61, 2u, "one", ""));
    assert_int_equal(on_60(s, message("bsssu", 60, "", "", "", 0u)),
                     ADIT_E_OK); /* no prompts: answered too */
    assert_int_equal(auth_answer_kbdint(&s->a, &s->t.pk, NULL, 0, &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("bu", 61, 0u));
    assert_int_equal(success(s), ADIT_E_OK);
}

static struct span with_prompts(unsigned count)
{
    struct span all = message("bsssu", 60, "", "", "", count);
    for (unsigned i = 0; i < count; i++)
        all = message("pst", all, "?", 0);
    return all;
}

static void test_kbdint_limits(void **state)
{
    struct scene *s = *state;
    assert_int_equal(auth_try_kbdint(&s->a, &s->t.pk, none, &s->t.err), ADIT_E_OK);
    assert_refused(&s->t, on_60(s, with_prompts(LIMIT_KBDINT_PROMPTS + 1)), LIMIT);
    assert_refused(&s->t, on_60(s, message("bsssu", 60, "", "", "", 0xffffffffu)), LIMIT);
    assert_refused(&s->t, on_60(s, message("bsssu", 60, "", "", "", 1u)), PROTOCOL);
    assert_refused(&s->t, on_60(s, message("pb", with_prompts(1), 0)), PROTOCOL);
    s->a.rounds = 0;
    struct span answers[LIMIT_KBDINT_PROMPTS] = {{0}};
    for (int i = 0; i < LIMIT_KBDINT_ROUNDS; i++) {
        assert_int_equal(on_60(s, with_prompts(LIMIT_KBDINT_PROMPTS)), ADIT_E_OK);
        assert_int_equal(auth_answer_kbdint(&s->a, &s->t.pk, answers, LIMIT_KBDINT_PROMPTS, &s->t.err),
                         ADIT_E_OK);
    }
    assert_refused(&s->t, on_60(s, with_prompts(1)), LIMIT);
}

/* ---- publickey ---- */

/* [RFC 4252 7a 7b] */
static void test_sign_at_once(void **state)
{
    struct scene *s = *state;
    struct span head = message("bssstSS", HEAD("publickey"), 1, alg, blob);
    try_key(s, false);
    assert_silent(&s->t);
    assert_int_equal(s->a.want, AUTH_WANT_SIGNATURE);
    assert_true(span_eq(auth_to_sign(&s->a), message("Sp", session_id, head))); /* RFC 4252 §7 */
    assert_true(span_eq(auth_key_blob(&s->a), blob) && span_eq(auth_key_alg(&s->a), alg));
    assert_int_equal(auth_give_signature(&s->a, &s->t.pk, span_str("signature"), &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("ps", head, "signature"));
    assert_true(s->a.in_flight);
    assert_int_equal(failure(s, "publickey", true), ADIT_E_OK);
    assert_true(s->a.partial);
}

static void test_probe(void **state)
{
    struct scene *s = *state;
    try_key(s, true);
    assert_says(&s->t, message("bssstSS", HEAD("publickey"), 0, alg, blob));
    assert_refused(&s->t, success(s), PROTOCOL); /* a question was asked */
    assert_int_equal(on_60(s, message("bSS", 60, alg, blob)), ADIT_E_OK);
    assert_int_equal(s->a.want, AUTH_WANT_SIGNATURE);
    assert_refused(&s->t, failure(s, "password", false), PROTOCOL); /* nothing is in flight */
    assert_refused(&s->t, success(s), PROTOCOL);
    assert_refused(&s->t, on_60(s, message("bSS", 60, alg, blob)), PROTOCOL);
    assert_int_equal(auth_give_signature(&s->a, &s->t.pk, span_str("sig"), &s->t.err), ADIT_E_OK);
    assert_int_equal(hear(&s->t).p[0], 50);
    assert_int_equal(success(s), ADIT_E_OK);
    assert_int_equal(auth_to_sign(&s->a).n, 0); /* the buffer is gone */
    assert_int_equal(auth_key_blob(&s->a).n + auth_key_alg(&s->a).n, 0);
}

/* [RFC 4252 7c] */
static void test_pk_ok_for_another_key(void **state)
{
    struct scene *s = *state;
    try_key(s, true);
    assert_refused(&s->t, on_60(s, message("bSs", 60, alg, "key blod")), PROTOCOL);
    assert_refused(&s->t, on_60(s, message("bsS", 60, "ssh-rsa", blob)), PROTOCOL);
    assert_refused(&s->t, on_60(s, message("bSS", 60, alg, span_sub(blob, 0, 7))), PROTOCOL);
    assert_refused(&s->t, on_60(s, message("bSSb", 60, alg, blob, 0)), PROTOCOL);
    assert_refused(&s->t, on_60(s, message("bS", 60, alg)), PROTOCOL);
    assert_int_equal(s->a.want, AUTH_WANT_NOTHING);
}

static void test_could_not_sign(void **state)
{
    struct scene *s = *state;
    try_key(s, false);
    assert_int_equal(auth_give_signature(&s->a, &s->t.pk, none, &s->t.err), ADIT_E_OK);
    assert_int_equal(s->a.want, AUTH_WANT_METHOD);
    assert_silent(&s->t);
    assert_refused(&s->t, success(s), PROTOCOL);
}

static void test_out_of_memory(void **state)
{
    struct scene *s = *state;
    s->t.memory.fail_at = s->t.memory.count + 1;
    assert_refused(&s->t, auth_try_publickey(&s->a, &s->t.pk, session_id, blob, alg, none, false, &s->t.err),
                   MEMORY);
}

/* ---- the peer's messages ---- */

/* [RFC 4252 5.1f 6b] */
static void test_unasked(void **state)
{
    struct scene *s = *state;
    assert_refused(&s->t, success(s), PROTOCOL);
    assert_refused(&s->t, failure(s, "", false), PROTOCOL);
    assert_refused(&s->t, on_60(s, message("bss", 60, "", "")), PROTOCOL);
    assert_int_equal(auth_try_none(&s->a, &s->t.pk, &s->t.err), ADIT_E_OK);
    assert_refused(&s->t, on_60(s, message("bss", 60, "", "")), PROTOCOL); /* "none" knows no message 60 */
}

static void test_wrong_lengths(void **state)
{
    struct scene *s = *state;
    assert_int_equal(auth_try_none(&s->a, &s->t.pk, &s->t.err), ADIT_E_OK);
    assert_refused(&s->t, auth_on_failure(&s->a, message("bs", 51, "a"), &s->t.err), PROTOCOL);
    assert_refused(&s->t, auth_on_failure(&s->a, message("bstb", 51, "a", 0, 0), &s->t.err), PROTOCOL);
    assert_refused(&s->t, auth_on_failure(&s->a, message("bst", 51, "a,,b", 0), &s->t.err), PROTOCOL);
    assert_refused(&s->t, auth_on_success(&s->a, message("bb", 52, 0), &s->t.err), PROTOCOL);
    struct span text;
    assert_refused(&s->t, auth_on_banner(&s->a, message("bs", 53, "no language"), &text, &s->t.err),
                   PROTOCOL);
    char many[1000];
    memset(many, 'm', sizeof(many) - 1);
    many[sizeof(many) - 1] = 0;
    assert_int_equal(failure(s, many, false), ADIT_E_OK); /* more than is kept: none */
    assert_int_equal(s->a.methods_n, 0);
}

/* [RFC 4252 5.4a] */
static void test_banners(void **state)
{
    struct scene *s = *state;
    struct span text;
    for (int i = 0; i < 1024; i++)
        assert_int_equal(auth_on_banner(&s->a, message("bss", 53, "hello", ""), &text, &s->t.err), ADIT_E_OK);
    assert_true(span_is(text, "hello"));
    assert_refused(&s->t, auth_on_banner(&s->a, message("bss", 53, "", ""), &text, &s->t.err), LIMIT);
}

/* Few, but endless ones. */
static void test_bytes_of_banners(void **state)
{
    struct scene *s = *state;
    static char lines[10001];
    struct span text;
    memset(lines, 'x', sizeof(lines) - 1);
    for (int i = 0; i < 104; i++)
        assert_int_equal(auth_on_banner(&s->a, message("bss", 53, lines, ""), &text, &s->t.err), ADIT_E_OK);
    assert_refused(&s->t, auth_on_banner(&s->a, message("bss", 53, lines, ""), &text, &s->t.err), LIMIT);
}

static void test_number_of_tries(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < LIMIT_AUTH_TRIES; i++) {
        assert_int_equal(auth_try_none(&s->a, &s->t.pk, &s->t.err), ADIT_E_OK);
        assert_int_equal(failure(s, "none", false), ADIT_E_OK);
    }
    assert_refused(&s->t, auth_try_none(&s->a, &s->t.pk, &s->t.err), AUTH);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_user),
        TEST(test_host_bound),
        TEST(test_none),
        TEST(test_password),
        TEST(test_oversized),
        TEST(test_kbdint),
        TEST(test_kbdint_limits),
        TEST(test_sign_at_once),
        TEST(test_probe),
        TEST(test_pk_ok_for_another_key),
        TEST(test_could_not_sign),
        TEST(test_out_of_memory),
        TEST(test_unasked),
        TEST(test_wrong_lengths),
        TEST(test_banners),
        TEST(test_bytes_of_banners),
        TEST(test_number_of_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
