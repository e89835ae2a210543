#include "cli/prompt.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/hold.h"
#include "cli/log.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "net/child.h"

bool prompt_wants_askpass(const char *require, const char *askpass, bool has_display, bool has_terminal)
{
    if (askpass == NULL || *askpass == 0 || (require != NULL && text_same(require, "never")))
        return false;
    if (require != NULL && text_same(require, "force"))
        return true;
    if (require != NULL && text_same(require, "prefer"))
        return has_display;
    return has_display && !has_terminal;
}

static bool has_value(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != 0;
}

static bool ask_program(const char *program, const char *text, int cancel_fd, char *answer, size_t cap)
{
    const char *const argv[] = {program, text, NULL};
    char line[CHILD_LINE_CAP];
    struct adit_error err = {0};
    int status = 0;
    enum adit_err e = child_run_line(argv, NULL, cancel_fd, line, &status, &err);
    bool fine = e == ADIT_E_OK && status == 0 && strlen(line) < cap;
    if (e != ADIT_E_OK)
        log_line(LOG_LEVEL_ERROR, err.text);
    if (fine)
        memcpy(answer, line, strlen(line) + 1);
    adit_wipe(line, sizeof line);
    return fine;
}

static bool has_display(void)
{
    return has_value("DISPLAY") || has_value("WAYLAND_DISPLAY");
}

const char *prompt_askpass(void)
{
    static const char default_program[] = "/usr/bin/ssh-askpass";
    const char *program = getenv("SSH_ASKPASS");
    if (program == NULL && access(default_program, X_OK) == 0)
        program = default_program;
    return prompt_wants_askpass(getenv("SSH_ASKPASS_REQUIRE"), program, has_display(), false) ? program
                                                                                              : NULL;
}

bool prompt_starts_program(void)
{
    return prompt_wants_askpass(getenv("SSH_ASKPASS_REQUIRE"), getenv("SSH_ASKPASS"), has_display(),
                                terminal_exists());
}

static bool ask(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    const char *program = getenv("SSH_ASKPASS");
    const int *given = ctx;
    int cancel_fd = given != NULL ? *given : signals_fd();
    if (given == NULL && signals_seen() != 0) /* they are the main thread's */
        return false;
    if (prompt_starts_program())
        return ask_program(program, q->text, cancel_fd, answer, cap);
    /* A session may hold the terminal already (UpdateHostKeys ask). */
    bool was_held = hold_pause();
    bool is_answered = terminal_ask(q->text, q->kind == PROMPT_LINE, cancel_fd, answer, cap);
    hold_resume(was_held);
    return is_answered;
}

static void tell(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    log_line_about(level, SESSION_ABOUT_AUTH, line);
}

struct client_prompt prompt_make_with(const int *cancel_fd)
{
    /* Only read, and only through a pointer to const: see ask. */
    return (struct client_prompt){
        .ctx = (void *)(uintptr_t)cancel_fd, .ask = ask, .log = tell, .cancel_fd = -1};
}

struct client_prompt prompt_make(void)
{
    struct client_prompt prompt = {.ctx = NULL, .ask = ask, .log = tell, .cancel_fd = signals_fd()};
    return prompt;
}
