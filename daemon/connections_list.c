/*
 * connections_list.c - see connections_list.h.
 */
#include "daemon/connections_list.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/registry.h"

/* One question to one session. When nobody waits for it any more it stays until its answer has come. */
struct list_letter {
    struct session_snapshot snapshot; /* its mail's owner is this letter */
    struct tunnels *tunnels;
    struct connection *connection;
    char *id; /* the tunnel's: it may go meanwhile */
    struct tunnel_connections request;
    struct loop_timer timer;
    bool is_answered;
    struct session_connection_info connections[];
};

static const struct tunnel_connection none[1]; /* an empty list is one, too */

static void tell(struct list_letter *letter, const struct tunnel_connection *list, size_t count)
{
    if (letter->is_answered)
        return;
    letter->is_answered = true;
    loop_timer_cancel(letter->tunnels->config.loop, &letter->timer);
    letter->request.done(letter->request.ctx, tunnels_find_id(letter->tunnels, letter->id), list, count);
}

static bool ask(struct tunnel *u, const struct tunnel_connections *request, size_t room)
{
    struct connection *c = u->connection;
    struct list_letter *letter = calloc(1, sizeof *letter + room * sizeof letter->connections[0]);
    char *id = letter ? text_copy(span_str(u->definition.id)) : NULL;
    if (!id) {
        free(letter);
        return false;
    }
    letter->id = id;
    letter->tunnels = u->tunnels;
    letter->connection = c;
    letter->request = *request;
    loop_timer_init(&letter->timer, REGISTRY_TIMER_LIST, letter);
    loop_timer_set(u->tunnels->config.loop, &letter->timer, loop_now_ms() + TUNNELS_REFRESH_MS);
    letter->snapshot.mail.kind = REGISTRY_MAIL_LIST;
    letter->snapshot.mail.owner = letter;
    letter->snapshot.reply_to = u->tunnels->config.box;
    letter->snapshot.only_index = SIZE_MAX;
    letter->snapshot.connections = letter->connections;
    letter->snapshot.connection_room = room;
    c->letters_out++;
    link_snapshot(c->link, &letter->snapshot);
    return true;
}

void tunnels_connections(struct tunnels *t, struct tunnel *tunnel, const struct tunnel_connections *request)
{
    (void)t;
    struct connection *c = tunnel->connection;
    if (!c || c->has_ended)
        request->done(request->ctx, tunnel, none, 0);
    else if (!ask(tunnel, request, CONNECTIONS_LIST_ROOM))
        request->done(request->ctx, tunnel, NULL, 0);
}

/* ---- The answer ---- */

static bool is_ours(const struct connection *c, const struct tunnel *u, size_t index)
{
    for (const struct connection_forward *f = c->forwards; f; f = f->next)
        if (f->id == index)
            return f->tunnel == u;
    return false;
}

static struct tunnel_connection shown(const struct session_connection_info *info)
{
    return (struct tunnel_connection){
        .id = info->id,
        .client = info->client,
        .target = info->target,
        .opened_at = tunnels_wall(info->opened_ms),
        .bytes_up = info->bytes_up,
        .bytes_down = info->bytes_down,
    };
}

static void answer(struct list_letter *letter, const struct tunnel *u, size_t count)
{
    struct tunnel_connection *list = calloc(count ? count : 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list && u && i < count; i++)
        if (is_ours(letter->connection, u, letter->connections[i].index))
            list[n++] = shown(&letter->connections[i]);
    tell(letter, list, n);
    free(list);
}

void connections_list_on_mail(struct mail *mail)
{
    struct list_letter *letter = mail->owner;
    struct session_snapshot *s = &letter->snapshot;
    struct tunnel *u = tunnels_find_id(letter->tunnels, letter->id);
    bool is_short = s->connection_count > s->connection_room && s->connection_room < CONNECTIONS_LIST_MAX;
    size_t room = s->connection_count + CONNECTIONS_LIST_ROOM;
    letter->connection->letters_out--;
    if (!is_short || letter->is_answered || !u || u->connection != letter->connection)
        answer(letter, u,
               s->connection_count < s->connection_room ? s->connection_count : s->connection_room);
    else if (!ask(u, &letter->request, room < CONNECTIONS_LIST_MAX ? room : CONNECTIONS_LIST_MAX))
        tell(letter, NULL, 0);
    else /* the next one answers */
        loop_timer_cancel(letter->tunnels->config.loop, &letter->timer);
    free(letter->id);
    free(letter);
}

void connections_list_on_timer(struct loop_timer *timer)
{
    tell(timer->owner, none, 0);
}
