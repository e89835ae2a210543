/*
 * reply.h - which SOCKS reply stands for a channel that the SSH server did not open.
 */
#ifndef SOCKS5_REPLY_H
#define SOCKS5_REPLY_H

#include "adit.h"
#include "socks5/socks.h"

/* reason is SSH_MSG_CHANNEL_OPEN_FAILURE's (RFC 4254 §5.1): 1 administratively prohibited -> 02, 3 unknown
 * channel type -> 07, 4 resource shortage -> 01, 2 connect failed -> by a small table of the texts that sshd
 * is known to send 03, 04, 05 or 06, an unknown text 05; any other reason -> 01. The text decides nothing but
 * this. */
enum socks_result socks_reply_for_open_failure(uint32_t reason, struct span description);

#endif
