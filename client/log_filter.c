#include "client/log_filter.h"

#include <string.h>

#include "client/texts.h"

static const char *const about_names[SESSION_ABOUT_COUNT] = {
    [SESSION_ABOUT_KEX] = "kex",         [SESSION_ABOUT_AUTH] = "auth",
    [SESSION_ABOUT_CHANNEL] = "channel", [SESSION_ABOUT_FORWARD] = "forward",
    [SESSION_ABOUT_DAEMON] = "daemon",   [SESSION_ABOUT_API] = "api",
    [SESSION_ABOUT_CONFIG] = "config",
};

static const struct {
    const char *name;
    enum session_level level;
} level_names[] = {{"QUIET", SESSION_QUIET},  {"SILENT", SESSION_QUIET},  {"FATAL", SESSION_ERROR},
                   {"ERROR", SESSION_ERROR},  {"INFO", SESSION_INFO},     {"VERBOSE", SESSION_VERBOSE},
                   {"DEBUG", SESSION_DEBUG1}, {"DEBUG1", SESSION_DEBUG1}, {"DEBUG2", SESSION_DEBUG2},
                   {"DEBUG3", SESSION_DEBUG3}};

bool log_level_parse(struct span text, enum session_level *level)
{
    char word[16];
    if (text.n >= sizeof word)
        return false;
    (void)adit_format(word, sizeof word, "%.*s", (int)text.n, (const char *)text.p);
    for (size_t i = 0; i < ADIT_COUNT(level_names); i++) {
        if (!text_same(level_names[i].name, word))
            continue;
        *level = level_names[i].level;
        return true;
    }
    return false;
}

void log_filter_init(struct log_filter *f, enum session_level level)
{
    memset(f, 0, sizeof *f);
    log_filter_set_level(f, level);
}

static size_t about_find(struct span name)
{
    size_t i = 0;
    while (i < SESSION_ABOUT_COUNT && !span_is(name, about_names[i]))
        i++;
    return i;
}

/* "level" or "subsystem=level" */
static bool take_piece(struct log_filter *f, struct span piece)
{
    const uint8_t *sign = memchr(piece.p, '=', piece.n);
    size_t name_len = sign != NULL ? (size_t)(sign - piece.p) : 0;
    struct span word = sign != NULL ? span_sub(piece, name_len + 1, SIZE_MAX) : piece;
    size_t which = sign != NULL ? about_find(span_sub(piece, 0, name_len)) : 0;
    enum session_level level;
    if (which == SESSION_ABOUT_COUNT || !log_level_parse(word, &level))
        return false;
    for (size_t i = 0; i < SESSION_ABOUT_COUNT; i++) {
        if (sign != NULL && i != which)
            continue;
        f->level[i] = level;
        f->is_set[i] = true;
    }
    return true;
}

enum adit_err log_filter_parse(struct log_filter *f, const char *text, struct adit_error *err)
{
    struct span rest = span_str(text), piece;
    while (text_comma(&rest, &piece))
        if (!take_piece(f, piece))
            return adit_fail(
                err, ADIT_E_CONFIG,
                "ADIT_LOG: '%.*s' is not LEVEL or SUBSYSTEM=LEVEL (kex auth channel forward daemon "
                "api config)",
                (int)(piece.n < 64 ? piece.n : 64), (const char *)piece.p);
    return ADIT_E_OK;
}

void log_filter_set_level(struct log_filter *f, enum session_level level)
{
    for (size_t i = 0; i < SESSION_ABOUT_COUNT; i++)
        if (!f->is_set[i])
            f->level[i] = level;
}

bool log_filter_wants(const struct log_filter *f, enum session_level level, enum session_about about)
{
    return level != SESSION_QUIET && level <= f->level[about];
}

enum session_level log_filter_most(const struct log_filter *f)
{
    enum session_level most = SESSION_QUIET;
    for (size_t i = 0; i < SESSION_ABOUT_COUNT; i++)
        most = f->level[i] > most ? f->level[i] : most;
    return most;
}
