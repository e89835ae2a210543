/*
 * ident.h - the protocol version exchange, RFC 4253 §4.2.
 */
#ifndef SSH_IDENT_H
#define SSH_IDENT_H

#include "adit.h"

struct ident {
    size_t line_count; /* lines before the identification string, and their bytes */
    size_t byte_count;
};

enum ident_status { IDENT_MORE, IDENT_DONE, IDENT_BAD };

/* Looks for the identification string in what has come in so far. *used says how many bytes to drop, also
 * with MORE (whole lines before it). DONE: *line is the string without CR LF, inside `in`. lines_before: the
 * peer may send other lines first (only a server may). */
enum ident_status ident_next(struct ident *id, struct span in, bool lines_before, size_t *used,
                             struct span *line, struct adit_error *err) ADIT_MUST_USE;

/* "SSH-2.0-" software, to be followed by CR LF. software is a name and, behind a blank, comments; false when
 * it does not fit into LIMIT_IDENT_LINE or has characters that RFC 4253 §4.2 forbids there. */
bool ident_make(const char *software, char out[LIMIT_IDENT_LINE + 1]) ADIT_MUST_USE;

#endif
