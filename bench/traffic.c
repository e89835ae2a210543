/*
 * traffic - sources, sinks and clients for measurements, made to be never the bottleneck.
 *
 * Servers print one line of JSON once they listen on 127.0.0.1 and run until stdin closes or SIGTERM:
 *
 *     serve                        {"echo": PORT, "source": PORT, "sink": PORT, "stuck": PORT,
 *                                  "greet": PORT}
 *         echo    returns what comes, at once
 *         source  sends the pattern (traffic.h) as long as it is read
 *         sink    takes all; at the end of input it answers with two 64-bit little-endian numbers: the
 *                 bytes received, the first one included; 1 if the rest was the pattern and the first
 *                 byte, 'V', had asked to check it, else 0
 *         stuck   accepts and never reads
 *         greet   says a byte as soon as it accepts, as servers of databases and mail do
 *     relay rw|splice PORT HOST PORT      {"port": PORT}: a plain TCP relay; the first PORT 0: any
 *
 * Clients print one line of JSON at the end. When something is wrong (nobody listens, a cut connection,
 * wrong data, nothing moved), they say so on stderr and exit 1.
 *
 *     down PORT --streams N --warm S --seconds S     from a source: bytes, seconds, mb_per_s
 *     up PORT --streams N --warm S --seconds S       to a sink: the same
 *     both SOURCE SINK --streams N --warm S --seconds S
 *                                  N each way at once: down_mb_per_s, up_mb_per_s, bytes, seconds
 *     down|up PORT --verify BYTES  so many bytes, each of them checked: bytes, ok, seconds
 *     slow PORT --rate BYTES       reads so many a second until stdin closes: bytes
 *     rtt PORT --size N --seconds S       there and back on one connection to an echo: count, seconds,
 *                                         per_second, p50_us, p90_us, p99_us, max_us
 *     opens PORT --at-once N --seconds S  connect, a byte there and back, close: count, seconds,
 *                                         per_second, p50_us, p99_us; with --greeted only the far
 *                                         end's byte (greet)
 *     idle PORT --count N          opens N, a byte there and back on each: count, seconds, at once;
 *                                  then holds them until stdin closes
 *     burst PORT --count N         N at the same time: count, seconds, p50_us, p99_us, failed
 *
 * A MB is 10^6 bytes. `up` without --warm counts what the sinks have received by their own answers, over
 * the time to the last answer. With --warm, and in `both`, it is what the sockets took in the measured
 * time: right as soon as the warm-up has filled the buffers on the way. --socks TARGET (down, up, slow,
 * rtt): PORT is a SOCKS 5 server, which is asked for 127.0.0.1:TARGET.
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
