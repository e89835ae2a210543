#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/known_hosts.h"

static void bad_has_a_reason(void *ctx, size_t file_index, const struct known_host_line *line)
{
    (void)ctx;
    ALWAYS(file_index == 7 && line->status == KNOWN_HOST_BAD && line->why != NULL);
}

/* A line that we write for a good line's key is found again, as that key, under both forms. */
static void written_reads_back(const struct known_host_query *q, struct span blob)
{
    static const uint8_t salt[20] = {1};
    static uint8_t out[16 * 1024];
    struct known_hosts_check c;
    for (int hashed = 0; hashed < 2; hashed++) {
        struct wr w = wr_init(out, sizeof out);
        if (!(hashed ? known_hosts_write_hashed(&w, q, salt, blob) : known_hosts_write(&w, q, blob)))
            continue;
        ALWAYS(known_hosts_check_init(&c, q, blob));
        known_hosts_check_text(&c, 7, wr_done(&w), bad_has_a_reason, NULL);
        ALWAYS(c.verdict == KNOWN_HOSTS_MATCH && c.line_number == 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    if (!started)
        ALWAYS(crypto_init());
    started = true;
    static struct known_hosts_reader r;
    struct known_host_line line;
    struct known_host_query q;
    struct span text = {data, size};
    ALWAYS(known_host_query_init(&q, span_str("host.example"), 2222));
    known_hosts_reader_init(&r, text);
    for (size_t n = 1; known_hosts_next(&r, &line); n++) {
        ALWAYS(line.number == n);
        ALWAYS(line.text.n <= size);
        if (line.status == KNOWN_HOST_OK) {
            known_host_matches(line.patterns, &q);
            written_reads_back(&q, line.blob);
        }
    }
    /* The file's start as a host name: what is accepted can be written and found. */
    if (size >= 8 && known_host_query_init(&q, span_make(data, 8), data[0])) {
        static const struct span blob = SPAN_LIT("\0\0\0\3xyzrest");
        written_reads_back(&q, blob);
    }
    return 0;
}
