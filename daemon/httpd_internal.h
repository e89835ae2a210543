/*
 * httpd_internal.h - what the files httpd*.c share.
 */
#ifndef DAEMON_HTTPD_INTERNAL_H
#define DAEMON_HTTPD_INTERNAL_H

#include <microhttpd.h>

#include "daemon/httpd.h"

struct httpd_listener {
    struct httpd_source source;
    struct httpd *httpd;
    int fd;
    bool is_tcp;
    uint16_t port; /* TCP */
};

/* One connection, for as long as libmicrohttpd has it. */
struct httpd_conn {
    struct httpd *httpd;
    struct httpd_conn *next, **link; /* of httpd->all */
    bool is_known;                   /* it may speak: its user, or a token that it has shown, says so */
    int fd;                          /* libmicrohttpd's */
    bool is_tcp;
    uint16_t port;               /* TCP: ours */
    struct httpd_timer deadline; /* for the request that is coming in */
};

struct httpd {
    struct httpd_config config;
    char *token;
    struct MHD_Daemon *mhd;
    struct MHD_Response *lack; /* said where there is no memory for another one; a 500 */
    struct httpd_source epoll; /* libmicrohttpd's own */
    struct httpd_timer run_timer, accept_timer;
    struct httpd_listener *listeners[HTTPD_MAX_LISTENERS];
    size_t listener_count;
    size_t conns[2], waiting[2]; /* by is_tcp */
    struct httpd_conn *all;
    size_t bodies_len; /* of those that are held */
    bool is_ending;
    struct httpd_request *requests; /* all that are under way */
};

enum httpd_refusal { /* by the headers alone, the first that applies */
                     HTTPD_FINE,
                     HTTPD_BAD_HOST,
                     HTTPD_BAD_ORIGIN,
                     HTTPD_NO_TOKEN,
};

struct httpd_request {
    struct httpd *httpd;
    struct httpd_conn *conn;
    struct MHD_Connection *mhd;
    struct httpd_request *next, **link; /* of httpd->requests */
    const char *method, *path;
    enum httpd_refusal refusal;
    bool is_too_large, is_other_type, has_type, is_crowded /* no room among the other bodies */;
    bool is_dispatched, is_suspended, is_gone, is_counted /* in httpd->waiting */;
    uint64_t body_len; /* as it came, also what was not kept */
    struct buffer body;
    json_t *json;
    struct header {
        const char *name;
        char *value; /* NULL: there was no memory for it */
    } headers[3];
    size_t header_count;
    struct MHD_Response *response; /* made, not yet queued; may be httpd->lack */
    unsigned status;
    struct httpd_source watch; /* its connection's descriptor, while it is suspended */
    void (*on_gone)(void *owner);
    void *owner;
    /* a stream */
    const struct httpd_stream_ops *stream;
    struct buffer out;
    size_t out_at;
    bool is_over;
};

/* httpd_request.c: libmicrohttpd's callbacks */
enum MHD_Result httpd_access(void *httpd, struct MHD_Connection *mhd, const char *path, const char *method,
                             const char *version, const char *data, size_t *data_len, void **request);
void httpd_completed(void *httpd, struct MHD_Connection *mhd, void **request,
                     enum MHD_RequestTerminationCode why);
/* Out of libmicrohttpd's hands until httpd_resume; the connection is watched. Only inside its callbacks. */
void httpd_suspend(struct httpd_request *r);
void httpd_resume(struct httpd_request *r);
void httpd_watch_ready(void *request);
/* Its place among those that wait: false when there is none, and then r was answered. */
bool httpd_wait_add(struct httpd_request *r);
/* httpd_reply.c: httpd->lack, or NULL (no memory), and the end of one that is not queued. */
struct MHD_Response *httpd_lack_new(void);
void httpd_response_drop(struct httpd_request *r);
/* Nobody will read the answer: tells the owner. */
void httpd_abandon(struct httpd_request *r);

/* httpd.c */
struct httpd_conn *httpd_conn_of(struct MHD_Connection *mhd);
/* libmicrohttpd has something to do. */
void httpd_kick(struct httpd *h);
/* For the request that comes next. */
void httpd_deadline_set(struct httpd_conn *c, bool is_first);

#endif
