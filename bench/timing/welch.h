/*
 * welch.h - do two classes of measurements have the same mean? Welch's t of each, also of what is left when
 * the longest are cut away: the method of O. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant
 * time?" (DATE 2017). Interrupts make a few measurements long and would drown a difference; so the same
 * measurements are looked at again below each of WELCH_CUTS limits, which are percentiles of the first ones.
 */
#ifndef TIMING_WELCH_H
#define TIMING_WELCH_H

#include <stddef.h>
#include <stdint.h>

enum { WELCH_CUTS = 30, WELCH_FIRST = 2000 };

struct welch_class {
    double n, mean, squares; /* Welford's: the sum of squared distances from the mean */
};

struct welch {
    struct welch_class of[WELCH_CUTS + 1][2]; /* the last row: nothing cut */
    uint64_t limit[WELCH_CUTS];
    uint64_t first[WELCH_FIRST]; /* before the limits are known nothing else is kept */
    size_t first_count;
};

void welch_init(struct welch *w);
/* A measurement of class 0 or 1. The first WELCH_FIRST only make the limits. */
void welch_add(struct welch *w, unsigned class, uint64_t duration);
/* The largest |t| of all rows with at least 1,000 measurements of either class; 0 when there is none yet. */
double welch_largest(const struct welch *w);
double welch_count(const struct welch *w);

#endif
