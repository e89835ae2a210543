/*
 * keyfiles.h - the files of tests/keys/ for unit tests, which run in the root of the tree.
 */
#ifndef KEYFILES_H
#define KEYFILES_H

#include <stdio.h>

#include "../ssh/keyfile.h"
#include "test.h"

struct file_text {
    uint8_t bytes[16 * 1024];
    size_t n;
};

static inline struct span file_span(const struct file_text *f)
{
    return span_make(f->bytes, f->n);
}

static inline void file_read(struct file_text *f, const char *name, const char *suffix)
{
    char path[128];
    snprintf(path, sizeof path, "tests/keys/%s%s", name, suffix);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    f->n = fread(f->bytes, 1, sizeof f->bytes, in);
    fclose(in);
    assert_true(f->n > 0 && f->n < sizeof f->bytes);
}

/* The blob of the .pub file beside a key; returns its length. */
static inline size_t file_public(const char *name, uint8_t *blob, size_t cap)
{
    struct file_text f;
    struct pubkey_line line;
    file_read(&f, name, ".pub");
    assert_true(pubkey_line_parse(&line, file_span(&f), (struct wspan){blob, cap}));
    return line.blob.n;
}

static const char passphrase_text[] = "open sesame";

static inline enum keyfile_status file_parse(struct keyfile *out, struct span text, const char *passphrase,
                                             struct adit_error *err)
{
    static uint8_t scratch[16 * 1024];
    struct span pass = span_str(passphrase);
    return keyfile_parse(out, text, passphrase == NULL ? NULL : &pass,
                         (struct wspan){scratch, sizeof scratch}, err);
}

#endif
