/*
 * traffic.h - what the parts of bench/traffic share: the pattern, sockets, the clock, the options, the loop
 * of a server.
 *
 * One program, a command a file: traffic_serve.c (echo, source, sink, stuck, greet), traffic_relay.c (a plain
 * relay), traffic_bulk.c (down, up, both, slow), traffic_verify.c (the same with every byte checked),
 * traffic_trip.c (rtt), traffic_crowd.c (opens, idle, burst). traffic.c has the manual. One thread each.
 * Every failure ends the program.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* ---- the end -- */

/* Says "traffic: ..." on stderr and exits 1. die_errno adds the text of errno. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the pattern -- */

/*
 * An endless text of 64-bit little-endian words: word i is a mixing function of i mod 2^17 (a table of 1
 * MiB), but the first word of each 64 KiB mixes i itself. A byte that is lost, doubled, moved or changed
 * shows at once; a loss of exactly n MiB shows at the next stamp, at most 64 KiB later. Serving it copies
 * nothing.
 */
enum { PATTERN_STAMP_LEN = 64 * 1024, PATTERN_VIEW_MAX = 1024 * 1024 };

struct pattern_view {
    struct iovec iov[2 * (PATTERN_VIEW_MAX / PATTERN_STAMP_LEN) + 2];
    int count;
    uint8_t stamps[PATTERN_VIEW_MAX / PATTERN_STAMP_LEN + 1][8];
};

/* Makes the table; once, before the others. */
void pattern_init(void);

/* The bytes [offset, offset + len) as pieces; at most PATTERN_VIEW_MAX. Returns how many it holds. The pieces
 * point into the view and into the table: valid as long as the view. */
size_t pattern_at(struct pattern_view *view, uint64_t offset, uint64_t len);

/* Whether these are the pattern's bytes from offset on. */
bool pattern_is(uint64_t offset, const uint8_t *bytes, size_t len);

/* The first byte of a connection to the sink: shall the rest be checked? */
enum { SINK_VERIFY = 'V', SINK_DISCARD = 'D', SINK_ANSWER_LEN = 16 };

/* ---- the clock -- */

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);
double seconds_between(uint64_t from_ns, uint64_t to_ns);

/* Milliseconds until then, rounded up, for epoll_wait; 0 when it has passed. */
int ms_until(uint64_t at_ns);

/* Writes a word and a newline to stdout at once: the runner reads a clock of its own at this moment. */
void mark(const char *word);

/* ---- times of many, in nanoseconds -- */

struct samples {
    uint64_t *ns;
    size_t count, room;
};

void samples_add(struct samples *s, uint64_t ns);

/* Sorts; then samples_us gives the percentile (0..100) in microseconds. At least one must be there. */
void samples_sort(struct samples *s);
double samples_us(const struct samples *s, unsigned percent);

/* ---- options -- */

struct options {
    unsigned long streams, count, at_once;
    size_t size;
    double warm, seconds; /* s */
    uint64_t verify;      /* bytes; 0: not asked for */
    uint64_t rate;        /* bytes a second */
    bool greeted;         /* the far end speaks first */
};

/* Reads the options; the words that are left are the arguments argv[optind]... */
struct options options_read(int argc, char **argv);

/* A decimal number in [min, max] that is all of text; dies otherwise. */
uint64_t number_of(const char *what, const char *text, uint64_t min, uint64_t max);
uint16_t port_of(const char *text);

/* ---- sockets, all with TCP_NODELAY, to 127.0.0.1 -- */

/* How long a blocking call, or a crowd in which nothing happens, is waited for before it counts as stuck. */
enum { STUCK_S = 60 };

/* From now on connect_to asks the SOCKS 5 server that it finds at its port for 127.0.0.1:port; 0: it does
 * not. */
void socks_set(uint16_t port);

/* Does so on a connection that was just made, if it is to be done; dies when the answer is no. */
void socks_ask(int fd);

/* Connected and blocking; nothing for STUCK_S seconds is an error of the call (EAGAIN). Dies when nobody
 * listens. */
int connect_to(uint16_t port);

/* Connecting and non-blocking, from another 127.0.0.x when the ports of one are used up. */
int connect_begin(uint16_t port);

/* Listens on 127.0.0.1:*port, non-blocking; 0 becomes the one that was chosen. */
int listen_on(uint16_t *port);
void set_nodelay(int fd);
void set_nonblocking(int fd, bool on);

/* Lets this process have so many files open; dies when it may not. Servers ask for all that they can get. */
void files_need(uint64_t count);
void files_all(void);

/* Takes and drops what is there, without a copy, at most max bytes: as recv. */
ssize_t discard(int fd, size_t max);

/* All of it or false (errno: EAGAIN when it took too long); ECONNRESET: the peer closed. */
bool send_all(int fd, const void *bytes, size_t len);
bool recv_all(int fd, void *bytes, size_t len);

/* Reads the sink's answer (dies without it): how many bytes came, and whether they were checked and right. */
bool sink_answer_read(int fd, uint64_t *received);

/* ---- the loop of a server -- */

/* The first member of whatever is watched. on_event may free its owner only through loop_free. */
struct watch {
    void (*on_event)(struct watch *self, uint32_t events);
};

/* Ends the program when stdin closes or on SIGTERM and SIGINT; ignores SIGPIPE. */
void loop_init(void);
void loop_add(int fd, struct watch *w, uint32_t events);
void loop_change(int fd, struct watch *w, uint32_t events);

/* Frees it when the events of this round, which may still name it, have been seen; until then it sees none.
 */
void loop_free(struct watch *w);

/* Calls w's on_event with no events in the next round. */
void loop_again(struct watch *w);
_Noreturn void loop_run(void);

/* ---- commands: argv as of main, argv[0] is the command -- */

int serve_main(int argc, char **argv);
int relay_main(int argc, char **argv);
int bulk_main(int argc, char **argv);
int slow_main(int argc, char **argv);
int verify_down(uint16_t port, uint64_t len);
int verify_up(uint16_t port, uint64_t len);
int trip_main(int argc, char **argv);
int opens_main(int argc, char **argv);
int idle_main(int argc, char **argv);
int burst_main(int argc, char **argv);

#endif
