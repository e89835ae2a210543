#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "ssh/wire.h"

/* The connection protocol's half of the facade (RFC 4254): its messages as events, and its commands. */

/* ---- the peer's messages ---- */

static void global_event(const struct global_answer *answer, bool success, struct ssh_event *event)
{
    if (answer->kind == GLOBAL_KEEPALIVE)
        return;
    event->kind = SSH_EVENT_GLOBAL_REPLY;
    event->owner = answer->owner;
    event->number = answer->port;
    event->data = answer->rest;
    event->flag = success;
}

/* An answer to something that rode along with the authentication is expected: it is sent again afterwards.
 * Later on it stands for a refusal. */
enum adit_err ssh_on_unimplemented(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    uint32_t seq = rd_u32(&r);
    if (!rd_done(&r))
        return ssh_bad(ssh, "UNIMPLEMENTED: wrong length (RFC 4253 §11.4)");
    if (ssh->phase != PHASE_OPEN && !channels_unsent(&ssh->channels, seq))
        (void)globals_unsent(&ssh->globals, seq);
    struct global_answer answer;
    if (ssh->phase == PHASE_OPEN && global_on_unimplemented(&ssh->globals, seq, &answer))
        global_event(&answer, false, event);
    return ADIT_E_OK;
}

static enum adit_err channel_event(struct ssh *ssh, struct channel *ch, enum ssh_event_kind kind,
                                   struct ssh_event *event)
{
    if (ch == NULL)
        return ssh->error.code;
    event->kind = kind;
    event->channel = ch;
    event->owner = ch->owner;
    return ADIT_E_OK;
}

static bool is_listed(const char *const *list, struct span name)
{
    for (; *list != NULL; list++)
        if (span_is(name, *list))
            return true;
    return false;
}

/* RFC 4254 §7.2: connected (or target) address and port, originator address and port. */
static bool read_tcpip_open(struct span extra, struct ssh_event *event)
{
    struct rd r = rd_init(extra);
    event->text = rd_string_max(&r, LIMIT_HOST);
    event->number = rd_u32(&r);
    event->text2 = rd_string_max(&r, LIMIT_HOST);
    event->number2 = rd_u32(&r);
    return rd_done(&r);
}

/* OpenSSH's PROTOCOL §2.4: the path; for a client's open there is a second reserved field. */
static bool read_streamlocal_open(struct span type, struct span extra, struct ssh_event *event)
{
    struct rd r = rd_init(extra);
    event->text = rd_string(&r);
    (void)rd_string(&r);
    if (span_is(type, "direct-streamlocal@openssh.com"))
        (void)rd_u32(&r);
    return rd_done(&r);
}

/* [RFC 4254 5.1a 5.1c 6.3.2b] */
enum adit_err ssh_on_channel_open(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct span type, extra;
    uint32_t peer_id;
    struct channel *ch = channel_on_open(&ssh->channels, payload, &type, &extra, &peer_id, &ssh->error);
    if (ch == NULL && ssh->error.code != ADIT_E_OK)
        return ssh->error.code;
    if (ch == NULL) {
        *event = (struct ssh_event){.kind = SSH_EVENT_CHANNEL_NO_ROOM, .names = type};
        return ssh_reply(ssh, (struct reply){.msg = SSH_MSG_CHANNEL_OPEN_FAILURE,
                                             .channel = peer_id,
                                             .number = SSH_OPEN_RESOURCE_SHORTAGE});
    }
    if (!is_listed(ssh->role->channel_types, type)) {
        channel_refuse(&ssh->channels, ch, SSH_OPEN_UNKNOWN_CHANNEL_TYPE, span_str("unknown channel type"));
        return ADIT_E_OK;
    }
    bool is_tcpip = span_is(type, "forwarded-tcpip") || span_is(type, "direct-tcpip");
    if (is_tcpip && !read_tcpip_open(extra, event))
        return ssh_bad(ssh, "CHANNEL_OPEN for TCP/IP: wrong lengths (RFC 4254 §7.2)");
    bool is_streamlocal =
        span_is(type, "forwarded-streamlocal@openssh.com") || span_is(type, "direct-streamlocal@openssh.com");
    if (is_streamlocal && !read_streamlocal_open(type, extra, event))
        return ssh_bad(ssh, "CHANNEL_OPEN for a Unix socket: wrong lengths (OpenSSH PROTOCOL §2.4)");
    event->names = type;
    event->data = extra;
    return channel_event(ssh, ch, SSH_EVENT_CHANNEL_REQUESTED_OPEN, event);
}

enum adit_err ssh_on_open_confirmation(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct channel *ch = channel_on_confirmation(&ssh->channels, payload, &ssh->error);
    if (ch != NULL && ch->round_start_us != 0)
        ssh_note_rtt(ssh, ssh->now_us - ((uint32_t)ssh->now_us - ch->round_start_us));
    return channel_event(ssh, ch, SSH_EVENT_CHANNEL_OPENED, event);
}

enum adit_err ssh_on_open_failure(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct channel *ch =
        channel_on_open_failure(&ssh->channels, payload, &event->number, &event->text, &ssh->error);
    enum adit_err result = channel_event(ssh, ch, SSH_EVENT_CHANNEL_OPEN_FAILED, event);
    if (ch != NULL)
        channel_gone(&ssh->channels, ch);
    return result;
}

enum adit_err ssh_on_window_adjust(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    bool unblocked = false;
    struct channel *ch = channel_on_window_adjust(&ssh->channels, payload, &unblocked, &ssh->error);
    return ch != NULL && !unblocked ? ADIT_E_OK : channel_event(ssh, ch, SSH_EVENT_CHANNEL_SPACE, event);
}

enum adit_err ssh_on_data(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct channel *ch = channel_on_data(&ssh->channels, payload, &event->data, &event->number, &ssh->error);
    if (ch != NULL && event->data.n == 0)
        return ADIT_E_OK;
    return channel_event(ssh, ch, SSH_EVENT_CHANNEL_DATA, event);
}

/* [RFC 4254 5.3a] */
enum adit_err ssh_on_eof(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    return channel_event(ssh, channel_on_eof(&ssh->channels, payload, &ssh->error), SSH_EVENT_CHANNEL_EOF,
                         event);
}

enum adit_err ssh_on_close(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct channel *ch = channel_on_close(&ssh->channels, payload, &ssh->error);
    enum adit_err result = channel_event(ssh, ch, SSH_EVENT_CHANNEL_CLOSED, event);
    if (ch != NULL)
        channel_gone(&ssh->channels, ch);
    return result;
}

/* RFC 4254 §6.10. [RFC 4254 6.10a] */
static bool read_exit(struct span type, struct span extra, struct ssh_event *event)
{
    struct rd r = rd_init(extra);
    if (span_is(type, "exit-status")) {
        event->number = rd_u32(&r);
        return rd_done(&r);
    }
    event->flag = true;
    event->names = rd_string(&r);
    (void)rd_bool(&r); /* core dumped */
    event->text = rd_string(&r);
    (void)rd_string(&r); /* language tag */
    return rd_done(&r);
}

/* [RFC 4254 6.10a] */
enum adit_err ssh_on_channel_request(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct span type, extra;
    bool want_reply;
    struct channel *ch = channel_on_request(&ssh->channels, payload, &type, &want_reply, &extra, &ssh->error);
    if (ch == NULL)
        return ssh->error.code;
    if (span_is(type, "exit-status") || span_is(type, "exit-signal")) {
        if (!read_exit(type, extra, event))
            return ssh_bad(ssh, "CHANNEL_REQUEST exit-status or exit-signal: wrong lengths (RFC 4254 §6.10)");
        if (want_reply) /* §6.10 says FALSE; who asks all the same is answered, and the status counts */
            ssh_chan_request_answer(ssh, ch, true);
        return channel_event(ssh, ch, SSH_EVENT_CHANNEL_EXIT, event);
    }
    event->names = type;
    event->data = extra;
    event->flag = want_reply;
    return channel_event(ssh, ch, SSH_EVENT_CHANNEL_REQUEST, event);
}

enum adit_err ssh_on_channel_reply(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    bool is_awaited = false;
    struct channel *ch = channel_on_reply(&ssh->channels, payload, &is_awaited, &ssh->error);
    if (ch != NULL && !is_awaited)
        return ADIT_E_OK;
    event->flag = payload.p[0] == SSH_MSG_CHANNEL_SUCCESS;
    return channel_event(ssh, ch, SSH_EVENT_CHANNEL_REPLY, event);
}

/* RFC 4254 §7.1, and for Unix sockets OpenSSH's PROTOCOL §2.4. */
static bool read_forward_request(struct span type, struct span extra, struct ssh_event *event)
{
    struct rd r = rd_init(extra);
    if (span_is(type, "tcpip-forward") || span_is(type, "cancel-tcpip-forward")) {
        event->text = rd_string_max(&r, LIMIT_HOST);
        event->number = rd_u32(&r);
        return rd_done(&r);
    }
    if (!span_is(type, "streamlocal-forward@openssh.com") &&
        !span_is(type, "cancel-streamlocal-forward@openssh.com"))
        return true;
    event->text = rd_string(&r);
    return rd_done(&r);
}

/* [RFC 4254 4a 4b 4d] */
enum adit_err ssh_on_global_request(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct span type, extra;
    bool want_reply;
    if (global_on_request(payload, &type, &want_reply, &extra, &ssh->error) != ADIT_E_OK)
        return ssh->error.code;
    if (!is_listed(ssh->role->global_types, type)) /* RFC 4254 §4: not recognised: REQUEST_FAILURE */
        return want_reply ? ssh_reply(ssh, (struct reply){.msg = SSH_MSG_REQUEST_FAILURE}) : ADIT_E_OK;
    if (!read_forward_request(type, extra, event))
        return ssh_bad(ssh, "GLOBAL_REQUEST for a forward: wrong lengths (RFC 4254 §7.1)");
    event->kind = SSH_EVENT_GLOBAL_REQUEST;
    event->names = type;
    event->data = extra;
    event->flag = want_reply;
    ssh->answer_is_due = want_reply;
    return ADIT_E_OK;
}

enum adit_err ssh_on_global_reply(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct global_answer answer;
    if (global_on_reply(&ssh->globals, payload, &answer, &ssh->error) != ADIT_E_OK)
        return ssh->error.code;
    ssh_note_rtt(ssh, answer.sent_us);
    global_event(&answer, payload.p[0] == SSH_MSG_REQUEST_SUCCESS, event);
    return ADIT_E_OK;
}

/* ---- channels ---- */

struct channel *ssh_open(struct ssh *ssh, const char *type, struct span extra, void *owner)
{
    if (ssh->phase == PHASE_ENDED)
        return NULL;
    struct channel *ch = channel_open(&ssh->channels, type, extra, owner);
    ssh_flush(ssh);
    return ch;
}

static struct channel *open_tcpip(struct ssh *ssh, const char *type, struct span host, uint32_t port,
                                  struct span originator, uint32_t originator_port, void *owner)
{
    uint8_t extra[LIMIT_OPEN_EXTRA];
    struct wr w = wr_init(extra, sizeof(extra));
    if (host.n > LIMIT_HOST || originator.n > LIMIT_HOST)
        return NULL;
    wr_string(&w, host);
    wr_u32(&w, port);
    wr_string(&w, originator);
    wr_u32(&w, originator_port);
    return wr_ok(&w) ? ssh_open(ssh, type, wr_done(&w), owner) : NULL;
}

struct channel *ssh_open_direct_tcpip(struct ssh *ssh, struct span host, uint32_t port,
                                      struct span originator, uint32_t originator_port, void *owner)
{
    return open_tcpip(ssh, "direct-tcpip", host, port, originator, originator_port, owner);
}

struct channel *ssh_open_forwarded_tcpip(struct ssh *ssh, struct span connected, uint32_t port,
                                         struct span originator, uint32_t originator_port, void *owner)
{
    return open_tcpip(ssh, "forwarded-tcpip", connected, port, originator, originator_port, owner);
}

static struct channel *open_streamlocal(struct ssh *ssh, const char *type, struct span path, bool is_direct,
                                        void *owner)
{
    uint8_t extra[LIMIT_OPEN_EXTRA];
    struct wr w = wr_init(extra, sizeof(extra));
    wr_string(&w, path);
    wr_cstring(&w, ""); /* reserved, as the number is */
    if (is_direct)
        wr_u32(&w, 0);
    return wr_ok(&w) ? ssh_open(ssh, type, wr_done(&w), owner) : NULL;
}

struct channel *ssh_open_direct_streamlocal(struct ssh *ssh, struct span path, void *owner)
{
    return open_streamlocal(ssh, "direct-streamlocal@openssh.com", path, true, owner);
}

struct channel *ssh_open_forwarded_streamlocal(struct ssh *ssh, struct span path, void *owner)
{
    return open_streamlocal(ssh, "forwarded-streamlocal@openssh.com", path, false, owner);
}

void ssh_open_accept(struct ssh *ssh, struct channel *ch, void *owner)
{
    channel_accept(&ssh->channels, ch, owner);
    ssh_flush(ssh);
}

void ssh_open_refuse(struct ssh *ssh, struct channel *ch, uint32_t reason, const char *text)
{
    channel_refuse(&ssh->channels, ch, reason, span_str(text));
    ssh_flush(ssh);
}

void *ssh_chan_owner(const struct channel *ch)
{
    return ch->owner;
}

void ssh_chan_set_owner(struct channel *ch, void *owner)
{
    ch->owner = owner;
}

uint32_t ssh_chan_id(const struct channel *ch)
{
    return ch->id;
}

size_t ssh_chan_space(struct ssh *ssh, struct channel *ch, struct wspan *places, size_t max, size_t limit)
{
    if (ssh->phase == PHASE_ENDED)
        return 0;
    return channel_space(&ssh->channels, &ssh->packet, ch, ssh_may_send(ssh), places, max, limit);
}

void ssh_chan_commit(struct ssh *ssh, struct channel *ch, size_t n)
{
    if (ssh->phase == PHASE_ENDED)
        return;
    ssh->idle_since_us = ssh->now_us;
    channel_commit(&ssh->packet, ch, n);
    ssh_rekey_if_due(ssh);
}

static size_t chan_write(struct ssh *ssh, struct channel *ch, uint32_t code, struct span data)
{
    if (ssh->phase == PHASE_ENDED)
        return 0;
    size_t n = channel_write(&ssh->channels, &ssh->packet, ch, ssh_may_send(ssh), code, data);
    ssh_rekey_if_due(ssh);
    return n;
}

size_t ssh_chan_write(struct ssh *ssh, struct channel *ch, struct span data)
{
    return chan_write(ssh, ch, 0, data);
}

size_t ssh_chan_write_stderr(struct ssh *ssh, struct channel *ch, struct span data)
{
    return chan_write(ssh, ch, SSH_EXTENDED_DATA_STDERR, data);
}

void ssh_chan_consumed(struct ssh *ssh, struct channel *ch, size_t n, bool prompt)
{
    channel_consumed(&ssh->channels, ch, n, prompt);
    ssh_flush(ssh);
}

void ssh_chan_eof(struct ssh *ssh, struct channel *ch)
{
    channel_eof(&ssh->channels, ch);
    ssh_flush(ssh);
}

void ssh_chan_close(struct ssh *ssh, struct channel *ch)
{
    channel_close(&ssh->channels, ch);
    ssh_flush(ssh);
}

bool ssh_chan_eof_sent(const struct channel *ch)
{
    return ch->eof_sent;
}

uint32_t ssh_chan_receive_window(const struct channel *ch)
{
    return ch->rx_window;
}

bool ssh_chan_request2(struct ssh *ssh, struct channel *ch, const char *type, bool want_reply,
                       struct span extra, struct span more)
{
    if (ssh->phase == PHASE_ENDED)
        return false;
    bool is_added = channel_request(&ssh->channels, ch, type, want_reply, extra, more);
    ssh_flush(ssh);
    return is_added;
}

bool ssh_chan_request(struct ssh *ssh, struct channel *ch, const char *type, struct span extra,
                      bool want_reply)
{
    return ssh_chan_request2(ssh, ch, type, want_reply, extra, (struct span){0});
}

void ssh_chan_request_answer(struct ssh *ssh, struct channel *ch, bool success)
{
    /* RFC 4254 §5.3: nothing follows a CLOSE. */
    if (ssh->phase == PHASE_ENDED || ch->close_sent)
        return;
    uint8_t msg = success ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE;
    ssh_check(ssh, ssh_reply(ssh, (struct reply){.msg = msg, .channel = ch->peer_id}));
}

/* ---- global requests ---- */

static bool global_add(struct ssh *ssh, enum global_kind kind, const char *type, struct span extra,
                       bool want_reply, uint32_t port, void *owner)
{
    if (ssh->phase == PHASE_ENDED)
        return false;
    bool is_added = globals_add(&ssh->globals, kind, type, extra, want_reply, port, owner);
    ssh_flush(ssh);
    return is_added;
}

bool ssh_global_request(struct ssh *ssh, const char *type, struct span extra, bool want_reply, void *owner)
{
    return global_add(ssh, GLOBAL_PLAIN, type, extra, want_reply, 0, owner);
}

static bool forward(struct ssh *ssh, enum global_kind kind, const char *type, struct span address,
                    uint32_t port, void *owner)
{
    uint8_t extra[LIMIT_HOST + 8];
    struct wr w = wr_init(extra, sizeof(extra));
    if (address.n > LIMIT_HOST)
        return false;
    wr_string(&w, address);
    wr_u32(&w, port);
    return wr_ok(&w) && global_add(ssh, kind, type, wr_done(&w), true, port, owner);
}

bool ssh_forward_request(struct ssh *ssh, struct span address, uint32_t port, void *owner)
{
    return forward(ssh, GLOBAL_FORWARD, "tcpip-forward", address, port, owner);
}

bool ssh_forward_cancel(struct ssh *ssh, struct span address, uint32_t port, void *owner)
{
    return forward(ssh, GLOBAL_PLAIN, "cancel-tcpip-forward", address, port, owner);
}

static bool streamlocal_forward(struct ssh *ssh, const char *type, struct span path, void *owner)
{
    uint8_t extra[LIMIT_OPEN_EXTRA];
    struct wr w = wr_init(extra, sizeof(extra));
    wr_string(&w, path);
    return wr_ok(&w) && global_add(ssh, GLOBAL_PLAIN, type, wr_done(&w), true, 0, owner);
}

bool ssh_streamlocal_forward_request(struct ssh *ssh, struct span path, void *owner)
{
    return streamlocal_forward(ssh, "streamlocal-forward@openssh.com", path, owner);
}

bool ssh_streamlocal_forward_cancel(struct ssh *ssh, struct span path, void *owner)
{
    return streamlocal_forward(ssh, "cancel-streamlocal-forward@openssh.com", path, owner);
}

void ssh_global_answer(struct ssh *ssh, bool success, struct span extra)
{
    if (ssh->phase == PHASE_ENDED || !ssh->answer_is_due)
        return;
    ssh->answer_is_due = false;
    struct reply r = {.msg = success ? SSH_MSG_REQUEST_SUCCESS : SSH_MSG_REQUEST_FAILURE};
    if (success && extra.n == 4) {
        r.has_extra = true;
        r.number = get_u32(extra.p);
    }
    ssh_check(ssh, ssh_reply(ssh, r));
}
