#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "client/options.h"
#include "client/units.h"
#include "client/uri.h"
#include "daemon/conf_row.h"
#include "net/sock.h"

static const char *const format_names[] = {"text", "json", NULL};
_Static_assert(CONF_LOG_TEXT == 0 && CONF_LOG_JSON == 1, "as format_names");

/* ---- Listen ---- */

static bool is_loopback(const char *host)
{
    static const uint8_t one[16] = {[15] = 1};
    uint8_t raw[16];
    size_t n = sock_addr_bytes(host, raw);
    return text_same(host, "localhost") || (n == 4 && raw[0] == 127) ||
           (n == 16 && memcmp(raw, one, sizeof one) == 0);
}

enum adit_err conf_listen_parse(const char *text, char **host, uint16_t *port, struct adit_error *err)
{
    struct span all = span_str(text);
    const char *colon = strrchr(text, ':');
    uint32_t number = 0;
    if (colon == NULL || !units_number(span_str(colon + 1), 0, UINT16_MAX, &number))
        return adit_fail(err, ADIT_E_USAGE, "'%s' is not ADDRESS:PORT", text);
    char *copy = text_copy(uri_without_brackets(span_sub(all, 0, (size_t)(colon - text))));
    if (copy == NULL)
        return conf_no_memory(err);
    if (!is_loopback(copy)) {
        free(copy);
        return adit_fail(err, ADIT_E_USAGE, "'%s' must be a loopback address (127.0.0.0/8 or ::1) and a port",
                         text);
    }
    *host = copy;
    *port = (uint16_t)number;
    return ADIT_E_OK;
}

static enum adit_err set_listen(struct conf_reader *r, void *target, const struct conf_row *row,
                                const struct conf_words *words, struct adit_error *err)
{
    struct conf *c = target;
    struct adit_error why = {0};
    (void)r;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e != ADIT_E_OK || text_same(words->item[0], "none"))
        return e;
    e = conf_listen_parse(words->item[0], &c->listen_host, &c->listen_port, &why);
    return e == ADIT_E_USAGE ? adit_fail(err, ADIT_E_CONFIG, "%s", why.text)
           : e == ADIT_E_OK  ? e
                             : conf_no_memory(err);
}

/* ---- The rest ---- */

static enum adit_err set_group(struct conf_reader *r, void *target, const struct conf_row *row,
                               const struct conf_words *words, struct adit_error *err)
{
    struct conf *c = target;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e != ADIT_E_OK)
        return e;
    if (r->hooks->is_group != NULL && !r->hooks->is_group(r->hooks->ctx, words->item[0]))
        return adit_fail(err, ADIT_E_CONFIG, "there is no group '%s'", words->item[0]);
    return definition_set(&c->socket_group, words->item[0]) ? ADIT_E_OK : conf_no_memory(err);
}

static enum adit_err set_log_level(struct conf_reader *r, void *target, const struct conf_row *row,
                                   const struct conf_words *words, struct adit_error *err)
{
    struct conf *c = target;
    struct adit_error why = {0};
    struct options *o = malloc(sizeof *o);
    (void)r;
    if (o == NULL)
        return conf_no_memory(err);
    options_init(o);
    enum adit_err e = options_set(o, row->name, words->raw, &why);
    if (e == ADIT_E_OK) {
        c->log_level = o->log_level;
        c->has_log_level = true;
    } else if (e != ADIT_E_MEMORY) {
        e = adit_fail(err, ADIT_E_CONFIG,
                      "'%s' is not one of quiet, fatal, error, info, verbose, debug1, debug2, debug3",
                      words->item[0]);
    }
    options_wipe(o);
    free(o);
    return e == ADIT_E_MEMORY ? conf_no_memory(err) : e;
}

static enum adit_err set_log_format(struct conf_reader *r, void *target, const struct conf_row *row,
                                    const struct conf_words *words, struct adit_error *err)
{
    struct conf *c = target;
    struct conf_row plain = *row;
    plain.kind = CONF_CHOICE;
    enum adit_err e = conf_row_set(r, target, &plain, words, err);
    c->has_log_format = c->has_log_format || e == ADIT_E_OK;
    return e;
}

static enum adit_err set_ssh_config(struct conf_reader *r, void *target, const struct conf_row *row,
                                    const struct conf_words *words, struct adit_error *err)
{
    struct conf *c = target;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e != ADIT_E_OK)
        return e;
    if (!text_same(words->item[0], "none"))
        return conf_path_make(r, words->item[0], &c->ssh_config, err);
    return definition_set(&c->ssh_config, "none") ? ADIT_E_OK : conf_no_memory(err);
}

#define AT(field) .offset = offsetof(struct conf, field), .size = sizeof(((struct conf *)0)->field)
static const struct conf_row rows[] = {
    {.name = "Socket", .kind = CONF_PATH, AT(socket), .max = CONF_SOCKET_MAX},
    {.name = "SocketGroup", .kind = CONF_SPECIAL, .set = set_group},
    {.name = "Listen", .kind = CONF_SPECIAL, .set = set_listen},
    {.name = "StateDir", .kind = CONF_PATH, AT(state_dir), .max = 4000},
    {.name = "LogLevel", .kind = CONF_SPECIAL, .set = set_log_level},
    {.name = "LogFormat",
     .kind = CONF_SPECIAL,
     AT(log_format),
     .choices = format_names,
     .set = set_log_format},
    {.name = "Sandbox", .kind = CONF_FLAG, AT(sandbox)},
    {.name = "SshConfig", .kind = CONF_SPECIAL, .set = set_ssh_config},
};
const struct conf_table conf_daemon_table = {rows, ADIT_COUNT(rows)};
_Static_assert(ADIT_COUNT(rows) == CONF_DAEMON_KEYWORDS, "struct conf has a place for each");

enum adit_err conf_fail(const struct conf *c, const char *keyword, struct adit_error *err, const char *what)
{
    const struct conf_row *row = conf_row_find(&conf_daemon_table, keyword);
    const struct conf_place *at = row != NULL ? &c->places[row - rows] : NULL;
    if (at == NULL || at->file == NULL)
        return adit_fail(err, ADIT_E_CONFIG, "%s: %s: %s",
                         c->files.count > 0 ? c->files.item[0] : "adit.conf", keyword, what);
    return adit_fail(err, ADIT_E_CONFIG, "%s:%u: %s: %s", at->file, at->line, keyword, what);
}
