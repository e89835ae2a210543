#include "net/mailbox.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum adit_err mailbox_init(struct mailbox *box, struct adit_error *err)
{
    int why;

    memset(box, 0, sizeof *box);
    box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (box->fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot make an event descriptor: %s", strerror(errno));
    why = pthread_mutex_init(&box->lock, NULL);
    if (why == 0)
        return ADIT_E_OK;
    close(box->fd);
    box->fd = -1;
    return adit_fail(err, ADIT_E_SYSTEM, "cannot make a lock: %s", strerror(why));
}

void mailbox_wipe(struct mailbox *box)
{
    if (box->fd < 0)
        return;
    close(box->fd);
    box->fd = -1;
    (void)pthread_mutex_destroy(&box->lock);
}

int mailbox_fd(const struct mailbox *box)
{
    return box->fd;
}

void mailbox_post(struct mailbox *box, struct mail *m)
{
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&box->lock);
    /* Written with the lock held: the owner cannot take this letter and wipe the box before the write is
     * done. It cannot fail: a 64-bit counter does not overflow by ones. */
    if (!box->first)
        (void)!write(box->fd, &one, sizeof one);
    m->next = NULL;
    m->prev = box->last;
    m->is_waiting = true;
    *(box->last ? &box->last->next : &box->first) = m;
    box->last = m;
    (void)pthread_mutex_unlock(&box->lock);
}

/* The lock is held. */
static void box_remove(struct mailbox *box, struct mail *m)
{
    *(m->prev ? &m->prev->next : &box->first) = m->next;
    *(m->next ? &m->next->prev : &box->last) = m->prev;
    m->next = m->prev = NULL;
    m->is_waiting = false;
}

struct mail *mailbox_take(struct mailbox *box)
{
    struct mail *m;
    uint64_t count;

    (void)pthread_mutex_lock(&box->lock);
    m = box->first;
    if (m)
        box_remove(box, m);
    else /* Quiet until the next post, which finds the box empty and writes. */
        (void)!read(box->fd, &count, sizeof count);
    (void)pthread_mutex_unlock(&box->lock);
    return m;
}

bool mailbox_withdraw(struct mailbox *box, struct mail *m)
{
    bool was_waiting;

    (void)pthread_mutex_lock(&box->lock);
    was_waiting = m->is_waiting;
    if (was_waiting)
        box_remove(box, m);
    (void)pthread_mutex_unlock(&box->lock);
    return was_waiting;
}
