/*
 * reason.h - why a call of the system failed, in the words that people and scripts know from ssh.
 *
 * musl has words of its own for some of them ("Host is unreachable" for "No route to host"); these are those
 * of the GNU library, whichever one is linked.
 */
#ifndef NET_REASON_H
#define NET_REASON_H

/* Of an errno. Never NULL; valid for ever, or as strerror(3)'s. */
const char *reason_text(int code);

/* Of getaddrinfo(3)'s result (EAI_SYSTEM: errno is taken). */
const char *reason_lookup_text(int code);

#endif
