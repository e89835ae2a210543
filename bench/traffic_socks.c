/* traffic_socks.c - the client's side of SOCKS 5 (RFC 1928), as far as a measurement needs it: no
 * authentication, CONNECT to 127.0.0.1. */
#include "bench/traffic.h"

static uint16_t target;

void socks_set(uint16_t port)
{
    target = port;
}

void socks_ask(int fd)
{
    const uint8_t hello[] = {5, 1, 0};
    const uint8_t ask[] = {5, 1, 0, 1, 127, 0, 0, 1, (uint8_t)(target >> 8), (uint8_t)target};
    uint8_t choice[2], answer[10];
    if (target == 0)
        return;
    if (!send_all(fd, hello, sizeof hello) || !recv_all(fd, choice, sizeof choice))
        die_errno("SOCKS: the choice of a method");
    if (choice[0] != 5 || choice[1] != 0)
        die("SOCKS: method %u.%u", choice[0], choice[1]);
    if (!send_all(fd, ask, sizeof ask) || !recv_all(fd, answer, sizeof answer))
        die_errno("SOCKS: the answer to CONNECT");
    if (answer[0] != 5 || answer[1] != 0 || answer[3] != 1)
        die("SOCKS: CONNECT was answered with %u, address type %u", answer[1], answer[3]);
}
