/*
 * confine_filter.h - the list of system calls that a confined thread may make, as a program for seccomp(2).
 *
 * By the kernel's own numbers of the machine that this is compiled for; where the list is not made for it
 * there is no program. (What calls itself by the numbers of another one, as 32-bit code may, is ended.)
 */
#ifndef NET_CONFINE_FILTER_H
#define NET_CONFINE_FILTER_H

#include <linux/filter.h>

#include "adit.h"

enum { CONFINE_FILTER_MAX = 1024 }; /* instructions; the kernel takes 4096 */

struct confine_filter {
    struct sock_filter code[CONFINE_FILTER_MAX];
    unsigned short len; /* 0: not for this machine */
};

/* may_open: the calls that take a path are among them. */
void confine_filter_make(struct confine_filter *f, bool may_open);

#endif
