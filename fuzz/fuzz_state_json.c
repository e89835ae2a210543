#include <string.h>

#include "daemon/state_json.h"
#include "fuzz/fuzz.h"

static void wipe(struct definition *tunnels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        definition_wipe(&tunnels[i]);
    free(tunnels);
}

/* Any bytes as state.json: refused with a text, or written again so that it is read as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct definition *first, *second;
    size_t count, again;
    struct state_extras extras = {0}, more = {0};
    struct adit_error err = {0};
    enum adit_err e = state_parse(span_make(data, size), "state.json", &first, &count, &extras, &err);
    ALWAYS((e == ADIT_E_OK) == (err.text[0] == 0));
    if (e != ADIT_E_OK) {
        ALWAYS(first == NULL && count == 0 && extras.top == NULL && extras.tunnels == NULL);
        return 0;
    }
    const struct definition **list = calloc(count + 1, sizeof *list);
    ALWAYS(list != NULL);
    for (size_t i = 0; i < count; i++)
        list[i] = &first[i];
    char *text = state_format(list, count, &extras);
    ALWAYS(text != NULL);
    ALWAYS(state_parse(span_str(text), "state.json", &second, &again, &more, &err) == ADIT_E_OK);
    ALWAYS(count == again);
    for (size_t i = 0; i < count; i++)
        ALWAYS(definition_same(&first[i], &second[i]) && strcmp(first[i].id, second[i].id) == 0 &&
               first[i].created_at == second[i].created_at);
    ALWAYS(json_equal(extras.tunnels, more.tunnels));
    wipe(first, count);
    wipe(second, again);
    free(list);
    free(text);
    state_extras_wipe(&extras);
    state_extras_wipe(&more);
    return 0;
}
