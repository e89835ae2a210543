#include "client/units.h"

/* Takes the digits at the front of text; false without any, or above max. */
static bool digits_take(struct span *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;
    for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++) {
        uint64_t digit = (uint64_t)(text->p[n] - '0');
        if (value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    if (n == 0) /* an empty span may be a null pointer */
        return false;
    text->p += n;
    text->n -= n;
    *out = value;
    return true;
}

bool units_number(struct span text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t value;
    if (!digits_take(&text, max, &value) || text.n > 0 || value < min)
        return false;
    *out = (uint32_t)value;
    return true;
}

static uint64_t time_unit(uint8_t c)
{
    switch (c) {
    case 's':
    case 'S':
        return 1;
    case 'm':
    case 'M':
        return 60;
    case 'h':
    case 'H':
        return 3600;
    case 'd':
    case 'D':
        return 86400;
    case 'w':
    case 'W':
        return 604800;
    default:
        return 0;
    }
}

bool units_time(struct span text, uint32_t *seconds)
{
    uint64_t total = 0;
    do {
        uint64_t value, unit = 1;
        if (!digits_take(&text, INT32_MAX, &value))
            return false;
        if (text.n > 0) {
            unit = time_unit(text.p[0]);
            text = span_sub(text, 1, SIZE_MAX);
        }
        total += value * unit; /* below 2^31 * 604800 each, and total is checked each time */
        if (unit == 0 || total > INT32_MAX)
            return false;
    } while (text.n > 0);
    *seconds = (uint32_t)total;
    return true;
}

bool units_size(struct span text, uint64_t *bytes)
{
    uint64_t value;
    unsigned shift = 0;
    if (!digits_take(&text, UINT64_MAX, &value))
        return false;
    if (text.n == 1) {
        uint8_t c = text.p[0];
        shift = c == 'k' || c == 'K' ? 10 : c == 'm' || c == 'M' ? 20 : c == 'g' || c == 'G' ? 30 : 0;
    }
    if (text.n > 1 || (text.n == 1 && shift == 0) || value > UINT64_MAX >> shift)
        return false;
    *bytes = value << shift;
    return true;
}
