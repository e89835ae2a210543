/*
 * resolve.h - host names to addresses without blocking the loop.
 *
 * getaddrinfo blocks and cannot be cancelled, so it runs on helper threads: at most RESOLVE_THREADS in the
 * process, started when needed; more requests wait in a queue. The answer is posted to a mailbox. A request
 * that its owner gives up is orphaned: its thread, if it has begun, finishes on memory of its own and posts
 * nothing.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "adit.h"
#include "net/mailbox.h"
#include "net/sock.h"

enum {
    RESOLVE_THREADS = 4,
    RESOLVE_ADDRS = 64,     /* more addresses of one name are left out */
    RESOLVE_NAME_CAP = 256, /* a host name with its zero */
};

struct resolve;

/* Looks host up (a name or a literal; no brackets) for TCP. family: AF_UNSPEC, AF_INET, AF_INET6. A letter
 * with this kind and owner is posted to box when it is over; for literals before this returns, without a
 * thread. box must outlive the request. ADIT_E_RESOLVE: not a name at all
 * (empty, too long); ADIT_E_MEMORY; ADIT_E_SYSTEM: no thread. */
enum adit_err resolve_start(struct resolve **out, const char *host, uint16_t port, int family,
                            struct mailbox *box, int kind, void *owner, struct adit_error *err) ADIT_MUST_USE;

/* The request that a letter of this kind belongs to. */
struct resolve *resolve_of_mail(struct mail *m);

/* Only after the letter came. The addresses in the order to try them, valid until resolve_free; or
 * ADIT_E_RESOLVE with "cannot look up HOST: reason". */
enum adit_err resolve_result(const struct resolve *r, const struct sock_addr **addrs, size_t *count,
                             struct adit_error *err) ADIT_MUST_USE;

/* The owner of the mailbox alone: ends the request, finished or not. A letter that waits in the mailbox is
 * withdrawn, and none comes later. NULL is fine. */
void resolve_free(struct resolve *r);

#endif
