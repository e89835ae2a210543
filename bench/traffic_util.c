/* traffic_util.c - the pattern, the clock, the options and the samples. */
#include "bench/traffic.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TABLE_LEN = 1024 * 1024 };

static uint8_t table[TABLE_LEN];

_Noreturn void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("traffic: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

_Noreturn void die_errno(const char *format, ...)
{
    int error = errno;
    va_list args;
    va_start(args, format);
    fputs("traffic: ", stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, ": %s\n", error == EAGAIN ? "nothing moved any more" : strerror(error));
    va_end(args);
    exit(1);
}

/* The finalizer of SplitMix64 (Steele, Lea and Flood, 2014). */
static void word_put(uint8_t out[8], uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    for (int b = 0; b < 8; b++)
        out[b] = (uint8_t)(z >> 8 * b);
}

void pattern_init(void)
{
    for (size_t at = 0; at < TABLE_LEN; at += 8)
        word_put(table + at, at / 8);
}

static void view_add(struct pattern_view *view, uint8_t *bytes, size_t len)
{
    view->iov[view->count++] = (struct iovec){.iov_base = bytes, .iov_len = len};
}

size_t pattern_at(struct pattern_view *view, uint64_t offset, uint64_t len)
{
    size_t todo = len < PATTERN_VIEW_MAX ? (size_t)len : PATTERN_VIEW_MAX, whole = todo;
    int stamps = 0;
    view->count = 0;
    while (todo > 0) {
        size_t within = (size_t)(offset % PATTERN_STAMP_LEN);
        size_t end = within < 8 ? 8 : PATTERN_STAMP_LEN;
        size_t n = end - within < todo ? end - within : todo;
        if (within < 8) {
            word_put(view->stamps[stamps], offset / 8);
            view_add(view, view->stamps[stamps++] + within, n);
        } else {
            view_add(view, table + offset % TABLE_LEN, n);
        }
        offset += n;
        todo -= n;
    }
    return whole;
}

bool pattern_is(uint64_t offset, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        struct pattern_view view;
        size_t n = pattern_at(&view, offset, len);
        for (int i = 0; i < view.count; bytes += view.iov[i].iov_len, i++) {
            if (memcmp(bytes, view.iov[i].iov_base, view.iov[i].iov_len) != 0)
                return false;
        }
        offset += n;
        len -= n;
    }
    return true;
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e9;
}

int ms_until(uint64_t at_ns)
{
    uint64_t now = now_ns();
    return at_ns <= now ? 0 : (int)((at_ns - now + 999999) / 1000000);
}

void mark(const char *word)
{
    puts(word);
    fflush(stdout);
}

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->count == s->room) {
        s->room = s->room == 0 ? 65536 : 2 * s->room;
        s->ns = realloc(s->ns, s->room * sizeof *s->ns);
        if (s->ns == NULL)
            die("no memory");
    }
    s->ns[s->count++] = ns;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
    qsort(s->ns, s->count, sizeof *s->ns, compare);
}

double samples_us(const struct samples *s, unsigned percent)
{
    size_t at = s->count * percent / 100;
    return (double)s->ns[at < s->count ? at : s->count - 1] / 1000;
}

uint64_t number_of(const char *what, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || *text == '-' || errno != 0 || n < min || n > max)
        die("%s: '%s' is not a number from %llu to %llu", what, text, (unsigned long long)min,
            (unsigned long long)max);
    return n;
}

uint16_t port_of(const char *text)
{
    if (text == NULL)
        die("a port is missing");
    return (uint16_t)number_of("port", text, 1, 65535);
}

static double seconds_of(const char *what, const char *text)
{
    char *end;
    double s = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(s) || s < 0 || s > 86400)
        die("%s: '%s' is not a number of seconds", what, text);
    return s;
}

struct options options_read(int argc, char **argv)
{
    static const struct option known[] = {
        {"streams", 1, NULL, 'n'},
        {"warm", 1, NULL, 'w'},
        {"seconds", 1, NULL, 's'},
        {"verify", 1, NULL, 'v'},
        {"size", 1, NULL, 'z'},
        {"at-once", 1, NULL, 'a'},
        {"count", 1, NULL, 'c'},
        {"rate", 1, NULL, 'r'},
        {"socks", 1, NULL, 'x'},
        {"greeted", 0, NULL, 'g'},
        {0},
    };
    struct options o = {.streams = 1, .count = 1, .at_once = 1, .size = 1, .seconds = 5};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'n')
            o.streams = (unsigned long)number_of("--streams", optarg, 1, 10000);
        else if (c == 'w')
            o.warm = seconds_of("--warm", optarg);
        else if (c == 's')
            o.seconds = seconds_of("--seconds", optarg);
        else if (c == 'v')
            o.verify = number_of("--verify", optarg, 1, UINT64_MAX / 2);
        else if (c == 'z')
            o.size = (size_t)number_of("--size", optarg, 1, 65536);
        else if (c == 'a')
            o.at_once = (unsigned long)number_of("--at-once", optarg, 1, 100000);
        else if (c == 'c')
            o.count = (unsigned long)number_of("--count", optarg, 1, 1000000);
        else if (c == 'r')
            o.rate = number_of("--rate", optarg, 0, 1000000000000u);
        else if (c == 'x')
            socks_set(port_of(optarg));
        else if (c == 'g')
            o.greeted = true;
        else
            exit(2);
    }
    return o;
}
