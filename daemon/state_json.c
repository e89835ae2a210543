#include "daemon/state_json.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/definition_json.h"
#include "daemon/json_text.h"

/* The only one that there has been. */
enum { STATE_VERSION = 1, ID_MAX = 255 };

/* ---- Reading ---- */

struct reading {
    const char *name; /* of the file */
    struct definition *tunnels;
    size_t count;
    json_t *ids; /* an object with the id of each as a name */
    struct state_extras *extras;
    struct adit_error *err;
};

void state_extras_wipe(struct state_extras *extras)
{
    json_decref(extras->top);
    json_decref(extras->tunnels);
    *extras = (struct state_extras){0};
}

static enum adit_err no_memory(struct reading *r)
{
    (void)adit_fail(r->err, ADIT_E_MEMORY, "%s: out of memory", r->name);
    return ADIT_E_MEMORY;
}

static enum adit_err bad_tunnel(struct reading *r, const char *what)
{
    return adit_fail(r->err, ADIT_E_CONFIG, "%s: tunnels[%zu]: %s", r->name, r->count, what);
}

/* Ours, but no field of the API's. */
static bool is_own_member(const char *name)
{
    return strcmp(name, "id") == 0 || strcmp(name, "created_at") == 0;
}

/* The object's members, each to where it belongs. */
static bool split(const json_t *object, json_t *known, json_t *unknown)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        json_t *to = definition_field_is_written(name) ? known : unknown;
        if (!is_own_member(name) && json_object_set(to, name, value) != 0)
            return false;
    }
    return true;
}

static enum adit_err take_definition(struct reading *r, struct definition *d, const json_t *known)
{
    struct definition_error why = {0};
    if (definition_from_json(d, known, true, &why))
        return ADIT_E_OK;
    if (strcmp(why.code, DEFINITION_E_INTERNAL) == 0)
        return no_memory(r);
    char text[LIMIT_ERROR_TEXT];
    (void)adit_format(text, sizeof text, "%s%s%s", why.field, why.field[0] != 0 ? ": " : "", why.message);
    return bad_tunnel(r, text);
}

static enum adit_err take_fields(struct reading *r, struct definition *d, const json_t *object,
                                 const char *id)
{
    json_t *known = json_object(), *unknown = json_object();
    enum adit_err e = ADIT_E_OK;
    if (known == NULL || unknown == NULL || !split(object, known, unknown))
        e = no_memory(r);
    if (e == ADIT_E_OK)
        e = take_definition(r, d, known);
    if (e == ADIT_E_OK && json_object_size(unknown) > 0 &&
        json_object_set(r->extras->tunnels, id, unknown) != 0)
        e = no_memory(r);
    json_decref(known);
    json_decref(unknown);
    return e;
}

static enum adit_err take_tunnel(struct reading *r, const json_t *object)
{
    const json_t *id = json_object_get(object, "id"), *created = json_object_get(object, "created_at");
    const char *text = json_string_value(id);
    if (!json_is_object(object))
        return bad_tunnel(r, "not an object");
    if (text == NULL || text[0] == 0 || json_string_length(id) > ID_MAX ||
        strlen(text) != json_string_length(id))
        return bad_tunnel(r, "id: must be a text");
    if (json_object_get(r->ids, text) != NULL)
        return bad_tunnel(r, "id: another tunnel has the same");
    if (created != NULL && !json_is_integer(created))
        return bad_tunnel(r, "created_at: must be an integer");
    struct definition *d = &r->tunnels[r->count];
    definition_init(d, DEFINITION_API);
    d->created_at = json_integer_value(created);
    enum adit_err e = definition_set(&d->id, text) ? take_fields(r, d, object, text) : no_memory(r);
    if (e == ADIT_E_OK && json_object_set_new(r->ids, text, json_true()) != 0)
        e = no_memory(r);
    if (e == ADIT_E_OK)
        r->count++;
    else
        definition_wipe(d);
    return e;
}

static enum adit_err take_tunnels(struct reading *r, const json_t *list)
{
    if (!json_is_array(list))
        return adit_fail(r->err, ADIT_E_CONFIG, "%s: tunnels: must be a list", r->name);
    r->tunnels = calloc(json_array_size(list) + 1, sizeof *r->tunnels);
    r->ids = json_object();
    enum adit_err e = r->tunnels == NULL || r->ids == NULL ? no_memory(r) : ADIT_E_OK;
    for (size_t i = 0; e == ADIT_E_OK && i < json_array_size(list); i++)
        e = take_tunnel(r, json_array_get(list, i));
    json_decref(r->ids);
    return e;
}

static enum adit_err check_version(struct reading *r, const json_t *top)
{
    const json_t *version = json_object_get(top, "version");
    if (!json_is_object(top))
        return adit_fail(r->err, ADIT_E_CONFIG, "%s: not an object", r->name);
    if (!json_is_integer(version) || json_integer_value(version) < STATE_VERSION)
        return adit_fail(r->err, ADIT_E_CONFIG, "%s: version: must be an integer from %d on", r->name,
                         STATE_VERSION);
    if (json_integer_value(version) > STATE_VERSION)
        return adit_fail(r->err, ADIT_E_CONFIG, "%s: a newer adit wrote it (version %lld; this one knows %d)",
                         r->name, (long long)json_integer_value(version), STATE_VERSION);
    return ADIT_E_OK;
}

static enum adit_err take_top(struct reading *r, const json_t *top)
{
    enum adit_err e = check_version(r, top);
    if (e != ADIT_E_OK)
        return e;
    r->extras->top = json_object();
    r->extras->tunnels = json_object();
    if (r->extras->top == NULL || r->extras->tunnels == NULL ||
        json_object_update(r->extras->top, (json_t *)top) != 0)
        return no_memory(r);
    (void)json_object_del(r->extras->top, "version");
    (void)json_object_del(r->extras->top, "tunnels");
    return take_tunnels(r, json_object_get(top, "tunnels"));
}

static void forget(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        definition_wipe(&r->tunnels[i]);
    free(r->tunnels);
    r->tunnels = NULL;
    r->count = 0;
    state_extras_wipe(r->extras);
}

enum adit_err state_parse(struct span text, const char *name, struct definition **out, size_t *count,
                          struct state_extras *extras, struct adit_error *err)
{
    json_error_t where;
    struct reading r = {.name = name, .extras = extras, .err = err};
    /* A name that stands twice would lose one of its values. */
    json_t *top = json_read(text, JSON_REJECT_DUPLICATES, &where);
    enum adit_err e;
    if (top == NULL && json_error_code(&where) == json_error_out_of_memory)
        e = adit_fail(err, ADIT_E_MEMORY, "%s: out of memory", name);
    else if (top == NULL)
        e = adit_fail(err, ADIT_E_CONFIG, "%s:%d:%d: %s", name, where.line, where.column, where.text);
    else
        e = take_top(&r, top);
    json_decref(top);
    if (e != ADIT_E_OK)
        forget(&r);
    *out = r.tunnels;
    *count = r.count;
    return e;
}

/* ---- Writing ---- */

static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

/* Where T shows a port that nobody gave, the file must not pretend that somebody did. */
static json_t *tunnel_json(const struct definition *d, const struct state_extras *extras)
{
    json_t *fields = definition_to_json(d), *o = json_object();
    bool fine = fields != NULL && o != NULL && put(o, "id", json_string(d->id)) &&
                json_object_update(o, fields) == 0 && (d->port != 0 || put(o, "port", json_null())) &&
                put(o, "created_at", json_integer(d->created_at));
    json_t *further = json_object_get(extras->tunnels, d->id);
    if (fine && further != NULL)
        fine = json_object_update(o, further) == 0;
    json_decref(fields);
    if (fine)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *state_json(const struct definition *const *tunnels, size_t count,
                          const struct state_extras *extras)
{
    json_t *list = json_array(), *top = json_object();
    bool fine = list != NULL && top != NULL && put(top, "version", json_integer(STATE_VERSION));
    for (size_t i = 0; fine && i < count; i++)
        if (tunnels[i]->origin == DEFINITION_API)
            fine = json_array_append_new(list, tunnel_json(tunnels[i], extras)) == 0;
    fine = fine && json_object_set(top, "tunnels", list) == 0;
    if (fine && extras->top != NULL)
        fine = json_object_update(top, extras->top) == 0;
    json_decref(list);
    if (fine)
        return top;
    json_decref(top);
    return NULL;
}

char *state_format(const struct definition *const *tunnels, size_t count, const struct state_extras *extras)
{
    json_t *top = state_json(tunnels, count, extras);
    char *text = json_text(top, JSON_INDENT(2));
    json_decref(top);
    size_t room = text != NULL ? strlen(text) + 2 : 0;
    char *whole = text != NULL ? malloc(room) : NULL;
    if (whole != NULL)
        (void)adit_format(whole, room, "%s\n", text);
    free(text);
    return whole;
}
