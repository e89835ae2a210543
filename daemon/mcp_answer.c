#include "daemon/mcp_answer.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"

/* Takes structured. text NULL: structured, as text. */
static void answer(struct mcp_request *request, json_t *structured, const char *text, bool is_error)
{
    char *dump = text == NULL ? json_text(structured, JSON_COMPACT) : NULL;
    const char *shown = text != NULL ? text : dump;
    json_t *result = structured != NULL && shown != NULL
                         ? json_pack("{s:[{s:s, s:s}], s:O, s:b}", "content", "type", "text", "text", shown,
                                     "structuredContent", structured, "isError", (int)is_error)
                         : NULL;
    mcp_request_answer(request, result);
    json_decref(structured);
    free(dump);
}

void mcp_answer(struct mcp_request *request, json_t *structured)
{
    answer(request, structured, NULL, false);
}

void mcp_fail_kind(struct mcp_request *request, const char *kind, const char *message)
{
    char clean[LIMIT_ERROR_TEXT];
    (void)adit_text_clean(clean, sizeof clean, span_str(message), false);
    answer(request, json_pack("{s:{s:s, s:s}}", "error", "kind", kind, "message", clean), clean, true);
}

void mcp_fail(struct mcp_request *request, const struct adit_error *err)
{
    mcp_fail_kind(request, adit_err_kind(err->code), err->text);
}

void mcp_fail_unknown(struct mcp_request *request, const char *id)
{
    struct adit_error err = {0};
    (void)adit_fail(&err, ADIT_E_USAGE, "Tunnel %s not found", id);
    mcp_fail(request, &err);
}

void mcp_fail_definition(struct mcp_request *request, const struct definition_error *error)
{
    if (strcmp(error->code, DEFINITION_E_INTERNAL) == 0) { /* no fault of the arguments */
        mcp_fail_kind(request, adit_err_kind(ADIT_E_MEMORY), error->message);
        return;
    }
    bool is_port = strcmp(error->code, "port_in_use") == 0;
    bool is_auth = strcmp(error->code, "profile_incomplete") == 0;
    mcp_fail_kind(request,
                  adit_err_kind(is_port   ? ADIT_E_FORWARD
                                : is_auth ? ADIT_E_AUTH
                                          : ADIT_E_USAGE),
                  error->message);
}

void mcp_fail_memory(struct mcp_request *request)
{
    mcp_request_answer(request, NULL);
}
