#include "ssh/key.h"

#include <string.h>

#include "ssh/base64.h"

/* One row a key type; the name of the type is also that of its signatures, but for RSA. */
static const struct key_kind {
    const char *name, *short_name, *curve_name;
    enum ecc_curve curve;
    unsigned bits; /* 0: as many as the modulus has */
} kinds[KEY_TYPES] = {
    [KEY_NONE] = {"", "UNKNOWN", NULL, ECC_P256, 0},
    [KEY_ED25519] = {"ssh-ed25519", "ED25519", NULL, ECC_P256, 256},
    [KEY_ECDSA_P256] = {"ecdsa-sha2-nistp256", "ECDSA", "nistp256", ECC_P256, 256},
    [KEY_ECDSA_P384] = {"ecdsa-sha2-nistp384", "ECDSA", "nistp384", ECC_P384, 384},
    [KEY_ECDSA_P521] = {"ecdsa-sha2-nistp521", "ECDSA", "nistp521", ECC_P521, 521},
    [KEY_RSA] = {"ssh-rsa", "RSA", NULL, ECC_P256, 0},
    [KEY_SK_ED25519] = {"sk-ssh-ed25519@openssh.com", "ED25519-SK", NULL, ECC_P256, 256},
    [KEY_SK_ECDSA] = {"sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-SK", "nistp256", ECC_P256, 256},
};

const char *key_type_name(enum key_type type)
{
    return kinds[type].name;
}

enum key_type key_type_of_name(struct span name)
{
    for (int i = KEY_NONE + 1; i < KEY_TYPES; i++)
        if (span_is(name, kinds[i].name))
            return (enum key_type)i;
    return KEY_NONE;
}

const char *key_short_name(enum key_type type)
{
    return kinds[type].short_name;
}

bool key_name_is_cert(struct span name)
{
    static const char tail[] = "-cert-v01@openssh.com";
    size_t n = sizeof tail - 1;
    return name.n > n && span_is(span_sub(name, name.n - n, n), tail);
}

/* ---- public keys ---- */

static unsigned bit_len(struct span magnitude)
{
    if (magnitude.n == 0)
        return 0;
    unsigned bits = (unsigned)magnitude.n * 8;
    for (unsigned top = magnitude.p[0]; top < 0x80 && bits > 0; top <<= 1)
        bits--;
    return bits;
}

static bool is_odd(struct span magnitude)
{
    return magnitude.n > 0 && (magnitude.p[magnitude.n - 1] & 1) != 0;
}

static void read_rsa(struct rd *r, struct key *k)
{
    enum { BITS_MIN = 1024, BITS_MAX = 16384, EXPONENT_BITS_MAX = 64 };
    k->e = rd_mpint(r);
    k->n = rd_mpint(r);
    unsigned n_bits = bit_len(k->n), e_bits = bit_len(k->e);
    if (n_bits < BITS_MIN || n_bits > BITS_MAX || e_bits < 2 || e_bits > EXPONENT_BITS_MAX || !is_odd(k->n) ||
        !is_odd(k->e))
        rd_fail(r);
}

static void read_ed25519(struct rd *r, struct key *k)
{
    k->point = rd_string(r);
    if (k->point.n != 32)
        rd_fail(r);
}

/* RFC 5656 §3.1: string curve name, string Q. Compressed points are a MAY that nobody uses.
 * [RFC 5656 3a 3.1a 6.1a 6.2a 10.1a] */
static void read_ecdsa(struct rd *r, struct key *k)
{
    const struct key_kind *kind = &kinds[k->type];
    struct span curve = rd_string(r);
    k->point = rd_string(r);
    if (!span_is(curve, kind->curve_name) || k->point.n != ecc_point_len(kind->curve) || k->point.p[0] != 4)
        rd_fail(r);
}

static bool is_sk(enum key_type type)
{
    return type == KEY_SK_ED25519 || type == KEY_SK_ECDSA;
}

void key_read_fields(struct rd *r, enum key_type type, struct key *k)
{
    *k = (struct key){.type = type};
    if (type == KEY_NONE)
        rd_fail(r);
    else if (type == KEY_RSA)
        read_rsa(r, k);
    else if (kinds[type].curve_name != NULL)
        read_ecdsa(r, k);
    else
        read_ed25519(r, k);
    if (is_sk(type)) {
        k->application = rd_string(r);
        /* A text to ssh, and none with a zero byte in it. */
        if (k->application.n > 0 && memchr(k->application.p, 0, k->application.n) != NULL)
            rd_fail(r);
    }
}

/* [RFC 4253 6.6d] */
bool key_parse_shape(struct key *k, struct span blob)
{
    struct rd r = rd_init(blob);
    enum key_type type = key_type_of_name(rd_string(&r));
    if (blob.n > LIMIT_KEY_BLOB)
        rd_fail(&r);
    key_read_fields(&r, type, k);
    k->blob = blob;
    if (rd_done(&r))
        return true;
    *k = (struct key){0};
    return false;
}

bool key_point_is_valid(const struct key *k)
{
    const struct key_kind *kind = &kinds[k->type];
    return kind->curve_name == NULL || ecc_point_is_valid(kind->curve, k->point);
}

bool key_parse(struct key *k, struct span blob)
{
    if (!key_parse_shape(k, blob))
        return false;
    if (key_point_is_valid(k))
        return true;
    *k = (struct key){0};
    return false;
}

unsigned key_bits(const struct key *k)
{
    return k->type == KEY_RSA ? bit_len(k->n) : kinds[k->type].bits;
}

void key_digest_text(struct span digest, char out[static KEY_DIGEST_TEXT_CAP])
{
    size_t n = base64_encode(out, KEY_DIGEST_TEXT_CAP, digest);
    while (n > 0 && out[n - 1] == '=')
        out[--n] = '\0';
}

void key_fingerprint(struct span blob, char out[static KEY_FINGERPRINT_LEN + 1])
{
    static const char head[] = "SHA256:";
    char text[KEY_DIGEST_TEXT_CAP];
    uint8_t digest[32];
    hash_of(HASH_SHA256, blob, digest);
    key_digest_text(span_make(digest, sizeof digest), text);
    memcpy(out, head, sizeof head - 1);
    memcpy(out + sizeof head - 1, text, KEY_FINGERPRINT_LEN - (sizeof head - 1) + 1);
}

/* ---- signatures ---- */

/* [RFC 8332 3a 5.2a] */
enum key_type key_type_for_sigalg(struct span sigalg)
{
    if (span_is(sigalg, "rsa-sha2-512") || span_is(sigalg, "rsa-sha2-256"))
        return KEY_RSA;
    enum key_type type = key_type_of_name(sigalg);
    return type == KEY_RSA ? KEY_NONE : type; /* "ssh-rsa" is SHA-1 */
}

bool key_line_is_of(struct span written, struct span name)
{
    return span_eq(written, name) || (span_is(name, "ssh-rsa") && key_type_for_sigalg(written) == KEY_RSA);
}

/* [RFC 5656 3.1.2a] */
static bool ecdsa_matches(const struct key *k, struct span signature, struct span data)
{
    /* RFC 5656 §3.1.2: the signature is two mpints in a string. */
    struct rd r = rd_init(signature);
    struct span sig_r = rd_mpint(&r), sig_s = rd_mpint(&r);
    return rd_done(&r) && ecdsa_verify(kinds[k->type].curve, k->point, data, sig_r, sig_s);
}

static bool ed25519_matches(const struct key *k, struct span signature, struct span data)
{
    return signature.n == 64 && ed25519_verify(signature.p, data, k->point.p);
}

/* PROTOCOL.u2f: what a token signs is SHA256(application) || flags || counter || SHA256(data). Whether
 * somebody touched it is for servers to ask of users: a host's key or an authority's signs unattended, and
 * ssh takes that too. */
static bool sk_matches(const struct key *k, struct span signature, uint8_t flags, uint32_t counter,
                       struct span data)
{
    uint8_t msg[32 + 1 + 4 + 32];
    hash_of(HASH_SHA256, k->application, msg);
    msg[32] = flags;
    put_u32(msg + 33, counter);
    hash_of(HASH_SHA256, data, msg + 37);
    struct span signed_data = span_make(msg, sizeof msg);
    return k->type == KEY_SK_ECDSA ? ecdsa_matches(k, signature, signed_data)
                                   : ed25519_matches(k, signature, signed_data);
}

/* [RFC 4253 6.6c] [RFC 8332 3.1a] */
static bool signature_matches(const struct key *k, struct span sigalg, struct span blob, struct span data)
{
    struct rd r = rd_init(blob);
    struct span name = rd_string(&r);
    struct span signature = rd_string_max(&r, LIMIT_SIGNATURE);
    uint8_t flags = is_sk(k->type) ? rd_u8(&r) : 0;
    uint32_t counter = is_sk(k->type) ? rd_u32(&r) : 0;
    /* RFC 8332 §3.2: the name inside is the algorithm that was agreed on, and no other. */
    if (!rd_done(&r) || !span_eq(name, sigalg))
        return false;
    if (is_sk(k->type))
        return sk_matches(k, signature, flags, counter, data);
    if (k->type == KEY_ED25519)
        return ed25519_matches(k, signature, data);
    if (k->type != KEY_RSA)
        return ecdsa_matches(k, signature, data);
    return rsa_verify(span_is(sigalg, "rsa-sha2-512") ? HASH_SHA512 : HASH_SHA256, k->n, k->e, data,
                      signature);
}

/* [RFC 4253 6.6b] [RFC 8332 5.1a] */
enum adit_err key_verify(const struct key *k, struct span sigalg, struct span signature, struct span data,
                         struct adit_error *err)
{
    if (k->type == KEY_NONE || key_type_for_sigalg(sigalg) != k->type)
        return adit_fail(err, ADIT_E_INTEGRITY, "%.*s is no signature of a key of type %s",
                         (int)(sigalg.n < 64 ? sigalg.n : 64), sigalg.p, key_short_name(k->type));
    unsigned bits = key_bits(k);
    if (k->type == KEY_RSA && (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS))
        return adit_fail(err, ADIT_E_UNSUPPORTED, "an RSA key of %u bits is not used (%d to %d are)", bits,
                         (int)RSA_MIN_BITS, (int)RSA_MAX_BITS);
    if (!signature_matches(k, sigalg, signature, data))
        return adit_fail(err, ADIT_E_INTEGRITY, "a signature by a key of type %s is wrong",
                         key_short_name(k->type));
    return ADIT_E_OK;
}
