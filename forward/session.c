/*
 * session.c - the life of a session: its thread, its letters, its phases, and who is told what.
 */
#include "forward/session.h"

#include <stdlib.h>
#include <string.h>

#include "forward/internal.h"
#include "net/host.h"
#include "net/thread.h"

enum {
    BUDGET = 32 * 1024 * 1024,
    BUDGET_SMALL = 4 * 1024 * 1024, /* on hosts with less memory than: */
    SMALL_HOST_MIB = 128,
    LINES_MOST = 256, /* messages at INFO and above in a row */
};

/* ---- Saying ---- */

/* What a peer can make us say without end must not fill a disk: after LINES_MOST lines one a second is said,
 * the others are for those who asked for more. */
static enum session_level level_allowed(struct session *s, enum session_level level)
{
    uint64_t now = loop_now_ms(), more = (now - s->lines_since_ms) / 1000;
    s->lines_said = more < s->lines_said ? s->lines_said - (uint32_t)more : 0;
    s->lines_since_ms += more * 1000;
    if (s->lines_said < LINES_MOST) {
        s->lines_said++;
        return level;
    }
    if (!s->lines_are_cut)
        s->ops.log(s->ops.ctx, level, "too many messages: from here on some are shown with -v only");
    s->lines_are_cut = true;
    return SESSION_DEBUG1;
}

static void vlog_line(struct session *s, enum session_level level, const char *fmt, va_list ap)
{
    char raw[SESSION_LOG_LINE], line[SESSION_LOG_LINE];
    if (level > s->config.log_level)
        return;
    if (level <= SESSION_INFO)
        level = level_allowed(s, level);
    if (level > s->config.log_level)
        return;
    size_t n = adit_vformat(raw, sizeof raw, fmt, ap);
    (void)adit_text_clean(line, sizeof line, span_make(raw, n), false);
    s->ops.log(s->ops.ctx, level, line);
}

void session_log(struct session *s, enum session_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vlog_line(s, level, fmt, ap);
    va_end(ap);
}

void forwarder_log(struct forwarder *f, enum session_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vlog_line(f->session, level, fmt, ap);
    va_end(ap);
}

bool forwarder_logs(const struct forwarder *f, enum session_level level)
{
    return level <= f->session->config.log_level;
}

static void notify(struct session *s, const struct session_notice *n)
{
    s->ops.notify(s->ops.ctx, n);
}

/* A guest's are for whoever asked for it. */
static void notify_of(struct forwarder *f, const struct session_notice *n)
{
    if (f->guest)
        control_on_notice(f, n);
    else
        notify(f->session, n);
}

void session_notify_text(struct session *s, enum session_notice_kind kind, const char *text)
{
    struct session_notice n = {.kind = kind, .text = text};
    notify(s, &n);
}

/* ---- What forwarders ask for ---- */

struct loop *forwarder_loop(struct forwarder *f)
{
    return &f->session->loop;
}

struct ssh *forwarder_ssh(struct forwarder *f)
{
    return f->session->conn.ssh;
}

struct session_stats *forwarder_stats(struct forwarder *f)
{
    return &f->session->stats;
}

const struct session_config *forwarder_config(const struct forwarder *f)
{
    return &f->session->config;
}

void forwarder_target(const struct forwarder *f, char out[static FORWARDER_TARGET_CAP])
{
    const struct session_forward *spec = f->spec;
    if (spec->path)
        (void)adit_format(out, FORWARDER_TARGET_CAP, "%s", spec->path);
    else if (!spec->host)
        (void)adit_format(out, FORWARDER_TARGET_CAP, "-");
    else if (strchr(spec->host, ':'))
        (void)adit_format(out, FORWARDER_TARGET_CAP, "[%s]:%u", spec->host, spec->port);
    else
        (void)adit_format(out, FORWARDER_TARGET_CAP, "%s:%u", spec->host, spec->port);
}

void forwarder_up(struct forwarder *f, size_t address_index, const char *bound, uint16_t bound_port)
{
    char target[FORWARDER_TARGET_CAP];
    forwarder_target(f, target);
    f->state = FORWARDER_UP;
    if (bound) {
        struct session_notice n = {.kind = SESSION_FORWARD_UP,
                                   .index = f->index,
                                   .address_index = address_index,
                                   .bound = bound,
                                   .bound_port = bound_port,
                                   .target = target};
        session_log(f->session, SESSION_DEBUG1, "forward up: %s to %s", bound, target);
        notify_of(f, &n);
    }
    session_progress(f->session);
}

void forwarder_remote_port(struct forwarder *f, uint16_t port)
{
    char target[FORWARDER_TARGET_CAP];
    forwarder_target(f, target);
    struct session_notice n = {
        .kind = SESSION_REMOTE_PORT, .index = f->index, .bound_port = port, .target = target};
    notify_of(f, &n);
}

void forwarder_failed(struct forwarder *f, bool all, const struct adit_error *why)
{
    struct session *s = f->session;
    struct session_notice n = {.kind = SESSION_FORWARD_FAILED, .index = f->index, .error = why};
    bool is_fatal = s->config.exit_on_forward_failure && !f->guest;
    if (all)
        f->state = FORWARDER_FAILED;
    session_log(s, is_fatal ? SESSION_DEBUG1 : SESSION_INFO, "%s", why->text);
    notify_of(f, &n);
    if (is_fatal) {
        struct adit_error err = {ADIT_E_OK, ""};
        (void)adit_fail(&err, ADIT_E_FORWARD, "%s", why->text);
        session_finish(s, &err);
    }
    session_progress(s);
}

void forwarder_cancelled(struct forwarder *f)
{
    f->state = FORWARDER_READY;
    session_progress(f->session);
}

void forwarder_over(struct forwarder *f, const struct adit_error *why)
{
    if (f->guest)
        control_on_over(f, why);
    else if (!f->session->config.keep_open)
        session_finish(f->session, why);
}

void forwarder_exec_over(struct forwarder *f, const struct adit_error *why)
{
    if (!f->guest)
        f->session->is_patient = true;
    forwarder_over(f, why);
}

void forwarder_notify(struct forwarder *f, const struct session_notice *n)
{
    notify_of(f, n);
}

enum adit_err forwarder_resolve(struct forwarder *f, struct flow *flow, const char *host, uint16_t port,
                                struct resolve **out, struct adit_error *err)
{
    struct session *s = f->session;
    if (flow)
        return resolve_start(out, host, port, 0, &s->box, SESSION_MAIL_FLOW_RESOLVED, flow, err);
    return resolve_start(out, host, port, s->config.family, &s->box, SESSION_MAIL_FORWARDER_RESOLVED, f, err);
}

/* ---- Phases ---- */

static bool any_forwarder(const struct session *s, enum forwarder_state state)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].state == state)
            return true;
    return false;
}

static void begin_forwarders(struct session *s)
{
    if (s->phase >= PHASE_AUTH)
        return;
    s->phase = PHASE_AUTH;
    for (size_t i = 0; i < s->forwarder_count && s->phase == PHASE_AUTH; i++) {
        struct forwarder *f = &s->forwarders[i];
        if (f->state != FORWARDER_FAILED && f->ops->begin)
            f->ops->begin(f);
    }
}

static void stop_forwarders(struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].ops->stop)
            s->forwarders[i].ops->stop(&s->forwarders[i]);
}

static void farewell(struct session *s)
{
    static const uint32_t by_application = 11; /* RFC 4253 §11.1 */
    s->phase = PHASE_FAREWELL;
    loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_FAREWELL_MS);
    ssh_disconnect(s->conn.ssh, by_application, "disconnected by user");
}

void session_finish(struct session *s, const struct adit_error *why)
{
    bool is_open = s->phase == PHASE_OPEN;
    if (s->phase >= PHASE_DRAINING)
        return;
    if (why && why->code != ADIT_E_OK && s->error.code == ADIT_E_OK)
        s->error = *why;
    if (s->is_asking) {
        s->stop_waits = true;
        return;
    }
    s->phase = PHASE_DRAINING;
    stop_forwarders(s);
    if (!s->conn.ssh || s->conn.is_over) {
        s->phase = PHASE_ENDED;
    } else if (is_open && s->error.code == ADIT_E_OK &&
               (s->stats.open_now > 0 || any_forwarder(s, FORWARDER_CANCELLING))) {
        if (s->stats.open_now > 0)
            session_log(s, SESSION_VERBOSE, "waiting for %u open connections", s->stats.open_now);
        if (!s->is_patient)
            loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_DRAIN_MS);
        session_progress(s);
    } else {
        farewell(s);
    }
}

static void tell_forwards_done(struct session *s)
{
    struct session_notice n = {.kind = SESSION_ALL_FORWARDS_DONE};
    for (size_t i = 0; i < s->forwarder_count; i++)
        n.count += s->forwarders[i].state == FORWARDER_FAILED;
    s->forwards_are_told = true;
    notify(s, &n);
    if (n.count == s->config.forward_count && !s->config.keep_open) {
        struct adit_error err = {ADIT_E_OK, ""};
        if (n.count > 0)
            (void)adit_fail(&err, ADIT_E_FORWARD, "no forward could be set up");
        session_finish(s, &err);
    }
}

static bool any_opening(const struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        for (const struct flow *f = s->forwarders[i].flows; f; f = f->next)
            if (f->is_opening)
                return true;
    return false;
}

/* What takes over this connection cannot run a command with it then. Only OpenSSH knows the request. */
static void tell_no_more_sessions(struct session *s)
{
    static const struct span nothing = {NULL, 0};
    if (s->phase == PHASE_OPEN && !s->config.may_open_sessions && ssh_peer_is_openssh(s->conn.ssh))
        (void)!ssh_global_request(s->conn.ssh, "no-more-sessions@openssh.com", nothing, false, NULL);
}

/* It must not stand in the way of a connection that waits to be opened, or of its first words. */
static void plan_no_more_sessions(struct session *s)
{
    if (any_opening(s))
        loop_timer_set(&s->loop, &s->sessions_timer, loop_now_ms() + SESSION_QUIET_MS);
    else
        tell_no_more_sessions(s);
}

void session_progress(struct session *s)
{
    if (s->phase == PHASE_OPEN && !s->forwards_are_told && !any_forwarder(s, FORWARDER_ASKED) &&
        !any_forwarder(s, FORWARDER_READY))
        tell_forwards_done(s);
    if (s->control)
        control_progress(s->control);
    if (s->phase != PHASE_DRAINING || s->conn.is_over || !s->conn.ssh || s->stats.open_now > 0)
        return;
    /* Whoever starts the same tunnel again at once finds its port free: the server says when it is. */
    if (any_forwarder(s, FORWARDER_CANCELLING))
        loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_FAREWELL_MS);
    else
        farewell(s);
}

static void lose_flows(struct session *s, bool may_linger)
{
    struct flow *flow, *next;
    for (size_t i = 0; i < s->forwarder_count; i++)
        for (flow = s->forwarders[i].flows; flow; flow = next) {
            next = flow->next;
            flow_lost(flow, s->error.code == ADIT_E_OK, may_linger);
        }
}

/* The connection is over, and somebody still takes what came of it. */
static bool any_lingers(const struct session *s)
{
    return s->conn.is_over && s->stats.open_now > 0;
}

/* Whose connection ended, and at which step. */
static void set_conn_error(struct session *s, const struct adit_error *why)
{
    const char *host = s->config.host;
    if (why->code == ADIT_E_TIMEOUT && s->phase >= PHASE_AUTH) /* scripts look for ssh's words */
        (void)adit_fail(&s->error, why->code, "Timeout, server %s not responding.", host);
    else if (why->code == ADIT_E_HOST_KEY || why->code == ADIT_E_AUTH)
        s->error = *why; /* these name the host themselves */
    else
        (void)adit_fail(&s->error, why->code, "%s port %u: %s%s", host, s->config.port, why->text,
                        s->phase == PHASE_HANDSHAKE ? " (before authentication)"
                        : s->phase == PHASE_AUTH    ? " (during authentication)"
                                                    : "");
}

void session_conn_over(struct session *s)
{
    const struct adit_error *why = ssh_error(s->conn.ssh);
    if (s->phase < PHASE_DRAINING && s->error.code == ADIT_E_OK && why->code != ADIT_E_OK)
        set_conn_error(s, why);
    s->conn.is_over = true;
    if (s->phase < PHASE_FAREWELL)
        loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_FAREWELL_MS);
    s->phase = PHASE_FAREWELL;
    stop_forwarders(s);
    lose_flows(s, true);
}

/* ---- The machine's events ---- */

static void log_peer(struct session *s, enum session_level level, const char *what, struct span text)
{
    char clean[512];
    if (level > s->config.log_level)
        return;
    (void)adit_text_clean(clean, sizeof clean, text, false);
    session_log(s, level, "%s%s", what, clean);
}

static void log_algorithms(struct session *s)
{
    struct ssh_algorithms a = ssh_algorithms(s->conn.ssh);
    session_log(s, SESSION_DEBUG1, "kex: algorithm: %s", a.kex);
    session_log(s, SESSION_DEBUG1, "kex: host key algorithm: %s", a.host_key);
    session_log(s, SESSION_DEBUG1, "kex: server->client cipher: %s MAC: %s compression: %s", a.cipher_in,
                a.mac_in, a.compress_in);
    session_log(s, SESSION_DEBUG1, "kex: client->server cipher: %s MAC: %s compression: %s", a.cipher_out,
                a.mac_out, a.compress_out);
    if (a.strict)
        session_log(s, SESSION_DEBUG2, "kex: strict");
}

/* In ssh's words where scripts look for them; the explanation is ours. */
static void warn_weak_crypto(struct session *s)
{
    static const char *const lines[] = {
        "** WARNING: connection is not using a post-quantum key exchange algorithm.",
        "** Whoever records it now may be able to read it one day, with a quantum computer.",
        "** OpenSSH 9.0 and newer servers have one; \"WarnWeakCrypto no\" silences this.",
    };
    for (size_t i = 0; i < ADIT_COUNT(lines); i++)
        session_log(s, SESSION_INFO, "%s", lines[i]);
}

static void on_banner(struct session *s, struct span text)
{
    size_t cap = text.n + 1; /* at most a packet; cleaning never makes a text longer */
    char *clean = malloc(cap);
    if (!clean)
        return;
    (void)adit_text_clean(clean, cap, text, true);
    session_notify_text(s, SESSION_BANNER, clean);
    free(clean);
}

/* "([127.0.0.1]:22)", or that we did not connect ourselves, as ssh says it. */
static void peer_text(const struct session *s, char *out, size_t cap)
{
    struct sock_addr peer;
    char host[SOCK_TEXT_CAP];
    if (s->config.transport_fd >= 0 || !sock_peer(s->conn.transport.fd, &peer)) {
        (void)adit_format(out, cap, "(via proxy)");
        return;
    }
    sock_addr_host(&peer, host);
    (void)adit_format(out, cap, "([%s]:%u)", host, sock_addr_port(&peer));
}

static void on_authenticated(struct session *s, struct span method)
{
    char clean[64], peer[SOCK_TEXT_CAP + 16];
    (void)adit_text_clean(clean, sizeof clean, method, false);
    begin_forwarders(s);
    if (s->phase >= PHASE_DRAINING)
        return;
    s->phase = PHASE_OPEN;
    peer_text(s, peer, sizeof peer);
    conn_open_qos(&s->conn);
    session_log(s, SESSION_VERBOSE, "Authenticated to %s %s using \"%s\".", s->config.host, peer, clean);
    plan_no_more_sessions(s);
    idle_start(s);
    session_notify_text(s, SESSION_AUTHENTICATED, clean);
    if (s->control)
        s->control->ops->open(s->control);
    session_progress(s);
}

static struct forwarder *best_match(struct session *s, const struct ssh_event *ev)
{
    struct forwarder *best = NULL;
    int best_score = 0;
    bool is_tie = false;
    for (size_t i = 0; i < s->forwarder_count; i++) {
        struct forwarder *f = &s->forwarders[i];
        int score = f->ops->match ? f->ops->match(f, ev) : 0;
        is_tie = score == best_score ? score > 0 : score > best_score ? false : is_tie;
        if (score > best_score) {
            best = f;
            best_score = score;
        }
    }
    /* By the port alone only when it names one forward. */
    return is_tie && best_score == 1 ? NULL : best;
}

static void refuse_open(struct session *s, const struct ssh_event *ev, uint32_t reason, const char *why)
{
    char type[64], host[LIMIT_HOST + 1];
    (void)adit_text_clean(type, sizeof type, ev->names, false);
    (void)adit_text_clean(host, sizeof host, ev->text, false);
    if (ev->number != 0)
        session_log(s, SESSION_INFO, "refused a channel of type %s for %s port %u: %s", type, host,
                    ev->number, why);
    else
        session_log(s, SESSION_INFO, "refused a channel of type %s for %s: %s", type, host, why);
    s->stats.denied++;
    ssh_open_refuse(s->conn.ssh, ev->channel, reason, why);
}

static struct forwarder *agent_forwarder(struct session *s)
{
    for (size_t i = 0; i < s->config.forward_count; i++)
        if (s->config.forwards[i].type == SESSION_FORWARD_AGENT)
            return &s->forwarders[i];
    return NULL;
}

static void on_requested_open(struct session *s, const struct ssh_event *ev)
{
    struct forwarder *f;
    bool is_agent = span_is(ev->names, "auth-agent@openssh.com");
    bool is_known = is_agent || span_is(ev->names, "forwarded-tcpip") ||
                    span_is(ev->names, "forwarded-streamlocal@openssh.com");
    if (!is_known)
        refuse_open(s, ev, 3, "unknown channel type");
    else if (s->phase >= PHASE_DRAINING)
        refuse_open(s, ev, 1, "shutting down");
    else if (!(f = is_agent ? agent_forwarder(s) : best_match(s, ev)))
        refuse_open(s, ev, 1, "this forward was not requested");
    else
        f->ops->on_open(f, ev);
}

static void on_channel_event(struct session *s, const struct ssh_event *ev)
{
    struct flow *flow = ev->owner;
    if (ev->kind == SSH_EVENT_CHANNEL_REQUEST && ev->flag)
        ssh_chan_request_answer(s->conn.ssh, ev->channel, false);
    if (flow) {
        flow_on_event(flow, ev);
        if (ssh_is_compressed(s->conn.ssh)) /* its bytes are there until the next event only */
            pump_set_flush(&s->pumps);
    } else if (ev->kind == SSH_EVENT_CHANNEL_DATA) {
        ssh_chan_consumed(s->conn.ssh, ev->channel, ev->data.n, true);
    }
}

static void on_global_reply(struct session *s, const struct ssh_event *ev)
{
    struct forwarder *f = ev->owner;
    if (ev->owner == &s->proof) {
        proof_on_reply(s, ev);
        return;
    }
    if (f && f->ops->on_reply)
        f->ops->on_reply(f, ev);
}

static void on_kex_done(struct session *s)
{
    s->stats.rekeys = ssh_rekey_count(s->conn.ssh);
    log_algorithms(s);
    /* Ours went out before the peer's was taken, which is when the machine says that the exchange is done. */
    session_log(s, SESSION_DEBUG1, "SSH2_MSG_NEWKEYS sent");
    session_log(s, SESSION_DEBUG1, "SSH2_MSG_NEWKEYS received");
    if (s->config.warn_weak_crypto && s->stats.rekeys == 0 && !ssh_algorithms(s->conn.ssh).is_post_quantum)
        warn_weak_crypto(s);
}

/* Before the credential is asked for: the first open then rides with the authentication. */
static void on_question(struct session *s, const struct ssh_event *ev)
{
    if (ev->kind == SSH_EVENT_AUTH)
        begin_forwarders(s);
    if (s->phase < PHASE_DRAINING)
        (void)question_ask(s, ev);
}

void session_event(struct session *s, const struct ssh_event *ev)
{
    switch (ev->kind) {
    case SSH_EVENT_NONE:
        return;
    case SSH_EVENT_IDENT:
        log_peer(s, SESSION_DEBUG1, "Remote version: ", ev->text);
        return;
    case SSH_EVENT_KEX_DONE:
        on_kex_done(s);
        return;
    case SSH_EVENT_HOST_KEY:
    case SSH_EVENT_SIGN:
    case SSH_EVENT_AUTH:
    case SSH_EVENT_KBDINT:
    case SSH_EVENT_PASSWORD_CHANGE:
        on_question(s, ev);
        return;
    case SSH_EVENT_DEBUG:
        /* Before its host key is known to be right, anybody may speak. */
        log_peer(s, ev->flag && s->phase >= PHASE_AUTH ? SESSION_INFO : SESSION_DEBUG1, "Remote: ", ev->text);
        return;
    case SSH_EVENT_ENDED:
        session_conn_over(s);
        return;
    case SSH_EVENT_BANNER:
        on_banner(s, ev->text);
        return;
    case SSH_EVENT_PK_OK:
        log_peer(s, SESSION_DEBUG1, "Server accepts key: ", ev->alg);
        return;
    case SSH_EVENT_AUTHENTICATED:
        on_authenticated(s, ev->names);
        return;
    case SSH_EVENT_CHANNEL_REQUESTED_OPEN:
        on_requested_open(s, ev);
        return;
    case SSH_EVENT_GLOBAL_REPLY:
        on_global_reply(s, ev);
        return;
    case SSH_EVENT_GLOBAL_REQUEST:
        if (ev->flag)
            ssh_global_answer(s->conn.ssh, false, span_make(NULL, 0));
        else if (span_is(ev->names, "hostkeys-00@openssh.com"))
            proof_on_shown(s, ev->data);
        return;
    case SSH_EVENT_AUTH_REQUEST:
        return; /* the server role's */
    case SSH_EVENT_CHANNEL_OPENED:
    case SSH_EVENT_CHANNEL_OPEN_FAILED:
    case SSH_EVENT_CHANNEL_DATA:
    case SSH_EVENT_CHANNEL_SPACE:
    case SSH_EVENT_CHANNEL_EOF:
    case SSH_EVENT_CHANNEL_EXIT:
    case SSH_EVENT_CHANNEL_REQUEST:
    case SSH_EVENT_CHANNEL_REPLY:
    case SSH_EVENT_CHANNEL_CLOSED:
        on_channel_event(s, ev);
        return;
    }
}

/* ---- Letters, timers, descriptors ---- */

static void stop_now(struct session *s)
{
    if (s->conn.ssh && !s->conn.is_over && s->phase < PHASE_FAREWELL) {
        farewell(s);
        (void)conn_flush(&s->conn);
    }
    s->phase = PHASE_ENDED;
}

static void on_stop(struct session *s, bool at_once)
{
    session_log(s, SESSION_DEBUG1, at_once ? "stopping at once" : "stopping");
    if (!at_once)
        session_finish(s, NULL);
    else if (s->is_asking)
        s->stop_waits = true;
    else
        stop_now(s);
}

static void on_answer(struct session *s)
{
    question_answered(s, s->stop_waits);
    if (s->stop_waits)
        session_finish(s, NULL);
}

static void on_snapshot(struct session *s, struct session_snapshot *snapshot)
{
    s->stats.bytes_up = s->pumps.bytes_up;
    s->stats.bytes_down = s->pumps.bytes_down;
    s->stats.buffered = s->pumps.buffered;
    s->stats.rtt_us = s->conn.ssh ? ssh_rtt_us(s->conn.ssh) : 0;
    snapshot->stats = s->stats;
    mailbox_post(snapshot->reply_to, &snapshot->mail);
}

static void on_forwarder_resolved(struct mail *m)
{
    struct forwarder *f = m->owner;
    f->ops->on_resolved(f, resolve_of_mail(m));
}

struct command_mail {
    struct mail mail;
    struct session_command command;
};

static void command_execute(struct session *s, const struct session_command *c)
{
    if (c->kind == SESSION_DO_LOG_LEVEL)
        s->config.log_level = c->level;
    if (s->phase != PHASE_OPEN)
        return;
    if (c->kind == SESSION_DO_REKEY)
        ssh_rekey(s->conn.ssh);
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].ops->on_command && !s->forwarders[i].guest)
            s->forwarders[i].ops->on_command(&s->forwarders[i], c);
}

static void on_command(struct session *s, struct mail *m)
{
    struct command_mail *letter = m->owner;
    command_execute(s, &letter->command);
    free(letter);
}

static void on_mail(struct session *s, struct mail *m)
{
    switch (m->kind) {
    case SESSION_MAIL_ANSWER:
        on_answer(s);
        return;
    case SESSION_MAIL_STOP:
        on_stop(s, m == &s->stop_mail[1]);
        return;
    case SESSION_MAIL_SNAPSHOT:
        on_snapshot(s, m->owner);
        return;
    case SESSION_MAIL_RESOLVED:
        if (s->phase == PHASE_CONNECTING)
            dial_on_resolved(&s->conn.dial);
        return;
    case SESSION_MAIL_FORWARDER_RESOLVED:
        if (s->phase == PHASE_BINDING || s->phase == PHASE_OPEN) /* then it is a guest's */
            on_forwarder_resolved(m);
        return;
    case SESSION_MAIL_FLOW_RESOLVED:
        flow_on_resolved(m->owner, resolve_of_mail(m));
        return;
    case SESSION_MAIL_COMMAND:
        on_command(s, m);
        return;
    default:
        return;
    }
}

static void on_mailbox(struct session *s)
{
    struct mail *m;
    loop_fd_not_readable(&s->box_fd);
    while ((m = mailbox_take(&s->box)))
        on_mail(s, m);
}

static void on_fd(struct session *s, struct loop_fd *f)
{
    struct forwarder *fw = f->owner;
    switch (f->kind) {
    case SESSION_FD_TRANSPORT:
        if (s->phase == PHASE_CONNECTING)
            proxy_on_transport(&s->conn);
        return; /* later its bits are all that counts */
    case SESSION_FD_DIAL:
        dial_on_ready(&s->conn.dial, f);
        return;
    case SESSION_FD_MAILBOX:
        on_mailbox(s);
        return;
    case SESSION_FD_FORWARDER:
        fw->ops->on_ready(fw, f);
        return;
    case SESSION_FD_FLOW:
        flow_on_ready(f->owner, f);
        return;
    default:
        return;
    }
}

static void on_phase_timer(struct session *s)
{
    if (s->phase == PHASE_CONNECTING)
        conn_on_timer(&s->conn);
    else if (s->phase == PHASE_DRAINING)
        farewell(s);
    else if (s->phase == PHASE_FAREWELL && !any_lingers(s))
        s->phase = PHASE_ENDED;
}

static void on_timer(struct session *s, struct loop_timer *t)
{
    struct forwarder *f = t->owner;
    if (t == &s->phase_timer)
        on_phase_timer(s);
    else if (t == &s->idle_timer)
        idle_look(s);
    else if (t == &s->sessions_timer)
        tell_no_more_sessions(s);
    else if (t->kind == SESSION_TIMER_FORWARDER)
        f->ops->on_timer(f, t);
    else if (t->kind == SESSION_TIMER_FLOW)
        flow_on_timer(t->owner);
}

/* At the budget the transport is not read: one that holds it up for everybody must not do so for ever. Looked
 * at once a second, for thousands may hold something. */
static void watch_budget(struct session *s)
{
    if (!pump_set_is_full(&s->pumps)) {
        loop_timer_cancel(&s->loop, &s->stall_timer);
        return;
    }
    if (s->stall_timer.is_set)
        return;
    uint64_t now = loop_now_ms();
    struct pump *p;
    while (pump_set_is_full(&s->pumps) && now > SESSION_STALL_MS &&
           (p = pump_set_stalled(&s->pumps, now - SESSION_STALL_MS))) {
        session_log(s, SESSION_INFO, "closed a connection whose local side took nothing for %u s",
                    (unsigned)(SESSION_STALL_MS / 1000));
        s->stats.stalled++;
        pump_abort(p);
    }
    loop_timer_set(&s->loop, &s->stall_timer, now + 1000);
}

/* ---- The thread ---- */

static const struct forwarder_ops *ops_of(const struct session_forward *spec)
{
    switch (spec->type) {
    case SESSION_FORWARD_LOCAL:
        return &forwarder_local;
    case SESSION_FORWARD_REMOTE:
        return spec->host || spec->path ? &forwarder_remote : &forwarder_remote_dynamic;
    case SESSION_FORWARD_DYNAMIC:
        return &forwarder_dynamic;
    case SESSION_FORWARD_AGENT:
        return &forwarder_agent;
    case SESSION_FORWARD_JUMP:
        return &forwarder_jump;
    case SESSION_FORWARD_EXEC:
        return &forwarder_exec;
    case SESSION_FORWARD_CONTROL:
        return &forwarder_control;
    case SESSION_FORWARD_STDIO:
        break;
    }
    return &forwarder_stdio;
}

/* Room for a guest: nothing happens to it. */
static const struct forwarder_ops forwarder_none;

static void forwarder_empty(struct forwarder *f)
{
    *f = (struct forwarder){
        .ops = &forwarder_none, .session = f->session, .index = f->index, .state = FORWARDER_UP};
}

struct forwarder *forwarder_at(struct forwarder *f, size_t i)
{
    return i < f->session->forwarder_count ? &f->session->forwarders[i] : NULL;
}

struct forwarder *forwarder_add(struct forwarder *f, const struct session_forward *spec, struct guest *guest)
{
    struct session *s = f->session;
    for (size_t i = s->config.forward_count; i < s->forwarder_count; i++) {
        struct forwarder *free_one = &s->forwarders[i];
        if (free_one->ops != &forwarder_none)
            continue;
        free_one->ops = ops_of(spec);
        free_one->spec = spec;
        free_one->guest = guest;
        free_one->state = FORWARDER_READY;
        return free_one;
    }
    return NULL;
}

void forwarder_remove(struct forwarder *f)
{
    if (f->ops->free)
        f->ops->free(f);
    forwarder_empty(f);
}

bool forwarder_may_open(const struct forwarder *f)
{
    return f->session->phase == PHASE_OPEN;
}

void forwarder_end_session(struct forwarder *f, bool at_once)
{
    session_stop(f->session); /* by letter: not while one of its own is at work */
    if (at_once)
        session_stop(f->session);
}

static void bind_forwarders(struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++) {
        struct forwarder *f = &s->forwarders[i];
        f->session = s;
        f->index = i;
        if (i >= s->config.forward_count) {
            forwarder_empty(f);
            continue;
        }
        f->ops = ops_of(&s->config.forwards[i]);
        f->spec = &s->config.forwards[i];
        if (f->ops == &forwarder_control)
            s->control = f;
    }
    for (size_t i = 0; i < s->config.forward_count && s->phase == PHASE_BINDING; i++)
        if (s->forwarders[i].ops->bind)
            s->forwarders[i].ops->bind(&s->forwarders[i]);
}

static bool session_wait(struct session *s, bool is_busy, struct adit_error *err)
{
    /* An answer to what was read often comes at once, and carries the acknowledgement. */
    if (!is_busy && conn_is_light(&s->conn) && loop_look(&s->loop))
        return true;
    conn_ack(&s->conn);
    if (!is_busy && conn_may_rest(&s->conn))
        conn_rest();
    return loop_wait(&s->loop, is_busy ? 0 : LOOP_NEVER, err) == ADIT_E_OK;
}

static void session_turn(struct session *s)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct loop_fd *f;
    struct loop_timer *t;
    if (s->phase == PHASE_BINDING && !any_forwarder(s, FORWARDER_BINDING))
        conn_start(&s->conn);
    bool is_busy = conn_work(&s->conn);
    watch_budget(s);
    if (s->phase == PHASE_FAREWELL && s->conn.is_over && conn_flush(&s->conn) && !any_lingers(s))
        s->phase = PHASE_ENDED;
    if (s->phase == PHASE_ENDED)
        return;
    if (!session_wait(s, is_busy, &err)) {
        session_finish(s, &err);
        s->phase = PHASE_ENDED;
    }
    conn_tick(&s->conn); /* what follows is measured and timed by it */
    while (s->phase != PHASE_ENDED && (f = loop_next(&s->loop)))
        on_fd(s, f);
    uint64_t now = loop_now_ms();
    while (s->phase != PHASE_ENDED && (t = loop_expired(&s->loop, now)))
        on_timer(s, t);
}

static void end_session(struct session *s)
{
    struct session_notice n = {.kind = SESSION_ENDED, .error = &s->error};
    lose_flows(s, false);
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].ops->free)
            s->forwarders[i].ops->free(&s->forwarders[i]);
    s->stats.bytes_up = s->pumps.bytes_up;
    s->stats.bytes_down = s->pumps.bytes_down;
    conn_wipe(&s->conn);
    pump_set_wipe(&s->pumps);
    notify(s, &n);
}

static void *session_thread(void *arg)
{
    struct session *s = arg;
    bind_forwarders(s);
    while (s->phase != PHASE_ENDED)
        session_turn(s);
    end_session(s);
    return NULL;
}

/* ---- From outside ---- */

static uint32_t budget_of_host(void)
{
    return host_memory_mib() < SMALL_HOST_MIB ? BUDGET_SMALL : BUDGET;
}

static void session_init(struct session *s, const struct session_config *config,
                         const struct session_ops *ops)
{
    s->config = *config;
    s->ops = *ops;
    if (s->config.buffer_budget == 0)
        s->config.buffer_budget = budget_of_host();
    loop_fd_init(&s->box_fd, SESSION_FD_MAILBOX, s);
    loop_timer_init(&s->tick_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->phase_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->stall_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->idle_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->sessions_timer, SESSION_TIMER_SESSION, s);
    atomic_init(&s->stop_count, 0);
    pump_set_init(&s->pumps, &s->loop, &flow_far, s, s->config.buffer_budget);
    conn_init(&s->conn, s);
}

static enum adit_err session_launch(struct session *s, struct adit_error *err)
{
    if (loop_init(&s->loop, err) != ADIT_E_OK)
        return err->code;
    if (mailbox_init(&s->box, err) != ADIT_E_OK) {
        loop_wipe(&s->loop);
        return err->code;
    }
    if (loop_add(&s->loop, &s->box_fd, mailbox_fd(&s->box), err) == ADIT_E_OK &&
        thread_start(&s->thread, THREAD_STACK_SESSION, session_thread, s, err) == ADIT_E_OK)
        return ADIT_E_OK;
    mailbox_wipe(&s->box);
    loop_wipe(&s->loop);
    return err->code;
}

static void session_free(struct session *s)
{
    adit_wipe(&s->question, sizeof s->question);
    proof_wipe(&s->proof);
    free(s->forwarders);
    free(s);
}

static bool has_control(const struct session_config *config)
{
    for (size_t i = 0; i < config->forward_count; i++)
        if (config->forwards[i].type == SESSION_FORWARD_CONTROL)
            return true;
    return false;
}

enum adit_err session_start(struct session **out, const struct session_config *config,
                            const struct session_ops *ops, struct adit_error *err)
{
    struct adit_error own = {ADIT_E_OK, ""};
    struct session *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s) {
        s->forwarder_count = config->forward_count + (has_control(config) ? FORWARDER_GUESTS : 0);
        s->forwarders = calloc(s->forwarder_count + 1, sizeof *s->forwarders);
    }
    if (!s || !s->forwarders) {
        free(s);
        return adit_fail(err, ADIT_E_MEMORY, "out of memory for a session");
    }
    session_init(s, config, ops);
    if (session_launch(s, &own) == ADIT_E_OK) {
        *out = s;
        return ADIT_E_OK;
    }
    session_free(s);
    return adit_fail(err, own.code, "%s", own.text);
}

void session_stop(struct session *s)
{
    unsigned n = atomic_fetch_add(&s->stop_count, 1);
    if (n >= ADIT_COUNT(s->stop_mail))
        return;
    s->stop_mail[n].kind = SESSION_MAIL_STOP;
    mailbox_post(&s->box, &s->stop_mail[n]);
}

void session_do(struct session *s, const struct session_command *command)
{
    struct command_mail *letter = calloc(1, sizeof *letter);
    if (!letter)
        return;
    letter->command = *command;
    letter->mail.kind = SESSION_MAIL_COMMAND;
    letter->mail.owner = letter;
    mailbox_post(&s->box, &letter->mail);
}

void session_snapshot(struct session *s, struct session_snapshot *snapshot)
{
    snapshot->request.kind = SESSION_MAIL_SNAPSHOT;
    snapshot->request.owner = snapshot;
    mailbox_post(&s->box, &snapshot->request);
}

enum adit_err session_join(struct session *s, struct adit_error *err, struct session_stats *stats)
{
    struct mail *m;
    (void)pthread_join(s->thread, NULL);
    enum adit_err code = s->error.code;
    while ((m = mailbox_take(&s->box)))
        if (m->kind == SESSION_MAIL_SNAPSHOT)
            on_snapshot(s, m->owner);
        else if (m->kind == SESSION_MAIL_COMMAND)
            free(m->owner);
    if (code != ADIT_E_OK)
        (void)adit_fail(err, code, "%s", s->error.text);
    if (stats)
        *stats = s->stats;
    loop_del(&s->loop, &s->box_fd);
    mailbox_wipe(&s->box);
    loop_wipe(&s->loop);
    session_free(s);
    return code;
}
