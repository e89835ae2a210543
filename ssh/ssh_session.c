/*
 * ssh_session.c - the requests of a session channel (RFC 4254 §6).
 */
#include "ssh/ssh_internal.h"
#include "ssh/wire.h"

struct channel *ssh_open_session(struct ssh *ssh, void *owner)
{
    return ssh_open(ssh, "session", (struct span){0}, owner);
}

static void wr_window(struct wr *w, struct ssh_window window)
{
    wr_u32(w, window.columns);
    wr_u32(w, window.rows);
    wr_u32(w, window.width_px);
    wr_u32(w, window.height_px);
}

/* RFC 4254 §8: opcode and value each, and a zero at the end. [RFC 4254 8a] */
static bool wr_modes(struct wr *w, const struct ssh_mode *modes, size_t count)
{
    enum { MODE_LAST = 159, MODE_LEN = 5 };
    wr_u32(w, (uint32_t)(count * MODE_LEN + 1));
    for (size_t i = 0; i < count; i++) {
        if (modes[i].opcode == 0 || modes[i].opcode > MODE_LAST)
            return false;
        wr_u8(w, modes[i].opcode);
        wr_u32(w, modes[i].value);
    }
    wr_u8(w, 0);
    return wr_ok(w);
}

bool ssh_session_pty(struct ssh *ssh, struct channel *channel, struct span term, struct ssh_window window,
                     const struct ssh_mode *modes, size_t mode_count)
{
    uint8_t extra[LIMIT_SESSION_TERM + LIMIT_SESSION_MODES * 5 + 64];
    struct wr w = wr_init(extra, sizeof(extra));
    if (term.n > LIMIT_SESSION_TERM || mode_count > LIMIT_SESSION_MODES)
        return false;
    wr_string(&w, term);
    wr_window(&w, window);
    return wr_modes(&w, modes, mode_count) && ssh_chan_request(ssh, channel, "pty-req", wr_done(&w), true);
}

/* A request whose only field, or last one, is a string of any length. */
static bool request_string(struct ssh *ssh, struct channel *channel, const char *type, bool want_reply,
                           struct span text)
{
    uint8_t length[4];
    struct wr w = wr_init(length, sizeof(length));
    if (text.n > LIMIT_CHANNEL_REQUEST)
        return false;
    wr_u32(&w, (uint32_t)text.n);
    return ssh_chan_request2(ssh, channel, type, want_reply, wr_done(&w), text);
}

bool ssh_session_env(struct ssh *ssh, struct channel *channel, struct span name, struct span value)
{
    uint8_t head[1024];
    struct wr w = wr_init(head, sizeof(head));
    if (value.n > LIMIT_CHANNEL_REQUEST)
        return false;
    wr_string(&w, name);
    wr_u32(&w, (uint32_t)value.n);
    return wr_ok(&w) && ssh_chan_request2(ssh, channel, "env", false, wr_done(&w), value);
}

bool ssh_session_shell(struct ssh *ssh, struct channel *channel)
{
    return ssh_chan_request(ssh, channel, "shell", (struct span){0}, true);
}

bool ssh_session_exec(struct ssh *ssh, struct channel *channel, struct span command)
{
    return request_string(ssh, channel, "exec", true, command);
}

bool ssh_session_subsystem(struct ssh *ssh, struct channel *channel, struct span name)
{
    return request_string(ssh, channel, "subsystem", true, name);
}

/* [RFC 4254 6.7a] */
bool ssh_session_window_change(struct ssh *ssh, struct channel *channel, struct ssh_window window)
{
    uint8_t extra[16];
    struct wr w = wr_init(extra, sizeof(extra));
    wr_window(&w, window);
    return ssh_chan_request(ssh, channel, "window-change", wr_done(&w), false);
}

bool ssh_session_signal(struct ssh *ssh, struct channel *channel, const char *name)
{
    return request_string(ssh, channel, "signal", false, span_str(name));
}

bool ssh_session_break(struct ssh *ssh, struct channel *channel, uint32_t ms)
{
    uint8_t extra[4];
    struct wr w = wr_init(extra, sizeof(extra));
    wr_u32(&w, ms);
    return ssh_chan_request(ssh, channel, "break", wr_done(&w), true);
}

bool ssh_session_eow(struct ssh *ssh, struct channel *channel)
{
    return ssh_chan_request(ssh, channel, "eow@openssh.com", (struct span){0}, false);
}
