/*
 * terminal.h - one question and one line of answer on the controlling terminal.
 *
 * Echo is switched off for secrets and always restored, also when a signal ends the question: signals only
 * become readable on the descriptor `cancel_fd`, and the question then returns like any other failure. Being
 * stopped (Ctrl-Z) and continued during a question switches echo off again.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "adit.h"

/* True when the process has a controlling terminal. */
bool terminal_exists(void);

/* Writes text, reads a line into answer (zero-terminated, without its end). A longer line than fits counts as
 * failed. False: no terminal, end of file, or cancel_fd became readable; answer is then wiped. */
bool terminal_ask(const char *text, bool echo, int cancel_fd, char *answer, size_t cap) ADIT_MUST_USE;

#endif
