#include "fuzz/socks_decoder.h"

#include <string.h>

/* Where the reading stands. */
struct cursor {
    struct socks_reading *r;
    struct span data;
    size_t at;
};

/* The next n bytes, or NULL where they have not come: then all that is there was read. */
static const uint8_t *field(struct cursor *c, size_t n)
{
    if (c->data.n - c->at < n) {
        c->r->verdict = SOCKS_READS_ON;
        c->r->used = c->data.n;
        return NULL;
    }
    c->at += n;
    return c->data.p + c->at - n;
}

static void say(struct cursor *c, const void *bytes, size_t n)
{
    memcpy(c->r->said + c->r->said_len, bytes, n);
    c->r->said_len += n;
}

static void end(struct cursor *c, enum socks_verdict verdict)
{
    c->r->verdict = verdict;
    c->r->used = c->at;
}

static uint16_t number(const uint8_t *p)
{
    return (uint16_t)(p[0] * 256 + p[1]);
}

/* socks.h's own rule: printable, and no more than a name has. */
static bool is_host_name(struct span name)
{
    bool is_good = name.n >= 1 && name.n <= 255;
    for (size_t i = 0; i < name.n; i++)
        is_good = is_good && name.p[i] > 0x20 && name.p[i] != 0x7f;
    return is_good;
}

static void ask(struct cursor *c, uint8_t version, bool is_name, struct span address, uint16_t port)
{
    end(c, SOCKS_ASKS);
    c->r->version = version;
    c->r->is_name = is_name;
    c->r->address = address;
    c->r->port = port;
}

/* ---- SOCKS 4: | VN | CD | DSTPORT 2 | DSTIP 4 | USERID | NULL |, 4a: and | name | NULL | ---- */

/* Up to a zero, which is no part of it. Longer than a name, a port and a length: refused by socks.h. */
static bool text(struct cursor *c, struct span *out)
{
    enum { CAP = 255 + 2 + 1 };
    struct span rest = span_sub(c->data, c->at, CAP);
    const uint8_t *zero = rest.n > 0 ? memchr(rest.p, 0, rest.n) : NULL;
    if (zero != NULL) {
        *out = span_make(rest.p, (size_t)(zero - rest.p));
        c->at += out->n + 1;
        return true;
    }
    if (field(c, CAP + 1) != NULL) {
        say(c, "\0\x5b\0\0\0\0\0", 8);
        end(c, SOCKS_REFUSES);
    }
    return false;
}

static void decode_4(struct cursor *c, bool is_open)
{
    const uint8_t *head = field(c, 7);
    struct span id, name;
    if (head == NULL || !text(c, &id))
        return;
    bool is_4a = memcmp(head + 3, "\0\0\0", 3) == 0 && head[6] != 0;
    if (is_4a && !text(c, &name))
        return;
    if (!is_open || head[0] != 1 || (is_4a && !is_host_name(name))) {
        say(c, "\0\x5b\0\0\0\0\0", 8);
        end(c, SOCKS_REFUSES);
    } else {
        ask(c, 4, is_4a, is_4a ? name : span_make(head + 3, 4), number(head + 1));
    }
}

/* ---- SOCKS 5 ---- */

/* RFC 1929 §2: | VER | ULEN | UNAME | PLEN | PASSWD |. True: he is let in. */
static bool decode_password(struct cursor *c, const char *user, const char *password)
{
    const uint8_t *head = field(c, 2), *name = NULL, *len = NULL, *secret = NULL;
    bool is_right = false;
    if (head == NULL)
        return false;
    if (head[0] == 1) {
        name = field(c, head[1]);
        len = name != NULL ? field(c, 1) : NULL;
        secret = len != NULL ? field(c, *len) : NULL;
        if (secret == NULL)
            return false;
        is_right = span_is(span_make(name, head[1]), user) && span_is(span_make(secret, *len), password);
    }
    say(c, is_right ? "\1\0" : "\1\1", 2);
    if (!is_right)
        end(c, SOCKS_REFUSES);
    return is_right;
}

/* RFC 1928 §6: | VER | REP | RSV | ATYP | BND.ADDR | BND.PORT |. */
static void refuse_5(struct cursor *c, uint8_t reply)
{
    const uint8_t bytes[10] = {5, reply, 0, 1};
    say(c, bytes, sizeof bytes);
    end(c, SOCKS_REFUSES);
}

/* §4: | VER | CMD | RSV | ATYP | DST.ADDR | DST.PORT |. */
static void decode_request(struct cursor *c)
{
    const uint8_t *head = field(c, 4), *len = NULL, *address, *port;
    size_t n = 0;
    if (head == NULL)
        return;
    if (head[0] != 5) {
        refuse_5(c, 1);
        return;
    }
    if (head[3] == 3 && (len = field(c, 1)) == NULL)
        return;
    n = head[3] == 1 ? 4 : head[3] == 4 ? 16 : len != NULL ? *len : 0;
    if (head[3] != 1 && head[3] != 3 && head[3] != 4) { /* how long it is nobody knows */
        refuse_5(c, head[1] != 1 ? 7 : 8);
        return;
    }
    address = field(c, n);
    port = address != NULL ? field(c, 2) : NULL;
    if (port == NULL)
        return;
    if (head[1] != 1)
        refuse_5(c, 7);
    else if (head[3] == 3 && !is_host_name(span_make(address, n)))
        refuse_5(c, 1);
    else
        ask(c, 5, head[3] == 3, span_make(address, n), number(port));
}

/* §3: | VER | NMETHODS | METHODS |. */
static void decode_5(struct cursor *c, const char *user, const char *password)
{
    const uint8_t *count = field(c, 1), *methods = count != NULL ? field(c, *count) : NULL;
    uint8_t wanted = user != NULL ? 2 : 0;
    if (methods == NULL)
        return;
    if (memchr(methods, wanted, *count) == NULL) {
        say(c, "\5\xff", 2);
        end(c, SOCKS_REFUSES);
        return;
    }
    say(c, user != NULL ? "\5\2" : "\5\0", 2);
    if (user == NULL || decode_password(c, user, password))
        decode_request(c);
}

void socks_decode(struct socks_reading *r, struct span data, const char *user, const char *password)
{
    struct cursor c = {r, data, 0};
    memset(r, 0, sizeof *r);
    const uint8_t *version = field(&c, 1);
    if (version == NULL)
        return;
    if (*version == 4)
        decode_4(&c, user == NULL);
    else if (*version == 5)
        decode_5(&c, user, password);
    else
        end(&c, SOCKS_REFUSES);
}
