/*
 * main.c - adit [options] [user@]host: see adit(1). Called as ssh it is ssh.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/autossh.h"
#include "cli/autossh_watch.h"
#include "cli/background.h"
#include "cli/control.h"
#include "cli/identity_flags.h"
#include "cli/log.h"
#include "cli/mux.h"
#include "cli/query.h"
#include "cli/run.h"
#include "cli/run_lasting.h"
#include "client/client.h"
#include "client/options_dump.h"
#include "client/secret_store.h"
#include "client/ssh_config.h"
#include "net/child.h"
#include "net/confine.h"
#if ADIT_DAEMON
#include "cli/verb.h"
#endif

/* A parent may have closed some of these; what we open must not become one of them. */
static bool standard_descriptors_open(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

static void usage_show(const struct args *args, int fd)
{
    char text[ARGS_USAGE_CAP];
    args_usage(args, text);
    (void)log_write_all(fd, text, strlen(text));
#if ADIT_DAEMON
    if (!args->is_ssh)
        verb_usage(fd);
#endif
}

/* ssh's words stand alone, as programs expect them. */
static void complain(const struct args *args, const char *text)
{
    char line[LIMIT_ERROR_TEXT + 16];
    if (args->is_ssh)
        (void)adit_format(line, sizeof line, "%s", text);
    else
        (void)adit_format(line, sizeof line, "%s: %s", args->program, text);
    log_always(line);
}

static int usage_error(const struct args *args, const struct adit_error *err)
{
    complain(args, err->text);
    if (args->wants_usage)
        usage_show(args, STDERR_FILENO);
    /* To whoever wrote it an option that is not there yet is a wrong one. */
    enum adit_err e = err->code == ADIT_E_UNSUPPORTED ? ADIT_E_USAGE : err->code;
    return run_exit_status(args->options.exit_codes, e, 0);
}

static enum adit_err log_open(const struct args *args, struct adit_error *err)
{
    if (args->use_syslog)
        return log_to_syslog(args->program, args->options.syslog_facility, err);
    return args->log_file != NULL ? log_to_file(args->log_file, err) : ADIT_E_OK;
}

static void on_debug(void *ctx, const char *line)
{
    (void)ctx;
    log_line_about(LOG_LEVEL_DEBUG1, SESSION_ABOUT_CONFIG, line);
}

static void on_bad_line(void *ctx, const char *text)
{
    complain(ctx, text);
}

static enum adit_err read_configuration(struct args *args, struct adit_error *err)
{
    const struct ssh_config_query query = {.host = args->host,
                                           .file = args->config_file,
                                           .remote_command = args->command,
                                           .bad_line = on_bad_line,
                                           .debug = on_debug,
                                           .ctx = args};
    enum adit_err e = ssh_config_resolve(&args->options, &query, err);
    log_set_level((enum log_level)args->options.log_level);
    if (e == ADIT_E_OK && args->use_syslog) /* a file may have chosen the facility */
        e = log_open(args, err);
    return e;
}

/* From here on all of our text is in the log file, if there is one. */
static enum adit_err prepare(struct args *args, struct adit_error *err)
{
    const char *filter = getenv("ADIT_LOG");
    enum adit_err e = log_open(args, err);
    log_set_level((enum log_level)args->options.log_level);
    if (e == ADIT_E_OK && filter != NULL)
        e = log_set_filter(filter, err);
    if (e == ADIT_E_OK) {
        identity_flags_check(args);
        e = read_configuration(args, err);
    }
    return e == ADIT_E_OK ? args_finish(args, err) : e;
}

static int answer_query(const struct args *args, struct adit_error *err)
{
    char text[ALGORITHMS_CAP];
    if (query_answer(args->query, ADIT_DAEMON, text, err) != ADIT_E_OK)
        return usage_error(args, err);
    return log_write_all(STDOUT_FILENO, text, strlen(text)) ? 0 : 255;
}

static int connect_in_background(const struct args *args)
{
    struct background background;
    struct adit_error err = {0};
    bool is_parent;
    int status;
    if (background_fork(&background, &is_parent, &status, &err) != ADIT_E_OK)
        return usage_error(args, &err);
    if (is_parent)
        return status;
    return args->options.reconnect ? run_lasting(args, &background) : run_connection(args, &background);
}

/* What was accepted and has no effect. */
static void notes_of(const struct texts *notes, enum log_level level)
{
    for (size_t i = 0; i < notes->count; i++)
        log_line(level, notes->item[i]);
}

static void notes_tell(const struct args *args)
{
    notes_of(&args->options.notes, LOG_LEVEL_INFO);
    notes_of(&args->options.debug_notes, LOG_LEVEL_DEBUG1);
    if (args->autossh != NULL)
        notes_of(&args->autossh->notes, LOG_LEVEL_DEBUG1);
}

/* -G */
static int show_config(const struct args *args, struct adit_error *err)
{
    struct texts lines;
    texts_init(&lines);
    enum adit_err e = options_dump(&args->options, args->host, &lines, err);
    bool written = true;
    for (size_t i = 0; i < lines.count && e == ADIT_E_OK && written; i++)
        written = log_write_all(STDOUT_FILENO, lines.item[i], strlen(lines.item[i])) &&
                  log_write_all(STDOUT_FILENO, "\n", 1);
    texts_wipe(&lines);
    return e != ADIT_E_OK ? usage_error(args, err) : written ? 0 : 255;
}

/* ControlPersist, as ssh has it: the connection is a master in the background from the start, and what was
 * asked for here becomes its first guest. */
static int connect_persistently(const struct args *args)
{
    struct args master = *args, guest = *args;
    struct background background;
    struct adit_error err = {0};
    bool is_parent;
    int status, pair[2];
    master.options.session_type = SESSION_TYPE_NONE;
    master.has_stdio = false;
    master.is_persistent = true;
    guest.options.forward_count = 0; /* they are the master's */
    /* Not by the path: another program may have been faster, and be the master there. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        (void)adit_fail(&err, ADIT_E_SYSTEM, "socketpair: %s", strerror(errno));
    if (err.code != ADIT_E_OK || background_fork(&background, &is_parent, &status, &err) != ADIT_E_OK)
        return usage_error(args, &err);
    (void)close(pair[is_parent ? 1 : 0]);
    master.has_guest = true;
    master.guest_fd = pair[1];
    if (!is_parent)
        return run_connection(&master, &background);
    if (status == 0 && !mux_session_of_own(&guest, pair[0], &status))
        status = 255;
    return status;
}

/* Through a master that is there, or by a connection of our own. */
static int connect_somehow(const struct args *args)
{
    int status;
    const struct options *o = &args->options;
    if (o->reconnect)
        return o->fork_after_auth ? connect_in_background(args) : run_lasting(args, NULL);
    if (mux_session(args, &status))
        return status;
    if (control_is_persistent(o) && (o->session_type != SESSION_TYPE_NONE || args->has_stdio))
        return connect_persistently(args);
    if (control_is_persistent(o)) { /* -N: as ssh, there is nobody to stay in the foreground for */
        struct args master = *args;
        master.is_persistent = true;
        return connect_in_background(&master);
    }
    return args->options.fork_after_auth ? connect_in_background(args) : run_connection(args, NULL);
}

/* ---- Called as autossh ---- */

static int start_watched(void *ctx)
{
    const struct args *args = ctx;
    int status = connect_somehow(args);
    secret_store_wipe(); /* this process's */
    return status;
}

static int connect_for_ever(const struct args *args)
{
    struct args child = *args;
    struct adit_error err = {0};
    if (autossh_pid_write(args->autossh, &err) != ADIT_E_OK) {
        complain(args, err.text);
        return AUTOSSH_EXIT_FAILED;
    }
    child.autossh = NULL;
    int status =
        args->is_watched ? autossh_watch(args->autossh, start_watched, &child) : run_lasting(args, NULL);
    autossh_pid_remove(args->autossh);
    return status;
}

/* -f is autossh's own: nobody waits for the connection. */
static int connect_as_autossh(const struct args *args)
{
    struct background background = {.fd = -1};
    struct adit_error err = {0};
    bool is_parent = false;
    int status = AUTOSSH_EXIT_FAILED;
    if (!args->autossh->is_in_background)
        return connect_for_ever(args);
    if (background_fork(&background, &is_parent, &status, &err) != ADIT_E_OK) {
        complain(args, err.text);
        return AUTOSSH_EXIT_FAILED;
    }
    if (is_parent)
        return status;
    background_detach(&background, false, args->autossh->is_debugging);
    return connect_for_ever(args);
}

static int autossh_usage_error(const struct adit_error *err)
{
    char text[AUTOSSH_USAGE_CAP];
    if (err->text[0] != 0) {
        (void)adit_format(text, sizeof text, "autossh: %s", err->text);
        log_always(text);
        return AUTOSSH_EXIT_FAILED;
    }
    autossh_usage(text);
    (void)log_write_all(STDERR_FILENO, text, strlen(text));
    return AUTOSSH_EXIT_FAILED;
}

/* What autossh's environment says of the log, where no flag does. */
static enum adit_err take_autossh(struct args *args, const struct autossh *a, struct adit_error *err)
{
    args->autossh = a;
    if (args->log_file == NULL && !args->use_syslog)
        args->log_file = a->log_file;
    return a->log_level != NULL ? options_default(&args->options, "LogLevel", a->log_level, err) : ADIT_E_OK;
}

static int run(struct args *args, struct adit_error *err);

static int autossh_main(int argc, char **argv)
{
    static const char version[] = "autossh (adit " ADIT_VERSION ")\n";
    struct args args = {0};
    struct autossh autossh;
    struct adit_error err = {0};
    int status;
    enum adit_err e = autossh_init(&autossh, argc, argv, &err);
    if (e != ADIT_E_OK) {
        status = autossh_usage_error(&err);
    } else if (autossh.wants_version) {
        status = log_write_all(STDOUT_FILENO, version, strlen(version)) ? 0 : AUTOSSH_EXIT_FAILED;
    } else {
        if (args_parse(&args, autossh.argc, autossh.argv, &err) == ADIT_E_OK)
            (void)take_autossh(&args, &autossh, &err);
        status = run(&args, &err) == 0 ? 0 : AUTOSSH_EXIT_FAILED;
        args_wipe(&args);
    }
    autossh_wipe(&autossh);
    secret_store_wipe();
    return status;
}

/* ---- All of it ---- */

static int run(struct args *args, struct adit_error *err)
{
    static const char version[] = "adit " ADIT_VERSION "\n";
    if (err->code != ADIT_E_OK && !args->wants_help)
        return usage_error(args, err);
    if (args->wants_help) {
        usage_show(args, STDOUT_FILENO);
        return 0;
    }
    if (args->wants_version)
        return log_write_all(STDERR_FILENO, version, strlen(version)) ? 0 : 255;
    if (args->query != NULL)
        return answer_query(args, err);
    if (prepare(args, err) != ADIT_E_OK)
        return usage_error(args, err);
    if (args->wants_config)
        return show_config(args, err);
    args->options.log_level = log_most(); /* what is not wanted is left out again where it is written */
    notes_tell(args);
    if (args->options.sandbox)
        confine_memory(); /* before there is a key in it */
    if (args->control_command != NULL)
        return mux_command(args);
    return args->autossh != NULL ? connect_as_autossh(args) : connect_somehow(args);
}

int main(int argc, char **argv)
{
    struct args args = {0};
    struct adit_error err = {0};
    if (!standard_descriptors_open())
        return 255;
    child_guard_descriptors();
    /* First of all: the order of the algorithms, which options change, depends on what the CPU can do. */
    enum adit_err e = client_setup(&err);
#if ADIT_DAEMON
    if (e == ADIT_E_OK && verb_is_called(argc, argv))
        return verb_main(argc, argv);
#endif
    if (e == ADIT_E_OK && autossh_is_called(argc > 0 ? argv[0] : NULL))
        return autossh_main(argc, argv);
    if (e == ADIT_E_OK)
        e = args_parse(&args, argc, argv, &err);
    (void)e; /* also in err */
    int status = run(&args, &err);
    args_wipe(&args);
    secret_store_wipe();
    return status;
}
