#include "cli/args.h"

#include <string.h>

#include "client/units.h"

const char args_usage[] =
    "usage: adit [-46agnNqTvVx] [-c ciphers] [-D [bind_address:]port] [-i identity_file]\n"
    "            [-J [user@]host[:port],...] [-L [bind_address:]port:host:hostport] [-l user]\n"
    "            [-m macs] [-o option=value]\n"
    "            [-p port] [-R [bind_address:]port:host:hostport] [-W host:port]\n"
    "            [user@]host | ssh://[user@]host[:port]\n"
    "       -N  carry the forwards and nothing else; -L 8080:80 is short for -L 8080:localhost:80\n"
    "       See adit(1).\n";

/* ---- Flags ---- */

struct parse {
    struct args *args;
    struct adit_error *err;
    unsigned verbose;
    bool quiet, no_session;
    bool has_command;
};

/* The failure is in p->err already, and parsing goes on. */
static void noted(enum adit_err e)
{
    (void)e;
}

static void set(struct parse *p, const char *keyword, const char *value)
{
    struct adit_error why = {0};
    enum adit_err e = options_set(&p->args->options, keyword, value, &why);
    if (e != ADIT_E_OK)
        (void)adit_fail(p->err, e, "%s", why.text);
}

/* As a flag's value is one word, whatever it contains. */
static void set_quoted(struct parse *p, const char *keyword, const char *value)
{
    char quoted[2 * 1024];
    size_t n = 0;
    quoted[n++] = '"';
    for (; *value != 0 && n + 3 < sizeof quoted; value++) {
        if (*value == '"' || *value == '\\')
            quoted[n++] = '\\';
        quoted[n++] = *value;
    }
    quoted[n++] = '"';
    quoted[n] = 0;
    if (*value != 0)
        (void)adit_fail(p->err, ADIT_E_USAGE, "%s: the value is too long", keyword);
    else
        set(p, keyword, quoted);
}

static void set_line(struct parse *p, const char *line)
{
    struct adit_error why = {0};
    enum adit_err e = options_set_line(&p->args->options, line, &why);
    if (e != ADIT_E_OK)
        (void)adit_fail(p->err, e, "-o: %s", why.text);
}

static void add_forward(struct parse *p, enum forward_type type, const char *text)
{
    struct forward_spec spec;
    if (forward_spec_parse(&spec, type, text, true, p->err) != ADIT_E_OK)
        return;
    noted(options_add_forward(&p->args->options, &spec, p->err));
}

static void set_stdio(struct parse *p, const char *text)
{
    if (p->args->has_stdio)
        (void)adit_fail(p->err, ADIT_E_USAGE, "-W may be given only once");
    else if (forward_spec_parse(&p->args->stdio, FORWARD_STDIO, text, true, p->err) == ADIT_E_OK)
        p->args->has_stdio = true;
}

static void unsupported(struct parse *p, char flag, const char *value)
{
    if (value == NULL)
        (void)adit_fail(p->err, ADIT_E_UNSUPPORTED, "option -%c is not supported yet", flag);
    else
        (void)adit_fail(p->err, ADIT_E_UNSUPPORTED, "option -%c %s is not supported yet", flag, value);
}

static enum adit_err set_user(struct args *args, const char *user, struct adit_error *err) ADIT_MUST_USE;

/* Flags with a value. All of ssh's are known, so that the value of one that is refused is not taken for a
 * host. */
static const char flags_with_value[] = "BbcDEeFIiJLlmOopQRSWwP";
static const char flags_of_ssh[] = "fGKkMstXYyAC"; /* without a value, not there yet */

static void value_flag(struct parse *p, char flag, const char *value)
{
    switch (flag) {
    case 'c':
        set_quoted(p, "Ciphers", value);
        break;
    case 'D':
        add_forward(p, FORWARD_DYNAMIC, value);
        break;
    case 'F':
        if (strcmp(value, "none") != 0)
            unsupported(p, flag, value);
        break;
    case 'J':
        set_quoted(p, "ProxyJump", value);
        break;
    case 'i':
        set_quoted(p, "IdentityFile", value);
        break;
    case 'L':
        add_forward(p, FORWARD_LOCAL, value);
        break;
    case 'l':
        noted(set_user(p->args, value, p->err));
        break;
    case 'm':
        set_quoted(p, "MACs", value);
        break;
    case 'o':
        set_line(p, value);
        break;
    case 'p':
        set_quoted(p, "Port", value);
        break;
    case 'R':
        add_forward(p, FORWARD_REMOTE, value);
        break;
    case 'W':
        set_stdio(p, value);
        break;
    default:
        unsupported(p, flag, value);
    }
}

static void plain_flag(struct parse *p, char flag)
{
    switch (flag) {
    case '4':
        set(p, "AddressFamily", "inet");
        break;
    case '6':
        set(p, "AddressFamily", "inet6");
        break;
    case 'g':
        set(p, "GatewayPorts", "yes");
        break;
    case 'h':
        p->args->wants_help = true;
        break;
    case 'N':
        p->no_session = true;
        break;
    case 'n':
        p->args->stdin_null = true;
        break;
    case 'q':
        p->quiet = true;
        break;
    case 'V':
        p->args->wants_version = true;
        break;
    case 'v':
        p->verbose++;
        break;
    case 'a': /* no agent, no terminal and no X11 are forwarded anyway */
    case 'T':
    case 'x':
        break;
    default:
        if (strchr(flags_of_ssh, flag) != NULL)
            unsupported(p, flag, NULL);
        else
            (void)adit_fail(p->err, ADIT_E_USAGE, "unknown option -%c; adit -h shows what there is", flag);
    }
}

/* One argument that starts with '-'. Returns how many arguments it took. */
static int flags_take(struct parse *p, const char *flags, const char *next)
{
    for (flags++; *flags != 0; flags++) {
        if (strchr(flags_with_value, *flags) == NULL) {
            plain_flag(p, *flags);
            continue;
        }
        const char *value = flags[1] != 0 ? flags + 1 : next;
        if (value == NULL)
            (void)adit_fail(p->err, ADIT_E_USAGE, "option -%c wants a value", *flags);
        else
            value_flag(p, *flags, value);
        return flags[1] != 0 ? 1 : 2;
    }
    return 1;
}

/* ---- The destination ---- */

/* As ssh judges a user: what could do harm in a command is refused, a blank or a backslash in DOMAIN\user is
 * not. */
static bool is_user(struct span s)
{
    if (s.n == 0 || s.n > LIMIT_USER || s.p[0] == '-' || s.p[s.n - 1] == '\\')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool is_dash_next = s.p[i] == ' ' && i + 1 < s.n && s.p[i + 1] == '-';
        if (s.p[i] < ' ' || s.p[i] == 0x7f || is_dash_next || strchr("'`\";&<>|(){}", s.p[i]) != NULL)
            return false;
    }
    return true;
}

/* What may stand in a name that ends up in logs, and later perhaps in a command. */
static bool is_name(struct span s, size_t max)
{
    if (s.n == 0 || s.n > max || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("'`\"$\\;&<>|(){}", s.p[i]) != NULL)
            return false;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 §2.1, of a user in a URI. False for a bad escape or one of the zero byte. */
static bool percent_decode(struct span in, char out[static LIMIT_USER + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        int c = in.p[i];
        if (c == '%') {
            if (in.n - i < 3 || hex_digit(in.p[i + 1]) < 0 || hex_digit(in.p[i + 2]) < 0)
                return false;
            c = hex_digit(in.p[i + 1]) * 16 + hex_digit(in.p[i + 2]);
            i += 2;
        }
        if (n == LIMIT_USER || c == 0)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

static enum adit_err set_user(struct args *args, const char *user, struct adit_error *err)
{
    if (!is_user(span_str(user)))
        return adit_fail(err, ADIT_E_USAGE, "the user name '%s' holds characters that are not allowed", user);
    return options_default(&args->options, "User", user, err);
}

static enum adit_err set_host(struct args *args, struct span host, struct adit_error *err)
{
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = span_sub(host, 1, host.n - 2);
    if (!is_name(host, LIMIT_HOST))
        return adit_fail(err, ADIT_E_USAGE,
                         "the host name is missing or holds characters that are not allowed");
    memcpy(args->host, host.p, host.n);
    args->host[host.n] = 0;
    return ADIT_E_OK;
}

static struct span user_split(struct span *text)
{
    size_t at = text->n;
    while (at > 0 && text->p[at - 1] != '@')
        at--;
    struct span user = span_sub(*text, 0, at > 0 ? at - 1 : 0);
    *text = span_sub(*text, at, SIZE_MAX);
    return user;
}

/* host[:port], where an IPv6 address stands in brackets. */
static enum adit_err uri_host(struct args *args, struct span text, struct adit_error *err)
{
    size_t end = 0;
    if (text.n > 0 && text.p[0] == '[')
        while (end < text.n && text.p[end] != ']')
            end++;
    while (end < text.n && text.p[end] != ':')
        end++;
    enum adit_err e = set_host(args, span_sub(text, 0, end), err);
    if (e != ADIT_E_OK || end == text.n)
        return e;
    char port[8];
    struct span digits = span_sub(text, end + 1, SIZE_MAX);
    if (digits.n == 0 || digits.n >= sizeof port)
        return adit_fail(err, ADIT_E_USAGE, "the port in the destination is not one of 1 to 65535");
    memcpy(port, digits.p, digits.n);
    port[digits.n] = 0;
    return options_default(&args->options, "Port", port, err);
}

enum adit_err args_destination(struct args *args, const char *text, struct adit_error *err)
{
    static const char scheme[] = "ssh://";
    bool is_uri = strncmp(text, scheme, sizeof scheme - 1) == 0;
    struct span rest = span_str(is_uri ? text + sizeof scheme - 1 : text);
    char user[LIMIT_USER + 1];
    if (is_uri && rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (is_uri && rest.n > 0 && memchr(rest.p, '/', rest.n) != NULL)
        return adit_fail(err, ADIT_E_USAGE, "%s: a path has no place in a destination", text);
    bool has_user = rest.n > 0 && memchr(rest.p, '@', rest.n) != NULL;
    struct span name = user_split(&rest);
    if (has_user && is_uri && !percent_decode(name, user))
        return adit_fail(err, ADIT_E_USAGE, "%s: the user is not well encoded", text);
    if (has_user && !is_uri && name.n > LIMIT_USER)
        return adit_fail(err, ADIT_E_USAGE, "the user name is too long");
    if (has_user && !is_uri)
        adit_format(user, sizeof user, "%.*s", (int)name.n, (const char *)name.p);
    enum adit_err e = has_user ? set_user(args, user, err) : ADIT_E_OK;
    if (e != ADIT_E_OK)
        return e;
    return is_uri ? uri_host(args, rest, err) : set_host(args, rest, err);
}

/* ---- All of it ---- */

static void words_take(struct parse *p, int argc, char *const argv[])
{
    bool flags_over = false;
    for (int i = 1; i < argc;) {
        if (!flags_over && strcmp(argv[i], "--") == 0) {
            flags_over = true;
            i++;
        } else if (!flags_over && argv[i][0] == '-' && argv[i][1] != 0) {
            i += flags_take(p, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        } else if (!p->args->has_destination) {
            p->args->has_destination = true;
            noted(args_destination(p->args, argv[i++], p->err));
        } else {
            p->has_command = true; /* all that follows is the command's */
            return;
        }
    }
}

/* -v and -q have the last word on LogLevel, as in ssh. */
static void level_choose(struct parse *p)
{
    static const char *const levels[] = {"DEBUG1", "DEBUG2", "DEBUG3"};
    unsigned steps = p->verbose < 3 ? p->verbose : 3;
    const char *level = p->quiet ? "QUIET" : steps > 0 ? levels[steps - 1] : NULL;
    if (level != NULL)
        noted(options_override(&p->args->options, "LogLevel", level, p->err));
}

static void defaults_choose(struct parse *p)
{
    struct options *o = &p->args->options;
    if (p->no_session || p->args->has_stdio)
        noted(options_override(o, "SessionType", "none", p->err));
    if (p->args->has_stdio) { /* ssh(1): -W implies these, unless they were given */
        noted(options_default(o, "ExitOnForwardFailure", "yes", p->err));
        noted(options_default(o, "ClearAllForwardings", "yes", p->err));
    }
    /* A tunnel that is dead and looks alive helps nobody: a forwarding connection notices it by itself. */
    if (o->session_type == SESSION_TYPE_NONE && (o->forward_count > 0 || p->args->has_stdio))
        noted(options_default(o, "ServerAliveInterval", "15", p->err));
}

enum adit_err args_parse(struct args *args, int argc, char *const argv[], struct adit_error *err)
{
    struct parse p = {.args = args, .err = err};
    memset(args, 0, sizeof *args);
    options_init(&args->options);
    words_take(&p, argc, argv);
    level_choose(&p);
    defaults_choose(&p);
    if (args->wants_help || args->wants_version || err->code != ADIT_E_OK)
        return err->code;
    if (!args->has_destination)
        return adit_fail(err, ADIT_E_USAGE, "no destination: adit [options] [user@]host");
    enum adit_err e = options_check(&args->options, err);
    if (e != ADIT_E_OK)
        return e;
    if (p.has_command)
        return adit_fail(err, ADIT_E_UNSUPPORTED,
                         "running a command is not supported yet: adit carries forwards only (-N or -W)");
    if (args->options.session_type != SESSION_TYPE_NONE)
        return adit_fail(err, ADIT_E_UNSUPPORTED,
                         "a shell is not supported yet: give -N for a connection that only forwards, or -W "
                         "host:port");
    return ADIT_E_OK;
}

void args_wipe(struct args *args)
{
    options_wipe(&args->options);
}
