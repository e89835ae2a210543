#define _GNU_SOURCE /* MADV_DONTDUMP */
#include "client/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

void *secret_new(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)mlock(p, n); /* best effort: an unprivileged process may lock little or nothing */
    (void)madvise(p, n, MADV_DONTDUMP);
    return p;
}

void secret_free(void *p, size_t n)
{
    if (p == NULL)
        return;
    adit_wipe(p, n);
    (void)munmap(p, n);
}

void secret_forbid_core(void)
{
    /* core(5): with 0 a core_pattern that is a pipe gets one nevertheless. 1 is the kernel's sign for none,
     * and less than the smallest file. */
    struct rlimit none = {1, 1};
    (void)setrlimit(RLIMIT_CORE, &none);
}

void secret_wipe_env(const char *name)
{
    char *value = getenv(name);
    if (value == NULL)
        return;
    adit_wipe(value, strlen(value));
    (void)unsetenv(name);
}
