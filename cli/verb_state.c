/* What changes a tunnel's state, and what waits for it: up, down, restart, wait. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cli/log.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verb_call.h"
#include "daemon/client_json.h"
#include "net/loop.h"

enum { LOOK_MS = 100 }; /* how often a tunnel is looked at: a person sees no difference */

enum { KEY_ALL = 2, KEY_NO_WAIT, KEY_TIMEOUT, KEY_TRUST };

struct orders {
    bool all, no_wait;
    uint32_t timeout_ms;
    const char *trust;
};

static bool orders_take(void *ctx, int key, const char *value, struct adit_error *err)
{
    struct orders *o = ctx;
    o->all = o->all || key == KEY_ALL;
    o->no_wait = o->no_wait || key == KEY_NO_WAIT;
    if (key == KEY_TRUST)
        o->trust = value;
    return key != KEY_TIMEOUT || verb_duration(value, &o->timeout_ms, err);
}

static const struct verb_option up_options[] = {{"all", 0, false, KEY_ALL},
                                                {"no-wait", 0, false, KEY_NO_WAIT},
                                                {"timeout", 0, true, KEY_TIMEOUT},
                                                {"trust", 0, true, KEY_TRUST},
                                                {0}};
static const struct verb_option restart_options[] = {
    {"all", 0, false, KEY_ALL}, {"no-wait", 0, false, KEY_NO_WAIT}, {"timeout", 0, true, KEY_TIMEOUT}, {0}};
static const struct verb_option down_options[] = {{"all", 0, false, KEY_ALL}, {0}};
static const struct verb_option wait_options[] = {
    {"timeout", 0, true, KEY_TIMEOUT}, {"json", 0, false, VERB_KEY_JSON}, {0}};

/* ---- Which tunnels ---- */

/* Their ids; of a session's tunnels nobody but the session has to do with. */
static enum adit_err ids_find(const struct verb_call *c, bool all, struct texts *ids, struct adit_error *err)
{
    struct client_tunnels list;
    const struct client_tunnel *t;
    enum adit_err e = verb_tunnels(c, &list, err);
    for (size_t i = 0; all && i < list.count && e == ADIT_E_OK; i++)
        if (strcmp(list.item[i].origin, "session") != 0 && !texts_add(ids, span_str(list.item[i].id)))
            e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
    for (size_t i = 0; i < c->words.count && e == ADIT_E_OK; i++) {
        e = verb_find(&list, c->words.item[i], &t, err);
        if (e == ADIT_E_OK && !texts_add(ids, span_str(t->id)))
            e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
    }
    client_tunnels_wipe(&list);
    return e;
}

/* --all or names, not both and not neither. */
static bool names_are_fine(const struct verb_call *c, const struct orders *o, int *status)
{
    struct adit_error err = {0};
    if (o->all == (c->words.count > 0)) {
        (void)adit_fail(&err, ADIT_E_USAGE, "%s: names of tunnels, or --all", c->verb);
        *status = verb_usage_error(c, &err);
        return false;
    }
    return true;
}

/* ---- Waiting ---- */

struct waiting {
    const struct verb_call *c;
    const char *id;
    uint64_t deadline;
    bool is_up;        /* of `up`: one that is stopped was stopped by somebody else */
    bool has_terminal; /* questions are asked there */
    struct client_tunnels now;
};

/* What a failure's last words are: the name, and why. */
static enum adit_err fail_with(const struct client_tunnel *t, enum adit_err code, const char *what,
                               struct adit_error *err)
{
    return adit_fail(err, code, "%s: %s%s%s", t->name, what, t->last_error[0] != 0 ? ": " : "",
                     t->last_error);
}

/* Time is over. To who started it the reason of the tries counts; who only waits has waited long enough. */
static enum adit_err judge_late(const struct waiting *w, const struct client_tunnel *t,
                                struct adit_error *err)
{
    enum adit_err why = client_tunnel_error(t);
    if (!w->is_up)
        return fail_with(t, ADIT_E_WAIT_TIMEOUT, t->state, err);
    bool is_retrying = client_tunnel_is(t, "reconnecting") || client_tunnel_is(t, "degraded");
    if (is_retrying && why != ADIT_E_OK)
        return fail_with(t, why == ADIT_E_TIMEOUT ? ADIT_E_CONNECT : why, t->state, err);
    return adit_fail(err, ADIT_E_WAIT_TIMEOUT, "%s: still %s", t->name, t->state);
}

/* ADIT_E_OK with *is_settled false: not yet. */
static enum adit_err judge(const struct waiting *w, const struct client_tunnel *t, bool *is_settled,
                           struct adit_error *err)
{
    *is_settled = true;
    if (client_tunnel_is_up(t))
        return ADIT_E_OK;
    if (client_tunnel_is(t, "failed")) {
        enum adit_err why = client_tunnel_error(t);
        return fail_with(t, why, why == ADIT_E_GAVE_UP ? "gave up" : "failed", err);
    }
    if (w->is_up && client_tunnel_is(t, "disconnected"))
        return adit_fail(err, ADIT_E_COMMAND, "%s: was stopped", t->name);
    if (loop_now_ms() >= w->deadline)
        return judge_late(w, t, err);
    *is_settled = false;
    return ADIT_E_OK;
}

static enum adit_err pause_for(const struct waiting *w, struct adit_error *err)
{
    struct pollfd cancel = {w->c->cancel_fd, POLLIN, 0};
    uint64_t now = loop_now_ms(), left = w->deadline > now ? w->deadline - now : 0;
    int ms = left < LOOK_MS ? (int)left + 1 : LOOK_MS;
    return poll(&cancel, w->c->cancel_fd >= 0 ? 1 : 0, ms) > 0
               ? adit_fail(err, ADIT_E_INTERRUPTED, "interrupted")
               : ADIT_E_OK;
}

/* The tunnel as it was seen last is in w->now, unless its state could not be asked for. */
static enum adit_err settle(struct waiting *w, struct adit_error *err)
{
    for (;;) {
        bool is_settled = false;
        client_tunnels_wipe(&w->now);
        enum adit_err e = verb_tunnel(w->c, w->id, &w->now, err);
        if (e == ADIT_E_OK)
            e = judge(w, &w->now.item[0], &is_settled, err);
        if (e != ADIT_E_OK || is_settled)
            return e;
        if (w->has_terminal)
            e = verb_question_relay(w->c, w->id, err);
        if (e == ADIT_E_OK)
            e = pause_for(w, err);
        if (e != ADIT_E_OK)
            return e;
    }
}

/* The daemon's words (client/host_keys.c) for a key that may be accepted: never one that has changed. */
static bool key_may_be_trusted(const struct client_tunnel *t)
{
    return client_tunnel_error(t) == ADIT_E_HOST_KEY && !t->is_key_known && t->fingerprint[0] != 0 &&
           (strstr(t->last_error, "the key is not known") ||
            strstr(t->last_error, "the key was not accepted"));
}

/* An unknown host key: which, and how to accept exactly that one. */
static void key_tell(const struct client_tunnel *t)
{
    char line[2048];
    if (!key_may_be_trusted(t))
        return;
    (void)adit_format(line, sizeof line, "adit: %s: the host key of %s is not known: %s %s", t->name, t->via,
                      t->key_type, t->fingerprint);
    log_always(line);
    (void)adit_format(line, sizeof line, "adit: if it is the right one:  adit up --trust %s '%s'",
                      t->fingerprint, t->name);
    log_always(line);
}

static int settle_all(struct verb_call *c, const struct texts *ids, const struct orders *o, bool is_up)
{
    int status = 0;
    uint64_t deadline = loop_now_ms() + o->timeout_ms;
    for (size_t i = 0; i < ids->count; i++) {
        struct adit_error err = {0};
        struct waiting w = {.c = c, .id = ids->item[i], .deadline = deadline, .is_up = is_up};
        w.has_terminal = is_up && terminal_exists();
        enum adit_err e = settle(&w, &err);
        if (e != ADIT_E_OK) {
            int its = verb_fail(&err);
            status = status != 0 ? status : its;
            if (w.now.count > 0 && is_up)
                key_tell(&w.now.item[0]);
        } else if (c->is_json) {
            status = verb_print(status, "%s", w.now.item[0].json);
        } else if (is_up) {
            const struct client_tunnel *t = &w.now.item[0];
            status = verb_print(status, "%s %s%s%s", t->name, t->state, t->addresses.count > 0 ? " " : "",
                                t->addresses.count > 0 ? t->addresses.item[0] : "");
        }
        client_tunnels_wipe(&w.now);
        if (e == ADIT_E_INTERRUPTED || e == ADIT_E_NO_DAEMON)
            break;
    }
    return status;
}

/* ---- The verbs ---- */

static enum adit_err start_one(const struct verb_call *c, const char *id, const struct orders *o,
                               struct adit_error *err)
{
    struct client_question ignored = {0};
    enum adit_err e = ADIT_E_OK;
    if (o->trust != NULL) {
        char *body = client_text_json("fingerprint", o->trust);
        if (body != NULL)
            e = verb_post(c, id, "trust", body, err);
        else if (errno == ENOMEM)
            e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
        else
            e = adit_fail(err, ADIT_E_USAGE, "--trust: not a fingerprint");
        free(body);
    }
    /* To ask for its questions is to say that somebody is there to answer. */
    if (e == ADIT_E_OK && !o->no_wait && terminal_exists())
        e = verb_question_get(c, id, &ignored, err);
    free(ignored.text);
    return e == ADIT_E_OK ? verb_post(c, id, "start?idempotent=1", NULL, err) : e;
}

static int start_all(struct verb_call *c, const struct texts *ids, const struct orders *o)
{
    struct texts started;
    int status = 0;
    texts_init(&started);
    for (size_t i = 0; i < ids->count; i++) {
        struct adit_error err = {0};
        enum adit_err e = start_one(c, ids->item[i], o, &err);
        if (e == ADIT_E_OK && !texts_add(&started, span_str(ids->item[i])))
            e = adit_fail(&err, ADIT_E_MEMORY, "out of memory");
        if (e != ADIT_E_OK) {
            int its = verb_fail(&err);
            status = status != 0 ? status : its;
        }
    }
    if (!o->no_wait) {
        int its = settle_all(c, &started, o, true);
        status = status != 0 ? status : its;
    }
    texts_wipe(&started);
    return status;
}

static int up_or_restart(struct verb_call *c, const struct verb_option *options, bool is_restart)
{
    struct orders o = {.timeout_ms = VERB_TIMEOUT_S * 1000};
    struct adit_error err = {0};
    struct texts ids;
    int status;
    if (!verb_parse(c, options, &o, orders_take, 0, SIZE_MAX, &status) || !names_are_fine(c, &o, &status))
        return status;
    texts_init(&ids);
    verb_catch_signals(c);
    enum adit_err e = is_restart ? ADIT_E_OK : verb_need_daemon(c, &err);
    if (e == ADIT_E_OK)
        e = ids_find(c, o.all, &ids, &err);
    for (size_t i = 0; i < ids.count && is_restart && e == ADIT_E_OK; i++)
        e = verb_post(c, ids.item[i], "stop", NULL, &err);
    status = e == ADIT_E_OK ? start_all(c, &ids, &o) : verb_fail(&err);
    texts_wipe(&ids);
    return signals_seen() != 0 ? 128 + signals_seen() : status;
}

int verb_up(struct verb_call *c)
{
    return up_or_restart(c, up_options, false);
}

int verb_restart(struct verb_call *c)
{
    return up_or_restart(c, restart_options, true);
}

int verb_down(struct verb_call *c)
{
    struct orders o = {0};
    struct adit_error err = {0};
    struct texts ids;
    int status;
    if (!verb_parse(c, down_options, &o, orders_take, 0, SIZE_MAX, &status) ||
        !names_are_fine(c, &o, &status))
        return status;
    texts_init(&ids);
    enum adit_err e = ids_find(c, o.all, &ids, &err);
    for (size_t i = 0; i < ids.count && e == ADIT_E_OK; i++)
        e = verb_post(c, ids.item[i], "stop", NULL, &err);
    texts_wipe(&ids);
    return e == ADIT_E_OK ? 0 : verb_fail(&err);
}

int verb_wait(struct verb_call *c)
{
    struct orders o = {.timeout_ms = VERB_TIMEOUT_S * 1000};
    struct adit_error err = {0};
    struct texts ids;
    int status;
    if (!verb_parse(c, wait_options, &o, orders_take, 1, SIZE_MAX, &status))
        return status;
    texts_init(&ids);
    status = ids_find(c, false, &ids, &err) == ADIT_E_OK ? settle_all(c, &ids, &o, false) : verb_fail(&err);
    texts_wipe(&ids);
    return status;
}
