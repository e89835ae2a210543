/*
 * http_server.h - the loop of a server under test, one round at a time.
 */
#ifndef TESTS_HTTP_SERVER_H
#define TESTS_HTTP_SERVER_H

#include "daemon/httpd.h"
#include "tests/http_talk.h"

enum { HTTP_SERVER_FD = 7, HTTP_SERVER_TIMER = 9, HTTP_SERVER_ROUND_MS = 20 };

struct http_server {
    struct loop loop;
    uint64_t ahead_ms; /* how far its clock goes before ours */
};

static inline void http_server_step(void *ctx)
{
    struct http_server *s = ctx;
    struct loop_fd *f;
    struct loop_timer *t;
    struct http_talk_round round = {.count = 0};

    assert_int_equal(loop_wait(&s->loop, loop_now_ms() + HTTP_SERVER_ROUND_MS, NULL), ADIT_E_OK);
    while ((f = loop_next(&s->loop))) {
        assert_int_equal(f->kind, HTTP_SERVER_FD);
        httpd_on_fd(f);
    }
    round.now_ms = loop_now_ms() + s->ahead_ms;
    while ((t = http_talk_expired(&round, &s->loop))) {
        assert_int_equal(t->kind, HTTP_SERVER_TIMER);
        httpd_on_timer(t);
    }
}

#endif
