/*
 * host_keys_update.h - UpdateHostKeys: the user's known_hosts files follow the keys that a server shows once
 * we are in (hostkeys-00@openssh.com, OpenSSH's PROTOCOL §2.5), as ssh's client has it.
 *
 * All or nothing: one key or signature that is not right, and no file is touched. Nothing either when a file
 * has more to say about the host than its name and a key (patterns, several names, @ markers), or has one of
 * these keys under another name.
 */
#ifndef CLIENT_HOST_KEYS_UPDATE_H
#define CLIENT_HOST_KEYS_UPDATE_H

#include "adit.h"
#include "client/host_keys.h"
#include "forward/session.h"

struct host_keys_update {
    struct host_keys *host; /* borrowed */
    uint8_t *bytes;         /* the keys as they were shown */
    size_t count;
    struct shown_key {
        struct span string, blob; /* in bytes; string: with its length before it */
        const char *type;         /* "ED25519" */
        bool can_prove;           /* of a size that we verify */
        uint8_t names;            /* where it is known: SHOWN_HOST, SHOWN_ADDRESS */
        bool is_proven;
    } keys[SESSION_HOST_KEYS_MAX];
    struct span prove[SESSION_HOST_KEYS_MAX];
    size_t prove_count;
};

void host_keys_update_init(struct host_keys_update *u, struct host_keys *host);
void host_keys_update_wipe(struct host_keys_update *u);

/* UpdateHostKeys, and somebody to ask where it says so. */
bool host_keys_update_wanted(const struct host_keys *host) ADIT_MUST_USE;

/* The server's list, a string each. Afterwards u->prove has the new ones: none when there is nothing to do or
 * it was done (keys that the server has no more are removed without a proof). */
void host_keys_update_shown(struct host_keys_update *u, struct span list);
/* The signatures over ("hostkeys-prove-00@openssh.com", session id, key) by each of u->prove, in order, a
 * string each: when all are right the files are changed. */
void host_keys_update_proven(struct host_keys_update *u, struct span session_id, struct span signatures);

#endif
