#include "cli/commandline.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/hold.h"
#include "cli/local_command.h"
#include "cli/log.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "client/mux_client.h"
#include "net/sock.h"

enum { LINE_CAP = 1024, ANSWER_S = 20 };

/* ---- The words ---- */

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\r\n\v\f");
}

static bool type_of(char letter, enum forward_type *type)
{
    static const char letters[] = "LRD";
    static const enum forward_type types[] = {FORWARD_LOCAL, FORWARD_REMOTE, FORWARD_DYNAMIC};
    const char *at = letter != 0 ? strchr(letters, letter) : NULL;
    if (at != NULL)
        *type = types[at - letters];
    return at != NULL;
}

struct commandline_words commandline_parse(const char *line, bool permits_program)
{
    struct commandline_words w = {.kind = COMMANDLINE_NOTHING};
    const char *p = skip_blanks(line);
    p += *p == '-';
    if (*p == 0)
        return w;
    if (*p == 'h' || *p == 'H' || *p == '?') {
        w.kind = COMMANDLINE_HELP;
        return w;
    }
    if (*p == '!' && permits_program) {
        w.kind = COMMANDLINE_PROGRAM;
        w.text = p + 1;
        return w;
    }
    w.kind = *p == 'K' ? COMMANDLINE_CLOSE : COMMANDLINE_OPEN;
    p += *p == 'K';
    if (!type_of(*p, &w.type))
        w.kind = COMMANDLINE_INVALID;
    else
        w.text = skip_blanks(p + 1);
    return w;
}

static void say(const char *line)
{
    log_line(LOG_LEVEL_INFO, line);
}

static void help(bool permits_program)
{
    say("Commands:");
    say("      -L[bind_address:]port:host:hostport    Request local forward");
    say("      -R[bind_address:]port:host:hostport    Request remote forward");
    say("      -D[bind_address:]port                  Request dynamic forward");
    say("      -KL[bind_address:]port                 Cancel local forward");
    say("      -KR[bind_address:]port                 Cancel remote forward");
    say("      -KD[bind_address:]port                 Cancel dynamic forward");
    if (permits_program)
        say("      !args                                  Execute local command");
}

/* ---- The session ---- */

static bool ask_session(const struct commandline *c, struct session *session, const struct forward_spec *spec,
                        bool is_close, uint32_t *port)
{
    struct session_forward f = client_forward_now(c->client, spec);
    struct adit_error err = {ADIT_E_OK, ""};
    struct mux_client *m;
    int fds[2];
    if (sock_pair(fds, &err) != ADIT_E_OK)
        return false;
    const struct session_command take = {.kind = SESSION_DO_TAKE_CLIENT, .fd = fds[0]};
    (void)session_do(session, &take);
    if (!sock_set_nonblock(fds[1], false)) {
        sock_close(&fds[1]);
        return false;
    }
    if (mux_client_take(&m, fds[1], ANSWER_S, &err) != ADIT_E_OK)
        return false;
    bool is_fine = mux_client_forward(m, &f, is_close, port, &err) == ADIT_E_OK;
    if (!is_fine)
        log_line(LOG_LEVEL_DEBUG1, err.text);
    mux_client_free(m);
    return is_fine;
}

/* ---- Opening ---- */

static bool keep(struct commandline *c, const struct forward_spec *spec)
{
    struct commandline_forward *f = calloc(1, sizeof *f);
    if (f == NULL)
        return false;
    f->spec = *spec;
    f->next = c->forwards;
    c->forwards = f;
    return true;
}

static void open_forward(struct commandline *c, struct session *session, const struct commandline_words *w)
{
    struct forward_spec spec;
    struct adit_error err = {ADIT_E_OK, ""};
    uint32_t port = 0;
    if (forward_spec_parse(&spec, w->type, w->text, false, &err) != ADIT_E_OK) {
        say(w->type == FORWARD_REMOTE ? "Bad remote forwarding specification."
                                      : "Bad local forwarding specification.");
        return;
    }
    if (!ask_session(c, session, &spec, false, &port)) {
        say("Port forwarding failed.");
        return;
    }
    if (port != 0) { /* by that number it is closed again */
        log_format(LOG_LEVEL_INFO, "Allocated port %u for remote forward", (unsigned)port);
        spec.port = (uint16_t)port;
    }
    say(keep(c, &spec) ? "Forwarding port."
                       : "Forwarding port; out of memory, so that it cannot be cancelled.");
}

/* ---- Closing ---- */

static bool listens_there(const struct forward_spec *a, const struct forward_spec *b)
{
    return a->type == b->type && a->bind == b->bind && a->port == b->port &&
           strcmp(a->address, b->address) == 0;
}

/* Those of the command line and the configuration can be closed too. */
static const struct forward_spec *find(const struct commandline *c, const struct forward_spec *where)
{
    for (const struct commandline_forward *f = c->forwards; f != NULL; f = f->next)
        if (listens_there(&f->spec, where))
            return &f->spec;
    for (size_t i = 0; !c->options->clear_all_forwardings && i < c->options->forward_count; i++)
        if (listens_there(&c->options->forwards[i], where))
            return &c->options->forwards[i];
    return NULL;
}

static void forget(struct commandline *c, const struct forward_spec *spec)
{
    for (struct commandline_forward **at = &c->forwards, *f; (f = *at) != NULL; at = &f->next)
        if (&f->spec == spec) {
            *at = f->next;
            free(f);
            return;
        }
}

static void close_forward(struct commandline *c, struct session *session, const struct commandline_words *w)
{
    struct forward_spec where;
    struct adit_error err = {ADIT_E_OK, ""};
    uint32_t port;
    if (forward_spec_parse(&where, FORWARD_DYNAMIC, w->text, false, &err) != ADIT_E_OK) {
        say("Bad forwarding close specification.");
        return;
    }
    where.type = w->type;
    const struct forward_spec *known = find(c, &where);
    if (known == NULL || !ask_session(c, session, known, true, &port)) {
        say("Unknown port forwarding.");
        return;
    }
    forget(c, known);
    say("Canceled forwarding.");
}

/* ---- The line ---- */

static void execute(struct commandline *c, struct session *session, const char *line)
{
    bool permits_program = c->options->permit_local_command;
    const struct commandline_words w = commandline_parse(line, permits_program);
    switch (w.kind) {
    case COMMANDLINE_NOTHING:
        break;
    case COMMANDLINE_HELP:
        help(permits_program);
        break;
    case COMMANDLINE_PROGRAM:
        local_command_run(w.text, false);
        break;
    case COMMANDLINE_OPEN:
        open_forward(c, session, &w);
        break;
    case COMMANDLINE_CLOSE:
        close_forward(c, session, &w);
        break;
    case COMMANDLINE_INVALID:
        say("Invalid command.");
        break;
    }
}

void commandline_run(struct commandline *c, struct session *session)
{
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};
    char line[LINE_CAP];
    bool was_held = hold_pause();
    (void)sigaction(SIGINT, &ignore, &before); /* ^C means the line, not us */
    if (terminal_ask("\r\nssh> ", true, signals_fd(), line, sizeof line))
        execute(c, session, line);
    (void)sigaction(SIGINT, &before, NULL);
    hold_resume(was_held);
}

void commandline_wipe(struct commandline *c)
{
    while (c->forwards != NULL)
        forget(c, &c->forwards->spec);
}
