#include "client/agent_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/loop.h"
#include "net/reason.h"
#include "net/sock.h"
#include "ssh/agent.h"

struct call {
    int fd, cancel_fd;
    const char *path;
    uint64_t deadline_ms;
    struct adit_error why; /* the first failure, without the agent's name */
};

/* Waits for events on the socket. */
static bool call_wait(struct call *c, short events)
{
    struct pollfd fds[2] = {{c->fd, events, 0}, {c->cancel_fd, POLLIN, 0}};
    for (;;) {
        uint64_t now = loop_now_ms();
        int left = now >= c->deadline_ms ? 0 : (int)(c->deadline_ms - now);
        int n = poll(fds, c->cancel_fd < 0 ? 1 : 2, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            (void)adit_fail(&c->why, ADIT_E_MEMORY, "cannot wait for it: %s", strerror(errno));
        else if (n > 0 && c->cancel_fd >= 0 && fds[1].revents != 0)
            (void)adit_fail(&c->why, ADIT_E_INTERRUPTED, "cancelled");
        else if (n == 0)
            (void)adit_fail(&c->why, ADIT_E_AUTH, "no answer in time");
        return c->why.code == ADIT_E_OK;
    }
}

/* 0 (also when it goes on by itself, *done is false then), or why not; *fd is -1 then. */
static int connect_start(int *fd, const struct sock_addr *to, bool *done)
{
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *done = *fd >= 0 && connect(*fd, (const struct sockaddr *)(const void *)&to->storage, to->len) == 0;
    int why = *done ? 0 : errno;
    if (why == 0 || (*fd >= 0 && (why == EINPROGRESS || why == EINTR)))
        return 0;
    sock_close(fd);
    return why;
}

/* connect(2)'s verdict on the socket's name, or on our right to it: nothing has failed. */
static bool is_verdict(int why)
{
    return why == ECONNREFUSED || why == ENOENT || why == ENOTDIR || why == EACCES || why == EPERM ||
           why == EPROTOTYPE || why == ELOOP;
}

static enum adit_err connect_failed(int why, struct adit_error *err)
{
    bool is_lack = why == ENOMEM || why == ENOBUFS || why == EMFILE || why == ENFILE;
    enum adit_err code = is_verdict(why) ? ADIT_E_CONNECT
                         : is_lack       ? ADIT_E_MEMORY
                         : why == EAGAIN ? ADIT_E_LIMIT /* its backlog is full */
                                         : ADIT_E_AUTH;
    return adit_fail(err, code, "cannot connect: %s", reason_text(why));
}

static bool call_connect(struct call *c)
{
    struct sock_addr to;
    bool done;
    if (sock_addr_unix(&to, c->path, &c->why) != ADIT_E_OK)
        return false;
    int why = connect_start(&c->fd, &to, &done);
    if (why != 0)
        return connect_failed(why, &c->why) == ADIT_E_OK;
    while (!done)
        if (!call_wait(c, POLLOUT) || sock_connect_finish(c->fd, &to, &done, &c->why) != ADIT_E_OK)
            return false;
    return true;
}

static bool call_send(struct call *c, struct span request)
{
    while (request.n > 0) {
        size_t n = 0;
        enum sock_io io = sock_write(c->fd, request.p, request.n, &n, &c->why);
        if (io == SOCK_IO_OK)
            request = span_sub(request, n, SIZE_MAX);
        else if (io != SOCK_IO_AGAIN || !call_wait(c, POLLOUT))
            return false;
    }
    return true;
}

/* At least `wanted` more bytes. The protocol's parser bounds wanted by LIMIT_AGENT_REPLY. */
static bool call_read(struct call *c, struct file *in, size_t wanted)
{
    if (in->cap - in->n < wanted) {
        struct file bigger = {.p = malloc(in->n + wanted), .n = in->n, .cap = in->n + wanted};
        if (bigger.p == NULL)
            return adit_fail(&c->why, ADIT_E_MEMORY, "out of memory") == ADIT_E_OK;
        if (in->n > 0)
            memcpy(bigger.p, in->p, in->n);
        file_wipe(in);
        *in = bigger;
    }
    size_t end = in->n + wanted;
    while (in->n < end) {
        size_t n = 0;
        enum sock_io io = sock_read(c->fd, in->p + in->n, end - in->n, &n, &c->why);
        if (io == SOCK_IO_OK)
            in->n += n;
        else if (io == SOCK_IO_EOF)
            return adit_fail(&c->why, ADIT_E_AUTH, "it closed the connection") == ADIT_E_OK;
        else if (io != SOCK_IO_AGAIN || !call_wait(c, POLLIN))
            return false;
    }
    return true;
}

static bool call_receive(struct call *c, struct file *reply)
{
    struct span message;
    size_t wanted = 0;
    for (;;) {
        switch (agent_frame(span_make(reply->p, reply->n), &message, &wanted, &c->why)) {
        case AGENT_FRAME_MORE:
            if (!call_read(c, reply, wanted))
                return false;
            break;
        case AGENT_FRAME_WHOLE:
            adit_assert(reply->p != NULL); /* a whole one has bytes */
            memmove(reply->p, message.p, message.n);
            reply->n = message.n;
            return true;
        case AGENT_FRAME_BAD:
            return false;
        }
    }
}

static bool call_exchange(struct call *c, struct span request, struct file *reply)
{
    memset(reply, 0, sizeof *reply);
    return call_send(c, request) && call_receive(c, reply);
}

/* True when `first` was answered, whatever the answer. */
static bool call_first(struct call *c, struct span first)
{
    struct file ignored = {0};
    bool fine = call_connect(c) && call_exchange(c, first, &ignored);
    file_wipe(&ignored);
    if (fine)
        return true;
    sock_close(&c->fd);
    memset(&c->why, 0, sizeof c->why);
    return false;
}

/* What the caller is told, of the code of the first failure. */
static enum adit_err code_of(enum adit_err first)
{
    if (first == ADIT_E_SYSTEM) /* of sock_read and sock_write: it is not the peer */
        return ADIT_E_MEMORY;
    bool is_kept = first == ADIT_E_CONNECT || first == ADIT_E_INTERRUPTED || first == ADIT_E_MEMORY ||
                   first == ADIT_E_LIMIT;
    return is_kept ? first : ADIT_E_AUTH;
}

enum adit_err agent_call(struct file *reply, const char *path, struct span request, uint32_t timeout_ms,
                         int cancel_fd, struct adit_error *err)
{
    return agent_call_after(reply, path, span_make(NULL, 0), request, timeout_ms, cancel_fd, err);
}

enum adit_err agent_call_after(struct file *reply, const char *path, struct span first, struct span request,
                               uint32_t timeout_ms, int cancel_fd, struct adit_error *err)
{
    struct call c = {
        .fd = -1, .cancel_fd = cancel_fd, .path = path, .deadline_ms = loop_now_ms() + timeout_ms};
    memset(reply, 0, sizeof *reply);
    bool is_ready = first.n > 0 && call_first(&c, first);
    bool fine = (is_ready || call_connect(&c)) && call_exchange(&c, request, reply);
    sock_close(&c.fd);
    if (fine)
        return ADIT_E_OK;
    file_wipe(reply);
    return adit_fail(err, code_of(c.why.code), "agent %s: %s", path, c.why.text);
}

bool agent_is_there(const char *path, struct adit_error *err)
{
    struct sock_addr to;
    int fd;
    bool done;
    if (sock_addr_unix(&to, path, NULL) != ADIT_E_OK)
        return false;
    int why = connect_start(&fd, &to, &done);
    sock_close(&fd);
    bool is_there = why == 0 || why == EAGAIN;
    if (!is_there && !is_verdict(why))
        (void)adit_fail(err, ADIT_E_CONNECT, "cannot connect to %s: %s", path, reason_text(why));
    return is_there;
}
