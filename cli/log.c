#include "cli/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/raw.h"
#include "cli/syslog.h"
#include "client/client.h"
#include "client/log_filter.h"
#include "net/standard.h"

enum { LINE_CAP = 8192, PREFIX_CAP = 16 };

static atomic_int log_level = LOG_LEVEL_INFO;
static int log_fd = STDERR_FILENO;
static bool is_syslog;
static atomic_bool waits_for_nobody;
static atomic_uint left_out; /* lines, since the last that was taken */
static bool has_filter;      /* once true it stays */
static struct log_filter filter;
static pthread_mutex_t filter_lock = PTHREAD_MUTEX_INITIALIZER; /* ~v changes it while sessions speak */

/* As a session's. */
static enum log_level level_of(enum session_level level)
{
    static const enum log_level levels[] = {
        [SESSION_QUIET] = LOG_LEVEL_QUIET,   [SESSION_ERROR] = LOG_LEVEL_ERROR,
        [SESSION_INFO] = LOG_LEVEL_INFO,     [SESSION_VERBOSE] = LOG_LEVEL_VERBOSE,
        [SESSION_DEBUG1] = LOG_LEVEL_DEBUG1, [SESSION_DEBUG2] = LOG_LEVEL_DEBUG2,
        [SESSION_DEBUG3] = LOG_LEVEL_DEBUG3};
    return levels[level];
}

void log_set_level(enum log_level level)
{
    if (has_filter) {
        (void)pthread_mutex_lock(&filter_lock);
        log_filter_set_level(&filter, client_log_level(level));
        if (filter.is_set[SESSION_ABOUT_DAEMON])
            level = level_of(filter.level[SESSION_ABOUT_DAEMON]);
        (void)pthread_mutex_unlock(&filter_lock);
    }
    atomic_store(&log_level, (int)level);
}

enum adit_err log_set_filter(const char *text, struct adit_error *err)
{
    log_filter_init(&filter, client_log_level(log_get_level()));
    has_filter = true;
    enum adit_err e = log_filter_parse(&filter, text, err);
    log_set_level(log_get_level());
    return e;
}

enum log_level log_most(void)
{
    return has_filter ? level_of(log_filter_most(&filter)) : log_get_level();
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load(&log_level);
}

enum adit_err log_to_file(const char *path, struct adit_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "Couldn't open logfile %s: %s", path, strerror(errno));
    if (log_fd != STDERR_FILENO)
        (void)close(log_fd);
    log_fd = fd;
    return ADIT_E_OK;
}

static bool facility_find(const char *name, int *number)
{
    static const struct {
        const char *name;
        int number;
    } rows[] = {{"DAEMON", LOG_DAEMON},     {"USER", LOG_USER},     {"AUTH", LOG_AUTH},
                {"AUTHPRIV", LOG_AUTHPRIV}, {"LOCAL0", LOG_LOCAL0}, {"LOCAL1", LOG_LOCAL1},
                {"LOCAL2", LOG_LOCAL2},     {"LOCAL3", LOG_LOCAL3}, {"LOCAL4", LOG_LOCAL4},
                {"LOCAL5", LOG_LOCAL5},     {"LOCAL6", LOG_LOCAL6}, {"LOCAL7", LOG_LOCAL7}};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        if (!text_same(rows[i].name, name))
            continue;
        *number = rows[i].number;
        return true;
    }
    return false;
}

enum adit_err log_to_syslog(const char *program, const char *facility, struct adit_error *err)
{
    int number = LOG_USER;
    if (facility != NULL && !facility_find(facility, &number))
        return adit_fail(err, ADIT_E_USAGE, "SyslogFacility: '%s' is not a facility of syslog", facility);
    syslog_begin(program, number);
    is_syslog = true;
    return ADIT_E_OK;
}

bool log_is_on_stderr(void)
{
    return !is_syslog && log_fd == STDERR_FILENO;
}

void log_wait_for_nobody(void)
{
    atomic_store(&waits_for_nobody, true);
}

bool log_write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EAGAIN) { /* whoever shares the descriptor made it non-blocking */
            struct pollfd ready = {fd, POLLOUT, 0};
            (void)poll(&ready, 1, -1);
            continue;
        }
        if (n < 0 && errno != EINTR)
            return false;
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static const char *prefix_of(enum log_level level)
{
    static const char *const prefix[] = {"", "", "", "", "", "debug1: ", "debug2: ", "debug3: "};
    return prefix[level];
}

static int priority_of(enum log_level level)
{
    return level <= LOG_LEVEL_FATAL   ? LOG_CRIT
           : level == LOG_LEVEL_ERROR ? LOG_ERR
           : level < LOG_LEVEL_DEBUG1 ? LOG_INFO
                                      : LOG_DEBUG;
}

/* False: not all of it was taken. */
static bool is_taken(int fd, const char *text, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)text, len};
    struct adit_error err = {ADIT_E_OK, ""};
    size_t n = 0;
    while (part.iov_len > 0 && standard_writev(fd, &part, 1, &n, &err) == SOCK_IO_OK)
        part = (struct iovec){(char *)part.iov_base + n, part.iov_len - n};
    return part.iov_len == 0;
}

static void write_or_leave(int fd, const char *line, size_t n)
{
    char note[80];
    unsigned count = atomic_exchange(&left_out, 0);
    size_t note_len =
        count > 0 ? adit_format(note, sizeof note, "\r\n(%u lines of the log were left out here)\r\n", count)
                  : 0;
    if (!is_taken(fd, note, note_len))
        atomic_fetch_add(&left_out, count + 1);
    else if (!is_taken(fd, line, n))
        atomic_fetch_add(&left_out, 1);
}

/* What others share is theirs to make blocking or not: the line goes to a description of our own. */
static void line_out(enum log_level level, const char *line, size_t n)
{
    struct standard own = {-1, true};
    struct adit_error err = {ADIT_E_OK, ""};
    if (atomic_load(&waits_for_nobody) && level > LOG_LEVEL_FATAL &&
        standard_copy(&own, log_fd, true, &err) == ADIT_E_OK && !own.is_shared)
        write_or_leave(own.fd, line, n);
    else
        (void)log_write_all(log_fd, line, n); /* nobody is left to be told */
    sock_close(&own.fd);
}

static void line_write(enum log_level level, const char *text)
{
    char line[PREFIX_CAP + LINE_CAP];
    size_t n = adit_format(line, PREFIX_CAP, "%s", prefix_of(level));
    n += adit_text_clean(line + n, sizeof line - n - 2, span_str(text), false);
    if (is_syslog) {
        syslog_line(priority_of(level), line);
        return;
    }
    if (raw_is_on() && log_is_on_stderr()) /* the terminal does not go back to the line's start by itself */
        line[n++] = '\r';
    line[n++] = '\n';
    line_out(level, line, n);
}

void log_line(enum log_level level, const char *text)
{
    if (level <= log_get_level() && level != LOG_LEVEL_QUIET)
        line_write(level, text);
}

void log_line_about(enum log_level level, enum session_about about, const char *text)
{
    if (!has_filter || level <= LOG_LEVEL_FATAL) {
        log_line(level, text);
        return;
    }
    (void)pthread_mutex_lock(&filter_lock);
    bool is_wanted = log_filter_wants(&filter, client_log_level(level), about);
    (void)pthread_mutex_unlock(&filter_lock);
    if (is_wanted)
        line_write(level, text);
}

void log_session_line(enum session_level level, enum session_about about, const char *text)
{
    log_line_about(level_of(level), about, text);
}

void log_always(const char *text)
{
    line_write(LOG_LEVEL_FATAL, text);
}

void log_format(enum log_level level, const char *fmt, ...)
{
    char text[LINE_CAP / 4];
    va_list ap;
    if (level > log_get_level())
        return;
    va_start(ap, fmt);
    (void)adit_vformat(text, sizeof text, fmt, ap);
    va_end(ap);
    log_line(level, text);
}
