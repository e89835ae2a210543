#include "daemon/client_tunnel.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"

enum { TEXT_CAP = 4096, LIST_MAX = 1024 * 1024 };

/* A clean copy of an object's text; "" for what is none. NULL: no memory. */
static char *text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    char text[TEXT_CAP];
    struct span raw = json_is_string(value) ? span_make(json_string_value(value), json_string_length(value))
                                            : span_make(NULL, 0);
    size_t n = adit_text_clean(text, sizeof text, raw, false);
    return text_copy(span_make(text, n));
}

static bool addresses_add(struct texts *out, const json_t *list)
{
    size_t n = json_is_array(list) ? json_array_size(list) : 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        char text[TEXT_CAP];
        if (!json_is_string(value))
            continue;
        size_t len = adit_text_clean(text, sizeof text,
                                     span_make(json_string_value(value), json_string_length(value)), false);
        if (!texts_add(out, span_make(text, len)))
            return false;
    }
    return true;
}

static int64_t number_of(const json_t *object, const char *name, int64_t absent)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : absent;
}

static void tunnel_wipe(struct client_tunnel *t)
{
    free(t->id);
    free(t->name);
    free(t->state);
    free(t->spec);
    free(t->via);
    free(t->origin);
    free(t->last_error);
    free(t->last_error_kind);
    free(t->key_type);
    free(t->fingerprint);
    free(t->json);
    free(t->type);
    free(t->target);
    texts_wipe(&t->addresses);
}

static bool tunnel_read(struct client_tunnel *t, const json_t *object)
{
    const json_t *key = json_object_get(object, "host_key");
    const json_t *first = json_array_get(json_object_get(object, "forwards"), 0);
    *t = (struct client_tunnel){
        .id = text_of(object, "id"),
        .name = text_of(object, "name"),
        .state = text_of(object, "state"),
        .spec = text_of(object, "spec"),
        .via = text_of(object, "via"),
        .origin = text_of(object, "origin"),
        .last_error = text_of(object, "last_error"),
        .last_error_kind = text_of(object, "last_error_kind"),
        .key_type = text_of(key, "type"),
        .fingerprint = text_of(key, "fingerprint"),
        .type = text_of(first, "type"),
        .target = text_of(first, "target"),
        .json = json_text(object, JSON_COMPACT),
        .permanent = json_is_true(json_object_get(object, "permanent")),
        .auto_reconnect = !json_is_false(json_object_get(object, "auto_reconnect")),
        .is_key_known = json_is_true(json_object_get(key, "known")),
        .uptime = number_of(object, "uptime", -1),
        .retry_count = number_of(object, "retry_count", 0),
    };
    texts_init(&t->addresses);
    return t->id != NULL && t->name != NULL && t->state != NULL && t->spec != NULL && t->via != NULL &&
           t->origin != NULL && t->last_error != NULL && t->last_error_kind != NULL && t->key_type != NULL &&
           t->fingerprint != NULL && t->json != NULL && t->type != NULL && t->target != NULL &&
           addresses_add(&t->addresses, json_object_get(object, "listen"));
}

static enum adit_err list_read(struct client_tunnels *out, const json_t *list, struct adit_error *err)
{
    size_t count = json_array_size(list);
    if (count > LIST_MAX)
        return adit_fail(err, ADIT_E_PROTOCOL, "the daemon's list is too long");
    out->item = calloc(count > 0 ? count : 1, sizeof *out->item);
    for (; out->item != NULL && out->count < count; out->count++) {
        const json_t *object = json_array_get(list, out->count);
        if (!json_is_object(object))
            return adit_fail(err, ADIT_E_PROTOCOL, "the daemon's list holds something else than tunnels");
        if (!tunnel_read(&out->item[out->count], object)) {
            out->count++;
            return adit_fail(err, ADIT_E_MEMORY, "out of memory");
        }
    }
    return out->item != NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

enum adit_err client_tunnels_parse(struct client_tunnels *out, const char *text, size_t len,
                                   struct adit_error *err)
{
    errno = 0; /* the library calls a lack of memory bad JSON */
    json_t *document = json_loadb(text, len, 0, NULL);
    json_t *list = json_object_get(document, "tunnels"), *single = NULL;
    enum adit_err e = ADIT_E_OK;
    *out = (struct client_tunnels){0};
    bool is_single = json_is_string(json_object_get(document, "id"));
    if (is_single) {
        single = json_array();
        (void)json_array_append(single, document);
        list = single;
    }
    if (json_is_array(list))
        e = list_read(out, list, err);
    else if (is_single || (document == NULL && errno == ENOMEM))
        e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
    else
        e = adit_fail(err, ADIT_E_PROTOCOL, "the daemon's answer holds no tunnels");
    json_decref(single);
    json_decref(document);
    if (e != ADIT_E_OK)
        client_tunnels_wipe(out);
    return e;
}

void client_tunnels_wipe(struct client_tunnels *t)
{
    for (size_t i = 0; i < t->count; i++)
        tunnel_wipe(&t->item[i]);
    free(t->item);
    *t = (struct client_tunnels){0};
}

const struct client_tunnel *client_tunnels_find(const struct client_tunnels *t, const char *id_or_name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->item[i].id, id_or_name) == 0)
            return &t->item[i];
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->item[i].name, id_or_name) == 0)
            return &t->item[i];
    return NULL;
}

bool client_tunnel_is(const struct client_tunnel *t, const char *state)
{
    return strcmp(t->state, state) == 0;
}

bool client_tunnel_is_up(const struct client_tunnel *t)
{
    return client_tunnel_is(t, "connected") || client_tunnel_is(t, "idle");
}

/* Several errors have one kind: the one that stands for it. */
static enum adit_err of_kind(const char *kind)
{
    static const enum adit_err by_kind[] = {ADIT_E_AUTH,        ADIT_E_HOST_KEY, ADIT_E_CONNECT,
                                            ADIT_E_FORWARD,     ADIT_E_TIMEOUT,  ADIT_E_CHANNEL,
                                            ADIT_E_NEGOTIATION, ADIT_E_COMMAND};
    for (size_t i = 0; i < ADIT_COUNT(by_kind); i++)
        if (strcmp(adit_err_kind(by_kind[i]), kind) == 0)
            return by_kind[i];
    return ADIT_E_CONNECT;
}

enum adit_err client_tunnel_error(const struct client_tunnel *t)
{
    if (client_tunnel_is_up(t) || t->last_error_kind[0] == 0)
        return client_tunnel_is(t, "failed") ? ADIT_E_SYSTEM : ADIT_E_OK;
    if (client_tunnel_is(t, "failed") && !t->permanent && t->auto_reconnect)
        return ADIT_E_GAVE_UP;
    return of_kind(t->last_error_kind);
}
