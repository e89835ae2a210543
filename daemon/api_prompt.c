/*
 * api_prompt.c - GET and POST /tunnels/{id}/prompt: what a connection asks, and what somebody at a terminal
 * answers.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"

/* Who asks with ?wait= hears of a question as soon as there is one, or that none will come. */
struct asking {
    struct api_call call;
    struct api_watcher watcher;
    struct tunnel_wait wait;
};

static void reply_prompt(const struct api_call *call, const struct tunnel *tunnel)
{
    struct tunnel_prompt p;
    json_t *prompt = json_null();

    if (!tunnel) {
        api_reply_not_found(call->request, call->id);
        return;
    }
    if (tunnel_prompt_pending(tunnel, &p))
        prompt = json_pack("{s:I, s:s, s:o}", "id", (json_int_t)p.id, "kind",
                           p.kind == TUNNEL_PROMPT_LINE ? "line" : "secret", "text", json_utf8(p.text));
    httpd_reply_json(call->request, 200,
                     json_pack("{s:o, s:o}", "prompt", prompt, "tunnel", tunnel_json(tunnel)));
}

static void asking_free(struct asking *a)
{
    tunnel_wait_cancel(&a->wait);
    api_unwatch(&a->watcher);
    free(a);
}

static void asking_gone(void *owner)
{
    asking_free(owner);
}

static void asking_done(void *ctx, struct tunnel *tunnel, bool is_so)
{
    struct asking *a = ctx;

    (void)is_so;
    reply_prompt(&a->call, tunnel);
    asking_free(a);
}

static void asking_news(void *owner)
{
    struct asking *a = owner;
    struct tunnel *tunnel = tunnels_find(a->call.api->config.tunnels, a->call.id);
    struct tunnel_prompt p;

    if (tunnel && !tunnel_prompt_pending(tunnel, &p))
        return;
    reply_prompt(&a->call, tunnel);
    asking_free(a);
}

void api_get_prompt(const struct api_call *call)
{
    struct tunnel *tunnel = api_find(call);
    struct tunnel_prompt p;
    struct asking *a;
    uint32_t wait_s = 0;

    if (!tunnel || !api_query_number(call, "wait", TUNNEL_ATTEND_MS / 1000 / 2, &wait_s))
        return;
    tunnel_attend(tunnel);
    a = wait_s > 0 && !tunnel_prompt_pending(tunnel, &p) ? calloc(1, sizeof *a) : NULL;
    if (!a) {
        reply_prompt(call, tunnel);
        return;
    }
    a->call = *call;
    a->wait.ctx = a;
    a->wait.done = asking_done;
    if (!httpd_hold(call->request, asking_gone, a)) {
        free(a);
        return;
    }
    api_watch(call->api, &a->watcher, asking_news, a);
    tunnel_wait(tunnel, &a->wait, TUNNEL_WAIT_SETTLED, wait_s * 1000);
}

void api_answer_prompt(const struct api_call *call)
{
    static const char *const names[] = {"id", "answer", NULL};
    struct tunnel *tunnel = api_find(call);
    const json_t *id = json_object_get(call->body, "id"), *answer = json_object_get(call->body, "answer");
    bool is_done;

    if (!tunnel || !api_body_knows(call, call->body, names))
        return;
    if (!json_is_integer(id) || (answer && !json_is_null(answer) && !json_is_string(answer))) {
        const char *field = json_is_integer(id) ? "answer" : "id";

        httpd_reply_error(call->request, id || json_is_integer(id) ? "invalid_value" : "missing_field", field,
                          "%s must be %s", field, json_is_integer(id) ? "a text or null" : "a number");
        return;
    }
    is_done = tunnel_prompt_answer(tunnel, (uint64_t)json_integer_value(id), json_string_value(answer));
    if (json_is_string(answer)) /* jansson's own copy */
        adit_wipe((void *)(uintptr_t)json_string_value(answer), json_string_length(answer));
    if (is_done)
        httpd_reply_empty(call->request, 204);
    else
        httpd_reply_error(call->request, "conflict", NULL, "This question is not asked any more");
}
