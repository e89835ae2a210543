/*
 * tunnels.h - the registry: all tunnels of the daemon, on its main thread.
 *
 *     tunnels_new(&t, &config, &err);  the definitions of the files and of the state file, nothing started
 *     tunnels_start_all(t, ...);       those with auto_start
 *     for each letter, timer and descriptor of the loop whose kind is ours:
 *         tunnels_on_mail(t, mail), tunnels_on_timer(t, timer), tunnels_on_fd(t, fd)
 *     tunnels_end(t); ... until tunnels_has_ended(t); tunnels_free(t);
 *
 * What is known of a tunnel, and what may be done with one, is tunnel.h's. Nothing here blocks, but for
 * reading ssh_config and a profile's secrets at a start, and the state file's fsync after a change.
 *
 * Whoever gives a definition keeps it: it is copied. A function that may fail says why in the API's words
 * (struct definition_error).
 */
#ifndef DAEMON_TUNNELS_H
#define DAEMON_TUNNELS_H

#include "adit.h"
#include "daemon/definition.h"
#include "daemon/events.h"
#include "daemon/tunnel.h"
#include "forward/session.h"
#include "net/loop.h"
#include "net/mailbox.h"

struct conf;
struct journal_note;
struct store;
struct tunnels;

/* Letters, timers and descriptors of these kinds are the registry's: the main loop hands them over. */
enum {
    TUNNELS_MAIL_FIRST = 0x100,
    TUNNELS_MAIL_LAST = 0x10f,
    TUNNELS_TIMER_FIRST = 0x100,
    TUNNELS_TIMER_LAST = 0x10f,
    TUNNELS_FD_FIRST = 0x40, /* a loop_fd's kind is a byte */
    TUNNELS_FD_LAST = 0x4f,
};

struct tunnels_ops {
    void *ctx;
    /* A line for the log. Any thread: a connection's own lines come on its thread. The note is borrowed. */
    void (*log)(void *ctx, const struct journal_note *note);
};

/* loop, box and store outlive the registry; store NULL: nothing is saved (and nothing refused for it). conf
 * until tunnels_reload has put another in its place. */
struct tunnels_config {
    struct loop *loop;
    struct mailbox *box;
    struct store *store;
    const struct conf *conf;
    uint64_t events_before;       /* ids of events are behind it */
    enum session_level log_level; /* a connection's lines above it are not even made */
    struct tunnels_ops ops;
};

/* ADIT_E_MEMORY, ADIT_E_SYSTEM, ADIT_E_CONFIG (a state file that cannot be used). */
enum adit_err tunnels_new(struct tunnels **out, const struct tunnels_config *config,
                          struct adit_error *err) ADIT_MUST_USE;
/* Stops everything and refuses whatever is asked for from now on ("draining"). Again: at once, without
 * waiting for the open connections. */
void tunnels_end(struct tunnels *t);
bool tunnels_has_ended(const struct tunnels *t);
/* NULL is fine. Before tunnels_has_ended it waits for the connections' threads. */
void tunnels_free(struct tunnels *t);

void tunnels_on_mail(struct tunnels *t, struct mail *mail);
void tunnels_on_timer(struct tunnels *t, struct loop_timer *timer);
void tunnels_on_fd(struct tunnels *t, struct loop_fd *fd);

/* ---- Finding. The order is that in which they were made: files first */

size_t tunnels_count(const struct tunnels *t);
struct tunnel *tunnels_first(const struct tunnels *t);
struct tunnel *tunnels_next(const struct tunnel *tunnel);
/* By id, then by name. NULL: none. */
struct tunnel *tunnels_find(const struct tunnels *t, const char *id_or_name);
struct tunnel *tunnels_find_id(const struct tunnels *t, const char *id);
/* How many are connected, and how many have failed. */
void tunnels_badge(const struct tunnels *t, size_t *up, size_t *failed);

/* ---- Making and changing. origin API is saved at once; "state_unwritable": it could not be, and nothing has
 * changed */

/* The definition is checked (definition_check, and what only the registry knows: "exists", "port_in_use",
 * profile_id, jump_session_id). Without an id it gets `tunnel_<ms>_<8 hex>`, without created_at the present.
 * Not started. NULL: error. */
struct tunnel *tunnels_add(struct tunnels *t, const struct definition *d,
                           struct definition_error *error) ADIT_MUST_USE;
/* The whole new definition; id, origin and created_at stay. A running tunnel is started anew if
 * definition_needs_restart says so. "read_only" for one of a file or a session. */
bool tunnels_change(struct tunnels *t, struct tunnel *tunnel, const struct definition *d,
                    struct definition_error *error) ADIT_MUST_USE;
/* Stops it; its listeners close behind this call's back: whoever must know waits for TUNNEL_WAIT_LISTENERS of
 * the stopped tunnel first. "read_only" for one of a file; a session's ends with its session. */
bool tunnels_remove(struct tunnels *t, struct tunnel *tunnel, struct definition_error *error) ADIT_MUST_USE;

/* ---- All of them */

enum tunnels_start { TUNNELS_STARTED, TUNNELS_RUNNING, TUNNELS_FAILED };
/* Starts each with auto_start; told (may be NULL) is called for each, message NULL unless it failed. */
void tunnels_start_all(struct tunnels *t, void *ctx,
                       void (*told)(void *ctx, struct tunnel *tunnel, enum tunnels_start what,
                                    const char *message));
/* told: those that were running or had failed. */
void tunnels_stop_all(struct tunnels *t, void *ctx, void (*told)(void *ctx, struct tunnel *tunnel));
/* Each that runs. */
void tunnels_reconnect_all(struct tunnels *t);

/* ---- The world around */

struct tunnels_reloaded {
    size_t added, removed, changed, unchanged;
};
/* Another configuration instead of the present one, which is not used any more afterwards. Exactly the
 * difference is applied: what is unchanged keeps its connection; new ones with auto_start are started.
 * ADIT_E_CONFIG with "FILE:LINE: ...": nothing has changed, and the old one stays in use. */
enum adit_err tunnels_reload(struct tunnels *t, const struct conf *conf, struct tunnels_reloaded *out,
                             struct adit_error *err) ADIT_MUST_USE;
const struct conf *tunnels_conf(const struct tunnels *t);
/* Of the connections: those that are there, and those to come. */
void tunnels_set_log_level(struct tunnels *t, enum session_level level);
/* news: enum watch_news. */
void tunnels_network(struct tunnels *t, unsigned news);

/* ---- Counters */

/* The caller's, until done was called or tunnels_refresh_cancel has returned. */
struct tunnels_refresh {
    void *ctx;
    void (*done)(void *ctx); /* on the main thread, perhaps from within tunnels_refresh */
    struct tunnels_refresh *next;
    bool is_waiting, is_running;
};
enum { TUNNELS_REFRESH_MS = 200 };
/* Asks each connection for its numbers; done when all have answered, or after TUNNELS_REFRESH_MS: who has not
 * answered by then keeps its last known ones. */
void tunnels_refresh(struct tunnels *t, struct tunnels_refresh *r);
void tunnels_refresh_cancel(struct tunnels *t, struct tunnels_refresh *r);

/* The connections that are open through one tunnel. */
struct tunnel_connection {
    uint64_t id;
    const char *client, *target; /* "127.0.0.1:40312", "10.0.0.5:443" */
    int64_t opened_at;           /* Unix time */
    uint64_t bytes_up, bytes_down;
};
struct tunnel_connections {
    void *ctx;
    /* Once, on the main thread, perhaps from within the call; list is good until it returns. tunnel NULL: it
     * was removed. list NULL: there was no memory for it. Without an answer after TUNNELS_REFRESH_MS there
     * are none. */
    void (*done)(void *ctx, struct tunnel *tunnel, const struct tunnel_connection *list, size_t count);
};
void tunnels_connections(struct tunnels *t, struct tunnel *tunnel, const struct tunnel_connections *request);

/* ---- Events: one `tunnel` for each change of a tunnel's state, forwards, error, retry, host key, prompt or
 * definition (not of its counters), `removed` when it goes */

struct events *tunnels_events(struct tunnels *t);

/* ---- Session tunnels: they live as long as whoever asked for them. A tunnel for each forward, with id
 * `session:tunnel_...`, name `Session forward :8080`, auto_start and auto_reconnect false, max_retries 0;
 * started at once. */

struct tunnels_session;
struct tunnels_session_request {
    const char *host, *user;                   /* user NULL: ssh_config's or the profile's */
    uint16_t port;                             /* 0: ssh_config's */
    const char *profile_id;                    /* NULL: "default" */
    const char *jump_host_id;                  /* NULL: ssh_config's */
    const struct texts *keywords;              /* "Keyword value"; NULL: none */
    const struct definition_forward *forwards; /* the enabled ones */
    size_t forward_count;
    bool is_attended; /* somebody is there to answer questions: tunnel_attend comes before the start */
};
/* NULL: error, and nothing was made. */
struct tunnels_session *tunnels_session_open(struct tunnels *t, const struct tunnels_session_request *request,
                                             struct definition_error *error) ADIT_MUST_USE;
size_t tunnels_session_count(const struct tunnels_session *s);
struct tunnel *tunnels_session_tunnel(const struct tunnels_session *s, size_t at);
/* Stops and removes its tunnels. */
void tunnels_session_close(struct tunnels *t, struct tunnels_session *s);

#endif
