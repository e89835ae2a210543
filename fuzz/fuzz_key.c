#include "fuzz/fuzz.h"
#include "ssh/key.h"

/* Messages: a key blob, a signature blob. No signature can be right by chance. */
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
