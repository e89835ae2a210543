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

/* What the answer is for, so that whoever keeps secrets knows which of them is meant. */
enum prompt_purpose {
    PROMPT_FOR_OTHER,
    PROMPT_FOR_PASSWORD,   /* subject: user@host */
    PROMPT_FOR_CODE,       /* keyboard-interactive: the server's own question. subject: user@host */
    PROMPT_FOR_PASSPHRASE, /* subject: the private key's file */
    PROMPT_FOR_HOST_KEY,   /* yes, no, or the fingerprint. subject: the host as known_hosts has it */
};

struct prompt_question {
    enum prompt_kind kind;
    enum prompt_purpose purpose;
    const char *text;      /* clean; may have several lines */
    const char *subject;   /* see enum prompt_purpose; NULL: none */
    const char *jump_host; /* it is this jump host's, as ProxyJump names it; NULL: the destination's */
    size_t hop; /* of the jump hosts that the caller gave (chain.h), which: 1 is the first; 0: none of them */
    /* Where whoever is asked says why an answer that there is could not be had just now: ADIT_E_MEMORY. Of
     * no account when one was given all the same; NULL: it would make no difference. */
    struct adit_error *lack;
};

struct client_prompt {
    void *ctx;
    /* The answer is zero-terminated, at most cap - 1 bytes. False: nobody can be asked, or the question was
     * cancelled. The caller wipes answer. */
    bool (*ask)(void *ctx, const struct prompt_question *q, char *answer, size_t cap);
    /* One clean line that is not an answer to anything. */
    void (*log)(void *ctx, enum log_level level, const char *line);
    /* Becomes readable when whatever is waited for (an agent) should be given up; -1: never. */
    int cancel_fd;
};

#endif
