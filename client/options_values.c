#include "client/options_values.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/units.h"

/* ---- Words ---- */

const char *option_word_next(struct option_words *words)
{
    return words->taken < words->count ? words->item[words->taken++] : NULL;
}

enum adit_err option_bad(const struct option_row *row, struct adit_error *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(text, sizeof text, fmt, ap);
    va_end(ap);
    return adit_fail(err, ADIT_E_USAGE, "%s: %s", row->name, text);
}

enum adit_err option_missing(const struct option_row *row, struct adit_error *err)
{
    return option_bad(row, err, "Missing argument.");
}

const char *option_word_wanted(const struct option_row *row, struct option_words *words,
                               struct adit_error *err)
{
    const char *word = option_word_next(words);
    if (word != NULL && *word != 0)
        return word;
    (void)option_missing(row, err);
    return NULL;
}

static enum adit_err no_memory(struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

enum adit_err option_text_replace(char **to, const char *text, struct adit_error *err)
{
    char *copy = text_copy(span_str(text));
    if (copy == NULL)
        return no_memory(err);
    free(*to);
    *to = copy;
    return ADIT_E_OK;
}

enum adit_err option_text_add(struct texts *to, const char *text, struct adit_error *err)
{
    return texts_add(to, span_str(text)) ? ADIT_E_OK : no_memory(err);
}

void *option_field(struct options *o, const struct option_row *row)
{
    return (uint8_t *)o + row->offset;
}

/* ---- What many keywords have ---- */

static bool is_yes(const char *word)
{
    return text_same(word, "yes") || text_same(word, "true");
}

static bool is_no(const char *word)
{
    return text_same(word, "no") || text_same(word, "false");
}

/* Where ssh takes them in lower case alone. */
static bool is_plain_yes(const char *word)
{
    return strcmp(word, "yes") == 0 || strcmp(word, "true") == 0;
}

static bool is_plain_no(const char *word)
{
    return strcmp(word, "no") == 0 || strcmp(word, "false") == 0;
}

enum adit_err option_unsupported(const struct option_row *row, const char *word, struct adit_error *err)
{
    return option_bad(row, err, "unsupported option \"%s\".", word);
}

static enum adit_err set_flag(bool *flag, const struct option_row *row, const char *word,
                              struct adit_error *err)
{
    if (!is_yes(word) && !is_no(word))
        return option_unsupported(row, word, err);
    *flag = is_yes(word);
    return ADIT_E_OK;
}

static enum adit_err set_choice(uint32_t *choice, const struct option_row *row, const char *word,
                                struct adit_error *err)
{
    for (const struct option_choice *c = row->choices; c->name != NULL; c++) {
        if (!text_same(c->name, word))
            continue;
        *choice = c->value;
        return ADIT_E_OK;
    }
    return row->words != NULL ? option_bad(row, err, "%s '%s'", row->words, word)
                              : option_unsupported(row, word, err);
}

static enum adit_err set_number(uint32_t *number, const struct option_row *row, const char *word,
                                struct adit_error *err)
{
    struct span digits = span_str(word);
    bool is_negative = units_sign_take(&digits);
    uint32_t value;
    for (size_t i = 0; i < digits.n; i++)
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return option_bad(row, err, "integer value invalid.");
    if (digits.n == 0)
        return option_bad(row, err, "integer value invalid.");
    if (!units_number(digits, 0, is_negative ? 0 : row->max, &value))
        return option_bad(row, err, "integer value too %s.", is_negative ? "small" : "large");
    if (value < row->min)
        return option_bad(row, err, "integer value too small.");
    *number = value;
    return ADIT_E_OK;
}

/* "none" leaves the default, and leaves the keyword for others to set. */
static enum adit_err set_time(uint32_t *seconds, const struct option_row *row, const char *word,
                              struct adit_error *err)
{
    uint32_t value;
    if (strcmp(word, "none") == 0)
        return ADIT_E_OK;
    if (!units_time(span_str(word), &value))
        return option_bad(row, err, "invalid time value.");
    *seconds = value;
    return ADIT_E_OK;
}

static enum adit_err set_one_word(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    void *field = option_field(o, row);
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    switch (row->kind) {
    case OPTION_FLAG:
        return set_flag(field, row, word, err);
    case OPTION_CHOICE:
        return set_choice(field, row, word, err);
    case OPTION_NUMBER:
        return set_number(field, row, word, err);
    case OPTION_TIME:
        return set_time(field, row, word, err);
    default:
        return option_text_replace(field, word, err);
    }
}

const char *option_command(const struct option_words *words)
{
    return words->raw + strspn(words->raw, "= \t\r");
}

static enum adit_err set_command(struct options *o, const struct option_row *row, struct option_words *words,
                                 struct adit_error *err)
{
    const char *command = option_command(words);
    words->taken = words->count;
    return *command != 0 ? option_text_replace(option_field(o, row), command, err) : option_missing(row, err);
}

enum adit_err option_set_row(struct options *o, const struct option_row *row, struct option_words *words,
                             struct adit_error *err)
{
    switch (row->kind) {
    case OPTION_COMMAND:
        return set_command(o, row, words, err);
    case OPTION_ALGOS:
        return option_set_algos(o, row, words, err);
    case OPTION_FILES:
        return option_set_files(o, row, words, err);
    case OPTION_SPECIAL:
        return row->set(o, row, words, err);
    case OPTION_FORGET:
        words->taken = words->count;
        return ADIT_E_OK;
    default:
        return set_one_word(o, row, words, err);
    }
}

/* ---- Keys and agents ---- */

enum adit_err option_set_update_host_keys(struct options *o, const struct option_row *row,
                                          struct option_words *words, struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    enum adit_err e = word == NULL ? ADIT_E_USAGE : set_choice(&o->update_host_keys, row, word, err);
    o->update_host_keys_is_set = o->update_host_keys_is_set || e == ADIT_E_OK;
    return e;
}

enum adit_err option_set_pubkey_auth(struct options *o, const struct option_row *row,
                                     struct option_words *words, struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    enum adit_err e = word == NULL ? ADIT_E_USAGE : set_choice(&o->pubkey_auth_mode, row, word, err);
    o->pubkey_auth = o->pubkey_auth_mode != PUBKEY_AUTH_NO;
    return e;
}

static bool is_fingerprint(struct span s)
{
    static const char prefix[] = "SHA256:";
    if (s.n < 7 + 43 || !span_eq(span_sub(s, 0, 7), span_str(prefix)))
        return false;
    struct span digits = span_sub(s, 7, SIZE_MAX);
    if (digits.n == 44 && digits.p[43] == '=') /* padding, which ssh-keygen does not write */
        digits.n = 43;
    for (size_t i = 0; i < digits.n; i++) {
        uint8_t c = digits.p[i];
        bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                    c == '/';
        if (!fine)
            return false;
    }
    return digits.n == 43;
}

enum adit_err option_set_fingerprint(struct options *o, const struct option_row *row,
                                     struct option_words *words, struct adit_error *err)
{
    const char *value = option_word_wanted(row, words, err);
    if (value == NULL)
        return ADIT_E_USAGE;
    struct span rest = span_str(value), one;
    texts_wipe(&o->fingerprints);
    while (text_comma(&rest, &one)) {
        if (!is_fingerprint(one))
            return option_bad(
                row, err, "'%s' is not SHA256: and 43 base64 characters, as ssh-keygen -l prints it", value);
        if (!texts_add(&o->fingerprints, span_sub(one, 0, 7 + 43)))
            return no_memory(err);
    }
    return o->fingerprints.count > 0 ? ADIT_E_OK : option_missing(row, err);
}

/* "$NAME" is a variable's value; "${NAME}" an expansion, judged at its use. */
static bool is_agent(const char *word)
{
    if (word[0] != '$' || word[1] == '{')
        return true;
    if (word[1] == 0)
        return false;
    for (word++; *word != 0; word++)
        if (!((*word >= 'A' && *word <= 'Z') || (*word >= 'a' && *word <= 'z') ||
              (*word >= '0' && *word <= '9') || *word == '_'))
            return false;
    return true;
}

enum adit_err option_set_agent(struct options *o, const struct option_row *row, struct option_words *words,
                               struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!is_agent(word))
        return option_bad(row, err, "Invalid environment name %s.", word);
    return option_text_replace(&o->identity_agent, word, err);
}

enum adit_err option_set_forward_agent(struct options *o, const struct option_row *row,
                                       struct option_words *words, struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (is_yes(word) || is_no(word))
        return set_flag(&o->forward_agent, row, word, err);
    if (!is_agent(word))
        return option_bad(row, err, "Invalid environment name %s.", word);
    o->forward_agent = true;
    return option_text_replace(&o->forward_agent_path, word, err);
}

/* yes, no, ask, "confirm [TIME]" or a time alone. */
enum adit_err option_set_add_keys(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err), *time = NULL;
    uint32_t how = ADD_KEYS_YES, seconds = 0;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (is_no(word))
        how = ADD_KEYS_NO;
    else if (text_same(word, "ask"))
        how = ADD_KEYS_ASK;
    else if (text_same(word, "confirm")) {
        how = ADD_KEYS_CONFIRM;
        time = option_word_next(words);
    } else if (!is_yes(word)) {
        if (!units_time(span_str(word), &seconds))
            return option_bad(row, err, "unsupported option \"%s\".", word);
    }
    if (time != NULL && !units_time(span_str(time), &seconds))
        return option_bad(row, err, "invalid time value.");
    o->add_keys_to_agent = how;
    o->add_keys_lifetime_s = seconds;
    return ADIT_E_OK;
}

/* ---- The session ---- */

enum adit_err option_set_mask(struct options *o, const struct option_row *row, struct option_words *words,
                              struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    char *end;
    if (word == NULL)
        return ADIT_E_USAGE;
    long mask = strtol(word, &end, 8);
    if (word[0] < '0' || word[0] > '7' || *end != 0 || mask > 0777)
        return option_bad(row, err, "Bad mask.");
    o->stream_local_bind_mask = (uint32_t)mask;
    return ADIT_E_OK;
}

enum adit_err option_set_escape(struct options *o, const struct option_row *row, struct option_words *words,
                                struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    size_t n = strlen(word);
    if (strcmp(word, "none") == 0)
        o->escape_char = OPTIONS_ESCAPE_NONE;
    else if (n == 2 && word[0] == '^' && word[1] >= '@')
        o->escape_char = word[1] & 31;
    else if (n == 1)
        o->escape_char = (uint8_t)word[0];
    else
        return option_bad(row, err, "Bad escape character.");
    return ADIT_E_OK;
}

enum adit_err option_set_keystroke(struct options *o, const struct option_row *row,
                                   struct option_words *words, struct adit_error *err)
{
    static const char interval[] = "interval:";
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (is_plain_yes(word) || is_plain_no(word)) {
        o->obscure_keystroke_ms = is_plain_yes(word) ? OPTIONS_KEYSTROKE_MS : 0;
        return ADIT_E_OK;
    }
    if (strncmp(word, interval, sizeof interval - 1) != 0)
        return option_bad(row, err, "unsupported argument \"%s\"", word);
    if (!units_number(span_str(word + sizeof interval - 1), 1, 1000, &o->obscure_keystroke_ms))
        return option_bad(row, err, "value out of range.");
    return ADIT_E_OK;
}

enum adit_err option_set_persist(struct options *o, const struct option_row *row, struct option_words *words,
                                 struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    uint32_t seconds = 0;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!is_plain_yes(word) && !is_plain_no(word) && !units_time(span_str(word), &seconds))
        return option_bad(row, err, "Bad ControlPersist argument.");
    o->control_persist = !is_plain_no(word);
    o->control_persist_s = seconds;
    return ADIT_E_OK;
}

/* ---- Ourselves ---- */

enum adit_err option_set_facility(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    static const char *const names[] = {"DAEMON", "USER",   "AUTH",   "AUTHPRIV", "LOCAL0", "LOCAL1",
                                        "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5",   "LOCAL6", "LOCAL7"};
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        if (text_same(names[i], word))
            return option_text_replace(&o->syslog_facility, names[i], err);
    return option_bad(row, err, "unsupported log facility '%s'", word);
}

enum adit_err option_set_refuse(struct options *o, const struct option_row *row, struct option_words *words,
                                struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    return word == NULL ? ADIT_E_USAGE : option_text_replace(&o->refuse_connection, word, err);
}

enum adit_err option_set_ready_fd(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    uint32_t fd;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!units_number(span_str(word), 0, 65535, &fd))
        return option_bad(row, err, "'%s' is not the number of an open descriptor", word);
    o->ready_fd = (int)fd;
    return ADIT_E_OK;
}

static bool is_tunnel_number(struct span s)
{
    uint32_t number;
    return (s.n == 3 && strncasecmp((const char *)s.p, "any", 3) == 0) ||
           units_number(s, 0, INT32_MAX - 2, &number);
}

/* "LOCAL[:REMOTE]", each a number or "any". */
enum adit_err option_set_tunnel_device(struct options *o, const struct option_row *row,
                                       struct option_words *words, struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    char both[64];
    if (word == NULL)
        return ADIT_E_USAGE;
    const char *colon = strchr(word, ':');
    const char *remote = colon != NULL ? colon + 1 : "any";
    struct span local =
        span_make((const uint8_t *)word, colon != NULL ? (size_t)(colon - word) : strlen(word));
    if (!is_tunnel_number(local) || !is_tunnel_number(span_str(remote)))
        return option_bad(row, err, "Bad tun device.");
    size_t n = adit_format(both, sizeof both, "%.*s:%s", (int)local.n, (const char *)local.p, remote);
    for (size_t i = 0; i < n; i++)
        both[i] |= 0x20; /* to lower case: digits and the colon have this bit */
    return option_text_replace(&o->tunnel_device, both, err);
}
