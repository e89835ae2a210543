/*
 * mux.h - the messages on a control socket: OpenSSH's PROTOCOL.mux, version 4, both directions, bytes only.
 *
 * A client asks, a master answers; each message stands behind its length. The caller owns socket and buffers:
 * it collects bytes until mux_frame says that a message is whole, and hands that to mux_parse. Behind
 * NEW_SESSION come three descriptors, behind NEW_STDIO_FWD two, each with one byte that belongs to no
 * message.
 *
 * Where OpenSSH's programs differ from their document, the programs are followed: the flags of NEW_SESSION
 * and the port of NEW_STDIO_FWD are uint32.
 */
#ifndef SSH_MUX_H
#define SSH_MUX_H

#include "adit.h"
#include "ssh/wire.h"

enum {
    MUX_VERSION = 4,
    LIMIT_MUX_MESSAGE = 256 * 1024, /* OpenSSH's own; a command line and an environment */
};

#define MUX_PORT_PATH   0xfffffffeu /* the host beside it is the path of a Unix socket */
#define MUX_ESCAPE_NONE 0xffffffffu

/* PROTOCOL.mux §11. C: of a client, S: of a master. */
enum mux_type {
    MUX_MSG_HELLO = 0x00000001,        /* version; both sides say it first */
    MUX_C_NEW_SESSION = 0x10000002,    /* id, session */
    MUX_C_ALIVE_CHECK = 0x10000004,    /* id */
    MUX_C_TERMINATE = 0x10000005,      /* id */
    MUX_C_OPEN_FWD = 0x10000006,       /* id, forward */
    MUX_C_CLOSE_FWD = 0x10000007,      /* id, forward */
    MUX_C_NEW_STDIO_FWD = 0x10000008,  /* id, forward.connect_host, forward.connect_port */
    MUX_C_STOP_LISTENING = 0x10000009, /* id */
    MUX_C_PROXY = 0x1000000f,          /* id */
};
/* These do not fit an int. */
#define MUX_S_OK                0x80000001u /* id */
#define MUX_S_PERMISSION_DENIED 0x80000002u /* id, reason */
#define MUX_S_FAILURE           0x80000003u /* id, reason */
#define MUX_S_EXIT_MESSAGE      0x80000004u /* session_id, number: the exit status */
#define MUX_S_ALIVE             0x80000005u /* id, number: the master's process id */
#define MUX_S_SESSION_OPENED    0x80000006u /* id, session_id */
#define MUX_S_REMOTE_PORT       0x80000007u /* id, number: the port that the server chose */
#define MUX_S_TTY_ALLOC_FAIL    0x80000008u /* session_id */
#define MUX_S_PROXY             0x8000000fu /* id */

enum mux_forward_type { MUX_FORWARD_LOCAL = 1, MUX_FORWARD_REMOTE = 2, MUX_FORWARD_DYNAMIC = 3 };

struct mux_forward {
    uint32_t type;
    struct span listen_host;  /* empty: none was given */
    uint32_t listen_port;     /* or MUX_PORT_PATH */
    struct span connect_host; /* "socks" with port 0: clients name it by SOCKS */
    uint32_t connect_port;    /* or MUX_PORT_PATH */
};

struct mux_session {
    bool wants_tty, wants_x11, wants_agent, is_subsystem;
    uint32_t escape; /* a character, or MUX_ESCAPE_NONE */
    struct span term, command;
    struct span env; /* "NAME=value" strings, one behind the other: mux_env_next */
};

/* Spans point into the message. Texts hold no zero byte; they are not fit for a terminal. */
struct mux_message {
    uint32_t type;
    bool is_known; /* type is one of the above; otherwise nothing but id was read, if there was one */
    uint32_t id;   /* of the request; answers repeat it */
    uint32_t version;
    uint32_t session_id, number;
    struct span reason;
    struct mux_forward forward;
    struct mux_session session;
};

enum mux_frame {
    MUX_FRAME_MORE,
    MUX_FRAME_WHOLE, /* *message is the first one without its length, *used the bytes it took with it */
    MUX_FRAME_BAD,   /* too long or too short to be one: close the socket */
};
enum mux_frame mux_frame(struct span received, struct span *message, size_t *used) ADIT_MUST_USE;

/* ADIT_E_PROTOCOL when the fields of a known type are not what they should be. */
enum adit_err mux_parse(struct mux_message *m, struct span message, struct adit_error *err) ADIT_MUST_USE;

/* The next string of an environment; false at its end. */
bool mux_env_next(struct span *env, struct span *one);
/* Adds one: for the env of a message that is to be written. */
void mux_env_add(struct wr *w, struct span one);

/* The type and the two ports are such as they can be, and a path or a target that must be there is. */
bool mux_forward_is_sound(const struct mux_forward *f);

/* The whole message with its length; check wr_ok. A type that is not known fails. */
void mux_write(struct wr *w, const struct mux_message *m);

#endif
