/*
 * few_files.h - a time without a free descriptor.
 */
#ifndef TESTS_FEW_FILES_H
#define TESTS_FEW_FILES_H

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/test.h"

/* Nothing can be opened until few_files_end. */
static inline struct rlimit few_files_begin(void)
{
    struct rlimit before, none;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0 && close(next) == 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)next, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

static inline void few_files_end(struct rlimit before)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#endif
