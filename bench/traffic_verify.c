/* traffic_verify.c - down and up with every byte checked. */
#include "bench/traffic.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHECK_LEN = 256 * 1024 };

static int say_right(uint64_t len, uint64_t start_ns)
{
    printf("{\"bytes\": %llu, \"ok\": true, \"seconds\": %.6f}\n", (unsigned long long)len,
           seconds_between(start_ns, now_ns()));
    return 0;
}

int verify_down(uint16_t port, uint64_t len)
{
    static uint8_t buffer[CHECK_LEN];
    uint64_t start = now_ns(), done = 0;
    int fd = connect_to(port);
    while (done < len) {
        size_t want = len - done < CHECK_LEN ? (size_t)(len - done) : CHECK_LEN;
        ssize_t n = recv(fd, buffer, want, 0);
        if (n < 0)
            die_errno("the connection broke after %llu bytes", (unsigned long long)done);
        if (n == 0)
            die("the connection was closed after %llu bytes of %llu", (unsigned long long)done,
                (unsigned long long)len);
        if (!pattern_is(done, buffer, (size_t)n))
            die("wrong data between byte %llu and %llu", (unsigned long long)done,
                (unsigned long long)done + (unsigned long long)n);
        done += (uint64_t)n;
    }
    return say_right(len, start);
}

static void send_pattern(int fd, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        struct pattern_view view;
        pattern_at(&view, done, len - done);
        ssize_t n = writev(fd, view.iov, view.count);
        if (n <= 0)
            die_errno("the connection broke after %llu bytes", (unsigned long long)done);
        done += (uint64_t)n;
    }
}

int verify_up(uint16_t port, uint64_t len)
{
    uint64_t start = now_ns(), got;
    int fd = connect_to(port);
    if (!send_all(fd, &(uint8_t){SINK_VERIFY}, 1))
        die_errno("send");
    send_pattern(fd, len);
    if (shutdown(fd, SHUT_WR) != 0)
        die_errno("shutdown");
    bool right = sink_answer_read(fd, &got);
    if (got != len + 1)
        die("the sink received %llu bytes of %llu", (unsigned long long)got, (unsigned long long)len + 1);
    if (!right)
        die("wrong data reached the sink");
    return say_right(len, start);
}
