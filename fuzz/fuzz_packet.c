#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/packet.h"

/* Byte 0: the cipher (0: none) and how many bytes come at a time; then what the peer sends. */

static void choose_keys(struct packet *pk, uint8_t choice)
{
    static const uint8_t key[CIPHER_KEY_MAX] = {1}, iv[CIPHER_IV_MAX] = {2}, mackey[CIPHER_MACKEY_MAX] = {3};
    size_t ciphers = 0, macs = 0;
    while (cipher_algs[ciphers].name != NULL)
        ciphers++;
    while (mac_algs[macs].name != NULL)
        macs++;
    if (choice == 0)
        return;
    const struct cipher_alg *cipher = &cipher_algs[choice % ciphers];
    const struct mac_alg *mac = cipher->tag_len == 0 ? &mac_algs[choice / ciphers % macs] : NULL;
    packet_set_keys(&pk->rx, cipher, mac, key, iv, mackey);
    packet_set_keys(&pk->tx, cipher, mac, key, iv, mackey);
}

static bool drain(struct packet *pk)
{
    struct adit_error err = {0};
    struct span payload;
    enum packet_status status;
    while ((status = packet_next(pk, &payload, &err)) == PACKET_READY)
        ALWAYS(payload.n > 0 && payload.n <= LIMIT_PACKET);
    ALWAYS(status == PACKET_NONE || err.code != ADIT_E_OK);
    return status == PACKET_NONE;
}

static void feed(struct packet *pk, struct span in, size_t step)
{
    while (in.n > 0) {
        struct wspan to = packet_in_space(pk);
        size_t n = in.n < step ? in.n : step;
        if (n > to.n)
            n = to.n;
        ALWAYS(n > 0); /* a packet that is not refused always gets the room it needs */
        memcpy(to.p, in.p, n);
        packet_in_commit(pk, n);
        in = span_sub(in, n, in.n);
        if (!drain(pk))
            return;
    }
}

/* What we seal comes out again as it went in. */
static void round_trip(struct packet *pk, struct span in)
{
    struct adit_error err = {0};
    struct span payload, sealed;
    struct wspan to = in.n == 0 ? (struct wspan){0} : packet_reserve(pk, in.n);
    if (to.n > 0) {
        memcpy(to.p, in.p, in.n);
        size_t wire = packet_wire_len(pk, in.n);
        packet_seal(pk, in.n);
        sealed = packet_out(pk);
        ALWAYS(sealed.n == wire);
        while (sealed.n > 0) {
            struct wspan space = packet_in_space(pk);
            size_t n = sealed.n < space.n ? sealed.n : space.n;
            memcpy(space.p, sealed.p, n);
            packet_in_commit(pk, n);
            sealed = span_sub(sealed, n, sealed.n);
            if (sealed.n > 0)
                ALWAYS(packet_next(pk, &payload, &err) == PACKET_NONE);
        }
        ALWAYS(packet_next(pk, &payload, &err) == PACKET_READY && span_eq(payload, in));
    }
}

struct heard {
    uint8_t bytes[4096];
    size_t n, count;
    enum packet_status status;
    enum adit_err code;
};

static void hear(struct packet *pk, struct span in, size_t step, struct heard *h)
{
    struct adit_error err = {0};
    struct span payload;
    while (in.n > 0 && h->status != PACKET_BAD) {
        struct wspan to = packet_in_space(pk);
        size_t n = in.n < step ? in.n : step;
        ALWAYS(n <= to.n);
        memcpy(to.p, in.p, n);
        packet_in_commit(pk, n);
        in = span_sub(in, n, in.n);
        while ((h->status = packet_next(pk, &payload, &err)) == PACKET_READY) {
            ALWAYS(payload.n <= sizeof h->bytes - h->n);
            memcpy(h->bytes + h->n, payload.p, payload.n);
            h->n += payload.n;
            h->count++;
        }
    }
    h->code = err.code;
}

/* Four packets, of which a byte may be another on the way, are the same all at once and byte by byte. */
static void chunking_law(const struct adit_alloc *alloc, struct drbg *random, uint8_t choice, struct span in)
{
    enum { COUNT = 4, PART_MAX = 700 };
    static struct packet pk[3];
    static struct heard heard[2];
    static uint8_t wire[4096];
    size_t part = in.n / COUNT < PART_MAX ? in.n / COUNT : PART_MAX;
    for (size_t i = 0; i < ADIT_COUNT(pk); i++) {
        packet_init(&pk[i], alloc, random);
        choose_keys(&pk[i], choice);
    }
    for (size_t i = 0; i < COUNT; i++) {
        struct wspan to = packet_reserve(&pk[0], part);
        ALWAYS(to.n == part);
        memcpy(to.p, in.p + i * part, part);
        packet_seal(&pk[0], part);
    }
    struct span sent = packet_out(&pk[0]);
    ALWAYS(sent.n <= sizeof wire);
    memcpy(wire, sent.p, sent.n);
    size_t at = ((size_t)in.p[0] << 8 | in.p[1]) % (sent.n + sent.n / 4);
    if (at < sent.n)
        wire[at] ^= (uint8_t)(in.p[2] | 1);
    memset(heard, 0, sizeof heard);
    hear(&pk[1], span_make(wire, sent.n), sent.n, &heard[0]);
    hear(&pk[2], span_make(wire, sent.n), 1, &heard[1]);
    ALWAYS(memcmp(&heard[0], &heard[1], sizeof heard[0]) == 0);
    ALWAYS(at < sent.n || heard[0].count == COUNT);
    ALWAYS(at >= sent.n || choice == 0 || heard[0].count < COUNT);
    for (size_t i = 0; i < ADIT_COUNT(pk); i++)
        packet_wipe(&pk[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32];
    struct fuzz_memory memory = {0};
    const struct adit_alloc alloc = {&memory, fuzz_alloc, fuzz_release};
    struct drbg random;
    struct packet pk;
    if (size < 2 || !crypto_init())
        return 0;
    struct span in = {data + 2, size - 2};
    drbg_init(&random, seed);
    packet_init(&pk, &alloc, &random);
    choose_keys(&pk, data[0]);
    round_trip(&pk, span_sub(in, 0, LIMIT_PACKET / 2));
    feed(&pk, in, data[1] == 0 ? in.n : data[1]);
    ALWAYS(memory.most <= 2 * (LIMIT_IN_BUFFER + LIMIT_OUT_BUFFER));
    packet_wipe(&pk);
    ALWAYS(memory.now == 0);
    if (in.n >= 4)
        chunking_law(&alloc, &random, data[0], in);
    ALWAYS(memory.now == 0);
    return 0;
}
