#include "cli/hold.h"

#include <signal.h>
#include <unistd.h>

#include "cli/raw.h"
#include "cli/signals.h"

static bool stop_is_watched;

/* One that is ignored (a shell without job control) stays so. */
static void watch_stop(void)
{
    struct sigaction now;
    if (sigaction(SIGTSTP, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        stop_is_watched = signals_watch(SIGTSTP);
}

static void unwatch_stop(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    if (stop_is_watched)
        (void)sigaction(SIGTSTP, &plain, NULL);
    stop_is_watched = false;
}

bool hold_take(void)
{
    if (raw_is_on())
        return true;
    if (!raw_enter(STDIN_FILENO))
        return false;
    (void)signals_watch(SIGCONT);
    watch_stop();
    return true;
}

void hold_give(void)
{
    raw_leave();
    unwatch_stop();
}

bool hold_pause(void)
{
    bool was_held = raw_is_on();
    hold_give();
    return was_held;
}

void hold_resume(bool was_held)
{
    if (was_held)
        (void)hold_take();
}

void hold_stop(void)
{
    bool was_held = hold_pause();
    (void)kill(getpid(), SIGTSTP); /* all threads stop here */
    hold_resume(was_held);
}

void hold_again(void)
{
    raw_again();
}
