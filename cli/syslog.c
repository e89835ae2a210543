#include "cli/syslog.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "net/sock.h"

enum { HEAD_CAP = 128, TEXT_CAP = 8192 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *name = "";
static int its_facility, fd = -1;

void syslog_begin(const char *program, int facility)
{
    name = program;
    its_facility = facility;
}

static void reach(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    sock_close(&fd);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        sock_close(&fd);
}

/* "<13>Nov 21 16:59:07 adit[77]: ", in UTC, as musl's has it: whoever takes it has a clock of its own. */
static size_t put_head(char out[static HEAD_CAP], int priority)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t = {0};
    time_t now = time(NULL);
    (void)gmtime_r(&now, &t);
    return adit_format(out, HEAD_CAP, "<%d>%.3s %2d %02d:%02d:%02d %.32s[%d]: ", its_facility | priority,
                       months + (size_t)t.tm_mon * 3, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, name,
                       (int)getpid());
}

void syslog_line(int priority, const char *line)
{
    char text[HEAD_CAP + TEXT_CAP];
    size_t n = put_head(text, priority);
    n += adit_format(text + n, sizeof text - n, "%s", line);
    (void)pthread_mutex_lock(&lock);
    if (fd < 0)
        reach();
    if (fd >= 0 && send(fd, text, n, MSG_NOSIGNAL) < 0) { /* the daemon was started anew: once more */
        reach();
        if (fd >= 0)
            (void)send(fd, text, n, MSG_NOSIGNAL);
    }
    (void)pthread_mutex_unlock(&lock);
}
