/*
 * relay.h - the person behind a daemon's connection: its profile's secrets first, then whoever attends to a
 * tunnel by the API.
 *
 * Two threads. The connection's asks (relay_prompt) and waits; the main one shows the question to whoever
 * attends, and hands back his answer. While nobody attends, a question that the secrets do not answer is
 * refused at once: a tunnel that starts by itself must fail with a reason, not wait for ever.
 */
#ifndef DAEMON_RELAY_H
#define DAEMON_RELAY_H

#include <pthread.h>

#include "client/prompt.h"
#include "daemon/secrets.h"
#include "net/mailbox.h"

/* On the main thread alone, but for what stands below the lock. */
struct relay {
    const struct secrets *secrets; /* the destination's; then those of the hosts on the way there */
    size_t secrets_count;
    /* what is asked now, as far as the main thread knows: see relay_on_mail */
    uint64_t shown_id; /* 0: nothing */
    enum prompt_kind shown_kind;
    char shown_text[PROMPT_TEXT_CAP];

    pthread_mutex_t lock; /* of all that follows */
    struct mailbox *box;  /* the main thread's */
    struct mail news;     /* a question has come or gone */
    bool news_is_out;
    struct mailbox wake; /* the asking thread's */
    struct mail wake_mail;
    bool wake_is_out;
    int cancel_fd;           /* link_cancel_fd, or -1 */
    uint64_t attended_until; /* loop_now_ms */
    uint64_t id, answered_id;
    bool is_refused;
    enum prompt_kind kind;
    char text[PROMPT_TEXT_CAP];
    char answer[PROMPT_ANSWER_CAP];
};

/* secrets (at least one: the destination's; then by prompt_question.hop) are borrowed until relay_wipe. News
 * are posted to box as letters of mail_kind with owner. ADIT_E_SYSTEM. relay_wipe when the connection's
 * thread is no more, and no letter is out. */
enum adit_err relay_init(struct relay *r, const struct secrets *secrets, size_t count, struct mailbox *box,
                         int mail_kind, void *owner, struct adit_error *err) ADIT_MUST_USE;
void relay_wipe(struct relay *r);

/* What a link is to be given; ctx is the relay. */
struct client_prompt relay_prompt(struct relay *r);
void relay_set_cancel_fd(struct relay *r, int fd); /* before anything is asked */

/* ---- The main thread */

/* Until then somebody is there to answer. Never shortens. */
void relay_attend(struct relay *r, uint64_t until_ms);
void relay_on_mail(struct relay *r); /* the news came: shown_... are up to date */
/* No letter is out: relay_wipe may be called, if nobody asks any more. */
bool relay_is_quiet(struct relay *r);
/* answer NULL: refused. False: that is not asked any more. */
bool relay_answer(struct relay *r, uint64_t id, const char *answer) ADIT_MUST_USE;

#endif
