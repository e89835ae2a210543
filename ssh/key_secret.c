/*
 * key_secret.c - the secret half of key.h: its own file, so that reading public keys needs none of it.
 */
#include "ssh/key.h"

#include <string.h>

void key_secret_wipe(struct key_secret *secret)
{
    adit_wipe(secret, sizeof *secret);
}

static bool curve_of(enum key_type type, enum ecc_curve *curve)
{
    *curve = type == KEY_ECDSA_P521 ? ECC_P521 : type == KEY_ECDSA_P384 ? ECC_P384 : ECC_P256;
    return type == KEY_ECDSA_P256 || type == KEY_ECDSA_P384 || type == KEY_ECDSA_P521;
}

static void generate_ed25519(struct drbg *random, struct key_secret *secret)
{
    uint8_t seed[32], pk[32];
    drbg_bytes(random, seed, sizeof seed);
    ed25519_keypair(pk, secret->sk, seed);
    adit_wipe(seed, sizeof seed);
}

bool key_generate(enum key_type type, struct drbg *random, struct key_secret *secret)
{
    enum ecc_curve curve;
    memset(secret, 0, sizeof *secret);
    if (type == KEY_ED25519)
        generate_ed25519(random, secret);
    else if (curve_of(type, &curve))
        ecc_keygen(curve, random, secret->sk, secret->point);
    else
        return false;
    secret->type = type;
    return true;
}

/* [RFC 8332 3a] */
bool key_secret_public(const struct key_secret *secret, struct wr *blob_out)
{
    enum ecc_curve curve;
    const char *name = key_type_name(secret->type);
    wr_cstring(blob_out, name);
    if (secret->type == KEY_ED25519) {
        wr_string(blob_out, span_make(secret->sk + 32, 32));
    } else if (curve_of(secret->type, &curve)) {
        wr_cstring(blob_out, name + strlen("ecdsa-sha2-"));
        wr_string(blob_out, span_make(secret->point, ecc_point_len(curve)));
    } else if (secret->type == KEY_RSA) {
        wr_mpint(blob_out, span_make(secret->e, secret->e_len));
        wr_mpint(blob_out, span_make(secret->n, secret->n_len));
    } else {
        return false;
    }
    return wr_ok(blob_out);
}

void key_secret_write(const struct key_secret *secret, struct wr *w)
{
    enum ecc_curve curve;
    const char *name = key_type_name(secret->type);
    wr_cstring(w, name);
    if (secret->type == KEY_ED25519) {
        wr_string(w, span_make(secret->sk + 32, 32));
        wr_string(w, span_make(secret->sk, 64));
    } else if (curve_of(secret->type, &curve)) {
        wr_cstring(w, name + strlen("ecdsa-sha2-"));
        wr_string(w, span_make(secret->point, ecc_point_len(curve)));
        wr_mpint(w, span_make(secret->sk, ecc_scalar_len(curve)));
    } else if (secret->type == KEY_RSA) {
        wr_mpint(w, span_make(secret->n, secret->n_len));
        wr_mpint(w, span_make(secret->e, secret->e_len));
        wr_mpint(w, span_make(secret->d, secret->d_len));
        wr_mpint(w, span_make(secret->iqmp, secret->iqmp_len));
        wr_mpint(w, span_make(secret->p, secret->p_len));
        wr_mpint(w, span_make(secret->q, secret->q_len));
    }
}

/* ---- signing ---- */

static bool sign_ed25519(const struct key_secret *secret, struct span data, struct wr *out)
{
    uint8_t sig[64];
    ed25519_sign(sig, data, secret->sk);
    wr_string(out, span_make(sig, sizeof sig));
    return true;
}

/* [RFC 5656 3.1.2a] */
static bool sign_ecdsa(const struct key_secret *secret, enum ecc_curve curve, struct span data,
                       struct wr *out)
{
    uint8_t r[ECC_SCALAR_MAX], s[ECC_SCALAR_MAX];
    size_t n = ecc_scalar_len(curve);
    if (!ecdsa_sign(curve, secret->sk, data, r, s))
        return false;
    size_t begin = wr_string_begin(out);
    wr_mpint(out, span_make(r, n));
    wr_mpint(out, span_make(s, n));
    wr_string_end(out, begin);
    return true;
}

static bool sign_rsa(const struct key_secret *secret, enum hash_alg hash, struct span data, struct wr *out)
{
    const struct rsa_key key = {
        .n = {secret->n, secret->n_len},
        .e = {secret->e, secret->e_len},
        .p = {secret->p, secret->p_len},
        .q = {secret->q, secret->q_len},
        .dp = {secret->dp, secret->dp_len},
        .dq = {secret->dq, secret->dq_len},
        .iqmp = {secret->iqmp, secret->iqmp_len},
    };
    uint8_t sig[RSA_MAX_LEN];
    if (secret->n_len > sizeof sig || !rsa_sign(hash, &key, data, sig))
        return false;
    wr_string(out, span_make(sig, secret->n_len));
    return true;
}

/* [RFC 4253 6.6c] [RFC 8332 3.2a] */
enum adit_err key_sign(const struct key_secret *secret, struct span sigalg, struct span data,
                       struct wr *signature_out, struct adit_error *err)
{
    enum ecc_curve curve;
    bool is_ecdsa = curve_of(secret->type, &curve), ok = false;
    bool can_sign = is_ecdsa || secret->type == KEY_ED25519 || secret->type == KEY_RSA;
    if (!can_sign || key_type_for_sigalg(sigalg) != secret->type)
        return adit_fail(err, ADIT_E_UNSUPPORTED, "a key of type %s makes no signature of that name",
                         key_short_name(secret->type));
    wr_string(signature_out, sigalg);
    if (is_ecdsa)
        ok = sign_ecdsa(secret, curve, data, signature_out);
    else if (secret->type == KEY_ED25519)
        ok = sign_ed25519(secret, data, signature_out);
    else
        ok = sign_rsa(secret, span_is(sigalg, "rsa-sha2-512") ? HASH_SHA512 : HASH_SHA256, data,
                      signature_out);
    if (!ok)
        return adit_fail(err, ADIT_E_KEY_FILE, "the numbers of the %s key do not belong together",
                         key_short_name(secret->type));
    if (!wr_ok(signature_out))
        return adit_fail(err, ADIT_E_LIMIT, "no room for a signature");
    return ADIT_E_OK;
}
