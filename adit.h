/*
 * adit.h - the shared vocabulary: spans, limits, the one error type, wipe and constant-time compare.
 *
 * Everything in adit includes this file and nothing here includes anything of adit. It knows no
 * protocol, no operating system and no allocator. Kept small on purpose: what only two folders
 * need does not belong here.
 */
#ifndef ADIT_H
#define ADIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADIT_VERSION "0.1.0"

/* What may be left out of a build (Makefile: WITH_RSA, WITH_ZLIB). */
#ifndef ADIT_WITH_RSA
#define ADIT_WITH_RSA 1
#endif
#ifndef ADIT_WITH_ZLIB
#define ADIT_WITH_ZLIB 1
#endif

#if defined(__GNUC__)
#define ADIT_MUST_USE          __attribute__((warn_unused_result))
#define ADIT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ADIT_MUST_USE
#define ADIT_PRINTF(fmt, args)
#endif

#define ADIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The variable that may hold a private key's text. No program that we start gets it. */
#define ADIT_ENV_KEY "ADIT_KEY"

/* For our own bugs alone; it is always on, and says nothing: a core or a debugger has the place. */
#define adit_assert(condition) ((condition) ? (void)0 : __builtin_trap())

/* ---- Limits ------------------------------------------------------------------------------
 * Every bound on what a peer, a file or a user may make us hold, in one place, with its reason.
 * A length that a peer sends is compared with one of these; it is never handed to an allocator.
 */
enum {
    /* RFC 4253 §4.2: the identification string is at most 255 characters with CR LF. */
    LIMIT_IDENT_LINE = 255,
    /* Lines before it: RFC 4253 sets no bound; OpenSSH's client gives up after 1024 lines. */
    LIMIT_IDENT_PREFACE_LINES = 1024,
    LIMIT_IDENT_PREFACE_BYTES = 64 * 1024,
    /* packet_length, RFC 4253 §6.1: at least 35000 must be taken. A banner may be 100,000 bytes
     * in one message and OpenSSH's own limit is 256 KiB, so that is ours: what stock peers send fits. */
    LIMIT_PACKET = 256 * 1024,
    /* The largest channel data we announce and send: more gave no speed, and OpenSSH uses it too. */
    LIMIT_CHANNEL_PACKET = 32 * 1024,
    /* A KEXINIT's name-list; OpenSSH's whole KEXINIT is about 1.5 KiB. */
    LIMIT_NAMELIST = 8 * 1024,
    /* Keys and signatures: RSA 16384 with its blob stays below; certificates are larger. */
    LIMIT_KEY_BLOB = 16 * 1024,
    LIMIT_SIGNATURE = 4 * 1024,
    /* Channels open at one time on one session (5,000 idle connections are a measured goal). */
    LIMIT_CHANNELS = 16 * 1024,
    /* Clients of one SOCKS listener that have not named their target yet, 3 KiB each: when one more comes the
     * oldest is let go. */
    LIMIT_HANDSHAKES = 1024,
    /* The type and the type's own fields of a CHANNEL_OPEN: two host names and some numbers. */
    LIMIT_OPEN_BYTES = 1100,
    /* The receive window of one channel: OpenSSH's server becomes slower above 8 MiB (its buffer is moved on
     * every read). The first grant is small, since it all queues before a slow line; it doubles with each
     * round trip that needs more, as TCP's own window does. */
    LIMIT_WINDOW = 8 * 1024 * 1024,
    WINDOW_FIRST = 128 * 1024,
    WINDOW_FIRST_MIN = 32 * 1024, /* when the budget is used up */
    RECEIVE_BUDGET = 32 * 1024 * 1024,
    /* Requests of ours on one channel (RFC 4254 §5.4) that wait to be sent, or for their answer: a session
     * with a few hundred variables of its environment has as many. One request: what OpenSSH takes in one
     * packet. */
    LIMIT_CHANNEL_REQUESTS = 4096,
    LIMIT_CHANNEL_REQUEST = 250 * 1024,
    /* Replies to the peer's requests kept while keys are exchanged. */
    LIMIT_PENDING_REPLIES = 1024,
    /* Global requests of ours that wait for an answer. */
    LIMIT_GLOBAL_WAITING = 256,
    /* Authentication: requests sent before we stop; prompts in one round (RFC 4256), rounds. */
    LIMIT_AUTH_TRIES = 128,
    LIMIT_KBDINT_PROMPTS = 32,
    LIMIT_KBDINT_ROUNDS = 32,
    /* Partial successes (RFC 4252 §5.1): a server that wants several methods or keys names some three. */
    LIMIT_AUTH_PARTIALS = 8,
    /* A user name, host name, or a SOCKS domain (RFC 1928: one length byte). */
    LIMIT_USER = 255,
    LIMIT_HOST = 255,
    /* Jump hosts before one destination: each is a thread and an SSH connection. */
    LIMIT_JUMPS = 16,
    /* The text of an error, with its terminating zero. */
    LIMIT_ERROR_TEXT = 1200,
    /* Input and output start at BUFFER_START (one packet of 35000, RFC 4253 §6.1) and grow to these while
     * busy: the input holds one largest packet with its tag, the output eight full data packets and the
     * reserve. LIMIT_OUT_RESERVE of the output is kept for messages that are not channel data. */
    BUFFER_START = 40 * 1024,
    LIMIT_IN_BUFFER = LIMIT_PACKET + 1024,
    LIMIT_OUT_BUFFER = 272 * 1024,
    LIMIT_OUT_RESERVE = 8 * 1024,
    LIMIT_FILE_KEY = 1024 * 1024, /* a private key file */
    LIMIT_FILE_KNOWN_HOSTS = 64 * 1024 * 1024,
    LIMIT_FILE_REVOKED = 64 * 1024 * 1024, /* a million fingerprints are 36 MiB */
    LIMIT_LINE_KNOWN_HOSTS = 64 * 1024,
    /* The files that one configuration is read from, with all that they include: files that include each
     * other several times over are soon more than anybody can wait for. And the names that are looked at for
     * one pattern of Include, which may have a star at each level. */
    LIMIT_CONFIG_FILES = 1024,
    LIMIT_GLOB_NAMES = 16 * 1024,
    LIMIT_AGENT_REPLY = 256 * 1024,
    LIMIT_AGENT_KEYS = 2048,
    /* The answer of a command that we run for ourselves: one line, and what a login shell may say before it.
     */
    LIMIT_ERRAND = 1024,
};

/* ---- Spans: bytes never travel without their length --------------------------------------- */

/* Bytes that somebody else owns; the header that hands one out says how long they live. */
struct span {
    const uint8_t *p;
    size_t n;
};

/* The writable twin. */
struct wspan {
    uint8_t *p;
    size_t n;
};

/* A span over a string literal, without its terminating zero; usable as a constant initialiser. */
#define SPAN_LIT(s)                            \
    {                                          \
        (const uint8_t *)("" s), sizeof(s) - 1 \
    }

struct span span_make(const void *p, size_t n);
struct span span_str(const char *s);        /* of a zero-terminated text; NULL gives the empty span */
bool span_eq(struct span a, struct span b); /* not constant time: public bytes only */
bool span_is(struct span a, const char *s);
/* The part of s from `from` on, at most n bytes; out of range gives the empty span. */
struct span span_sub(struct span s, size_t from, size_t n);

/* ---- Secrets ------------------------------------------------------------------------------ */

void adit_wipe(void *p, size_t n);                                     /* never optimised away */
bool adit_ct_eq(const void *a, const void *b, size_t n) ADIT_MUST_USE; /* time depends on n alone */

/* ---- Memory: the allocator that ssh/ is handed ---------------------------------------------
 * alloc returns NULL when there is no memory; contents are indeterminate. release is handed the
 * size that was asked for, and NULL is fine.
 */
struct adit_alloc {
    void *ctx;
    void *(*alloc)(void *ctx, size_t n);
    void (*release)(void *ctx, void *p, size_t n);
};

/* ---- Errors ---------------------------------------------------------------------------------
 * One list: name, exit status with AditExitCodes=yes, kind (the word in JSON), whether a new try
 * may help, the sentence that stands for it when there is no text. Nothing else decides on a retry.
 */
#define ADIT_ERRORS(X)                                                                        \
    X(OK, 0, "", false, "no error")                                                           \
    X(USAGE, 2, "unsupported", false, "the command line is wrong")                            \
    X(CONFIG, 2, "unsupported", false, "an option or a file is wrong")                        \
    X(AUTH, 3, "authentication", false, "the server did not accept any credential")           \
    X(HOST_KEY, 4, "host-key", false, "the server's host key is not the one that is trusted") \
    X(RESOLVE, 5, "transport", true, "the host name could not be looked up")                  \
    X(CONNECT, 5, "transport", true, "no connection could be made")                           \
    X(TIMEOUT, 5, "timeout", true, "no answer in time")                                       \
    X(CLOSED, 5, "transport", true, "the connection was closed by the peer")                  \
    X(DISCONNECTED, 5, "transport", true, "the peer ended the session")                       \
    X(PROTOCOL, 5, "transport", true, "the peer broke the protocol")                          \
    X(INTEGRITY, 5, "transport", true, "a packet was damaged or forged")                      \
    X(NEGOTIATION, 5, "unsupported", false, "no algorithm in common")                         \
    X(CHANNEL, 1, "channel", true, "a channel failed")                                        \
    X(COMMAND, 1, "command", false, "the remote command failed")                              \
    X(FORWARD, 6, "forwarding", true, "a forward could not be set up")                        \
    X(UNSUPPORTED, 1, "unsupported", false, "this is not supported")                          \
    X(KEY_FILE, 2, "authentication", false, "a key file could not be used")                   \
    X(LIMIT, 5, "transport", true, "a limit was reached")                                     \
    X(MEMORY, 1, "transport", true, "out of memory")                                          \
    X(SYSTEM, 1, "transport", true, "the operating system refused a call")                    \
    X(INTERRUPTED, 1, "transport", false, "ended by a signal")                                \
    X(WAIT_TIMEOUT, 7, "timeout", true, "waiting timed out")                                  \
    X(GAVE_UP, 8, "transport", false, "gave up")                                              \
    X(NO_DAEMON, 9, "unsupported", false, "no daemon answers")

enum adit_err {
#define X(name, exit, kind, retry, sentence) ADIT_E_##name,
    ADIT_ERRORS(X)
#undef X
        ADIT_E_COUNT
};

int adit_err_exit(enum adit_err e);
const char *adit_err_kind(enum adit_err e);
bool adit_err_may_retry(enum adit_err e);
const char *adit_err_sentence(enum adit_err e);

/* The first failure of something and its place. text is always zero-terminated, valid UTF-8 and
 * free of control characters, whatever was formatted into it. */
struct adit_error {
    enum adit_err code;
    char text[LIMIT_ERROR_TEXT];
};

/* Sets e to code with a formatted text, unless e already holds an error (the first one stays) or is
 * NULL. Returns code, so that a function can end with `return adit_fail(e, ...)`. */
enum adit_err adit_fail(struct adit_error *e, enum adit_err code, const char *fmt, ...) ADIT_PRINTF(3, 4);
enum adit_err adit_vfail(struct adit_error *e, enum adit_err code, const char *fmt, va_list ap)
    ADIT_PRINTF(3, 0);

/* ---- Text ----------------------------------------------------------------------------------
 * A formatter without stdio, for the folders that may not have it. Knows %s %.*s %c %d %u %x %ld
 * %lu %lx %lld %llu %zu %% with an optional 0 and width; always zero-terminates; returns the length
 * written, which is below cap. */
size_t adit_format(char *out, size_t cap, const char *fmt, ...) ADIT_PRINTF(3, 4);
size_t adit_vformat(char *out, size_t cap, const char *fmt, va_list ap) ADIT_PRINTF(3, 0);

/* What a peer says, made fit for a terminal or a log: escape sequences (ESC [ ... letter, ESC ] ... BEL
 * or ST, and their C1 forms), other control characters, bidirectional controls and invalid UTF-8 are
 * removed or shown as '?'. Tab stays; newline stays only with keep_newlines (CR LF becomes LF).
 * Writes at most cap - 1 bytes and a zero, never cuts a UTF-8 character in two; returns the length. */
size_t adit_text_clean(char *out, size_t cap, struct span text, bool keep_newlines);

/* ssh_config(5), PATTERNS: '*' is any number of characters, '?' is one; the whole of text. any_case: letters
 * of ASCII alone. Time is at most the product of the two lengths. */
bool adit_text_matches(struct span pattern, struct span text, bool any_case);

#endif
