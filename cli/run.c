#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/control.h"
#include "cli/log.h"
#include "cli/prompt.h"
#include "cli/ready.h"
#include "cli/shell.h"
#include "cli/signals.h"
#include "client/chain.h"
#include "client/sandbox.h"
#include "net/mailbox.h"

enum {
    EXIT_SSH_FAILURE = 255,
    EXIT_SIGNAL = 128,
};

enum mail_kind { MAIL_QUESTION, MAIL_REACHED, MAIL_ENDED, MAIL_SHELL, MAIL_SNAPSHOT };

/* One connection of the chain: a jump host's or, the last one, the destination's. */
struct hop {
    struct run *run;
    const char *name; /* NULL: the destination */
    struct client *client;
    struct session *session;    /* NULL: not started, or joined */
    struct mail reached, ended; /* it stands, and what comes next may start; its session is over */
    bool has_ended;
};

struct run {
    const struct args *args;
    struct client_prompt prompt;
    struct chain *chain;
    struct client *client; /* the destination's */
    struct hop *hops;
    size_t hop_count, started;
    struct mailbox box; /* from the sessions' threads to the main one */
    struct ready ready;
    struct shell shell;
    struct mail shell_news[SHELL_NEWS_COUNT];
    struct session_control control;
    struct background *background; /* who waits for us to go there; NULL: nobody */
    bool is_unshared;              /* ControlPath was somebody else's */
    bool has_local,
        lacks_local;         /* an address of -L or -D is bound, could not be bound: the session's thread */
    bool is_up;              /* the destination's connection and its forwards, once */
    bool is_stopping;        /* by a signal */
    bool is_ending;          /* that, or a hop has ended: no question is asked any more */
    struct adit_error error; /* why a hop could not be started */
};

bool run_is_clean_end(bool was_up, bool has_session, int signal_number)
{
    return was_up && !has_session && signal_number == SIGTERM;
}

int run_exit_status(bool exit_codes, enum adit_err e, int signal_number)
{
    if (signal_number != 0)
        return exit_codes ? EXIT_SIGNAL + signal_number : EXIT_SSH_FAILURE;
    if (e == ADIT_E_OK)
        return 0;
    return exit_codes ? adit_err_exit(e) : EXIT_SSH_FAILURE;
}

/* ---- What the session says: on its thread ---- */

static void on_ask(void *ctx, struct session_question *q)
{
    struct hop *hop = ctx;
    q->mail.kind = MAIL_QUESTION;
    q->mail.owner = q;
    mailbox_post(&hop->run->box, &q->mail);
}

static void post(struct hop *hop, struct mail *m, enum mail_kind kind)
{
    m->kind = (int)kind;
    m->owner = hop;
    mailbox_post(&hop->run->box, m);
}

static void say(const struct hop *hop, enum log_level level, const char *line)
{
    if (hop->name == NULL)
        log_line(level, line);
    else
        log_format(level, "[%s] %s", hop->name, line);
}

enum { NAMED_LINE = 2048 }; /* a session's line, and its hop's name before it */

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    const struct hop *hop = ctx;
    char named[NAMED_LINE];
    if (hop->name != NULL) {
        (void)adit_format(named, sizeof named, "[%s] %s", hop->name, line);
        line = named;
    }
    log_session_line(level, about, line);
}

void run_show_banner(const char *text)
{
    size_t n = strlen(text);
    if (log_get_level() < LOG_LEVEL_INFO || n == 0)
        return;
    (void)log_write_all(STDERR_FILENO, text, n);
    if (text[n - 1] != '\n')
        (void)log_write_all(STDERR_FILENO, "\n", 1);
}

void run_show_port(uint16_t port, const char *target)
{
    log_format(LOG_LEVEL_INFO, "Allocated port %u for remote forward to %s", (unsigned)port,
               strcmp(target, "-") == 0 ? "socks:0" : target); /* ssh's words */
}

static void on_forward_up(struct run *run, const struct session_notice *n)
{
    const struct forward_spec *spec = client_forward(run->client, n->index);
    if (spec != NULL)
        ready_up(&run->ready, n->index, forward_spec_letter(spec->type), n->bound, n->target);
}

static void on_authenticated(const struct hop *hop, const char *method)
{
    char line[128];
    (void)adit_format(line, sizeof line, "Authentication succeeded (%s).", method);
    say(hop, LOG_LEVEL_DEBUG1, line);
}

/* ssh's last line about listeners, which scripts look for: when none of them all could be had, or, with
 * ExitOnForwardFailure, none of a forward's. */
static void tell_local_failure(struct run *run, bool any_failed)
{
    bool is_strict = any_failed && run->args->options.exit_on_forward_failure;
    if (run->args->is_ssh && run->lacks_local && (is_strict || !run->has_local))
        log_line(LOG_LEVEL_ERROR, "Could not request local forwarding.");
    run->lacks_local = false; /* once */
}

static void note_listener(const struct hop *hop, const struct session_notice *n)
{
    struct run *run = hop->run;
    const struct forward_spec *spec = hop->name == NULL ? client_forward(run->client, n->index) : NULL;
    if (spec == NULL || (spec->type != FORWARD_LOCAL && spec->type != FORWARD_DYNAMIC))
        return;
    run->has_local = run->has_local || n->kind == SESSION_FORWARD_UP;
    run->lacks_local = run->lacks_local || n->kind == SESSION_FORWARD_FAILED;
}

/* Nothing incomplete goes on: with ExitOnForwardFailure the end is about to follow. */
static void on_forwards_done(struct hop *hop, const struct session_notice *n)
{
    struct run *run = hop->run;
    if (hop->name == NULL) {
        tell_local_failure(run, n->count > 0);
        ready_all(&run->ready);
    }
    if (hop->name != NULL || n->count == 0 || !run->args->options.exit_on_forward_failure)
        post(hop, &hop->reached, MAIL_REACHED);
}

static void on_shell_notice(struct hop *hop, const struct session_notice *n)
{
    enum shell_news news = shell_on_notice(&hop->run->shell, n);
    if (news != SHELL_NO_NEWS)
        post(hop, &hop->run->shell_news[news], MAIL_SHELL);
}

static void on_notice(void *ctx, const struct session_notice *n)
{
    struct hop *hop = ctx;
    struct run *run = hop->run;
    if (hop->name == NULL)
        on_shell_notice(hop, n);
    switch (n->kind) {
    case SESSION_AUTHENTICATED:
        on_authenticated(hop, n->text);
        break;
    case SESSION_BANNER:
        run_show_banner(n->text);
        break;
    case SESSION_FORWARD_UP:
        note_listener(hop, n);
        on_forward_up(run, n);
        break;
    case SESSION_FORWARD_FAILED:
        note_listener(hop, n);
        break;
    case SESSION_REMOTE_PORT:
        if (!run->ready.to_stdout)
            run_show_port(n->bound_port, n->target);
        break;
    case SESSION_ALL_FORWARDS_DONE:
        on_forwards_done(hop, n);
        break;
    case SESSION_ENDED:
        post(hop, &hop->ended, MAIL_ENDED);
        break;
    case SESSION_CONTROL_FAILED:
        run->is_unshared = true;
        break;
    case SESSION_CONNECTING: /* the session's own log tells these */
    case SESSION_CONNECTED:
    case SESSION_NEGOTIATED:
    case SESSION_EXEC_OPENED:
    case SESSION_EXEC_UP: /* the shell's */
    case SESSION_EXEC_EXIT:
    case SESSION_EXEC_OVER:
    case SESSION_NO_PTY:
    case SESSION_LOST: /* of sessions that survive: these do not */
    case SESSION_WANTED:
    case SESSION_ALIVE:
    case SESSION_SUSPECT:
    case SESSION_RAN:
    case SESSION_FORWARD_GONE:
    case SESSION_FORWARD_READY:
        break;
    }
}

/* ---- The main thread ---- */

static void answer(struct run *run, struct session_question *q)
{
    struct hop *hop = run->hops;
    while (hop->session != q->session)
        hop++;
    if (run->is_ending)
        client_refuse(hop->client, q);
    else
        client_answer(hop->client, q);
}

static const struct hop *last_alive(const struct run *run)
{
    for (size_t i = run->started; i > 0; i--)
        if (!run->hops[i - 1].has_ended)
            return &run->hops[i - 1];
    return NULL;
}

/* In reverse order: a hop is closed when what it carries is over. */
static void stop_last(const struct run *run)
{
    const struct hop *last = last_alive(run);
    if (last != NULL)
        session_stop(last->session);
}

static enum adit_err start_next(struct run *run, struct adit_error *err)
{
    struct hop *hop = &run->hops[run->started];
    const struct session_ops ops = {.ctx = hop, .ask = on_ask, .notify = on_notice, .log = on_log};
    enum adit_err e = chain_start(run->chain, run->started, &ops, &hop->session, err);
    run->started += e == ADIT_E_OK;
    return e;
}

/* A command's output goes on to where it went. With -v the messages stay on the terminal, as ssh leaves them
 * there. */
static void go_to_background(const struct run *run)
{
    bool has_output = run->args->options.session_type != SESSION_TYPE_NONE;
    bool is_debugging = log_is_on_stderr() && log_get_level() >= LOG_LEVEL_DEBUG1;
    background_detach(run->background, has_output, has_output || is_debugging);
}

void run_confine(const struct options *o, bool again)
{
    char line[SANDBOX_TEXT_CAP];
    bool may_ask = again || options_update_host_keys(o) == UPDATE_HOST_KEYS_ASK;
    if (!o->sandbox || !sandbox_suits_build())
        return;
    if (may_ask && prompt_starts_program())
        sandbox_need_programs("SSH_ASKPASS", SANDBOX_ALWAYS);
    if (sandbox_enter(again, log_most() >= LOG_LEVEL_DEBUG3, line))
        log_line(LOG_LEVEL_DEBUG1, line);
}

/* The destination stands, and whoever waits for it has been told. */
static void confine(const struct run *run)
{
    if (client_local_command(run->client) != NULL)
        sandbox_need_programs("LocalCommand", SANDBOX_ALWAYS);
    if (run->shell.has_commandline && run->args->options.permit_local_command)
        sandbox_need_programs("PermitLocalCommand", SANDBOX_ALWAYS);
    run_confine(&run->args->options, false);
}

/* A jump host stands: the next one's turn. The destination does: -f. */
static void on_reached(struct run *run, const struct hop *hop)
{
    const struct args *args = run->args;
    /* Nobody could find it there. As ssh, this stays what was started (the parent waits for its end). */
    bool stays =
        args->is_persistent && !args->has_guest && !args->options.fork_after_auth && run->is_unshared;
    run->is_up = run->is_up || hop->name == NULL;
    if (hop->name != NULL && !run->is_ending && start_next(run, &run->error) != ADIT_E_OK)
        stop_last(run);
    else if (hop->name == NULL && run->background != NULL && !stays)
        go_to_background(run);
    if (hop->name == NULL)
        confine(run);
}

static void on_mail(struct run *run, struct mail *m)
{
    struct hop *hop = m->owner;
    if (m->kind == MAIL_SNAPSHOT) {
        shell_on_snapshot(&run->shell);
    } else if (m->kind == MAIL_SHELL) {
        shell_on_news(&run->shell, (enum shell_news)(m - run->shell_news), hop->session);
    } else if (m->kind == MAIL_QUESTION) {
        answer(run, m->owner);
    } else if (m->kind == MAIL_ENDED) {
        hop->has_ended = run->is_ending = true;
        stop_last(run);
    } else {
        on_reached(run, hop);
    }
}

/* At once. */
static void stop_all(struct run *run)
{
    run->is_ending = true;
    for (size_t i = 0; i < run->started; i++) {
        session_stop(run->hops[i].session);
        session_stop(run->hops[i].session);
    }
}

static void signals_serve(struct run *run)
{
    int number, job = 0;
    while ((number = signals_take()) != 0) {
        if (number == SIGTSTP || number == SIGCONT)
            job = number; /* the last one counts: a SIGCONT takes a stop back */
        if (number == SIGWINCH)
            shell_on_resize(&run->shell);
        if (number == SIGTSTP || number == SIGCONT || number == SIGWINCH)
            continue;
        /* The first one ends the last hop well, and then the others; the second all at once. ssh waits for
         * nothing, and a command is never waited for. */
        if (run->is_stopping || run->shell.is_wanted || run->args->is_ssh)
            stop_all(run);
        else
            stop_last(run);
        run->is_stopping = run->is_ending = true;
    }
    if (job == SIGTSTP)
        shell_on_stop(&run->shell);
    else if (job == SIGCONT)
        shell_on_continue(&run->shell);
}

/* ~&: whoever waits for us sees our end, and a child of ours goes on. For the fork there must be no other
 * thread.
 */
static void leave(struct run *run)
{
    struct adit_error err = {ADIT_E_OK, ""};
    for (size_t i = 0; i < run->started; i++)
        session_halt(run->hops[i].session);
    pid_t pid = fork();
    if (pid > 0)
        _exit(0); /* all that there is to tidy up is the child's */
    if (pid < 0)
        log_format(LOG_LEVEL_ERROR, "fork: %s", strerror(errno));
    for (size_t i = 0; i < run->started; i++)
        if (session_go_on(run->hops[i].session, &err) != ADIT_E_OK)
            _exit(EXIT_SSH_FAILURE); /* nobody could ever end it */
}

static void serve(struct run *run)
{
    struct pollfd fds[2 + SHELL_POLL_COUNT] = {{mailbox_fd(&run->box), POLLIN, 0}, {signals_fd(), POLLIN, 0}};
    struct mail *m;
    while (last_alive(run) != NULL) {
        shell_poll(&run->shell, fds + 2);
        if (poll(fds, ADIT_COUNT(fds), -1) < 0 && errno != EINTR) {
            (void)adit_fail(&run->error, ADIT_E_SYSTEM, "poll: %s", strerror(errno));
            stop_last(run); /* cannot wait any more: at least end in order */
        }
        signals_serve(run);
        enum shell_wish wish = shell_serve(&run->shell, fds + 2);
        if (wish == SHELL_QUITS)
            stop_all(run);
        else if (wish == SHELL_LEAVES)
            leave(run);
        while ((m = mailbox_take(&run->box)) != NULL)
            on_mail(run, m);
    }
}

/* The hop that failed first is the cause: those behind it only lost their transport. */
static enum adit_err join_all(struct run *run, struct adit_error *err)
{
    for (size_t i = 0; i < run->started; i++) {
        struct hop *hop = &run->hops[i];
        struct adit_error why = {ADIT_E_OK, ""};
        enum adit_err e = session_join(hop->session, &why, NULL);
        hop->session = NULL;
        if (e != ADIT_E_OK && hop->name != NULL)
            (void)adit_fail(err, e, "jump host %s: %s", hop->name, why.text);
        else if (e != ADIT_E_OK)
            (void)adit_fail(err, e, "%s", why.text);
    }
    return run->error.code == ADIT_E_OK ? err->code : adit_fail(err, run->error.code, "%s", run->error.text);
}

static enum adit_err use_null_input(struct session_config *config, struct adit_error *err)
{
    config->stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return config->stdin_fd >= 0 ? ADIT_E_OK
                                 : adit_fail(err, ADIT_E_SYSTEM, "/dev/null: %s", strerror(errno));
}

static enum adit_err make_hops(struct run *run, struct adit_error *err)
{
    run->hop_count = chain_count(run->chain);
    run->hops = calloc(run->hop_count, sizeof *run->hops);
    if (run->hops == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    for (size_t i = 0; i < run->hop_count; i++)
        run->hops[i] = (struct hop){
            .run = run, .name = chain_name(run->chain, i), .client = chain_client(run->chain, i)};
    run->client = run->hops[run->hop_count - 1].client;
    return ADIT_E_OK;
}

static enum adit_err prepare(struct run *run, struct adit_error *err)
{
    const struct args *args = run->args;
    const struct chain_query query = {.options = &args->options,
                                      .host = args->host,
                                      .config_file = args->config_file,
                                      .alive_interval = args_only_forwards(args) ? ARGS_ALIVE_INTERVAL : NULL,
                                      .stdio = args->has_stdio ? &args->stdio : NULL};
    enum adit_err e = chain_new(&run->chain, &query, &run->prompt, err);
    if (e == ADIT_E_OK)
        e = make_hops(run, err);
    if (e != ADIT_E_OK)
        return e;
    struct session_config *config = client_session_config(run->client);
    if (args->has_stdio && args->options.stdin_null)
        e = use_null_input(config, err);
    if (e == ADIT_E_OK && args->has_stdio && run->background != NULL)
        e = background_copy(STDOUT_FILENO, &config->stdout_fd, err);
    if (e == ADIT_E_OK)
        e = shell_init(&run->shell, args, run->client, err);
    if (e == ADIT_E_OK)
        control_add(&run->control, args, run->client, run->background != NULL && args->is_persistent,
                    run->shell.has_commandline);
    run->shell.box = &run->box;
    run->shell.snapshot.mail.kind = MAIL_SNAPSHOT;
    if (e == ADIT_E_OK) /* stdout is the command's, if there is one */
        e = ready_init(&run->ready, config->forward_count,
                       !args->is_ssh && !args->has_stdio && !run->shell.is_wanted, args->options.ready_fd,
                       err);
    return e;
}

static enum adit_err connect_and_serve(struct run *run, struct adit_error *err)
{
    enum adit_err e = mailbox_init(&run->box, err);
    if (e != ADIT_E_OK)
        return e;
    e = start_next(run, err);
    if (e == ADIT_E_OK) {
        serve(run);
        e = join_all(run, err);
    }
    mailbox_wipe(&run->box);
    return e;
}

/* ssh puts its name before what happened on the way to the server, and nothing before the rest. */
static void failure_tell(const struct run *run, enum adit_err e, const struct adit_error *err)
{
    const struct args *args = run->args;
    const char *text = err->text[0] != 0 ? err->text : adit_err_sentence(e);
    if (args->is_ssh && run->is_up && e == ADIT_E_CLOSED) { /* scripts that restart a server wait for it */
        log_line(LOG_LEVEL_DEBUG1, text);
        log_format(LOG_LEVEL_FATAL, "Connection to %s closed by remote host.", client_host(run->client));
    } else if (!args->is_ssh || e == ADIT_E_RESOLVE || e == ADIT_E_CONNECT || e == ADIT_E_TIMEOUT)
        log_format(LOG_LEVEL_FATAL, "%s: %s", args->program, text);
    else
        log_line(LOG_LEVEL_FATAL, text);
    if (args->is_ssh && e == ADIT_E_HOST_KEY)
        log_line(LOG_LEVEL_FATAL, "Host key verification failed.");
}

int run_connection(const struct args *args, struct background *background)
{
    struct run run = {.args = args,
                      .ready = {.fd = -1},
                      .background = background,
                      .shell = {.null_fd = -1, .pipe = {-1, -1}}};
    struct adit_error err = {0};
    signals_ignore_pipe();
    run.prompt = prompt_make();
    /* Until here a signal just ends the process: there is nothing to tidy up, and a file that is read may be
     * a pipe into which nobody ever writes. */
    enum adit_err e = prepare(&run, &err);
    if (e == ADIT_E_OK)
        e = signals_init(args->options.exit_codes ? -1 : EXIT_SSH_FAILURE, &err);
    if (e == ADIT_E_OK && run.control.path != NULL)
        (void)signals_watch(SIGWINCH); /* a client says that its terminal has another size */
    if (e == ADIT_E_OK)
        e = connect_and_serve(&run, &err);
    shell_end(&run.shell);
    int number = signals_seen();
    bool is_clean = run_is_clean_end(run.is_up, run.shell.is_wanted, number);
    if (!args->options.exit_codes && is_clean) {
        e = ADIT_E_OK;
        number = 0;
    }
    if (number != 0) /* ssh says so with -v alone: whoever ended it knows */
        log_format(args->is_ssh || is_clean ? LOG_LEVEL_VERBOSE : LOG_LEVEL_INFO, "Killed by signal %d.",
                   number);
    else if (e != ADIT_E_OK)
        failure_tell(&run, e, &err);
    if (e == ADIT_E_FORWARD)
        tell_local_failure(&run, true);
    ready_wipe(&run.ready);
    shell_wipe(&run.shell);
    free(run.hops);
    chain_free(run.chain);
    if (run.shell.is_wanted && number == 0 && e == ADIT_E_OK)
        return shell_exit_status(&run.shell);
    /* A guest has ended it (-O exit, stop): as ssh, without a status of its own. */
    if (run.control.path != NULL && !args->has_stdio && signals_seen() == 0 && e == ADIT_E_OK &&
        !args->options.exit_codes)
        return EXIT_SSH_FAILURE;
    return run_exit_status(args->options.exit_codes, e, number);
}
