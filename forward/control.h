/*
 * control.h - the master's side of a control socket (ssh/mux.h): other programs of the same user ask here for
 * forwards and session channels in this connection. What its files share; nobody else includes this.
 *
 * Who asks is a client (control_client.c reads its messages, control_request.c does what they say); what it
 * gets is a guest (guest.h): a forwarder beside those of the configuration. A session belongs to its client
 * and ends with it, a forward stays. Nothing is freed while something of it may be at work further up: what
 * is over is only marked, and a timer that is due at once sweeps. Everything runs on the session's thread.
 */
#ifndef FORWARD_CONTROL_H
#define FORWARD_CONTROL_H

#include "forward/forwarder.h"
#include "net/child.h"
#include "ssh/mux.h"

enum {
    CONTROL_HEAD_LEN = 4,    /* of a message */
    CONTROL_DESCRIPTORS = 3, /* stdin, stdout, stderr */
    /* Bytes of the messages of all clients that are coming, or wait: where there is no room for one more, who
     * has held some for the longest time is sent away. */
    CONTROL_HELD_MAX = 8 * LIMIT_MUX_MESSAGE,
};

struct control;
struct guest;

struct control_client {
    struct loop_fd fd;
    struct control *control;
    struct control_client *next;
    bool said_hello;
    bool is_gone;          /* the socket is closed; the sweep frees it */
    struct guest *session; /* its session or stdio forward */
    char *question;        /* its request waits in room for somebody to agree to this; NULL: none does */
    bool is_agreed;        /* somebody has, and the request is not done yet */
    bool is_own;           /* of whoever started the master: nobody is asked */
    size_t fds_wanted, fd_count; /* a message was read, and these belong to it */
    int fds[CONTROL_DESCRIPTORS];
    size_t got; /* bytes of head and room */
    uint8_t head[CONTROL_HEAD_LEN];
    uint8_t *room; /* LIMIT_MUX_MESSAGE bytes, whose pages cost nothing until they are used; NULL: head is not
                      whole */
    size_t room_len;      /* the message's */
    uint64_t room_number; /* grows with each that is had */
};

/* Somebody is being asked: one question at a time. */
struct control_confirm {
    struct child child;
    struct loop_fd out; /* what the program prints */
    struct loop_timer end;
    struct control_client *client; /* whose request it is */
    size_t output_len;             /* what was printed, and how it begins */
    char line[8];
};

struct control {
    struct forwarder *forwarder;
    const struct session_control *spec;
    struct loop_fd listener;
    struct sock_file file;
    struct control_client *clients;
    size_t client_count;
    struct guest *guests;
    bool has_leaving;    /* some of them wait for their flows' end */
    bool ends_when_idle; /* nobody can come any more, and it is there for guests alone */
    uint32_t last_id;
    size_t held;          /* the room_len of all clients */
    uint64_t rooms_given; /* so far */
    struct loop_timer sweep, idle;
    struct control_confirm confirm;
};

/* ---- control.c: its life */

struct loop *control_loop(const struct control *c);
void control_sweep_soon(struct control *c);
void control_stop_listening(struct control *c); /* any number of times */
/* The same at somebody's wish: as ssh's, a master without a session of its own ends then with its last
 * client. */
void control_go_deaf(struct control *c);
void control_fds_close(int fds[CONTROL_DESCRIPTORS]);

/* ---- control_client.c */

/* Takes fd also when it fails: NULL, out of memory or a refused epoll. */
struct control_client *control_client_new(struct control *c, int fd);
/* Closes its socket; it stays in the list until the sweep. Any number of times. */
void control_client_drop(struct control_client *cl);
void control_client_free(struct control_client *cl); /* dropped, and in no list any more */
/* Its few answers fit into a socket's buffer; a client that asks and never reads is dropped. */
void control_client_send(struct control_client *cl, const struct mux_message *m);
void control_client_answer(struct control_client *cl, uint32_t type, uint32_t request);
void control_client_refuse(struct control_client *cl, uint32_t request, const char *why);
/* A person's refusal. */
void control_client_deny(struct control_client *cl, uint32_t request);
/* Its question was answered: the request is done, or refused as a person's wish. */
void control_client_resume(struct control_client *cl, bool is_agreed);
/* Reads what has come: its socket was readable, or may still be. */
void control_client_serve(struct control_client *cl);

/* ---- control_confirm.c: ControlMaster ask */

void control_confirm_init(struct control *c);
void control_confirm_wipe(struct control *c);
/* True: the request may be done, now. False: leave it as it is; it is asked again when somebody has agreed
 * (cl->question is set), or was refused. question: clean text. */
bool control_confirm_take(struct control_client *cl, const struct mux_message *m, const char *question);
void control_confirm_next(struct control *c); /* a question may be due */
void control_confirm_on_ready(struct control *c);
void control_confirm_on_timer(struct control *c);
void control_confirm_forget(struct control_client *cl); /* it is gone */

/* ---- control_request.c */

/* Does what a message asks for, which is neither HELLO nor in want of descriptors: those are in cl->fds. */
void control_request(struct control_client *cl, const struct mux_message *m);

#endif
