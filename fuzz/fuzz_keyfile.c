#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/agent.h"
#include "ssh/base64.h"
#include "ssh/keyfile.h"
#include "ssh/keyfile_seal.h"
#include "ssh/pem.h"

static uint8_t scratch[256 * 1024];

/* What opens signs, and its public half verifies it; an agent would take it. */
static void check_signs(const struct keyfile *k)
{
    static uint8_t message[8192];
    uint8_t signature[KEY_SIGNATURE_MAX];
    struct key key;
    const char *alg = k->secret.type == KEY_RSA ? "rsa-sha2-256" : key_type_name(k->secret.type);
    struct span data = span_str("to be signed");
    struct wr w = wr_init(signature, sizeof signature), add = wr_init(message, sizeof message);
    ALWAYS(key_parse(&key, span_make(k->public_blob, k->public_len)));
    /* The numbers of an RSA key may not belong together: then it signs nothing. */
    if (key_sign(&k->secret, span_str(alg), data, &w, NULL) == ADIT_E_OK)
        ALWAYS(key_verify(&key, span_str(alg), wr_done(&w), data, NULL) == ADIT_E_OK);
    else
        ALWAYS(k->secret.type == KEY_RSA);
    agent_write_add(&add, &k->secret, span_str("comment"), 60, true);
    ALWAYS(wr_ok(&add));
    add = wr_init(message, sizeof message);
    agent_write_sign(&add, key.blob, data, agent_sign_flags(span_str(alg)));
    ALWAYS(wr_ok(&add));
}

/* A file that opens signs nothing or gives a public key that parses; one that does not gives no secret. */
static void check(struct span text, const struct span *passphrase)
{
    static const struct key_secret none;
    struct keyfile k;
    struct key key;
    struct adit_error err = {0};
    enum keyfile_status status = keyfile_parse(&k, text, passphrase, (struct wspan){scratch, text.n}, &err);
    ALWAYS(status == k.status && (status == KEYFILE_OK) == (err.code == ADIT_E_OK));
    if (status != KEYFILE_OK)
        ALWAYS(memcmp(&k.secret, &none, sizeof none) == 0);
    else
        check_signs(&k);
    bool is_known = status == KEYFILE_OK || k.public_len > 0; /* a sealed PEM file keeps it */
    if (is_known && status != KEYFILE_UNSUPPORTED && status != KEYFILE_CORRUPT)
        ALWAYS(key_parse(&key, span_make(k.public_blob, k.public_len)));
    keyfile_wipe(&k);
}

/* openssh-key-v1's: cipher, KDF, and its options: salt and rounds. */
static uint32_t bcrypt_rounds(struct span body)
{
    struct rd r = rd_init(body);
    (void)rd_bytes(&r, 15);
    (void)rd_string(&r);
    (void)rd_string(&r);
    struct rd options = rd_init(rd_string(&r));
    (void)rd_string(&options);
    uint32_t rounds = rd_u32(&options);
    return rd_done(&options) && rd_ok(&r) ? rounds : UINT32_MAX;
}

/* With the seeds' passphrase, where deriving a key from it is cheap: the inputs choose how many rounds. */
static void check_sealed(struct span text)
{
    static const struct span passphrase = SPAN_LIT("open sesame");
    struct pem pem;
    struct der_seal seal;
    size_t n = 0;
    if (pem_find(&pem, text, "PRIVATE KEY") != PEM_OK ||
        !base64_decode((struct wspan){scratch, sizeof scratch}, pem.body, true, &n))
        return;
    if (span_is(pem.label, "OPENSSH PRIVATE KEY")) {
        if (bcrypt_rounds(span_make(scratch, n)) <= 2)
            check(text, &passphrase);
    } else if (pem.is_encrypted ||
               (der_seal_read_pkcs8(&seal, (struct wspan){scratch, n}) == DER_OK && seal.rounds <= 5000 &&
                (uint64_t)seal.cost * seal.block_size * seal.parallel <= 5000))
        check(text, &passphrase);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct pubkey_line line;
    if (!started)
        ALWAYS(crypto_init());
    started = true;
    struct span text = {data, size};
    if (size > sizeof scratch)
        return 0;
    check(text, NULL);
    check_sealed(text);
    if (pubkey_line_parse(&line, text, (struct wspan){scratch, sizeof scratch}))
        ALWAYS(line.type.n > 0 && line.blob.n >= line.type.n + 4);
    return 0;
}
