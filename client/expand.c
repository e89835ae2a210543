#include "client/expand.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/crypto.h"

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

/* So that a long list of names makes a short path for a socket. */
static void put_hash(struct output *out, const struct expand_names *names)
{
    static const char digits[] = "0123456789abcdef";
    char port[12];
    uint8_t sum[20];
    struct hash h;
    adit_format(port, sizeof port, "%u", (unsigned)names->port);
    const char *parts[] = {names->local_host, names->host, port, names->remote_user, names->jump};
    hash_init(&h, HASH_SHA1);
    for (size_t i = 0; i < ADIT_COUNT(parts); i++)
        if (parts[i] != NULL)
            hash_update(&h, parts[i], strlen(parts[i]));
    hash_out(&h, sum);
    for (size_t i = 0; i < sizeof sum; i++) {
        const char hex[2] = {digits[sum[i] >> 4], digits[sum[i] & 15]};
        put(out, hex, 2);
    }
}

/* Those that only some keywords know. */
static bool put_rare_token(struct output *out, char token, const struct expand_names *names)
{
    const char *text = token == 'f'   ? names->fingerprint
                       : token == 'H' ? names->searched
                       : token == 'I' ? names->reason
                       : token == 'K' ? names->key_base64
                       : token == 't' ? names->key_type
                       : token == 'T' ? names->tunnel
                                      : NULL;
    put_text(out, text);
    return text != NULL;
}

static bool put_token(struct output *out, char token, const struct expand_names *names)
{
    const char *host = names->local_host != NULL ? names->local_host : "";
    switch (token) {
    case '%':
        put_text(out, "%");
        break;
    case 'C':
        put_hash(out, names);
        break;
    case 'j':
        put_text(out, names->jump);
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
        return put_rare_token(out, token, names);
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

static enum adit_err put_all(struct output *o, const char *t, const char *text,
                             const struct expand_names *names, struct adit_error *err)
{
    while (*t != 0 && !o->failed) {
        if (t[0] == '%') {
            if (t[1] == 0 || !put_token(o, t[1], names))
                return adit_fail(err, ADIT_E_CONFIG, "%s: %%%c is not known here", text,
                                 t[1] != 0 ? t[1] : ' ');
            t += 2;
        } else if (t[0] == '$' && t[1] == '{') {
            size_t n = put_variable(o, t);
            if (n == 0)
                return adit_fail(err, ADIT_E_CONFIG, "%s: the environment variable is not set", text);
            t += n;
        } else {
            put(o, t++, 1);
        }
    }
    return o->failed ? adit_fail(err, ADIT_E_CONFIG, "%.80s...: too long", text) : ADIT_E_OK;
}

enum adit_err expand_path(char out[static EXPAND_PATH_CAP], const char *text,
                          const struct expand_names *names, struct adit_error *err)
{
    struct output o = {.p = out};
    const char *t = text;
    out[0] = 0;
    if (!put_home(&o, &t, names))
        return adit_fail(err, ADIT_E_CONFIG, "%s: no such user", text);
    return put_all(&o, t, text, names, err);
}

enum adit_err expand_home(char out[static EXPAND_PATH_CAP], const char *text,
                          const struct expand_names *names, struct adit_error *err)
{
    struct output o = {.p = out};
    const char *t = text;
    out[0] = 0;
    if (!put_home(&o, &t, names))
        return adit_fail(err, ADIT_E_CONFIG, "%s: no such user", text);
    put(&o, t, strlen(t));
    return o.failed ? adit_fail(err, ADIT_E_CONFIG, "%.80s...: too long", text) : ADIT_E_OK;
}

enum adit_err expand_value(char out[static EXPAND_PATH_CAP], const char *text,
                           const struct expand_names *names, struct adit_error *err)
{
    struct output o = {.p = out};
    out[0] = 0;
    return put_all(&o, text, text, names, err);
}

enum adit_err expand_tokens(char out[static EXPAND_PATH_CAP], const char *text, const char *allowed,
                            const struct expand_names *names, struct adit_error *err)
{
    struct output o = {.p = out};
    out[0] = 0;
    for (const char *t = text; *t != 0 && !o.failed; t++) {
        if (*t != '%') {
            put(&o, t, 1);
            continue;
        }
        t++;
        bool is_allowed = *t == '%' || allowed == NULL || (*t != 0 && strchr(allowed, *t) != NULL);
        if (*t == 0 || !is_allowed || !put_token(&o, *t, names))
            return adit_fail(err, ADIT_E_CONFIG, "%s: %%%c is not known here", text, *t != 0 ? *t : ' ');
    }
    return o.failed ? adit_fail(err, ADIT_E_CONFIG, "%.80s...: too long", text) : ADIT_E_OK;
}
