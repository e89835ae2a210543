#include <string.h>

#include "ssh/agent.h"
#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "ssh/wire.h"

/* The client's half of the facade: its messages, and the commands that answer its events. */

/* ---- key exchange ---- */

static enum adit_err on_kex_reply(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    (void)event;
    /* The server's share of it is a millisecond or two: good enough until something lighter is answered. */
    if (ssh->rtt_us == 0)
        ssh_note_rtt(ssh, ssh->kex_asked_us);
    return kex_on_reply(&ssh->kex, &ssh->packet, payload, &ssh->error);
}

/* RFC 4253 §10. Goes out with our NEWKEYS; the first authentication request follows in the same flight. */
static enum adit_err send_service_request(struct ssh *ssh)
{
    struct wr w = packet_begin(&ssh->packet, SSH_MSG_SERVICE_REQUEST, 32);
    wr_cstring(&w, "ssh-userauth");
    if (!packet_send(&ssh->packet, &w))
        return adit_fail(&ssh->error, ADIT_E_LIMIT, "no room for SERVICE_REQUEST");
    return ADIT_E_OK;
}

static enum adit_err on_keys_done(struct ssh *ssh)
{
    ssh->auth_client.want = AUTH_WANT_METHOD;
    return ADIT_E_OK;
}

/* [RFC 4253 7.1o] */
void ssh_host_key_answer(struct ssh *ssh, bool accept, const struct adit_error *why_not)
{
    if (ssh->phase == PHASE_ENDED || ssh->kex.want != KEX_WANT_HOST_KEY_VERDICT)
        return;
    ssh->is_asked = false;
    if (!accept) {
        bool has_reason = why_not != NULL && why_not->code != ADIT_E_OK;
        ssh_check(ssh, adit_fail(&ssh->error, has_reason ? why_not->code : ADIT_E_HOST_KEY, "%s",
                                 has_reason ? why_not->text : "the server's host key was not accepted"));
        return;
    }
    ssh_check(ssh, kex_accept_host_key(&ssh->kex, &ssh->packet, &ssh->error));
    if (ssh->phase != PHASE_ENDED)
        ssh_check(ssh, send_service_request(ssh));
}

/* ---- authentication messages ---- */

/* [RFC 4253 10d] */
static enum adit_err on_service_accept(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    struct rd r = rd_init(payload);
    (void)event;
    (void)rd_u8(&r);
    struct span service = rd_string(&r);
    /* Some old servers leave the name out; RFC 4253 §10 wants it. */
    if (!rd_done(&r) || !span_is(service, "ssh-userauth"))
        return adit_fail(&ssh->error, ADIT_E_PROTOCOL,
                         "SERVICE_ACCEPT for a service we did not ask for (RFC 4253 §10)");
    ssh->phase = PHASE_AUTH;
    return ADIT_E_OK;
}

static enum adit_err on_failure(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    (void)event;
    return auth_on_failure(&ssh->auth_client, payload, &ssh->error);
}

static enum adit_err on_success(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    enum adit_err result = auth_on_success(&ssh->auth_client, payload, &ssh->error);
    if (result != ADIT_E_OK)
        return result;
    ssh->phase = PHASE_OPEN;
    ssh->is_authenticated = true;
    if (kex_authenticated(&ssh->kex, &ssh->packet, &ssh->error) != ADIT_E_OK)
        return ssh->error.code;
    event->kind = SSH_EVENT_AUTHENTICATED;
    event->names = span_str(auth_method_name(ssh->auth_client.method));
    return ADIT_E_OK;
}

/* [RFC 4252 5.4a] */
static enum adit_err on_banner(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    event->kind = SSH_EVENT_BANNER;
    return auth_on_banner(&ssh->auth_client, payload, &event->text, &ssh->error);
}

static enum adit_err on_60(struct ssh *ssh, struct span payload, struct ssh_event *event)
{
    enum adit_err result = auth_on_60(&ssh->auth_client, payload, &ssh->error);
    if (result == ADIT_E_OK && ssh->auth_client.want == AUTH_WANT_SIGNATURE) {
        event->kind = SSH_EVENT_PK_OK;
        event->blob = auth_key_blob(&ssh->auth_client);
        event->alg = auth_key_alg(&ssh->auth_client);
    }
    return result;
}

/* ---- what the client asks its caller ---- */

static bool next_auth(struct ssh *ssh, struct ssh_event *event)
{
    struct auth_client *a = &ssh->auth_client;
    switch (a->want) {
    case AUTH_WANT_NOTHING:
        return false;
    case AUTH_WANT_METHOD:
        if (a->first) /* server-sig-algs comes right behind the server's NEWKEYS, if at all. [RFC 8308 2.4d]
                       */
            ssh_take_ext_info(ssh);
        if (ssh->phase == PHASE_ENDED)
            return false;
        event->kind = SSH_EVENT_AUTH;
        event->names = (struct span){a->methods, a->methods_n};
        event->flag = a->partial;
        event->first = a->first;
        break;
    case AUTH_WANT_SIGNATURE:
        event->kind = SSH_EVENT_SIGN;
        event->blob = auth_key_blob(a);
        event->alg = auth_key_alg(a);
        event->data = auth_to_sign(a);
        break;
    case AUTH_WANT_ANSWERS:
        event->kind = SSH_EVENT_KBDINT;
        event->text = a->kbdint_name;
        event->data = a->kbdint_instruction;
        event->number = (uint32_t)a->prompt_count;
        break;
    case AUTH_WANT_PASSWORD:
        event->kind = SSH_EVENT_PASSWORD_CHANGE;
        event->text = a->change_prompt;
        break;
    }
    ssh->is_asked = true;
    return true;
}

static bool client_next(struct ssh *ssh, struct ssh_event *event)
{
    if (ssh->kex.want == KEX_WANT_HOST_KEY_VERDICT) {
        event->kind = SSH_EVENT_HOST_KEY;
        event->blob = kex_host_key(&ssh->kex);
        event->alg = span_str(ssh->kex.choice.host_key);
        ssh->is_asked = true;
        return true;
    }
    /* Nothing of the authentication may be sent during an exchange (RFC 4253 §7.1). */
    return !ssh->kex.self_started && next_auth(ssh, event);
}

/* Opens ride along only with one signed publickey request to an OpenSSH server: it answers UNIMPLEMENTED when
 * authentication did not succeed first, other servers disconnect. With zlib@openssh.com the first packet
 * after the authentication is compressed: the server would not know which one that is. */
static bool client_may_send_early(const struct ssh *ssh)
{
    const struct auth_client *a = &ssh->auth_client;
    const enum compress_alg *compress = ssh->kex.choice.compress;
    if (compress[0] == COMPRESS_DELAYED || compress[1] == COMPRESS_DELAYED)
        return false;
    return !ssh->config.no_early_open && (ssh->phase == PHASE_SERVICE || ssh->phase == PHASE_AUTH) &&
           a->in_flight && a->method == AUTH_PUBKEY && ssh_peer_is_openssh(ssh);
}

/* ---- commands ---- */

/* True when the caller may answer what the authentication wants. [RFC 4252 5.1c] */
static bool takes_auth(struct ssh *ssh)
{
    if (ssh->phase == PHASE_ENDED || ssh->auth_client.want == AUTH_WANT_NOTHING || ssh->kex.self_started)
        return false;
    ssh->is_asked = false;
    return true;
}

void ssh_auth_user(struct ssh *ssh, struct span user)
{
    auth_client_user(&ssh->auth_client, user);
}

void ssh_auth_none(struct ssh *ssh)
{
    if (takes_auth(ssh))
        ssh_check(ssh, auth_try_none(&ssh->auth_client, &ssh->packet, &ssh->error));
}

void ssh_auth_publickey(struct ssh *ssh, struct span blob, struct span alg, bool probe)
{
    if (takes_auth(ssh))
        ssh_check(ssh, auth_try_publickey(&ssh->auth_client, &ssh->packet, ssh_session_id(ssh), blob, alg,
                                          ssh_has_host_bound(ssh) ? ssh_host_key(ssh) : (struct span){0},
                                          probe, &ssh->error));
}

void ssh_auth_password(struct ssh *ssh, struct span password)
{
    if (takes_auth(ssh))
        ssh_check(ssh, auth_try_password(&ssh->auth_client, &ssh->packet, password, &ssh->error));
}

void ssh_auth_password_change(struct ssh *ssh, struct span old_password, struct span new_password)
{
    if (takes_auth(ssh))
        ssh_check(ssh, auth_change_password(&ssh->auth_client, &ssh->packet, old_password, new_password,
                                            &ssh->error));
}

void ssh_auth_kbdint(struct ssh *ssh, struct span submethods)
{
    if (takes_auth(ssh))
        ssh_check(ssh, auth_try_kbdint(&ssh->auth_client, &ssh->packet, submethods, &ssh->error));
}

size_t ssh_kbdint_count(const struct ssh *ssh)
{
    return ssh->auth_client.want == AUTH_WANT_ANSWERS ? ssh->auth_client.prompt_count : 0;
}

struct span ssh_kbdint_prompt(const struct ssh *ssh, size_t i, bool *echo)
{
    if (i >= ssh_kbdint_count(ssh))
        return (struct span){0};
    *echo = ssh->auth_client.echo[i];
    return ssh->auth_client.prompts[i];
}

void ssh_auth_kbdint_answer(struct ssh *ssh, const struct span *answers, size_t count)
{
    if (ssh->auth_client.want == AUTH_WANT_ANSWERS && takes_auth(ssh))
        ssh_check(ssh, auth_answer_kbdint(&ssh->auth_client, &ssh->packet, answers, count, &ssh->error));
}

void ssh_auth_give_up(struct ssh *ssh, const struct adit_error *why)
{
    if (ssh->phase != PHASE_ENDED)
        ssh_check(ssh, adit_fail(&ssh->error, why->code, "%s", why->text));
}

static enum adit_err client_sign(struct ssh *ssh, struct span signature)
{
    if (ssh->auth_client.want != AUTH_WANT_SIGNATURE || !takes_auth(ssh))
        return ADIT_E_OK;
    return auth_give_signature(&ssh->auth_client, &ssh->packet, signature, &ssh->error);
}

/* [RFC 4252 5.1e] [RFC 4253 7.1o] */
static const struct message_row client_rows[] = {
    {SSH_MSG_SERVICE_ACCEPT, PHASE_SERVICE, on_service_accept},
    {SSH_MSG_KEX_ECDH_REPLY, PHASE_KEX | PHASE_STRICT | PHASE_REKEX, on_kex_reply},
    {SSH_MSG_USERAUTH_FAILURE, PHASE_AUTH, on_failure},
    {SSH_MSG_USERAUTH_SUCCESS, PHASE_AUTH, on_success},
    {SSH_MSG_USERAUTH_BANNER, PHASE_AUTH, on_banner},
    {SSH_MSG_USERAUTH_PK_OK, PHASE_AUTH, on_60},
    {SSH_MSG_PONG, PHASE_OPEN, ssh_on_pong}, /* only we ping */
    {0, 0, NULL},
};

size_t ssh_agent_bind(const struct ssh *ssh, struct wspan room)
{
    enum { FIXED = 4 + 1 + 4 + 24 + 3 * 4 + 1 };
    struct span key = ssh_host_key(ssh), signature = ssh_host_signature(ssh), id = ssh_session_id(ssh);
    size_t n = FIXED + key.n + signature.n + id.n;
    struct wr w = wr_init(room.p, room.n);
    if (key.n == 0)
        return 0;
    if (room.n >= n)
        agent_write_bind(&w, key, id, signature, true);
    return n;
}

/* [RFC 4251 4.3b] [RFC 4254 6.1a 6.3.2a 7.2b 7.2d] */
static const char *const client_channel_types[] = {"forwarded-tcpip", "forwarded-streamlocal@openssh.com",
                                                   "auth-agent@openssh.com", NULL};
/* [RFC 4254 7.1a] */
static const char *const client_global_types[] = {"hostkeys-00@openssh.com", NULL};

const struct ssh_role ssh_client = {
    .kex_side = &kex_side_client,
    .rows = client_rows,
    .channel_types = client_channel_types,
    .global_types = client_global_types,
    .next = client_next,
    .may_send_early = client_may_send_early,
    .on_keys_done = on_keys_done,
    .sign = client_sign,
};
