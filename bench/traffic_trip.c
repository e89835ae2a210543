/* traffic_trip.c - rtt: there and back on one connection. */
#include "bench/traffic.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Each trip carries other bytes, so that a late answer to an earlier one is noticed. */
static uint64_t trip(int fd, uint64_t number, size_t size)
{
    static uint8_t out[65536], in[sizeof out];
    memset(out, (int)(number * 7 & 0xff), size);
    uint64_t start = now_ns();
    if (!send_all(fd, out, size) || !recv_all(fd, in, size))
        die_errno("the connection broke in trip %llu", (unsigned long long)number);
    uint64_t end = now_ns();
    if (memcmp(in, out, size) != 0)
        die("wrong data in trip %llu", (unsigned long long)number);
    return end - start;
}

int trip_main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    struct samples s = {0};
    if (argc - optind != 1)
        die("rtt: which port?");
    int fd = connect_to(port_of(argv[optind]));
    /* The first one waits for the way to be opened. */
    trip(fd, 0, o.size);
    mark("begin");
    uint64_t start = now_ns(), until = start + (uint64_t)(o.seconds * 1e9), end = start;
    while (end < until || s.count == 0) {
        samples_add(&s, trip(fd, s.count + 1, o.size));
        end = now_ns();
    }
    mark("end");
    samples_sort(&s);
    double seconds = seconds_between(start, end);
    printf("{\"count\": %zu, \"seconds\": %.6f, \"per_second\": %.3f, \"p50_us\": %.3f, \"p90_us\": %.3f, "
           "\"p99_us\": %.3f, \"max_us\": %.3f}\n",
           s.count, seconds, (double)s.count / seconds, samples_us(&s, 50), samples_us(&s, 90),
           samples_us(&s, 99), samples_us(&s, 100));
    return 0;
}
