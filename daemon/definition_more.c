#include "daemon/definition_more.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/definition_json.h"
#include "daemon/json_text.h"

void definition_more_drop(struct definition *d)
{
    while (d->forward_count > 1) {
        struct definition_forward *f = &d->forwards[--d->forward_count];
        free(f->bind_address);
        free(f->remote_host);
    }
}

void definition_more_place(struct definition_error *error, size_t at)
{
    char field[DEFINITION_FIELD_CAP];
    if (at == 0 || error->field[0] == 0)
        return;
    (void)adit_format(field, sizeof field, "more_forwards[%zu].%s", at - 1, error->field);
    (void)adit_format(error->field, sizeof error->field, "%s", field);
    error->forward = at;
}

static bool names_are_known(const json_t *item, struct definition_error *error)
{
    static const char *const names[] = {"forward_type", "local_port", "bind_address", "remote_host",
                                        "remote_port"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)item, name, value)
    {
        size_t i = 0;
        while (i < ADIT_COUNT(names) && strcmp(name, names[i]) != 0)
            i++;
        if (i == ADIT_COUNT(names))
            return definition_fail(error, DEFINITION_E_UNKNOWN, name, "unknown field '%s'", name);
    }
    return true;
}

/* A tunnel that has nothing but this forward. */
static bool read_alone(struct definition *alone, const json_t *item, struct definition_error *error)
{
    json_t *object = json_copy_object(item); /* its members stay the item's */
    bool ok = object != NULL && json_object_set_new(object, "name", json_string("forward")) == 0 &&
              json_object_set_new(object, "host", json_string("host")) == 0 &&
              json_object_set_new(object, "profile_id", json_string("default")) == 0;
    if (ok)
        ok = definition_from_json(alone, object, true, error);
    else
        (void)definition_no_memory(error);
    json_decref(object);
    return ok;
}

static bool take_one(struct definition *d, const json_t *item, struct definition_error *error)
{
    struct definition alone;
    if (!json_is_object(item))
        return definition_fail(error, DEFINITION_E_INVALID, "forward_type", "a forward must be an object");
    if (!names_are_known(item, error))
        return false;
    definition_init(&alone, d->origin);
    bool ok = read_alone(&alone, item, error);
    struct definition_forward *f = ok ? definition_forward_add(d, alone.forwards[0].type) : NULL;
    if (f != NULL) {
        *f = alone.forwards[0];
        alone.forwards[0].bind_address = alone.forwards[0].remote_host = NULL; /* they are d's now */
    }
    definition_wipe(&alone);
    return f != NULL || (ok && definition_no_memory(error));
}

bool definition_more_take(struct definition *d, const json_t *list, struct definition_error *error)
{
    json_t *item;
    size_t i;
    if (!json_is_array(list) || json_array_size(list) >= DEFINITION_FORWARDS_MAX)
        return definition_fail(error, DEFINITION_E_INVALID, "more_forwards",
                               "more_forwards must be a list of at most %d forwards",
                               (int)DEFINITION_FORWARDS_MAX - 1);
    definition_more_drop(d);
    json_array_foreach(list, i, item)
    {
        if (take_one(d, item, error))
            continue;
        definition_more_place(error, i + 1);
        return false;
    }
    return true;
}
