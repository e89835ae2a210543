/*
 * tunnels_fake.h - a registry (tunnels_world.h) whose links the test plays (fake_link.h).
 */
#ifndef TUNNELS_FAKE_H
#define TUNNELS_FAKE_H

#include "tests/fake_link.h"
#include "tests/tunnels_world.h"

/* What was told to stop has stopped. */
static inline void world_settle(void)
{
    world_mail();
    fake_settle_all();
    world_mail();
}

static inline void world_close(void)
{
    tunnels_end(world.t);
    world_settle();
    assert_true(tunnels_has_ended(world.t));
    world_wipe();
    fake_links_free();
}

/* The link's connection is there, with every one of its forwards. */
static inline void fake_connect(struct link *l)
{
    char bound[32];
    fake_state(l, KEEP_CONNECTING, 0, "started");
    for (size_t i = 0; i < l->forward_count; i++)
        if (!l->forwards[i].is_removed) {
            (void)adit_format(bound, sizeof bound, "127.0.0.1:%u", (unsigned)l->forwards[i].spec.port);
            fake_up(l, i, 0, bound, l->forwards[i].spec.port);
        }
    fake_state(l, KEEP_CONNECTED, 0, "connected");
    world_mail();
}

#endif
