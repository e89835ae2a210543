#define _GNU_SOURCE

#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/test.h"

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    memcpy(folder, "/tmp/adit-sock-XXXXXX", 22);
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/s", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static bool exists(void)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static unsigned mode_of(void)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    return st.st_mode & 0777;
}

/* The mask alone decides, and the umask of the process stays what it was. */
static void mode_is_the_masks(void **state)
{
    static const unsigned masks[] = {0177, 0, 0111, 0777, 077}, umasks[] = {022, 077, 0, 0777};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(masks); i++)
        for (size_t j = 0; j < ADIT_COUNT(umasks); j++) {
            struct sock_file file;
            int fd;
            mode_t old = umask((mode_t)umasks[j]);
            assert_int_equal(sock_listen_unix(&fd, path, masks[i], false, &file, NULL), ADIT_E_OK);
            assert_int_equal(umask(old), umasks[j]);
            assert_int_equal(mode_of(), 0777 & ~masks[i]);
            assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            sock_close(&fd);
            sock_file_remove(&file, path);
            assert_false(exists());
        }
}

static void carries(void **state)
{
    struct sock_file file;
    struct sock_addr at, peer;
    int listener, c, s;
    bool done;
    size_t n;
    char byte = 'x';
    (void)state;
    assert_int_equal(sock_listen_unix(&listener, path, 0177, false, &file, NULL), ADIT_E_OK);
    assert_int_equal(sock_addr_path(&at, path, NULL), ADIT_E_OK);
    assert_int_equal(sock_connect_start(&c, &at, NULL, &done, NULL), ADIT_E_OK);
    assert_true(done);
    assert_int_equal(sock_accept(listener, &s, &peer, NULL), SOCK_ACCEPT_OK);
    assert_int_equal(sock_write(c, &byte, 1, &n, NULL), SOCK_IO_OK);
    assert_int_equal(sock_read(s, &byte, 1, &n, NULL), SOCK_IO_OK);
    sock_close(&c);
    sock_close(&s);
    sock_close(&listener);
    sock_file_remove(&file, path);
    assert_false(file.is_ours);
}

/* A control socket: private whatever the umask is, never in the place of another file, and nothing beside it.
 */
static void control_socket(void **state)
{
    struct sock_file file, second;
    struct sock_addr at, peer;
    struct adit_error err = {0};
    int listener, other, c, s;
    bool exists_already, done;
    (void)state;
    mode_t old = umask(0);
    assert_int_equal(sock_listen_control(&listener, path, &exists_already, &file, &err), ADIT_E_OK);
    (void)umask(old);
    assert_int_equal(mode_of(), 0600);
    assert_int_equal(sock_listen_control(&other, path, &exists_already, &second, &err), ADIT_E_FORWARD);
    assert_true(exists_already && other == -1 && !second.is_ours);
    assert_int_equal(sock_addr_path(&at, path, NULL), ADIT_E_OK);
    assert_int_equal(sock_connect_start(&c, &at, NULL, &done, NULL), ADIT_E_OK);
    assert_int_equal(sock_accept(listener, &s, &peer, NULL), SOCK_ACCEPT_OK);
    assert_true(sock_peer_is_us(s));
    assert_false(sock_peer_is_us(-1));
    sock_close(&c);
    sock_close(&s);
    sock_close(&listener);
    sock_file_remove(&file, path);
    assert_false(exists()); /* and tear_down finds the folder empty */
}

static void control_path_too_long(void **state)
{
    char longest[120];
    struct sock_file file;
    struct adit_error err = {0};
    int fd;
    bool exists_already;
    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(sock_listen_control(&fd, longest, &exists_already, &file, &err), ADIT_E_CONFIG);
    assert_true(fd == -1 && !exists_already && !file.is_ours);
}

/* As long as a socket's path may be, where the folder leaves room for a temporary name. */
static void control_path_as_long_as_can_be(void **state)
{
    char longest[SOCK_PATH_CAP];
    struct sock_file file;
    struct adit_error err = {0};
    int fd;
    bool exists_already;
    (void)state;
    const char *name = strrchr(path, '/');
    size_t folder_len = (size_t)(name - path) + 1;
    memset(longest, 'x', sizeof longest);
    memcpy(longest, path, folder_len);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(sock_listen_control(&fd, longest, &exists_already, &file, &err), ADIT_E_OK);
    sock_file_remove(&file, longest); /* and tear_down finds the folder empty */
    sock_close(&fd);
}

static void busy(bool replace, enum adit_err wanted, const char *word)
{
    struct sock_file file;
    struct adit_error err = {0};
    int fd;
    assert_int_equal(sock_listen_unix(&fd, path, 0177, replace, &file, &err), wanted);
    assert_int_equal(fd, -1);
    assert_false(file.is_ours);
    if (strstr(err.text, word) == NULL)
        print_error("%s\n", err.text);
    assert_non_null(strstr(err.text, word));
    assert_non_null(strstr(err.text, path));
    sock_file_remove(&file, path); /* not ours: nothing happens */
    assert_true(exists());
}

static void what_is_there_stays(void **state)
{
    struct sock_file file, second;
    struct adit_error err = {0};
    int fd, again;
    (void)state;
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    sock_close(&fd);
    busy(false, ADIT_E_FORWARD, "in use");
    busy(true, ADIT_E_FORWARD, "no socket");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/tmp", path), 0);
    busy(true, ADIT_E_FORWARD, "no socket");
    assert_int_equal(unlink(path), 0);
    /* one that is in use, or was left over */
    assert_int_equal(sock_listen_unix(&fd, path, 0177, false, &file, &err), ADIT_E_OK);
    busy(false, ADIT_E_FORWARD, "in use");
    assert_int_equal(sock_listen_unix(&again, path, 0177, true, &second, &err), ADIT_E_OK);
    sock_file_remove(&file, path); /* the first one's file is gone: this is another's */
    assert_true(exists());
    sock_file_remove(&second, path);
    assert_false(exists());
    sock_close(&again);
    sock_close(&fd);
}

static void another_users_stays(void **state)
{
    struct sock_file file;
    int fd;
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(sock_listen_unix(&fd, path, 0177, false, &file, NULL), ADIT_E_OK);
    assert_int_equal(lchown(path, 4711, 4711), 0);
    busy(true, ADIT_E_FORWARD, "another user's");
    sock_close(&fd);
}

static void length(void **state)
{
    char text[200];
    struct sock_addr a;
    struct sock_file file;
    struct adit_error err = {0};
    int fd;
    (void)state;
    memset(text, 'x', sizeof text);
    text[107] = 0;
    assert_int_equal(sock_addr_path(&a, text, NULL), ADIT_E_OK);
    text[107] = 'x';
    text[108] = 0;
    assert_int_equal(sock_addr_path(&a, text, &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "longer than 107 bytes"));
    assert_int_equal(sock_listen_unix(&fd, text, 0177, true, &file, NULL), ADIT_E_CONFIG);
    assert_int_equal(sock_listen_unix(&fd, "", 0177, true, &file, NULL), ADIT_E_CONFIG);
    assert_int_equal(sock_addr_path(&a, "@a/b", NULL), ADIT_E_OK); /* a letter as any other */
    assert_int_equal(((struct sockaddr_un *)(void *)&a.storage)->sun_path[0], '@');
    assert_int_equal(sock_listen_unix(&fd, "/nowhere/at/all", 0177, true, &file, NULL), ADIT_E_FORWARD);
}

/* A full backlog is no refusal. */
static void full_backlog(void **state)
{
    enum { MANY = 8 };
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sock_addr at;
    struct adit_error err = {0};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fds[MANY];
    bool done;
    size_t n = 0;
    enum adit_err e = ADIT_E_OK;
    (void)state;
    memcpy(un.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(sock_addr_path(&at, path, NULL), ADIT_E_OK);
    while (n < MANY && e == ADIT_E_OK)
        e = sock_connect_start(&fds[n++], &at, NULL, &done, &err);
    assert_int_equal(e, ADIT_E_LIMIT);
    while (n > 0)
        sock_close(&fds[--n]);
    sock_close(&listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mode_is_the_masks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(carries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_there_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_users_stays, set_up, tear_down),
        cmocka_unit_test(length),
        cmocka_unit_test_setup_teardown(control_socket, set_up, tear_down),
        cmocka_unit_test(control_path_too_long),
        cmocka_unit_test_setup_teardown(control_path_as_long_as_can_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_backlog, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
