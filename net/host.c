#include "net/host.h"

#include <unistd.h>

uint32_t host_memory_mib(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_len = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_len <= 0)
        return 0;
    uint64_t mib = (uint64_t)pages * (uint64_t)page_len / (1024 * 1024);
    return mib < UINT32_MAX ? (uint32_t)mib : UINT32_MAX;
}
