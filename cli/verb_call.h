/*
 * verb_call.h - what the verbs have in common: their words and options, the daemon's socket, a request and
 * what is said about its failure.
 */
#ifndef CLI_VERB_CALL_H
#define CLI_VERB_CALL_H

#include "adit.h"
#include "cli/http_client.h"
#include "client/texts.h"
#include "daemon/client_tunnel.h"
#include "net/sock.h"

enum { VERB_TARGET_CAP = 1024, VERB_TIMEOUT_S = 30 };

struct verb_option {
    const char *name; /* without its two dashes; "": it has only a letter */
    char letter;      /* 0: it has none */
    bool takes_value;
    int key; /* the verb's own */
};

struct verb_call {
    const char *verb, *usage; /* usage: what follows the verb, "NAME... [--json]" */
    const char *help;         /* one sentence or two */
    int argc;
    char *const *argv; /* behind the verb */

    struct texts words;       /* what is no option */
    const char *socket_given; /* --socket */
    bool is_json;             /* --json */
    char socket[SOCK_PATH_CAP];
    int cancel_fd; /* -1: none */
};

/* Takes one option; false with what is wrong. */
typedef bool verb_take(void *ctx, int key, const char *value, struct adit_error *err);

/* Reads argv: options (NULL-named row ends; --socket, -h and, for a verb with it in its table, --json are
 * known) go to take, the rest to words. min and max: how many words there may be. False: *status is what the
 * verb returns (the help was shown, or what is wrong). Afterwards socket is known. */
bool verb_parse(struct verb_call *c, const struct verb_option *options, void *ctx, verb_take *take,
                size_t min, size_t max, int *status) ADIT_MUST_USE;
enum { VERB_KEY_JSON = 1 }; /* the key of every --json: it sets is_json itself; other keys are above it */
void verb_call_wipe(struct verb_call *c);

/* "30s", "1m30s" into milliseconds. */
bool verb_duration(const char *text, uint32_t *ms, struct adit_error *err) ADIT_MUST_USE;

/* ---- Saying something ---- */

/* "adit: TEXT" on standard error; returns the error's exit status. */
int verb_fail(const struct adit_error *err);
int verb_help(const struct verb_call *c); /* on standard output */
int verb_usage_error(const struct verb_call *c, const struct adit_error *err);
/* A line on standard output: `status`, or 1 where that is 0 and the line was not taken. A reason has been
 * told then, once for all lines, and is not to be told again; that nobody reads any more is no reason. */
int verb_print(int status, const char *fmt, ...) ADIT_PRINTF(2, 3);
bool verb_write(const char *text, size_t len); /* as it is; false: as verb_print's 1 */

/* ---- Asking ---- */

/* The answer's body, of a status below 300; any other is an error in the daemon's words: ADIT_E_CONFIG (400),
 * ADIT_E_COMMAND (all others: exit status 1). http_client_reply_wipe it in any case. */
enum adit_err verb_ask(const struct verb_call *c, const char *method, const char *target, const char *body,
                       struct http_client_reply *reply, struct adit_error *err) ADIT_MUST_USE;
/* That of an answer which came in another way. */
enum adit_err verb_judge(const struct verb_call *c, const struct http_client_reply *reply,
                         struct adit_error *err) ADIT_MUST_USE;
/* "/tunnels/ID/action?query"; action and query may be "". False: the id is too long. */
enum adit_err verb_target(char out[static VERB_TARGET_CAP], const char *id, const char *action,
                          struct adit_error *err) ADIT_MUST_USE;
/* All tunnels. */
enum adit_err verb_tunnels(const struct verb_call *c, struct client_tunnels *out,
                           struct adit_error *err) ADIT_MUST_USE;
/* One, anew, as the only one of *out. */
enum adit_err verb_tunnel(const struct verb_call *c, const char *id, struct client_tunnels *out,
                          struct adit_error *err) ADIT_MUST_USE;
/* ADIT_E_COMMAND, "Tunnel X not found". */
enum adit_err verb_find(const struct client_tunnels *list, const char *name, const struct client_tunnel **out,
                        struct adit_error *err) ADIT_MUST_USE;

/* POST /tunnels/ID/action; body may be NULL. What it answers does not matter. */
enum adit_err verb_post(const struct verb_call *c, const char *id, const char *action, const char *body,
                        struct adit_error *err) ADIT_MUST_USE;

/* ---- Questions of a tunnel's connection */

struct client_question;
/* What it asks (text NULL: nothing), which is the caller's to free; with that the daemon knows for a minute
 * that somebody is there to answer. */
enum adit_err verb_question_get(const struct verb_call *c, const char *id, struct client_question *q,
                                struct adit_error *err) ADIT_MUST_USE;
/* Asks it on the terminal, if there is one. ADIT_E_INTERRUPTED: a signal came. */
enum adit_err verb_question_relay(const struct verb_call *c, const char *id,
                                  struct adit_error *err) ADIT_MUST_USE;
/* Signals become readable on cancel_fd, so that Ctrl-C during a question gives the terminal back. */
void verb_catch_signals(struct verb_call *c);

/* Where no daemon answers: starts one for a user who is not root, and says so. ADIT_E_NO_DAEMON otherwise. */
enum adit_err verb_need_daemon(struct verb_call *c, struct adit_error *err) ADIT_MUST_USE;

/* ---- The verbs: each returns its exit status */

int verb_daemon(struct verb_call *c);
int verb_up(struct verb_call *c);
int verb_down(struct verb_call *c);
int verb_restart(struct verb_call *c);
int verb_wait(struct verb_call *c);
int verb_list(struct verb_call *c);
int verb_status(struct verb_call *c);
int verb_addr(struct verb_call *c);
int verb_logs(struct verb_call *c);
int verb_reload(struct verb_call *c);
int verb_check(struct verb_call *c);
int verb_add(struct verb_call *c);
int verb_edit(struct verb_call *c);
int verb_rm(struct verb_call *c);
int verb_run(struct verb_call *c);
int verb_open(struct verb_call *c);
int verb_ui(struct verb_call *c);
int verb_mcp(struct verb_call *c);

#endif
