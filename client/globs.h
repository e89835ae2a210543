/*
 * globs.h - the files that a pattern stands for: glob(7) of a whole path.
 *
 * The C library's glob would do, but for the tables of all of Unicode's letters that it brings along.
 */
#ifndef CLIENT_GLOBS_H
#define CLIENT_GLOBS_H

#include "client/texts.h"

/* What is there of the paths that pattern matches, sorted by their bytes: '*' is any text, '?' one byte,
 * [a-z] one of some and [!a-z] one of the others, a backslash takes from the next its meaning; none of them
 * stands for a slash, nor for a dot at the beginning of a name. What may not be read is passed over; a link
 * that leads nowhere is found too. out is initialised, and emptied first. ADIT_E_MEMORY: no memory or
 * descriptor, or the disk failed; ADIT_E_CONFIG: more than LIMIT_GLOB_NAMES would have to be looked at. */
enum adit_err globs_find(struct texts *out, const char *pattern, struct adit_error *err) ADIT_MUST_USE;

/* One name, without the rule of the dot. Time of at most the product of the lengths. */
bool glob_matches(struct span pattern, struct span name);

#endif
