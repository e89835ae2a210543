/* Questions of a tunnel's connection, asked and answered on the terminal of whoever wants the tunnel. */
#include <stdlib.h>
#include <string.h>

#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verb_call.h"
#include "client/prompt.h"
#include "daemon/client_json.h"

enum adit_err verb_post(const struct verb_call *c, const char *id, const char *action, const char *body,
                        struct adit_error *err)
{
    char target[VERB_TARGET_CAP];
    struct http_client_reply reply = {0};
    enum adit_err e = verb_target(target, id, action, err);
    if (e == ADIT_E_OK)
        e = verb_ask(c, "POST", target, body, &reply, err);
    http_client_reply_wipe(&reply);
    return e;
}

enum adit_err verb_question_get(const struct verb_call *c, const char *id, struct client_question *q,
                                struct adit_error *err)
{
    char target[VERB_TARGET_CAP];
    struct http_client_reply reply = {0};
    *q = (struct client_question){0};
    enum adit_err e = verb_target(target, id, "prompt", err);
    if (e == ADIT_E_OK)
        e = verb_ask(c, "GET", target, NULL, &reply, err);
    if (e == ADIT_E_OK && !client_question_read(reply.body, reply.len, q))
        q->text = NULL;
    http_client_reply_wipe(&reply);
    return e;
}

static void unheeded(enum adit_err e)
{
    (void)e;
}

/* What its connection asks is asked here; so long the daemon keeps the question. */
enum adit_err verb_question_relay(const struct verb_call *c, const char *id, struct adit_error *err)
{
    struct client_question q;
    struct adit_error gone = {0};
    char answer[PROMPT_ANSWER_CAP] = "";
    enum adit_err e = verb_question_get(c, id, &q, err);
    if (e != ADIT_E_OK || q.text == NULL)
        return e;
    bool is_answered = terminal_ask(q.text, !q.is_secret, c->cancel_fd, answer, sizeof answer);
    char *body = client_answer_json(&q, is_answered ? answer : NULL);
    adit_wipe(answer, sizeof answer);
    /* A question that was taken back meanwhile wants no answer: its failure is none of ours. */
    if (body != NULL)
        unheeded(verb_post(c, id, "prompt", body, &gone));
    if (body != NULL)
        adit_wipe(body, strlen(body));
    free(body);
    free(q.text);
    return signals_seen() != 0 ? adit_fail(err, ADIT_E_INTERRUPTED, "interrupted") : ADIT_E_OK;
}

/* Ctrl-C during a question must give the terminal back. */
void verb_catch_signals(struct verb_call *c)
{
    struct adit_error err = {0};
    if (signals_init(-1, &err) == ADIT_E_OK)
        c->cancel_fd = signals_fd();
}
