#include "test.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/files.h"
#include "few_files.h"

static char folder[] = "/tmp/adit-test-files.XXXXXX";

static const char *at(const char *name)
{
    static _Thread_local char path[2][PATH_MAX];
    static _Thread_local size_t turn;
    char *p = path[turn++ % 2];
    snprintf(p, PATH_MAX, "%s/%s", folder, name);
    return p;
}

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void check(const char *path, const char *text, mode_t mode)
{
    struct file f;
    struct stat status;
    struct adit_error err = {0};
    assert_int_equal(file_read(&f, path, 1 << 20, &status, NULL, &err), ADIT_E_OK);
    assert_int_equal(f.n, strlen(text));
    assert_memory_equal(f.p, text, f.n);
    assert_int_equal(status.st_mode & 07777, mode);
    file_wipe(&f);
}

static enum adit_err append(const char *path, const char *text, struct adit_error *err)
{
    return file_append(path, span_str(text), 1 << 20, err);
}

/* With on_pause a pause passes at once. */
static unsigned pauses;
static void (*on_pause)(void);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    if (n > 0 || on_pause == NULL)
        return __real_poll(fds, n, timeout);
    pauses++;
    on_pause();
    return 0;
}

/* What may be had another time is told from what is not for us. */
static void test_read_without_descriptors(void **state)
{
    (void)state;
    struct file f;
    bool missing = true;
    struct adit_error err = {0};
    put(at("there"), "text", 0600);
    struct rlimit before = few_files_begin();
    enum adit_err e = file_read(&f, at("there"), 10, NULL, &missing, &err);
    few_files_end(before);
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_true(!missing && f.p == NULL);
    assert_non_null(strstr(err.text, "there: "));
}

static void test_read(void **state)
{
    (void)state;
    struct file f;
    bool missing = false;
    struct adit_error err = {0};
    assert_int_equal(file_read(&f, at("nothing"), 10, NULL, &missing, &err), ADIT_E_SYSTEM);
    assert_true(missing && f.p == NULL);
    assert_non_null(strstr(err.text, "nothing"));
    put(at("ten"), "0123456789", 0600);
    memset(&err, 0, sizeof err);
    assert_int_equal(file_read(&f, at("ten"), 10, NULL, &missing, &err), ADIT_E_OK);
    assert_false(missing);
    file_wipe(&f);
    assert_int_equal(file_read(&f, at("ten"), 9, NULL, &missing, &err), ADIT_E_LIMIT);
    memset(&err, 0, sizeof err);
    assert_int_equal(file_read(&f, folder, 9, NULL, &missing, &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "directory"));
}

/* Each word when the one before was read. */
static void *slow_writer(void *arg)
{
    int fd = *(int *)arg, left;
    for (const char *word = "onetwo"; *word != 0; word += 3) {
        if (write(fd, word, 3) != 3)
            return NULL;
        while (ioctl(fd, FIONREAD, &left) == 0 && left > 0)
            usleep(1000);
    }
    close(fd);
    return arg;
}

/* Read to its end when somebody writes to it, however late; a pipe that nobody writes to is no file. */
static void test_pipe(void **state)
{
    (void)state;
    struct file f;
    struct adit_error err = {0};
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_int_equal(file_read(&f, at("pipe"), 100, NULL, NULL, &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "nobody writes"));
    int fd = open(at("pipe"), O_RDWR); /* a writer that is there, and says something when somebody reads */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, slow_writer, &fd), 0);
    assert_int_equal(file_read(&f, at("pipe"), 100, NULL, NULL, &err), ADIT_E_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f.n, 6);
    assert_memory_equal(f.p, "onetwo", 6);
    file_wipe(&f);
    assert_int_equal(append(at("pipe"), "x\n", &err), ADIT_E_SYSTEM);
}

/* Not a byte of what is too large is held. */
static void test_too_large(void **state)
{
    (void)state;
    struct file f;
    struct adit_error err = {0};
    put(at("large"), "", 0600);
    assert_int_equal(truncate(at("large"), (off_t)1 << 40), 0);
    assert_int_equal(file_read(&f, at("large"), 1 << 20, NULL, NULL, &err), ADIT_E_LIMIT);
    assert_int_equal(file_read(&f, "/dev/zero", SIZE_MAX / 4, NULL, NULL, &err), ADIT_E_LIMIT);
    assert_int_equal(unlink(at("large")), 0);
}

/* What one leaves that was killed in the midst of it, the next one takes away. */
static void test_left_behind(void **state)
{
    (void)state;
    struct adit_error err = {0};
    put(at("left"), "a\n", 0600);
    put(at("left.adit-new"), "half", 0644);
    assert_int_equal(append(at("left"), "b\n", &err), ADIT_E_OK);
    check(at("left"), "a\nb\n", 0600);
    assert_int_equal(access(at("left.adit-new"), F_OK), -1);
}

static void test_append(void **state)
{
    (void)state;
    struct adit_error err = {0};
    assert_int_equal(append(at("new/known"), "a\n", &err), ADIT_E_OK);
    check(at("new/known"), "a\n", 0600);
    struct stat status;
    assert_int_equal(stat(at("new"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    put(at("known"), "x\nno end", 0640);
    assert_int_equal(append(at("known"), "b\n", &err), ADIT_E_OK);
    check(at("known"), "x\nno end\nb\n", 0640);
}

static void test_append_through_links(void **state)
{
    (void)state;
    struct adit_error err = {0};
    struct stat status;
    put(at("target"), "t\n", 0644);
    assert_int_equal(symlink("target", at("link1")), 0);
    assert_int_equal(symlink(at("link1"), at("link2")), 0);
    assert_int_equal(append(at("link2"), "u\n", &err), ADIT_E_OK);
    check(at("target"), "t\nu\n", 0644);
    assert_int_equal(lstat(at("link1"), &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(symlink("not there yet", at("dangling")), 0);
    assert_int_equal(append(at("dangling"), "v\n", &err), ADIT_E_OK);
    check(at("not there yet"), "v\n", 0600);
    assert_int_equal(symlink("loop", at("loop")), 0);
    assert_int_equal(append(at("loop"), "w\n", &err), ADIT_E_SYSTEM);
}

static void test_device_is_not_replaced(void **state)
{
    (void)state;
    struct adit_error err = {0};
    struct stat status;
    assert_int_equal(append("/dev/null", "x\n", &err), ADIT_E_OK);
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
}

static void test_no_folder(void **state)
{
    (void)state;
    struct adit_error err = {0};
    assert_int_equal(append(at("a/b/c"), "x\n", &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "a/b/c"));
}

enum { WRITERS = 4, LINES = 25 };

static void *writer(void *arg)
{
    char line[16];
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "%c%02d\n", (char)('a' + *(int *)arg), i);
        struct adit_error err = {0};
        if (append(at("many"), line, &err) != ADIT_E_OK)
            return NULL;
    }
    return arg;
}

/* Several at once: no line is lost, none is cut, nothing is left behind. */
static void test_writers_at_once(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    int numbers[WRITERS];
    put(at("many"), "", 0600);
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, writer, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
    struct file f;
    assert_int_equal(file_read(&f, at("many"), 1 << 20, NULL, NULL, NULL), ADIT_E_OK);
    assert_int_equal(f.n, WRITERS * LINES * 4);
    file_wipe(&f);
    assert_int_equal(system("test -z \"$(ls /tmp/adit-test-files.*/*.?????? "
                            "/tmp/adit-test-files.*/*.adit-new 2>/dev/null)\""),
                     0);
}

static bool to_upper(void *ctx, struct span old, struct file *out, struct adit_error *err)
{
    (void)err;
    *out = (struct file){.p = malloc(old.n + 1), .n = old.n, .cap = old.n + 1};
    assert_non_null(out->p);
    for (size_t i = 0; i < old.n; i++)
        out->p[i] = old.p[i] >= 'a' && old.p[i] <= 'z' ? (uint8_t)(old.p[i] - 32) : old.p[i];
    return *(const bool *)ctx;
}

/* Mode and link stay, nothing is left beside it; a missing file stays missing. */
static void test_rewrite(void **state)
{
    struct adit_error err = {0};
    bool changes = false;
    (void)state;
    put(at("other"), "text", 0640);
    assert_int_equal(symlink("other", at("other-link")), 0);
    assert_int_equal(file_rewrite(at("other-link"), 1 << 20, to_upper, &changes, &err), ADIT_E_OK);
    check(at("other"), "text", 0640);
    changes = true;
    assert_int_equal(file_rewrite(at("other-link"), 1 << 20, to_upper, &changes, &err), ADIT_E_OK);
    check(at("other"), "TEXT", 0640);
    assert_int_equal(file_rewrite(at("other"), 3, to_upper, &changes, &err), ADIT_E_LIMIT);
    assert_int_equal(file_rewrite(at("missing"), 1 << 20, to_upper, &changes, &err), ADIT_E_OK);
    assert_int_equal(access(at("missing"), F_OK), -1);
    assert_int_equal(file_rewrite("/dev/null", 1 << 20, to_upper, &changes, &err), ADIT_E_OK);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    char command[64 + sizeof folder];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static int keeper;

static void let_go(void)
{
    if (pauses == 2000)
        close(keeper);
}

static bool other_text(void *ctx, struct span old, struct file *out, struct adit_error *err)
{
    (void)ctx, (void)old, (void)out, (void)err;
    fail_msg("it was read without the lock");
    return false;
}

/* Another process may keep the folder's lock, for a while or for ever: then nothing is written, and said. */
static void test_kept_lock(void **state)
{
    (void)state;
    struct adit_error err = {0};
    put(at("kept"), "one\n", 0600);
    keeper = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(keeper, LOCK_EX), 0);
    on_pause = let_go;
    assert_int_equal(append(at("kept"), "two\n", &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "/kept: another process keeps it locked"));
    assert_int_equal(file_rewrite(at("kept"), 1 << 20, other_text, NULL, NULL), ADIT_E_SYSTEM);
    check(at("kept"), "one\n", 0600);
    pauses = 1990;
    assert_int_equal(append(at("kept"), "two\n", &err), ADIT_E_OK);
    on_pause = NULL;
    check(at("kept"), "one\ntwo\n", 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read),
                                       cmocka_unit_test(test_read_without_descriptors),
                                       cmocka_unit_test(test_append),
                                       cmocka_unit_test(test_pipe),
                                       cmocka_unit_test(test_too_large),
                                       cmocka_unit_test(test_left_behind),
                                       cmocka_unit_test(test_append_through_links),
                                       cmocka_unit_test(test_device_is_not_replaced),
                                       cmocka_unit_test(test_no_folder),
                                       cmocka_unit_test(test_rewrite),
                                       cmocka_unit_test(test_kept_lock),
                                       cmocka_unit_test(test_writers_at_once)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
