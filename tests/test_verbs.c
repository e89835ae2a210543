/* Verbs before a daemon that is played: what they say and return where there is no memory, where nobody can
 * take what they print, and where the daemon itself has failed. */
#include "tests/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/verb_call.h"
#include "net/sock.h"
#include "tests/no_memory.h"

enum { WORDS = 12, ALLOCATIONS = 10000 };

/* ---- The daemon ---- */

#define T                                                                                                  \
    "{\"id\":\"t1\",\"name\":\"web\",\"state\":\"connected\",\"spec\":\"L :8443 -> h:443\",\"via\":\"h\"," \
    "\"origin\":\"api\",\"forwards\":[{\"type\":\"local\",\"target\":\"h:443\"}],\"listen\":[\"127.0.0.1:" \
    "8443\"]}"
#define COUNTS   "{\"added\":1,\"removed\":0,\"changed\":2,\"unchanged\":7}"
#define INTERNAL "{\"error\":{\"code\":\"internal\",\"message\":\"Out of memory\",\"field\":null}}"

/* By the beginning of a request. An answer to a question for a stream is one of events. */
static const struct {
    const char *request, *status, *body;
} answers[] = {{"GET /tunnels/%74", "200", T},
               {"GET /tunnels", "200", "{\"tunnels\":[" T "],\"up\":1,\"failed\":0}"},
               {"POST /tunnels ", "201", T},
               {"POST /tunnels/", "200", T},
               {"PUT ", "200", T},
               {"DELETE ", "204", ""},
               {"POST /reload", "200", COUNTS},
               {"POST /ui", "200", "{\"url\":\"http://127.0.0.1:1/#token=0\"}"},
               {"POST /sessions", "200", "event: session\ndata: " T "\n\nevent: tunnel\ndata: " T "\n\n"},
               {"GET /logs?n=100&follow=1", "200", "event: log\ndata: a line\n\n"},
               {"GET /logs", "200", "a line\n"}};

static char folder[64], path[SOCK_PATH_CAP];
static struct sock_file file;
static int listener;
static bool has_failed; /* the daemon: but for what is only read it answers `internal` */

static void reply(int fd, const char *status, const char *body)
{
    char text[2048];
    bool is_events = strncmp(body, "event: ", 7) == 0;
    int n = snprintf(text, sizeof text, "HTTP/1.1 %s X\r\nContent-Type: %s\r\nConnection: close\r\n\r\n%s",
                     status, is_events ? "text/event-stream" : "application/json", body);
    ssize_t ignored = send(fd, text, (size_t)n, MSG_NOSIGNAL);
    (void)ignored;
}

/* The whole request, or "". */
static const char *request_read(int fd)
{
    static char request[8192];
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, request + n, sizeof request - 1 - n);
        if (got <= 0)
            return "";
        n += (size_t)got;
        request[n] = 0;
        const char *length = strstr(request, "Content-Length: "), *end = strstr(request, "\r\n\r\n");
        if (end != NULL && strlen(end + 4) >= (length != NULL ? strtoul(length + 16, NULL, 10) : 0))
            return request;
    }
}

static void answer(int fd)
{
    const char *request = request_read(fd);
    for (size_t i = 0; i < ADIT_COUNT(answers); i++) {
        if (strncmp(request, answers[i].request, strlen(answers[i].request)) != 0)
            continue;
        if (has_failed && strncmp(request, "GET ", 4) != 0)
            reply(fd, "500", INTERNAL);
        else
            reply(fd, answers[i].status, answers[i].body);
        return;
    }
}

static void *serve(void *ctx)
{
    int fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        answer(fd);
        (void)close(fd);
    }
    return ctx;
}

static pthread_t thread;

static int group_begin(void **state)
{
    struct adit_error err = {0};
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)adit_format(folder, sizeof folder, "/tmp/adit-verbs-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)adit_format(path, sizeof path, "%s/s", folder);
    assert_int_equal(sock_listen_unix(&listener, path, 077, false, &file, &err), ADIT_E_OK);
    assert_true(sock_set_nonblock(listener, false));
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    return 0;
}

static int group_end(void **state)
{
    (void)state;
    assert_int_equal(shutdown(listener, SHUT_RDWR), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sock_file_remove(&file, path);
    sock_close(&listener);
    return rmdir(folder);
}

/* ---- A verb ---- */

struct outcome {
    int status;
    char out[2048], err[2048];
};

struct row {
    int (*verb)(struct verb_call *c);
    const char *words;
    int status;          /* of one that does its work */
    int status_internal; /* of one whose daemon has failed; -1: it only reads */
};

/* `open` ends with its stream, in ssh's way: 255. */
static const struct row rows[] = {{verb_add, "web h -L 8443:h:443 -D 0 --description x", 0, 1},
                                  {verb_edit, "web description=more port=22 lazy=yes", 0, 1},
                                  {verb_rm, "web", 0, 1},
                                  {verb_up, "web", 0, 1},
                                  {verb_up, "--no-wait web", 0, 1},
                                  {verb_up, "--trust SHA256:abc web", 0, 1},
                                  {verb_down, "web", 0, 1},
                                  {verb_restart, "--all", 0, 1},
                                  {verb_wait, "web --json", 0, -1},
                                  {verb_list, "", 0, -1},
                                  {verb_status, "web", 0, -1},
                                  {verb_addr, "web", 0, -1},
                                  {verb_logs, "", 0, -1},
                                  {verb_logs, "-f", 0, -1},
                                  {verb_reload, "", 0, 1},
                                  {verb_check, "/dev/null", 0, 1},
                                  {verb_ui, "--print", 0, 1},
                                  {verb_open, "h -L 8443:h:443 -i key", 255, 255},
                                  {verb_open, "h -L 8443:h:443 -o AditExitCodes=yes", 5, 1}};

static void file_read(FILE *f, char *text, size_t cap)
{
    rewind(f);
    text[fread(text, 1, cap - 1, f)] = 0;
}

/* fail_at: the allocation that fails; negative: none. True: it was reached. */
static bool play(const struct row *row, FILE *out, long fail_at, bool stays, struct outcome *o)
{
    char text[256], *argv[WORDS] = {(char *)(uintptr_t) "--socket", path}, *rest = text;
    int argc = 2, saved[2] = {dup(1), dup(2)};
    FILE *err = tmpfile();
    (void)adit_format(text, sizeof text, "%s", row->words);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    struct verb_call c = {.verb = "verb", .usage = "", .help = "", .argc = argc, .argv = argv};
    assert_non_null(err);
    (void)fflush(stdout);
    (void)dup2(fileno(out), 1);
    (void)dup2(fileno(err), 2);
    no_memory_begin(fail_at, stays);
    o->status = row->verb(&c);
    bool is_struck = no_memory_end();
    (void)dup2(saved[0], 1);
    (void)dup2(saved[1], 2);
    (void)close(saved[0]);
    (void)close(saved[1]);
    verb_call_wipe(&c);
    file_read(err, o->err, sizeof o->err);
    (void)fclose(err);
    return is_struck;
}

static bool play_out(const struct row *row, long fail_at, bool stays, struct outcome *o)
{
    FILE *out = tmpfile();
    assert_non_null(out);
    bool is_struck = play(row, out, fail_at, stays, o);
    file_read(out, o->out, sizeof o->out);
    (void)fclose(out);
    return is_struck;
}

static void play_full(const struct row *row, struct outcome *o)
{
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    (void)play(row, full, -1, false, o);
    (void)fclose(full);
}

static bool is_one_line(const char *text)
{
    const char *end = strchr(text, '\n');
    return end != NULL && end[1] == 0 && strncmp(text, "adit: ", 6) == 0;
}

static bool is_same(const struct outcome *a, const struct outcome *b)
{
    return a->status == b->status && strcmp(a->out, b->out) == 0 && strcmp(a->err, b->err) == 0;
}

/* Either nothing is seen of it, or it is told in one line, and that is the status. */
static void without_memory(const struct row *row, bool stays)
{
    struct outcome right, o;
    bool is_struck = true;
    long n = 0;
    (void)play_out(row, -1, false, &right);
    if (right.status != row->status)
        fail_msg("%s: %d %s", row->words, right.status, right.err);
    for (; is_struck && n < ALLOCATIONS; n++) {
        is_struck = play_out(row, n, stays, &o);
        if (is_same(&o, &right))
            continue;
        int status = row->status == 255 ? 255 : 1; /* before its options are read, `open` knows 1 alone */
        /* In a static program libc's own allocations fail, too: a file of the user's cannot be read then. */
        bool is_libc = o.status == 2 && strstr(o.err, strerror(ENOMEM));
        bool is_told = strstr(o.err, "out of memory") && (o.status == status || o.status == 1);
        if (!is_one_line(o.err) || !(is_told || is_libc))
            fail_msg("'%s', allocation %ld%s: status %d, '%s', '%s'", row->words, n, stays ? " on" : "",
                     o.status, o.err, o.out);
    }
    assert_true(n > 2 && !is_struck);
}

static void test_without_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        without_memory(&rows[i], false);
        without_memory(&rows[i], true);
    }
}

/* The disk under standard output is full: told once, and never a success. */
static void test_a_full_disk(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct outcome right, o;
        (void)play_out(&rows[i], -1, false, &right);
        if (right.out[0] == 0)
            continue;
        play_full(&rows[i], &o);
        if (o.status != (rows[i].status == 255 ? 255 : 1) || strncmp(o.err, "usage", 5) == 0)
            fail_msg("'%s': status %d, '%s'", rows[i].words, o.status, o.err);
        if (o.err[0] != 0 && strcmp(o.err, "adit: standard output: No space left on device\n") != 0)
            fail_msg("'%s': '%s'", rows[i].words, o.err);
    }
}

/* What the daemon could not do is no fault of the command line's. */
static void test_a_daemon_that_has_failed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct outcome o;
        if (rows[i].status_internal < 0)
            continue;
        has_failed = true;
        (void)play_out(&rows[i], -1, false, &o);
        has_failed = false;
        if (o.status != rows[i].status_internal || strcmp(o.err, "adit: Out of memory\n") != 0)
            fail_msg("'%s': status %d, '%s'", rows[i].words, o.status, o.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_full_disk),
                                       cmocka_unit_test(test_a_daemon_that_has_failed),
                                       cmocka_unit_test(test_without_memory)};
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
