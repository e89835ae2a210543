/*
 * thread.h - threads with a known stack and no signals, and what each of them is to do for itself.
 */
#ifndef NET_THREAD_H
#define NET_THREAD_H

#include <pthread.h>

#include "adit.h"

enum {
    /* A session: ML-KEM, sntrup761 and RSA take tens of KiB; musl's default is 128 KiB. */
    THREAD_STACK_SESSION = 256 * 1024,
    /* A link answers a session's questions: keys are read, opened and signed with there, names looked up, and
     * there is text on the way. */
    THREAD_STACK_LINK = 512 * 1024,
    /* A name lookup: libc's resolver keeps a few KiB of answers on the stack. */
    THREAD_STACK_RESOLVE = 128 * 1024,
    THREAD_STACK_MAX = 64 * 1024 * 1024, /* more is a mistake, and an error */
};

/* Starts run(arg) on a stack of stack_len bytes (raised to the system's minimum) with every signal blocked:
 * signals belong to the main thread. thread NULL: detached, nobody joins it. ADIT_E_SYSTEM on failure. */
enum adit_err thread_start(pthread_t *thread, size_t stack_len, void *(*run)(void *), void *arg,
                           struct adit_error *err) ADIT_MUST_USE;

/* What the system lets only a thread do to itself (net/confine.h): act runs once on each thread of
 * thread_start, by a signal of our own, and on each that is started later before anything else, unless it
 * inherits it from a thread that has acted. kind: only on those with this stack_len; 0: on all. When this
 * returns all have done it. act may call nothing but what a signal handler may. Not on the caller, who (kind
 * 0) does it next; once in a process. */
void thread_each(void (*act)(void), size_t kind);

#endif
