/*
 * test_sign_rsa.c - PKCS#1 v1.5 signatures: good ones, forgeries, keys of the wrong kind, and d mod (p - 1).
 *
 * The fixed values (tests/sign_rsa_values.h) were made with another library (Python's cryptography) and
 * plain integer arithmetic: keys; the signature of "abc" checked by that library; and forgeries, which are
 * ENC^d mod n for encodings ENC that differ from the right one as their names say, so that only the
 * comparison of the encoding stands between them and acceptance.
 */
#include "test.h"

#include "../crypto/crypto.h"
#include "hex.h"
#include "sign_rsa_values.h"
#include "undefined.h"

struct num {
    uint8_t b[RSA_MAX_LEN + 8];
    size_t n;
};

static struct num num_hex(const char *hex)
{
    struct num x = {.n = 0};
    x.n = hex_bytes(x.b, sizeof x.b, hex);
    return x;
}

static struct span num_span(const struct num *x)
{
    return span_make(x->b, x->n);
}

/* "abc" under the 2048-bit key's modulus. */
static bool verify_abc(enum hash_alg hash, uint32_t e, const char *n_hex, const char *sig_hex)
{
    struct num n = num_hex(n_hex), sig = num_hex(sig_hex);
    uint8_t eb[4] = {(uint8_t)(e >> 24), (uint8_t)(e >> 16), (uint8_t)(e >> 8), (uint8_t)e};
    return rsa_verify(hash, num_span(&n), span_make(eb, sizeof eb), span_str("abc"), num_span(&sig));
}

/* ---- Verification -------------------------------------------------------------------------------- */

/* [RFC 8332 3b] */
static void test_verify(void **state)
{
    (void)state;
    assert_true(verify_abc(HASH_SHA256, 65537, key2048_n, sig_sha256));
    assert_true(verify_abc(HASH_SHA512, 65537, key2048_n, sig_sha512));
    assert_false(verify_abc(HASH_SHA512, 65537, key2048_n, sig_sha256));
    assert_false(verify_abc(HASH_SHA256, 65537, key2048_n, sig_sha512));
    assert_false(verify_abc(HASH_SHA1, 65537, key2048_n, sig_sha256));
    assert_false(verify_abc(HASH_SHA384, 65537, key2048_n, sig_sha512));
    assert_false(verify_abc(HASH_SHA256, 65539, key2048_n, sig_sha256));
    assert_false(verify_abc(HASH_SHA256, 65537, key4096_n, sig_sha256));
}

static void test_verify_tampered(void **state)
{
    struct num n = num_hex(key2048_n), sig = num_hex(sig_sha256);
    static const uint8_t e[] = {1, 0, 1};
    struct span es = span_make(e, sizeof e);
    (void)state;
    for (size_t i = 0; i < sig.n; i++) {
        sig.b[i] ^= (uint8_t)(1U << i % 8);
        assert_false(rsa_verify(HASH_SHA256, num_span(&n), es, span_str("abc"), num_span(&sig)));
        sig.b[i] ^= (uint8_t)(1U << i % 8);
    }
    assert_false(rsa_verify(HASH_SHA256, num_span(&n), es, span_str("abd"), num_span(&sig)));
    assert_false(rsa_verify(HASH_SHA256, num_span(&n), es, span_str(""), num_span(&sig)));
    assert_true(rsa_verify(HASH_SHA256, num_span(&n), es, span_str("abc"), num_span(&sig)));
}

static const struct {
    const char *name, *sig;
} forgeries[] = {
    {"missing_null", forged_missing_null},         {"wrong_oid", forged_wrong_oid},
    {"bare_digest", forged_bare_digest},           {"digest_info_of_sha512", forged_digest_info_of_sha512},
    {"trailing_byte", forged_trailing_byte},       {"garbage_after", forged_garbage_after},
    {"no_separator", forged_no_separator},         {"block_type_2", forged_block_type_2},
    {"block_type_0", forged_block_type_0},         {"padding_not_ff", forged_padding_not_ff},
    {"long_form_length", forged_long_form_length}, {"first_byte_1", forged_first_byte_1},
};

/* [RFC 8332 3b 5.3a 5.3b] */
static void test_verify_forged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(forgeries); i++)
        if (verify_abc(HASH_SHA256, 65537, key2048_n, forgeries[i].sig))
            fail_msg("accepted: %s", forgeries[i].name);
    /* The control: this one is a sound signature, under the other hash. */
    assert_true(verify_abc(HASH_SHA512, 65537, key2048_n, forged_digest_info_of_sha512));
}

/* A number whose cube starts with short padding and the right digest, the rest being garbage: made
 * without any private key (Bleichenbacher 2006). [RFC 8332 5.3a] */
static void test_verify_cube_root(void **state)
{
    (void)state;
    assert_false(verify_abc(HASH_SHA256, 3, key2048_n, cube_root));
}

static void test_verify_sig_lengths(void **state)
{
    struct num n = num_hex(key2048_n), e = num_hex("010001"), sig = num_hex(short_sig), full = {.n = 0};
    (void)state;
    struct span msg = span_str(short_sig_msg), ns = num_span(&n), es = num_span(&e);
    assert_int_equal(sig.n, n.n - 1);
    assert_true(rsa_verify(HASH_SHA256, ns, es, msg, num_span(&sig)));
    full.n = n.n;
    memcpy(full.b + 1, sig.b, sig.n);
    assert_true(rsa_verify(HASH_SHA256, ns, es, msg, num_span(&full)));
    memmove(full.b + 1, full.b, full.n++);
    full.b[0] = 0; /* the same value, one byte longer than the modulus */
    assert_false(rsa_verify(HASH_SHA256, ns, es, msg, num_span(&full)));
    assert_false(rsa_verify(HASH_SHA256, ns, es, msg, span_make(NULL, 0)));
    assert_false(rsa_verify(HASH_SHA256, ns, es, msg, span_make(sig.b, 1)));
    assert_false(rsa_verify(HASH_SHA256, ns, es, msg, ns)); /* not below n */
    memset(full.b, 0xff, n.n);
    assert_false(rsa_verify(HASH_SHA256, ns, es, msg, span_make(full.b, n.n)));
}

static void test_verify_key_sizes(void **state)
{
    struct num n = num_hex(key2048_n), e = num_hex("00010001"), sig = num_hex(sig_sha256), padded = {.n = 0};
    (void)state;
    assert_false(verify_abc(HASH_SHA256, 65537, n2047, sig2047));
    assert_false(verify_abc(HASH_SHA256, 65537, n4097, sig4097));
    padded.n = n.n + 5;
    memcpy(padded.b + 5, n.b, n.n); /* leading zeros do not make a key longer */
    assert_true(rsa_verify(HASH_SHA256, num_span(&padded), num_span(&e), span_str("abc"), num_span(&sig)));
    assert_false(rsa_verify(HASH_SHA256, span_make(NULL, 0), num_span(&e), span_str("abc"), num_span(&sig)));
    assert_false(
        rsa_verify(HASH_SHA256, span_make(padded.b, 5), num_span(&e), span_str("abc"), num_span(&sig)));
    n.b[n.n - 1] &= 0xfe;
    assert_false(rsa_verify(HASH_SHA256, num_span(&n), num_span(&e), span_str("abc"), num_span(&sig)));
}

static void test_verify_exponents(void **state)
{
    struct num n = num_hex(key2048_n), em = num_hex(em_sha256), zero = num_hex("0000");
    struct span abc = span_str("abc");
    (void)state;
    /* With e = 1 everybody could sign: the encoding is its own signature. */
    assert_false(verify_abc(HASH_SHA256, 1, key2048_n, em_sha256));
    assert_false(verify_abc(HASH_SHA256, 2, key2048_n, em_sha256));
    assert_false(verify_abc(HASH_SHA256, 65536, key2048_n, sig_sha256));
    assert_false(rsa_verify(HASH_SHA256, num_span(&n), num_span(&zero), abc, num_span(&em)));
    assert_false(rsa_verify(HASH_SHA256, num_span(&n), span_make(NULL, 0), abc, num_span(&em)));
    assert_false(rsa_verify(HASH_SHA256, num_span(&n), num_span(&n), abc, num_span(&em)));
}

/* ---- Signing ------------------------------------------------------------------------------------- */

struct key {
    struct num n, e, p, q, dp, dq, iqmp;
};

static void key_load(struct key *k, bool large)
{
    k->n = num_hex(large ? key4096_n : key2048_n);
    k->e = num_hex("010001");
    k->p = num_hex(large ? key4096_p : key2048_p);
    k->q = num_hex(large ? key4096_q : key2048_q);
    k->dp = num_hex(large ? key4096_dp : key2048_dp);
    k->dq = num_hex(large ? key4096_dq : key2048_dq);
    k->iqmp = num_hex(large ? key4096_iqmp : key2048_iqmp);
}

static bool sign_with(const struct key *k, enum hash_alg hash, uint8_t *sig)
{
    struct rsa_key key = {num_span(&k->n),  num_span(&k->e),  num_span(&k->p),   num_span(&k->q),
                          num_span(&k->dp), num_span(&k->dq), num_span(&k->iqmp)};
    return rsa_sign(hash, &key, span_str("abc"), sig);
}

static void num_pad(struct num *x)
{
    memmove(x->b + 1, x->b, x->n++);
    x->b[0] = 0;
}

static void test_sign(void **state)
{
    struct key k;
    uint8_t sig[RSA_MAX_LEN];
    (void)state;
    key_load(&k, false);
    assert_true(sign_with(&k, HASH_SHA256, sig));
    assert_memory_equal(sig, num_hex(sig_sha256).b, 256);
    assert_true(sign_with(&k, HASH_SHA512, sig));
    assert_memory_equal(sig, num_hex(sig_sha512).b, 256);
    assert_false(sign_with(&k, HASH_SHA1, sig));
    assert_false(sign_with(&k, HASH_SHA384, sig));
    num_pad(&k.n), num_pad(&k.e), num_pad(&k.p), num_pad(&k.q); /* as mpints have them */
    num_pad(&k.dp), num_pad(&k.dq), num_pad(&k.iqmp);
    assert_true(sign_with(&k, HASH_SHA256, sig));
    assert_memory_equal(sig, num_hex(sig_sha256).b, 256);
    key_load(&k, true);
    assert_true(sign_with(&k, HASH_SHA512, sig));
    assert_true(
        rsa_verify(HASH_SHA512, num_span(&k.n), num_span(&k.e), span_str("abc"), span_make(sig, 512)));
}

/* The fault that would give a prime away: one number of the CRT is off. No byte of a signature remains. */
static void test_sign_inconsistent(void **state)
{
    static const uint8_t zeros[256];
    struct key k;
    struct num *part[] = {&k.n, &k.e, &k.p, &k.q, &k.dp, &k.dq, &k.iqmp};
    uint8_t sig[RSA_MAX_LEN];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(part); i++) {
        key_load(&k, false);
        part[i]->b[part[i]->n / 2] ^= 4;
        memset(sig, 0, sizeof sig);
        assert_false(sign_with(&k, HASH_SHA256, sig));
        assert_memory_equal(sig, zeros, sizeof zeros);
    }
}

static void test_sign_malformed(void **state)
{
    struct key k;
    struct num *part[] = {&k.n, &k.e, &k.p, &k.q, &k.dp, &k.dq, &k.iqmp};
    uint8_t sig[RSA_MAX_LEN + 8];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(part); i++) {
        size_t lengths[] = {0, 1, 127, 300, RSA_MAX_LEN + 8};
        for (size_t l = 0; l < ADIT_COUNT(lengths); l++) {
            key_load(&k, false);
            memset(part[i]->b + part[i]->n, 0x55, sizeof part[i]->b - part[i]->n);
            part[i]->n = lengths[l];
            assert_false(sign_with(&k, HASH_SHA256, sig));
        }
        key_load(&k, false);
        memset(part[i]->b, 0, part[i]->n);
        assert_false(sign_with(&k, HASH_SHA256, sig));
    }
}

/* A prime of one byte and one of nearly the whole modulus: no memory out of bounds, no signature. */
static void test_sign_unbalanced(void **state)
{
    struct key k;
    uint8_t sig[RSA_MAX_LEN];
    (void)state;
    for (size_t p_len = 1; p_len < 512; p_len += 15) {
        key_load(&k, true);
        memset(k.p.b, 0xff, sizeof k.p.b);
        memset(k.q.b, 0xff, sizeof k.q.b);
        k.p.n = p_len;
        k.q.n = 512 - p_len;
        k.dp.n = k.p.n < k.dp.n ? k.p.n : k.dp.n;
        k.iqmp.n = k.p.n < k.iqmp.n ? k.p.n : k.iqmp.n;
        k.dq.n = k.q.n < k.dq.n ? k.q.n : k.dq.n;
        assert_false(sign_with(&k, HASH_SHA256, sig));
    }
}

/* ---- d mod (p - 1) ------------------------------------------------------------------------------- */

static void check_exponent(const char *d_hex, const char *p_hex, const char *expected_hex)
{
    struct num d = num_hex(d_hex), p = num_hex(p_hex), expected = num_hex(expected_hex);
    uint8_t out[RSA_MAX_LEN / 2 + 1] = {0}, zeros[RSA_MAX_LEN / 2] = {0};
    size_t n = 0;
    assert_true(rsa_derive_exponent(num_span(&d), num_span(&p), out, &n));
    assert_int_equal(n, p.n);
    assert_memory_equal(out, zeros, n - expected.n);
    assert_memory_equal(out + n - expected.n, expected.b, expected.n);
}

static void test_derive_exponent(void **state)
{
    (void)state;
    check_exponent(key2048_d, key2048_p, key2048_dp);
    check_exponent(key2048_d, key2048_q, key2048_dq);
    check_exponent(key4096_d, key4096_p, key4096_dp);
    check_exponent(key4096_d, key4096_q, key4096_dq);
}

static void put_be(uint8_t *out, size_t n, uint64_t x)
{
    for (size_t i = n; i-- > 0; x >>= 8)
        out[i] = (uint8_t)x;
}

static void check_small(uint64_t d, uint64_t p)
{
    uint8_t db[8], pb[8], out[RSA_MAX_LEN / 2 + 1];
    size_t n;
    uint64_t got = 0;
    put_be(db, 8, d);
    put_be(pb, 8, p);
    assert_true(rsa_derive_exponent(span_make(db, 8), span_make(pb, 8), out, &n));
    for (size_t i = 0; i < n; i++)
        got = got << 8 | out[i];
    assert_true(got == d % (p - 1));
}

/* Against the machine's own division: all small cases, then carries over word borders. */
static void test_derive_exponent_small(void **state)
{
    uint64_t x = 88172645463325252U;
    (void)state;
    for (uint64_t p = 3; p < 40; p += 2)
        for (uint64_t d = 1; d < 80; d++)
            check_small(d, p);
    for (int i = 0; i < 2000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift, seeded: the same in every run */
        uint64_t p = (x * 0x9e3779b97f4a7c15U) >> (i % 62);
        check_small(x, p < 3 ? 3 : p | 1);
    }
    check_small(UINT64_MAX, UINT64_MAX);
    check_small(UINT64_MAX - 1, UINT64_MAX);
    check_small(UINT64_MAX, 0x100000001U);
}

static void test_derive_exponent_limits(void **state)
{
    uint8_t ones[RSA_MAX_LEN + 1], out[RSA_MAX_LEN / 2 + 1];
    struct num even = num_hex("0c"), one = num_hex("0001"), zero = num_hex("00"), seven = num_hex("07");
    size_t n;
    (void)state;
    memset(ones, 0xff, sizeof ones);
    struct span d = num_span(&seven), p = num_span(&seven);
    assert_false(rsa_derive_exponent(d, num_span(&even), out, &n));
    assert_false(rsa_derive_exponent(d, num_span(&one), out, &n));
    assert_false(rsa_derive_exponent(d, num_span(&zero), out, &n));
    assert_false(rsa_derive_exponent(d, span_make(NULL, 0), out, &n));
    assert_false(rsa_derive_exponent(num_span(&zero), p, out, &n));
    assert_false(rsa_derive_exponent(span_make(NULL, 0), p, out, &n));
    assert_false(rsa_derive_exponent(span_make(ones, RSA_MAX_LEN + 1), p, out, &n));
    assert_false(rsa_derive_exponent(d, span_make(ones, sizeof out + 1), out, &n));
    /* The largest: (2^4096 - 1) mod (2^2056 - 2) = 2^2040 (2^2056 - 2) + 2^2041 - 1, so 2^2041 - 1. */
    assert_true(rsa_derive_exponent(span_make(ones, RSA_MAX_LEN), span_make(ones, sizeof out), out, &n));
    assert_int_equal(n, sizeof out);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 1);
    assert_memory_equal(out + 2, ones, n - 2);
}

/* What is between a number's first byte and its last is secret: lengths and oddness are public. */
static void hide(struct span s)
{
    SECRET(s.p + 1, s.n - 2);
}

/* Under valgrind: no branch and no index depends on the key, when d mod (p - 1)
 * is made. */
static void test_secrets_leave_no_trace(void **state)
{
    struct num d = num_hex(key2048_d), p = num_hex(key2048_p);
    uint8_t out[RSA_MAX_LEN], known[RSA_MAX_LEN];
    size_t n, known_n;
    (void)state;
    assert_true(rsa_derive_exponent(num_span(&d), num_span(&p), known, &known_n));
    hide(num_span(&d));
    hide(num_span(&p));
    assert_true(rsa_derive_exponent(num_span(&d), num_span(&p), out, &n));
    REVEALED(out, n);
    assert_int_equal(n, known_n);
    assert_memory_equal(out, known, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verify_tampered),
        cmocka_unit_test(test_verify_forged),
        cmocka_unit_test(test_verify_cube_root),
        cmocka_unit_test(test_verify_sig_lengths),
        cmocka_unit_test(test_verify_key_sizes),
        cmocka_unit_test(test_verify_exponents),
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_sign_inconsistent),
        cmocka_unit_test(test_sign_malformed),
        cmocka_unit_test(test_sign_unbalanced),
        cmocka_unit_test(test_derive_exponent),
        cmocka_unit_test(test_derive_exponent_small),
        cmocka_unit_test(test_derive_exponent_limits),
        cmocka_unit_test(test_secrets_leave_no_trace),
    };
    return !crypto_init() || cmocka_run_group_tests(tests, NULL, NULL);
}
