/*
 * commandline.h - ~C: a line with a command, and forwards that come and go while a session holds the
 * terminal.
 *
 * The words and the answers are ssh's. The session is spoken to as by a client of its control socket
 * (client/mux_client.h), over a stream of our own.
 */
#ifndef CLI_COMMANDLINE_H
#define CLI_COMMANDLINE_H

#include "adit.h"
#include "client/client.h"

enum commandline_kind {
    COMMANDLINE_NOTHING,
    COMMANDLINE_HELP,
    COMMANDLINE_PROGRAM, /* text: what a shell is to run here */
    COMMANDLINE_OPEN,    /* type, text: a forward's specification */
    COMMANDLINE_CLOSE,   /* type, text: where it listens */
    COMMANDLINE_INVALID,
};

struct commandline_words {
    enum commandline_kind kind;
    enum forward_type type;
    const char *text; /* in the line */
};

/* permits_program: PermitLocalCommand. */
struct commandline_words commandline_parse(const char *line, bool permits_program);

/* A forward that was opened here. */
struct commandline_forward {
    struct commandline_forward *next;
    struct forward_spec spec;
};

struct commandline {
    const struct options *options;
    struct client *client;
    struct commandline_forward *forwards;
};

void commandline_wipe(struct commandline *c);

/* Asks for a line, does what it says, and tells what came of it. The terminal is not raw meanwhile. Blocks:
 * as long as the person thinks, and some seconds for a server that does not answer. */
void commandline_run(struct commandline *c, struct session *session);

#endif
