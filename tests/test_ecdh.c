/*
 * test_ecdh.c - X25519 (RFC 7748) and the NIST curves (RFC 5903), with what must be refused.
 */
#include "../crypto/crypto.h"
#include "unhex.h"

/* ---- X25519 -------------------------------------------------------------------------------------- */

static void x25519_hex(const char *scalar, const char *u, const char *want)
{
    uint8_t sk[32], peer[32], shared[32];
    unhex(sk, 32, scalar);
    unhex(peer, 32, u);
    assert_true(x25519_shared(shared, sk, peer));
    assert_hex(shared, 32, want);
}

/* RFC 7748 §5.2; the second u has its top bit set, which MUST be masked. */
static void x25519_single(void **state)
{
    (void)state;
    x25519_hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
               "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
               "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    x25519_hex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
               "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
               "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

/* RFC 7748 §5.2: iterated, k the last result and u the last k. */
static void x25519_iterated(void **state)
{
    uint8_t k[32] = {9}, u[32] = {9}, next[32];
    (void)state;
    for (int i = 1; i <= 1000; i++) {
        assert_true(x25519_shared(next, k, u));
        memcpy(u, k, 32);
        memcpy(k, next, 32);
        if (i == 1)
            assert_hex(k, 32, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
    assert_hex(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/* RFC 7748 §6.1. */
static void x25519_agreement(void **state)
{
    uint8_t alice[32], bob[32], alice_pub[32], bob_pub[32], shared[32];
    const char *want = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    (void)state;
    unhex(alice, 32, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    unhex(bob, 32, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    x25519_public(alice_pub, alice);
    x25519_public(bob_pub, bob);
    assert_hex(alice_pub, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_hex(bob_pub, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_true(x25519_shared(shared, alice, bob_pub));
    assert_hex(shared, 32, want);
    assert_true(x25519_shared(shared, bob, alice_pub));
    assert_hex(shared, 32, want);
}

/* All u of small order, also as u + p and with the unused top bit set: the result would be all zero.
 * [RFC 8731 3b] */
static void x25519_refuses_small_order(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    static const uint8_t zero[32];
    uint8_t sk[32], peer[32], shared[32];
    (void)state;
    memset(sk, 0x42, sizeof sk);
    for (size_t i = 0; i < 2 * ADIT_COUNT(points); i++) {
        unhex(peer, 32, points[i / 2]);
        peer[31] = (uint8_t)(peer[31] | (i % 2 != 0 ? 0x80 : 0));
        memset(shared, 0xaa, sizeof shared);
        assert_false(x25519_shared(shared, sk, peer));
        assert_memory_equal(shared, zero, 32);
    }
}

/* RFC 7748 §5: non-canonical values MUST be accepted and taken modulo p: 9, 9 + p and 9 + 2^255 agree. */
static void x25519_takes_non_canonical(void **state)
{
    uint8_t sk[32], pub[32], shared[32], peer[32] = {9};
    (void)state;
    memset(sk, 0x37, sizeof sk);
    x25519_public(pub, sk);
    peer[31] = 0x80;
    assert_true(x25519_shared(shared, sk, peer));
    assert_memory_equal(shared, pub, 32);
    unhex(peer, 32, "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    assert_true(x25519_shared(shared, sk, peer));
    assert_memory_equal(shared, pub, 32);
}

/* ---- NIST curves --------------------------------------------------------------------------------- */

/* RFC 5903 §8.1 to §8.3: the two secret scalars, their points, the shared x. The point with x = 0 is on
 * each curve (y^2 = b), so that x + p with the same y is a second, forbidden way to write it. */
static const struct ecc_case {
    enum ecc_curve curve;
    const char *order, *i, *r, *i_point, *r_point, *shared, *x_is_0, *x_is_p;
} curves[] = {
    {ECC_P256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
     "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
     "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
     "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
     "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
     "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
     "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
     "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
     "040000000000000000000000000000000000000000000000000000000000000000"
     "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4",
     "04ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
     "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4"},
    {ECC_P384,
     "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
     "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
     "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
     "04667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa"
     "9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
     "04e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571"
     "dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
     "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
     "04000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "c306610fb0ae5a159cf45c06069f22a6c5eb3641c602d42dea2c4b4f75550793406d80d2b91ad54f9048bd487af1ade1",
     "04fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff"
     "c306610fb0ae5a159cf45c06069f22a6c5eb3641c602d42dea2c4b4f75550793406d80d2b91ad54f9048bd487af1ade1"},
    {ECC_P521,
     "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
     "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
     "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa"
     "85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
     "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c67"
     "7d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
     "040015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1"
     "e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e"
     "017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10ad8a7"
     "88015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
     "0400d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b"
     "97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f"
     "015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b"
     "6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
     "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d142"
     "7e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea",
     "0400000000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000000000000000000000000000"
     "012df13601594a883ef2d935e44bb90bf4d6619b74e52af7552f97769011c0719eb4"
     "39cfab2a88d40fe59a2bed1f43557169a2d0a2ccd280c607b92bbf51ffe0b078",
     "0401ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "012df13601594a883ef2d935e44bb90bf4d6619b74e52af7552f97769011c0719eb4"
     "39cfab2a88d40fe59a2bed1f43557169a2d0a2ccd280c607b92bbf51ffe0b078"},
};

/* Whether both functions take the point; a refusal must leave no x. */
static bool takes(const struct ecc_case *c, struct span point)
{
    static const uint8_t zero[ECC_SCALAR_MAX];
    uint8_t sk[ECC_SCALAR_MAX], x[ECC_SCALAR_MAX];
    unhex(sk, sizeof sk, c->i);
    memset(x, 0xaa, sizeof x);
    bool ok = ecc_shared(c->curve, x, sk, point);
    assert_int_equal(ok, ecc_point_is_valid(c->curve, point));
    if (!ok)
        assert_memory_equal(x, zero, ecc_scalar_len(c->curve));
    return ok;
}

static void ecc_lengths(void **state)
{
    (void)state;
    assert_int_equal(ecc_scalar_len(ECC_P256), 32);
    assert_int_equal(ecc_scalar_len(ECC_P384), 48);
    assert_int_equal(ecc_scalar_len(ECC_P521), 66);
    assert_int_equal(ecc_point_len(ECC_P256), 65);
    assert_int_equal(ecc_point_len(ECC_P384), 97);
    assert_int_equal(ecc_point_len(ECC_P521), 133);
}

/* [RFC 5656 4c] */
static void ecc_published_agreement(void **state)
{
    (void)state;
    for (const struct ecc_case *c = curves; c < curves + ADIT_COUNT(curves); c++) {
        uint8_t i[ECC_SCALAR_MAX], r[ECC_SCALAR_MAX], x[ECC_SCALAR_MAX];
        uint8_t i_point[ECC_POINT_MAX], r_point[ECC_POINT_MAX];
        size_t len = ecc_scalar_len(c->curve), point_len = ecc_point_len(c->curve);
        assert_int_equal(unhex(i, sizeof i, c->i), len);
        assert_int_equal(unhex(r, sizeof r, c->r), len);
        assert_true(ecc_public(c->curve, i, i_point));
        assert_hex(i_point, point_len, c->i_point);
        assert_true(ecc_public(c->curve, r, r_point));
        assert_hex(r_point, point_len, c->r_point);
        assert_true(ecc_shared(c->curve, x, i, span_make(r_point, point_len)));
        assert_hex(x, len, c->shared);
        assert_true(ecc_shared(c->curve, x, r, span_make(i_point, point_len)));
        assert_hex(x, len, c->shared);
    }
}

static void ecc_keygen_makes_keys(void **state)
{
    static const uint8_t seed[32] = {1};
    (void)state;
    for (const struct ecc_case *c = curves; c < curves + ADIT_COUNT(curves); c++) {
        struct drbg random;
        uint8_t a[ECC_SCALAR_MAX], b[ECC_SCALAR_MAX], x[ECC_SCALAR_MAX], y[ECC_SCALAR_MAX];
        uint8_t a_point[ECC_POINT_MAX], b_point[ECC_POINT_MAX], again[ECC_POINT_MAX];
        size_t len = ecc_scalar_len(c->curve), point_len = ecc_point_len(c->curve);
        drbg_init(&random, seed);
        ecc_keygen(c->curve, &random, a, a_point);
        ecc_keygen(c->curve, &random, b, b_point);
        assert_memory_not_equal(a, b, len);
        assert_true(ecc_public(c->curve, a, again));
        assert_memory_equal(a_point, again, point_len);
        assert_true(ecc_shared(c->curve, x, a, span_make(b_point, point_len)));
        assert_true(ecc_shared(c->curve, y, b, span_make(a_point, point_len)));
        assert_memory_equal(x, y, len);
    }
}

/* P-521's scalars fill 521 of 528 bits, the highest of them too. */
static void ecc_keygen_fills_p521(void **state)
{
    static const uint8_t seed[32] = {2};
    struct drbg random;
    unsigned with_top_bit = 0;
    (void)state;
    drbg_init(&random, seed);
    for (int i = 0; i < 32; i++) {
        uint8_t sk[ECC_SCALAR_MAX], point[ECC_POINT_MAX];
        ecc_keygen(ECC_P521, &random, sk, point);
        assert_true(sk[0] <= 1);
        with_top_bit += sk[0];
    }
    assert_in_range(with_top_bit, 4, 28);
}

/* Of the scalars next to the edges, 1 and n - 1 are good; their points differ in y alone. */
static void ecc_public_of_edge_scalars(void **state)
{
    (void)state;
    for (const struct ecc_case *c = curves; c < curves + ADIT_COUNT(curves); c++) {
        uint8_t sk[ECC_SCALAR_MAX], g[ECC_POINT_MAX], minus_g[ECC_POINT_MAX], x[ECC_SCALAR_MAX];
        size_t len = ecc_scalar_len(c->curve);
        struct span peer = span_make(g, ecc_point_len(c->curve));
        memset(sk, 0, sizeof sk);
        assert_false(ecc_public(c->curve, sk, minus_g));
        sk[len - 1] = 1;
        assert_true(ecc_public(c->curve, sk, g));
        assert_int_equal(unhex(sk, sizeof sk, c->order), len);
        assert_false(ecc_public(c->curve, sk, minus_g));
        assert_false(ecc_shared(c->curve, x, sk, peer));
        sk[len - 1]++;
        assert_false(ecc_public(c->curve, sk, minus_g));
        sk[len - 1] = (uint8_t)(sk[len - 1] - 2);
        assert_true(ecc_public(c->curve, sk, minus_g));
        assert_memory_equal(g, minus_g, 1 + len);
        assert_memory_not_equal(g + 1 + len, minus_g + 1 + len, len);
        memset(sk, 0xff, sizeof sk);
        assert_false(ecc_public(c->curve, sk, minus_g));
        memset(sk, 0, sizeof sk);
        assert_false(ecc_shared(c->curve, x, sk, peer));
    }
}

/* SEC1 §2.3.4: no format but 04, no other length, no coordinate off by one bit. [RFC 5656 4a] */
static void ecc_refuses_malformed_points(void **state)
{
    static const uint8_t formats[] = {0, 2, 3, 5, 6, 7, 0x14, 0x84, 0xff};
    (void)state;
    for (const struct ecc_case *c = curves; c < curves + ADIT_COUNT(curves); c++) {
        uint8_t point[ECC_POINT_MAX + 1] = {0};
        size_t n = unhex(point, sizeof point, c->r_point);
        assert_true(takes(c, span_make(point, n)));
        for (size_t i = 0; i < ADIT_COUNT(formats); i++) {
            point[0] = formats[i];
            assert_false(takes(c, span_make(point, n)));
        }
        point[0] = 4;
        for (size_t less = 0; less < n; less++)
            assert_false(takes(c, span_make(point, less)));
        assert_false(takes(c, span_make(point, n + 1)));
        for (size_t bit = 8; bit < 8 * n; bit += 37) {
            point[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(takes(c, span_make(point, n)));
            point[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        memset(point + 1, 0, n - 1);
        assert_false(takes(c, span_make(point, n)));
    }
}

/* RFC 5656 §4: ... MUST check that the coordinates are in range. [RFC 5656 4a] */
static void ecc_refuses_coordinates_from_p_on(void **state)
{
    (void)state;
    for (const struct ecc_case *c = curves; c < curves + ADIT_COUNT(curves); c++) {
        uint8_t point[ECC_POINT_MAX];
        size_t n = unhex(point, sizeof point, c->x_is_0);
        assert_true(takes(c, span_make(point, n)));
        assert_int_equal(unhex(point, sizeof point, c->x_is_p), n);
        assert_false(takes(c, span_make(point, n)));
        memset(point + 1, 0xff, n - 1);
        assert_false(takes(c, span_make(point, n)));
    }
}

/* A point of one curve is none of another's. */
static void ecc_refuses_other_curves(void **state)
{
    (void)state;
    for (const struct ecc_case *c = curves; c < curves + ADIT_COUNT(curves); c++)
        for (const struct ecc_case *other = curves; other < curves + ADIT_COUNT(curves); other++) {
            uint8_t point[ECC_POINT_MAX];
            size_t n = unhex(point, sizeof point, other->r_point);
            assert_int_equal(takes(c, span_make(point, n)), c == other);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_single),
        cmocka_unit_test(x25519_iterated),
        cmocka_unit_test(x25519_agreement),
        cmocka_unit_test(x25519_refuses_small_order),
        cmocka_unit_test(x25519_takes_non_canonical),
        cmocka_unit_test(ecc_lengths),
        cmocka_unit_test(ecc_published_agreement),
        cmocka_unit_test(ecc_keygen_makes_keys),
        cmocka_unit_test(ecc_keygen_fills_p521),
        cmocka_unit_test(ecc_public_of_edge_scalars),
        cmocka_unit_test(ecc_refuses_malformed_points),
        cmocka_unit_test(ecc_refuses_coordinates_from_p_on),
        cmocka_unit_test(ecc_refuses_other_curves),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
