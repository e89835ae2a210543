#include <stdlib.h>
#include <string.h>

#include "daemon/conf_row.h"

enum { SPEC_CAP = 4 * LIMIT_HOST };

/* "10000+" at the end of the listener: the '+' goes, and the port is the first one. */
static bool take_plus(char *listen)
{
    const char *port = strrchr(listen, ':');
    uint16_t first;
    if (!definition_port_counts_up(port != NULL ? port + 1 : listen, &first))
        return false;
    listen[strlen(listen) - 1] = 0;
    return true;
}

static enum adit_err parse(struct forward_spec *spec, enum forward_type type, const char *listen,
                           const char *target, struct adit_error *err)
{
    char joined[2 * SPEC_CAP];
    struct adit_error why = {0};
    size_t n = adit_format(joined, sizeof joined, "%s%s%s", listen, target != NULL ? ":" : "",
                           target != NULL ? target : "");
    if (n + 1 >= sizeof joined)
        return adit_fail(err, ADIT_E_CONFIG, "the value is too long");
    if (forward_spec_parse(spec, type, joined, false, &why) != ADIT_E_OK)
        return adit_fail(err, ADIT_E_CONFIG, "%s", why.text);
    if (spec->bind == FORWARD_BIND_PATH || spec->target_is_path)
        return adit_fail(err, ADIT_E_CONFIG, "the path of a Unix socket is not supported in a Tunnel");
    /* All of it in one word is a flag's way to write it. */
    if (target == NULL && !forward_spec_is_socks(spec))
        return adit_fail(err, ADIT_E_CONFIG, "a blank stands between the listener and the target");
    return ADIT_E_OK;
}

static const char *listener_of(const struct forward_spec *spec)
{
    switch (spec->bind) {
    case FORWARD_BIND_LOCAL:
        return "localhost";
    case FORWARD_BIND_ALL:
        return "*";
    case FORWARD_BIND_ADDRESS:
        return spec->address;
    default:
        return NULL;
    }
}

static bool fill(struct definition_forward *f, const struct forward_spec *spec, bool counts_up)
{
    const char *listener = listener_of(spec), *target = forward_spec_is_socks(spec) ? NULL : spec->host;
    if (f->type == FORWARD_REMOTE) {
        f->has_remote_port = true;
        f->remote_port = spec->port;
        f->has_local_port = target != NULL;
        f->local_port = spec->host_port;
        return definition_set(&f->remote_host, listener) && definition_set(&f->bind_address, target);
    }
    f->has_local_port = true;
    f->local_port = spec->port;
    f->counts_up = counts_up;
    f->has_remote_port = target != NULL;
    f->remote_port = spec->host_port;
    return definition_set(&f->bind_address, listener) && definition_set(&f->remote_host, target);
}

enum adit_err conf_forward_add(struct conf_reader *r, struct definition *d, enum forward_type type,
                               const struct conf_words *words, struct adit_error *err)
{
    char listen[SPEC_CAP];
    struct forward_spec spec;
    enum adit_err e =
        conf_count_check(words, type == FORWARD_LOCAL ? 2 : 1, type == FORWARD_DYNAMIC ? 1 : 2, err);
    if (e != ADIT_E_OK)
        return e;
    if (adit_format(listen, sizeof listen, "%s", words->item[0]) != strlen(words->item[0]))
        return adit_fail(err, ADIT_E_CONFIG, "the value is too long");
    bool counts_up = type != FORWARD_REMOTE && take_plus(listen);
    e = parse(&spec, type, listen, words->count > 1 ? words->item[1] : NULL, err);
    if (e != ADIT_E_OK)
        return e;
    if (d->forward_count == DEFINITION_FORWARDS_MAX)
        return adit_fail(err, ADIT_E_CONFIG, "more than %d forwards in one Tunnel",
                         (int)DEFINITION_FORWARDS_MAX);
    struct definition_forward *f = definition_forward_add(d, type);
    if (f == NULL || !fill(f, &spec, counts_up))
        return conf_no_memory(err);
    f->line = r->place.line;
    r->tunnels[r->block.index]->forward_files[d->forward_count - 1] = r->place.file;
    return ADIT_E_OK;
}
