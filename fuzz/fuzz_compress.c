#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/compress.h"

/* Messages as the packets of one compressed direction; then the same messages as payloads that are packed and
 * must come back. */

enum { MEMORY_MOST = 2 * LIMIT_PACKET }; /* the room for a payload as it grows, and the decoder's window */

static void unpack_all(struct span in, struct fuzz_memory *m, const struct adit_alloc *memory)
{
    struct unpacker *u = unpacker_new(memory);
    struct adit_error err = {0};
    struct rd r = rd_init(in);
    struct span message, payload;
    ALWAYS(u != NULL);
    size_t before = m->now;
    while (next_message(&r, &message) && unpacker_run(u, message, &payload, &err) == ADIT_E_OK)
        ALWAYS(payload.n > 0 && payload.n <= LIMIT_PACKET);
    ALWAYS(m->most <= before + MEMORY_MOST);
    unpacker_free(u);
}

static void pack_all(struct span in, const struct adit_alloc *memory)
{
    static uint8_t buffer[LIMIT_PACKET];
    struct packer *p = packer_new(memory);
    struct unpacker *u = unpacker_new(memory);
    struct adit_error err = {0};
    struct rd r = rd_init(in);
    struct span message, payload;
    ALWAYS(p != NULL && u != NULL);
    while (next_message(&r, &message) && message.n <= LIMIT_CHANNEL_PACKET) {
        ALWAYS(packer_make_room(p, message.n));
        memcpy(buffer, message.p, message.n);
        size_t n = packer_run(p, buffer, message.n);
        ALWAYS(n <= message.n + compress_overhead(message.n));
        ALWAYS(unpacker_run(u, span_make(buffer, n), &payload, &err) == ADIT_E_OK);
        ALWAYS(span_eq(payload, message));
    }
    packer_free(p);
    unpacker_free(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_memory m = {0};
    struct adit_alloc memory = {&m, fuzz_alloc, fuzz_release};
    unpack_all(span_make(data, size), &m, &memory);
    pack_all(span_make(data, size), &memory);
    ALWAYS(m.now == 0);
    return 0;
}
