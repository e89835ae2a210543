#include <string.h>

#include "client/host_keys_update.h"
#include "fuzz/fuzz.h"

static bool nobody(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    (void)ctx;
    (void)q;
    (void)answer;
    (void)cap;
    return false;
}

static void nowhere(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    ALWAYS(level <= LOG_LEVEL_DEBUG3 && strchr(line, '\n') == NULL);
}

/* What a server shows as its host keys (a length of two bytes before it), and behind it what it says to prove
 * them; no file has anything of them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options options;
    static bool started;
    if (!started) {
        ALWAYS(crypto_init());
        options_init(&options);
        started = true;
    }
    if (size < 2)
        return 0;
    struct client_prompt prompt = {.ask = nobody, .log = nowhere, .cancel_fd = -1};
    static struct host_keys host;
    static struct host_keys_update u;
    struct span rest = {data + 2, size - 2}, list = span_sub(rest, 0, (size_t)data[0] << 8 | data[1]);
    host = (struct host_keys){.options = &options, .prompt = &prompt, .may_update = true};
    ALWAYS(known_host_query_init(&host.query, span_str("host.example"), 22));
    host_keys_update_init(&u, &host);
    host_keys_update_shown(&u, list);
    ALWAYS(u.prove_count <= u.count && u.count <= SESSION_HOST_KEYS_MAX &&
           (u.count > 0) == (u.bytes != NULL));
    for (size_t i = 0; i < u.prove_count; i++) {
        struct rd r = rd_init(u.prove[i]);
        ALWAYS(rd_string(&r).n > 0 && rd_done(&r));
    }
    host_keys_update_proven(&u, span_str("a session id"), span_sub(rest, list.n, SIZE_MAX));
    ALWAYS(u.prove_count == 0 && u.bytes == NULL);
    return 0;
}
