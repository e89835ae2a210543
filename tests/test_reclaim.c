/*
 * What is said to a server, run by a real sh on a process of this test's, and what it may answer.
 */
#include "tests/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/reclaim.h"

/* ---- Answers ---- */

static enum reclaim_who read_who(const char *text)
{
    struct reclaim_id id = {1, 2, 3};
    enum reclaim_who what = reclaim_read_who(text, &id);
    assert_true(what == RECLAIM_WHO_KNOWN || (id.pid == 1 && id.parent == 2 && id.start == 3));
    return what;
}

static void test_who(void **state)
{
    (void)state;
    struct reclaim_id id;
    assert_int_equal(reclaim_read_who("adit-reclaim: 812 77 123456\n", &id), RECLAIM_WHO_KNOWN);
    assert_true(id.pid == 812 && id.parent == 77 && id.start == 123456);
    assert_int_equal(reclaim_read_who("adit-reclaim: 2147483647 0 18446744073709551615", &id),
                     RECLAIM_WHO_KNOWN);
    assert_true(id.pid == 2147483647 && id.parent == 0 && id.start == UINT64_MAX);
    /* A login shell that says something first. */
    assert_int_equal(read_who("Welcome!\n\nadit-reclaim: 1 1 1\nadit-reclaim: 5 6 7\n"), RECLAIM_WHO_KNOWN);
    assert_int_equal(read_who("adit-reclaim: 812\n"), RECLAIM_WHO_NO_PROC);
    assert_int_equal(read_who("adit-reclaim: 812 \n"), RECLAIM_WHO_NO_PROC);
}

static void test_who_is_foreign(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "hi\n",
        "adit-reclaim:",
        "adit-reclaim: \n",
        "adit-reclaim: 5 6 7\nbye\n",
        "adit-reclaim: 5 6 7\n\n",
        " adit-reclaim: 5 6 7\n",
        "adit-reclaim: x\n",
        "adit-reclaim: -5 6 7\n",
        "adit-reclaim: +5 6 7\n",
        "adit-reclaim: 5 6\n",
        "adit-reclaim: 5 6 7 8\n",
        "adit-reclaim: 5 6 7;rm\n",
        "adit-reclaim: 5  6 7\n",
        "adit-reclaim: 5\t6 7\n",
        "adit-reclaim: 0 6 7\n",
        "adit-reclaim: 1 6 7\n",
        "adit-reclaim: 2147483648 6 7\n",
        "adit-reclaim: 5 2147483648 7\n",
        "adit-reclaim: 5 6 18446744073709551616\n",
        "adit-reclaim: 5 6 99999999999999999999999999\n",
        "adit-reclaim: $PPID $2 ${20}\n",
    };
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(texts); i++)
        assert_int_equal(read_who(texts[i]), RECLAIM_WHO_FOREIGN);
}

static void test_end_words(void **state)
{
    (void)state;
    assert_int_equal(reclaim_read_end("adit-reclaim: ended\n"), RECLAIM_END_DONE);
    assert_int_equal(reclaim_read_end("motd\nadit-reclaim: gone"), RECLAIM_END_GONE);
    assert_int_equal(reclaim_read_end("adit-reclaim: other\n"), RECLAIM_END_OTHER);
    assert_int_equal(reclaim_read_end("adit-reclaim: denied\n"), RECLAIM_END_DENIED);
    assert_int_equal(reclaim_read_end("adit-reclaim: alive\n"), RECLAIM_END_ALIVE);
    assert_int_equal(reclaim_read_end("adit-reclaim: \n"), RECLAIM_END_FOREIGN);
    assert_int_equal(reclaim_read_end("adit-reclaim: ended too\n"), RECLAIM_END_FOREIGN);
    assert_int_equal(reclaim_read_end("ended\n"), RECLAIM_END_FOREIGN);
    assert_int_equal(reclaim_read_end(""), RECLAIM_END_FOREIGN);
}

/* ---- Commands, as a login shell runs them ---- */

static void run(const char *shell, const char *command, char out[static 256])
{
    int fds[2];
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)!freopen("/dev/null", "w", stderr);
        (void)execl(shell, shell, "-c", command, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    while (n < 255 && (got = read(fds[0], out + n, 255 - n)) > 0)
        n += (size_t)got;
    out[n] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A process that waits for its end, and what is to be known of it. */
static pid_t victim(struct reclaim_id *id)
{
    char path[64], line[1024];
    pid_t pid = fork();
    assert_true(pid >= 0);
    while (pid == 0)
        pause();
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof line, in));
    fclose(in);
    char *at = strrchr(line, ')');
    assert_non_null(at);
    *id = (struct reclaim_id){.pid = (uint32_t)pid};
    char *rest = at + 2, *word;
    for (int field = 3; (word = strsep(&rest, " ")) != NULL; field++) {
        if (field == 4)
            id->parent = (uint32_t)strtoul(word, NULL, 10);
        if (field == 22)
            id->start = strtoull(word, NULL, 10);
    }
    return pid;
}

static const char *const shells[] = {"/bin/sh", "/bin/bash"};

static const char *shell_at(size_t i)
{
    return access(shells[i], X_OK) == 0 ? shells[i] : NULL;
}

/* Its parent is this process, as a session's is the server's. */
static void test_who_by_a_shell(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(shells); i++) {
        char command[RECLAIM_COMMAND_CAP], out[256];
        struct reclaim_id id, mine;
        if (!shell_at(i))
            continue;
        reclaim_who(command);
        assert_null(strchr(command, '\n'));
        run(shell_at(i), command, out);
        assert_int_equal(reclaim_read_who(out, &id), RECLAIM_WHO_KNOWN);
        assert_int_equal(id.pid, getpid());
        assert_int_equal(id.parent, getppid());
        /* The same again: nothing of it changes. */
        run(shell_at(i), command, out);
        assert_int_equal(reclaim_read_who(out, &mine), RECLAIM_WHO_KNOWN);
        assert_true(reclaim_id_same(&id, &mine));
    }
}

static enum reclaim_end end(size_t shell, const struct reclaim_id *id)
{
    char command[RECLAIM_COMMAND_CAP], out[256];
    reclaim_end(id, command);
    assert_true(strlen(command) < RECLAIM_COMMAND_CAP - 1);
    run(shell_at(shell), command, out);
    return reclaim_read_end(out);
}

static void test_end_by_a_shell(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(shells); i++) {
        struct reclaim_id id, other;
        int status;
        if (!shell_at(i))
            continue;
        pid_t pid = victim(&id);
        other = id;
        other.start++;
        assert_int_equal(end(i, &other), RECLAIM_END_OTHER);
        other = id;
        other.parent++;
        assert_int_equal(end(i, &other), RECLAIM_END_OTHER);
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0); /* it was left alone */
        assert_int_equal(end(i, &id), RECLAIM_END_DONE);
        assert_int_equal(end(i, &id), RECLAIM_END_GONE); /* dead, and not waited for yet */
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        assert_int_equal(end(i, &id), RECLAIM_END_GONE);
    }
}

/* The longest numbers fit. */
static void test_longest(void **state)
{
    const struct reclaim_id id = {UINT32_MAX, UINT32_MAX, UINT64_MAX};
    char command[RECLAIM_COMMAND_CAP];
    (void)state;
    reclaim_end(&id, command);
    assert_non_null(strstr(command, "say alive'"));
    assert_non_null(strstr(command, " 4294967295/18446744073709551615)"));
}

/* A process id alone says nothing: it may have been given again. */
static void test_all_three_numbers_count(void **state)
{
    const struct reclaim_id id = {100, 10, 5};
    const struct reclaim_id others[] = {{101, 10, 5}, {100, 11, 5}, {100, 10, 6}};
    (void)state;
    assert_true(reclaim_id_same(&id, &(struct reclaim_id){100, 10, 5}));
    for (size_t i = 0; i < ADIT_COUNT(others); i++)
        assert_false(reclaim_id_same(&id, &others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_three_numbers_count),
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_who_is_foreign),
        cmocka_unit_test(test_end_words),
        cmocka_unit_test(test_who_by_a_shell),
        cmocka_unit_test(test_end_by_a_shell),
        cmocka_unit_test(test_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
