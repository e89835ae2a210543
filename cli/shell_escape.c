/*
 * shell_escape.c - what the escape sequences of ssh(1) do.
 */
#include <string.h>
#include <unistd.h>

#include "cli/commandline.h"
#include "cli/hold.h"
#include "cli/log.h"
#include "cli/shell.h"

static const char escape_help[] = "Supported escape sequences:\r\n"
                                  " ~.   - terminate connection\r\n"
                                  " ~B   - send a BREAK to the remote system\r\n"
                                  "%s"
                                  " ~R   - request rekey\r\n"
                                  " ~V/v - decrease/increase verbosity (LogLevel)\r\n"
                                  " ~^Z  - suspend\r\n"
                                  " ~#   - list forwarded connections\r\n"
                                  " ~&   - background ssh (when waiting for connections to terminate)\r\n"
                                  " ~?   - this message\r\n"
                                  " ~~   - send the escape character by typing it twice\r\n"
                                  "(Note that escapes are only recognized immediately after newline.)\r\n";

static void print(const char *text)
{
    (void)log_write_all(STDERR_FILENO, text, strlen(text));
}

static void print_typed(const struct shell *s, const char *what, const char *more)
{
    char line[128];
    (void)adit_format(line, sizeof line, "%c%s%s\r\n", s->escape.character, what, more);
    print(line);
}

static void print_help(const struct shell *s)
{
    char text[sizeof escape_help + 64];
    (void)adit_format(text, sizeof text, escape_help,
                      s->has_commandline ? " ~C   - open a command line\r\n" : "");
    print(text);
}

static void take_command(struct shell *s)
{
    if (!s->has_commandline)
        print("commandline disabled\r\n");
    else if (s->session != NULL)
        commandline_run(&s->commandline, s->session);
}

static void suspend(struct shell *s)
{
    print_typed(s, "^Z", " [suspend ssh]");
    shell_on_stop(s);
}

static void change_level(struct shell *s, int step)
{
    static const char *const names[] = {"QUIET",   "FATAL",  "ERROR",  "INFO",
                                        "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"};
    static const enum session_level levels[] = {SESSION_QUIET,  SESSION_QUIET,   SESSION_ERROR,
                                                SESSION_INFO,   SESSION_VERBOSE, SESSION_DEBUG1,
                                                SESSION_DEBUG2, SESSION_DEBUG3};
    char text[32];
    int level = (int)log_get_level() + step;
    if (level >= LOG_LEVEL_QUIET && level <= LOG_LEVEL_DEBUG3)
        log_set_level((enum log_level)level);
    level = (int)log_get_level();
    (void)adit_format(text, sizeof text, " [LogLevel %s]", names[level]);
    print_typed(s, step < 0 ? "V" : "v", text);
    const struct session_command c = {.kind = SESSION_DO_LOG_LEVEL, .level = levels[level]};
    if (s->session != NULL)
        (void)session_do(s->session, &c);
}

static void list_connections(struct shell *s)
{
    print_typed(s, "#", "");
    if (s->session == NULL || s->is_counting)
        return;
    s->is_counting = true;
    s->snapshot.reply_to = s->box;
    session_snapshot(s->session, &s->snapshot);
}

void shell_on_snapshot(struct shell *s)
{
    const struct session_stats *now = &s->snapshot.stats;
    char text[160];
    s->is_counting = false;
    (void)adit_format(text, sizeof text,
                      "The following connections are open:\r\n"
                      "  1 session, %u forwarded; %llu bytes sent, %llu received\r\n",
                      now->open_now > 0 ? now->open_now - 1 : 0, (unsigned long long)now->bytes_up,
                      (unsigned long long)now->bytes_down);
    print(text);
}

/* As ssh: no new forwarded connections, and an end of input for the session, which what reads a terminal
 * there learns from the letter alone; those that are there go on. */
static enum shell_wish background(struct shell *s)
{
    print_typed(s, "&", " [backgrounded]");
    hold_give();
    if (shell_flush(s) && s->exec.wants_pty)
        (void)!write(s->pipe[1], "\004", 1);
    shell_end_input(s);
    (void)shell_tell(s, SESSION_DO_STOP_LISTENING);
    return SHELL_LEAVES;
}

enum shell_wish shell_escape(struct shell *s, enum escape_action action)
{
    switch (action) {
    case ESCAPE_NONE:
        break;
    case ESCAPE_QUIT:
        print_typed(s, ".", "");
        return SHELL_QUITS;
    case ESCAPE_SUSPEND:
        suspend(s);
        break;
    case ESCAPE_BACKGROUND:
        return background(s);
    case ESCAPE_CONNECTIONS:
        list_connections(s);
        break;
    case ESCAPE_HELP:
        print_typed(s, "?", "");
        print_help(s);
        break;
    case ESCAPE_BREAK:
        print_typed(s, "B", "");
        (void)shell_tell(s, SESSION_DO_BREAK);
        break;
    case ESCAPE_COMMAND:
        take_command(s);
        break;
    case ESCAPE_REKEY:
        (void)shell_tell(s, SESSION_DO_REKEY);
        break;
    case ESCAPE_QUIETER:
        change_level(s, -1);
        break;
    case ESCAPE_LOUDER:
        change_level(s, 1);
        break;
    }
    return SHELL_STAYS;
}
