/*
 * pages.h - memory for keys: pages of their own, which no core image has, and which stay out of swap where
 * the system lets us lock them (a full limit is no error).
 */
#ifndef NET_PAGES_H
#define NET_PAGES_H

#include "adit.h"

void *pages_new(size_t n) ADIT_MUST_USE; /* zeroed; NULL when memory is short */
void pages_free(void *p, size_t n);      /* wiped; n as it was asked for; NULL is fine */

#endif
