#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/secret.h"
#include "client/secret_store.h"
#include "net/child.h"

static void is(struct file *file, const char *text)
{
    assert_int_equal(file->n, strlen(text));
    assert_memory_equal(file->p, text, file->n);
    file_wipe(file);
}

/* Taken once, and there for whoever asks again; another variable is another text. */
static void test_variables(void **state)
{
    struct file file;
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(setenv("STORE_A", "text of a", 1), 0);
    assert_int_equal(setenv("STORE_B", "text of b", 1), 0);
    assert_int_equal(setenv("STORE_EMPTY", "", 1), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(secret_store_env(&file, "STORE_A", &err), ADIT_E_OK);
        is(&file, "text of a");
        assert_null(getenv("STORE_A"));
    }
    assert_int_equal(secret_store_env(&file, "STORE_B", &err), ADIT_E_OK);
    is(&file, "text of b");
    assert_int_equal(secret_store_env(&file, "STORE_EMPTY", &err), ADIT_E_CONFIG);
    memset(&err, 0, sizeof err);
    assert_int_equal(secret_store_env(&file, "STORE_MISSING", &err), ADIT_E_CONFIG);
    assert_string_equal(err.text, "the variable is not set or empty");
    secret_store_wipe();
    memset(&err, 0, sizeof err);
    assert_int_equal(secret_store_env(&file, "STORE_A", &err), ADIT_E_CONFIG);
}

/* A variable can be had once: it stays where it is until it is kept. */
static void test_variable_without_memory(void **state)
{
    struct rlimit before, none;
    struct file file;
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(setenv("STORE_C", "text of c", 1), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none = (struct rlimit){1, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    void *page = secret_new(1);
    enum adit_err e = secret_store_env(&file, "STORE_C", &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    if (page != NULL) { /* qemu takes no notice of the limit */
        secret_free(page, 1);
        file_wipe(&file);
        secret_store_wipe();
        skip();
    }
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_string_equal(getenv("STORE_C"), "text of c");
    memset(&err, 0, sizeof err);
    assert_int_equal(secret_store_env(&file, "STORE_C", &err), ADIT_E_OK);
    is(&file, "text of c");
    assert_null(getenv("STORE_C"));
    secret_store_wipe();
}

static int pipe_with(const char *text)
{
    int fds[2];
    size_t n = strlen(text);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, n), n);
    assert_int_equal(close(fds[1]), 0);
    return fds[0];
}

/* Read to its end once, closed, and kept. */
static void test_descriptors(void **state)
{
    struct file file;
    struct adit_error err = {0};
    (void)state;
    int fd = pipe_with("text"), empty = pipe_with("");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(secret_store_fd(&file, fd, &err), ADIT_E_OK);
        is(&file, "text");
        assert_true(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
    }
    assert_int_equal(secret_store_fd(&file, empty, &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, ": it is empty"));
    assert_true(fcntl(empty, F_GETFD) == -1 && errno == EBADF);
    memset(&err, 0, sizeof err);
    assert_int_equal(secret_store_fd(&file, empty, &err), ADIT_E_CONFIG);
    secret_store_wipe();
}

/* What gave nothing is never asked again: its number is somebody else's by then. */
static void test_number_of_another(void **state)
{
    struct file file;
    char text[8];
    (void)state;
    int empty = pipe_with(""), folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int taken[] = {empty, folder, folder + 1 /* not even open */};
    for (size_t i = 0; i < ADIT_COUNT(taken); i++) {
        struct adit_error first = {0}, second = {0};
        assert_int_not_equal(secret_store_fd(&file, taken[i], &first), ADIT_E_OK);
        int its = pipe_with("others");
        assert_int_equal(dup2(its, taken[i]), taken[i]);
        assert_int_equal(secret_store_fd(&file, taken[i], &second), ADIT_E_CONFIG);
        assert_non_null(strstr(second.text, "it was empty or could not be read"));
        assert_int_equal(read(taken[i], text, sizeof text), 6); /* open, and unread */
        assert_int_equal(close(taken[i]), 0);
        if (its != taken[i])
            assert_int_equal(close(its), 0);
    }
    secret_store_wipe();
}

static void test_hide(void **state)
{
    (void)state;
    assert_true(secret_store_hide(span_str("IdentityFile env:HIDE_1\nHost x # env:HIDE_2, env: and env:\n")));
    assert_true(child_env_is_hidden("HIDE_1=x") && child_env_is_hidden("HIDE_2=") &&
                child_env_is_hidden("ADIT_KEY=k"));
    assert_false(child_env_is_hidden("HIDE=x") || child_env_is_hidden("HIDE_11=x") ||
                 child_env_is_hidden("=x"));
    assert_true(secret_store_hide((struct span){0}) && secret_store_hide(span_str("env")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_variables), cmocka_unit_test(test_descriptors),
                                       cmocka_unit_test(test_variable_without_memory),
                                       cmocka_unit_test(test_number_of_another), cmocka_unit_test(test_hide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
