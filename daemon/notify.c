#include "daemon/notify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/units.h"

void notify_send(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path != NULL ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@')
        to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    ssize_t ignored = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)(const void *)&to,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    (void)ignored;
    (void)close(fd);
}

void notify_reloading(void)
{
    char text[64];
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)adit_format(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
                      (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
    notify_send(text);
}

/* A number that is meant for this process: the other variable holds its id. */
static uint32_t number_for_us(const char *name, const char *pid_name, bool needs_pid)
{
    const char *text = getenv(name), *pid = getenv(pid_name);
    uint32_t n, whose;
    if (text == NULL || !units_number(span_str(text), 1, UINT32_MAX, &n) || (pid == NULL && needs_pid))
        return 0;
    if (pid != NULL && (!units_number(span_str(pid), 1, UINT32_MAX, &whose) || whose != (uint32_t)getpid()))
        return 0;
    return n;
}

uint64_t notify_watchdog_ms(void)
{
    uint32_t us = number_for_us("WATCHDOG_USEC", "WATCHDOG_PID", false);
    return us == 0 ? 0 : us < 2000 ? 1 : us / 2000;
}

size_t notify_listen_fds(void)
{
    uint32_t n = number_for_us("LISTEN_FDS", "LISTEN_PID", true);
    return n < NOTIFY_FDS_MAX ? n : NOTIFY_FDS_MAX;
}
