/*
 * watched_files.c - see watched_files.h.
 */
#include "daemon/watched_files.h"

#include <string.h>
#include <sys/stat.h>

#include "client/expand.h"
#include "client/files.h"
#include "client/options.h"
#include "daemon/route.h"

enum { CONFIG_MAX = 1024 * 1024 };

static const char *const user_config = "~/.ssh/config", *const system_config = "/etc/ssh/ssh_config";

/* ---- Which ones ---- */

/* A path with tokens of the connection is not known here. */
static void add(struct watched_files *w, const struct expand_names *names, const char *path)
{
    char out[EXPAND_PATH_CAP];
    if (!path || strchr(path, '%') || expand_path(out, path, names, NULL) != ADIT_E_OK)
        return;
    if (out[0] == '/' && !texts_has(&w->paths, out))
        (void)!texts_add(&w->paths, span_str(out));
}

static bool names_files(const char *keyword)
{
    static const char *const all[] = {"IdentityFile", "CertificateFile", "UserKnownHostsFile",
                                      "GlobalKnownHostsFile", "RevokedHostKeys"};
    for (size_t i = 0; i < ADIT_COUNT(all); i++)
        if (text_same(keyword, all[i]))
            return true;
    return false;
}

static void add_line(struct watched_files *w, const struct expand_names *names, const char *line)
{
    char keyword[OPTIONS_KEYWORD_CAP], word[EXPAND_PATH_CAP];
    const char *value;
    bool bad = false;
    if (!options_split_line(line, keyword, &value) || !names_files(keyword))
        return;
    struct span rest = span_str(value);
    while (text_word(&rest, word, sizeof word, &bad))
        add(w, names, word);
}

static void add_config(struct watched_files *w, const struct expand_names *names, const char *path)
{
    char out[EXPAND_PATH_CAP], text[2048];
    struct file file = {NULL, 0, 0};
    struct span line;
    add(w, names, path);
    if (expand_path(out, path, names, NULL) != ADIT_E_OK ||
        file_read(&file, out, CONFIG_MAX, NULL, NULL, NULL) != ADIT_E_OK)
        return;
    for (struct span rest = span_make(file.p, file.n); text_line(&rest, &line);)
        if (line.n < sizeof text) {
            (void)adit_format(text, sizeof text, "%.*s", (int)line.n, (const char *)line.p);
            add_line(w, names, text);
        }
    file_wipe(&file);
}

static void add_defaults(struct watched_files *w, const struct expand_names *names)
{
    static const char *const all[] = {"~/.ssh", /* a file that comes or goes there */
                                      "~/.ssh/known_hosts",
                                      "~/.ssh/known_hosts2",
                                      "/etc/ssh/ssh_known_hosts",
                                      "/etc/ssh/ssh_known_hosts2",
                                      "~/.ssh/id_rsa",
                                      "~/.ssh/id_ecdsa",
                                      "~/.ssh/id_ecdsa_sk",
                                      "~/.ssh/id_ed25519",
                                      "~/.ssh/id_ed25519_sk"};
    for (size_t i = 0; i < ADIT_COUNT(all); i++)
        add(w, names, all[i]);
}

/* ---- What they are ---- */

/* FNV-1a: nothing of it is secret, and nobody who could make two states look alike has a use for it. */
static uint64_t mix(uint64_t sum, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        sum = (sum ^ (value >> 8 * i & 255)) * 0x100000001b3;
    return sum;
}

static uint64_t look(const struct watched_files *w)
{
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < w->paths.count; i++) {
        struct stat st;
        bool is_there = stat(w->paths.item[i], &st) == 0;
        sum = mix(sum, is_there);
        if (!is_there)
            continue;
        sum = mix(mix(mix(sum, (uint64_t)st.st_dev), (uint64_t)st.st_ino), (uint64_t)st.st_size);
        sum = mix(mix(mix(sum, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec), st.st_mode);
    }
    return sum;
}

bool watched_files_changed(struct watched_files *w)
{
    uint64_t now = look(w);
    bool is_other = now != w->seen;
    w->seen = now;
    return is_other;
}

static void add_place(struct watched_files *w, const struct expand_names *names,
                      const struct route_place *place, const struct secrets *secrets)
{
    for (size_t i = 0; i < place->settings.count; i++)
        add_line(w, names, place->settings.item[i]);
    add(w, names, secrets->password_file);
    add(w, names, secrets->passphrase_file);
}

void watched_files_init(struct watched_files *w, const struct route *route)
{
    char home[EXPAND_PATH_CAP], user[LIMIT_USER + 1];
    struct expand_names names = {.home = home, .local_user = user};
    texts_init(&w->paths);
    expand_user(home, user);
    for (size_t i = 0; i < route->place_count; i++)
        add_place(w, &names, &route->places[i], &route->secrets[i]);
    add_defaults(w, &names);
    if (route->config_file && !text_same(route->config_file, "none"))
        add_config(w, &names, route->config_file);
    if (!route->config_file) {
        add_config(w, &names, user_config);
        add_config(w, &names, system_config);
    }
    w->seen = look(w);
}

void watched_files_wipe(struct watched_files *w)
{
    texts_wipe(&w->paths);
}
