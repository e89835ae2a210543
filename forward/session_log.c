/*
 * session_log.c - what a session says: lines for the log, and notices.
 */
#include "forward/internal.h"

enum { LINES_MOST = 256 /* messages at INFO and above in a row */ };

/* What a peer can make us say without end must not fill a disk: after LINES_MOST lines one a second is said,
 * the others are for those who asked for more. */
static enum session_level level_allowed(struct session *s, enum session_level level, enum session_about about)
{
    uint64_t now = loop_now_ms(), more = (now - s->lines_since_ms) / 1000;
    s->lines_said = more < s->lines_said ? s->lines_said - (uint32_t)more : 0;
    s->lines_since_ms += more * 1000;
    if (s->lines_said < LINES_MOST) {
        s->lines_said++;
        return level;
    }
    if (!s->lines_are_cut)
        s->ops.log(s->ops.ctx, level, about, "too many messages: from here on some are shown with -v only");
    s->lines_are_cut = true;
    return SESSION_DEBUG1;
}

static void vlog_line(struct session *s, enum session_level level, enum session_about about, const char *fmt,
                      va_list ap)
{
    char raw[SESSION_LOG_LINE], line[SESSION_LOG_LINE];
    if (level > s->config.log_level)
        return;
    if (level <= SESSION_INFO)
        level = level_allowed(s, level, about);
    if (level > s->config.log_level)
        return;
    size_t n = adit_vformat(raw, sizeof raw, fmt, ap);
    (void)adit_text_clean(line, sizeof line, span_make(raw, n), false);
    s->ops.log(s->ops.ctx, level, about, line);
}

/* As far as the connection is. */
static enum session_about about_now(const struct session *s)
{
    return s->phase < PHASE_AUTH    ? SESSION_ABOUT_KEX
           : s->phase == PHASE_AUTH ? SESSION_ABOUT_AUTH
                                    : SESSION_ABOUT_CHANNEL;
}

void session_log(struct session *s, enum session_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vlog_line(s, level, about_now(s), fmt, ap);
    va_end(ap);
}

void session_log_kex(struct session *s, enum session_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vlog_line(s, level, SESSION_ABOUT_KEX, fmt, ap);
    va_end(ap);
}

void forwarder_log(struct forwarder *f, enum session_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vlog_line(f->session, level, SESSION_ABOUT_FORWARD, fmt, ap);
    va_end(ap);
}

bool forwarder_logs(const struct forwarder *f, enum session_level level)
{
    return level <= f->session->config.log_level;
}

void session_notify(struct session *s, const struct session_notice *n)
{
    s->ops.notify(s->ops.ctx, n);
}

void session_notify_text(struct session *s, enum session_notice_kind kind, const char *text)
{
    struct session_notice n = {.kind = kind, .text = text};
    session_notify(s, &n);
}
