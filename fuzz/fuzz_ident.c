#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/ident.h"

/* What comes out does not depend on how the bytes were cut. */
static enum ident_status whole(struct span in, size_t *used, struct span *line)
{
    struct ident id = {0};
    struct adit_error err = {0};
    return ident_next(&id, in, true, used, line, &err);
}

static enum ident_status piecewise(struct span in, size_t *used, struct span *line)
{
    struct ident id = {0};
    struct adit_error err = {0};
    enum ident_status status = IDENT_MORE;
    size_t start = 0;
    for (size_t end = 1; end <= in.n && status == IDENT_MORE; end++) {
        status = ident_next(&id, span_sub(in, start, end - start), true, used, line, &err);
        start += *used;
    }
    *used = start;
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used_a = 0, used_b = 0;
    struct span a = {0}, b = {0}, in = {data, size};
    enum ident_status sa = whole(in, &used_a, &a), sb = piecewise(in, &used_b, &b);
    ALWAYS(sa == sb);
    if (sa != IDENT_BAD)
        ALWAYS(used_a == used_b);
    if (sa == IDENT_DONE)
        ALWAYS(span_eq(a, b) && a.n >= 8 && a.n <= LIMIT_IDENT_LINE && memcmp(a.p, "SSH-", 4) == 0);
    return 0;
}
