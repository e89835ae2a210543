/*
 * jump_spec.h - what ProxyJump and -J say: a list of jump hosts, the nearest one first.
 *
 *     [user@]host[:port][,[user@]host[:port]...]      each may also be written ssh://[user@]host[:port]
 *
 * (the user with %-escapes then). The last @ ends the user; an IPv6 literal stands in brackets when a port
 * follows. What could do harm in a command or a log is refused, as ssh refuses it.
 */
#ifndef CLIENT_JUMP_SPEC_H
#define CLIENT_JUMP_SPEC_H

#include "adit.h"

enum { JUMP_NAME_CAP = LIMIT_USER + LIMIT_HOST + 32 };

struct jump_spec {
    char user[LIMIT_USER + 1]; /* empty: not given */
    char host[LIMIT_HOST + 1]; /* without brackets */
    uint16_t port;             /* 0: not given */
    char name[JUMP_NAME_CAP];  /* as it was written: for messages */
};

/* One element. ADIT_E_USAGE, with what is wrong. */
enum adit_err jump_spec_parse(struct jump_spec *out, struct span text, struct adit_error *err) ADIT_MUST_USE;

/* Takes the last element, the host right before the destination, off the list: *rest is what comes before it,
 * and becomes that host's own ProxyJump (empty: nothing). */
struct span jump_spec_last(struct span list, struct span *rest);

/* The host right before the destination, as %j wants it. False for NULL or "none". */
bool jump_spec_nearest(const char *list, char out[static LIMIT_HOST + 1]);

/* Every element of the list is well formed, and there are at most LIMIT_JUMPS; "none" is fine. ADIT_E_USAGE.
 */
enum adit_err jump_spec_check(const char *list, struct adit_error *err) ADIT_MUST_USE;

/* As ssh judges them when they may end up in a shell's command: no control or shell characters, no leading
 * dash. */
bool jump_spec_is_user(struct span s);
bool jump_spec_is_host(struct span s);

#endif
