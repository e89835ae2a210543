#include <string.h>

#include "keyfiles.h"

struct expected {
    const char *name, *passphrase;
    enum keyfile_status status;
    const char *error;
};

static const char *const plain_names[] = {
    "ed25519",        "rsa",
    "rsa4096",        "ecdsa256",
    "ecdsa384",       "ecdsa521",
    "rsa_pkcs1",      "rsa_pkcs8",
    "ecdsa256_sec1",  "ecdsa384_sec1",
    "ecdsa521_sec1",  "ecdsa256_pkcs8",
    "ecdsa384_pkcs8", "ecdsa521_pkcs8",
    "ed25519_pkcs8",
};
static const char *const sealed_names[] = {"ed25519_ctr", "ed25519_cbc", "ecdsa256_gcm", "rsa_ctr"};

static void assert_public_is(const struct keyfile *k, const char *name)
{
    uint8_t blob[2048];
    size_t n = file_public(name, blob, sizeof blob);
    assert_int_equal(k->public_len, n);
    assert_memory_equal(k->public_blob, blob, n);
}

/* A signature by the secret key is one that the public key of the .pub file verifies. */
static void assert_signs(const struct keyfile *k)
{
    struct key key;
    struct adit_error err = {0};
    uint8_t sig[KEY_SIGNATURE_MAX];
    struct wr w = wr_init(sig, sizeof sig);
    const struct span data = SPAN_LIT("what is signed");
    assert_true(key_parse(&key, span_make(k->public_blob, k->public_len)));
    const char *alg = key.type == KEY_RSA ? "rsa-sha2-512" : key_type_name(key.type);
    assert_int_equal(key_sign(&k->secret, span_str(alg), data, &w, &err), ADIT_E_OK);
    assert_int_equal(key_verify(&key, span_str(alg), wr_done(&w), data, &err), ADIT_E_OK);
}

static void plain_files_of_every_format_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(plain_names); i++) {
        struct file_text f;
        struct keyfile k;
        struct adit_error err = {0};
        file_read(&f, plain_names[i], "");
        assert_int_equal(file_parse(&k, file_span(&f), NULL, &err), KEYFILE_OK);
        assert_public_is(&k, plain_names[i]);
        assert_signs(&k);
    }
}

static void comment_of_an_openssh_file_is_given(void **state)
{
    (void)state;
    struct file_text f;
    struct keyfile k;
    file_read(&f, "ed25519", "");
    assert_int_equal(file_parse(&k, file_span(&f), NULL, NULL), KEYFILE_OK);
    assert_true(k.has_comment);
    assert_string_equal(k.comment, "ed25519 plain");
}

static void sealed_files_need_the_right_passphrase(void **state)
{
    (void)state;
    static const struct key_secret none;
    for (size_t i = 0; i < ADIT_COUNT(sealed_names); i++) {
        struct file_text f;
        struct keyfile k;
        file_read(&f, sealed_names[i], "");
        assert_int_equal(file_parse(&k, file_span(&f), NULL, NULL), KEYFILE_NEEDS_PASSPHRASE);
        assert_public_is(&k, sealed_names[i]);
        assert_memory_equal(&k.secret, &none, sizeof none);
        assert_false(k.has_comment);
        assert_int_equal(file_parse(&k, file_span(&f), "open sesamE", NULL), KEYFILE_WRONG_PASSPHRASE);
        assert_public_is(&k, sealed_names[i]);
        assert_memory_equal(&k.secret, &none, sizeof none);
        assert_int_equal(file_parse(&k, file_span(&f), "", NULL), KEYFILE_WRONG_PASSPHRASE);
        assert_int_equal(file_parse(&k, file_span(&f), passphrase_text, NULL), KEYFILE_OK);
        assert_public_is(&k, sealed_names[i]);
        assert_string_equal(k.comment, "sealed");
        assert_signs(&k);
    }
}

static void sealed_pem_and_pkcs8_files_open(void **state)
{
    (void)state;
    static const char *const names[] = {
        "rsa_pem_sealed",   "ecdsa256_pem_des3",     "ecdsa384_pem_aes256",  "ecdsa521_pem_aes192",
        "rsa_pkcs8_sealed", "ed25519_pkcs8_sha512",  "ecdsa256_pkcs8_sha1",  "ecdsa256_pkcs8_des3",
        "rsa_pkcs8_sha384", "ecdsa256_pkcs8_scrypt", "ecdsa256_pkcs8_pbes1",
    };
    static const struct key_secret none;
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        struct file_text f;
        struct keyfile k;
        struct adit_error err = {0};
        file_read(&f, names[i], "");
        assert_int_equal(file_parse(&k, file_span(&f), NULL, &err), KEYFILE_NEEDS_PASSPHRASE);
        assert_int_equal(err.code, ADIT_E_AUTH);
        assert_int_equal(k.public_len, 0); /* it is sealed too */
        assert_int_equal(file_parse(&k, file_span(&f), "open sesamE", NULL), KEYFILE_WRONG_PASSPHRASE);
        assert_memory_equal(&k.secret, &none, sizeof none);
        assert_int_equal(file_parse(&k, file_span(&f), "", NULL), KEYFILE_WRONG_PASSPHRASE);
        assert_int_equal(file_parse(&k, file_span(&f), passphrase_text, NULL), KEYFILE_OK);
        assert_public_is(&k, names[i]);
        assert_signs(&k);
    }
}

/* Whatever is changed in the text: never a crash, never a key that is another. */
static void damaged_sealed_files(void **state)
{
    (void)state;
    static const char *const names[] = {"ecdsa384_pem_aes256", "ecdsa256_pkcs8_des3"};
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        struct file_text f;
        struct keyfile k;
        file_read(&f, names[i], "");
        for (size_t at = 0; at < f.n; at++) {
            uint8_t was = f.bytes[at];
            f.bytes[at] = was == 'A' ? 'B' : 'A';
            if (file_parse(&k, file_span(&f), passphrase_text, NULL) == KEYFILE_OK)
                assert_public_is(&k, names[i]);
            f.bytes[at] = was;
        }
        for (size_t n = 0; n < f.n - 2; n++)
            assert_int_not_equal(file_parse(&k, span_make(f.bytes, n), passphrase_text, NULL), KEYFILE_OK);
    }
}

/* A file that would keep us busy for minutes. */
static void too_many_rounds_are_refused(void **state)
{
    (void)state;
    struct file_text f;
    struct keyfile k;
    struct adit_error err = {0};
    file_read(&f, "ecdsa256_pkcs8_rounds", "");
    assert_int_equal(file_parse(&k, file_span(&f), passphrase_text, &err), KEYFILE_UNSUPPORTED);
}

static void other_kinds_are_refused_by_name(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"ed25519_chacha", passphrase_text, KEYFILE_UNSUPPORTED, "cipher"},
        {"rsa1024", NULL, KEYFILE_UNSUPPORTED, "1024 bits"},
        {"dsa", NULL, KEYFILE_UNSUPPORTED, "DSA"},
        {"ed25519.pub", NULL, KEYFILE_UNSUPPORTED, "public key"},
        {"README", NULL, KEYFILE_CORRUPT, "BEGIN"},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct file_text f;
        struct keyfile k;
        struct adit_error err = {0};
        file_read(&f, rows[i].name, "");
        assert_int_equal(file_parse(&k, file_span(&f), rows[i].passphrase, &err), rows[i].status);
        assert_non_null(strstr(err.text, rows[i].error));
    }
}

static void crlf_and_text_before_the_key_are_taken(void **state)
{
    (void)state;
    struct file_text f, changed;
    struct keyfile k;
    file_read(&f, "ed25519_pkcs8", "");
    memcpy(changed.bytes, "Bag\r\n", 5);
    changed.n = 5;
    for (size_t i = 0; i < f.n; i++) {
        if (f.bytes[i] == '\n')
            changed.bytes[changed.n++] = '\r';
        changed.bytes[changed.n++] = f.bytes[i];
    }
    assert_int_equal(file_parse(&k, file_span(&changed), NULL, NULL), KEYFILE_OK);
}

/* Every cut before the END line is whole is damage, never a key. */
static void cut_files_are_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"ed25519", "ed25519_pkcs8", "ecdsa256_sec1", "rsa_pkcs1"};
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        struct file_text f;
        struct keyfile k;
        file_read(&f, names[i], "");
        for (size_t n = 0; n < f.n - 1; n++)
            assert_int_equal(file_parse(&k, span_make(f.bytes, n), NULL, NULL), KEYFILE_CORRUPT);
    }
}

/* Of a plain Ed25519 file every byte inside is checked but those of the comment and unused bits of the outer
 * text: whatever still opens must be the same key. */
static void a_changed_byte_never_gives_another_key(void **state)
{
    (void)state;
    struct file_text f;
    struct keyfile right, k;
    file_read(&f, "ed25519", "");
    assert_int_equal(file_parse(&right, file_span(&f), NULL, NULL), KEYFILE_OK);
    size_t refused = 0;
    for (size_t i = 0; i < f.n; i++) {
        f.bytes[i] ^= 1;
        if (file_parse(&k, file_span(&f), NULL, NULL) == KEYFILE_OK)
            assert_memory_equal(&k.secret, &right.secret, sizeof k.secret);
        else
            refused++;
        f.bytes[i] ^= 1;
    }
    assert_true(refused > f.n * 8 / 10);
}

static void scratch_is_wiped(void **state)
{
    (void)state;
    struct file_text f;
    struct keyfile k;
    uint8_t scratch[4096], zero[4096] = {0};
    file_read(&f, "ed25519", "");
    memset(scratch, 0xaa, sizeof scratch);
    struct wspan lent = {scratch, sizeof scratch};
    assert_int_equal(keyfile_parse(&k, file_span(&f), NULL, lent, NULL), KEYFILE_OK);
    assert_memory_equal(scratch, zero, sizeof zero);
    lent.n = f.n - 1;
    assert_int_equal(keyfile_parse(&k, file_span(&f), NULL, lent, NULL), KEYFILE_UNSUPPORTED);
}

static void pub_lines(void **state)
{
    (void)state;
    uint8_t blob[1024];
    struct pubkey_line line;
    struct wspan room = {blob, sizeof blob};
    static const char good[] =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a b\n";
    assert_true(pubkey_line_parse(&line, span_str(good), room));
    assert_true(span_is(line.comment, "a b"));
    assert_int_equal(line.blob.n, 51);
    assert_false(pubkey_line_parse(&line, span_str("ssh-ed25519"), room));
    assert_false(pubkey_line_parse(&line, span_str(""), room));
    assert_false(pubkey_line_parse(
        &line, span_str("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"),
        room));
    assert_false(pubkey_line_parse(&line, span_str(good), (struct wspan){blob, 50}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_files_of_every_format_open),
        cmocka_unit_test(comment_of_an_openssh_file_is_given),
        cmocka_unit_test(sealed_files_need_the_right_passphrase),
        cmocka_unit_test(sealed_pem_and_pkcs8_files_open),
        cmocka_unit_test(damaged_sealed_files),
        cmocka_unit_test(too_many_rounds_are_refused),
        cmocka_unit_test(other_kinds_are_refused_by_name),
        cmocka_unit_test(crlf_and_text_before_the_key_are_taken),
        cmocka_unit_test(cut_files_are_damage),
        cmocka_unit_test(a_changed_byte_never_gives_another_key),
        cmocka_unit_test(scratch_is_wiped),
        cmocka_unit_test(pub_lines),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
