#include <stdlib.h>
#include <string.h>

#include "client/jump_spec.h"
#include "client/options_algos.h"
#include "client/options_values.h"
#include "client/patterns.h"
#include "client/units.h"
#include "ssh/ssh.h"

enum {
    LIST_CAP = 4096,
    SPEC_CAP = 2 * LIMIT_HOST + 16,
    KEY_FILES_MAX = 100, /* ssh's */
    HOST_FILES_MAX = 32,
    DOMAINS_MAX = 32,
};

/* ---- Algorithms ---- */

enum adit_err option_set_algos(struct options *o, const struct option_row *row, struct option_words *words,
                               struct adit_error *err)
{
    char built[LIST_CAP], list[LIST_CAP];
    struct adit_error why = {0};
    const char *word = option_word_wanted(row, words, err);
    enum ssh_list which = (enum ssh_list)row->min;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!option_algos_fine(which, word))
        return option_bad(row, err, "%s '%s'.", row->words, word);
    if (!option_algos_built(which, word, built))
        return option_bad(row, err, "%s '%s': the list is too long", row->words, word);
    if (*word != 0 && *built == 0)
        return adit_fail(err, ADIT_E_UNSUPPORTED, "%s: none of '%s' is built into adit", row->name, word);
    if (!ssh_list_resolve(which, built, list, sizeof list, &why))
        return option_bad(row, err, "%s '%s'.", row->words, word);
    if (text_same(row->name, "HostKeyAlgorithms"))
        o->host_key_order_is_free = word[0] == '+' || word[0] == '-';
    return option_text_replace(option_field(o, row), list, err);
}

/* ---- Files ---- */

static enum adit_err not_alone(const struct option_row *row, struct adit_error *err)
{
    return option_bad(row, err, "\"none\" argument must appear alone.");
}

enum adit_err option_set_files(struct options *o, const struct option_row *row, struct option_words *words,
                               struct adit_error *err)
{
    struct texts *files = option_field(o, row);
    const char *word;
    texts_wipe(files);
    while ((word = option_word_next(words)) != NULL) {
        if (*word == 0)
            return option_bad(row, err, "empty argument");
        if (text_same(word, "none") && words->count > 1)
            return not_alone(row, err);
        if (files->count == HOST_FILES_MAX)
            return option_bad(row, err, "too many files");
        enum adit_err e = option_text_add(files, text_same(word, "none") ? "none" : word, err);
        if (e != ADIT_E_OK)
            return e;
    }
    return files->count > 0 ? ADIT_E_OK : option_missing(row, err);
}

enum adit_err option_set_key_file(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    struct texts *files = option_field(o, row);
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (texts_has(files, word))
        return ADIT_E_OK;
    if (files->count == KEY_FILES_MAX)
        return option_bad(row, err, "%s (max %d).", row->words, (int)KEY_FILES_MAX);
    return option_text_add(files, word, err);
}

/* ---- Forwards ---- */

/* "LocalForward 8080 host:80" is -L 8080:host:80. */
static enum adit_err add_forward(struct options *o, const struct option_row *row, enum forward_type type,
                                 struct option_words *words, struct adit_error *err)
{
    char joined[2 * SPEC_CAP];
    struct forward_spec spec;
    const char *listen = option_word_wanted(row, words, err), *target;
    if (listen == NULL)
        return ADIT_E_USAGE;
    bool has_target = type != FORWARD_DYNAMIC && (target = option_word_next(words)) != NULL && *target != 0;
    if (type == FORWARD_LOCAL && !has_target)
        return option_bad(row, err, "Missing target argument.");
    size_t n =
        adit_format(joined, sizeof joined, has_target ? "%s:%s" : "%s", listen, has_target ? target : "");
    if (n + 1 >= sizeof joined)
        return option_bad(row, err, "Bad forwarding specification.");
    struct adit_error why = {0};
    enum adit_err e = forward_spec_parse(&spec, type, joined, false, &why);
    if (e != ADIT_E_OK)
        return adit_fail(err, e, "%s: Bad forwarding specification. %s", row->name, why.text);
    bool is_whole = spec.bind == FORWARD_BIND_PATH || forward_spec_is_socks(&spec);
    /* "80:host:80" is -R's alone; and "80 80" is not the address 80 and its port, as it would be in -R. */
    if (type == FORWARD_REMOTE && (has_target ? forward_spec_is_socks(&spec) : !is_whole))
        return option_bad(row, err, "Bad forwarding specification.");
    return options_add_forward(o, &spec, err);
}

enum adit_err option_set_forward_local(struct options *o, const struct option_row *row,
                                       struct option_words *words, struct adit_error *err)
{
    return add_forward(o, row, FORWARD_LOCAL, words, err);
}

enum adit_err option_set_forward_remote(struct options *o, const struct option_row *row,
                                        struct option_words *words, struct adit_error *err)
{
    return add_forward(o, row, FORWARD_REMOTE, words, err);
}

enum adit_err option_set_forward_dynamic(struct options *o, const struct option_row *row,
                                         struct option_words *words, struct adit_error *err)
{
    return add_forward(o, row, FORWARD_DYNAMIC, words, err);
}

/* "HOST:PORT" with brackets round an IPv6 address; either part may be "*". */
static bool is_host_port(const char *word)
{
    const char *end = word[0] == '[' ? strchr(word, ']') : word;
    const char *colon = end == NULL ? NULL : strchr(end, ':');
    uint32_t port;
    if (colon == NULL || memchr(word, '/', (size_t)(colon - word)) != NULL)
        return false;
    return strcmp(colon + 1, "*") == 0 || units_number(span_str(colon + 1), 1, UINT16_MAX, &port);
}

enum adit_err option_set_permit_open(struct options *o, const struct option_row *row,
                                     struct option_words *words, struct adit_error *err)
{
    const char *word;
    texts_wipe(&o->permit_remote_opens);
    while ((word = option_word_next(words)) != NULL) {
        const char *rule = text_same(word, "any") ? "any" : text_same(word, "none") ? "none" : NULL;
        if (rule != NULL && words->count > 1)
            return option_bad(row, err, "\"%s\" argument must appear alone.", word);
        if (rule == NULL && !is_host_port(word))
            return option_bad(row, err, "bad port number in permitremoteopen");
        enum adit_err e = option_text_add(&o->permit_remote_opens, rule != NULL ? rule : word, err);
        if (e != ADIT_E_OK)
            return e;
    }
    return o->permit_remote_opens.count > 0 ? ADIT_E_OK : option_missing(row, err);
}

enum adit_err option_set_channel_timeout(struct options *o, const struct option_row *row,
                                         struct option_words *words, struct adit_error *err)
{
    const char *word;
    texts_wipe(&o->channel_timeouts);
    while ((word = option_word_next(words)) != NULL) {
        const char *equals = strchr(word, '=');
        uint32_t seconds;
        bool is_none = text_same(word, "none");
        if (is_none && words->count > 1)
            return not_alone(row, err);
        if (!is_none && (equals == NULL || equals == word || !units_time(span_str(equals + 1), &seconds)))
            return option_bad(row, err, "invalid channel timeout %s", word);
        enum adit_err e = option_text_add(&o->channel_timeouts, word, err);
        if (e != ADIT_E_OK)
            return e;
    }
    return o->channel_timeouts.count > 0 ? ADIT_E_OK : option_missing(row, err);
}

/* ---- The environment ---- */

static void texts_remove_matching(struct texts *t, const char *pattern)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (pattern_matches(span_str(pattern), span_str(t->item[i])))
            free(t->item[i]);
        else
            t->item[kept++] = t->item[i];
    }
    t->count = kept;
}

/* "-PATTERN" takes back what was given. */
enum adit_err option_set_send_env(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    const char *word;
    while ((word = option_word_next(words)) != NULL) {
        enum adit_err e = ADIT_E_OK;
        if (*word == 0 || strchr(word, '=') != NULL)
            return option_bad(row, err, "Invalid environment name.");
        if (word[0] == '-')
            texts_remove_matching(&o->send_env, word + 1);
        else
            e = option_text_add(&o->send_env, word, err);
        if (e != ADIT_E_OK)
            return e;
    }
    return ADIT_E_OK;
}

static bool env_has_name(const struct texts *env, const char *pair)
{
    size_t n = strcspn(pair, "=") + 1;
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->item[i], pair, n) == 0)
            return true;
    return false;
}

enum adit_err option_set_env(struct options *o, const struct option_row *row, struct option_words *words,
                             struct adit_error *err)
{
    const char *word;
    texts_wipe(&o->set_env);
    while ((word = option_word_next(words)) != NULL) {
        if (strchr(word, '=') == NULL)
            return option_bad(row, err, "Invalid SetEnv.");
        enum adit_err e =
            env_has_name(&o->set_env, word) ? ADIT_E_OK : option_text_add(&o->set_env, word, err);
        if (e != ADIT_E_OK)
            return e;
    }
    return ADIT_E_OK;
}

/* ssh keeps the first word of a line alone. */
enum adit_err option_set_log_verbose(struct options *o, const struct option_row *row,
                                     struct option_words *words, struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    texts_wipe(&o->log_verbose);
    if (word != NULL && text_same(word, "none") && words->count > 1)
        return not_alone(row, err);
    words->taken = words->count;
    return word == NULL ? ADIT_E_USAGE : option_text_add(&o->log_verbose, word, err);
}

/* ---- Canonical names ---- */

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* In lower case, without a dot at the end. */
static enum adit_err domain_clean(char out[static LIMIT_HOST + 1], const struct option_row *row,
                                  const char *word, struct adit_error *err)
{
    size_t n = adit_format(out, LIMIT_HOST + 1, "%s", word);
    if (n == 0)
        return option_bad(row, err, "empty domain name");
    for (size_t i = 0; i < n; i++) {
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] - 'A' + 'a');
        if (i == 0 && (!is_label_char(out[0]) || strchr("-.", out[0]) != NULL))
            return option_bad(row, err, "domain name \"%s\" starts with invalid character", word);
        if (!is_label_char(out[i]))
            return option_bad(row, err, "domain name \"%s\" contains invalid characters", word);
        if (i > 0 && out[i] == '.' && out[i - 1] == '.')
            return option_bad(row, err, "domain name \"%s\" contains consecutive separators", word);
    }
    if (out[n - 1] == '.')
        out[n - 1] = 0;
    return *out != 0 ? ADIT_E_OK : option_bad(row, err, "empty domain name");
}

enum adit_err option_set_domains(struct options *o, const struct option_row *row, struct option_words *words,
                                 struct adit_error *err)
{
    char domain[LIMIT_HOST + 1];
    const char *word;
    texts_wipe(&o->canonical_domains);
    while ((word = option_word_next(words)) != NULL) {
        if (text_same(word, "none") && words->count > 1)
            return not_alone(row, err);
        enum adit_err e = domain_clean(domain, row, word, err);
        if (e != ADIT_E_OK)
            return e;
        if (o->canonical_domains.count == DOMAINS_MAX)
            return option_bad(row, err, "too many hostname suffixes.");
        if ((e = option_text_add(&o->canonical_domains, domain, err)) != ADIT_E_OK)
            return e;
    }
    return o->canonical_domains.count > 0 ? ADIT_E_OK : option_missing(row, err);
}

enum adit_err option_set_cnames(struct options *o, const struct option_row *row, struct option_words *words,
                                struct adit_error *err)
{
    const char *word;
    texts_wipe(&o->canonicalize_permitted_cnames);
    while ((word = option_word_next(words)) != NULL) {
        bool is_none = text_same(word, "none");
        const char *colon = strchr(word, ':');
        if (is_none && words->count > 1)
            return not_alone(row, err);
        if (!is_none && (colon == NULL || colon == word || colon[1] == 0))
            return option_bad(row, err, "Invalid permitted CNAME \"%s\"", word);
        if (o->canonicalize_permitted_cnames.count == DOMAINS_MAX)
            return option_bad(row, err, "too many permitted CNAMEs.");
        enum adit_err e = option_text_add(&o->canonicalize_permitted_cnames, is_none ? "none" : word, err);
        if (e != ADIT_E_OK)
            return e;
    }
    return o->canonicalize_permitted_cnames.count > 0 ? ADIT_E_OK : option_missing(row, err);
}

/* ---- Proxies ---- */

enum adit_err option_set_proxy_command(struct options *o, const struct option_row *row,
                                       struct option_words *words, struct adit_error *err)
{
    words->taken = words->count;
    const char *command = option_command(words);
    return *command != 0 ? option_text_replace(&o->proxy_command, command, err) : option_missing(row, err);
}

enum adit_err option_set_proxy_jump(struct options *o, const struct option_row *row,
                                    struct option_words *words, struct adit_error *err)
{
    words->taken = words->count;
    if (*words->raw == 0)
        return option_missing(row, err);
    /* Quotes are not for ssh here; those that a flag's value may come in are. What follows a blank or # is a
     * comment to it. */
    const char *value = words->count > 0 ? words->item[0] : "";
    if (words->count > 0)
        words->item[0][strcspn(value, "# \t")] = 0;
    struct adit_error why = {0};
    enum adit_err e = jump_spec_check(value, &why);
    if (e != ADIT_E_OK)
        return option_bad(row, err, "Invalid ProxyJump \"%s\": %s", value, why.text);
    return option_text_replace(&o->proxy_jump, value, err);
}

enum adit_err option_set_proxy_url(struct options *o, const struct option_row *row,
                                   struct option_words *words, struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    bool is_url = strncmp(word, "http://", 7) == 0 || strncmp(word, "socks5://", 9) == 0;
    /* The value may hold a password: it is not repeated. */
    if (!is_url && !text_same(word, "none"))
        return option_bad(row, err, "not none, http://[user:pass@]host:port or socks5://...");
    return option_text_replace(&o->proxy_url, word, err);
}
