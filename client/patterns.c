#include "client/patterns.h"

#include <string.h>

enum { PATTERN_MAX = 1022 }; /* ssh's own */

bool pattern_matches(struct span pattern, struct span text)
{
    return adit_text_matches(pattern, text, false);
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
        if (adit_text_matches(pattern, span_str(text), any_case)) {
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
