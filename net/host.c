#include "net/host.h"

#include <sys/resource.h>
#include <unistd.h>

uint32_t host_memory_mib(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_len = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_len <= 0)
        return 0;
    uint64_t mib = (uint64_t)pages * (uint64_t)page_len / (1024 * 1024);
    return mib < UINT32_MAX ? (uint32_t)mib : UINT32_MAX;
}

uint64_t host_allow_descriptors(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    /* The limits are unsigned, and "infinity" is the largest number. */
    rlim_t old = limit.rlim_cur;
    if (old >= wanted)
        return old;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : (rlim_t)wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : old;
}
