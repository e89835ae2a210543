/*
 * guest.h - what a client of a control socket gets: a forwarder beside those of the configuration, with its
 * own copy of what was asked for. See control.h.
 */
#ifndef FORWARD_GUEST_H
#define FORWARD_GUEST_H

#include "forward/control.h"

enum { GUEST_TEXTS = 6 };

struct guest {
    struct control *control;
    struct guest *next;
    struct forwarder *forwarder;
    struct control_client *client; /* who asked, while it is there */
    uint32_t request;              /* its number of it */
    uint32_t id;                   /* of the session */
    bool awaits;                   /* the answer is due */
    bool is_session;               /* or the stdio forward: it ends with its client, and the client with it */
    bool is_leaving;               /* freed once it has no flows */
    bool has_status;
    uint32_t status;
    uint16_t port; /* that the server chose */
    struct session_forward spec;
    struct session_exec exec;
    struct ssh_mode modes[LIMIT_SESSION_MODES];
    int fds[CONTROL_DESCRIPTORS]; /* -1: not there, or somebody else's by now */
    char *texts[GUEST_TEXTS];
    size_t text_count;
    char **env;
    struct guest_escape *escape; /* guest_escape.c's; NULL: none */
};

/* ---- guest.c: its life */

struct guest *guest_new(struct control_client *cl, uint32_t request); /* NULL: out of memory */
void guest_free(struct guest *g);                                     /* in no list any more */
char *guest_copy(struct span s);                                      /* NULL: out of memory; free(3) */
/* The same, freed with g. */
const char *guest_keep(struct guest *g, struct span s);
/* Its forwarder begins with g->spec. False: there was no place, g is leaving. */
bool guest_begin(struct guest *g);
/* It has no place any more: its answer, if one is due, is a refusal with these words. */
void guest_leave(struct guest *g, const char *why);
/* Its client has gone: the sessions of it end. */
void guest_client_gone(struct control_client *cl);

/* ---- guest_forward.c, guest_session.c: the requests */

void guest_open_forward(struct control_client *cl, const struct mux_message *m);
void guest_close_forward(struct control_client *cl, const struct mux_message *m);
void guest_answer_forward(struct guest *g); /* it is up */
void guest_refuse_forward(struct guest *g); /* it cannot be had */
/* The descriptors have come: they are in cl->fds, and taken. */
void guest_open_session(struct control_client *cl, const struct mux_message *m);

/* ---- guest_escape.c: what is typed at a guest's terminal */

/* Between the terminal at g->fds and the session: *in_fd is to be the session's input. False: not to be had.
 */
bool guest_escape_begin(struct guest *g, int character, int *in_fd);
void guest_escape_taken(struct guest *g); /* the session has a copy of in_fd by now */
void guest_escape_free(struct guest *g);
bool guest_escape_owns(const struct guest *g, const struct loop_fd *fd);
/* One of its descriptors is ready, or may still be. */
void guest_escape_serve(struct guest *g);

#endif
