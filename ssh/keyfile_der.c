#include "ssh/keyfile_der.h"

#include <string.h>

#include "ssh/pem.h"

static bool set_number(uint8_t *to, uint16_t *to_len, size_t max, struct span from)
{
    if (from.n == 0 || from.n > max)
        return false;
    memcpy(to, from.p, from.n);
    *to_len = (uint16_t)from.n;
    return true;
}

/* d mod (prime - 1): openssh-key-v1 has only d. */
static bool set_exponent(uint8_t *to, uint16_t *to_len, struct span given, struct span d, struct span prime)
{
    uint8_t out[KEY_RSA_PRIME_MAX];
    size_t len = 0;
    if (given.n > 0)
        return set_number(to, to_len, KEY_RSA_PRIME_MAX, given);
    bool ok = rsa_derive_exponent(d, prime, out, &len) &&
              set_number(to, to_len, KEY_RSA_PRIME_MAX, span_make(out, len));
    adit_wipe(out, sizeof out);
    return ok;
}

bool key_secret_set_rsa(struct key_secret *secret, const struct rsa_numbers *v)
{
    secret->type = KEY_RSA;
    return set_number(secret->n, &secret->n_len, sizeof secret->n, v->n) &&
           set_number(secret->e, &secret->e_len, sizeof secret->e, v->e) &&
           set_number(secret->d, &secret->d_len, sizeof secret->d, v->d) &&
           set_number(secret->p, &secret->p_len, sizeof secret->p, v->p) &&
           set_number(secret->q, &secret->q_len, sizeof secret->q, v->q) &&
           set_number(secret->iqmp, &secret->iqmp_len, sizeof secret->iqmp, v->iqmp) &&
           set_exponent(secret->dp, &secret->dp_len, v->dp, v->d, v->p) &&
           set_exponent(secret->dq, &secret->dq_len, v->dq, v->d, v->q);
}

bool key_secret_set_ecdsa(struct key_secret *secret, enum key_type type, struct span scalar)
{
    enum ecc_curve curve = type == KEY_ECDSA_P256 ? ECC_P256 : type == KEY_ECDSA_P384 ? ECC_P384 : ECC_P521;
    size_t n = ecc_scalar_len(curve);
    while (scalar.n > n && scalar.p[0] == 0)
        scalar = span_sub(scalar, 1, scalar.n);
    if (scalar.n == 0 || scalar.n > n)
        return false;
    secret->type = type;
    memset(secret->sk, 0, sizeof secret->sk);
    memcpy(secret->sk + n - scalar.n, scalar.p, scalar.n);
    return ecc_public(curve, secret->sk, secret->point);
}

void key_secret_set_ed25519(struct key_secret *secret, const uint8_t seed[32])
{
    uint8_t pk[32];
    secret->type = KEY_ED25519;
    ed25519_keypair(pk, secret->sk, seed);
}

/* ---- the formats ---- */

static enum der_result parse_pkcs1(struct key_secret *secret, struct span der)
{
    struct rd outer = rd_init(der);
    struct rd r = rd_init(der_read(&outer, DER_SEQUENCE));
    struct rsa_numbers v;
    struct span version = der_read_uint(&r);
    v.n = der_read_uint(&r);
    v.e = der_read_uint(&r);
    v.d = der_read_uint(&r);
    v.p = der_read_uint(&r);
    v.q = der_read_uint(&r);
    v.dp = der_read_uint(&r);
    v.dq = der_read_uint(&r);
    v.iqmp = der_read_uint(&r);
    if (!rd_done(&outer) || !rd_done(&r) || version.n != 0)
        return DER_CORRUPT;
    if (v.n.n > RSA_MAX_LEN)
        return DER_UNSUPPORTED;
    return v.dp.n > 0 && v.dq.n > 0 && key_secret_set_rsa(secret, &v) ? DER_OK : DER_CORRUPT;
}

static enum key_type type_of_curve(struct span oid)
{
    static const struct span p256 = SPAN_LIT("\x2a\x86\x48\xce\x3d\x03\x01\x07");
    static const struct span p384 = SPAN_LIT("\x2b\x81\x04\x00\x22");
    static const struct span p521 = SPAN_LIT("\x2b\x81\x04\x00\x23");
    if (span_eq(oid, p256))
        return KEY_ECDSA_P256;
    if (span_eq(oid, p384))
        return KEY_ECDSA_P384;
    return span_eq(oid, p521) ? KEY_ECDSA_P521 : KEY_NONE;
}

/* The curve stands in the key (SEC1) or around it (PKCS#8: type is then given). */
static enum der_result parse_sec1(struct key_secret *secret, struct span der, enum key_type type)
{
    struct rd outer = rd_init(der);
    struct rd r = rd_init(der_read(&outer, DER_SEQUENCE));
    struct span version = der_read_uint(&r);
    struct span scalar = der_read(&r, DER_OCTET_STRING);
    if (rd_ok(&r) && r.n > 0 && r.p[0] == DER_CONTEXT_0) {
        struct rd curve = rd_init(der_read(&r, DER_CONTEXT_0));
        enum key_type inner = type_of_curve(der_read(&curve, DER_OID));
        if (rd_done(&curve) && inner == KEY_NONE)
            return DER_UNSUPPORTED;
        if (!rd_done(&curve) || (type != KEY_NONE && type != inner))
            return DER_CORRUPT;
        type = inner;
    }
    struct rd point = {0};
    bool has_point = rd_ok(&r) && r.n > 0;
    if (has_point)
        point = rd_init(der_read(&r, DER_CONTEXT_1));
    struct span bits = has_point ? der_read(&point, DER_BIT_STRING) : (struct span){0};
    if (!rd_done(&outer) || !rd_done(&r) || !rd_done(&point) || !span_is(version, "\x01"))
        return DER_CORRUPT;
    if (type == KEY_NONE || !key_secret_set_ecdsa(secret, type, scalar))
        return DER_CORRUPT;
    /* The first octet of a BIT STRING counts unused bits. */
    size_t n = (size_t)(type == KEY_ECDSA_P256 ? 65 : type == KEY_ECDSA_P384 ? 97 : 133);
    bool is_same = bits.n == n + 1 && bits.p[0] == 0 && memcmp(bits.p + 1, secret->point, n) == 0;
    return !has_point || is_same ? DER_OK : DER_CORRUPT;
}

static enum der_result parse_ed25519(struct key_secret *secret, struct span der)
{
    struct rd r = rd_init(der); /* RFC 8410 §7: an OCTET STRING in the OCTET STRING */
    struct span seed = der_read(&r, DER_OCTET_STRING);
    if (!rd_done(&r) || seed.n != 32)
        return DER_CORRUPT;
    key_secret_set_ed25519(secret, seed.p);
    return DER_OK;
}

static enum der_result parse_pkcs8(struct key_secret *secret, struct span der)
{
    static const struct span rsa = SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
    static const struct span ec = SPAN_LIT("\x2a\x86\x48\xce\x3d\x02\x01");
    static const struct span ed25519 = SPAN_LIT("\x2b\x65\x70");
    struct rd outer = rd_init(der);
    struct rd r = rd_init(der_read(&outer, DER_SEQUENCE));
    struct span version = der_read_uint(&r);
    struct rd alg = rd_init(der_read(&r, DER_SEQUENCE));
    struct span key = der_read(&r, DER_OCTET_STRING);
    der_skip_optional(&r, DER_CONTEXT_0); /* attributes */
    der_skip_optional(&r, 0x81);          /* RFC 5958: the public key */
    struct span oid = der_read(&alg, DER_OID);
    if (!rd_done(&outer) || !rd_done(&r) || !rd_ok(&alg) || !(version.n == 0 || span_is(version, "\x01")))
        return DER_CORRUPT;
    if (span_eq(oid, rsa))
        return parse_pkcs1(secret, key);
    if (span_eq(oid, ed25519))
        return parse_ed25519(secret, key);
    if (!span_eq(oid, ec))
        return DER_UNSUPPORTED;
    enum key_type type = type_of_curve(der_read(&alg, DER_OID));
    return !rd_done(&alg) || type == KEY_NONE ? DER_UNSUPPORTED : parse_sec1(secret, key, type);
}

enum der_result keyfile_der_parse(struct key_secret *secret, struct span label, struct span der)
{
    memset(secret, 0, sizeof *secret);
    if (span_is(label, "RSA PRIVATE KEY"))
        return parse_pkcs1(secret, der);
    if (span_is(label, "EC PRIVATE KEY"))
        return parse_sec1(secret, der, KEY_NONE);
    return span_is(label, "PRIVATE KEY") ? parse_pkcs8(secret, der) : DER_UNSUPPORTED;
}
