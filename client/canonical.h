/*
 * canonical.h - CanonicalizeHostname and its kin, ssh_config(5): the full name of a host.
 *
 * The rules alone; who looks a name up is a hook. Looking up blocks.
 */
#ifndef CLIENT_CANONICAL_H
#define CLIENT_CANONICAL_H

#include "adit.h"
#include "client/options.h"

struct canonical_hooks {
    void *ctx;
    /* True when name has an address. canonical (may be NULL) gets the name that its aliases end in. */
    bool (*look_up)(void *ctx, const char *name, char canonical[static LIMIT_HOST + 1]);
    /* An address in the one way to write it ("::0001" is "::1"); false when name is none. */
    bool (*address)(void *ctx, const char *name, char out[static LIMIT_HOST + 1]);
    void (*debug)(void *ctx, const char *line); /* may be NULL */
};

/* host: HostName's value, or the name that was given; changed in place, in lower case at the end.
 * ADIT_E_RESOLVE when CanonicalizeFallbackLocal is no and no domain has it. */
enum adit_err canonical_name(const struct options *o, char host[static LIMIT_HOST + 1],
                             const struct canonical_hooks *hooks, struct adit_error *err) ADIT_MUST_USE;

#endif
