#include "client/host_keys.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/fingerprint.h"
#include "client/sandbox.h"
#include "client/units.h"
#include "net/random.h"
#include "net/sock.h"
#include "ssh/cert.h"
#include "ssh/krl.h"
#include "ssh/ssh.h"

#define ENV_NAME "ADIT_KNOWN_HOSTS"

/* A name, a type and a key of at most KNOWN_HOST_BLOB_MAX bytes in base64. */
enum { LINE_CAP = 2 * KNOWN_HOST_BLOB_MAX };

static void say(const struct host_keys *h, enum log_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);

static void say(const struct host_keys *h, enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(line, sizeof line, fmt, ap);
    va_end(ap);
    h->prompt->log(h->prompt->ctx, level, line);
}

/* ---- Reading ---- */

static enum adit_err add_file(struct host_keys *h, const char *path, struct file text, struct adit_error *err)
{
    struct host_keys_file *f = &h->files[h->count];
    if (h->count == HOST_KEYS_FILES_MAX) {
        file_wipe(&text);
        return adit_fail(err, ADIT_E_CONFIG, "more than %d known_hosts files", (int)HOST_KEYS_FILES_MAX);
    }
    f->path = text_copy(span_str(path));
    f->text = text;
    h->count++;
    return f->path != NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

/* Also once we are in. */
static bool changes_files(const struct host_keys *h)
{
    return options_update_host_keys(h->options) != UPDATE_HOST_KEYS_NO;
}

static enum adit_err read_one(struct host_keys *h, const char *option, const struct expand_names *names,
                              bool is_user, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    struct adit_error why = {0};
    struct file text;
    bool missing = false;
    /* ssh_config(5), TOKENS: UserKnownHostsFile has them, GlobalKnownHostsFile has not. */
    enum adit_err e = (is_user ? expand_path : expand_home)(path, option, names, err);
    if (e != ADIT_E_OK)
        return e;
    if (is_user)
        sandbox_need(path, CONFINE_READ | CONFINE_WRITE, changes_files(h) ? SANDBOX_ALWAYS : SANDBOX_AGAIN);
    if (is_user && h->add_to == NULL && (h->add_to = text_copy(span_str(path))) == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    e = file_read(&text, path, LIMIT_FILE_KNOWN_HOSTS, NULL, &missing, &why);
    if (e == ADIT_E_MEMORY) /* what it says of the host may be that its key has changed */
        return adit_fail(err, e, "%s", why.text);
    if (e != ADIT_E_OK && !missing)
        say(h, LOG_LEVEL_ERROR, "%s; going on without this file", why.text);
    return add_file(h, path, text, err);
}

static enum adit_err read_list(struct host_keys *h, const struct texts *given, const char *const defaults[2],
                               const struct expand_names *names, bool is_user, struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    if (texts_has(given, "none"))
        return ADIT_E_OK;
    for (size_t i = 0; i < given->count && e == ADIT_E_OK; i++)
        e = read_one(h, given->item[i], names, is_user, err);
    for (size_t i = 0; i < 2 && given->count == 0 && e == ADIT_E_OK; i++)
        e = read_one(h, defaults[i], names, is_user, err);
    return e;
}

static enum adit_err read_environment(struct host_keys *h, struct adit_error *err)
{
    const char *value = getenv(ENV_NAME);
    if (value == NULL || *value == 0)
        return ADIT_E_OK;
    struct file text = {
        .p = (uint8_t *)text_copy(span_str(value)), .n = strlen(value), .cap = strlen(value) + 1};
    if (text.p == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return add_file(h, "$" ENV_NAME, text, err);
}

/* "[host]:port", as a name stands in known_hosts. */
static void take_bracketed(struct span *host, uint16_t *port)
{
    size_t end = 1;
    uint32_t number;
    if (host->n == 0 || host->p[0] != '[')
        return;
    while (end < host->n && host->p[end] != ']')
        end++;
    if (end + 1 >= host->n || host->p[end + 1] != ':' ||
        !units_number(span_sub(*host, end + 2, SIZE_MAX), 1, UINT16_MAX, &number))
        return;
    *host = span_sub(*host, 1, end - 1);
    *port = (uint16_t)number;
}

static enum adit_err make_queries(struct host_keys *h, const struct expand_names *names,
                                  struct adit_error *err)
{
    const char *alias = h->options->host_key_alias;
    struct span host = span_str(alias != NULL ? alias : names->host);
    uint16_t port = alias != NULL ? 22 : names->port;
    if (alias != NULL)
        take_bracketed(&host, &port);
    if (!known_host_query_init(&h->query, host, port) || !known_host_query_init(&h->plain, host, 22))
        return adit_fail(err, ADIT_E_USAGE, "'%.*s' is no host name", (int)host.n, (const char *)host.p);
    h->has_plain = alias == NULL && port != 22;
    h->port = names->port;
    return ADIT_E_OK;
}

static enum adit_err find_revoked(struct host_keys *h, const struct expand_names *names,
                                  struct adit_error *err)
{
    const struct texts *given = &h->options->revoked_host_keys;
    char path[EXPAND_PATH_CAP];
    for (size_t i = 0; i < given->count && !texts_has(given, "none"); i++) {
        enum adit_err e = expand_path(path, given->item[i], names, err);
        if (e != ADIT_E_OK)
            return e;
        sandbox_need(path, CONFINE_READ, SANDBOX_ALWAYS); /* it is read for each key */
        if (!texts_add(&h->revoked, span_str(path)))
            return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    }
    return ADIT_E_OK;
}

/* What it printed takes the place of what it printed before. */
static enum adit_err ask_command(struct host_keys *h, const char *reason, const char *searched,
                                 struct span blob, struct adit_error *err)
{
    const struct known_hosts_asked asked = {.reason = reason,
                                            .searched = searched,
                                            .blob = blob,
                                            .hash = (enum fingerprint_hash)h->options->fingerprint_hash};
    if (h->command.command == NULL)
        return ADIT_E_OK;
    struct file *text = &h->files[h->command_at].text;
    file_wipe(text);
    struct adit_error why = {0};
    bool missing = false;
    enum adit_err e =
        known_hosts_command_run(&h->command, &asked, h->prompt->cancel_fd, text, &missing, &why);
    if (e == ADIT_E_OK)
        return e;
    if (!missing)
        return adit_fail(err, e, "%s", why.text);
    say(h, LOG_LEVEL_ERROR, "%s", why.text);
    return ADIT_E_OK;
}

/* As ssh: once for the order of the algorithms, if that is ours to choose, and once about the key. */
static enum adit_err prepare_command(struct host_keys *h, const struct expand_names *names,
                                     struct adit_error *err)
{
    const char *command = option_text(h->options->known_hosts_command);
    enum adit_err e = known_hosts_command_init(&h->command, command, names, err);
    if (e != ADIT_E_OK || command == NULL)
        return e;
    sandbox_need_programs("KnownHostsCommand", SANDBOX_ALWAYS); /* and this is run */
    h->command_at = h->count;
    e = add_file(h, "KnownHostsCommand", (struct file){0}, err);
    return e == ADIT_E_OK && h->options->host_key_order_is_free
               ? ask_command(h, "ORDER", h->query.name, span_make(NULL, 0), err)
               : e;
}

enum adit_err host_keys_init(struct host_keys *h, const struct options *options,
                             const struct expand_names *names, const struct client_prompt *prompt,
                             struct adit_error *err)
{
    static const char *const user_files[2] = {"~/.ssh/known_hosts", "~/.ssh/known_hosts2"};
    static const char *const global_files[2] = {"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"};
    memset(h, 0, sizeof *h);
    h->options = options;
    h->prompt = prompt;
    enum adit_err e = make_queries(h, names, err);
    if (e == ADIT_E_OK)
        e = find_revoked(h, names, err);
    if (e != ADIT_E_OK || options->fingerprints.count > 0) /* the pin decides alone: no file is needed */
        return e;
    e = read_list(h, &options->user_known_hosts, user_files, names, true, err);
    h->user_count = h->count;
    if (e == ADIT_E_OK)
        e = read_list(h, &options->global_known_hosts, global_files, names, false, err);
    if (e == ADIT_E_OK)
        e = read_environment(h, err);
    return e != ADIT_E_OK ? e : prepare_command(h, names, err);
}

void host_keys_wipe(struct host_keys *h)
{
    for (size_t i = 0; i < h->count; i++) {
        free(h->files[i].path);
        file_wipe(&h->files[i].text);
    }
    texts_wipe(&h->revoked);
    known_hosts_command_wipe(&h->command);
    free(h->add_to);
    free(h->seen.line);
    memset(h, 0, sizeof *h);
}

/* ---- The order of the algorithms ---- */

static struct span file_span(const struct host_keys *h, size_t i)
{
    return span_make(h->files[i].text.p, h->files[i].text.n);
}

static uint32_t types_known(const struct host_keys *h, const struct known_host_query *q)
{
    struct known_hosts_reader reader;
    uint32_t types = 0;
    for (size_t i = 0; i < h->count; i++) {
        known_hosts_reader_init(&reader, file_span(h, i));
        types |= known_hosts_types(&reader, q);
    }
    return types;
}

static bool append_name(char *out, size_t cap, size_t *n, struct span name)
{
    size_t comma = *n > 0 ? 1 : 0;
    if (name.n + comma >= cap - *n)
        return false;
    if (comma != 0)
        out[(*n)++] = ',';
    memcpy(out + *n, name.p, name.n);
    *n += name.n;
    out[*n] = 0;
    return true;
}

/* A certificate's algorithm goes to the front with its key's, or with the host's authority, as ssh has it. */
static bool is_preferred(struct span alg, uint32_t types)
{
    const char *behind = cert_sigalg(alg);
    struct span sigalg = behind != NULL ? span_str(behind) : alg;
    return (behind != NULL && (types & KNOWN_HOSTS_CA) != 0) ||
           (types >> key_type_for_sigalg(sigalg) & 1) != 0;
}

/* Of the tokens' keys those on P-256 are the older ones: who wrote no list of his own has them offered only
 * to hosts that are known by one. */
static bool is_offered(const struct host_keys *h, struct span alg, uint32_t types)
{
    const char *behind = cert_sigalg(alg);
    return h->options->host_key_algorithms != NULL || is_preferred(alg, types) ||
           key_type_for_sigalg(behind != NULL ? span_str(behind) : alg) != KEY_SK_ECDSA;
}

enum { OFFER_ALL, OFFER_PREFERRED, OFFER_OTHERS };

static bool append_types(const struct host_keys *h, char *out, size_t cap, size_t *n, const char *list,
                         uint32_t types, int which)
{
    struct span rest = span_str(list), name;
    while (text_comma(&rest, &name))
        if (is_offered(h, name, types) &&
            (which == OFFER_ALL || is_preferred(name, types) == (which == OFFER_PREFERRED)) &&
            !append_name(out, cap, n, name))
            return false;
    return true;
}

/* ssh: when a key of the first algorithm's type is known, the list stays as it is. */
static bool first_is_known(const char *list, uint32_t types)
{
    struct span rest = span_str(list), name = {0};
    return text_comma(&rest, &name) && is_preferred(name, types & ~(uint32_t)KNOWN_HOSTS_CA);
}

bool host_keys_order(const struct host_keys *h, const char *list, char *out, size_t cap)
{
    uint32_t types = types_known(h, &h->query);
    size_t n = 0;
    if (types == 0 && h->has_plain)
        types = types_known(h, &h->plain);
    types &= ~(1u << KEY_NONE);
    out[0] = 0;
    if (first_is_known(list, types))
        return append_types(h, out, cap, &n, list, types, OFFER_ALL);
    return append_types(h, out, cap, &n, list, types, OFFER_PREFERRED) &&
           append_types(h, out, cap, &n, list, types, OFFER_OTHERS);
}

/* ---- The verdict ---- */

struct offer {
    struct span blob; /* the key; the one in the certificate when there is one */
    struct cert cert; /* its blob is empty when there is none */
    enum key_type key_type;
    const char *type;                          /* "ED25519" */
    char fingerprint[KEY_FINGERPRINT_LEN + 1]; /* for pins */
    char shown[FINGERPRINT_CAP];               /* by FingerprintHash */
};

static void on_bad(void *ctx, size_t file, const struct known_host_line *line)
{
    const struct host_keys *h = ctx;
    say(h, LOG_LEVEL_ERROR, "%s:%zu: %s; the line is skipped", h->files[file].path, line->number, line->why);
}

/* ca: empty for a plain key, or the certificate's authority. */
static bool check_all(struct host_keys *h, struct known_hosts_check *check, const struct known_host_query *q,
                      struct span blob, struct span ca, bool tell)
{
    if (!known_hosts_check_init(check, q, blob))
        return false;
    check->ca = ca;
    for (size_t i = 0; i < h->count; i++)
        known_hosts_check_text(check, i, file_span(h, i), tell ? on_bad : NULL, h);
    return true;
}

static const struct span no_ca;

static const char *place(const struct host_keys *h, const struct known_hosts_check *check)
{
    return check->file_index < h->count ? h->files[check->file_index].path : "";
}

static enum adit_err refused(struct adit_error *err, const struct host_keys *h, const char *why)
{
    return adit_fail(err, ADIT_E_HOST_KEY, "Host key verification failed for %s: %s", h->query.name, why);
}

static enum adit_err check_pins(const struct host_keys *h, const struct offer *offer, struct adit_error *err)
{
    if (texts_has(&h->options->fingerprints, offer->fingerprint))
        return ADIT_E_OK;
    say(h, LOG_LEVEL_ERROR, "The server shows the %s key %s,", offer->type, offer->fingerprint);
    say(h, LOG_LEVEL_ERROR, "which AditHostKeyFingerprint does not name.");
    return refused(err, h, "the key does not have the pinned fingerprint");
}

static enum adit_err on_revoked(const struct host_keys *h, const struct known_hosts_check *check,
                                const struct offer *offer, struct adit_error *err)
{
    say(h, LOG_LEVEL_ERROR, "WARNING: REVOKED HOST KEY! The %s key %s of %s is marked @revoked in %s:%zu.",
        offer->type, offer->shown, h->query.name, place(h, check), check->line_number);
    say(h, LOG_LEVEL_ERROR, "Whoever holds it may not be the host that you mean. Ask its administrator.");
    return refused(err, h, "the key is revoked");
}

/* [RFC 4251 9.3.4a] */
static void warn_changed(const struct host_keys *h, const struct known_hosts_check *check,
                         const struct offer *offer)
{
    say(h, LOG_LEVEL_ERROR, "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!");
    say(h, LOG_LEVEL_ERROR, "%s now shows the %s key %s,", h->query.name, offer->type, offer->shown);
    say(h, LOG_LEVEL_ERROR, "but another %s key is known for it: %s:%zu.", offer->type, place(h, check),
        check->line_number);
    say(h, LOG_LEVEL_ERROR, "Somebody may be listening between you and the host, or it was given a new key.");
    say(h, LOG_LEVEL_ERROR,
        "Ask its administrator for the fingerprint. If it is right, remove that line and "
        "connect again.");
}

/* Whatever StrictHostKeyChecking says: ssh goes on without forwards when it is off, and then there is nothing
 * left to go on for. [RFC 4254 11a] */
static enum adit_err on_changed(struct host_keys *h, const struct known_hosts_check *check,
                                const struct offer *offer, struct adit_error *err)
{
    h->seen.verdict = HOST_KEY_CHANGED;
    warn_changed(h, check, offer);
    return adit_fail(err, ADIT_E_HOST_KEY,
                     "Host key verification failed for %s: the %s key has changed (%s:%zu)", h->query.name,
                     offer->type, place(h, check), check->line_number);
}

/* ---- Unknown keys ---- */

static bool write_line(const struct host_keys *h, const struct known_host_query *q, struct wr *w,
                       struct span blob, struct adit_error *err)
{
    uint8_t salt[20];
    if (!h->options->hash_known_hosts)
        return known_hosts_write(w, q, blob);
    return random_seed(salt, sizeof salt, err) == ADIT_E_OK && known_hosts_write_hashed(w, q, salt, blob);
}

static void see_unknown(struct host_keys *h, const struct offer *offer)
{
    uint8_t line[LINE_CAP];
    struct wr w = wr_init(line, sizeof line);
    struct adit_error why = {0};
    h->seen.verdict = HOST_KEY_UNKNOWN;
    if (write_line(h, &h->query, &w, offer->blob, &why))
        h->seen.line = text_copy(wr_done(&w));
}

/* A key that cannot be remembered is still the key that was accepted: a warning, as in ssh. */
static void remember(const struct host_keys *h, const struct known_host_query *q, const struct offer *offer)
{
    uint8_t line[LINE_CAP];
    struct wr w = wr_init(line, sizeof line);
    struct adit_error why = {0};
    if (h->add_to == NULL)
        return;
    if (!write_line(h, q, &w, offer->blob, &why))
        (void)adit_fail(&why, ADIT_E_LIMIT, "the key is too long for a line");
    else if (file_append(h->add_to, wr_done(&w), LIMIT_FILE_KNOWN_HOSTS, &why) == ADIT_E_OK) {
        if (q == &h->address)
            say(h, LOG_LEVEL_INFO,
                "Warning: Permanently added the %s host key for IP address '%s' to the list of known hosts.",
                offer->type, q->name);
        else
            say(h, LOG_LEVEL_INFO, "Warning: Permanently added '%s' (%s) to the list of known hosts.",
                q->name, offer->type);
        return;
    }
    say(h, LOG_LEVEL_ERROR, "Failed to add the host to the list of known hosts: %s", why.text);
}

static void question(const struct host_keys *h, const struct known_hosts_check *check,
                     const struct offer *offer, char text[static PROMPT_TEXT_CAP])
{
    const char *others = check->verdict == KNOWN_HOSTS_OTHER_TYPES
                             ? "Keys of other types are known for this host, but none of this type.\n"
                             : "";
    char art[FINGERPRINT_ART_CAP] = "";
    if (h->options->visual_host_key)
        fingerprint_art(offer->blob, (enum fingerprint_hash)h->options->fingerprint_hash, art);
    adit_format(text, PROMPT_TEXT_CAP,
                "The authenticity of host '%s' can't be established.\n%s key fingerprint is %s.\n%s%s%s"
                "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
                h->query.name, offer->type, offer->shown, art, art[0] != 0 ? "\n" : "", others);
}

enum answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO };

/* ANSWER_NONE: nobody is there, or the question was cancelled. */
static enum answer ask_user(const struct host_keys *h, const struct known_hosts_check *check,
                            const struct offer *offer)
{
    char text[PROMPT_TEXT_CAP], answer[PROMPT_ANSWER_CAP];
    const struct prompt_question asked = {
        .kind = PROMPT_LINE, .purpose = PROMPT_FOR_HOST_KEY, .text = text, .subject = h->query.name};
    question(h, check, offer, text);
    while (h->prompt->ask(h->prompt->ctx, &asked, answer, sizeof answer)) {
        struct span rest = span_str(answer);
        char word[PROMPT_ANSWER_CAP];
        bool bad;
        if (!text_word(&rest, word, sizeof word, &bad))
            word[0] = 0;
        if (text_same(word, "yes") || strcmp(word, offer->shown) == 0)
            return ANSWER_YES;
        if (text_same(word, "no"))
            return ANSWER_NO;
        adit_format(text, sizeof text, "Please type 'yes', 'no' or the fingerprint: ");
    }
    return ANSWER_NONE;
}

static enum adit_err refuse_unknown(struct host_keys *h, const struct offer *offer, const char *why,
                                    struct adit_error *err)
{
    say(h, LOG_LEVEL_ERROR, "No %s host key is known for %s and %s.", offer->type, h->query.name, why);
    say(h, LOG_LEVEL_ERROR,
        "It shows %s. If that is right, add it to known_hosts, or connect once with "
        "StrictHostKeyChecking=accept-new.",
        offer->shown);
    return refused(err, h, "the key is not known");
}

/* [RFC 4251 4.1b] */
static enum adit_err on_unknown(struct host_keys *h, const struct known_hosts_check *check,
                                const struct offer *offer, struct adit_error *err)
{
    uint32_t strict = h->options->strict_host_key;
    see_unknown(h, offer);
    if (strict == STRICT_YES)
        return refuse_unknown(h, offer, "you have requested strict checking", err);
    if (strict == STRICT_ASK && h->options->batch_mode)
        return refuse_unknown(h, offer, "nobody can be asked (BatchMode)", err);
    enum answer answer = strict == STRICT_ASK ? ask_user(h, check, offer) : ANSWER_YES;
    if (answer == ANSWER_NONE)
        return refuse_unknown(h, offer, "nobody answered, or there is no terminal to ask on", err);
    if (answer == ANSWER_NO)
        return refused(err, h, "the key was not accepted");
    remember(h, &h->query, offer);
    h->may_update = strict == STRICT_ASK && offer->cert.blob.n == 0;
    return ADIT_E_OK;
}

/* ssh: a key of the plain name serves for "[name]:port" too, when nothing is known for that. */
static bool is_known_without_port(struct host_keys *h, struct known_hosts_check *check,
                                  const struct offer *offer)
{
    return h->has_plain && check_all(h, check, &h->plain, offer->blob, no_ca, false) &&
           check->verdict == KNOWN_HOSTS_MATCH;
}

/* VisualHostKey: of a key that is trusted, too, so that a person comes to know it. */
static void show_known(const struct host_keys *h, const struct offer *offer)
{
    char art[FINGERPRINT_ART_CAP];
    struct span rest, line;
    if (!h->options->visual_host_key)
        return;
    fingerprint_art(offer->blob, (enum fingerprint_hash)h->options->fingerprint_hash, art);
    say(h, LOG_LEVEL_INFO, "Host key fingerprint is %s", offer->shown);
    rest = span_str(art);
    while (text_line(&rest, &line))
        say(h, LOG_LEVEL_INFO, "%.*s", (int)line.n, (const char *)line.p);
}

static enum adit_err check_files(struct host_keys *h, const struct offer *offer,
                                 struct known_hosts_check *check, struct known_hosts_check *plain,
                                 struct adit_error *err)
{
    if (!check_all(h, check, &h->query, offer->blob, no_ca, true))
        return refused(err, h, "the key is malformed");
    switch (check->verdict) {
    case KNOWN_HOSTS_MATCH:
        say(h, LOG_LEVEL_DEBUG1, "Host '%s' is known and matches the %s host key.", h->query.name,
            offer->type);
        say(h, LOG_LEVEL_DEBUG1, "Found key in %s:%zu", place(h, check), check->line_number);
        h->may_update = check->file_index < h->user_count && offer->cert.blob.n == 0;
        show_known(h, offer);
        return ADIT_E_OK;
    case KNOWN_HOSTS_REVOKED:
        return on_revoked(h, check, offer, err);
    case KNOWN_HOSTS_CHANGED:
        return on_changed(h, check, offer, err);
    case KNOWN_HOSTS_UNKNOWN:
    case KNOWN_HOSTS_OTHER_TYPES:
        break;
    }
    if (is_known_without_port(h, plain, offer)) {
        say(h, LOG_LEVEL_DEBUG1, "Found key without its port in %s:%zu", place(h, plain), plain->line_number);
        show_known(h, offer);
        return ADIT_E_OK;
    }
    if (h->has_plain && plain->verdict == KNOWN_HOSTS_REVOKED)
        return on_revoked(h, plain, offer, err);
    return on_unknown(h, check, offer, err);
}

/* ---- Certificates ---- */

/* True: the certificate is the right one for this host; *e then stays, as it does for one that is revoked. */
static bool check_authority(struct host_keys *h, const struct offer *offer, const struct known_host_query *q,
                            struct known_hosts_check *check, enum adit_err *e, struct adit_error *err)
{
    struct adit_error why = {0};
    struct span name = span_str(h->plain.name);
    const char *algs = h->options->ca_algorithms;
    if (!check_all(h, check, q, offer->blob, offer->cert.ca.blob, false))
        return false;
    if (check->verdict == KNOWN_HOSTS_REVOKED) {
        *e = on_revoked(h, check, offer, err);
        return true;
    }
    if (check->verdict != KNOWN_HOSTS_MATCH)
        return false;
    say(h, LOG_LEVEL_DEBUG1, "Host '%s' is known and matches the %s-CERT host certificate.", q->name,
        offer->type);
    say(h, LOG_LEVEL_DEBUG1, "Found CA key in %s:%zu", place(h, check), check->line_number);
    *e = cert_check_host(&offer->cert, name, (uint64_t)time(NULL),
                         algs != NULL ? algs : ssh_list_default(SSH_LIST_SIG), &why);
    if (*e != ADIT_E_OK)
        say(h, LOG_LEVEL_ERROR, "%s", why.text);
    return *e == ADIT_E_OK;
}

/* ssh: without a right certificate the key in it is judged as a plain one. */
static enum adit_err check_certificate(struct host_keys *h, const struct offer *offer,
                                       struct known_hosts_check *check, struct known_hosts_check *plain,
                                       struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    if (offer->cert.blob.n > 0) {
        if (check_authority(h, offer, &h->query, check, &e, err))
            return e;
        bool has_authority = check->verdict == KNOWN_HOSTS_MATCH;
        if (!has_authority && h->has_plain && check_authority(h, offer, &h->plain, check, &e, err))
            return e;
        say(h, LOG_LEVEL_DEBUG1, "No matching CA found. Retry with plain key");
    }
    return check_files(h, offer, check, plain, err);
}

/* ---- RevokedHostKeys ---- */

static enum adit_err check_list(const struct host_keys *h, const struct offer *offer, const char *path,
                                const struct file *list, struct adit_error *err)
{
    const struct krl_subject subject = {offer->blob, offer->cert.blob.n > 0 ? &offer->cert : NULL};
    struct wspan scratch = {malloc(list->n + 1), list->n + 1};
    const char *why;
    size_t line;
    if (scratch.p == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum krl_verdict verdict = krl_check(span_make(list->p, list->n), &subject, scratch, &why, &line);
    free(scratch.p);
    if (verdict == KRL_FINE)
        return ADIT_E_OK;
    if (verdict == KRL_REVOKED)
        say(h, LOG_LEVEL_ERROR, "Host key %s %s revoked by file %s", offer->type, offer->fingerprint, path);
    else if (line > 0)
        say(h, LOG_LEVEL_ERROR, "Error checking host key in revoked keys file %s: line %zu: %s", path, line,
            why);
    else
        say(h, LOG_LEVEL_ERROR, "Error checking host key in revoked keys file %s: %s", path, why);
    return refused(err, h,
                   verdict == KRL_REVOKED ? "the key is revoked"
                                          : "the list of revoked keys is damaged, so that all keys are");
}

/* ssh_config(5): if the file does not exist or is not readable, then host authentication is refused for all
 * hosts. One that could not be read just now says nothing of this host's key for good. */
static enum adit_err unread_list(const struct host_keys *h, const struct adit_error *why,
                                 struct adit_error *err)
{
    if (why->code == ADIT_E_MEMORY)
        return adit_fail(err, why->code, "RevokedHostKeys: %s", why->text);
    say(h, LOG_LEVEL_ERROR, "RevokedHostKeys: %s", why->text);
    return refused(err, h, "the list of revoked keys cannot be read, so that all keys are");
}

static enum adit_err check_revoked(const struct host_keys *h, const struct offer *offer,
                                   struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    for (size_t i = 0; i < h->revoked.count && e == ADIT_E_OK; i++) {
        const char *path = h->revoked.item[i];
        struct adit_error why = {0};
        struct file list;
        e = file_read(&list, path, LIMIT_FILE_REVOKED, NULL, NULL, &why);
        e = e == ADIT_E_OK ? check_list(h, offer, path, &list, err) : unread_list(h, &why, err);
        file_wipe(&list);
    }
    return e;
}

static void log_certificate(const struct host_keys *h, const struct offer *offer)
{
    const struct cert *c = &offer->cert;
    char ca[KEY_FINGERPRINT_LEN + 1], id[256];
    key_fingerprint(c->ca.blob, ca);
    adit_text_clean(id, sizeof id, c->key_id, false);
    say(h, LOG_LEVEL_DEBUG1, "Server host certificate: %s %s, serial %llu ID \"%s\" CA %s %s",
        cert_type_name(c->key.type), offer->fingerprint, (unsigned long long)c->serial, id,
        key_type_name(c->ca.type), ca);
}

/* room: for the key of a certificate. */
static enum adit_err read_offer(const struct host_keys *h, struct offer *offer, struct span blob,
                                struct wspan room, struct adit_error *err)
{
    struct adit_error why = {0};
    struct wr w = wr_init(room.p, room.n);
    struct key key;
    offer->blob = blob;
    if (cert_is_one(blob)) {
        if (!cert_parse(&offer->cert, blob) || !cert_plain_key(&offer->cert, &w))
            return refused(err, h, "the host certificate is malformed");
        if (cert_verify(&offer->cert, &why) != ADIT_E_OK)
            return refused(err, h, "the host certificate is not what its authority has signed");
        offer->blob = wr_done(&w);
    }
    if (!key_parse(&key, offer->blob))
        return refused(err, h, "the key is malformed");
    if (key.type == KEY_RSA && key_bits(&key) < h->options->required_rsa_size) {
        say(h, LOG_LEVEL_ERROR, "The server's RSA key has %u bits; RequiredRSASize is %u.", key_bits(&key),
            (unsigned)h->options->required_rsa_size);
        return refused(err, h, "the key is too short");
    }
    offer->key_type = key.type;
    offer->type = key_short_name(key.type);
    key_fingerprint(offer->blob, offer->fingerprint);
    fingerprint_text(offer->blob, (enum fingerprint_hash)h->options->fingerprint_hash, offer->shown);
    return ADIT_E_OK;
}

/* 12 KiB: not for the stack. */
struct judgement {
    struct known_hosts_check check, plain;
    uint8_t key[KNOWN_HOST_BLOB_MAX];
};

/* NoHostAuthenticationForLocalhost: one home folder on many machines, and each calls itself localhost. */
static bool is_localhost_let_in(const struct host_keys *h, const char *peer)
{
    struct sock_addr address;
    return h->options->no_host_auth_localhost && h->options->host_key_alias == NULL &&
           sock_addr_parse(&address, peer, 0) && sock_addr_is_loopback(&address);
}

/* ---- CheckHostIP ---- */

/* As ssh: not for an address of this machine, nor where the name that is looked for is the address. */
static void find_address(struct host_keys *h, const char *peer)
{
    struct sock_addr address;
    h->has_address = h->options->check_host_ip && sock_addr_parse(&address, peer, 0) &&
                     !sock_addr_is_loopback(&address) &&
                     known_host_query_init(&h->address, span_str(peer), h->port) &&
                     strcmp(h->address.name, h->query.name) != 0;
}

/* Another key is known for the address than the one that is right for the name. */
static enum adit_err on_other_address(const struct host_keys *h, const struct known_hosts_check *check,
                                      const struct offer *offer, struct adit_error *err)
{
    char text[PROMPT_TEXT_CAP], answer[PROMPT_ANSWER_CAP];
    uint32_t strict = h->options->strict_host_key;
    say(h, LOG_LEVEL_ERROR, "Warning: the %s host key for '%s' differs from the key for the IP address '%s'",
        offer->type, h->query.name, h->address.name);
    say(h, LOG_LEVEL_ERROR, "Offending key for IP in %s:%zu", place(h, check), check->line_number);
    if (strict == STRICT_NO)
        return ADIT_E_OK;
    if (strict != STRICT_ASK || h->options->batch_mode)
        return refused(err, h, "its address has another key, and you have requested strict checking");
    adit_format(text, sizeof text,
                "The key of '%s' is not that of its address '%s'.\n"
                "Are you sure you want to continue connecting (yes/no)? ",
                h->query.name, h->address.name);
    const struct prompt_question asked = {.kind = PROMPT_LINE, .text = text};
    bool is_yes = h->prompt->ask(h->prompt->ctx, &asked, answer, sizeof answer) && text_same(answer, "yes");
    return is_yes ? ADIT_E_OK : refused(err, h, "its address has another key");
}

/* After the key was found right for the name. */
static enum adit_err check_address(struct host_keys *h, const struct offer *offer,
                                   struct known_hosts_check *check, struct adit_error *err)
{
    if (!h->has_address || offer->cert.blob.n > 0)
        return ADIT_E_OK;
    enum adit_err e = ask_command(h, "ADDRESS", h->address.name, offer->blob, err);
    if (e != ADIT_E_OK || !check_all(h, check, &h->address, offer->blob, no_ca, false))
        return e;
    switch (check->verdict) {
    case KNOWN_HOSTS_REVOKED:
        return on_revoked(h, check, offer, err);
    case KNOWN_HOSTS_CHANGED:
        return on_other_address(h, check, offer, err);
    case KNOWN_HOSTS_UNKNOWN:
    case KNOWN_HOSTS_OTHER_TYPES:
        remember(h, &h->address, offer);
        break;
    case KNOWN_HOSTS_MATCH:
        break;
    }
    return ADIT_E_OK;
}

static enum adit_err judge(struct host_keys *h, struct span blob, const char *peer, struct judgement *j,
                           struct adit_error *err)
{
    struct offer offer = {0};
    enum adit_err e = read_offer(h, &offer, blob, (struct wspan){j->key, sizeof j->key}, err);
    if (e != ADIT_E_OK)
        return e;
    if (offer.cert.blob.n > 0)
        log_certificate(h, &offer);
    else
        say(h, LOG_LEVEL_DEBUG1, "Server host key: %s %s", key_type_name(offer.key_type), offer.fingerprint);
    h->seen.verdict = HOST_KEY_REFUSED; /* until it is known better */
    h->seen.type = offer.type;
    memcpy(h->seen.fingerprint, offer.fingerprint, sizeof h->seen.fingerprint);
    e = check_revoked(h, &offer, err);
    if (e != ADIT_E_OK)
        return e;
    if (h->options->fingerprints.count > 0)
        return check_pins(h, &offer, err);
    if (is_localhost_let_in(h, peer)) {
        say(h, LOG_LEVEL_DEBUG1, "Forcing accepting of host key for loopback/localhost.");
        return ADIT_E_OK;
    }
    e = ask_command(h, "HOSTNAME", h->query.name, offer.blob, err);
    if (e != ADIT_E_OK)
        return e;
    find_address(h, peer);
    e = check_certificate(h, &offer, &j->check, &j->plain, err);
    return e == ADIT_E_OK ? check_address(h, &offer, &j->check, err) : e;
}

static void forget_line(struct host_keys *h)
{
    free(h->seen.line);
    h->seen.line = NULL;
}

static void forget_seen(struct host_keys *h)
{
    forget_line(h);
    h->seen = (struct host_key_seen){.verdict = HOST_KEY_NONE};
}

enum adit_err host_keys_check(struct host_keys *h, struct span blob, const char *peer, struct adit_error *err)
{
    struct judgement *j = calloc(1, sizeof *j);
    if (j == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    h->may_update = false;
    forget_seen(h);
    enum adit_err e = judge(h, blob, peer, j, err);
    free(j);
    if (e == ADIT_E_MEMORY) /* that is no verdict */
        forget_seen(h);
    if (e != ADIT_E_OK)
        return e;
    forget_line(h);
    h->seen.verdict = HOST_KEY_KNOWN;
    return e;
}
