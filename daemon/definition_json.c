#include "daemon/definition_json.h"

#include <string.h>

#include "daemon/definition_more.h"
#include "daemon/json_text.h"

/* What T says where nobody gave a port. */
enum { PORT_SHOWN = 22 };

/* What T has besides the written fields. */
static const char *const read_fields[] = {
    "id",
    "origin",
    "status",
    "state",
    "listening",
    "spec",
    "via",
    "forwards",
    "listen",
    "bound_port",
    "uptime",
    "retry_count",
    "next_retry_at",
    "last_error",
    "last_error_kind",
    "last_error_at",
    "permanent",
    "host_key",
    "kex",
    "cipher",
    "rtt_ms",
    "created_at",
    "last_activity",
    "bytes_sent",
    "bytes_received",
    "connections_total",
    "connections_active",
    "errors_total",
    "errors",
};

bool definition_field_is_read(const char *name)
{
    for (size_t i = 0; i < ADIT_COUNT(read_fields); i++)
        if (strcmp(name, read_fields[i]) == 0)
            return true;
    return false;
}

/* ---- One field: how it is taken from JSON */

struct field {
    const char *name;
    /* value is never null; false with the error written. */
    bool (*take)(struct definition *d, const struct field *field, const json_t *value,
                 struct definition_error *error);
    bool (*reset)(struct definition *d, const struct field *field); /* the default; NULL: required */
    size_t at; /* in struct definition, where that is enough */
    json_int_t min, max;
};

static bool wrong(struct definition_error *error, const struct field *field, const char *what)
{
    return definition_fail(error, DEFINITION_E_INVALID, field->name, "%s must be %s", field->name, what);
}

static bool wrong_number(struct definition_error *error, const struct field *field)
{
    return definition_fail(error, DEFINITION_E_INVALID, field->name,
                           "%s must be an integer from %lld to %lld", field->name, (long long)field->min,
                           (long long)field->max);
}

static bool number(const struct field *field, const json_t *value, struct definition_error *error)
{
    if (json_is_integer(value) && json_integer_value(value) >= field->min &&
        json_integer_value(value) <= field->max)
        return true;
    return wrong_number(error, field);
}

/* A text of JSON may hold a zero; one of ours must not. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool take_into(char **to, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    const char *text = text_of(value);
    if (text == NULL)
        return wrong(error, field, "a string");
    return definition_set(to, text) || definition_no_memory(error);
}

static void *member(struct definition *d, const struct field *field)
{
    return (char *)d + field->at;
}

static bool take_text(struct definition *d, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    return take_into(member(d, field), field, value, error);
}

static bool reset_text(struct definition *d, const struct field *field)
{
    return definition_set(member(d, field), NULL);
}

static bool take_bool(struct definition *d, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    if (!json_is_boolean(value))
        return wrong(error, field, "true or false");
    *(bool *)member(d, field) = json_is_true(value);
    return true;
}

static bool reset_false(struct definition *d, const struct field *field)
{
    *(bool *)member(d, field) = false;
    return true;
}

static bool reset_true(struct definition *d, const struct field *field)
{
    *(bool *)member(d, field) = true;
    return true;
}

static bool take_u32(struct definition *d, const struct field *field, const json_t *value,
                     struct definition_error *error)
{
    if (!number(field, value, error))
        return false;
    *(uint32_t *)member(d, field) = (uint32_t)json_integer_value(value);
    return true;
}

static bool reset_zero(struct definition *d, const struct field *field)
{
    *(uint32_t *)member(d, field) = 0;
    return true;
}

static bool reset_retries(struct definition *d, const struct field *field)
{
    *(uint32_t *)member(d, field) = 5;
    return true;
}

static bool take_host(struct definition *d, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    const char *text = text_of(value);
    return text != NULL ? definition_set_host(d, text, error) : wrong(error, field, "a string");
}

static bool take_port(struct definition *d, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    if (!number(field, value, error))
        return false;
    d->port = (uint16_t)json_integer_value(value);
    return true;
}

static bool reset_port(struct definition *d, const struct field *field)
{
    (void)field;
    d->port = 0;
    return true;
}

/* ---- The forward's fields: d->forwards[0] is there */

static bool take_type(struct definition *d, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    const char *text = text_of(value);
    return text != NULL ? definition_type_parse(&d->forwards[0].type, text, error)
                        : wrong(error, field, "a string");
}

/* The default has one form, so that what is shown and sent back is no change. */
static bool take_bind(struct definition *d, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    char **to = &d->forwards[0].bind_address;
    return take_into(to, field, value, error) && (strcmp(*to, "127.0.0.1") != 0 || definition_set(to, NULL));
}

static bool reset_bind(struct definition *d, const struct field *field)
{
    (void)field;
    return definition_set(&d->forwards[0].bind_address, NULL);
}

static bool take_remote_host(struct definition *d, const struct field *field, const json_t *value,
                             struct definition_error *error)
{
    return take_into(&d->forwards[0].remote_host, field, value, error);
}

static bool reset_remote_host(struct definition *d, const struct field *field)
{
    (void)field;
    return definition_set(&d->forwards[0].remote_host, NULL);
}

static bool take_local_port(struct definition *d, const struct field *field, const json_t *value,
                            struct definition_error *error)
{
    struct definition_forward *f = &d->forwards[0];
    uint16_t first = 0;
    const char *text = text_of(value);
    bool counts = text != NULL && definition_port_counts_up(text, &first);
    bool fits = json_is_integer(value) && json_integer_value(value) >= field->min &&
                json_integer_value(value) <= field->max;
    if (!counts && !fits)
        return wrong(error, field, "an integer from 0 to 65535, or a text like \"10000+\"");
    f->local_port = counts ? first : (uint16_t)json_integer_value(value);
    f->counts_up = counts;
    f->has_local_port = true;
    return true;
}

static bool reset_local_port(struct definition *d, const struct field *field)
{
    (void)field;
    d->forwards[0].local_port = 0;
    d->forwards[0].counts_up = d->forwards[0].has_local_port = false;
    return true;
}

static bool take_remote_port(struct definition *d, const struct field *field, const json_t *value,
                             struct definition_error *error)
{
    if (!number(field, value, error))
        return false;
    d->forwards[0].remote_port = (uint16_t)json_integer_value(value);
    d->forwards[0].has_remote_port = true;
    return true;
}

static bool reset_remote_port(struct definition *d, const struct field *field)
{
    (void)field;
    d->forwards[0].remote_port = 0;
    d->forwards[0].has_remote_port = false;
    return true;
}

static bool take_more(struct definition *d, const struct field *field, const json_t *value,
                      struct definition_error *error)
{
    (void)field;
    return definition_more_take(d, value, error);
}

static bool reset_more(struct definition *d, const struct field *field)
{
    (void)field;
    definition_more_drop(d);
    return true;
}

/* ---- The table */

#define AT(field) offsetof(struct definition, field)

/* In the order in which T has them, and in which the first wrong one is told. */
static const struct field fields[] = {
    {"name", take_text, NULL, AT(name), 0, 0},
    {"host", take_host, NULL, 0, 0, 0},
    {"port", take_port, reset_port, 0, 1, 65535},
    {"profile_id", take_text, NULL, AT(profile_id), 0, 0},
    {"jump_host_id", take_text, reset_text, AT(jump_host_id), 0, 0},
    {"jump_session_id", take_text, reset_text, AT(jump_session_id), 0, 0},
    {"forward_type", take_type, NULL, 0, 0, 0},
    /* Whether these two are required is the type's affair: definition_check knows. */
    {"local_port", take_local_port, reset_local_port, 0, 0, 65535},
    {"bind_address", take_bind, reset_bind, 0, 0, 0},
    {"remote_host", take_remote_host, reset_remote_host, 0, 0, 0},
    {"remote_port", take_remote_port, reset_remote_port, 0, 0, 65535},
    {"more_forwards", take_more, reset_more, 0, 0, 0},
    {"auto_start", take_bool, reset_false, AT(auto_start), 0, 0},
    {"auto_reconnect", take_bool, reset_true, AT(auto_reconnect), 0, 0},
    {"max_retries", take_u32, reset_retries, AT(max_retries), 0, UINT32_MAX},
    {"description", take_text, reset_text, AT(description), 0, 0},
    {"lazy", take_bool, reset_false, AT(lazy), 0, 0},
    {"idle_exit", take_u32, reset_zero, AT(idle_exit_s), 0, UINT32_MAX / 1000},
};

bool definition_field_is_written(const char *name)
{
    for (size_t i = 0; i < ADIT_COUNT(fields); i++)
        if (strcmp(name, fields[i].name) == 0)
            return true;
    return false;
}

/* ---- From JSON */

static bool names_are_known(const json_t *object, struct definition_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        if (definition_field_is_written(name) || definition_field_is_read(name))
            continue;
        return definition_fail(error, DEFINITION_E_UNKNOWN, name, "unknown field '%s'", name);
    }
    return true;
}

/* Sent back by a PUT it is no choice: with an alias it would overrule ssh_config's Port. */
static bool is_shown_port(const struct definition *d, const struct field *field, const json_t *value)
{
    return field->take == take_port && d->port == 0 && json_integer_value(value) == PORT_SHOWN;
}

static bool take_field(struct definition *d, const struct field *field, const json_t *object, bool is_new,
                       struct definition_error *error)
{
    const json_t *value = json_object_get(object, field->name);
    if (!is_new && (value == NULL || is_shown_port(d, field, value)))
        return true;
    if (value != NULL && !json_is_null(value))
        return field->take(d, field, value, error);
    if (field->reset == NULL)
        return definition_fail(error, DEFINITION_E_MISSING, field->name, "%s is required", field->name);
    return field->reset(d, field) || definition_no_memory(error);
}

static bool take_all(struct definition *d, const json_t *object, bool is_new, struct definition_error *error)
{
    if (d->forward_count == 0 && definition_forward_add(d, FORWARD_LOCAL) == NULL)
        return definition_no_memory(error);
    for (size_t i = 0; i < ADIT_COUNT(fields); i++)
        if (!take_field(d, &fields[i], object, is_new, error))
            return false;
    if (definition_check(d, error))
        return true;
    if (error != NULL && error->forward != SIZE_MAX)
        definition_more_place(error, error->forward);
    return false;
}

bool definition_from_json(struct definition *out, const json_t *object, bool is_new,
                          struct definition_error *error)
{
    if (!json_is_object(object))
        return definition_fail(error, DEFINITION_E_INVALID, NULL, "a tunnel must be a JSON object");
    if (!names_are_known(object, error))
        return false;
    struct definition d;
    if (!definition_copy(&d, out))
        return definition_no_memory(error);
    if (!take_all(&d, object, is_new, error)) {
        definition_wipe(&d);
        return false;
    }
    definition_wipe(out);
    *out = d;
    return true;
}

/* ---- To JSON */

static json_t *text_json(const char *text)
{
    return text != NULL ? json_utf8(text) : json_null();
}

static json_t *host_json(const struct definition *d)
{
    char text[LIMIT_USER + LIMIT_HOST + 2];
    if (d->user == NULL)
        return text_json(d->host);
    (void)adit_format(text, sizeof text, "%s@%s", d->user, d->host);
    return json_utf8(text);
}

static json_t *local_port_json(const struct definition_forward *f)
{
    char text[8];
    if (!f->has_local_port)
        return json_null();
    if (!f->counts_up)
        return json_integer(f->local_port);
    (void)adit_format(text, sizeof text, "%u+", (unsigned)f->local_port);
    return json_string(text);
}

/* Takes value, also when it is NULL: that is no memory. */
static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

static bool put_connection(json_t *o, const struct definition *d)
{
    return put(o, "name", text_json(d->name)) && put(o, "host", host_json(d)) &&
           put(o, "port", json_integer(d->port != 0 ? d->port : PORT_SHOWN)) &&
           put(o, "profile_id", text_json(d->profile_id)) &&
           put(o, "jump_host_id", text_json(d->jump_host_id)) &&
           put(o, "jump_session_id", text_json(d->jump_session_id));
}

static bool put_forward(json_t *o, const struct definition_forward *f)
{
    return put(o, "forward_type", json_string(definition_type_name(f->type))) &&
           put(o, "local_port", local_port_json(f)) &&
           put(o, "bind_address", json_utf8(f->bind_address != NULL ? f->bind_address : "127.0.0.1")) &&
           put(o, "remote_host", text_json(f->remote_host)) &&
           put(o, "remote_port", f->has_remote_port ? json_integer(f->remote_port) : json_null());
}

/* Nothing where there is one forward alone. */
static bool put_more(json_t *o, const struct definition *d)
{
    if (d->forward_count < 2)
        return true;
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 1; i < d->forward_count && ok; i++) {
        json_t *item = json_object();
        ok = item != NULL && put_forward(item, &d->forwards[i]);
        ok = json_array_append_new(list, item) == 0 && ok;
    }
    ok = json_object_set_new(o, "more_forwards", list) == 0 && ok;
    return ok;
}

static bool put_rest(json_t *o, const struct definition *d)
{
    return put(o, "auto_start", json_boolean(d->auto_start)) &&
           put(o, "auto_reconnect", json_boolean(d->auto_reconnect)) &&
           put(o, "max_retries", json_integer(d->max_retries)) &&
           put(o, "description", text_json(d->description)) && put(o, "lazy", json_boolean(d->lazy)) &&
           put(o, "idle_exit", json_integer(d->idle_exit_s));
}

json_t *definition_to_json(const struct definition *d)
{
    static const struct definition_forward none = {.type = FORWARD_LOCAL};
    json_t *o = json_object();
    if (o != NULL && put_connection(o, d) && put_forward(o, d->forward_count > 0 ? &d->forwards[0] : &none) &&
        put_more(o, d) && put_rest(o, d))
        return o;
    json_decref(o);
    return NULL;
}
