#include "client/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/agent_conn.h"
#include "client/secret.h"
#include "client/secret_store.h"
#include "client/units.h"
#include "ssh/agent.h"
#include "ssh/cert.h"

static void say(const struct identities *ids, enum log_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);

static void say(const struct identities *ids, enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(line, sizeof line, fmt, ap);
    va_end(ap);
    ids->prompt->log(ids->prompt->ctx, level, line);
}

/* ---- One identity ---- */

static void identity_free(struct identity *id)
{
    if (id == NULL)
        return;
    free(id->name);
    free(id->comment);
    free(id->plain);
    free(id->blob);
    secret_free(id->secret, sizeof *id->secret);
    file_wipe(&id->sealed);
    free(id);
}

/* What blob is about. An unknown kind of key leaves KEY_NONE; false: no memory. */
static bool identity_read(struct identity *id, struct span blob)
{
    struct key key;
    struct cert cert;
    if (key_parse(&key, blob))
        id->type = key.type;
    if (!cert_is_one(blob) || !cert_parse(&cert, blob) || cert.kind != CERT_USER)
        return true;
    struct wr w = wr_init(malloc(blob.n), blob.n);
    if (w.p == NULL)
        return false;
    id->plain = w.p;
    id->plain_len = cert_plain_key(&cert, &w) ? w.used : 0; /* it is always shorter than the certificate */
    id->type = cert.key.type;
    id->is_cert = true;
    return true;
}

static struct identity *identity_new(const char *name, struct span blob)
{
    struct identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return NULL;
    id->name = text_copy(span_str(name));
    id->blob = malloc(blob.n > 0 ? blob.n : 1);
    if (id->blob != NULL)
        memcpy(id->blob, blob.p, blob.n);
    id->blob_len = blob.n;
    if (id->name != NULL && id->blob != NULL && identity_read(id, blob))
        return id;
    identity_free(id);
    return NULL;
}

static struct span identity_blob(const struct identity *id)
{
    return span_make(id->blob, id->blob_len);
}

struct identity *identities_find(struct identities *ids, struct span blob)
{
    for (size_t i = 0; i < ids->count; i++)
        if (span_eq(identity_blob(ids->item[i]), blob))
            return ids->item[i];
    return NULL;
}

struct span identity_plain(const struct identity *id)
{
    return id->is_cert ? span_make(id->plain, id->plain_len) : identity_blob(id);
}

void identity_describe(const struct identity *id, char out[static IDENTITY_TEXT_CAP])
{
    char fingerprint[KEY_FINGERPRINT_LEN + 1];
    size_t n = adit_format(out, IDENTITY_TEXT_CAP, "%s", id->name);
    if (id->blob_len > 0) {
        key_fingerprint(identity_plain(id), fingerprint);
        n += adit_format(out + n, IDENTITY_TEXT_CAP - n, " %s%s %s", key_short_name(id->type),
                         id->is_cert ? "-CERT" : "", fingerprint);
    }
    (void)adit_format(out + n, IDENTITY_TEXT_CAP - n, "%s%s",
                      id->is_named && !id->is_default ? " explicit" : "", id->in_agent ? " agent" : "");
}

void identities_accepted(struct identities *ids, const struct identity *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (span_eq(identity_plain(ids->item[i]), identity_plain(id)))
            ids->item[i]->was_accepted = true;
}

static bool can_sign_unasked(const struct identity *id)
{
    bool is_sk = id->type == KEY_SK_ED25519 || id->type == KEY_SK_ECDSA;
    return !id->is_dead && (id->secret != NULL || (id->in_agent && id->is_named && !is_sk));
}

bool identity_needs_no_probe(const struct identity *id)
{
    return !id->is_dead && !id->was_accepted &&
           (can_sign_unasked(id) || (id->signer != NULL && can_sign_unasked(id->signer)));
}

static bool is_too_short(const struct identities *ids, const struct identity *id)
{
    struct key key;
    return id->type == KEY_RSA && key_parse_shape(&key, identity_plain(id)) &&
           key_bits(&key) < ids->options->required_rsa_size;
}

/* Takes over id; a key that is there already, one of a kind that is not known, and one too many are dropped.
 */
static void identities_add(struct identities *ids, struct identity *id)
{
    if (id == NULL)
        say(ids, LOG_LEVEL_ERROR, "out of memory: a key is left out");
    else if (id->type == KEY_NONE && id->blob_len > 0)
        say(ids, LOG_LEVEL_DEBUG1, "%s: a kind of key that is not supported yet; not offered", id->name);
    else if (is_too_short(ids, id))
        say(ids, LOG_LEVEL_ERROR, "%s: the RSA key is shorter than RequiredRSASize; not offered", id->name);
    else if (ids->count == IDENTITY_MAX)
        say(ids, LOG_LEVEL_ERROR, "%s: more than %d keys; not offered", id->name, (int)IDENTITY_MAX);
    else if (id->blob_len == 0 || identities_find(ids, identity_blob(id)) == NULL) {
        ids->item[ids->count++] = id;
        return;
    }
    identity_free(id);
}

/* ---- Keys as text ---- */

/* A key that is there is not to be had just now: to go on would end in the server's verdict on the others. */
static void lacks(const struct identities *ids, const char *name, const char *why)
{
    (void)adit_fail(ids->lack, ADIT_E_MEMORY, "%s: %s", name, why);
}

/* As file_read, of a file that may as well be missing. */
static bool read_public(const struct identities *ids, const char *path, struct file *text)
{
    struct adit_error why = {0};
    enum adit_err e = file_read(text, path, LIMIT_FILE_KEY, NULL, NULL, &why);
    if (e == ADIT_E_MEMORY)
        (void)adit_fail(ids->lack, e, "%s", why.text);
    return e == ADIT_E_OK;
}

/* Not on the stack: struct keyfile is 4 KiB of secrets. */
struct parse {
    struct keyfile file;
    struct adit_error why;
};

static enum keyfile_status parse_text(struct parse *p, struct span text, const struct span *passphrase)
{
    struct wspan scratch = {malloc(text.n > 0 ? text.n : 1), text.n};
    memset(&p->why, 0, sizeof p->why);
    if (scratch.p == NULL) {
        (void)adit_fail(&p->why, ADIT_E_MEMORY, "out of memory");
        return KEYFILE_UNSUPPORTED;
    }
    enum keyfile_status status = keyfile_parse(&p->file, text, passphrase, scratch, &p->why);
    free(scratch.p);
    return status;
}

/* Without memory for it the comment is left out: the name stands for it then. */
static bool keep_secret(struct identity *id, const struct keyfile *file)
{
    id->secret = secret_new(sizeof *id->secret);
    if (id->secret == NULL)
        return false;
    *id->secret = file->secret;
    if (file->has_comment && id->comment == NULL)
        id->comment = text_copy(span_str(file->comment));
    return true;
}

/* Makes an identity of what was parsed. text is taken over when the key is encrypted, else left. */
static struct identity *identity_of_parse(const struct identities *ids, const char *name,
                                          const struct parse *p, struct file *text)
{
    bool has_secret = p->file.status == KEYFILE_OK, is_sealed = p->file.status == KEYFILE_NEEDS_PASSPHRASE;
    if (p->why.code == ADIT_E_MEMORY)
        lacks(ids, name, "out of memory");
    else if (!has_secret && !is_sealed)
        say(ids, p->file.public_len > 0 ? LOG_LEVEL_DEBUG1 : LOG_LEVEL_ERROR, "Load key \"%s\": %s", name,
            p->why.text);
    if (p->file.public_len == 0 && !is_sealed)
        return NULL;
    struct identity *id = identity_new(name, span_make(p->file.public_blob, p->file.public_len));
    if (id == NULL || (has_secret && !keep_secret(id, &p->file))) {
        lacks(ids, name, "out of memory");
        identity_free(id);
        return NULL;
    }
    id->is_named = true;
    if (is_sealed) {
        id->sealed = *text;
        memset(text, 0, sizeof *text);
    }
    return id;
}

static struct identity *identity_of_text(const struct identities *ids, const char *name, struct file *text)
{
    struct parse *p = secret_new(sizeof *p);
    struct identity *id = NULL;
    if (p != NULL) {
        p->file.status = parse_text(p, span_make(text->p, text->n), NULL);
        id = identity_of_parse(ids, name, p, text);
        keyfile_wipe(&p->file);
    } else {
        lacks(ids, name, "out of memory");
    }
    secret_free(p, sizeof *p);
    return id;
}

/* Key text without a file: the agent has no part in it, and a .pub line is of no use. */
static void add_text(struct identities *ids, const char *name, struct file *text)
{
    struct identity *id = identity_of_text(ids, name, text);
    file_wipe(text);
    if (id == NULL)
        return;
    id->is_text = true;
    if (id->secret == NULL && id->sealed.n == 0) {
        identity_free(id);
        say(ids, LOG_LEVEL_ERROR, "Load key \"%s\": it holds no secret key that can be used", name);
        return;
    }
    identities_add(ids, id);
}

/* name: how messages call it. */
static void add_environment(struct identities *ids, const char *name, const char *variable, bool must_be_set)
{
    struct adit_error why = {0};
    struct file text;
    if (secret_store_env(&text, variable, &why) == ADIT_E_OK)
        add_text(ids, name, &text);
    else if (why.code == ADIT_E_MEMORY)
        lacks(ids, name, "out of memory");
    else if (must_be_set)
        say(ids, LOG_LEVEL_ERROR, "Warning: Identity %s: %s", name, why.text);
}

static void add_descriptor(struct identities *ids, const char *number)
{
    char name[32];
    struct adit_error why = {0};
    struct file text;
    uint32_t fd;
    adit_format(name, sizeof name, "fd:%s", number);
    if (!units_number(span_str(number), 0, INT32_MAX, &fd)) {
        say(ids, LOG_LEVEL_ERROR, "Warning: Identity %s: not the number of a descriptor", name);
        return;
    }
    if (secret_store_fd(&text, (int)fd, &why) == ADIT_E_OK)
        add_text(ids, name, &text);
    else if (why.code == ADIT_E_MEMORY)
        (void)adit_fail(ids->lack, why.code, "%s", why.text);
    else
        say(ids, LOG_LEVEL_ERROR, "Warning: Identity %s", why.text);
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_text_option(const char *option)
{
    return has_prefix(option, "env:") || has_prefix(option, "fd:");
}

static void add_texts(struct identities *ids)
{
    const struct texts *given = &ids->options->identity_files;
    add_environment(ids, "$" ADIT_ENV_KEY, ADIT_ENV_KEY, false);
    for (size_t i = 0; i < given->count; i++) {
        if (has_prefix(given->item[i], "env:"))
            add_environment(ids, given->item[i], given->item[i] + 4, true);
        else if (has_prefix(given->item[i], "fd:"))
            add_descriptor(ids, given->item[i] + 3);
    }
}

/* ---- Key files ---- */

/* The keys of files, before they are put in order with the agent's. */
struct found {
    struct identity *item[IDENTITY_MAX];
    size_t count;
};

static void found_add(struct found *found, struct identity *id)
{
    for (size_t i = 0; id != NULL && i < found->count; i++) {
        if (id->blob_len == 0 || !span_eq(identity_blob(found->item[i]), identity_blob(id)))
            continue;
        identity_free(id);
        return;
    }
    if (id != NULL && found->count < IDENTITY_MAX)
        found->item[found->count++] = id;
    else
        identity_free(id);
}

/* A .pub file's first line; NULL when text is none. */
static struct identity *identity_of_pub(const struct identities *ids, const char *name,
                                        const struct file *text)
{
    struct span rest = span_make(text->p, text->n), line = {NULL, 0};
    struct pubkey_line pub;
    if (!text_line(&rest, &line) || line.n > 2 * LIMIT_KEY_BLOB)
        return NULL;
    struct wspan buffer = {malloc(line.n + 1), line.n + 1};
    bool is_one = buffer.p != NULL && pubkey_line_parse(&pub, line, buffer);
    struct identity *id = is_one ? identity_new(name, pub.blob) : NULL;
    if (id != NULL)
        id->is_named = true;
    else if (buffer.p == NULL || is_one)
        lacks(ids, name, "out of memory");
    free(buffer.p);
    return id;
}

/* PATH.pub beside a key that cannot be read or used here: an agent may have it. */
static struct identity *identity_of_sibling(const struct identities *ids, const char *path)
{
    char pub[EXPAND_PATH_CAP];
    struct file text;
    struct identity *id = NULL;
    if (adit_format(pub, sizeof pub, "%s.pub", path) != strlen(path) + 4)
        return NULL;
    if (read_public(ids, pub, &text))
        id = identity_of_pub(ids, path, &text);
    file_wipe(&text);
    return id;
}

/* ssh's rule: our own file that anybody else may touch is not used. (Another's file, as in a container where
 * root owns a mounted secret, is that one's business.) */
static bool is_exposed(const struct identities *ids, const char *path, const struct stat *status)
{
    if (status->st_uid != getuid() || (status->st_mode & 077) == 0)
        return false;
    unsigned mode = (unsigned)(status->st_mode & 0777);
    say(ids, LOG_LEVEL_ERROR, "WARNING: UNPROTECTED PRIVATE KEY FILE!");
    say(ids, LOG_LEVEL_ERROR,
        "Permissions 0%u%u%u for '%s' are too open: a private key file must be readable by its owner alone.",
        mode >> 6, mode >> 3 & 7, mode & 7, path);
    say(ids, LOG_LEVEL_ERROR, "This private key will be ignored. (chmod 600 '%s' mends it.)", path);
    return true;
}

/* The certificate at path, or NULL. */
static struct identity *identity_of_cert(const struct identities *ids, const char *name, const char *path)
{
    struct file text;
    struct identity *id = NULL;
    if (read_public(ids, path, &text))
        id = identity_of_pub(ids, name, &text);
    file_wipe(&text);
    if (id == NULL || id->is_cert)
        return id;
    say(ids, LOG_LEVEL_DEBUG1, "%s: no certificate for users, or not of a kind that is known; not offered",
        path);
    identity_free(id);
    return NULL;
}

/* KEY-cert, or KEY-cert.pub; where certificates are named, ssh looks for no others. NULL: none. */
static struct identity *find_cert_beside(const struct identities *ids, const char *path)
{
    static const char *const tails[] = {"-cert", "-cert.pub"};
    char name[EXPAND_PATH_CAP];
    struct identity *id = NULL;
    if (ids->options->certificate_files.count > 0)
        return NULL;
    for (size_t i = 0; i < ADIT_COUNT(tails) && id == NULL; i++)
        if (adit_format(name, sizeof name, "%s%s", path, tails[i]) == strlen(path) + strlen(tails[i]))
            id = identity_of_cert(ids, path, name);
    return id;
}

/* A sealed file that does not say which key it holds: its neighbours do. Unlocking compares. */
static struct identity *with_public(const struct identities *ids, struct identity *id, struct identity *cert,
                                    const char *path)
{
    struct identity *known = identity_of_sibling(ids, path);
    if (known == NULL && cert != NULL && (known = identity_new(path, identity_plain(cert))) == NULL)
        lacks(ids, path, "out of memory"); /* the certificate would be nobody's */
    if (known == NULL || known->is_cert || known->type == KEY_NONE) {
        identity_free(known);
        return id;
    }
    known->sealed = id->sealed;
    known->is_named = true;
    memset(&id->sealed, 0, sizeof id->sealed);
    identity_free(id);
    return known;
}

/* As ssh says it; the numbers are its own. */
static void tell_type(const struct identities *ids, const char *path, const char *tail,
                      const struct identity *id)
{
    static const int numbers[][2] = {
        [KEY_RSA] = {0, 4},         [KEY_ECDSA_P256] = {2, 6}, [KEY_ECDSA_P384] = {2, 6},
        [KEY_ECDSA_P521] = {2, 6},  [KEY_ED25519] = {3, 7},    [KEY_SK_ECDSA] = {10, 11},
        [KEY_SK_ED25519] = {12, 13}};
    bool is_known = id != NULL && id->type != KEY_NONE;
    say(ids, LOG_LEVEL_DEBUG1, "identity file %s%s type %d", path, tail,
        is_known ? numbers[id->type][id->is_cert ? 1 : 0] : -1);
}

static void find_file(const struct identities *ids, struct found *found, const char *path, bool is_default)
{
    struct adit_error why = {0};
    struct stat status;
    struct file text;
    bool missing = false;
    struct identity *id = NULL;
    enum adit_err e = file_read(&text, path, LIMIT_FILE_KEY, &status, &missing, &why);
    if (e == ADIT_E_MEMORY) /* of what is told of a lack, the key comes before its neighbours */
        (void)adit_fail(ids->lack, e, "%s", why.text);
    struct identity *cert = find_cert_beside(ids, path);
    if (e != ADIT_E_OK) {
        id = identity_of_sibling(ids, path);
        /* A .pub beside it does not mean that an agent has it. */
        if (e != ADIT_E_MEMORY && (!missing || (id == NULL && !is_default)))
            say(ids, missing ? LOG_LEVEL_DEBUG1 : LOG_LEVEL_ERROR, "Identity file %s not accessible: %s",
                path, missing ? "No such file or directory" : why.text);
    } else if ((id = identity_of_pub(ids, path, &text)) == NULL) {
        id = is_exposed(ids, path, &status) ? NULL : identity_of_text(ids, path, &text);
        if (id == NULL)
            id = identity_of_sibling(ids, path);
        else if (id->blob_len == 0)
            id = with_public(ids, id, cert, path);
    }
    file_wipe(&text);
    tell_type(ids, path, "", id);
    if (cert != NULL)
        tell_type(ids, path, "-cert", cert);
    if (id != NULL)
        id->is_default = is_default;
    if (cert != NULL)
        cert->is_default = is_default;
    found_add(found, cert);
    found_add(found, id);
}

static enum adit_err find_files(const struct identities *ids, const struct expand_names *names,
                                struct found *found, struct adit_error *err)
{
    static const char *const defaults[] = {"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk",
                                           "~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk"};
    const struct texts *given = &ids->options->identity_files;
    char path[EXPAND_PATH_CAP];
    for (size_t i = 0; i < given->count; i++) {
        if (is_text_option(given->item[i]) || strcmp(given->item[i], "none") == 0)
            continue;
        enum adit_err e = expand_path(path, given->item[i], names, err);
        if (e != ADIT_E_OK)
            return e;
        find_file(ids, found, path, false);
    }
    /* A key that was handed in as text is the one that is meant: no default besides it. */
    for (size_t i = 0; given->count == 0 && ids->count == 0 && i < ADIT_COUNT(defaults); i++)
        if (expand_path(path, defaults[i], names, NULL) == ADIT_E_OK)
            find_file(ids, found, path, true);
    return ADIT_E_OK;
}

static enum adit_err add_certificate_files(struct identities *ids, const struct expand_names *names,
                                           struct adit_error *err)
{
    const struct texts *given = &ids->options->certificate_files;
    char path[EXPAND_PATH_CAP];
    for (size_t i = 0; i < given->count; i++) {
        if (strcmp(given->item[i], "none") == 0)
            continue;
        enum adit_err e = expand_path(path, given->item[i], names, err);
        if (e != ADIT_E_OK)
            return e;
        struct identity *id = identity_of_cert(ids, path, path);
        if (id != NULL)
            identities_add(ids, id);
        else
            say(ids, LOG_LEVEL_VERBOSE, "Certificate file %s: missing, or it holds no user's certificate",
                path);
    }
    return ADIT_E_OK;
}

/* ---- The agent ---- */

enum adit_err identity_agent_path(char **out, const char *option, const struct expand_names *names,
                                  struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    *out = NULL;
    if (option != NULL && strcmp(option, "none") == 0)
        return ADIT_E_OK;
    if (option == NULL || strcmp(option, "SSH_AUTH_SOCK") == 0)
        option = getenv("SSH_AUTH_SOCK");
    else if (option[0] == '$' && option[1] != '{')
        option = getenv(option + 1);
    else {
        enum adit_err e = expand_path(path, option, names, err);
        if (e != ADIT_E_OK)
            return e;
        option = path;
    }
    if (option == NULL || *option == 0)
        return ADIT_E_OK;
    *out = text_copy(span_str(option));
    return *out != NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

static enum adit_err find_agent(struct identities *ids, const struct expand_names *names,
                                struct adit_error *err)
{
    const char *option = ids->options->identity_agent;
    enum adit_err e = identity_agent_path(&ids->agent_path, option, names, err);
    if (e == ADIT_E_OK && ids->agent_path == NULL && option_text(option) == option)
        say(ids, LOG_LEVEL_DEBUG1, "No agent is used: its variable (SSH_AUTH_SOCK) is not set.");
    return e;
}

/* One that does not listen is as none, and as quiet. */
static bool agent_list(const struct identities *ids, struct file *reply, struct agent_keys *keys)
{
    uint8_t request[8];
    struct wr w = wr_init(request, sizeof request);
    struct adit_error why = {0};
    agent_write_list(&w);
    enum adit_err e =
        agent_call(reply, ids->agent_path, wr_done(&w), AGENT_LIST_MS, ids->prompt->cancel_fd, &why);
    if (e == ADIT_E_OK)
        e = agent_keys_init(keys, span_make(reply->p, reply->n), &why);
    if (e == ADIT_E_MEMORY || e == ADIT_E_LIMIT)
        (void)adit_fail(ids->lack, e, "%s", why.text);
    if (e != ADIT_E_OK && e != ADIT_E_MEMORY)
        say(ids, e == ADIT_E_AUTH || e == ADIT_E_LIMIT ? LOG_LEVEL_INFO : LOG_LEVEL_VERBOSE,
            "The agent is not used: %s", why.text);
    return e == ADIT_E_OK;
}

/* Takes the file's key that this agent key is out of found; NULL: none. */
static struct identity *found_take(struct found *found, struct span blob)
{
    for (size_t i = 0; i < found->count; i++) {
        struct identity *id = found->item[i];
        if (id == NULL || !span_eq(identity_blob(id), blob))
            continue;
        found->item[i] = NULL;
        return id;
    }
    return NULL;
}

static struct identity *identity_of_agent(const struct identities *ids, const struct agent_key *key)
{
    char name[256];
    if (key->blob.n == 0 || key->blob.n > LIMIT_KEY_BLOB)
        return NULL;
    size_t n = adit_text_clean(name, sizeof name, key->comment, false);
    struct identity *id = identity_new(n > 0 ? name : "agent key", key->blob);
    if (id != NULL)
        id->in_agent = true;
    else
        lacks(ids, "agent key", "out of memory");
    return id;
}

/* named: the keys that files name too; otherwise the rest. */
static void add_agent_keys(struct identities *ids, struct found *found, struct span reply, bool named)
{
    struct agent_keys keys;
    struct agent_key key;
    if (agent_keys_init(&keys, reply, NULL) != ADIT_E_OK)
        return;
    while (agent_keys_next(&keys, &key)) {
        struct identity *id = named ? found_take(found, key.blob) : NULL;
        struct identity *there = identities_find(ids, key.blob);
        if (id != NULL)
            id->in_agent = true;
        else if (there != NULL && there->is_cert) /* of a CertificateFile */
            there->in_agent = true;
        else if (!named && there == NULL)
            id = identity_of_agent(ids, &key);
        if (id != NULL)
            identities_add(ids, id);
    }
}

static void add_agent(struct identities *ids, struct found *found)
{
    struct file reply = {0};
    struct agent_keys keys;
    if (ids->agent_path == NULL)
        return;
    if (agent_list(ids, &reply, &keys)) {
        struct span list = span_make(reply.p, reply.n);
        add_agent_keys(ids, found, list, true);
        if (!ids->options->identities_only)
            add_agent_keys(ids, found, list, false);
    }
    file_wipe(&reply);
}

/* A public key without its secret half is of use only in an agent. */
static void add_files(struct identities *ids, struct found *found)
{
    for (size_t i = 0; i < found->count; i++) {
        struct identity *id = found->item[i];
        if (id != NULL && (id->is_cert || id->secret != NULL || id->sealed.n > 0))
            identities_add(ids, id);
        else if (id != NULL) {
            say(ids, LOG_LEVEL_DEBUG1, "%s: no secret key in the file and none in the agent; not offered",
                id->name);
            identity_free(id);
        }
        found->item[i] = NULL;
    }
}

/* ---- Certificates and their keys ---- */

static struct identity *find_signer(const struct identities *ids, const struct identity *cert)
{
    for (size_t i = 0; i < ids->count; i++)
        if (!ids->item[i]->is_cert && span_eq(identity_plain(ids->item[i]), identity_plain(cert)))
            return ids->item[i];
    return NULL;
}

/* A certificate whose key nobody has is of no use. */
static void find_signers(struct identities *ids)
{
    size_t kept = 0;
    for (size_t i = 0; i < ids->count; i++)
        if (ids->item[i]->is_cert)
            ids->item[i]->signer = find_signer(ids, ids->item[i]);
    for (size_t i = 0; i < ids->count; i++) {
        struct identity *id = ids->item[i];
        if (!id->is_cert || id->signer != NULL || id->in_agent) {
            ids->item[kept++] = id;
            continue;
        }
        say(ids, LOG_LEVEL_DEBUG1, "%s: no key for this certificate; not offered", id->name);
        identity_free(id);
    }
    ids->count = kept;
}

/* Moves the certificates that stand behind their key right before it. */
static void order_certificates(struct identities *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        struct identity *cert = ids->item[i];
        size_t at = 0;
        while (at < i && ids->item[at] != cert->signer)
            at++;
        memmove(ids->item + at + 1, ids->item + at, (i - at) * sizeof(struct identity *));
        ids->item[at] = cert;
    }
}

static void tell_keys(const struct identities *ids)
{
    char text[IDENTITY_TEXT_CAP];
    for (size_t i = 0; i < ids->count; i++) {
        identity_describe(ids->item[i], text);
        say(ids, LOG_LEVEL_DEBUG1, "Will attempt key: %s", text);
    }
}

enum adit_err identities_init(struct identities *ids, const struct options *options,
                              const struct expand_names *names, const struct client_prompt *prompt,
                              struct adit_error *err)
{
    memset(ids, 0, sizeof *ids);
    ids->options = options;
    ids->prompt = prompt;
    ids->lack = &ids->lacking;
    if (!options->pubkey_auth)
        return ADIT_E_OK;
    add_texts(ids);
    enum adit_err e = find_agent(ids, names, err);
    struct found *found = e == ADIT_E_OK ? calloc(1, sizeof *found) : NULL;
    if (found == NULL)
        return e != ADIT_E_OK ? e : adit_fail(err, ADIT_E_MEMORY, "out of memory");
    e = add_certificate_files(ids, names, err);
    if (e == ADIT_E_OK)
        e = find_files(ids, names, found, err);
    if (e == ADIT_E_OK)
        add_agent(ids, found);
    add_files(ids, found);
    free(found);
    find_signers(ids);
    order_certificates(ids);
    tell_keys(ids);
    /* An agent with too many callers may stay so; the other keys may do without it. */
    return e == ADIT_E_OK && ids->lacking.code == ADIT_E_MEMORY
               ? adit_fail(err, ids->lacking.code, "%s", ids->lacking.text)
               : e;
}

void identities_wipe(struct identities *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        identity_free(ids->item[i]);
    free(ids->agent_path);
    memset(ids, 0, sizeof *ids);
}

/* ---- Signing ---- */

static enum adit_err sign_by_agent(const struct identities *ids, const struct identity *id, struct span alg,
                                   struct span data, uint8_t out[static LIMIT_SIGNATURE], size_t *len,
                                   struct adit_error *err)
{
    size_t cap = id->blob_len + data.n + 32;
    size_t bind_cap = ids->host_key.n + ids->host_signature.n + ids->session_id.n + 64;
    uint8_t *request = malloc(cap + bind_cap);
    struct file reply = {0};
    struct span signature;
    if (request == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    struct wr w = wr_init(request, cap), bind = wr_init(request + cap, bind_cap);
    agent_write_sign(&w, identity_blob(id), data, agent_sign_flags(alg));
    if (ids->host_key.n > 0)
        agent_write_bind(&bind, ids->host_key, ids->session_id, ids->host_signature, false);
    enum adit_err e = agent_call_after(&reply, ids->agent_path, wr_done(&bind), wr_done(&w), AGENT_SIGN_MS,
                                       ids->prompt->cancel_fd, err);
    if (e == ADIT_E_OK)
        e = agent_signature(span_make(reply.p, reply.n), alg, &signature, err);
    if (e == ADIT_E_OK) { /* at most LIMIT_SIGNATURE bytes: agent.h */
        memcpy(out, signature.p, signature.n);
        *len = signature.n;
    }
    file_wipe(&reply);
    free(request);
    return e;
}

static enum adit_err sign_by_secret(const struct identity *id, struct span alg, struct span data,
                                    uint8_t out[static LIMIT_SIGNATURE], size_t *len, struct adit_error *err)
{
    struct wr w = wr_init(out, LIMIT_SIGNATURE);
    enum adit_err e = key_sign(id->secret, alg, data, &w, err);
    *len = e == ADIT_E_OK ? wr_done(&w).n : 0;
    return e;
}

/* The public key that was in the file, too, or that lay beside it. */
static bool fits_public(struct identity *id, struct parse *p)
{
    struct span public = span_make(p->file.public_blob, p->file.public_len);
    if (id->blob_len > 0 && !span_eq(identity_blob(id), public))
        return adit_fail(&p->why, ADIT_E_KEY_FILE, "the key is not that of its .pub file") == ADIT_E_OK;
    if (id->blob_len > 0)
        return true;
    uint8_t *copy = malloc(public.n);
    if (copy == NULL)
        return adit_fail(&p->why, ADIT_E_MEMORY, "out of memory") == ADIT_E_OK;
    memcpy(copy, public.p, public.n);
    free(id->blob);
    id->blob = copy;
    id->blob_len = public.n;
    return identity_read(id, public);
}

/* One passphrase. True when the key is open now. */
static bool unlock_with(struct identity *id, struct parse *p, const char *answer)
{
    struct span passphrase = span_str(answer);
    enum keyfile_status status = parse_text(p, span_make(id->sealed.p, id->sealed.n), &passphrase);
    bool fine = status == KEYFILE_OK && fits_public(id, p) && keep_secret(id, &p->file);
    if (!fine && p->why.code == ADIT_E_OK) /* the two say nothing of memory */
        (void)adit_fail(&p->why, ADIT_E_MEMORY, "out of memory");
    keyfile_wipe(&p->file);
    return fine;
}

static enum adit_err unlock_ask(const struct identities *ids, struct identity *id, struct parse *p,
                                struct adit_error *err)
{
    char text[512], answer[PROMPT_ANSWER_CAP];
    struct adit_error lack = {0};
    const struct prompt_question question = {.kind = PROMPT_SECRET,
                                             .purpose = PROMPT_FOR_PASSPHRASE,
                                             .text = text,
                                             .subject = id->name,
                                             .lack = &lack};
    adit_format(text, sizeof text, "Enter passphrase for key '%s': ", id->name);
    for (uint32_t i = 0; i < ids->options->password_prompts && id->secret == NULL; i++) {
        /* Without a passphrase there is nothing to try: the next key is the answer, as in ssh. */
        bool given = ids->prompt->ask(ids->prompt->ctx, &question, answer, sizeof answer) && answer[0] != 0;
        bool open = given && unlock_with(id, p, answer);
        adit_wipe(answer, sizeof answer);
        if (!given && lack.code != ADIT_E_OK)
            return adit_fail(err, lack.code, "its passphrase: %s", lack.text);
        if (!given)
            return adit_fail(err, ADIT_E_AUTH, "no passphrase was given");
        if (!open && p->why.code == ADIT_E_MEMORY) /* nothing was learnt of the passphrase */
            return adit_fail(err, p->why.code, "%s", p->why.text);
        if (!open)
            say(ids, LOG_LEVEL_INFO, "Load key \"%s\": %s", id->name, p->why.text);
    }
    if (id->secret == NULL)
        return adit_fail(err, ADIT_E_AUTH, "no right passphrase was given");
    file_wipe(&id->sealed);
    return ADIT_E_OK;
}

static enum adit_err unlock(const struct identities *ids, struct identity *id, struct adit_error *err)
{
    if (ids->options->batch_mode)
        return adit_fail(err, ADIT_E_AUTH, "it is encrypted and nobody can be asked (BatchMode)");
    struct parse *p = secret_new(sizeof *p);
    if (p == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = unlock_ask(ids, id, p, err);
    secret_free(p, sizeof *p);
    return e;
}

bool identity_unlock(struct identities *ids, struct identity *id)
{
    struct adit_error why = {0};
    if (id->blob_len > 0)
        return true;
    if (unlock(ids, id, &why) != ADIT_E_OK) {
        if (why.code == ADIT_E_MEMORY)
            lacks(ids, id->name, why.text);
        say(ids, LOG_LEVEL_VERBOSE, "Load key \"%s\": %s", id->name, why.text);
        id->is_dead = true;
    } else if (is_too_short(ids, id) || identities_find(ids, identity_blob(id)) != id) {
        id->is_dead = true;
    }
    return !id->is_dead;
}

/* ---- AddKeysToAgent ---- */

static bool may_add(const struct identities *ids, const struct identity *id)
{
    char text[EXPAND_PATH_CAP + 64], answer[PROMPT_ANSWER_CAP];
    if (ids->options->add_keys_to_agent != ADD_KEYS_ASK)
        return true;
    if (ids->options->batch_mode)
        return false;
    adit_format(text, sizeof text, "Add key %s to agent? ", id->name);
    const struct prompt_question question = {.kind = PROMPT_LINE, .text = text};
    bool given = ids->prompt->ask(ids->prompt->ctx, &question, answer, sizeof answer);
    return given && (answer[0] == 0 || text_same(answer, "yes")); /* as ssh: a bare Enter is a yes */
}

static enum adit_err add_to_agent(const struct identities *ids, const struct identity *id, uint8_t *room,
                                  struct adit_error *err)
{
    struct wr w = wr_init(room, AGENT_ADD_MAX);
    struct file reply = {0};
    bool confirm = ids->options->add_keys_to_agent == ADD_KEYS_CONFIRM;
    const char *comment = id->comment != NULL ? id->comment : id->name; /* as ssh: the path of a PEM file */
    agent_write_add(&w, id->secret, span_sub(span_str(comment), 0, KEYFILE_COMMENT_MAX),
                    ids->options->add_keys_lifetime_s, confirm);
    enum adit_err e =
        agent_call(&reply, ids->agent_path, wr_done(&w), AGENT_LIST_MS, ids->prompt->cancel_fd, err);
    if (e == ADIT_E_OK)
        e = agent_success(span_make(reply.p, reply.n), err);
    file_wipe(&reply);
    return e;
}

/* Once a key, as soon as it is open: as ssh does it. A failure is no obstacle. */
static void add_if_wanted(const struct identities *ids, struct identity *id)
{
    struct adit_error why = {0};
    if (ids->options->add_keys_to_agent == ADD_KEYS_NO || ids->agent_path == NULL || id->was_added ||
        id->is_text)
        return;
    id->was_added = true;
    uint8_t *room = secret_new(AGENT_ADD_MAX);
    if (room == NULL || !may_add(ids, id))
        say(ids, LOG_LEVEL_DEBUG1, "%s: not added to the agent", id->name);
    else if (add_to_agent(ids, id, room, &why) == ADIT_E_OK)
        say(ids, LOG_LEVEL_DEBUG1, "identity added to agent: %s", id->name);
    else
        say(ids, LOG_LEVEL_DEBUG1, "could not add identity to agent: %s: %s", id->name, why.text);
    secret_free(room, AGENT_ADD_MAX);
}

static bool has_file_key(const struct identity *id)
{
    return id->secret != NULL || id->sealed.n > 0;
}

static enum adit_err sign_by_file(const struct identities *ids, struct identity *id, struct span alg,
                                  struct span data, uint8_t out[static LIMIT_SIGNATURE], size_t *len,
                                  struct adit_error *err)
{
    memset(err, 0, sizeof *err); /* what the agent said counts no more */
    enum adit_err e = id->secret != NULL ? ADIT_E_OK : unlock(ids, id, err);
    if (e == ADIT_E_OK)
        add_if_wanted(ids, id);
    return e != ADIT_E_OK ? e : sign_by_secret(id, alg, data, out, len, err);
}

static enum adit_err sign_by(struct identities *ids, struct identity *id, struct span alg, struct span data,
                             uint8_t out[static LIMIT_SIGNATURE], size_t *len, struct adit_error *err)
{
    enum adit_err e = ADIT_E_AUTH;
    if (id->in_agent) {
        e = sign_by_agent(ids, id, alg, data, out, len, err);
        id->in_agent = e == ADIT_E_OK;
    }
    if (!id->in_agent && has_file_key(id)) /* also where the agent has failed */
        e = sign_by_file(ids, id, alg, data, out, len, err);
    return e;
}

enum adit_err identity_sign(struct identities *ids, struct identity *id, struct span alg, struct span data,
                            uint8_t out[static LIMIT_SIGNATURE], size_t *len, struct adit_error *err)
{
    struct adit_error why = {0};
    const char *behind = cert_sigalg(alg);
    struct span sigalg = behind != NULL ? span_str(behind) : alg;
    enum adit_err e = ADIT_E_AUTH;
    *len = 0;
    if (id->in_agent || id->signer == NULL)
        e = sign_by(ids, id, sigalg, data, out, len, &why);
    if (e != ADIT_E_OK && id->signer != NULL) {
        memset(&why, 0, sizeof why);
        e = sign_by(ids, id->signer, sigalg, data, out, len, &why);
    }
    id->is_dead = e != ADIT_E_OK;
    if (id->signer != NULL) /* nobody is asked for the same passphrase once more */
        id->signer->is_dead = id->is_dead;
    return e == ADIT_E_OK ? e : adit_fail(err, e, "%s", why.text);
}
