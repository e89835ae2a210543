#include "cli/log.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { LINE_CAP = 8192, PREFIX_CAP = 16 };

static atomic_int log_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load(&log_level);
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

void log_line(enum log_level level, const char *text)
{
    static const char *const prefix[] = {"", "", "", "", "", "debug1: ", "debug2: ", "debug3: "};
    char line[PREFIX_CAP + LINE_CAP];
    if (level > log_get_level() || level == LOG_LEVEL_QUIET)
        return;
    size_t n = adit_format(line, PREFIX_CAP, "%s", prefix[level]);
    n += adit_text_clean(line + n, sizeof line - n - 1, span_str(text), false);
    line[n++] = '\n';
    (void)log_write_all(STDERR_FILENO, line, n); /* nobody is left to be told */
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
