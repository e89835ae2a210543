/*
 * vfork.h - whether a program that cannot be run is found out: posix_spawn learns it through memory that the
 * child shares.
 */
#ifndef TESTS_VFORK_H
#define TESTS_VFORK_H

#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

/* Emulators (valgrind, qemu-user) turn vfork into fork; libc then cannot tell us that exec failed. */
static bool vfork_is_real(void)
{
    static volatile bool shared;
    pid_t pid;
    int status;

    shared = false;
    pid = vfork();
    if (pid == 0) {
        shared = true;
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return shared;
}

#endif
