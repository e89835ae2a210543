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

enum { TIME_CAP = 32, TEXT_CAP = 1200 };

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
    struct log_filter filter;
    uint64_t last; /* the newest line's number; 0: none */
    int news_fd;
    struct kept ring[JOURNAL_LINES]; /* line N is in N % JOURNAL_LINES */
};

/* ---- Levels ---- */

static const char *level_name(enum session_level level)
{
    static const char *const names[] = {"ERROR", "ERROR", "INFO", "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"};
    return names[level];
}

void journal_set_level(struct journal *j, enum session_level level)
{
    (void)pthread_mutex_lock(&j->lock);
    log_filter_set_level(&j->filter, level);
    (void)pthread_mutex_unlock(&j->lock);
}

bool journal_wants(struct journal *j, enum session_level level, enum session_about about)
{
    (void)pthread_mutex_lock(&j->lock);
    bool wants = log_filter_wants(&j->filter, level, about);
    (void)pthread_mutex_unlock(&j->lock);
    return wants;
}

enum session_level journal_most(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    enum session_level most = log_filter_most(&j->filter);
    (void)pthread_mutex_unlock(&j->lock);
    return most;
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
    log_filter_init(&j->filter, config->level);
    if ((config->filter != NULL && log_filter_parse(&j->filter, config->filter, err) != ADIT_E_OK) ||
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

static int priority_of(enum session_level level)
{
    return level <= SESSION_ERROR ? LOG_ERR : level <= SESSION_VERBOSE ? LOG_INFO : LOG_DEBUG;
}

static size_t line_form(const struct journal *j, char out[static JSON_LINE_CAP + 1], const char *when,
                        const struct journal_note *note, const char *line)
{
    size_t n = j->is_json      ? json_line_make(out, when, note)
               : j->is_systemd ? adit_format(out, JSON_LINE_CAP, "<%d>%s", priority_of(note->level), line)
                               : adit_format(out, JSON_LINE_CAP, "%s %s", when, line);
    out[n++] = '\n';
    return n;
}

/* That lines are missing is said in the form of the others. */
static bool is_gap_told(const struct journal *j, const char *when)
{
    char text[80], line[JOURNAL_LINE_CAP], out[JSON_LINE_CAP + 1];
    const struct journal_note note = {.level = SESSION_ERROR, .text = text};
    if (j->left_out == 0)
        return true;
    (void)adit_format(text, sizeof text, "%u lines were left out here", j->left_out);
    (void)text_line_make(line, &note);
    return is_taken(&j->out, out, line_form(j, out, when, &note, line));
}

static void out_write(struct journal *j, const char *when, const char *line, size_t n)
{
    if (!is_gap_told(j, when))
        j->left_out++;
    else
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

void journal_write(struct journal *j, const struct journal_note *note)
{
    char when[TIME_CAP], line[JOURNAL_LINE_CAP], out[JSON_LINE_CAP + 1];
    if (!journal_wants(j, note->level, note->about))
        return;
    time_text(when);
    (void)text_line_make(line, note);
    (void)pthread_mutex_lock(&j->lock);
    out_write(j, when, out, line_form(j, out, when, note, line));
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

void journal_say_about(struct journal *j, enum session_level level, enum session_about about, const char *fmt,
                       ...)
{
    char text[TEXT_CAP];
    va_list ap;
    if (!journal_wants(j, level, about))
        return;
    va_start(ap, fmt);
    (void)adit_vformat(text, sizeof text, fmt, ap);
    va_end(ap);
    const struct journal_note note = {.level = level, .about = about, .text = text};
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
