/*
 * sock.h - sockets: addresses, listening, connecting, options, and transfers that never block.
 *
 * Every descriptor made here is close-on-exec and non-blocking. No call raises SIGPIPE on a socket; for pipes
 * the process ignores that signal. Functions return enum adit_err and say in err what failed, on which
 * address, and why.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "adit.h"

enum {
    SOCK_BACKLOG = 4096, /* a burst of 1,000 connects must not wait; the kernel caps it at somaxconn */
    SOCK_TEXT_CAP =
        128 + 16, /* the longest text of sock_addr_text with its zero: a Unix path, or [v6%scope]:port */
};

/* An address with its length, IPv4, IPv6 or Unix. */
struct sock_addr {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* ---- Addresses */

/* A literal "127.0.0.1", "::1", "fe80::1%eth0" (no brackets, no name lookup). False when it is not one. */
bool sock_addr_parse(struct sock_addr *out, const char *host, uint16_t port);
/* A Unix socket's path ("@name": abstract). ADIT_E_CONFIG when it is empty or longer than the system takes.
 */
enum adit_err sock_addr_unix(struct sock_addr *out, const char *path, struct adit_error *err) ADIT_MUST_USE;
/* The same, where '@' is a letter as any other. */
enum adit_err sock_addr_path(struct sock_addr *out, const char *path, struct adit_error *err) ADIT_MUST_USE;
/* The bytes of a literal IPv4 (4) or IPv6 (16) address without a scope, in network order; returns their
 * count, 0: it is no such literal. */
size_t sock_addr_bytes(const char *host, uint8_t out[static 16]);
int sock_addr_family(const struct sock_addr *a);    /* AF_INET, AF_INET6, AF_UNIX or AF_UNSPEC */
uint16_t sock_addr_port(const struct sock_addr *a); /* 0 for Unix sockets */
void sock_addr_set_port(struct sock_addr *a, uint16_t port);
bool sock_addr_is_loopback(const struct sock_addr *a);   /* 127.0.0.0/8, ::1, mapped ones, Unix sockets */
bool sock_addr_is_link_local(const struct sock_addr *a); /* 169.254.0.0/16, fe80::/10 */
/* The host alone, "127.0.0.1" or "::1"; an IPv4 address mapped into IPv6 is shown as IPv4. Unix: its path. */
void sock_addr_host(const struct sock_addr *a, char out[static SOCK_TEXT_CAP]);
/* "127.0.0.1:80", "[::1]:80", "/path". */
void sock_addr_text(const struct sock_addr *a, char out[static SOCK_TEXT_CAP]);

/* An address of a network interface that is up; one that is neither loopback nor link-local if it has any.
 * False: it has none of this family, or does not exist. */
bool sock_interface_addr(struct sock_addr *out, const char *interface, int family) ADIT_MUST_USE;

/* ---- Making them. *fd is -1 after a failure. */

/* Listens on a (SO_REUSEADDR, IPV6_V6ONLY). Port 0: the kernel's choice, see sock_local. ADIT_E_FORWARD; with
 * family_missing the caller can tell "this machine has no such family" (EAFNOSUPPORT, EADDRNOTAVAIL) from a
 * busy address; it may be NULL. */
enum adit_err sock_listen(int *fd, const struct sock_addr *a, bool *family_missing,
                          struct adit_error *err) ADIT_MUST_USE;

/* The file of a Unix socket that listens: which one we made. */
struct sock_file {
    bool is_ours;
    uint64_t dev, ino;
};
/* Listens at path (sock_addr_path). The file's mode is 0777 without the
 * bits of mask, whatever the umask is, before anybody can connect. replace: a socket of our own user that is
 * there already is removed first; any other file never is. ADIT_E_FORWARD, ADIT_E_CONFIG. */
enum adit_err sock_listen_unix(int *fd, const char *path, uint32_t mask, bool replace, struct sock_file *file,
                               struct adit_error *err) ADIT_MUST_USE;
/* Removes the file if it is still the one that was made; harmless when called again. Before the descriptor is
 * closed: so long no other file can get its inode. */
void sock_file_remove(struct sock_file *file, const char *path);
enum { SOCK_PATH_CAP = 108 }; /* of a Unix socket, with its zero (unix(7)) */
/* A control socket, mode 0600: it appears at path at once and listening, and never in the place of another
 * file. *exists: there is one already. ADIT_E_FORWARD, ADIT_E_CONFIG, ADIT_E_SYSTEM. */
enum adit_err sock_listen_control(int *fd, const char *path, bool *exists, struct sock_file *file,
                                  struct adit_error *err) ADIT_MUST_USE;
/* The process at the other end of a Unix socket was our own user's, or root's, when it connected. */
bool sock_peer_is_us(int fd) ADIT_MUST_USE;

enum sock_accept {
    SOCK_ACCEPT_OK,
    SOCK_ACCEPT_AGAIN,  /* nobody is waiting */
    SOCK_ACCEPT_IGNORE, /* this one was gone before we took it (ECONNABORTED and kin, EINTR): call again */
    SOCK_ACCEPT_LIMIT, /* EMFILE, ENFILE, ENOBUFS, ENOMEM: wait for a descriptor to come free, or a second; an
                        * edge will not come for those who wait in the backlog already */
    SOCK_ACCEPT_FAILED, /* the listener itself is broken; err says why */
};
enum sock_accept sock_accept(int listener, int *fd, struct sock_addr *peer,
                             struct adit_error *err) ADIT_MUST_USE;

/* Starts to connect. source (may be NULL) is bound to first. *done: it is connected already (Unix sockets,
 * some loopbacks); otherwise wait for writability and call sock_connect_finish. ADIT_E_CONNECT; ADIT_E_LIMIT
 * when a Unix socket's backlog is full: try again a little later, for nothing tells when it is not. */
enum adit_err sock_connect_start(int *fd, const struct sock_addr *to, const struct sock_addr *source,
                                 bool *done, struct adit_error *err) ADIT_MUST_USE;
/* The same in two steps, for options that must be set before the first packet: a socket for `to`, not
 * connected; and its start, which closes it when it fails. */
enum adit_err sock_open(int *fd, const struct sock_addr *to, struct adit_error *err) ADIT_MUST_USE;
enum adit_err sock_connect_start_on(int *fd, const struct sock_addr *to, const struct sock_addr *source,
                                    bool *done, struct adit_error *err) ADIT_MUST_USE;
/* After writability: ADIT_E_OK, or ADIT_E_CONNECT with the reason. `to` is for the text. *done false: still
 * under way. */
enum adit_err sock_connect_finish(int fd, const struct sock_addr *to, bool *done,
                                  struct adit_error *err) ADIT_MUST_USE;

/* Two ends of one stream, both non-blocking and close-on-exec. */
enum adit_err sock_pair(int fds[2], struct adit_error *err) ADIT_MUST_USE;

/* False when the system does not say (not a socket, not connected). */
bool sock_local(int fd, struct sock_addr *out);
bool sock_peer(int fd, struct sock_addr *out);
/* Where a listener is, or ADIT_E_SYSTEM. */
enum adit_err sock_find_local(int fd, struct sock_addr *out, struct adit_error *err) ADIT_MUST_USE;

/* ---- Options. What a kind of socket does not know (TCP options on a socketpair) is not an error: they are
 * wishes, and false says only that the kernel did not take it. */
bool sock_set_nodelay(int fd, bool on);
bool sock_set_quickack(int fd); /* lasts until the kernel changes its mind: set it again after reads */
bool sock_set_keepalive(int fd, bool on);
bool sock_set_notsent_lowat(int fd, uint32_t bytes);
bool sock_set_user_timeout(int fd, uint32_t ms);
bool sock_set_tos(int fd, uint8_t tos); /* IP_TOS or IPV6_TCLASS, by the socket's family */
bool sock_set_nonblock(int fd, bool on);
/* Bytes handed to the kernel that the peer has not acknowledged (TCP) or read (Unix); 0 when unknown. */
size_t sock_unsent_len(int fd);
/* Of these, the ones the kernel has not put on the wire yet (SIOCOUTQNSD); sock_unsent_len where it is
 * unknown. */
size_t sock_notsent_len(int fd);
/* Bytes that a pipe, a terminal or a socket has for its reader; 0 when unknown. */
size_t sock_waiting_len(int fd);
/* A connection's pending error (SO_ERROR) as a text in err, ADIT_E_CLOSED; ADIT_E_OK when there is none. */
enum adit_err sock_pending_error(int fd, struct adit_error *err);

/* ---- Transfers */

enum sock_io {
    SOCK_IO_OK,     /* *n bytes went, at least 1 (0 only when 0 were asked for) */
    SOCK_IO_AGAIN,  /* nothing now: clear the readiness bit */
    SOCK_IO_EOF,    /* reads only: the peer sends no more */
    SOCK_IO_FAILED, /* err says why: ADIT_E_CLOSED (a reset, a broken pipe) or ADIT_E_SYSTEM */
};
/* On non-blocking descriptors of any type (sockets, pipes, files). EINTR is retried. count is at most 64. *n
 * is 0 unless SOCK_IO_OK. A short transfer (*n below what was asked) means that the next would give
 * SOCK_IO_AGAIN or SOCK_IO_EOF: see loop_fd_short_read. */
enum sock_io sock_read(int fd, void *buf, size_t len, size_t *n, struct adit_error *err) ADIT_MUST_USE;
enum sock_io sock_readv(int fd, const struct iovec *iov, int count, size_t *n,
                        struct adit_error *err) ADIT_MUST_USE;
enum sock_io sock_write(int fd, const void *buf, size_t len, size_t *n, struct adit_error *err) ADIT_MUST_USE;
enum sock_io sock_writev(int fd, const struct iovec *iov, int count, size_t *n,
                         struct adit_error *err) ADIT_MUST_USE;

/* The same for descriptors that stay blocking because others share them (standard input and output): asks the
 * kernel first, and writes at most 4096 bytes a call, which a pipe with room takes without waiting. A short
 * write means nothing there: only SOCK_IO_AGAIN clears a bit. */
enum sock_io sock_shared_read(int fd, void *buf, size_t len, size_t *n, struct adit_error *err) ADIT_MUST_USE;
enum sock_io sock_shared_write(int fd, const void *buf, size_t len, size_t *n,
                               struct adit_error *err) ADIT_MUST_USE;

/* No more from us (FIN); a pipe or file has no such half and is left alone (false: close it instead). */
bool sock_shutdown_write(int fd);
void sock_close(int *fd);       /* closes and sets -1; -1 is fine */
void sock_close_reset(int *fd); /* closes with a reset (SO_LINGER 0): passes on a peer's reset */

#endif
