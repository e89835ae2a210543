#define _GNU_SOURCE /* pipe2 */
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/raw.h"

static int pipe_fds[2] = {-1, -1};
static volatile sig_atomic_t last_signal, signal_count;
static int hung_status;

/* The main thread hangs, in a write that nobody reads: it will not tidy up any more. */
static void on_alarm(int number)
{
    (void)number;
    raw_leave();
    _exit(hung_status < 0 ? 128 + last_signal : hung_status);
}

static void on_signal(int number)
{
    int saved = errno;
    uint8_t byte = (uint8_t)number;
    last_signal = number;
    if (signal_count < 2) /* more of them do not put it off */
        (void)alarm(signal_count++ == 0 ? SIGNALS_HANG_S : SIGNALS_HANG_AT_ONCE_S);
    /* A full pipe holds enough signals to be noticed. */
    ssize_t ignored = write(pipe_fds[1], &byte, 1);
    (void)ignored;
    errno = saved;
}

/* Nothing ends by it. */
static void on_news(int number)
{
    int saved = errno;
    uint8_t byte = (uint8_t)number;
    ssize_t ignored = write(pipe_fds[1], &byte, 1);
    (void)ignored;
    errno = saved;
}

bool signals_watch(int number)
{
    struct sigaction watch = {.sa_handler = on_news, .sa_flags = SA_RESTART};
    (void)sigfillset(&watch.sa_mask);
    return sigaction(number, &watch, NULL) == 0;
}

static bool catch_signal(int number)
{
    struct sigaction old, new = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigfillset(&new.sa_mask);
    if (sigaction(number, NULL, &old) != 0)
        return false;
    return old.sa_handler == SIG_IGN || sigaction(number, &new, NULL) == 0;
}

void signals_ignore_pipe(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

enum adit_err signals_init(int status, struct adit_error *err)
{
    struct sigaction give_up = {.sa_handler = on_alarm};
    hung_status = status;
    if (signals_fd() < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "pipe: %s", strerror(errno));
    bool fine = sigaction(SIGALRM, &give_up, NULL) == 0 && catch_signal(SIGINT) && catch_signal(SIGTERM) &&
                catch_signal(SIGHUP) && catch_signal(SIGQUIT);
    return fine ? ADIT_E_OK : adit_fail(err, ADIT_E_SYSTEM, "sigaction: %s", strerror(errno));
}

/* Asked for before signals_init, too: whoever is to be cancelled may be made before the signals are caught.
 */
int signals_fd(void)
{
    if (pipe_fds[0] < 0 && pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
        pipe_fds[0] = -1;
    return pipe_fds[0];
}

int signals_take(void)
{
    uint8_t byte;
    return read(pipe_fds[0], &byte, 1) == 1 ? byte : 0;
}

int signals_seen(void)
{
    return last_signal;
}
