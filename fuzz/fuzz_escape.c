/*
 * fuzz_escape.c - escape sequences. The first byte is the escape character (0: none), the second says how
 * what is typed is cut; low bytes of the rest stand for what matters: the escape character, line ends,
 * letters of actions. However it is cut, it gives what a reader with the whole of it before its eyes would
 * say.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/escape.h"
#include "fuzz/fuzz.h"

enum { TYPED_MAX = 4096 };

/* What went to the server, and what was meant for us: an action's number behind the place where it stood. */
struct result {
    size_t len, action_count;
    uint8_t bytes[TYPED_MAX + 1];
    uint32_t actions[TYPED_MAX];
};

static struct result expected, got;

static uint8_t typed_byte(int character, uint8_t b)
{
    static const uint8_t alphabet[] = {0,   0,   '\r', '\n', '.', 26,  '&', '#',
                                       '?', 'B', 'C',  'R',  'V', 'v', 'x', '-'};
    if (b >= sizeof alphabet)
        return b;
    return b < 2 ? (uint8_t)character : alphabet[b];
}

static enum escape_action action_of(uint8_t c)
{
    static const char letters[] = ".\x1a&#?BCRVv";
    const char *at = c != 0 ? strchr(letters, c) : NULL;
    return at != NULL ? (enum escape_action)(ESCAPE_QUIT + (at - letters)) : ESCAPE_NONE;
}

static void put(struct result *r, uint8_t c)
{
    r->bytes[r->len++] = c;
}

static void act(struct result *r, enum escape_action action)
{
    r->actions[r->action_count++] = (uint32_t)r->len << 8 | action;
}

/* ssh(1), ESCAPE CHARACTERS: at the start of a line, and only there. */
static void read_whole(struct result *r, int character, struct span t)
{
    bool is_line_start = true;
    r->len = r->action_count = 0;
    for (size_t i = 0; i < t.n; i++) {
        if (is_line_start && t.p[i] == character) {
            if (++i == t.n)
                return; /* undecided */
            if (action_of(t.p[i]) != ESCAPE_NONE) {
                act(r, action_of(t.p[i]));
                continue;
            }
            if (t.p[i] != character)
                put(r, (uint8_t)character);
        }
        put(r, t.p[i]);
        is_line_start = t.p[i] == '\r' || t.p[i] == '\n';
    }
}

static void take(struct result *r, struct escape *e, struct span in)
{
    while (in.n > 0) {
        static uint8_t out[TYPED_MAX + 1];
        size_t n, before = in.n;
        enum escape_action a = escape_take(e, &in, out, &n);
        ALWAYS(in.n < before && n <= before - in.n + 1 && r->len + n <= TYPED_MAX);
        memcpy(r->bytes + r->len, out, n);
        r->len += n;
        if (a != ESCAPE_NONE)
            act(r, a);
        else
            ALWAYS(in.n == 0);
    }
}

/* cut: 0 all at once, otherwise pieces whose lengths it drives. */
static void read_cut(struct result *r, int character, struct span t, uint32_t cut)
{
    struct escape e = escape_make(character);
    r->len = r->action_count = 0;
    while (t.n > 0) {
        size_t n = cut == 0 ? t.n : 1 + (cut >> 8) % 7;
        take(r, &e, span_sub(t, 0, n));
        t = span_sub(t, n < t.n ? n : t.n, SIZE_MAX);
        cut = cut == 0 ? 0 : (cut * 1664525u + 1013904223u) | 1;
    }
}

static void check_same(void)
{
    ALWAYS(expected.len == got.len && memcmp(expected.bytes, got.bytes, got.len) == 0);
    ALWAYS(expected.action_count == got.action_count);
    ALWAYS(memcmp(expected.actions, got.actions, got.action_count * sizeof got.actions[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t typed[TYPED_MAX];
    if (size < 2 || size - 2 > TYPED_MAX)
        return 0;
    int character = data[0] == 0 ? -1 : data[0];
    for (size_t i = 2; i < size; i++)
        typed[i - 2] = typed_byte(character, data[i]);
    struct span t = span_make(typed, size - 2);
    read_whole(&expected, character, t);
    read_cut(&got, character, t, 0);
    check_same();
    read_cut(&got, character, t, 1u + data[1] * 2u);
    check_same();
    for (size_t i = 0; i < t.n; i++)
        ALWAYS(character >= 0 || got.bytes[i] == t.p[i]);
    return 0;
}
