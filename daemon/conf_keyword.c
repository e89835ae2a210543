#include <stdlib.h>
#include <string.h>

#include "client/options.h"
#include "client/options_table.h"
#include "daemon/conf_row.h"

/* What ssh_config says that has nothing to do with how to connect. */
#define NO_SESSION "a tunnel has no session and runs nothing"
#define SHARES     "tunnels with the same server share a connection by themselves"
#define OWN        "a tunnel has the forwards of its block, and shows what is missing"
#define NO_PATHS   "the path of a Unix socket is not supported in a Tunnel"
#define COMMAND    "it belongs to the command line"

static const struct {
    const char *name, *why;
} refused[] = {
    {"RemoteCommand", NO_SESSION},
    {"LocalCommand", NO_SESSION},
    {"PermitLocalCommand", NO_SESSION},
    {"SessionType", NO_SESSION},
    {"RequestTTY", NO_SESSION},
    {"StdinNull", NO_SESSION},
    {"SendEnv", NO_SESSION},
    {"SetEnv", NO_SESSION},
    {"EscapeChar", NO_SESSION},
    {"EnableEscapeCommandline", NO_SESSION},
    {"ObscureKeystrokeTiming", NO_SESSION},
    {"ForwardAgent", NO_SESSION},
    {"ControlMaster", SHARES},
    {"ControlPath", SHARES},
    {"ControlPersist", SHARES},
    {"ClearAllForwardings", OWN},
    {"ExitOnForwardFailure", OWN},
    {"GatewayPorts", "write the address before the port of the forward, and AllowNonLoopback yes"},
    {"StreamLocalBindMask", NO_PATHS},
    {"StreamLocalBindUnlink", NO_PATHS},
    {"ForkAfterAuthentication", COMMAND},
    {"VisualHostKey", COMMAND},
    {"LogVerbose", COMMAND},
    {"SyslogFacility", COMMAND},
    {"AditExitCodes", COMMAND},
    {"AditReadyFd", COMMAND},
    {"AditReconnect", "write AutoReconnect and MaxRetries in a Tunnel"},
    {"AditBackoff", "write Backoff in a Tunnel"},
    {"AditDetect", "write Detect in a Tunnel"},
    {"AditSandbox", "write Sandbox before the first block"},
    {"AditReclaim", "it belongs in a Tunnel"},
    {"IgnoreUnknown", "unknown keywords are errors here"},
    {"RefuseConnection", "it stays in ssh_config"},
};

static enum adit_err check_effect(struct options *o, struct adit_error *err)
{
    enum adit_err e = options_check(o, err);
    if (e == ADIT_E_OK && o->notes.count + o->debug_notes.count > 0)
        return adit_fail(err, ADIT_E_CONFIG, "adit does not have this");
    return e;
}

/* The keyword stands before it anyway. */
static enum adit_err say(const char *keyword, const struct adit_error *why, struct adit_error *err)
{
    const size_t n = strlen(keyword);
    const char *text = why->text;
    if (strncmp(text, keyword, n) == 0 && strncmp(text + n, ": ", 2) == 0)
        text += n + 2;
    return adit_fail(err, why->code == ADIT_E_MEMORY ? ADIT_E_MEMORY : ADIT_E_CONFIG, "%s", text);
}

enum adit_err conf_value_check(const char *keyword, const char *value, struct adit_error *err)
{
    struct adit_error why = {0};
    struct options *o = malloc(sizeof *o);
    if (o == NULL)
        return conf_no_memory(err);
    options_init(o);
    enum adit_err e = options_set(o, keyword, value, &why);
    if (e == ADIT_E_OK)
        e = check_effect(o, &why);
    options_wipe(o);
    free(o);
    return e == ADIT_E_OK ? e : say(keyword, &why, err);
}

enum adit_err conf_keyword_check(const char *keyword, const char *value, const char **name,
                                 struct adit_error *err)
{
    const struct option_row *row = option_row_find(keyword);
    if (row == NULL)
        return adit_fail(err, ADIT_E_CONFIG, "unknown keyword");
    *name = row->name;
    for (size_t i = 0; i < ADIT_COUNT(refused); i++)
        if (strcmp(refused[i].name, row->name) == 0)
            return adit_fail(err, ADIT_E_CONFIG, "has no place here: %s", refused[i].why);
    if (row->kind == OPTION_FORGET)
        return adit_fail(err, ADIT_E_CONFIG, "adit does not have this");
    return conf_value_check(row->name, value, err);
}

enum adit_err conf_keyword_add(struct texts *list, const char *keyword, const char *value, const char **name,
                               struct adit_error *err)
{
    enum adit_err e = conf_keyword_check(keyword, value, name, err);
    if (e != ADIT_E_OK)
        return e;
    size_t cap = strlen(*name) + strlen(value) + 2;
    char *line = malloc(cap);
    if (line == NULL)
        return conf_no_memory(err);
    size_t n = adit_format(line, cap, "%s %s", *name, value);
    bool added = texts_add(list, span_make(line, n));
    adit_wipe(line, n); /* a proxy's address may hold a password */
    free(line);
    return added ? ADIT_E_OK : conf_no_memory(err);
}
