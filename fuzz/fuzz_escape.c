/* Escape sequences: the first byte is the escape character, the others are typed. All at once and byte by
 * byte give the same; without the escape character everything goes through. */
#include <stdlib.h>
#include <string.h>

#include "forward/escape.h"
#include "fuzz/fuzz.h"

struct result {
    uint8_t *bytes;
    size_t len;
    uint32_t actions; /* a hash of which and where */
};

static void type(struct result *r, struct escape *e, struct span in)
{
    while (in.n > 0) {
        size_t n, before = in.n;
        enum escape_action a = escape_take(e, &in, r->bytes + r->len, &n);
        ALWAYS(n <= before - in.n + 1);
        ALWAYS(in.n < before);
        r->len += n;
        if (a != ESCAPE_NONE)
            r->actions = (r->actions ^ (uint32_t)(r->len * 16 + a)) * 16777619u;
        else
            ALWAYS(in.n == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    int character = data[0] == 0 ? -1 : data[0];
    struct span typed = span_make(data + 1, size - 1);
    struct result whole = {malloc(2 * size), 0, 0}, parts = {malloc(2 * size), 0, 0};
    ALWAYS(whole.bytes != NULL && parts.bytes != NULL);
    struct escape a = escape_make(character), b = a;
    type(&whole, &a, typed);
    for (size_t i = 0; i < typed.n; i++)
        type(&parts, &b, span_sub(typed, i, 1));
    ALWAYS(whole.len == parts.len && whole.actions == parts.actions);
    ALWAYS(memcmp(whole.bytes, parts.bytes, whole.len) == 0);
    ALWAYS(whole.len <= typed.n);
    if (character < 0)
        ALWAYS(whole.len == typed.n && whole.actions == 0 && memcmp(whole.bytes, typed.p, typed.n) == 0);
    free(whole.bytes);
    free(parts.bytes);
    return 0;
}
