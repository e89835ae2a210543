#include "welch.h"

#include <stdlib.h>
#include <string.h>

enum { ENOUGH = 1000 };

void welch_init(struct welch *w)
{
    memset(w, 0, sizeof *w);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Near the top, where a difference that hides behind a long tail shows: 1 - 2^(-10 i / n), as in the paper.
 */
static void limits_make(struct welch *w)
{
    qsort(w->first, WELCH_FIRST, sizeof w->first[0], by_size);
    double left = 1;
    for (size_t i = 0; i < WELCH_CUTS; i++) {
        left *= 0.7937; /* 2^(-1/3): thirty steps are 2^-10 */
        w->limit[i] = w->first[(size_t)((1 - left) * (WELCH_FIRST - 1))];
    }
}

static void class_add(struct welch_class *c, double x)
{
    double distance = x - c->mean;
    c->n++;
    c->mean += distance / c->n;
    c->squares += distance * (x - c->mean);
}

void welch_add(struct welch *w, unsigned class, uint64_t duration)
{
    if (w->first_count < WELCH_FIRST) {
        w->first[w->first_count++] = duration;
        if (w->first_count == WELCH_FIRST)
            limits_make(w);
        return;
    }
    for (size_t i = 0; i < WELCH_CUTS; i++)
        if (duration < w->limit[i])
            class_add(&w->of[i][class], (double)duration);
    class_add(&w->of[WELCH_CUTS][class], (double)duration);
}

/* t squared, so that libm is not needed for the comparison. */
static double t_squared(const struct welch_class c[2])
{
    double difference = c[0].mean - c[1].mean;
    double variance = c[0].squares / (c[0].n - 1) / c[0].n + c[1].squares / (c[1].n - 1) / c[1].n;
    if (variance == 0)
        return difference == 0 ? 0 : 1e12;
    return difference * difference / variance;
}

static double root(double x)
{
    double r = x > 1 ? x : 1;
    for (int i = 0; i < 100; i++)
        r = (r + x / r) / 2;
    return r;
}

double welch_largest(const struct welch *w)
{
    double largest = 0;
    for (size_t i = 0; i <= WELCH_CUTS; i++) {
        if (w->of[i][0].n < ENOUGH || w->of[i][1].n < ENOUGH)
            continue;
        double t = t_squared(w->of[i]);
        largest = t > largest ? t : largest;
    }
    return largest == 0 ? 0 : root(largest);
}

double welch_count(const struct welch *w)
{
    return w->of[WELCH_CUTS][0].n + w->of[WELCH_CUTS][1].n;
}
