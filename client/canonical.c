#include "client/canonical.h"

#include <string.h>

#include "client/patterns.h"

struct canonical {
    const struct options *options;
    const struct canonical_hooks *hooks;
    char *host;
    bool is_direct; /* we look names up ourselves: no proxy does */
};

static void debug(const struct canonical *c, const char *fmt, const char *a, const char *b)
{
    char line[2 * LIMIT_HOST + 64];
    if (c->hooks->debug == NULL)
        return;
    adit_format(line, sizeof line, fmt, a, b);
    c->hooks->debug(c->hooks->ctx, line);
}

static void lower(char *text)
{
    for (; *text != 0; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static bool permits_cnames(const struct options *o)
{
    return o->canonicalize_permitted_cnames.count > 0 &&
           !texts_has(&o->canonicalize_permitted_cnames, "none");
}

/* "SOURCE_LIST:TARGET_LIST" each. */
static bool cname_is_permitted(const struct options *o, const char *from, const char *to)
{
    for (size_t i = 0; i < o->canonicalize_permitted_cnames.count; i++) {
        char source[1024];
        const char *rule = o->canonicalize_permitted_cnames.item[i], *colon = strchr(rule, ':');
        if (colon == NULL || (size_t)(colon - rule) >= sizeof source)
            continue;
        adit_format(source, sizeof source, "%.*s", (int)(colon - rule), rule);
        if (patterns_match_any_case(source, from) == PATTERN_MATCH &&
            patterns_match_any_case(colon + 1, to) == PATTERN_MATCH)
            return true;
    }
    return false;
}

/* Replaces name by what its aliases end in, where the rules permit it. */
static void follow_cname(const struct canonical *c, char name[static LIMIT_HOST + 1], char *cname)
{
    const struct options *o = c->options;
    size_t n = strlen(cname);
    if (n > 0 && cname[n - 1] == '.')
        cname[n - 1] = 0;
    if (*cname == 0 || !permits_cnames(o) || text_same(name, cname))
        return;
    if (!c->is_direct && o->canonicalize_hostname != CANONICALIZE_ALWAYS)
        return;
    lower(cname);
    if (!cname_is_permitted(o, name, cname))
        return;
    debug(c, "Canonicalized DNS aliased hostname \"%s\" => \"%s\"", name, cname);
    adit_format(name, LIMIT_HOST + 1, "%s", cname);
}

static bool try_name(const struct canonical *c, const char *full)
{
    char name[LIMIT_HOST + 1], cname[LIMIT_HOST + 1] = "";
    size_t n = adit_format(name, sizeof name, "%s", full);
    if (n != strlen(full) || !c->hooks->look_up(c->hooks->ctx, name, cname))
        return false;
    if (n > 0 && name[n - 1] == '.')
        name[n - 1] = 0;
    follow_cname(c, name, cname);
    if (!text_same(c->host, name))
        debug(c, "Canonicalized hostname \"%s\" => \"%s\"", c->host, name);
    adit_format(c->host, LIMIT_HOST + 1, "%s", name);
    return true;
}

static bool try_domains(const struct canonical *c)
{
    const struct texts *domains = &c->options->canonical_domains;
    for (size_t i = 0; i < domains->count && !text_same(domains->item[i], "none"); i++) {
        char full[2 * LIMIT_HOST + 4];
        adit_format(full, sizeof full, "%s.%s.", c->host, domains->item[i]);
        if (try_name(c, full))
            return true;
    }
    return false;
}

static uint32_t dots_of(const char *name)
{
    uint32_t count = 0;
    for (; *name != 0; name++)
        count += *name == '.';
    return count;
}

static enum adit_err canonicalize(const struct canonical *c, bool *found, struct adit_error *err)
{
    const struct options *o = c->options;
    size_t n = strlen(c->host);
    /* Names that a proxy will look up are left to it unless the user says otherwise. */
    if (o->canonicalize_hostname == CANONICALIZE_NO ||
        (!c->is_direct && o->canonicalize_hostname != CANONICALIZE_ALWAYS))
        return ADIT_E_OK;
    if (c->host[n - 1] == '.') {
        *found = try_name(c, c->host);
    } else {
        if (dots_of(c->host) > o->canonicalize_max_dots)
            return ADIT_E_OK;
        *found = try_domains(c);
    }
    if (!*found && !o->canonicalize_fallback_local)
        return adit_fail(err, ADIT_E_RESOLVE, "Could not resolve host \"%s\"", c->host);
    return ADIT_E_OK;
}

/* Without canonicalization, or after it fell back, a permitted alias may still change the name. */
static enum adit_err follow_plain(const struct canonical *c, struct adit_error *err)
{
    char cname[LIMIT_HOST + 1] = "";
    if (!permits_cnames(c->options) ||
        (!c->is_direct && c->options->canonicalize_hostname != CANONICALIZE_ALWAYS))
        return ADIT_E_OK;
    if (c->hooks->look_up(c->hooks->ctx, c->host, cname))
        follow_cname(c, c->host, cname);
    else if (c->is_direct)
        return adit_fail(err, ADIT_E_RESOLVE, "Could not resolve hostname %s", c->host);
    return ADIT_E_OK;
}

enum adit_err canonical_name(const struct options *o, char host[static LIMIT_HOST + 1],
                             const struct canonical_hooks *hooks, struct adit_error *err)
{
    struct canonical c = {.options = o, .hooks = hooks, .host = host};
    char address[LIMIT_HOST + 1];
    bool found = false;
    c.is_direct = option_text(o->proxy_command) == NULL && option_text(o->proxy_jump) == NULL;
    if (hooks->address(hooks->ctx, host, address)) {
        adit_format(host, LIMIT_HOST + 1, "%s", address);
        return ADIT_E_OK;
    }
    lower(host);
    if (*host == 0)
        return ADIT_E_OK;
    enum adit_err e = canonicalize(&c, &found, err);
    return e != ADIT_E_OK || found ? e : follow_plain(&c, err);
}
