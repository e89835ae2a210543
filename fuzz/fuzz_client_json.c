/*
 * fuzz_client_json.c - what a daemon answers, as the verbs read it: the first byte says how many of the
 * fields of `edit` come before it, a line each; the rest is the answer.
 */
#include <string.h>

#include "daemon/client_json.h"
#include "daemon/client_tunnel.h"
#include "fuzz/fuzz.h"

/* What a person sees holds nothing that a terminal obeys but a tab (adit_text_clean). */
static void check_clean(const char *text)
{
    for (; text != NULL && *text != 0; text++)
        ALWAYS(*text == '\t' || ((uint8_t)*text >= 0x20 && (uint8_t)*text != 0x7f));
}

static void check_tunnel(const struct client_tunnel *t)
{
    ALWAYS(t->id != NULL && t->name != NULL && t->state != NULL && t->spec != NULL && t->json != NULL);
    check_clean(t->id);
    check_clean(t->name);
    check_clean(t->last_error);
    check_clean(t->target);
    for (size_t i = 0; i < t->addresses.count; i++)
        check_clean(t->addresses.item[i]);
    ALWAYS(client_tunnel_is(t, t->state));
    (void)client_tunnel_is_up(t);
    ALWAYS(client_tunnel_error(t) <= ADIT_E_COUNT);
}

static void check_tunnels(const char *text, size_t len)
{
    struct client_tunnels all;
    struct adit_error err = {0};
    enum adit_err e = client_tunnels_parse(&all, text, len, &err);
    ALWAYS(e == err.code);
    if (e != ADIT_E_OK)
        return;
    for (size_t i = 0; i < all.count; i++) {
        check_tunnel(&all.item[i]);
        ALWAYS(client_tunnels_find(&all, all.item[i].id) != NULL);
    }
    client_tunnels_wipe(&all);
}

static void check_others(const char *text, size_t len)
{
    char code[CLIENT_CODE_CAP], message[LIMIT_ERROR_TEXT], *word;
    struct client_reloaded reloaded;
    struct client_question question;
    struct adit_error err = {0};
    if (client_error_read(text, len, code, message)) {
        ALWAYS(strlen(code) < sizeof code && strlen(message) < sizeof message);
        check_clean(message);
    }
    (void)!client_reloaded_read(text, len, &reloaded, &err);
    if (client_question_read(text, len, &question)) {
        char *answer = client_answer_json(&question, question.is_secret ? NULL : "yes");
        ALWAYS(question.text != NULL && answer != NULL);
        free(answer);
        free(question.text);
    }
    if (client_text_read(text, len, "url", &word))
        free(word);
}

/* Returns what is left behind the fields. */
static struct span check_fields(struct span in, size_t count)
{
    char *fields[8] = {NULL};
    size_t n = 0;
    for (const uint8_t *end; n < count && in.n > 0 && (end = memchr(in.p, '\n', in.n)) != NULL; n++) {
        fields[n] = strndup((const char *)in.p, (size_t)(end - in.p));
        ALWAYS(fields[n] != NULL);
        in = span_sub(in, (size_t)(end - in.p) + 1, SIZE_MAX);
    }
    struct adit_error err = {0};
    char *body = client_edit_json(fields, n, &err);
    ALWAYS((body == NULL) == (err.code != ADIT_E_OK));
    free(body);
    while (n > 0)
        free(fields[--n]);
    return in;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct span in = check_fields(span_make(data + 1, size - 1), data[0] % 8);
    char *copy = malloc(in.n + 1);
    ALWAYS(copy != NULL);
    if (in.n > 0)
        memcpy(copy, in.p, in.n);
    check_tunnels(copy, in.n);
    check_others(copy, in.n);
    free(copy);
    return 0;
}
