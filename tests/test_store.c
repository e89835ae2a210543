#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/files.h"
#include "daemon/store.h"

enum { TUNNELS = 20, KILLS = 500 };

static char base[PATH_MAX];

/* Each test has a folder of its own, which the store makes. */
static int setup(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof base, "/tmp/adit-test-store.XXXXXX");
    return mkdtemp(base) != NULL ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char inner[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner &&
            unlink(inner) != 0)
            remove_tree(inner);
    }
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(path);
}

static int teardown(void **state)
{
    (void)state;
    remove_tree(base);
    return 0;
}

static const char *at(const char *name)
{
    static char path[4][PATH_MAX];
    static size_t turn;
    char *p = path[turn++ % 4];
    assert_true(snprintf(p, PATH_MAX, "%s/%s", base, name) < PATH_MAX);
    return p;
}

static struct store *open_fine(void)
{
    struct store *s;
    struct adit_error err = {0};
    if (store_open(&s, at("a/state"), &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    return s;
}

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static char *contents(const char *path)
{
    struct file f;
    struct adit_error err = {0};
    if (file_read(&f, path, STORE_STATE_MAX, NULL, NULL, &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    char *text = calloc(1, f.n + 1);
    assert_non_null(text);
    if (f.n > 0)
        memcpy(text, f.p, f.n);
    file_wipe(&f);
    return text;
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static void define(struct definition *d, unsigned number, unsigned generation)
{
    char text[128];
    definition_init(d, DEFINITION_API);
    d->created_at = generation;
    (void)snprintf(text, sizeof text, "tunnel_%u_%08x", generation, number);
    assert_true(definition_set(&d->id, text) && definition_set(&d->name, text));
    assert_true(definition_set(&d->host, "bastion") && definition_set(&d->profile_id, "default"));
    (void)snprintf(text, sizeof text, "generation %u, %080u", generation, generation);
    assert_true(definition_set(&d->description, text));
    struct definition_forward *f = definition_forward_add(d, FORWARD_DYNAMIC);
    assert_non_null(f);
    f->has_local_port = true;
}

/* count tunnels that all say the generation. */
static enum adit_err save(struct store *s, unsigned generation, size_t count, struct adit_error *err)
{
    struct definition made[TUNNELS];
    const struct definition *list[TUNNELS];
    assert_true(count <= TUNNELS);
    for (size_t i = 0; i < count; i++) {
        define(&made[i], (unsigned)i, generation);
        list[i] = &made[i];
    }
    enum adit_err e = store_save(s, list, count, err);
    for (size_t i = 0; i < count; i++)
        definition_wipe(&made[i]);
    return e;
}

static void load_nothing(struct store *s)
{
    struct definition *list;
    size_t count;
    struct adit_error err = {0};
    if (store_load(s, &list, &count, &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    assert_int_equal(count, 0);
    free(list);
}

/* The one generation that all tunnels of the file say; how many they are. */
static unsigned load(struct store *s, size_t *count)
{
    struct definition *list;
    struct adit_error err = {0};
    if (store_load(s, &list, count, &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    unsigned generation = *count > 0 ? (unsigned)list[0].created_at : 0;
    for (size_t i = 0; i < *count; i++) {
        struct definition want;
        define(&want, (unsigned)i, generation);
        assert_true(definition_same(&want, &list[i]));
        assert_string_equal(want.id, list[i].id);
        definition_wipe(&want);
        definition_wipe(&list[i]);
    }
    free(list);
    return generation;
}

static void test_made_and_saved(void **state)
{
    (void)state;
    struct store *s = open_fine();
    struct adit_error err = {0};
    size_t count;
    assert_true(store_is_writable(s));
    assert_string_equal(store_folder(s), at("a/state"));
    assert_int_equal(mode_of(at("a")), 0700);
    assert_int_equal(mode_of(at("a/state")), 0700);
    assert_int_equal(mode_of(at("a/state/lock")), 0600);
    load_nothing(s);
    mode_t old = umask(0);
    assert_int_equal(save(s, 3, 5, &err), ADIT_E_OK);
    umask(old);
    assert_int_equal(mode_of(at("a/state/state.json")), 0600);
    assert_int_equal(access(at("a/state/state.json.new"), F_OK), -1);
    store_free(s);
    s = open_fine();
    assert_int_equal(load(s, &count), 3);
    assert_int_equal(count, 5);
    store_free(s);
}

/* Runs what in another process; its status. */
static int in_child(int (*what)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(what());
    int status;
    while (waitpid(pid, &status, 0) < 0) {
    }
    return status;
}

static int second_daemon(void)
{
    struct store *s;
    struct adit_error err = {0};
    char want[PATH_MAX + 64];
    (void)snprintf(want, sizeof want, "another daemon (pid %ld) holds %s", (long)getppid(), at("a/state"));
    if (store_open(&s, at("a/state"), &err) == ADIT_E_SYSTEM && s == NULL && strcmp(err.text, want) == 0)
        return 0;
    (void)fprintf(stderr, "wanted '%s', got '%s'\n", want, err.text);
    return 1;
}

static int opens(void)
{
    struct store *s;
    struct adit_error err = {0};
    if (store_open(&s, at("a/state"), &err) != ADIT_E_OK)
        return 1;
    kill(getpid(), SIGKILL); /* with the lock held */
    return 2;
}

static void test_lock(void **state)
{
    (void)state;
    struct store *s = open_fine();
    assert_int_equal(in_child(second_daemon), 0);
    store_free(s);
    /* Not before: a process that closes the file has given its lock back. */
    char text[32], *file = contents(at("a/state/lock"));
    (void)snprintf(text, sizeof text, "%ld\n", (long)getpid());
    assert_string_equal(file, text);
    free(file);
    int status = in_child(opens);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    store_free(open_fine());
}

/* What cannot be understood stays as it is, to the byte. */
static void test_bad_files_are_never_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"{\"version\":1,\n\"tunnels\":[}", "state.json:2:"},
        {"{\"version\":2,\"tunnels\":[]}", "newer"},
        {"", "state.json:1:"},
        {"{\"version\":1,\"tunnels\":[{\"id\":\"x\"}]}", "tunnels[0]: name"},
    };
    struct store *s = open_fine();
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct definition *list;
        size_t count;
        struct adit_error err = {0}, refused = {0};
        put(at("a/state/state.json"), rows[i].text, 0600);
        assert_int_equal(store_load(s, &list, &count, &err), ADIT_E_CONFIG);
        if (strstr(err.text, rows[i].error) == NULL || strstr(err.text, at("a/state/state.json")) == NULL)
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_true(list == NULL && count == 0);
        assert_int_equal(save(s, 1, 1, &refused), ADIT_E_SYSTEM);
        char *file = contents(at("a/state/state.json"));
        assert_string_equal(file, rows[i].text);
        free(file);
    }
    store_free(s);
}

static void test_unknown_members(void **state)
{
    (void)state;
    struct store *s = open_fine();
    struct adit_error err = {0};
    size_t count;
    load_nothing(s);
    put(at("a/state/state.json"), "{\"version\":1,\"tunnels\":[],\"future\":[7]}", 0600);
    load_nothing(s);
    assert_int_equal(save(s, 1, 2, &err), ADIT_E_OK);
    char *file = contents(at("a/state/state.json"));
    assert_non_null(strstr(file, "\"future\""));
    free(file);
    assert_int_equal(load(s, &count), 1);
    assert_int_equal(count, 2);
    store_free(s);
}

static void test_not_a_file(void **state)
{
    (void)state;
    struct store *s = open_fine();
    struct definition *list;
    size_t count;
    struct adit_error err = {0};
    assert_int_equal(mkfifo(at("a/state/state.json"), 0600), 0);
    assert_int_equal(store_load(s, &list, &count, &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "is no regular file"));
    assert_int_equal(unlink(at("a/state/state.json")), 0);
    err = (struct adit_error){0};
    assert_int_equal(symlink("/etc/passwd", at("a/state/state.json")), 0);
    assert_int_equal(store_load(s, &list, &count, &err), ADIT_E_SYSTEM);
    store_free(s);
}

static void test_bad_folders(void **state)
{
    (void)state;
    struct store *s;
    struct adit_error err = {0};
    assert_int_equal(mkdir(at("open"), 0700), 0);
    assert_int_equal(chmod(at("open"), 0777), 0);
    assert_int_equal(store_open(&s, at("open"), &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "others may write to it"));
    struct stat status;
    err = (struct adit_error){0};
    assert_int_equal(chmod(at("open"), 0755), 0); /* what may only be read is closed, too */
    assert_int_equal(store_open(&s, at("open"), &err), ADIT_E_OK);
    assert_int_equal(stat(at("open"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    store_free(s);
    put(at("file"), "", 0600);
    err = (struct adit_error){0};
    assert_int_equal(store_open(&s, at("file"), &err), ADIT_E_SYSTEM);
    assert_null(s);
    err = (struct adit_error){0};
    assert_int_equal(store_open(&s, at("file/under/it"), &err), ADIT_E_SYSTEM);
    err = (struct adit_error){0};
    assert_int_equal(store_open(&s, "", &err), ADIT_E_SYSTEM);
}

/* ---- A folder that may only be read ---- */

/* Root may write everywhere: only another user meets the refusal. */
static bool become_nobody(void)
{
    return geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);
}

static bool says_read_only(struct store *s, const struct definition *d)
{
    struct adit_error err = {0};
    return !store_is_writable(s) && store_save(s, &d, 1, &err) == ADIT_E_SYSTEM &&
           strstr(err.text, "may only be read") != NULL;
}

static int read_only_run(void)
{
    struct store *s;
    struct definition *list, d;
    size_t count;
    const char *note;
    char token[STORE_TOKEN_CAP], again[STORE_TOKEN_CAP];
    struct adit_error err = {0};
    if (!become_nobody() || store_open(&s, at("ro"), &err) != ADIT_E_OK ||
        store_load(s, &list, &count, &err) != ADIT_E_OK)
        return 1;
    define(&d, 0, 0);
    if (!says_read_only(s, &d) || store_token(s, token, &note, &err) != ADIT_E_OK || note == NULL ||
        strlen(token) != 64)
        return 2;
    if (store_token(s, again, &note, &err) != ADIT_E_OK || note != NULL || strcmp(token, again) != 0)
        return 3;
    definition_wipe(&d);
    for (size_t i = 0; i < count; i++)
        definition_wipe(&list[i]);
    free(list);
    store_free(s);
    return count == 0 ? 0 : 4;
}

static void test_read_only_folder(void **state)
{
    (void)state;
    assert_int_equal(chmod(base, 0755), 0);
    assert_int_equal(mkdir(at("ro"), 0700), 0);
    assert_int_equal(chmod(at("ro"), 0555), 0);
    assert_int_equal(in_child(read_only_run), 0);
    assert_int_equal(rmdir(at("ro")), 0); /* nothing was written */
}

/* Neither is there, nor can it be made. */
static void test_folder_that_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(chmod(base, 0555), 0);
    assert_int_equal(in_child(read_only_run), 0);
    assert_int_equal(chmod(base, 0700), 0);
}

/* ---- A full disk ---- */

static int full_disk_run(void)
{
    struct rlimit small = {.rlim_cur = 700, .rlim_max = RLIM_INFINITY};
    struct adit_error err = {0};
    size_t count;
    struct store *s = open_fine();
    if (load(s, &count) != 5 || count != 2)
        return 1;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0 || save(s, 6, TUNNELS, &err) != ADIT_E_SYSTEM)
        return 2;
    store_free(s);
    return strstr(err.text, "state.json: ") != NULL ? 0 : 3;
}

static void test_full_disk(void **state)
{
    (void)state;
    struct store *s = open_fine();
    struct adit_error err = {0};
    size_t count;
    load_nothing(s);
    assert_int_equal(save(s, 5, 2, &err), ADIT_E_OK);
    store_free(s);
    assert_int_equal(in_child(full_disk_run), 0);
    s = open_fine();
    assert_int_equal(load(s, &count), 5);
    assert_int_equal(count, 2);
    assert_int_equal(access(at("a/state/state.json.new"), F_OK), -1);
    assert_int_equal(save(s, 6, TUNNELS, &err), ADIT_E_OK);
    store_free(s);
}

/* ---- Killed at any instant ---- */

/* Saves for ever, each time another number of tunnels with a new generation; says when the first is done. */
static void save_for_ever(int ready, unsigned generation)
{
    struct adit_error err = {0};
    size_t count;
    struct store *s = open_fine();
    (void)load(s, &count);
    for (;; generation++) {
        if (save(s, generation, generation % TUNNELS + 1, &err) != ADIT_E_OK)
            _exit(1);
        if (ready >= 0 && write(ready, "x", 1) != 1)
            _exit(1);
        ready = -1;
    }
}

/* Ends it some random time after its first save; the generation that this one had. */
static void kill_once(unsigned generation, uint32_t *seed)
{
    int fds[2];
    char byte;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        save_for_ever(fds[1], generation);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    *seed = *seed * 1664525 + 1013904223;
    struct timespec instant = {.tv_nsec = (long)(*seed >> 8) % 2000000};
    (void)nanosleep(&instant, NULL);
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(fds[0]);
}

/* After each of 500 kills the file is whole: all tunnels of one generation, as many as that one has, none
 * older than the first that was on the disk. */
static void test_kills(void **state)
{
    (void)state;
    uint32_t seed = 1;
    unsigned generation = 1;
    for (unsigned i = 0; i < KILLS; i++) {
        size_t count;
        kill_once(generation, &seed);
        struct store *s = open_fine();
        unsigned found = load(s, &count);
        store_free(s);
        assert_true(found >= generation);
        assert_int_equal(count, found % TUNNELS + 1);
        generation = found + 1;
    }
}

/* ---- The token ---- */

static void token_is_fine(const char *token)
{
    assert_int_equal(strlen(token), 64);
    assert_int_equal(strspn(token, "0123456789abcdef"), 64);
}

static void test_token(void **state)
{
    (void)state;
    char token[STORE_TOKEN_CAP], again[STORE_TOKEN_CAP];
    const char *note;
    struct adit_error err = {0};
    struct store *s = open_fine();
    assert_int_equal(access(at("a/state/token"), F_OK), -1);
    assert_int_equal(store_token(s, token, &note, &err), ADIT_E_OK);
    assert_null(note);
    token_is_fine(token);
    assert_int_equal(mode_of(at("a/state/token")), 0600);
    char *file = contents(at("a/state/token"));
    assert_int_equal(strlen(file), 64); /* no line end: what is read is what goes into a header */
    assert_memory_equal(file, token, 64);
    free(file);
    store_free(s);
    s = open_fine();
    assert_int_equal(store_token(s, again, &note, &err), ADIT_E_OK);
    assert_null(note);
    assert_string_equal(token, again);
    store_free(s);
}

static void test_damaged_token(void **state)
{
    (void)state;
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const struct {
        const char *text;
        mode_t mode;
        bool is_fine;
        const char *note;
    } rows[] = {
        {zeros, 0600, true, NULL},
        {"", 0600, false, "damaged"},
        {"0000\n", 0600, false, "damaged"},
        {"000000000000000000000000000000000000000000000000000000000000000g\n", 0600, false, "damaged"},
        {"00000000000000000000000000000000000000000000000000000000000000000\n", 0600, false, "damaged"},
        {zeros, 0640, false, "others could read"},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        char token[STORE_TOKEN_CAP];
        const char *note;
        struct adit_error err = {0};
        struct store *s = open_fine();
        put(at("a/state/token"), rows[i].text, rows[i].mode);
        assert_int_equal(store_token(s, token, &note, &err), ADIT_E_OK);
        token_is_fine(token);
        assert_int_equal(strcmp(token, zeros) == 0, rows[i].is_fine);
        assert_int_equal(note == NULL, rows[i].note == NULL);
        if (note != NULL)
            assert_non_null(strstr(note, rows[i].note));
        assert_int_equal(mode_of(at("a/state/token")), 0600);
        char *file = contents(at("a/state/token"));
        assert_memory_equal(file, token, 64);
        free(file);
        store_free(s);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_made_and_saved),
        TEST(test_lock),
        TEST(test_bad_files_are_never_replaced),
        TEST(test_unknown_members),
        TEST(test_not_a_file),
        TEST(test_bad_folders),
        TEST(test_read_only_folder),
        TEST(test_folder_that_cannot_be),
        TEST(test_full_disk),
        TEST(test_kills),
        TEST(test_token),
        TEST(test_damaged_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
