/*
 * sse.h - server-sent events, taken out of a body as its bytes come. No I/O here.
 *
 * Comments and fields but event and data are skipped; several data lines are joined by LF.
 */
#ifndef CLI_SSE_H
#define CLI_SSE_H

#include "adit.h"

enum { SSE_NAME_CAP = 64, SSE_EVENT_MAX = 1024 * 1024 };

struct sse {
    char name[SSE_NAME_CAP]; /* "message" where none was given */
    char *data;              /* of the event that was returned: data_len bytes and a zero */
    size_t data_len;

    /* its own */
    char *line;
    size_t line_len, line_cap, data_cap;
    bool has_data, is_returned, skip_lf, is_broken, has_no_memory;
};

void sse_init(struct sse *s);
void sse_wipe(struct sse *s);

enum sse_step {
    SSE_MORE,      /* all of in is used up */
    SSE_EVENT,     /* name and data hold one, until the next call */
    SSE_BAD,       /* longer than SSE_EVENT_MAX, or a zero byte in it; no more comes */
    SSE_NO_MEMORY, /* no more comes */
};
enum sse_step sse_step(struct sse *s, struct span *in);

#endif
