#include "tests/talk.h"

#include "ssh/auth_server.h"
#include "ssh/key.h"
#include "ssh/msg.h"

/* Requests as a client writes them: RFC 4252 §5, §7, §8; RFC 4256. */

struct scene {
    struct talk t;
    struct auth_server a;
    struct key_secret key;
    uint8_t blob[KEY_PUBLIC_MAX];
    size_t blob_n;
};

static const struct span session_id = SPAN_LIT("0123456789abcdef0123456789abcdef");

static int set_up(void **state)
{
    struct scene *s = malloc(sizeof(*s));
    talk_init(&s->t);
    auth_server_init(&s->a);
    assert_true(key_generate(KEY_ED25519, &s->t.random, &s->key));
    struct wr w = wr_init(s->blob, sizeof(s->blob));
    assert_true(key_secret_public(&s->key, &w));
    s->blob_n = w.used;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    talk_wipe(&s->t);
    free(s);
    return 0;
}

static enum adit_err request(struct scene *s, struct span payload)
{
    return auth_on_request(&s->a, &s->t.pk, session_id, payload, &s->t.err);
}

static enum adit_err verdict(struct scene *s, bool success, bool *done)
{
    return auth_verdict(&s->a, &s->t.pk, success, false, span_str("publickey,password"), done, &s->t.err);
}

static struct span head_and_key(struct scene *s, bool has_signature, const char *alg)
{
    return message("bssstsS", SSH_MSG_USERAUTH_REQUEST, "bob", "ssh-connection", "publickey", has_signature,
                   alg, (struct span){s->blob, s->blob_n});
}

static struct span signed_request(struct scene *s, struct span id)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    struct wr w = wr_init(signature, sizeof(signature));
    struct span head = head_and_key(s, true, "ssh-ed25519");
    assert_int_equal(key_sign(&s->key, span_str("ssh-ed25519"), message("Sp", id, head), &w, &s->t.err),
                     ADIT_E_OK);
    return message("pS", head, wr_done(&w));
}

static void test_request_form(void **state)
{
    struct scene *s = *state;
    assert_int_equal(request(s, message("bsss", 50, "bob", "ssh-connection", "none")), ADIT_E_OK);
    assert_true(s->a.wants_verdict);
    assert_int_equal(s->a.kind, AUTH_REQUEST_NONE);
    assert_true(span_is(s->a.user, "bob") && span_is(s->a.method, "none"));
    assert_int_equal(request(s, message("bsssu", 50, "", "ssh-connection", "gssapi-with-mic", 1u)),
                     ADIT_E_OK);
    assert_int_equal(s->a.kind, AUTH_REQUEST_NONE);
    assert_refused(&s->t, request(s, message("bsss", 50, "bob", "ssh-userauth", "none")), PROTOCOL);
    assert_refused(&s->t, request(s, message("bss", 50, "bob", "ssh-connection")), PROTOCOL);
    char user[LIMIT_USER + 2];
    memset(user, 'u', sizeof(user));
    user[LIMIT_USER + 1] = 0;
    assert_refused(&s->t, request(s, message("bsss", 50, user, "ssh-connection", "none")), PROTOCOL);
    user[LIMIT_USER] = 0;
    assert_int_equal(request(s, message("bsss", 50, user, "ssh-connection", "none")), ADIT_E_OK);
}

static void test_too_many_requests(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < LIMIT_AUTH_TRIES; i++)
        assert_int_equal(request(s, message("bsss", 50, "bob", "ssh-connection", "none")), ADIT_E_OK);
    assert_refused(&s->t, request(s, message("bsss", 50, "bob", "ssh-connection", "none")), AUTH);
}

/* [RFC 4252 7b] */
static void test_publickey(void **state)
{
    struct scene *s = *state;
    bool done = false;
    assert_int_equal(request(s, signed_request(s, session_id)), ADIT_E_OK);
    assert_true(s->a.wants_verdict);
    assert_int_equal(s->a.kind, AUTH_REQUEST_PUBKEY);
    assert_int_equal(verdict(s, true, &done), ADIT_E_OK);
    assert_true(done);
    assert_says(&s->t, message("b", SSH_MSG_USERAUTH_SUCCESS));
}

static void test_publickey_probe(void **state)
{
    struct scene *s = *state;
    bool done = true;
    assert_int_equal(request(s, head_and_key(s, false, "ssh-ed25519")), ADIT_E_OK);
    assert_int_equal(s->a.kind, AUTH_REQUEST_PROBE);
    assert_int_equal(verdict(s, true, &done), ADIT_E_OK);
    assert_false(done); /* nobody is in by asking */
    assert_says(&s->t,
                message("bsS", SSH_MSG_USERAUTH_PK_OK, "ssh-ed25519", (struct span){s->blob, s->blob_n}));
}

/* A signature of another session, of another user, of another length, damaged: a failure, never a verdict. */
static void test_publickey_forged(void **state)
{
    struct scene *s = *state;
    struct span good = signed_request(s, session_id), failure = message("bst", 51, "publickey", 0);
    uint8_t bent[1000];
    assert_true(good.n <= sizeof(bent));
    assert_int_equal(request(s, signed_request(s, span_str("another session"))), ADIT_E_OK);
    assert_false(s->a.wants_verdict);
    assert_says(&s->t, failure);
    static const size_t at[] = {5, 40};
    for (size_t i = 0; i < 3; i++) {
        memcpy(bent, good.p, good.n);
        bent[i < 2 ? at[i] : good.n - 1] ^= 1;
        (void)request(s, (struct span){bent, good.n});
        assert_false(s->a.wants_verdict && s->t.err.code == ADIT_E_OK);
        (void)hear(&s->t);
        s->t.err = (struct adit_error){0};
    }
    assert_int_equal(request(s, message("pS", head_and_key(s, true, "rsa-sha2-256"), span_str("x"))),
                     ADIT_E_OK);
    assert_false(s->a.wants_verdict);
    assert_says(&s->t, failure);
    assert_refused(&s->t, request(s, span_sub(good, 0, good.n - 1)), PROTOCOL);
    assert_refused(&s->t, request(s, message("pb", good, 0)), PROTOCOL);
}

static void test_password(void **state)
{
    struct scene *s = *state;
    bool done = true;
    assert_int_equal(request(s, message("bsssts", 50, "bob", "ssh-connection", "password", 0, "pw")),
                     ADIT_E_OK);
    assert_int_equal(s->a.kind, AUTH_REQUEST_PASSWORD);
    assert_true(span_is(s->a.data, "pw"));
    assert_int_equal(verdict(s, false, &done), ADIT_E_OK);
    assert_false(done);
    assert_says(&s->t, message("bst", SSH_MSG_USERAUTH_FAILURE, "publickey,password", 0));
    assert_refused(&s->t, request(s, message("bssst", 50, "bob", "ssh-connection", "password", 0)), PROTOCOL);
}

static void test_info_response(void **state)
{
    struct scene *s = *state;
    struct span prompt = SPAN_LIT("Code: ");
    uint8_t packet[200];
    assert_refused(&s->t, auth_on_info_response(&s->a, message("bu", 61, 0u), &s->t.err), PROTOCOL);
    struct span first = message("bsssss", 50, "bob", "ssh-connection", "keyboard-interactive", "", "");
    memcpy(packet, first.p, first.n);
    assert_int_equal(request(s, (struct span){packet, first.n}), ADIT_E_OK);
    assert_int_equal(s->a.kind, AUTH_REQUEST_KBDINT);
    assert_int_equal(auth_prompt(&s->a, &s->t.pk, &prompt, 1, &s->t.err), ADIT_E_OK);
    assert_false(s->a.wants_verdict);
    assert_says(&s->t, message("bsssust", SSH_MSG_USERAUTH_INFO_REQUEST, "", "", "", 1u, "Code: ", 0));
    memset(packet, 'X', sizeof(packet)); /* the request's packet has gone: its buffer has other contents */
    assert_int_equal(auth_on_info_response(&s->a, message("bus", 61, 1u, "42"), &s->t.err), ADIT_E_OK);
    assert_true(s->a.wants_verdict);
    assert_int_equal(s->a.kind, AUTH_REQUEST_KBDINT_ANSWERS);
    assert_true(span_is(s->a.user, "bob"));
    assert_true(span_is(s->a.method, "keyboard-interactive"));
    assert_true(span_eq(s->a.data, message("us", 1u, "42")));
    assert_refused(&s->t, auth_on_info_response(&s->a, message("bu", 61, 0u), &s->t.err), PROTOCOL);
}

/* RFC 4256 §3.1: a new request abandons the questions of the one before. */
static void test_new_request_abandons_the_questions(void **state)
{
    struct scene *s = *state;
    struct span prompt = SPAN_LIT("?");
    assert_int_equal(
        request(s, message("bsssss", 50, "bob", "ssh-connection", "keyboard-interactive", "", "")),
        ADIT_E_OK);
    assert_int_equal(auth_prompt(&s->a, &s->t.pk, &prompt, 1, &s->t.err), ADIT_E_OK);
    assert_int_equal(request(s, message("bsss", 50, "bob", "ssh-connection", "none")), ADIT_E_OK);
    assert_refused(&s->t, auth_on_info_response(&s->a, message("bu", 61, 0u), &s->t.err), PROTOCOL);
}

static void test_banner(void **state)
{
    struct scene *s = *state;
    assert_int_equal(auth_send_banner(&s->t.pk, span_str("hello\n"), &s->t.err), ADIT_E_OK);
    assert_says(&s->t, message("bss", SSH_MSG_USERAUTH_BANNER, "hello\n", ""));
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publickey, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publickey_probe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publickey_forged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_info_response, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_request_abandons_the_questions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_banner, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
