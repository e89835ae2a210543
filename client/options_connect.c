#include <stdlib.h>
#include <string.h>

#include "client/options_values.h"
#include "client/units.h"

enum adit_err option_set_port(struct options *o, const struct option_row *row, struct option_words *words,
                              struct adit_error *err)
{
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    return units_port(span_str(word), 1, &o->port) ? ADIT_E_OK : option_bad(row, err, "Bad port '%s'.", word);
}

enum adit_err option_set_rekey(struct options *o, const struct option_row *row, struct option_words *words,
                               struct adit_error *err)
{
    const char *size = option_word_wanted(row, words, err), *time = option_word_next(words);
    uint64_t bytes = 0;
    uint32_t seconds = 0;
    if (size == NULL)
        return ADIT_E_USAGE;
    struct span digits = span_str(size);
    bool is_negative = units_sign_take(&digits);
    if (strcmp(size, "default") != 0 && (!units_size(digits, &bytes) || (is_negative && bytes > 0)))
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
    const char *word = option_word_wanted(row, words, err);
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!text_same(word, "yes") && !text_same(word, "no"))
        return option_unsupported(row, word, err);
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
    const char *first = option_word_wanted(row, words, err), *second = option_word_next(words);
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
        return option_missing(row, err);
    return option_text_replace(&o->version_addendum, text_same(words->raw, "none") ? "" : words->raw, err);
}

/* "FIRST CAP", two times as ssh writes them. */
static enum adit_err backoff_time(const struct option_row *row, struct option_words *words, uint32_t *ms,
                                  struct adit_error *err)
{
    enum { LONGEST_S = 24 * 60 * 60 };
    const char *word = option_word_wanted(row, words, err);
    uint32_t seconds;
    if (word == NULL)
        return ADIT_E_USAGE;
    if (!units_time(span_str(word), &seconds) || seconds == 0 || seconds > LONGEST_S)
        return option_bad(row, err, "'%s' is not a time of 1s to 1d", word);
    *ms = seconds * 1000;
    return ADIT_E_OK;
}

enum adit_err option_set_backoff(struct options *o, const struct option_row *row, struct option_words *words,
                                 struct adit_error *err)
{
    uint32_t first = 0, cap = 0;
    enum adit_err e = backoff_time(row, words, &first, err);
    if (e == ADIT_E_OK)
        e = backoff_time(row, words, &cap, err);
    if (e != ADIT_E_OK)
        return e;
    if (cap < first)
        return option_bad(row, err, "the longest wait is shorter than the first one");
    o->backoff_first_ms = first;
    o->backoff_cap_ms = cap;
    return ADIT_E_OK;
}
