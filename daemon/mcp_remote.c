/*
 * mcp_remote.c - the daemon's tunnels for `adit mcp`: the tools run there (api_mcp.c).
 *
 * One connection is held open for as long as the tunnels that were made shall live: POST /mcp, whose answer
 * never ends. Each call is a request of its own, POST /mcp/{id}/call, answered with the tool's result when
 * there is one. If this process dies in whatever way, the system closes the first one, and that is the
 * tunnels' end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/client_json.h"
#include "daemon/buffer.h"
#include "daemon/http_answer.h"
#include "daemon/json_text.h"
#include "daemon/mcp_answer.h"
#include "daemon/mcp_engine.h"
#include "daemon/mcp_schema.h"
#include "net/random.h"
#include "net/sock.h"

enum { FD_WIRE = MCP_ENGINE_FD };
enum {
    PIECE = 16 * 1024,
    BODY_MAX = 16 * 1024 * 1024, /* a result: thousands of tunnels are a few MiB */
    ID_BYTES = 16,
    ID_CAP = 2 * ID_BYTES + 1,
};

/* One connection to the daemon: a request goes out, its answer comes in. */
struct wire {
    struct loop_fd ready;
    struct remote *remote;
    struct call *call; /* NULL: the one that is held open */
    int fd;
    struct buffer out, body;
    size_t sent; /* of out */
    struct http_answer answer;
};

struct call {
    struct call *next;
    struct mcp_request *request;
    struct wire wire;
    json_t *what; /* what is sent once the session is open */
};

enum session_state { SESSION_NONE, SESSION_ASKED, SESSION_OPEN };

struct remote {
    struct mcp_engine engine;
    const struct mcp_args *args;
    struct loop *loop;
    char id[ID_CAP]; /* the session's */
    enum session_state state;
    bool was_open; /* there were tunnels, perhaps */
    struct wire held;
    struct call *calls;
};

/* ---- A connection ---- */

static void wire_init(struct wire *w, struct remote *r, struct call *call)
{
    *w = (struct wire){.remote = r, .call = call, .fd = -1};
    loop_fd_init(&w->ready, FD_WIRE, w);
    w->ready.fd = -1;
    http_answer_init(&w->answer);
}

static void wire_close(struct wire *w)
{
    loop_del(w->remote->loop, &w->ready);
    sock_close(&w->fd);
    buffer_wipe(&w->out);
    buffer_wipe(&w->body);
}

static void request_write(struct buffer *out, const char *path, json_t *body)
{
    char *text = json_text(body, JSON_COMPACT);
    if (text == NULL) {
        out->is_failed = true;
        return;
    }
    buffer_format(out,
                  "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                  path, strlen(text));
    buffer_text(out, text);
    free(text);
}

static enum adit_err no_daemon(const struct remote *r, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_CONNECT, "no daemon at %s%s", r->args->socket,
                     r->was_open ? " any more: the tunnels that were made there have ended with it" : "");
}

/* While the connection that is held open tells of no end the daemon is there, and the reason another one. */
static enum adit_err not_connected(const struct remote *r, const struct adit_error *why,
                                   struct adit_error *err)
{
    return r->state == SESSION_OPEN ? adit_fail(err, why->code, "%s", why->text) : no_daemon(r, err);
}

/* Whoever listens there must be our own user or root: what is asked for is as good as done. */
static enum adit_err wire_connect(struct wire *w, struct adit_error *err)
{
    const struct remote *r = w->remote;
    struct adit_error why = {0};
    struct sock_addr addr;
    bool done = false;
    if (sock_addr_path(&addr, r->args->socket, err) != ADIT_E_OK)
        return err->code;
    enum adit_err e = sock_connect_start(&w->fd, &addr, NULL, &done, &why);
    if (e == ADIT_E_LIMIT)
        return adit_fail(err, ADIT_E_LIMIT, "the daemon at %s is too busy", r->args->socket);
    if (e != ADIT_E_OK)
        return not_connected(r, &why, err);
    if (!sock_peer_is_us(w->fd))
        return adit_fail(err, ADIT_E_CONNECT, "%s: whoever listens there is another user", r->args->socket);
    return loop_add(r->loop, &w->ready, w->fd, err);
}

/* Takes body. */
static enum adit_err wire_ask(struct wire *w, const char *path, json_t *body, struct adit_error *err)
{
    request_write(&w->out, path, body);
    json_decref(body);
    if (w->out.is_failed)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return wire_connect(w, err);
}

/* False: it is broken. */
static bool wire_write(struct wire *w)
{
    while (w->sent < w->out.len && w->ready.can_write) {
        size_t n = 0;
        enum sock_io io = sock_write(w->fd, w->out.p + w->sent, w->out.len - w->sent, &n, NULL);
        if (io == SOCK_IO_FAILED)
            return false;
        if (io == SOCK_IO_AGAIN)
            loop_fd_not_writable(&w->ready);
        w->sent += n;
    }
    return true;
}

/* What came is parsed. HTTP_STEP_MORE: the answer goes on. */
static enum http_step wire_parse(struct wire *w, struct span in)
{
    struct span piece;
    for (;;) {
        enum http_step step = http_answer_step(&w->answer, &in, &piece);
        if (step != HTTP_STEP_BODY)
            return step;
        if (w->call == NULL && w->answer.status == 200)
            continue; /* it says nothing but that it is there */
        if (piece.n > BODY_MAX - w->body.len)
            return HTTP_STEP_BAD;
        buffer_add(&w->body, piece);
    }
}

/* HTTP_STEP_MORE: it goes on, later. */
static enum http_step wire_read(struct wire *w)
{
    enum http_step step = HTTP_STEP_MORE;
    char bytes[PIECE];
    while (w->ready.can_read && step == HTTP_STEP_MORE) {
        size_t n = 0;
        switch (sock_read(w->fd, bytes, sizeof bytes, &n, NULL)) {
        case SOCK_IO_OK:
            step = wire_parse(w, span_make(bytes, n));
            break;
        case SOCK_IO_AGAIN:
            loop_fd_not_readable(&w->ready);
            break;
        case SOCK_IO_EOF:
            return http_answer_eof(&w->answer);
        default:
            return HTTP_STEP_BAD;
        }
    }
    return step;
}

/* ---- Calls ---- */

static void call_release(struct call *c)
{
    wire_close(&c->wire);
    json_decref(c->what);
    free(c);
}

static void call_free(struct call *c)
{
    struct call **at = &c->wire.remote->calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    call_release(c);
}

static void call_fail(struct call *c, const struct adit_error *err)
{
    struct mcp_request *request = c->request;
    call_free(c);
    mcp_fail(request, err);
}

static void calls_fail(struct remote *r, const struct adit_error *err)
{
    struct call *next, *c = r->calls;
    r->calls = NULL;
    for (; c != NULL; c = next) {
        struct mcp_request *request = c->request;
        next = c->next;
        call_release(c);
        mcp_fail(request, err);
    }
}

static void call_send(struct call *c)
{
    char path[64];
    struct adit_error err = {0};
    json_t *what = c->what;
    c->what = NULL;
    (void)adit_format(path, sizeof path, "/mcp/%s/call", c->wire.remote->id);
    if (wire_ask(&c->wire, path, what, &err) != ADIT_E_OK)
        call_fail(c, &err);
}

/* What the daemon says of a request that it does not do. */
static enum adit_err refusal(const struct wire *w, struct adit_error *err)
{
    char code[CLIENT_CODE_CAP], message[LIMIT_ERROR_TEXT];
    bool is_said = client_error_read(w->body.p != NULL ? w->body.p : "", w->body.len, code, message);
    if (w->body.is_failed || (!is_said && errno == ENOMEM))
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return adit_fail(err, ADIT_E_COMMAND, "the daemon says: %s",
                     is_said ? message : "something that is not an answer");
}

/* NULL: err. */
static json_t *result_read(const struct wire *w, struct adit_error *err)
{
    const struct buffer *body = &w->body;
    json_error_t where = {0};
    bool is_fine = w->answer.status == 200 && !body->is_failed;
    json_t *result = is_fine ? json_read(span_make(body->p, body->len), 0, &where) : NULL;
    if (is_fine && result == NULL && json_error_code(&where) == json_error_out_of_memory)
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
    else if (result == NULL)
        (void)refusal(w, err);
    return result;
}

static void call_end(struct call *c)
{
    struct adit_error err = {0};
    struct mcp_request *request = c->request;
    json_t *result = result_read(&c->wire, &err);
    if (result == NULL) {
        call_fail(c, &err);
        return;
    }
    call_free(c);
    mcp_request_answer(request, result);
}

/* ---- The session ---- */

static void session_lost(struct remote *r, const struct adit_error *err)
{
    wire_close(&r->held);
    r->state = SESSION_NONE;
    calls_fail(r, err);
}

static json_t *list_of(const struct texts *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++)
        if (json_array_append_new(list, json_string(texts->item[i])) != 0) {
            json_decref(list); /* none rather than some: one may be an exclusion */
            return NULL;
        }
    return list;
}

/* All of them or none: the session has what is named here for as long as it lives. */
static json_t *groups_json(unsigned groups)
{
    static const struct {
        unsigned bit;
        const char *name;
    } all[] = {{MCP_TOOLS_READ, "read"}, {MCP_TOOLS_TUNNEL, "tunnel"}};
    json_t *list = json_array();
    for (size_t i = 0; i < ADIT_COUNT(all); i++)
        if ((groups & all[i].bit) != 0 && json_array_append_new(list, json_string(all[i].name)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *session_json(const struct remote *r)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", "id", r->id, "tools", groups_json(r->args->groups),
                     "allow", list_of(&r->args->allow.targets), "allow_local",
                     list_of(&r->args->allow.locals), "allow_server", list_of(&r->args->allow.servers),
                     "max_ttl", (json_int_t)r->args->max_ttl_s);
}

static enum adit_err id_make(char out[static ID_CAP], struct adit_error *err)
{
    uint8_t bytes[ID_BYTES];
    if (random_seed(bytes, sizeof bytes, err) != ADIT_E_OK)
        return err->code;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)adit_format(out + 2 * i, 3, "%02x", (unsigned)bytes[i]);
    return ADIT_E_OK;
}

static void session_ask(struct remote *r)
{
    struct adit_error err = {0};
    wire_init(&r->held, r, NULL);
    enum adit_err e = id_make(r->id, &err);
    if (e == ADIT_E_OK)
        e = wire_ask(&r->held, "/mcp", session_json(r), &err);
    r->state = SESSION_ASKED;
    if (e != ADIT_E_OK)
        session_lost(r, &err);
}

static void session_opened(struct remote *r)
{
    struct call *next;
    r->state = SESSION_OPEN;
    r->was_open = true;
    for (struct call *c = r->calls; c != NULL; c = next) {
        next = c->next;
        if (c->what != NULL)
            call_send(c);
    }
}

/* ---- What comes ---- */

static void held_do(struct remote *r)
{
    struct adit_error err = {0};
    struct wire *w = &r->held;
    enum http_step step = wire_write(w) ? wire_read(w) : HTTP_STEP_BAD;
    bool is_open = w->answer.has_head && w->answer.status == 200;
    if (step == HTTP_STEP_MORE && is_open && r->state == SESSION_ASKED) {
        session_opened(r);
    } else if (step == HTTP_STEP_END && !is_open) {
        (void)refusal(w, &err);
        session_lost(r, &err);
    } else if (step != HTTP_STEP_MORE) {
        (void)no_daemon(r, &err);
        session_lost(r, &err);
    }
}

static void call_do(struct call *c)
{
    struct adit_error err = {0};
    enum http_step step = wire_write(&c->wire) ? wire_read(&c->wire) : HTTP_STEP_BAD;
    if (step == HTTP_STEP_END) {
        call_end(c);
    } else if (step == HTTP_STEP_BAD) {
        (void)no_daemon(c->wire.remote, &err);
        call_fail(c, &err);
    }
}

static void remote_on_fd(struct mcp_engine *e, struct loop_fd *f)
{
    struct remote *r = (struct remote *)e;
    struct wire *w = f->owner;
    if (w->call != NULL)
        call_do(w->call);
    else
        held_do(r);
}

static void remote_on_timer(struct mcp_engine *e, struct loop_timer *t)
{
    (void)e;
    (void)t; /* it has none */
}

static bool remote_call(struct mcp_engine *e, const char *tool, const json_t *arguments,
                        struct mcp_request *request)
{
    struct remote *r = (struct remote *)e;
    if (!mcp_schema_has(r->args->groups, tool))
        return false;
    struct call **at = &r->calls, *c = calloc(1, sizeof *c);
    json_t *what = c != NULL ? json_pack("{s:s, s:O}", "tool", tool, "arguments", arguments) : NULL;
    if (what == NULL) {
        free(c);
        mcp_fail_memory(request);
        return true;
    }
    *c = (struct call){.request = request, .what = what};
    wire_init(&c->wire, r, c);
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    if (r->state == SESSION_OPEN)
        call_send(c);
    else if (r->state == SESSION_NONE)
        session_ask(r);
    return true;
}

/* ---- Its beginning and end ---- */

static void remote_end(struct mcp_engine *e)
{
    struct remote *r = (struct remote *)e;
    for (struct call *c = r->calls, *next; c != NULL; c = next) {
        next = c->next;
        call_release(c);
    }
    r->calls = NULL;
    wire_close(&r->held);
    r->state = SESSION_NONE;
}

static bool remote_has_ended(const struct mcp_engine *e)
{
    (void)e; /* whatever is left is the daemon's to close: it sees our end */
    return true;
}

static void remote_free(struct mcp_engine *e)
{
    remote_end(e);
    free(e);
}

struct mcp_engine *mcp_remote_new(const struct mcp_args *args, struct loop *loop, struct adit_error *err)
{
    static const struct mcp_engine_ops ops = {.call = remote_call,
                                              .on_fd = remote_on_fd,
                                              .on_timer = remote_on_timer,
                                              .end = remote_end,
                                              .has_ended = remote_has_ended,
                                              .free = remote_free};
    struct remote *r = calloc(1, sizeof *r);
    if (r == NULL) {
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
        return NULL;
    }
    r->engine.ops = &ops;
    r->args = args;
    r->loop = loop;
    wire_init(&r->held, r, NULL);
    return &r->engine;
}
