/*
 * test_hash.c - FIPS 180-4 example messages, RFC 4231 and RFC 2202 HMAC, and hashing in pieces.
 */
#include "../crypto/crypto.h"
#include "../crypto/internal.h"
#include "cpu_levels.h"
#include "sha256_plain.h"
#include "unhex.h"

static struct span text(const char *s)
{
    return span_str(s);
}

static void assert_hash(enum hash_alg alg, struct span data, const char *hex)
{
    uint8_t out[HASH_MAX_LEN];
    hash_of(alg, data, out);
    assert_hex(out, hash_len(alg), hex);
}

static void len_is_the_digest_s(void **state)
{
    (void)state;
    assert_int_equal(hash_len(HASH_SHA1), 20);
    assert_int_equal(hash_len(HASH_SHA256), 32);
    assert_int_equal(hash_len(HASH_SHA384), 48);
    assert_int_equal(hash_len(HASH_SHA512), 64);
}

/* FIPS 180-4's examples ("abc") and the empty message. */
static void of_published_messages(void **state)
{
    (void)state;
    assert_hash(HASH_SHA1, text("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_hash(HASH_SHA1, text(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_hash(HASH_SHA256, text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash(HASH_SHA256, text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash(HASH_SHA384, text("abc"),
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                "8086072ba1e7cc2358baeca134c825a7");
    assert_hash(HASH_SHA512, text("abc"),
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

/* RFC 1321, A.5. */
static void md5_of_published_messages(void **state)
{
    uint8_t out[MD5_LEN];
    (void)state;
    md5_of(text(""), out);
    assert_hex(out, sizeof out, "d41d8cd98f00b204e9800998ecf8427e");
    md5_of(text("message digest"), out);
    assert_hex(out, sizeof out, "f96b697d7cb7938d525a2f31aaf161d0");
}

/* FIPS 180-4's two-block examples. */
static void of_two_blocks(void **state)
{
    const char *of56 = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    const char *of112 = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                        "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    (void)state;
    assert_hash(HASH_SHA1, text(of56), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    assert_hash(HASH_SHA256, text(of56), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_hash(HASH_SHA384, text(of112),
                "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712"
                "fcc7c71a557e2db966c3e9fa91746039");
    assert_hash(HASH_SHA512, text(of112),
                "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
                "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909");
}

/* FIPS 180-4's third example: a million times "a", in pieces of changing size. */
static void update_of_a_million(void **state)
{
    struct hash h;
    uint8_t piece[251], out[HASH_MAX_LEN];
    (void)state;
    memset(piece, 'a', sizeof piece);
    hash_init(&h, HASH_SHA256);
    for (size_t left = 1000000, step = 1; left > 0; step = step % sizeof piece + 1) {
        size_t n = step < left ? step : left;
        hash_update(&h, piece, n);
        left -= n;
    }
    hash_out(&h, out);
    assert_hex(out, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* However a message is cut in two, and read out in between, the hash is that of the whole. */
static void update_in_two_pieces(void **state)
{
    uint8_t data[300], whole[HASH_MAX_LEN], out[HASH_MAX_LEN];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (int alg = HASH_SHA1; alg <= HASH_SHA512; alg++)
        for (size_t cut = 0; cut <= sizeof data; cut++) {
            struct hash h;
            hash_of((enum hash_alg)alg, span_make(data, sizeof data), whole);
            hash_init(&h, (enum hash_alg)alg);
            hash_update(&h, data, cut);
            hash_out(&h, out);
            struct hash moved = h;
            hash_update(&moved, data + cut, sizeof data - cut);
            hash_update(&moved, NULL, 0);
            hash_out(&moved, out);
            assert_memory_equal(out, whole, hash_len((enum hash_alg)alg));
        }
}

static void assert_hmac(enum hash_alg alg, const char *key_hex, struct span data, const char *hex)
{
    uint8_t key[256], out[HASH_MAX_LEN];
    size_t key_len = unhex(key, sizeof key, key_hex);
    hmac_of(alg, span_make(key, key_len), data, out);
    assert_hex(out, hash_len(alg), hex);
}

#define KEY20 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"

/* RFC 4231 §4.2, RFC 2202 §3 case 1. */
static void hmac_of_a_short_key(void **state)
{
    (void)state;
    assert_hmac(HASH_SHA1, KEY20, text("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00");
    assert_hmac(HASH_SHA256, KEY20, text("Hi There"),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_hmac(HASH_SHA384, KEY20, text("Hi There"),
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
                "faea9ea9076ede7f4af152e8b2fa9cb6");
    assert_hmac(HASH_SHA512, KEY20, text("Hi There"),
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
}

/* RFC 4231 §4.3: a key shorter than the output. */
static void hmac_of_jefe(void **state)
{
    struct span data = text("what do ya want for nothing?");
    (void)state;
    assert_hmac(HASH_SHA256, "4a656665", data,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_hmac(HASH_SHA512, "4a656665", data,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

/* RFC 4231 §4.7: a key of 131 bytes, longer than the block of either. */
static void hmac_of_a_long_key(void **state)
{
    uint8_t key[131], out[HASH_MAX_LEN];
    struct span data = text("Test Using Larger Than Block-Size Key - Hash Key First");
    (void)state;
    memset(key, 0xaa, sizeof key);
    hmac_of(HASH_SHA256, span_make(key, sizeof key), data, out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_of(HASH_SHA512, span_make(key, sizeof key), data, out);
    assert_hex(out, 64,
               "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
               "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
}

/* RFC 2104 §2: a key of exactly one block is used as it is, one byte more is hashed first; an empty key
 * is a block of zeros. */
static void hmac_at_the_block_edge(void **state)
{
    uint8_t key[129], hashed[32], a[32], b[32];
    (void)state;
    memset(key, 0x5a, sizeof key);
    hash_of(HASH_SHA256, span_make(key, 65), hashed);
    hmac_of(HASH_SHA256, span_make(key, 65), text("x"), a);
    hmac_of(HASH_SHA256, span_make(hashed, 32), text("x"), b);
    assert_memory_equal(a, b, 32);
    hash_of(HASH_SHA256, span_make(key, 64), hashed);
    hmac_of(HASH_SHA256, span_make(key, 64), text("x"), a);
    hmac_of(HASH_SHA256, span_make(hashed, 32), text("x"), b);
    assert_memory_not_equal(a, b, 32);
    memset(key, 0, 64);
    hmac_of(HASH_SHA256, span_make(key, 64), text("x"), a);
    hmac_of(HASH_SHA256, span_make(NULL, 0), text("x"), b);
    assert_memory_equal(a, b, 32);
}

enum { LONGEST = 40000 };

/* What level 0 (the library) makes of every length up to 600 and of some up to LONGEST. */
static struct {
    size_t n, at;
    uint8_t hash[32], hmac[32];
} known[640];
static uint8_t bytes[64 + LONGEST];

static size_t random_below(size_t limit)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (size_t)((x >> 16) % limit);
}

static void make_known(void)
{
    cpu_level_set(0);
    sha256_plain_fill(bytes, sizeof bytes, 2463534242);
    for (size_t i = 0; i < ADIT_COUNT(known); i++) {
        known[i].n = i <= 600 ? i : 601 + random_below(LONGEST - 600);
        known[i].at = random_below(64);
        struct span data = span_make(bytes + known[i].at, known[i].n);
        hash_of(HASH_SHA256, data, known[i].hash);
        hmac_of(HASH_SHA256, span_make(bytes, i % 100), data, known[i].hmac);
    }
}

/* In pieces of random lengths, many of them shorter than a block; the struct moves in between. */
static void hash_in_pieces(const uint8_t *p, size_t n, uint8_t out[32])
{
    struct hash h, other;
    hash_init(&h, HASH_SHA256);
    while (n > 0) {
        size_t piece = random_below(random_below(2) == 0 ? 130 : 5000);
        piece = piece < n ? piece : n;
        hash_update(&h, p, piece);
        other = h;
        memset(&h, 0xa5, sizeof h);
        h = other;
        p += piece;
        n -= piece;
    }
    hash_out(&h, out);
    hash_out(&h, out); /* it may be asked again */
}

static void every_cpu_hashes_alike(void **state)
{
    uint8_t out[32];
    (void)state;
    make_known();
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++) {
        cpu_level_set(level);
        for (size_t i = 0; i < ADIT_COUNT(known); i++) {
            struct span data = span_make(bytes + known[i].at, known[i].n);
            hash_of(HASH_SHA256, data, out);
            assert_memory_equal(out, known[i].hash, 32);
            hash_in_pieces(data.p, data.n, out);
            assert_memory_equal(out, known[i].hash, 32);
            hmac_of(HASH_SHA256, span_make(bytes, i % 100), data, out);
            assert_memory_equal(out, known[i].hmac, 32);
        }
    }
}

static size_t known_with(size_t i)
{
    return i < ADIT_COUNT(known) / 2 ? i : (i * 7 + 601) % ADIT_COUNT(known);
}

/* Two messages under one key, of lengths that are near or far, each with a first part of 0 to 10 bytes. */
static void every_cpu_makes_two_hmacs_alike(void **state)
{
    static const uint8_t key[32] = {1, 2, 3};
    uint8_t want[2][HASH_MAX_LEN], out[2][HASH_MAX_LEN];
    (void)state;
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++)
        for (size_t i = 0; i + 1 < ADIT_COUNT(known); i++)
            for (enum hash_alg alg = HASH_SHA256; alg <= HASH_SHA512; alg += HASH_SHA512 - HASH_SHA256) {
                const size_t which[2] = {i, known_with(i + 1)};
                struct hmac_message message[2];
                struct hmac m;
                cpu_level_set(level);
                hmac_init(&m, alg, span_make(key, sizeof key));
                for (size_t k = 0; k < 2; k++) {
                    struct span data = span_make(bytes + known[which[k]].at, known[which[k]].n);
                    struct span first = span_sub(data, 0, which[k] % 11);
                    message[k] = (struct hmac_message){first, span_sub(data, first.n, data.n), out[k]};
                    hmac_of(alg, span_make(key, sizeof key), data, want[k]);
                }
                hmac_run_two(&m, &message[0], &message[1]);
                assert_memory_equal(out[0], want[0], hash_len(alg));
                assert_memory_equal(out[1], want[1], hash_len(alg));
            }
}

/* A hash goes on with the code that it began with, whatever crypto_init chooses meanwhile. */
static void a_started_hash_keeps_its_code(void **state)
{
    (void)state;
    for (size_t from = 0; from < ADIT_COUNT(cpu_levels); from++)
        for (size_t to = 0; to < ADIT_COUNT(cpu_levels); to++) {
            struct hash h;
            uint8_t want[32], out[32];
            cpu_level_set(from);
            hash_of(HASH_SHA256, span_make(bytes, 1000), want);
            hash_init(&h, HASH_SHA256);
            hash_update(&h, bytes, 100);
            cpu_level_set(to);
            hash_update(&h, bytes + 100, 900);
            hash_out(&h, out);
            assert_memory_equal(out, want, 32);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(len_is_the_digest_s),    cmocka_unit_test(of_published_messages),
        cmocka_unit_test(of_two_blocks),          cmocka_unit_test(update_of_a_million),
        cmocka_unit_test(update_in_two_pieces),   cmocka_unit_test(hmac_of_a_short_key),
        cmocka_unit_test(hmac_of_jefe),           cmocka_unit_test(hmac_of_a_long_key),
        cmocka_unit_test(hmac_at_the_block_edge),
    };
    const struct CMUnitTest all[] = {
        cmocka_unit_test(md5_of_published_messages),
        cmocka_unit_test(every_cpu_hashes_alike),
        cmocka_unit_test(every_cpu_makes_two_hmacs_alike),
        cmocka_unit_test(a_started_hash_keeps_its_code),
    };
    int failed = 0;
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++) {
        cpu_level_set(level);
        failed += cmocka_run_group_tests_name(cpu_levels[level].name, tests, NULL, NULL);
    }
    return failed + cmocka_run_group_tests_name("all levels", all, NULL, NULL);
}
