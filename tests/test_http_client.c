#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/http_client.h"
#include "net/sock.h"

/* A server of one connection: reads a request's head and body, answers with these bytes, closes. */
static char folder[64], path[SOCK_PATH_CAP], request[8192];
static struct sock_file file;
static int listener;
static const char *answer;
static size_t answer_len;
static pthread_t thread;
static bool is_silent; /* answers, and waits for the client to close */

static void head_read(int fd)
{
    size_t n = 0;
    const char *end = NULL;
    request[0] = 0;
    while (n < sizeof request - 1) {
        ssize_t got = read(fd, request + n, sizeof request - 1 - n);
        if (got <= 0)
            return;
        n += (size_t)got;
        request[n] = 0;
        const char *length = strstr(request, "Content-Length: ");
        end = strstr(request, "\r\n\r\n");
        if (end != NULL && strlen(end + 4) >= (length != NULL ? strtoul(length + 16, NULL, 10) : 0))
            return;
    }
}

static void *serve(void *ctx)
{
    (void)ctx;
    char byte;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    head_read(fd);
    for (size_t at = 0; at < answer_len;) {
        ssize_t n = send(fd, answer + at, answer_len - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    if (is_silent) {
        ssize_t ignored = read(fd, &byte, 1);
        (void)ignored;
    }
    (void)close(fd);
    return NULL;
}

static int setup(void **state)
{
    struct adit_error err = {0};
    (void)state;
    (void)adit_format(folder, sizeof folder, "/tmp/adit-http-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)adit_format(path, sizeof path, "%s/s", folder);
    assert_int_equal(sock_listen_unix(&listener, path, 077, false, &file, &err), ADIT_E_OK);
    assert_true(sock_set_nonblock(listener, false));
    is_silent = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sock_file_remove(&file, path);
    sock_close(&listener);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static void begin(const char *text, size_t len)
{
    answer = text;
    answer_len = len;
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

static enum adit_err ask_len(const char *text, size_t len, const char *method, const char *body,
                             struct http_client_reply *reply, struct adit_error *err)
{
    const struct http_client_request r = {
        .socket = path, .method = method, .target = "/tunnels?x=1", .body = body, .cancel_fd = -1};
    *err = (struct adit_error){0};
    begin(text, len);
    enum adit_err e = http_client_ask(&r, reply, err);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(e, err->code);
    return e;
}

static enum adit_err ask(const char *text, const char *method, const char *body,
                         struct http_client_reply *reply, struct adit_error *err)
{
    return ask_len(text, strlen(text), method, body, reply, err);
}

static void test_request(void **state)
{
    struct http_client_reply reply;
    struct adit_error err;
    (void)state;
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "GET", NULL, &reply, &err),
                     ADIT_E_OK);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "{}");
    assert_int_equal(reply.len, 2);
    assert_string_equal(request, "GET /tunnels?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    http_client_reply_wipe(&reply);
    assert_int_equal(ask("HTTP/1.1 409 Conflict\r\n\r\nno", "POST", "{\"a\":1}", &reply, &err), ADIT_E_OK);
    assert_int_equal(reply.status, 409);
    assert_string_equal(reply.body, "no");
    assert_non_null(
        strstr(request, "\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"));
    http_client_reply_wipe(&reply);
    assert_int_equal(ask("HTTP/1.1 204 No Content\r\n\r\n", "DELETE", NULL, &reply, &err), ADIT_E_OK);
    assert_string_equal(reply.body, "");
    assert_non_null(strstr(request, "Content-Length: 0\r\n"));
    http_client_reply_wipe(&reply);
}

static void test_malformed(void **state)
{
    static const char *const answers[] = {"", "hello\r\n", "HTTP/1.1 200 OK\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
                                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"};
    struct http_client_reply reply;
    struct adit_error err;
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(answers); i++) {
        assert_int_equal(ask(answers[i], "GET", NULL, &reply, &err), ADIT_E_PROTOCOL);
        assert_null(reply.body);
        assert_non_null(strstr(err.text, path));
    }
}

/* Larger than any buffer, in chunks. */
static void test_large(void **state)
{
    enum { CHUNKS = 3000 };
    size_t n = 0, cap = 64 + CHUNKS * 1100;
    char *text = malloc(cap);
    struct http_client_reply reply;
    struct adit_error err;
    (void)state;
    assert_non_null(text);
    n += adit_format(text, cap, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < CHUNKS; i++) {
        n += adit_format(text + n, cap - n, "400\r\n");
        memset(text + n, 'a' + i % 26, 1024);
        n += 1024;
        n += adit_format(text + n, cap - n, "\r\n");
    }
    n += adit_format(text + n, cap - n, "0\r\n\r\n");
    assert_int_equal(ask_len(text, n, "GET", NULL, &reply, &err), ADIT_E_OK);
    assert_int_equal(reply.len, CHUNKS * 1024);
    assert_int_equal(reply.body[1024 * 27], 'b');
    http_client_reply_wipe(&reply);
    free(text);
}

static void test_events(void **state)
{
    static const char events[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                                 ": hello\n\nevent: tunnel\ndata: 1\n\ndata: 2\n\n";
    const struct http_client_request r = {
        .socket = path, .method = "GET", .target = "/events", .cancel_fd = -1};
    struct http_client_stream *s = malloc(sizeof *s);
    struct adit_error err = {0};
    bool is_end = true;
    (void)state;
    assert_non_null(s);
    begin(events, sizeof events - 1);
    assert_int_equal(http_client_open(s, &r, &err), ADIT_E_OK);
    assert_int_equal(s->answer.status, 200);
    assert_true(s->answer.is_events);
    assert_int_equal(http_client_event(s, &is_end, &err), ADIT_E_OK);
    assert_false(is_end);
    assert_string_equal(s->sse.name, "tunnel");
    assert_string_equal(s->sse.data, "1");
    assert_int_equal(http_client_event(s, &is_end, &err), ADIT_E_OK);
    assert_string_equal(s->sse.data, "2");
    assert_int_equal(http_client_event(s, &is_end, &err), ADIT_E_OK);
    assert_true(is_end);
    http_client_close(s);
    free(s);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Nobody, a file that is no socket, somebody who never answers, a cancelled one. */
static void test_nobody(void **state)
{
    const struct http_client_request none = {
        .socket = "/nonexistent/s", .method = "GET", .target = "/", .cancel_fd = -1};
    struct http_client_request r = {
        .socket = path, .method = "GET", .target = "/", .cancel_fd = -1, .timeout_ms = 1};
    struct http_client_reply reply;
    struct adit_error err = {0};
    int ends[2];
    (void)state;
    assert_int_equal(http_client_ask(&none, &reply, &err), ADIT_E_NO_DAEMON);
    assert_string_equal(err.text,
                        "no daemon at /nonexistent/s: start one with 'adit daemon -f' or 'systemctl --user "
                        "start aditd'");
    assert_false(http_client_is_answered("/nonexistent/s"));
    is_silent = true;
    begin("", 0);
    err = (struct adit_error){0};
    assert_int_equal(http_client_ask(&r, &reply, &err), ADIT_E_TIMEOUT);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    r.cancel_fd = ends[0];
    r.timeout_ms = 0;
    begin("", 0);
    err = (struct adit_error){0};
    assert_int_equal(http_client_ask(&r, &reply, &err), ADIT_E_INTERRUPTED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_true(http_client_is_answered(path));
}

static void test_encode(void **state)
{
    char out[16];
    (void)state;
    assert_true(http_client_encode("a/b c~", out, sizeof out));
    assert_string_equal(out, "a%2fb%20c~");
    assert_true(http_client_encode("\xc3\xa4", out, sizeof out));
    assert_string_equal(out, "%c3%a4");
    assert_true(http_client_encode("123456789012345", out, sizeof out));
    assert_false(http_client_encode("1234567890123456", out, sizeof out));
    assert_false(http_client_encode("1234567890123/", out, sizeof out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
        cmocka_unit_test(test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
