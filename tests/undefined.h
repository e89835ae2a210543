/*
 * undefined.h - constant time shown by valgrind: secrets are marked as undefined memory, and a branch, an
 * index or a division that depends on one is an error of its memcheck (A. Langley's ctgrind). Without
 * valgrind the marks do nothing.
 */
#ifndef UNDEFINED_H
#define UNDEFINED_H

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

#ifdef VALGRIND_MAKE_MEM_UNDEFINED
#define SECRET(p, n)   ((void)VALGRIND_MAKE_MEM_UNDEFINED(p, n))
#define REVEALED(p, n) ((void)VALGRIND_MAKE_MEM_DEFINED(p, n))
#else
#define SECRET(p, n)   ((void)(p), (void)(n))
#define REVEALED(p, n) ((void)(p), (void)(n))
#endif

#endif
