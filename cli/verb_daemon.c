/* `adit daemon` as a process: its options, and -f. */
#include <string.h>
#include <unistd.h>

#include "cli/background.h"
#include "cli/log.h"
#include "cli/verb_call.h"
#include "daemon/daemon.h"

enum {
    KEY_BACKGROUND = 2,
    KEY_CONFIG,
    KEY_SSH_CONFIG,
    KEY_STATE,
    KEY_LISTEN,
    KEY_FORM,
    KEY_LOG,
    KEY_VERBOSE
};

static const struct verb_option options[] = {
    {"", 'f', false, KEY_BACKGROUND}, {"", 'c', true, KEY_CONFIG},     {"", 'F', true, KEY_SSH_CONFIG},
    {"state", 0, true, KEY_STATE},    {"listen", 0, true, KEY_LISTEN}, {"log-format", 0, true, KEY_FORM},
    {"", 'E', true, KEY_LOG},         {"", 'v', false, KEY_VERBOSE},   {0}};

struct start {
    struct daemon_args args;
    bool in_background;
    struct background background;
};

static bool take(void *ctx, int key, const char *value, struct adit_error *err)
{
    struct start *s = ctx;
    s->in_background = s->in_background || key == KEY_BACKGROUND;
    s->args.verbose += key == KEY_VERBOSE;
    const char **const texts[] = {[KEY_CONFIG] = &s->args.config_file, [KEY_SSH_CONFIG] = &s->args.ssh_config,
                                  [KEY_STATE] = &s->args.state_dir,    [KEY_LISTEN] = &s->args.listen,
                                  [KEY_FORM] = &s->args.log_format,    [KEY_LOG] = &s->args.log_file};
    if ((size_t)key < ADIT_COUNT(texts) && texts[key] != NULL)
        *texts[key] = value;
    if (key != KEY_FORM || strcmp(value, "text") == 0 || strcmp(value, "json") == 0)
        return true;
    (void)adit_fail(err, ADIT_E_USAGE, "--log-format: '%.100s' is neither text nor json", value);
    return false;
}

static void on_ready(void *ctx, const char *line)
{
    struct start *s = ctx;
    log_always(line);
    if (s->in_background)
        background_detach(&s->background, false, false);
}

int verb_daemon(struct verb_call *c)
{
    struct start s = {.args = {.ready = on_ready}};
    struct adit_error err = {0};
    bool is_parent = false;
    int status;
    s.args.ctx = &s;
    if (!verb_parse(c, options, &s, take, 0, 0, &status))
        return status;
    s.args.socket = c->socket_given;
    s.args.is_quiet = s.in_background;
    enum adit_err e = ADIT_E_OK;
    if (s.in_background)
        e = background_fork(&s.background, &is_parent, &status, &err);
    if (e == ADIT_E_OK && is_parent)
        return status;
    if (e == ADIT_E_OK)
        e = daemon_run(&s.args, &err);
    return e == ADIT_E_OK ? 0 : verb_fail(&err);
}
