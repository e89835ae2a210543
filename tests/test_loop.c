#include "net/loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/sock.h"
#include "tests/test.h"

struct fixture {
    struct loop loop;
    struct loop_fd a;
    int fds[2];
    struct adit_error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(loop_init(&f->loop, &f->err), ADIT_E_OK);
    assert_int_equal(sock_pair(f->fds, &f->err), ADIT_E_OK);
    loop_fd_init(&f->a, 7, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    loop_del(&f->loop, &f->a);
    sock_close(&f->fds[0]);
    sock_close(&f->fds[1]);
    loop_wipe(&f->loop);
    free(f);
    return 0;
}

static void wait_now(struct fixture *f)
{
    assert_int_equal(loop_wait(&f->loop, 0, &f->err), ADIT_E_OK);
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void clocks_go_forward(void **state)
{
    uint64_t ms = loop_now_ms(), us = loop_now_us();

    (void)state;
    assert_true(us / 1000 >= ms && us / 1000 - ms < 10000);
    assert_true(loop_now_ms() >= ms);
}

static void readiness_is_sticky_and_edge_triggered(void **state)
{
    struct fixture *f = *state;
    char buf[8];

    assert_int_equal(loop_add(&f->loop, &f->a, f->fds[0], &f->err), ADIT_E_OK);
    wait_now(f);
    assert_ptr_equal(loop_next(&f->loop), &f->a);
    assert_null(loop_next(&f->loop));
    assert_int_equal(f->a.kind, 7);
    assert_ptr_equal(f->a.owner, f);
    assert_true(f->a.can_write && !f->a.can_read && !f->a.peer_done && !f->a.hangup);

    put(f->fds[1], "hello");
    wait_now(f);
    assert_ptr_equal(loop_next(&f->loop), &f->a);
    assert_true(f->a.can_read);
    wait_now(f); /* no new edge */
    assert_null(loop_next(&f->loop));
    assert_true(f->a.can_read);

    assert_int_equal(read(f->fds[0], buf, sizeof buf), 5);
    loop_fd_short_read(&f->a);
    assert_false(f->a.can_read);
    put(f->fds[1], "again");
    wait_now(f);
    assert_ptr_equal(loop_next(&f->loop), &f->a);
    assert_true(f->a.can_read);
    loop_fd_not_readable(&f->a);
    loop_fd_not_writable(&f->a);
    assert_true(!f->a.can_read && !f->a.can_write);
}

static void the_end_keeps_the_bit(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_add(&f->loop, &f->a, f->fds[0], &f->err), ADIT_E_OK);
    assert_true(sock_shutdown_write(f->fds[1]));
    wait_now(f);
    assert_ptr_equal(loop_next(&f->loop), &f->a);
    assert_true(f->a.peer_done && f->a.can_read && !f->a.hangup);
    loop_fd_short_read(&f->a);
    assert_true(f->a.can_read);
    sock_close(&f->fds[1]);
    wait_now(f);
    assert_ptr_equal(loop_next(&f->loop), &f->a);
    assert_true(f->a.hangup && f->a.can_write);
    loop_fd_short_write(&f->a);
    assert_true(f->a.can_write);
}

static void a_deleted_one_is_never_returned(void **state)
{
    struct fixture *f = *state;
    struct loop_fd *b = malloc(sizeof *b), *first;

    assert_non_null(b);
    loop_fd_init(b, 8, NULL);
    assert_int_equal(loop_add(&f->loop, &f->a, f->fds[0], &f->err), ADIT_E_OK);
    assert_int_equal(loop_add(&f->loop, b, f->fds[1], &f->err), ADIT_E_OK);
    wait_now(f);
    first = loop_next(&f->loop);
    assert_non_null(first);
    /* The other one's event is of the same batch. */
    if (first == &f->a) {
        loop_del(&f->loop, b);
        assert_int_equal(b->fd, -1);
        assert_null(loop_next(&f->loop));
    } else {
        loop_del(&f->loop, &f->a);
        assert_null(loop_next(&f->loop));
        loop_del(&f->loop, b);
    }
    loop_del(&f->loop, b); /* twice is fine */
    free(b);               /* ASan would tell of a late event */
    put(f->fds[0], "x");
    wait_now(f);
    (void)loop_next(&f->loop);
}

static void added_again_after_delete(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(loop_add(&f->loop, &f->a, f->fds[0], &f->err), ADIT_E_OK);
        wait_now(f);
        assert_ptr_equal(loop_next(&f->loop), &f->a);
        loop_del(&f->loop, &f->a);
        assert_false(f->a.can_write);
    }
}

static void a_regular_file_is_always_ready(void **state)
{
    struct fixture *f = *state;
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_int_equal(loop_add(&f->loop, &f->a, fileno(file), &f->err), ADIT_E_OK);
    assert_true(f->a.always_ready);
    /* With something to return it does not wait, whatever the deadline. */
    assert_int_equal(loop_wait(&f->loop, LOOP_NEVER, &f->err), ADIT_E_OK);
    assert_ptr_equal(loop_next(&f->loop), &f->a);
    loop_fd_not_readable(&f->a);
    loop_fd_short_write(&f->a);
    assert_true(f->a.can_read && f->a.can_write);
    loop_del(&f->loop, &f->a);
    (void)fclose(file);
}

static void a_bad_descriptor_is_an_error(void **state)
{
    struct fixture *f = *state;
    int fd = dup(0);

    close(fd);
    assert_int_equal(loop_add(&f->loop, &f->a, fd, &f->err), ADIT_E_SYSTEM);
    assert_non_null(strstr(f->err.text, strerror(9)));
    assert_int_equal(f->a.fd, -1);
}

static void timers_in_order(void **state)
{
    enum { N = 2000 };
    struct fixture *f = *state;
    struct loop_timer *t = calloc(N, sizeof *t), *due;
    uint64_t last = 0;
    uint32_t seed = 12345;
    size_t set = 0, seen = 0;

    assert_non_null(t);
    for (int i = 0; i < N; i++)
        loop_timer_init(&t[i], i, f);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) {
            seed = seed * 1103515245u + 12345u;
            if (seed >> 30 == 0)
                loop_timer_cancel(&f->loop, &t[i]);
            else
                loop_timer_set(&f->loop, &t[i], seed >> 16 & 0xfff);
        }
        /* Some expire between: the heap's shape changes. */
        for (int i = 0; round < 3 && i < N / 8; i++)
            assert_non_null(loop_expired(&f->loop, UINT64_MAX - 1));
    }
    for (int i = 0; i < N; i++)
        set += t[i].is_set;
    while ((due = loop_expired(&f->loop, 0x1000)) != NULL) {
        assert_true(due->at_ms >= last);
        assert_false(due->is_set);
        assert_ptr_equal(due, &t[due->kind]);
        last = due->at_ms;
        seen++;
    }
    assert_true(set > N / 2);
    assert_int_equal(seen, set);
    assert_true(loop_next_deadline(&f->loop) == LOOP_NEVER);
    free(t);
}

static void timer_moves_and_ends_the_wait(void **state)
{
    struct fixture *f = *state;
    struct loop_timer t;
    uint64_t start = loop_now_ms();

    loop_timer_init(&t, 3, f);
    loop_timer_set(&f->loop, &t, start + 100000);
    loop_timer_set(&f->loop, &t, start + 30);
    assert_null(loop_expired(&f->loop, start + 29));
    assert_true(loop_next_deadline(&f->loop) == start + 30);
    while (!loop_expired(&f->loop, loop_now_ms()))
        assert_int_equal(loop_wait(&f->loop, LOOP_NEVER, &f->err), ADIT_E_OK);
    assert_true(loop_now_ms() >= start + 30 && loop_now_ms() < start + 20000);
    loop_timer_set(&f->loop, &t, start);
    loop_timer_set(&f->loop, &t, LOOP_NEVER);
    assert_false(t.is_set);
    assert_null(loop_expired(&f->loop, UINT64_MAX - 1));
    loop_timer_cancel(&f->loop, &t);
}

static void deadline_ends_the_wait(void **state)
{
    struct fixture *f = *state;
    uint64_t start = loop_now_ms();

    while (loop_now_ms() < start + 20)
        assert_int_equal(loop_wait(&f->loop, start + 20, &f->err), ADIT_E_OK);
    assert_null(loop_next(&f->loop));
    assert_int_equal(loop_wait(&f->loop, start, &f->err), ADIT_E_OK); /* past: at once */
}

static void drain(struct fixture *f)
{
    char text[8];

    while (loop_next(&f->loop))
        ;
    while (read(f->fds[0], text, sizeof text) > 0)
        ;
}

/* Waits that were short earn the credit for a look; how short one was is the machine's affair. */
static void a_look_is_earned(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_add(&f->loop, &f->a, f->fds[0], &f->err), ADIT_E_OK);
    f->loop.can_look = true;
    wait_now(f);
    drain(f);
    assert_int_equal(f->loop.look_credit, 0); /* it was no wait */
    put(f->fds[1], "x");
    assert_false(loop_look(&f->loop)); /* not earned: not even a look */
    for (int i = 0; i < 100000 && f->loop.look_credit < 8; i++) {
        assert_int_equal(loop_wait(&f->loop, LOOP_NEVER, &f->err), ADIT_E_OK);
        drain(f);
        put(f->fds[1], "x");
    }
    assert_int_equal(f->loop.look_credit, 8);
    assert_true(loop_look(&f->loop));
    assert_ptr_equal(loop_next(&f->loop), &f->a);
    assert_int_equal(f->loop.look_credit, 9);
}

static void looks_in_vain_end(void **state)
{
    struct fixture *f = *state;
    int looks = 0;

    assert_int_equal(loop_add(&f->loop, &f->a, f->fds[0], &f->err), ADIT_E_OK);
    f->loop.can_look = true;
    f->loop.look_credit = 32;
    wait_now(f);
    assert_true(loop_look(&f->loop)); /* what loop_next has not returned yet counts */
    drain(f);
    for (int before = 32; f->loop.look_credit >= 8; before = f->loop.look_credit) {
        uint64_t start = loop_now_us();

        assert_false(loop_look(&f->loop));
        assert_true(loop_now_us() - start >= LOOP_LOOK_US);
        assert_true(f->loop.look_credit < before);
        looks++;
    }
    assert_in_range(looks, 1, 7);
}

static void sleeps_so_long(void **state)
{
    uint64_t start = loop_now_us();

    (void)state;
    loop_sleep_us(300);
    assert_true(loop_now_us() - start >= 300);
    loop_sleep_us(UINT32_MAX); /* not above a millisecond */
    assert_true(loop_now_us() - start < 60 * 1000 * 1000);
}

static void no_look_on_one_cpu(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(loop_add(&f->loop, &f->a, f->fds[0], &f->err), ADIT_E_OK);
    f->loop.can_look = false;
    f->loop.look_credit = 32;
    put(f->fds[1], "x");
    assert_false(loop_look(&f->loop));
    assert_int_equal(f->loop.look_credit, 32);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_go_forward),
        TEST(readiness_is_sticky_and_edge_triggered),
        TEST(the_end_keeps_the_bit),
        TEST(a_deleted_one_is_never_returned),
        TEST(added_again_after_delete),
        TEST(a_regular_file_is_always_ready),
        TEST(a_bad_descriptor_is_an_error),
        TEST(timers_in_order),
        TEST(timer_moves_and_ends_the_wait),
        TEST(deadline_ends_the_wait),
        TEST(a_look_is_earned),
        TEST(looks_in_vain_end),
        TEST(no_look_on_one_cpu),
        cmocka_unit_test(sleeps_so_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
