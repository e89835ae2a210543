#include "fuzz/fuzz.h"
#include "ssh/cert.h"

/* A certificate's blob. What parses gives a key that key.h takes, and every span lies inside. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    static uint8_t plain[LIMIT_KEY_BLOB];
    if (!started)
        ALWAYS(crypto_init());
    started = true;
    struct span blob = {data, size};
    struct cert cert;
    struct key key;
    struct adit_error err = {0};
    if (!cert_parse(&cert, blob)) {
        ALWAYS(cert.key.type == KEY_NONE && cert.blob.n == 0);
        return 0;
    }
    ALWAYS(cert_is_one(blob) && !key_parse(&key, blob));
    struct wr w = wr_init(plain, size);
    ALWAYS(cert_plain_key(&cert, &w) && key_parse(&key, wr_done(&w)) && key.type == cert.key.type);
    ALWAYS(cert.signed_part.p == data && cert.signed_part.n + 4 + cert.signature.n == size);
    enum adit_err e = cert_check_host(&cert, span_str("h.example"), 1893456000, "ssh-ed25519", &err);
    ALWAYS(e == err.code && (e == ADIT_E_OK || e == ADIT_E_HOST_KEY));
    err = (struct adit_error){0};
    e = cert_verify(&cert, &err);
    ALWAYS(e == err.code);
    return 0;
}
