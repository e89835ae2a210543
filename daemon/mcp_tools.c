#include "daemon/mcp_tools.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/mcp_info.h"
#include "daemon/mcp_schema.h"

enum { CLOSED_MAX = 1000 }; /* ids of tunnels that were closed: to close one of them again is no error */

/* One that was made here; the registry has the tunnel of this id. */
struct made {
    struct made *next;
    struct mcp_tools *tools;
    char *id, *server;
    uint32_t ttl_s;
    int64_t expires; /* Unix time; 0: its maker has no answer yet */
    struct loop_timer ttl;
};

/* A call that waits. */
struct job {
    struct job *next;
    struct mcp_tools *tools;
    struct mcp_request *request;
    struct tunnel_wait wait;
    bool is_waiting; /* for a tunnel */
    struct tunnels_refresh refresh;
    bool is_refreshing;
    char *id;     /* the tunnel's; NULL: of all */
    char *server; /* list: only this one's */
    uint32_t seconds;
    uint64_t deadline_ms;
    struct close_job *closing;
};

/* One ssh_tunnel_close: a job for each tunnel, one answer for all. */
struct close_job {
    struct close_job *next;
    struct mcp_request *request;
    size_t waiting; /* jobs, and one while they are made; 0: answered */
    json_t *ids;
};

struct mcp_tools {
    struct mcp_tools_config config;
    struct made *made; /* in their order */
    size_t made_count;
    struct job *jobs;
    size_t job_count;
    struct close_job *closings; /* those that were answered go with the next call */
    struct texts closed;
    unsigned named; /* names that we have given */
};

/* ---- Answers ---- */

/* Takes structured. text NULL: structured, as text. */
static void answer(struct mcp_request *request, json_t *structured, const char *text, bool is_error)
{
    char *dump = text == NULL && structured != NULL ? json_dumps(structured, JSON_COMPACT) : NULL;
    const char *shown = text != NULL ? text : dump;
    json_t *result = structured != NULL && shown != NULL
                         ? json_pack("{s:[{s:s, s:s}], s:O, s:b}", "content", "type", "text", "text", shown,
                                     "structuredContent", structured, "isError", (int)is_error)
                         : NULL;
    mcp_request_answer(request, result);
    json_decref(structured);
    free(dump);
}

static void fail_kind(struct mcp_request *request, const char *kind, const char *message)
{
    char clean[LIMIT_ERROR_TEXT];
    (void)adit_text_clean(clean, sizeof clean, span_str(message), false);
    answer(request, json_pack("{s:{s:s, s:s}}", "error", "kind", kind, "message", clean), clean, true);
}

static void fail(struct mcp_request *request, const struct adit_error *err)
{
    fail_kind(request, adit_err_kind(err->code), err->text);
}

static void fail_unknown(struct mcp_request *request, const char *id)
{
    struct adit_error err = {0};
    (void)adit_fail(&err, ADIT_E_USAGE, "Tunnel %s not found", id);
    fail(request, &err);
}

static void fail_definition(struct mcp_request *request, const struct definition_error *error)
{
    bool is_port = strcmp(error->code, "port_in_use") == 0;
    bool is_auth = strcmp(error->code, "profile_incomplete") == 0;
    fail_kind(request,
              adit_err_kind(is_port   ? ADIT_E_FORWARD
                            : is_auth ? ADIT_E_AUTH
                                      : ADIT_E_USAGE),
              error->message);
}

static void fail_memory(struct mcp_request *request)
{
    mcp_request_answer(request, NULL);
}

/* Why a tunnel is not active: what the last try came to. */
static void fail_inactive(struct mcp_request *request, const struct tunnel *u, uint32_t seconds)
{
    const struct tunnel_status *s = tunnel_status(u);
    char clean[MCP_PEER_TEXT_CAP];
    struct adit_error err = {0};
    mcp_info_peer_text(clean, s->last_error.text);
    if (s->state == KEEP_FAILED || s->state == KEEP_DISCONNECTED || s->last_error.code != ADIT_E_OK)
        (void)adit_fail(&err, s->last_error.code != ADIT_E_OK ? s->last_error.code : ADIT_E_CLOSED, "%s",
                        clean[0] != 0 ? clean : "the tunnel was closed");
    else
        (void)adit_fail(&err, ADIT_E_WAIT_TIMEOUT, "Tunnel %s is not active after %u s",
                        tunnel_definition(u)->id, (unsigned)seconds);
    fail(request, &err);
}

/* ---- Tunnels that were made here ---- */

static struct made *made_find_id(const struct mcp_tools *t, const char *id)
{
    struct made *m = t->made;
    while (m != NULL && strcmp(m->id, id) != 0)
        m = m->next;
    return m;
}

/* By id or name; NULL: not one of ours. */
static struct tunnel *find(const struct mcp_tools *t, const char *id_or_name)
{
    struct tunnel *u = tunnels_find(t->config.tunnels, id_or_name);
    return u != NULL && made_find_id(t, tunnel_definition(u)->id) != NULL ? u : NULL;
}

static void made_free(struct made *m)
{
    free(m->id);
    free(m->server);
    free(m);
}

static struct made *made_new(struct mcp_tools *t, const struct tunnel *u, const struct mcp_wish *w)
{
    struct made **at = &t->made, *m = calloc(1, sizeof *m);
    if (m == NULL || !definition_set(&m->id, tunnel_definition(u)->id) ||
        !definition_set(&m->server, w->server)) {
        if (m != NULL)
            made_free(m);
        return NULL;
    }
    m->tools = t;
    m->ttl_s = w->ttl_s;
    loop_timer_init(&m->ttl, MCP_TOOLS_TIMER, m);
    while (*at != NULL)
        at = &(*at)->next;
    *at = m;
    t->made_count++;
    return m;
}

static void made_release(struct made *m)
{
    loop_timer_cancel(m->tools->config.loop, &m->ttl);
    made_free(m);
}

static void made_forget(struct made *m)
{
    struct mcp_tools *t = m->tools;
    struct made **at = &t->made;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    t->made_count--;
    made_release(m);
}

static void remember_closed(struct mcp_tools *t, const char *id)
{
    if (t->closed.count == CLOSED_MAX)
        texts_wipe(&t->closed);
    if (!texts_add(&t->closed, span_str(id)))
        return; /* it will be unknown, that is all */
}

/* Out of the registry, and out of our list. Whoever waits for it is told meanwhile. */
static void made_remove(struct made *m, bool was_shown)
{
    struct mcp_tools *t = m->tools;
    struct definition_error ignored;
    struct tunnel *u = tunnels_find_id(t->config.tunnels, m->id);
    if (was_shown)
        remember_closed(t, m->id);
    made_forget(m);
    if (u != NULL && !tunnels_remove(t->config.tunnels, u, &ignored))
        tunnel_stop(u);
}

void mcp_tools_on_timer(struct mcp_tools *t, struct loop_timer *timer)
{
    (void)t;
    made_remove(timer->owner, true);
}

/* ---- Calls that wait ---- */

static struct job *job_new(struct mcp_tools *t, struct mcp_request *request, const char *id)
{
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL || !definition_set(&j->id, id)) {
        free(j);
        return NULL;
    }
    j->tools = t;
    j->request = request;
    j->next = t->jobs;
    t->jobs = j;
    t->job_count++;
    return j;
}

static void job_release(struct job *j)
{
    if (j->is_waiting)
        tunnel_wait_cancel(&j->wait);
    if (j->is_refreshing)
        tunnels_refresh_cancel(j->tools->config.tunnels, &j->refresh);
    free(j->id);
    free(j->server);
    free(j);
}

static void job_free(struct job *j)
{
    struct job **at = &j->tools->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->tools->job_count--;
    job_release(j);
}

static void job_wait(struct job *j, struct tunnel *u, enum tunnel_wait_for what, uint32_t limit_ms,
                     void (*done)(void *ctx, struct tunnel *u, bool is_so))
{
    j->is_waiting = true;
    j->wait.ctx = j;
    j->wait.done = done;
    tunnel_wait(u, &j->wait, what, limit_ms);
}

static void job_refresh(struct job *j, void (*done)(void *ctx))
{
    j->is_refreshing = true;
    j->refresh.ctx = j;
    j->refresh.done = done;
    tunnels_refresh(j->tools->config.tunnels, &j->refresh);
}

/* ---- Showing ---- */

static json_t *info_of(const struct mcp_tools *t, const struct tunnel *u)
{
    const struct made *m = made_find_id(t, tunnel_definition(u)->id);
    return mcp_info_json(u, m->server, m->expires);
}

static void show_one(void *ctx)
{
    struct job *j = ctx;
    struct tunnel *u = find(j->tools, j->id);
    j->is_refreshing = false;
    if (u != NULL)
        answer(j->request, info_of(j->tools, u), NULL, false);
    else
        fail_unknown(j->request, j->id);
    job_free(j);
}

static bool is_listed(const struct job *j, const struct made *m, const struct tunnel *u)
{
    return u != NULL && tunnel_status(u)->state != KEEP_DISCONNECTED &&
           (j->server == NULL || strcmp(j->server, m->server) == 0);
}

static void show_all(void *ctx)
{
    struct job *j = ctx;
    json_t *list = json_array();
    bool ok = list != NULL;
    j->is_refreshing = false;
    for (const struct made *m = j->tools->made; m != NULL && ok; m = m->next) {
        const struct tunnel *u = tunnels_find_id(j->tools->config.tunnels, m->id);
        if (is_listed(j, m, u))
            ok = json_array_append_new(list, info_of(j->tools, u)) == 0;
    }
    if (ok)
        answer(j->request, json_pack("{s:i, s:O}", "count", (int)json_array_size(list), "tunnels", list),
               NULL, false);
    else
        fail_memory(j->request);
    json_decref(list);
    job_free(j);
}

static void tool_list(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"server", NULL};
    struct adit_error err = {0};
    const char *server = NULL;
    if (mcp_arguments_known(arguments, names, &err) != ADIT_E_OK ||
        mcp_argument_text(arguments, "server", &server, &err) != ADIT_E_OK) {
        fail(request, &err);
        return;
    }
    struct job *j = job_new(t, request, NULL);
    if (j == NULL || !definition_set(&j->server, server)) {
        if (j != NULL)
            job_free(j);
        fail_memory(request);
        return;
    }
    job_refresh(j, show_all);
}

/* The tunnel that is meant, or NULL: it was answered why not. */
static struct tunnel *tunnel_meant(struct mcp_tools *t, const json_t *arguments, const char *const *names,
                                   struct mcp_request *request)
{
    struct adit_error err = {0};
    const char *id = NULL;
    struct tunnel *u = NULL;
    if (mcp_arguments_known(arguments, names, &err) == ADIT_E_OK &&
        mcp_argument_text(arguments, "tunnel_id", &id, &err) == ADIT_E_OK && id == NULL)
        (void)adit_fail(&err, ADIT_E_USAGE, "tunnel_id required");
    if (err.code != ADIT_E_OK)
        fail(request, &err);
    else if ((u = find(t, id)) == NULL)
        fail_unknown(request, id);
    return u;
}

static void tool_status(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"tunnel_id", NULL};
    const struct tunnel *u = tunnel_meant(t, arguments, names, request);
    if (u == NULL)
        return;
    struct job *j = job_new(t, request, tunnel_definition(u)->id);
    if (j != NULL)
        job_refresh(j, show_one);
    else
        fail_memory(request);
}

static bool is_active(const struct tunnel *u)
{
    enum keep_state s = tunnel_status(u)->state;
    return s == KEEP_CONNECTED || s == KEEP_IDLE;
}

static void on_waited(void *ctx, struct tunnel *u, bool is_so)
{
    struct job *j = ctx;
    (void)is_so;
    j->is_waiting = false;
    if (u != NULL && is_active(u)) {
        job_refresh(j, show_one);
        return;
    }
    if (u != NULL)
        fail_inactive(j->request, u, j->seconds);
    else
        fail_unknown(j->request, j->id);
    job_free(j);
}

static void tool_wait(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"tunnel_id", "timeout", NULL};
    struct adit_error err = {0};
    uint32_t seconds = 0;
    bool has = false;
    struct tunnel *u = tunnel_meant(t, arguments, names, request);
    if (u == NULL)
        return;
    if (mcp_argument_number(arguments, "timeout", 0, MCP_WAIT_MAX_S, &has, &seconds, &err) != ADIT_E_OK) {
        fail(request, &err);
        return;
    }
    struct job *j = job_new(t, request, tunnel_definition(u)->id);
    if (j == NULL) {
        fail_memory(request);
        return;
    }
    j->seconds = has ? seconds : MCP_WAIT_S;
    job_wait(j, u, TUNNEL_WAIT_SETTLED, j->seconds * 1000, on_waited);
}

/* ---- Making ---- */

static void create_failed(struct job *j, const struct tunnel *u)
{
    struct made *m = made_find_id(j->tools, j->id);
    j->is_waiting = false;
    if (u != NULL)
        fail_inactive(j->request, u, MCP_CREATE_MS / 1000);
    else
        fail_unknown(j->request, j->id); /* somebody has closed it meanwhile */
    if (m != NULL)
        made_remove(m, false);
    job_free(j);
}

/* Its time begins with the answer: however short it is, whoever made it learns of it. */
static void show_created(void *ctx)
{
    struct job *j = ctx;
    struct made *m = made_find_id(j->tools, j->id);
    if (m != NULL) {
        m->expires = (int64_t)time(NULL) + m->ttl_s;
        loop_timer_set(j->tools->config.loop, &m->ttl, loop_now_ms() + (uint64_t)m->ttl_s * 1000);
    }
    show_one(j);
}

static void on_created(void *ctx, struct tunnel *u, bool is_so)
{
    struct job *j = ctx;
    (void)is_so;
    j->is_waiting = false;
    if (u != NULL && is_active(u))
        job_refresh(j, show_created);
    else
        create_failed(j, u);
}

/* A port that is taken here stays so: nobody has to wait for that. */
static void on_listening(void *ctx, struct tunnel *u, bool is_so)
{
    struct job *j = ctx;
    uint64_t now = loop_now_ms();
    (void)is_so;
    j->is_waiting = false;
    if (u == NULL || tunnel_status(u)->forwards[0].state == TUNNEL_FORWARD_FAILED)
        create_failed(j, u);
    else
        job_wait(j, u, TUNNEL_WAIT_SETTLED, j->deadline_ms > now ? (uint32_t)(j->deadline_ms - now) : 0,
                 on_created);
}

static void create_begin(struct mcp_tools *t, struct tunnel *u, const struct mcp_wish *w,
                         struct mcp_request *request)
{
    struct definition_error error = {.code = NULL};
    struct made *m = made_new(t, u, w);
    struct job *j = m != NULL ? job_new(t, request, m->id) : NULL;
    bool is_started = j != NULL && tunnel_start(u, &error);
    if (is_started) {
        j->deadline_ms = loop_now_ms() + MCP_CREATE_MS;
        job_wait(j, u, TUNNEL_WAIT_LISTENERS, MCP_CREATE_MS, on_listening);
        return;
    }
    if (j != NULL)
        fail_definition(request, &error);
    else
        fail_memory(request);
    if (j != NULL)
        job_free(j);
    if (m != NULL)
        made_remove(m, false);
    else if (!tunnels_remove(t->config.tunnels, u, &error))
        tunnel_stop(u);
}

static void give_name(struct mcp_tools *t, char out[static 24])
{
    do
        (void)adit_format(out, 24, "mcp-%u", ++t->named);
    while (tunnels_find(t->config.tunnels, out) != NULL);
}

static void tool_create(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    struct adit_error err = {0};
    struct definition_error error = {.code = NULL};
    struct mcp_wish w;
    char name[24];
    if (t->made_count >= MCP_TUNNELS_MAX) {
        (void)adit_fail(&err, ADIT_E_FORWARD, "there are %d tunnels already: close some first",
                        (int)MCP_TUNNELS_MAX);
        fail(request, &err);
        return;
    }
    give_name(t, name);
    if (mcp_wish_read(&w, arguments, &t->config.limits, name, &err) != ADIT_E_OK) {
        fail(request, &err);
        return;
    }
    struct tunnel *u = tunnels_add(t->config.tunnels, &w.definition, &error);
    if (u != NULL)
        create_begin(t, u, &w, request);
    else
        fail_definition(request, &error);
    mcp_wish_wipe(&w);
}

/* ---- Closing ---- */

static void close_let_go(struct close_job *c)
{
    if (--c->waiting > 0)
        return;
    int count = (int)json_array_size(c->ids);
    answer(c->request, json_pack("{s:i, s:O}", "closed", count, "ids", c->ids), NULL, false);
}

static void closings_sweep(struct mcp_tools *t, bool all)
{
    for (struct close_job **at = &t->closings, *c; (c = *at) != NULL;) {
        if (!all && c->waiting > 0) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        json_decref(c->ids);
        free(c);
    }
}

static void on_closed(void *ctx, struct tunnel *u, bool is_so)
{
    struct job *j = ctx;
    struct close_job *c = j->closing;
    struct made *m = made_find_id(j->tools, j->id);
    (void)is_so;
    (void)u;
    j->is_waiting = false;
    job_free(j);
    if (m != NULL)
        made_remove(m, true);
    close_let_go(c);
}

static bool close_one(struct mcp_tools *t, struct tunnel *u, struct close_job *c)
{
    const char *id = tunnel_definition(u)->id;
    struct job *j = job_new(t, c->request, id);
    if (j == NULL || json_array_append_new(c->ids, json_string(id)) != 0) {
        if (j != NULL)
            job_free(j);
        return false;
    }
    j->closing = c;
    c->waiting++;
    tunnel_stop(u);
    u = tunnels_find_id(t->config.tunnels, j->id); /* whoever was making it has taken it out just now */
    if (u != NULL)
        job_wait(j, u, TUNNEL_WAIT_LISTENERS, TUNNEL_WAIT_LISTENERS_MS, on_closed);
    else
        on_closed(j, NULL, false);
    return true;
}

/* Closing one takes it out of the list at the earliest when it returns: `next` was read before. */
static void close_all(struct mcp_tools *t, const char *server, struct close_job *c)
{
    for (struct made *m = t->made, *next; m != NULL; m = next) {
        next = m->next;
        struct tunnel *u = strcmp(m->server, server) == 0 ? tunnels_find_id(t->config.tunnels, m->id) : NULL;
        if (u != NULL && !close_one(t, u, c))
            return;
    }
}

static void close_begin(struct mcp_tools *t, const char *id, const char *server, struct mcp_request *request)
{
    struct tunnel *u = id != NULL ? find(t, id) : NULL;
    if (id != NULL && u == NULL && !texts_has(&t->closed, id)) {
        fail_unknown(request, id);
        return;
    }
    struct close_job *c = calloc(1, sizeof *c);
    if (c == NULL || (c->ids = json_array()) == NULL) {
        free(c);
        fail_memory(request);
        return;
    }
    c->request = request;
    c->waiting = 1;
    c->next = t->closings;
    t->closings = c;
    if (u != NULL)
        (void)close_one(t, u, c);
    else if (server != NULL)
        close_all(t, server, c);
    close_let_go(c);
}

static void tool_close(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"tunnel_id", "server", NULL};
    struct adit_error err = {0};
    const char *id = NULL, *server = NULL;
    if (mcp_arguments_known(arguments, names, &err) == ADIT_E_OK &&
        mcp_argument_text(arguments, "tunnel_id", &id, &err) == ADIT_E_OK &&
        mcp_argument_text(arguments, "server", &server, &err) == ADIT_E_OK &&
        (id == NULL) == (server == NULL))
        (void)adit_fail(&err, ADIT_E_USAGE, "either tunnel_id or server is required");
    if (err.code != ADIT_E_OK)
        fail(request, &err);
    else
        close_begin(t, id, server, request);
}

/* ---- The tools ---- */

static const struct {
    const char *name;
    unsigned group;
    void (*run)(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request);
} tools[] = {
    {"ssh_tunnel_list", MCP_TOOLS_READ, tool_list},     {"ssh_tunnel_status", MCP_TOOLS_READ, tool_status},
    {"ssh_tunnel_wait", MCP_TOOLS_READ, tool_wait},     {"ssh_tunnel_create", MCP_TOOLS_TUNNEL, tool_create},
    {"ssh_tunnel_close", MCP_TOOLS_TUNNEL, tool_close},
};

json_t *mcp_tools_list(void *ctx)
{
    const struct mcp_tools *t = ctx;
    json_t *list = json_array();
    for (size_t i = 0; i < ADIT_COUNT(tools); i++)
        if ((t->config.groups & tools[i].group) != 0 &&
            json_array_append_new(list, json_loads(mcp_schema(tools[i].name), 0, NULL)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

bool mcp_tools_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    struct mcp_tools *t = ctx;
    struct adit_error err = {0};
    size_t i = 0;
    closings_sweep(t, false);
    while (i < ADIT_COUNT(tools) &&
           (strcmp(tools[i].name, tool) != 0 || (t->config.groups & tools[i].group) == 0))
        i++;
    if (i == ADIT_COUNT(tools))
        return false;
    if (t->job_count >= MCP_JOBS_MAX) {
        (void)adit_fail(&err, ADIT_E_LIMIT, "%d calls wait already", (int)MCP_JOBS_MAX);
        fail(request, &err);
    } else {
        tools[i].run(t, arguments, request);
    }
    return true;
}

/* ---- Life ---- */

enum adit_err mcp_tools_new(struct mcp_tools **out, const struct mcp_tools_config *config,
                            struct adit_error *err)
{
    struct mcp_tools *t = calloc(1, sizeof *t);
    *out = t;
    if (t == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    t->config = *config;
    texts_init(&t->closed);
    return ADIT_E_OK;
}

void mcp_tools_free(struct mcp_tools *t)
{
    if (t == NULL)
        return;
    for (struct job *j = t->jobs, *next; j != NULL; j = next) {
        next = j->next;
        job_release(j);
    }
    for (struct made *m = t->made, *next; m != NULL; m = next) {
        next = m->next;
        made_release(m);
    }
    closings_sweep(t, true);
    texts_wipe(&t->closed);
    free(t);
}
