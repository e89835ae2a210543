/*
 * fuzz_conf.c - the text of adit.conf. Include reads the same text again from its middle.
 */
#include <string.h>

#include "daemon/conf_reader.h"
#include "fuzz/fuzz.h"

/* Each Include doubles the work at each depth: enough of it is enough. */
enum { INCLUDES_MAX = 64 };

struct world {
    struct span text;
    unsigned includes;
};

static enum adit_err on_include(void *ctx, struct conf_reader *r, const char *pattern, struct adit_error *err)
{
    struct world *w = ctx;
    ALWAYS(pattern != NULL && r->depth > 0 && r->depth <= CONF_INCLUDE_DEPTH_MAX);
    if (++w->includes > INCLUDES_MAX)
        return ADIT_E_OK;
    return conf_read(r, span_sub(w->text, w->text.n / 2, SIZE_MAX), "INNER", err);
}

static bool is_odd(void *ctx, const char *name)
{
    (void)ctx;
    return strlen(name) % 2 == 1;
}

static bool is_alias(void *ctx, const char *name, bool *is_unsure)
{
    (void)is_unsure;
    return is_odd(ctx, name);
}

/* What was taken is right as a whole. */
static void check(const struct conf *c)
{
    for (size_t i = 0; i < c->tunnel_count; i++) {
        const struct definition *d = &c->tunnels[i];
        struct definition copy;
        char spec[DEFINITION_SPEC_CAP];
        ALWAYS(definition_check(d, NULL));
        ALWAYS(conf_tunnel(c, d->name) == d && strcmp(d->id, d->name) == 0);
        ALWAYS(definition_copy(&copy, d) && definition_same(d, &copy));
        definition_wipe(&copy);
        for (size_t f = 0; f < d->forward_count; f++) {
            struct forward_spec session;
            definition_forward_text(&d->forwards[f], f % 2 == 0, spec);
            definition_forward_spec(&d->forwards[f], &session);
            ALWAYS(strlen(spec) > 4 && session.type == d->forwards[f].type);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.text = span_make(data, size)};
    const struct conf_hooks hooks = {
        .ctx = &w, .include = on_include, .is_group = is_odd, .is_alias = is_alias, .home = "/home/me"};
    struct conf c;
    struct adit_error err = {0};
    conf_init(&c);
    struct conf_reader r = {.conf = &c, .hooks = &hooks};
    enum adit_err e = conf_read(&r, w.text, "FILE", &err);
    e = conf_read_end(&r, e, &err);
    ALWAYS(e == err.code && r.depth == 0);
    ALWAYS((e == ADIT_E_OK) == (c.errors.count == 0));
    for (size_t i = 0; i < c.errors.count; i++)
        ALWAYS(strstr(c.errors.item[i], ": ") != NULL);
    if (e == ADIT_E_OK)
        check(&c);
    conf_wipe(&c);
    return 0;
}
