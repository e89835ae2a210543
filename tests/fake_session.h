/*
 * fake_session.h - a session as the files of the control socket see it, with neither a connection nor a
 * thread: a loop that is turned by hand, and forwards and sessions whose fate the includer decides.
 *
 * It defines what forwarder.h declares and those files call, so that the real ones are not linked. One file
 * of a program includes it.
 */
#ifndef FAKE_SESSION_H
#define FAKE_SESSION_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "adit.h"
#include "forward/forwarder.h"
#include "net/child.h"
#include "net/fdpass.h"
#include "ssh/mux.h"

enum {
    FAKE_OWN = 2 /* the control socket's, and a -L 8080:web:80 */,
    FAKE_PLACES = FAKE_OWN + FORWARDER_GUESTS
};

static struct {
    struct loop loop;
    struct session_stats stats;
    struct session_control spec;
    struct session_forward own[FAKE_OWN];
    struct forwarder forwarders[FAKE_PLACES];
    char folder[64], path[128]; /* of the socket */
    bool is_ending;             /* nothing may be opened any more */
    bool keeps_waiting;         /* forwards get no answer by themselves */
    unsigned ends, ends_at_once, began, stopped, windows, breaks, rekeys, sockets_failed;
    struct adit_error end_error;
    int fds[3]; /* copies of those of the last session, or the last stdio forward's own */
    struct session_config config;
    int asked_fd; /* somebody is asked: what the program prints goes here; -1: nobody */
    bool has_answered, asks_nobody /* the program cannot be run */;
    int answer_status;
    char question[1024];
    char log[256];
} fake;

static inline void fake_must(bool ok)
{
    if (!ok)
        abort();
}

static inline void fake_turn(void);
static inline void fake_later(uint64_t ms);

static inline void fake_fds_close(void)
{
    for (size_t i = 0; i < ADIT_COUNT(fake.fds); i++)
        sock_close(&fake.fds[i]);
}

/* ---- What the world does ---- */

static inline void fake_progress(void)
{
    control_progress(&fake.forwarders[0]);
}

/* port: that the server chose, or any. */
static inline void fake_up(struct forwarder *f, uint16_t port)
{
    struct session_notice n = {.kind = SESSION_REMOTE_PORT, .bound_port = port};
    f->state = FORWARDER_UP;
    if (f->spec->type == SESSION_FORWARD_REMOTE && f->spec->bind_port == 0 && !f->spec->bind_path)
        control_on_notice(f, &n);
    n = (struct session_notice){.kind = SESSION_FORWARD_UP, .bound = "here", .bound_port = port};
    control_on_notice(f, &n);
    fake_progress();
}

static inline void fake_failed(struct forwarder *f, bool all)
{
    struct session_notice n = {.kind = SESSION_FORWARD_FAILED};
    if (all)
        f->state = FORWARDER_FAILED;
    control_on_notice(f, &n);
    fake_progress();
}

static inline void fake_cancelled(struct forwarder *f)
{
    f->state = FORWARDER_READY;
    fake_progress();
}

static inline void fake_told(struct flow *flow, enum session_notice_kind kind, uint32_t number,
                             const char *text)
{
    struct session_notice n = {.kind = kind, .number = number, .text = text};
    if (!flow->is_dead)
        control_on_notice(flow->forwarder, &n);
}

static inline void fake_opened(struct flow *flow)
{
    flow->is_opening = false;
    fake_told(flow, SESSION_EXEC_OPENED, 0, NULL);
}

/* The channel is gone, and the flow with it. */
static inline void fake_gone(struct flow *flow)
{
    struct forwarder *f = flow->forwarder;
    struct session_notice n = {.kind = SESSION_EXEC_OVER};
    fake_must(f->flows == flow);
    f->flows = NULL;
    free(flow);
    fake.stats.open_now--;
    control_on_notice(f, &n);
    control_on_over(f, NULL);
    fake_progress();
}

static inline void fake_refused(struct flow *flow)
{
    struct adit_error err = {ADIT_E_CHANNEL, "refused"};
    flow->is_opening = false;
    if (!flow->is_dead)
        control_on_over(flow->forwarder, &err);
    fake_gone(flow);
}

/* Everything that can be done now. */
static inline void fake_turn(void)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct forwarder *f = &fake.forwarders[0];
    struct loop_fd *fd;
    struct loop_timer *t;
    for (bool is_busy = true; is_busy;) {
        is_busy = false;
        fake_must(loop_wait(&fake.loop, 0, &err) == ADIT_E_OK);
        for (; (fd = loop_next(&fake.loop)) != NULL; is_busy = true)
            f->ops->on_ready(f, fd);
        for (uint64_t now = loop_now_ms(); (t = loop_expired(&fake.loop, now)) != NULL; is_busy = true)
            f->ops->on_timer(f, t);
    }
}

/* The timers that are due so much later. */
static inline void fake_later(uint64_t ms)
{
    struct loop_timer *t;
    struct forwarder *f = &fake.forwarders[0];
    while ((t = loop_expired(&fake.loop, loop_now_ms() + ms)) != NULL)
        f->ops->on_timer(f, t);
}

static inline size_t fake_guests(void)
{
    size_t n = 0;
    for (size_t i = FAKE_OWN; i < FAKE_PLACES; i++)
        n += fake.forwarders[i].guest != NULL;
    return n;
}

/* The only guest, or the one in the n-th place. */
static inline struct forwarder *fake_guest(size_t n)
{
    struct forwarder *f = &fake.forwarders[FAKE_OWN + n];
    fake_must(f->guest != NULL);
    return f;
}

/* ---- The forwards ---- */

static inline void fake_listen_begin(struct forwarder *f)
{
    fake.began++;
    if (fake.keeps_waiting)
        f->state = FORWARDER_ASKED;
    else
        fake_up(f, (uint16_t)(40000 + f->index));
}

static inline void fake_listen_stop(struct forwarder *f)
{
    fake.stopped++;
    if (f->spec->type == SESSION_FORWARD_REMOTE && f->state == FORWARDER_UP)
        f->state = FORWARDER_CANCELLING;
}

static inline void fake_flow_new(struct forwarder *f)
{
    struct flow *flow = calloc(1, sizeof *flow);
    fake_must(flow != NULL && f->flows == NULL);
    flow->forwarder = f;
    flow->channel = (struct channel *)(void *)&fake;
    flow->is_opening = true;
    f->flows = flow;
    f->state = FORWARDER_UP;
    fake.began++;
    fake.stats.open_now++;
}

static inline void fake_exec_begin(struct forwarder *f)
{
    const struct session_exec *exec = f->spec->exec;
    fake_fds_close();
    fake.fds[0] = dup(exec->in_fd);
    fake.fds[1] = dup(exec->out_fd);
    fake.fds[2] = dup(exec->err_fd);
    fake_must(fake.fds[0] >= 0 && fake.fds[1] >= 0 && fake.fds[2] >= 0);
    fake_flow_new(f);
}

static inline void fake_stdio_begin(struct forwarder *f)
{
    fake_fds_close();
    memcpy(fake.fds, f->spec->fds, 2 * sizeof(int));
    f->spec->fds[0] = f->spec->fds[1] = -1;
    fake_must(fake.fds[0] >= 0 && fake.fds[1] >= 0);
    fake_flow_new(f);
}

static const struct forwarder_ops fake_none,
    fake_listen = {.begin = fake_listen_begin, .stop = fake_listen_stop},
    fake_exec = {.begin = fake_exec_begin}, fake_stdio = {.begin = fake_stdio_begin};

/* ---- Who is asked: the program of SSH_ASKPASS ---- */

enum adit_err child_start_reading(struct child *child, const char *const argv[],
                                  const char *const env_extra[], int *out_fd, struct adit_error *err)
{
    int ends[2];
    fake_must(fake.asked_fd < 0 && strcmp(env_extra[0], "SSH_ASKPASS_PROMPT=confirm") == 0);
    *child = (struct child){-1};
    *out_fd = -1;
    if (fake.asks_nobody)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot run %s", argv[0]);
    fake_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    *out_fd = ends[0];
    fake.asked_fd = ends[1];
    fake.has_answered = false;
    child->pid = 1;
    (void)adit_format(fake.question, sizeof fake.question, "%s", argv[1]);
    return ADIT_E_OK;
}

bool child_reap(struct child *child, bool wait, int *status)
{
    fake_must(!wait && child->pid == 1);
    if (!fake.has_answered)
        return false;
    *status = fake.answer_status;
    child->pid = -1;
    return true;
}

void child_abandon(struct child *child)
{
    child->pid = -1;
    sock_close(&fake.asked_fd);
}

/* It prints this, and ends; is_late: a little after its output has. */
static inline void fake_answers(struct span text, int status, bool is_late)
{
    (void)!send(fake.asked_fd, text.p, text.n, MSG_NOSIGNAL);
    sock_close(&fake.asked_fd);
    fake.answer_status = status;
    fake.has_answered = !is_late;
    fake_turn();
    fake.has_answered = true;
    fake_later(100);
    fake_turn();
}

/* ---- What the control socket's files call ---- */

const struct session_config *forwarder_config(const struct forwarder *f)
{
    (void)f;
    return &fake.config;
}

struct loop *forwarder_loop(struct forwarder *f)
{
    (void)f;
    return &fake.loop;
}

struct ssh *forwarder_ssh(struct forwarder *f)
{
    (void)f;
    return NULL;
}

struct session_stats *forwarder_stats(struct forwarder *f)
{
    (void)f;
    return &fake.stats;
}

void forwarder_up(struct forwarder *f, size_t address_index, const char *bound, uint16_t bound_port)
{
    (void)address_index;
    (void)bound;
    (void)bound_port;
    f->state = FORWARDER_UP;
}

struct forwarder *forwarder_add(struct forwarder *f, const struct session_forward *spec, struct guest *guest)
{
    (void)f;
    for (size_t i = FAKE_OWN; i < FAKE_PLACES; i++) {
        struct forwarder *place = &fake.forwarders[i];
        if (place->guest)
            continue;
        *place = (struct forwarder){.ops = spec->type == SESSION_FORWARD_EXEC    ? &fake_exec
                                           : spec->type == SESSION_FORWARD_STDIO ? &fake_stdio
                                                                                 : &fake_listen,
                                    .spec = spec,
                                    .index = i,
                                    .guest = guest,
                                    .state = FORWARDER_READY};
        return place;
    }
    return NULL;
}

void forwarder_remove(struct forwarder *f)
{
    fake_must(f->guest != NULL && f->flows == NULL);
    *f = (struct forwarder){.ops = &fake_none, .index = f->index, .state = FORWARDER_UP};
}

struct forwarder *forwarder_at(struct forwarder *f, size_t i)
{
    (void)f;
    return i < FAKE_PLACES ? &fake.forwarders[i] : NULL;
}

bool forwarder_may_open(const struct forwarder *f)
{
    (void)f;
    return !fake.is_ending;
}

void forwarder_end_session(struct forwarder *f, bool at_once)
{
    (void)f;
    fake.ends++;
    fake.ends_at_once += at_once;
}

void forwarder_end_failed(struct forwarder *f, const struct adit_error *why)
{
    (void)f;
    fake.ends++;
    fake.end_error = *why;
}

void forwarder_log(struct forwarder *f, enum session_level level, const char *fmt, ...)
{
    va_list ap;
    (void)f;
    (void)level;
    va_start(ap, fmt);
    (void)adit_vformat(fake.log, sizeof fake.log, fmt, ap);
    va_end(ap);
}

void forwarder_notify(struct forwarder *f, const struct session_notice *n)
{
    (void)f;
    fake.sockets_failed += n->kind == SESSION_CONTROL_FAILED;
}

void forwarder_target(const struct forwarder *f, char out[static FORWARDER_TARGET_CAP])
{
    (void)adit_format(out, FORWARDER_TARGET_CAP, "%s:%u", f->spec->host, f->spec->port);
}

const char *session_channel_name(enum session_channel_kind kind)
{
    return kind == SESSION_CHANNEL_SESSION ? "session" : "direct-tcpip";
}

/* The real one waits for the channel's end, too. */
void flow_end(struct flow *flow, bool reset)
{
    (void)reset;
    fake_must(!flow->is_dead);
    flow->is_dead = true;
}

bool ssh_session_window_change(struct ssh *ssh, struct channel *ch, struct ssh_window window)
{
    (void)ssh;
    fake_must(ch == (struct channel *)(void *)&fake);
    fake.windows += window.columns;
    return true;
}

bool ssh_session_break(struct ssh *ssh, struct channel *ch, uint32_t ms)
{
    (void)ssh;
    fake_must(ch == (struct channel *)(void *)&fake && ms == 1000);
    fake.breaks++;
    return true;
}

void ssh_rekey(struct ssh *ssh)
{
    (void)ssh;
    fake.rekeys++;
}

/* ---- Life ---- */

static inline void fake_describe(int fd, struct session_exec *exec, struct ssh_mode *modes)
{
    (void)fd;
    (void)modes;
    exec->window.columns = 80;
}

static inline void fake_folder_remove(void)
{
    (void)rmdir(fake.folder);
}

/* The folder stays for the next one, until the program ends. */
static inline void fake_start(const struct session_control *spec)
{
    struct adit_error err = {ADIT_E_OK, ""};
    char folder[sizeof fake.folder];
    memcpy(folder, fake.folder, sizeof folder);
    memset(&fake, 0, sizeof fake);
    memcpy(fake.folder, folder, sizeof folder);
    if (fake.folder[0] == 0) {
        snprintf(fake.folder, sizeof fake.folder, "/tmp/adit-control.XXXXXX");
        fake_must(mkdtemp(fake.folder) != NULL);
        fake_must(atexit(fake_folder_remove) == 0);
    }
    snprintf(fake.path, sizeof fake.path, "%s/s", fake.folder);
    fake.fds[0] = fake.fds[1] = fake.fds[2] = -1;
    fake.asked_fd = -1;
    fake.config.host = "server";
    fake.spec = *spec;
    fake.spec.path = fake.path;
    fake.spec.describe = fake_describe;
    for (size_t i = 0; i < FAKE_PLACES; i++)
        fake.forwarders[i] = (struct forwarder){.ops = &fake_none, .index = i, .state = FORWARDER_UP};
    fake.own[0] = (struct session_forward){.type = SESSION_FORWARD_CONTROL, .control = &fake.spec};
    fake.own[1] =
        (struct session_forward){.type = SESSION_FORWARD_LOCAL, .bind_port = 8080, .host = "web", .port = 80};
    fake.forwarders[0].ops = &forwarder_control;
    fake.forwarders[1].ops = &fake_listen;
    for (size_t i = 0; i < FAKE_OWN; i++)
        fake.forwarders[i].spec = &fake.own[i];
    fake_must(loop_init(&fake.loop, &err) == ADIT_E_OK);
    forwarder_control.open(&fake.forwarders[0]);
}

/* The session's connection has gone: its flows first, then the forwarders, as end_session does it. */
static inline void fake_stop(void)
{
    for (size_t i = FAKE_OWN; i < FAKE_PLACES; i++)
        if (fake.forwarders[i].flows)
            fake_gone(fake.forwarders[i].flows);
    forwarder_control.free(&fake.forwarders[0]);
    fake_must(loop_next_deadline(&fake.loop) == LOOP_NEVER && fake_guests() == 0);
    fake_must(access(fake.path, F_OK) != 0 && fake.asked_fd < 0);
    fake_fds_close();
    loop_wipe(&fake.loop);
}

/* ---- A client ---- */

static inline int fake_connect(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%.*s", (int)sizeof a.sun_path - 1, fake.path);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&a, sizeof a) != 0)
        sock_close(&fd);
    return fd;
}

/* All of it, in turns with the master; false when that closed the socket. */
static inline bool fake_send(int fd, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n > 0)
            bytes = span_sub(bytes, (size_t)n, SIZE_MAX);
        else if (errno != EAGAIN && errno != EINTR)
            return false;
        fake_turn();
    }
    return true;
}

#endif
