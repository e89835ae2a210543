/*
 * timing [--seconds S] [WORD...] - does the time of our own primitives depend on what is secret? Each subject
 * whose name holds one of the words (all of them without a word) is run for S seconds (5) on two classes of
 * input in random order; welch.h says whether their times differ. A |t| over 10 counts as a difference, one
 * below 4.5 as none, anything between as worth more time. Exit status 1: a difference was found, or the
 * planted one was not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/crypto.h"
#include "net/random.h"
#include "subjects.h"
#include "welch.h"

#define T_LEAK 10.0
#define T_NONE 4.5

static uint64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
#else
    return clock_ns(CLOCK_MONOTONIC);
#endif
}

static void measure(const struct subject *s, struct welch *w, double seconds)
{
    uint8_t classes[4096];
    size_t next = sizeof classes;
    uint64_t end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + (uint64_t)(seconds * 1e9);
    while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end) {
        if (next == sizeof classes) {
            struct adit_error err = {0};
            if (random_seed(classes, sizeof classes, &err) != ADIT_E_OK)
                abort();
            next = 0;
        }
        unsigned class = classes[next++] & 1U;
        s->input(class);
        __sync_synchronize(); /* what input() has written is in the cache, not on its way */
        uint64_t begin = ticks();
        s->run();
        welch_add(w, class, ticks() - begin);
    }
}

static const char *verdict(const struct subject *s, double t, double count)
{
    if (count < 10000)
        return "too few";
    if (s->is_planted)
        return t > T_LEAK ? "found" : "NOT FOUND";
    return t > T_LEAK ? "DIFFERS" : t > T_NONE ? "unclear" : "same";
}

static bool judge(const struct subject *s, double seconds)
{
    static struct welch w;
    welch_init(&w);
    if (s->start != NULL)
        s->start();
    measure(s, &w, seconds);
    double t = welch_largest(&w);
    printf("%-52s %10.0f %8.1f  %s\n", s->name, welch_count(&w), t, verdict(s, t, welch_count(&w)));
    fflush(stdout);
    return s->is_planted == (t > T_LEAK);
}

static bool is_chosen(const char *name, char **words, int count)
{
    for (int i = 0; i < count; i++)
        if (strstr(name, words[i]) != NULL)
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    double seconds = 5;
    int at = 1;
    bool all_good = true;
    if (argc > 2 && strcmp(argv[1], "--seconds") == 0) {
        seconds = strtod(argv[2], NULL);
        at = 3;
    }
    if (!crypto_init())
        return 2;
    printf("%-52s %10s %8s\n", "", "measured", "|t|");
    for (const struct subject *s = subjects; s->name != NULL; s++)
        if (is_chosen(s->name, argv + at, argc - at))
            all_good &= judge(s, seconds);
    return all_good ? 0 : 1;
}
