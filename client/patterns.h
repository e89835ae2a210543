/*
 * patterns.h - ssh_config(5), PATTERNS: '*' is any text, '?' any one character.
 */
#ifndef CLIENT_PATTERNS_H
#define CLIENT_PATTERNS_H

#include "adit.h"

/* Takes time of at most the product of the lengths. */
bool pattern_matches(struct span pattern, struct span text);

/* A list with commas, "!" before a pattern negating it: ssh's order of things, in which a negated match beats
 * any other, and a list of negated ones alone matches nothing; nor does one with a pattern of over 1022 bytes
 * where nothing before it was negated. */
enum pattern_result { PATTERN_NEGATED = -1, PATTERN_NONE, PATTERN_MATCH };
enum pattern_result patterns_match(const char *list, const char *text);
/* The same without regard to the case of ASCII letters. */
enum pattern_result patterns_match_any_case(const char *list, const char *text);

#endif
