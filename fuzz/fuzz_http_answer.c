/* An HTTP answer and the events in its body, by the chunking law: the first byte says how the rest is cut;
 * the cut run and the whole one end alike and give the same body and the same events. */
#include <stdlib.h>
#include <string.h>

#include "daemon/http_answer.h"
#include "cli/sse.h"
#include "fuzz.h"

struct outcome {
    enum http_step end;
    enum sse_step last;
    size_t used, body_len, events, event_len;
    unsigned status;
    uint32_t sum; /* of the body and the events */
};

static void sum_add(struct outcome *o, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        o->sum = o->sum * 31 + ((const uint8_t *)p)[i];
}

static void events_take(struct outcome *o, struct sse *s, struct span piece)
{
    enum sse_step at;
    while ((at = sse_step(s, &piece)) == SSE_EVENT) {
        ALWAYS(s->data[s->data_len] == 0 && strlen(s->data) == s->data_len && s->name[0] != 0);
        o->events++;
        o->event_len += s->data_len;
        sum_add(o, s->data, s->data_len);
    }
    ALWAYS(at == SSE_BAD || piece.n == 0);
    o->last = at;
}

static void run(struct outcome *o, struct span data, size_t size)
{
    struct http_answer a;
    struct sse s;
    struct span piece;
    memset(o, 0, sizeof *o);
    http_answer_init(&a);
    sse_init(&s);
    o->end = HTTP_STEP_MORE;
    while (o->end == HTTP_STEP_MORE && o->used < data.n) {
        struct span in = span_sub(data, o->used, size);
        size_t had = in.n;
        while ((o->end = http_answer_step(&a, &in, &piece)) == HTTP_STEP_BODY) {
            ALWAYS(piece.n > 0 && a.has_head);
            o->body_len += piece.n;
            events_take(o, &s, piece);
        }
        ALWAYS(o->end != HTTP_STEP_MORE || in.n == 0);
        o->used += had - in.n;
    }
    if (o->end == HTTP_STEP_MORE)
        o->end = http_answer_eof(&a);
    o->status = a.status;
    sse_wipe(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut;
    if (size == 0)
        return 0;
    run(&whole, span_make(data + 1, size - 1), SIZE_MAX);
    run(&cut, span_make(data + 1, size - 1), 1u + data[0] % 64);
    ALWAYS(whole.end == cut.end && whole.status == cut.status);
    /* Where it is broken the two may have stopped at different bytes of one line. */
    if (whole.end == HTTP_STEP_END) {
        ALWAYS(whole.used == cut.used && whole.body_len == cut.body_len && whole.last == cut.last);
        ALWAYS(whole.events == cut.events && whole.event_len == cut.event_len && whole.sum == cut.sum);
    }
    return 0;
}
