#include "client/known_hosts_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/fingerprint.h"
#include "client/texts.h"
#include "net/child.h"
#include "ssh/known_hosts.h"

enum { WORDS_MAX = 64 };

/* ---- The names ---- */

static bool keep(struct known_hosts_command *c, size_t i, const char **name)
{
    if (*name == NULL)
        return true;
    c->owned[i] = text_copy(span_str(*name));
    *name = c->owned[i];
    return *name != NULL;
}

enum adit_err known_hosts_command_init(struct known_hosts_command *c, const char *command,
                                       const struct expand_names *names, struct adit_error *err)
{
    memset(c, 0, sizeof *c);
    if (command == NULL)
        return ADIT_E_OK;
    c->command = command;
    c->names = *names;
    const char **each[KNOWN_HOSTS_COMMAND_NAMES] = {
        &c->names.home,       &c->names.local_user, &c->names.local_host,  &c->names.host,
        &c->names.given_host, &c->names.host_key,   &c->names.remote_user, &c->names.jump};
    for (size_t i = 0; i < ADIT_COUNT(each); i++)
        if (!keep(c, i, each[i]))
            return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return ADIT_E_OK;
}

void known_hosts_command_wipe(struct known_hosts_command *c)
{
    for (size_t i = 0; i < ADIT_COUNT(c->owned); i++)
        free(c->owned[i]);
    memset(c, 0, sizeof *c);
}

/* ---- One run ---- */

/* 20 KiB: not for the stack. */
struct run {
    char fingerprint[FINGERPRINT_CAP];
    uint8_t line[2 * KNOWN_HOST_BLOB_MAX]; /* "x TYPE BASE64", cut into its words */
    char word[EXPAND_PATH_CAP], expanded[EXPAND_PATH_CAP];
    struct texts words;
    const char *argv[WORDS_MAX + 1];
};

/* The type and the base64 of a key, as a line of known_hosts has them. */
static bool describe_key(struct run *r, const struct known_hosts_asked *asked, struct expand_names *names)
{
    struct wr w = wr_init(r->line, sizeof r->line);
    struct known_host_query any;
    names->fingerprint = names->key_base64 = names->key_type = "NONE";
    if (asked->blob.n == 0)
        return true;
    if (!known_host_query_init(&any, span_str("x"), 22) || !known_hosts_write(&w, &any, asked->blob))
        return false;
    char *at = (char *)r->line;
    at[wr_done(&w).n - 1] = 0; /* its newline */
    char *type = strchr(at, ' ') + 1, *key = strchr(type, ' ') + 1;
    key[-1] = 0;
    fingerprint_text(asked->blob, asked->hash, r->fingerprint);
    names->fingerprint = r->fingerprint;
    names->key_type = type;
    names->key_base64 = key;
    return true;
}

static enum adit_err make_argv(struct run *r, const char *command, const struct expand_names *names,
                               struct adit_error *err)
{
    struct span rest = span_str(command);
    bool bad = false;
    while (text_word(&rest, r->word, sizeof r->word, &bad)) {
        bool is_program = r->words.count == 0; /* as it stands: ssh expands its arguments alone */
        enum adit_err e = is_program ? ADIT_E_OK : expand_value(r->expanded, r->word, names, err);
        if (e != ADIT_E_OK)
            return e;
        if (r->words.count == WORDS_MAX)
            return adit_fail(err, ADIT_E_CONFIG, "KnownHostsCommand: too many words");
        if (!texts_add(&r->words, span_str(is_program ? r->word : r->expanded)))
            return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    }
    if (bad || r->words.count == 0)
        return adit_fail(err, ADIT_E_CONFIG, "KnownHostsCommand: quotes do not match");
    for (size_t i = 0; i < r->words.count; i++)
        r->argv[i] = r->words.item[i];
    return ADIT_E_OK;
}

/* ssh goes on with the files when there is no such program: it is one source more, and without it fewer keys
 * are known. */
static bool is_there(const char *path, const char *reason, struct adit_error *err)
{
    struct stat st;
    if (path[0] != '/')
        (void)adit_fail(err, ADIT_E_HOST_KEY, "KnownHostsCommand-%s path is not absolute", reason);
    else if (stat(path, &st) != 0)
        (void)adit_fail(err, ADIT_E_HOST_KEY, "Could not stat KnownHostsCommand-%s \"%s\": %s", reason, path,
                        strerror(errno));
    else
        return true;
    return false;
}

static enum adit_err run_it(struct run *r, const struct known_hosts_command *c,
                            const struct known_hosts_asked *asked, int cancel_fd, struct file *out,
                            bool *missing, struct adit_error *err)
{
    struct adit_error why = {0};
    struct expand_names names = c->names;
    int status = 0;
    names.searched = asked->searched;
    names.reason = asked->reason;
    if (!describe_key(r, asked, &names))
        return adit_fail(err, ADIT_E_HOST_KEY, "KnownHostsCommand: the key is too long");
    enum adit_err e = make_argv(r, c->command, &names, &why);
    *missing = e == ADIT_E_OK && !is_there(r->argv[0], asked->reason, err);
    if (*missing)
        return ADIT_E_HOST_KEY;
    if (e == ADIT_E_OK)
        e = child_run_output(r->argv, cancel_fd, LIMIT_FILE_KNOWN_HOSTS, &out->p, &out->n, &status, &why);
    out->cap = out->n;
    if (e != ADIT_E_OK)
        return adit_fail(err, e == ADIT_E_INTERRUPTED ? e : ADIT_E_HOST_KEY, "%s", why.text);
    if (status == 0)
        return ADIT_E_OK;
    file_wipe(out);
    return adit_fail(err, ADIT_E_HOST_KEY, "KnownHostsCommand failed: %s ended with status %d", r->argv[0],
                     status);
}

enum adit_err known_hosts_command_run(const struct known_hosts_command *c,
                                      const struct known_hosts_asked *asked, int cancel_fd, struct file *out,
                                      bool *missing, struct adit_error *err)
{
    struct run *r = calloc(1, sizeof *r);
    memset(out, 0, sizeof *out);
    *missing = false;
    if (r == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = run_it(r, c, asked, cancel_fd, out, missing, err);
    texts_wipe(&r->words);
    free(r);
    return e;
}
