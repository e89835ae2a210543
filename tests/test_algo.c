#include "tests/talk.h"

#include "ssh/algo.h"
#include "ssh/msg.h"

/* Algorithm lists: ssh's syntax, KEXINIT and the choice (RFC 4253 §7.1). */

/* [RFC 4251 9.3.1a] */
static void test_defaults(void **state)
{
    (void)state;
    crypto_force_portable(true);
    assert_true(crypto_init());
    assert_true(
        span_is(span_sub(span_str(algo_default(ALGO_CIPHER)), 0, 29), "chacha20-poly1305@openssh.com"));
    crypto_force_portable(false);
    assert_true(crypto_init());
    /* Every name there is can be chosen. */
    struct span list = span_str(algo_default(ALGO_CIPHER)), name;
    while (names_next(&list, &name))
        assert_non_null(cipher_alg_find(name));
    list = span_str(algo_default(ALGO_MAC));
    while (names_next(&list, &name))
        assert_non_null(mac_alg_find(name));
    list = span_str(algo_default(ALGO_KEX));
    assert_true(names_next(&list, &name) && span_is(name, "mlkem768x25519-sha256"));
    assert_true(names_next(&list, &name) && span_is(name, "sntrup761x25519-sha512"));
    assert_true(names_next(&list, &name) && span_is(name, "sntrup761x25519-sha512@openssh.com"));
    assert_true(names_has(span_str(algo_default(ALGO_PUBKEY)), span_str("sk-ssh-ed25519@openssh.com")));
    assert_false(names_has(span_str(algo_default(ALGO_HOST_KEY)), span_str("ssh-rsa")));
}

static void assert_resolves(enum algo_kind kind, const char *spec, const char *expected)
{
    char out[2048];
    struct adit_error err = {0};
    bool is_good = algo_resolve(kind, spec, out, sizeof(out), &err);
    assert_int_equal(is_good, expected != NULL);
    if (is_good)
        assert_string_equal(out, expected);
    else
        assert_int_equal(err.code, ADIT_E_CONFIG);
}

/* [RFC 4253 7.1c] */
static void test_resolve(void **state)
{
    (void)state;
    static const char all[] =
        "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
    assert_resolves(ALGO_MAC, "hmac-sha2-512,hmac-sha2-256", "hmac-sha2-512,hmac-sha2-256");
    assert_resolves(ALGO_MAC, "hmac-sha2-512,hmac-sha2-512", "hmac-sha2-512");
    assert_resolves(ALGO_MAC, "+hmac-sha2-512", all);
    assert_resolves(ALGO_MAC, "-*etm*", "hmac-sha2-256,hmac-sha2-512");
    assert_resolves(ALGO_MAC, "-hmac-md5", all); /* removing what is not there is no error, as in ssh */
    assert_resolves(
        ALGO_MAC, "^hmac-sha2-512",
        "hmac-sha2-512,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256");
    assert_resolves(ALGO_MAC, "hmac-sha2-???", "hmac-sha2-256,hmac-sha2-512");
    assert_resolves(ALGO_MAC, "*-512", "hmac-sha2-512");
    assert_resolves(ALGO_MAC, "**5*2", "hmac-sha2-512");
    assert_resolves(ALGO_MAC, "*", all);
    assert_resolves(ALGO_MAC, "hmac-md5", NULL);
    assert_resolves(ALGO_MAC, "+hmac-md5", NULL);
    assert_resolves(ALGO_MAC, "^hmac-md5", NULL);
    assert_resolves(ALGO_MAC, "", NULL);
    assert_resolves(ALGO_MAC, ",", NULL);
    assert_resolves(ALGO_MAC, "-*", NULL);
    assert_resolves(ALGO_MAC, "no-*", NULL);
}

static void test_resolve_into_little(void **state)
{
    (void)state;
    char out[15];
    struct adit_error err = {0};
    assert_false(algo_resolve(ALGO_MAC, "hmac-sha2-512", out, 0, &err));
    assert_false(algo_resolve(ALGO_MAC, "hmac-sha2-512", out, 13, &err));
    assert_true(algo_resolve(ALGO_MAC, "hmac-sha2-512", out, sizeof(out), &err));
}

/* ---- KEXINIT ---- */

static const uint8_t cookie[16] = {9};

static struct kexinit offer(const char *kex, const char *host_key, const char *cipher, const char *mac)
{
    struct kexinit k = {.cookie = {cookie, sizeof(cookie)}};
    k.lists[KEXINIT_KEX] = span_str(kex);
    k.lists[KEXINIT_HOST_KEY] = span_str(host_key);
    for (size_t i = 0; i < 2; i++) {
        k.lists[KEXINIT_CIPHER_C2S + i] = span_str(cipher);
        k.lists[KEXINIT_MAC_C2S + i] = span_str(mac);
        k.lists[KEXINIT_COMP_C2S + i] = span_str("none");
    }
    return k;
}

/* [RFC 4253 7.1a] */
static void test_kexinit(void **state)
{
    (void)state;
    uint8_t bytes[600], longer[601];
    struct adit_error err = {0};
    struct kexinit out, in = offer("a,b", "c", "d,e,f", "g");
    in.first_follows = true;
    struct wr w = wr_init(bytes, sizeof(bytes));
    kexinit_write(&w, &in);
    assert_true(wr_ok(&w));
    assert_int_equal(bytes[0], SSH_MSG_KEXINIT);
    assert_true(kexinit_parse(wr_done(&w), &out, &err));
    assert_true(span_eq(out.cookie, in.cookie) && out.first_follows);
    for (size_t i = 0; i < KEXINIT_LISTS; i++)
        assert_true(span_eq(out.lists[i], in.lists[i]));
    for (size_t n = 0; n < w.used; n++) { /* cut anywhere */
        err = (struct adit_error){0};
        assert_false(kexinit_parse((struct span){bytes, n}, &out, &err));
        assert_int_equal(err.code, ADIT_E_PROTOCOL);
    }
    memcpy(longer, bytes, w.used);
    longer[w.used] = 0;
    assert_false(kexinit_parse((struct span){longer, w.used + 1}, &out, &err));
}

/* [RFC 4251 5f 6a 6c] */
static void test_kexinit_names(void **state)
{
    (void)state;
    static const char *const bad[] = {",", "a,", ",a", "a,,b", "a b", "a\x7f", "\xc3\xa4"};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        uint8_t bytes[300];
        struct adit_error err = {0};
        struct kexinit out, in = offer("a", bad[i], "c", "d");
        struct wr w = wr_init(bytes, sizeof(bytes));
        kexinit_write(&w, &in);
        assert_false(kexinit_parse(wr_done(&w), &out, &err));
        assert_non_null(strstr(err.text, "name-list 2"));
    }
}

static void test_marker(void **state)
{
    (void)state;
    struct kexinit k = offer("curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com", "x", "x", "x");
    assert_true(algo_has_marker(&k, "kex-strict-c-v00@openssh.com"));
    assert_true(algo_has_marker(&k, "ext-info-c"));
    assert_false(algo_has_marker(&k, "kex-strict-s-v00@openssh.com"));
    assert_false(algo_has_marker(&k, "kex-strict-c-v00@openssh.co"));
}

/* ---- the choice ---- */

/* [RFC 4253 6.3b 6.4c 7.1e 7.1g 7.1h 7.1i] */
static void test_choose_by_the_client(void **state)
{
    (void)state;
    struct algo_choice c;
    struct adit_error err = {0};
    struct kexinit client = offer("curve25519-sha256,ecdh-sha2-nistp256", "ssh-ed25519,rsa-sha2-512",
                                  "aes256-ctr,aes128-ctr", "hmac-sha2-512,hmac-sha2-256");
    struct kexinit server = offer("ecdh-sha2-nistp256,curve25519-sha256", "rsa-sha2-512,ssh-ed25519",
                                  "aes128-ctr,aes256-ctr", "hmac-sha2-256,hmac-sha2-512");
    for (int self_is_client = 0; self_is_client < 2; self_is_client++) {
        assert_true(algo_choose(&client, &server, self_is_client, &c, &err));
        assert_string_equal(c.kex->name, "curve25519-sha256");
        assert_string_equal(c.host_key, "ssh-ed25519");
        assert_string_equal(c.cipher[0]->name, "aes256-ctr");
        assert_string_equal(c.mac[1]->name, "hmac-sha2-512");
        assert_true(c.guess_is_wrong); /* RFC 4253 §7: the first names differ */
    }
    server.lists[KEXINIT_KEX] = client.lists[KEXINIT_KEX];
    assert_true(algo_choose(&client, &server, true, &c, &err) &&
                c.guess_is_wrong); /* the host keys' still do */
    server.lists[KEXINIT_HOST_KEY] = client.lists[KEXINIT_HOST_KEY];
    assert_true(algo_choose(&client, &server, true, &c, &err) && !c.guess_is_wrong);
    /* each direction on its own */
    client.lists[KEXINIT_CIPHER_S2C] = span_str("aes192-ctr,aes128-ctr");
    assert_true(algo_choose(&client, &server, true, &c, &err));
    assert_string_equal(c.cipher[1]->name, "aes128-ctr");
}

/* RFC 5647 §5.1: with an AEAD the MAC lists do not count. */
static void test_choose_aead_without_mac(void **state)
{
    (void)state;
    struct algo_choice c;
    struct adit_error err = {0};
    struct kexinit client =
        offer("curve25519-sha256", "ssh-ed25519", "aes128-gcm@openssh.com", "hmac-sha2-256");
    struct kexinit server =
        offer("curve25519-sha256", "ssh-ed25519", "aes128-gcm@openssh.com", "umac-64@openssh.com");
    assert_true(algo_choose(&client, &server, true, &c, &err));
    assert_null(c.mac[0]);
    assert_null(c.mac[1]);
}

/* [RFC 4253 7.1f 7.1g 7.1h 7.1i 7.1j 7.1k] */
static void test_choose_nothing_in_common(void **state)
{
    (void)state;
    static const char *const good[] = {"curve25519-sha256", "ssh-ed25519", "aes128-ctr", "hmac-sha2-256"};
    for (size_t i = 0; i < 5; i++) {
        struct algo_choice c;
        struct adit_error err = {0};
        struct kexinit client = offer(good[0], good[1], good[2], good[3]);
        struct kexinit server = offer(i == 0 ? "theirs" : good[0], i == 1 ? "theirs" : good[1],
                                      i == 2 ? "theirs" : good[2], i == 3 ? "theirs" : good[3]);
        if (i == 4)
            server.lists[KEXINIT_COMP_S2C] = span_str("theirs,zlib");
        assert_false(algo_choose(&client, &server, true, &c, &err));
        assert_int_equal(err.code, ADIT_E_NEGOTIATION);
        assert_non_null(strstr(err.text, "theirs"));
        assert_non_null(strstr(err.text, i == 4 ? "none" : good[i]));
    }
}

/* A marker is no method, even if both sides say it; nor is a name that only the wire knows.
 * [RFC 4252 8b] [RFC 4253 7.1k] [RFC 8308 2.2c] */
static void test_choose_what_we_do_not_have(void **state)
{
    (void)state;
    struct algo_choice c;
    struct adit_error err = {0};
    struct kexinit k = offer("ext-info-c", "ssh-ed25519", "aes128-ctr", "hmac-sha2-256");
    assert_false(algo_choose(&k, &k, true, &c, &err));
    assert_int_equal(err.code, ADIT_E_NEGOTIATION);
    k = offer("curve25519-sha256", "ssh-dss", "aes128-ctr", "hmac-sha2-256");
    assert_false(algo_choose(&k, &k, true, &c, &err));
    k = offer("curve25519-sha256", "ssh-ed25519", "none", "hmac-sha2-256");
    assert_false(algo_choose(&k, &k, true, &c, &err));
    k = offer("curve25519-sha256", "ssh-ed25519", "aes128-ctr", "none");
    assert_false(algo_choose(&k, &k, true, &c, &err));
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_resolve_into_little),
        cmocka_unit_test(test_kexinit),
        cmocka_unit_test(test_kexinit_names),
        cmocka_unit_test(test_marker),
        cmocka_unit_test(test_choose_by_the_client),
        cmocka_unit_test(test_choose_aead_without_mac),
        cmocka_unit_test(test_choose_nothing_in_common),
        cmocka_unit_test(test_choose_what_we_do_not_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
