/*
 * mailbox.h - the one object that threads share: a list of letters behind a mutex, and a descriptor that a
 * loop waits for.
 *
 * Anybody posts; one thread, the owner, takes. A letter is embedded in what it carries; posting hands that
 * over to the taker, and taking never fails. Nothing is allocated.
 */
#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

#include <pthread.h>

#include "adit.h"

/* Embedded in the struct that is handed over, all zero at first. kind and owner are the poster's. */
struct mail {
    struct mail *next, *prev; /* the mailbox's own, as is_waiting */
    bool is_waiting;
    int kind;
    void *owner;
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, *last;
    int fd;
};

/* Fails with ADIT_E_SYSTEM. mailbox_wipe is for when nobody can post any more; the owner takes what is left
 * first. */
enum adit_err mailbox_init(struct mailbox *box, struct adit_error *err) ADIT_MUST_USE;
void mailbox_wipe(struct mailbox *box);

/* Readable while there is mail: loop_add it. After an edge, take until NULL. */
int mailbox_fd(const struct mailbox *box);

/* Any thread. m must not be in a mailbox. Never blocks for longer than another post. */
void mailbox_post(struct mailbox *box, struct mail *m);
/* The owner alone. The oldest letter, or NULL when there is none (the descriptor is quiet then). */
struct mail *mailbox_take(struct mailbox *box);
/* Any thread. Takes m out unread; false when it is not (or no longer) in the box: unless the caller is the
 * owner, it may be read just now. m was never in another one. */
bool mailbox_withdraw(struct mailbox *box, struct mail *m);

#endif
