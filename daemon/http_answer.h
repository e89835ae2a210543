/*
 * http_answer.h - one answer of an HTTP/1.1 server, parsed as its bytes come. No I/O here.
 *
 *     while ((step = http_answer_step(&a, &in, &piece)) == HTTP_STEP_BODY) ... piece, within in's bytes ...
 *
 * The body ends by Content-Length, by the last chunk, or where the server closes. Interim answers (1xx) are
 * skipped. What is not clean HTTP is an error, never guessed at: both lengths at once, a length that is no
 * number, a transfer coding but chunked, a line that does not fit, a bare LF or a NUL among the fields.
 */
#ifndef DAEMON_HTTP_ANSWER_H
#define DAEMON_HTTP_ANSWER_H

#include "adit.h"

enum {
    HTTP_LINE_CAP = 4096,     /* the longest line of the head or of a chunk's, with its end */
    HTTP_HEAD_MAX = 32 * 1024 /* all of the head's, and of all trailers */
};

enum http_step {
    HTTP_STEP_MORE, /* all of in is used up */
    HTTP_STEP_BODY, /* piece is the next part of the body */
    HTTP_STEP_END,  /* the answer is complete; what is left in in is not its */
    HTTP_STEP_BAD,
};

struct http_answer {
    unsigned status; /* 0 until its line is here */
    bool is_events;  /* Content-Type: text/event-stream */
    bool has_head;   /* all of it is here */

    /* its own */
    int state;
    bool has_length, is_chunked;
    uint64_t left; /* of the body, or of the chunk */
    size_t head_len, line_len;
    char line[HTTP_LINE_CAP];
};

void http_answer_init(struct http_answer *a);
/* HTTP_STEP_BAD and HTTP_STEP_END are given again and again. */
enum http_step http_answer_step(struct http_answer *a, struct span *in, struct span *piece);
/* The server has closed: HTTP_STEP_END when the answer is complete by that, otherwise HTTP_STEP_BAD. */
enum http_step http_answer_eof(struct http_answer *a);

#endif
