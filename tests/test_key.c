#include <string.h>

#include "keyfiles.h"

static const enum key_type makeable[] = {KEY_ED25519, KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_ECDSA_P521};
static const struct span message = SPAN_LIT("what is signed");

struct made {
    struct key_secret secret;
    uint8_t blob[KEY_PUBLIC_MAX], sig[KEY_SIGNATURE_MAX];
    size_t blob_len, sig_len;
    struct key key;
};

static void make_key(struct made *m, enum key_type type)
{
    static const uint8_t seed[32] = {1, 2, 3};
    struct drbg random;
    drbg_init(&random, seed);
    assert_true(key_generate(type, &random, &m->secret));
    struct wr w = wr_init(m->blob, sizeof m->blob);
    assert_true(key_secret_public(&m->secret, &w));
    m->blob_len = w.used;
    assert_true(key_parse(&m->key, wr_done(&w)));
    assert_int_equal(m->key.type, type);
    w = wr_init(m->sig, sizeof m->sig);
    assert_int_equal(key_sign(&m->secret, span_str(key_type_name(type)), message, &w, NULL), ADIT_E_OK);
    m->sig_len = w.used;
}

static enum adit_err verify(const struct made *m, const char *alg, struct span sig)
{
    return key_verify(&m->key, span_str(alg), sig, message, NULL);
}

/* [RFC 8332 3a] */
static void names_go_both_ways(void **state)
{
    (void)state;
    for (int t = KEY_ED25519; t < KEY_TYPES; t++)
        assert_int_equal(key_type_of_name(span_str(key_type_name((enum key_type)t))), t);
    assert_int_equal(key_type_of_name(span_str("")), KEY_NONE);
    assert_int_equal(key_type_of_name(span_str("ssh-dss")), KEY_NONE);
    assert_int_equal(key_type_for_sigalg(span_str("ssh-rsa")), KEY_NONE);
    assert_int_equal(key_type_for_sigalg(span_str("rsa-sha2-256")), KEY_RSA);
    assert_true(key_name_is_cert(span_str("ssh-ed25519-cert-v01@openssh.com")));
    assert_false(key_name_is_cert(span_str("ssh-ed25519")));
}

static void fingerprints_are_those_of_ssh_keygen(void **state)
{
    (void)state;
    static const struct {
        const char *name, *fingerprint;
        unsigned bits;
    } rows[] = {
        {"ed25519", "SHA256:QRN64AtOinJqOOrnxlbiSBWcoeZPdIEf/ws7NeU1TLo", 256},
        {"ecdsa521", "SHA256:T0xh5gN2LRIa1xGa5GAnIuae/pG2Xs48dsiUAOF+SGI", 521},
        {"rsa", "SHA256:s/mcuyxHuURv5zOft1Mt7peDw0LkAZ670tekQgecUOY", 3072},
        {"rsa1024", "SHA256:Gdk9hDA1DNmQMMkbgPDLL+b05Uo3L+QYFCQtpKiqSIg", 1024},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        uint8_t blob[1024];
        char text[KEY_FINGERPRINT_LEN + 1];
        struct key key;
        struct span b = {blob, file_public(rows[i].name, blob, sizeof blob)};
        key_fingerprint(b, text);
        assert_string_equal(text, rows[i].fingerprint);
        assert_true(key_parse(&key, b));
        assert_int_equal(key_bits(&key), rows[i].bits);
    }
}

/* [RFC 4253 6.6d] [RFC 5656 3a 3.1a] */
static void cut_longer_and_foreign_blobs_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(makeable); i++) {
        struct made m;
        struct key key;
        make_key(&m, makeable[i]);
        for (size_t n = 0; n < m.blob_len; n++)
            assert_false(key_parse(&key, span_make(m.blob, n)));
        assert_false(key_parse(&key, span_make(m.blob, m.blob_len + 1)));
        m.blob[m.blob_len - 1] ^= 1; /* off the curve; of Ed25519 another key */
        assert_int_equal(key_parse(&key, span_make(m.blob, m.blob_len)), makeable[i] == KEY_ED25519);
        assert_true(key_parse_shape(&key, span_make(m.blob, m.blob_len)));
    }
}

/* [RFC 4253 6.6b 6.6c] [RFC 5656 3.1.2a 6.2a] */
static void signatures_verify_and_every_change_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(makeable); i++) {
        struct made m;
        make_key(&m, makeable[i]);
        const char *alg = key_type_name(makeable[i]);
        assert_int_equal(verify(&m, alg, span_make(m.sig, m.sig_len)), ADIT_E_OK);
        assert_int_equal(verify(&m, alg, span_make(m.sig, m.sig_len + 1)), ADIT_E_INTEGRITY);
        for (size_t n = 0; n < m.sig_len; n++) {
            assert_int_equal(verify(&m, alg, span_make(m.sig, n)), ADIT_E_INTEGRITY);
            if (n % 4 == 0 || n < 40) {
                m.sig[n] ^= 1;
                assert_int_equal(verify(&m, alg, span_make(m.sig, m.sig_len)), ADIT_E_INTEGRITY);
                m.sig[n] ^= 1;
            }
        }
        assert_int_equal(verify(&m, "rsa-sha2-512", span_make(m.sig, m.sig_len)), ADIT_E_INTEGRITY);
        assert_int_equal(
            key_verify(&m.key, span_str(alg), span_make(m.sig, m.sig_len), span_str("other"), NULL),
            ADIT_E_INTEGRITY);
    }
}

/* [RFC 8332 3a 3.1a 3.2a 5.2a] */
static void rsa_signs_with_the_name_that_was_agreed(void **state)
{
    (void)state;
    static const char *const algs[] = {"rsa-sha2-512", "rsa-sha2-256"};
    struct file_text f;
    struct keyfile k;
    struct key key;
    file_read(&f, "rsa", "");
    assert_int_equal(file_parse(&k, file_span(&f), NULL, NULL), KEYFILE_OK);
    assert_true(key_parse(&key, span_make(k.public_blob, k.public_len)));
    for (size_t i = 0; i < 2; i++) {
        uint8_t sig[KEY_SIGNATURE_MAX];
        struct wr w = wr_init(sig, sizeof sig);
        assert_int_equal(key_sign(&k.secret, span_str(algs[i]), message, &w, NULL), ADIT_E_OK);
        assert_int_equal(key_verify(&key, span_str(algs[i]), wr_done(&w), message, NULL), ADIT_E_OK);
        assert_int_equal(key_verify(&key, span_str(algs[1 - i]), wr_done(&w), message, NULL),
                         ADIT_E_INTEGRITY);
    }
    uint8_t sig[KEY_SIGNATURE_MAX];
    struct wr w = wr_init(sig, sizeof sig);
    assert_int_equal(key_sign(&k.secret, span_str("ssh-rsa"), message, &w, NULL), ADIT_E_UNSUPPORTED);
}

/* [RFC 8332 5.1a] */
static void small_rsa_keys_parse_but_verify_nothing(void **state)
{
    (void)state;
    uint8_t blob[1024];
    struct key key;
    struct adit_error err = {0};
    assert_true(key_parse(&key, span_make(blob, file_public("rsa1024", blob, sizeof blob))));
    assert_int_equal(key_verify(&key, span_str("rsa-sha2-512"), message, message, &err), ADIT_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "1024 bits"));
}

/* A token's signature, made here with its message format and an Ed25519 key. */
static void sk_signatures_cover_their_flags(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        unsigned flags = i & 1, said = i >> 1;
        struct made m;
        uint8_t blob[256], msg[69] = {0}, raw[64], sig[256];
        struct key key;
        make_key(&m, KEY_ED25519);
        struct wr w = wr_init(blob, sizeof blob);
        wr_cstring(&w, "sk-ssh-ed25519@openssh.com");
        wr_string(&w, span_make(m.secret.sk + 32, 32));
        wr_cstring(&w, "ssh:");
        assert_true(key_parse(&key, wr_done(&w)));
        hash_of(HASH_SHA256, span_str("ssh:"), msg);
        msg[32] = (uint8_t)flags;
        msg[36] = 9;
        hash_of(HASH_SHA256, message, msg + 37);
        ed25519_sign(raw, span_make(msg, sizeof msg), m.secret.sk);
        w = wr_init(sig, sizeof sig);
        wr_cstring(&w, "sk-ssh-ed25519@openssh.com");
        wr_string(&w, span_make(raw, sizeof raw));
        wr_u8(&w, (uint8_t)said);
        wr_u32(&w, 9);
        assert_int_equal(key_verify(&key, span_str("sk-ssh-ed25519@openssh.com"), wr_done(&w), message, NULL),
                         flags == said ? ADIT_E_OK : ADIT_E_INTEGRITY);
    }
}

/* What a token is asked to sign for is a text to ssh: one reader must not end it where another goes on. */
static void an_application_has_no_zero_byte(void **state)
{
    (void)state;
    static const char *const names[] = {"sk_ed25519", "sk_ecdsa"};
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        uint8_t blob[1024];
        struct key key;
        size_t n = file_public(names[i], blob, sizeof blob);
        assert_true(key_parse(&key, span_make(blob, n)) && span_is(key.application, "ssh:"));
        blob[n - 2] = 0;
        assert_false(key_parse(&key, span_make(blob, n)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_application_has_no_zero_byte),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(fingerprints_are_those_of_ssh_keygen),
        cmocka_unit_test(cut_longer_and_foreign_blobs_are_refused),
        cmocka_unit_test(signatures_verify_and_every_change_is_noticed),
        cmocka_unit_test(rsa_signs_with_the_name_that_was_agreed),
        cmocka_unit_test(small_rsa_keys_parse_but_verify_nothing),
        cmocka_unit_test(sk_signatures_cover_their_flags),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
