/*
 * tunnels_session.c - tunnels that live as long as whoever asked for them (tunnels.h).
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/registry.h"

struct tunnels_session {
    struct tunnels_session *next;
    size_t count;
    struct tunnel *tunnels[];
};

size_t tunnels_session_count(const struct tunnels_session *s)
{
    return s->count;
}

struct tunnel *tunnels_session_tunnel(const struct tunnels_session *s, size_t at)
{
    return s->tunnels[at];
}

/* ---- One tunnel of it ---- */

static bool copy_forward(struct definition *d, const struct definition_forward *from)
{
    struct definition_forward *f = definition_forward_add(d, from->type);
    if (!f)
        return false;
    f->local_port = from->local_port;
    f->has_local_port = from->has_local_port;
    f->counts_up = from->counts_up;
    f->remote_port = from->remote_port;
    f->has_remote_port = from->has_remote_port;
    return definition_set(&f->bind_address, from->bind_address) &&
           definition_set(&f->remote_host, from->remote_host);
}

static bool copy_keywords(struct definition *d, const struct texts *keywords)
{
    bool ok = true;
    for (size_t i = 0; keywords && i < keywords->count; i++)
        ok = texts_add(&d->keywords, span_str(keywords->item[i])) && ok;
    return ok;
}

static bool fill(struct definition *d, const struct tunnels_session_request *r,
                 const struct definition_forward *f)
{
    char name[48];
    unsigned port = f->type == FORWARD_REMOTE ? f->remote_port : f->local_port;
    (void)adit_format(name, sizeof name, "Session forward :%u", port);
    d->port = r->port;
    return definition_set(&d->name, name) && definition_set(&d->host, r->host) &&
           definition_set(&d->user, r->user) &&
           definition_set(&d->profile_id, r->profile_id ? r->profile_id : "default") &&
           definition_set(&d->jump_host_id, r->jump_host_id) && copy_keywords(d, r->keywords) &&
           copy_forward(d, f);
}

static struct tunnel *make(struct tunnels *t, const struct tunnels_session_request *r,
                           const struct definition_forward *f, struct definition_error *error)
{
    struct definition d;
    struct tunnel *u = NULL;
    definition_init(&d, DEFINITION_SESSION);
    if (fill(&d, r, f))
        u = tunnels_add(t, &d, error);
    else
        (void)definition_fail(error, "state_unwritable", NULL, "out of memory");
    definition_wipe(&d);
    return u;
}

/* ---- The whole ---- */

static bool make_all(struct tunnels *t, struct tunnels_session *s, const struct tunnels_session_request *r,
                     struct definition_error *error)
{
    for (size_t i = 0; i < r->forward_count; i++) {
        struct tunnel *u = make(t, r, &r->forwards[i], error);
        if (!u)
            return false;
        s->tunnels[s->count++] = u;
        if (r->is_attended)
            tunnel_attend(u);
        if (!tunnel_start(u, error))
            return false;
    }
    return true;
}

struct tunnels_session *tunnels_session_open(struct tunnels *t, const struct tunnels_session_request *request,
                                             struct definition_error *error)
{
    struct tunnels_session *s = calloc(1, sizeof *s + request->forward_count * sizeof(struct tunnel *));
    if (!s) {
        (void)definition_fail(error, "state_unwritable", NULL, "out of memory");
        return NULL;
    }
    s->next = t->sessions;
    t->sessions = s;
    if (make_all(t, s, request, error))
        return s;
    tunnels_session_close(t, s);
    return NULL;
}

void tunnels_session_close(struct tunnels *t, struct tunnels_session *s)
{
    struct tunnels_session **at = &t->sessions;
    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
    for (size_t i = 0; i < s->count; i++)
        tunnels_take_out(t, s->tunnels[i]);
    free(s);
}
