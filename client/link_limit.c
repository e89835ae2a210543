/*
 * link_limit.c - ConnectTimeout: how long a server may take until it has let us in. The session looks at the
 * time up to the first key exchange alone; a server that is silent behind it would be waited for for ever.
 */
#include "client/link_internal.h"
#include "net/loop.h"

enum { GRACE_MS = 500 }; /* the session's own limit has the better words */

void link_limit_begin(struct link *l, uint32_t timeout_ms)
{
    l->limit_at = timeout_ms > 0 ? loop_now_ms() + timeout_ms + GRACE_MS : KEEP_NEVER;
}

void link_limit_pause(struct link *l, uint64_t since_ms)
{
    if (l->limit_at != KEEP_NEVER)
        l->limit_at += loop_now_ms() - since_ms;
}

void link_limit_end(struct link *l)
{
    l->limit_at = KEEP_NEVER;
}

void link_limit_look(struct link *l)
{
    static const char text[] = "no answer in time";
    struct adit_error err = {ADIT_E_OK, ""};
    if (l->limit_at == KEEP_NEVER || loop_now_ms() < l->limit_at)
        return;
    l->limit_at = KEEP_NEVER;
    if (l->phase == LINK_BOUND) {
        l->is_late = true;
        session_drop(l->session, text);
    } else if (l->phase == LINK_HOPPING && l->hops_started > 0) {
        (void)adit_fail(&err, ADIT_E_TIMEOUT, "jump host %s: %s", l->hops[l->hops_started - 1].name, text);
        link_connection_over(l, &err);
    }
}
