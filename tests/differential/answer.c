/*
 * answer.c - adit's answers for the differential tests: one question a line on standard input, its words in
 * hexadecimal behind the name of what is asked; the answer is lines of text and a line with a dot alone.
 *
 *     known NAME FILE        the lines of a known_hosts file that are for NAME: "number marker fingerprint"
 *     hash NAME SALT LINE    LINE's key for NAME, as a line with a hashed name
 *     key FILE PASSPHRASE    a private key file: "ok type base64 comment", or the status and why
 *     public LINE            a public key's line: "bits hash hash ... short-name comment", then the pictures
 *     cert BLOB              a certificate's fields, and whether its signature is right
 *     revoked LIST LINE...   what a list of revoked keys says of the keys: "fine", "revoked", "bad"
 *     base64 SPACE TEXT      the bytes in hexadecimal
 *     glob PATTERN NAME      "yes", "no"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/fingerprint.h"
#include "client/globs.h"
#include "ssh/base64.h"
#include "ssh/cert.h"
#include "ssh/keyfile.h"
#include "ssh/known_hosts.h"
#include "ssh/krl.h"

enum { WORDS_MAX = 512 };

struct question {
    size_t count;
    struct span word[WORDS_MAX];
};

static void say_hex(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        printf("%02x", s.p[i]);
}

static void say_base64(struct span s)
{
    char *text = malloc(BASE64_LEN(s.n) + 1);
    if (text == NULL)
        abort();
    base64_encode(text, BASE64_LEN(s.n) + 1, s);
    fputs(text, stdout);
    free(text);
}

static struct wspan some(size_t n)
{
    struct wspan w = {malloc(n + 1), n};
    if (w.p == NULL)
        abort();
    return w;
}

/* ---- known_hosts ---- */

static void answer_known(const struct question *q)
{
    static struct known_hosts_reader r;
    struct known_host_query query = {0};
    struct known_host_line line;
    char print[FINGERPRINT_CAP];
    if (q->word[0].n >= sizeof query.name)
        return;
    memcpy(query.name, q->word[0].p, q->word[0].n);
    known_hosts_reader_init(&r, q->word[1]);
    while (known_hosts_next(&r, &line)) {
        static const char *const markers[] = {"-", "REVOKED", "CA"};
        if (line.status == KNOWN_HOST_BAD)
            printf("bad %zu %s\n", line.number, line.why);
        if (line.status != KNOWN_HOST_OK || !known_host_matches(line.patterns, &query))
            continue;
        fingerprint_text(line.blob, FINGERPRINT_SHA256, print);
        printf("line %zu %s %s\n", line.number, markers[line.marker], print);
    }
}

static void answer_hash(const struct question *q)
{
    static struct known_hosts_reader r;
    static uint8_t out[64 * 1024];
    struct known_host_query query = {0};
    struct known_host_line line;
    struct wr w = wr_init(out, sizeof out);
    if (q->word[0].n >= sizeof query.name || q->word[1].n != 20)
        return;
    memcpy(query.name, q->word[0].p, q->word[0].n);
    known_hosts_reader_init(&r, q->word[2]);
    if (known_hosts_next(&r, &line) && line.status == KNOWN_HOST_OK &&
        known_hosts_write_hashed(&w, &query, q->word[1].p, line.blob))
        fwrite(out, 1, w.used, stdout);
}

/* ---- keys ---- */

static void answer_key(const struct question *q)
{
    static const char *const words[] = {"ok", "sealed", "passphrase", "unsupported", "corrupt"};
    struct keyfile k;
    struct adit_error err = {0};
    struct wspan scratch = some(q->word[0].n);
    enum keyfile_status status =
        keyfile_parse(&k, q->word[0], q->word[1].n > 0 ? &q->word[1] : NULL, scratch, &err);
    free(scratch.p);
    if (status == KEYFILE_OK) {
        struct rd r = rd_init(span_make(k.public_blob, k.public_len));
        struct span type = rd_string(&r);
        printf("ok %.*s ", (int)type.n, (const char *)type.p);
        say_base64(span_make(k.public_blob, k.public_len));
        printf(" ");
        say_hex(span_str(k.comment));
        printf("\n");
    } else {
        printf("%s %s\n", words[status], err.text);
    }
    keyfile_wipe(&k);
}

static void answer_public(const struct question *q)
{
    static const enum fingerprint_hash hashes[] = {FINGERPRINT_SHA256, FINGERPRINT_MD5};
    struct pubkey_line line;
    struct key key;
    char text[FINGERPRINT_CAP], art[FINGERPRINT_ART_CAP];
    struct wspan buffer = some(q->word[0].n);
    if (pubkey_line_parse(&line, q->word[0], buffer) && key_parse(&key, line.blob)) {
        for (size_t i = 0; i < ADIT_COUNT(hashes); i++) {
            fingerprint_text(line.blob, hashes[i], text);
            fingerprint_art(line.blob, hashes[i], art);
            printf("%u %s %s ", key_bits(&key), text, key_short_name(key.type));
            say_hex(line.comment);
            printf("\n%s\n", art);
        }
    }
    free(buffer.p);
}

/* ---- certificates and lists of revoked keys ---- */

static void say_pairs(const char *name, struct span list, bool has_data)
{
    struct rd r = rd_init(list);
    while (r.n > 0) {
        printf("%s ", name);
        say_hex(rd_string(&r));
        printf(" ");
        if (has_data)
            say_hex(rd_string(&r));
        printf("\n");
    }
}

static void answer_cert(const struct question *q)
{
    struct cert c;
    struct adit_error err = {0};
    char print[FINGERPRINT_CAP];
    uint8_t plain[LIMIT_KEY_BLOB];
    struct wr w = wr_init(plain, sizeof plain);
    if (!cert_parse(&c, q->word[0]) || !cert_plain_key(&c, &w)) {
        printf("bad\n");
        return;
    }
    enum adit_err e = cert_verify(&c, &err);
    printf("signature %s %.*s\n", e == ADIT_E_OK ? "right" : err.text, (int)c.signature_alg.n,
           (const char *)c.signature_alg.p);
    fingerprint_text(wr_done(&w), FINGERPRINT_SHA256, print);
    printf("key %s %s %s\n", cert_type_name(c.key.type), key_short_name(c.key.type), print);
    fingerprint_text(c.ca.blob, FINGERPRINT_SHA256, print);
    printf("ca %s %s\n", key_short_name(c.ca.type), print);
    printf("kind %u\nserial %llu\nfrom %llu\nto %llu\nid ", c.kind, (unsigned long long)c.serial,
           (unsigned long long)c.valid_after, (unsigned long long)c.valid_before);
    say_hex(c.key_id);
    printf("\n");
    say_pairs("principal", c.principals, false);
    say_pairs("critical", c.critical, true);
    say_pairs("extension", c.extensions, true);
}

static const char *revoked(struct span list, struct span text)
{
    struct pubkey_line line;
    struct cert cert;
    struct krl_subject subject = {0};
    const char *said = "no key", *why;
    size_t number;
    struct wspan buffer = some(text.n), scratch = some(list.n), plain = some(text.n);
    struct wr w = wr_init(plain.p, plain.n);
    if (pubkey_line_parse(&line, text, buffer)) {
        subject.key = line.blob;
        bool is_cert = cert_is_one(line.blob);
        if (!is_cert || (cert_parse(&cert, line.blob) && cert_plain_key(&cert, &w))) {
            if (is_cert)
                subject = (struct krl_subject){.key = wr_done(&w), .cert = &cert};
            enum krl_verdict v = krl_check(list, &subject, scratch, &why, &number);
            said = v == KRL_FINE ? "fine" : v == KRL_REVOKED ? "revoked" : why;
        }
    }
    free(buffer.p);
    free(scratch.p);
    free(plain.p);
    return said;
}

static void answer_revoked(const struct question *q)
{
    for (size_t i = 1; i < q->count; i++)
        printf("%s\n", revoked(q->word[0], q->word[i]));
}

/* ---- texts ---- */

static void answer_base64(const struct question *q)
{
    struct wspan out = some(q->word[1].n);
    size_t len;
    if (base64_decode(out, q->word[1], q->word[0].n > 0, &len)) {
        printf("ok ");
        say_hex(span_make(out.p, len));
        printf("\n");
    } else {
        printf("bad\n");
    }
    free(out.p);
}

static void answer_glob(const struct question *q)
{
    printf("%s\n", glob_matches(q->word[0], q->word[1]) ? "yes" : "no");
}

/* ---- questions ---- */

static const struct {
    const char *name;
    size_t words; /* at least */
    void (*answer)(const struct question *q);
} kinds[] = {
    {"known", 2, answer_known},   {"hash", 3, answer_hash}, {"key", 2, answer_key},
    {"public", 1, answer_public}, {"cert", 1, answer_cert}, {"revoked", 2, answer_revoked},
    {"base64", 2, answer_base64}, {"glob", 2, answer_glob},
};

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Each word in memory of its own size, so that a sanitizer sees who reads behind it. */
static void read_words(struct question *q, char *text)
{
    char *rest = NULL;
    q->count = 0;
    for (char *word = strtok_r(text, " \n", &rest); word != NULL && q->count < WORDS_MAX;
         word = strtok_r(NULL, " \n", &rest)) {
        size_t n = strlen(word) / 2;
        uint8_t *p = malloc(n > 0 ? n : 1);
        if (p == NULL)
            abort();
        /* "-" is the empty word. */
        for (size_t i = 0; i < n; i++)
            p[i] = (uint8_t)(digit(word[2 * i]) << 4 | digit(word[2 * i + 1]));
        q->word[q->count++] = (struct span){p, n};
    }
}

static void answer(char *text)
{
    struct question q;
    char *rest = strchr(text, ' ');
    if (rest == NULL)
        abort();
    *rest = '\0';
    read_words(&q, rest + 1);
    for (size_t i = 0; i < ADIT_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, text) == 0 && q.count >= kinds[i].words)
            kinds[i].answer(&q);
    for (size_t i = 0; i < q.count; i++)
        free((void *)(uintptr_t)q.word[i].p);
    printf(".\n");
    fflush(stdout);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    if (!crypto_init())
        return 1;
    while (getline(&line, &cap, stdin) > 0)
        answer(line);
    free(line);
    return 0;
}
