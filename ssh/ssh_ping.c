/*
 * ssh_ping.c - ping@openssh.com of OpenSSH's PROTOCOL: PING, which the peer answers with the same bytes.
 */
#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "ssh/wire.h"

bool ssh_ping(struct ssh *ssh, struct span data)
{
    if (!ssh->peer_has_ping || !ssh_may_send(ssh) || ssh->kex.peer_started || data.n > LIMIT_PING)
        return false;
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_PING, 5 + data.n);
    wr_string(&w, data);
    return packet_send(&ssh->packet, &w);
}

bool ssh_has_ping(const struct ssh *ssh)
{
    return ssh->peer_has_ping;
}

/* What is longer than anybody sends has no answer: it would be held in memory. None is owed in an exchange.
 */
enum adit_err ssh_on_ping(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)event;
    (void)rd_u8(&r);
    struct span data = rd_string(&r);
    if (!rd_done(&r))
        return ssh_bad(ssh, "PING: wrong lengths (OpenSSH PROTOCOL)");
    if (data.n > LIMIT_PING || !ssh_may_send(ssh))
        return ADIT_E_OK;
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_PONG, 5 + data.n);
    wr_string(&w, data);
    if (!packet_send(&ssh->packet, &w))
        return adit_fail(&ssh->error, ADIT_E_LIMIT, "the peer sends more pings than can be answered");
    return ADIT_E_OK;
}

/* Nobody waits for it: that it was sent is what counts. */
enum adit_err ssh_on_pong(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)event;
    (void)rd_u8(&r);
    (void)rd_string(&r);
    return rd_done(&r) ? ADIT_E_OK : ssh_bad(ssh, "PONG: wrong lengths (OpenSSH PROTOCOL)");
}
