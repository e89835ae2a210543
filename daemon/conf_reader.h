/*
 * conf_reader.h - the text of adit.conf into struct conf: lines, blocks, Include, and what holds for a whole
 * block. Sans-I/O: files come through a hook. conf.h is the reader of the files.
 *
 * ssh_config(5)'s lexing. The part before the first block is the daemon's. A block begins with "Tunnel NAME"
 * or "Profile NAME" and ends where the next begins, or with its file. Inside a Tunnel "Profile NAME" says
 * which one it uses; it begins a block there only when it stands as far left as the Tunnel line while
 * something of the block stood further right.
 */
#ifndef DAEMON_CONF_READER_H
#define DAEMON_CONF_READER_H

#include "adit.h"
#include "daemon/conf.h"

struct conf_reader;

struct conf_hooks {
    void *ctx;
    /* Reads the files that one argument of Include names, each by conf_read; none is fine. */
    enum adit_err (*include)(void *ctx, struct conf_reader *r, const char *pattern, struct adit_error *err);
    /* May be NULL: then every name is one. */
    bool (*is_group)(void *ctx, const char *name);
    /* Of ssh_config; NULL: none is. False with is_unsure set: it may be one, but not all could be had. */
    bool (*is_alias)(void *ctx, const char *name, bool *is_unsure);
    const char *home; /* what "~" is; empty: unknown */
};

enum conf_block_kind { CONF_BLOCK_DAEMON, CONF_BLOCK_PROFILE, CONF_BLOCK_TUNNEL, CONF_BLOCK_SKIPPED };

struct conf_block {
    enum conf_block_kind kind;
    size_t index;    /* in conf->profiles or conf->tunnels */
    size_t indent;   /* of its first line */
    bool has_deeper; /* a line of it stood further right */
};

/* What is known of a block only while reading. */
struct conf_notes {
    uint64_t given;           /* rows that were given: a bit each */
    struct conf_place at[64]; /* ... and where */
    const char *forward_files[DEFINITION_FORWARDS_MAX];
    bool is_bad; /* it had an error: what follows from that is not told */
};

/* Start with a zero struct but for conf and hooks; conf_read_end frees the rest. */
struct conf_reader {
    struct conf *conf; /* after conf_init */
    const struct conf_hooks *hooks;

    struct conf_place place; /* of the line that is read; file is one of conf->files */
    struct conf_block block;
    struct conf_notes daemon;
    struct conf_notes **tunnels;  /* conf->tunnel_count of them */
    struct conf_notes **profiles; /* conf->profile_count of them */
    unsigned depth, bad_lines;
    bool is_over; /* an included file was bad: nothing more is read */
};

/* One file's text. Bad lines are added to conf->errors and the next one is looked at: then ADIT_E_CONFIG at
 * the end of the file. ADIT_E_MEMORY; what the hooks return. */
enum adit_err conf_read(struct conf_reader *r, struct span text, const char *name,
                        struct adit_error *err) ADIT_MUST_USE;

/* Once after all files: judges the blocks as wholes (unless something was fatal: e of conf_read), and frees
 * what the reader holds. ADIT_E_CONFIG with the first of conf->errors. */
enum adit_err conf_read_end(struct conf_reader *r, enum adit_err e, struct adit_error *err) ADIT_MUST_USE;

#endif
