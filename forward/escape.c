#include "forward/escape.h"

struct escape escape_make(int character)
{
    return (struct escape){.character = character, .is_line_start = true};
}

static enum escape_action action_of(uint8_t c)
{
    switch (c) {
    case '.':
        return ESCAPE_QUIT;
    case 'Z' - '@':
        return ESCAPE_SUSPEND;
    case '&':
        return ESCAPE_BACKGROUND;
    case '#':
        return ESCAPE_CONNECTIONS;
    case '?':
        return ESCAPE_HELP;
    case 'B':
        return ESCAPE_BREAK;
    case 'C':
        return ESCAPE_COMMAND;
    case 'R':
        return ESCAPE_REKEY;
    case 'V':
        return ESCAPE_QUIETER;
    case 'v':
        return ESCAPE_LOUDER;
    default:
        return ESCAPE_NONE;
    }
}

enum escape_action escape_take(struct escape *e, struct span *in, uint8_t *out, size_t *out_len)
{
    size_t n = 0;
    enum escape_action action = ESCAPE_NONE;
    while (in->n > 0 && action == ESCAPE_NONE) {
        uint8_t c = in->p[0];
        *in = span_sub(*in, 1, in->n - 1);
        if (e->is_pending) {
            e->is_pending = false;
            action = action_of(c); /* the line's start stays one: the next escape may follow at once */
            if (action != ESCAPE_NONE)
                break;
            if (c != e->character) /* no escape after all; "~~" is one tilde */
                out[n++] = (uint8_t)e->character;
        } else if (e->is_line_start && c == e->character) {
            e->is_pending = true;
            continue;
        }
        e->is_line_start = c == '\r' || c == '\n';
        out[n++] = c;
    }
    *out_len = n;
    return action;
}
