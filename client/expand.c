#include "client/expand.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void expand_user(char home[static EXPAND_PATH_CAP], char user[static LIMIT_USER + 1])
{
    char room[2048];
    struct passwd entry, *found = NULL;
    const char *dir = getenv("HOME"), *name = NULL;
    bool has_dir = dir != NULL && dir[0] == '/';
    if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) == 0 && found != NULL) {
        dir = has_dir ? dir : found->pw_dir;
        has_dir = has_dir || dir != NULL;
        name = found->pw_name;
    }
    name = name != NULL ? name : getenv("USER");
    adit_format(home, EXPAND_PATH_CAP, "%s", has_dir ? dir : "");
    adit_format(user, LIMIT_USER + 1, "%s", name != NULL ? name : "");
}

struct output {
    char *p;
    size_t n;
    bool failed; /* it did not fit */
};

static void put(struct output *out, const char *text, size_t n)
{
    if (n >= EXPAND_PATH_CAP - out->n) {
        out->failed = true;
        return;
    }
    memcpy(out->p + out->n, text, n);
    out->n += n;
    out->p[out->n] = 0;
}

static void put_text(struct output *out, const char *text)
{
    put(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static void put_number(struct output *out, unsigned value)
{
    char digits[12];
    adit_format(digits, sizeof digits, "%u", value);
    put_text(out, digits);
}

static bool put_token(struct output *out, char token, const struct expand_names *names)
{
    const char *host = names->local_host != NULL ? names->local_host : "";
    switch (token) {
    case '%':
        put_text(out, "%");
        break;
    case 'd':
        put_text(out, names->home);
        break;
    case 'h':
        put_text(out, names->host);
        break;
    case 'i':
        put_number(out, (unsigned)getuid());
        break;
    case 'k':
        put_text(out, names->host_key);
        break;
    case 'L':
        put(out, host, strcspn(host, "."));
        break;
    case 'l':
        put_text(out, host);
        break;
    case 'n':
        put_text(out, names->given_host);
        break;
    case 'p':
        put_number(out, names->port);
        break;
    case 'r':
        put_text(out, names->remote_user);
        break;
    case 'u':
        put_text(out, names->local_user);
        break;
    default:
        return false;
    }
    return true;
}

/* "${NAME}": returns the length of it in the input, 0 when it is broken or not set. */
static size_t put_variable(struct output *out, const char *text)
{
    char name[128];
    size_t n = strcspn(text + 2, "}");
    if (text[2 + n] != '}' || n == 0 || n >= sizeof name)
        return 0;
    memcpy(name, text + 2, n);
    name[n] = 0;
    const char *value = getenv(name);
    if (value == NULL)
        return 0;
    put_text(out, value);
    return n + 3;
}

/* "~" and "~/..." are ours; "~name/..." needs another user's home. */
static bool put_home(struct output *out, const char **text, const struct expand_names *names)
{
    if (**text != '~')
        return true;
    size_t n = strcspn(*text + 1, "/");
    if (n == 0) {
        put_text(out, names->home);
    } else {
        char name[LIMIT_USER + 1], room[2048];
        struct passwd entry, *found = NULL;
        if (n >= sizeof name)
            return false;
        memcpy(name, *text + 1, n);
        name[n] = 0;
        if (getpwnam_r(name, &entry, room, sizeof room, &found) != 0 || found == NULL)
            return false;
        put_text(out, found->pw_dir);
    }
    *text += n + 1;
    return true;
}

enum adit_err expand_path(char out[static EXPAND_PATH_CAP], const char *text,
                          const struct expand_names *names, struct adit_error *err)
{
    struct output o = {.p = out};
    const char *t = text;
    out[0] = 0;
    if (!put_home(&o, &t, names))
        return adit_fail(err, ADIT_E_CONFIG, "%s: no such user", text);
    while (*t != 0 && !o.failed) {
        if (t[0] == '%') {
            if (t[1] == 0 || !put_token(&o, t[1], names))
                return adit_fail(err, ADIT_E_CONFIG, "%s: %%%c is not known here", text,
                                 t[1] != 0 ? t[1] : ' ');
            t += 2;
        } else if (t[0] == '$' && t[1] == '{') {
            size_t n = put_variable(&o, t);
            if (n == 0)
                return adit_fail(err, ADIT_E_CONFIG, "%s: the environment variable is not set", text);
            t += n;
        } else {
            put(&o, t++, 1);
        }
    }
    return o.failed ? adit_fail(err, ADIT_E_CONFIG, "%s: too long", text) : ADIT_E_OK;
}
