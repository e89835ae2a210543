#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/prompt.h"
#include "cli/ready.h"
#include "cli/signals.h"
#include "client/client.h"
#include "net/mailbox.h"

enum {
    EXIT_SSH_FAILURE = 255,
    EXIT_SIGNAL = 128,
};

enum mail_kind { MAIL_QUESTION, MAIL_ENDED };

struct run {
    const struct args *args;
    struct client_prompt prompt;
    struct client *client;
    struct session *session;
    struct mailbox box; /* from the session's thread to the main one */
    struct mail ended;
    struct ready ready;
    bool is_stopping;
};

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
    struct run *run = ctx;
    q->mail.kind = MAIL_QUESTION;
    q->mail.owner = q;
    mailbox_post(&run->box, &q->mail);
}

static void on_log(void *ctx, enum session_level level, const char *line)
{
    static const enum log_level levels[] = {
        [SESSION_QUIET] = LOG_LEVEL_QUIET,   [SESSION_ERROR] = LOG_LEVEL_ERROR,
        [SESSION_INFO] = LOG_LEVEL_INFO,     [SESSION_VERBOSE] = LOG_LEVEL_VERBOSE,
        [SESSION_DEBUG1] = LOG_LEVEL_DEBUG1, [SESSION_DEBUG2] = LOG_LEVEL_DEBUG2,
        [SESSION_DEBUG3] = LOG_LEVEL_DEBUG3};
    (void)ctx;
    log_line(levels[level], line);
}

static void show_banner(const char *text)
{
    size_t n = strlen(text);
    if (log_get_level() < LOG_LEVEL_INFO || n == 0)
        return;
    (void)log_write_all(STDERR_FILENO, text, n);
    if (text[n - 1] != '\n')
        (void)log_write_all(STDERR_FILENO, "\n", 1);
}

static void on_forward_up(struct run *run, const struct session_notice *n)
{
    const struct forward_spec *spec = client_forward(run->client, n->index);
    if (spec != NULL)
        ready_up(&run->ready, n->index, forward_spec_letter(spec->type), n->bound, n->target);
}

static void on_notice(void *ctx, const struct session_notice *n)
{
    struct run *run = ctx;
    switch (n->kind) {
    case SESSION_AUTHENTICATED:
        log_format(LOG_LEVEL_DEBUG1, "Authentication succeeded (%s).", n->text);
        break;
    case SESSION_BANNER:
        show_banner(n->text);
        break;
    case SESSION_FORWARD_UP:
        on_forward_up(run, n);
        break;
    case SESSION_REMOTE_PORT:
        if (!run->ready.to_stdout)
            log_format(LOG_LEVEL_INFO, "Allocated port %u for remote forward to %s", (unsigned)n->bound_port,
                       n->target);
        break;
    case SESSION_ALL_FORWARDS_DONE:
        ready_all(&run->ready);
        break;
    case SESSION_ENDED:
        run->ended.kind = MAIL_ENDED;
        mailbox_post(&run->box, &run->ended);
        break;
    case SESSION_CONNECTING: /* the session's own log tells these */
    case SESSION_CONNECTED:
    case SESSION_FORWARD_FAILED:
        break;
    }
}

/* ---- The main thread ---- */

static void answer(struct run *run, struct session_question *q)
{
    if (run->is_stopping)
        client_refuse(run->client, q);
    else
        client_answer(run->client, q);
}

/* True when the session has ended. */
static bool mail_take_all(struct run *run)
{
    struct mail *m;
    while ((m = mailbox_take(&run->box)) != NULL) {
        if (m->kind == MAIL_ENDED)
            return true;
        answer(run, m->owner);
    }
    return false;
}

static void signals_serve(struct run *run)
{
    while (signals_take() != 0) {
        run->is_stopping = true;
        session_stop(run->session); /* the first one ends it well, the second at once */
    }
}

static void serve(struct run *run)
{
    struct pollfd fds[2] = {{mailbox_fd(&run->box), POLLIN, 0}, {signals_fd(), POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            session_stop(run->session); /* cannot wait any more: at least end in order */
        signals_serve(run);
        if (mail_take_all(run))
            return;
    }
}

static enum adit_err use_null_input(struct session_config *config, struct adit_error *err)
{
    config->stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return config->stdin_fd >= 0 ? ADIT_E_OK
                                 : adit_fail(err, ADIT_E_SYSTEM, "/dev/null: %s", strerror(errno));
}

static enum adit_err prepare(struct run *run, struct adit_error *err)
{
    const struct args *args = run->args;
    enum adit_err e = client_new(&run->client, &args->options, args->host,
                                 args->has_stdio ? &args->stdio : NULL, &run->prompt, err);
    if (e != ADIT_E_OK)
        return e;
    struct session_config *config = client_session_config(run->client);
    if (args->has_stdio && args->stdin_null)
        e = use_null_input(config, err);
    if (e == ADIT_E_OK)
        e = ready_init(&run->ready, config->forward_count, !args->has_stdio, args->options.ready_fd, err);
    return e;
}

static enum adit_err connect_and_serve(struct run *run, struct adit_error *err)
{
    const struct session_ops ops = {.ctx = run, .ask = on_ask, .notify = on_notice, .log = on_log};
    enum adit_err e = mailbox_init(&run->box, err);
    if (e != ADIT_E_OK)
        return e;
    e = session_start(&run->session, client_session_config(run->client), &ops, err);
    if (e == ADIT_E_OK) {
        serve(run);
        e = session_join(run->session, err, NULL);
    }
    mailbox_wipe(&run->box);
    return e;
}

int run_connection(const struct args *args)
{
    struct run run = {.args = args, .ready = {.fd = -1}};
    struct adit_error err = {0};
    log_set_level((enum log_level)args->options.log_level);
    signals_ignore_pipe();
    run.prompt = prompt_make();
    /* Until here a signal just ends the process: there is nothing to tidy up, and a file that is read may be
     * a pipe into which nobody ever writes. */
    enum adit_err e = prepare(&run, &err);
    if (e == ADIT_E_OK)
        e = signals_init(args->options.exit_codes ? -1 : EXIT_SSH_FAILURE, &err);
    if (e == ADIT_E_OK)
        e = connect_and_serve(&run, &err);
    int number = signals_seen();
    if (number != 0)
        log_format(LOG_LEVEL_INFO, "Killed by signal %d.", number);
    else if (e != ADIT_E_OK)
        log_format(LOG_LEVEL_FATAL, "adit: %s", err.text[0] != 0 ? err.text : adit_err_sentence(e));
    ready_wipe(&run.ready);
    client_free(run.client);
    return run_exit_status(args->options.exit_codes, e, number);
}
