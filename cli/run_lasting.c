#include "cli/run_lasting.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/autossh_watch.h"
#include "cli/log.h"
#include "cli/prompt.h"
#include "cli/ready.h"
#include "cli/run.h"
#include "cli/signals.h"
#include "client/client.h"
#include "client/link.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/random.h"
#include "net/watch.h"

enum { EXIT_SSH_FAILURE = 255 };

enum mail_kind { MAIL_UP, MAIL_FAILED, MAIL_ENDED };

struct lasting {
    const struct args *args;
    struct background *background;
    struct link *link;
    int cancel_fd; /* the link's: ends a question */
    struct watch watch;
    bool has_watch;
    struct mailbox box; /* from the link's thread to the main one */
    struct mail up, failed, ended;
    bool is_up, is_over; /* the main thread's: up once; ENDED came */
    bool is_expired;     /* autossh's: AUTOSSH_MAXLIFETIME is over */
    uint64_t started_ms;
    atomic_llong asked;      /* how often a fresh connection was asked for */
    struct adit_error error; /* why it is given up; written before the letter */

    /* The link's thread. */
    struct ready ready;
    bool was_up, has_failed;
    uint64_t error_seen_ms; /* the last error, and why the state is what it is, as told */
    char why[LIMIT_ERROR_TEXT];
    struct lasting_count {
        uint32_t retries; /* as told last */
        int64_t losses;   /* connections, and tries to make one, that are over */
    } count_of;
    struct forward_spec *specs;
    size_t count;
};

/* ---- What the link says: on its thread ---- */

static void post(struct lasting *r, struct mail *m, enum mail_kind kind)
{
    m->kind = (int)kind;
    mailbox_post(&r->box, m);
}

/* Only what was never up fails: whoever started it is still there to be told. */
static void fail(struct lasting *r, enum adit_err code, const char *text)
{
    if (r->was_up || r->has_failed)
        return;
    r->has_failed = true;
    (void)adit_fail(&r->error, code, "%s", text);
    post(r, &r->failed, MAIL_FAILED);
}

/* ---- Called as autossh: how long the first connection must last, and how many there may be ---- */

static bool is_early(const struct lasting *r)
{
    const struct autossh *a = r->args->autossh;
    return a->gate_ms != 0 && loop_now_ms() - r->started_ms <= a->gate_ms;
}

/* ADIT_E_OK: an end in order. */
static void give_up(struct lasting *r, enum adit_err code, const char *text)
{
    if (r->has_failed)
        return;
    r->has_failed = true;
    if (code != ADIT_E_OK)
        (void)adit_fail(&r->error, code, "%s", text);
    post(r, &r->failed, MAIL_FAILED);
}

static void on_loss(struct lasting *r, const struct link_status *s)
{
    const struct autossh *a = r->args->autossh;
    int64_t asked = atomic_load(&r->asked); /* those that were given up for SIGUSR1 are no failures */
    r->count_of.losses++;
    if (r->count_of.losses == 1 && asked == 0 && is_early(r)) {
        log_format(LOG_LEVEL_ERROR, "autossh: ssh exited prematurely; autossh exiting");
        give_up(r, s->error.code, s->error.text);
    } else if (a->max_start >= 0 && r->count_of.losses + asked >= a->max_start) {
        log_format(LOG_LEVEL_INFO, "autossh: max start count reached; exiting");
        give_up(r, ADIT_E_OK, "");
    }
}

static void count_loss(struct lasting *r, const struct link_notice *n)
{
    const struct link_status *s = n->status;
    bool has_failed = s->state == KEEP_FAILED && n->old_state != KEEP_FAILED;
    if (has_failed || s->retry_count > r->count_of.retries)
        on_loss(r, s);
    r->count_of.retries = s->retry_count;
}

/* Each state, and while it is tried again each other reason why that fails. */
static void say_state(struct lasting *r, const struct link_notice *n)
{
    const struct link_status *s = n->status;
    bool is_other = s->state != n->old_state, is_new = s->error_at_ms != r->error_seen_ms;
    const char *why = is_other ? n->reason : s->error.text;
    r->error_seen_ms = s->error_at_ms;
    if (is_other)
        log_format(LOG_LEVEL_INFO, "state %s -> %s: %s", keep_state_name(n->old_state),
                   keep_state_name(s->state), why);
    else if (is_new && s->state == KEEP_RECONNECTING && strcmp(why, r->why) != 0)
        log_format(LOG_LEVEL_INFO, "still reconnecting: %s", why);
    else
        return;
    (void)adit_format(r->why, sizeof r->why, "%s", why);
}

static void on_state(struct lasting *r, const struct link_notice *n)
{
    const struct link_status *s = n->status;
    say_state(r, n);
    if (r->args->autossh != NULL)
        count_loss(r, n);
    else if (s->state == KEEP_FAILED)
        fail(r, s->error.code, s->error.text);
}

static void on_forward_failed(struct lasting *r, const struct link_notice *n)
{
    bool is_fatal = r->args->options.exit_on_forward_failure;
    if (is_fatal && r->args->autossh != NULL && is_early(r) && r->count_of.losses == 0)
        give_up(r, ADIT_E_FORWARD, n->error->text);
    else if (is_fatal && r->args->autossh == NULL)
        fail(r, ADIT_E_FORWARD, n->error->text);
}

static void on_forwards_done(struct lasting *r)
{
    if (r->has_failed || r->was_up)
        return;
    r->was_up = true;
    ready_all(&r->ready);
    post(r, &r->up, MAIL_UP);
}

static void on_notify(void *ctx, const struct link_notice *n)
{
    struct lasting *r = ctx;
    switch (n->kind) {
    case LINK_STATE:
        on_state(r, n);
        return;
    case LINK_BANNER:
        run_show_banner(n->text);
        return;
    case LINK_FORWARD_UP:
        ready_up(&r->ready, n->id, forward_spec_letter(r->specs[n->id].type), n->bound, n->target);
        return;
    case LINK_FORWARD_FAILED:
        on_forward_failed(r, n);
        return;
    case LINK_REMOTE_PORT:
        if (!r->ready.to_stdout)
            run_show_port(n->bound_port, n->target);
        return;
    case LINK_FORWARDS_DONE:
        on_forwards_done(r);
        return;
    case LINK_ENDED:
        post(r, &r->ended, MAIL_ENDED);
        return;
    case LINK_HOST_KEY: /* the log has these */
    case LINK_NEGOTIATED:
    case LINK_AUTHENTICATED:
    case LINK_FORWARD_DOWN:
    case LINK_FORWARD_GONE: /* nobody asks for them */
    case LINK_TRUSTED:
        return;
    }
}

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    (void)ctx;
    log_session_line(level, about, line);
}

/* ---- The main thread ---- */

static void on_mail(struct lasting *r, const struct mail *m)
{
    bool keeps_stderr = log_is_on_stderr() && log_get_level() >= LOG_LEVEL_DEBUG1;
    if (m->kind == MAIL_ENDED) {
        r->is_over = true;
    } else if (m->kind == MAIL_FAILED) {
        link_stop(r->link);
    } else {
        r->is_up = true;
        if (r->background != NULL)
            background_detach(r->background, false, keeps_stderr);
        run_confine(&r->args->options, true);
    }
}

static void reconnect(struct lasting *r)
{
    atomic_fetch_add(&r->asked, 1);
    link_reconnect(r->link);
}

/* autossh's SIGHUP and SIGUSR2: not to wait any longer, or to look whether the server is still there. */
static void look_now(struct lasting *r)
{
    link_file_changed(r->link);
    link_network(r->link, WATCH_NETWORK);
}

static void signals_serve(struct lasting *r)
{
    int number;
    while ((number = signals_take()) != 0)
        if (number == SIGUSR1)
            reconnect(r);
        else if (r->args->autossh != NULL && (number == SIGHUP || number == SIGUSR2))
            look_now(r);
        else
            link_stop(r->link); /* the first time well, then at once */
}

/* The time of an autossh is over. How long poll may wait for that. */
static int lifetime_serve(struct lasting *r)
{
    const struct autossh *a = r->args->autossh;
    enum { LONGEST_MS = 24 * 60 * 60 * 1000 };
    if (a == NULL || a->lifetime_s == 0 || r->is_expired)
        return -1;
    uint64_t end = r->started_ms + a->lifetime_s * 1000ULL, now = loop_now_ms();
    if (now < end)
        return end - now < LONGEST_MS ? (int)(end - now) : LONGEST_MS;
    r->is_expired = true;
    log_format(LOG_LEVEL_INFO, "autossh: exceeded maximum time to live, shutting down");
    link_stop(r->link);
    return -1;
}

static void watch_serve(struct lasting *r)
{
    unsigned news = r->has_watch ? watch_take(&r->watch) : 0;
    if (news != 0)
        link_network(r->link, news);
}

static enum adit_err serve(struct lasting *r, struct adit_error *err)
{
    struct pollfd fds[] = {{mailbox_fd(&r->box), POLLIN, 0},
                           {signals_fd(), POLLIN, 0},
                           {r->has_watch ? watch_fd(&r->watch) : -1, POLLIN, 0}};
    const struct mail *m;
    while (!r->is_over) {
        if (poll(fds, ADIT_COUNT(fds), lifetime_serve(r)) < 0 && errno != EINTR) {
            (void)adit_fail(err, ADIT_E_SYSTEM, "poll: %s", strerror(errno));
            link_stop(r->link); /* cannot wait any more: at least end in order */
        }
        signals_serve(r);
        watch_serve(r);
        while ((m = mailbox_take(&r->box)) != NULL)
            on_mail(r, m);
    }
    return err->code;
}

/* ---- Before it ---- */

/* A path has its tokens replaced as for any other connection. */
static void take_paths(struct forward_spec *spec, const struct session_forward *f)
{
    if (f->bind_path != NULL)
        (void)adit_format(spec->address, sizeof spec->address, "%s", f->bind_path);
    if (f->path != NULL)
        (void)adit_format(spec->host, sizeof spec->host, "%s", f->path);
}

static enum adit_err make_specs(struct lasting *r, struct adit_error *err)
{
    struct client *client;
    enum adit_err e = client_new_guest(&client, &r->args->options, r->args->host, NULL, err);
    if (e != ADIT_E_OK)
        return e;
    const struct session_config *config = client_session_config(client);
    r->count = config->forward_count;
    r->specs = calloc(r->count + 1, sizeof *r->specs);
    for (size_t i = 0; r->specs != NULL && i < r->count; i++) {
        r->specs[i] = *client_forward(client, i);
        take_paths(&r->specs[i], &config->forwards[i]);
    }
    client_free(client);
    return r->specs != NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

static enum adit_err make_link(struct lasting *r, struct adit_error *err)
{
    const struct options *o = &r->args->options;
    const struct link_ops ops = {.ctx = r, .notify = on_notify, .log = on_log};
    struct link_config config = {.host = r->args->host,
                                 .config_file = r->args->config_file,
                                 .options = o,
                                 .keep = {.first_ms = o->backoff_first_ms,
                                          .cap_ms = o->backoff_cap_ms,
                                          .jitter_percent = 100,
                                          .auto_reconnect = true},
                                 .hold_ms = SESSION_HOLD_MS,
                                 .hold_max = SESSION_HOLD_MAX,
                                 .probe_ms = LINK_PROBE_MS,
                                 .probe_limit_ms = LINK_PROBE_LIMIT_MS,
                                 .detect_fast = o->detect == DETECT_FAST,
                                 .reclaim = o->reclaim,
                                 .prompt = prompt_make_with(&r->cancel_fd)};
    enum adit_err e = random_seed(&config.keep.seed, sizeof config.keep.seed, err);
    if (e == ADIT_E_OK)
        e = link_new(&r->link, &config, &ops, err);
    if (e != ADIT_E_OK)
        return e;
    r->cancel_fd = link_cancel_fd(r->link);
    for (size_t i = 0; i < r->count && e == ADIT_E_OK; i++)
        e = link_forward_add(r->link, i, &r->specs[i], NULL, err);
    return e;
}

static enum adit_err prepare(struct lasting *r, struct adit_error *err)
{
    const struct args *args = r->args;
    struct adit_error ignored = {ADIT_E_OK, ""};
    enum adit_err e = make_specs(r, err);
    if (e == ADIT_E_OK)
        e = ready_init(&r->ready, r->count, !args->is_ssh, args->options.ready_fd, err);
    if (e == ADIT_E_OK)
        e = signals_init(args->options.exit_codes ? -1 : EXIT_SSH_FAILURE, err);
    if (e == ADIT_E_OK)
        e = mailbox_init(&r->box, err);
    if (e != ADIT_E_OK)
        return e;
    (void)signals_watch(SIGUSR1);
    if (args->autossh != NULL)
        (void)!(signals_watch(SIGHUP) && signals_watch(SIGUSR2));
    r->has_watch = watch_init(&r->watch, &ignored) == ADIT_E_OK; /* without it time alone tells */
    return make_link(r, err);
}

/* ---- All of it ---- */

static enum adit_err run(struct lasting *r, struct adit_error *err)
{
    enum adit_err e = prepare(r, err);
    if (e == ADIT_E_OK) {
        link_start(r->link);
        e = serve(r, err);
    } else if (r->link != NULL) {
        link_stop(r->link);
    }
    if (r->link != NULL)
        link_join(r->link);
    if (e == ADIT_E_OK && r->has_failed && r->error.code != ADIT_E_OK)
        e = adit_fail(err, r->error.code, "%s", r->error.text);
    return e;
}

static void tell_end(const struct args *args, enum adit_err e, int number, const struct adit_error *err)
{
    const char *text = err->text[0] != 0 ? err->text : adit_err_sentence(e);
    if (number != 0)
        log_format(args->is_ssh ? LOG_LEVEL_VERBOSE : LOG_LEVEL_INFO, "Killed by signal %d.", number);
    else if (e != ADIT_E_OK)
        log_format(LOG_LEVEL_FATAL, "%s: %s", args->program, text);
}

int run_lasting(const struct args *args, struct background *background)
{
    struct lasting r = {.args = args,
                        .background = background,
                        .started_ms = loop_now_ms(),
                        .ready = {.fd = -1},
                        .box = {.fd = -1}};
    struct adit_error err = {ADIT_E_OK, ""};
    signals_ignore_pipe();
    enum adit_err e = run(&r, &err);
    int number = signals_seen();
    if (args->autossh != NULL)
        number = r.is_expired ? 0 : number;
    else if (!args->options.exit_codes && run_is_clean_end(r.is_up, false, number)) {
        e = ADIT_E_OK;
        number = 0;
    }
    tell_end(args, e, number, &err);
    ready_wipe(&r.ready);
    mailbox_wipe(&r.box);
    if (r.has_watch)
        watch_wipe(&r.watch);
    free(r.specs);
    return run_exit_status(args->options.exit_codes, e, number);
}
