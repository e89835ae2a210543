/*
 * fuzz_forward_spec.c - what -L, -R, -D and -W say, and options with it: the first byte chooses.
 */
#include <stdlib.h>
#include <string.h>

#include "client/options.h"
#include "fuzz/fuzz.h"

static void check_spec(enum forward_type type, const char *text)
{
    struct forward_spec spec;
    char target[FORWARD_TARGET_CAP];
    if (forward_spec_parse(&spec, type, text, true, NULL) != ADIT_E_OK)
        return;
    /* What was accepted is terminated, and its target is complete: a path, or a host and a port. */
    ALWAYS(strlen(spec.host) <= LIMIT_HOST && strlen(spec.address) <= LIMIT_HOST);
    ALWAYS(type == FORWARD_DYNAMIC || type == FORWARD_REMOTE || spec.host[0] != 0);
    ALWAYS((spec.host_port != 0) == (spec.host[0] != 0 && !spec.target_is_path));
    ALWAYS(!spec.target_is_path || strchr(spec.host, '/') != NULL);
    ALWAYS(!spec.port_counts_up || (spec.port != 0 && (type == FORWARD_LOCAL || type == FORWARD_DYNAMIC)));
    ALWAYS(spec.bind != FORWARD_BIND_PATH || (spec.port == 0 && strchr(spec.address, '/') != NULL));
    forward_spec_target(&spec, target);
}

static void check_option(const char *line)
{
    struct options options;
    struct adit_error err = {0};
    options_init(&options);
    ALWAYS(options_set_line(&options, line, &err) == err.code);
    options_wipe(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (data[0] % 5 == 4)
        check_option(text);
    else
        check_spec((enum forward_type)(data[0] % 5), text);
    free(text);
    return 0;
}
