/* What is read: list, status, addr, logs. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/table.h"
#include "cli/verb_call.h"
#include "client/units.h"
#include "daemon/journal.h"

static const struct verb_option json_only[] = {{"json", 0, false, VERB_KEY_JSON}, {0}};

/* ---- Rows ---- */

#define ARROW "\xe2\x86\x92"

static bool locale_is_utf8(void)
{
    (void)setlocale(LC_CTYPE, "");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* The arrow as the terminal can show it, whatever the daemon's was. */
static void spec_text(const char *spec, bool is_utf8, char *out, size_t cap)
{
    const char *plain = strstr(spec, " -> "), *fine = strstr(spec, " " ARROW " ");
    const char *at = plain != NULL ? plain : fine;
    size_t skip = plain != NULL ? strlen(" -> ") : strlen(" " ARROW " ");
    if (at == NULL)
        (void)adit_format(out, cap, "%s", spec);
    else
        (void)adit_format(out, cap, "%.*s %s %s", (int)(at - spec), spec, is_utf8 ? ARROW : "->", at + skip);
}

static void uptime_text(int64_t seconds, char *out, size_t cap)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (i + 1 < ADIT_COUNT(units) && seconds < units[i].seconds)
        i++;
    if (seconds < 0)
        out[0] = 0;
    else
        (void)adit_format(out, cap, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
}

static void info_text(const struct client_tunnel *t, char *out, size_t cap)
{
    size_t n = 0;
    out[0] = 0;
    if (client_tunnel_is_up(t) || client_tunnel_is(t, "disconnected"))
        return;
    if (t->retry_count > 0)
        n = adit_format(out, cap, "retry %lld", (long long)t->retry_count);
    if (t->last_error[0] != 0)
        (void)adit_format(out + n, cap - n, "%s%s", n > 0 ? ", " : "", t->last_error);
}

static bool row_add(struct table *table, const struct client_tunnel *t, bool is_utf8)
{
    char spec[1024], uptime[32], info[1400];
    spec_text(t->spec, is_utf8, spec, sizeof spec);
    uptime_text(t->uptime, uptime, sizeof uptime);
    info_text(t, info, sizeof info);
    return table_add(table, t->name) && table_add(table, t->state) && table_add(table, spec) &&
           table_add(table, t->via) && table_add(table, uptime) && table_add(table, info);
}

static bool header_add(struct table *table)
{
    static const char *const names[] = {"NAME", "STATE", "SPEC", "VIA", "UPTIME", "INFO"};
    bool is_fine = true;
    for (size_t i = 0; i < ADIT_COUNT(names) && is_fine; i++)
        is_fine = table_add(table, names[i]);
    return is_fine;
}

/* In the name or in the spec, whichever arrow it is written with. */
static bool is_wanted(const struct client_tunnel *t, const char *filter)
{
    char plain[1024], fine[1024];
    spec_text(t->spec, false, plain, sizeof plain);
    spec_text(t->spec, true, fine, sizeof fine);
    return filter == NULL || strstr(t->name, filter) != NULL || strstr(plain, filter) != NULL ||
           strstr(fine, filter) != NULL;
}

static bool is_named(const struct client_tunnel *t, const struct texts *names)
{
    return names->count == 0 || texts_has(names, t->id) || texts_has(names, t->name);
}

/* Those of the list for which it is true, in one array of JSON's. */
static int json_print(const struct client_tunnels *list, const char *filter, const struct texts *names,
                      const char *tail)
{
    bool is_first = true, is_fine = verb_write("{\"tunnels\":[", 12);
    for (size_t i = 0; i < list->count && is_fine; i++) {
        const struct client_tunnel *t = &list->item[i];
        if (!is_wanted(t, filter) || (names != NULL && !is_named(t, names)))
            continue;
        is_fine = (is_first || verb_write(",", 1)) && verb_write(t->json, strlen(t->json));
        is_first = false;
    }
    return is_fine && verb_write("]", 1) && verb_write(tail, strlen(tail)) && verb_write("}\n", 2) ? 0 : 1;
}

static int out_of_memory(void)
{
    struct adit_error err = {0};
    (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
    return verb_fail(&err);
}

static int table_print(const struct table *table, bool is_complete)
{
    char *text = is_complete ? table_text(table) : NULL;
    if (text == NULL)
        return out_of_memory();
    bool is_written = verb_write(text, strlen(text));
    free(text);
    return is_written ? 0 : 1;
}

/* ---- list ---- */

int verb_list(struct verb_call *c)
{
    struct client_tunnels list;
    struct adit_error err = {0};
    struct table table;
    int status;
    if (!verb_parse(c, json_only, NULL, NULL, 0, 1, &status))
        return status;
    const char *filter = c->words.count > 0 ? c->words.item[0] : NULL;
    if (verb_tunnels(c, &list, &err) != ADIT_E_OK)
        return verb_fail(&err);
    bool is_utf8 = locale_is_utf8();
    table_init(&table, 6);
    bool is_fine = header_add(&table);
    for (size_t i = 0; i < list.count && is_fine; i++)
        is_fine = !is_wanted(&list.item[i], filter) || row_add(&table, &list.item[i], is_utf8);
    status = c->is_json ? json_print(&list, filter, NULL, "") : table_print(&table, is_fine);
    table_wipe(&table);
    client_tunnels_wipe(&list);
    return status;
}

/* ---- status ---- */

static enum adit_err names_check(const struct client_tunnels *list, const struct texts *names,
                                 struct adit_error *err)
{
    const struct client_tunnel *found;
    enum adit_err e = ADIT_E_OK;
    for (size_t i = 0; i < names->count && e == ADIT_E_OK; i++)
        e = verb_find(list, names->item[i], &found, err);
    return e;
}

static int status_show(const struct verb_call *c, const struct client_tunnels *list)
{
    struct table table;
    char line[96];
    size_t up = 0, failed = 0;
    bool is_utf8 = locale_is_utf8(), is_fine = true;
    table_init(&table, 6);
    for (size_t i = 0; i < list->count && is_fine; i++) {
        const struct client_tunnel *t = &list->item[i];
        if (!is_named(t, &c->words))
            continue;
        up += client_tunnel_is(t, "connected");
        failed += client_tunnel_is(t, "failed");
        is_fine = row_add(&table, t, is_utf8);
    }
    int status;
    if (c->is_json) {
        (void)adit_format(line, sizeof line, ",\"up\":%zu,\"failed\":%zu", up, failed);
        status = json_print(list, NULL, &c->words, line);
    } else {
        status = verb_print(0, "%zu up, %zu failed", up, failed);
        if (status == 0)
            status = table_print(&table, is_fine);
    }
    table_wipe(&table);
    return status == 0 && failed > 0 ? 1 : status;
}

int verb_status(struct verb_call *c)
{
    struct client_tunnels list;
    struct adit_error err = {0};
    struct http_client_reply reply;
    int status;
    if (!verb_parse(c, json_only, NULL, NULL, 0, SIZE_MAX, &status))
        return status;
    /* As JSON it is the runtime part; a person is shown the spec, too, which both have. */
    list = (struct client_tunnels){0};
    enum adit_err e = verb_ask(c, "GET", "/tunnels/status", NULL, &reply, &err);
    if (e == ADIT_E_OK)
        e = client_tunnels_parse(&list, reply.body, reply.len, &err);
    http_client_reply_wipe(&reply);
    if (e == ADIT_E_OK)
        e = names_check(&list, &c->words, &err);
    status = e == ADIT_E_OK ? status_show(c, &list) : verb_fail(&err);
    client_tunnels_wipe(&list);
    return status;
}

/* ---- addr ---- */

int verb_addr(struct verb_call *c)
{
    struct client_tunnels list;
    const struct client_tunnel *t;
    struct adit_error err = {0};
    int status;
    if (!verb_parse(c, json_only, NULL, NULL, 1, 1, &status))
        return status;
    if (verb_tunnels(c, &list, &err) != ADIT_E_OK ||
        verb_find(&list, c->words.item[0], &t, &err) != ADIT_E_OK) {
        client_tunnels_wipe(&list);
        return verb_fail(&err);
    }
    status = t->addresses.count > 0 ? 0 : 1;
    if (c->is_json)
        status = verb_print(status, "%s", t->json);
    else if (status != 0)
        status = verb_fail(&(struct adit_error){ADIT_E_COMMAND, "its address is not known yet"});
    for (size_t i = 0; i < t->addresses.count && !c->is_json; i++)
        status = verb_print(status, "%s", t->addresses.item[i]);
    client_tunnels_wipe(&list);
    return status;
}

/* ---- logs ---- */

enum { KEY_COUNT = 2, KEY_FOLLOW };

struct logs {
    uint32_t count;
    bool follows;
};

static bool logs_take(void *ctx, int key, const char *value, struct adit_error *err)
{
    struct logs *l = ctx;
    if (key == KEY_FOLLOW)
        return l->follows = true;
    if (units_number(span_str(value), 0, UINT32_MAX, &l->count)) {
        l->count = l->count < JOURNAL_LINES ? l->count : JOURNAL_LINES; /* more are not kept */
        return true;
    }
    (void)adit_fail(err, ADIT_E_USAGE, "-n: '%.100s' is not a number of lines", value);
    return false;
}

/* A line of an event, or all the lines of a body. */
static enum adit_err logs_copy(struct http_client_stream *s, bool *is_written, struct adit_error *err)
{
    struct span piece;
    bool is_end = false;
    enum adit_err e = ADIT_E_OK;
    while (e == ADIT_E_OK && !is_end && *is_written) {
        if (s->answer.is_events) {
            e = http_client_event(s, &is_end, err);
            *is_written =
                e != ADIT_E_OK || is_end || (verb_write(s->sse.data, s->sse.data_len) && verb_write("\n", 1));
        } else {
            e = http_client_read(s, &piece, err);
            is_end = e == ADIT_E_OK && piece.n == 0;
            *is_written = verb_write((const char *)piece.p, piece.n);
        }
    }
    return e;
}

static enum adit_err logs_target(const struct verb_call *c, const struct logs *l, char *out, size_t cap,
                                 struct adit_error *err)
{
    char name[VERB_TARGET_CAP / 2] = "";
    if (c->words.count > 0 && !http_client_encode(c->words.item[0], name, sizeof name))
        return adit_fail(err, ADIT_E_USAGE, "the name is too long");
    (void)adit_format(out, cap, "/logs?n=%u%s%s%s%s", l->count, name[0] != 0 ? "&name=" : "", name,
                      l->follows ? "&follow=1" : "", c->is_json ? "&json=1" : "");
    return ADIT_E_OK;
}

static enum adit_err logs_follow(const struct verb_call *c, const char *target, bool *is_written,
                                 struct adit_error *err)
{
    /* Comments come every 15 s: who is silent for so long is gone. */
    const struct http_client_request request = {
        .socket = c->socket, .method = "GET", .target = target, .cancel_fd = -1, .timeout_ms = 60 * 1000};
    struct http_client_stream *s = malloc(sizeof *s);
    if (s == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = http_client_open(s, &request, err);
    if (e == ADIT_E_OK && s->answer.status != 200)
        e = adit_fail(err, ADIT_E_COMMAND, "%s: the daemon answers %u", c->socket, s->answer.status);
    if (e == ADIT_E_OK)
        e = logs_copy(s, is_written, err);
    http_client_close(s);
    free(s);
    return e;
}

int verb_logs(struct verb_call *c)
{
    static const struct verb_option options[] = {
        {"json", 0, false, VERB_KEY_JSON}, {"", 'n', true, KEY_COUNT}, {"", 'f', false, KEY_FOLLOW}, {0}};
    struct logs l = {.count = 100};
    struct adit_error err = {0};
    struct http_client_reply reply = {0};
    char target[VERB_TARGET_CAP];
    bool is_written = true;
    int status;
    if (!verb_parse(c, options, &l, logs_take, 0, 1, &status))
        return status;
    if (logs_target(c, &l, target, sizeof target, &err) != ADIT_E_OK)
        return verb_fail(&err);
    if (l.follows)
        (void)logs_follow(c, target, &is_written, &err);
    else if (verb_ask(c, "GET", target, NULL, &reply, &err) == ADIT_E_OK)
        is_written = verb_write(reply.body, reply.len) && (!c->is_json || verb_write("\n", 1));
    http_client_reply_wipe(&reply);
    if (err.code != ADIT_E_OK)
        return verb_fail(&err);
    return is_written ? 0 : 1;
}
