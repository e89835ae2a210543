/*
 * Pumps between real sockets (or pipes) and a far end in memory.
 */
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/pump.h"

/* ---- A far end that keeps what it is given ---- */

enum { FAR_CAP = 8 * 1024 * 1024, PLACE = 32 * 1024 };

struct far {
    uint8_t *got;
    size_t got_len, window, room;
    size_t consumed, prompt;
    int eofs, closes, unwanted;
};

static struct far *far_of(struct channel *ch)
{
    return (struct far *)(void *)ch;
}

static size_t far_space(void *ctx, struct channel *ch, struct wspan *places, size_t max, size_t limit)
{
    struct far *f = far_of(ch);
    size_t left = limit < f->window ? limit : f->window, count = 0, at = f->got_len;
    (void)ctx;
    while (count < max && left > 0) {
        size_t n = left < PLACE ? left : PLACE;
        assert_true(at + n <= FAR_CAP);
        places[count].p = f->got + at;
        places[count++].n = n;
        at += n;
        left -= n;
    }
    return count;
}

static void far_commit(void *ctx, struct channel *ch, size_t n)
{
    struct far *f = far_of(ch);
    (void)ctx;
    assert_true(n <= f->window);
    f->window -= n;
    f->got_len += n;
}

static void far_consumed(void *ctx, struct channel *ch, size_t n, bool prompt)
{
    (void)ctx;
    far_of(ch)->consumed += n;
    far_of(ch)->prompt += prompt ? n : 0;
}

static void far_eof(void *ctx, struct channel *ch)
{
    (void)ctx;
    far_of(ch)->eofs++;
}

static void far_close(void *ctx, struct channel *ch)
{
    (void)ctx;
    far_of(ch)->closes++;
}

static void far_unwanted(void *ctx, struct channel *ch)
{
    (void)ctx;
    far_of(ch)->unwanted++;
}

static int failed[3];

static void far_near_failed(void *ctx, void *owner, int number, const struct adit_error *why)
{
    (void)ctx;
    assert_non_null(owner);
    failed[number]++;
    assert_int_equal(why->code, ADIT_E_SYSTEM);
}

static size_t far_room(void *ctx)
{
    return *(size_t *)ctx;
}

static const struct pump_far far_ops = {far_space, far_commit,   far_consumed,    far_eof,
                                        far_close, far_unwanted, far_near_failed, far_room};

struct bench {
    struct loop loop;
    struct pump_set set;
    struct pump pump;
    struct far far;
    size_t room;
    int peer; /* the local program's end; blocking */
};

static void bench_init(struct bench *b, size_t budget)
{
    struct adit_error err = {ADIT_E_OK, ""};
    int fds[2];
    memset(b, 0, sizeof *b);
    memset(failed, 0, sizeof failed);
    assert_int_equal(loop_init(&b->loop, &err), ADIT_E_OK);
    b->room = FAR_CAP;
    pump_set_init(&b->set, &b->loop, &far_ops, &b->room, budget);
    assert_int_equal(sock_pair(fds, &err), ADIT_E_OK);
    b->peer = fds[1];
    b->far.got = malloc(FAR_CAP);
    b->far.window = FAR_CAP / 2;
    pump_init(&b->pump, &b->set, &pump_near_socket, 0, &b->pump, NULL);
    assert_int_equal(pump_take_fds(&b->pump, fds[0], fds[0], &err), ADIT_E_OK);
}

static struct channel *channel_of(struct far *f)
{
    return (struct channel *)(void *)f;
}

/* Everything that can happen now. */
static void turn(struct bench *b)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct loop_fd *f;
    do {
        assert_int_equal(loop_wait(&b->loop, 0, &err), ADIT_E_OK);
        while ((f = loop_next(&b->loop)))
            pump_on_ready(f->owner);
        pump_set_flush(&b->set);
    } while (pump_set_run(&b->set));
}

static void bench_wipe(struct bench *b)
{
    pump_wipe(&b->pump);
    assert_int_equal(b->set.buffered, 0);
    assert_int_equal(b->set.ring_count, 0);
    pump_set_wipe(&b->set);
    loop_wipe(&b->loop);
    sock_close(&b->peer);
    free(b->far.got);
}

static void send_down(struct bench *b, const char *text)
{
    pump_on_data(&b->pump, span_str(text));
}

static size_t peer_read(struct bench *b, void *buf, size_t cap, bool *eof, bool *reset)
{
    struct adit_error err = {ADIT_E_OK, ""};
    size_t n = 0;
    enum sock_io r = sock_read(b->peer, buf, cap, &n, &err);
    *eof = r == SOCK_IO_EOF;
    *reset = r == SOCK_IO_FAILED;
    return r == SOCK_IO_OK ? n : 0;
}

static void assert_peer_gets(struct bench *b, const char *text)
{
    char buf[256];
    bool eof, reset;
    assert_int_equal(peer_read(b, buf, sizeof buf, &eof, &reset), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void assert_peer_eof(struct bench *b)
{
    char buf[8];
    bool eof, reset;
    assert_int_equal(peer_read(b, buf, sizeof buf, &eof, &reset), 0);
    assert_true(eof);
}

/* ---- Half-close ---- */

static void test_up_ends_first(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    pump_start(&b.pump, channel_of(&b.far));
    assert_int_equal(write(b.peer, "request", 7), 7);
    assert_true(sock_shutdown_write(b.peer));
    turn(&b);
    assert_memory_equal(b.far.got, "request", 7);
    assert_int_equal(b.far.eofs, 1);
    assert_int_equal(b.far.closes, 0);
    send_down(&b, "ans");
    send_down(&b, "wer");
    turn(&b);
    assert_peer_gets(&b, "answer");
    assert_int_equal(b.far.consumed, 6);
    assert_int_equal(b.far.prompt, 6);
    pump_on_eof(&b.pump);
    assert_int_equal(b.far.closes, 1);
    assert_peer_eof(&b);
    assert_false(pump_is_done(&b.pump));
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    assert_int_equal(b.far.eofs, 1);
    bench_wipe(&b);
}

static void test_down_ends_first(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    send_down(&b, "bye");
    pump_on_eof(&b.pump); /* delivers what was collected first */
    assert_peer_gets(&b, "bye");
    assert_peer_eof(&b);
    assert_int_equal(b.far.closes, 0);
    assert_int_equal(write(b.peer, "still here", 10), 10);
    turn(&b);
    assert_int_equal(b.far.got_len, 10);
    sock_close(&b.peer);
    turn(&b);
    assert_int_equal(b.far.eofs, 1);
    assert_int_equal(b.far.closes, 1);
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    assert_false(b.pump.near_reset);
    bench_wipe(&b);
}

/* Who has left for good takes no answer: the far end need not say something for that to be found out. */
static void leaves(struct bench *b, bool after_its_end)
{
    bench_init(b, 1 << 20);
    pump_start(&b->pump, channel_of(&b->far));
    assert_int_equal(write(b->peer, "request", 7), 7);
    if (after_its_end) {
        assert_true(sock_shutdown_write(b->peer));
        turn(b);
        assert_int_equal(b->far.closes, 0);
    }
    sock_close(&b->peer);
    turn(b);
    assert_memory_equal(b->far.got, "request", 7);
    assert_int_equal(b->far.eofs, 1);
    assert_int_equal(b->far.closes, 1);
    assert_false(b->pump.near_reset);
    pump_on_closed(&b->pump);
    assert_true(pump_is_done(&b->pump));
    bench_wipe(b);
}

static void test_near_end_leaves(void **state)
{
    struct bench b;
    (void)state;
    leaves(&b, false);
    leaves(&b, true);
}

/* A close without an EOF before it: what came still reaches the local side. */
static void test_closed_drains(void **state)
{
    struct bench b;
    char buf[65536];
    size_t total = 0, sent = 0, n;
    bool eof = false, reset;
    static uint8_t block[30000];
    (void)state;
    bench_init(&b, 8 << 20);
    pump_start(&b.pump, channel_of(&b.far));
    while (!b.pump.ring || b.pump.ring->len < 100000) {
        pump_on_data(&b.pump, span_make(block, sizeof block));
        pump_set_flush(&b.set);
        sent += sizeof block;
    }
    pump_on_closed(&b.pump);
    assert_false(pump_is_done(&b.pump));
    while (!eof) {
        n = peer_read(&b, buf, sizeof buf, &eof, &reset);
        assert_false(reset);
        total += n;
        if (n == 0 && !eof)
            turn(&b);
    }
    assert_int_equal(total, sent);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

/* ---- Resets ---- */

/* The socketpair has no reset: unread data at its close stands in for it (the reader gets ECONNRESET). */
static void test_near_reset_closes_far(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    send_down(&b, "unread");
    pump_set_flush(&b.set);
    sock_close(&b.peer);
    turn(&b);
    assert_true(b.pump.near_reset);
    assert_int_equal(b.far.closes, 1);
    send_down(&b, "too late"); /* until the far end knows: thrown away, but given back */
    pump_set_flush(&b.set);
    assert_int_equal(b.far.consumed, 14);
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

/* What the local side sent before it went is carried although nothing can be written to it any more. */
static void test_failed_write_keeps_reading(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    b.far.window = 0;
    pump_start(&b.pump, channel_of(&b.far));
    assert_int_equal(write(b.peer, "last words", 10), 10);
    sock_close(&b.peer);
    turn(&b);
    send_down(&b, "nobody listens");
    pump_set_flush(&b.set);
    assert_true(b.pump.out_failed);
    assert_int_equal(b.far.closes, 0);
    assert_int_equal(b.far.consumed, 14);
    b.far.window = 100;
    pump_on_space(&b.pump);
    turn(&b);
    assert_memory_equal(b.far.got, "last words", 10);
    assert_int_equal(b.far.closes, 1);
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

/* ---- Calls that fail, with somebody at the other end ---- */

static enum adit_err failure;

static enum sock_io failing_writev(int fd, const struct iovec *iov, int count, size_t *n,
                                   struct adit_error *err)
{
    (void)fd, (void)iov, (void)count;
    *n = 0;
    (void)adit_fail(err, failure, "it fails");
    return SOCK_IO_FAILED;
}

static enum sock_io failing_readv(int fd, const struct iovec *iov, int count, size_t *n,
                                  struct adit_error *err)
{
    return failing_writev(fd, iov, count, n, err);
}

/* Who has only ceased to read learns that nothing comes any more, and what it still says is carried. */
static void test_failed_write_is_seen(void **state)
{
    static const struct pump_near near = {sock_readv, failing_writev, false};
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    failure = ADIT_E_CLOSED;
    b.pump.near = &near;
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    send_down(&b, "not taken");
    pump_set_flush(&b.set);
    assert_peer_eof(&b);
    assert_int_equal(write(b.peer, "last words", 10), 10);
    sock_close(&b.peer);
    turn(&b);
    assert_memory_equal(b.far.got, "last words", 10);
    assert_int_equal(b.far.closes, 1);
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

/* Nobody has left: all of it ends, since a part is missing. */
static void test_failed_write_ends_all(void **state)
{
    static const struct pump_near near = {sock_readv, failing_writev, false};
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    failure = ADIT_E_SYSTEM;
    b.pump.near = &near;
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    send_down(&b, "not taken");
    pump_set_flush(&b.set);
    assert_int_equal(b.far.closes, 1);
    assert_int_equal(failed[1], 0); /* no standard output */
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

static enum sock_io byte_writev(int fd, const struct iovec *iov, int count, size_t *n, struct adit_error *err)
{
    (void)count, (void)err;
    *n = write(fd, iov[0].iov_base, 1) == 1;
    return SOCK_IO_OK;
}

/* No event tells of a file that takes more. */
static void test_short_write_to_file(void **state)
{
    static const struct pump_near near = {sock_readv, byte_writev, true};
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    b.pump.near = &near;
    b.pump.is_session = true;
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    b.pump.in.always_ready = true;
    send_down(&b, "all of it");
    pump_set_flush(&b.set);
    assert_peer_gets(&b, "all of it");
    assert_int_equal(b.far.consumed, 9);
    b.pump.in.always_ready = false;
    bench_wipe(&b);
}

static void session_fails(enum adit_err why, int told)
{
    static const struct pump_near near = {failing_readv, failing_writev, true};
    struct bench b;
    bench_init(&b, 1 << 20);
    failure = why;
    b.pump.near = &near;
    b.pump.is_session = true;
    pump_start(&b.pump, channel_of(&b.far));
    assert_int_equal(write(b.peer, "x", 1), 1);
    turn(&b);
    assert_int_equal(failed[0], told);
    assert_int_equal(b.far.eofs, 1);
    send_down(&b, "not taken");
    pump_set_flush(&b.set);
    assert_int_equal(failed[1], told);
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

/* What is missing of standard input or output is told, unless it has only ended. */
static void test_session_tells_failures(void **state)
{
    (void)state;
    session_fails(ADIT_E_SYSTEM, 1);
    session_fails(ADIT_E_CLOSED, 0);
}

/* Also when the far end has gone before the bytes are written: nobody has to send an EOF before CLOSE [RFC
 * 4254 5.3]. */
static void test_session_tells_after_close(void **state)
{
    static const struct pump_near near = {sock_readv, failing_writev, true};
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    failure = ADIT_E_SYSTEM;
    b.pump.near = &near;
    b.pump.is_session = true;
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    send_down(&b, "not taken");
    pump_on_closed(&b.pump);
    assert_int_equal(failed[1], 1);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

/* TCP, which knows a reset, in place of the bench's own pair. */
static void bench_take_tcp(struct bench *b, const struct pump_near *near)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
    pump_wipe(&b->pump);
    sock_close(&b->peer);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    b->peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(b->peer, (struct sockaddr *)&at, n), 0);
    fd = accept(listener, NULL, NULL);
    sock_close(&listener);
    assert_true(sock_set_nonblock(fd, true));
    pump_init(&b->pump, &b->set, near, 0, &b->pump, NULL);
    assert_int_equal(pump_take_fds(&b->pump, fd, fd, &err), ADIT_E_OK);
}

/* Who is there and cannot be given all of it gets a reset, also when it has said all that it had to: an end
 * in order would make a part the whole. */
static void test_a_part_is_not_the_whole(void **state)
{
    static const struct pump_near near = {sock_readv, failing_writev, false};
    (void)state;
    for (int half = 0; half < 2; half++) {
        struct bench b;
        char byte;
        bool eof, reset;
        bench_init(&b, 1 << 20);
        bench_take_tcp(&b, &near);
        failure = ADIT_E_MEMORY;
        pump_start(&b.pump, channel_of(&b.far));
        while (half && !b.pump.in_over) {
            sock_shutdown_write(b.peer);
            turn(&b);
        }
        send_down(&b, "not all");
        turn(&b);
        assert_int_equal(peer_read(&b, &byte, 1, &eof, &reset), 0);
        assert_true(reset && !eof);
        assert_true(pump_is_done(&b.pump) || b.far.closes == 1);
        bench_wipe(&b);
    }
}

/* A shutdown that fails would leave the near end waiting: it is closed. */
static void test_failed_shutdown(void **state)
{
    struct bench b;
    int pipe_fds[2], socket;
    (void)state;
    bench_init(&b, 1 << 20);
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    socket = dup(b.pump.in.fd);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(dup2(pipe_fds[0], b.pump.in.fd), b.pump.in.fd); /* no socket: ENOTSOCK */
    pump_on_eof(&b.pump);
    assert_int_equal(b.far.closes, 1);
    assert_true(b.pump.in.fd < 0);
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    sock_close(&socket);
    sock_close(&pipe_fds[0]);
    sock_close(&pipe_fds[1]);
    bench_wipe(&b);
}

/* A session's stream: a failed write ends its own direction and is told, once; reading goes on; the far end
 * is closed by nobody but its owner. */
static void test_session_streams(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    b.pump.is_session = true;
    pump_start(&b.pump, channel_of(&b.far));
    assert_int_equal(write(b.peer, "in", 2), 2);
    turn(&b);
    assert_int_equal(shutdown(b.peer, SHUT_RD), 0);
    send_down(&b, "nobody listens");
    pump_set_flush(&b.set);
    send_down(&b, "still not");
    pump_set_flush(&b.set);
    assert_true(b.pump.out_over);
    assert_int_equal(b.far.unwanted, 1);
    assert_int_equal(b.far.consumed, 23);
    assert_int_equal(write(b.peer, "put", 3), 3);
    turn(&b);
    assert_memory_equal(b.far.got, "input", 5);
    sock_close(&b.peer);
    turn(&b);
    assert_int_equal(b.far.eofs, 1);
    assert_int_equal(b.far.closes, 0);
    assert_false(pump_is_done(&b.pump)); /* the exit status may still come */
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

/* The far end wants no more input: what is typed stays where it is, and output goes on. */
static void test_session_stops_reading(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    b.pump.is_session = true;
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    pump_stop_reading(&b.pump);
    assert_int_equal(write(b.peer, "x", 1), 1);
    turn(&b);
    assert_int_equal(b.far.got_len + (size_t)b.far.eofs, 0);
    send_down(&b, "out");
    pump_set_flush(&b.set);
    assert_peer_gets(&b, "out");
    pump_on_eof(&b.pump);
    assert_int_equal(b.far.closes, 0);
    pump_on_closed(&b.pump);
    assert_true(pump_is_done(&b.pump));
    bench_wipe(&b);
}

static void test_lost_and_abort(void **state)
{
    (void)state;
    for (int aborts = 0; aborts < 2; aborts++) {
        struct bench b;
        bench_init(&b, 1 << 20);
        pump_start(&b.pump, channel_of(&b.far));
        if (aborts) {
            pump_abort(&b.pump);
            assert_int_equal(b.far.closes, 1);
            assert_false(pump_is_done(&b.pump));
            pump_on_closed(&b.pump);
        } else {
            pump_on_lost(&b.pump);
            assert_int_equal(b.far.closes, 0);
        }
        assert_true(pump_is_done(&b.pump));
        bench_wipe(&b);
    }
}

/* ---- Flow control ---- */

/* What had to be stored makes the window smaller; but not a session's, whose pipe takes 64 KiB at a time. */
static void slow_consumer(bool is_session)
{
    struct bench b;
    static uint8_t block[32768];
    char buf[65536];
    size_t sent = 0, total = 0, n;
    bool eof, reset;
    bench_init(&b, 256 * 1024);
    b.pump.is_session = is_session;
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    while (!pump_set_is_full(&b.set)) {
        pump_on_data(&b.pump, span_make(block, sizeof block));
        pump_set_flush(&b.set);
        sent += sizeof block;
    }
    assert_true(b.set.buffered < 256 * 1024 + sizeof block);
    assert_int_equal(b.far.consumed + b.set.buffered, sent);
    assert_ptr_equal(pump_set_stalled(&b.set, loop_now_ms() + 1000), is_session ? NULL : &b.pump);
    assert_null(pump_set_stalled(&b.set, 0));
    while (total < sent) {
        n = peer_read(&b, buf, sizeof buf, &eof, &reset);
        assert_false(eof || reset);
        total += n;
        turn(&b);
    }
    assert_int_equal(b.far.consumed, sent);
    assert_int_equal(b.far.prompt == sent, is_session);
    assert_null(b.pump.ring); /* memory at rest: none */
    bench_wipe(&b);
}

static void test_slow_consumer_is_counted(void **state)
{
    (void)state;
    slow_consumer(false);
    slow_consumer(true);
}

static void test_window_and_room_bound_reads(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, 1 << 20);
    b.far.window = 3;
    b.room = 0;
    pump_start(&b.pump, channel_of(&b.far));
    assert_int_equal(write(b.peer, "abcdef", 6), 6);
    turn(&b);
    assert_int_equal(b.far.got_len, 0);
    assert_false(pump_set_has_work(&b.set));
    b.room = 2;
    assert_true(pump_set_has_work(&b.set));
    turn(&b);
    assert_int_equal(b.far.got_len, 3); /* the window's end */
    b.far.window = 100;
    turn(&b);
    assert_int_equal(b.far.got_len, 3); /* not before it is told */
    pump_on_space(&b.pump);
    turn(&b);
    assert_memory_equal(b.far.got, "abcdef", 6);
    bench_wipe(&b);
}

/* Two pumps with much to say take turns. */
static void test_turns(void **state)
{
    struct bench b;
    struct pump second;
    struct far far2 = {.window = FAR_CAP / 2};
    struct adit_error err = {ADIT_E_OK, ""};
    static uint8_t block[300000];
    int fds[2], big = 1 << 20;
    (void)state;
    bench_init(&b, 1 << 20);
    far2.got = malloc(FAR_CAP);
    assert_int_equal(sock_pair(fds, &err), ADIT_E_OK);
    pump_init(&second, &b.set, &pump_near_socket, 0, &second, NULL);
    assert_int_equal(pump_take_fds(&second, fds[0], fds[0], &err), ADIT_E_OK);
    (void)setsockopt(b.peer, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    (void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    ssize_t first_len = write(b.peer, block, sizeof block), second_len = write(fds[1], block, sizeof block);
    assert_true(first_len > PUMP_QUANTUM / 2 && second_len > PUMP_QUANTUM / 2);
    pump_start(&b.pump, channel_of(&b.far));
    pump_start(&second, channel_of(&far2));
    assert_int_equal(loop_wait(&b.loop, 0, &err), ADIT_E_OK);
    for (struct loop_fd *f; (f = loop_next(&b.loop));)
        pump_on_ready(f->owner);
    assert_true(pump_set_run(&b.set));
    assert_true(pump_set_run(&b.set));
    assert_true(b.far.got_len > 0 && b.far.got_len <= PUMP_QUANTUM / 2);
    assert_true(far2.got_len > 0 && far2.got_len <= PUMP_QUANTUM);
    turn(&b);
    assert_int_equal(b.far.got_len, first_len);
    assert_int_equal(far2.got_len, second_len);
    pump_wipe(&second);
    close(fds[1]);
    free(far2.got);
    bench_wipe(&b);
}

static void test_early_bytes_go_first(void **state)
{
    struct bench b;
    struct adit_error err = {ADIT_E_OK, ""};
    static uint8_t block[PUMP_CHUNK];
    (void)state;
    bench_init(&b, 1 << 20);
    assert_int_equal(pump_early(&b.pump, span_str("ear"), &err), ADIT_E_OK);
    assert_int_equal(pump_early(&b.pump, span_str("ly "), &err), ADIT_E_OK);
    assert_int_equal(pump_early(&b.pump, span_make(block, sizeof block), &err), ADIT_E_LIMIT);
    assert_int_equal(write(b.peer, "and late", 8), 8);
    turn(&b);
    b.far.window = 4;
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    assert_memory_equal(b.far.got, "earl", 4);
    b.far.window = 100;
    pump_on_space(&b.pump);
    turn(&b);
    assert_int_equal(b.far.got_len, 14);
    assert_memory_equal(b.far.got, "early and late", 14);
    bench_wipe(&b);
}

static void test_gather_is_one_order(void **state)
{
    struct bench b;
    static char expected[PUMP_GATHER * 3 + 1], got[PUMP_GATHER * 3 + 1];
    bool eof, reset;
    (void)state;
    bench_init(&b, 1 << 20);
    pump_start(&b.pump, channel_of(&b.far));
    turn(&b);
    for (size_t i = 0; i < PUMP_GATHER * 3; i++) {
        expected[i] = (char)('a' + i % 26);
        pump_on_data(&b.pump, span_make(expected + i, 1));
    }
    pump_set_flush(&b.set);
    assert_int_equal(peer_read(&b, got, sizeof got, &eof, &reset), PUMP_GATHER * 3);
    assert_memory_equal(got, expected, PUMP_GATHER * 3);
    assert_int_equal(b.far.consumed, PUMP_GATHER * 3);
    bench_wipe(&b);
}

/* ---- Shared descriptors ---- */

static void test_pipes_stay_blocking(void **state)
{
    struct bench b;
    struct pump p;
    struct loop_fd out_fd;
    struct adit_error err = {ADIT_E_OK, ""};
    struct far far = {.window = FAR_CAP};
    int in[2], out[2];
    size_t sent = 0, total = 0;
    static uint8_t block[20000];
    char buf[65536];
    ssize_t n;
    (void)state;
    bench_init(&b, 1 << 20);
    far.got = malloc(FAR_CAP);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pump_init(&p, &b.set, pump_near_standard(true, true), 0, &p, &out_fd);
    assert_int_equal(pump_take_fds(&p, in[0], out[1], &err), ADIT_E_OK);
    pump_start(&p, channel_of(&far));
    assert_int_equal(write(in[1], "typed", 5), 5);
    turn(&b);
    assert_memory_equal(far.got, "typed", 5);
    while (!p.ring) { /* more than the pipe takes: it does not block */
        pump_on_data(&p, span_make(block, sizeof block));
        pump_set_flush(&b.set);
        sent += sizeof block;
    }
    assert_int_equal(fcntl(in[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
    pump_on_eof(&p);
    while ((n = read(out[0], buf, sizeof buf)) > 0) {
        total += (size_t)n;
        turn(&b);
    }
    assert_int_equal(total, sent);
    close(in[1]);
    turn(&b);
    assert_int_equal(far.eofs, 1);
    assert_int_equal(far.closes, 1);
    pump_on_closed(&p);
    assert_true(pump_is_done(&p));
    pump_wipe(&p);
    close(out[0]);
    free(far.got);
    bench_wipe(&b);
}

static void test_size_at_rest(void **state)
{
    (void)state;
    assert_true(sizeof(struct pump) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_ends_first),
        cmocka_unit_test(test_down_ends_first),
        cmocka_unit_test(test_near_end_leaves),
        cmocka_unit_test(test_closed_drains),
        cmocka_unit_test(test_near_reset_closes_far),
        cmocka_unit_test(test_failed_write_keeps_reading),
        cmocka_unit_test(test_failed_write_is_seen),
        cmocka_unit_test(test_failed_write_ends_all),
        cmocka_unit_test(test_session_tells_failures),
        cmocka_unit_test(test_session_tells_after_close),
        cmocka_unit_test(test_a_part_is_not_the_whole),
        cmocka_unit_test(test_failed_shutdown),
        cmocka_unit_test(test_short_write_to_file),
        cmocka_unit_test(test_session_streams),
        cmocka_unit_test(test_session_stops_reading),
        cmocka_unit_test(test_lost_and_abort),
        cmocka_unit_test(test_slow_consumer_is_counted),
        cmocka_unit_test(test_window_and_room_bound_reads),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_early_bytes_go_first),
        cmocka_unit_test(test_gather_is_one_order),
        cmocka_unit_test(test_pipes_stay_blocking),
        cmocka_unit_test(test_size_at_rest),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
