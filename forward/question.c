/*
 * question.c - what the machine must be told from outside: posed, and its answer handed in.
 */
#include <string.h>

#include "forward/internal.h"

/* ---- Posing -------------------------------------------------------------------------------------------- */

static void fill_prompts(struct session *s, struct session_question *q)
{
    const struct ssh *ssh = s->conn.ssh;
    q->prompt_count = ssh_kbdint_count(ssh);
    if (q->prompt_count > LIMIT_KBDINT_PROMPTS)
        q->prompt_count = LIMIT_KBDINT_PROMPTS;
    for (size_t i = 0; i < q->prompt_count; i++)
        q->prompts[i].text = ssh_kbdint_prompt(ssh, i, &q->prompts[i].echo);
}

static void fill_peer(const struct session *s, struct session_question *q)
{
    struct sock_addr peer;
    if (s->config.transport_fd < 0 && sock_peer(s->conn.transport.fd, &peer))
        sock_addr_host(&peer, q->peer);
}

static bool question_fill(struct session *s, const struct ssh_event *ev)
{
    struct session_question *q = &s->question;
    memset(q, 0, sizeof *q);
    q->session = s;
    q->blob = ev->blob;
    q->alg = ev->alg;
    q->data = ev->data;
    switch (ev->kind) {
    case SSH_EVENT_HOST_KEY:
        q->kind = SESSION_ASK_HOST_KEY;
        fill_peer(s, q);
        return true;
    case SSH_EVENT_SIGN:
        q->kind = SESSION_ASK_SIGN;
        q->host_key = ssh_host_key(s->conn.ssh);
        q->host_signature = ssh_host_signature(s->conn.ssh);
        q->session_id = ssh_session_id(s->conn.ssh);
        return true;
    case SSH_EVENT_AUTH:
        q->kind = SESSION_ASK_CREDENTIAL;
        q->methods = ev->names;
        q->partial = ev->flag;
        q->first = ev->first;
        q->sig_algs = ssh_server_sig_algs(s->conn.ssh);
        q->host_bound = ssh_has_host_bound(s->conn.ssh);
        return true;
    case SSH_EVENT_KBDINT:
        q->kind = SESSION_ASK_KBDINT;
        q->name = ev->text;
        q->instruction = ev->data;
        fill_prompts(s, q);
        return true;
    case SSH_EVENT_PASSWORD_CHANGE:
        q->kind = SESSION_ASK_PASSWORD_CHANGE;
        q->instruction = ev->text;
        return true;
    default:
        return false;
    }
}

bool question_ask(struct session *s, const struct ssh_event *ev)
{
    if (!question_fill(s, ev))
        return false;
    /* The spans of an event live until the next ssh_in_space: what came before it is delivered now, and
     * nothing is read while is_asking is set. */
    s->is_asking = true;
    s->ops.ask(s->ops.ctx, &s->question);
    return true;
}

void question_host_keys(struct session *s, enum session_question_kind kind, struct span data)
{
    struct session_question *q = &s->question;
    memset(q, 0, sizeof *q);
    q->session = s;
    q->kind = kind;
    q->data = data;
    q->session_id = ssh_session_id(s->conn.ssh);
    s->is_asking = true;
    s->ops.ask(s->ops.ctx, q);
}

bool question_pauses(const struct session *s)
{
    return s->is_asking && s->question.kind != SESSION_ASK_HOST_KEYS &&
           s->question.kind != SESSION_ASK_PROOFS;
}

void session_answer(struct session_question *q)
{
    struct session *s = q->session;
    q->mail.kind = SESSION_MAIL_ANSWER;
    q->mail.owner = s;
    mailbox_post(&s->box, &q->mail);
}

/* ---- The answer ---- */

static void give_up(struct session *s)
{
    static const struct adit_error none = {ADIT_E_AUTH, "no credential is left to try"};
    const struct session_question *q = &s->question;
    ssh_auth_give_up(s->conn.ssh, q->why_not.code != ADIT_E_OK ? &q->why_not : &none);
}

static void tell_password(struct session *s)
{
    const struct session_question *q = &s->question;
    if (q->kind == SESSION_ASK_PASSWORD_CHANGE && q->old_password.n > 0)
        ssh_auth_password_change(s->conn.ssh, q->old_password, q->password);
    else
        ssh_auth_password(s->conn.ssh, q->password);
}

static void tell_credential(struct session *s)
{
    const struct session_question *q = &s->question;
    switch (q->credential) {
    case SESSION_CREDENTIAL_NONE:
        ssh_auth_none(s->conn.ssh);
        return;
    case SESSION_CREDENTIAL_PUBLICKEY:
        ssh_auth_publickey(s->conn.ssh, q->key_blob, q->key_alg, q->probe);
        return;
    case SESSION_CREDENTIAL_PASSWORD:
        tell_password(s);
        return;
    case SESSION_CREDENTIAL_KBDINT:
        ssh_auth_kbdint(s->conn.ssh, q->submethods);
        return;
    case SESSION_CREDENTIAL_GIVE_UP:
        break;
    }
    give_up(s);
}

static void tell(struct session *s)
{
    const struct session_question *q = &s->question;
    size_t reply_len = q->reply_len <= sizeof q->reply ? q->reply_len : 0;
    switch (q->kind) {
    case SESSION_ASK_HOST_KEY:
        ssh_host_key_answer(s->conn.ssh, q->accept, &q->why_not);
        return;
    case SESSION_ASK_SIGN:
        ssh_sign_answer(s->conn.ssh, span_make(q->reply, reply_len));
        return;
    case SESSION_ASK_KBDINT:
        if (q->accept)
            ssh_auth_kbdint_answer(s->conn.ssh, q->answers, q->prompt_count);
        else
            give_up(s);
        return;
    case SESSION_ASK_CREDENTIAL:
    case SESSION_ASK_PASSWORD_CHANGE:
        tell_credential(s);
        return;
    case SESSION_ASK_HOST_KEYS:
        proof_ask(s, q->prove, q->prove_count);
        return;
    case SESSION_ASK_PROOFS:
        proof_wipe(&s->proof);
        return;
    }
}

void question_answered(struct session *s, bool is_dead)
{
    struct session_question *q = &s->question;
    s->is_asking = false;
    if (!is_dead && s->conn.ssh)
        tell(s);
    adit_wipe(q->reply, sizeof q->reply);
    adit_wipe(q->answers, sizeof q->answers);
    q->password = q->old_password = span_make(NULL, 0);
}
