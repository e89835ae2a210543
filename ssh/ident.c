#include "ssh/ident.h"

#include <string.h>

static bool starts_with(struct span s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

/* One whole line of the peer, without its LF and a CR before it. [RFC 4253 4.2d 5.1a] */
static enum ident_status ident_line(struct ident *id, struct span line, bool lines_before,
                                    struct adit_error *err)
{
    if (memchr(line.p, 0, line.n) != NULL) {
        /* RFC 4253 §4.2: the null character MUST NOT be sent. */
        adit_fail(err, ADIT_E_PROTOCOL, "the peer's version line holds a null character (RFC 4253 §4.2)");
        return IDENT_BAD;
    }
    if (starts_with(line, "SSH-2.0-") || starts_with(line, "SSH-1.99-")) /* §5.1: 1.99 means 2.0 too */
        return IDENT_DONE;
    if (starts_with(line, "SSH-")) {
        adit_fail(err, ADIT_E_PROTOCOL, "the peer speaks another protocol version: '%.*s' (RFC 4253 §5)",
                  (int)line.n, (const char *)line.p);
        return IDENT_BAD;
    }
    if (!lines_before || ++id->line_count > LIMIT_IDENT_PREFACE_LINES) {
        adit_fail(err, ADIT_E_PROTOCOL, "the peer does not speak SSH: its line is '%.*s' (RFC 4253 §4.2)",
                  (int)line.n, (const char *)line.p);
        return IDENT_BAD;
    }
    return IDENT_MORE;
}

/* [RFC 4253 4.2c 4.2e 4.2f] */
enum ident_status ident_next(struct ident *id, struct span in, bool lines_before, size_t *used,
                             struct span *line, struct adit_error *err)
{
    *used = 0;
    while (*used < in.n) {
        struct span rest = span_sub(in, *used, in.n);
        const uint8_t *lf = memchr(rest.p, '\n', rest.n);
        size_t n = lf == NULL ? rest.n : (size_t)(lf - rest.p) + 1;
        id->byte_count += lf == NULL ? 0 : n;
        /* RFC 4253 §4.2: at most 255 characters with CR LF. Lines before it may be longer, to a bound. */
        bool is_ident = starts_with(rest, "SSH-");
        if ((is_ident && n > LIMIT_IDENT_LINE) || n > LIMIT_IDENT_PREFACE_BYTES ||
            id->byte_count > LIMIT_IDENT_PREFACE_BYTES) {
            adit_fail(err, ADIT_E_PROTOCOL,
                      "the peer's version line is too long: over %d bytes (RFC 4253 §4.2)",
                      is_ident ? (int)LIMIT_IDENT_LINE : (int)LIMIT_IDENT_PREFACE_BYTES);
            return IDENT_BAD;
        }
        if (lf == NULL)
            return IDENT_MORE;
        *used += n;
        *line = (struct span){rest.p, n - 1};
        if (line->n > 0 && line->p[line->n - 1] == '\r')
            line->n--;
        enum ident_status status = ident_line(id, *line, lines_before, err);
        if (status != IDENT_MORE)
            return status;
    }
    return IDENT_MORE;
}

/* The first blank ends the name; what stands behind it are comments. [RFC 4253 4.2b 4.2d 4.2h] */
bool ident_make(const char *software, char out[LIMIT_IDENT_LINE + 1])
{
    size_t n = strlen(software), name_n = strcspn(software, " ");
    if (name_n == 0 || n + sizeof("SSH-2.0-\r\n") - 1 > LIMIT_IDENT_LINE)
        return false;
    for (size_t i = 0; i < n; i++)
        if (software[i] < 0x20 || software[i] > 0x7e || (i < name_n && software[i] == '-'))
            return false;
    adit_format(out, LIMIT_IDENT_LINE + 1, "SSH-2.0-%s", software);
    return true;
}
