/*
 * fuzz_words.c - what a person or a script writes on a command line: destinations, the lines behind ~C, the
 * words of `adit run`, levels of a log, and addresses. The first byte chooses; lines are words.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/commandline.h"
#include "cli/destination.h"
#include "cli/run_spec.h"
#include "client/channel_rules.h"
#include "client/cidr.h"
#include "client/jump_spec.h"
#include "client/log_filter.h"
#include "client/proxy_url.h"
#include "fuzz/fuzz.h"
#include "net/sock.h"

enum { WORDS_MAX = 24 };

/* Each word an allocation of its own, so that one byte too many is seen. */
struct words {
    char *item[WORDS_MAX + 1];
    int count;
};

static void words_init(struct words *w, struct span text)
{
    w->count = 0;
    while (w->count < WORDS_MAX && text.n > 0) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        char *word = malloc(n + 1);
        ALWAYS(word != NULL);
        memcpy(word, text.p, n);
        word[n] = 0;
        w->item[w->count++] = word;
        text = span_sub(text, n + 1, SIZE_MAX);
    }
    w->item[w->count] = NULL;
}

static void words_wipe(struct words *w)
{
    for (int i = 0; i < w->count; i++)
        free(w->item[i]);
}

static void check_destination(const char *text)
{
    struct destination d;
    struct adit_error err = {0};
    bool is_malformed = false;
    enum adit_err e = destination_parse(&d, text, &is_malformed, &err);
    ALWAYS(e == err.code && (e == ADIT_E_OK || e == ADIT_E_USAGE));
    if (e == ADIT_E_OK)
        ALWAYS(d.host[0] != 0 && strlen(d.host) <= LIMIT_HOST && strlen(d.user) <= LIMIT_USER);
    (void)destination_user_is_fine(text);
}

static void check_commandline(const char *line)
{
    for (int permits = 0; permits < 2; permits++) {
        struct commandline_words w = commandline_parse(line, permits);
        ALWAYS(w.kind != COMMANDLINE_PROGRAM || permits);
        if (w.kind == COMMANDLINE_PROGRAM || w.kind == COMMANDLINE_OPEN || w.kind == COMMANDLINE_CLOSE)
            ALWAYS(w.text >= line && w.text <= line + strlen(line));
    }
}

/* The last word is what a forward of it says once it listens. */
static void check_run(struct words *w)
{
    struct run_spec r;
    struct adit_error err = {0};
    enum adit_err e = run_spec_parse(&r, w->count, w->item, &err);
    ALWAYS(e == err.code && r.forward_count <= RUN_FORWARDS_MAX);
    if (e == ADIT_E_OK && !r.wants_help)
        ALWAYS(r.command <= (size_t)w->count);
    for (size_t i = 0; i < r.forward_count && w->count > 0; i++) {
        struct texts out;
        texts_init(&out);
        if (run_spec_variables(&r.forwards[i], w->item[w->count - 1], &out))
            ALWAYS(out.count > 0 && strncmp(out.item[0], "ADIT_", 5) == 0);
        texts_wipe(&out);
    }
    run_spec_wipe(&r);
}

static void check_log_filter(const char *text)
{
    struct log_filter f;
    struct adit_error err = {0};
    log_filter_init(&f, SESSION_INFO);
    ALWAYS(log_filter_parse(&f, text, &err) == err.code);
    log_filter_set_level(&f, SESSION_VERBOSE);
    for (int about = 0; about < SESSION_ABOUT_COUNT; about++)
        ALWAYS(!log_filter_wants(&f, log_filter_most(&f) + 1, (enum session_about)about));
}

static void check_addresses(const char *text)
{
    struct session_net net;
    struct proxy_url url;
    struct adit_error err = {0};
    char nearest[LIMIT_HOST + 1];
    struct sock_addr address;
    if (sock_addr_parse(&address, text, 22))
        (void)sock_addr_is_link_local(&address);
    (void)!cidr_parse(&net, text);
    if (proxy_url_parse(&url, text, &err) == ADIT_E_OK)
        proxy_url_wipe(&url);
    if (jump_spec_check(text, NULL) == ADIT_E_OK && jump_spec_nearest(text, nearest))
        ALWAYS(nearest[0] != 0);
    (void)jump_spec_is_host(span_str(text));
    (void)jump_spec_is_user(span_str(text));
}

static void check_rules(const struct words *w)
{
    struct channel_rules rules;
    struct session_config config = {0};
    struct options o;
    options_init(&o);
    for (int i = 0; i < w->count; i++)
        ALWAYS(texts_add(i % 2 == 0 ? &o.permit_remote_opens : &o.channel_timeouts, span_str(w->item[i])));
    ALWAYS(channel_rules_init(&rules, &o, &config, NULL) == ADIT_E_OK);
    ALWAYS(config.permit_count <= o.permit_remote_opens.count);
    channel_rules_wipe(&rules);
    options_wipe(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct words w;
    if (size < 2)
        return 0;
    words_init(&w, span_make(data + 1, size - 1));
    if (data[0] % 6 == 4)
        check_run(&w);
    else if (data[0] % 6 == 5)
        check_rules(&w);
    for (int i = 0; i < w.count && data[0] % 6 < 4; i++) {
        static void (*const checks[])(const char *) = {check_destination, check_commandline, check_log_filter,
                                                       check_addresses};
        checks[data[0] % 6](w.item[i]);
    }
    words_wipe(&w);
    return 0;
}
