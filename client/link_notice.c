/*
 * link_notice.c - what the sessions of a link say and ask: copied on their threads, heard on the link's.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/link_internal.h"
#include "net/loop.h"

enum { MEMORY_WAIT_MS = 100, MEMORY_PATIENCE_MS = 5000 };

/* ---- On a session's thread ---- */

static void post(struct link *l, struct mail *m, enum link_mail kind, void *owner)
{
    m->kind = (int)kind;
    m->owner = owner;
    mailbox_post(&l->box, m);
}

static size_t length(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
    size_t n = length(text);
    if (n == 0)
        return NULL;
    char *to = memcpy(*at, text, n);
    *at += n;
    return to;
}

/* A line of the log may be lost for want of memory. A notice may not: a link that has not heard that a
 * forward is up would wait for it for ever. So the session waits for a while, as long as somebody listens,
 * and then has to end: those who wait for it are let go, and the next one tells all of it again. */
static struct link_news *news_new(struct link_hop *hop, size_t len, bool may_be_lost)
{
    struct link_news *news;
    for (int ms = 0; (news = calloc(1, len)) == NULL; ms += MEMORY_WAIT_MS) {
        if (may_be_lost || hop->is_unheard || atomic_load(&hop->link->is_deaf))
            break;
        if (ms >= MEMORY_PATIENCE_MS) {
            hop->is_unheard = true;
            post(hop->link, &hop->unheard, LINK_MAIL_UNHEARD, hop);
            break;
        }
        (void)poll(NULL, 0, MEMORY_WAIT_MS);
    }
    return news;
}

/* It is only a text, or is said again by itself. */
static bool may_be_lost(enum session_notice_kind kind)
{
    return kind == SESSION_BANNER || kind == SESSION_ALIVE;
}

static void post_news(struct link_hop *hop, const struct session_notice *n, bool is_log,
                      enum session_level level, enum session_about about)
{
    const char *texts[] = {n->text, n->bound, n->target};
    struct link_news *news =
        news_new(hop, sizeof *news + length(texts[0]) + length(texts[1]) + length(texts[2]),
                 is_log || may_be_lost(n->kind));
    if (news == NULL)
        return;
    char *at = news->text;
    news->hop = hop;
    news->is_log = is_log;
    news->level = level;
    news->about = about;
    news->notice = *n;
    news->notice.text = put(&at, texts[0]);
    news->notice.bound = put(&at, texts[1]);
    news->notice.target = put(&at, texts[2]);
    news->notice.algorithms = NULL;
    if (n->error != NULL) {
        news->error = *n->error;
        news->notice.error = &news->error;
    }
    post(hop->link, &news->mail, LINK_MAIL_NEWS, news);
}

static void post_notice(struct link_hop *hop, const struct session_notice *n)
{
    post_news(hop, n, false, SESSION_QUIET, SESSION_ABOUT_COUNT);
}

/* Its names live as long as the connection: three texts that other notices have room for. */
static void post_negotiated(struct link_hop *hop, const struct session_notice *n)
{
    struct session_notice texts = {.kind = n->kind,
                                   .text = n->algorithms->host_key,
                                   .bound = n->algorithms->kex,
                                   .target = n->algorithms->cipher_out};
    post_notice(hop, &texts);
}

static void on_notify_destination(struct link_hop *hop, const struct session_notice *n)
{
    struct link *l = hop->link;
    switch (n->kind) {
    case SESSION_LOST:
        l->lost = *n->error;
        post(l, &l->lost_mail, LINK_MAIL_LOST, l);
        return;
    case SESSION_ENDED:
        l->ended = *n->error; /* LOST may be unread still, with its own */
        post(l, &l->ended_mail, LINK_MAIL_ENDED, l);
        return;
    case SESSION_NEGOTIATED:
        post_negotiated(hop, n);
        return;
    case SESSION_CONNECTED:
    case SESSION_AUTHENTICATED:
    case SESSION_BANNER:
    case SESSION_FORWARD_UP:
    case SESSION_FORWARD_FAILED:
    case SESSION_FORWARD_GONE:
    case SESSION_FORWARD_READY:
    case SESSION_REMOTE_PORT:
    case SESSION_ALL_FORWARDS_DONE:
    case SESSION_WANTED:
    case SESSION_ALIVE:
    case SESSION_SUSPECT:
    case SESSION_RAN:
        post_notice(hop, n);
        return;
    default: /* the log has the others, as far as a link has them */
        return;
    }
}

static void on_notify_hop(struct link_hop *hop, const struct session_notice *n)
{
    switch (n->kind) {
    case SESSION_ENDED:
        post(hop->link, &hop->ended, LINK_MAIL_HOP_ENDED, hop);
        return;
    case SESSION_CONNECTED:
    case SESSION_BANNER:
    case SESSION_FORWARD_FAILED:
    case SESSION_ALL_FORWARDS_DONE:
        post_notice(hop, n);
        return;
    default: /* nobody hears these of a jump host */
        return;
    }
}

static void on_notify(void *ctx, const struct session_notice *n)
{
    struct link_hop *hop = ctx;
    if (hop == &hop->link->destination)
        on_notify_destination(hop, n);
    else
        on_notify_hop(hop, n);
}

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    const struct session_notice n = {.text = line};
    post_news(ctx, &n, true, level, about);
}

static void on_ask(void *ctx, struct session_question *q)
{
    const struct link_hop *hop = ctx;
    post(hop->link, &q->mail, LINK_MAIL_QUESTION, q);
}

struct session_ops link_session_ops(struct link_hop *hop)
{
    return (struct session_ops){.ctx = hop, .ask = on_ask, .notify = on_notify, .log = on_log};
}

/* ---- On the link's: questions ---- */

/* The same for the caller's as for an agent: nobody begins to wait any more. */
static bool is_cancelled(const struct link *l)
{
    struct pollfd p = {l->cancel_fd, POLLIN, 0};
    return poll(&p, 1, 0) > 0; /* what fails says nothing */
}

bool link_ask(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    const struct link *l = ctx;
    if (l->config.prompt.ask == NULL || is_cancelled(l))
        return false;
    return l->config.prompt.ask(l->config.prompt.ctx, q, answer, cap);
}

void link_log_about(struct link *l, enum log_level level, enum session_about about, const char *line)
{
    enum session_level its = client_log_level(level <= LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : level);
    if (its <= l->log_level)
        link_log(l, its, about, line);
}

void link_prompt_log(void *ctx, enum log_level level, const char *line)
{
    link_log_about(ctx, level, SESSION_ABOUT_AUTH, line);
}

static const struct link_hop *asker(const struct link *l, const struct session_question *q)
{
    for (size_t i = 0; i < l->hops_started; i++)
        if (l->hops[i].session == q->session)
            return &l->hops[i];
    return &l->destination;
}

void link_on_question(struct link *l, struct session_question *q)
{
    const struct link_hop *hop = asker(l, q);
    bool is_host_key = q->kind == SESSION_ASK_HOST_KEY;
    if (l->is_stopping || hop->client == NULL || l->phase == LINK_CLEARING) {
        client_refuse(hop->client, q);
        return;
    }
    uint64_t since = loop_now_ms();
    client_answer(hop->client, q); /* and q is the session's again */
    link_limit_pause(l, since);
    l->was_cut = l->was_cut || is_cancelled(l);
    if (is_host_key)
        link_see_host_key(l, hop->client, hop->name);
}

/* ---- On the link's: notices ---- */

static void on_forward_up(struct link *l, struct link_forward *f, const struct session_notice *s)
{
    struct link_notice n = {.kind = LINK_FORWARD_UP,
                            .id = f->id,
                            .address_index = s->address_index,
                            .bound = s->bound,
                            .bound_port = s->bound_port,
                            .target = s->target};
    f->is_up = true;
    f->is_missing = s->is_partial;
    link_notify(l, &n);
    link_forwards_count(l);
    link_reclaim_up(l, f);
}

static void on_forward_failed(struct link *l, struct link_forward *f, const struct session_notice *s)
{
    struct adit_error why = {ADIT_E_OK, ""};
    struct link_notice n = {.kind = LINK_FORWARD_FAILED, .id = f->id, .error = &why};
    link_reclaim_reason(f, s->error, &why);
    f->is_missing = true;
    if (s->is_refused && !f->is_taken) /* else GONE is on its way */
        f->is_given = false;
    (void)adit_format(l->missing_why, sizeof l->missing_why, "%s", why.text);
    link_notify(l, &n);
    link_forwards_count(l);
    link_reclaim_failed(l, f);
}

/* Without a connection no more can be said of it than that it is not missing: it did fail, and was given
 * again. */
static void on_forward_ready(struct link *l, struct link_forward *f)
{
    struct link_notice n = {.kind = LINK_FORWARD_DOWN, .id = f->id};
    if (!f->is_missing)
        return;
    f->is_missing = false;
    link_notify(l, &n);
    link_forwards_count(l);
}

static void on_remote_port(struct link *l, const struct link_forward *f, const struct session_notice *s)
{
    struct link_notice n = {
        .kind = LINK_REMOTE_PORT, .id = f->id, .bound_port = s->bound_port, .target = s->target};
    link_notify(l, &n);
}

static void on_forward(struct link *l, const struct session_notice *s)
{
    struct link_forward *f = link_forward_find(l, s->index);
    if (f == NULL)
        return;
    if (s->kind == SESSION_FORWARD_UP)
        on_forward_up(l, f, s);
    else if (s->kind == SESSION_FORWARD_FAILED)
        on_forward_failed(l, f, s);
    else if (s->kind == SESSION_REMOTE_PORT)
        on_remote_port(l, f, s);
    else if (s->kind == SESSION_FORWARD_READY)
        on_forward_ready(l, f);
    else
        link_forward_free(l, f);
}

static void on_authenticated(struct link *l, const char *method)
{
    struct link_notice n = {.kind = LINK_AUTHENTICATED, .text = method};
    (void)adit_format(l->method, sizeof l->method, "%s", method);
    link_limit_end(l);
    link_notify(l, &n);
}

static void on_negotiated(struct link *l, const struct session_notice *s)
{
    struct link_notice n = {
        .kind = LINK_NEGOTIATED, .kex = s->bound, .cipher = s->target, .host_key_alg = s->text};
    link_notify(l, &n);
}

static void on_forwards_done(struct link *l)
{
    struct link_notice n = {.kind = LINK_FORWARDS_DONE, .count = l->keep.missing};
    keep_up(&l->keep, loop_now_ms());
    link_notify(l, &n);
}

static void on_destination(struct link *l, const struct session_notice *s)
{
    uint64_t now = loop_now_ms();
    switch (s->kind) {
    case SESSION_NEGOTIATED:
        on_negotiated(l, s);
        return;
    case SESSION_AUTHENTICATED:
        on_authenticated(l, s->text);
        return;
    case SESSION_FORWARD_UP:
    case SESSION_FORWARD_FAILED:
    case SESSION_FORWARD_GONE:
    case SESSION_FORWARD_READY:
    case SESSION_REMOTE_PORT:
        on_forward(l, s);
        return;
    case SESSION_ALL_FORWARDS_DONE:
        on_forwards_done(l);
        return;
    case SESSION_WANTED:
        link_do(l, keep_wanted(&l->keep, now));
        return;
    case SESSION_ALIVE:
        keep_alive(&l->keep, now);
        return;
    case SESSION_SUSPECT: /* to be found out now, rather than by all the keepalives that are to come */
        keep_suspect(&l->keep, now);
        session_probe(l->session);
        return;
    case SESSION_RAN:
        link_reclaim_ran(l, s);
        return;
    default:
        return;
    }
}

static void on_hop(struct link *l, struct link_hop *hop, const struct session_notice *s)
{
    if (s->kind == SESSION_FORWARD_FAILED)
        (void)adit_format(hop->why, sizeof hop->why, "%s", s->error->text);
    else if (s->kind == SESSION_ALL_FORWARDS_DONE && s->count == 0)
        link_hop_reached(l, hop);
}

static void on_line(struct link *l, const struct link_news *news)
{
    char named[LIMIT_HOST + PROMPT_TEXT_CAP];
    const char *name = news->hop->name;
    if (name == NULL) {
        link_log(l, news->level, news->about, news->notice.text);
        return;
    }
    (void)adit_format(named, sizeof named, "[%s] %s", name, news->notice.text);
    link_log(l, news->level, news->about, named);
}

static void on_notice(struct link *l, const struct link_news *news)
{
    const struct session_notice *s = &news->notice;
    if (s->kind == SESSION_CONNECTED) {
        keep_reached(&l->keep); /* a jump host's is the first */
    } else if (s->kind == SESSION_BANNER) {
        struct link_notice n = {.kind = LINK_BANNER, .text = s->text};
        link_notify(l, &n);
    } else if (news->hop == &l->destination) {
        on_destination(l, s);
    } else {
        on_hop(l, news->hop, s);
    }
}

void link_on_news(struct link *l, struct link_news *news)
{
    if (news->is_log)
        on_line(l, news);
    else if (!l->is_stopping)
        on_notice(l, news);
    free(news);
}
