#include "ssh/keyfile_seal.h"

#include <string.h>

#include "ssh/pem.h"

/* The ciphers, by both their names. */
static const struct cipher_name {
    const char *dek; /* in DEK-Info */
    struct span oid; /* in PBES2 */
    bool is_des;
    size_t key_len, block_len;
} ciphers[] = {
    {"AES-128-CBC", SPAN_LIT("\x60\x86\x48\x01\x65\x03\x04\x01\x02"), false, 16, 16},
    {"AES-192-CBC", SPAN_LIT("\x60\x86\x48\x01\x65\x03\x04\x01\x16"), false, 24, 16},
    {"AES-256-CBC", SPAN_LIT("\x60\x86\x48\x01\x65\x03\x04\x01\x2a"), false, 32, 16},
    {"DES-EDE3-CBC", SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x03\x07"), true, 24, 8},
};

static const struct {
    enum hash_alg alg;
    struct span oid; /* hmacWith... */
} prfs[] = {
    {HASH_SHA1, SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x02\x07")},
    {HASH_SHA256, SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x02\x09")},
    {HASH_SHA384, SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x02\x0a")},
    {HASH_SHA512, SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x02\x0b")},
};

static void set_cipher(struct der_seal *seal, const struct cipher_name *c)
{
    seal->is_des = c->is_des;
    seal->key_len = c->key_len;
    seal->block_len = c->block_len;
}

static bool data_is_whole(const struct der_seal *seal)
{
    return seal->data.n > 0 && seal->data.n % seal->block_len == 0;
}

/* ---- DEK-Info ---- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool read_hex(struct span hex, uint8_t *out, size_t n)
{
    if (hex.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

enum der_result der_seal_read_pem(struct der_seal *seal, struct span dek_info, struct wspan data)
{
    struct span rest = dek_info, name = {0};
    memset(seal, 0, sizeof *seal);
    seal->kdf = DER_KDF_MD5;
    seal->data = data;
    if (!names_next(&rest, &name))
        return DER_CORRUPT;
    for (size_t i = 0; i < ADIT_COUNT(ciphers); i++)
        if (span_is(name, ciphers[i].dek))
            set_cipher(seal, &ciphers[i]);
    if (seal->key_len == 0)
        return DER_UNSUPPORTED;
    return read_hex(rest, seal->iv, seal->block_len) && data_is_whole(seal) ? DER_OK : DER_CORRUPT;
}

/* ---- PBES2 ---- */

static enum der_result read_prf(struct der_seal *seal, struct rd *r)
{
    seal->prf = HASH_SHA1; /* RFC 8018 §A.2: the default */
    if (!rd_ok(r) || r->n == 0)
        return rd_done(r) ? DER_OK : DER_CORRUPT;
    struct rd alg = rd_init(der_read(r, DER_SEQUENCE));
    struct span oid = der_read(&alg, DER_OID);
    if (!rd_done(r) || !rd_ok(&alg))
        return DER_CORRUPT;
    for (size_t i = 0; i < ADIT_COUNT(prfs); i++) {
        seal->prf = prfs[i].alg;
        if (span_eq(oid, prfs[i].oid))
            return DER_OK;
    }
    return DER_UNSUPPORTED;
}

/* An INTEGER above zero; UINT32_MAX stands for all that are larger. */
static bool read_count(struct rd *r, uint32_t *out)
{
    struct span number = der_read_uint(r);
    *out = number.n > 4 ? UINT32_MAX : 0;
    for (size_t i = 0; i < number.n && number.n <= 4; i++)
        *out = *out << 8 | number.p[i];
    return rd_ok(r) && number.n > 0;
}

static enum der_result read_pbkdf2(struct der_seal *seal, struct rd *params)
{
    seal->kdf = DER_KDF_PBKDF2;
    seal->salt = der_read(params, DER_OCTET_STRING);
    if (!read_count(params, &seal->rounds))
        return DER_CORRUPT;
    if (seal->rounds > DER_SEAL_ROUNDS_MAX)
        return DER_UNSUPPORTED;
    der_skip_optional(params, DER_INTEGER); /* the key's length, which the cipher says too */
    return read_prf(seal, params);
}

/* RFC 7914 §7. */
static enum der_result read_scrypt(struct der_seal *seal, struct rd *params)
{
    seal->kdf = DER_KDF_SCRYPT;
    seal->salt = der_read(params, DER_OCTET_STRING);
    bool is_whole = read_count(params, &seal->cost) && read_count(params, &seal->block_size) &&
                    read_count(params, &seal->parallel);
    der_skip_optional(params, DER_INTEGER);
    if (!is_whole || !rd_done(params))
        return DER_CORRUPT;
    return scrypt_is_affordable(seal->cost, seal->block_size, seal->parallel) ? DER_OK : DER_UNSUPPORTED;
}

static enum der_result read_kdf(struct der_seal *seal, struct span kdf)
{
    static const struct span pbkdf2_oid = SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c");
    static const struct span scrypt_oid = SPAN_LIT("\x2b\x06\x01\x04\x01\xda\x47\x04\x0b");
    struct rd r = rd_init(kdf);
    struct span oid = der_read(&r, DER_OID);
    if (!rd_ok(&r))
        return DER_CORRUPT;
    if (!span_eq(oid, pbkdf2_oid) && !span_eq(oid, scrypt_oid))
        return DER_UNSUPPORTED;
    struct rd params = rd_init(der_read(&r, DER_SEQUENCE));
    if (!rd_done(&r))
        return DER_CORRUPT;
    return span_eq(oid, scrypt_oid) ? read_scrypt(seal, &params) : read_pbkdf2(seal, &params);
}

static enum der_result read_cipher(struct der_seal *seal, struct span cipher)
{
    struct rd r = rd_init(cipher);
    struct span oid = der_read(&r, DER_OID);
    if (!rd_ok(&r))
        return DER_CORRUPT;
    for (size_t i = 0; i < ADIT_COUNT(ciphers); i++)
        if (span_eq(oid, ciphers[i].oid))
            set_cipher(seal, &ciphers[i]);
    if (seal->key_len == 0)
        return DER_UNSUPPORTED;
    struct span iv = der_read(&r, DER_OCTET_STRING);
    if (!rd_done(&r) || iv.n != seal->block_len)
        return DER_CORRUPT;
    memcpy(seal->iv, iv.p, iv.n);
    return DER_OK;
}

/* RFC 7292 §C: pbeWithSHAAnd3-KeyTripleDES-CBC. */
static enum der_result read_pkcs12(struct der_seal *seal, struct rd *alg)
{
    struct rd params = rd_init(der_read(alg, DER_SEQUENCE));
    seal->kdf = DER_KDF_PKCS12;
    seal->salt = der_read(&params, DER_OCTET_STRING);
    if (!read_count(&params, &seal->rounds) || !rd_done(&params) || !rd_done(alg) || seal->salt.n == 0)
        return DER_CORRUPT;
    for (size_t i = 0; i < ADIT_COUNT(ciphers); i++)
        if (ciphers[i].is_des)
            set_cipher(seal, &ciphers[i]);
    return seal->rounds <= DER_SEAL_ROUNDS_MAX && seal->salt.n <= 64 ? DER_OK : DER_UNSUPPORTED;
}

static enum der_result read_pbes2(struct der_seal *seal, struct rd *alg)
{
    struct rd params = rd_init(der_read(alg, DER_SEQUENCE));
    struct span kdf = der_read(&params, DER_SEQUENCE), cipher = der_read(&params, DER_SEQUENCE);
    if (!rd_done(alg) || !rd_done(&params))
        return DER_CORRUPT;
    enum der_result result = read_kdf(seal, kdf);
    return result == DER_OK ? read_cipher(seal, cipher) : result;
}

enum der_result der_seal_read_pkcs8(struct der_seal *seal, struct wspan der)
{
    static const struct span pbes2 = SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d");
    static const struct span pkcs12 = SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03");
    struct rd outer = rd_init(span_make(der.p, der.n));
    struct rd r = rd_init(der_read(&outer, DER_SEQUENCE));
    struct rd alg = rd_init(der_read(&r, DER_SEQUENCE));
    struct span data = der_read(&r, DER_OCTET_STRING), oid = der_read(&alg, DER_OID);
    memset(seal, 0, sizeof *seal);
    if (!rd_done(&outer) || !rd_done(&r) || !rd_ok(&alg))
        return DER_CORRUPT;
    if (!span_eq(oid, pbes2) && !span_eq(oid, pkcs12))
        return DER_UNSUPPORTED;
    seal->data = (struct wspan){der.p + (data.p - der.p), data.n};
    enum der_result result = span_eq(oid, pbes2) ? read_pbes2(seal, &alg) : read_pkcs12(seal, &alg);
    return result == DER_OK && !data_is_whole(seal) ? DER_CORRUPT : result;
}

/* ---- opening ---- */

/* RFC 8018 §6.1.1: n bytes of the value n, 1 to a block. */
static bool strip_padding(const struct der_seal *seal, struct span *opened)
{
    uint8_t last = seal->data.p[seal->data.n - 1];
    if (last == 0 || last > seal->block_len)
        return false;
    for (size_t i = 0; i < last; i++)
        if (seal->data.p[seal->data.n - 1 - i] != last)
            return false;
    *opened = span_make(seal->data.p, seal->data.n - last);
    return true;
}

static bool derive(struct der_seal *seal, struct span passphrase, uint8_t key[static 32])
{
    switch (seal->kdf) {
    case DER_KDF_MD5:
        pem_md5_kdf(passphrase, seal->iv, key, seal->key_len);
        return true;
    case DER_KDF_PBKDF2:
        pbkdf2(seal->prf, passphrase, seal->salt, seal->rounds, key, seal->key_len);
        return true;
    case DER_KDF_SCRYPT:
        return scrypt_kdf(passphrase, seal->salt, seal->cost, seal->block_size, seal->parallel, key,
                          seal->key_len);
    case DER_KDF_PKCS12:
        return pkcs12_kdf(1, passphrase, seal->salt, seal->rounds, key, seal->key_len) &&
               pkcs12_kdf(2, passphrase, seal->salt, seal->rounds, seal->iv, seal->block_len);
    }
    return false;
}

bool der_seal_open(struct der_seal *seal, struct span passphrase, struct span *opened)
{
    uint8_t key[32];
    *opened = (struct span){0};
    bool is_derived = derive(seal, passphrase, key);
    if (is_derived && seal->is_des)
        des3_cbc_decrypt(key, seal->iv, seal->data.p, seal->data.n);
    else if (is_derived)
        aes_cbc_decrypt(span_make(key, seal->key_len), seal->iv, seal->data.p, seal->data.n);
    adit_wipe(key, sizeof key);
    return is_derived && strip_padding(seal, opened);
}
