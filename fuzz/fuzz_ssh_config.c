/*
 * fuzz_ssh_config.c - the text of a configuration file. Include reads the same text again from its middle;
 * commands succeed by their length.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "client/cidr.h"
#include "client/config_reader.h"
#include "client/options_dump.h"
#include "fuzz/fuzz.h"

/* Each Include doubles the work at each depth: enough of it is enough. */
enum { INCLUDES_MAX = 64 };

struct world {
    struct span text;
    unsigned includes;
};

static enum adit_err on_include(void *ctx, struct config_reader *r, const char *pattern,
                                struct adit_error *err)
{
    struct world *w = ctx;
    ALWAYS(strlen(pattern) < EXPAND_PATH_CAP && r->depth > 0 && r->depth <= CONFIG_DEPTH_MAX);
    if (++w->includes > INCLUDES_MAX)
        return ADIT_E_OK;
    return config_read(r, span_sub(w->text, w->text.n / 2, SIZE_MAX), "INNER", err);
}

static enum adit_err on_exec(void *ctx, const char *command, bool *matches, struct adit_error *err)
{
    (void)ctx;
    (void)err;
    *matches = strlen(command) % 2 == 0;
    return ADIT_E_OK;
}

static enum adit_err on_local_network(void *ctx, const char *list, bool *matches, struct adit_error *err)
{
    const struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}};
    (void)ctx;
    return cidr_list_matches(list, (const struct sockaddr *)&here, matches, err);
}

static void on_bad_line(void *ctx, const char *text)
{
    (void)ctx;
    ALWAYS(strstr(text, " line ") != NULL);
}

static enum adit_err read_twice(struct options *o, struct world *w, struct adit_error *err)
{
    const struct config_facts facts = {
        .host = "host",
        .given_host = "Host",
        .command = "ls",
        .version = "adit_0",
        .names = {.home = "/home/me", .local_user = "me", .local_host = "box.lan"}};
    const struct config_hooks hooks = {.ctx = w,
                                       .include = on_include,
                                       .exec = on_exec,
                                       .local_network = on_local_network,
                                       .bad_line = on_bad_line};
    enum adit_err e = ADIT_E_OK;
    for (int pass = 0; pass < 2 && e == ADIT_E_OK; pass++) {
        struct config_reader r = {
            .options = o, .facts = &facts, .hooks = &hooks, .is_final = pass == 1, .is_user = true};
        e = config_read(&r, w->text, "FILE", err);
        ALWAYS(r.depth == 0);
    }
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options o;
    struct world w = {.text = span_make(data, size)};
    struct adit_error err = {0};
    struct texts lines;
    texts_init(&lines);
    options_init(&o);
    enum adit_err e = read_twice(&o, &w, &err);
    ALWAYS(e == err.code);
    /* What is wrong was told with its place; what ends the reading is counted, or has its place itself. */
    ALWAYS(e == ADIT_E_OK || strstr(err.text, ": terminating, ") != NULL ||
           strstr(err.text, " line ") != NULL);
    err = (struct adit_error){0};
    if (e == ADIT_E_OK && options_dump(&o, "Host", &lines, &err) == ADIT_E_OK)
        ALWAYS(lines.count > 50);
    err = (struct adit_error){0};
    ALWAYS(options_check(&o, &err) == err.code);
    texts_wipe(&lines);
    options_wipe(&o);
    return 0;
}
