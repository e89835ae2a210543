#include "client/units.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

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

bool units_sign_take(struct span *text)
{
    while (text->n > 0 && (text->p[0] == ' ' || (text->p[0] >= '\t' && text->p[0] <= '\r')))
        *text = span_sub(*text, 1, SIZE_MAX);
    bool is_negative = text->n > 0 && text->p[0] == '-';
    if (is_negative || (text->n > 0 && text->p[0] == '+'))
        *text = span_sub(*text, 1, SIZE_MAX);
    return is_negative;
}

static bool service_port(struct span name, uint16_t *out)
{
    char text[64];
    if (name.n == 0 || name.n >= sizeof text)
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = 0;
    char room[1024];
    struct servent entry, *found = NULL;
    if (getservbyname_r(text, "tcp", &entry, room, sizeof room, &found) != 0 || found == NULL)
        return false;
    *out = ntohs((uint16_t)found->s_port);
    return true;
}

bool units_port(struct span text, uint16_t min, uint16_t *out)
{
    struct span digits = text;
    uint32_t port;
    bool has_letter = false;
    if (!units_sign_take(&digits) && units_number(digits, min, UINT16_MAX, &port)) {
        *out = (uint16_t)port;
        return true;
    }
    for (size_t i = 0; i < text.n; i++)
        has_letter = has_letter || text.p[i] < '0' || text.p[i] > '9';
    return has_letter && service_port(text, out);
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

/* 10, 20, ...; 0: no unit. */
static unsigned size_shift(uint8_t c)
{
    static const char units[] = "kmgtpe";
    const char *at = c != 0 ? strchr(units, c | 0x20) : NULL;
    return at != NULL ? 10 * (unsigned)(at - units + 1) : 0;
}

/* The digits behind the point, in millionths. */
static bool fraction_take(struct span *text, uint64_t *millionths)
{
    *millionths = 0;
    if (text->n == 0 || text->p[0] != '.')
        return true;
    *text = span_sub(*text, 1, SIZE_MAX);
    for (uint64_t unit = 100000; text->n > 0 && text->p[0] >= '0' && text->p[0] <= '9'; unit /= 10) {
        if (unit == 0)
            return false;
        *millionths += unit * (uint64_t)(text->p[0] - '0');
        *text = span_sub(*text, 1, SIZE_MAX);
    }
    return true;
}

bool units_size(struct span text, uint64_t *bytes)
{
    uint64_t value, millionths;
    if (!digits_take(&text, INT64_MAX, &value) || !fraction_take(&text, &millionths) || text.n > 1)
        return false;
    unsigned shift = text.n == 1 ? size_shift(text.p[0]) : 0;
    if ((text.n == 1 && shift == 0) || value > (uint64_t)INT64_MAX >> shift || (millionths > 0 && shift > 40))
        return false;
    *bytes = (value << shift) + (millionths << shift) / 1000000; /* 10^6 << 40 is below 2^60 */
    return *bytes <= INT64_MAX;
}
