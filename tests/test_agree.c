#include "tests/talk.h"

#include "ssh/agree.h"

/* Both roles of every method, and shares that must be refused (RFC 8731 §3, RFC 5656 §4). */

struct scene {
    struct drbg random;
    struct agree_secret secret;
    struct agree_k kc, ks;
    uint8_t client[AGREE_SHARE_MAX], server[AGREE_SHARE_MAX];
    size_t client_n, server_n;
    struct adit_error err;
};

static void begin(struct scene *s, const struct agree_method *m, uint8_t seed)
{
    uint8_t bytes[32] = {seed};
    memset(s, 0, sizeof(*s));
    drbg_init(&s->random, bytes);
    s->client_n = agree_begin(m, &s->random, &s->secret, s->client);
}

static bool respond(struct scene *s, const struct agree_method *m, size_t n)
{
    s->err = (struct adit_error){0};
    return agree_respond(m, &s->random, (struct span){s->client, n}, s->server, &s->server_n, &s->ks,
                         &s->err);
}

static bool finish(struct scene *s, const struct agree_method *m, size_t n)
{
    s->err = (struct adit_error){0};
    return agree_finish(m, &s->secret, (struct span){s->server, n}, &s->kc, &s->err);
}

/* [RFC 5656 4d 10.1a] */
static void test_both_sides_agree(void **state)
{
    (void)state;
    static const size_t lengths[][2] = {{1216, 1120}, {1190, 1071}, {1190, 1071}, {32, 32},
                                        {32, 32},     {65, 65},     {97, 97},     {133, 133}};
    for (size_t i = 0; agree_methods[i].name != NULL; i++)
        for (uint8_t seed = 0; seed < 8; seed++) {
            struct scene s;
            const struct agree_method *m = &agree_methods[i];
            begin(&s, m, seed);
            assert_int_equal(s.client_n, lengths[i][0]);
            assert_true(respond(&s, m, s.client_n));
            assert_int_equal(s.server_n, lengths[i][1]);
            assert_true(finish(&s, m, s.server_n));
            assert_int_equal(s.kc.n, s.ks.n);
            assert_memory_equal(s.kc.bytes, s.ks.bytes, s.kc.n);
        }
}

/* The same seed gives the same run; another one another. [RFC 5656 9a] */
static void test_is_a_function_of_the_seed(void **state)
{
    (void)state;
    for (const struct agree_method *m = agree_methods; m->name != NULL; m++) {
        struct scene a, b, c;
        begin(&a, m, 1);
        begin(&b, m, 1);
        begin(&c, m, 2);
        assert_memory_equal(a.client, b.client, a.client_n);
        assert_memory_not_equal(a.client, c.client, a.client_n);
    }
}

/* [RFC 8731 3a] */
static void test_wrong_lengths(void **state)
{
    (void)state;
    for (const struct agree_method *m = agree_methods; m->name != NULL; m++) {
        struct scene s;
        begin(&s, m, 3);
        size_t n = s.client_n;
        assert_false(respond(&s, m, n - 1));
        assert_int_equal(s.err.code, ADIT_E_PROTOCOL);
        assert_false(respond(&s, m, 0));
        assert_true(respond(&s, m, n));
        assert_false(finish(&s, m, s.server_n - 1));
        assert_int_equal(s.err.code, ADIT_E_PROTOCOL);
        assert_false(finish(&s, m, 0));
        if (n < AGREE_SHARE_MAX) {
            assert_false(respond(&s, m, n + 1));
            assert_false(finish(&s, m, s.server_n + 1));
        }
    }
}

/* RFC 8731 §3: an all-zero result MUST abort; RFC 5656 §4: points MUST be validated.
 * [RFC 5656 4a 4b] [RFC 8731 3b] */
static void test_invalid_shares(void **state)
{
    (void)state;
    for (const struct agree_method *m = agree_methods; m->name != NULL; m++)
        for (int kind = 0; kind < 3; kind++) {
            struct scene s;
            begin(&s, m, 4);
            assert_true(respond(&s, m, s.client_n));
            size_t classic = m->kind == AGREE_ECDH ? s.client_n : 32;
            uint8_t bad[ECC_POINT_MAX] = {0};
            if (kind == 1)
                bad[0] = m->kind == AGREE_ECDH ? 4 : 1; /* not on the curve; of small order */
            if (kind == 2)
                bad[0] = m->kind == AGREE_ECDH ? 2 : 0; /* compressed */
            memcpy(s.client + s.client_n - classic, bad, classic);
            assert_false(respond(&s, m, s.client_n));
            assert_int_equal(s.err.code, ADIT_E_PROTOCOL);
            memcpy(s.server + s.server_n - classic, bad, classic);
            assert_false(finish(&s, m, s.server_n));
            assert_int_equal(s.err.code, ADIT_E_PROTOCOL);
        }
}

/* The two names are one method. */
static void test_sntrup_names(void **state)
{
    (void)state;
    struct scene a, b;
    begin(&a, &agree_methods[1], 7);
    begin(&b, &agree_methods[2], 7);
    assert_string_equal(agree_methods[1].name, "sntrup761x25519-sha512");
    assert_string_equal(agree_methods[2].name, "sntrup761x25519-sha512@openssh.com");
    assert_memory_equal(a.client, b.client, a.client_n);
    assert_true(respond(&a, &agree_methods[1], a.client_n));
    memcpy(b.server, a.server, a.server_n);
    assert_true(finish(&b, &agree_methods[2], a.server_n));
    assert_int_equal(b.kc.n, 64);
    assert_memory_equal(a.ks.bytes, b.kc.bytes, 64);
}

/* Every public key and ciphertext of sntrup761 decodes; a forged one gives another key, never an error. */
static void test_sntrup_shares(void **state)
{
    (void)state;
    struct scene s;
    const struct agree_method *m = &agree_methods[1];
    begin(&s, m, 8);
    assert_true(respond(&s, m, s.client_n));
    s.server[7] ^= 1;
    assert_true(finish(&s, m, s.server_n));
    assert_int_equal(s.kc.n, 64);
    assert_memory_not_equal(s.kc.bytes, s.ks.bytes, 64);
    memset(s.client, 0xff, SNTRUP761_PK_LEN);
    assert_true(respond(&s, m, s.client_n));
    memset(s.server, 0xff, SNTRUP761_CT_LEN);
    assert_true(finish(&s, m, s.server_n));
}

/* FIPS 203 §7.2: coefficients not below q are refused; a forged ciphertext gives another key, never an error.
 */
static void test_hybrid_shares(void **state)
{
    (void)state;
    struct scene s;
    const struct agree_method *m = &agree_methods[0];
    begin(&s, m, 5);
    assert_true(respond(&s, m, s.client_n));
    s.server[7] ^= 1;
    assert_true(finish(&s, m, s.server_n));
    assert_memory_not_equal(s.kc.bytes, s.ks.bytes, 32);
    memset(s.client, 0xff, 3);
    assert_false(respond(&s, m, s.client_n));
    assert_int_equal(s.err.code, ADIT_E_PROTOCOL);
}

static void test_wipe(void **state)
{
    (void)state;
    struct scene s;
    static const struct scene zero;
    begin(&s, &agree_methods[0], 6);
    assert_true(respond(&s, &agree_methods[0], s.client_n));
    agree_secret_wipe(&s.secret);
    agree_k_wipe(&s.ks);
    assert_memory_equal(&s.secret, &zero.secret, sizeof(s.secret));
    assert_memory_equal(&s.ks, &zero.ks, sizeof(s.ks));
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides_agree), cmocka_unit_test(test_is_a_function_of_the_seed),
        cmocka_unit_test(test_wrong_lengths),    cmocka_unit_test(test_invalid_shares),
        cmocka_unit_test(test_hybrid_shares),    cmocka_unit_test(test_sntrup_names),
        cmocka_unit_test(test_sntrup_shares),    cmocka_unit_test(test_wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
