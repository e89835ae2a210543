#include "fuzz/fuzz.h"
#include "ssh/key.h"

enum { RECORDS_HEAD = 0 };
#include "fuzz/records.h"

/* A signature that is right, made by a key of ours as a token makes it or not; then a byte of it, or of what
 * was signed, is bent: where from, and how, are in the message. */
static void check_bent(struct span how)
{
    static const enum key_type types[] = {KEY_ED25519, KEY_ECDSA_P256};
    static const char application[] = "ssh:";
    static const uint8_t seed[32] = {3};
    uint8_t blob[KEY_PUBLIC_MAX], raw[KEY_SIGNATURE_MAX], signature[2 * KEY_SIGNATURE_MAX],
        data[32 + 5 + 32] = {0};
    struct key_secret secret;
    struct key key;
    struct drbg random;
    if (how.n < 6)
        return;
    bool is_sk = how.p[0] & 2;
    enum key_type type = types[how.p[0] & 1],
                  shown = is_sk ? (how.p[0] & 1 ? KEY_SK_ECDSA : KEY_SK_ED25519) : type;
    drbg_init(&random, seed);
    ALWAYS(key_generate(type, &random, &secret));
    struct wr b = wr_init(blob, sizeof blob);
    ALWAYS(key_secret_public(&secret, &b));
    if (is_sk) { /* the name is another, and the application stands behind it */
        struct rd r = rd_init(wr_done(&b));
        (void)rd_string(&r);
        uint8_t rest[KEY_PUBLIC_MAX];
        size_t n = r.n;
        memcpy(rest, r.p, n);
        b = wr_init(blob, sizeof blob);
        wr_cstring(&b, key_type_name(shown));
        wr_bytes(&b, span_make(rest, n));
        wr_cstring(&b, application);
        hash_of(HASH_SHA256, span_str(application), data);
        data[32] = how.p[5];
        put_u32(data + 33, 7);
        hash_of(HASH_SHA256, span_str("data"), data + 37);
    }
    ALWAYS(key_parse(&key, wr_done(&b)) && key.type == shown);
    struct wr s = wr_init(raw, sizeof raw), out = wr_init(signature, sizeof signature);
    struct span to_sign = is_sk ? span_make(data, sizeof data) : span_str("data");
    ALWAYS(key_sign(&secret, span_str(key_type_name(type)), to_sign, &s, NULL) == ADIT_E_OK);
    struct rd r = rd_init(wr_done(&s));
    (void)rd_string(&r);
    wr_cstring(&out, key_type_name(shown));
    wr_string(&out, rd_string(&r));
    if (is_sk) {
        wr_u8(&out, how.p[5]);
        wr_u32(&out, 7);
    }
    size_t at = ((size_t)how.p[1] << 8 | how.p[2]) % out.used;
    signature[at] ^= how.p[3];
    bool is_right =
        key_verify(&key, span_str(key_type_name(shown)), span_make(signature, out.used - how.p[4] % 2),
                   span_str("data"), NULL) == ADIT_E_OK;
    ALWAYS(is_right == (how.p[3] == 0 && how.p[4] % 2 == 0));
    char text[KEY_FINGERPRINT_LEN + 1];
    key_fingerprint(key.blob, text);
    ALWAYS(strlen(text) == KEY_FINGERPRINT_LEN);
}

/* Messages: a key blob, a signature blob, and how to bend one that is right. No signature can be right by
 * chance. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    if (!started)
        ALWAYS(crypto_init());
    started = true;
    struct rd r = rd_init((struct span){data, size});
    struct span blob = {0}, signature = {0};
    struct key key, shape;
    if (!next_message(&r, &blob))
        return 0;
    bool has_signature = next_message(&r, &signature);
    struct span how;
    if (next_message(&r, &how))
        check_bent(how);
    bool parsed = key_parse(&key, blob);
    ALWAYS(key_parse_shape(&shape, blob) || !parsed);
    if (!parsed) {
        ALWAYS(key.type == KEY_NONE);
        return 0;
    }
    ALWAYS(key.type != KEY_NONE && key_bits(&key) > 0);
    struct rd name = rd_init(signature);
    struct adit_error err = {0};
    if (has_signature) {
        struct span alg = rd_string(&name);
        enum adit_err e = key_verify(&key, alg, signature, span_make("data", 4), &err);
        ALWAYS(e == err.code);
    }
    return 0;
}
