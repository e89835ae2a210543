#include "net/resolve.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/reason.h"
#include "net/thread.h"

/* Held by its owner, and by the helper thread from taking it out of the queue to its end. The name, port and
 * family never change; the answer is written by the thread before the letter, and read by the owner after it.
 */
struct resolve {
    struct mail mail;
    struct mailbox *box;
    struct resolve *next, *prev; /* in the queue */
    char host[RESOLVE_NAME_CAP];
    uint16_t port;
    int family;
    bool is_queued;
    bool is_running;
    bool is_orphan; /* the owner has gone: the thread frees it */
    size_t count;
    struct sock_addr *addrs; /* count of them; made with the answer, for thousands of requests may wait */
    char reason[128];        /* when count is 0 */
};

/* One queue and its threads for the whole process. Locked before a mailbox's lock, never after. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct resolve *queue_first, *queue_last;
static unsigned threads;

/* ---- The queue; the lock is held ---- */

static void queue_push(struct resolve *r)
{
    r->is_queued = true;
    r->next = NULL;
    r->prev = queue_last;
    *(queue_last ? &queue_last->next : &queue_first) = r;
    queue_last = r;
}

static void queue_remove(struct resolve *r)
{
    *(r->prev ? &r->prev->next : &queue_first) = r->next;
    *(r->next ? &r->next->prev : &queue_last) = r->prev;
    r->next = r->prev = NULL;
    r->is_queued = false;
}

/* ---- The lookup ---- */

static void reason_set(struct resolve *r, const char *reason)
{
    (void)adit_format(r->reason, sizeof r->reason, "%s", reason);
}

static bool is_usable(const struct addrinfo *info)
{
    return (info->ai_family == AF_INET || info->ai_family == AF_INET6) &&
           info->ai_addrlen <= sizeof(struct sockaddr_storage);
}

static bool addrs_make(struct resolve *r, size_t count)
{
    r->addrs = calloc(count, sizeof *r->addrs);
    if (!r->addrs)
        reason_set(r, "out of memory");
    return r->addrs != NULL;
}

static void addrs_take(struct resolve *r, const struct addrinfo *list)
{
    size_t count = 0;

    for (const struct addrinfo *at = list; at && count < RESOLVE_ADDRS; at = at->ai_next)
        count += is_usable(at);
    if (count == 0)
        reason_set(r, "no usable address");
    if (count == 0 || !addrs_make(r, count))
        return;
    for (; list && r->count < count; list = list->ai_next) {
        struct sock_addr *a = &r->addrs[r->count];

        if (!is_usable(list))
            continue;
        memcpy(&a->storage, list->ai_addr, list->ai_addrlen);
        a->len = list->ai_addrlen;
        sock_addr_set_port(a, r->port);
        r->count++;
    }
}

static void lookup(struct resolve *r)
{
    const struct addrinfo hints = {.ai_family = r->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(r->host, NULL, &hints, &list);

    /* RFC 6761 §6.3: localhost is always the loopback, also where no hosts file says so (in containers).
     * Without a host getaddrinfo gives the loopback addresses. */
    if (code != 0 && strcasecmp(r->host, "localhost") == 0)
        code = getaddrinfo(NULL, "0", &hints, &list);
    if (code == 0) {
        addrs_take(r, list);
        freeaddrinfo(list);
    } else {
        reason_set(r, reason_lookup_text(code));
    }
}

static void request_free(struct resolve *r)
{
    if (r)
        free(r->addrs);
    free(r);
}

/* Looks up what is queued until nothing is; then the thread ends. */
static void *thread_run(void *unused)
{
    struct resolve *r;

    (void)unused;
    (void)pthread_mutex_lock(&lock);
    while ((r = queue_first) != NULL) {
        queue_remove(r);
        r->is_running = true;
        (void)pthread_mutex_unlock(&lock);
        lookup(r);
        (void)pthread_mutex_lock(&lock);
        r->is_running = false;
        if (r->is_orphan)
            request_free(r);
        else
            mailbox_post(r->box, &r->mail);
    }
    threads--;
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

/* A request that finds no thread free and none to be had waits for one that runs; only when there is none at
 * all it fails. */
static enum adit_err enqueue(struct resolve *r, struct adit_error *err)
{
    struct adit_error why = {0};
    enum adit_err e = ADIT_E_OK;

    (void)pthread_mutex_lock(&lock);
    queue_push(r);
    if (threads < RESOLVE_THREADS) {
        e = thread_start(NULL, THREAD_STACK_RESOLVE, thread_run, NULL, &why);
        if (e == ADIT_E_OK)
            threads++;
        else if (threads > 0)
            e = ADIT_E_OK;
        else
            queue_remove(r);
    }
    (void)pthread_mutex_unlock(&lock);
    return e == ADIT_E_OK ? e : adit_fail(err, e, "%s", why.text);
}

/* ---- Requests ---- */

static bool literal_take(struct resolve *r)
{
    struct sock_addr literal;

    if (!sock_addr_parse(&literal, r->host, r->port))
        return false;
    if (r->family != AF_UNSPEC && r->family != sock_addr_family(&literal)) {
        reason_set(r, "the address is of the other IP version");
    } else if (addrs_make(r, 1)) {
        r->addrs[0] = literal;
        r->count = 1;
    }
    return true;
}

enum adit_err resolve_start(struct resolve **out, const char *host, uint16_t port, int family,
                            struct mailbox *box, int kind, void *owner, struct adit_error *err)
{
    size_t n = strlen(host);
    struct resolve *r;
    enum adit_err e = ADIT_E_OK;

    *out = NULL;
    if (n == 0 || n >= RESOLVE_NAME_CAP)
        return adit_fail(err, ADIT_E_RESOLVE,
                         n == 0 ? "the host name is empty" : "the host name is too long");
    r = calloc(1, sizeof *r);
    if (!r)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    r->mail = (struct mail){.kind = kind, .owner = owner};
    r->box = box;
    memcpy(r->host, host, n + 1);
    r->port = port;
    r->family = family;
    if (literal_take(r))
        mailbox_post(box, &r->mail);
    else
        e = enqueue(r, err);
    if (e == ADIT_E_OK)
        *out = r;
    else
        request_free(r);
    return e;
}

struct resolve *resolve_of_mail(struct mail *m)
{
    /* The letter is the request's first member. */
    return (struct resolve *)(void *)m;
}

enum adit_err resolve_result(const struct resolve *r, const struct sock_addr **addrs, size_t *count,
                             struct adit_error *err)
{
    *addrs = r->addrs;
    *count = r->count;
    if (r->count > 0)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_RESOLVE, "Could not resolve hostname %s: %s", r->host, r->reason);
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    (void)pthread_mutex_lock(&lock);
    if (r->is_running) {
        r->is_orphan = true;
        r = NULL;
    } else if (r->is_queued) {
        queue_remove(r);
    } else {
        (void)mailbox_withdraw(r->box, &r->mail);
    }
    (void)pthread_mutex_unlock(&lock);
    request_free(r);
}
