/*
 * api_world.h - the API over a registry whose links the test plays, and clients of it, all on one thread.
 */
#ifndef TESTS_API_WORLD_H
#define TESTS_API_WORLD_H

#include "tests/tunnels_fake.h"

#include <fcntl.h>

#include "daemon/api.h"
#include "tests/http_talk.h"
#include "tests/json_scarce.h"

static const char api_token[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static struct api_world {
    struct api *api;
    struct journal *journal;
    int null_fd;
    struct http_talk c; /* on a Unix socket */
    struct sock_addr at;
    uint64_t ahead_ms;  /* how far the API's clock goes before ours */
    bool is_silent;     /* links do not answer for their numbers */
    size_t connections; /* of a link's first forward */
    unsigned reloads;
    bool reload_fails, was_check;
    char reload_path[64];
    void (*on_other_fd)(struct loop_fd *f); /* of neither; NULL: there are none */
} aw;

static inline enum adit_err api_world_reload(void *ctx, bool is_check, const char *path,
                                             struct tunnels_reloaded *out, struct adit_error *err)
{
    (void)ctx;
    aw.reloads++;
    aw.was_check = is_check;
    adit_format(aw.reload_path, sizeof aw.reload_path, "%s", path ? path : "-");
    if (aw.reload_fails)
        return adit_fail(err, ADIT_E_CONFIG, "/etc/adit/adit.conf:3: Tunel: unknown keyword");
    *out = (struct tunnels_reloaded){.added = 1, .changed = 2, .unchanged = 7};
    return ADIT_E_OK;
}

static inline void api_world_step(void *ctx)
{
    struct loop_fd *f;
    struct loop_timer *t;
    struct http_talk_round round = {.count = 0};

    (void)ctx;
    world_mail();
    for (size_t i = 0; i < fake_link_count && !aw.is_silent; i++)
        while (!fake_links[i]->is_joined && fake_links[i]->snapshot_count > 0)
            fake_numbers(fake_links[i], aw.connections);
    assert_int_equal(loop_wait(&world.loop, loop_now_ms() + 20, NULL), ADIT_E_OK);
    while ((f = loop_next(&world.loop))) {
        if (f->kind == API_FD_KIND)
            api_on_fd(f);
        else if (f->kind >= TUNNELS_FD_FIRST && f->kind <= TUNNELS_FD_LAST)
            tunnels_on_fd(world.t, f);
        else if (aw.on_other_fd)
            aw.on_other_fd(f);
    }
    round.now_ms = loop_now_ms() + aw.ahead_ms;
    while ((t = http_talk_expired(&round, &world.loop))) {
        if (t->kind >= API_TIMER_KIND && t->kind <= API_TIMER_LAST)
            api_on_timer(t);
        else
            tunnels_on_timer(world.t, t);
    }
    world_mail();
}

static inline void api_world_connect(struct http_talk *c)
{
    bool done = false;
    int fd;

    assert_int_equal(sock_connect_start(&fd, &aw.at, NULL, &done, NULL), ADIT_E_OK);
    while (!done) {
        api_world_step(NULL);
        assert_int_equal(sock_connect_finish(fd, &aw.at, &done, NULL), ADIT_E_OK);
    }
    http_talk_init(c, fd, api_world_step, NULL);
}

static inline void api_world_open(const char *conf)
{
    struct journal_config journal = {.fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .level = SESSION_VERBOSE};
    struct adit_error err = {ADIT_E_OK, ""};
    struct sock_file file;
    int fd;

    memset(&aw, 0, sizeof aw);
    aw.null_fd = journal.fd;
    world_open(conf);
    assert_int_equal(journal_new(&aw.journal, &journal, &err), ADIT_E_OK);
    struct api_config config = {.loop = &world.loop,
                                .tunnels = world.t,
                                .journal = aw.journal,
                                .token = api_token,
                                .ops = {NULL, api_world_reload}};
    assert_int_equal(api_new(&aw.api, &config, &err), ADIT_E_OK);
    assert_int_equal(sock_addr_path(&aw.at, world_path("sock"), NULL), ADIT_E_OK);
    assert_int_equal(sock_listen_unix(&fd, world_path("sock"), 0177, false, &file, &err), ADIT_E_OK);
    assert_int_equal(api_listen(aw.api, fd, &err), ADIT_E_OK);
    api_world_connect(&aw.c);
}

static inline void api_world_close(void)
{
    http_talk_close(&aw.c);
    api_free(aw.api);
    world_close();
    journal_free(aw.journal);
    sock_close(&aw.null_fd);
}

/* ---- Asking */

static inline int ask(const char *method, const char *path, const char *body)
{
    return http_talk_ask(&aw.c, method, path, "", body);
}

/* Sends without waiting. */
static inline void order(struct http_talk *c, const char *method, const char *path, const char *headers,
                         const char *body)
{
    struct buffer out = {0};

    buffer_format(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, headers);
    if (body)
        buffer_format(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    buffer_format(&out, "\r\n%s", body ? body : "");
    http_talk_send_bytes(c, span_make(out.p, out.len));
    buffer_wipe(&out);
}

static inline void ask_fails(const char *method, const char *path, const char *body, int status,
                             const char *code, const char *field)
{
    ask(method, path, body);
    http_talk_expect_error(&aw.c, status, code, field);
}

/* A member of the last answer, as JSON; json_decref it. path: "tunnels.0.state". */
static inline json_t *answer_member(const char *path)
{
    json_t *document = http_talk_json(&aw.c), *at = document;
    char all[128], *rest = all, *name;

    adit_format(all, sizeof all, "%s", path);
    while ((name = strsep(&rest, ".")))
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(name)) : json_object_get(at, name);
    if (!at)
        fail_msg("no %s in %s", path, aw.c.body);
    json_incref(at);
    json_decref(document);
    return at;
}

/* The last answer's member is this, given as JSON. */
static inline void expect(const char *path, const char *json)
{
    json_t *have = answer_member(path);
    char *text = json_dumps(have, JSON_ENCODE_ANY | JSON_COMPACT);

    if (strcmp(text, json) != 0)
        fail_msg("%s is %s instead of %s in %s", path, text, json, aw.c.body);
    free(text);
    json_decref(have);
}

/* The error that needs no memory; behind it the daemon closes. */
static inline void answer_is_lack(void)
{
    http_talk_expect_error(&aw.c, 500, "internal", NULL);
    http_talk_close(&aw.c);
    api_world_connect(&aw.c);
}

/* However little memory there is for an answer, it is `whole`, or the one error that needs none. */
static inline void answer_is_whole(const char *path, int whole_status, const char *whole)
{
    int status = 0;

    for (long n = 0; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        status = ask("GET", path, NULL);
        json_scarce_end();
        if (status == whole_status) {
            assert_string_equal(aw.c.body, whole);
            continue;
        }
        answer_is_lack();
    }
    assert_int_equal(status, whole_status);
}

static inline void step_until(const unsigned *count, unsigned n)
{
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    while (*count < n) {
        assert_true(loop_now_ms() < until);
        api_world_step(NULL);
    }
}

/* Rounds until so many links are there, and the last one was started. */
static inline struct link *link_until(size_t count)
{
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    while (fake_link_count < count || fake_links[count - 1]->starts == 0) {
        assert_true(loop_now_ms() < until);
        api_world_step(NULL);
    }
    return fake_links[count - 1];
}

#endif
