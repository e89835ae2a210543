/*
 * session_event.c - the machine's events, and whose they are.
 */
#include <stdlib.h>

#include "forward/internal.h"

/* ---- The handshake ---- */

/* [RFC 4253 11.3b] */
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
    session_log_kex(s, SESSION_DEBUG1, "kex: algorithm: %s", a.kex);
    session_log_kex(s, SESSION_DEBUG1, "kex: host key algorithm: %s", a.host_key);
    session_log_kex(s, SESSION_DEBUG1, "kex: server->client cipher: %s MAC: %s compression: %s", a.cipher_in,
                    a.mac_in, a.compress_in);
    session_log_kex(s, SESSION_DEBUG1, "kex: client->server cipher: %s MAC: %s compression: %s", a.cipher_out,
                    a.mac_out, a.compress_out);
    if (a.strict)
        session_log_kex(s, SESSION_DEBUG2, "kex: strict");
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
        session_log_kex(s, SESSION_INFO, "%s", lines[i]);
}

static void notify_algorithms(struct session *s)
{
    struct ssh_algorithms a = ssh_algorithms(s->conn.ssh);
    struct session_notice n = {.kind = SESSION_NEGOTIATED, .algorithms = &a};
    session_notify(s, &n);
}

static void on_kex_done(struct session *s)
{
    bool is_first = ssh_rekey_count(s->conn.ssh) == 0;
    s->stats.rekeys += !is_first;
    log_algorithms(s);
    /* Ours went out before the peer's was taken, which is when the machine says that the exchange is done. */
    session_log_kex(s, SESSION_DEBUG1, "SSH2_MSG_NEWKEYS sent");
    session_log_kex(s, SESSION_DEBUG1, "SSH2_MSG_NEWKEYS received");
    if (is_first)
        notify_algorithms(s);
    if (s->config.warn_weak_crypto && is_first && !ssh_algorithms(s->conn.ssh).is_post_quantum)
        warn_weak_crypto(s);
}

/* ---- The authentication ---- */

/* [RFC 4252 5.4b] */
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

/* Before the credential is asked for: the first open then rides with the authentication. */
static void on_question(struct session *s, const struct ssh_event *ev)
{
    if (ev->kind == SSH_EVENT_AUTH)
        session_begin_forwarders(s);
    if (s->phase < PHASE_DRAINING)
        (void)question_ask(s, ev);
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
    session_begin_forwarders(s);
    if (s->phase >= PHASE_DRAINING)
        return;
    s->phase = PHASE_OPEN;
    peer_text(s, peer, sizeof peer);
    conn_open_qos(&s->conn);
    session_log(s, SESSION_VERBOSE, "Authenticated to %s %s using \"%s\".", s->config.host, peer, clean);
    session_plan_no_more(s);
    idle_start(s);
    session_notify_text(s, SESSION_AUTHENTICATED, clean);
    probe_start(s);
    held_release(s);
    if (s->control)
        s->control->ops->open(s->control);
    session_progress(s);
}

/* ---- Channels and global requests ---- */

static void refuse_open(struct session *s, const struct ssh_event *ev, uint32_t reason, const char *why)
{
    char type[64], host[LIMIT_HOST + 1];
    (void)adit_text_clean(type, sizeof type, ev->names, false);
    (void)adit_text_clean(host, sizeof host, ev->text, false);
    if (ev->number != 0)
        session_log(s, SESSION_INFO, "refused a channel of type %s for %s port %u: %s", type, host,
                    ev->number, why);
    else /* an agent's has no name */
        session_log(s, SESSION_INFO, "refused a channel of type %s%s%s: %s", type,
                    host[0] != 0 ? " for " : "", host, why);
    s->stats.denied++;
    ssh_open_refuse(s->conn.ssh, ev->channel, reason, why);
}

/* The machine has refused it. */
static void on_no_room(struct session *s, struct span raw)
{
    char type[64];
    (void)adit_text_clean(type, sizeof type, raw, false);
    session_log(s, SESSION_INFO, "refused a channel of type %s: out of memory, or too many channels", type);
    s->stats.denied++;
}

/* [RFC 4254 7.2a] */
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
    else if (!(f = is_agent ? forwarders_agent(s) : forwarders_match(s, ev)))
        refuse_open(s, ev, 1, "this forward was not requested");
    else
        f->ops->on_open(f, ev);
}

/* [RFC 4254 5.4a 6.2b 6.5a] */
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
        errand_event(s, ev); /* before its bytes are given back */
        ssh_chan_consumed(s->conn.ssh, ev->channel, ev->data.n, true);
    } else {
        probe_event(s, ev);
        errand_event(s, ev);
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

/* ---- All of them ---- */

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
    case SSH_EVENT_CHANNEL_NO_ROOM:
        on_no_room(s, ev->names);
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
