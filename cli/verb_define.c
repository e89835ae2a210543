/* What changes the definitions: add, edit, rm, reload, check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/destination.h"
#include "cli/verb_call.h"
#include "client/jump_spec.h"
#include "client/units.h"
#include "daemon/client_json.h"

/* ---- add ---- */

enum {
    KEY_LOCAL = 2,
    KEY_REMOTE,
    KEY_DYNAMIC,
    KEY_PROFILE,
    KEY_AUTO_START,
    KEY_MAX_RETRIES,
    KEY_DESCRIPTION,
    KEY_UP
};

static const struct verb_option add_options[] = {{"", 'L', true, KEY_LOCAL},
                                                 {"", 'R', true, KEY_REMOTE},
                                                 {"", 'D', true, KEY_DYNAMIC},
                                                 {"profile", 0, true, KEY_PROFILE},
                                                 {"auto-start", 0, false, KEY_AUTO_START},
                                                 {"max-retries", 0, true, KEY_MAX_RETRIES},
                                                 {"description", 0, true, KEY_DESCRIPTION},
                                                 {"up", 0, false, KEY_UP},
                                                 {0}};

struct add {
    struct client_new new;
    struct forward_spec *forwards;
    size_t forward_count;
    char host[LIMIT_USER + LIMIT_HOST + 2]; /* "[user@]host" */
    bool up;
};

static bool forward_take(struct add *a, enum forward_type type, const char *value, struct adit_error *err)
{
    struct forward_spec *more = realloc(a->forwards, (a->forward_count + 1) * sizeof *more);
    if (more == NULL) {
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
        return false;
    }
    a->forwards = more;
    return forward_spec_parse(&more[a->forward_count++], type, value, true, err) == ADIT_E_OK;
}

static bool add_take(void *ctx, int key, const char *value, struct adit_error *err)
{
    struct add *a = ctx;
    switch (key) {
    case KEY_LOCAL:
        return forward_take(a, FORWARD_LOCAL, value, err);
    case KEY_REMOTE:
        return forward_take(a, FORWARD_REMOTE, value, err);
    case KEY_DYNAMIC:
        return forward_take(a, FORWARD_DYNAMIC, value, err);
    case KEY_PROFILE:
        a->new.profile = value;
        return true;
    case KEY_DESCRIPTION:
        a->new.description = value;
        return true;
    case KEY_MAX_RETRIES:
        a->new.has_max_retries = true;
        if (units_number(span_str(value), 0, INT32_MAX, &a->new.max_retries))
            return true;
        (void)adit_fail(err, ADIT_E_USAGE, "--max-retries: '%.100s' is not a number", value);
        return false;
    default:
        a->new.auto_start = a->new.auto_start || key == KEY_AUTO_START;
        a->up = a->up || key == KEY_UP;
        return true;
    }
}

/* [user@]host[:port] as in Via, too: a name with one colon in it is none that could be looked up. */
static enum adit_err destination_of(const char *word, struct destination *to, struct adit_error *err)
{
    struct jump_spec spec;
    struct adit_error ignored = {0};
    bool is_malformed = false;
    enum adit_err e = destination_parse(to, word, &is_malformed, err);
    const char *colon = e == ADIT_E_OK ? strchr(to->host, ':') : NULL;
    if (colon == NULL || to->port != 0 || (strchr(colon + 1, ':') != NULL && strchr(to->host, '[') == NULL) ||
        jump_spec_parse(&spec, span_str(word), &ignored) != ADIT_E_OK)
        return e;
    (void)adit_format(to->user, sizeof to->user, "%s", spec.user);
    (void)adit_format(to->host, sizeof to->host, "%s", spec.host);
    to->port = spec.port;
    return e;
}

static enum adit_err add_post(const struct verb_call *c, struct add *a, struct client_tunnels *made,
                              struct adit_error *err)
{
    struct destination to;
    struct http_client_reply reply = {0};
    if (a->forward_count == 0)
        return adit_fail(err, ADIT_E_USAGE, "add: what it forwards is missing (-L, -R or -D)");
    if (destination_of(c->words.item[1], &to, err) != ADIT_E_OK)
        return err->code;
    (void)adit_format(a->host, sizeof a->host, "%s%s%s", to.user, to.user[0] != 0 ? "@" : "", to.host);
    a->new.name = c->words.item[0];
    a->new.host = a->host;
    a->new.port = to.port;
    a->new.forwards = a->forwards;
    a->new.forward_count = a->forward_count;
    char *body = client_new_json(&a->new, err);
    if (body == NULL)
        return err->code;
    enum adit_err e = verb_ask(c, "POST", "/tunnels", body, &reply, err);
    if (e == ADIT_E_OK)
        e = client_tunnels_parse(made, reply.body, reply.len, err);
    http_client_reply_wipe(&reply);
    free(body);
    return e;
}

/* Goes on as `adit up NAME`. */
static int up_after(const struct verb_call *c, const char *name)
{
    char *const argv[] = {(char *)(uintptr_t) "--socket", (char *)(uintptr_t)c->socket,
                          (char *)(uintptr_t) "--", (char *)(uintptr_t)name};
    struct verb_call up = {
        .verb = "up", .usage = c->usage, .help = c->help, .argc = (int)ADIT_COUNT(argv), .argv = argv};
    int status = verb_up(&up);
    verb_call_wipe(&up);
    return status;
}

static int add_run(struct verb_call *c, struct add *a)
{
    struct client_tunnels made = {0};
    struct adit_error err = {0};
    enum adit_err e = verb_need_daemon(c, &err);
    if (e == ADIT_E_OK)
        e = add_post(c, a, &made, &err);
    if (e == ADIT_E_OK && made.count != 1)
        e = adit_fail(&err, ADIT_E_PROTOCOL, "the daemon's answer is none to this");
    if (e != ADIT_E_OK || made.item == NULL)
        return e == ADIT_E_USAGE ? verb_usage_error(c, &err) : verb_fail(&err);
    const struct client_tunnel *t = &made.item[0];
    int status = verb_print(0, "added %s: %s via %s", t->name, t->spec, t->via);
    if (status == 0 && a->up)
        status = up_after(c, t->id);
    client_tunnels_wipe(&made);
    return status;
}

int verb_add(struct verb_call *c)
{
    struct add a = {0};
    int status;
    if (verb_parse(c, add_options, &a, add_take, 2, 2, &status))
        status = add_run(c, &a);
    free(a.forwards);
    return status;
}

/* ---- edit, rm ---- */

static enum adit_err id_find(const struct verb_call *c, char target[static VERB_TARGET_CAP],
                             struct adit_error *err)
{
    struct client_tunnels list;
    const struct client_tunnel *t;
    enum adit_err e = verb_tunnels(c, &list, err);
    if (e == ADIT_E_OK)
        e = verb_find(&list, c->words.item[0], &t, err);
    if (e == ADIT_E_OK)
        e = verb_target(target, t->id, "", err);
    client_tunnels_wipe(&list);
    return e;
}

int verb_edit(struct verb_call *c)
{
    static const struct verb_option none[] = {{0}};
    struct adit_error err = {0};
    struct http_client_reply reply = {0};
    char target[VERB_TARGET_CAP];
    int status;
    if (!verb_parse(c, none, NULL, NULL, 2, SIZE_MAX, &status))
        return status;
    char *body = client_edit_json(c->words.item + 1, c->words.count - 1, &err);
    if (body == NULL)
        return err.code == ADIT_E_USAGE ? verb_usage_error(c, &err) : verb_fail(&err);
    enum adit_err e = id_find(c, target, &err);
    if (e == ADIT_E_OK)
        e = verb_ask(c, "PUT", target, body, &reply, &err);
    status = e == ADIT_E_OK ? verb_print(0, "changed %s", c->words.item[0]) : verb_fail(&err);
    http_client_reply_wipe(&reply);
    free(body);
    return status;
}

int verb_rm(struct verb_call *c)
{
    static const struct verb_option none[] = {{0}};
    struct adit_error err = {0};
    struct http_client_reply reply = {0};
    char target[VERB_TARGET_CAP];
    int status;
    if (!verb_parse(c, none, NULL, NULL, 1, 1, &status))
        return status;
    enum adit_err e = id_find(c, target, &err);
    if (e == ADIT_E_OK)
        e = verb_ask(c, "DELETE", target, NULL, &reply, &err);
    http_client_reply_wipe(&reply);
    return e == ADIT_E_OK ? verb_print(0, "removed %s", c->words.item[0]) : verb_fail(&err);
}

/* ---- reload, check ---- */

static int reload_with(const struct verb_call *c, const char *target, const char *body)
{
    struct adit_error err = {0};
    struct client_reloaded r;
    struct http_client_reply reply = {0};
    int status = 0;
    if (verb_ask(c, "POST", target, body, &reply, &err) != ADIT_E_OK)
        status = verb_fail(&err);
    else if (client_reloaded_read(reply.body, reply.len, &r, &err) != ADIT_E_OK)
        status = verb_fail(&err);
    else if (c->is_json)
        status = verb_write(reply.body, reply.len) && verb_write("\n", 1) ? 0 : 1;
    else
        status = verb_print(0, "%lld added, %lld removed, %lld changed, %lld unchanged", (long long)r.added,
                            (long long)r.removed, (long long)r.changed, (long long)r.unchanged);
    http_client_reply_wipe(&reply);
    return status;
}

static const struct verb_option json_only[] = {{"json", 0, false, VERB_KEY_JSON}, {0}};

int verb_reload(struct verb_call *c)
{
    int status;
    return verb_parse(c, json_only, NULL, NULL, 0, 0, &status) ? reload_with(c, "/reload", NULL) : status;
}

/* The daemon reads the file, for it knows what it would change: it is named from the root. */
int verb_check(struct verb_call *c)
{
    int status;
    if (!verb_parse(c, json_only, NULL, NULL, 0, 1, &status))
        return status;
    char *path = c->words.count > 0 ? realpath(c->words.item[0], NULL) : NULL;
    struct adit_error err = {0};
    if (c->words.count > 0 && path == NULL) {
        (void)adit_fail(&err, ADIT_E_CONFIG, "%.500s: cannot be read: %s", c->words.item[0], strerror(errno));
        return verb_fail(&err);
    }
    char *body = client_text_json("check", path != NULL ? path : "");
    if (body != NULL)
        status = reload_with(c, "/reload", body);
    else if (errno == ENOMEM)
        status = verb_fail(&(struct adit_error){ADIT_E_MEMORY, "out of memory"});
    else
        status = verb_fail(&(struct adit_error){ADIT_E_CONFIG, "the file's name is not valid UTF-8"});
    free(body);
    free(path);
    return status;
}
