/*
 * host.h - what this machine is.
 */
#ifndef NET_HOST_H
#define NET_HOST_H

#include "adit.h"

/* The memory of the machine in MiB; 0 when the system does not say. */
uint32_t host_memory_mib(void);

#endif
