/*
 * fuzz_api.c - requests to the daemon's API, one after the other on one connection, over a registry whose
 * links are played. Each record: a byte for the method, one for the headers and what the links do, the path
 * up to a line's end, and the body. The path's words are cut into a request's line; the request itself is
 * well-formed: what is not, libmicrohttpd reads, not we.
 *
 * Every answer is an HTTP answer; a failure is the error document, with a code and a message.
 */
#define _GNU_SOURCE /* memmem */
#include "daemon/api.h"

#include "fuzz/fuzz.h"
#include "tests/api_world.h"

enum { RECORDS_HEAD = 0 };
#include "fuzz/records.h"

enum { REQUESTS_MAX = 12, ROUNDS = 24, PATH_MAX_LEN = 400 };

/* ---- The world: made once but for what requests change ---- */

static const char conf[] = "Tunnel web\n  Via web\n  LocalForward 8080 localhost:80\n"
                           "Tunnel db\n  Via db\n  AutoStart no\n  LocalForward 5432 localhost:5432\n";
static int listener = -1;

/* Streams without an end stay open behind the requests that come after them. */
enum { HELD_MAX = 4 };
static int held[HELD_MAX];
static size_t held_count;

static void world_once(void)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct sock_file file;
    world_open(conf);
    ALWAYS(sock_addr_path(&aw.at, world_path("sock"), NULL) == ADIT_E_OK);
    ALWAYS(sock_listen_unix(&listener, world_path("sock"), 0177, false, &file, &err) == ADIT_E_OK);
    tunnels_end(world.t);
    world_settle();
    tunnels_free(world.t);
}

static void world_at_exit(void)
{
    char command[160];
    loop_wipe(&world.loop);
    mailbox_wipe(&world.box);
    conf_wipe(&world.confs[0]);
    (void)adit_format(command, sizeof command, "rm -rf %s", world.folder);
    ALWAYS(system(command) == 0);
    sock_close(&listener);
}

static void round_once(void *ctx)
{
    struct loop_fd *f;
    struct loop_timer *t;
    (void)ctx;
    world_mail();
    for (size_t i = 0; i < fake_link_count; i++)
        while (!fake_links[i]->is_joined && fake_links[i]->snapshot_count > 0)
            fake_numbers(fake_links[i], 1);
    ALWAYS(loop_wait(&world.loop, loop_now_ms(), NULL) == ADIT_E_OK);
    while ((f = loop_next(&world.loop)) != NULL) {
        if (f->kind == API_FD_KIND)
            api_on_fd(f);
        else if (f->kind >= TUNNELS_FD_FIRST && f->kind <= TUNNELS_FD_LAST)
            tunnels_on_fd(world.t, f);
    }
    while ((t = loop_expired(&world.loop, loop_now_ms())) != NULL) {
        if (t->kind >= API_TIMER_KIND && t->kind <= API_TIMER_LAST)
            api_on_timer(t);
        else
            tunnels_on_timer(world.t, t);
    }
    world_mail();
}

static void begin(void)
{
    struct journal_config journal = {.fd = aw.null_fd, .level = SESSION_VERBOSE};
    struct adit_error err = {ADIT_E_OK, ""};
    struct tunnels_config tunnels = {
        .loop = &world.loop, .box = &world.box, .conf = &world.confs[0], .ops = {&world, world_log}};
    world.log_len = 0;
    ALWAYS(tunnels_new(&world.t, &tunnels, &err) == ADIT_E_OK);
    ALWAYS(journal_new(&aw.journal, &journal, &err) == ADIT_E_OK);
    struct api_config config = {.loop = &world.loop,
                                .tunnels = world.t,
                                .journal = aw.journal,
                                .token = api_token,
                                .ops = {NULL, api_world_reload}};
    ALWAYS(api_new(&aw.api, &config, &err) == ADIT_E_OK);
    int fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);
    ALWAYS(fd >= 0 && api_listen(aw.api, fd, &err) == ADIT_E_OK);
}

static void end(void)
{
    http_talk_close(&aw.c);
    while (held_count > 0)
        sock_close(&held[--held_count]);
    api_free(aw.api);
    tunnels_end(world.t);
    world_settle();
    ALWAYS(tunnels_has_ended(world.t));
    tunnels_free(world.t);
    fake_links_free();
    journal_free(aw.journal);
}

/* ---- What is asked ---- */

static bool call(void)
{
    bool done = false;
    int fd;
    if (sock_connect_start(&fd, &aw.at, NULL, &done, NULL) != ADIT_E_OK)
        return false;
    if (!done) { /* the queue of who wants in is full */
        sock_close(&fd);
        return false;
    }
    if (aw.c.fd >= 0 && !aw.c.is_over && held_count < HELD_MAX) {
        held[held_count++] = aw.c.fd;
        aw.c.fd = -1;
    }
    http_talk_close(&aw.c);
    http_talk_init(&aw.c, fd, round_once, NULL);
    return true;
}

static void write_request(struct buffer *out, uint8_t method, uint8_t how, struct span path, struct span body)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"};
    static const char *const types[] = {"application/json", "application/json; charset=utf-8", "text/plain",
                                        "application/json;x"};
    char line[PATH_MAX_LEN + 1];
    size_t n = 0;
    for (; n < path.n && n < PATH_MAX_LEN; n++)
        line[n] = path.p[n] <= ' ' || path.p[n] == 0x7f ? '_' : (char)path.p[n];
    line[n] = 0;
    buffer_format(out, "%s %s HTTP/1.1\r\nHost: localhost\r\n", methods[method % 6], line);
    if (how & 4)
        buffer_format(out, "Origin: http://127.0.0.1\r\nAuthorization: Bearer %s\r\n",
                      how & 8 ? api_token : "x");
    if (body.n > 0)
        buffer_format(out, "Content-Type: %s\r\n", types[how & 3]);
    buffer_format(out, "Content-Length: %zu\r\n\r\n", body.n);
    buffer_add(out, body);
}

static void check_answer(void)
{
    json_error_t where;
    char *type = http_talk_header(&aw.c, "Content-Type");
    bool is_json = type != NULL && strcmp(type, "application/json") == 0 && aw.c.body_len > 0;
    free(type);
    ALWAYS(aw.c.status >= 100 && aw.c.status < 600);
    if (!is_json)
        return;
    json_t *document = json_loads(aw.c.body, JSON_DECODE_ANY, &where);
    ALWAYS(document != NULL);
    if (aw.c.status >= 400 && aw.c.status != 503) {
        const json_t *error = json_object_get(document, "error");
        ALWAYS(json_is_string(json_object_get(error, "code")) &&
               json_is_string(json_object_get(error, "message")));
    }
    json_decref(document);
}

/* Streams, and who waits for a tunnel, have no end here: some rounds are enough. */
static void ask_once(struct span record)
{
    struct buffer out = {0};
    struct span rest = span_sub(record, 2, SIZE_MAX);
    const uint8_t *newline = rest.n > 0 ? memchr(rest.p, '\n', rest.n) : NULL;
    size_t n = newline != NULL ? (size_t)(newline - rest.p) : rest.n, sent = 0;
    uint8_t method = record.p[0], how = record.n > 1 ? record.p[1] : 0;
    struct span body = span_sub(rest, n + 1, SIZE_MAX);
    write_request(&out, method, how, span_sub(rest, 0, n), body);
    aw.c.status = 0; /* stays so: there is no answer, and the connection is of no use any more */
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (sent < out.len) {
            size_t went = 0;
            if (sock_write(aw.c.fd, out.p + sent, out.len - sent, &went, NULL) == SOCK_IO_FAILED)
                break;
            sent += went;
        }
        round_once(NULL);
        if ((how & 16) && fake_link_count > 0 && i == 4 && !fake_links[fake_link_count - 1]->is_joined)
            fake_connect(fake_links[fake_link_count - 1]);
        http_talk_take(&aw.c);
        if (http_talk_parse(&aw.c, method % 6 == 4)) {
            check_answer();
            break;
        }
    }
    buffer_wipe(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span record;
    if (listener < 0) {
        memset(&aw, 0, sizeof aw);
        aw.null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        aw.c.fd = -1;
        ALWAYS(aw.null_fd >= 0 && crypto_init());
        world_once();
        atexit(world_at_exit);
    }
    begin();
    struct rd r = rd_init((struct span){data, size});
    bool is_there = call();
    for (unsigned i = 0; is_there && i < REQUESTS_MAX && next_message(&r, &record); i++) {
        ask_once(record);
        if (aw.c.is_over || aw.c.status == 0)
            is_there = call();
    }
    end();
    return 0;
}
