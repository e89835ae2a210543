#include "ssh/key.h"
#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "ssh/wire.h"

/* The server's half of the facade: its messages, and the commands that answer its events. */

/* ---- key exchange ---- */

bool ssh_server_host_key(struct ssh *ssh, struct span blob)
{
    struct key key;
    if (ssh->host_key_count == HOST_KEYS_MAX || !key_parse(&key, blob))
        return false;
    ssh->host_keys[ssh->host_key_count++] = blob;
    return true;
}

static struct span host_key_for(const struct ssh *ssh, const char *sigalg)
{
    struct key key;
    for (size_t i = 0; i < ssh->host_key_count; i++)
        if (key_parse(&key, ssh->host_keys[i]) && key.type == key_type_for_sigalg(span_str(sigalg)))
            return ssh->host_keys[i];
    return (struct span){0};
}

static enum adit_err on_kex_init(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    (void)event;
    enum adit_err result = kex_on_init(&ssh->kex, &ssh->packet, payload, &ssh->error);
    if (result != ADIT_E_OK)
        return result;
    return kex_give_host_key(&ssh->kex, host_key_for(ssh, ssh->kex.choice.host_key), &ssh->error);
}

/* RFC 8308 §2.4: EXT_INFO is the next packet after the first NEWKEYS. */
static enum adit_err server_sign(struct ssh *ssh, struct span signature)
{
    bool is_first = !ssh->kex.is_first_done;
    const char *sig_algs = ssh->config.sig_algs;
    if (ssh->kex.want != KEX_WANT_SIGNATURE)
        return ADIT_E_OK;
    ssh->is_asked = false;
    enum adit_err result = kex_give_signature(&ssh->kex, &ssh->packet, signature, &ssh->error);
    if (result != ADIT_E_OK || !is_first || !ssh->kex.peer_has_ext_info || sig_algs[0] == 0)
        return result;
    return ssh_send_ext_info(ssh, sig_algs);
}

static enum adit_err on_keys_done(struct ssh *ssh)
{
    (void)ssh; /* the client asks for the service */
    return ADIT_E_OK;
}

/* ---- authentication ---- */

static enum adit_err on_service_request(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)event;
    (void)rd_u8(&r);
    struct span service = rd_string(&r);
    if (!rd_done(&r) || !span_is(service, "ssh-userauth"))
        return adit_fail(&ssh->error, ADIT_E_PROTOCOL,
                         "SERVICE_REQUEST for an unknown service (RFC 4253 §10)");
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_SERVICE_ACCEPT, 32);
    wr_string(&w, service);
    if (!packet_send(&ssh->packet, &w))
        return adit_fail(&ssh->error, ADIT_E_LIMIT, "no room for SERVICE_ACCEPT");
    ssh->phase = PHASE_AUTH;
    return ADIT_E_OK;
}

static enum adit_err on_auth_request(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    (void)event;
    if (ssh->is_authenticated) /* RFC 4252 §5.1: further requests SHOULD be silently ignored */
        return ADIT_E_OK;
    return auth_on_request(&ssh->auth_server, &ssh->packet, ssh_session_id(ssh), payload, &ssh->error);
}

static enum adit_err on_info_response(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    (void)event;
    return auth_on_info_response(&ssh->auth_server, payload, &ssh->error);
}

static bool server_next(struct ssh *ssh, struct ssh_event *event)
{
    const struct auth_server *a = &ssh->auth_server;
    if (ssh->kex.want == KEX_WANT_SIGNATURE) {
        event->kind = SSH_EVENT_SIGN;
        event->blob = kex_host_key(&ssh->kex);
        event->alg = span_str(ssh->kex.choice.host_key);
        event->data = kex_to_sign(&ssh->kex);
    } else if (a->wants_verdict) {
        event->kind = SSH_EVENT_AUTH_REQUEST;
        event->text = a->user;
        event->names = a->method;
        event->blob = a->blob;
        event->alg = a->alg;
        event->data = a->data;
        event->flag = a->kind == AUTH_REQUEST_PUBKEY;
        event->first = a->kind == AUTH_REQUEST_KBDINT_ANSWERS;
    } else {
        return false;
    }
    ssh->is_asked = true;
    return true;
}

static bool server_may_send_early(const struct ssh *ssh)
{
    (void)ssh;
    return false;
}

void ssh_auth_request_answer(struct ssh *ssh, bool success, bool partial, struct span methods)
{
    bool is_done = false;
    if (ssh->phase == PHASE_ENDED || !ssh->auth_server.wants_verdict)
        return;
    ssh->is_asked = false;
    ssh_check(
        ssh, auth_verdict(&ssh->auth_server, &ssh->packet, success, partial, methods, &is_done, &ssh->error));
    if (is_done && ssh->phase != PHASE_ENDED) {
        ssh->phase = PHASE_OPEN;
        ssh->is_authenticated = true;
        ssh_check(ssh, kex_authenticated(&ssh->kex, &ssh->packet, &ssh->error));
    }
}

void ssh_auth_request_prompt(struct ssh *ssh, const struct span *prompts, size_t count)
{
    if (ssh->phase == PHASE_ENDED || !ssh->auth_server.wants_verdict)
        return;
    ssh->is_asked = false;
    ssh_check(ssh, auth_prompt(&ssh->auth_server, &ssh->packet, prompts, count, &ssh->error));
}

void ssh_send_banner(struct ssh *ssh, struct span text)
{
    if (ssh->phase == PHASE_AUTH)
        ssh_check(ssh, auth_send_banner(&ssh->packet, text, &ssh->error));
}

static const struct message_row server_rows[] = {
    {SSH_MSG_SERVICE_REQUEST, PHASE_SERVICE, on_service_request},
    {SSH_MSG_KEX_ECDH_INIT, PHASE_KEX | PHASE_STRICT | PHASE_REKEX, on_kex_init},
    {SSH_MSG_USERAUTH_REQUEST, PHASE_AUTH | PHASE_OPEN, on_auth_request},
    {SSH_MSG_PING, PHASE_OPEN, ssh_on_ping},
    {SSH_MSG_USERAUTH_INFO_RESPONSE, PHASE_AUTH, on_info_response},
    {0, 0, NULL},
};

static const char *const server_channel_types[] = {"direct-tcpip", "direct-streamlocal@openssh.com",
                                                   "session", NULL};
static const char *const server_global_types[] = {"tcpip-forward", "cancel-tcpip-forward",
                                                  "streamlocal-forward@openssh.com",
                                                  "cancel-streamlocal-forward@openssh.com", NULL};

const struct ssh_role ssh_server = {
    .kex_side = &kex_side_server,
    .rows = server_rows,
    .channel_types = server_channel_types,
    .global_types = server_global_types,
    .next = server_next,
    .may_send_early = server_may_send_early,
    .on_keys_done = on_keys_done,
    .sign = server_sign,
};
