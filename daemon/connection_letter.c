/*
 * connection_letter.c - what a link says, carried from its thread to the main one, and read there.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/journal.h"
#include "daemon/registry.h"

enum { LETTER_TEXTS = 4, MEMORY_WAIT_MS = 100 };

/* A notice with texts of its own. */
struct connection_letter {
    struct mail mail;
    enum link_notice_kind kind;
    struct link_status status;
    char *texts[LETTER_TEXTS]; /* by kind, see pack */
    size_t id, address_index;
    uint16_t bound_port;
    enum host_key_verdict verdict;
    bool is_jump;
    struct adit_error error;
};

static void letter_free(struct connection_letter *letter)
{
    for (size_t i = 0; i < LETTER_TEXTS; i++)
        free(letter->texts[i]);
    free(letter);
}

/* ---- The link's thread ---- */

/* False: no memory for all of it. */
static bool pack(struct connection_letter *letter, const struct link_notice *n)
{
    bool is_whole = true;
    const char *texts[LETTER_TEXTS] = {n->reason, n->bound, n->kex, n->cipher};
    if (n->host_key) {
        texts[0] = n->host_key->type;
        texts[1] = n->host_key->fingerprint;
        texts[2] = n->host_key->line;
        texts[3] = n->host_key->file;
        letter->verdict = n->host_key->verdict;
        letter->is_jump = n->host_key->jump_host != NULL;
    }
    for (size_t i = 0; i < LETTER_TEXTS; i++)
        if (texts[i])
            is_whole = (letter->texts[i] = text_copy(span_str(texts[i]))) && is_whole;
    if (n->kind == LINK_REMOTE_PORT)
        is_whole = (letter->texts[1] = calloc(1, CONNECTION_BOUND_CAP)) && is_whole;
    if (n->status)
        letter->status = *n->status;
    if (n->error)
        letter->error = *n->error;
    letter->id = n->id;
    letter->address_index = n->address_index;
    letter->bound_port = n->bound_port;
    letter->kind = n->kind;
    letter->mail.kind = REGISTRY_MAIL_NOTICE;
    return is_whole;
}

static struct connection_letter *letter_try(const struct link_notice *n)
{
    struct connection_letter *letter = calloc(1, sizeof *letter);
    if (letter && pack(letter, n))
        return letter;
    if (letter)
        letter_free(letter);
    return NULL;
}

/* A tunnel that has not heard that it is connected, or whose forward is gone, would wait for that for ever.
 * So the link's thread waits until there is memory again, or until nobody needs to hear it; its connection
 * goes on meanwhile. */
static struct connection_letter *letter_new(const struct connection *c, const struct link_notice *n)
{
    struct connection_letter *letter;
    while (!(letter = letter_try(n)) && !atomic_load(&c->is_deaf))
        (void)poll(NULL, 0, MEMORY_WAIT_MS);
    return letter;
}

/* The lines of a connection go to the log from here; these two have no other use. */
static void tell_banner(struct connection *c, const struct link_notice *n);

static void on_notify(void *ctx, const struct link_notice *n)
{
    struct connection *c = ctx;
    if (n->kind == LINK_BANNER) {
        tell_banner(c, n);
        return;
    }
    /* The last one must arrive, also from one that was told to stop: its room was made at the beginning. */
    struct connection_letter *letter = n->kind == LINK_ENDED ? c->last_letter : letter_new(c, n);
    if (!letter)
        return;
    letter->mail.owner = c;
    mailbox_post(c->tunnels->config.box, &letter->mail);
}

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    struct connection *c = ctx;
    struct journal_note note = {
        .level = level, .about = about, .transport = c->route.places[0].name, .text = line};
    (void)pthread_mutex_lock(&c->lock);
    note.tunnel = c->log_name;
    c->tunnels->config.ops.log(c->tunnels->config.ops.ctx, &note);
    (void)pthread_mutex_unlock(&c->lock);
}

static void tell_banner(struct connection *c, const struct link_notice *n)
{
    struct span rest = span_str(n->text), line;
    char text[512];
    while (text_line(&rest, &line)) {
        (void)adit_format(text, sizeof text, "the server says: %.*s", (int)line.n, (const char *)line.p);
        on_log(c, SESSION_VERBOSE, SESSION_ABOUT_AUTH, text);
    }
}

struct link_ops connection_ops(struct connection *c)
{
    return (struct link_ops){.ctx = c, .notify = on_notify, .log = on_log};
}

bool connection_letters_init(struct connection *c)
{
    c->last_letter = calloc(1, sizeof *c->last_letter);
    if (!c->last_letter)
        return false;
    c->last_letter->kind = LINK_ENDED;
    c->last_letter->mail.kind = REGISTRY_MAIL_NOTICE;
    if (pthread_mutex_init(&c->lock, NULL) == 0)
        return true;
    free(c->last_letter);
    return false;
}

void connection_letters_wipe(struct connection *c)
{
    if (!c->has_ended) /* else it was taken, and freed */
        free(c->last_letter);
    (void)pthread_mutex_destroy(&c->lock);
}

/* ---- The main thread ---- */

static void take(char **to, char **from)
{
    free(*to);
    *to = *from;
    *from = NULL;
}

static void on_state(struct connection *c, struct connection_letter *letter)
{
    bool was_up = c->status.up_since_ms != KEEP_NEVER, is_up = letter->status.up_since_ms != KEEP_NEVER;
    bool is_anew = was_up != is_up || c->status.retry_count != letter->status.retry_count;
    c->status = letter->status;
    if (is_up && !was_up) {
        c->ups++;
        c->failing = c->files_tries = 0;
        for (struct tunnel *u = c->members; u; u = u->next_member)
            u->health.run = 0;
    }
    if (!is_up && was_up) {
        free(c->kex);
        free(c->cipher);
        c->kex = c->cipher = NULL;
    }
    connection_watch(c);
    /* A member may leave while it is told. */
    for (struct tunnel *u = c->members, *next; u; u = next) {
        next = u->next_member;
        tunnel_on_state(u, &c->status, letter->texts[0]);
    }
    if (is_anew)
        connection_part_ways(c);
}

/* A known key of a jump host is of no interest: the destination's comes after it. */
static void on_host_key(struct connection *c, struct connection_letter *letter)
{
    bool is_known = letter->verdict == HOST_KEY_KNOWN;
    if (letter->verdict == HOST_KEY_NONE || (is_known && letter->is_jump))
        return;
    take(&c->host_key.type, &letter->texts[0]);
    take(&c->host_key.fingerprint, &letter->texts[1]);
    take(&c->host_key.line, &letter->texts[2]);
    take(&c->host_key.file, &letter->texts[3]);
    c->host_key.is_known = is_known;
    c->host_key.can_be_trusted = letter->verdict == HOST_KEY_UNKNOWN && c->host_key.line && c->host_key.file;
    for (struct tunnel *u = c->members; u; u = u->next_member)
        tunnel_on_facts(u);
}

static void on_negotiated(struct connection *c, struct connection_letter *letter)
{
    take(&c->kex, &letter->texts[2]);
    take(&c->cipher, &letter->texts[3]);
    for (struct tunnel *u = c->members; u; u = u->next_member)
        tunnel_on_facts(u);
}

static struct connection_forward **find_forward(struct connection *c, size_t id)
{
    struct connection_forward **at = &c->forwards;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void on_forward(struct connection *c, struct connection_letter *letter)
{
    struct connection_forward *f = *find_forward(c, letter->id);
    unsigned bit = 1u << (letter->address_index < TUNNEL_ADDRESSES ? letter->address_index : 0);
    if (!f || f->is_leaving)
        return;
    if (letter->kind == LINK_FORWARD_UP) {
        f->up |= bit;
        f->failed &= ~bit;
    } else if (letter->kind == LINK_FORWARD_FAILED) {
        f->failed |= bit;
        f->up &= ~bit;
    } else if (letter->kind == LINK_FORWARD_DOWN) {
        f->up = f->failed = 0;
    }
    struct connection_news news = {.kind = letter->kind,
                                   .address = letter->address_index,
                                   .bound = &letter->texts[1],
                                   .bound_port = letter->bound_port,
                                   .error = letter->kind == LINK_FORWARD_FAILED ? &letter->error : NULL};
    tunnel_on_forward(f->tunnel, f, &news);
}

/* What it counted stays with its tunnel. */
static void drop_forward(struct connection_forward **at)
{
    struct connection_forward *f = *at;
    struct tunnel *u = f->tunnel;
    *at = f->next;
    tunnel_on_gone(u, f);
    connection_forward_free(f);
}

static void on_gone(struct connection *c, struct connection_letter *letter)
{
    struct connection_forward **at = find_forward(c, letter->id);
    if (*at)
        drop_forward(at);
}

static void on_ended(struct connection *c)
{
    struct tunnel *u;
    c->has_ended = c->is_stopping = true;
    /* It was told to stop when its last member left; one that ended by itself has failed them. */
    while ((u = c->members))
        tunnel_fail_for_now(u, ADIT_E_CLOSED, "the connection has ended");
    while (c->forwards)
        drop_forward(&c->forwards);
}

void connection_on_notice(struct mail *mail)
{
    struct connection *c = mail->owner;
    struct connection_letter *letter = (struct connection_letter *)mail;
    switch (letter->kind) {
    case LINK_STATE:
        on_state(c, letter);
        break;
    case LINK_HOST_KEY:
        on_host_key(c, letter);
        break;
    case LINK_NEGOTIATED:
        on_negotiated(c, letter);
        break;
    case LINK_FORWARD_UP:
    case LINK_FORWARD_FAILED:
    case LINK_FORWARD_DOWN:
    case LINK_REMOTE_PORT:
        on_forward(c, letter);
        break;
    case LINK_FORWARD_GONE:
        on_gone(c, letter);
        break;
    case LINK_ENDED:
        on_ended(c);
        break;
    default:
        break;
    }
    letter_free(letter);
}

void connection_on_relay(struct mail *mail)
{
    struct connection *c = mail->owner;
    uint64_t before = c->relay.shown_id;
    relay_on_mail(&c->relay);
    if (c->relay.shown_id != before)
        for (struct tunnel *u = c->members; u; u = u->next_member)
            tunnel_changed(u);
}
