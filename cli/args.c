#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

#include "cli/destination.h"

/* ---- The flags as a table ---- */

/* How a flag's value meets what is there already: as ssh does with that flag. */
enum rule {
    RULE_FIRST,  /* the first one counts, as with -o */
    RULE_WINS,   /* over whatever stood before it */
    RULE_CALL,   /* needs more than a keyword: see plain_flag and value_flag */
    RULE_REFUSE, /* will not be there */
};

struct flag {
    char letter;
    bool takes_value;
    enum rule rule;
    const char *keyword;
    const char *text; /* the value of a plain flag; what ssh says about a bad value; why it is refused */
};

static const struct flag flags[] = {
    {'4', false, RULE_WINS, "AddressFamily", "inet"},
    {'6', false, RULE_WINS, "AddressFamily", "inet6"},
    {'A', false, RULE_WINS, "ForwardAgent", "yes"},
    {'a', false, RULE_WINS, "ForwardAgent", "no"},
    {'B', true, RULE_WINS, "BindInterface", NULL},
    {'b', true, RULE_WINS, "BindAddress", NULL},
    {'C', false, RULE_WINS, "Compression", "yes"},
    {'c', true, RULE_WINS, "Ciphers", "Unknown cipher type '%s'"},
    {'D', true, RULE_CALL, NULL, NULL},
    {'E', true, RULE_CALL, NULL, NULL},
    {'e', true, RULE_WINS, "EscapeChar", "Bad escape character '%s'."},
    {'F', true, RULE_CALL, NULL, NULL},
    {'f', false, RULE_CALL, NULL, NULL},
    {'G', false, RULE_CALL, NULL, NULL},
    {'g', false, RULE_WINS, "GatewayPorts", "yes"},
    {'I', true, RULE_REFUSE, NULL, "no support for PKCS#11"},
    {'i', true, RULE_CALL, NULL, NULL},
    {'J', true, RULE_CALL, NULL, NULL},
    {'K', false, RULE_WINS, "GSSAPIAuthentication", "yes"},
    {'k', false, RULE_WINS, "GSSAPIDelegateCredentials", "no"},
    {'L', true, RULE_CALL, NULL, NULL},
    {'l', true, RULE_CALL, NULL, NULL},
    {'M', false, RULE_CALL, NULL, NULL},
    {'m', true, RULE_WINS, "MACs", "Unknown mac type '%s'"},
    {'N', false, RULE_CALL, NULL, NULL},
    {'n', false, RULE_CALL, NULL, NULL},
    {'O', true, RULE_CALL, NULL, NULL},
    {'o', true, RULE_CALL, NULL, NULL},
    {'P', true, RULE_FIRST, "Tag", NULL},
    {'p', true, RULE_FIRST, "Port", "Bad port '%s'"},
    {'Q', true, RULE_CALL, NULL, NULL},
    {'q', false, RULE_CALL, NULL, NULL},
    {'R', true, RULE_CALL, NULL, NULL},
    {'S', true, RULE_WINS, "ControlPath", NULL},
    {'s', false, RULE_CALL, NULL, NULL},
    {'T', false, RULE_CALL, NULL, NULL},
    {'t', false, RULE_CALL, NULL, NULL},
    {'V', false, RULE_CALL, NULL, NULL},
    {'v', false, RULE_CALL, NULL, NULL},
    {'W', true, RULE_CALL, NULL, NULL},
    {'w', true, RULE_REFUSE, NULL, "tunnel devices are not supported"},
    {'X', false, RULE_WINS, "ForwardX11", "yes"},
    {'x', false, RULE_WINS, "ForwardX11", "no"},
    {'Y', false, RULE_CALL, NULL, NULL},
    {'y', false, RULE_CALL, NULL, NULL},
    {'1', false, RULE_REFUSE, NULL, "SSH protocol v.1 is no longer supported"},
    {'2', false, RULE_CALL, NULL, NULL},
};

static const struct flag *flag_find(char letter)
{
    for (size_t i = 0; i < ADIT_COUNT(flags); i++)
        if (flags[i].letter == letter)
            return &flags[i];
    return NULL;
}

bool args_flag_takes_value(char letter)
{
    const struct flag *flag = flag_find(letter);
    return flag != NULL && flag->takes_value;
}

struct parse {
    struct args *args;
    struct adit_error *err;
    unsigned tty, master; /* how often -t and -M came */
    bool is_debugging;    /* a -v came */
    bool is_over;         /* -Q, -V or -h: what follows does not matter */
};

/* ---- Setting keywords ---- */

/* The failure is in p->err already, and parsing goes on. */
static void noted(enum adit_err e)
{
    (void)e;
}

/* What failed is said in ssh's words where scripts may look for them. */
static void complain(struct parse *p, char letter, const char *words, const char *value, enum adit_err e,
                     const struct adit_error *why)
{
    if (e == ADIT_E_UNSUPPORTED)
        (void)adit_fail(p->err, e, "option -%c: %s", letter, why->text);
    else if (words == NULL || e == ADIT_E_MEMORY) /* which is no fault of the value's */
        (void)adit_fail(p->err, e, "%s", why->text);
    else {
        /* words is one of the constants of the table, with one %s. */
        const char *at = strstr(words, "%s");
        (void)adit_fail(p->err, e, "%.*s%s%s", (int)(at - words), words, value, at + 2);
    }
}

static void set_keyword(struct parse *p, const struct flag *flag, const char *value, const char *words)
{
    struct adit_error why = {0};
    struct options *o = &p->args->options;
    bool is_first = flag->rule == RULE_FIRST;
    enum adit_err e = is_first ? options_set_word(o, flag->keyword, value, &why)
                               : options_override(o, flag->keyword, value, &why);
    if (e != ADIT_E_OK)
        complain(p, flag->letter, words, value, e, &why);
}

static void set_other(struct parse *p, char letter, const char *keyword, const char *value)
{
    const struct flag flag = {letter, false, RULE_WINS, keyword, NULL};
    set_keyword(p, &flag, value, NULL);
}

static void set_line(struct parse *p, const char *line)
{
    struct adit_error why = {0};
    enum adit_err e = options_set_line(&p->args->options, line, &why);
    if (e != ADIT_E_OK)
        (void)options_bad_line(p->err, e, "command-line", 0, why.text);
}

static void usage(struct parse *p)
{
    p->args->wants_usage = true;
}

/* ---- Forwards ---- */

static void add_forward(struct parse *p, enum forward_type type, const char *text)
{
    struct forward_spec spec;
    struct adit_error why = {0};
    enum adit_err e = forward_spec_parse(&spec, type, text, !p->args->is_ssh, &why);
    if (e == ADIT_E_OK)
        noted(options_add_forward(&p->args->options, &spec, p->err));
    else
        (void)adit_fail(p->err, e, "%s", why.text);
}

static void set_stdio(struct parse *p, const char *text)
{
    struct adit_error why = {0};
    if (p->args->has_stdio) {
        (void)adit_fail(p->err, ADIT_E_USAGE, "stdio forward already specified (-W)");
        return;
    }
    enum adit_err e = forward_spec_parse(&p->args->stdio, FORWARD_STDIO, text, true, &why);
    p->args->has_stdio = e == ADIT_E_OK;
    if (e == ADIT_E_OK) {
        set_other(p, 'W', "SessionType", "none");
        set_other(p, 'W', "RequestTTY", "no");
    }
    if (e != ADIT_E_OK)
        (void)adit_fail(p->err, e, "%s", why.text);
}

/* ---- Flags that are more than a keyword ---- */

/* -N and -s exclude each other, whoever said the other one. */
static void set_session(struct parse *p, char letter, const char *value)
{
    const struct options *o = &p->args->options;
    uint32_t wanted = letter == 'N' ? SESSION_TYPE_NONE : SESSION_TYPE_SUBSYSTEM;
    if (options_is_set(o, "SessionType") && o->session_type != wanted)
        (void)adit_fail(p->err, ADIT_E_USAGE, "Cannot specify -%c with -%c/SessionType", letter,
                        letter == 'N' ? 's' : 'N');
    else
        set_other(p, letter, "SessionType", value);
}

static void set_level(struct parse *p, uint32_t level)
{
    static const char *const names[] = {
        [LOG_LEVEL_QUIET] = "QUIET",   [LOG_LEVEL_FATAL] = "FATAL",     [LOG_LEVEL_ERROR] = "ERROR",
        [LOG_LEVEL_INFO] = "INFO",     [LOG_LEVEL_VERBOSE] = "VERBOSE", [LOG_LEVEL_DEBUG1] = "DEBUG1",
        [LOG_LEVEL_DEBUG2] = "DEBUG2", [LOG_LEVEL_DEBUG3] = "DEBUG3"};
    set_other(p, 'v', "LogLevel", names[level]);
}

/* The first -v is DEBUG1, whatever -q said before; each further one is a step. */
static void more_verbose(struct parse *p)
{
    uint32_t level = p->args->options.log_level;
    if (!p->is_debugging)
        set_level(p, LOG_LEVEL_DEBUG1);
    else if (level < LOG_LEVEL_DEBUG3)
        set_level(p, level + 1);
    p->is_debugging = true;
}

static void plain_flag(struct parse *p, char letter)
{
    struct args *a = p->args;
    switch (letter) {
    case 'f':
        set_other(p, letter, "ForkAfterAuthentication", "yes");
        set_other(p, letter, "StdinNull", "yes");
        break;
    case 'G':
        a->wants_config = true;
        break;
    case 'M':
        set_other(p, letter, "ControlMaster", p->master++ == 0 ? "yes" : "ask");
        break;
    case 'N':
        set_session(p, letter, "none");
        set_other(p, letter, "RequestTTY", "no");
        break;
    case 'n':
        set_other(p, letter, "StdinNull", "yes");
        break;
    case 'q':
        set_level(p, LOG_LEVEL_QUIET);
        break;
    case 's':
        set_session(p, letter, "subsystem");
        break;
    case 'T':
        p->tty = 0;
        set_other(p, letter, "RequestTTY", "no");
        break;
    case 't':
        set_other(p, letter, "RequestTTY", p->tty++ == 0 ? "yes" : "force");
        break;
    case 'V':
        a->wants_version = p->is_over = true;
        break;
    case 'v':
        more_verbose(p);
        break;
    case 'Y':
        set_other(p, letter, "ForwardX11Trusted", "yes");
        set_other(p, letter, "ForwardX11", "yes");
        break;
    case 'y':
        a->use_syslog = true;
        break;
    default: /* -2: ssh knows it and does nothing */
        break;
    }
}

static void set_user(struct parse *p, const char *user)
{
    if (!destination_user_is_fine(user))
        (void)adit_fail(p->err, ADIT_E_USAGE, "remote username contains invalid characters: '%s'", user);
    else
        noted(options_set_user(&p->args->options, user, p->err));
}

static void add_identity(struct parse *p, const char *name)
{
    static const struct flag flag = {'i', true, RULE_FIRST, "IdentityFile", NULL};
    set_keyword(p, &flag, name, NULL);
    if (!texts_add(&p->args->identities, span_str(name)))
        (void)adit_fail(p->err, ADIT_E_MEMORY, "out of memory");
}

static void set_jump(struct parse *p, const char *hops)
{
    static const struct flag flag = {'J', true, RULE_WINS, "ProxyJump", NULL};
    if (p->args->options.proxy_jump != NULL)
        (void)adit_fail(p->err, ADIT_E_USAGE,
                        "Only a single -J option is permitted (use commas to separate multiple jump hops)");
    else if (p->args->options.proxy_command != NULL)
        (void)adit_fail(p->err, ADIT_E_USAGE, "Cannot specify -J with ProxyCommand");
    else
        set_keyword(p, &flag, hops, "Invalid -J argument: '%s'");
}

static void set_control_command(struct parse *p, const char *command)
{
    static const char *const known[] = {"check",  "forward", "exit",     "stop",
                                        "cancel", "proxy",   "conninfo", "channels"};
    bool is_known = false;
    for (size_t i = 0; i < ADIT_COUNT(known); i++)
        is_known = is_known || strcmp(known[i], command) == 0;
    if (p->args->control_command != NULL)
        (void)adit_fail(p->err, ADIT_E_USAGE, "Multiplexing command already specified");
    else if (!is_known)
        (void)adit_fail(p->err, ADIT_E_USAGE, "Invalid multiplex command."); /* ssh's words */
    else if (strcmp(command, "proxy") == 0 || strcmp(command, "conninfo") == 0 ||
             strcmp(command, "channels") == 0)
        (void)adit_fail(p->err, ADIT_E_UNSUPPORTED, "option -O %s is not supported yet", command);
    p->args->control_command = command;
}

static void value_flag(struct parse *p, char letter, const char *value)
{
    switch (letter) {
    case 'D':
        add_forward(p, FORWARD_DYNAMIC, value);
        break;
    case 'E':
        p->args->log_file = value;
        break;
    case 'F':
        p->args->config_file = value;
        break;
    case 'i':
        add_identity(p, value);
        break;
    case 'J':
        set_jump(p, value);
        break;
    case 'L':
        add_forward(p, FORWARD_LOCAL, value);
        break;
    case 'l':
        set_user(p, value);
        break;
    case 'O':
        set_control_command(p, value);
        break;
    case 'o':
        set_line(p, value);
        break;
    case 'Q':
        p->args->query = value;
        p->is_over = true;
        break;
    case 'R':
        add_forward(p, FORWARD_REMOTE, value);
        break;
    default: /* 'W' */
        set_stdio(p, value);
    }
}

static void flag_take(struct parse *p, const struct flag *flag, const char *value)
{
    switch (flag->rule) {
    case RULE_FIRST:
    case RULE_WINS:
        set_keyword(p, flag, flag->takes_value ? value : flag->text, flag->takes_value ? flag->text : NULL);
        break;
    case RULE_REFUSE:
        (void)adit_fail(p->err, ADIT_E_UNSUPPORTED, "option -%c: %s", flag->letter, flag->text);
        break;
    case RULE_CALL:
        if (flag->takes_value)
            value_flag(p, flag->letter, value);
        else
            plain_flag(p, flag->letter);
        break;
    }
}

static void flag_unknown(struct parse *p, char letter)
{
    /* -h is not ssh's, and programs may count on that. */
    if (letter == 'h' && !p->args->is_ssh) {
        p->args->wants_help = p->is_over = true;
        return;
    }
    (void)adit_fail(p->err, ADIT_E_USAGE, "unknown option -- %c", letter);
    usage(p);
}

/* One argument that starts with '-'. Returns how many arguments it took. */
static int word_of_flags(struct parse *p, const char *letters, const char *next)
{
    for (letters++; *letters != 0 && !p->is_over; letters++) {
        const struct flag *flag = flag_find(*letters);
        if (flag == NULL) {
            flag_unknown(p, *letters);
            continue;
        }
        if (!flag->takes_value) {
            flag_take(p, flag, NULL);
            continue;
        }
        const char *value = letters[1] != 0 ? letters + 1 : next;
        if (value == NULL) {
            (void)adit_fail(p->err, ADIT_E_USAGE, "option requires an argument -- %c", *letters);
            usage(p);
        } else {
            flag_take(p, flag, value);
        }
        return letters[1] != 0 ? 1 : 2;
    }
    return 1;
}

/* ---- The destination and the command ---- */

static void set_destination(struct parse *p, const char *text)
{
    struct destination d;
    bool is_malformed;
    char port[8];
    p->args->has_destination = true;
    if (destination_parse(&d, text, &is_malformed, p->err) != ADIT_E_OK) {
        p->args->wants_usage = p->args->wants_usage || is_malformed;
        return;
    }
    memcpy(p->args->host, d.host, sizeof d.host);
    if (d.user[0] != 0)
        noted(options_set_user(&p->args->options, d.user, p->err));
    if (d.port != 0) {
        (void)adit_format(port, sizeof port, "%u", (unsigned)d.port);
        noted(options_default(&p->args->options, "Port", port, p->err));
    }
}

/* As ssh does: one blank between two words, and the remote shell splits them again. */
static void set_command(struct parse *p, int count, char *const words[])
{
    size_t n = 0;
    for (int i = 0; i < count; i++)
        n += strlen(words[i]) + 1;
    char *at = p->args->command = malloc(n);
    if (at == NULL) {
        (void)adit_fail(p->err, ADIT_E_MEMORY, "out of memory");
        return;
    }
    for (int i = 0; i < count; i++) {
        size_t word_len = strlen(words[i]);
        memcpy(at, words[i], word_len);
        at += word_len;
        *at++ = i + 1 < count ? ' ' : 0;
    }
}

static void words_take(struct parse *p, int argc, char *const argv[])
{
    bool flags_over = false;
    for (int i = 1; i < argc && !p->is_over;) {
        if (!flags_over && strcmp(argv[i], "--") == 0) {
            flags_over = true;
            i++;
        } else if (!flags_over && argv[i][0] == '-' && argv[i][1] != 0) {
            i += word_of_flags(p, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        } else if (!p->args->has_destination) {
            set_destination(p, argv[i++]);
        } else {
            set_command(p, argc - i, argv + i); /* all that follows is the command's */
            return;
        }
    }
}

/* ---- All of it ---- */

/* The last component of what we were called as. */
static bool is_called_ssh(const char *name)
{
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    return name != NULL && strcmp(slash != NULL ? slash + 1 : name, "ssh") == 0;
}

enum adit_err args_parse(struct args *args, int argc, char *const argv[], struct adit_error *err)
{
    struct parse p = {.args = args, .err = err};
    memset(args, 0, sizeof *args);
    options_init(&args->options);
    args->is_ssh = is_called_ssh(argc > 0 ? argv[0] : NULL);
    args->program = args->is_ssh ? "ssh" : "adit";
    words_take(&p, argc, argv);
    if (p.is_over || err->code != ADIT_E_OK)
        return err->code;
    usage(&p);
    if (!args->has_destination)
        return adit_fail(err, ADIT_E_USAGE, "no destination was given");
    if (args->options.session_type == SESSION_TYPE_SUBSYSTEM && args->command == NULL)
        return adit_fail(err, ADIT_E_USAGE, "You must specify a subsystem to invoke.");
    args->wants_usage = false;
    if (args->use_syslog && args->log_file != NULL)
        return adit_fail(err, ADIT_E_USAGE, "Can't specify both -y and -E");
    return ADIT_E_OK;
}

bool args_only_forwards(const struct args *args)
{
    const struct options *o = &args->options;
    return !args->is_ssh && o->session_type == SESSION_TYPE_NONE && (o->forward_count > 0 || args->has_stdio);
}

static void defaults_choose(struct args *args, struct adit_error *err)
{
    struct options *o = &args->options;
    o->any_address_will_do = args->is_ssh;
    if (args->has_stdio) { /* ssh(1): -W implies these, unless they were given */
        noted(options_default(o, "ExitOnForwardFailure", "yes", err));
        noted(options_default(o, "ClearAllForwardings", "yes", err));
    }
    if (o->reconnect) /* nobody sits there who would give it up */
        noted(options_default(o, "ConnectTimeout", ARGS_CONNECT_TIMEOUT, err));
    /* A tunnel that is dead and looks alive helps nobody: a forwarding connection notices it by itself. */
    if (args_only_forwards(args))
        noted(options_default(o, "ServerAliveInterval",
                              o->detect == DETECT_FAST ? ARGS_ALIVE_INTERVAL_FAST : ARGS_ALIVE_INTERVAL,
                              err));
}

/* What cannot survive a connection, and what is not made for one that comes again. */
static enum adit_err lasting_check(const struct args *args, struct adit_error *err)
{
    const struct options *o = &args->options;
    if (!o->reconnect)
        return ADIT_E_OK;
    if (o->session_type != SESSION_TYPE_NONE || args->command != NULL)
        return adit_fail(err, ADIT_E_USAGE,
                         "AditReconnect wants -N: a shell or a command is lost with its connection");
    if (args->has_stdio)
        return adit_fail(err, ADIT_E_USAGE,
                         "AditReconnect cannot be had with -W: its data is lost with the connection");
    if (o->control_master != CONTROL_MASTER_NO)
        return adit_fail(err, ADIT_E_USAGE, "AditReconnect cannot be had with ControlMaster");
    if (args->control_command != NULL)
        return adit_fail(err, ADIT_E_USAGE, "AditReconnect cannot be had with -O");
    if (o->permit_local_command && option_text(o->local_command) != NULL)
        return adit_fail(err, ADIT_E_USAGE, "AditReconnect cannot be had with LocalCommand");
    return ADIT_E_OK;
}

/* Under the name autossh a connection is made again in one way or the other. */
static void way_choose(struct args *args)
{
    struct adit_error ignored = {ADIT_E_OK, ""};
    if (args->autossh == NULL || lasting_check(args, &ignored) == ADIT_E_OK)
        return;
    args->options.reconnect = false;
    args->is_watched = true;
}

enum adit_err args_finish(struct args *args, struct adit_error *err)
{
    way_choose(args);
    defaults_choose(args, err);
    if (err->code != ADIT_E_OK)
        return err->code;
    bool has_session = args->options.session_type != SESSION_TYPE_NONE;
    bool has_command = args->command != NULL || option_text(args->options.remote_command) != NULL;
    if (args->options.fork_after_auth && !has_command && has_session)
        return adit_fail(err, ADIT_E_USAGE, "Cannot fork into background without a command to execute.");
    if (args->wants_config) /* what is not built is shown all the same */
        return ADIT_E_OK;
    if (lasting_check(args, err) != ADIT_E_OK)
        return err->code;
    return options_check(&args->options, err);
}

void args_wipe(struct args *args)
{
    options_wipe(&args->options);
    texts_wipe(&args->identities);
    free(args->command);
    args->command = NULL;
}

void args_usage(const struct args *args, char text[static ARGS_USAGE_CAP])
{
    static const char rest[] = " [-46AaCfGgKkMNnqsTtVvXxYy] [-B interface] [-b address]\n"
                               "            [-c ciphers] [-D [address:]port] [-E log_file] [-e escape_char]\n"
                               "            [-F config_file] [-i identity] [-J host[,host...]]\n"
                               "            [-L [address:]port:host:hostport] [-l user] [-m macs]\n"
                               "            [-O control_command] [-o keyword=value] [-P tag] [-p port]\n"
                               "            [-R [address:]port[:host:hostport]] [-S control_path]\n"
                               "            [-W host:port] destination [command [argument ...]]\n";
    static const char ours[] =
        "       adit -h | -V\n"
        "       -N  carry the forwards and nothing else; -L 8080:80 is short for -L 8080:localhost:80\n"
        "       See adit(1).\n";
    (void)adit_format(text, ARGS_USAGE_CAP, "usage: %s%s       %s [-Q query_option]\n%s", args->program, rest,
                      args->program, args->is_ssh ? "" : ours);
}
