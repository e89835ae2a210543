#include <fnmatch.h>
#include <string.h>

#include "client/globs.h"
#include "fuzz/fuzz.h"

/* Sets by name, sets without an end, and backslashes are where libraries differ from one another. */
static bool is_common(const char *pattern)
{
    const char *last = strrchr(pattern, '[');
    return strchr(pattern, '\\') == NULL && strstr(pattern, "[.") == NULL && strstr(pattern, "[:") == NULL &&
           strstr(pattern, "[=") == NULL && (last == NULL || (last[1] != 0 && strchr(last + 2, ']') != NULL));
}

/* A line with a pattern, and a name: what fnmatch says of them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t n = end != NULL ? (size_t)(end - data) : size;
    if (n > 200 || size - n > 200)
        return 0;
    char pattern[256] = {0}, name[256] = {0};
    memcpy(pattern, data, n);
    if (end != NULL)
        memcpy(name, end + 1, size - n - 1);
    bool matches = glob_matches(span_str(pattern), span_str(name));
    if (is_common(pattern))
        ALWAYS(matches == (fnmatch(pattern, name, 0) == 0));
    /* Without their zeros, so that a reading beyond the end is seen. */
    struct span exact = span_make(data, n);
    if (memchr(data, 0, size) == NULL && end != NULL)
        ALWAYS(glob_matches(exact, span_make(end + 1, size - n - 1)) == matches);
    return 0;
}
