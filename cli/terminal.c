#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/log.h"

static int tty_open(void)
{
    return open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

bool terminal_exists(void)
{
    int fd = tty_open();
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static volatile sig_atomic_t was_continued;

static void on_continue(int number)
{
    (void)number;
    was_continued = 1;
}

/* Secrets are typed with echo off but with line editing; the newline is shown. */
static bool echo_off(int fd, const struct termios *before)
{
    struct termios off = *before;
    off.c_lflag &= (tcflag_t) ~(tcflag_t)(ECHO | ECHOE | ECHOK);
    off.c_lflag |= ECHONL | ICANON | ISIG;
    /* TCSAFLUSH: what was typed before nobody asked is not the answer. */
    return tcsetattr(fd, TCSAFLUSH, &off) == 0;
}

/* One byte of the terminal. 1: got it, 0: end of file or cancelled, -1: look again. */
static int byte_read(int fd, int cancel_fd, char *c)
{
    struct pollfd ready[2] = {{fd, POLLIN, 0}, {cancel_fd, POLLIN, 0}};
    if (poll(ready, cancel_fd < 0 ? 1 : 2, -1) < 0)
        return errno == EINTR ? -1 : 0;
    if (cancel_fd >= 0 && ready[1].revents != 0)
        return 0;
    ssize_t n = read(fd, c, 1);
    return n == 1 ? 1 : n < 0 && (errno == EINTR || errno == EAGAIN) ? -1 : 0;
}

static bool line_read(int fd, int cancel_fd, const struct termios *secret, char *answer, size_t cap)
{
    size_t n = 0;
    for (;;) {
        char c;
        int got = byte_read(fd, cancel_fd, &c);
        if (was_continued) { /* the shell has put its own settings back */
            was_continued = 0;
            if (secret != NULL && !echo_off(fd, secret))
                return false;
        }
        if (got == 0)
            return false;
        if (got < 0)
            continue;
        if (c == '\n' || c == '\r')
            break;
        if (n < cap)
            answer[n++] = c;
    }
    if (n >= cap)
        return false;
    answer[n] = 0;
    return true;
}

bool terminal_ask(const char *text, bool echo, int cancel_fd, char *answer, size_t cap)
{
    struct sigaction old, watch = {.sa_handler = on_continue};
    struct termios before;
    bool fine = false;
    int fd = tty_open();
    if (fd < 0 || tcgetattr(fd, &before) != 0 || sigaction(SIGCONT, &watch, &old) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    if (echo || echo_off(fd, &before))
        fine = log_write_all(fd, text, strlen(text)) &&
               line_read(fd, cancel_fd, echo ? NULL : &before, answer, cap);
    (void)tcsetattr(fd, TCSADRAIN, &before);
    if (!fine) {
        (void)log_write_all(fd, "\n", 1);
        adit_wipe(answer, cap);
    }
    (void)sigaction(SIGCONT, &old, NULL);
    (void)close(fd);
    return fine;
}
