#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/keyfile.h"

static uint8_t scratch[256 * 1024];

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
    if (status == KEYFILE_OK || status == KEYFILE_NEEDS_PASSPHRASE || status == KEYFILE_WRONG_PASSPHRASE)
        ALWAYS(key_parse(&key, span_make(k.public_blob, k.public_len)));
    keyfile_wipe(&k);
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
    if (pubkey_line_parse(&line, text, (struct wspan){scratch, sizeof scratch}))
        ALWAYS(line.type.n > 0 && line.blob.n >= line.type.n + 4);
    return 0;
}
