#include "net/thread.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

/* ---- Those that run ---- */

struct member {
    struct member *next, *before;
    pid_t tid;
    size_t kind;
};

struct beginning {
    void *(*run)(void *);
    void *arg;
    size_t kind;
    bool has_acted; /* who started it has, and that is inherited */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct member *members;
static void (*_Atomic each)(void); /* since thread_each; NULL before */
static size_t each_kind;
static sem_t done;
static _Thread_local bool has_acted;

static int act_signal(void)
{
    return SIGRTMIN + 5; /* the first ones are taken by libc and by debuggers */
}

static void lock_take(void)
{
    (void)pthread_mutex_lock(&lock);
}

static void lock_give(void)
{
    (void)pthread_mutex_unlock(&lock);
}

static bool is_concerned(size_t kind)
{
    return each != NULL && (each_kind == 0 || each_kind == kind);
}

/* True: it is to act before it begins. */
static bool member_add(struct member *m)
{
    lock_take();
    m->next = members;
    if (members != NULL)
        members->before = m;
    members = m;
    bool acts = is_concerned(m->kind);
    lock_give();
    return acts;
}

static void member_remove(struct member *m)
{
    lock_take();
    if (m->before != NULL)
        m->before->next = m->next;
    else
        members = m->next;
    if (m->next != NULL)
        m->next->before = m->before;
    lock_give();
}

/* GCC 12's TSan makes a thread's place for signals at the first call that may wait, and loses a signal which
 * comes just then: the call is made before anybody can send one. */
static void sanitizer_ready(void)
{
#if defined(__SANITIZE_THREAD__)
    (void)poll(NULL, 0, 0);
#endif
}

static void *begin(void *arg)
{
    struct beginning b = *(struct beginning *)arg;
    struct member self = {.tid = (pid_t)syscall(SYS_gettid), .kind = b.kind};
    free(arg);
    has_acted = b.has_acted;
    sanitizer_ready();
    if (member_add(&self) && !has_acted) {
        has_acted = true;
        each();
    }
    void *back = b.run(b.arg);
    member_remove(&self);
    return back;
}

static void on_signal(int number)
{
    int why = errno;
    (void)number;
    has_acted = true;
    each();
    (void)sem_post(&done);
    errno = why;
}

void thread_each(void (*act)(void), size_t kind)
{
    struct sigaction before, now = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pid_t pid = getpid();
    unsigned asked = 0;
    (void)sem_init(&done, 0, 0);
    lock_take();
    each = act;
    each_kind = kind;
    has_acted = kind == 0; /* its caller acts, too */
    (void)sigaction(act_signal(), &now, &before);
    /* One that a fork has left behind is not there any more, and the call says so. */
    for (const struct member *m = members; m != NULL; m = m->next)
        if (is_concerned(m->kind))
            asked += syscall(SYS_tgkill, pid, m->tid, act_signal()) == 0;
    while (asked > 0)
        asked -= sem_wait(&done) == 0;
    (void)sigaction(act_signal(), &before, NULL);
    lock_give();
}

/* ---- Starting one ---- */

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

/* A child must not find the lock taken by a thread that it does not have. */
static void forks_prepare(void)
{
    (void)pthread_atfork(lock_take, lock_give, lock_give);
}

enum adit_err thread_start(pthread_t *thread, size_t stack_len, void *(*run)(void *), void *arg,
                           struct adit_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_attr_t attr;
    pthread_t unused;
    sigset_t all, before;
    struct beginning *b = malloc(sizeof *b);
    int why = b == NULL ? ENOMEM : attr_init(&attr, stack_len, thread == NULL);

    (void)pthread_once(&once, forks_prepare);
    if (why == 0) {
        *b = (struct beginning){run, arg, stack_len, has_acted};
        (void)sigfillset(&all);
        (void)sigdelset(&all, act_signal());
        /* A thread inherits the mask: blocked before it exists, no signal can ever reach it but our own. */
        why = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (why == 0) {
            why = pthread_create(thread ? thread : &unused, &attr, begin, b);
            (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        (void)pthread_attr_destroy(&attr);
    }
    if (why != 0)
        free(b);
    if (why != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot start a thread: %s", strerror(why));
    return ADIT_E_OK;
}
