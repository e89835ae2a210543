#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/krl.h"

/* A list of revoked keys, asked about a key that nobody has: never revoked by chance through its bytes, and
 * the same question has the same answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[] = "\0\0\0\x0bssh-ed25519\0\0\0\x20 a key that nobody has, 32 bytes";
    static bool started;
    if (!started)
        ALWAYS(crypto_init());
    started = true;
    struct span plain = {key, 4 + 11 + 4 + 32}, list = {data, size};
    struct cert cert = {.serial = 42, .key_id = SPAN_LIT("host-id"), .ca = {.blob = plain}};
    struct krl_subject bare = {.key = plain}, certified = {.key = plain, .cert = &cert};
    struct wspan scratch = {malloc(size + 1), size + 1};
    ALWAYS(scratch.p != NULL);
    const char *why = NULL, *again = NULL;
    size_t line, same;
    enum krl_verdict verdict = krl_check(list, &bare, scratch, &why, &line);
    ALWAYS((verdict == KRL_BAD) == (why != NULL) && line <= size + 1);
    enum krl_verdict second = krl_check(list, &certified, scratch, &again, &same);
    /* What is bad is bad for all, and what revokes the key revokes its certificate. */
    ALWAYS((verdict == KRL_BAD) == (second == KRL_BAD) && line == same);
    ALWAYS(verdict != KRL_REVOKED || second == KRL_REVOKED);
    free(scratch.p);
    return 0;
}
