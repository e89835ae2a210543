#include "daemon/http_answer.h"

#include <string.h>

#include "client/texts.h"

enum state {
    STATUS_LINE,
    FIELDS,
    BODY_LENGTH, /* `left` bytes more */
    BODY_CLOSE,  /* until the server closes */
    CHUNK_SIZE,
    CHUNK_DATA,
    CHUNK_END, /* the CR LF behind a chunk */
    TRAILERS,
    COMPLETE,
    BROKEN,
};

void http_answer_init(struct http_answer *a)
{
    *a = (struct http_answer){.state = STATUS_LINE};
}

/* ---- Lines ---- */

enum line { LINE_NONE, LINE_READY, LINE_BAD };

/* A line without its CR LF, in a->line and zero-terminated. RFC 9112 §2.2 lets a bare LF pass; nobody whom we
 * talk to sends one. */
static enum line line_take(struct http_answer *a, struct span *in)
{
    const uint8_t *end = in->n > 0 ? memchr(in->p, '\n', in->n) : NULL;
    size_t n = end != NULL ? (size_t)(end - in->p) + 1 : in->n;
    a->head_len += n;
    if (n >= sizeof a->line - a->line_len || a->head_len > HTTP_HEAD_MAX)
        return LINE_BAD;
    if (n > 0)
        memcpy(a->line + a->line_len, in->p, n);
    a->line_len += n;
    *in = span_sub(*in, n, SIZE_MAX);
    if (end == NULL)
        return LINE_NONE;
    size_t len = a->line_len;
    a->line_len = 0;
    if (len < 2 || a->line[len - 2] != '\r' || memchr(a->line, 0, len) != NULL ||
        memchr(a->line, '\r', len - 2) != NULL)
        return LINE_BAD;
    a->line[len - 2] = 0;
    return LINE_READY;
}

/* ---- The head ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK" */
static bool status_parse(struct http_answer *a)
{
    const char *t = a->line;
    size_t n = strlen(t);
    if (n < 12 || memcmp(t, "HTTP/1.", 7) != 0 || (t[7] != '0' && t[7] != '1') || t[8] != ' ' ||
        !is_digit(t[9]) || !is_digit(t[10]) || !is_digit(t[11]) || (t[12] != 0 && t[12] != ' '))
        return false;
    a->status = (unsigned)(100 * (t[9] - '0') + 10 * (t[10] - '0') + (t[11] - '0'));
    return a->status >= 100 && a->status < 600;
}

static bool length_parse(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 15)
        return false;
    for (; *text != 0; text++) {
        if (!is_digit(*text))
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    *out = n;
    return true;
}

/* "Name: value"; the blanks around the value go. */
static bool field_split(char *line, char **value)
{
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line || line[0] == ' ' || line[0] == '\t' || colon[-1] == ' ' ||
        colon[-1] == '\t')
        return false;
    *colon = 0;
    *value = colon + 1;
    while (**value == ' ' || **value == '\t')
        ++*value;
    for (size_t n = strlen(*value); n > 0 && ((*value)[n - 1] == ' ' || (*value)[n - 1] == '\t'); n--)
        (*value)[n - 1] = 0;
    return true;
}

static bool field_parse(struct http_answer *a)
{
    static const char events[] = "text/event-stream";
    char *value, type[sizeof events];
    if (!field_split(a->line, &value))
        return false;
    if (text_same(a->line, "Content-Length")) {
        if (a->has_length || a->is_chunked)
            return false;
        return a->has_length = length_parse(value, &a->left);
    }
    if (text_same(a->line, "Transfer-Encoding")) {
        if (a->has_length || a->is_chunked)
            return false;
        return a->is_chunked = text_same(value, "chunked");
    }
    if (text_same(a->line, "Content-Type")) {
        (void)adit_format(type, sizeof type, "%s", value);
        char next = strlen(value) < sizeof type ? 0 : value[sizeof type - 1];
        a->is_events = text_same(type, events) && (next == 0 || next == ';' || next == ' ');
    }
    return true;
}

/* Where the body begins, RFC 9112 §6.3. */
static enum state body_state(struct http_answer *a)
{
    a->has_head = true;
    if (a->status == 204 || a->status == 304)
        return COMPLETE;
    if (a->is_chunked)
        return CHUNK_SIZE;
    if (!a->has_length)
        return BODY_CLOSE;
    return a->left > 0 ? BODY_LENGTH : COMPLETE;
}

static enum state head_end(struct http_answer *a)
{
    if (a->status >= 200)
        return body_state(a);
    /* 101 would be another protocol's beginning: nobody asked for it. */
    if (a->status == 101 || a->has_length || a->is_chunked)
        return BROKEN;
    a->status = 0;
    return STATUS_LINE;
}

/* ---- Chunks ---- */

static int hex_digit(char c)
{
    return is_digit(c)              ? c - '0'
           : (c >= 'a' && c <= 'f') ? c - 'a' + 10
           : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                    : -1;
}

static enum state chunk_begin(struct http_answer *a)
{
    size_t n = 0;
    a->left = 0;
    for (; hex_digit(a->line[n]) >= 0; n++)
        a->left = a->left * 16 + (uint64_t)hex_digit(a->line[n]);
    /* Extensions may follow, and say nothing to us. */
    if (n == 0 || n > 12 || (a->line[n] != 0 && a->line[n] != ';' && a->line[n] != ' ' && a->line[n] != '\t'))
        return BROKEN;
    /* Lines of chunks are not the head's: a stream without end has no end of them. */
    a->head_len = 0;
    return a->left > 0 ? CHUNK_DATA : TRAILERS;
}

/* ---- Steps ---- */

static enum state line_do(struct http_answer *a)
{
    char *value;
    switch (a->state) {
    case STATUS_LINE:
        return status_parse(a) ? FIELDS : BROKEN;
    case FIELDS:
        return a->line[0] == 0 ? head_end(a) : field_parse(a) ? FIELDS : BROKEN;
    case CHUNK_SIZE:
        return chunk_begin(a);
    case CHUNK_END:
        return a->line[0] == 0 ? CHUNK_SIZE : BROKEN;
    default: /* TRAILERS */
        return a->line[0] == 0 ? COMPLETE : field_split(a->line, &value) ? TRAILERS : BROKEN;
    }
}

static void body_take(struct http_answer *a, struct span *in, struct span *piece)
{
    bool is_bound = a->state != BODY_CLOSE;
    size_t n = is_bound && a->left < in->n ? (size_t)a->left : in->n;
    *piece = span_sub(*in, 0, n);
    *in = span_sub(*in, n, SIZE_MAX);
    if (!is_bound)
        return;
    a->left -= n;
    if (a->left == 0)
        a->state = a->state == CHUNK_DATA ? CHUNK_END : COMPLETE;
}

enum http_step http_answer_step(struct http_answer *a, struct span *in, struct span *piece)
{
    for (;;) {
        if (a->state == COMPLETE)
            return HTTP_STEP_END;
        if (a->state == BROKEN)
            return HTTP_STEP_BAD;
        if (in->n == 0)
            return HTTP_STEP_MORE;
        if (a->state == BODY_LENGTH || a->state == BODY_CLOSE || a->state == CHUNK_DATA) {
            body_take(a, in, piece);
            return HTTP_STEP_BODY;
        }
        enum line line = line_take(a, in);
        if (line == LINE_NONE)
            return HTTP_STEP_MORE;
        a->state = line == LINE_READY ? (int)line_do(a) : BROKEN;
    }
}

enum http_step http_answer_eof(struct http_answer *a)
{
    a->state = a->state == BODY_CLOSE || a->state == COMPLETE ? COMPLETE : BROKEN;
    return a->state == COMPLETE ? HTTP_STEP_END : HTTP_STEP_BAD;
}
