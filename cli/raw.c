#include "cli/raw.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct termios before, raw;
static int raw_fd = -1;
static volatile sig_atomic_t is_raw;

bool raw_is_on(void)
{
    return is_raw;
}

bool raw_before(int fd, struct termios *out)
{
    if (is_raw && fd == raw_fd) {
        *out = before;
        return true;
    }
    return tcgetattr(fd, out) == 0;
}

void raw_leave(void)
{
    int saved = errno;
    if (is_raw)
        (void)tcsetattr(raw_fd, TCSANOW, &before);
    is_raw = 0;
    errno = saved;
}

static bool leave_at_exit(void)
{
    static bool is_registered;
    if (!is_registered)
        is_registered = atexit(raw_leave) == 0;
    return is_registered;
}

bool raw_enter(int fd)
{
    if (is_raw)
        return true;
    if (!leave_at_exit() || tcgetattr(fd, &before) != 0)
        return false;
    raw = before;
    raw.c_iflag |= IGNPAR;
    raw.c_iflag &= (tcflag_t) ~(tcflag_t)(ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXANY | IXOFF | IUCLC);
    raw.c_lflag &= (tcflag_t) ~(tcflag_t)(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHONL | IEXTEN);
    raw.c_oflag &= (tcflag_t) ~(tcflag_t)OPOST;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    raw_fd = fd;
    is_raw = 1; /* first: a signal between the two must undo it */
    if (tcsetattr(fd, TCSADRAIN, &raw) == 0)
        return true;
    is_raw = 0;
    return false;
}

void raw_again(void)
{
    /* From the background it would stop us: whoever brings us forward continues us once more. */
    if (is_raw && tcgetpgrp(raw_fd) == getpgrp())
        (void)tcsetattr(raw_fd, TCSADRAIN, &raw);
}
