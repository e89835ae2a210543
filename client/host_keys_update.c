#include "client/host_keys_update.h"

#include <stdlib.h>
#include <string.h>

#include "client/fingerprint.h"
#include "client/texts.h"
#include "net/random.h"
#include "ssh/cert.h"
#include "ssh/ssh.h"

enum { SHOWN_HOST = 1, SHOWN_ADDRESS = 2 };

static void say(const struct host_keys_update *u, enum log_level level, const char *fmt, ...)
    ADIT_PRINTF(3, 4);

static void say(const struct host_keys_update *u, enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(line, sizeof line, fmt, ap);
    va_end(ap);
    u->host->prompt->log(u->host->prompt->ctx, level, line);
}

void host_keys_update_init(struct host_keys_update *u, struct host_keys *host)
{
    *u = (struct host_keys_update){.host = host};
}

void host_keys_update_wipe(struct host_keys_update *u)
{
    free(u->bytes);
    *u = (struct host_keys_update){.host = u->host};
}

bool host_keys_update_wanted(const struct host_keys *host)
{
    enum update_host_keys mode = options_update_host_keys(host->options);
    bool asks = mode == UPDATE_HOST_KEYS_ASK;
    /* ssh_config(5): confirmation is incompatible with ControlPersist. */
    return mode != UPDATE_HOST_KEYS_NO && host->user_count > 0 &&
           !(asks && (host->options->batch_mode || host->options->control_persist));
}

/* ---- What the server shows ---- */

/* HostKeyAlgorithms: as ssh, a key that could not be asked for is as if it were not there. */
static bool is_allowed(const struct host_keys_update *u, enum key_type type)
{
    const char *list = u->host->options->host_key_algorithms;
    struct span rest = span_str(list != NULL ? list : ssh_list_default(SSH_LIST_HOST_KEY)), name;
    while (text_comma(&rest, &name))
        if (cert_sigalg(name) == NULL && key_type_for_sigalg(name) == type)
            return true;
    return false;
}

static struct shown_key *find(struct host_keys_update *u, struct span blob)
{
    for (size_t i = 0; i < u->count; i++)
        if (span_eq(u->keys[i].blob, blob))
            return &u->keys[i];
    return NULL;
}

/* RSA: other sizes are never verified here, so they can be known but not learned. */
static bool can_verify(const struct host_keys_update *u, const struct key *key)
{
    unsigned bits = key_bits(key), least = u->host->options->required_rsa_size;
    return key->type != KEY_RSA || (bits >= 2048 && bits <= RSA_MAX_LEN * 8 && bits >= least);
}

/* False, with a word about it: the list is not what a server may send. */
static bool read_one(struct host_keys_update *u, struct span blob)
{
    struct rd r = rd_init(blob);
    struct span name = rd_string(&r);
    struct key key;
    if (!rd_ok(&r)) {
        say(u, LOG_LEVEL_ERROR, "the server shows a malformed host key: known_hosts stays as it is");
        return false;
    }
    enum key_type type = key_type_of_name(name);
    if (type == KEY_NONE) { /* of a kind that we do not know, or a certificate */
        say(u, LOG_LEVEL_DEBUG1, "the server shows a host key of a type that is not known here");
        return true;
    }
    if (!key_parse(&key, blob)) {
        say(u, LOG_LEVEL_ERROR, "the server shows a malformed %s host key: known_hosts stays as it is",
            key_short_name(type));
        return false;
    }
    if (!is_allowed(u, type)) {
        say(u, LOG_LEVEL_DEBUG3, "%s key not permitted by HostkeyAlgorithms", key_short_name(type));
        return true;
    }
    if (find(u, blob) != NULL || u->count == ADIT_COUNT(u->keys)) {
        say(u, LOG_LEVEL_ERROR, "the server shows %s: known_hosts stays as it is",
            u->count == ADIT_COUNT(u->keys) ? "too many host keys" : "a host key twice");
        return false;
    }
    u->keys[u->count++] = (struct shown_key){.string = span_make(blob.p - 4, blob.n + 4),
                                             .blob = blob,
                                             .type = key_short_name(type),
                                             .can_prove = can_verify(u, &key)};
    return true;
}

static bool read_list(struct host_keys_update *u, struct span list)
{
    u->bytes = malloc(list.n + 1);
    if (u->bytes == NULL)
        return false;
    if (list.n > 0)
        memcpy(u->bytes, list.p, list.n);
    struct rd r = rd_init(span_make(u->bytes, list.n));
    while (r.n > 0 && rd_ok(&r)) {
        struct span blob = rd_string(&r);
        if (rd_ok(&r) && !read_one(u, blob))
            return false;
    }
    if (!rd_ok(&r))
        say(u, LOG_LEVEL_ERROR, "the server's list of host keys is malformed: known_hosts stays as it is");
    return rd_ok(&r);
}

/* ---- What the files say ---- */

/* Of all the user's files. */
struct survey {
    struct known_hosts_reader reader;
    struct texts old;       /* fingerprints of the host's keys that the server does not show */
    struct texts old_shown; /* the same for people */
    size_t fresh;           /* shown keys that no file has */
    bool is_complex, has_other_name, old_has_other_name, failed;
};

static void survey_wipe(struct survey *v)
{
    texts_wipe(&v->old);
    texts_wipe(&v->old_shown);
    free(v);
}

static uint8_t names_of(const struct host_keys_update *u, const struct known_host_line *line)
{
    const struct host_keys *h = u->host;
    if (line->status != KNOWN_HOST_OK)
        return 0;
    bool has_host = known_host_matches(line->patterns, &h->query);
    bool has_address = h->has_address && known_host_matches(line->patterns, &h->address);
    return (uint8_t)((has_host ? SHOWN_HOST : 0) | (has_address ? SHOWN_ADDRESS : 0));
}

static size_t count_of(struct span text, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == (uint8_t)c;
    return n;
}

/* Patterns, and more than a name and an address: somebody's own work. */
static bool is_complex(struct span patterns)
{
    return patterns.p[0] != '|' &&
           (count_of(patterns, '*') + count_of(patterns, '?') + count_of(patterns, '!') > 0 ||
            count_of(patterns, ',') > 1);
}

static void note_old(const struct host_keys_update *u, struct survey *v, const struct known_host_line *line)
{
    char fingerprint[KEY_FINGERPRINT_LEN + 1], shown[FINGERPRINT_CAP], text[FINGERPRINT_CAP + 32];
    key_fingerprint(line->blob, fingerprint);
    fingerprint_text(line->blob, (enum fingerprint_hash)u->host->options->fingerprint_hash, shown);
    adit_format(text, sizeof text, "%s %s", key_short_name(line->type), shown);
    if (texts_has(&v->old, fingerprint))
        return;
    if (!texts_add(&v->old, span_str(fingerprint)) || !texts_add(&v->old_shown, span_str(text)))
        v->failed = true;
}

static void survey_line(struct host_keys_update *u, struct survey *v, const struct known_host_line *line)
{
    struct shown_key *key = line->status == KNOWN_HOST_OK ? find(u, line->blob) : NULL;
    uint8_t names = names_of(u, line);
    bool is_list = line->status == KNOWN_HOST_OK && count_of(line->patterns, ',') > 0;
    if (names == 0)
        v->has_other_name = v->has_other_name || key != NULL;
    else if (line->marker != KNOWN_HOST_PLAIN || is_complex(line->patterns))
        v->is_complex = true;
    else if (u->host->has_address && is_list && names != (SHOWN_HOST | SHOWN_ADDRESS))
        v->has_other_name = true;
    else if (key != NULL)
        key->names |= names;
    else if (line->type != KEY_NONE)
        note_old(u, v, line);
}

/* A key that the server has no more, but which another name still has. */
static void survey_others(struct host_keys_update *u, struct survey *v, const struct known_host_line *line)
{
    char fingerprint[KEY_FINGERPRINT_LEN + 1];
    if (line->status != KNOWN_HOST_OK || names_of(u, line) != 0)
        return;
    key_fingerprint(line->blob, fingerprint);
    v->old_has_other_name = v->old_has_other_name || texts_has(&v->old, fingerprint);
}

typedef void survey_step(struct host_keys_update *u, struct survey *v, const struct known_host_line *line);

static void survey_files(struct host_keys_update *u, struct survey *v, survey_step *step)
{
    struct adit_error why = {0};
    struct known_host_line line;
    for (size_t i = 0; i < u->host->user_count; i++) {
        struct file text;
        bool missing = false;
        if (file_read(&text, u->host->files[i].path, LIMIT_FILE_KNOWN_HOSTS, NULL, &missing, &why) !=
            ADIT_E_OK) {
            if (!missing)
                say(u, LOG_LEVEL_ERROR, "%s", why.text);
            v->failed = v->failed || !missing;
            continue;
        }
        known_hosts_reader_init(&v->reader, span_make(text.p, text.n));
        while (known_hosts_next(&v->reader, &line))
            step(u, v, &line);
        file_wipe(&text);
    }
}

static bool may_change(const struct host_keys_update *u, const struct survey *v)
{
    if (v->failed)
        return false;
    if (v->fresh == 0 && v->old.count == 0)
        say(u, LOG_LEVEL_DEBUG1, "no new or deprecated keys from server");
    else if (v->is_complex)
        say(u, LOG_LEVEL_DEBUG1,
            "CA/revocation marker, manual host list or wildcard host pattern found, skipping "
            "UserKnownHostsFile "
            "update");
    else if (v->has_other_name)
        say(u, LOG_LEVEL_DEBUG1,
            "host key found matching a different name/address, skipping UserKnownHostsFile update");
    else if (v->old_has_other_name)
        say(u, LOG_LEVEL_DEBUG1, "key(s) for %s exist under other names; skipping UserKnownHostsFile update",
            u->host->query.name);
    else
        return true;
    return false;
}

/* NULL: nothing is to be changed. */
static struct survey *survey_new(struct host_keys_update *u)
{
    struct survey *v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    for (size_t i = 0; i < u->count; i++)
        u->keys[i].names = 0;
    survey_files(u, v, survey_line);
    for (size_t i = 0; i < u->count; i++)
        v->fresh += u->keys[i].names == 0 && u->keys[i].can_prove;
    if (v->old.count > 0)
        survey_files(u, v, survey_others);
    if (may_change(u, v))
        return v;
    survey_wipe(v);
    return NULL;
}

/* ---- The change ---- */

struct edit {
    struct host_keys_update *u;
    bool adds; /* new keys go into the first file alone */
    const char *path;
    struct known_hosts_reader reader;
    struct wr w;
    bool is_changed;
};

static void keep_lines(struct edit *e, struct span old)
{
    struct known_host_line line;
    known_hosts_reader_init(&e->reader, old);
    for (struct span from = old; known_hosts_next(&e->reader, &line); from = e->reader.rest) {
        uint8_t names = names_of(e->u, &line);
        bool is_ours = names != 0 && line.marker == KNOWN_HOST_PLAIN && line.type != KEY_NONE &&
                       !is_complex(line.patterns);
        struct shown_key *key = is_ours ? find(e->u, line.blob) : NULL;
        if (key != NULL)
            key->names |= names;
        if (is_ours && key == NULL) {
            say(e->u, LOG_LEVEL_DEBUG1, "%s:%zu: Removed %s key for host %s", e->path, line.number,
                key_short_name(line.type), e->u->host->query.name);
            e->is_changed = true;
        } else {
            wr_bytes(&e->w, span_sub(from, 0, from.n - e->reader.rest.n));
        }
    }
    if (e->w.used > 0 && e->w.p[e->w.used - 1] != '\n')
        wr_u8(&e->w, '\n');
}

static void add_line(struct edit *e, const struct known_host_query *q, struct span blob,
                     struct adit_error *err)
{
    uint8_t salt[20];
    bool fine;
    if (!e->u->host->options->hash_known_hosts)
        fine = known_hosts_write(&e->w, q, blob);
    else
        fine = random_seed(salt, sizeof salt, err) == ADIT_E_OK &&
               known_hosts_write_hashed(&e->w, q, salt, blob);
    if (!fine)
        e->w.failed = true;
    e->is_changed = true;
}

/* "host,address", as ssh writes it; a hashed name stands alone. */
static void add_both(struct edit *e, struct span blob, struct adit_error *err)
{
    const struct host_keys *h = e->u->host;
    if (h->options->hash_known_hosts) {
        add_line(e, &h->query, blob, err);
        add_line(e, &h->address, blob, err);
        return;
    }
    wr_bytes(&e->w, span_str(h->query.name));
    wr_u8(&e->w, ',');
    add_line(e, &h->address, blob, err);
}

static void add_lines(struct edit *e, struct adit_error *err)
{
    const struct host_keys *h = e->u->host;
    for (size_t i = 0; i < e->u->count; i++) {
        const struct shown_key *key = &e->u->keys[i];
        bool needs_host = (key->names & SHOWN_HOST) == 0;
        bool needs_address = h->has_address && (key->names & SHOWN_ADDRESS) == 0;
        if (!key->can_prove)
            continue;
        if (needs_host && needs_address)
            add_both(e, key->blob, err);
        else if (needs_host || needs_address)
            add_line(e, needs_host ? &h->query : &h->address, key->blob, err);
    }
}

static bool edit_text(void *ctx, struct span old, struct file *out, struct adit_error *err)
{
    struct edit *e = ctx;
    size_t cap = old.n + 1;
    for (size_t i = 0; e->adds && i < e->u->count; i++) {
        e->u->keys[i].names = 0;
        cap += 2 * (2 * sizeof e->u->host->query.name + 128 + 2 * e->u->keys[i].blob.n);
    }
    *out = (struct file){.p = malloc(cap), .cap = cap};
    if (out->p == NULL) {
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
        return false;
    }
    e->w = wr_init(out->p, cap);
    keep_lines(e, old);
    if (e->adds)
        add_lines(e, err);
    out->n = e->w.used;
    if (!wr_ok(&e->w))
        (void)adit_fail(err, ADIT_E_LIMIT, "the lines do not fit");
    return wr_ok(&e->w) && e->is_changed;
}

static void change_files(struct host_keys_update *u)
{
    struct edit *e = malloc(sizeof *e);
    for (size_t i = 0; e != NULL && i < u->host->user_count; i++) {
        struct adit_error why = {0};
        memset(e, 0, sizeof *e);
        e->u = u;
        e->adds = i == 0;
        e->path = u->host->files[i].path;
        if (file_rewrite(e->path, LIMIT_FILE_KNOWN_HOSTS, edit_text, e, &why) != ADIT_E_OK)
            say(u, LOG_LEVEL_ERROR, "UpdateHostKeys: %s", why.text);
    }
    free(e);
}

static bool user_agrees(const struct host_keys_update *u)
{
    const struct client_prompt *p = u->host->prompt;
    const struct prompt_question question = {.kind = PROMPT_LINE,
                                             .text = "Accept updated hostkeys? (yes/no): "};
    char answer[PROMPT_ANSWER_CAP];
    for (int i = 0; i < 3; i++) {
        if (!p->ask(p->ctx, &question, answer, sizeof answer) || text_same(answer, "no"))
            return false;
        if (text_same(answer, "yes"))
            return true;
        say(u, LOG_LEVEL_INFO, "Please enter \"yes\" or \"no\"");
    }
    return false;
}

static void apply(struct host_keys_update *u, const struct survey *v)
{
    bool asks = options_update_host_keys(u->host->options) == UPDATE_HOST_KEYS_ASK;
    enum log_level level = asks ? LOG_LEVEL_INFO : LOG_LEVEL_VERBOSE;
    for (size_t i = 0; i < u->count; i++) {
        char shown[FINGERPRINT_CAP];
        fingerprint_text(u->keys[i].blob, (enum fingerprint_hash)u->host->options->fingerprint_hash, shown);
        if (u->keys[i].is_proven)
            say(u, level, "Learned new hostkey: %s %s", u->keys[i].type, shown);
    }
    for (size_t i = 0; i < v->old_shown.count; i++)
        say(u, level, "Deprecating obsolete hostkey: %s", v->old_shown.item[i]);
    if (!asks || user_agrees(u))
        change_files(u);
}

/* ---- The two steps ---- */

static void choose(struct host_keys_update *u)
{
    struct survey *v = u->count > 0 ? survey_new(u) : NULL;
    if (v == NULL)
        return;
    if (v->fresh == 0)
        apply(u, v);
    for (size_t i = 0; v->fresh > 0 && i < u->count; i++)
        if (u->keys[i].names == 0 && u->keys[i].can_prove)
            u->prove[u->prove_count++] = u->keys[i].string;
    survey_wipe(v);
}

void host_keys_update_shown(struct host_keys_update *u, struct span list)
{
    host_keys_update_wipe(u);
    if (!u->host->may_update) {
        say(u, LOG_LEVEL_DEBUG1,
            "the host key is not from the user's files, and nobody has said yes to it: no UpdateHostKeys");
        return;
    }
    if (read_list(u, list))
        choose(u);
    if (u->prove_count == 0)
        host_keys_update_wipe(u);
}

static bool verify_one(const struct host_keys_update *u, struct shown_key *shown, struct span session_id,
                       struct span signature)
{
    struct adit_error why = {0};
    struct rd r = rd_init(signature);
    struct span alg = rd_string(&r);
    struct key key;
    size_t cap = 64 + session_id.n + shown->blob.n;
    uint8_t *data = malloc(cap);
    struct wr w = wr_init(data, data != NULL ? cap : 0);
    wr_cstring(&w, "hostkeys-prove-00@openssh.com");
    wr_string(&w, session_id);
    wr_string(&w, shown->blob);
    shown->is_proven = wr_ok(&w) && rd_ok(&r) && key_parse(&key, shown->blob) &&
                       key_verify(&key, alg, signature, wr_done(&w), &why) == ADIT_E_OK;
    free(data);
    if (!shown->is_proven)
        say(u, LOG_LEVEL_ERROR,
            "the server does not prove to own its %s host key: known_hosts stays as it is", shown->type);
    return shown->is_proven;
}

static bool verify_all(struct host_keys_update *u, struct span session_id, struct span signatures)
{
    struct rd r = rd_init(signatures);
    for (size_t i = 0; i < u->prove_count; i++) {
        struct span signature = rd_string(&r);
        struct shown_key *key = find(u, span_sub(u->prove[i], 4, SIZE_MAX));
        if (key == NULL || !verify_one(u, key, session_id, signature))
            return false;
    }
    return rd_done(&r);
}

/* Somebody else may have changed the files meanwhile: what is new now was proven, or nothing is done. */
static bool all_new_are_proven(const struct host_keys_update *u)
{
    for (size_t i = 0; i < u->count; i++)
        if (u->keys[i].can_prove && u->keys[i].names == 0 && !u->keys[i].is_proven)
            return false;
    return true;
}

void host_keys_update_proven(struct host_keys_update *u, struct span session_id, struct span signatures)
{
    struct survey *v = NULL;
    if (u->prove_count > 0 && verify_all(u, session_id, signatures))
        v = survey_new(u);
    if (v != NULL && all_new_are_proven(u))
        apply(u, v);
    if (v != NULL)
        survey_wipe(v);
    host_keys_update_wipe(u);
}
