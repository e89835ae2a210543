/*
 * client_json.h - what a program that talks to the daemon writes and reads besides tunnels.
 *
 * Whatever is returned as a text is on the heap: free() it; NULL: no memory.
 */
#ifndef DAEMON_CLIENT_JSON_H
#define DAEMON_CLIENT_JSON_H

#include "adit.h"
#include "client/forward_spec.h"
#include "client/texts.h"

/* ---- Requests ---- */

/* A tunnel to be made. Texts may be NULL: not given. */
struct client_new {
    const char *name, *host, *profile, *description; /* host: "[user@]host" */
    uint16_t port;                                   /* 0: not given */
    const struct forward_spec *forwards;             /* one or more */
    size_t forward_count;
    bool auto_start, has_max_retries;
    uint32_t max_retries;
};
/* The body of POST /tunnels. */
char *client_new_json(const struct client_new *n, struct adit_error *err) ADIT_MUST_USE;

/* Tunnels that live as long as a stream. */
struct client_session {
    const char *host, *jump;      /* jump: a ProxyJump value, or NULL */
    uint16_t port;                /* 0: not given */
    bool is_attended;             /* somebody is there to answer what the connection asks */
    const struct texts *keywords; /* lines of ssh_config */
    const struct forward_spec *forwards;
    size_t forward_count;
};
/* The body of POST /sessions. */
char *client_session_json(const struct client_session *s, struct adit_error *err) ADIT_MUST_USE;

/* "field=value" each, as the body of PUT: numbers, true, false and null where a field of T takes them, else
 * texts; an empty value is null. ADIT_E_USAGE in err: no '=', or no such value for this field; ADIT_E_MEMORY.
 */
char *client_edit_json(char *const fields[], size_t count, struct adit_error *err) ADIT_MUST_USE;

/* {"name":"value"}, for trust and the like. value NULL: null. NULL: no memory (errno is ENOMEM), or no UTF-8.
 */
char *client_text_json(const char *name, const char *value) ADIT_MUST_USE;

/* ---- Answers ---- */

/* The message of {"error":{...}}, clean; with it its code. False: it is none, or no memory (errno is ENOMEM).
 */
enum { CLIENT_CODE_CAP = 64 };
bool client_error_read(const char *text, size_t len, char code[static CLIENT_CODE_CAP],
                       char message[static LIMIT_ERROR_TEXT]) ADIT_MUST_USE;

/* {"added":1,"removed":0,"changed":2,"unchanged":7} */
struct client_reloaded {
    int64_t added, removed, changed, unchanged;
};
/* ADIT_E_PROTOCOL: it is none; ADIT_E_MEMORY. */
enum adit_err client_reloaded_read(const char *text, size_t len, struct client_reloaded *out,
                                   struct adit_error *err) ADIT_MUST_USE;

/* What a tunnel's connection asks: false where it asks nothing. text is the caller's to free. */
struct client_question {
    int64_t id;
    bool is_secret;
    char *text;
};
bool client_question_read(const char *text, size_t len, struct client_question *out) ADIT_MUST_USE;
/* answer NULL: refused. */
char *client_answer_json(const struct client_question *q, const char *answer) ADIT_MUST_USE;

/* A text of an object; "" when it is not there. False: no memory (errno is ENOMEM), or no object. */
bool client_text_read(const char *text, size_t len, const char *name, char **out) ADIT_MUST_USE;

#endif
