/*
 * channel_rules.h - PermitRemoteOpen and ChannelTimeout of ssh_config(5), as a session takes them.
 */
#ifndef CLIENT_CHANNEL_RULES_H
#define CLIENT_CHANNEL_RULES_H

#include "adit.h"
#include "client/options.h"
#include "forward/session.h"

struct channel_rules {
    struct session_permit *permits;
    struct texts hosts; /* that permits point to */
};

/* Fills the session's permits and timeouts from the options, which were checked when they were set (what is
 * malformed all the same permits nothing). The rules must live as long as the session. ADIT_E_MEMORY. */
enum adit_err channel_rules_init(struct channel_rules *rules, const struct options *options,
                                 struct session_config *config, struct adit_error *err) ADIT_MUST_USE;
void channel_rules_wipe(struct channel_rules *rules);

#endif
