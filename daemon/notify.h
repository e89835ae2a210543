/*
 * notify.h - the service manager: what it is told (sd_notify(3)) and the sockets that it hands over
 * (sd_listen_fds(3)). Without one nothing happens.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include "adit.h"

/* "READY=1\nSTATUS=..." to $NOTIFY_SOCKET, if there is one. */
void notify_send(const char *text);
/* "RELOADING=1", with the time that goes with it. */
void notify_reloading(void);
/* How often WATCHDOG=1 is due, half of what was asked for; 0: never. */
uint64_t notify_watchdog_ms(void);

/* How many sockets were handed over to this process: descriptors NOTIFY_FD_FIRST and those behind it. */
enum { NOTIFY_FD_FIRST = 3, NOTIFY_FDS_MAX = 16 };
size_t notify_listen_fds(void);

#endif
