#include "cli/autossh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/log.h"
#include "client/sandbox.h"
#include "client/units.h"

enum { GATE_MS = 30 * 1000, POLL_S = 600, PORT_MAX = 65534 /* the next one belongs to it, too */ };

bool autossh_is_called(const char *name)
{
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    return name != NULL && strcmp(slash != NULL ? slash + 1 : name, "autossh") == 0;
}

static enum adit_err note(struct autossh *a, const char *text, struct adit_error *err)
{
    return texts_add(&a->notes, span_str(text)) ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

/* ---- The environment ---- */

static enum adit_err bad(const char *what, const char *value, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_USAGE, "invalid %s \"%s\"", what, value);
}

/* "port" or "port:echo_port". */
static enum adit_err take_port(struct autossh *a, const char *text, struct adit_error *err)
{
    const char *colon = strchr(text, ':');
    struct span first = colon != NULL ? span_make(text, (size_t)(colon - text)) : span_str(text);
    uint32_t port, echo;
    if (!units_number(first, 0, PORT_MAX, &port))
        return bad("port", text, err);
    if (colon != NULL && !units_number(span_str(colon + 1), 1, UINT16_MAX, &echo))
        return bad("echo port", colon + 1, err);
    a->is_monitored = port != 0;
    return ADIT_E_OK;
}

/* Seconds, with or without a fraction. */
static bool read_ms(const char *text, uint64_t *ms)
{
    const char *point = strchr(text, '.');
    uint32_t seconds = 0, thousandths = 0, part = 100;
    struct span whole = point != NULL ? span_make(text, (size_t)(point - text)) : span_str(text);
    if (!(point != NULL && whole.n == 0 && point[1] != 0) && !units_number(whole, 0, INT32_MAX, &seconds))
        return false;
    for (const char *at = point != NULL ? point + 1 : ""; *at != 0; at++, part /= 10) {
        if (*at < '0' || *at > '9')
            return false;
        thousandths += part * (uint32_t)(*at - '0');
    }
    *ms = seconds * 1000ULL + thousandths;
    return true;
}

static enum adit_err take_gate(struct autossh *a, const char *text, struct adit_error *err)
{
    return read_ms(text, &a->gate_ms) ? ADIT_E_OK : bad("gate time", text, err);
}

/* As syslog's: 0 is the quietest. */
static enum adit_err take_level(struct autossh *a, const char *text, struct adit_error *err)
{
    static const char *const levels[] = {"FATAL", "FATAL", "FATAL", "ERROR",
                                         "ERROR", "INFO",  "INFO",  "DEBUG1"};
    uint32_t level;
    if (!units_number(span_str(text), 0, ADIT_COUNT(levels) - 1, &level))
        return bad("log level", text, err);
    if (!a->is_debugging)
        a->log_level = levels[level];
    return ADIT_E_OK;
}

static enum adit_err take_debug(struct autossh *a, const char *text, struct adit_error *err)
{
    (void)text;
    (void)err;
    a->is_debugging = true;
    a->log_level = "DEBUG1";
    return ADIT_E_OK;
}

static enum adit_err take_max_start(struct autossh *a, const char *text, struct adit_error *err)
{
    uint32_t count;
    a->max_start = -1;
    if (strcmp(text, "-1") == 0)
        return ADIT_E_OK;
    if (!units_number(span_str(text), 0, INT32_MAX, &count))
        return bad("max start number", text, err);
    a->max_start = count;
    return ADIT_E_OK;
}

static enum adit_err take_lifetime(struct autossh *a, const char *text, struct adit_error *err)
{
    return units_number(span_str(text), 0, INT32_MAX, &a->lifetime_s) ? ADIT_E_OK
                                                                      : bad("max lifetime", text, err);
}

static enum adit_err take_poll(struct autossh *a, const char *text, struct adit_error *err)
{
    if (!units_number(span_str(text), 1, INT32_MAX, &a->poll_s))
        return bad("poll time", text, err);
    return note(a, "AUTOSSH_POLL: connections are probed every 30 seconds here; it limits pauses alone", err);
}

static enum adit_err take_first_poll(struct autossh *a, const char *text, struct adit_error *err)
{
    uint32_t seconds;
    if (!units_number(span_str(text), 1, INT32_MAX, &seconds))
        return bad("first poll time", text, err);
    return note(a, "AUTOSSH_FIRST_POLL has no effect: connections are probed every 30 seconds here", err);
}

static enum adit_err take_log_file(struct autossh *a, const char *text, struct adit_error *err)
{
    (void)err;
    a->log_file = text;
    return ADIT_E_OK;
}

static enum adit_err take_pid_file(struct autossh *a, const char *text, struct adit_error *err)
{
    (void)err;
    a->pid_file = text;
    return ADIT_E_OK;
}

static enum adit_err take_path(struct autossh *a, const char *text, struct adit_error *err)
{
    (void)text;
    return note(a, "AUTOSSH_PATH has no effect: no ssh is started, adit is it", err);
}

static enum adit_err take_message(struct autossh *a, const char *text, struct adit_error *err)
{
    (void)text;
    return note(a, "AUTOSSH_MESSAGE has no effect: nothing is sent to a monitoring port", err);
}

static enum adit_err take_service(struct autossh *a, const char *text, struct adit_error *err)
{
    (void)text;
    return note(a, "AUTOSSH_NTSERVICE has no effect: it is Cygwin's", err);
}

static enum adit_err take_environment(struct autossh *a, struct adit_error *err)
{
    static const struct variable {
        const char *name;
        enum adit_err (*take)(struct autossh *a, const char *text, struct adit_error *err);
    } variables[] = {
        {"AUTOSSH_DEBUG", take_debug},        {"AUTOSSH_FIRST_POLL", take_first_poll},
        {"AUTOSSH_GATETIME", take_gate},      {"AUTOSSH_LOGFILE", take_log_file},
        {"AUTOSSH_LOGLEVEL", take_level},     {"AUTOSSH_MAXLIFETIME", take_lifetime},
        {"AUTOSSH_MAXSTART", take_max_start}, {"AUTOSSH_MESSAGE", take_message},
        {"AUTOSSH_NTSERVICE", take_service},  {"AUTOSSH_PATH", take_path},
        {"AUTOSSH_PIDFILE", take_pid_file},   {"AUTOSSH_POLL", take_poll},
        {"AUTOSSH_PORT", take_port},
    };
    enum adit_err e = ADIT_E_OK;
    for (size_t i = 0; i < ADIT_COUNT(variables) && e == ADIT_E_OK; i++) {
        const char *text = getenv(variables[i].name);
        if (text != NULL && *text != 0)
            e = variables[i].take(a, text, err);
    }
    return e;
}

/* ---- The words ---- */

struct words {
    struct autossh *a;
    int argc;
    char *const *from;
    char *at; /* in text: where the next changed word goes */
    int i;    /* the word that is looked at */
    struct adit_error *err;
};

static void push(struct words *w, char *word)
{
    w->a->argv[w->a->argc++] = word;
}

/* Of -M: what is behind it in the word, or the next one. */
static enum adit_err monitor(struct words *w, const char *rest)
{
    if (*rest == 0)
        rest = w->i + 1 < w->argc ? w->from[++w->i] : NULL;
    return rest != NULL ? take_port(w->a, rest, w->err) : adit_fail(w->err, ADIT_E_USAGE, "%s", "");
}

/* A word of flags, without those of autossh. One with a value ends it. */
static enum adit_err flags_take(struct words *w)
{
    const char *letter = w->from[w->i] + 1;
    char *word = w->at;
    enum adit_err e = ADIT_E_OK;
    bool takes_next = false;
    *w->at++ = '-';
    for (bool is_over = false; *letter != 0 && !is_over; letter++) {
        if (*letter == 'M') {
            e = monitor(w, letter + 1);
            is_over = true;
        } else if (*letter == 'f') {
            w->a->is_in_background = true;
        } else if (*letter == 'V') {
            w->a->wants_version = true;
        } else {
            *w->at++ = *letter;
            is_over = args_flag_takes_value(*letter);
            takes_next = is_over && letter[1] == 0;
            for (const char *rest = letter + 1; is_over && *rest != 0; rest++)
                *w->at++ = *rest;
        }
    }
    *w->at++ = 0;
    if (word[1] != 0)
        push(w, word);
    if (takes_next && w->i + 1 < w->argc)
        push(w, w->from[++w->i]);
    w->i++;
    return e;
}

static enum adit_err words_take(struct words *w)
{
    bool has_host = false;
    enum adit_err e = ADIT_E_OK;
    while (w->i < w->argc && e == ADIT_E_OK) {
        char *word = w->from[w->i];
        bool is_flags = word[0] == '-' && word[1] != 0;
        if (strcmp(word, "--") == 0 || (!is_flags && has_host))
            break;
        if (is_flags) {
            e = flags_take(w);
        } else {
            has_host = true;
            push(w, word);
            w->i++;
        }
    }
    while (w->i < w->argc && e == ADIT_E_OK) /* the command's */
        push(w, w->from[w->i++]);
    return e;
}

static enum adit_err make_room(struct autossh *a, int argc, char *const argv[], struct adit_error *err)
{
    size_t n = 1;
    for (int i = 0; i < argc; i++)
        n += strlen(argv[i]) + 1;
    a->argv = calloc((size_t)argc + 4, sizeof *a->argv);
    a->text = malloc(n);
    return a->argv != NULL && a->text != NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

enum adit_err autossh_init(struct autossh *a, int argc, char *const argv[], struct adit_error *err)
{
    static char ssh[] = "ssh", option[] = "-oAditReconnect=yes", batch[] = "-oBatchMode=yes";
    *a = (struct autossh){.gate_ms = GATE_MS, .max_start = -1, .poll_s = POLL_S};
    texts_init(&a->notes);
    enum adit_err e = make_room(a, argc, argv, err);
    if (e != ADIT_E_OK)
        return e;
    struct words w = {.a = a, .argc = argc, .from = argv, .at = a->text, .i = 1, .err = err};
    push(&w, ssh);
    push(&w, option);
    push(&w, batch);
    e = take_environment(a, err);
    if (e == ADIT_E_OK)
        e = words_take(&w);
    if (e != ADIT_E_OK || a->wants_version)
        return e;
    if (argc < 2)
        return adit_fail(err, ADIT_E_USAGE, "%s", "");
    if (a->is_in_background)
        a->gate_ms = 0;
    else /* somebody may be asked */
        memmove(&a->argv[2], &a->argv[3], (size_t)(a->argc-- - 2) * sizeof *a->argv);
    return a->is_monitored
               ? note(a, "the monitoring port is not used: the connection is probed by itself", err)
               : ADIT_E_OK;
}

void autossh_wipe(struct autossh *a)
{
    texts_wipe(&a->notes);
    free(a->argv);
    free(a->text);
    a->argv = NULL;
    a->text = NULL;
}

void autossh_usage(char text[static AUTOSSH_USAGE_CAP])
{
    (void)adit_format(
        text, AUTOSSH_USAGE_CAP,
        "usage: autossh [-V] [-M monitor_port[:echo_port]] [-f] [SSH_OPTIONS]\n"
        "    -M  accepted and not used: connections are probed by themselves\n"
        "    -f  run in the background, at once\n"
        "    -V  print the version\n"
        "Of the environment: AUTOSSH_GATETIME AUTOSSH_LOGFILE AUTOSSH_LOGLEVEL AUTOSSH_MAXLIFETIME\n"
        "AUTOSSH_MAXSTART AUTOSSH_PIDFILE AUTOSSH_POLL AUTOSSH_DEBUG. See adit(1), CALLED AS AUTOSSH.\n");
}

/* ---- The file ---- */

enum adit_err autossh_pid_write(const struct autossh *a, struct adit_error *err)
{
    char text[16];
    if (a->pid_file == NULL)
        return ADIT_E_OK;
    size_t n = adit_format(text, sizeof text, "%d\n", (int)getpid());
    sandbox_need(a->pid_file, CONFINE_SOCKETS, SANDBOX_ALWAYS); /* it is removed at the end */
    int fd = open(a->pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool is_written = fd >= 0 && log_write_all(fd, text, n);
    int why = errno;
    if (fd >= 0)
        (void)close(fd);
    return is_written
               ? ADIT_E_OK
               : adit_fail(err, ADIT_E_SYSTEM, "cannot open pid file \"%s\": %s", a->pid_file, strerror(why));
}

void autossh_pid_remove(const struct autossh *a)
{
    if (a->pid_file != NULL)
        (void)unlink(a->pid_file);
}
