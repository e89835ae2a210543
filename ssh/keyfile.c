#include "ssh/keyfile.h"

#include <string.h>

#include "ssh/base64.h"
#include "ssh/keyfile_der.h"
#include "ssh/keyfile_seal.h"
#include "ssh/pem.h"

static enum keyfile_status corrupt(struct adit_error *err, const char *what)
{
    adit_fail(err, ADIT_E_KEY_FILE, "the key file is damaged: %s", what);
    return KEYFILE_CORRUPT;
}

static enum keyfile_status unsupported(struct adit_error *err, const char *what)
{
    adit_fail(err, ADIT_E_KEY_FILE, "%s", what);
    return KEYFILE_UNSUPPORTED;
}

static bool set_public(struct keyfile *out, struct span blob)
{
    if (blob.n > sizeof out->public_blob)
        return false;
    memcpy(out->public_blob, blob.p, blob.n);
    out->public_len = blob.n;
    return true;
}

/* RSA keys of other sizes cannot sign here; said now, not as a failed signature later. */
static enum keyfile_status check_size(const struct key *key, struct adit_error *err)
{
    unsigned bits = key_bits(key);
    if (key->type != KEY_RSA || (bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS))
        return KEYFILE_OK;
    adit_fail(err, ADIT_E_KEY_FILE, "an RSA key of %u bits is not used (%d to %d are): make an Ed25519 key",
              bits, (int)RSA_MIN_BITS, (int)RSA_MAX_BITS);
    return KEYFILE_UNSUPPORTED;
}

/* ---- openssh-key-v1: OpenSSH PROTOCOL.key ---- */

static const struct seal {
    const char *name;
    size_t key_len, iv_len, block_len, tag_len;
} seals[] = {
    {"none", 0, 0, 8, 0},
    {"aes256-ctr", 32, 16, 16, 0},
    {"aes192-ctr", 24, 16, 16, 0},
    {"aes128-ctr", 16, 16, 16, 0},
    {"aes256-cbc", 32, 16, 16, 0},
    {"aes192-cbc", 24, 16, 16, 0},
    {"aes128-cbc", 16, 16, 16, 0},
    {"3des-cbc", 24, 8, 8, 0},
    {"aes256-gcm@openssh.com", 32, 12, 16, 16},
    {"aes128-gcm@openssh.com", 16, 12, 16, 16},
};

struct envelope {
    const struct seal *seal;
    struct span salt, public_blob, tag;
    uint32_t rounds;
    struct wspan secret; /* opened in place, in the scratch */
};

static const struct seal *seal_find(struct span name)
{
    for (size_t i = 0; i < ADIT_COUNT(seals); i++)
        if (span_is(name, seals[i].name))
            return &seals[i];
    return NULL;
}

static enum keyfile_status read_kdf(struct envelope *e, struct span kdf, struct span options,
                                    struct adit_error *err)
{
    bool is_plain = e->seal->key_len == 0;
    if (is_plain)
        return span_is(kdf, "none") && options.n == 0 ? KEYFILE_OK : corrupt(err, "a KDF without a cipher");
    if (!span_is(kdf, "bcrypt"))
        return unsupported(err, "the key file's KDF is not known; convert it with ssh-keygen -p");
    struct rd r = rd_init(options);
    e->salt = rd_string(&r);
    e->rounds = rd_u32(&r);
    if (!rd_done(&r) || e->salt.n == 0 || e->rounds == 0)
        return corrupt(err, "the KDF's options");
    if (e->rounds > KEYFILE_ROUNDS_MAX)
        return unsupported(err,
                           "the key file asks for too many KDF rounds; convert it with ssh-keygen -p -a 64");
    return KEYFILE_OK;
}

static enum keyfile_status read_envelope(struct envelope *e, struct wspan data, struct adit_error *err)
{
    static const char magic[] = "openssh-key-v1"; /* with its terminating zero */
    struct rd r = rd_init(span_make(data.p, data.n));
    memset(e, 0, sizeof *e);
    if (!span_eq(rd_bytes(&r, sizeof magic), span_make(magic, sizeof magic)))
        return corrupt(err, "no openssh-key-v1 header");
    struct span cipher = rd_string(&r), kdf = rd_string(&r), options = rd_string(&r);
    uint32_t keys = rd_u32(&r);
    e->public_blob = rd_string(&r);
    struct span secret = rd_string(&r);
    if (!rd_ok(&r) || keys != 1)
        return corrupt(err, keys > 1 ? "more than one key" : "it is cut");
    e->seal = seal_find(cipher);
    if (e->seal == NULL)
        return unsupported(err,
                           "the key file's cipher is not known; convert it with ssh-keygen -p -Z aes256-ctr");
    e->tag = rd_bytes(&r, e->seal->tag_len);
    if (!rd_done(&r) || secret.n == 0 || secret.n % e->seal->block_len != 0)
        return corrupt(err, "the length of its secret part");
    e->secret = (struct wspan){data.p + (secret.p - data.p), secret.n};
    return read_kdf(e, kdf, options, err);
}

/* False: the tag is wrong, which only a wrong passphrase or damage explains. */
static bool envelope_open(struct envelope *e, struct span passphrase)
{
    uint8_t material[32 + 16];
    const struct seal *s = e->seal;
    struct span key = {material, s->key_len};
    const uint8_t *iv = material + s->key_len;
    bool ok =
        passphrase.n > 0 && bcrypt_pbkdf(passphrase, e->salt, e->rounds, material, s->key_len + s->iv_len);
    if (ok && s->tag_len > 0)
        ok = aes_gcm_open(key, iv, (struct span){0}, e->secret.p, e->secret.n, e->tag.p);
    else if (ok && strcmp(s->name, "3des-cbc") == 0)
        des3_cbc_decrypt(key.p, iv, e->secret.p, e->secret.n);
    else if (ok && strstr(s->name, "-cbc") != NULL)
        aes_cbc_decrypt(key, iv, e->secret.p, e->secret.n);
    else if (ok)
        aes_ctr_xor(key, iv, e->secret.p, e->secret.n);
    adit_wipe(material, sizeof material);
    return ok;
}

static bool read_rsa(struct rd *r, struct key_secret *secret)
{
    struct rsa_numbers v = {0};
    v.n = rd_mpint(r);
    v.e = rd_mpint(r);
    v.d = rd_mpint(r);
    v.iqmp = rd_mpint(r);
    v.p = rd_mpint(r);
    v.q = rd_mpint(r);
    return rd_ok(r) && key_secret_set_rsa(secret, &v);
}

static bool read_ecdsa(struct rd *r, enum key_type type, struct key_secret *secret)
{
    rd_string(r); /* curve and point: compared with what the scalar gives, by the caller */
    rd_string(r);
    struct span scalar = rd_mpint(r);
    return rd_ok(r) && key_secret_set_ecdsa(secret, type, scalar);
}

static bool read_ed25519(struct rd *r, struct key_secret *secret)
{
    struct span pk = rd_string(r), sk = rd_string(r);
    if (!rd_ok(r) || pk.n != 32 || sk.n != 64)
        return false;
    key_secret_set_ed25519(secret, sk.p);
    return adit_ct_eq(secret->sk, sk.p, 64) && span_eq(pk, span_sub(sk, 32, 32));
}

static bool padding_is_right(struct span padding, size_t block_len)
{
    for (size_t i = 0; i < padding.n; i++)
        if (padding.p[i] != i + 1)
            return false;
    return padding.n < block_len;
}

static bool read_secret(struct keyfile *out, struct rd *r)
{
    enum key_type type = key_type_of_name(rd_string(r));
    if (type == KEY_RSA)
        return read_rsa(r, &out->secret);
    if (type == KEY_ED25519)
        return read_ed25519(r, &out->secret);
    bool is_ecdsa = type == KEY_ECDSA_P256 || type == KEY_ECDSA_P384 || type == KEY_ECDSA_P521;
    return is_ecdsa && read_ecdsa(r, type, &out->secret);
}

/* True when the secret key gives exactly the public key of the header. */
static bool secret_fits_public(const struct keyfile *out)
{
    uint8_t blob[KEY_PUBLIC_MAX];
    struct wr w = wr_init(blob, sizeof blob);
    return key_secret_public(&out->secret, &w) &&
           span_eq(wr_done(&w), span_make(out->public_blob, out->public_len));
}

static enum keyfile_status read_opened(struct keyfile *out, const struct envelope *e, struct adit_error *err)
{
    struct rd r = rd_init(span_make(e->secret.p, e->secret.n));
    uint32_t check1 = rd_u32(&r), check2 = rd_u32(&r);
    if (check1 != check2 && e->seal->key_len > 0) {
        adit_fail(err, ADIT_E_AUTH, "wrong passphrase");
        return KEYFILE_WRONG_PASSPHRASE;
    }
    if (check1 != check2 || !read_secret(out, &r))
        return corrupt(err,
                       check1 != check2 ? "its two check numbers differ" : "the numbers of the secret key");
    struct span comment = rd_string(&r);
    if (!rd_ok(&r) || !padding_is_right(rd_rest(&r), e->seal->block_len))
        return corrupt(err, "its padding");
    if (!secret_fits_public(out))
        return corrupt(err, "the secret key is not that of the public key");
    adit_text_clean(out->comment, sizeof out->comment, comment, false);
    out->has_comment = true;
    return KEYFILE_OK;
}

static enum keyfile_status parse_openssh(struct keyfile *out, struct wspan data,
                                         const struct span *passphrase, struct adit_error *err)
{
    struct envelope e;
    struct key key;
    enum keyfile_status status = read_envelope(&e, data, err);
    if (status != KEYFILE_OK)
        return status;
    struct rd name = rd_init(e.public_blob);
    if (key_type_of_name(rd_string(&name)) == KEY_NONE)
        return unsupported(err, "the key is of a type that is not used (DSA?): make an Ed25519 key");
    if (!key_parse(&key, e.public_blob))
        return corrupt(err, "the public key");
    status = check_size(&key, err);
    if (status != KEYFILE_OK)
        return status;
    if (!set_public(out, e.public_blob))
        return unsupported(err, "the public key is too long");
    if (key.type == KEY_SK_ED25519 || key.type == KEY_SK_ECDSA)
        return unsupported(err, "a key of a FIDO token signs through an agent: add it with ssh-add");
    if (e.seal->key_len > 0 && passphrase == NULL) {
        adit_fail(err, ADIT_E_AUTH, "the key file needs its passphrase");
        return KEYFILE_NEEDS_PASSPHRASE;
    }
    if (e.seal->key_len > 0 && !envelope_open(&e, *passphrase)) {
        adit_fail(err, ADIT_E_AUTH, "wrong passphrase");
        return KEYFILE_WRONG_PASSPHRASE;
    }
    return read_opened(out, &e, err);
}

/* ---- the other formats ---- */

static enum keyfile_status parse_der(struct keyfile *out, struct span label, struct span der,
                                     struct adit_error *err)
{
    enum der_result result = keyfile_der_parse(&out->secret, label, der);
    if (result == DER_CORRUPT)
        return corrupt(err, "the numbers of the secret key");
    if (result == DER_UNSUPPORTED)
        return unsupported(err, "the key is of a type or size that is not used: make an Ed25519 key");
    struct wr w = wr_init(out->public_blob, sizeof out->public_blob);
    struct key key;
    if (!key_secret_public(&out->secret, &w) || !key_parse(&key, wr_done(&w)))
        return corrupt(err, "the public key");
    out->public_len = w.used;
    return check_size(&key, err);
}

static enum keyfile_status wrong_passphrase(struct adit_error *err)
{
    adit_fail(err, ADIT_E_AUTH, "wrong passphrase");
    return KEYFILE_WRONG_PASSPHRASE;
}

/* What follows from a passphrase that passed by its padding alone looks like damage, and is reported as what
 * it most likely is. */
static enum keyfile_status open_der(struct keyfile *out, struct der_seal *seal, struct span label,
                                    const struct span *passphrase, struct adit_error *err)
{
    struct span der;
    struct adit_error why = {0};
    if (passphrase == NULL) {
        adit_fail(err, ADIT_E_AUTH, "the key file needs its passphrase");
        return KEYFILE_NEEDS_PASSPHRASE;
    }
    if (passphrase->n == 0 || !der_seal_open(seal, *passphrase, &der))
        return wrong_passphrase(err);
    enum keyfile_status status = parse_der(out, label, der, &why);
    if (status == KEYFILE_CORRUPT)
        return wrong_passphrase(err);
    if (status != KEYFILE_OK)
        adit_fail(err, why.code, "%s", why.text);
    return status;
}

static enum keyfile_status parse_sealed(struct keyfile *out, const struct pem *pem, struct wspan data,
                                        const struct span *passphrase, struct adit_error *err)
{
    static const struct span pkcs8 = SPAN_LIT("PRIVATE KEY");
    struct der_seal seal;
    enum der_result result =
        pem->is_encrypted ? der_seal_read_pem(&seal, pem->dek_info, data) : der_seal_read_pkcs8(&seal, data);
    if (result == DER_CORRUPT)
        return corrupt(err, "what it says about its encryption");
    if (result == DER_UNSUPPORTED)
        return unsupported(
            err,
            "the key file's encryption is not known; convert it with ssh-keygen -p -f FILE, or openssl pkcs8 "
            "-topk8");
    return open_der(out, &seal, pem->is_encrypted ? pem->label : pkcs8, passphrase, err);
}

static bool has_line_start(struct span text, const char *head)
{
    return span_is(span_sub(text, 0, strlen(head)), head);
}

static enum keyfile_status explain_no_pem(struct span text, struct adit_error *err)
{
    if (has_line_start(text, "PuTTY-User-Key-File"))
        return unsupported(err, "a PuTTY key file; convert it with puttygen KEY -O private-openssh -o NEW");
    if (has_line_start(text, "ssh-") || has_line_start(text, "ecdsa-") || has_line_start(text, "sk-"))
        return unsupported(err, "a public key, where the file of the private key is wanted");
    return corrupt(err, "no line says BEGIN ... PRIVATE KEY");
}

static enum keyfile_status parse_text(struct keyfile *out, struct span text, const struct span *passphrase,
                                      struct wspan scratch, struct adit_error *err)
{
    struct pem pem;
    size_t len = 0;
    if (text.n > LIMIT_FILE_KEY || scratch.n < text.n)
        return unsupported(err, "the file is too large for a key");
    enum pem_result found = pem_find(&pem, text, "PRIVATE KEY");
    if (found == PEM_NONE)
        return explain_no_pem(text, err);
    if (found == PEM_CUT)
        return corrupt(err, "its END line is missing");
    if (!base64_decode(scratch, pem.body, true, &len)) {
        adit_fail(err, ADIT_E_KEY_FILE, "the key file is damaged: no base64 below line %zu", pem.line);
        return KEYFILE_CORRUPT;
    }
    if (span_is(pem.label, "OPENSSH PRIVATE KEY"))
        return parse_openssh(out, (struct wspan){scratch.p, len}, passphrase, err);
    if (pem.is_encrypted || span_is(pem.label, "ENCRYPTED PRIVATE KEY"))
        return parse_sealed(out, &pem, (struct wspan){scratch.p, len}, passphrase, err);
    return parse_der(out, pem.label, span_make(scratch.p, len), err);
}

enum keyfile_status keyfile_parse(struct keyfile *out, struct span text, const struct span *passphrase,
                                  struct wspan scratch, struct adit_error *err)
{
    memset(out, 0, sizeof *out);
    out->status = parse_text(out, text, passphrase, scratch, err);
    if (out->status != KEYFILE_OK)
        key_secret_wipe(&out->secret);
    if (scratch.n > 0)
        adit_wipe(scratch.p, scratch.n);
    return out->status;
}

void keyfile_wipe(struct keyfile *file)
{
    adit_wipe(file, sizeof *file);
}

/* ---- .pub lines ---- */

static struct span take_word(struct span *s)
{
    size_t n = 0, next;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
        n++;
    for (next = n; next < s->n && (s->p[next] == ' ' || s->p[next] == '\t');)
        next++;
    struct span word = span_sub(*s, 0, n);
    *s = span_sub(*s, next, s->n);
    return word;
}

bool pubkey_line_parse(struct pubkey_line *out, struct span line, struct wspan buffer)
{
    size_t len = 0;
    memset(out, 0, sizeof *out);
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    struct span type = take_word(&line), text = take_word(&line);
    if (type.n == 0 || !base64_decode(buffer, text, false, &len) || len > LIMIT_KEY_BLOB)
        return false;
    struct span blob = span_make(buffer.p, len);
    struct rd r = rd_init(blob);
    struct key key;
    struct span name = rd_string(&r);
    if (!rd_ok(&r) || !key_line_is_of(type, name))
        return false;
    if (key_type_of_name(name) != KEY_NONE && !key_parse(&key, blob))
        return false;
    *out = (struct pubkey_line){.type = name, .blob = blob, .comment = line};
    return true;
}
