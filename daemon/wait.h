/*
 * wait.h - who waits for a tunnel to be so far (tunnel_wait of tunnel.h).
 */
#ifndef DAEMON_WAIT_H
#define DAEMON_WAIT_H

struct loop_timer;
struct tunnel;
struct tunnels;

/* The tunnel is another than before. Whoever is told may do what he likes, remove tunnels too: so he is not
 * told now, but by waits_tell, */
void wait_check(struct tunnel *u);
/* when nobody is in the middle of anything: at the end of the registry's letters and timers. */
void waits_tell(struct tunnels *t);
/* It is removed: tells all. */
void wait_end(struct tunnel *u);
void wait_on_timer(struct loop_timer *timer);

#endif
