/*
 * vectors_sign.c - every published case of the signature algorithms: vectors_sign DIR, where
 * DIR/wycheproof/ holds Wycheproof's JSON files.
 *
 * How the cases map onto SSH's use:
 *   "valid" must be accepted, "invalid" refused. "acceptable" means that a library may choose, and we do:
 *   MissingNull (a DigestInfo without its NULL) is refused, as by OpenSSH; SmallPublicKey (e = 3) is
 *   taken, because exact comparison leaves no room for the forgeries that made e = 3 infamous; WeakHash
 *   (SHA-1) is refused. Hashes that SSH does not pair with the key (SHA-224, SHA-384) are refused too.
 *   An Ed25519 signature has 64 bytes and an ECDSA one splits into two halves: cases of another shape
 *   never reach crypto/, so that only their being called invalid can be checked.
 *   Small r and s without their leading zeros (SignatureSize and ArithmeticError) are invalid as IEEE
 *   P1363 bytes, but are just how SSH writes these integers (RFC 5656 §3.1.2): they must be accepted.
 */
#include "../crypto/crypto.h"
#include "vectors_json.h"

/* ---- Ed25519 and ECDSA ------------------------------------------------------------------------- */

static bool case_ed25519(json_t *group, json_t *test)
{
    struct vec pk = vec_get(json_object_get(group, "publicKey"), "pk");
    struct vec msg = vec_get(test, "msg"), sig = vec_get(test, "sig");
    bool shaped = pk.n == 32 && sig.n == 64;
    bool ok = (shaped && ed25519_verify(sig.p, vec_span(msg), pk.p)) == vec_is_valid(test);
    vec_free(pk);
    vec_free(msg);
    vec_free(sig);
    return ok;
}

static bool case_ecdsa(enum ecc_curve curve, json_t *group, json_t *test)
{
    struct vec point = vec_get(json_object_get(group, "publicKey"), "uncompressed");
    struct vec msg = vec_get(test, "msg"), sig = vec_get(test, "sig");
    size_t half = sig.n / 2;
    bool is_short_form = vec_has_flag(test, "SignatureSize") && vec_has_flag(test, "ArithmeticError");
    bool ok =
        sig.n % 2 == 0 && ecdsa_verify(curve, vec_span(point), vec_span(msg),
                                       span_sub(vec_span(sig), 0, half), span_sub(vec_span(sig), half, half));
    vec_free(point);
    vec_free(msg);
    vec_free(sig);
    return ok == (vec_is_valid(test) || is_short_form);
}

static bool case_p256(json_t *group, json_t *test)
{
    return case_ecdsa(ECC_P256, group, test);
}

static bool case_p384(json_t *group, json_t *test)
{
    return case_ecdsa(ECC_P384, group, test);
}

static bool case_p521(json_t *group, json_t *test)
{
    return case_ecdsa(ECC_P521, group, test);
}

/* ---- RSA verification -------------------------------------------------------------------------- */

static bool case_rsa_verify(json_t *group, json_t *test)
{
    json_t *key = json_object_get(group, "publicKey");
    const char *sha = json_string_value(json_object_get(group, "sha"));
    struct vec n = vec_get(key, "modulus"), e = vec_get(key, "publicExponent");
    struct vec msg = vec_get(test, "msg"), sig = vec_get(test, "sig");
    enum hash_alg hash = sha != NULL && strcmp(sha, "SHA-512") == 0 ? HASH_SHA512 : HASH_SHA256;
    bool expected = vec_is_valid(test);
    if (strcmp(vec_result(test), "acceptable") == 0)
        expected = vec_has_flag(test, "SmallPublicKey") && !vec_has_flag(test, "MissingNull");
    bool ok = rsa_verify(hash, vec_span(n), vec_span(e), vec_span(msg), vec_span(sig)) == expected;
    vec_free(n);
    vec_free(e);
    vec_free(msg);
    vec_free(sig);
    return ok;
}

/* ---- RSA signing: the files give n, e and d alone, and the product wants the primes -------------- */

/* Little-endian words; room for 4096 bits, and for d e. */
enum { NUM_WORDS = 132 };
struct num {
    uint32_t w[NUM_WORDS];
};

static struct num num_of(struct span s)
{
    struct num a = {{0}};
    for (size_t i = 0; i < s.n && i / 4 < NUM_WORDS; i++)
        a.w[i / 4] |= (uint32_t)s.p[s.n - 1 - i] << 8 * (i % 4);
    return a;
}

static struct num num_small(uint32_t x)
{
    struct num a = {{x}};
    return a;
}

/* Big-endian bytes, as many as the number has. */
static struct vec num_bytes(const struct num *a)
{
    size_t n = 4 * NUM_WORDS;
    while (n > 1 && (uint8_t)(a->w[(n - 1) / 4] >> 8 * ((n - 1) % 4)) == 0)
        n--;
    struct vec v = vec_alloc(n);
    for (size_t i = 0; i < n; i++)
        v.p[n - 1 - i] = (uint8_t)(a->w[i / 4] >> 8 * (i % 4));
    return v;
}

static int num_cmp(const struct num *a, const struct num *b)
{
    for (size_t i = NUM_WORDS; i-- > 0;)
        if (a->w[i] != b->w[i])
            return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

static struct num num_sub(struct num a, const struct num *b)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < NUM_WORDS; i++) {
        uint64_t d = (uint64_t)a.w[i] - b->w[i] - borrow;
        a.w[i] = (uint32_t)d;
        borrow = d >> 63;
    }
    return a;
}

static struct num num_shl1(struct num a)
{
    uint32_t carry = 0;
    for (size_t i = 0; i < NUM_WORDS; i++) {
        uint32_t out = a.w[i] >> 31;
        a.w[i] = a.w[i] << 1 | carry;
        carry = out;
    }
    return a;
}

static struct num num_shr1(struct num a)
{
    for (size_t i = 0; i < NUM_WORDS; i++)
        a.w[i] = a.w[i] >> 1 | (i + 1 < NUM_WORDS ? a.w[i + 1] << 31 : 0);
    return a;
}

static unsigned num_bit(const struct num *a, size_t i)
{
    return a->w[i / 32] >> (i % 32) & 1U;
}

/* a / b and a mod b, a bit at a time. */
static struct num num_divide(const struct num *a, const struct num *b, struct num *rest)
{
    struct num q = num_small(0), r = num_small(0);
    for (size_t i = 32 * NUM_WORDS; i-- > 0;) {
        r = num_shl1(r);
        r.w[0] |= num_bit(a, i);
        if (num_cmp(&r, b) >= 0) {
            r = num_sub(r, b);
            q.w[i / 32] |= (uint32_t)1 << (i % 32);
        }
    }
    *rest = r;
    return q;
}

static struct num num_gcd(struct num odd, struct num b)
{
    while (num_cmp(&b, &(struct num){{0}}) != 0) {
        while (num_bit(&b, 0) == 0)
            b = num_shr1(b);
        if (num_cmp(&odd, &b) > 0) {
            struct num swap = odd;
            odd = b;
            b = swap;
        }
        b = num_sub(b, &odd);
    }
    return odd;
}

/* a e - 1 for a small e. */
static struct num num_times_minus_1(struct num a, uint32_t e)
{
    struct num one = num_small(1);
    uint64_t carry = 0;
    for (size_t i = 0; i < NUM_WORDS; i++) {
        carry += (uint64_t)a.w[i] * e;
        a.w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return num_sub(a, &one);
}

/* Montgomery's product a b / 2^(32 NUM_WORDS) mod m; a, b below m, m odd and below 2^(32 (NUM_WORDS - 2)). */
static struct num num_monty(const struct num *a, const struct num *b, const struct num *m, uint32_t m_inv)
{
    uint32_t t[NUM_WORDS + 1] = {0};
    struct num out;
    for (size_t i = 0; i < NUM_WORDS; i++) {
        uint64_t c1 = 0, c2 = 0;
        uint32_t u = (t[0] + a->w[i] * b->w[0]) * m_inv;
        for (size_t j = 0; j < NUM_WORDS; j++) {
            c1 += (uint64_t)a->w[i] * b->w[j] + t[j];
            c2 += (uint64_t)u * m->w[j] + (uint32_t)c1;
            if (j > 0)
                t[j - 1] = (uint32_t)c2;
            c1 >>= 32;
            c2 >>= 32;
        }
        t[NUM_WORDS - 1] = (uint32_t)(t[NUM_WORDS] + c1 + c2);
        t[NUM_WORDS] = 0;
    }
    memcpy(out.w, t, sizeof out.w);
    return num_cmp(&out, m) >= 0 ? num_sub(out, m) : out;
}

static struct num num_mod_double(struct num a, const struct num *m)
{
    a = num_shl1(a);
    return num_cmp(&a, m) >= 0 ? num_sub(a, m) : a;
}

/* base^exponent mod m, m odd. */
static struct num num_modpow(struct num base, const struct num *exponent, const struct num *m)
{
    uint32_t inv = 1;
    for (int i = 0; i < 5; i++)
        inv *= 2 - m->w[0] * inv;
    uint32_t m_inv = 0U - inv;
    struct num r, one = num_small(1);
    num_divide(&one, m, &r);
    for (size_t i = 0; i < 32 * NUM_WORDS; i++) {
        base = num_mod_double(base, m);
        r = num_mod_double(r, m);
    }
    for (size_t i = 32 * NUM_WORDS; i-- > 0;) {
        r = num_monty(&r, &r, m, m_inv);
        if (num_bit(exponent, i) != 0)
            r = num_monty(&r, &base, m, m_inv);
    }
    return num_monty(&r, &one, m, m_inv);
}

/* FIPS 186-4's companion SP 800-56B, appendix C: d e - 1 is a multiple of the order of every number, so
 * that some g^((d e - 1) / 2^i) is a square root of 1 that is neither 1 nor -1: a prime's multiple away. */
static bool num_factor(const struct num *n, const struct num *d, uint32_t e, struct num *p)
{
    struct num one = num_small(1), minus_one = num_sub(*n, &one);
    struct num k = num_times_minus_1(*d, e);
    int twos = 0;
    for (; num_bit(&k, 0) == 0; twos++)
        k = num_shr1(k);
    for (uint32_t g = 2; g < 50; g++) {
        struct num x = num_modpow(num_small(g), &k, n), two = num_small(2);
        for (int i = 0; i < twos && num_cmp(&x, &one) != 0 && num_cmp(&x, &minus_one) != 0; i++) {
            struct num y = num_modpow(x, &two, n);
            if (num_cmp(&y, &one) == 0) {
                *p = num_gcd(*n, num_sub(x, &one));
                return true;
            }
            x = y;
        }
    }
    return false;
}

/* The key of the group that is being run, kept from case to case. */
static struct {
    struct vec modulus, e, p, q, dp, dq, iqmp;
} signer;

static struct vec derive(struct vec d, struct vec prime)
{
    struct vec out = vec_alloc(RSA_MAX_LEN / 2 + 1);
    if (!rsa_derive_exponent(vec_span(d), vec_span(prime), out.p, &out.n))
        vec_die("no exponent", "rsa_derive_exponent");
    return out;
}

static void signer_drop(void)
{
    vec_free(signer.modulus);
    vec_free(signer.e);
    vec_free(signer.p);
    vec_free(signer.q);
    vec_free(signer.dp);
    vec_free(signer.dq);
    vec_free(signer.iqmp);
    memset(&signer, 0, sizeof signer);
}

static void signer_of(json_t *key)
{
    struct vec modulus = vec_get(key, "modulus"), d = vec_get(key, "privateExponent");
    struct vec e_bytes = vec_get(key, "publicExponent");
    struct num n = num_of(vec_span(modulus)), dn = num_of(vec_span(d)), en = num_of(vec_span(e_bytes));
    struct num p, q, rest, two = num_small(2), q_mod_p;
    if (!num_factor(&n, &dn, en.w[0], &p))
        vec_die("the private key cannot be factored", "signer");
    q = num_divide(&n, &p, &rest);
    num_divide(&q, &p, &q_mod_p);
    struct num p_minus_2 = num_sub(p, &two), iqmp = num_modpow(q_mod_p, &p_minus_2, &p);
    signer_drop();
    signer.modulus = modulus;
    signer.e = e_bytes;
    signer.p = num_bytes(&p);
    signer.q = num_bytes(&q);
    signer.dp = derive(d, signer.p);
    signer.dq = derive(d, signer.q);
    signer.iqmp = num_bytes(&iqmp);
    vec_free(d);
}

static bool signs(enum hash_alg hash, struct vec msg, uint8_t sig[RSA_MAX_LEN])
{
    struct rsa_key key = {vec_span(signer.modulus), vec_span(signer.e),  vec_span(signer.p),
                          vec_span(signer.q),       vec_span(signer.dp), vec_span(signer.dq),
                          vec_span(signer.iqmp)};
    return rsa_sign(hash, &key, vec_span(msg), sig);
}

static bool verifies(enum hash_alg hash, struct vec msg, struct vec sig)
{
    return rsa_verify(hash, vec_span(signer.modulus), vec_span(signer.e), vec_span(msg), vec_span(sig));
}

/* A hash that is not ours: neither signed with nor taken for one that is. */
static bool refuses_foreign_hash(const char *sha, struct vec msg, struct vec sig)
{
    uint8_t out[RSA_MAX_LEN];
    enum hash_alg hash = strcmp(sha, "SHA-1") == 0 ? HASH_SHA1 : HASH_SHA384;
    return !signs(hash, msg, out) && !verifies(hash, msg, sig) && !verifies(HASH_SHA256, msg, sig) &&
           !verifies(HASH_SHA512, msg, sig);
}

static bool signs_as_published(enum hash_alg hash, struct vec msg, struct vec sig)
{
    uint8_t out[RSA_MAX_LEN];
    return signs(hash, msg, out) && vec_eq(sig, out, sig.n) && verifies(hash, msg, sig);
}

static bool case_rsa_sign(json_t *group, json_t *test)
{
    json_t *key = json_object_get(group, "privateKey");
    const char *sha = json_string_value(json_object_get(group, "sha"));
    struct vec modulus = vec_get(key, "modulus"), msg = vec_get(test, "msg"), sig = vec_get(test, "sig");
    if (signer.modulus.p == NULL || !vec_eq(modulus, signer.modulus.p, signer.modulus.n))
        signer_of(key);
    bool ok;
    if (sha != NULL && strcmp(sha, "SHA-256") == 0)
        ok = signs_as_published(HASH_SHA256, msg, sig);
    else if (sha != NULL && strcmp(sha, "SHA-512") == 0)
        ok = signs_as_published(HASH_SHA512, msg, sig);
    else
        ok = sha != NULL && refuses_foreign_hash(sha, msg, sig);
    vec_free(modulus);
    vec_free(msg);
    vec_free(sig);
    return ok;
}

static const struct {
    const char *file;
    vec_case *run;
} files[] = {
    {"ed25519_test.json", case_ed25519},
    {"ecdsa_secp256r1_sha256_p1363_test.json", case_p256},
    {"ecdsa_secp384r1_sha384_p1363_test.json", case_p384},
    {"ecdsa_secp521r1_sha512_p1363_test.json", case_p521},
    {"rsa_signature_2048_sha256_test.json", case_rsa_verify},
    {"rsa_signature_2048_sha512_test.json", case_rsa_verify},
    {"rsa_signature_3072_sha256_test.json", case_rsa_verify},
    {"rsa_signature_3072_sha512_test.json", case_rsa_verify},
    {"rsa_signature_4096_sha256_test.json", case_rsa_verify},
    {"rsa_signature_4096_sha512_test.json", case_rsa_verify},
    {"rsa_pkcs1_2048_sig_gen_test.json", case_rsa_sign},
    {"rsa_pkcs1_3072_sig_gen_test.json", case_rsa_sign},
    {"rsa_pkcs1_4096_sig_gen_test.json", case_rsa_sign},
};

int main(int argc, char **argv)
{
    struct vec_tally total = {0, 0};
    if (argc != 2)
        vec_die("wants the folder of the vectors", argv[0]);
    if (!crypto_init())
        vec_die("the libraries refuse to start", argv[0]);
    for (size_t i = 0; i < ADIT_COUNT(files); i++)
        vec_run_json(argv[1], files[i].file, files[i].run, &total);
    signer_drop();
    return vec_end(total);
}
