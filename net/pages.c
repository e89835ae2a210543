#define _GNU_SOURCE /* MADV_DONTDUMP */
#include "net/pages.h"

#include <sys/mman.h>

void *pages_new(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)mlock(p, n); /* an unprivileged process may lock little or nothing */
    (void)madvise(p, n, MADV_DONTDUMP);
    return p;
}

void pages_free(void *p, size_t n)
{
    if (p == NULL)
        return;
    adit_wipe(p, n);
    (void)munmap(p, n);
}
