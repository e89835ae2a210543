/*
 * remote_listener.c - the listening side of -R: a port (RFC 4254 §7.1) or a Unix socket (OpenSSH's PROTOCOL
 * §2.4) of the server, and which of its connections belong to it.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/forwarder.h"

struct remote_listener {
    bool is_up;    /* the server listens */
    uint16_t port; /* on this one; 0 with a path */
};

/* RFC 4254 §7.1: "" is every address of every family, "localhost" the loopback ones of every family. */
static const char *asked_address(const struct forwarder *f)
{
    const char *bind = f->spec->bind;
    if (!bind)
        return "localhost";
    return strcmp(bind, "*") == 0 ? "" : bind;
}

static void remote_fail(struct forwarder *f, enum adit_err code, const char *why)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (f->spec->bind_path)
        (void)adit_fail(&err, code, "remote port forwarding failed for listen path %s: %s",
                        f->spec->bind_path, why);
    else
        (void)adit_fail(&err, code, "remote port forwarding failed for listen port %u: %s",
                        f->spec->bind_port, why);
    forwarder_failed(f, true, &err);
}

void remote_listener_bind(struct forwarder *f)
{
    f->own = calloc(1, sizeof(struct remote_listener));
    if (!f->own)
        remote_fail(f, ADIT_E_MEMORY, "out of memory");
    else if (!forwarder_has_begun(f))
        forwarder_ready(f);
}

/* [RFC 4254 7.1d] */
static bool ask(struct forwarder *f)
{
    struct ssh *ssh = forwarder_ssh(f);
    if (f->spec->bind_path)
        return ssh_streamlocal_forward_request(ssh, span_str(f->spec->bind_path), f);
    return ssh_forward_request(ssh, span_str(asked_address(f)), f->spec->bind_port, f);
}

/* Why it could not be asked for. */
static const char *unasked(const struct forwarder *f)
{
    if (!f->spec->bind_path && strlen(asked_address(f)) > LIMIT_HOST)
        return "the address is too long";
    return "too many requests wait, or out of memory";
}

void remote_listener_begin(struct forwarder *f)
{
    if (!f->own)
        remote_listener_bind(f);
    if (!f->own)
        return;
    f->state = FORWARDER_ASKED;
    if (!ask(f))
        remote_fail(f, ADIT_E_FORWARD, unasked(f));
}

/* It was removed meanwhile: what the server has just made is cancelled. */
static void late_reply(struct forwarder *f, const struct ssh_event *ev)
{
    struct remote_listener *r = f->own;
    r->is_up = ev->flag && ev->number <= UINT16_MAX;
    r->port = (uint16_t)ev->number;
    f->state = r->is_up ? FORWARDER_UP : FORWARDER_OVER;
    remote_listener_stop(f);
}

static void port_is_up(struct forwarder *f, const struct ssh_event *ev)
{
    struct remote_listener *r = f->own;
    char bound[FORWARDER_TARGET_CAP];
    const char *address = asked_address(f);
    if (ev->number == 0 || ev->number > UINT16_MAX) {
        remote_fail(f, ADIT_E_FORWARD, "the server named no port");
        return;
    }
    r->is_up = true;
    r->port = (uint16_t)ev->number;
    (void)adit_format(bound, sizeof bound, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
                      *address ? address : "*", r->port);
    if (f->spec->bind_port == 0)
        forwarder_remote_port(f, r->port);
    forwarder_up(f, 0, bound, r->port);
}

void remote_listener_on_reply(struct forwarder *f, const struct ssh_event *ev)
{
    struct remote_listener *r = f->own;
    if (f->state == FORWARDER_CANCELLING)
        forwarder_cancelled(f);
    if (f->state != FORWARDER_ASKED)
        return;
    if (f->is_leaving) {
        late_reply(f, ev);
    } else if (!ev->flag) {
        remote_fail(f, ADIT_E_FORWARD, "the server refused it");
    } else if (f->spec->bind_path) {
        r->is_up = true;
        forwarder_up(f, 0, f->spec->bind_path, 0);
    } else {
        port_is_up(f, ev);
    }
}

void remote_listener_stop(struct forwarder *f)
{
    struct remote_listener *r = f->own;
    struct ssh *ssh = forwarder_ssh(f);
    if (!r || !r->is_up || !ssh)
        return;
    bool is_asked = f->spec->bind_path ? ssh_streamlocal_forward_cancel(ssh, span_str(f->spec->bind_path), f)
                                       : ssh_forward_cancel(ssh, span_str(asked_address(f)), r->port, f);
    /* Where it cannot be asked for now, the server's listener ends with the connection; or, of a session that
     * goes on, when it is asked for again (forward_letters_sweep). */
    if (is_asked)
        f->state = FORWARDER_CANCELLING;
    r->is_up = !is_asked && f->is_leaving;
}

void remote_listener_free(struct forwarder *f)
{
    free(f->own);
    f->own = NULL;
}

/* Also one that was refused, or for which there was no memory, is asked for again by the next begin. */
void remote_listener_lost(struct forwarder *f)
{
    struct remote_listener *r = f->own;
    if (r)
        r->is_up = false;
    f->state = FORWARDER_READY;
}

void remote_listener_retry(struct forwarder *f)
{
    if (f->state != FORWARDER_FAILED)
        return;
    f->state = FORWARDER_READY;
    if (forwarder_has_begun(f))
        remote_listener_begin(f);
    else if (!f->own)
        remote_listener_bind(f);
    else
        forwarder_ready(f);
}

/* sshd names the address as it was asked for; others may name what they bound. The port alone says it too
 * while only one of ours has it (the caller sees to that). A path says it only when it is the same.
 * [RFC 4254 7.1c 7.2a] */
int remote_listener_match(struct forwarder *f, const struct ssh_event *ev)
{
    const struct remote_listener *r = f->own;
    bool is_path = span_is(ev->names, "forwarded-streamlocal@openssh.com");
    if (!r || !r->is_up || f->is_leaving || is_path != (f->spec->bind_path != NULL))
        return 0;
    if (is_path)
        return span_is(ev->text, f->spec->bind_path) ? 2 : 0;
    if (ev->number != r->port)
        return 0;
    return span_is(ev->text, asked_address(f)) ? 2 : 1;
}

void remote_listener_set_kind(struct flow *flow)
{
    flow_set_kind(flow, flow->forwarder->spec->bind_path ? SESSION_CHANNEL_FORWARDED_STREAMLOCAL
                                                         : SESSION_CHANNEL_FORWARDED_TCPIP);
}

char *remote_listener_client(struct forwarder *f, const struct ssh_event *ev)
{
    char host[SOCK_TEXT_CAP - 8], text[SOCK_TEXT_CAP];
    if (!forwarder_config(f)->survives || f->spec->bind_path)
        return NULL;
    (void)adit_text_clean(host, sizeof host, ev->text2, false);
    (void)adit_format(text, sizeof text, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, ev->number2);
    return strdup(text);
}

void remote_listener_log(struct forwarder *f, const struct ssh_event *ev)
{
    char from[128], target[FORWARDER_TARGET_CAP];
    if (!forwarder_logs(f, SESSION_DEBUG1))
        return;
    forwarder_target(f, target);
    if (f->spec->bind_path) {
        forwarder_log(f, SESSION_DEBUG1, "channel %u: forwarded-streamlocal for %s from %s",
                      ssh_chan_id(ev->channel), target, f->spec->bind_path);
        return;
    }
    (void)adit_text_clean(from, sizeof from, ev->text2, false);
    forwarder_log(f, SESSION_DEBUG1, "channel %u: forwarded-tcpip for %s from %s port %u",
                  ssh_chan_id(ev->channel), target, from, ev->number2);
}
