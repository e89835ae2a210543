/*
 * traffic - sources, sinks and clients for measurements, made to be never the bottleneck.
 *
 * Servers print one line of JSON once they listen on 127.0.0.1 and run until stdin closes or SIGTERM:
 *
 *     traffic serve                            {"echo": PORT, "source": PORT, "sink": PORT, "stuck": PORT}
 *         echo    returns what comes, at once
 *         source  sends the pattern (traffic.h) as long as it is read
 *         sink    takes all. The first byte says whether the rest must be the pattern: V. At the end of input
 *                 it answers with two 64-bit little-endian numbers: the bytes received, the first one
 * included; and 1 if they were checked and right, else 0 stuck   accepts and never reads traffic relay
 * rw|splice PORT HOST PORT   {"port": PORT}: a plain TCP relay; PORT 0: any
 *
 * Clients print one line of JSON at the end. When something is wrong (nobody listens, a cut connection, wrong
 * data, nothing moved), they say so on stderr and exit 1.
 *
 *     traffic down PORT [--streams N] [--warm S] [--seconds S]           from a source: bytes, seconds,
 * mb_per_s traffic up PORT [--streams N] [--warm S] [--seconds S]             to a sink: the same traffic
 * both SOURCE SINK [--streams N] [--warm S] [--seconds S]    N each way at once: bytes, seconds,
 *                                                                        down_mb_per_s, up_mb_per_s
 *         A MB is 10^6 bytes. `up` without --warm counts what the sink has received by its own answer, over
 * the time from the first byte to the last answer. With --warm, and in `both`, it is what the sockets took in
 * the measured time: right as soon as the warm-up has filled the buffers on the way. traffic down|up PORT
 * --verify BYTES      so many bytes, each of them checked: bytes, ok, seconds traffic slow PORT --rate BYTES
 * reads so many a second until stdin closes: bytes traffic rtt PORT [--size N] [--seconds S]       to an
 * echo, there and back: count, seconds, per_second, p50_us, p90_us, p99_us, max_us traffic opens PORT
 * [--at-once N] [--seconds S]  to an echo: connect, a byte there and back, close: count, seconds, per_second,
 * p50_us, p99_us traffic idle PORT --count N              opens N connections to an echo, a byte there and
 * back on each: count, seconds, at once; then holds them until stdin closes traffic burst PORT --count N N at
 * the same time: count, seconds, p50_us, p99_us, failed
 *
 * down, up, both, rtt and opens print the lines "begin" and "end" at the bounds of the measured time.
 */
#include "bench/traffic.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", serve_main}, {"relay", relay_main}, {"down", bulk_main}, {"up", bulk_main},
    {"both", bulk_main},   {"slow", slow_main},   {"rtt", trip_main},  {"opens", opens_main},
    {"idle", idle_main},   {"burst", burst_main},
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    pattern_init();
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    fputs("usage: traffic serve|relay|down|up|both|slow|rtt|opens|idle|burst ...; see the head of "
          "bench/traffic.c\n",
          stderr);
    return 2;
}
