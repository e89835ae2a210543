/*
 * test_bcrypt_pbkdf.c - OpenBSD's key derivation.
 *
 * The expected outputs were computed with an independent implementation (Python's bcrypt.kdf); the first
 * rows are also the published known answers of that function. One more was taken from a key file that
 * ssh-keygen wrote.
 */
#include "test.h"

#include "../crypto/blowfish_tables.h"
#include "../crypto/crypto.h"
#include "hex.h"

/* ---- The tables are pi --------------------------------------------------------------------------- */

/* Fixed point, most significant word first: one word before the point, the table's bits, two to guard. */
enum { TABLE_WORDS = BLOWFISH_SUBKEYS + BLOWFISH_SBOXES * BLOWFISH_SBOX_LEN, PI_WORDS = TABLE_WORDS + 3 };

static bool fixed_divide(uint32_t a[PI_WORDS], uint32_t by)
{
    uint64_t rest = 0;
    uint32_t any = 0;
    for (size_t i = 0; i < PI_WORDS; i++) {
        rest = rest << 32 | a[i];
        a[i] = (uint32_t)(rest / by);
        rest %= by;
        any |= a[i];
    }
    return any != 0;
}

static void fixed_add(uint32_t sum[PI_WORDS], const uint32_t a[PI_WORDS], bool negative)
{
    uint64_t carry = negative ? 1 : 0;
    for (size_t i = PI_WORDS; i-- > 0;) {
        carry += (uint64_t)sum[i] + (negative ? ~a[i] : a[i]);
        sum[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* sum += factor * atan(1 / x), or -= when it is negative: the series 1/x - 1/3x^3 + 1/5x^5 - ... */
static void fixed_add_atan(uint32_t sum[PI_WORDS], uint32_t factor, uint32_t x, bool negative)
{
    uint32_t power[PI_WORDS] = {factor}, term[PI_WORDS];
    bool more = fixed_divide(power, x);
    for (uint32_t k = 1; more; k += 2) {
        memcpy(term, power, sizeof term);
        fixed_divide(term, k);
        fixed_add(sum, term, negative);
        negative = !negative;
        more = fixed_divide(power, x * x);
    }
}

static void test_tables_are_pi(void **state)
{
    static uint32_t pi[PI_WORDS];
    (void)state;
    fixed_add_atan(pi, 16, 5, false);
    fixed_add_atan(pi, 4, 239, true);
    assert_int_equal(pi[0], 3);
    assert_memory_equal(pi + 1, blowfish_pi_p, sizeof blowfish_pi_p);
    assert_memory_equal(pi + 1 + BLOWFISH_SUBKEYS, blowfish_pi_s, sizeof blowfish_pi_s);
}

/* ---- Known answers ------------------------------------------------------------------------------- */

/* Outputs longer than 64 bytes are compared by their SHA-512. */
static const struct {
    const char *passphrase, *salt;
    uint32_t rounds;
    size_t out_len;
    const char *expected;
} answers[] = {
    {"70617373776f7264", "73616c74", 4, 32,
     "5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9"},
    {"70617373776f7264", "00", 4, 16, "c12b566235eee04c212598970a579a67"},
    {"00", "73616c74", 4, 16, "6051be18c2f4f82cbf0efee5471b4bb9"},
    {"70617373776f7264", "73616c74", 8, 64,
     "e1367ec5151a33faac4cc1c144cd23fa15d5548493ecc99b9b5d9c0d3b27bec76227ea66088b849b20ab7aa478010246e74bba5"
     "1723fefa9f9474d6508845e8d"},
    {"70617373776f7264", "73616c74", 42, 16, "833cf0dcf56db65608e8f0dc0ce882bd"},
    {"c3a4206c6f6e6720706173737068726173652c206c6f6e676572207468616e20746865203732206279746573206174207768696"
     "36820746865206f6c64206263727970742073746f707065642072656164696e672c206365727461696e6c79",
     "000102030405060708090a0b0c0d0e0f", 16, 48,
     "df5f0d7f2c87ec5bdc61542f85b3df526003d420d3295b04b5c20d0c5787c4c3957966c822dbd2b0a2919f47c6565ad6"},
    {"78", "79", 1, 512,
     "ea9ef2f73d324fbe637bcadd42cc85c6d86e5ffc365c1519dfd1f5252e052a2a9d5564a3ff8421a66136f8b6ab6dd93bdbba6f5"
     "e45e03dd80ea242ba43dc8665"},
    {"78", "73616c74", 2, 33, "572a91708801a1826e0fb236f521875d84d909f3cb91bc41ba3c30e5ad18b2cc08"},
};

static void test_known_answers(void **state)
{
    uint8_t pass[128], salt[64], expected[64], out[1024 + 1];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(answers); i++) {
        struct span p = hex_span(pass, sizeof pass, answers[i].passphrase);
        struct span s = hex_span(salt, sizeof salt, answers[i].salt);
        size_t n = hex_bytes(expected, sizeof expected, answers[i].expected);
        memset(out, 0xa5, sizeof out);
        assert_true(bcrypt_pbkdf(p, s, answers[i].rounds, out, answers[i].out_len));
        assert_int_equal(out[answers[i].out_len], 0xa5);
        if (answers[i].out_len > sizeof expected)
            hash_of(HASH_SHA512, span_make(out, answers[i].out_len), out);
        assert_memory_equal(out, expected, n);
    }
}

/* From a key that `ssh-keygen -t ed25519 -a 16 -N 'correct horse'` wrote: its salt, and the first sealed
 * block (aes256-ctr, key and IV derived as one). It opens to two equal check words, then the length and
 * first letters of "ssh-ed25519". */
static void test_opens_ssh_keygen(void **state)
{
    static const uint8_t name[8] = {0, 0, 0, 11, 's', 's', 'h', '-'};
    uint8_t salt[16], block[16], key_iv[48];
    (void)state;
    hex_bytes(salt, sizeof salt, "d97a1d685368e77736ac9267650a31d3");
    hex_bytes(block, sizeof block, "c9ae41915466cc3330202f34fadb4019");
    assert_true(
        bcrypt_pbkdf(span_str("correct horse"), span_make(salt, sizeof salt), 16, key_iv, sizeof key_iv));
    aes_ctr_xor(span_make(key_iv, 32), key_iv + 32, block, sizeof block);
    assert_memory_equal(block, block + 4, 4);
    assert_memory_equal(block + 8, name, sizeof name);
}

static void test_refuses(void **state)
{
    uint8_t out[1025];
    struct span some = span_str("x"), none = span_str("");
    (void)state;
    assert_false(bcrypt_pbkdf(some, some, 0, out, 32));
    assert_false(bcrypt_pbkdf(none, some, 1, out, 32));
    assert_false(bcrypt_pbkdf(some, none, 1, out, 32));
    assert_false(bcrypt_pbkdf(some, some, 1, out, 0));
    assert_false(bcrypt_pbkdf(some, some, 1, out, 1025));
    assert_true(bcrypt_pbkdf(some, some, 1, out, 1024));
    assert_true(bcrypt_pbkdf(some, some, 1, out, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_pi),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_opens_ssh_keygen),
        cmocka_unit_test(test_refuses),
    };
    return !crypto_init() || cmocka_run_group_tests(tests, NULL, NULL);
}
