/*
 * subjects.h - what is measured: our own code that works on secrets. Each subject has two classes of input,
 * one fixed and one random (or two that a leak would tell apart). input() fills the one buffer that run()
 * then works on, so that both classes use the same memory; only run() is timed.
 */
#ifndef TIMING_SUBJECTS_H
#define TIMING_SUBJECTS_H

#include <stdbool.h>

struct subject {
    const char *name;
    void (*start)(void); /* once; NULL: nothing to do */
    void (*input)(unsigned class);
    void (*run)(void);
    bool is_planted; /* its time does depend on the input: it must be found */
};

/* Ends with a NULL name. */
extern const struct subject subjects[];

#endif
