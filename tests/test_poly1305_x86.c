/*
 * test_poly1305_x86.c - Poly1305 by 64-bit words, AVX2 and AVX-512 IFMA: published vectors, sums whose
 * residue is known exactly, and everything else against libsodium's.
 */
#include <stdlib.h>

#include "../crypto/internal.h"
#include "../crypto/poly1305_x86.h"
#include "unhex.h"

typedef void tag_function(uint8_t tag[16], const uint8_t *message, size_t n, const uint8_t key[32]);

enum { LONGEST = 40000, SHIFTS = 64 };

static void reference_tag(uint8_t tag[16], const uint8_t *message, size_t n, const uint8_t key[32])
{
    crypto_onetimeauth_poly1305(tag, message, n, key);
}

#define ZEROS16 "00000000000000000000000000000000"
#define ONES16  "ffffffffffffffffffffffffffffffff"

/* RFC 8439 §2.5.2, then A.3 from number 7 on: r || s, message, tag. */
static const struct {
    const char *key, *message, *tag;
} vectors[] = {
    {"85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
     "43727970746f6772617068696320466f72756d2052657365617263682047726f7570",
     "a8061dc1305136c6c22b8baf0c0127a9"},
    {"02000000000000000000000000000000" ZEROS16, ONES16, "03000000000000000000000000000000"},
    {"02000000000000000000000000000000" ONES16, "02000000000000000000000000000000",
     "03000000000000000000000000000000"},
    {"01000000000000000000000000000000" ZEROS16,
     ONES16 "f0ffffffffffffffffffffffffffffff11000000000000000000000000000000",
     "05000000000000000000000000000000"},
    {"01000000000000000000000000000000" ZEROS16,
     ONES16 "fbfefefefefefefefefefefefefefefe01010101010101010101010101010101", ZEROS16},
    {"02000000000000000000000000000000" ZEROS16, "fdffffffffffffffffffffffffffffff",
     "faffffffffffffffffffffffffffffff"},
    {"01000000000000000400000000000000" ZEROS16,
     "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000000000000000000000000000000000000100000"
     "0"
     "000000000000000000000000",
     "14000000000000005500000000000000"},
    {"01000000000000000400000000000000" ZEROS16,
     "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000",
     "13000000000000000000000000000000"},
};

static void published_vectors(tag_function *tag_of)
{
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        uint8_t key[32], message[64], tag[16];
        size_t n = unhex(message, sizeof message, vectors[i].message);

        assert_int_equal(unhex(key, sizeof key, vectors[i].key), sizeof key);
        tag_of(tag, message, n, key);
        assert_hex(tag, sizeof tag, vectors[i].tag);
    }
}

/* The tag for a sum that is x mod p, s = 0: p itself is -5 mod 2^128. */
static void residue_tag(uint8_t tag[16], int64_t x)
{
    uint64_t low = (uint64_t)(x < 0 ? x - 5 : x);

    for (size_t i = 0; i < 16; i++)
        tag[i] = (uint8_t)(i < 8 ? low >> 8 * i : (x < 0 ? 0xffu : 0u));
}

/* With r = 1 the message's blocks are summed. A block of all ones is 2^129 - 1, a pair of them p + 3; the
 * last block takes as much less that the sum is just below p, p, and just above. */
static void sums_around_the_prime(tag_function *tag_of)
{
    static const uint8_t key[32] = {1};

    for (int64_t pairs = 1; pairs <= 80; pairs++)
        for (int64_t less = 0; less <= 3 * pairs + 8 && less < 256; less++) {
            size_t n = (size_t)pairs * 32;
            uint8_t message[80 * 32], tag[16], want[16];

            memset(message, 0xff, n);
            message[n - 16] = (uint8_t)(0xff - less);
            residue_tag(want, 3 * pairs - less);
            tag_of(tag, message, n, key);
            assert_memory_equal(tag, want, sizeof want);
        }
}

/* What all is compared with. */
static void reference_is_right(void **state)
{
    (void)state;
    published_vectors(reference_tag);
    sums_around_the_prime(reference_tag);
}

#ifdef __x86_64__

static uint64_t seed;

static uint8_t next_byte(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(seed >> 56);
}

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = next_byte();
}

enum level { SCALAR, AVX2, IFMA };

static bool use_level(enum level level)
{
    const struct cpu most = {
        .has_avx2 = level >= AVX2, .has_avx512 = level >= IFMA, .has_ifma = level >= IFMA};

    cpu_limit(&most);
    cpu_detect();
    return level == SCALAR || (level == AVX2 ? cpu()->has_avx2 : cpu()->has_ifma);
}

/* In a buffer of exactly n bytes behind a shift, so that the sanitizer sees one byte too many. */
static void compare_bytes(const uint8_t *message, size_t n, size_t shift, const uint8_t key[32])
{
    uint8_t tag[16], want[16], *copy = malloc(shift + n + 1);
    uint8_t *exact = copy ? realloc(copy, shift + n > 0 ? shift + n : 1) : NULL;

    assert_non_null(exact);
    memcpy(exact + shift, message, n);
    reference_tag(want, message, n, key);
    poly1305_x86_tag(tag, exact + shift, n, key);
    assert_memory_equal(tag, want, sizeof tag);
    free(exact);
}

static uint8_t message_of[LONGEST];

static void all_lengths(void)
{
    uint8_t key[32];

    for (size_t n = 0; n <= 2400; n++) {
        fill(key, sizeof key);
        fill(message_of, n);
        compare_bytes(message_of, n, n % SHIFTS, key);
        memset(message_of, 0xff, n);
        compare_bytes(message_of, n, 0, key);
    }
}

static void long_ones(void)
{
    uint8_t key[32];

    for (size_t i = 0; i < 40; i++) {
        fill(key, sizeof key);
        fill(message_of, LONGEST);
        compare_bytes(message_of, ((size_t)next_byte() << 8 | next_byte()) % LONGEST, next_byte() % SHIFTS,
                      key);
    }
    memset(message_of, 0xff, LONGEST);
    memset(key, 0xff, sizeof key);
    compare_bytes(message_of, LONGEST, 0, key);
}

/* The smallest and largest r, those that are powers of two, bits that clamping takes away, and random ones.
 */
static void key_at_an_edge(uint8_t key[32])
{
    unsigned kind = next_byte() % 6, place = next_byte() % 128;

    fill(key, 32);
    if (kind < 4)
        memset(key, kind == 0 ? 0xff : 0, 16);
    if (kind == 2)
        key[0] = next_byte() % 4;
    if (kind == 3)
        key[place / 8] = (uint8_t)(1u << place % 8);
    if (next_byte() % 2 == 0)
        memset(key + 16, next_byte() % 2 == 0 ? 0xff : 0, 16);
}

static void block_at_an_edge(uint8_t block[16])
{
    unsigned kind = next_byte() % 5;

    memset(block, kind == 0 ? 0 : 0xff, 16);
    if (kind == 1)
        block[0] = (uint8_t)(0xff - next_byte() % 8);
    if (kind == 2)
        block[next_byte() % 16] = next_byte();
    if (kind == 3)
        fill(block, 16);
}

/* Limbs full to the brim, sums that come round, residues at 0: mixtures of all that is extreme. */
static void edges(void)
{
    uint8_t key[32];

    for (size_t i = 0; i < 6000; i++) {
        size_t n = (size_t)(next_byte() % (i % 4 == 0 ? 180 : 44)) * 16;

        key_at_an_edge(key);
        for (size_t at = 0; at < n; at += 16)
            block_at_an_edge(message_of + at);
        compare_bytes(message_of, n, 0, key);
    }
}

static void all_alignments(void)
{
    uint8_t key[32];

    fill(key, sizeof key);
    fill(message_of, 1100);
    for (size_t shift = 0; shift < SHIFTS; shift++)
        compare_bytes(message_of, 1093, shift, key);
}

static void run_all(enum level level)
{
    if (!use_level(level))
        skip();
    published_vectors(poly1305_x86_tag);
    sums_around_the_prime(poly1305_x86_tag);
    all_lengths();
    long_ones();
    edges();
    all_alignments();
}
#define RUN_ALL(level) run_all(level)
#else
#define RUN_ALL(level) skip()
#endif

static void by_words(void **state)
{
    (void)state;
    RUN_ALL(SCALAR);
}

static void by_avx2(void **state)
{
    (void)state;
    RUN_ALL(AVX2);
}

static void by_ifma(void **state)
{
    (void)state;
    RUN_ALL(IFMA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_right),
        cmocka_unit_test(by_words),
        cmocka_unit_test(by_avx2),
        cmocka_unit_test(by_ifma),
    };

    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
