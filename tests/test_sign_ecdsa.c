/*
 * test_sign_ecdsa.c - RFC 6979's vectors (A.2.5 P-256, A.2.6 P-384, A.2.7 P-521, each with the hash that SSH
 * pairs with the curve), and signatures out of range.
 *
 * The signatures were computed again from the RFC's private keys with a plain model of its section 3.2,
 * and verified with another library (Python's cryptography).
 */
#include "test.h"

#include "../crypto/crypto.h"
#include "hex.h"

static const struct {
    enum ecc_curve curve;
    const char *x;       /* private key */
    const char *ux, *uy; /* public key */
    const char *order;
    const char *r[2], *s[2]; /* of "sample", of "test" */
} vectors[] = {
    {ECC_P256,
     "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
     "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
     "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
     {"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
      "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"},
     {"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
      "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"}},
    {ECC_P384,
     "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea"
     "60d2edf5",
     "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a25451"
     "5480bc13",
     "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd25"
     "33264720",
     "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196a"
     "ccc52973",
     {"94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e"
      "80fabe46",
      "8203b63d3c853e8d77227fb377bcf7b7b772e97892a80f36ab775d509d7a5feb0542a7f0812998da8f1dd3ca"
      "3cf023db"},
     {"99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a"
      "38628ac8",
      "ddd0760448d42d8a43af45af836fce4de8be06b485e9b61b827c2f13173923e06a739f040649a667bf3b8282"
      "46baa5a5"}},
    {ECC_P521,
     "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836"
     "a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538",
     "01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7"
     "f20fb633155d38ffa16d2bd761dcac474b9a2f5023a4",
     "00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b"
     "22acc23f924faafbd4d33f81ea66956dfeaa2bfdfcf5",
     "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc"
     "0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
     {"00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606a"
      "dd152b534931d7d4e8455cc91f9b15bf05ec36e377fa",
      "013e99020abf5cee7525d16b69b229652ab6bdf2affcaef38773b4b7d08725f10cdb93482fdcc54edcee91ec"
      "a4166b2a7c6265ef0ce2bd7051b7cef945babd47ee6d"},
     {"00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8"
      "c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a",
      "01fbd0013c674aa79cb39849527916ce301c66ea7ce8b80682786ad60f98f7e78a19ca69eff5c57400e3b3a0"
      "ad66ce0978214d13baf4e9ac60752f7b155e2de4dce3"}},
};
static const char *const messages[2] = {"sample", "test"};

struct fixture {
    enum ecc_curve curve;
    uint8_t sk[ECC_SCALAR_MAX], point_bytes[ECC_POINT_MAX], order[ECC_SCALAR_MAX];
    uint8_t r_bytes[ECC_SCALAR_MAX + 8], s_bytes[ECC_SCALAR_MAX + 8];
    size_t len;
    struct span point, msg, r, s;
};

static void load(struct fixture *f, size_t i, size_t m)
{
    f->curve = vectors[i].curve;
    f->len = hex_bytes(f->sk, sizeof f->sk, vectors[i].x);
    assert_int_equal(f->len, ecc_scalar_len(f->curve));
    f->point_bytes[0] = 4;
    hex_bytes(f->point_bytes + 1, f->len, vectors[i].ux);
    hex_bytes(f->point_bytes + 1 + f->len, f->len, vectors[i].uy);
    f->point = span_make(f->point_bytes, 1 + 2 * f->len);
    hex_bytes(f->order, sizeof f->order, vectors[i].order);
    f->r = hex_span(f->r_bytes, f->len, vectors[i].r[m]);
    f->s = hex_span(f->s_bytes, f->len, vectors[i].s[m]);
    f->msg = span_str(messages[m]);
}

static bool verify(const struct fixture *f, struct span r, struct span s)
{
    return ecdsa_verify(f->curve, f->point, f->msg, r, s);
}

/* [RFC 5656 3.1.1a 6.2.1a] */
static void test_verify_and_sign(void **state)
{
    struct fixture f;
    uint8_t r[ECC_SCALAR_MAX], s[ECC_SCALAR_MAX];
    (void)state;
    for (size_t i = 0; i < 2 * ADIT_COUNT(vectors); i++) {
        load(&f, i / 2, i % 2);
        assert_true(verify(&f, f.r, f.s));
        assert_true(ecdsa_sign(f.curve, f.sk, f.msg, r, s));
        assert_memory_equal(r, f.r.p, f.len);
        assert_memory_equal(s, f.s.p, f.len);
    }
}

static void test_tampered(void **state)
{
    struct fixture f;
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        load(&f, i, 0);
        f.r_bytes[f.len - 1] ^= 1;
        assert_false(verify(&f, f.r, f.s));
        f.r_bytes[f.len - 1] ^= 1;
        f.s_bytes[f.len / 2] ^= 0x10;
        assert_false(verify(&f, f.r, f.s));
        f.s_bytes[f.len / 2] ^= 0x10;
        f.msg = span_str("Sample");
        assert_false(verify(&f, f.r, f.s));
        f.msg = span_str("sample");
        assert_false(verify(&f, f.s, f.r));
        assert_true(verify(&f, f.r, f.s));
    }
}

/* [1, n - 1] is the range; 0 in every length, n, n + 1 and all ones are out of it. [RFC 5656 3.1.2b] */
static void test_range(void **state)
{
    static const uint8_t zeros[ECC_SCALAR_MAX + 1];
    struct fixture f;
    uint8_t ones[ECC_SCALAR_MAX];
    (void)state;
    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        load(&f, i, 0);
        struct span bad[] = {{NULL, 0},          {zeros, 1},       {zeros, f.len},
                             {zeros, f.len + 1}, {f.order, f.len}, {ones, f.len}};
        for (size_t b = 0; b < ADIT_COUNT(bad); b++) {
            assert_false(verify(&f, bad[b], f.s));
            assert_false(verify(&f, f.r, bad[b]));
            assert_false(verify(&f, bad[b], bad[b]));
        }
        f.order[f.len - 1]++;
        assert_false(verify(&f, span_make(f.order, f.len), f.s));
    }
}

static void big_add(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t n)
{
    unsigned carry = 0;
    for (size_t i = n; i-- > 0; carry >>= 8)
        out[i + 1] = (uint8_t)(carry += (unsigned)a[i] + b[i]);
    out[0] = (uint8_t)carry;
}

/* s + n is the same residue in other bytes: out of range, and not to be reduced. */
static void test_not_reduced(void **state)
{
    struct fixture f;
    uint8_t sum[ECC_SCALAR_MAX + 1];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        load(&f, i, 0);
        big_add(sum, f.s.p, f.order, f.len);
        assert_false(verify(&f, f.r, span_make(sum, f.len + 1)));
        big_add(sum, f.r.p, f.order, f.len);
        assert_false(verify(&f, span_make(sum, f.len + 1), f.s));
    }
}

/* As mpints carry them: with a zero in front, with many, and an r that is shorter than the order. */
static void test_leading_zeros(void **state)
{
    struct fixture f;
    uint8_t r[ECC_SCALAR_MAX + 5] = {0}, s[ECC_SCALAR_MAX + 5] = {0};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        load(&f, i, 0);
        memcpy(r + 5, f.r.p, f.len);
        memcpy(s + 5, f.s.p, f.len);
        assert_true(verify(&f, span_make(r, f.len + 5), span_make(s + 4, f.len + 1)));
        r[0] = 1; /* no longer a zero: over-long */
        assert_false(verify(&f, span_make(r, f.len + 5), f.s));
        r[0] = 0;
    }
    load(&f, 0, 0);
    f.msg = span_str("281");
    f.r = hex_span(f.r_bytes, 31, "b90dab5b04415f83c172342c846e03cbda843b2d074e4783a1c9761c7c71e1");
    f.s = hex_span(f.s_bytes, 32, "2e6f4e00016c725df0c8ae84b36230aaceb69afa625442551852d8cdfad65467");
    assert_true(verify(&f, f.r, f.s));
}

static void test_bad_point(void **state)
{
    struct fixture f;
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        load(&f, i, 0);
        f.point_bytes[f.len] ^= 1; /* not on the curve */
        assert_false(verify(&f, f.r, f.s));
        f.point_bytes[f.len] ^= 1;
        f.point.n--;
        assert_false(verify(&f, f.r, f.s));
        f.point.n = 0;
        assert_false(verify(&f, f.r, f.s));
        load(&f, i, 0);
        f.curve = vectors[(i + 1) % 3].curve;
        assert_false(verify(&f, f.r, f.s));
    }
}

static void test_bad_scalar(void **state)
{
    struct fixture f;
    uint8_t r[ECC_SCALAR_MAX], s[ECC_SCALAR_MAX], zero[ECC_SCALAR_MAX] = {0};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        load(&f, i, 0);
        assert_false(ecdsa_sign(f.curve, zero, f.msg, r, s));
        assert_false(ecdsa_sign(f.curve, f.order, f.msg, r, s));
        f.order[f.len - 1]--; /* n - 1 is the largest */
        assert_true(ecdsa_sign(f.curve, f.order, f.msg, r, s));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_and_sign), cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_range),           cmocka_unit_test(test_not_reduced),
        cmocka_unit_test(test_leading_zeros),   cmocka_unit_test(test_bad_point),
        cmocka_unit_test(test_bad_scalar),
    };
    return !crypto_init() || cmocka_run_group_tests(tests, NULL, NULL);
}
