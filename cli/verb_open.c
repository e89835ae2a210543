/* `adit open`: tunnels in the daemon that live as long as this process. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/destination.h"
#include "cli/log.h"
#include "cli/run.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verb_call.h"
#include "client/options.h"
#include "client/units.h"
#include "daemon/client_json.h"

enum { FORWARDS_MAX = 64 };

enum {
    KEY_LOCAL = 2,
    KEY_REMOTE,
    KEY_DYNAMIC,
    KEY_IDENTITY,
    KEY_JUMP,
    KEY_LOGIN,
    KEY_PORT,
    KEY_OPTION,
    KEY_FIXED
};

/* Those of ssh's flags that say something of the connection. */
static const struct verb_option options[] = {{"", 'L', true, KEY_LOCAL},
                                             {"", 'R', true, KEY_REMOTE},
                                             {"", 'D', true, KEY_DYNAMIC},
                                             {"", 'i', true, KEY_IDENTITY},
                                             {"", 'J', true, KEY_JUMP},
                                             {"", 'l', true, KEY_LOGIN},
                                             {"", 'p', true, KEY_PORT},
                                             {"", 'o', true, KEY_OPTION},
                                             {"", '4', false, KEY_FIXED},
                                             {"", '6', false, KEY_FIXED + 1},
                                             {"", 'C', false, KEY_FIXED + 2},
                                             {"", 'N', false, KEY_FIXED + 3},
                                             {0}};
static const char *const fixed[] = {"AddressFamily inet", "AddressFamily inet6", "Compression yes", NULL};

struct opened {
    struct verb_call *c;
    struct forward_spec forwards[FORWARDS_MAX];
    size_t forward_count;
    struct texts keywords;
    const char *jump, *login;
    uint16_t port;

    struct client_tunnels
        seen[FORWARDS_MAX]; /* one tunnel each, in the order of the forwards, as it was last */
    size_t seen_count;
    bool has_complained[FORWARDS_MAX]; /* that its forward cannot be had */
    bool is_told;

    struct options own; /* of -o: AditExitCodes and ExitOnForwardFailure, which are ours to obey */
};

/* ---- The command line ---- */

static bool line_add(struct opened *o, const char *keyword, const char *value, struct adit_error *err)
{
    char line[4096];
    size_t n = adit_format(line, sizeof line, "%s%s%s", keyword, keyword[0] != 0 ? " " : "", value);
    if (n + 1 < sizeof line && strpbrk(line, "\r\n") == NULL)
        return texts_add(&o->keywords, span_make(line, n));
    (void)adit_fail(err, ADIT_E_USAGE, "open: an option is too long, or more than one line");
    return false;
}

static bool forward_take(struct opened *o, enum forward_type type, const char *value, struct adit_error *err)
{
    if (o->forward_count < FORWARDS_MAX)
        return forward_spec_parse(&o->forwards[o->forward_count++], type, value, true, err) == ADIT_E_OK;
    (void)adit_fail(err, ADIT_E_USAGE, "open: more than %d forwards", FORWARDS_MAX);
    return false;
}

/* What is wrong with it the daemon says. */
static bool option_take(struct opened *o, const char *value, struct adit_error *err)
{
    struct adit_error ignored = {0};
    enum adit_err e = options_set_line(&o->own, value, &ignored);
    return line_add(o, "", value, err) && e != ADIT_E_MEMORY;
}

static bool take(void *ctx, int key, const char *value, struct adit_error *err)
{
    struct opened *o = ctx;
    switch (key) {
    case KEY_LOCAL:
        return forward_take(o, FORWARD_LOCAL, value, err);
    case KEY_REMOTE:
        return forward_take(o, FORWARD_REMOTE, value, err);
    case KEY_DYNAMIC:
        return forward_take(o, FORWARD_DYNAMIC, value, err);
    case KEY_IDENTITY:
        return line_add(o, "IdentityFile", value, err);
    case KEY_OPTION:
        return option_take(o, value, err);
    case KEY_JUMP:
        o->jump = value;
        return true;
    case KEY_LOGIN:
        o->login = value;
        return true;
    case KEY_PORT:
        if (units_port(span_str(value), 1, &o->port))
            return true;
        (void)adit_fail(err, ADIT_E_USAGE, "Bad port '%.100s'", value);
        return false;
    default:
        return fixed[key - KEY_FIXED] == NULL || line_add(o, "", fixed[key - KEY_FIXED], err);
    }
}

static char *body_make(const struct opened *o, struct adit_error *err)
{
    struct destination to;
    bool is_malformed = false;
    char host[LIMIT_USER + LIMIT_HOST + 2];
    if (o->forward_count == 0) {
        (void)adit_fail(err, ADIT_E_USAGE, "open: what it forwards is missing (-L, -R or -D)");
        return NULL;
    }
    if (destination_parse(&to, o->c->words.item[0], &is_malformed, err) != ADIT_E_OK)
        return NULL;
    const char *user = o->login != NULL ? o->login : to.user;
    (void)adit_format(host, sizeof host, "%.*s%s%s", LIMIT_USER, user, user[0] != 0 ? "@" : "", to.host);
    const struct client_session session = {.host = host,
                                           .jump = o->jump,
                                           .port = o->port != 0 ? o->port : to.port,
                                           .is_attended = terminal_exists(),
                                           .keywords = &o->keywords,
                                           .forwards = o->forwards,
                                           .forward_count = o->forward_count};
    return client_session_json(&session, err);
}

/* ---- What the stream says ---- */

static bool all_up(const struct opened *o)
{
    bool is_up = o->seen_count == o->forward_count;
    for (size_t i = 0; i < o->seen_count; i++)
        is_up = is_up && client_tunnel_is_up(&o->seen[i].item[0]);
    return is_up;
}

/* As adit -N tells it. */
static enum adit_err tell_listening(struct opened *o, struct adit_error *err)
{
    char line[4096];
    for (size_t i = 0; i < o->seen_count; i++) {
        const struct client_tunnel *t = &o->seen[i].item[0];
        const char *at = t->addresses.count > 0 ? t->addresses.item[0] : "-";
        size_t n = adit_format(line, sizeof line, "listening %c %.1000s %.2000s\n",
                               forward_spec_letter(o->forwards[i].type), at, t->target);
        if (!log_write_all(STDOUT_FILENO, line, n))
            return adit_fail(err, ADIT_E_SYSTEM, "standard output: %s", strerror(errno));
    }
    o->is_told = true;
    return ADIT_E_OK;
}

static struct client_tunnels *place_of(struct opened *o, const char *id, bool is_new)
{
    for (size_t i = 0; i < o->seen_count; i++)
        if (strcmp(o->seen[i].item[0].id, id) == 0)
            return &o->seen[i];
    return is_new && o->seen_count < o->forward_count ? &o->seen[o->seen_count++] : NULL;
}

/* A forward that cannot be had is tried for again, unless ExitOnForwardFailure says that this is the end. */
static enum adit_err complain(struct opened *o, const struct client_tunnels *place, struct adit_error *err)
{
    const struct client_tunnel *t = &place->item[0];
    bool *has_complained = &o->has_complained[place - o->seen];
    enum adit_err why = client_tunnel_error(t);
    char line[LIMIT_ERROR_TEXT + 16];
    if (adit_err_exit(why) != adit_err_exit(ADIT_E_FORWARD))
        return ADIT_E_OK;
    if (o->own.exit_on_forward_failure)
        return adit_fail(err, why, "%s", t->last_error);
    (void)adit_format(line, sizeof line, "adit: %s", t->last_error);
    if (!*has_complained)
        log_always(line);
    *has_complained = true;
    return ADIT_E_OK;
}

/* One that failed ends it all. */
static enum adit_err event_take(struct opened *o, const struct sse *event, struct adit_error *err)
{
    bool is_new = strcmp(event->name, "session") == 0;
    struct client_tunnels now;
    if (!is_new && strcmp(event->name, "tunnel") != 0)
        return ADIT_E_OK;
    enum adit_err e = client_tunnels_parse(&now, event->data, event->data_len, err);
    if (e != ADIT_E_OK)
        return e;
    struct client_tunnels *place = now.count == 1 ? place_of(o, now.item[0].id, is_new) : NULL;
    if (place == NULL) {
        client_tunnels_wipe(&now);
        return ADIT_E_OK;
    }
    client_tunnels_wipe(place);
    *place = now;
    const struct client_tunnel *t = &place->item[0];
    if (client_tunnel_is(t, "failed"))
        return adit_fail(err, client_tunnel_error(t), "%s",
                         t->last_error[0] != 0 ? t->last_error : "the tunnel failed");
    e = complain(o, place, err);
    if (e == ADIT_E_OK && !client_tunnel_is_up(t) && terminal_exists())
        e = verb_question_relay(o->c, t->id, err);
    return e == ADIT_E_OK && !o->is_told && all_up(o) ? tell_listening(o, err) : e;
}

static enum adit_err refused(const struct verb_call *c, struct http_client_stream *s, struct adit_error *err)
{
    struct span piece;
    char text[4096];
    struct http_client_reply reply = {.status = s->answer.status, .body = text};
    enum adit_err e;
    while ((e = http_client_read(s, &piece, err)) == ADIT_E_OK && piece.n > 0 &&
           reply.len + piece.n <= sizeof text) {
        memcpy(text + reply.len, piece.p, piece.n);
        reply.len += piece.n;
    }
    return e == ADIT_E_OK ? verb_judge(c, &reply, err) : e;
}

static enum adit_err stream_run(struct opened *o, const char *body, struct adit_error *err)
{
    /* Comments come every 15 s. */
    const struct http_client_request request = {.socket = o->c->socket,
                                                .method = "POST",
                                                .target = "/sessions",
                                                .body = body,
                                                .cancel_fd = o->c->cancel_fd,
                                                .timeout_ms = 60 * 1000};
    struct http_client_stream *s = malloc(sizeof *s);
    bool is_end = false;
    if (s == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = http_client_open(s, &request, err);
    if (e == ADIT_E_OK && s->answer.status != 200)
        e = refused(o->c, s, err);
    while (e == ADIT_E_OK && !is_end) {
        e = http_client_event(s, &is_end, err);
        if (e == ADIT_E_OK)
            e = is_end ? adit_fail(err, ADIT_E_CLOSED, "the daemon has ended it")
                       : event_take(o, &s->sse, err);
    }
    http_client_close(s);
    free(s);
    return e;
}

static int exit_status(const struct opened *o, enum adit_err e, bool has_usage, const struct adit_error *err)
{
    if (e == ADIT_E_INTERRUPTED && signals_seen() == SIGTERM)
        return 0;
    if (e == ADIT_E_INTERRUPTED)
        return run_exit_status(o->own.exit_codes, e, signals_seen());
    if (has_usage)
        (void)verb_usage_error(o->c, err);
    else
        (void)verb_fail(err);
    return run_exit_status(o->own.exit_codes || e == ADIT_E_NO_DAEMON, e, 0);
}

int verb_open(struct verb_call *c)
{
    struct opened *o = calloc(1, sizeof *o);
    struct adit_error err = {0};
    int status;
    if (o == NULL) {
        (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
        return verb_fail(&err);
    }
    o->c = c;
    texts_init(&o->keywords);
    options_init(&o->own);
    if (verb_parse(c, options, o, take, 1, 1, &status)) {
        char *body = body_make(o, &err);
        verb_catch_signals(c);
        enum adit_err e = body != NULL ? verb_need_daemon(c, &err) : err.code;
        if (e == ADIT_E_OK)
            e = stream_run(o, body, &err);
        status = exit_status(o, e, body == NULL && e == ADIT_E_USAGE, &err);
        free(body);
    }
    for (size_t i = 0; i < o->seen_count; i++)
        client_tunnels_wipe(&o->seen[i]);
    texts_wipe(&o->keywords);
    options_wipe(&o->own);
    free(o);
    return status;
}
