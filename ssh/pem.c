#include "ssh/pem.h"

#include <string.h>

static bool starts_with(struct span s, const char *head)
{
    return span_is(span_sub(s, 0, strlen(head)), head);
}

static bool ends_with(struct span s, const char *tail)
{
    size_t n = strlen(tail);
    return s.n >= n && span_is(span_sub(s, s.n - n, n), tail);
}

static bool next_line(struct span *text, struct span *line)
{
    if (text->n == 0)
        return false;
    const uint8_t *end = memchr(text->p, '\n', text->n);
    size_t n = end != NULL ? (size_t)(end - text->p) : text->n;
    *line = span_sub(*text, 0, n);
    *text = end != NULL ? span_sub(*text, n + 1, text->n) : (struct span){0};
    while (line->n > 0 && strchr(" \t\r", line->p[line->n - 1]) != NULL && line->p[line->n - 1] != 0)
        line->n--;
    return true;
}

/* "-----BEGIN X-----" gives X. */
static bool boundary(struct span line, const char *head, struct span *label)
{
    size_t n = strlen(head);
    if (line.n < n + 5 || !starts_with(line, head) || !ends_with(line, "-----"))
        return false;
    *label = span_sub(line, n, line.n - n - 5);
    return true;
}

/* RFC 1421 §4.6: headers stand before the body, and base64 has no colon. A blank line follows them, which the
 * base64 takes as such. */
static bool read_header(struct pem *pem, struct span line)
{
    static const char dek[] = "DEK-Info:";
    if (line.n == 0 || memchr(line.p, ':', line.n) == NULL)
        return false;
    if (starts_with(line, "Proc-Type:") && ends_with(line, "ENCRYPTED"))
        pem->is_encrypted = true;
    if (starts_with(line, dek)) {
        pem->dek_info = span_sub(line, sizeof dek - 1, line.n);
        while (pem->dek_info.n > 0 && pem->dek_info.p[0] == ' ')
            pem->dek_info = span_sub(pem->dek_info, 1, pem->dek_info.n);
    }
    return true;
}

enum pem_result pem_find(struct pem *pem, struct span text, const char *tail)
{
    struct span line, label;
    size_t number = 0;
    bool found = false;
    memset(pem, 0, sizeof *pem);
    while (!found && next_line(&text, &line)) {
        number++;
        found = boundary(line, "-----BEGIN ", &label) && ends_with(label, tail);
    }
    if (!found)
        return PEM_NONE;
    *pem = (struct pem){.label = label, .body = {text.p, 0}, .line = number};
    while (next_line(&text, &line)) {
        if (boundary(line, "-----END ", &label))
            return span_eq(label, pem->label) ? PEM_OK : PEM_CUT;
        if (read_header(pem, line))
            pem->body = span_make(text.p, 0); /* behind it */
        else
            pem->body.n = (size_t)(line.p + line.n - pem->body.p);
    }
    return PEM_CUT;
}

/* ---- DER ---- */

static size_t read_length(struct rd *r)
{
    uint8_t first = rd_u8(r);
    if (first < 0x80)
        return first;
    /* X.690 §10.1: definite form, in the fewest octets. Files of 1 MiB need three. */
    struct span octets = rd_bytes(r, first & 0x7f);
    size_t n = 0;
    if (octets.n == 0 || octets.n > 3 || octets.p[0] == 0)
        rd_fail(r);
    for (size_t i = 0; i < octets.n && rd_ok(r); i++)
        n = n << 8 | octets.p[i];
    if (n < 0x80)
        rd_fail(r);
    return n;
}

struct span der_read(struct rd *r, uint8_t tag)
{
    if (rd_u8(r) != tag)
        rd_fail(r);
    size_t n = read_length(r);
    return rd_bytes(r, n);
}

struct span der_read_uint(struct rd *r)
{
    struct span s = der_read(r, DER_INTEGER);
    bool is_negative = s.n > 0 && (s.p[0] & 0x80) != 0;
    bool is_padded = s.n > 1 && s.p[0] == 0 && (s.p[1] & 0x80) == 0;
    if (s.n == 0 || is_negative || is_padded) {
        rd_fail(r);
        return (struct span){0};
    }
    return s.p[0] == 0 ? span_sub(s, 1, s.n - 1) : s;
}

void der_skip_optional(struct rd *r, uint8_t tag)
{
    if (rd_ok(r) && r->n > 0 && r->p[0] == tag)
        der_read(r, tag);
}
