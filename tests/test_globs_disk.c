/*
 * globs.c on a disk that fails, and in a folder without end: the calls of the system are played here.
 */
#define _FILE_OFFSET_BITS 64 /* as globs.c, and with it the names of the calls */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/globs.h"

/* ---- The disk ---- */

/* What the calls fail with; 0: they do not. */
static struct {
    int open, read, look;
    unsigned entries; /* in the folder */
    unsigned given;
    bool is_open;
} disk;

static int place;

DIR *opendir(const char *name)
{
    assert_string_equal(name, "/folder/");
    errno = disk.open;
    disk.is_open = disk.open == 0;
    disk.given = 0;
    return disk.is_open ? (DIR *)(void *)&place : NULL;
}

struct dirent *readdir(DIR *dir)
{
    static struct dirent entry;
    assert_ptr_equal(dir, &place);
    if (disk.given == disk.entries) {
        if (disk.read != 0)
            errno = disk.read;
        return NULL;
    }
    (void)snprintf(entry.d_name, sizeof entry.d_name, "%u", disk.given++);
    return &entry;
}

int closedir(DIR *dir)
{
    assert_ptr_equal(dir, &place);
    assert_true(disk.is_open);
    disk.is_open = false;
    return 0;
}

int lstat(const char *restrict path, struct stat *restrict status)
{
    assert_non_null(strstr(path, "/folder/"));
    memset(status, 0, sizeof *status);
    errno = disk.look;
    return disk.look != 0 ? -1 : 0;
}

/* ---- The tests ---- */

static struct adit_error err;

/* How many are found of two; -1: ADIT_E_MEMORY with the reason. */
static int find(int open, int read, int look)
{
    struct texts found;
    texts_init(&found);
    memset(&disk, 0, sizeof disk);
    memset(&err, 0, sizeof err);
    disk.open = open, disk.read = read, disk.look = look;
    disk.entries = 2;
    enum adit_err e = globs_find(&found, "/folder/*", &err);
    int count = (int)found.count;
    texts_wipe(&found);
    assert_false(disk.is_open);
    assert_int_equal(e, err.code);
    if (e == ADIT_E_OK)
        return count;
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_non_null(strstr(err.text, "/folder/*: "));
    assert_non_null(strstr(err.text, strerror(open + read + look)));
    return -1;
}

/* Half of the files would be others than what was asked for. */
static void test_failing(void **state)
{
    static const int passing[] = {EIO, ENOMEM, EMFILE, ENFILE};
    (void)state;
    assert_int_equal(find(0, 0, 0), 2);
    for (size_t i = 0; i < ADIT_COUNT(passing); i++) {
        assert_int_equal(find(passing[i], 0, 0), -1);
        assert_int_equal(find(0, passing[i], 0), -1);
        assert_int_equal(find(0, 0, passing[i]), -1);
    }
}

static void test_not_there(void **state)
{
    static const int none[] = {ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(none); i++) {
        assert_int_equal(find(none[i], 0, 0), 0);
        assert_int_equal(find(0, 0, none[i]), 0);
    }
}

static void test_too_many(void **state)
{
    struct texts found;
    (void)state;
    texts_init(&found);
    memset(&disk, 0, sizeof disk);
    memset(&err, 0, sizeof err);
    disk.entries = LIMIT_GLOB_NAMES;
    assert_int_equal(globs_find(&found, "/folder/0*", &err), ADIT_E_OK);
    assert_int_equal(found.count, 1);
    disk.entries++;
    assert_int_equal(globs_find(&found, "/folder/0*", &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "too many names"));
    assert_false(disk.is_open);
    texts_wipe(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
