/*
 * server RULE... - adit's own machine in the server role, for one connection, honest but for the rules: what
 * goes out is caught where a packet is sealed. `server key` prints its host key's public part in hexadecimal.
 *
 * It listens on 127.0.0.1, says "port N", "offended" each time a rule has been followed, and ends with the
 * connection. It takes the password "secret", echoes what a direct-tcpip sends, and serves what
 * tests/session_server.h does besides.
 *
 * A rule is one argument: MESSAGE[#N] DO [WORDS]: what is done with the N-th (1) message of that number:
 *   drop | twice | cut N (bytes left) | add HEX | flip AT (a bit of the byte there; below 0: from the end)
 *   field I resize N | field I fill HEX | field I flip AT | field I tail N (its last N bytes are zero)
 *                      - the I-th string behind the number; a new length is said rightly
 *   length I N         - that string says N and stays as it is
 *   before HEX | after HEX | instead HEX - whole payloads
 *   spoil AT           - a bit of the sealed packet: AT is below 0
 *   end | hang         - instead of the message
 */
#include "tests/session_server.h"

#include <stdio.h>

#include "ssh/packet.h"
#include "ssh/wire.h"

enum { HEAD_LEN = 5, RULES_MAX = 8, WORDS_MAX = 6 };

struct rule {
    unsigned number, nth, seen;
    const char *word[WORDS_MAX]; /* "" where there is none */
};

static struct rule rules[RULES_MAX];
static size_t rule_count;
static struct server server;

bool __real_packet_send(struct packet *pk, const struct wr *w);
void __real_packet_seal(struct packet *pk, size_t n);
bool __wrap_packet_send(struct packet *pk, const struct wr *w);
void __wrap_packet_seal(struct packet *pk, size_t n);

/* ---- a message and what becomes of it ---- */

struct message {
    uint8_t p[2 * LIMIT_PACKET];
    size_t n;
};

static void emit(struct packet *pk, const uint8_t *p, size_t n)
{
    struct wspan to = packet_reserve(pk, n);
    must(to.n == n);
    if (n > 0)
        memcpy(to.p, p, n);
    __real_packet_seal(pk, n);
}

static size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = 0;
    for (unsigned byte; n < cap && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (uint8_t)byte;
    return n;
}

static void flip(struct span within, long at)
{
    size_t i = at < 0 ? within.n - (size_t)-at : (size_t)at;
    must(i < within.n);
    ((uint8_t *)(uintptr_t)within.p)[i] ^= 1;
}

/* Where the I-th string behind the number begins; its length. */
static size_t field_at(const struct message *m, long i, size_t *len)
{
    size_t at = 1;
    for (;; at += 4 + *len) {
        must(at + 4 <= m->n);
        *len = get_u32(m->p + at);
        must(*len <= m->n - at - 4);
        if (i-- == 0)
            return at;
    }
}

static void resize(struct message *m, size_t at, size_t old, size_t len)
{
    must(len <= LIMIT_PACKET);
    memmove(m->p + at + 4 + len, m->p + at + 4 + old, m->n - at - 4 - old);
    if (len > old)
        memset(m->p + at + 4 + old, 0, len - old);
    m->n = m->n - old + len;
    put_u32(m->p + at, (uint32_t)len);
}

static void change_field(struct message *m, const struct rule *r)
{
    size_t len, at = field_at(m, atol(r->word[1]), &len);
    long n = atol(r->word[3]);
    uint8_t fill = 0;
    if (strcmp(r->word[2], "resize") == 0)
        resize(m, at, len, (size_t)n);
    else if (strcmp(r->word[2], "fill") == 0 && unhex(r->word[3], &fill, 1) == 1)
        memset(m->p + at + 4, fill, len);
    else if (strcmp(r->word[2], "tail") == 0 && (size_t)n <= len)
        memset(m->p + at + 4 + len - n, 0, (size_t)n);
    else if (strcmp(r->word[2], "flip") == 0)
        flip(span_make(m->p + at + 4, len), n);
    else
        must(false);
}

/* What stays one message. False: the rule is of another kind. */
static bool change(struct message *m, const struct rule *r)
{
    size_t len;
    if (strcmp(r->word[0], "cut") == 0 && (size_t)atol(r->word[1]) < m->n)
        m->n = (size_t)atol(r->word[1]);
    else if (strcmp(r->word[0], "add") == 0)
        m->n += unhex(r->word[1], m->p + m->n, LIMIT_PACKET);
    else if (strcmp(r->word[0], "flip") == 0)
        flip(span_make(m->p, m->n), atol(r->word[1]));
    else if (strcmp(r->word[0], "field") == 0)
        change_field(m, r);
    else if (strcmp(r->word[0], "length") == 0)
        put_u32(m->p + field_at(m, atol(r->word[1]), &len), (uint32_t)strtoul(r->word[2], NULL, 10));
    else
        return false;
    return true;
}

static void follow(struct packet *pk, struct message *m, const struct rule *r)
{
    const char *what = r->word[0];
    static struct message other;
    other.n = unhex(r->word[1], other.p, sizeof other.p);
    if (change(m, r) || strcmp(what, "twice") == 0 || strcmp(what, "after") == 0 ||
        strcmp(what, "spoil") == 0)
        emit(pk, m->p, m->n);
    if (strcmp(what, "twice") == 0)
        emit(pk, m->p, m->n);
    if (strcmp(what, "before") == 0 || strcmp(what, "after") == 0 || strcmp(what, "instead") == 0)
        emit(pk, other.p, other.n);
    if (strcmp(what, "before") == 0)
        emit(pk, m->p, m->n);
    if (strcmp(what, "spoil") == 0)
        flip(packet_out(pk), atol(r->word[1]));
    if (strcmp(what, "end") == 0)
        atomic_store(&server.die, true);
    if (strcmp(what, "hang") == 0)
        atomic_store(&server.is_frozen, true);
    puts("offended");
    (void)fflush(stdout);
}

static struct rule *rule_for(unsigned number)
{
    for (size_t i = 0; i < rule_count; i++)
        if (rules[i].number == number && ++rules[i].seen == rules[i].nth)
            return &rules[i];
    return NULL;
}

/* True when a rule took it. */
static bool caught(struct packet *pk, const uint8_t *p, size_t n)
{
    static struct message m;
    struct rule *r = n > 0 && n <= LIMIT_PACKET ? rule_for(p[0]) : NULL;
    if (r == NULL)
        return false;
    memcpy(m.p, p, n);
    m.n = n;
    follow(pk, &m, r);
    return true;
}

bool __wrap_packet_send(struct packet *pk, const struct wr *w)
{
    return wr_ok(w) && (caught(pk, w->p, w->used) || __real_packet_send(pk, w));
}

void __wrap_packet_seal(struct packet *pk, size_t n)
{
    if (!caught(pk, pk->out.p + pk->out.end + HEAD_LEN, n))
        __real_packet_seal(pk, n);
}

/* ---- the program ---- */

static void rule_read(struct rule *r, char *text)
{
    size_t n = 0;
    char *rest = NULL, *head = strtok_r(text, " ", &rest);
    must(head != NULL && rule_count < RULES_MAX);
    *r = (struct rule){.nth = 1};
    if (sscanf(head, "%u#%u", &r->number, &r->nth) < 1)
        must(false);
    for (char *word; n < WORDS_MAX && (word = strtok_r(NULL, " ", &rest)) != NULL;)
        r->word[n++] = word;
    must(n > 0);
    while (n < WORDS_MAX)
        r->word[n++] = "";
    rule_count++;
}

static void key_print(void)
{
    uint8_t blob[KEY_PUBLIC_MAX];
    struct wr w = wr_init(blob, sizeof blob);
    must(key_secret_public(&server.host_key, &w));
    for (size_t i = 0; i < w.used; i++)
        printf("%02x", blob[i]);
    puts("");
}

int main(int argc, char **argv)
{
    struct drbg random;
    uint8_t seed[32] = {42};
    uint16_t port;
    must(crypto_init());
    drbg_init(&random, seed);
    must(key_generate(KEY_ED25519, &random, &server.host_key));
    if (argc == 2 && strcmp(argv[1], "key") == 0) {
        key_print();
        return 0;
    }
    for (int i = 1; i < argc; i++)
        rule_read(&rules[rule_count], argv[i]);
    int listener = listen_here(&port);
    printf("port %u\n", port);
    (void)fflush(stdout);
    server.fd = accept(listener, NULL, NULL);
    must(server.fd >= 0);
    (void)server_thread(&server);
    key_secret_wipe(&server.host_key);
    return 0;
}
