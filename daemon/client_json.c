#include "daemon/client_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"

enum { TEXT_CAP = 4096 };

/* ---- Requests ---- */

static char *dump(json_t *object)
{
    char *text = json_text(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

/* Absent is not null: a required field must be missing by its name. */
static bool put_text(json_t *object, const char *name, const char *value)
{
    return value == NULL || put(object, name, json_string(value));
}

/* Where the listener on this side is, or, of -R, the target. */
static const char *bind_address_of(const struct forward_spec *f)
{
    switch (f->bind) {
    case FORWARD_BIND_DEFAULT:
        return NULL;
    case FORWARD_BIND_LOCAL:
        return "localhost";
    case FORWARD_BIND_ALL:
        return f->type == FORWARD_REMOTE ? "*" : "0.0.0.0";
    default:
        return f->address;
    }
}

/* "10000+" as the API has it. */
static json_t *local_port_of(const struct forward_spec *f)
{
    char text[8];
    if (!f->port_counts_up)
        return json_integer(f->type == FORWARD_REMOTE ? f->host_port : f->port);
    (void)adit_format(text, sizeof text, "%u+", (unsigned)f->port);
    return json_string(text);
}

static bool put_forward(json_t *object, const struct forward_spec *f)
{
    static const char *const types[] = {
        [FORWARD_LOCAL] = "local", [FORWARD_REMOTE] = "remote", [FORWARD_DYNAMIC] = "dynamic"};
    bool is_remote = f->type == FORWARD_REMOTE;
    const char *target = f->type == FORWARD_DYNAMIC ? NULL : f->host;
    return put_text(object, "forward_type", types[f->type]) && put(object, "local_port", local_port_of(f)) &&
           put_text(object, "bind_address", is_remote ? target : bind_address_of(f)) &&
           put_text(object, "remote_host", is_remote ? bind_address_of(f) : target) &&
           (f->type == FORWARD_DYNAMIC ||
            put(object, "remote_port", json_integer(is_remote ? f->port : f->host_port)));
}

static bool add_forwards(json_t *list, const struct forward_spec *forwards, size_t count)
{
    bool is_fine = list != NULL;
    for (size_t i = 0; i < count && is_fine; i++) {
        json_t *one = json_object();
        is_fine = put_forward(one, &forwards[i]);
        is_fine = json_array_append_new(list, one) == 0 && is_fine;
    }
    return is_fine;
}

/* Those behind the first one. */
static bool put_more(json_t *object, const struct client_new *n)
{
    json_t *list = n->forward_count > 1 ? json_array() : NULL;
    if (n->forward_count < 2)
        return true;
    bool is_fine = add_forwards(list, n->forwards + 1, n->forward_count - 1);
    return put(object, "more_forwards", list) && is_fine;
}

static bool put_new(json_t *object, const struct client_new *n)
{
    return put_text(object, "name", n->name) && put_text(object, "host", n->host) &&
           (n->port == 0 || put(object, "port", json_integer(n->port))) &&
           put_text(object, "profile_id", n->profile != NULL ? n->profile : "default") &&
           put_text(object, "description", n->description) && put_forward(object, &n->forwards[0]) &&
           put_more(object, n) && (!n->auto_start || put(object, "auto_start", json_true())) &&
           (!n->has_max_retries || put(object, "max_retries", json_integer(n->max_retries)));
}

static enum adit_err forward_check(const struct forward_spec *f, struct adit_error *err)
{
    if (f->bind == FORWARD_BIND_PATH || f->target_is_path)
        return adit_fail(err, ADIT_E_USAGE, "Unix sockets are not for tunnels of the daemon");
    if (f->type == FORWARD_REMOTE && f->host[0] == 0)
        return adit_fail(err, ADIT_E_USAGE, "-R as a SOCKS server is for configuration files alone");
    return ADIT_E_OK;
}

static enum adit_err forwards_check(const struct forward_spec *forwards, size_t count, struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    for (size_t i = 0; i < count && e == ADIT_E_OK; i++)
        e = forward_check(&forwards[i], err);
    return e;
}

/* The object's text; object is given back. is_fine false: jansson takes no text that is not UTF-8, and tells
 * a lack of memory by errno alone, which was 0 before the object was made. */
static char *request_text(json_t *object, bool is_fine, struct adit_error *err)
{
    char *text = is_fine ? json_text(object, JSON_COMPACT) : NULL;
    if (text == NULL && errno == ENOMEM)
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
    else if (text == NULL)
        (void)adit_fail(err, ADIT_E_USAGE, "a name, a description or an option is not valid UTF-8");
    json_decref(object);
    return text;
}

char *client_new_json(const struct client_new *n, struct adit_error *err)
{
    if (forwards_check(n->forwards, n->forward_count, err) != ADIT_E_OK)
        return NULL;
    errno = 0;
    json_t *object = json_object();
    return request_text(object, put_new(object, n), err);
}

static bool add_keywords(json_t *list, const struct texts *lines)
{
    bool is_fine = true;
    for (size_t i = 0; i < lines->count && is_fine; i++)
        is_fine = json_array_append_new(list, json_string(lines->item[i])) == 0;
    return is_fine;
}

char *client_session_json(const struct client_session *s, struct adit_error *err)
{
    errno = 0;
    json_t *object = json_object(), *forwards = json_array(), *keywords = json_array();
    bool is_fine = forwards_check(s->forwards, s->forward_count, err) == ADIT_E_OK &&
                   add_forwards(forwards, s->forwards, s->forward_count) &&
                   add_keywords(keywords, s->keywords);
    is_fine = put(object, "forwards", forwards) && is_fine;
    is_fine = put(object, "keywords", keywords) && is_fine;
    is_fine = is_fine && put_text(object, "host", s->host) && put_text(object, "jump_host_id", s->jump) &&
              (s->port == 0 || put(object, "port", json_integer(s->port))) &&
              put(object, "attend", json_boolean(s->is_attended));
    return request_text(object, is_fine, err);
}

enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_BOOL, FIELD_PORT };

static enum field_type type_of(const char *name)
{
    static const struct {
        const char *name;
        enum field_type type;
    } rows[] = {{"port", FIELD_NUMBER},         {"remote_port", FIELD_NUMBER}, {"max_retries", FIELD_NUMBER},
                {"idle_exit", FIELD_NUMBER},    {"local_port", FIELD_PORT},    {"auto_start", FIELD_BOOL},
                {"auto_reconnect", FIELD_BOOL}, {"lazy", FIELD_BOOL}};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].type;
    return FIELD_TEXT;
}

static bool is_number(const char *text)
{
    size_t n = strlen(text), digits = strspn(text, "0123456789");
    return n > 0 && n <= 10 && digits == n;
}

/* NULL: no such value for that field. */
static json_t *value_of(enum field_type type, const char *value)
{
    if (value[0] == 0)
        return json_null();
    if (type == FIELD_NUMBER || (type == FIELD_PORT && is_number(value)))
        return is_number(value) ? json_integer(strtoll(value, NULL, 10)) : NULL;
    if (type != FIELD_BOOL)
        return json_string(value);
    if (text_same(value, "true") || text_same(value, "yes"))
        return json_true();
    return text_same(value, "false") || text_same(value, "no") ? json_false() : NULL;
}

static bool put_edit(json_t *object, const char *field, struct adit_error *err)
{
    char name[64];
    const char *sign = strchr(field, '=');
    size_t n = sign != NULL ? (size_t)(sign - field) : 0;
    if (n == 0 || n >= sizeof name) {
        (void)adit_fail(err, ADIT_E_USAGE, "'%.100s' is not FIELD=VALUE", field);
        return false;
    }
    (void)adit_format(name, sizeof name, "%.*s", (int)n, field);
    json_t *value = value_of(type_of(name), sign + 1);
    if (value != NULL && json_object_set_new(object, name, value) == 0)
        return true;
    if (errno == ENOMEM)
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
    else
        (void)adit_fail(err, ADIT_E_USAGE, "%s: '%.200s' is no value for it", name, sign + 1);
    return false;
}

char *client_edit_json(char *const fields[], size_t count, struct adit_error *err)
{
    errno = 0; /* as in request_text */
    json_t *object = json_object();
    bool is_fine = object != NULL;
    for (size_t i = 0; i < count && is_fine; i++)
        is_fine = put_edit(object, fields[i], err);
    char *text = is_fine ? json_text(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (text == NULL)
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return text;
}

char *client_text_json(const char *name, const char *value)
{
    errno = 0;
    return dump(json_pack("{s:s?}", name, value));
}

/* ---- Answers ---- */

static void clean(const json_t *value, char *out, size_t cap)
{
    struct span raw = json_is_string(value) ? span_make(json_string_value(value), json_string_length(value))
                                            : span_make(NULL, 0);
    (void)adit_text_clean(out, cap, raw, false);
}

bool client_error_read(const char *text, size_t len, char code[static CLIENT_CODE_CAP],
                       char message[static LIMIT_ERROR_TEXT])
{
    errno = 0;
    json_t *document = json_loadb(text, len, 0, NULL);
    const json_t *error = json_object_get(document, "error");
    clean(json_object_get(error, "code"), code, CLIENT_CODE_CAP);
    clean(json_object_get(error, "message"), message, LIMIT_ERROR_TEXT);
    json_decref(document);
    return message[0] != 0;
}

enum adit_err client_reloaded_read(const char *text, size_t len, struct client_reloaded *out,
                                   struct adit_error *err)
{
    errno = 0; /* the library takes memory for reading and for unpacking, and tells of neither */
    json_t *document = json_loadb(text, len, 0, NULL);
    json_int_t counts[4] = {0};
    bool is_fine =
        document != NULL && json_unpack(document, "{s:I, s:I, s:I, s:I}", "added", &counts[0], "removed",
                                        &counts[1], "changed", &counts[2], "unchanged", &counts[3]) == 0;
    bool has_no_memory = !is_fine && errno == ENOMEM;
    *out = (struct client_reloaded){counts[0], counts[1], counts[2], counts[3]};
    json_decref(document);
    if (has_no_memory)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return is_fine ? ADIT_E_OK : adit_fail(err, ADIT_E_PROTOCOL, "the daemon's answer is none to this");
}

bool client_question_read(const char *text, size_t len, struct client_question *out)
{
    json_t *document = json_loadb(text, len, 0, NULL);
    const json_t *prompt = json_object_get(document, "prompt");
    const json_t *question = json_object_get(prompt, "text");
    char shown[TEXT_CAP];
    *out = (struct client_question){0};
    if (json_is_string(question)) {
        size_t n = adit_text_clean(
            shown, sizeof shown, span_make(json_string_value(question), json_string_length(question)), true);
        out->text = text_copy(span_make(shown, n));
        out->id = (int64_t)json_integer_value(json_object_get(prompt, "id"));
        const char *kind = json_string_value(json_object_get(prompt, "kind"));
        /* What is not known to be shown is not shown. */
        out->is_secret = kind == NULL || strcmp(kind, "line") != 0;
    }
    json_decref(document);
    return out->text != NULL;
}

char *client_answer_json(const struct client_question *q, const char *answer)
{
    return dump(json_pack("{s:I, s:s?}", "id", (json_int_t)q->id, "answer", answer));
}

bool client_text_read(const char *text, size_t len, const char *name, char **out)
{
    char value[TEXT_CAP];
    errno = 0;
    json_t *document = json_loadb(text, len, 0, NULL);
    clean(json_object_get(document, name), value, sizeof value);
    *out = json_is_object(document) ? text_copy(span_str(value)) : NULL;
    json_decref(document);
    return *out != NULL;
}
