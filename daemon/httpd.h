/*
 * httpd.h - HTTP for the daemon's API: connections, who may speak, requests with their bodies, answers now or
 * later, and streams. libmicrohttpd speaks the protocol, without threads, in the daemon's own loop.
 *
 * Who may speak: on a Unix socket our own user, root and the members of one group, by the kernel's word; on
 * TCP (loopback only, the caller sees to that) who sends the token, under our own Host and Origin. There are
 * no cookies: browsers share them between all ports of 127.0.0.1.
 *
 * What a client may make us hold: HTTPD_MAX_* below, 16 KiB of headers, bodies of HTTPD_MAX_BODY and of
 * HTTPD_ALL_BODIES together. A request must be here whole within HTTPD_REQUEST_MS; a connection without
 * traffic ends after HTTPD_IDLE_S, on TCP before it has shown the token already after HTTPD_REQUEST_MS. Unix
 * sockets and TCP have places of their own.
 *
 * One thread: everything here belongs to the loop's.
 */
#ifndef DAEMON_HTTPD_H
#define DAEMON_HTTPD_H

#include <sys/types.h>
#include <jansson.h>

#include "adit.h"
#include "daemon/buffer.h"
#include "net/loop.h"

enum {
    HTTPD_MAX_BODY = 1024 * 1024,
    HTTPD_ALL_BODIES = HTTPD_MAX_BODY + 256 * 1024, /* of all requests that are coming in or being done */
    HTTPD_MAX_DEPTH = 16,
    HTTPD_MAX_VALUES = 8192, /* in a body: each costs some hundred bytes, whatever it is */
    HTTPD_MAX_UNIX = 128,    /* our own user's programs: one connection for each that holds session tunnels */
    HTTPD_MAX_TCP = 64,      /* any user of this machine can connect, before he shows the token */
    HTTPD_SPARE = 16,        /* connections of a kind that waiting answers and streams leave to the others */
    HTTPD_MAX_LISTENERS = 16,
    HTTPD_REQUEST_MS = 10 * 1000,
    HTTPD_IDLE_S = 30,
};

struct httpd;
struct httpd_request;

struct httpd_config {
    struct loop *loop;
    uint8_t fd_kind; /* of every loop_fd here: the owner of the loop gives them to httpd_on_fd */
    int timer_kind;  /* of every timer here: httpd_on_timer */
    const char *token;
    bool has_group; /* members of `group` may speak on Unix sockets */
    gid_t group;
    /* A request is here, whole. Before it returns: one httpd_reply_*, httpd_hold or httpd_stream. */
    void (*on_request)(void *ctx, struct httpd_request *r);
    /* What one may ask for on TCP without the token. Path as httpd_path. */
    bool (*is_open)(void *ctx, const char *method, const char *path);
    void *ctx;
};

/* token is copied. ADIT_E_MEMORY, ADIT_E_SYSTEM. */
enum adit_err httpd_new(struct httpd **out, const struct httpd_config *config,
                        struct adit_error *err) ADIT_MUST_USE;
/* Ends every connection and stream (their `end` and `on_gone` are called), closes the listeners. NULL is
 * fine. */
void httpd_free(struct httpd *h);

/* Takes a descriptor that listens, Unix or TCP; closed when this fails too. */
enum adit_err httpd_listen(struct httpd *h, int fd, struct adit_error *err) ADIT_MUST_USE;
/* Closes one of these; the connections that came by a TCP one end, those of a Unix one go on. */
void httpd_unlisten(struct httpd *h, int fd);
/* The first that listens on TCP, or -1. */
int httpd_tcp_fd(const struct httpd *h);
/* Another group, or none. Who may not speak any more is not heard any more. */
void httpd_set_group(struct httpd *h, bool has_group, gid_t group);
/* Takes a connected stream socket, as if it had been accepted. */
void httpd_connect(struct httpd *h, int fd);

void httpd_on_fd(struct loop_fd *f);
void httpd_on_timer(struct loop_timer *t);

/* For others who wait for a descriptor in the same loop: loop_add its fd; on_ready gets fd.owner. */
struct httpd_source {
    struct loop_fd fd;
    void (*on_ready)(void *owner);
};
void httpd_source_init(struct httpd *h, struct httpd_source *s, void (*on_ready)(void *owner), void *owner);
/* The same with a timer. */
struct httpd_timer {
    struct loop_timer timer;
    void (*on_due)(void *owner);
};
void httpd_timer_init(struct httpd *h, struct httpd_timer *t, void (*on_due)(void *owner), void *owner);
void httpd_timer_after(struct httpd *h, struct httpd_timer *t, uint64_t ms);
void httpd_timer_cancel(struct httpd *h, struct httpd_timer *t);

/* ---- What was asked. Texts live as long as the request. */

const char *httpd_method(const struct httpd_request *r); /* HEAD is shown as GET */
const char *httpd_path(const struct httpd_request *r);   /* as sent: percent signs stand */
bool httpd_is_tcp(const struct httpd_request *r);
const char *httpd_header(const struct httpd_request *r, const char *name); /* or NULL */
/* A parameter of the query. False: absent, or (*is_bad) there and not fit to be a text of cap bytes. */
bool httpd_query(const struct httpd_request *r, const char *name, char *out, size_t cap, bool *is_bad);
/* The body as a JSON object, borrowed. With is_wanted false none is needed, and none gives NULL and true.
 * False: the request has been answered (400, 413, 415). */
bool httpd_body(struct httpd_request *r, bool is_wanted, const json_t **body) ADIT_MUST_USE;

/* ---- Answers: exactly one, in on_request or, after httpd_hold, later. */

/* A header of the answer, before it. Without memory for it (value NULL says so, too) the answer is 500. */
void httpd_reply_header(struct httpd_request *r, const char *name, const char *value);
void httpd_reply_json(struct httpd_request *r, unsigned status,
                      json_t *document); /* takes it; NULL: no memory */
void httpd_reply_buffer(struct httpd_request *r, unsigned status, const char *type,
                        struct buffer *b); /* empties */
void httpd_reply_static(struct httpd_request *r, unsigned status, const char *type, struct span content);
void httpd_reply_empty(struct httpd_request *r, unsigned status);
/* {"error":{"code","message","field"}}; the status is the code's. field may be NULL. The message is cleaned.
 */
void httpd_reply_error(struct httpd_request *r, const char *code, const char *field, const char *fmt, ...)
    ADIT_PRINTF(4, 5);

/* The answer comes later. When the client hangs up or the server ends before it, on_gone is called, once, and
 * r must not be used after it. Again: another owner takes its place. False: too many wait, and r was answered
 * (503). */
bool httpd_hold(struct httpd_request *r, void (*on_gone)(void *owner), void *owner) ADIT_MUST_USE;

/* An answer without a known end, 200. */
struct httpd_stream_ops {
    /* Adds what there is to be sent, a few KiB at most, or nothing: it is asked again after
     * httpd_stream_wake. False: the stream is over (after what was added). */
    bool (*next)(void *owner, struct buffer *out);
    void (*end)(void *owner); /* once: the client or the server ended it. Last call */
    bool ends_with_input;     /* it is over as soon as the client sends no more, not only at its hang-up */
};
/* False: too many streams; r was answered (503) and `end` is not called. */
bool httpd_stream(struct httpd_request *r, const char *type, const struct httpd_stream_ops *ops,
                  void *owner) ADIT_MUST_USE;
void httpd_stream_wake(struct httpd_request *r);

#endif
