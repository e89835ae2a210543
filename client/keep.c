#include "client/keep.h"

#include <string.h>

/* ---- The back-off ---- */

/* SplitMix64 (Steele, Lea and Flood, 2014): good enough to keep tunnels apart, nothing secret hangs on it. */
static uint64_t random_next(struct keep *k)
{
    uint64_t z = k->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t delay_ms(struct keep *k, uint32_t step, uint64_t cap)
{
    uint64_t delay = k->config.first_ms ? k->config.first_ms : KEEP_FIRST_MS;
    uint64_t percent = k->config.jitter_percent < 100 ? k->config.jitter_percent : 100;
    while (step-- > 0 && delay < cap)
        delay *= 2;
    if (delay > cap)
        delay = cap;
    uint64_t part = delay * percent / 100;
    uint64_t ms = delay - part + random_next(k) % (part + 1);
    return ms > 0 ? ms : 1; /* what is awaited is never due at once: nobody turns round and round */
}

static uint64_t try_delay_ms(struct keep *k)
{
    uint64_t cap = k->config.cap_ms ? k->config.cap_ms : KEEP_CAP_MS;
    return delay_ms(k, k->step++, cap);
}

static uint64_t forward_delay_ms(struct keep *k)
{
    uint64_t cap = k->config.cap_ms ? k->config.cap_ms : KEEP_CAP_MS;
    return delay_ms(k, k->forward_step++, cap < KEEP_FORWARD_CAP_MS ? cap : KEEP_FORWARD_CAP_MS);
}

static void count_anew(struct keep *k)
{
    k->retry_count = 0;
    k->step = 0;
}

static bool may_count_on(const struct keep *k)
{
    return k->config.max_retries == 0 || k->retry_count < k->config.max_retries;
}

static void count(struct keep *k)
{
    if (k->retry_count < UINT32_MAX)
        k->retry_count++;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* As soon as a change of the network may bring it: machines where such changes never end must not hammer. */
static uint64_t soon(uint64_t last, uint64_t now)
{
    return now < last + KEEP_NETWORK_MS ? last + KEEP_NETWORK_MS : now;
}

/* ---- Ways from one phase to another ---- */

static void leave(struct keep *k, enum keep_phase phase)
{
    k->phase = phase;
    k->try_at = k->up_at = KEEP_NEVER;
    k->is_reached = k->has_changed = k->is_again = k->is_suspect = k->is_settled = false;
    k->is_permanent = k->gave_up = false;
    k->health_failures = 0;
}

static void forget_forwards(struct keep *k)
{
    k->missing = 0;
    k->forward_step = 0;
    k->forward_at = KEEP_NEVER;
}

static unsigned begin_try(struct keep *k, uint64_t now_ms)
{
    leave(k, KEEP_TRYING);
    k->tried_at = now_ms;
    return KEEP_DO_CONNECT;
}

static unsigned begin_anew(struct keep *k, uint64_t now_ms)
{
    count_anew(k);
    k->is_unhealthy = false;
    return KEEP_DO_LISTEN | begin_try(k, now_ms);
}

static unsigned drop(struct keep *k, bool is_again)
{
    leave(k, KEEP_DROPPING);
    k->is_again = is_again;
    return KEEP_DO_DROP;
}

static unsigned fail(struct keep *k)
{
    leave(k, KEEP_OVER);
    forget_forwards(k);
    return KEEP_DO_UNLISTEN;
}

static unsigned fail_permanently(struct keep *k, uint64_t now_ms)
{
    unsigned todo = fail(k);
    k->is_permanent = true;
    if (k->config.auto_reconnect && may_count_on(k))
        k->try_at = now_ms + KEEP_PERMANENT_MS;
    return todo;
}

/* The next retry. The present one is told again when it did not count. */
static unsigned await_retry(struct keep *k, uint64_t now_ms, bool counts)
{
    bool is_soon = k->has_changed;
    uint64_t at = is_soon ? soon(k->tried_at, now_ms) : 0;
    if (counts || k->retry_count == 0) {
        if (!may_count_on(k)) {
            unsigned todo = fail(k);
            k->gave_up = true;
            return todo;
        }
        count(k);
    }
    leave(k, KEEP_WAITING);
    k->try_at = is_soon ? at : now_ms + try_delay_ms(k);
    return KEEP_DO_NOTHING;
}

/* ---- Settings and state ---- */

void keep_init(struct keep *k, const struct keep_config *config)
{
    memset(k, 0, sizeof *k);
    k->config = *config;
    k->random = config->seed;
    leave(k, KEEP_OFF);
    forget_forwards(k);
}

void keep_configure(struct keep *k, const struct keep_config *config)
{
    k->config = *config;
}

static enum keep_state up_state(const struct keep *k)
{
    if (k->is_suspect)
        return KEEP_SUSPECT;
    return k->missing > 0 || k->is_unhealthy ? KEEP_DEGRADED : KEEP_CONNECTED;
}

enum keep_state keep_state(const struct keep *k)
{
    switch (k->phase) {
    case KEEP_RESTING:
        return k->missing > 0 ? KEEP_RECONNECTING : KEEP_IDLE;
    case KEEP_TRYING:
        return k->missing > 0 || k->retry_count > 0 ? KEEP_RECONNECTING : KEEP_CONNECTING;
    case KEEP_WAITING:
    case KEEP_DROPPING:
        return KEEP_RECONNECTING;
    case KEEP_UP:
        return up_state(k);
    case KEEP_OVER:
        return KEEP_FAILED;
    case KEEP_OFF:
        break;
    }
    return KEEP_DISCONNECTED;
}

static const struct {
    const char *state, *status;
} names[KEEP_STATES] = {
    [KEEP_DISCONNECTED] = {"disconnected", "disconnected"}, [KEEP_IDLE] = {"idle", "disconnected"},
    [KEEP_CONNECTING] = {"connecting", "connecting"},       [KEEP_CONNECTED] = {"connected", "connected"},
    [KEEP_SUSPECT] = {"suspect", "reconnecting"},           [KEEP_DEGRADED] = {"degraded", "reconnecting"},
    [KEEP_RECONNECTING] = {"reconnecting", "reconnecting"}, [KEEP_FAILED] = {"failed", "failed"},
};

const char *keep_state_name(enum keep_state state)
{
    return names[state].state;
}

const char *keep_status_name(enum keep_state state)
{
    return names[state].status;
}

/* ---- Time ---- */

/* The count is back at 0 as soon as the connection has been good for long enough. */
static void settle(struct keep *k, uint64_t now_ms)
{
    if (k->phase != KEEP_UP || k->is_suspect || now_ms < k->up_at + KEEP_SETTLED_MS)
        return;
    k->is_settled = true;
    count_anew(k);
}

/* A change came early in the try, which the server has not answered: it may be on its way through a network
 * that is no longer there. */
static bool is_stranded(const struct keep *k)
{
    return k->phase == KEEP_TRYING && k->has_changed && !k->is_reached;
}

uint64_t keep_next(const struct keep *k)
{
    uint64_t next = KEEP_NEVER;
    if (k->phase == KEEP_WAITING || k->phase == KEEP_OVER)
        next = k->try_at;
    if (k->phase == KEEP_UP && !k->is_suspect && !k->is_settled)
        next = k->up_at + KEEP_SETTLED_MS;
    if (is_stranded(k))
        next = k->tried_at + KEEP_NETWORK_MS;
    return k->phase == KEEP_DROPPING ? next : earlier(next, k->forward_at);
}

static unsigned forwards_due(struct keep *k, uint64_t now_ms)
{
    if (now_ms < k->forward_at || k->phase == KEEP_DROPPING)
        return KEEP_DO_NOTHING;
    k->forward_tried_at = now_ms;
    k->forward_at = now_ms + forward_delay_ms(k);
    return KEEP_DO_RETRY_FORWARDS;
}

static unsigned try_due(struct keep *k, uint64_t now_ms)
{
    if (is_stranded(k) && now_ms >= k->tried_at + KEEP_NETWORK_MS)
        return drop(k, true);
    if (now_ms < k->try_at)
        return KEEP_DO_NOTHING;
    if (k->phase == KEEP_WAITING)
        return begin_try(k, now_ms);
    /* Failed permanently, and it was long ago. */
    count(k);
    return KEEP_DO_LISTEN | begin_try(k, now_ms);
}

unsigned keep_due(struct keep *k, uint64_t now_ms)
{
    settle(k, now_ms);
    unsigned todo = try_due(k, now_ms);
    return todo | forwards_due(k, now_ms);
}

/* ---- What somebody wants ---- */

unsigned keep_start(struct keep *k, uint64_t now_ms)
{
    if (k->phase != KEEP_OFF && k->phase != KEEP_OVER)
        return KEEP_DO_NOTHING;
    unsigned todo = begin_anew(k, now_ms);
    if (!k->config.is_lazy)
        return todo;
    leave(k, KEEP_RESTING);
    return KEEP_DO_LISTEN;
}

unsigned keep_stop(struct keep *k)
{
    unsigned todo = k->phase == KEEP_OFF ? KEEP_DO_NOTHING : KEEP_DO_STOP;
    leave(k, KEEP_OFF);
    forget_forwards(k);
    count_anew(k);
    return todo;
}

unsigned keep_reconnect(struct keep *k, uint64_t now_ms)
{
    if (k->phase == KEEP_OFF || k->phase == KEEP_OVER)
        return begin_anew(k, now_ms);
    count_anew(k);
    if (k->phase == KEEP_RESTING || k->phase == KEEP_WAITING)
        return begin_try(k, now_ms);
    if (k->phase == KEEP_TRYING || k->phase == KEEP_UP)
        return drop(k, true);
    k->is_again = true;
    return KEEP_DO_NOTHING;
}

unsigned keep_wanted(struct keep *k, uint64_t now_ms)
{
    return k->phase == KEEP_RESTING ? begin_try(k, now_ms) : KEEP_DO_NOTHING;
}

/* ---- What became of it ---- */

void keep_reached(struct keep *k)
{
    k->is_reached = true;
}

void keep_up(struct keep *k, uint64_t now_ms)
{
    if (k->phase != KEEP_TRYING)
        return;
    leave(k, KEEP_UP);
    k->up_at = now_ms;
}

static void remember(struct keep *k, uint64_t now_ms, enum adit_err code, const char *text)
{
    memset(&k->last_error, 0, sizeof k->last_error);
    adit_fail(&k->last_error, code, "%s", text[0] ? text : adit_err_sentence(code));
    k->last_error_at = now_ms;
}

/* A lazy one that has done well waits for the next client; what fails at once must not be tried as often as
 * clients come. */
static bool may_rest(const struct keep *k)
{
    return k->config.is_lazy && k->phase == KEEP_UP && k->is_settled;
}

static unsigned lost(struct keep *k, uint64_t now_ms, const struct adit_error *why, bool had_route)
{
    bool was_up = k->phase != KEEP_TRYING;
    /* The mechanism says OK only when it was told to let go. */
    enum adit_err code = why->code != ADIT_E_OK ? why->code : ADIT_E_CLOSED;
    bool is_permanent = !adit_err_may_retry(code);
    bool is_only_lost = was_up && !k->config.auto_reconnect && !is_permanent;

    remember(k, now_ms, code, is_only_lost ? "Connection lost (auto_reconnect disabled)" : why->text);
    if (is_permanent)
        return fail_permanently(k, now_ms);
    if (!k->config.auto_reconnect)
        return fail(k);
    if (may_rest(k)) {
        leave(k, KEEP_RESTING);
        return KEEP_DO_NOTHING;
    }
    return await_retry(k, now_ms, was_up || had_route);
}

unsigned keep_lost(struct keep *k, uint64_t now_ms, const struct adit_error *why, bool had_route)
{
    if (k->phase != KEEP_TRYING && k->phase != KEEP_UP && k->phase != KEEP_DROPPING)
        return KEEP_DO_NOTHING;
    settle(k, now_ms);
    /* Our own doing; but what was on its way before us and is permanent stays so. */
    if (k->phase == KEEP_DROPPING && k->is_again && (why->code == ADIT_E_OK || adit_err_may_retry(why->code)))
        return begin_try(k, now_ms);
    if (why->code == ADIT_E_OK && k->config.is_lazy) {
        leave(k, KEEP_RESTING);
        return KEEP_DO_NOTHING;
    }
    return lost(k, now_ms, why, had_route);
}

void keep_missing(struct keep *k, uint64_t now_ms, size_t count_now)
{
    if (k->phase == KEEP_OFF || k->phase == KEEP_OVER)
        return;
    if (count_now == 0)
        forget_forwards(k);
    else if (k->missing == 0)
        k->forward_at = now_ms + forward_delay_ms(k);
    k->missing = count_now;
}

void keep_alive(struct keep *k, uint64_t now_ms)
{
    if (k->phase != KEEP_UP)
        return;
    k->is_suspect = false;
    settle(k, now_ms);
}

void keep_suspect(struct keep *k, uint64_t now_ms)
{
    settle(k, now_ms);
    k->is_suspect = k->phase == KEEP_UP;
}

unsigned keep_health(struct keep *k, uint64_t now_ms, bool is_healthy)
{
    if (k->phase != KEEP_UP)
        return KEEP_DO_NOTHING;
    settle(k, now_ms);
    if (is_healthy) {
        k->health_failures = 0;
        k->is_unhealthy = k->is_suspect = false;
        return KEEP_DO_NOTHING;
    }
    if (++k->health_failures < KEEP_HEALTH_FAILURES)
        return KEEP_DO_NOTHING;
    /* It stays so through the next connection, until a check succeeds. */
    k->is_unhealthy = true;
    return k->config.auto_reconnect ? drop(k, false) : KEEP_DO_NOTHING;
}

/* ---- What changed around it ---- */

unsigned keep_network_changed(struct keep *k, uint64_t now_ms)
{
    if (k->missing > 0)
        k->forward_at = earlier(k->forward_at, soon(k->forward_tried_at, now_ms));
    if (k->phase == KEEP_WAITING) {
        k->step = 0;
        k->try_at = earlier(k->try_at, soon(k->tried_at, now_ms));
    }
    if (k->phase == KEEP_TRYING)
        k->has_changed = true;
    unsigned probe = k->phase == KEEP_UP ? KEEP_DO_PROBE : KEEP_DO_NOTHING;
    return probe | keep_due(k, now_ms);
}

unsigned keep_resumed(struct keep *k, uint64_t now_ms)
{
    keep_suspect(k, now_ms);
    return keep_network_changed(k, now_ms);
}

unsigned keep_file_changed(struct keep *k, uint64_t now_ms)
{
    bool may = k->phase == KEEP_OVER && k->is_permanent && k->config.auto_reconnect;
    return may ? begin_anew(k, now_ms) : KEEP_DO_NOTHING;
}
