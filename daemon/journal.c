#include "daemon/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "client/texts.h"
#include "net/sock.h"
#include "net/standard.h"

enum { TIME_CAP = 32, SUBSYSTEM_COUNT = 7, SUBSYSTEM_DAEMON = 4, TEXT_CAP = 1200 };

static const char *const subsystems[SUBSYSTEM_COUNT] = {"kex",    "auth", "channel", "forward",
                                                        "daemon", "api",  "config"};

/* One that is kept: the line, and behind its zero the tunnel's name. */
struct kept {
    char *line;
    const char *tunnel; /* within the same memory; empty: none */
};

struct journal {
    pthread_mutex_t lock;
    struct standard out;
    bool is_json, is_systemd;
    unsigned left_out;
    enum session_level levels[SUBSYSTEM_COUNT];
    bool is_filtered[SUBSYSTEM_COUNT]; /* by ADIT_LOG, which stays over what the file says */
    uint64_t last;                     /* the newest line's number; 0: none */
    int news_fd;
    struct kept ring[JOURNAL_LINES]; /* line N is in N % JOURNAL_LINES */
};

/* ---- Levels ---- */

static const struct {
    const char *name;
    enum session_level level;
} levels[] = {{"QUIET", SESSION_QUIET},   {"FATAL", SESSION_ERROR},     {"ERROR", SESSION_ERROR},
              {"INFO", SESSION_INFO},     {"VERBOSE", SESSION_VERBOSE}, {"DEBUG", SESSION_DEBUG1},
              {"DEBUG1", SESSION_DEBUG1}, {"DEBUG2", SESSION_DEBUG2},   {"DEBUG3", SESSION_DEBUG3}};

bool journal_level_parse(struct span text, enum session_level *level)
{
    char word[16];
    if (text.n >= sizeof word)
        return false;
    (void)adit_format(word, sizeof word, "%.*s", (int)text.n, (const char *)text.p);
    for (size_t i = 0; i < ADIT_COUNT(levels); i++) {
        if (!text_same(levels[i].name, word))
            continue;
        *level = levels[i].level;
        return true;
    }
    return false;
}

static const char *level_name(enum session_level level)
{
    static const char *const names[] = {"ERROR", "ERROR", "INFO", "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"};
    return names[level];
}

static size_t subsystem_find(struct span name)
{
    size_t i = 0;
    while (i < SUBSYSTEM_COUNT && !span_is(name, subsystems[i]))
        i++;
    return i;
}

static size_t subsystem_of(const char *name)
{
    size_t i = name == NULL ? SUBSYSTEM_DAEMON : subsystem_find(span_str(name));
    return i < SUBSYSTEM_COUNT ? i : SUBSYSTEM_DAEMON;
}

/* "level" or "subsystem=level" */
static bool filter_piece(struct journal *j, struct span piece)
{
    const uint8_t *sign = memchr(piece.p, '=', piece.n);
    size_t name_len = sign != NULL ? (size_t)(sign - piece.p) : 0;
    struct span word = sign != NULL ? span_sub(piece, name_len + 1, SIZE_MAX) : piece;
    size_t which = sign != NULL ? subsystem_find(span_sub(piece, 0, name_len)) : 0;
    enum session_level level;
    if (which == SUBSYSTEM_COUNT || !journal_level_parse(word, &level))
        return false;
    for (size_t i = 0; i < SUBSYSTEM_COUNT; i++) {
        if (sign != NULL && i != which)
            continue;
        j->levels[i] = level;
        j->is_filtered[i] = true;
    }
    return true;
}

static enum adit_err filter_set(struct journal *j, const char *text, struct adit_error *err)
{
    struct span rest = span_str(text), piece;
    while (text_comma(&rest, &piece))
        if (!filter_piece(j, piece))
            return adit_fail(
                err, ADIT_E_CONFIG,
                "ADIT_LOG: '%.*s' is not LEVEL or SUBSYSTEM=LEVEL (kex auth channel forward daemon "
                "api config)",
                (int)(piece.n < 64 ? piece.n : 64), (const char *)piece.p);
    return ADIT_E_OK;
}

void journal_set_level(struct journal *j, enum session_level level)
{
    (void)pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < SUBSYSTEM_COUNT; i++)
        if (!j->is_filtered[i])
            j->levels[i] = level;
    (void)pthread_mutex_unlock(&j->lock);
}

bool journal_wants(struct journal *j, enum session_level level, const char *subsystem)
{
    (void)pthread_mutex_lock(&j->lock);
    bool wants = level != SESSION_QUIET && level <= j->levels[subsystem_of(subsystem)];
    (void)pthread_mutex_unlock(&j->lock);
    return wants;
}

/* ---- Where it goes ---- */

/* systemd says which descriptor is its journal's (systemd.exec(5), $JOURNAL_STREAM). */
static bool is_systemds(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char own[64];
    if (stream == NULL || fstat(fd, &st) != 0)
        return false;
    (void)adit_format(own, sizeof own, "%llu:%llu", (unsigned long long)st.st_dev,
                      (unsigned long long)st.st_ino);
    return strcmp(own, stream) == 0;
}

static enum adit_err out_set(struct journal *j, int fd, struct adit_error *err)
{
    struct standard out = {-1, true};
    if (standard_copy(&out, fd, true, err) != ADIT_E_OK)
        return err->code;
    sock_close(&j->out.fd);
    j->out = out;
    j->is_systemd = is_systemds(fd);
    return ADIT_E_OK;
}

void journal_redirect(struct journal *j, int fd)
{
    struct adit_error err = {0};
    (void)pthread_mutex_lock(&j->lock);
    (void)out_set(j, fd, &err);
    (void)pthread_mutex_unlock(&j->lock);
}

void journal_set_form(struct journal *j, bool is_json)
{
    (void)pthread_mutex_lock(&j->lock);
    j->is_json = is_json;
    (void)pthread_mutex_unlock(&j->lock);
}

enum adit_err journal_new(struct journal **out, const struct journal_config *config, struct adit_error *err)
{
    struct journal *j = calloc(1, sizeof *j);
    *out = j;
    if (j == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    (void)pthread_mutex_init(&j->lock, NULL);
    j->out.fd = -1;
    j->is_json = config->is_json;
    j->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (size_t i = 0; i < SUBSYSTEM_COUNT; i++)
        j->levels[i] = config->level;
    if ((config->filter != NULL && filter_set(j, config->filter, err) != ADIT_E_OK) ||
        out_set(j, config->fd, err) != ADIT_E_OK) {
        journal_free(j);
        *out = NULL;
        return err->code;
    }
    return ADIT_E_OK;
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    for (size_t i = 0; i < JOURNAL_LINES; i++)
        free(j->ring[i].line);
    sock_close(&j->out.fd);
    sock_close(&j->news_fd);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

/* ---- Lines ---- */

static void time_text(char out[static TIME_CAP])
{
    time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) == NULL || strftime(out, TIME_CAP, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        out[0] = 0;
}

/* The line in the text form, beginning behind its time. */
static size_t text_line_make(char out[static JOURNAL_LINE_CAP], const struct journal_note *note)
{
    char name[256], text[TEXT_CAP];
    size_t n = adit_format(out, JOURNAL_LINE_CAP, "%s ", level_name(note->level));
    (void)adit_text_clean(text, sizeof text, span_str(note->text), false);
    if (note->tunnel != NULL) {
        (void)adit_text_clean(name, sizeof name, span_str(note->tunnel), false);
        n += adit_format(out + n, JOURNAL_LINE_CAP - n, "tunnel=%s ", name);
    }
    if (note->conn != 0)
        n += adit_format(out + n, JOURNAL_LINE_CAP - n, "conn=%llu ", (unsigned long long)note->conn);
    return n + adit_format(out + n, JOURNAL_LINE_CAP - n, "%s", text);
}

struct json {
    char *p;
    size_t n, cap;
};

static void json_put(struct json *j, const char *text)
{
    j->n += adit_format(j->p + j->n, j->cap - j->n, "%s", text);
}

/* The text is clean UTF-8 already: three characters are left to care for. */
static void json_text(struct json *j, const char *name, const char *value)
{
    char clean[TEXT_CAP];
    if (value == NULL)
        return;
    (void)adit_text_clean(clean, sizeof clean, span_str(value), false);
    json_put(j, j->n > 1 ? ",\"" : "\"");
    json_put(j, name);
    json_put(j, "\":\"");
    for (const char *c = clean; *c != 0; c++) {
        const char one[2] = {*c, 0};
        json_put(j, *c == '"' ? "\\\"" : *c == '\\' ? "\\\\" : *c == '\t' ? "\\t" : one);
    }
    json_put(j, "\"");
}

static void json_number(struct json *j, const char *name, long long value)
{
    if (value != 0)
        j->n += adit_format(j->p + j->n, j->cap - j->n, ",\"%s\":%lld", name, value);
}

enum { JSON_LINE_CAP = 4 * TEXT_CAP + 2048 }; /* every text may double, and stays whole */

static size_t json_line_make(char out[static JSON_LINE_CAP], const char *when,
                             const struct journal_note *note)
{
    struct json j = {out, 0, JSON_LINE_CAP};
    json_put(&j, "{");
    json_text(&j, "ts", when);
    json_text(&j, "level", level_name(note->level));
    json_text(&j, "msg", note->text);
    json_text(&j, "tunnel", note->tunnel);
    json_text(&j, "transport", note->transport);
    json_number(&j, "conn", (long long)note->conn);
    json_text(&j, "kind", note->kind);
    json_number(&j, "errno", note->error_number);
    json_put(&j, "}");
    return j.n;
}

static bool is_taken(const struct standard *out, const char *text, size_t len)
{
    struct adit_error err = {0};
    while (len > 0) {
        struct iovec part = {(void *)(uintptr_t)text, len};
        size_t n = 0;
        enum sock_io io = out->is_shared ? sock_shared_write(out->fd, text, len, &n, &err)
                                         : standard_writev(out->fd, &part, 1, &n, &err);
        if (io != SOCK_IO_OK)
            return false;
        text += n;
        len -= n;
    }
    return true;
}

static void out_write(struct journal *j, const char *line, size_t n)
{
    char note[80];
    unsigned count = j->left_out;
    size_t note_len =
        count == 0 ? 0 : adit_format(note, sizeof note, "ERROR %u lines were left out here\n", count);
    if (!is_taken(&j->out, note, note_len)) {
        j->left_out++;
        return;
    }
    j->left_out = is_taken(&j->out, line, n) ? 0 : 1;
}

static void line_keep(struct journal *j, const char *when, const char *line, const char *tunnel)
{
    size_t when_len = strlen(when), line_len = strlen(line), name_len = tunnel != NULL ? strlen(tunnel) : 0;
    char *copy = malloc(when_len + 1 + line_len + 1 + name_len + 1);
    uint64_t one = 1;
    if (copy == NULL)
        return;
    (void)adit_format(copy, when_len + 1 + line_len + 1, "%s %s", when, line);
    memcpy(copy + when_len + 1 + line_len + 1, tunnel != NULL ? tunnel : "", name_len + 1);
    struct kept *slot = &j->ring[++j->last % JOURNAL_LINES];
    free(slot->line);
    *slot = (struct kept){copy, copy + when_len + 1 + line_len + 1};
    ssize_t ignored = write(j->news_fd, &one, sizeof one);
    (void)ignored;
}

static int priority_of(enum session_level level)
{
    return level <= SESSION_ERROR ? LOG_ERR : level <= SESSION_VERBOSE ? LOG_INFO : LOG_DEBUG;
}

void journal_write(struct journal *j, const struct journal_note *note)
{
    char when[TIME_CAP], line[JOURNAL_LINE_CAP], out[JSON_LINE_CAP + 1];
    if (!journal_wants(j, note->level, note->subsystem))
        return;
    time_text(when);
    (void)text_line_make(line, note);
    (void)pthread_mutex_lock(&j->lock);
    size_t n = 0;
    if (j->is_json)
        n = json_line_make(out, when, note);
    else if (j->is_systemd)
        n = adit_format(out, sizeof out, "<%d>%s", priority_of(note->level), line);
    else
        n = adit_format(out, sizeof out, "%s %s", when, line);
    out[n++] = '\n';
    out_write(j, out, n);
    line_keep(j, when, line, note->tunnel);
    (void)pthread_mutex_unlock(&j->lock);
}

void journal_say(struct journal *j, enum session_level level, const char *fmt, ...)
{
    char text[TEXT_CAP];
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(text, sizeof text, fmt, ap);
    va_end(ap);
    const struct journal_note note = {.level = level, .text = text};
    journal_write(j, &note);
}

/* ---- Reading them ---- */

static uint64_t oldest(const struct journal *j)
{
    return j->last < JOURNAL_LINES ? 1 : j->last - JOURNAL_LINES + 1;
}

static bool is_of(const struct kept *kept, const char *tunnel)
{
    return kept->line != NULL && (tunnel == NULL || strcmp(kept->tunnel, tunnel) == 0);
}

uint64_t journal_tail(struct journal *j, const char *tunnel, size_t n)
{
    (void)pthread_mutex_lock(&j->lock);
    uint64_t first = j->last + 1;
    for (uint64_t at = j->last; n > 0 && at >= oldest(j); at--) {
        if (!is_of(&j->ring[at % JOURNAL_LINES], tunnel))
            continue;
        first = at;
        n--;
    }
    (void)pthread_mutex_unlock(&j->lock);
    return first;
}

uint64_t journal_read(struct journal *j, uint64_t from, const char *tunnel,
                      char line[static JOURNAL_LINE_CAP])
{
    (void)pthread_mutex_lock(&j->lock);
    uint64_t at = from > oldest(j) ? from : oldest(j);
    while (at <= j->last && !is_of(&j->ring[at % JOURNAL_LINES], tunnel))
        at++;
    bool is_there = at <= j->last;
    if (is_there)
        (void)adit_format(line, JOURNAL_LINE_CAP, "%s", j->ring[at % JOURNAL_LINES].line);
    (void)pthread_mutex_unlock(&j->lock);
    return is_there ? at : 0;
}

int journal_news_fd(struct journal *j)
{
    return j->news_fd;
}

void journal_news_take(struct journal *j)
{
    uint64_t count;
    ssize_t ignored = read(j->news_fd, &count, sizeof count);
    (void)ignored;
}
