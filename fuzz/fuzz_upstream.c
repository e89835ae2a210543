/* A proxy's answers, by the chunking law: the first byte of the input says HTTP or SOCKS, with or without
 * credentials, and how the rest is cut; the cut run and the whole one must end alike, no byte behind the
 * answer is taken, and the credentials are in no text. */
#include <string.h>

#include "fuzz.h"
#include "socks5/upstream.h"

struct outcome {
    enum upstream_event end;
    size_t used, sent;
    char error[UPSTREAM_ERROR_CAP];
};

static void check_text(const struct upstream *u)
{
    size_t n = strlen(u->error);
    ALWAYS(n < sizeof u->error);
    for (size_t i = 0; i < n; i++)
        ALWAYS((uint8_t)u->error[i] >= ' ' && (uint8_t)u->error[i] < 0x7f);
    ALWAYS(strstr(u->error, "geheim") == NULL);
}

static void run(struct outcome *o, const struct upstream_request *r, struct span data, size_t step)
{
    struct upstream u;
    memset(o, 0, sizeof *o);
    upstream_init(&u, r);
    for (;;) {
        enum upstream_event e = upstream_next(&u);
        if (e == UPSTREAM_SEND) {
            size_t n = upstream_out(&u).n < step ? upstream_out(&u).n : step;
            o->sent += n;
            upstream_out_consume(&u, n);
            continue;
        }
        if (e != UPSTREAM_NEED_MORE || o->used == data.n)
            break;
        struct span part = span_sub(data, o->used, step);
        size_t used = upstream_feed(&u, part);
        ALWAYS(used > 0 && used <= part.n);
        ALWAYS(used == part.n || upstream_next(&u) != UPSTREAM_NEED_MORE);
        o->used += used;
    }
    o->end = upstream_next(&u);
    ALWAYS((o->end == UPSTREAM_FAILED) == (u.error[0] != 0));
    check_text(&u);
    memcpy(o->error, u.error, sizeof o->error);
    upstream_wipe(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut;
    if (size == 0)
        return 0;
    bool has_user = data[0] & 2;
    const struct upstream_request r = {.kind = data[0] & 1 ? UPSTREAM_SOCKS5 : UPSTREAM_HTTP,
                                       .host = "server.example",
                                       .port = 22,
                                       .user = has_user ? "user" : NULL,
                                       .password = has_user ? "geheim" : NULL};
    struct span answer = span_make(data + 1, size - 1);
    run(&whole, &r, answer, SIZE_MAX);
    run(&cut, &r, answer, 1u + (data[0] >> 2));
    ALWAYS(whole.end == cut.end && whole.used == cut.used && whole.sent == cut.sent);
    ALWAYS(strcmp(whole.error, cut.error) == 0);
    return 0;
}
