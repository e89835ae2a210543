#include "daemon/definition.h"

#include <stdlib.h>
#include <string.h>

#include "client/keep.h"

/* ---- Life ---- */

void definition_init(struct definition *d, enum definition_origin origin)
{
    memset(d, 0, sizeof *d);
    d->origin = origin;
    d->auto_reconnect = origin != DEFINITION_SESSION;
    d->max_retries = origin == DEFINITION_API || origin == DEFINITION_MCP ? 5 : 0;
    d->backoff_first_ms = KEEP_FIRST_MS;
    d->backoff_cap_ms = KEEP_CAP_MS;
    d->jitter_percent = 100;
    d->hold_ms = 10 * 1000;
    d->hold_max = 64;
}

const char *definition_origin_name(enum definition_origin origin)
{
    static const char *const names[] = {[DEFINITION_API] = "api",
                                        [DEFINITION_FILE] = "file",
                                        [DEFINITION_SESSION] = "session",
                                        [DEFINITION_MCP] = "mcp"};
    return names[origin];
}

/* The texts, so that no list of them is written twice. */
enum { TEXTS_OWNED = 12, LISTS_OWNED = 3 };

static void texts_of(const struct definition *d, char *const *out[static TEXTS_OWNED])
{
    char *const *all[TEXTS_OWNED] = {&d->id,          &d->name,       &d->host,
                                     &d->user,        &d->profile_id, &d->jump_host_id,
                                     &d->description, &d->file,       &d->jump_session_id,
                                     &d->health.path, &d->socks_user, &d->socks_password_file};
    memcpy(out, all, sizeof all);
}

static void lists_of(const struct definition *d, const struct texts *out[static LISTS_OWNED])
{
    const struct texts *all[LISTS_OWNED] = {&d->keywords, &d->allow, &d->destinations};
    memcpy(out, all, sizeof all);
}

void definition_wipe(struct definition *d)
{
    char *const *texts[TEXTS_OWNED];
    const struct texts *lists[LISTS_OWNED];
    texts_of(d, texts);
    lists_of(d, lists);
    for (size_t i = 0; i < d->keywords.count; i++) /* AditProxy may hold a password */
        adit_wipe(d->keywords.item[i], strlen(d->keywords.item[i]));
    for (size_t i = 0; i < TEXTS_OWNED; i++)
        free(*texts[i]);
    for (size_t i = 0; i < LISTS_OWNED; i++)
        texts_wipe((struct texts *)lists[i]);
    for (size_t i = 0; i < d->forward_count; i++) {
        free(d->forwards[i].bind_address);
        free(d->forwards[i].remote_host);
    }
    free(d->forwards);
    memset(d, 0, sizeof *d);
}

bool definition_set(char **to, const char *text)
{
    char *copy = text != NULL ? text_copy(span_str(text)) : NULL;
    if (copy == NULL && text != NULL)
        return false;
    free(*to);
    *to = copy;
    return true;
}

struct definition_forward *definition_forward_add(struct definition *d, enum forward_type type)
{
    if (d->forward_count == DEFINITION_FORWARDS_MAX)
        return NULL;
    struct definition_forward *more = realloc(d->forwards, (d->forward_count + 1) * sizeof *more);
    if (more == NULL)
        return NULL;
    d->forwards = more;
    more[d->forward_count] = (struct definition_forward){.type = type};
    return &more[d->forward_count++];
}

static bool copy_list(struct texts *to, const struct texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!texts_add(to, span_str(from->item[i])))
            return false;
    return true;
}

static bool copy_forward(struct definition *to, const struct definition_forward *from)
{
    struct definition_forward *f = definition_forward_add(to, from->type);
    if (f == NULL)
        return false;
    *f = *from;
    f->bind_address = f->remote_host = NULL;
    return definition_set(&f->bind_address, from->bind_address) &&
           definition_set(&f->remote_host, from->remote_host);
}

static bool copy_owned(struct definition *to, const struct definition *from)
{
    char *const *source[TEXTS_OWNED], *const *target[TEXTS_OWNED];
    const struct texts *sources[LISTS_OWNED], *targets[LISTS_OWNED];
    texts_of(from, source);
    texts_of(to, target);
    lists_of(from, sources);
    lists_of(to, targets);
    for (size_t i = 0; i < TEXTS_OWNED; i++)
        if (!definition_set((char **)target[i], *source[i]))
            return false;
    for (size_t i = 0; i < LISTS_OWNED; i++)
        if (!copy_list((struct texts *)targets[i], sources[i]))
            return false;
    for (size_t i = 0; i < from->forward_count; i++)
        if (!copy_forward(to, &from->forwards[i]))
            return false;
    return true;
}

/* All that owns nothing comes by assignment; what owns is NULL until it has a copy. */
static void copy_plain(struct definition *to, const struct definition *from)
{
    char *const *texts[TEXTS_OWNED];
    const struct texts *lists[LISTS_OWNED];
    *to = *from;
    texts_of(to, texts);
    lists_of(to, lists);
    for (size_t i = 0; i < TEXTS_OWNED; i++)
        *(char **)texts[i] = NULL;
    for (size_t i = 0; i < LISTS_OWNED; i++)
        texts_init((struct texts *)lists[i]);
    to->forwards = NULL;
    to->forward_count = 0;
}

bool definition_copy(struct definition *to, const struct definition *from)
{
    copy_plain(to, from);
    if (copy_owned(to, from))
        return true;
    definition_wipe(to);
    definition_init(to, from->origin);
    return false;
}

/* ---- Comparing ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_list(const struct texts *a, const struct texts *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->item[i], b->item[i]) != 0)
            return false;
    return true;
}

static bool same_forward(const struct definition_forward *a, const struct definition_forward *b)
{
    return a->type == b->type && same_text(a->bind_address, b->bind_address) &&
           a->local_port == b->local_port && a->has_local_port == b->has_local_port &&
           a->counts_up == b->counts_up && same_text(a->remote_host, b->remote_host) &&
           a->remote_port == b->remote_port && a->has_remote_port == b->has_remote_port;
}

static bool same_forwards(const struct definition *a, const struct definition *b)
{
    if (a->forward_count != b->forward_count)
        return false;
    for (size_t i = 0; i < a->forward_count; i++)
        if (!same_forward(&a->forwards[i], &b->forwards[i]))
            return false;
    return true;
}

/* Who may use the forwards. */
static bool same_access(const struct definition *a, const struct definition *b)
{
    return a->allow_non_loopback == b->allow_non_loopback && same_list(&a->allow, &b->allow) &&
           same_list(&a->destinations, &b->destinations) && same_text(a->socks_user, b->socks_user) &&
           same_text(a->socks_password_file, b->socks_password_file);
}

static bool same_connection(const struct definition *a, const struct definition *b)
{
    return same_text(a->host, b->host) && same_text(a->user, b->user) && a->port == b->port &&
           same_text(a->profile_id, b->profile_id) && same_text(a->jump_host_id, b->jump_host_id) &&
           same_text(a->jump_session_id, b->jump_session_id) && same_list(&a->keywords, &b->keywords) &&
           a->detect_fast == b->detect_fast && a->reclaim == b->reclaim && a->hold_ms == b->hold_ms &&
           a->hold_max == b->hold_max;
}

bool definition_needs_restart(const struct definition *a, const struct definition *b)
{
    return !same_connection(a, b) || !same_forwards(a, b) || !same_access(a, b);
}

static bool same_health(const struct definition_health *a, const struct definition_health *b)
{
    return a->kind == b->kind && same_text(a->path, b->path) && a->interval_s == b->interval_s;
}

static bool same_policy(const struct definition *a, const struct definition *b)
{
    return a->auto_start == b->auto_start && a->auto_reconnect == b->auto_reconnect &&
           a->max_retries == b->max_retries && a->lazy == b->lazy && a->idle_exit_s == b->idle_exit_s &&
           a->backoff_first_ms == b->backoff_first_ms && a->backoff_cap_ms == b->backoff_cap_ms &&
           a->jitter_percent == b->jitter_percent && same_health(&a->health, &b->health);
}

bool definition_same(const struct definition *a, const struct definition *b)
{
    return same_text(a->name, b->name) && same_text(a->description, b->description) && same_policy(a, b) &&
           !definition_needs_restart(a, b);
}

/* ---- What it says ---- */

/* "host:port"; the host in brackets when it has a colon; none when it is one of those that mean here. */
static size_t place(char *out, size_t cap, const char *host, const char *quiet, const char *port)
{
    bool is_quiet = host == NULL || strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0;
    const char *shown = is_quiet ? quiet : host;
    bool has_colon = strchr(shown, ':') != NULL;
    return adit_format(out, cap, has_colon ? "[%s]:%s" : "%s:%s", shown, port);
}

static void port_text(char out[static 8], uint16_t port, bool counts_up)
{
    adit_format(out, 8, counts_up ? "%u+" : "%u", (unsigned)port);
}

void definition_forward_text(const struct definition_forward *f, bool utf8,
                             char out[static DEFINITION_SPEC_CAP])
{
    char local[8], remote[8];
    const char *arrow = utf8 ? " \xe2\x86\x92 " : " -> ";
    bool is_remote = f->type == FORWARD_REMOTE;
    bool is_socks = f->type == FORWARD_DYNAMIC || (is_remote && !f->has_local_port);
    port_text(local, f->local_port, f->counts_up);
    port_text(remote, f->remote_port, false);
    size_t n = adit_format(out, DEFINITION_SPEC_CAP, "%c ", forward_spec_letter(f->type));
    n += place(out + n, DEFINITION_SPEC_CAP - n, is_remote ? f->remote_host : f->bind_address, "",
               is_remote ? remote : local);
    n += adit_format(out + n, DEFINITION_SPEC_CAP - n, "%s", is_socks ? " SOCKS5" : arrow);
    if (is_socks)
        return;
    if (is_remote)
        place(out + n, DEFINITION_SPEC_CAP - n, f->bind_address, "localhost", local);
    else
        place(out + n, DEFINITION_SPEC_CAP - n, f->remote_host,
              f->remote_host != NULL ? f->remote_host : "localhost", remote);
}

void definition_spec(const struct definition *d, bool utf8, char out[static DEFINITION_SPEC_CAP])
{
    out[0] = 0;
    if (d->forward_count > 0)
        definition_forward_text(&d->forwards[0], utf8, out);
}

static void listener_spec(struct forward_spec *out, const char *host, const char *otherwise, uint16_t port)
{
    host = host != NULL ? host : otherwise;
    out->port = port;
    if (strcmp(host, "localhost") == 0) {
        out->bind = FORWARD_BIND_LOCAL;
    } else if (host[0] == 0 || strcmp(host, "*") == 0) {
        out->bind = FORWARD_BIND_ALL;
    } else {
        out->bind = FORWARD_BIND_ADDRESS;
        adit_format(out->address, sizeof out->address, "%s", host);
    }
}

static void target_spec(struct forward_spec *out, const char *host, const char *otherwise, uint16_t port)
{
    adit_format(out->host, sizeof out->host, "%s", host != NULL ? host : otherwise);
    out->host_port = port;
}

void definition_forward_spec(const struct definition_forward *f, struct forward_spec *out)
{
    memset(out, 0, sizeof *out);
    out->type = f->type;
    if (f->type == FORWARD_REMOTE) {
        listener_spec(out, f->remote_host, "localhost", f->remote_port);
        if (f->has_local_port)
            target_spec(out, f->bind_address, "127.0.0.1", f->local_port);
        return;
    }
    listener_spec(out, f->bind_address, "127.0.0.1", f->local_port);
    if (f->type == FORWARD_LOCAL)
        target_spec(out, f->remote_host, "localhost", f->remote_port);
}

/* ---- The key of its connection ---- */

/* A part that no other part can look like: its length stands before it. */
static size_t key_part(char *out, size_t cap, const char *text)
{
    return text == NULL ? adit_format(out, cap, "-\n")
                        : adit_format(out, cap, "%zu %s\n", strlen(text), text);
}

char *definition_connection_key(const struct definition *d)
{
    char port[8];
    enum { HEAD = 24 }; /* a length and the end of a part */
    const char *parts[] = {d->host, port, d->user, d->profile_id, d->jump_host_id, d->jump_session_id};
    port_text(port, d->port, false);
    size_t cap = 1, n = 0;
    for (size_t i = 0; i < ADIT_COUNT(parts); i++)
        cap += HEAD + (parts[i] != NULL ? strlen(parts[i]) : 0);
    for (size_t i = 0; i < d->keywords.count; i++)
        cap += HEAD + strlen(d->keywords.item[i]);
    char *key = malloc(cap);
    if (key == NULL)
        return NULL;
    for (size_t i = 0; i < ADIT_COUNT(parts); i++)
        n += key_part(key + n, cap - n, parts[i]);
    for (size_t i = 0; i < d->keywords.count; i++)
        n += key_part(key + n, cap - n, d->keywords.item[i]);
    return key;
}
