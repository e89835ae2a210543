#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/agent_conn.h"
#include "few_files.h"
#include "net/loop.h"

/* A server that answers each connection with the same bytes, perhaps none, and keeps it open or not. */
struct server {
    int listener;
    pthread_t thread;
    const char *bytes;
    size_t n;
    bool keeps_open;
};

static char folder[] = "/tmp/adit-test-agent.XXXXXX";
static char path[64];

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->listener, NULL, NULL);
    char request[64];
    if (fd < 0)
        return NULL;
    if (read(fd, request, sizeof request) > 0 && s->n > 0 && write(fd, s->bytes, s->n) < 0)
        abort();
    while (s->keeps_open && read(fd, request, sizeof request) > 0) {
    }
    close(fd);
    return NULL;
}

static void start_as(struct server *s, void *(*run)(void *), const char *bytes, size_t n, bool keeps_open)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    *s = (struct server){.bytes = bytes, .n = n, .keeps_open = keeps_open};
    (void)unlink(path);
    strcpy(to.sun_path, path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void start(struct server *s, const char *bytes, size_t n, bool keeps_open)
{
    start_as(s, serve, bytes, n, keeps_open);
}

static void stop(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static enum adit_err call(struct file *reply, uint32_t timeout_ms, int cancel_fd, struct adit_error *err)
{
    memset(err, 0, sizeof *err);
    return agent_call(reply, path, span_make("\0\0\0\1\x0b", 5), timeout_ms, cancel_fd, err);
}

static enum adit_err answer(const char *bytes, size_t n, bool keeps_open, uint32_t timeout_ms,
                            struct file *reply)
{
    struct server s;
    struct adit_error err;
    start(&s, bytes, n, keeps_open);
    enum adit_err e = call(reply, timeout_ms, -1, &err);
    stop(&s);
    if (e != ADIT_E_OK)
        assert_non_null(strstr(err.text, path));
    return e;
}

static void test_reply(void **state)
{
    (void)state;
    struct file reply;
    assert_int_equal(answer("\0\0\0\3abc", 7, true, 5000, &reply), ADIT_E_OK);
    assert_int_equal(reply.n, 3);
    assert_memory_equal(reply.p, "abc", 3);
    file_wipe(&reply);
}

static void test_bad_replies(void **state)
{
    (void)state;
    struct file reply;
    assert_int_equal(answer("", 0, false, 5000, &reply), ADIT_E_AUTH);                 /* nothing */
    assert_int_equal(answer("\0\0", 2, false, 5000, &reply), ADIT_E_AUTH);             /* half a length */
    assert_int_equal(answer("\0\0\0\5ab", 6, false, 5000, &reply), ADIT_E_AUTH);       /* half a reply */
    assert_int_equal(answer("\0\0\0\0", 4, false, 5000, &reply), ADIT_E_AUTH);         /* empty */
    assert_int_equal(answer("\xff\xff\xff\xff", 4, false, 5000, &reply), ADIT_E_AUTH); /* endless */
    assert_null(reply.p);
}

static void test_deadline(void **state)
{
    (void)state;
    struct file reply;
    uint64_t begin = loop_now_ms();
    assert_int_equal(answer("\0\0\0\5ab", 6, true, 200, &reply), ADIT_E_AUTH);
    assert_in_range(loop_now_ms() - begin, 190, 3000);
}

static void test_cancel(void **state)
{
    (void)state;
    struct server s;
    struct file reply;
    struct adit_error err;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    start(&s, "", 0, true);
    assert_int_equal(call(&reply, 60000, fds[0], &err), ADIT_E_INTERRUPTED);
    assert_non_null(strstr(err.text, "cancelled"));
    stop(&s);
    close(fds[0]);
    close(fds[1]);
}

static void test_nobody(void **state)
{
    (void)state;
    struct file reply;
    struct adit_error err;
    (void)unlink(path);
    assert_int_equal(call(&reply, 1000, -1, &err), ADIT_E_CONNECT);
    assert_non_null(strstr(err.text, path));
}

/* Neither is the agent's doing. */
static void test_without_descriptors(void **state)
{
    (void)state;
    struct server s;
    struct file reply;
    struct adit_error err;
    start(&s, "", 0, false);
    struct rlimit before = few_files_begin();
    enum adit_err e = call(&reply, 5000, -1, &err);
    few_files_end(before);
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "Too many open files"));
    assert_true(agent_is_there(path, NULL)); /* the server's one connection */
    stop(&s);
}

/* poll(2): EINVAL, more descriptors than there may be. */
static void *serve_without_poll(void *arg)
{
    struct server *s = arg;
    struct rlimit limit;
    char request[64];
    int fd = accept(s->listener, NULL, NULL);
    if (read(fd, request, sizeof request) <= 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        abort();
    limit.rlim_cur = 0;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || write(fd, s->bytes, s->n) < 0)
        abort();
    while (read(fd, request, sizeof request) > 0) {
    }
    close(fd);
    return NULL;
}

static bool polls_without_descriptors(struct rlimit before)
{
    const struct rlimit none = {0, before.rlim_max};
    struct pollfd any = {STDIN_FILENO, 0, 0};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int n = poll(&any, 1, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return n >= 0;
}

static void test_cannot_wait(void **state)
{
    (void)state;
    struct server s;
    struct file reply;
    struct adit_error err;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    if (polls_without_descriptors(before))
        skip(); /* valgrind keeps the limit itself */
    start_as(&s, serve_without_poll, "\0\0", 2, true);
    enum adit_err e = call(&reply, 5000, -1, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    stop(&s);
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_non_null(strstr(err.text, "Invalid argument"));
}

static void test_is_there(void **state)
{
    (void)state;
    struct server s;
    struct adit_error err = {ADIT_E_OK, ""};
    (void)unlink(path);
    assert_false(agent_is_there(path, &err));
    start(&s, "", 0, false);
    assert_true(agent_is_there(path, &err));
    assert_true(agent_is_there(path, &err)); /* nobody takes the second call out of the backlog */
    stop(&s);
    assert_false(agent_is_there(path, &err)); /* the name is left */
    assert_int_equal(err.code, ADIT_E_OK);
}

/* Without a descriptor nothing is known of it. */
static void test_is_there_cannot_tell(void **state)
{
    struct rlimit before, none;
    struct adit_error err = {ADIT_E_OK, ""};
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool is_there = agent_is_there(path, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(is_there);
    assert_non_null(strstr(err.text, "Too many open files"));
}

/* One that does not take its callers fast enough, just now. */
static void test_too_many_callers(void **state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct file reply;
    struct adit_error err;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int caller = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    (void)unlink(path);
    strcpy(to.sun_path, path);
    assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(connect(caller, (struct sockaddr *)&to, sizeof to), 0); /* all that may wait */
    assert_int_equal(call(&reply, 1000, -1, &err), ADIT_E_LIMIT);
    assert_true(adit_err_may_retry(err.code));
    assert_non_null(strstr(err.text, path));
    assert_true(agent_is_there(path, NULL));
    close(caller);
    close(listener);
}

/* An agent that serves two requests: both on one connection, or it hangs up over the first and takes the
 * other on the next one. */
static void *serve_two(void *arg)
{
    struct server *s = arg;
    char request[64];
    int fd = accept(s->listener, NULL, NULL);
    for (int i = 0; i < 2 && fd >= 0; i++) {
        if (read(fd, request, sizeof request) <= 0)
            abort();
        if (i == 0 && !s->keeps_open) {
            close(fd);
            fd = accept(s->listener, NULL, NULL);
        } else if (write(fd, i == 0 ? "\0\0\0\1\x1c" : "\0\0\0\1\6", 5) != 5) {
            abort();
        }
    }
    close(fd);
    return NULL;
}

static void test_something_first(void **state)
{
    (void)state;
    for (int keeps_open = 0; keeps_open < 2; keeps_open++) {
        struct server s;
        struct file reply;
        struct adit_error err = {0};
        start_as(&s, serve_two, "", 0, keeps_open);
        assert_int_equal(agent_call_after(&reply, path, span_make("\0\0\0\1\x1b", 5),
                                          span_make("\0\0\0\1\x0d", 5), 5000, -1, &err),
                         ADIT_E_OK);
        assert_int_equal(reply.n, 1);
        assert_int_equal(reply.p[0], 6); /* the second's, not the first's */
        file_wipe(&reply);
        stop(&s);
    }
}

static int make_folder(void **state)
{
    (void)state;
    bool fine = mkdtemp(folder) != NULL;
    snprintf(path, sizeof path, "%s/agent", folder);
    return !fine;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reply),
                                       cmocka_unit_test(test_bad_replies),
                                       cmocka_unit_test(test_deadline),
                                       cmocka_unit_test(test_cancel),
                                       cmocka_unit_test(test_nobody),
                                       cmocka_unit_test(test_without_descriptors),
                                       cmocka_unit_test(test_cannot_wait),
                                       cmocka_unit_test(test_is_there),
                                       cmocka_unit_test(test_too_many_callers),
                                       cmocka_unit_test(test_is_there_cannot_tell),
                                       cmocka_unit_test(test_something_first)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
