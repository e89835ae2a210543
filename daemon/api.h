/*
 * api.h - the HTTP API: what GET, POST, PUT and DELETE mean. Routes, answers and errors are described in
 * openapi.json, which the daemon also serves; adit-api(7) is for reading.
 *
 *     api_new(&api, &config, &err);  api_listen(api, fd, &err) for each socket;
 *     each descriptor of kind API_FD_KIND that has news: api_on_fd(f); each timer of a kind from
 *     API_TIMER_KIND to API_TIMER_LAST: api_on_timer(t);
 *     api_free(api), before the registry goes.
 *
 * Main thread only. Nothing here blocks, but for reading files in GET /profiles and POST /reload.
 */
#ifndef DAEMON_API_H
#define DAEMON_API_H

#include <sys/types.h>

#include "adit.h"
#include "net/loop.h"

struct journal;
struct tunnels;
struct tunnels_reloaded;

enum {
    API_VERSION = 1, /* of GET /version */
    API_FD_KIND = 0x50,
    API_TIMER_KIND = 0x120,
    API_TIMER_LAST = 0x12f,
    API_EVENTS_COMMENT_MS = 15 * 1000, /* a comment this often in a stream without events */
    API_WAIT_MAX_S = 3600,             /* ?wait= */
};

struct api;

struct api_ops {
    void *ctx;
    /* POST /reload: reads the configuration again and applies it, as tunnels_reload. With is_check nothing is
     * applied, out says what would be; path (NULL: the daemon's own) is the file to read then. ADIT_E_CONFIG
     * with "FILE:LINE: ...". */
    enum adit_err (*reload)(void *ctx, bool is_check, const char *path, struct tunnels_reloaded *out,
                            struct adit_error *err);
};

/* loop, tunnels and journal outlive the API. */
struct api_config {
    struct loop *loop;
    struct tunnels *tunnels;
    struct journal *journal; /* NULL: GET /logs has no lines. The API is the waiter of journal_news_fd */
    const char *token;       /* for TCP; copied */
    bool has_group;          /* SocketGroup: its members may use the Unix socket */
    gid_t group;
    struct api_ops ops;
};

/* ADIT_E_MEMORY, ADIT_E_SYSTEM. */
enum adit_err api_new(struct api **out, const struct api_config *config,
                      struct adit_error *err) ADIT_MUST_USE;
/* Ends all connections; session tunnels of streams are closed. NULL is fine. */
void api_free(struct api *api);

/* Takes a descriptor that listens: a Unix socket, or TCP on a loopback address. It is closed when this fails
 * too: ADIT_E_USAGE for an address that is not loopback. */
enum adit_err api_listen(struct api *api, int fd, struct adit_error *err) ADIT_MUST_USE;
/* Listens on a loopback address, port 0: any. fd (NULL: not wanted) is for api_unlisten.
 * ADIT_E_USAGE as above, ADIT_E_FORWARD. */
enum { API_URL_CAP = 64 };
enum adit_err api_listen_tcp(struct api *api, const char *host, uint16_t port, int *fd,
                             struct adit_error *err) ADIT_MUST_USE;
/* Closes one that api_listen took; TCP connections of it end, too. */
void api_unlisten(struct api *api, int fd);
/* SocketGroup is another. */
void api_set_group(struct api *api, bool has_group, gid_t group);
/* The first TCP listener's URL; NULL: there is none. */
const char *api_url(const struct api *api);

/* From now on whatever would change something is answered 503 `draining`; what is asked is still answered. */
void api_drain(struct api *api);

void api_on_fd(struct loop_fd *f);
void api_on_timer(struct loop_timer *t);

#endif
