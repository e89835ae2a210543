#include "ssh/krl.h"

#include <string.h>

#include "ssh/base64.h"

/* PROTOCOL.krl: the sections of a list, and those of its part about certificates. */
enum {
    SECTION_CERTIFICATES = 1,
    SECTION_EXPLICIT_KEY = 2,
    SECTION_FINGERPRINT_SHA1 = 3,
    SECTION_SIGNATURE = 4,
    SECTION_FINGERPRINT_SHA256 = 5,
    SECTION_EXTENSION = 255,
    CERT_SERIAL_LIST = 0x20,
    CERT_SERIAL_RANGE = 0x21,
    CERT_SERIAL_BITMAP = 0x22,
    CERT_KEY_ID = 0x23,
    CERT_EXTENSION = 0x39,
};

static const struct span magic = SPAN_LIT("SSHKRL\n\0");

/* What is looked for, and what was found. */
struct search {
    const struct krl_subject *subject;
    struct span keys[2]; /* the key, and the authority's; empty: none */
    bool found;
    const char *why; /* the first fault */
};

static void fault(struct search *s, struct rd *r, const char *why)
{
    if (s->why == NULL)
        s->why = why;
    rd_fail(r);
}

static void note(struct search *s, bool is_it)
{
    s->found = s->found || is_it;
}

/* PROTOCOL.krl: an extension that is not known is skipped, unless it is critical. */
static void walk_extension(struct search *s, struct rd r)
{
    (void)rd_string(&r);
    bool is_critical = rd_bool(&r);
    (void)rd_string(&r);
    if (!rd_done(&r) || is_critical)
        fault(s, &r, is_critical ? "a critical extension that is not known" : "a damaged extension");
}

/* ---- certificates ---- */

/* Serial number 0 is what an authority writes that does not number its certificates: a list that would revoke
 * it revokes too much or too little, and ssh takes none. */
static bool has_serial(const struct search *s, bool is_of_ca)
{
    return is_of_ca && s->subject->cert->serial != 0;
}

static void walk_serials(struct search *s, struct rd r, bool is_of_ca)
{
    while (rd_ok(&r) && r.n > 0) {
        uint64_t serial = rd_u64(&r);
        if (serial == 0)
            rd_fail(&r);
        note(s, has_serial(s, is_of_ca) && rd_ok(&r) && serial == s->subject->cert->serial);
    }
    if (!rd_done(&r))
        fault(s, &r, "a damaged list of serial numbers");
}

static void walk_range(struct search *s, struct rd r, bool is_of_ca)
{
    uint64_t low = rd_u64(&r), high = rd_u64(&r);
    if (!rd_done(&r) || low > high || low == 0)
        fault(s, &r, "a damaged range of serial numbers");
    else if (has_serial(s, is_of_ca))
        note(s, s->subject->cert->serial >= low && s->subject->cert->serial <= high);
}

static bool bit_is_set(struct span magnitude, uint64_t bit)
{
    return bit / 8 < magnitude.n && (magnitude.p[magnitude.n - 1 - (size_t)(bit / 8)] >> (bit % 8) & 1) != 0;
}

static void walk_bitmap(struct search *s, struct rd r, bool is_of_ca)
{
    uint64_t offset = rd_u64(&r);
    struct span bits = rd_mpint(&r);
    uint64_t last = bits.n > 0 ? (uint64_t)bits.n * 8 - 1 : 0;
    while (last > 0 && !bit_is_set(bits, last))
        last--;
    if (!rd_done(&r) || (offset == 0 && bit_is_set(bits, 0)) || last > UINT64_MAX - offset)
        fault(s, &r, "a damaged bitmap of serial numbers");
    else if (has_serial(s, is_of_ca) && s->subject->cert->serial >= offset)
        note(s, bit_is_set(bits, s->subject->cert->serial - offset));
}

static void walk_key_ids(struct search *s, struct rd r, bool is_of_ca)
{
    while (rd_ok(&r) && r.n > 0) {
        struct span id = rd_string(&r);
        note(s, is_of_ca && rd_ok(&r) && span_eq(id, s->subject->cert->key_id));
    }
    if (!rd_done(&r))
        fault(s, &r, "a damaged list of key ids");
}

static void walk_cert_part(struct search *s, uint8_t type, struct rd part, bool is_of_ca)
{
    switch (type) {
    case CERT_SERIAL_LIST:
        walk_serials(s, part, is_of_ca);
        break;
    case CERT_SERIAL_RANGE:
        walk_range(s, part, is_of_ca);
        break;
    case CERT_SERIAL_BITMAP:
        walk_bitmap(s, part, is_of_ca);
        break;
    case CERT_KEY_ID:
        walk_key_ids(s, part, is_of_ca);
        break;
    case CERT_EXTENSION:
        walk_extension(s, part);
        break;
    default:
        fault(s, &part, "a kind of certificate section that is not known");
    }
}

static void walk_certificates(struct search *s, struct rd r)
{
    struct span ca = rd_string(&r);
    (void)rd_string(&r); /* reserved */
    const struct cert *cert = s->subject->cert;
    /* An empty key stands for every authority. */
    bool is_of_ca = cert != NULL && (ca.n == 0 || span_eq(ca, cert->ca.blob));
    while (rd_ok(&r) && r.n > 0 && s->why == NULL) {
        uint8_t type = rd_u8(&r);
        struct rd part = rd_init(rd_string(&r));
        if (rd_ok(&r))
            walk_cert_part(s, type, part, is_of_ca);
    }
    if (!rd_done(&r))
        fault(s, &r, "a damaged section about certificates");
}

/* ---- keys ---- */

static void walk_keys(struct search *s, struct rd r)
{
    while (rd_ok(&r) && r.n > 0) {
        struct span blob = rd_string(&r);
        for (size_t i = 0; i < ADIT_COUNT(s->keys) && rd_ok(&r); i++)
            note(s, s->keys[i].n > 0 && span_eq(blob, s->keys[i]));
    }
    if (!rd_done(&r))
        fault(s, &r, "a damaged list of keys");
}

static void walk_hashes(struct search *s, struct rd r, enum hash_alg alg)
{
    uint8_t hashes[ADIT_COUNT(s->keys)][HASH_MAX_LEN];
    for (size_t i = 0; i < ADIT_COUNT(s->keys); i++)
        hash_of(alg, s->keys[i], hashes[i]);
    while (rd_ok(&r) && r.n > 0) {
        struct span hash = rd_string(&r);
        if (hash.n != hash_len(alg))
            rd_fail(&r);
        for (size_t i = 0; i < ADIT_COUNT(s->keys) && rd_ok(&r); i++)
            note(s, s->keys[i].n > 0 && span_eq(hash, span_make(hashes[i], hash_len(alg))));
    }
    if (!rd_done(&r))
        fault(s, &r, "a damaged list of fingerprints");
}

/* ---- the whole list ---- */

static void walk_section(struct search *s, uint8_t type, struct rd section)
{
    switch (type) {
    case SECTION_CERTIFICATES:
        walk_certificates(s, section);
        break;
    case SECTION_EXPLICIT_KEY:
        walk_keys(s, section);
        break;
    case SECTION_FINGERPRINT_SHA1:
        walk_hashes(s, section, HASH_SHA1);
        break;
    case SECTION_FINGERPRINT_SHA256:
        walk_hashes(s, section, HASH_SHA256);
        break;
    case SECTION_EXTENSION:
        walk_extension(s, section);
        break;
    default:
        fault(s, &section, "a kind of section that is not known");
    }
}

static void walk_binary(struct search *s, struct span list)
{
    struct rd r = rd_init(list);
    (void)rd_bytes(&r, magic.n);
    if (rd_u32(&r) != 1)
        fault(s, &r, "a version of the format that is not known");
    (void)rd_u64(&r); /* the list's version */
    (void)rd_u64(&r); /* when it was made */
    (void)rd_u64(&r); /* flags: none is defined */
    (void)rd_string(&r);
    (void)rd_string(&r); /* comment */
    while (rd_ok(&r) && r.n > 0 && s->why == NULL) {
        uint8_t type = rd_u8(&r);
        struct rd section = rd_init(rd_string(&r));
        /* The file is ours, by its path and its mode; a signature over it adds nothing, and ssh has given
         * up on them. Its section is a key and, outside, the signature. */
        if (type == SECTION_SIGNATURE)
            (void)rd_string(&r);
        else if (rd_ok(&r))
            walk_section(s, type, section);
    }
    if (!rd_done(&r))
        fault(s, &r, "it is cut, or damaged");
}

static struct span take_word(struct span *s)
{
    size_t n = 0, next;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
        n++;
    for (next = n; next < s->n && (s->p[next] == ' ' || s->p[next] == '\t');)
        next++;
    struct span word = span_sub(*s, 0, n);
    *s = span_sub(*s, next, s->n);
    return word;
}

static bool next_line(struct span *rest, struct span *line)
{
    if (rest->n == 0)
        return false;
    const uint8_t *end = memchr(rest->p, '\n', rest->n);
    size_t n = end != NULL ? (size_t)(end - rest->p) : rest->n;
    *line = span_sub(*rest, 0, n);
    *rest = end != NULL ? span_sub(*rest, n + 1, rest->n) : (struct span){0};
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

/* A certificate in the list stands for the key in it. The key's own bytes are compared, so that a kind of key
 * that is not known can stand there too. */
static void walk_line(struct search *s, struct span line, struct wspan scratch)
{
    struct rd bad = {0};
    size_t len = 0;
    struct span type = take_word(&line), text = take_word(&line);
    struct cert cert;
    if (!base64_decode(scratch, text, false, &len)) {
        fault(s, &bad, "no public key");
        return;
    }
    struct span blob = span_make(scratch.p, len);
    struct rd r = rd_init(blob);
    struct span name = rd_string(&r);
    if (!rd_ok(&r) || !key_line_is_of(type, name))
        fault(s, &bad, "no public key of the type that is named");
    bool is_cert = cert_is_one(blob) && cert_parse(&cert, blob);
    for (size_t i = 0; i < ADIT_COUNT(s->keys); i++) {
        struct rd key = rd_init(s->keys[i]);
        bool is_type = key_type_of_name(rd_string(&key)) == (is_cert ? cert.key.type : KEY_NONE);
        note(s, s->keys[i].n > 0 && (span_eq(blob, s->keys[i]) ||
                                     (is_cert && is_type && span_eq(rd_rest(&key), cert.fields))));
    }
}

static size_t walk_text(struct search *s, struct span list, struct wspan scratch)
{
    struct span line = {0};
    size_t number = 0;
    while (s->why == NULL && next_line(&list, &line)) {
        number++;
        while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
            line = span_sub(line, 1, line.n);
        if (line.n > 0 && line.p[0] != '#')
            walk_line(s, line, scratch);
    }
    return number;
}

enum krl_verdict krl_check(struct span list, const struct krl_subject *subject, struct wspan scratch,
                           const char **why, size_t *line)
{
    struct search s = {.subject = subject, .keys = {subject->key}};
    if (subject->cert != NULL)
        s.keys[1] = subject->cert->ca.blob;
    *line = 0;
    if (span_eq(span_sub(list, 0, magic.n), magic))
        walk_binary(&s, list);
    else
        *line = walk_text(&s, list, scratch);
    *why = s.why;
    return s.why != NULL ? KRL_BAD : s.found ? KRL_REVOKED : KRL_FINE;
}
