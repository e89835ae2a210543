/*
 * no_reading.h - a file that is there, is ours alone, and cannot be read just now: EIO.
 */
#ifndef TESTS_NO_READING_H
#define TESTS_NO_READING_H

/* proc(5): our own memory, whose first page nothing is mapped at. */
#define NO_READING "/proc/self/mem"

#endif
