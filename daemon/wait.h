/*
 * wait.h - who waits for a tunnel to be so far (tunnel_wait of tunnel.h).
 */
#ifndef DAEMON_WAIT_H
#define DAEMON_WAIT_H

struct loop_timer;
struct tunnel;

/* The tunnel is another than before: tells those whose time has come. The tunnel stays valid meanwhile,
 * whatever they do. */
void wait_check(struct tunnel *u);
/* It is removed: tells all. */
void wait_end(struct tunnel *u);
void wait_on_timer(struct loop_timer *timer);

#endif
