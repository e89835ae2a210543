#include "net/random.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/test.h"

/* n bytes of randomness: not all the same, and not those of the call before. */
static int looks_random(size_t n)
{
    uint8_t a[4096] = {0}, b[4096] = {0};
    size_t zeros = 0;

    if (random_seed(a, n, NULL) != ADIT_E_OK || random_seed(b, n, NULL) != ADIT_E_OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        zeros += a[i] == 0;
    return memcmp(a, b, n) != 0 && zeros < n / 8 + 4 && (n == sizeof a || a[n] == 0);
}

static void fills_all_of_it(void **state)
{
    (void)state;
    assert_true(looks_random(32));
    assert_true(looks_random(4096));
    assert_int_equal(random_seed(NULL, 0, NULL), ADIT_E_OK);
}

/* A kernel that answers getrandom with `answer`. */
static int forbid_getrandom(int answer)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ADIT_COUNT(code), .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { CHILD_GOOD = 0, CHILD_BAD = 1, CHILD_NO_SECCOMP = 77 };

static int child_without(int answer)
{
    struct adit_error err = {0};
    uint8_t out[32], zero[32] = {0};

    if (!forbid_getrandom(answer))
        return CHILD_NO_SECCOMP;
    if (answer == ENOSYS)
        return looks_random(64) && looks_random(4096) ? CHILD_GOOD : CHILD_BAD;
    memset(out, 1, sizeof out);
    if (random_seed(out, sizeof out, &err) != ADIT_E_SYSTEM || !strstr(err.text, "getrandom"))
        return CHILD_BAD;
    return memcmp(out, zero, sizeof out) == 0 ? CHILD_GOOD : CHILD_BAD;
}

static void run_without(int answer)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child_without(answer));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_NO_SECCOMP)
        skip();
    assert_int_equal(WEXITSTATUS(status), CHILD_GOOD);
}

static void devices_on_an_old_kernel(void **state)
{
    (void)state;
    run_without(ENOSYS);
}

static void a_failure_is_never_ignored(void **state)
{
    (void)state;
    run_without(EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_all_of_it),
        cmocka_unit_test(devices_on_an_old_kernel),
        cmocka_unit_test(a_failure_is_never_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
