/*
 * relay.c - see relay.h.
 */
#include "daemon/relay.h"

#include <poll.h>
#include <string.h>

#include "net/loop.h"

/* ---- Life ---- */

enum adit_err relay_init(struct relay *r, const struct secrets *secrets, size_t count, struct mailbox *box,
                         int mail_kind, void *owner, struct adit_error *err)
{
    memset(r, 0, sizeof *r);
    enum adit_err e = mailbox_init(&r->wake, err);
    if (e != ADIT_E_OK)
        return e;
    int why = pthread_mutex_init(&r->lock, NULL);
    if (why != 0) {
        mailbox_wipe(&r->wake);
        return adit_fail(err, ADIT_E_SYSTEM, "cannot make a mutex: %s", strerror(why));
    }
    r->secrets = secrets;
    r->secrets_count = count;
    r->box = box;
    r->news.kind = mail_kind;
    r->news.owner = owner;
    r->cancel_fd = -1;
    return ADIT_E_OK;
}

void relay_wipe(struct relay *r)
{
    while (mailbox_take(&r->wake))
        ;
    mailbox_wipe(&r->wake);
    (void)pthread_mutex_destroy(&r->lock);
    adit_wipe(r->answer, sizeof r->answer);
}

void relay_set_cancel_fd(struct relay *r, int fd)
{
    (void)pthread_mutex_lock(&r->lock);
    r->cancel_fd = fd;
    (void)pthread_mutex_unlock(&r->lock);
}

/* ---- The connection's thread ---- */

/* The lock is held, here and in every function below that says so. */
static void tell_main(struct relay *r)
{
    if (!r->news_is_out)
        mailbox_post(r->box, &r->news);
    r->news_is_out = true;
}

static bool is_password_question(const char *text)
{
    return strstr(text, "assword") != NULL;
}

/* A jump host is another machine: it gets its own tunnel's password, if it is one's host, and no other. A
 * passphrase opens a file of ours and goes nowhere. A server whose passwords come as codes (PAM) asks for one
 * in words. ADIT_E_AUTH: no secret is for this question. */
static enum adit_err answer_from_secrets(const struct relay *r, const struct prompt_question *q, char *answer,
                                         size_t cap, struct adit_error *err)
{
    const struct secrets *s = &r->secrets[q->hop < r->secrets_count ? q->hop : 0];
    bool is_ours = (!q->jump_host || (q->hop > 0 && q->hop < r->secrets_count)) && q->kind == PROMPT_SECRET;
    if (q->purpose == PROMPT_FOR_PASSPHRASE)
        return secrets_passphrase(s, answer, cap, err);
    if (is_ours && (q->purpose == PROMPT_FOR_PASSWORD ||
                    (q->purpose == PROMPT_FOR_CODE && is_password_question(q->text))))
        return secrets_password(s, answer, cap, err);
    return adit_fail(err, ADIT_E_AUTH, "no secret answers this");
}

/* A file that is missing, or not for us, is as no secret; one that could not be read now may hold the
 * answer. */
static bool is_in_secrets(const struct relay *r, const struct prompt_question *q, char *answer, size_t cap)
{
    struct adit_error why = {ADIT_E_OK, ""};
    enum adit_err e = answer_from_secrets(r, q, answer, cap, &why);
    if (e == ADIT_E_MEMORY)
        (void)adit_fail(q->lack, e, "%s", why.text);
    return e == ADIT_E_OK;
}

/* Locked. */
static bool is_attended(const struct relay *r)
{
    return loop_now_ms() < r->attended_until;
}

static bool begin_question(struct relay *r, const struct prompt_question *q)
{
    (void)pthread_mutex_lock(&r->lock);
    bool is_there = is_attended(r);
    if (is_there) {
        r->id++;
        r->is_refused = false;
        r->kind = q->kind;
        (void)adit_format(r->text, sizeof r->text, "%s", q->text);
        tell_main(r);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return is_there;
}

/* How long to wait, -1: no longer. */
static int wait_ms(struct relay *r)
{
    (void)pthread_mutex_lock(&r->lock);
    uint64_t now = loop_now_ms();
    bool is_over = r->answered_id == r->id || now >= r->attended_until;
    int ms = is_over ? -1 : (int)(r->attended_until - now);
    (void)pthread_mutex_unlock(&r->lock);
    return ms;
}

static void take_wake(struct relay *r)
{
    (void)pthread_mutex_lock(&r->lock);
    while (mailbox_take(&r->wake))
        ;
    r->wake_is_out = false;
    (void)pthread_mutex_unlock(&r->lock);
}

/* False: the connection is given up, or another one is wanted. */
static bool wait_for_answer(struct relay *r)
{
    struct pollfd fds[2] = {{mailbox_fd(&r->wake), POLLIN, 0}, {r->cancel_fd, POLLIN, 0}};
    int ms;
    while ((ms = wait_ms(r)) >= 0) {
        (void)poll(fds, 2, ms);
        if (fds[1].revents)
            return false;
        if (fds[0].revents)
            take_wake(r);
        fds[0].revents = fds[1].revents = 0;
    }
    return true;
}

static bool end_question(struct relay *r, char *answer, size_t cap)
{
    (void)pthread_mutex_lock(&r->lock);
    bool ok = r->answered_id == r->id && !r->is_refused;
    if (ok)
        (void)adit_format(answer, cap, "%s", r->answer);
    adit_wipe(r->answer, sizeof r->answer);
    r->answered_id = r->id;
    tell_main(r);
    (void)pthread_mutex_unlock(&r->lock);
    return ok;
}

static bool ask(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    struct relay *r = ctx;
    if (is_in_secrets(r, q, answer, cap))
        return true;
    if (!begin_question(r, q))
        return false;
    bool is_whole = wait_for_answer(r);
    return end_question(r, answer, cap) && is_whole;
}

struct client_prompt relay_prompt(struct relay *r)
{
    return (struct client_prompt){.ctx = r, .ask = ask, .cancel_fd = -1};
}

/* ---- The main thread ---- */

void relay_attend(struct relay *r, uint64_t until_ms)
{
    (void)pthread_mutex_lock(&r->lock);
    if (until_ms > r->attended_until)
        r->attended_until = until_ms;
    (void)pthread_mutex_unlock(&r->lock);
}

void relay_on_mail(struct relay *r)
{
    (void)pthread_mutex_lock(&r->lock);
    r->news_is_out = false;
    r->shown_id = r->answered_id == r->id ? 0 : r->id;
    r->shown_kind = r->kind;
    (void)adit_format(r->shown_text, sizeof r->shown_text, "%s", r->shown_id ? r->text : "");
    (void)pthread_mutex_unlock(&r->lock);
}

bool relay_is_quiet(struct relay *r)
{
    (void)pthread_mutex_lock(&r->lock);
    bool is_quiet = !r->news_is_out;
    (void)pthread_mutex_unlock(&r->lock);
    return is_quiet;
}

bool relay_answer(struct relay *r, uint64_t id, const char *answer)
{
    (void)pthread_mutex_lock(&r->lock);
    bool is_asked = id == r->id && id != r->answered_id;
    if (is_asked) {
        r->answered_id = id;
        r->is_refused = !answer || strlen(answer) >= sizeof r->answer;
        (void)adit_format(r->answer, sizeof r->answer, "%s", r->is_refused ? "" : answer);
        r->shown_id = 0;
        if (!r->wake_is_out)
            mailbox_post(&r->wake, &r->wake_mail);
        r->wake_is_out = true;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return is_asked;
}
