#include "fuzz/fuzz.h"

/* The one target that must fail: a parser with a bug put into it on purpose, the one that struct rd exists to
 * prevent. When `make fuzz` or `make check-corpus` finds nothing here, it is the fuzzing that is broken. */

/* string, then one byte more: the length is believed. */
static uint8_t read_past(struct span in)
{
    if (in.n < 4)
        return 0;
    size_t n = get_u32(in.p);
    if (n > 64)
        return 0;
    return n + 4 <= in.n ? in.p[4 + n] : 0; /* planted: the byte behind the string may not be there */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0)); /* exactly as long as the input, so that ASan sees the end */
    if (copy == NULL)
        return 0;
    for (size_t i = 0; i < size; i++)
        copy[i] = data[i];
    volatile uint8_t sink = read_past((struct span){copy, size});
    (void)sink;
    free(copy);
    return 0;
}
