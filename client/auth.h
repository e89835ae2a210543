/*
 * auth.h - the order of authentication: which credential a session is given next.
 *
 * PreferredAuthentications decides (publickey, keyboard-interactive, password), within what the server says
 * can continue. A secret is only ever what the user typed for this very question; it is asked for when the
 * server wants the method, never in BatchMode, and never sent to a host whose changed key was overridden.
 */
#ifndef CLIENT_AUTH_H
#define CLIENT_AUTH_H

#include "adit.h"
#include "client/identity.h"
#include "client/options.h"
#include "client/prompt.h"
#include "forward/session.h"

struct auth {
    const struct options *options; /* borrowed, as the rest */
    const struct client_prompt *prompt;
    struct identities *ids;
    const char *user, *host; /* for questions: "user@host's password: " */

    size_t next;           /* the identity to offer next */
    struct identity *last; /* the one offered last, while the answer is open */
    bool rsa_fallback;     /* it is RSA, was offered with SHA-512 and no list was sent: SHA-256 is next */
    enum session_credential tried; /* what the answer that comes next is about */
    uint32_t passwords, kbdints;   /* tries so far, since the last partial success */
    uint32_t partials, changes;    /* partial successes, and passwords that the server wanted changed */
    bool kbdint_asked;             /* the server has asked something since the last try */
    char methods[512];             /* what could continue, at the last failure */
};

void auth_init(struct auth *a, const struct options *options, const struct client_prompt *prompt,
               struct identities *ids, const char *user, const char *host);

/* Fill in the answers of a CREDENTIAL, SIGN, KBDINT and PASSWORD_CHANGE question; they may ask the user. */
void auth_credential(struct auth *a, struct session_question *q);
void auth_sign(struct auth *a, struct session_question *q);
void auth_kbdint(struct auth *a, struct session_question *q);
void auth_password_change(struct auth *a, struct session_question *q);

#endif
