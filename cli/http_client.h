/*
 * http_client.h - one request to the daemon over its Unix socket, and the answer. Blocks.
 *
 * A connection carries one request. Whoever answers must be our own user or root: what is typed for a prompt
 * goes there. Every text about a failure names the socket.
 */
#ifndef CLI_HTTP_CLIENT_H
#define CLI_HTTP_CLIENT_H

#include "adit.h"
#include "daemon/http_answer.h"
#include "cli/sse.h"

enum {
    HTTP_CLIENT_BODY_MAX =
        64 * 1024 * 1024, /* of an answer that is kept whole: thousands of tunnels are a few MiB */
    HTTP_CLIENT_TIMEOUT_MS = 30 * 1000, /* the daemon answers at once; so long may one be busy */
};

struct http_client_request {
    const char *socket;
    const char *method;
    const char *target;  /* path and query, encoded */
    const char *body;    /* JSON; NULL: none */
    int cancel_fd;       /* readable: ADIT_E_INTERRUPTED; -1: never */
    uint32_t timeout_ms; /* between two pieces of the answer; 0: HTTP_CLIENT_TIMEOUT_MS */
};

/* An answer, kept whole. */
struct http_client_reply {
    unsigned status;
    char *body; /* len bytes and a zero */
    size_t len;
};

/* ADIT_E_NO_DAEMON: nobody listens there (err's text is the whole sentence); ADIT_E_PROTOCOL: no HTTP came;
 * ADIT_E_TIMEOUT, ADIT_E_INTERRUPTED, ADIT_E_SYSTEM, ADIT_E_CONFIG, ADIT_E_MEMORY. A reply of any status is
 * ADIT_E_OK: http_client_reply_wipe it. */
enum adit_err http_client_ask(const struct http_client_request *request, struct http_client_reply *reply,
                              struct adit_error *err) ADIT_MUST_USE;
void http_client_reply_wipe(struct http_client_reply *reply);

/* An answer as it comes. */
struct http_client_stream {
    struct http_client_request request; /* its texts are borrowed while it is open */
    int fd;
    struct http_answer answer;
    struct span in; /* of buffer: not parsed yet */
    struct sse sse;
    struct span events; /* of a piece: not parsed yet */
    uint8_t buffer[16 * 1024];
};

/* Sends the request and waits for the answer's head: answer.status. http_client_close in any case. */
enum adit_err http_client_open(struct http_client_stream *s, const struct http_client_request *request,
                               struct adit_error *err) ADIT_MUST_USE;
void http_client_close(struct http_client_stream *s);
/* The next bytes of the body, valid until the next call; none at its end. */
enum adit_err http_client_read(struct http_client_stream *s, struct span *piece,
                               struct adit_error *err) ADIT_MUST_USE;
/* The next event of a body of events: in s->sse. *is_end: there are no more. */
enum adit_err http_client_event(struct http_client_stream *s, bool *is_end,
                                struct adit_error *err) ADIT_MUST_USE;

/* Somebody listens at that socket. */
bool http_client_is_answered(const char *socket);

/* The percent-encoded form of a path's segment or a query's value. False: it does not fit. */
bool http_client_encode(const char *text, char *out, size_t cap) ADIT_MUST_USE;

#endif
