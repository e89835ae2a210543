#include "client/patterns.h"

#include <string.h>

enum { PATTERN_MAX = 1022 }; /* ssh's own */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool same(uint8_t a, uint8_t b, bool any_case)
{
    return a == b || (any_case && lower(a) == lower(b));
}

/* Only the last star ever needs to be taken back: what an earlier one took can be given to it. */
static bool matches(struct span pattern, struct span text, bool any_case)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && (pattern.p[p] == '?' || same(pattern.p[p], text.p[t], any_case))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool pattern_matches(struct span pattern, struct span text)
{
    return matches(pattern, text, false);
}

static enum pattern_result list_match(const char *list, const char *text, bool any_case)
{
    enum pattern_result result = PATTERN_NONE;
    for (;;) {
        size_t n = strcspn(list, ",");
        bool negated = n > 0 && list[0] == '!';
        struct span pattern = span_make((const uint8_t *)list + (negated ? 1 : 0), negated ? n - 1 : n);
        if (pattern.n > PATTERN_MAX)
            return PATTERN_NONE;
        if (matches(pattern, span_str(text), any_case)) {
            if (negated)
                return PATTERN_NEGATED;
            result = PATTERN_MATCH;
        }
        if (list[n] == 0)
            return result;
        list += n + 1;
    }
}

enum pattern_result patterns_match(const char *list, const char *text)
{
    return list_match(list, text, false);
}

enum pattern_result patterns_match_any_case(const char *list, const char *text)
{
    return list_match(list, text, true);
}
