#include "cli/verb.h"

#include <string.h>

#include "cli/log.h"
#include "cli/signals.h"
#include "cli/verb_call.h"

static const struct {
    const char *name;
    int (*run)(struct verb_call *c);
    const char *usage, *help;
} verbs[] = {
    {"daemon", verb_daemon,
     "[-f] [-c FILE] [-F ssh_config] [--socket P] [--state D] [--listen A:P] [--log-format text|json] [-E "
     "log] [-v...]",
     "Holds the tunnels: those of adit.conf, and those made by 'adit add'. -f: goes to the background when "
     "it is "
     "ready."},
    {"up", verb_up, "NAME...|--all [--no-wait] [--timeout 30s] [--trust FINGERPRINT] [--socket P]",
     "Starts tunnels and waits until they are connected. Asks on the terminal what their connections ask."},
    {"down", verb_down, "NAME...|--all [--socket P]", "Stops tunnels; their ports are free when it returns."},
    {"restart", verb_restart, "NAME...|--all [--no-wait] [--timeout 30s] [--socket P]",
     "Stops tunnels and starts them."},
    {"list", verb_list, "[FILTER] [--json] [--socket P]",
     "Shows all tunnels, or those with FILTER in their name or their spec."},
    {"status", verb_status, "[NAME...] [--json] [--socket P]",
     "Says how many are up and how many failed, and a line for each. Exit status 1 if any failed."},
    {"wait", verb_wait, "NAME... [--timeout 30s] [--json] [--socket P]", "Waits until they are connected."},
    {"addr", verb_addr, "NAME [--json] [--socket P]", "Prints where it listens, and nothing else."},
    {"logs", verb_logs, "[NAME] [-n 100] [-f] [--json] [--socket P]",
     "The last lines of the daemon's log; -f: and those that come."},
    {"reload", verb_reload, "[--json] [--socket P]",
     "Has the daemon read its files again. An error in them changes nothing."},
    {"check", verb_check, "[FILE] [--json] [--socket P]",
     "Reads a configuration and says what 'adit reload' would change."},
    {"add", verb_add,
     "NAME DEST -L|-R|-D SPEC [--profile P] [--auto-start] [--max-retries N] [--description T] [--up] "
     "[--socket P]",
     "Makes a tunnel, which the daemon keeps."},
    {"edit", verb_edit, "NAME FIELD=VALUE... [--socket P]", "Changes a tunnel that was made by 'adit add'."},
    {"open", verb_open,
     "[-46CN] [-i FILE] [-J HOST] [-l USER] [-o OPTION] [-p PORT] DEST -L|-R|-D SPEC... [--socket P]",
     "Opens tunnels in the daemon that live as long as this process."},
    {"run", verb_run, "[ssh options] DEST -L|-R|-D [NAME=]SPEC... [--timeout 30s] -- COMMAND...",
     "Runs a command with tunnels of its own; ADIT_NAME_ADDR, _HOST, _PORT and _URL say where they listen. "
     "No daemon "
     "is needed."},
    {"ui", verb_ui, "[--print] [--socket P]",
     "Opens the daemon's page in a browser, or prints its address: whoever has it may use the daemon."},
    {"mcp", verb_mcp,
     "[--tools=read,tunnel] [--allow HOST:PORT]... [--allow-server PATTERN]... [--allow-local HOST:PORT]... "
     "[--max-ttl 24h] [-c FILE]",
     "Speaks the Model Context Protocol on standard input and output; the tunnels that are made there end "
     "with it."},
    {"rm", verb_rm, "NAME [--socket P]", "Stops a tunnel and forgets it."},
};

static size_t row_find(const char *word)
{
    size_t i = 0;
    while (i < ADIT_COUNT(verbs) && strcmp(verbs[i].name, word) != 0)
        i++;
    return i;
}

void verb_usage(int fd)
{
    char text[512];
    size_t n = adit_format(text, sizeof text, "       adit VERB -h, for tunnels in a daemon, see aditd(8):");
    for (size_t i = 0; i < ADIT_COUNT(verbs); i++)
        n += adit_format(text + n, sizeof text - n, "%s%s", i % 10 == 0 ? "\n           " : " ",
                         verbs[i].name);
    n += adit_format(text + n, sizeof text - n, "\n");
    (void)log_write_all(fd, text, n);
}

bool verb_is_called(int argc, char *const argv[])
{
    if (argc < 2)
        return false;
    const char *slash = strrchr(argv[0], '/'), *face = slash != NULL ? slash + 1 : argv[0];
    return strcmp(face, "ssh") != 0 && strcmp(face, "autossh") != 0 && row_find(argv[1]) < ADIT_COUNT(verbs);
}

int verb_main(int argc, char *const argv[])
{
    size_t i = row_find(argv[1]);
    struct verb_call call = {.verb = verbs[i].name,
                             .usage = verbs[i].usage,
                             .help = verbs[i].help,
                             .argc = argc - 2,
                             .argv = argv + 2};
    signals_ignore_pipe();
    int status = verbs[i].run(&call);
    verb_call_wipe(&call);
    return status;
}
