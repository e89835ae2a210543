#define _GNU_SOURCE /* GLOB_TILDE is done by ourselves; getifaddrs, AI_CANONNAME */
#include "client/ssh_config.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/canonical.h"
#include "client/cidr.h"
#include "client/config_reader.h"
#include "client/files.h"
#include "client/globs.h"
#include "client/jump_spec.h"
#include "client/sandbox.h"
#include "client/secret_store.h"
#include "net/child.h"
#include "net/sock.h"

#define SYSTEM_FOLDER "/etc/ssh"

enum { FILE_MAX = 4 * 1024 * 1024, HOST_NAME_CAP = 256 };

struct resolver {
    const struct ssh_config_query *query;
    struct config_facts facts;
    struct config_hooks hooks;
    char home[EXPAND_PATH_CAP];
    char local_user[LIMIT_USER + 1];
    char local_host[HOST_NAME_CAP];
    char host[LIMIT_HOST + 1]; /* as it stands */
    bool was_hindered;         /* a name was to be looked up, with files_alone */
};

static void debug(void *ctx, const char *line)
{
    const struct resolver *s = ctx;
    if (s->query->debug != NULL)
        s->query->debug(s->query->ctx, line);
}

static void bad_line(void *ctx, const char *text)
{
    const struct resolver *s = ctx;
    if (s->query->bad_line != NULL)
        s->query->bad_line(s->query->ctx, text);
}

/* ---- Files ---- */

/* What others can write to could send us anywhere, and run commands as us. */
static enum adit_err check_owner(const struct stat *status, const char *path, struct adit_error *err)
{
    bool is_ours = status->st_uid == 0 || status->st_uid == getuid();
    if (is_ours && (status->st_mode & 022) == 0)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CONFIG, "Bad owner or permissions on %s", path);
}

/* *missing NULL: it must be there. */
static enum adit_err read_file(struct config_reader *r, const char *path, bool check, bool *missing,
                               struct adit_error *err)
{
    struct file text;
    struct stat status;
    struct adit_error why = {0};
    bool is_missing = false;
    char line[EXPAND_PATH_CAP + 40];
    enum adit_err e = file_read(&text, path, FILE_MAX, &status, &is_missing, &why);
    if (missing != NULL && (*missing = is_missing))
        return ADIT_E_OK;
    /* A folder among what an Include's pattern finds says nothing, as with ssh. */
    if (e != ADIT_E_OK && check && S_ISDIR(status.st_mode))
        return check_owner(&status, path, err);
    if (e != ADIT_E_OK) /* what it says is not known: but for a lack nobody need ask again */
        return adit_fail(err, e == ADIT_E_MEMORY ? e : ADIT_E_CONFIG, "Can't open user config file %s",
                         why.text);
    adit_format(line, sizeof line, "Reading configuration data %s", path);
    r->hooks->debug(r->hooks->ctx, line);
    e = check ? check_owner(&status, path, err) : ADIT_E_OK;
    if (e == ADIT_E_OK && !secret_store_hide(span_make(text.p, text.n)))
        e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
    if (e == ADIT_E_OK)
        e = config_read(r, span_make(text.p, text.n), path, err);
    file_wipe(&text);
    return e;
}

static enum adit_err read_matching(struct config_reader *r, const char *pattern, struct adit_error *err)
{
    struct texts found;
    texts_init(&found);
    enum adit_err e = globs_find(&found, pattern, err);
    for (size_t i = 0; i < found.count && e == ADIT_E_OK; i++) {
        bool missing; /* a link that leads nowhere, or gone since */
        e = read_file(r, found.item[i], true, &missing, err);
    }
    texts_wipe(&found);
    return e;
}

static enum adit_err on_include(void *ctx, struct config_reader *r, const char *pattern,
                                struct adit_error *err)
{
    const struct resolver *s = ctx;
    char path[2 * EXPAND_PATH_CAP];
    if (pattern[0] == '/') {
        adit_format(path, sizeof path, "%s", pattern);
    } else if (pattern[0] == '~') {
        char home[EXPAND_PATH_CAP], tail[EXPAND_PATH_CAP];
        size_t n = strcspn(pattern, "/");
        adit_format(tail, sizeof tail, "%.*s", (int)n, pattern);
        enum adit_err e = expand_path(home, tail, &s->facts.names, err);
        if (e != ADIT_E_OK)
            return e;
        adit_format(path, sizeof path, "%s%s", home, pattern + n);
    } else if (r->is_user) {
        adit_format(path, sizeof path, "%s/.ssh/%s", s->home, pattern);
    } else {
        adit_format(path, sizeof path, SYSTEM_FOLDER "/%s", pattern);
    }
    return read_matching(r, path, err);
}

/* ---- Conditions ---- */

/* False: given up, and the command is killed. Old kernels have no descriptor for a child's end. */
static bool wait_for(struct child *child, int cancel_fd, int *status)
{
    enum { LOOK_MS = 10 };
    struct pollfd p = {cancel_fd, POLLIN, 0};
    while (!child_reap(child, cancel_fd <= 0, status)) {
        if (poll(&p, 1, LOOK_MS) <= 0)
            continue;
        child_abandon(child);
        return false;
    }
    return true;
}

static enum adit_err on_exec(void *ctx, const char *command, bool *matches, struct adit_error *err)
{
    const struct resolver *s = ctx;
    if (s->query->files_alone)
        return adit_fail(err, ADIT_E_INTERRUPTED, "match exec is not run here");
    const char *shell = getenv("SHELL");
    if (shell == NULL || *shell == 0)
        shell = "/bin/sh";
    const char *const argv[] = {shell, "-c", command, NULL};
    const int fds[3] = {-1, -1, STDERR_FILENO};
    struct child child;
    int status = 255;
    char line[512];
    sandbox_need_programs("Match exec", SANDBOX_AGAIN);
    adit_format(line, sizeof line, "Executing command: '%s'", command);
    debug(ctx, line);
    enum adit_err e = child_start(&child, argv, NULL, fds, false, err);
    if (e != ADIT_E_OK)
        return e;
    if (!wait_for(&child, s->query->cancel_fd, &status))
        return adit_fail(err, ADIT_E_INTERRUPTED, "match exec '%s': given up", command);
    *matches = status == 0;
    return ADIT_E_OK;
}

static enum adit_err on_local_network(void *ctx, const char *list, bool *matches, struct adit_error *err)
{
    struct ifaddrs *all = NULL;
    (void)ctx;
    enum adit_err e = cidr_list_matches(list, NULL, matches, err);
    if (e != ADIT_E_OK)
        return e;
    if (getifaddrs(&all) != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "match localnetwork: %s", strerror(errno));
    for (const struct ifaddrs *i = all; i != NULL && !*matches && e == ADIT_E_OK; i = i->ifa_next)
        if (i->ifa_addr != NULL && (i->ifa_flags & IFF_UP) != 0)
            e = cidr_list_matches(list, i->ifa_addr, matches, err);
    freeifaddrs(all);
    return e;
}

/* ---- Names ---- */

static bool look_up(void *ctx, const char *name, char canonical[static LIMIT_HOST + 1])
{
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found = NULL;
    struct resolver *s = ctx;
    if (s->query->files_alone) {
        s->was_hindered = true;
        return false;
    }
    if (getaddrinfo(name, NULL, &hints, &found) != 0 || found == NULL)
        return false;
    if (found->ai_canonname != NULL)
        adit_format(canonical, LIMIT_HOST + 1, "%s", found->ai_canonname);
    freeaddrinfo(found);
    return true;
}

static bool address(void *ctx, const char *name, char out[static LIMIT_HOST + 1])
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found = NULL;
    (void)ctx;
    if (getaddrinfo(name, NULL, &hints, &found) != 0 || found == NULL)
        return false;
    struct sock_addr a = {.len = found->ai_addrlen};
    bool fits = found->ai_addrlen <= sizeof a.storage;
    if (fits)
        memcpy(&a.storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    char text[SOCK_TEXT_CAP];
    sock_addr_host(&a, text);
    return fits && adit_format(out, LIMIT_HOST + 1, "%s", text) > 0;
}

/* ---- Passes ---- */

static enum adit_err read_files(const struct resolver *s, struct config_reader *r, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP + 16];
    const char *file = s->query->file;
    bool missing;
    r->is_user = true;
    if (file != NULL && text_same(file, "none"))
        return ADIT_E_OK;
    if (file != NULL)
        return read_file(r, file, false, NULL, err);
    adit_format(path, sizeof path, "%s/.ssh/config", s->home);
    enum adit_err e = s->home[0] == '/' ? read_file(r, path, true, &missing, err) : ADIT_E_OK;
    r->is_user = false;
    return e == ADIT_E_OK ? read_file(r, SYSTEM_FOLDER "/ssh_config", false, &missing, err) : e;
}

static enum adit_err read_pass(const struct resolver *s, struct options *o, bool is_final, bool *wants_final,
                               struct adit_error *err)
{
    struct config_reader r = {.options = o, .facts = &s->facts, .hooks = &s->hooks, .is_final = is_final};
    enum adit_err e = read_files(s, &r, err);
    *wants_final = r.wants_final;
    return e;
}

/* HostName, or the name that was given, in its canonical form. */
static enum adit_err find_host(struct resolver *s, const struct options *o, struct adit_error *err)
{
    const struct canonical_hooks hooks = {.ctx = s, .look_up = look_up, .address = address, .debug = debug};
    struct config_names_room room;
    const struct config_reader r = {.options = (struct options *)o, .facts = &s->facts, .hooks = &s->hooks};
    struct expand_names names;
    enum adit_err e = config_names(&r, &names, &room, err);
    if (e != ADIT_E_OK)
        return e;
    if (strlen(names.host) > LIMIT_HOST)
        return adit_fail(err, ADIT_E_CONFIG, "HostName: the name is too long");
    memcpy(s->host, names.host, strlen(names.host) + 1);
    e = canonical_name(o, s->host, &hooks, err);
    s->facts.host = s->host;
    return s->was_hindered ? adit_fail(err, ADIT_E_INTERRUPTED, "names are not looked up here") : e;
}

static enum adit_err text_set(char **to, const char *text, struct adit_error *err)
{
    char *copy = text_copy(span_str(text));
    if (copy == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    free(*to);
    *to = copy;
    return ADIT_E_OK;
}

/* From now on nobody else says what it is: not the second pass either. */
static enum adit_err host_set(const struct resolver *s, struct options *o, struct adit_error *err)
{
    o->host_name_is_final = true;
    return options_override(o, "HostName", s->host, err);
}

static enum adit_err expand_one(char **text, const struct expand_names *names, struct adit_error *err)
{
    char room[EXPAND_PATH_CAP];
    enum adit_err e = expand_value(room, *text, names, err);
    return e == ADIT_E_OK ? text_set(text, room, err) : e;
}

static void lower(char *text)
{
    for (; text != NULL && *text != 0; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

/* A host that would be reached through itself. */
static enum adit_err check_jump(const struct options *o, const char *user, struct adit_error *err)
{
    const char *jump = option_text(o->proxy_jump);
    struct adit_error why = {0};
    struct jump_spec last;
    struct span rest;
    if (jump == NULL || jump_spec_parse(&last, jump_spec_last(span_str(jump), &rest), &why) != ADIT_E_OK)
        return ADIT_E_OK; /* it is judged where it is used */
    bool same_port = o->port == (last.port != 0 ? last.port : 22);
    bool same_user = last.user[0] == 0 || (user != NULL && strcmp(last.user, user) == 0);
    if (!same_port || !same_user || strcmp(last.host, o->host_name) != 0)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CONFIG, "jumphost loop via %s", last.host);
}

static enum adit_err finish(const struct resolver *s, struct options *o, bool user_is_given,
                            struct adit_error *err)
{
    struct config_names_room room;
    const struct config_reader r = {.options = o, .facts = &s->facts, .hooks = &s->hooks};
    struct expand_names names;
    lower(o->host_key_alias);
    enum adit_err e = config_names(&r, &names, &room, err);
    if (e == ADIT_E_OK && !o->user_is_literal && o->user != NULL) {
        names.remote_user = NULL;
        e = expand_one(&o->user, &names, err);
        names.remote_user = o->user;
    }
    if (e == ADIT_E_OK && user_is_given && !jump_spec_is_user(span_str(o->user)))
        e = adit_fail(err, ADIT_E_CONFIG, "remote username contains invalid characters");
    for (size_t i = 0; i < o->set_env.count && e == ADIT_E_OK; i++)
        e = expand_one(&o->set_env.item[i], &names, err);
    return e == ADIT_E_OK ? check_jump(o, names.remote_user, err) : e;
}

static void resolver_init(struct resolver *s, const struct ssh_config_query *q)
{
    memset(s, 0, sizeof *s);
    s->query = q;
    expand_user(s->home, s->local_user);
    if (gethostname(s->local_host, sizeof s->local_host - 1) != 0)
        s->local_host[0] = 0;
    s->facts = (struct config_facts){
        .host = q->host,
        .given_host = q->host,
        .command = q->remote_command,
        .version = q->version != NULL ? q->version : "adit_" ADIT_VERSION,
        .names = {.home = s->home, .local_user = s->local_user, .local_host = s->local_host}};
    s->hooks = (struct config_hooks){.ctx = s,
                                     .include = on_include,
                                     .exec = on_exec,
                                     .local_network = on_local_network,
                                     .bad_line = bad_line,
                                     .debug = debug};
}

/* What Match exec runs is not to have the keys of the command line either. */
static enum adit_err hide_given(const struct options *o, struct adit_error *err)
{
    for (size_t i = 0; i < o->identity_files.count; i++)
        if (!secret_store_hide(span_str(o->identity_files.item[i])))
            return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return ADIT_E_OK;
}

static enum adit_err resolve(struct resolver *s, struct options *o, struct adit_error *err)
{
    const bool user_is_given =
        o->user != NULL; /* on the command line: whoever wrote that may not mean a shell's words */
    bool wants_final = false;
    enum adit_err e = hide_given(o, err);
    if (e == ADIT_E_OK)
        e = read_pass(s, o, false, &wants_final, err);
    if (e == ADIT_E_OK)
        e = find_host(s, o, err);
    if (e == ADIT_E_OK)
        e = host_set(s, o, err);
    if (e == ADIT_E_OK && (wants_final || o->canonicalize_hostname != CANONICALIZE_NO)) {
        debug(s, "re-parsing configuration");
        e = read_pass(s, o, true, &wants_final, err);
    }
    return e == ADIT_E_OK ? finish(s, o, user_is_given, err) : e;
}

enum adit_err ssh_config_resolve(struct options *o, const struct ssh_config_query *q, struct adit_error *err)
{
    struct resolver *s = malloc(sizeof *s);
    if (s == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    resolver_init(s, q);
    enum adit_err e = resolve(s, o, err);
    free(s);
    return e;
}
