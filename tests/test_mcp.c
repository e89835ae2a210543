/* The whole of `adit mcp` on two pipes: all that is asked is there before it begins, then the input ends. */
#include "tests/test.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client.h"
#include "daemon/mcp.h"
#include "daemon/mcp_lines.h"
#include "daemon/mcp_tools.h"

static char folder[] = "/tmp/adit-mcp-XXXXXX", conf[64];
static char *out; /* what was answered */

static int group_begin(void **state)
{
    struct adit_error err = {0};
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(client_setup(&err), ADIT_E_OK);
    assert_non_null(mkdtemp(folder));
    (void)adit_format(conf, sizeof conf, "%s/adit.conf", folder);
    FILE *f = fopen(conf, "w");
    assert_non_null(f);
    assert_true(fputs("SshConfig none\nLogLevel QUIET\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    return 0;
}

static int group_end(void **state)
{
    (void)state;
    free(out);
    assert_int_equal(unlink(conf), 0);
    return rmdir(folder);
}

static int file_with(const char *text, size_t len)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fflush(f), 0);
    int fd = dup(fileno(f));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static enum adit_err run(int in_fd, int out_fd, struct adit_error *err)
{
    struct mcp_args args = {.config_file = conf,
                            .groups = MCP_TOOLS_READ,
                            .max_ttl_s = MCP_TTL_MAX_S,
                            .in_fd = in_fd,
                            .out_fd = out_fd,
                            .log_fd = STDERR_FILENO};
    mcp_allow_init(&args.allow);
    enum adit_err e = mcp_run(&args, err);
    mcp_allow_wipe(&args.allow);
    return e;
}

/* in_fd is closed. What was answered is in out. */
static void answers_of(int in_fd)
{
    struct adit_error err = {0};
    int to = file_with("", 0);
    if (run(in_fd, to, &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    off_t len = lseek(to, 0, SEEK_END);
    free(out);
    out = calloc(1, (size_t)len + 1);
    assert_non_null(out);
    assert_int_equal(pread(to, out, (size_t)len, 0), len);
    (void)close(to);
    (void)close(in_fd);
}

#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"
#define PONG(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}\n"

static void test_a_pipe(void **state)
{
    static const char asked[] =
        PING("1") "\n\n" PING("2") "\r\nnonsense\n" PING("3"); /* the last line has no end */
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], asked, sizeof asked - 1), sizeof asked - 1);
    (void)close(fds[1]);
    answers_of(fds[0]);
    assert_ptr_equal(
        strstr(out, PONG("1") PONG("2") "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700"), out);
    assert_string_equal(out + strlen(out) - strlen(PONG("3")), PONG("3"));
}

static void test_a_file(void **state)
{
    (void)state;
    answers_of(file_with(PING("1"), strlen(PING("1"))));
    assert_string_equal(out, PONG("1"));
    answers_of(file_with("", 0));
    assert_string_equal(out, "");
}

static void test_the_tools(void **state)
{
    static const char asked[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"ssh_tunnel_list\"}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n";
    (void)state;
    answers_of(file_with(asked, sizeof asked - 1));
    assert_non_null(strstr(out, "\"structuredContent\":{\"count\":0,\"tunnels\":[]}"));
    assert_non_null(strstr(out, "\"name\":\"ssh_tunnel_wait\""));
    assert_null(strstr(out, "\"name\":\"ssh_tunnel_create\""));
}

/* A line that is too long is refused, and the next one is read. */
static void test_a_line_that_is_too_long(void **state)
{
    static const char next[] = "\n" PING("1") "\n";
    size_t len = MCP_LINE_MAX + 1;
    char *text = malloc(len + sizeof next);
    (void)state;
    assert_non_null(text);
    memset(text, ' ', len);
    memcpy(text + len, next, sizeof next);
    answers_of(file_with(text, len + sizeof next - 1));
    free(text);
    assert_non_null(strstr(out, "\"error\":{\"code\":-32600"));
    assert_string_equal(out + strlen(out) - strlen(PONG("1")), PONG("1"));
}

/* Nobody reads the answers: that is an end, too. */
static void test_answers_that_nobody_takes(void **state)
{
    struct adit_error err = {0};
    int in[2], to[2];
    (void)state;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(to), 0);
    assert_int_equal(write(in[1], PING("1") "\n", strlen(PING("1")) + 1), strlen(PING("1")) + 1);
    (void)close(to[0]);
    assert_int_equal(run(in[0], to[1], &err), ADIT_E_OK); /* though the input has not ended */
    (void)close(in[0]);
    (void)close(in[1]);
    (void)close(to[1]);
}

/* The other end of a socket, closed before its answer was taken. */
static void *close_unread(void *ctx)
{
    struct pollfd answer = {*(int *)ctx, POLLIN, 0};
    (void)poll(&answer, 1, 10000);
    (void)close(answer.fd);
    return ctx;
}

/* The system calls that a reset: it is an end. */
static void test_an_answer_that_is_left_unread(void **state)
{
    struct adit_error err = {0};
    pthread_t peer;
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[1], PING("1") "\n", strlen(PING("1")) + 1), strlen(PING("1")) + 1);
    assert_int_equal(pthread_create(&peer, NULL, close_unread, &fds[1]), 0);
    if (run(fds[0], fds[0], &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    assert_int_equal(pthread_join(peer, NULL), 0);
    (void)close(fds[0]);
}

static void test_a_configuration_that_is_wrong(void **state)
{
    struct adit_error err = {0};
    struct mcp_args args = {.config_file = "/nonexistent/adit.conf", .in_fd = -1, .out_fd = -1, .log_fd = 2};
    (void)state;
    mcp_allow_init(&args.allow);
    assert_int_equal(mcp_run(&args, &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "/nonexistent/adit.conf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pipe),
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_the_tools),
        cmocka_unit_test(test_a_line_that_is_too_long),
        cmocka_unit_test(test_answers_that_nobody_takes),
        cmocka_unit_test(test_an_answer_that_is_left_unread),
        cmocka_unit_test(test_a_configuration_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
