#include "cli/verb_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/verb_socket.h"
#include "client/units.h"
#include "daemon/client_json.h"
#include "net/child.h"

/* ---- Saying something ---- */

int verb_fail(const struct adit_error *err)
{
    char line[LIMIT_ERROR_TEXT + 16];
    (void)adit_format(line, sizeof line, "adit: %s",
                      err->text[0] != 0 ? err->text : adit_err_sentence(err->code));
    log_always(line);
    return adit_err_exit(err->code);
}

static size_t usage_text(const struct verb_call *c, char *out, size_t cap)
{
    return adit_format(out, cap, "usage: adit %s%s%s\n", c->verb, c->usage[0] != 0 ? " " : "", c->usage);
}

int verb_usage_error(const struct verb_call *c, const struct adit_error *err)
{
    char text[1024];
    (void)verb_fail(err);
    size_t n = usage_text(c, text, sizeof text);
    (void)log_write_all(STDERR_FILENO, text, n);
    return adit_err_exit(ADIT_E_USAGE);
}

/* Whoever reads no more (adit list | head) wants no word of it; a disk that is full is told of, once. */
bool verb_write(const char *text, size_t len)
{
    static bool is_told;
    char line[LIMIT_ERROR_TEXT];
    if (log_write_all(STDOUT_FILENO, text, len))
        return true;
    if (errno != EPIPE && !is_told) {
        (void)adit_format(line, sizeof line, "adit: standard output: %s", strerror(errno));
        log_always(line);
        is_told = true;
    }
    return false;
}

int verb_print(int status, const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    va_start(ap, fmt);
    size_t n = adit_vformat(line, sizeof line - 1, fmt, ap);
    va_end(ap);
    line[n++] = '\n';
    return verb_write(line, n) || status != 0 ? status : 1;
}

/* ---- Words and options ---- */

enum { KEY_SOCKET = -1, KEY_HELP = -2 };

static const struct verb_option common[] = {{"socket", 0, true, KEY_SOCKET}, {"help", 'h', false, KEY_HELP}};

struct scan {
    struct verb_call *c;
    const struct verb_option *options;
    void *ctx;
    verb_take *take;
    int at; /* in argv */
    bool wants_help;
};

static const struct verb_option *find_in(const struct verb_option *rows, size_t count, const char *name,
                                         size_t len, char letter)
{
    for (size_t i = 0; i < count && rows[i].name != NULL; i++) {
        if (letter != 0 ? rows[i].letter == letter
                        : strlen(rows[i].name) == len && len > 0 && memcmp(rows[i].name, name, len) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct verb_option *option_find(const struct scan *s, const char *name, size_t len, char letter)
{
    const struct verb_option *o = find_in(common, ADIT_COUNT(common), name, len, letter);
    return o != NULL || s->options == NULL ? o : find_in(s->options, SIZE_MAX, name, len, letter);
}

static bool option_take(struct scan *s, const struct verb_option *o, const char *value,
                        struct adit_error *err)
{
    switch (o->key) {
    case KEY_SOCKET:
        s->c->socket_given = value;
        return true;
    case KEY_HELP:
        s->wants_help = true;
        return true;
    case VERB_KEY_JSON:
        s->c->is_json = true;
        return true;
    default:
        return s->take(s->ctx, o->key, value, err);
    }
}

/* The next word as an option's value. */
static const char *value_next(struct scan *s, const char *option, struct adit_error *err)
{
    if (s->at + 1 < s->c->argc)
        return s->c->argv[++s->at];
    (void)adit_fail(err, ADIT_E_USAGE, "option %s wants a value", option);
    return NULL;
}

static bool long_option(struct scan *s, const char *word, struct adit_error *err)
{
    const char *name = word + 2, *sign = strchr(name, '='), *value = sign != NULL ? sign + 1 : NULL;
    size_t len = sign != NULL ? (size_t)(sign - name) : strlen(name);
    const struct verb_option *o = option_find(s, name, len, 0);
    if (o == NULL || (value != NULL && !o->takes_value)) {
        (void)adit_fail(err, ADIT_E_USAGE, o == NULL ? "unknown option %s" : "option %s takes no value",
                        word);
        return false;
    }
    if (o->takes_value && value == NULL && (value = value_next(s, word, err)) == NULL)
        return false;
    return option_take(s, o, value, err);
}

/* "-n5", "-n 5", "-vv" */
static bool short_options(struct scan *s, const char *word, struct adit_error *err)
{
    for (const char *c = word + 1; *c != 0; c++) {
        const char shown[3] = {'-', *c, 0}, *value = NULL;
        const struct verb_option *o = option_find(s, NULL, 0, *c);
        if (o == NULL) {
            (void)adit_fail(err, ADIT_E_USAGE, "unknown option %s", shown);
            return false;
        }
        if (o->takes_value)
            value = c[1] != 0 ? c + 1 : value_next(s, shown, err);
        if ((o->takes_value && value == NULL) || !option_take(s, o, value, err))
            return false;
        if (o->takes_value)
            return true;
    }
    return true;
}

static bool scan_all(struct scan *s, struct adit_error *err)
{
    bool only_words = false;
    for (; s->at < s->c->argc; s->at++) {
        const char *word = s->c->argv[s->at];
        bool is_fine;
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || word[0] != '-' || word[1] == 0)
            is_fine = texts_add(&s->c->words, span_str(word));
        else
            is_fine = word[1] == '-' ? long_option(s, word, err) : short_options(s, word, err);
        if (!is_fine) {
            (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
            return false;
        }
    }
    return true;
}

int verb_help(const struct verb_call *c)
{
    char text[2048];
    size_t n = usage_text(c, text, sizeof text);
    n += adit_format(text + n, sizeof text - n, "%s\n", c->help);
    return verb_write(text, n) ? 0 : 1;
}

bool verb_parse(struct verb_call *c, const struct verb_option *options, void *ctx, verb_take *take,
                size_t min, size_t max, int *status)
{
    struct scan s = {c, options, ctx, take, 0, false};
    struct adit_error err = {0};
    texts_init(&c->words);
    c->cancel_fd = -1;
    bool is_fine = scan_all(&s, &err);
    if (s.wants_help) {
        *status = verb_help(c);
        return false;
    }
    if (is_fine && (c->words.count < min || c->words.count > max))
        is_fine = adit_fail(&err, ADIT_E_USAGE,
                            c->words.count < min ? "%s: a word is missing" : "%s: too many words",
                            c->verb) == ADIT_E_OK;
    if (!is_fine) {
        *status = err.code == ADIT_E_USAGE ? verb_usage_error(c, &err) : verb_fail(&err);
        return false;
    }
    if (verb_socket_find(c->socket_given, c->socket, &err) == ADIT_E_OK)
        return true;
    *status = verb_fail(&err);
    return false;
}

void verb_call_wipe(struct verb_call *c)
{
    texts_wipe(&c->words);
}

bool verb_duration(const char *text, uint32_t *ms, struct adit_error *err)
{
    uint32_t seconds;
    if (!units_time(span_str(text), &seconds) || seconds > UINT32_MAX / 1000) {
        (void)adit_fail(err, ADIT_E_USAGE, "'%.100s' is not a time, as 30s or 1m30s", text);
        return false;
    }
    *ms = seconds * 1000;
    return true;
}

/* ---- Asking ---- */

enum adit_err verb_judge(const struct verb_call *c, const struct http_client_reply *reply,
                         struct adit_error *err)
{
    char code[CLIENT_CODE_CAP], message[LIMIT_ERROR_TEXT];
    if (reply->status < 300)
        return ADIT_E_OK;
    if (client_error_read(reply->body != NULL ? reply->body : "", reply->len, code, message))
        return adit_fail(err, reply->status == 400 ? ADIT_E_CONFIG : ADIT_E_COMMAND, "%s", message);
    if (errno == ENOMEM)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return adit_fail(err, ADIT_E_COMMAND, "%s: the daemon answers %u", c->socket, reply->status);
}

enum adit_err verb_ask(const struct verb_call *c, const char *method, const char *target, const char *body,
                       struct http_client_reply *reply, struct adit_error *err)
{
    const struct http_client_request request = {
        .socket = c->socket, .method = method, .target = target, .body = body, .cancel_fd = c->cancel_fd};
    enum adit_err e = http_client_ask(&request, reply, err);
    return e == ADIT_E_OK ? verb_judge(c, reply, err) : e;
}

enum adit_err verb_target(char out[static VERB_TARGET_CAP], const char *id, const char *action,
                          struct adit_error *err)
{
    char first[4] = "", encoded[VERB_TARGET_CAP / 2];
    if (!http_client_encode(id[0] != 0 ? id + 1 : id, encoded, sizeof encoded))
        return adit_fail(err, ADIT_E_USAGE, "the name is too long");
    /* So written, no name is a word of the API: /tunnels/start-all is something else. */
    if (id[0] != 0)
        (void)adit_format(first, sizeof first, "%%%02x", (unsigned)(uint8_t)id[0]);
    (void)adit_format(out, VERB_TARGET_CAP, "/tunnels/%s%s%s%s", first, encoded,
                      action[0] != 0 && action[0] != '?' ? "/" : "", action);
    return ADIT_E_OK;
}

static enum adit_err ask_tunnels(const struct verb_call *c, const char *target, struct client_tunnels *out,
                                 struct adit_error *err)
{
    struct http_client_reply reply;
    *out = (struct client_tunnels){0};
    enum adit_err e = verb_ask(c, "GET", target, NULL, &reply, err);
    if (e == ADIT_E_OK)
        e = client_tunnels_parse(out, reply.body, reply.len, err);
    http_client_reply_wipe(&reply);
    return e;
}

enum adit_err verb_tunnels(const struct verb_call *c, struct client_tunnels *out, struct adit_error *err)
{
    return ask_tunnels(c, "/tunnels", out, err);
}

enum adit_err verb_tunnel(const struct verb_call *c, const char *id, struct client_tunnels *out,
                          struct adit_error *err)
{
    char target[VERB_TARGET_CAP];
    *out = (struct client_tunnels){0};
    enum adit_err e = verb_target(target, id, "", err);
    return e == ADIT_E_OK ? ask_tunnels(c, target, out, err) : e;
}

enum adit_err verb_find(const struct client_tunnels *list, const char *name, const struct client_tunnel **out,
                        struct adit_error *err)
{
    *out = client_tunnels_find(list, name);
    return *out != NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_COMMAND, "Tunnel %.200s not found", name);
}

/* ---- A daemon of one's own ---- */

static enum adit_err daemon_start(struct verb_call *c, struct adit_error *err)
{
    char self[4096];
    struct child child;
    int status = 0;
    const int fds[3] = {-1, STDERR_FILENO, STDERR_FILENO};
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return adit_fail(err, ADIT_E_SYSTEM, "/proc/self/exe: %s", strerror(errno));
    self[n] = 0;
    const char *const argv[] = {self, "daemon", "-f", "--socket", c->socket, NULL};
    if (child_start(&child, argv, NULL, fds, false, err) != ADIT_E_OK)
        return err->code;
    (void)child_reap(&child, true, &status);
    /* Another verb may have been faster. */
    return status == 0 || http_client_is_answered(c->socket)
               ? ADIT_E_OK
               : adit_fail(err, ADIT_E_NO_DAEMON, "no daemon could be started (%d)", status);
}

enum adit_err verb_need_daemon(struct verb_call *c, struct adit_error *err)
{
    char line[SOCK_PATH_CAP + 64];
    if (http_client_is_answered(c->socket) || geteuid() == 0)
        return ADIT_E_OK; /* what is asked next says what is missing */
    if (verb_socket_own(c->socket_given, c->socket, err) != ADIT_E_OK || daemon_start(c, err) != ADIT_E_OK)
        return err->code;
    (void)adit_format(line, sizeof line, "adit: started a daemon for you (%s)", c->socket);
    log_always(line);
    return ADIT_E_OK;
}
