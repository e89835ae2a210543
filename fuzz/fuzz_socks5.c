/* The SOCKS handshake and HTTP's, by the chunking law: the first byte of the input says how the rest is cut,
 * what is taken and what becomes of the request; and the cut run and the whole one must end alike. */
#include "socks5/reply.h"
#include "socks5/socks.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP = 0x1f, HTTP = 0x20, USER = 0x40, GRANT = 0x80 };

struct outcome {
    enum socks_event end;
    size_t used, out_len;
    uint8_t out[2 * SOCKS_OUT_CAP];
    struct socks_request request;
};

static void need(bool holds)
{
    if (!holds)
        abort();
}

static void drain(struct socks *s, struct outcome *o)
{
    struct span out = socks_out(s);

    need(out.n <= sizeof o->out - o->out_len);
    memcpy(o->out + o->out_len, out.p, out.n);
    o->out_len += out.n;
    socks_out_consume(s, out.n);
}

static void check_request(const struct socks_request *r)
{
    size_t n = strlen(r->host);

    need(n > 0 && n <= LIMIT_HOST && (r->version == 4 || r->version == 5 || r->version == SOCKS_HTTP));
    for (size_t i = 0; i < n; i++)
        need((uint8_t)r->host[i] > ' ');
}

static bool has(struct span data, const char *text, size_t n)
{
    for (size_t i = 0; i + n <= data.n; i++)
        if (memcmp(data.p + i, text, n) == 0)
            return true;
    return false;
}

/* Who was let in has named the user and the password. */
static void check_rules(const struct socks_request *r, struct span data, uint8_t rules)
{
    need((rules & HTTP) || r->version != SOCKS_HTTP);
    if (rules & USER)
        need(r->version == SOCKS_HTTP ? has(data, "dXM6cHdk", 8)
                                      : r->version == 5 && has(data, "\1\2us\3pwd", 8));
}

/* What the far end said of a refusal: the input ends with it, its length and its reason. */
static enum socks_result refusal(struct span data)
{
    if (data.n < 2)
        return SOCKS_REFUSED;
    size_t n = data.p[data.n - 2] < data.n - 2 ? data.p[data.n - 2] : data.n - 2;
    enum socks_result result =
        socks_reply_for_open_failure(data.p[data.n - 1], span_sub(data, data.n - 2 - n, n));

    need(result != SOCKS_OK);
    return result;
}

static void run(struct outcome *o, struct span data, size_t step, uint8_t rules)
{
    struct socks s;

    memset(o, 0, sizeof *o);
    socks_init(&s);
    socks_restrict(&s, rules & USER ? "us" : NULL, "pwd", rules & HTTP);
    while (o->used < data.n) {
        struct span part = span_sub(data, o->used, step);
        size_t used = socks_feed(&s, part);

        need(used <= part.n);
        o->used += used;
        drain(&s, o);
        if (used < part.n)
            break;
    }
    if (socks_next(&s) == SOCKS_REQUEST) {
        o->request = s.request;
        check_request(&o->request);
        check_rules(&o->request, data, rules);
        socks_reply(&s, rules & GRANT ? SOCKS_OK : refusal(data));
        drain(&s, o);
    }
    o->end = socks_next(&s);
    need(o->end == SOCKS_NEED_MORE ? o->used == data.n : o->end == SOCKS_GRANTED || o->end == SOCKS_FAILED);
    need((o->end == SOCKS_FAILED) == (s.error[0] != '\0'));
    socks_wipe(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut;

    if (size == 0)
        return 0;
    run(&whole, span_make(data + 1, size - 1), size, data[0]);
    run(&cut, span_make(data + 1, size - 1), (size_t)(data[0] & STEP) + 1, data[0]);
    need(whole.end == cut.end && whole.used == cut.used && whole.out_len == cut.out_len);
    need(memcmp(whole.out, cut.out, whole.out_len) == 0);
    need(memcmp(&whole.request, &cut.request, sizeof whole.request) == 0);
    return 0;
}
