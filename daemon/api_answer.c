/*
 * api_answer.c - what most handlers need: the query, members of the body, the usual answers.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Answers */

void api_reply_tunnel(struct httpd_request *r, unsigned status, const struct tunnel *tunnel)
{
    httpd_reply_json(r, status, tunnel_json(tunnel));
}

void api_reply_error(struct httpd_request *r, const struct definition_error *error)
{
    httpd_reply_error(r, error->code ? error->code : "internal", error->field[0] ? error->field : NULL, "%s",
                      error->message);
}

void api_reply_not_found(struct httpd_request *r, const char *id)
{
    httpd_reply_error(r, "not_found", NULL, "Tunnel %s not found", id);
}

struct tunnel *api_find(const struct api_call *call)
{
    struct tunnel *tunnel = tunnels_find(call->api->config.tunnels, call->id);

    if (!tunnel)
        api_reply_not_found(call->request, call->id);
    return tunnel;
}

void api_time_text(int64_t at, char out[static API_TIME_CAP])
{
    time_t t = (time_t)at;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(out, API_TIME_CAP, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = 0;
}

/* ---- The query */

bool api_query_flag(const struct api_call *call, const char *name, bool *out)
{
    char text[8];
    bool is_bad = false;

    *out = false;
    if (!httpd_query(call->request, name, text, sizeof text, &is_bad) && !is_bad)
        return true;
    *out = !is_bad && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
    if (*out || (!is_bad && (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)))
        return true;
    httpd_reply_error(call->request, "invalid_value", name, "%s must be 1 or 0", name);
    return false;
}

bool api_query_number(const struct api_call *call, const char *name, uint32_t max, uint32_t *out)
{
    char text[16], *end;
    bool is_bad = false;
    unsigned long n;

    if (!httpd_query(call->request, name, text, sizeof text, &is_bad) && !is_bad)
        return true;
    if (!is_bad && text[0] >= '0' && text[0] <= '9' && strlen(text) < 10) {
        n = strtoul(text, &end, 10);
        if (*end == 0 && n <= max) {
            *out = (uint32_t)n;
            return true;
        }
    }
    httpd_reply_error(call->request, "invalid_value", name, "%s must be a whole number from 0 to %u", name,
                      (unsigned)max);
    return false;
}

/* ---- The body */

bool api_body_knows(const struct api_call *call, const json_t *object, const char *const *names)
{
    void *at = json_object_iter((json_t *)object);

    for (; at; at = json_object_iter_next((json_t *)object, at)) {
        const char *const *name = names;

        while (*name && strcmp(*name, json_object_iter_key(at)) != 0)
            name++;
        if (!*name) {
            struct definition_error error;

            definition_fail(&error, DEFINITION_E_UNKNOWN, json_object_iter_key(at),
                            "%s is not a field of this", json_object_iter_key(at));
            api_reply_error(call->request, &error);
            return false;
        }
    }
    return true;
}

bool api_body_text(const struct api_call *call, const char *name, const char **out)
{
    const json_t *value = json_object_get(call->body, name);

    *out = json_string_value(value);
    if (*out)
        return true;
    if (!value || json_is_null(value))
        httpd_reply_error(call->request, "missing_field", name, "%s is required", name);
    else
        httpd_reply_error(call->request, "invalid_value", name, "%s must be a text", name);
    return false;
}
