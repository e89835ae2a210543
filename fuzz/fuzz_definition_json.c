#include "daemon/definition_json.h"
#include "fuzz/fuzz.h"

static bool code_is_known(const struct definition_error *error)
{
    return error->code != NULL && error->message[0] != 0;
}

/* What was taken is written so that it is taken again and means the same. */
static void round_trip(const struct definition *d)
{
    struct definition again;
    struct definition_error error = {0};
    definition_init(&again, DEFINITION_API);
    json_t *object = definition_to_json(d);
    ALWAYS(object != NULL);
    ALWAYS(definition_from_json(&again, object, true, &error));
    /* A port that nobody gave is shown as 22. */
    again.port = d->port;
    ALWAYS(definition_same(d, &again));
    json_decref(object);
    definition_wipe(&again);
}

/* Any text as the body of a POST, and then of a PUT on what that has made. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_error_t where;
    json_t *body = json_loadb((const char *)data, size,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (body == NULL)
        return 0;
    struct definition d;
    struct definition_error error = {0};
    definition_init(&d, DEFINITION_API);
    if (definition_from_json(&d, body, true, &error)) {
        round_trip(&d);
        ALWAYS(definition_from_json(&d, body, false, &error));
        round_trip(&d);
    } else {
        ALWAYS(code_is_known(&error) && d.name == NULL && d.forward_count == 0);
    }
    definition_wipe(&d);
    json_decref(body);
    return 0;
}
