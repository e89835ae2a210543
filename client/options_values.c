#include "client/options_values.h"

#include <stdlib.h>
#include <string.h>

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

static enum adit_err missing(const struct option_row *row, struct adit_error *err)
{
    return option_bad(row, err, "Missing argument.");
}

/* The next word, which must be there and hold something. */
static const char *wanted(const struct option_row *row, struct option_words *words, struct adit_error *err)
{
    const char *word = option_word_next(words);
    if (word != NULL && *word != 0)
        return word;
    (void)missing(row, err);
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

static enum adit_err unsupported(const struct option_row *row, const char *word, struct adit_error *err)
{
    return option_bad(row, err, "unsupported option \"%s\".", word);
}

static enum adit_err set_flag(bool *flag, const struct option_row *row, const char *word,
                              struct adit_error *err)
{
    if (!is_yes(word) && !is_no(word))
        return unsupported(row, word, err);
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
                              : unsupported(row, word, err);
}

static enum adit_err set_number(uint32_t *number, const struct option_row *row, const char *word,
                                struct adit_error *err)
{
    bool is_negative = word[0] == '-';
    struct span digits = span_str(word + (is_negative ? 1 : 0));
    uint32_t value;
    for (size_t i = 0; i < digits.n; i++)
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return option_bad(row, err, "integer value invalid.");
    if (digits.n == 0)
        return option_bad(row, err, "integer value invalid.");
    if (is_negative)
        return option_bad(row, err, "integer value too small.");
    if (!units_number(digits, 0, row->max, &value))
        return option_bad(row, err, "integer value too large.");
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
    if (text_same(word, "none"))
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
    const char *word = wanted(row, words, err);
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

static enum adit_err set_command(struct options *o, const struct option_row *row, struct option_words *words,
                                 struct adit_error *err)
{
    words->taken = words->count;
    return *words->raw != 0 ? option_text_replace(option_field(o, row), words->raw, err) : missing(row, err);
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

/* ---- Connecting ---- */

enum adit_err option_set_port(struct options *o, const struct option_row *row, struct option_words *words,
                              struct adit_error *err)
{
    const char *word = wanted(row, words, err);
    uint32_t port;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!units_number(span_str(word), 1, UINT16_MAX, &port))
        return option_bad(row, err, "Bad port '%s'.", word);
    o->port = (uint16_t)port;
    return ADIT_E_OK;
}

enum adit_err option_set_rekey(struct options *o, const struct option_row *row, struct option_words *words,
                               struct adit_error *err)
{
    const char *size = wanted(row, words, err), *time = option_word_next(words);
    uint64_t bytes = 0;
    uint32_t seconds = 0;
    if (size == NULL)
        return ADIT_E_USAGE;
    if (!text_same(size, "default") && !units_size(span_str(size), &bytes))
        return option_bad(row, err, "Bad number '%s': not a size such as 512M or 1G", size);
    /* An exchange would follow each packet. 0 is ssh's default. */
    if (bytes > 0 && bytes < 16)
        return option_bad(row, err, "RekeyLimit too small");
    if (time != NULL && !text_same(time, "none") && !units_time(span_str(time), &seconds))
        return option_bad(row, err, "invalid time value.");
    o->rekey_bytes = bytes;
    o->rekey_seconds = seconds;
    return ADIT_E_OK;
}

/* Not every way to say yes is one here. */
enum adit_err option_set_compression(struct options *o, const struct option_row *row,
                                     struct option_words *words, struct adit_error *err)
{
    const char *word = wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!text_same(word, "yes") && !text_same(word, "no"))
        return unsupported(row, word, err);
    o->compression = text_same(word, "yes");
    return ADIT_E_OK;
}

/* IP_TOS values: RFC 2474, 2597, 3246, 8622, and of old RFC 1349. */
static const struct {
    const char *name;
    int value;
} qos_names[] = {
    {"af11", 0x28},        {"af12", 0x30},
    {"af13", 0x38},        {"af21", 0x48},
    {"af22", 0x50},        {"af23", 0x58},
    {"af31", 0x68},        {"af32", 0x70},
    {"af33", 0x78},        {"af41", 0x88},
    {"af42", 0x90},        {"af43", 0x98},
    {"cs0", 0x00},         {"cs1", 0x20},
    {"cs2", 0x40},         {"cs3", 0x60},
    {"cs4", 0x80},         {"cs5", 0xa0},
    {"cs6", 0xc0},         {"cs7", 0xe0},
    {"ef", 0xb8},          {"le", 0x04},
    {"reliability", 0x04}, {"lowdelay", 0x10},
    {"throughput", 0x08},  {"none", OPTIONS_IP_QOS_NONE},
};

const char *option_ip_qos_name(int value)
{
    for (size_t i = 0; i < ADIT_COUNT(qos_names); i++)
        if (qos_names[i].value == value)
            return qos_names[i].name;
    return NULL;
}

static bool qos_parse(const char *word, int *value)
{
    for (size_t i = 0; i < ADIT_COUNT(qos_names); i++) {
        if (!text_same(qos_names[i].name, word))
            continue;
        *value = qos_names[i].value;
        return true;
    }
    char *end;
    long number = strtol(word, &end, 0); /* ssh takes 0x and octal too */
    *value = (int)number;
    return *end == 0 && end != word && number >= 0 && number <= 255;
}

enum adit_err option_set_ip_qos(struct options *o, const struct option_row *row, struct option_words *words,
                                struct adit_error *err)
{
    const char *first = wanted(row, words, err), *second = option_word_next(words);
    int interactive, bulk;
    if (first == NULL)
        return ADIT_E_USAGE;
    second = second != NULL ? second : first;
    if (!qos_parse(first, &interactive))
        return option_bad(row, err, "Bad IPQoS value: %s", first);
    if (!qos_parse(second, &bulk))
        return option_bad(row, err, "Bad IPQoS value: %s", second);
    o->ip_qos_interactive = interactive;
    o->ip_qos_bulk = bulk;
    return ADIT_E_OK;
}

/* It may hold blanks: what the server sees is the rest of the line. */
enum adit_err option_set_version_addendum(struct options *o, const struct option_row *row,
                                          struct option_words *words, struct adit_error *err)
{
    words->taken = words->count;
    if (*words->raw == 0)
        return missing(row, err);
    if (strlen(words->raw) > 128)
        return option_bad(row, err, "Invalid VersionAddendum: too long");
    return option_text_replace(&o->version_addendum, text_same(words->raw, "none") ? "" : words->raw, err);
}

/* ---- Keys and agents ---- */

enum adit_err option_set_update_host_keys(struct options *o, const struct option_row *row,
                                          struct option_words *words, struct adit_error *err)
{
    const char *word = wanted(row, words, err);
    enum adit_err e = word == NULL ? ADIT_E_USAGE : set_choice(&o->update_host_keys, row, word, err);
    o->update_host_keys_is_set = o->update_host_keys_is_set || e == ADIT_E_OK;
    return e;
}

enum adit_err option_set_pubkey_auth(struct options *o, const struct option_row *row,
                                     struct option_words *words, struct adit_error *err)
{
    const char *word = wanted(row, words, err);
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
    const char *value = wanted(row, words, err);
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
    return o->fingerprints.count > 0 ? ADIT_E_OK : missing(row, err);
}

/* "$NAME" is a variable's value; "${NAME}" an expansion, judged at its use. */
static bool is_agent(const char *word)
{
    if (word[0] != '$' || word[1] == '{')
        return true;
    for (word++; *word != 0; word++)
        if (!((*word >= 'A' && *word <= 'Z') || (*word >= 'a' && *word <= 'z') ||
              (*word >= '0' && *word <= '9') || *word == '_'))
            return false;
    return true;
}

enum adit_err option_set_agent(struct options *o, const struct option_row *row, struct option_words *words,
                               struct adit_error *err)
{
    const char *word = wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!is_agent(word))
        return option_bad(row, err, "Invalid environment name %s.", word);
    return option_text_replace(&o->identity_agent, word, err);
}

enum adit_err option_set_forward_agent(struct options *o, const struct option_row *row,
                                       struct option_words *words, struct adit_error *err)
{
    const char *word = wanted(row, words, err);
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
    const char *word = wanted(row, words, err), *time = NULL;
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
    const char *word = wanted(row, words, err);
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
    const char *word = wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    size_t n = strlen(word);
    if (text_same(word, "none"))
        o->escape_char = OPTIONS_ESCAPE_NONE;
    else if (n == 2 && word[0] == '^')
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
    const char *word = wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (is_yes(word) || is_no(word)) {
        o->obscure_keystroke_ms = is_yes(word) ? OPTIONS_KEYSTROKE_MS : 0;
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
    const char *word = wanted(row, words, err);
    uint32_t seconds = 0;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!is_yes(word) && !is_no(word) && !units_time(span_str(word), &seconds))
        return option_bad(row, err, "Bad ControlPersist argument.");
    o->control_persist = !is_no(word);
    o->control_persist_s = seconds;
    return ADIT_E_OK;
}

/* ---- Ourselves ---- */

enum adit_err option_set_facility(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    static const char *const names[] = {"DAEMON", "USER",   "AUTH",   "AUTHPRIV", "LOCAL0", "LOCAL1",
                                        "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5",   "LOCAL6", "LOCAL7"};
    const char *word = wanted(row, words, err);
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
    const char *word = wanted(row, words, err);
    return word == NULL ? ADIT_E_USAGE : option_text_replace(&o->refuse_connection, word, err);
}

enum adit_err option_set_ready_fd(struct options *o, const struct option_row *row, struct option_words *words,
                                  struct adit_error *err)
{
    const char *word = wanted(row, words, err);
    uint32_t fd;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!units_number(span_str(word), 0, 65535, &fd))
        return option_bad(row, err, "'%s' is not the number of an open descriptor", word);
    o->ready_fd = (int)fd;
    return ADIT_E_OK;
}

/* adit's own keywords of later: what says "as it is" is fine. */
enum adit_err option_set_unbuilt(struct options *o, const struct option_row *row, struct option_words *words,
                                 struct adit_error *err)
{
    const char *word = wanted(row, words, err);
    (void)o;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (is_no(word) || text_same(word, "normal"))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_UNSUPPORTED, "%s %s is not supported yet", row->name, word);
}

static bool is_tunnel_number(struct span s)
{
    uint32_t number;
    return span_eq(s, span_str("any")) || units_number(s, 0, INT32_MAX - 2, &number);
}

/* "LOCAL[:REMOTE]", each a number or "any". */
enum adit_err option_set_tunnel_device(struct options *o, const struct option_row *row,
                                       struct option_words *words, struct adit_error *err)
{
    const char *word = wanted(row, words, err);
    char both[64];
    if (word == NULL)
        return ADIT_E_USAGE;
    const char *colon = strchr(word, ':');
    const char *remote = colon != NULL ? colon + 1 : "any";
    struct span local =
        span_make((const uint8_t *)word, colon != NULL ? (size_t)(colon - word) : strlen(word));
    if (!is_tunnel_number(local) || !is_tunnel_number(span_str(remote)))
        return option_bad(row, err, "Bad tun device.");
    adit_format(both, sizeof both, "%.*s:%s", (int)local.n, (const char *)local.p, remote);
    return option_text_replace(&o->tunnel_device, both, err);
}
