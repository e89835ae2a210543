/*
 * escape.h - the escape sequences of ssh(1): what a person types, split into what goes to the server and what
 * is meant for us. A pure state machine.
 */
#ifndef FORWARD_ESCAPE_H
#define FORWARD_ESCAPE_H

#include "adit.h"

enum escape_action {
    ESCAPE_NONE,
    ESCAPE_QUIT,        /* ~. */
    ESCAPE_SUSPEND,     /* ~^Z */
    ESCAPE_BACKGROUND,  /* ~& */
    ESCAPE_CONNECTIONS, /* ~# */
    ESCAPE_HELP,        /* ~? */
    ESCAPE_BREAK,       /* ~B */
    ESCAPE_COMMAND,     /* ~C */
    ESCAPE_REKEY,       /* ~R */
    ESCAPE_QUIETER,     /* ~V */
    ESCAPE_LOUDER,      /* ~v */
};

struct escape {
    int character;      /* EscapeChar as a byte; -1: none, everything goes through */
    bool is_line_start; /* the last byte that went was CR or LF, or none has gone yet */
    bool is_pending;    /* the escape character stands at a line's start, undecided */
};

struct escape escape_make(int character);

/* Takes bytes off *in until it is empty or an action is due, and puts those for the server into out, which
 * has room for in->n + 1 bytes; *out_len: how many. Call again while *in is not empty. */
enum escape_action escape_take(struct escape *e, struct span *in, uint8_t *out, size_t *out_len);

#endif
