/*
 * lend PATH - a program that lets another one act in its place: it passes its standard input, output and
 * errors to who listens on the Unix socket PATH, closes them, and is there until that one ends the
 * connection.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { COUNT = 3 };

static int pass(int to)
{
    const int fds[COUNT] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof fds)];
    } control = {.room = {0}};
    char byte = 0;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    return sendmsg(to, &msg, MSG_NOSIGNAL) == 1;
}

int main(int argc, char **argv)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char byte;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (argc < 2 || strlen(argv[1]) >= sizeof to.sun_path)
        return 2;
    strcpy(to.sun_path, argv[1]);
    if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) != 0 || !pass(fd))
        return 2;
    for (int i = 0; i < COUNT; i++)
        close(i);
    return read(fd, &byte, 1) < 0;
}
