#include "ssh/known_hosts.h"

#include <string.h>

#include "crypto/crypto.h"
#include "ssh/base64.h"

enum { HASH_LEN = 20, PATTERN_MAX = 1022 /* ssh's own; a list with a longer one matches nothing */ };

/* ---- lines ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct span skip_blanks(struct span s)
{
    size_t i = 0;
    while (i < s.n && is_blank(s.p[i]))
        i++;
    return i == 0 ? s : span_sub(s, i, s.n);
}

/* Takes a word off the front of *s, and the blanks behind it; empty at the end. */
static struct span take_word(struct span *s)
{
    size_t n = 0;
    while (n < s->n && !is_blank(s->p[n]))
        n++;
    struct span word = span_sub(*s, 0, n);
    *s = skip_blanks(span_sub(*s, n, s->n));
    return word;
}

void known_hosts_reader_init(struct known_hosts_reader *r, struct span text)
{
    r->rest = text;
    r->number = 0;
}

static bool take_line(struct known_hosts_reader *r, struct span *line)
{
    if (r->rest.n == 0)
        return false;
    const uint8_t *end = memchr(r->rest.p, '\n', r->rest.n);
    size_t n = end != NULL ? (size_t)(end - r->rest.p) : r->rest.n;
    *line = span_sub(r->rest, 0, n);
    r->rest = end != NULL ? span_sub(r->rest, n + 1, r->rest.n) : (struct span){0};
    r->number++;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static void line_is_bad(struct known_host_line *line, const char *why)
{
    line->status = KNOWN_HOST_BAD;
    line->why = why;
}

static bool parse_marker(struct known_host_line *line, struct span *rest)
{
    if (rest->n == 0 || rest->p[0] != '@')
        return true;
    struct span marker = take_word(rest);
    if (span_is(marker, "@revoked"))
        line->marker = KNOWN_HOST_REVOKED;
    else if (span_is(marker, "@cert-authority"))
        line->marker = KNOWN_HOST_CERT_AUTHORITY;
    else
        return false;
    return true;
}

static bool parse_blob(struct known_hosts_reader *r, struct known_host_line *line, struct span base64)
{
    size_t len;
    if (!base64_decode((struct wspan){r->blob, sizeof r->blob}, base64, false, &len))
        return false;
    line->blob = span_make(r->blob, len);
    struct rd rd = rd_init(line->blob);
    struct span name = rd_string(&rd);
    if (!rd_ok(&rd) || !key_line_is_of(line->type_name, name))
        return false;
    struct key key;
    line->type = key_type_of_name(name);
    return line->type == KEY_NONE || key_parse_shape(&key, line->blob);
}

static bool is_number(struct span word)
{
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] < '0' || word.p[i] > '9')
            return false;
    return word.n > 0;
}

/* "|1|salt|hash", both 20 bytes in base64. */
static bool parse_hash(struct span field, uint8_t salt[static HASH_LEN], uint8_t hash[static HASH_LEN])
{
    size_t salt_len, hash_len;
    if (field.n < 3 || memcmp(field.p, "|1|", 3) != 0)
        return false;
    field = span_sub(field, 3, field.n);
    const uint8_t *bar = field.n > 0 ? memchr(field.p, '|', field.n) : NULL;
    if (bar == NULL)
        return false;
    size_t at = (size_t)(bar - field.p);
    return base64_decode((struct wspan){salt, HASH_LEN}, span_sub(field, 0, at), false, &salt_len) &&
           base64_decode((struct wspan){hash, HASH_LEN}, span_sub(field, at + 1, field.n), false,
                         &hash_len) &&
           salt_len == HASH_LEN && hash_len == HASH_LEN;
}

static bool is_hashed(struct span patterns)
{
    return patterns.n > 0 && patterns.p[0] == '|';
}

static void parse_fields(struct known_hosts_reader *r, struct known_host_line *line, struct span rest)
{
    if (!parse_marker(line, &rest)) {
        line_is_bad(line, "unknown marker (@revoked and @cert-authority are known)");
        return;
    }
    line->patterns = take_word(&rest);
    line->type_name = take_word(&rest);
    struct span base64 = take_word(&rest);
    line->comment = rest;
    uint8_t salt[HASH_LEN], hash[HASH_LEN];
    if (base64.n == 0)
        line_is_bad(line, "fewer than three fields: names, key type, key");
    else if (is_number(line->type_name))
        line_is_bad(line, "a key of protocol version 1");
    else if (is_hashed(line->patterns) && !parse_hash(line->patterns, salt, hash))
        line_is_bad(line, "the hashed name is damaged");
    else if (!parse_blob(r, line, base64))
        line_is_bad(line, "the key is damaged, too long, or not of the type that is named");
}

bool known_hosts_next(struct known_hosts_reader *r, struct known_host_line *line)
{
    *line = (struct known_host_line){.status = KNOWN_HOST_OK};
    if (!take_line(r, &line->text))
        return false;
    line->number = r->number;
    struct span rest = skip_blanks(line->text);
    if (rest.n == 0 || rest.p[0] == '#')
        line->status = KNOWN_HOST_BLANK;
    else if (line->text.n > LIMIT_LINE_KNOWN_HOSTS)
        line_is_bad(line, "the line is too long");
    else
        parse_fields(r, line, rest);
    return true;
}

/* ---- matching ---- */

static uint8_t to_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static bool host_char_is_safe(uint8_t c)
{
    return c > 0x20 && c != 0x7f && strchr(",*?!|#@[]", c) == NULL;
}

bool known_host_query_init(struct known_host_query *q, struct span host, uint16_t port)
{
    char lower[LIMIT_HOST + 1];
    memset(q, 0, sizeof *q);
    if (host.n == 0 || host.n > LIMIT_HOST)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        if (!host_char_is_safe(host.p[i]))
            return false;
        lower[i] = (char)to_lower(host.p[i]);
    }
    lower[host.n] = '\0';
    if (port == 22)
        adit_format(q->name, sizeof q->name, "%s", lower);
    else
        adit_format(q->name, sizeof q->name, "[%s]:%u", lower, (unsigned)port);
    return true;
}

/* HMAC-SHA1 with the salt as its key, of the name; the text after "|1|" is two base64 words. */
static void hash_name(const uint8_t salt[static HASH_LEN], struct span name, uint8_t out[static HASH_LEN])
{
    hmac_of(HASH_SHA1, span_make(salt, HASH_LEN), name, out);
}

static bool hashed_matches(struct span field, struct span name)
{
    uint8_t salt[HASH_LEN], want[HASH_LEN], have[HASH_LEN];
    if (!parse_hash(field, salt, want))
        return false;
    hash_name(salt, name, have);
    return memcmp(have, want, HASH_LEN) == 0;
}

bool known_host_matches(struct span patterns, const struct known_host_query *q)
{
    struct span name = span_str(q->name), one;
    bool found = false;
    if (is_hashed(patterns))
        return hashed_matches(patterns, name);
    while (names_next(&patterns, &one)) {
        bool is_negated = one.n > 0 && one.p[0] == '!';
        struct span pattern = is_negated ? span_sub(one, 1, one.n) : one;
        if (pattern.n > PATTERN_MAX)
            return false;
        if (pattern.n == 0 || !adit_text_matches(pattern, name, true))
            continue;
        if (is_negated)
            return false;
        found = true;
    }
    return found;
}

static bool line_is_for(const struct known_host_line *line, const struct known_host_query *q)
{
    return line->status == KNOWN_HOST_OK && known_host_matches(line->patterns, q);
}

uint32_t known_hosts_types(struct known_hosts_reader *r, const struct known_host_query *q)
{
    struct known_host_line line;
    uint32_t types = 0;
    while (known_hosts_next(r, &line)) {
        bool is_ca = line.marker == KNOWN_HOST_CERT_AUTHORITY;
        if ((is_ca || line.marker == KNOWN_HOST_PLAIN) && line.type != KEY_NONE && line_is_for(&line, q))
            types |= is_ca ? (uint32_t)KNOWN_HOSTS_CA : UINT32_C(1) << line.type;
    }
    return types;
}

/* ---- the verdict ---- */

bool known_hosts_check_init(struct known_hosts_check *c, const struct known_host_query *q, struct span blob)
{
    memset(c, 0, sizeof *c);
    struct rd r = rd_init(blob);
    c->query = *q;
    c->blob = blob;
    c->type = key_type_of_name(rd_string(&r));
    return rd_ok(&r);
}

static enum known_hosts_verdict judge(const struct known_hosts_check *c, const struct known_host_line *line)
{
    bool is_same = span_eq(line->blob, c->blob);
    bool is_certified = c->ca.n > 0, is_ca = is_certified && span_eq(line->blob, c->ca);
    if (line->marker == KNOWN_HOST_REVOKED)
        return is_same || is_ca ? KNOWN_HOSTS_REVOKED : KNOWN_HOSTS_UNKNOWN;
    if (line->marker == KNOWN_HOST_CERT_AUTHORITY)
        return is_ca ? KNOWN_HOSTS_MATCH : KNOWN_HOSTS_UNKNOWN;
    if (is_certified)
        return KNOWN_HOSTS_UNKNOWN;
    if (is_same)
        return KNOWN_HOSTS_MATCH;
    return line->type == c->type ? KNOWN_HOSTS_CHANGED : KNOWN_HOSTS_OTHER_TYPES;
}

static void weigh(struct known_hosts_check *c, size_t file_index, const struct known_host_line *line)
{
    enum known_hosts_verdict verdict = judge(c, line);
    if (line->marker == KNOWN_HOST_CERT_AUTHORITY)
        c->has_cert_authority = true;
    if (line->marker == KNOWN_HOST_PLAIN && line->type != KEY_NONE)
        c->types |= UINT32_C(1) << line->type;
    if (verdict <= c->verdict)
        return;
    c->verdict = verdict;
    c->file_index = file_index;
    c->line_number = line->number;
}

void known_hosts_check_text(struct known_hosts_check *c, size_t file_index, struct span text,
                            void (*on_bad)(void *ctx, size_t file_index, const struct known_host_line *line),
                            void *ctx)
{
    struct known_host_line line;
    known_hosts_reader_init(&c->reader, text);
    while (known_hosts_next(&c->reader, &line)) {
        if (line_is_for(&line, &c->query))
            weigh(c, file_index, &line);
        else if (line.status == KNOWN_HOST_BAD && on_bad != NULL)
            on_bad(ctx, file_index, &line);
    }
}

/* ---- writing ---- */

/* " type base64\n"; the base64 text is made in place, its terminating zero becomes the line's end. */
static bool write_key(struct wr *w, struct span blob)
{
    struct rd r = rd_init(blob);
    struct span type = rd_string(&r);
    if (!rd_ok(&r) || type.n == 0 || blob.n > KNOWN_HOST_BLOB_MAX)
        return false;
    for (size_t i = 0; i < type.n; i++)
        if (type.p[i] <= 0x20 || type.p[i] >= 0x7f)
            return false;
    wr_u8(w, ' ');
    wr_bytes(w, type);
    wr_u8(w, ' ');
    struct wspan text = wr_space(w, BASE64_LEN(blob.n) + 1);
    if (!wr_ok(w))
        return false;
    base64_encode((char *)text.p, text.n, blob);
    text.p[text.n - 1] = '\n';
    return true;
}

bool known_hosts_write(struct wr *w, const struct known_host_query *q, struct span blob)
{
    wr_bytes(w, span_str(q->name));
    return write_key(w, blob);
}

bool known_hosts_write_hashed(struct wr *w, const struct known_host_query *q, const uint8_t salt[static 20],
                              struct span blob)
{
    uint8_t digest[HASH_LEN];
    char text[BASE64_LEN(HASH_LEN) + 1];
    hash_name(salt, span_str(q->name), digest);
    wr_bytes(w, span_str("|1|"));
    base64_encode(text, sizeof text, span_make(salt, HASH_LEN));
    wr_bytes(w, span_str(text));
    wr_u8(w, '|');
    base64_encode(text, sizeof text, span_make(digest, HASH_LEN));
    wr_bytes(w, span_str(text));
    return write_key(w, blob);
}
