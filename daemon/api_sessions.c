/*
 * api_sessions.c - POST /sessions: tunnels that live as long as the stream which tells of them.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include <string.h>
#include "daemon/definition_json.h"
#include "daemon/json_text.h"

enum { PIECE_MAX = 16 * 1024, KEYWORDS_MAX = 256 };

struct session {
    struct api_stream stream;
    struct api_watcher watcher;
    struct tunnels_session *tunnels;
    size_t told; /* how many of its tunnels were shown */
    uint64_t seen;
};

/* ---- The stream */

static void session_free(struct session *s)
{
    tunnels_session_close(s->stream.api->config.tunnels, s->tunnels);
    free(s);
}

static void session_news(void *owner)
{
    const struct session *s = owner;

    httpd_stream_wake(s->stream.request);
}

static bool is_own(const struct session *s, const char *id)
{
    for (size_t i = 0; i < tunnels_session_count(s->tunnels); i++) {
        const struct tunnel *tunnel = tunnels_session_tunnel(s->tunnels, i);

        if (tunnel && id && strcmp(tunnel_definition(tunnel)->id, id) == 0)
            return true;
    }
    return false;
}

static void session_show(struct session *s, struct buffer *out)
{
    const struct tunnel *tunnel = tunnels_session_tunnel(s->tunnels, s->told++);
    json_t *t = tunnel ? tunnel_json(tunnel) : NULL;
    char *text = json_text(t, JSON_COMPACT);

    if (text)
        api_sse_add(out, "session", 0, text);
    else if (tunnel)
        out->is_failed = true;
    free(text);
    json_decref(t);
}

/* Only what happens to its own tunnels. Where it is not known whose an event was, all of them are shown anew:
 * whoever waits for the event would wait for ever. */
static void session_tell(struct session *s, const struct events *ring, struct buffer *out)
{
    const struct event *event = events_get(ring, s->seen + 1);
    json_t *t;

    s->seen = event ? event->id : events_last(ring);
    t = event && event->data ? json_loads(event->data, 0, NULL) : NULL;
    if (!t) { /* lost, or no memory to look whose it is */
        api_sse_add(out, "reset", 0, "{}");
        s->told = 0;
    } else if (is_own(s, json_string_value(json_object_get(t, "id")))) {
        api_sse_add(out, event_kind_name(event->kind), 0, event->data);
    }
    json_decref(t);
}

static bool session_next(void *owner, struct buffer *out)
{
    struct session *s = owner;
    const struct events *ring = tunnels_events(s->stream.api->config.tunnels);

    if (s->told > 0) /* the first event is the session */
        api_stream_begin(&s->stream, out);
    while (out->len < PIECE_MAX && s->told < tunnels_session_count(s->tunnels))
        session_show(s, out);
    while (out->len < PIECE_MAX && s->seen < events_last(ring))
        session_tell(s, ring, out);
    return true;
}

static void session_end(void *owner)
{
    struct session *s = owner;

    api_stream_end(&s->stream);
    api_unwatch(&s->watcher);
    session_free(s);
}

/* Its listeners are there, or could not be. */
static void session_begin(const struct api_call *call, void *ctx, bool is_there)
{
    static const struct httpd_stream_ops ops = {
        .next = session_next, .end = session_end, .ends_with_input = true};
    struct session *s = ctx;

    if (!is_there || !api_stream_start(&s->stream, call, &ops, s)) {
        session_free(s);
        return;
    }
    s->seen = events_last(tunnels_events(call->api->config.tunnels));
    api_watch(call->api, &s->watcher, session_news, s);
}

/* ---- The request */

struct request {
    struct tunnels_session_request wanted;
    struct definition *definitions; /* one for each forward that is enabled: where its texts live */
    struct definition_forward *forwards;
    struct texts keywords;
};

static void request_wipe(struct request *q)
{
    for (size_t i = 0; i < q->wanted.forward_count; i++)
        definition_wipe(&q->definitions[i]);
    free(q->definitions);
    free(q->forwards);
    texts_wipe(&q->keywords);
}

/* As if it were a tunnel of its own, with the members that are common to all. */
static json_t *definition_of(const json_t *body, const json_t *forward)
{
    static const char *const common[] = {"host", "port", "profile_id", "jump_host_id"};
    json_t *d = json_copy_object(forward); /* its members stay the body's */
    bool is_fine = d != NULL;

    if (is_fine && json_object_get(d, "enabled"))
        is_fine = json_object_del(d, "enabled") == 0;
    for (size_t i = 0; is_fine && i < ADIT_COUNT(common); i++) {
        json_t *value = json_object_get(body, common[i]);

        if (value)
            is_fine = json_object_set(d, common[i], value) == 0;
    }
    if (is_fine && (!json_object_get(d, "profile_id") || json_is_null(json_object_get(d, "profile_id"))))
        is_fine = json_object_set_new(d, "profile_id", json_string("default")) == 0;
    if (is_fine)
        is_fine = json_object_set_new(d, "name", json_string("Session forward")) == 0;
    if (is_fine)
        return d;
    json_decref(d);
    return NULL;
}

/* forwards[at].FIELD, unless it is one that is common to all. */
static void error_place(struct definition_error *error, size_t at)
{
    static const char *const common[] = {"", "host", "port", "profile_id", "jump_host_id"};
    char field[DEFINITION_FIELD_CAP];

    for (size_t i = 0; i < ADIT_COUNT(common); i++)
        if (strcmp(error->field, common[i]) == 0)
            return;
    adit_format(field, sizeof field, "forwards[%zu].%s", at, error->field);
    adit_format(error->field, sizeof error->field, "%s", field);
}

static bool forward_take(struct request *q, const json_t *body, const json_t *forward, size_t at,
                         struct definition_error *error)
{
    static const char *const names[] = {
        "forward_type", "local_port", "bind_address", "remote_host", "remote_port", "enabled", NULL};
    struct definition *d = &q->definitions[q->wanted.forward_count];
    const json_t *enabled = json_object_get(forward, "enabled");
    const char *key;
    json_t *object, *value;

    if (!json_is_object(forward))
        return definition_fail(error, DEFINITION_E_INVALID, "forwards", "forwards[%zu] must be an object",
                               at);
    json_object_foreach((json_t *)forward, key, value)
    {
        size_t i = 0;

        (void)value;
        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!names[i])
            return definition_fail(error, DEFINITION_E_UNKNOWN, key, "%s is not a field of a forward", key);
    }
    if (json_is_null(enabled))
        enabled = NULL; /* as with every field that has a default */
    if (enabled && !json_is_boolean(enabled))
        return definition_fail(error, DEFINITION_E_INVALID, "enabled", "enabled must be true or false");
    object = definition_of(body, forward);
    if (!object)
        return definition_no_memory(error);
    definition_init(d, DEFINITION_SESSION);
    if (!definition_from_json(d, object, true, error)) {
        json_decref(object);
        definition_wipe(d);
        error_place(error, at);
        return false;
    }
    json_decref(object);
    if (enabled && !json_is_true(enabled)) {
        definition_wipe(d);
        return true;
    }
    q->forwards[q->wanted.forward_count++] = d->forwards[0];
    return true;
}

/* What only our own user may say: lines of ssh_config can run programs. */
static bool keywords_take(struct request *q, const json_t *list, struct definition_error *error)
{
    size_t i;
    json_t *line;

    if (json_is_null(list) || !list)
        return true;
    if (!json_is_array(list) || json_array_size(list) > KEYWORDS_MAX)
        return definition_fail(error, DEFINITION_E_INVALID, "keywords", "keywords must be a list of lines");
    json_array_foreach(list, i, line)
    {
        const char *text = json_string_value(line);

        if (!text || strpbrk(text, "\r\n"))
            return definition_fail(error, DEFINITION_E_INVALID, "keywords", "keywords[%zu] must be a line",
                                   i);
        if (!texts_add(&q->keywords, span_str(text)))
            return definition_no_memory(error);
    }
    q->wanted.keywords = &q->keywords;
    return true;
}

static bool request_take(struct request *q, const struct api_call *call, struct definition_error *error)
{
    const json_t *forwards = json_object_get(call->body, "forwards");
    const struct definition *first;
    size_t count = json_array_size(forwards), i;
    json_t *forward;

    if (!forwards || json_is_null(forwards))
        return definition_fail(error, DEFINITION_E_MISSING, "forwards", "forwards is required");
    if (!json_is_array(forwards) || count > DEFINITION_FORWARDS_MAX)
        return definition_fail(error, DEFINITION_E_INVALID, "forwards",
                               "forwards must be a list of at most %d", DEFINITION_FORWARDS_MAX);
    q->definitions = calloc(count + 1, sizeof *q->definitions);
    q->forwards = calloc(count + 1, sizeof *q->forwards);
    if (!q->definitions || !q->forwards)
        return definition_no_memory(error);
    json_array_foreach(forwards, i,
                       forward) if (!forward_take(q, call->body, forward, i, error)) return false;
    if (q->wanted.forward_count == 0)
        return definition_fail(error, DEFINITION_E_INVALID, "forwards", "forwards has none that is enabled");
    first = &q->definitions[0];
    q->wanted.host = first->host;
    q->wanted.user = first->user;
    q->wanted.port = first->port;
    q->wanted.profile_id = first->profile_id;
    q->wanted.jump_host_id = first->jump_host_id;
    q->wanted.forwards = q->forwards;
    q->wanted.is_attended = json_is_true(json_object_get(call->body, "attend"));
    return keywords_take(q, json_object_get(call->body, "keywords"), error);
}

static bool ids_of(const struct session *s, struct texts *ids)
{
    texts_init(ids);
    for (size_t i = 0; i < tunnels_session_count(s->tunnels); i++)
        if (!texts_add(ids, span_str(tunnel_definition(tunnels_session_tunnel(s->tunnels, i))->id))) {
            texts_wipe(ids);
            return false;
        }
    return true;
}

void api_open_session(const struct api_call *call)
{
    static const char *const of_others[] = {"host", "port", "profile_id", "jump_host_id", "forwards", NULL};
    static const char *const of_own_user[] = {"host",     "port",     "profile_id", "jump_host_id",
                                              "forwards", "keywords", "attend",     NULL};
    struct request q = {.definitions = NULL};
    struct definition_error error;
    struct session *s = NULL;
    struct texts ids;

    /* Keywords can run programs as the daemon's user: not even the members of its group may say them. */
    bool is_own = !httpd_is_tcp(call->request) && !call->api->config.has_group;
    if (!api_body_knows(call, call->body, is_own ? of_own_user : of_others))
        return;
    texts_init(&q.keywords);
    if (request_take(&q, call, &error)) {
        s = calloc(1, sizeof *s);
        if (s)
            s->tunnels = tunnels_session_open(call->api->config.tunnels, &q.wanted, &error);
        else
            definition_no_memory(&error);
    }
    request_wipe(&q);
    if (!s || !s->tunnels) {
        free(s);
        api_reply_error(call->request, &error);
        return;
    }
    s->stream.api = call->api;
    if (ids_of(s, &ids)) {
        api_wait_all(call, &ids, s, session_begin);
        return;
    }
    session_free(s);
    httpd_reply_error(call->request, "internal", NULL, "Out of memory");
}
