/*
 * fake_link.h - client/link.h without a thread or a network: the test says what becomes of each link, and
 * looks at what it was told. It stands in the place of the real one in a test that includes this.
 *
 * All on the test's thread: a notice is a letter in the registry's mailbox when fake_... returns.
 */
#ifndef FAKE_LINK_H
#define FAKE_LINK_H

#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

#include "client/link.h"
#include "net/mailbox.h"

enum { FAKE_LINKS = 32, FAKE_FORWARDS = 16, FAKE_SNAPSHOTS = 16 };

struct fake_forward {
    size_t id;
    struct forward_spec spec;
    const struct session_access *access;
    bool is_removed, is_gone;
    struct session_forward_stats stats;
};

struct link {
    struct link_config config;
    struct link_ops ops;
    unsigned starts, stops, reconnects, good, bad, networks, file_changes, configures;
    struct keep_config keep;
    struct fake_forward forwards[FAKE_FORWARDS];
    size_t forward_count;
    struct session_snapshot *snapshots[FAKE_SNAPSHOTS];
    size_t snapshot_count;
    struct link_status status;
    bool is_ended, is_joined;
};

/* In the order in which they were made. Joined ones stay, to be looked at: fake_links_free. */
static struct link *fake_links[FAKE_LINKS];
static size_t fake_link_count;
static unsigned fake_links_lacking; /* so many of the next ones cannot be made */

static inline void fake_links_free(void)
{
    for (size_t i = 0; i < fake_link_count; i++) {
        assert_true(fake_links[i]->is_joined);
        free(fake_links[i]);
    }
    fake_link_count = 0;
}

/* ---- What the link is told ---- */

enum adit_err link_new(struct link **out, const struct link_config *config, const struct link_ops *ops,
                       struct adit_error *err)
{
    if (fake_links_lacking > 0) {
        fake_links_lacking--;
        return adit_fail(err, ADIT_E_SYSTEM, "cannot make an event descriptor: Too many open files");
    }
    struct link *l = calloc(1, sizeof *l);
    assert_non_null(l);
    assert_true(fake_link_count < FAKE_LINKS);
    l->config = *config;
    l->keep = config->keep;
    l->ops = *ops;
    l->status.next_try_ms = l->status.up_since_ms = KEEP_NEVER;
    fake_links[fake_link_count++] = l;
    *out = l;
    return ADIT_E_OK;
}

void link_start(struct link *l)
{
    l->starts++;
}

void link_stop(struct link *l)
{
    l->stops++;
}

void link_join(struct link *l)
{
    assert_true(l->is_ended);
    assert_false(l->is_joined);
    assert_int_equal(l->snapshot_count, 0);
    l->is_joined = true;
}

int link_cancel_fd(const struct link *l)
{
    (void)l;
    return -1;
}

void link_reconnect(struct link *l)
{
    l->reconnects++;
}

void link_configure(struct link *l, const struct keep_config *config)
{
    l->configures++;
    l->keep = *config;
}

void link_health(struct link *l, bool is_healthy)
{
    l->good += is_healthy;
    l->bad += !is_healthy;
}

void link_network(struct link *l, unsigned news)
{
    l->networks += news;
}

void link_file_changed(struct link *l)
{
    l->file_changes++;
}

void link_set_log_level(struct link *l, enum session_level level)
{
    l->config.log_level = level;
}

void link_trust(struct link *l, const char *fingerprint)
{
    (void)l;
    (void)fingerprint;
}

enum adit_err link_forward_add(struct link *l, size_t id, const struct forward_spec *spec,
                               const struct session_access *access, struct adit_error *err)
{
    (void)err;
    assert_true(l->forward_count < FAKE_FORWARDS);
    struct fake_forward *f = &l->forwards[l->forward_count++];
    *f = (struct fake_forward){.id = id, .spec = *spec, .access = access, .stats.index = id};
    return ADIT_E_OK;
}

static inline struct fake_forward *fake_forward(struct link *l, size_t id)
{
    for (size_t i = 0; i < l->forward_count; i++)
        if (l->forwards[i].id == id && !l->forwards[i].is_gone)
            return &l->forwards[i];
    return NULL;
}

void link_forward_remove(struct link *l, size_t id)
{
    struct fake_forward *f = fake_forward(l, id);
    assert_non_null(f);
    f->is_removed = true;
}

void link_snapshot(struct link *l, struct session_snapshot *snapshot)
{
    assert_true(l->snapshot_count < FAKE_SNAPSHOTS);
    l->snapshots[l->snapshot_count++] = snapshot;
}

/* ---- What the link says ---- */

static inline void fake_notify(struct link *l, struct link_notice n)
{
    l->ops.notify(l->ops.ctx, &n);
}

static inline void fake_state(struct link *l, enum keep_state state, uint32_t retry_count, const char *reason)
{
    enum keep_state old = l->status.state;
    bool is_up = state == KEEP_CONNECTED || state == KEEP_DEGRADED || state == KEEP_SUSPECT;
    l->status.state = state;
    l->status.retry_count = retry_count;
    l->status.up_since_ms = !is_up                                ? KEEP_NEVER
                            : l->status.up_since_ms != KEEP_NEVER ? l->status.up_since_ms
                                                                  : 1;
    l->status.next_try_ms = state == KEEP_RECONNECTING ? UINT64_MAX / 4 : KEEP_NEVER;
    fake_notify(l, (struct link_notice){
                       .kind = LINK_STATE, .status = &l->status, .old_state = old, .reason = reason});
}

/* The connection or the try is over; at is the time of it, and differs from that of the one before. */
static inline void fake_lost(struct link *l, enum keep_state state, uint32_t retry_count, enum adit_err code,
                             const char *text)
{
    memset(&l->status.error, 0, sizeof l->status.error);
    (void)adit_fail(&l->status.error, code, "%s", text);
    l->status.error_at_ms = l->status.error_at_ms ? l->status.error_at_ms + 1 : UINT64_MAX / 2;
    l->status.is_permanent = state == KEEP_FAILED && !adit_err_may_retry(code);
    fake_state(l, state, retry_count, text);
}

static inline void fake_up(struct link *l, size_t at, size_t address, const char *bound, uint16_t port)
{
    fake_notify(l, (struct link_notice){.kind = LINK_FORWARD_UP,
                                        .id = l->forwards[at].id,
                                        .address_index = address,
                                        .bound = bound,
                                        .bound_port = port,
                                        .target = "-"});
}

static inline void fake_failed(struct link *l, size_t at, const char *text)
{
    struct adit_error error = {ADIT_E_OK, ""};
    (void)adit_fail(&error, ADIT_E_FORWARD, "%s", text);
    fake_notify(l,
                (struct link_notice){.kind = LINK_FORWARD_FAILED, .id = l->forwards[at].id, .error = &error});
}

static inline void fake_down(struct link *l, size_t at)
{
    fake_notify(l, (struct link_notice){.kind = LINK_FORWARD_DOWN, .id = l->forwards[at].id});
}

/* The oldest question for numbers is answered with those of l->forwards; connections: how many there are, all
 * of the first forward. */
static inline void fake_numbers(struct link *l, size_t connections)
{
    assert_true(l->snapshot_count > 0);
    struct session_snapshot *s = l->snapshots[0];
    memmove(l->snapshots, l->snapshots + 1, --l->snapshot_count * sizeof l->snapshots[0]);
    for (size_t i = 0; i < l->forward_count; i++) {
        if (!l->forwards[i].is_gone && s->forward_count < s->forward_room)
            s->forwards[s->forward_count] = l->forwards[i].stats;
        s->forward_count += !l->forwards[i].is_gone;
    }
    for (size_t i = 0; i < connections && i < s->connection_room; i++)
        s->connections[i] = (struct session_connection_info){.id = i + 1,
                                                             .index = l->forwards[0].id,
                                                             .client = "127.0.0.1:999",
                                                             .target = "10.0.0.5:443",
                                                             .bytes_up = 1};
    s->connection_count = connections;
    s->stats.rtt_us = 2600;
    mailbox_post(s->reply_to, &s->mail);
}

/* What was removed is gone, and what was stopped has ended; numbers that are asked for are told first. */
static inline void fake_settle(struct link *l)
{
    while (l->snapshot_count > 0)
        fake_numbers(l, 0);
    for (size_t i = 0; i < l->forward_count; i++)
        if (l->forwards[i].is_removed && !l->forwards[i].is_gone) {
            fake_notify(l, (struct link_notice){.kind = LINK_FORWARD_GONE, .id = l->forwards[i].id});
            l->forwards[i].is_gone = true;
        }
    if (l->stops > 0 && !l->is_ended) {
        l->is_ended = true;
        fake_notify(l, (struct link_notice){.kind = LINK_ENDED});
    }
}

static inline void fake_settle_all(void)
{
    for (size_t i = 0; i < fake_link_count; i++)
        if (!fake_links[i]->is_joined)
            fake_settle(fake_links[i]);
}

#endif
