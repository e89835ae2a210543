/*
 * connections_list.h - which connections are open through a tunnel (tunnels_connections of tunnels.h).
 */
#ifndef DAEMON_CONNECTIONS_LIST_H
#define DAEMON_CONNECTIONS_LIST_H

struct loop_timer;
struct mail;

enum {
    CONNECTIONS_LIST_ROOM = 256,      /* so many are asked for first; then as many as there are, */
    CONNECTIONS_LIST_MAX = 16 * 1024, /* but not more than these (LIMIT_CHANNELS) */
};

/* A letter of kind REGISTRY_MAIL_LIST, a timer of kind REGISTRY_TIMER_LIST. */
void connections_list_on_mail(struct mail *mail);
void connections_list_on_timer(struct loop_timer *timer);

#endif
