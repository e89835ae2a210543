/*
 * pump.c - see pump.h.
 */
#include "forward/pump.h"

#include <stdlib.h>
#include <string.h>

#include "net/standard.h"

/* ---- The near ends ---------------------------------------------------------------------------------- */

const struct pump_near pump_near_socket = {sock_readv, sock_writev, false};

static enum sock_io shared_readv(int fd, const struct iovec *iov, int count, size_t *n,
                                 struct adit_error *err)
{
    return count > 0 ? sock_shared_read(fd, iov[0].iov_base, iov[0].iov_len, n, err) : SOCK_IO_AGAIN;
}

/* One span after the other until the descriptor would block, so that a short transfer means here what it
 * means on a socket. */
static enum sock_io shared_writev(int fd, const struct iovec *iov, int count, size_t *n,
                                  struct adit_error *err)
{
    size_t total = 0;
    enum sock_io r = SOCK_IO_OK;
    for (int i = 0; i < count && r == SOCK_IO_OK; i++) {
        size_t done = 0;
        while (done < iov[i].iov_len && r == SOCK_IO_OK) {
            size_t went = 0;
            r = sock_shared_write(fd, (const uint8_t *)iov[i].iov_base + done, iov[i].iov_len - done, &went,
                                  err);
            done += r == SOCK_IO_OK ? went : 0;
        }
        total += done;
    }
    *n = total;
    return total > 0 && r == SOCK_IO_AGAIN ? SOCK_IO_OK : r;
}

const struct pump_near *pump_near_standard(bool in_is_shared, bool out_is_shared)
{
    /* A short read says nothing on a terminal, so the reader always asks again: as shared. */
    static const struct pump_near tables[2][2] = {
        {{standard_readv, standard_writev, true}, {standard_readv, shared_writev, true}},
        {{shared_readv, standard_writev, true}, {shared_readv, shared_writev, true}}};
    return &tables[in_is_shared][out_is_shared];
}

/* ---- The run queue ------------------------------------------------------------------------------------ */

static void run_push(struct pump *p)
{
    struct pump_set *set = p->set;
    p->run_next = NULL;
    p->run_prev = set->run_last;
    if (set->run_last)
        set->run_last->run_next = p;
    else
        set->run_first = p;
    set->run_last = p;
    p->in_run = true;
}

static void run_remove(struct pump *p)
{
    struct pump_set *set = p->set;
    if (!p->in_run)
        return;
    if (p->run_prev)
        p->run_prev->run_next = p->run_next;
    else
        set->run_first = p->run_next;
    if (p->run_next)
        p->run_next->run_prev = p->run_prev;
    else
        set->run_last = p->run_prev;
    p->in_run = false;
}

static bool can_carry_up(const struct pump *p)
{
    return p->is_started && !p->in_over && !p->wants_space && !p->far_closing && p->channel &&
           (p->early || p->in.can_read);
}

static void run_if_able(struct pump *p)
{
    if (!p->in_run && can_carry_up(p))
        run_push(p);
}

/* ---- The ring ---- */

static struct pump_chunk *chunk_new(struct pump_set *set)
{
    struct pump_chunk *c = set->spare;
    set->spare = NULL;
    if (!c)
        c = malloc(sizeof *c);
    if (c) {
        c->next = NULL;
        c->from = c->to = 0;
    }
    return c;
}

static void chunk_free(struct pump_set *set, struct pump_chunk *c)
{
    if (set->spare)
        free(c);
    else
        set->spare = c;
}

static struct pump_ring *ring_new(struct pump *p)
{
    struct pump_set *set = p->set;
    struct pump_ring *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->pump = p;
    r->progress_ms = loop_now_ms();
    r->next = set->rings;
    if (r->next)
        r->next->prev = r;
    set->rings = r;
    set->ring_count++;
    p->ring = r;
    return r;
}

static void ring_free(struct pump *p)
{
    struct pump_ring *r = p->ring;
    struct pump_set *set = p->set;
    if (!r)
        return;
    while (r->first) {
        struct pump_chunk *c = r->first;
        r->first = c->next;
        chunk_free(set, c);
    }
    set->buffered -= r->len;
    set->ring_count--;
    if (r->prev)
        r->prev->next = r->next;
    else
        set->rings = r->next;
    if (r->next)
        r->next->prev = r->prev;
    free(r);
    p->ring = NULL;
}

static bool ring_add_chunk(struct pump *p, struct pump_ring *r)
{
    struct pump_chunk *c = chunk_new(p->set);
    if (!c)
        return false;
    if (r->last)
        r->last->next = c;
    else
        r->first = c;
    r->last = c;
    return true;
}

/* False: no memory. */
static bool ring_append(struct pump *p, struct span s)
{
    struct pump_ring *r = p->ring ? p->ring : ring_new(p);
    while (r && s.n > 0) {
        if ((!r->last || r->last->to == PUMP_CHUNK) && !ring_add_chunk(p, r))
            return false;
        struct pump_chunk *c = r->last;
        size_t n = s.n < PUMP_CHUNK - c->to ? s.n : PUMP_CHUNK - c->to;
        memcpy(c->bytes + c->to, s.p, n);
        c->to += n;
        r->len += n;
        p->set->buffered += n;
        s = span_sub(s, n, s.n - n);
    }
    return r != NULL;
}

static int ring_iov(struct pump_ring *r, struct iovec *iov, int max, size_t *len)
{
    int count = 0;
    *len = 0;
    for (struct pump_chunk *c = r->first; c && count < max; c = c->next) {
        iov[count].iov_base = c->bytes + c->from;
        iov[count].iov_len = c->to - c->from;
        *len += c->to - c->from;
        count++;
    }
    return count;
}

static void ring_consume(struct pump *p, size_t n)
{
    struct pump_ring *r = p->ring;
    r->len -= n;
    p->set->buffered -= n;
    r->progress_ms = loop_now_ms();
    while (n > 0 && r->first) {
        struct pump_chunk *c = r->first;
        size_t part = n < c->to - c->from ? n : c->to - c->from;
        c->from += part;
        n -= part;
        if (c->from < c->to)
            return;
        r->first = c->next;
        if (!r->first)
            r->last = NULL;
        chunk_free(p->set, c);
    }
}

/* ---- The ends of the ends ---- */

static void give_back(struct pump *p, size_t n, bool prompt)
{
    if (p->channel && n > 0)
        p->set->far->consumed(p->set->far_ctx, p->channel, n, prompt);
}

static void far_close(struct pump *p)
{
    if (!p->channel || p->far_closing || p->is_session)
        return;
    p->far_closing = true;
    p->set->far->close(p->set->far_ctx, p->channel);
}

static void fd_close(struct pump *p, struct loop_fd *f, bool reset)
{
    int fd = f->fd;
    loop_del(p->set->loop, f);
    if (reset)
        sock_close_reset(&fd);
    else
        sock_close(&fd);
}

/* The near end is over in both directions. Its ring is of no use any more. */
static void near_close(struct pump *p, bool reset)
{
    size_t waiting = p->ring ? p->ring->len : 0;
    reset = reset && !p->is_session;
    ring_free(p);
    give_back(p, waiting, false);
    run_remove(p);
    p->in_over = p->out_over = true;
    if (p->out != &p->in)
        fd_close(p, p->out, reset);
    fd_close(p, &p->in, reset);
}

static void near_failed(struct pump *p)
{
    p->near_reset = true;
    near_close(p, false);
    far_close(p);
}

/* No more bytes for the near end. A socket has a half for that, a pipe is closed. */
static void near_shutdown(struct pump *p)
{
    p->out_over = true;
    if (p->out->fd < 0)
        return;
    bool is_told = p->is_session || sock_shutdown_write(p->out->fd);
    if (p->out != &p->in)
        fd_close(p, p->out, false);
    else if (!is_told) /* it would wait for the end for ever, and we for its answer */
        near_failed(p);
}

/* Whoever was at the near end has left for good, where we have read all that it sent: nobody takes what comes
 * down. Only a write would tell otherwise, and the far end may have nothing to say for ever. */
static bool near_has_left(const struct pump *p)
{
    return p->in_over && p->in.hangup && p->out == &p->in && !p->is_session;
}

/* Draws the conclusions: each direction ends by itself, the whole when both have. */
static void settle(struct pump *p)
{
    if (!p->out_over && near_has_left(p))
        p->out_over = true; /* near_close gives back what waits */
    if (!p->out_over && !p->ring && (p->far_eof || p->far_gone)) {
        if (p->in_over)
            p->out_over = true; /* both: the close says it too */
        else
            near_shutdown(p);
    }
    if (p->far_gone)
        p->in_over = true;
    if (!p->in_over || !p->out_over)
        return;
    near_close(p, false);
    far_close(p);
}

/* What comes down is thrown away from now on; the other direction goes on. */
static void out_unwanted(struct pump *p)
{
    size_t waiting = p->ring ? p->ring->len : 0;
    ring_free(p);
    give_back(p, waiting, false);
    p->out_failed = p->out_over = true;
    if (p->out != &p->in)
        fd_close(p, p->out, false);
    if (p->channel && !p->is_side)
        p->set->far->unwanted(p->set->far_ctx, p->channel);
    settle(p);
}

/* Who has left is told nothing. Anything else, as a disk that is full, would be missing without a word: what
 * a person or a script sees is the end. */
static void tell_failed(struct pump *p, bool is_input, const struct adit_error *why)
{
    if (p->near->is_shared && why->code != ADIT_E_CLOSED)
        p->set->far->near_failed(p->set->far_ctx, p->out->owner, p->is_side ? 2 : is_input ? 0 : 1, why);
}

/* A write failed: nobody takes what comes down. What the near end sent before it went is still read and
 * carried; reading then finds the end too. */
static void out_failed(struct pump *p, const struct adit_error *why)
{
    size_t waiting = p->ring ? p->ring->len : 0;
    p->near_reset = true;
    tell_failed(p, false, why);
    if (p->is_session) {
        out_unwanted(p);
        return;
    }
    if (!p->near->is_shared && why->code != ADIT_E_CLOSED) { /* it is there, and a part is not the whole */
        pump_abort(p);
        return;
    }
    if (p->near->is_shared || p->in_over || !p->is_started || p->far_gone) {
        near_failed(p);
        return;
    }
    ring_free(p);
    give_back(p, waiting, false);
    (void)sock_shutdown_write(p->out->fd); /* who has only ceased to read learns of it, too */
    p->out_failed = p->out_over = true;
    p->in.can_read = true;
    run_if_able(p);
}

/* ---- Down: the far end's bytes to the near end ---- */

/* Writes what it can; *n bytes went. False when the near end failed (the pump is told). */
static bool near_write(struct pump *p, const struct iovec *iov, int count, size_t len, size_t *n)
{
    struct adit_error err = {ADIT_E_OK, ""};
    *n = 0;
    switch (p->near->writev(p->out->fd, iov, count, n, &err)) {
    case SOCK_IO_OK:
        p->set->bytes_down += *n;
        p->bytes_down += *n;
        p->moved_ms = p->set->now_ms;
        if (*n < len)
            loop_fd_not_writable(p->out);
        return true;
    case SOCK_IO_AGAIN:
        loop_fd_not_writable(p->out);
        return true;
    case SOCK_IO_EOF:
    case SOCK_IO_FAILED:
        break;
    }
    out_failed(p, &err);
    return false;
}

static void drain_ring(struct pump *p)
{
    struct iovec iov[PUMP_GATHER];
    while (p->ring && p->out->can_write) {
        size_t len, n;
        int count = ring_iov(p->ring, iov, PUMP_GATHER, &len);
        if (!near_write(p, iov, count, len, &n) || n == 0)
            return;
        ring_consume(p, n);
        if (p->ring->len == 0)
            ring_free(p);
        /* A pipe takes 64 KiB at a time, whoever reads it and however fast: that something had to wait says
         * nothing. With a window that shrinks for it the server would wait for us at each turn. */
        give_back(p, n, p->is_session);
    }
}

static int gather_iov(const struct pump_set *set, struct iovec *iov, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < set->gather_count; i++) {
        /* writev does not write there: POSIX's struct iovec has no const */
        iov[i].iov_base = (void *)(uintptr_t)set->gather[i].p;
        iov[i].iov_len = set->gather[i].n;
        *len += set->gather[i].n;
    }
    return (int)set->gather_count;
}

/* Keeps all but the first `from` gathered bytes; returns how many it had memory for. */
static size_t gather_keep(struct pump *p, size_t from)
{
    const struct pump_set *set = p->set;
    size_t before = p->ring ? p->ring->len : 0;
    bool has_memory = true;
    for (size_t i = 0; i < set->gather_count && has_memory; i++) {
        struct span s = set->gather[i];
        size_t skip = from < s.n ? from : s.n;
        from -= skip;
        has_memory = ring_append(p, span_sub(s, skip, s.n - skip));
    }
    return (p->ring ? p->ring->len : 0) - before;
}

static void keep_failed(struct pump *p)
{
    struct adit_error err = {ADIT_E_OK, ""};
    (void)adit_fail(&err, ADIT_E_MEMORY, "cannot write: out of memory");
    out_failed(p, &err);
}

void pump_set_flush(struct pump_set *set)
{
    struct pump *p = set->gather_pump;
    struct iovec iov[PUMP_GATHER];
    size_t len, n = 0;
    if (!p)
        return;
    int count = gather_iov(set, iov, &len);
    set->gather_pump = NULL;
    if (p->out_over || p->far_closing) {
        give_back(p, len, false);
    } else if (!p->ring && p->out->can_write && !near_write(p, iov, count, len, &n)) {
        give_back(p, len, false);
    } else {
        give_back(p, n, true);
        size_t kept = n < len ? gather_keep(p, n) : 0;
        give_back(p, len - n - kept, false);
        if (kept < len - n)
            keep_failed(p);
        else if (p->ring && p->out->always_ready) /* a file, of which no event says that it takes more */
            drain_ring(p);
    }
    set->gather_count = 0;
}

void pump_on_data(struct pump *p, struct span data)
{
    struct pump_set *set = p->set;
    if (data.n == 0)
        return;
    if (set->gather_pump && (set->gather_pump != p || set->gather_count == PUMP_GATHER))
        pump_set_flush(set);
    set->gather_pump = p;
    set->gather[set->gather_count++] = data;
}

/* ---- Up: the near end's bytes to the far end ---- */

static void commit(struct pump *p, size_t n)
{
    p->set->bytes_up += n;
    p->bytes_up += n;
    if (n > 0)
        p->moved_ms = p->set->now_ms;
    p->set->far->commit(p->set->far_ctx, p->channel, n);
}

static void carry_early(struct pump *p, const struct wspan *places, size_t count)
{
    struct pump_chunk *c = p->early;
    size_t total = 0;
    for (size_t i = 0; i < count && c->from < c->to; i++) {
        size_t n = c->to - c->from < places[i].n ? c->to - c->from : places[i].n;
        memcpy(places[i].p, c->bytes + c->from, n);
        c->from += n;
        total += n;
    }
    commit(p, total);
    if (c->from == c->to) {
        free(c);
        p->early = NULL;
    }
}

static void carry_read(struct pump *p, const struct wspan *places, size_t count)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct iovec iov[PUMP_PLACES] = {{0}};
    size_t asked = 0, n = 0;
    for (size_t i = 0; i < count; i++) {
        iov[i].iov_base = places[i].p;
        iov[i].iov_len = places[i].n;
        asked += places[i].n;
    }
    enum sock_io r = p->near->readv(p->in.fd, iov, (int)count, &n, &err);
    commit(p, r == SOCK_IO_OK ? n : 0);
    /* A short read drained the socket; but the end itself makes no further edge. */
    bool is_drained = n < asked && !p->near->is_shared && !p->in.peer_done && !p->in.hangup;
    if (r == SOCK_IO_AGAIN || (r == SOCK_IO_OK && is_drained))
        loop_fd_not_readable(&p->in);
    if (r == SOCK_IO_FAILED)
        tell_failed(p, true, &err);
    if (r == SOCK_IO_EOF || (r == SOCK_IO_FAILED && p->is_session)) {
        p->in_over = true;
        p->set->far->eof(p->set->far_ctx, p->channel);
        settle(p);
    } else if (r == SOCK_IO_FAILED) {
        near_failed(p);
    }
}

static void carry_up(struct pump *p, size_t limit)
{
    struct wspan places[PUMP_PLACES];
    size_t count = p->set->far->space(p->set->far_ctx, p->channel, places, PUMP_PLACES, limit);
    if (count == 0)
        p->wants_space = true;
    else if (p->early)
        carry_early(p, places, count);
    else
        carry_read(p, places, count);
}

bool pump_set_run(struct pump_set *set)
{
    struct pump *p = set->run_first;
    size_t room = p ? set->far->room(set->far_ctx) : 0;
    if (room == 0)
        return false;
    size_t quantum = p == set->run_last ? PUMP_QUANTUM : PUMP_QUANTUM / 2;
    run_remove(p);
    if (can_carry_up(p))
        carry_up(p, room < quantum ? room : quantum);
    run_if_able(p);
    return true;
}

bool pump_set_has_work(const struct pump_set *set)
{
    return set->run_first && set->far->room(set->far_ctx) > 0;
}

/* ---- The set ---- */

void pump_set_init(struct pump_set *set, struct loop *loop, const struct pump_far *far, void *far_ctx,
                   size_t budget)
{
    memset(set, 0, sizeof *set);
    set->loop = loop;
    set->far = far;
    set->far_ctx = far_ctx;
    set->budget = budget;
}

void pump_set_wipe(struct pump_set *set)
{
    free(set->spare);
    set->spare = NULL;
}

bool pump_set_is_full(const struct pump_set *set)
{
    return set->buffered >= set->budget;
}

struct pump *pump_set_stalled(const struct pump_set *set, uint64_t before_ms)
{
    struct pump_ring *fullest = NULL;
    for (struct pump_ring *r = set->rings; r; r = r->next)
        /* What a person reads page by page is not given up; one session never fills the budget. */
        if (!r->pump->is_session && r->progress_ms < before_ms && r->len >= set->budget / set->ring_count &&
            (!fullest || r->len > fullest->len))
            fullest = r;
    return fullest ? fullest->pump : NULL;
}

/* ---- One pump ---- */

void pump_init(struct pump *p, struct pump_set *set, const struct pump_near *near, uint8_t kind, void *owner,
               struct loop_fd *out)
{
    memset(p, 0, sizeof *p);
    p->set = set;
    p->near = near;
    loop_fd_init(&p->in, kind, owner);
    p->out = out ? out : &p->in;
    if (out)
        loop_fd_init(out, kind, owner);
}

enum adit_err pump_take_fds(struct pump *p, int in_fd, int out_fd, struct adit_error *err)
{
    enum adit_err e = loop_add(p->set->loop, &p->in, in_fd, err);
    if (e != ADIT_E_OK) {
        sock_close(&in_fd);
        if (p->out != &p->in)
            sock_close(&out_fd);
        return e;
    }
    if (p->out == &p->in)
        return ADIT_E_OK;
    e = loop_add(p->set->loop, p->out, out_fd, err);
    if (e != ADIT_E_OK)
        sock_close(&out_fd);
    return e;
}

enum adit_err pump_take_out(struct pump *p, int out_fd, struct adit_error *err)
{
    p->in_over = true;
    enum adit_err e = loop_add(p->set->loop, p->out, out_fd, err);
    if (e != ADIT_E_OK)
        sock_close(&out_fd);
    return e;
}

enum adit_err pump_early(struct pump *p, struct span bytes, struct adit_error *err)
{
    if (bytes.n == 0)
        return ADIT_E_OK;
    if (!p->early && !(p->early = chunk_new(p->set)))
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    struct pump_chunk *c = p->early;
    if (bytes.n > PUMP_CHUNK - c->to)
        return adit_fail(err, ADIT_E_LIMIT, "too much data before the connection was open");
    memcpy(c->bytes + c->to, bytes.p, bytes.n);
    c->to += bytes.n;
    return ADIT_E_OK;
}

void pump_start(struct pump *p, struct channel *ch)
{
    p->channel = ch;
    p->is_started = true;
    p->moved_ms = p->set->now_ms;
    run_if_able(p);
}

void pump_on_ready(struct pump *p)
{
    if (!p->is_started)
        return;
    if (p->ring)
        drain_ring(p);
    settle(p);
    run_if_able(p);
}

void pump_on_space(struct pump *p)
{
    p->wants_space = false;
    run_if_able(p);
}

static void flush_own(struct pump *p)
{
    if (p->set->gather_pump == p)
        pump_set_flush(p->set);
}

void pump_on_eof(struct pump *p)
{
    flush_own(p);
    p->far_eof = true;
    settle(p);
}

void pump_on_closed(struct pump *p)
{
    p->channel = NULL; /* first: it is gone, what was collected is delivered without giving it back */
    flush_own(p);
    p->far_gone = true;
    run_remove(p);
    settle(p);
}

void pump_on_lost(struct pump *p)
{
    p->channel = NULL;
    flush_own(p);
    p->far_gone = true;
    run_remove(p);
    if (p->far_eof)
        settle(p);
    else
        near_close(p, true);
}

void pump_stop_reading(struct pump *p)
{
    p->in_over = true;
    run_remove(p);
    settle(p);
}

void pump_abort(struct pump *p)
{
    near_close(p, true);
    far_close(p);
}

void pump_close(struct pump *p)
{
    flush_own(p);
    near_close(p, false);
    far_close(p);
}

bool pump_is_done(const struct pump *p)
{
    return p->in_over && p->out_over && p->in.fd < 0 && p->out->fd < 0 && !p->channel;
}

void pump_wipe(struct pump *p)
{
    if (p->set->gather_pump == p) {
        p->set->gather_pump = NULL;
        p->set->gather_count = 0;
    }
    near_close(p, false);
    free(p->early);
    p->early = NULL;
}
