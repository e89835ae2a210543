#include "cli/sse.h"

#include <stdlib.h>
#include <string.h>

void sse_init(struct sse *s)
{
    *s = (struct sse){0};
}

void sse_wipe(struct sse *s)
{
    free(s->line);
    free(s->data);
    *s = (struct sse){0};
}

/* Adds bytes behind what is there, and a zero behind them. */
static bool grow(struct sse *s, char **p, size_t *len, size_t *cap, const void *more, size_t n)
{
    if (n > SSE_EVENT_MAX - *len) {
        s->is_broken = true;
        return false;
    }
    if (*len + n + 1 > *cap) {
        size_t want = 2 * (*len + n + 1);
        char *bigger = realloc(*p, want);
        if (bigger == NULL) {
            s->has_no_memory = true;
            return false;
        }
        *p = bigger;
        *cap = want;
    }
    if (n > 0)
        memcpy(*p + *len, more, n);
    *len += n;
    (*p)[*len] = 0;
    return true;
}

static void event_begin(struct sse *s)
{
    s->is_returned = s->has_data = false;
    s->data_len = 0;
    s->name[0] = 0;
}

static void field_take(struct sse *s, const char *name, const char *value)
{
    if (strcmp(name, "event") == 0)
        (void)adit_format(s->name, sizeof s->name, "%s", value);
    if (strcmp(name, "data") != 0)
        return;
    if (s->has_data && !grow(s, &s->data, &s->data_len, &s->data_cap, "\n", 1))
        return;
    s->has_data = true;
    (void)grow(s, &s->data, &s->data_len, &s->data_cap, value, strlen(value));
}

/* True: the line is the empty one behind an event. */
static bool line_take(struct sse *s)
{
    size_t len = s->line_len;
    s->line_len = 0;
    if (len == 0) {
        if (!s->has_data) {
            event_begin(s);
            return false;
        }
        if (s->name[0] == 0)
            (void)adit_format(s->name, sizeof s->name, "message");
        return true;
    }
    if (strlen(s->line) != len) {
        s->is_broken = true;
        return false;
    }
    char *colon = strchr(s->line, ':');
    const char *value = s->line + len;
    if (colon != NULL) {
        *colon = 0;
        value = colon[1] == ' ' ? colon + 2 : colon + 1;
    }
    field_take(s, s->line, value);
    return false;
}

/* in is not empty. True: a line's end came, CR LF, LF or CR. */
static bool line_read(struct sse *s, struct span *in)
{
    size_t n = 0;
    if (s->skip_lf && in->p[0] == '\n')
        *in = span_sub(*in, 1, SIZE_MAX);
    s->skip_lf = false;
    while (n < in->n && in->p[n] != '\n' && in->p[n] != '\r')
        n++;
    bool has_end = n < in->n;
    if (!grow(s, &s->line, &s->line_len, &s->line_cap, in->p, n))
        return false;
    s->skip_lf = has_end && in->p[n] == '\r';
    *in = span_sub(*in, n + has_end, SIZE_MAX);
    return has_end;
}

enum sse_step sse_step(struct sse *s, struct span *in)
{
    if (s->is_returned)
        event_begin(s);
    while (!s->is_broken && !s->has_no_memory && in->n > 0) {
        if (line_read(s, in) && line_take(s)) {
            s->is_returned = true;
            return SSE_EVENT;
        }
    }
    if (s->has_no_memory)
        return SSE_NO_MEMORY;
    return s->is_broken ? SSE_BAD : SSE_MORE;
}
