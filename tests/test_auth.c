#include "test.h"

#include <string.h>

#include "client/auth.h"
#include "few_files.h"
#include "fake_prompt.h"
#include "ssh/key.h"

enum { KEYS = 2 };

struct fixture {
    struct options options;
    struct fake_prompt fake;
    struct identities ids;
    struct identity keys[KEYS];
    struct key_secret secrets[KEYS];
    uint8_t blobs[KEYS][KEY_PUBLIC_MAX];
    struct auth auth;
    struct session_question q;
};
static struct fixture f;

static void add_key(enum key_type type)
{
    size_t i = f.ids.count;
    uint8_t seed[32] = {(uint8_t)i};
    struct drbg random;
    drbg_init(&random, seed);
    assert_true(key_generate(type, &random, &f.secrets[i]));
    struct wr w = wr_init(f.blobs[i], sizeof f.blobs[i]);
    assert_true(key_secret_public(&f.secrets[i], &w));
    f.keys[i] =
        (struct identity){.name = (char *)"key", .blob = f.blobs[i], .blob_len = wr_done(&w).n, .type = type};
    f.keys[i].secret = &f.secrets[i];
    f.ids.item[f.ids.count++] = &f.keys[i];
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    fake_prompt_init(&f.fake);
    options_init(&f.options);
    f.ids.options = &f.options;
    f.ids.prompt = &f.fake.prompt;
    f.ids.lack = &f.ids.lacking;
    auth_init(&f.auth, &f.options, &f.fake.prompt, &f.ids, "me", "host");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    options_wipe(&f.options);
    return 0;
}

static void option(const char *line)
{
    assert_int_equal(options_set_line(&f.options, line, NULL), ADIT_E_OK);
}

/* What is tried when the server says that `methods` can continue; NULL: the first time. */
static enum session_credential ask(const char *methods)
{
    memset(&f.q, 0, sizeof f.q);
    f.q.kind = SESSION_ASK_CREDENTIAL;
    f.q.first = methods == NULL;
    f.q.methods = span_str(methods);
    auth_credential(&f.auth, &f.q);
    return f.q.credential;
}

static void test_unencrypted_key_goes_first(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    assert_int_equal(ask(NULL), SESSION_CREDENTIAL_PUBLICKEY);
    assert_false(f.q.probe);
    assert_true(span_is(f.q.key_alg, "ssh-ed25519"));
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_GIVE_UP); /* not offered twice */
    assert_non_null(strstr(f.q.why_not.text, "Permission denied (publickey)"));
}

static void test_key_that_needs_a_probe(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    f.keys[0].secret = NULL;
    f.keys[0].in_agent = true;
    assert_int_equal(ask(NULL), SESSION_CREDENTIAL_NONE);
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_PUBLICKEY);
    assert_true(f.q.probe);
}

/* Nothing was sent, and so the server has not said what it takes: it is asked, and the next key is offered.
 */
static void test_first_key_that_cannot_sign(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    add_key(KEY_ECDSA_P256);
    assert_int_equal(ask(NULL), SESSION_CREDENTIAL_PUBLICKEY);
    f.keys[0].is_dead = true;
    assert_int_equal(ask(""), SESSION_CREDENTIAL_NONE);
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_PUBLICKEY);
    assert_true(span_is(f.q.key_alg, "ecdsa-sha2-nistp256"));
    assert_int_equal(ask(""), SESSION_CREDENTIAL_GIVE_UP);
}

static void test_order(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    f.fake.answers[0] = "typed";
    assert_int_equal(ask(NULL), SESSION_CREDENTIAL_PUBLICKEY);
    assert_int_equal(ask("password,keyboard-interactive,publickey"), SESSION_CREDENTIAL_KBDINT);
    assert_int_equal(ask("password,keyboard-interactive,publickey"), SESSION_CREDENTIAL_PASSWORD);
    assert_true(span_is(f.q.password, "typed"));
    assert_non_null(strstr(f.fake.questions, "me@host's password: "));
    assert_int_equal(f.fake.kinds[0], PROMPT_SECRET);
    assert_int_equal(f.fake.purposes[0], PROMPT_FOR_PASSWORD);
}

static void test_preferred(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    option("PreferredAuthentications password,publickey");
    f.fake.answers[0] = "typed";
    assert_int_equal(ask(NULL),
                     SESSION_CREDENTIAL_NONE); /* nobody is asked before the server is known to want it */
    assert_int_equal(ask("publickey,password"), SESSION_CREDENTIAL_PASSWORD);
}

static void test_methods_that_are_off(void **state)
{
    (void)state;
    option("PasswordAuthentication no");
    option("KbdInteractiveAuthentication no");
    assert_int_equal(ask(NULL), SESSION_CREDENTIAL_NONE);
    assert_int_equal(ask("password,keyboard-interactive"), SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(f.fake.asked, 0);
}

static void test_batch_mode(void **state)
{
    (void)state;
    option("BatchMode yes");
    assert_int_equal(ask("password,keyboard-interactive"), SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(f.fake.asked, 0);
}

static void test_password_tries(void **state)
{
    (void)state;
    f.fake.answers[0] = f.fake.answers[1] = f.fake.answers[2] = f.fake.answers[3] = "wrong";
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ask("password"), SESSION_CREDENTIAL_PASSWORD);
    assert_int_equal(ask("password"), SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(f.fake.asked, 3);
}

static void test_password_not_given(void **state)
{
    (void)state;
    assert_int_equal(ask("password"), SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(ask("password"), SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(f.fake.asked, 1);
    assert_int_equal(f.q.password.n, 0);
}

/* [RFC 4252 5.1h] */
static void test_partial_success(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    add_key(KEY_ECDSA_P256);
    assert_int_equal(ask(NULL), SESSION_CREDENTIAL_PUBLICKEY);
    memset(&f.q, 0, sizeof f.q);
    f.q.methods = span_str("publickey");
    f.q.partial = true;
    auth_credential(&f.auth, &f.q);
    assert_int_equal(f.q.credential, SESSION_CREDENTIAL_PUBLICKEY); /* the other key */
    assert_true(span_is(f.q.key_alg, "ecdsa-sha2-nistp256"));
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_GIVE_UP);
}

/* A server that is half content for ever, or wants a new password for ever: a program that answers ends all
 * the same. */
static void test_partial_success_for_ever(void **state)
{
    (void)state;
    uint32_t rounds = 0;
    option("NumberOfPasswordPrompts 1");
    do {
        memset(&f.q, 0, sizeof f.q);
        f.q.methods = span_str("password");
        f.q.partial = true;
        f.fake.asked = 0;
        f.fake.answers[0] = "secret";
        auth_credential(&f.auth, &f.q);
    } while (f.q.credential == SESSION_CREDENTIAL_PASSWORD && ++rounds < 100);
    assert_int_equal(rounds, LIMIT_AUTH_PARTIALS);
    assert_int_equal(f.q.credential, SESSION_CREDENTIAL_GIVE_UP);
}

static void test_password_change_for_ever(void **state)
{
    (void)state;
    uint32_t rounds = 0;
    static const char *const answers[] = {"old", "new", "new"};
    memcpy(f.fake.answers, answers, sizeof answers);
    do {
        memset(&f.q, 0, sizeof f.q);
        f.q.kind = SESSION_ASK_PASSWORD_CHANGE;
        f.fake.asked = 0;
        auth_password_change(&f.auth, &f.q);
    } while (f.q.credential == SESSION_CREDENTIAL_PASSWORD && ++rounds < 100);
    assert_int_equal(rounds, 3);
    assert_int_equal(f.q.credential, SESSION_CREDENTIAL_GIVE_UP);
}

static void test_certificate_algorithms(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    f.keys[0].is_cert = true; /* of itself: the blob is not looked at here */
    f.keys[0].plain = f.keys[0].blob;
    f.keys[0].plain_len = f.keys[0].blob_len;
    assert_int_equal(ask(NULL), SESSION_CREDENTIAL_PUBLICKEY);
    assert_true(span_is(f.q.key_alg, "ssh-ed25519-cert-v01@openssh.com"));
    f.auth.next = 0;
    f.keys[0].type = KEY_RSA;
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_PUBLICKEY);
    assert_true(span_is(f.q.key_alg, "rsa-sha2-512-cert-v01@openssh.com"));
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_PUBLICKEY); /* no list was sent: once more */
    assert_true(span_is(f.q.key_alg, "rsa-sha2-256-cert-v01@openssh.com"));
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_GIVE_UP);
    f.auth.next = 0;
    option("PubkeyAcceptedAlgorithms rsa-sha2-512,ssh-ed25519");
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_GIVE_UP); /* the names of certificates count */
}

static const char *rsa_alg(const char *sig_algs)
{
    static char text[32];
    f.auth.next = 0;
    f.auth.rsa_fallback = false;
    memset(&f.q, 0, sizeof f.q);
    f.q.methods = span_str("publickey");
    f.q.sig_algs = span_str(sig_algs);
    auth_credential(&f.auth, &f.q);
    if (f.q.credential != SESSION_CREDENTIAL_PUBLICKEY)
        return "";
    adit_format(text, sizeof text, "%.*s", (int)f.q.key_alg.n, (const char *)f.q.key_alg.p);
    return text;
}

/* [RFC 8308 3.1b 3.1c] [RFC 8332 3.2a] */
static void test_rsa_algorithms(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    f.keys[0].type = KEY_RSA; /* only its type counts here */
    assert_string_equal(rsa_alg("ssh-ed25519,rsa-sha2-256,rsa-sha2-512"), "rsa-sha2-512");
    assert_string_equal(rsa_alg("rsa-sha2-256"), "rsa-sha2-256");
    assert_string_equal(rsa_alg("ssh-rsa"), "");
    assert_string_equal(rsa_alg(""), "rsa-sha2-512");
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_PUBLICKEY); /* refused: once more with the other */
    assert_true(span_is(f.q.key_alg, "rsa-sha2-256"));
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_GIVE_UP);
    option("PubkeyAcceptedAlgorithms rsa-sha2-256");
    assert_string_equal(rsa_alg(""), "rsa-sha2-256");
}

/* As ssh: the order is ours, the server only says what it takes. */
static void test_rsa_algorithms_in_our_order(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    f.keys[0].type = KEY_RSA;
    option("PubkeyAcceptedAlgorithms ^rsa-sha2-256");
    assert_string_equal(rsa_alg("rsa-sha2-512,rsa-sha2-256"), "rsa-sha2-256");
    assert_string_equal(rsa_alg("rsa-sha2-512"), "rsa-sha2-512");
    assert_string_equal(rsa_alg(""), "rsa-sha2-256");
}

static void test_sign(void **state)
{
    (void)state;
    struct key public;
    add_key(KEY_ED25519);
    f.q.blob = span_make(f.keys[0].blob, f.keys[0].blob_len);
    f.q.alg = span_str("ssh-ed25519");
    f.q.data = span_str("session");
    auth_sign(&f.auth, &f.q);
    assert_true(key_parse(&public, f.q.blob));
    assert_int_equal(key_verify(&public, f.q.alg, span_make(f.q.reply, f.q.reply_len), f.q.data, NULL),
                     ADIT_E_OK);
    memset(&f.q, 0, sizeof f.q);
    f.q.blob = span_str("another key");
    auth_sign(&f.auth, &f.q);
    assert_int_equal(f.q.reply_len, 0);
}

/* No verdict on the key, nor the server's: the end is one that another try may not have. */
static void test_sign_without_descriptors(void **state)
{
    (void)state;
    add_key(KEY_ED25519);
    f.keys[0].secret = NULL;
    f.keys[0].in_agent = true;
    f.ids.agent_path = (char *)"/nonexistent/agent";
    f.q.blob = span_make(f.keys[0].blob, f.keys[0].blob_len);
    f.q.alg = span_str("ssh-ed25519");
    struct rlimit before = few_files_begin();
    auth_sign(&f.auth, &f.q);
    few_files_end(before);
    assert_int_equal(f.q.reply_len, 0);
    assert_int_equal(ask("publickey"), SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(f.q.why_not.code, ADIT_E_MEMORY);
    assert_non_null(
        strstr(f.q.why_not.text, "me@host: a key could not sign: key: agent /nonexistent/agent: "));
    assert_non_null(strstr(f.q.why_not.text, "Too many open files"));
}

static void kbdint(size_t prompts)
{
    memset(&f.q, 0, sizeof f.q);
    f.q.kind = SESSION_ASK_KBDINT;
    f.q.instruction = span_str("Say \x1b[31mthe words\r\n");
    f.q.prompt_count = prompts;
    for (size_t i = 0; i < prompts; i++) {
        f.q.prompts[i].text = span_str("Code\x1b[2J: ");
        f.q.prompts[i].echo = i == 1;
    }
    auth_kbdint(&f.auth, &f.q);
}

/* [RFC 4256 3.3a 3.3c 3.3d 3.3f 3.3g 3.3h] */
static void test_kbdint(void **state)
{
    (void)state;
    f.fake.answers[0] = "one";
    f.fake.answers[1] = "";
    kbdint(2);
    assert_true(f.q.accept);
    assert_true(span_is(f.q.answers[0], "one") && f.q.answers[1].n == 0);
    assert_int_equal(f.fake.kinds[0], PROMPT_SECRET);
    assert_int_equal(f.fake.kinds[1], PROMPT_LINE);
    assert_int_equal(f.fake.purposes[1], PROMPT_FOR_CODE);
    assert_null(strchr(f.fake.questions, 0x1b));
    assert_null(strchr(f.fake.log, 0x1b));
    assert_string_equal(f.fake.questions, "(me@host) Code: \n(me@host) Code: \n");
    kbdint(0);
    assert_true(f.q.accept);
    kbdint(1); /* no answer */
    assert_false(f.q.accept);
}

/* Whoever is asked has the password, and cannot say it just now: that is not the server's verdict. */
static void test_password_that_cannot_be_had_now(void **state)
{
    (void)state;
    f.fake.lack = "/pass: Input/output error";
    assert_int_equal(ask("password"), SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(f.q.why_not.code, ADIT_E_MEMORY);
    assert_string_equal(f.q.why_not.text, "me@host: /pass: Input/output error");
}

static void test_code_that_cannot_be_had_now(void **state)
{
    (void)state;
    f.fake.lack = "/pass: Input/output error";
    kbdint(1);
    assert_false(f.q.accept);
    assert_int_equal(f.q.why_not.code, ADIT_E_MEMORY);
    assert_string_equal(f.q.why_not.text, "me@host: /pass: Input/output error");
}

static void test_old_password_that_cannot_be_had_now(void **state)
{
    (void)state;
    f.fake.lack = "/pass: Input/output error";
    f.q.kind = SESSION_ASK_PASSWORD_CHANGE;
    auth_password_change(&f.auth, &f.q);
    assert_int_equal(f.q.credential, SESSION_CREDENTIAL_GIVE_UP);
    assert_int_equal(f.q.why_not.code, ADIT_E_MEMORY);
}

static void long_kbdint(struct span title, struct span prompt)
{
    teardown(NULL);
    setup(NULL);
    f.fake.answers[0] = "code";
    f.q.instruction = title;
    f.q.prompt_count = 1;
    f.q.prompts[0].text = prompt;
    auth_kbdint(&f.auth, &f.q);
    assert_true(f.q.accept);
}

/* The log without its line ends: what was shown, however it was divided. */
static void assert_shown(struct span title)
{
    size_t n = 0;
    for (const char *p = f.fake.log; *p != 0; p++)
        if (*p != '\n') {
            assert_true(n < title.n);
            assert_int_equal((uint8_t)*p, title.p[n++]);
        }
    assert_int_equal(n, title.n);
}

/* [RFC 4256 3.3b 3.3e] */
static void test_kbdint_long_texts(void **state)
{
    (void)state;
    static char text[20000];
    struct span all = {(const uint8_t *)text, sizeof text}, short_one = span_str("Code: ");
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "\xe2\x82\xac"[i % 3]; /* the first 1000 bytes end within a character */
    long_kbdint(span_sub(all, 0, 6999), short_one);
    assert_shown(span_sub(all, 0, 6999));
    assert_null(strstr(f.fake.questions, "[...]"));
    assert_non_null(strstr(f.fake.questions, "(me@host) Code: \n"));
    memset(text, 'x', sizeof text);
    memset(text, '\n', 16 * 1024 - 5);
    long_kbdint(span_sub(all, 0, 16 * 1024), short_one);
    assert_string_equal(f.fake.log, "xxxxx\n");
    long_kbdint(span_sub(all, 0, 16 * 1024 + 1), short_one);
    assert_string_equal(f.fake.log, "xxxxx\n [...] \n");
    memset(text, 'x', sizeof text);
    for (size_t n = 2020; n < 2050; n++) { /* 2,048 less "(me@host) ", the zero, and room for a character */
        long_kbdint(short_one, span_sub(all, 0, n));
        assert_int_equal(strlen(f.fake.questions), n < 2034 ? 10 + n + 1 : 2048);
        assert_int_equal(strstr(f.fake.questions, "x [...] \n") != NULL, n >= 2034);
    }
}

/* [RFC 4256 3.1c 3.2e 3.4c] */
static void test_kbdint_that_asks_nothing(void **state)
{
    (void)state;
    assert_int_equal(ask("keyboard-interactive"), SESSION_CREDENTIAL_KBDINT);
    assert_int_equal(f.q.submethods.n, 0);
    kbdint(0);
    assert_string_equal(f.fake.log, "Say the words\n");
    assert_int_equal(ask("keyboard-interactive"), SESSION_CREDENTIAL_GIVE_UP);
}

static void test_password_change(void **state)
{
    (void)state;
    static const char *const answers[] = {"old", "new", "now", "new", "new"};
    memcpy(f.fake.answers, answers, sizeof answers);
    f.q.kind = SESSION_ASK_PASSWORD_CHANGE;
    auth_password_change(&f.auth, &f.q);
    assert_int_equal(f.q.credential, SESSION_CREDENTIAL_PASSWORD);
    assert_true(span_is(f.q.old_password, "old") && span_is(f.q.password, "new"));
    assert_int_equal(f.fake.asked, 5);
    memset(&f.q, 0, sizeof f.q);
    option("BatchMode yes");
    auth_password_change(&f.auth, &f.q);
    assert_int_equal(f.q.credential, SESSION_CREDENTIAL_GIVE_UP);
}

int main(void)
{
    if (!crypto_init())
        return 1;
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_unencrypted_key_goes_first),
                                       T(test_first_key_that_cannot_sign),
                                       T(test_key_that_needs_a_probe),
                                       T(test_order),
                                       T(test_preferred),
                                       T(test_methods_that_are_off),
                                       T(test_batch_mode),
                                       T(test_password_tries),
                                       T(test_password_not_given),
                                       T(test_password_that_cannot_be_had_now),
                                       T(test_code_that_cannot_be_had_now),
                                       T(test_old_password_that_cannot_be_had_now),
                                       T(test_partial_success),
                                       T(test_partial_success_for_ever),
                                       T(test_password_change_for_ever),
                                       T(test_certificate_algorithms),
                                       T(test_rsa_algorithms),
                                       T(test_rsa_algorithms_in_our_order),
                                       T(test_sign),
                                       T(test_sign_without_descriptors),
                                       T(test_kbdint),
                                       T(test_kbdint_long_texts),
                                       T(test_kbdint_that_asks_nothing),
                                       T(test_password_change)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
