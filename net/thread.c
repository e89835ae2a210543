#include "net/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Sanitizers lay red zones around every variable and keep their own state on the stack. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_FACTOR 8u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STACK_FACTOR 8u
#endif
#endif
#ifndef STACK_FACTOR
#define STACK_FACTOR 1u
#endif

static size_t stack_round(size_t len)
{
    long min = sysconf(_SC_THREAD_STACK_MIN);
    size_t page = 64u * 1024; /* a multiple of every page size in use */

    len *= STACK_FACTOR;
    if (min > 0 && len < (size_t)min)
        len = (size_t)min;
    return (len + page - 1) / page * page;
}

static int attr_init(pthread_attr_t *attr, size_t stack_len, bool detached)
{
    int why = stack_len > THREAD_STACK_MAX ? EINVAL : pthread_attr_init(attr);

    if (why != 0)
        return why;
    why = pthread_attr_setstacksize(attr, stack_round(stack_len));
    if (why == 0 && detached)
        why = pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
    if (why != 0)
        (void)pthread_attr_destroy(attr);
    return why;
}

enum adit_err thread_start(pthread_t *thread, size_t stack_len, void *(*run)(void *), void *arg,
                           struct adit_error *err)
{
    pthread_attr_t attr;
    pthread_t unused;
    sigset_t all, before;
    int why = attr_init(&attr, stack_len, thread == NULL);

    if (why == 0) {
        (void)sigfillset(&all);
        /* A thread inherits the mask: blocked before it exists, no signal can ever reach it. */
        why = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (why == 0) {
            why = pthread_create(thread ? thread : &unused, &attr, run, arg);
            (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        (void)pthread_attr_destroy(&attr);
    }
    if (why != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot start a thread: %s", strerror(why));
    return ADIT_E_OK;
}
