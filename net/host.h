/*
 * host.h - what this machine is, and what it lets us have.
 */
#ifndef NET_HOST_H
#define NET_HOST_H

#include "adit.h"

/* The memory of the machine in MiB; 0 when the system does not say. */
uint32_t host_memory_mib(void);

/* Lets this process have `wanted` descriptors open at one time, or as many as the hard limit allows; a limit
 * that is higher already stays. Returns how many that are. Programs started later inherit it. */
uint64_t host_allow_descriptors(uint64_t wanted);

#endif
