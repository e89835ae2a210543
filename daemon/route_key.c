/*
 * route_key.c - see route_key.h.
 */
#include "daemon/route_key.h"

#include <stdlib.h>
#include <string.h>

#include "client/expand.h"
#include "client/jump_spec.h"
#include "client/ssh_config.h"
#include "daemon/buffer.h"

/* A part that no other part can look like: its length stands before it. */
static void put(struct buffer *b, const char *text)
{
    if (text)
        buffer_format(b, "%zu ", strlen(text));
    buffer_text(b, text ? text : "-");
    buffer_text(b, "\n");
}

static enum adit_err read_config(struct options *o, const char *host, const char *config_file)
{
    const struct ssh_config_query q = {.host = host, .file = config_file, .files_alone = true};
    struct adit_error ignored = {ADIT_E_OK, ""};
    return ssh_config_resolve(o, &q, &ignored);
}

static enum adit_err set_end(struct options *o, const char *user, uint16_t port)
{
    struct adit_error ignored = {ADIT_E_OK, ""};
    char number[8];
    (void)adit_format(number, sizeof number, "%u", (unsigned)port);
    enum adit_err e = user && *user ? options_set_user(o, user, &ignored) : ADIT_E_OK;
    return e == ADIT_E_OK && port ? options_default(o, "Port", number, &ignored) : e;
}

enum adit_err route_place_resolve(struct options *o, const struct route_place *p, const char *config_file)
{
    struct adit_error ignored = {ADIT_E_OK, ""};
    options_init(o);
    enum adit_err e = set_end(o, p->user, p->port);
    for (size_t i = 0; e == ADIT_E_OK && i < p->settings.count; i++)
        e = options_set_line(o, p->settings.item[i], &ignored);
    return e == ADIT_E_OK ? read_config(o, p->host, config_file) : e;
}

static void put_end(struct buffer *b, const struct options *o)
{
    char home[EXPAND_PATH_CAP], user[LIMIT_USER + 1], number[8];
    expand_user(home, user);
    (void)adit_format(number, sizeof number, "%u", (unsigned)o->port);
    put(b, o->host_name);
    put(b, number);
    put(b, o->user ? o->user : user);
}

/* ---- Whom we trust there, and who we are ----
 * A name for which ssh_config asks for a check of the server's key is not carried by a connection that was
 * made without it, and one that has no key for the server not by another's. */

static void put_number(struct buffer *b, uint32_t number)
{
    buffer_format(b, "%u\n", (unsigned)number);
}

/* A text with these tokens is another one for another name. */
static void put_named(struct buffer *b, const char *text, const char *given)
{
    put(b, text);
    if (text && (strstr(text, "%n") || strstr(text, "%k")))
        put(b, given);
}

static void put_list(struct buffer *b, const struct texts *list, const char *given)
{
    put_number(b, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        put_named(b, list->item[i], given);
}

static void put_server_key(struct buffer *b, const struct options *o, const char *given)
{
    put_number(b, o->strict_host_key);
    put_number(b, o->no_host_auth_localhost);
    put_number(b, o->required_rsa_size);
    put_list(b, &o->user_known_hosts, given);
    put_list(b, &o->global_known_hosts, given);
    put_list(b, &o->fingerprints, given);
    put_list(b, &o->revoked_host_keys, given);
    put(b, o->host_key_alias);
    put_named(b, option_text(o->known_hosts_command), given);
    put(b, o->host_key_algorithms);
    put(b, o->ca_algorithms);
}

static void put_ourselves(struct buffer *b, const struct options *o, const char *given)
{
    put_number(b, o->pubkey_auth_mode);
    put_number(b, o->password_auth);
    put_number(b, o->kbdint_auth);
    put_number(b, o->identities_only);
    put(b, o->preferred_auth);
    put(b, o->pubkey_algorithms);
    put_list(b, &o->identity_files, given);
    put_list(b, &o->certificate_files, given);
    put_named(b, o->identity_agent, given);
}

/* What a connection may be made of and be used for, if it may be made at all. */
static void put_limits(struct buffer *b, const struct options *o, const char *given)
{
    put(b, o->refuse_connection);
    put(b, o->kex);
    put(b, o->ciphers);
    put(b, o->macs);
    put(b, o->bind_address);
    put(b, o->bind_interface);
    put_number(b, o->family);
    put_list(b, &o->permit_remote_opens, given);
}

static void put_trust(struct buffer *b, const struct options *o, const char *given)
{
    put_server_key(b, o, given);
    put_ourselves(b, o, given);
    put_limits(b, o, given);
}

/* ---- The way there ---- */

/* By a command that knows the host by the name that was given, the same words may lead elsewhere. */
static void put_proxy(struct buffer *b, const struct options *o, const char *given)
{
    const char *command = option_text(o->proxy_command);
    put(b, command);
    put(b, command && strstr(command, "%n") ? given : NULL);
    put(b, option_text(o->proxy_url));
}

/* The jump host before the one whose options these are goes to b; o is that one's then. */
static enum adit_err step(struct buffer *b, struct options *o, const char *config_file)
{
    struct span rest, last = jump_spec_last(span_str(o->proxy_jump), &rest);
    struct adit_error ignored = {ADIT_E_OK, ""};
    struct jump_spec spec;
    char *list = text_copy(rest);
    enum adit_err e = list ? jump_spec_parse(&spec, last, &ignored) : ADIT_E_MEMORY;
    options_wipe(o);
    options_init(o);
    if (e == ADIT_E_OK)
        e = set_end(o, spec.user, spec.port);
    if (e == ADIT_E_OK && rest.n > 0)
        e = options_default(o, "ProxyJump", list, &ignored);
    free(list);
    if (e == ADIT_E_OK)
        e = read_config(o, spec.host, config_file);
    if (e == ADIT_E_OK) {
        put_end(b, o);
        put_trust(b, o, spec.host);
    }
    return e;
}

/* ProxyJump's hosts behind the last place. A value with tokens is left as it is. */
static enum adit_err put_jumps(struct buffer *b, struct options *o, const char *config_file)
{
    const char *jump = NULL;
    enum adit_err e = ADIT_E_OK;
    for (unsigned i = 0; e == ADIT_E_OK && i <= LIMIT_JUMPS && (jump = option_text(o->proxy_jump)); i++) {
        if (option_text(o->proxy_command))
            return ADIT_E_OK;
        if (strchr(jump, '%'))
            return ADIT_E_UNSUPPORTED;
        e = step(b, o, config_file);
    }
    return e;
}

static enum adit_err put_place(struct buffer *b, const struct route *r, size_t at)
{
    const struct route_place *p = &r->places[at];
    bool is_last = at + 1 == r->place_count;
    struct options o;
    enum adit_err e = route_place_resolve(&o, p, r->config_file);
    if (e == ADIT_E_OK) {
        put(b, p->like);
        put_end(b, &o);
        put_trust(b, &o, p->host);
    }
    if (e == ADIT_E_OK && is_last)
        e = put_jumps(b, &o, r->config_file);
    if (e == ADIT_E_OK && is_last)
        put_proxy(b, &o, p->host);
    options_wipe(&o);
    return e;
}

char *route_key(const struct route *r)
{
    struct buffer b = {0};
    enum adit_err e = ADIT_E_OK;
    buffer_format(&b, "%d %d %d %u %u %u %u %u %u\n", (int)r->is_lazy, (int)r->detect_fast, (int)r->reclaim,
                  r->idle_exit_ms, r->hold_ms, r->hold_max, r->backoff_first_ms, r->backoff_cap_ms,
                  r->jitter_percent);
    for (size_t i = 0; e == ADIT_E_OK && i < r->place_count; i++)
        e = put_place(&b, r, i);
    if (e != ADIT_E_OK) { /* the link will say what is wrong, if anything is */
        buffer_clear(&b);
        buffer_format(&b, "?%s", r->given);
    }
    if (!b.is_failed)
        return b.p;
    buffer_wipe(&b);
    return NULL;
}
