/*
 * fake_master.h - a master that says what it was told to, whatever it is asked, on a thread of its own; and
 * that keeps what it heard.
 */
#ifndef FAKE_MASTER_H
#define FAKE_MASTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAKE_MASTER_HEARD = 512 * 1024, FAKE_MASTER_FDS = 32, FAKE_MASTER_HELLO = 12 };

struct fake_master {
    int listener;
    pthread_t thread;
    char folder[64], path[128];
    const uint8_t *words; /* what it says, and then nothing more: */
    size_t words_len;     /* less than a socket's buffer */
    bool is_patient;      /* it waits then; otherwise it says that it has finished */
    bool is_deaf;         /* it hears HELLO, and closes the socket then */
    size_t heard_len;
    uint8_t heard[FAKE_MASTER_HEARD];
    int fds[FAKE_MASTER_FDS]; /* that were passed to it */
    size_t fd_count;
};

static inline void fake_master_must(bool ok)
{
    if (!ok)
        abort();
}

static inline void fake_master_keep_fd(struct fake_master *m, struct msghdr *head)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(head);
    int fd;
    if (!c || c->cmsg_type != SCM_RIGHTS)
        return;
    fake_master_must(c->cmsg_len == CMSG_LEN(sizeof fd));
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (m->fd_count < FAKE_MASTER_FDS)
        m->fds[m->fd_count++] = fd;
    else
        close(fd);
}

static inline void fake_master_hear(struct fake_master *m, int fd)
{
    for (;;) {
        union {
            struct cmsghdr head;
            char room[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec to = {m->heard + m->heard_len, sizeof m->heard - m->heard_len};
        struct msghdr head = {.msg_iov = &to, .msg_iovlen = 1, .msg_control = &control};
        head.msg_controllen = sizeof control;
        ssize_t n = recvmsg(fd, &head, 0);
        if (n <= 0)
            return;
        m->heard_len += (size_t)n;
        fake_master_keep_fd(m, &head);
    }
}

static inline void *fake_master_thread(void *arg)
{
    struct fake_master *m = arg;
    int fd = accept(m->listener, NULL, NULL);
    fake_master_must(fd >= 0);
    for (size_t at = 0; at < m->words_len;) {
        ssize_t n = send(fd, m->words + at, m->words_len - at, MSG_NOSIGNAL);
        if (n < 0)
            break;
        at += (size_t)n;
    }
    if (!m->is_patient)
        (void)shutdown(fd, SHUT_WR);
    if (m->is_deaf) /* the client's HELLO still reaches somebody */
        fake_master_must(recv(fd, m->heard, FAKE_MASTER_HELLO, MSG_WAITALL) == FAKE_MASTER_HELLO);
    else
        fake_master_hear(m, fd);
    close(fd);
    return NULL;
}

static inline void fake_master_init(struct fake_master *m)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memset(m, 0, sizeof *m);
    snprintf(m->folder, sizeof m->folder, "/tmp/adit-master.XXXXXX");
    fake_master_must(mkdtemp(m->folder) != NULL);
    snprintf(m->path, sizeof m->path, "%s/s", m->folder);
    snprintf(a.sun_path, sizeof a.sun_path, "%.100s", m->path);
    m->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fake_master_must(m->listener >= 0 && bind(m->listener, (struct sockaddr *)(void *)&a, sizeof a) == 0 &&
                     listen(m->listener, 8) == 0);
}

/* For one client. */
static inline void fake_master_start(struct fake_master *m)
{
    m->heard_len = m->fd_count = 0;
    fake_master_must(pthread_create(&m->thread, NULL, fake_master_thread, m) == 0);
}

/* The client is gone, or goes now: what was heard is there then. */
static inline void fake_master_join(struct fake_master *m)
{
    fake_master_must(pthread_join(m->thread, NULL) == 0);
}

static inline void fake_master_close_fds(struct fake_master *m)
{
    while (m->fd_count > 0)
        close(m->fds[--m->fd_count]);
}

static inline void fake_master_wipe(struct fake_master *m)
{
    close(m->listener);
    unlink(m->path);
    rmdir(m->folder);
}

#endif
