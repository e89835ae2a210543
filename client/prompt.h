/*
 * prompt.h - the person behind a connection, as client/ sees one: somebody to ask and somebody to tell.
 *
 * The command line implements it with a terminal; a daemon will with the socket of whoever started a tunnel.
 * The functions are called on the thread that answers the session's questions, never on the session's own,
 * and may take as long as a person does.
 */
#ifndef CLIENT_PROMPT_H
#define CLIENT_PROMPT_H

#include "adit.h"
#include "client/options.h"

enum { PROMPT_ANSWER_CAP = 1024, PROMPT_TEXT_CAP = 4096 };

enum prompt_kind {
    PROMPT_SECRET, /* a password, passphrase or code: never shown while typed */
    PROMPT_LINE,   /* shown while typed */
};

struct client_prompt {
    void *ctx;
    /* text is clean and may have several lines; the answer is zero-terminated, at most cap - 1 bytes. False:
     * nobody can be asked, or the question was cancelled. The caller wipes answer. */
    bool (*ask)(void *ctx, enum prompt_kind kind, const char *text, char *answer, size_t cap);
    /* One clean line that is not an answer to anything. */
    void (*log)(void *ctx, enum log_level level, const char *line);
    /* Becomes readable when whatever is waited for (an agent) should be given up; -1: never. */
    int cancel_fd;
};

#endif
