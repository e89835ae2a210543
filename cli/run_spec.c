#include "cli/run_spec.h"

#include <string.h>

#include "client/units.h"

/* ssh's flags with a value. */
static const char with_value[] = "BbcDEeFIiJLlmOoPpQRSWw";

static bool is_forward(char letter)
{
    return letter == 'L' || letter == 'R' || letter == 'D';
}

/* Upper case; what a variable's name cannot hold becomes '_'. */
static bool name_set(struct run_forward *f, struct span name)
{
    if (name.n == 0 || name.n >= sizeof f->name)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = (char)name.p[i];
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        f->name[i] = is_lower ? (char)(c - 'a' + 'A') : is_kept ? c : '_';
    }
    f->name[name.n] = 0;
    return true;
}

static unsigned count_of(const struct run_spec *r, char letter)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->forward_count; i++)
        n += r->forwards[i].letter == letter;
    return n;
}

/* ssh takes a forward that is there already for the same one, and of two names only one would be seen: each
 * is to have a listener and variables of its own. */
static enum adit_err forward_check(const struct run_spec *r, const struct run_forward *f, const char *spec,
                                   struct adit_error *err)
{
    const char flag[] = {'-', f->letter, 0};
    for (size_t i = 0; i < r->forward_count; i++)
        if (strcmp(r->forwards[i].name, f->name) == 0)
            return adit_fail(err, ADIT_E_USAGE, "run: two forwards are called %s", f->name);
    for (size_t i = 1; i < r->options.count; i++)
        if (strcmp(r->options.item[i - 1], flag) == 0 && strcmp(r->options.item[i], spec) == 0)
            return adit_fail(err, ADIT_E_USAGE, "run: '%s %.100s' is given twice", flag, spec);
    return ADIT_E_OK;
}

/* "[NAME=]spec"; *spec is what ssh takes. */
static enum adit_err forward_take(struct run_spec *r, char letter, const char *text, const char **spec,
                                  struct adit_error *err)
{
    if (r->forward_count == RUN_FORWARDS_MAX)
        return adit_fail(err, ADIT_E_USAGE, "run: more than %d forwards", RUN_FORWARDS_MAX);
    struct run_forward *f = &r->forwards[r->forward_count];
    /* A path may hold one, too. */
    const char *sign = text + strcspn(text, "=:/[");
    if (*sign != '=')
        sign = NULL;
    f->letter = letter;
    *spec = sign != NULL ? sign + 1 : text;
    if (sign == NULL)
        (void)adit_format(f->name, sizeof f->name, "%c%u", letter, count_of(r, letter) + 1);
    else if (!name_set(f, span_make(text, (size_t)(sign - text))))
        return adit_fail(err, ADIT_E_USAGE, "run: '%.100s': a name of 1 to %d letters", text,
                         RUN_NAME_CAP - 1);
    enum adit_err e = forward_check(r, f, *spec, err);
    r->forward_count += e == ADIT_E_OK;
    return e;
}

static enum adit_err option_add(struct run_spec *r, const char *text, struct adit_error *err)
{
    return texts_add(&r->options, span_str(text)) ? ADIT_E_OK
                                                  : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

/* "-L", spec as two words: what was bundled before it is an option of its own. */
static enum adit_err value_add(struct run_spec *r, const char *word, const char *at, const char *value,
                               struct adit_error *err)
{
    const char flag[3] = {'-', *at, 0};
    char before[32];
    size_t n = (size_t)(at - word);
    enum adit_err e = ADIT_E_OK;
    if (n >= sizeof before)
        return adit_fail(err, ADIT_E_USAGE, "run: '%.100s' is no option", word);
    (void)adit_format(before, sizeof before, "%.*s", (int)n, word);
    if (n > 1)
        e = option_add(r, before, err);
    if (e == ADIT_E_OK && is_forward(*at))
        e = forward_take(r, *at, value, &value, err);
    if (e == ADIT_E_OK)
        e = option_add(r, flag, err);
    return e == ADIT_E_OK ? option_add(r, value, err) : e;
}

/* One word of ssh's, with the next one where that is its value. */
static enum adit_err word_take(struct run_spec *r, int argc, char *const argv[], int *at,
                               struct adit_error *err)
{
    const char *word = argv[*at];
    if (word[0] != '-')
        return option_add(r, word, err);
    for (const char *c = word + 1; *c != 0; c++) {
        if (strchr(with_value, *c) == NULL)
            continue;
        if (c[1] != 0)
            return value_add(r, word, c, c + 1, err);
        if (*at + 1 >= argc)
            return adit_fail(err, ADIT_E_USAGE, "run: option -%c wants a value", *c);
        return value_add(r, word, c, argv[++*at], err);
    }
    return option_add(r, word, err);
}

static enum adit_err timeout_take(struct run_spec *r, const char *text, struct adit_error *err)
{
    uint32_t seconds;
    if (text == NULL || !units_time(span_str(text), &seconds) || seconds > UINT32_MAX / 1000)
        return adit_fail(err, ADIT_E_USAGE, "run: --timeout wants a time, as 30s or 1m30s");
    r->timeout_ms = seconds * 1000;
    return ADIT_E_OK;
}

enum adit_err run_spec_parse(struct run_spec *r, int argc, char *const argv[], struct adit_error *err)
{
    static const char timeout[] = "--timeout=";
    enum adit_err e = ADIT_E_OK;
    int at = 0;
    *r = (struct run_spec){.timeout_ms = 30 * 1000};
    texts_init(&r->options);
    for (; at < argc && e == ADIT_E_OK && strcmp(argv[at], "--") != 0; at++) {
        if (strcmp(argv[at], "-h") == 0 || strcmp(argv[at], "--help") == 0)
            return r->wants_help = true, ADIT_E_OK;
        if (strncmp(argv[at], timeout, sizeof timeout - 1) == 0)
            e = timeout_take(r, argv[at] + sizeof timeout - 1, err);
        else if (strcmp(argv[at], "--timeout") == 0) {
            at++;
            e = timeout_take(r, at < argc ? argv[at] : NULL, err);
        } else
            e = word_take(r, argc, argv, &at, err);
    }
    r->command = (size_t)at + 1;
    if (e == ADIT_E_OK && at + 1 >= argc)
        e = adit_fail(err, ADIT_E_USAGE, "run: the command is missing, behind '--'");
    if (e == ADIT_E_OK && r->forward_count == 0)
        e = adit_fail(err, ADIT_E_USAGE, "run: what it forwards is missing (-L, -R or -D)");
    return e;
}

void run_spec_wipe(struct run_spec *r)
{
    texts_wipe(&r->options);
}

/* ---- Variables ---- */

static bool variable_add(struct texts *out, const char *name, const char *what, const char *scheme,
                         struct span value)
{
    char text[512];
    size_t n = adit_format(text, sizeof text, "ADIT_%s_%s=%s%.*s", name, what, scheme, (int)value.n,
                           (const char *)value.p);
    return n + 1 < sizeof text && texts_add(out, span_make(text, n));
}

bool run_spec_variables(const struct run_forward *f, const char *line, struct texts *out)
{
    const char head[] = {'l', 'i', 's', 't', 'e', 'n', 'i', 'n', 'g', ' ', f->letter, ' ', 0};
    struct span bound, target;
    const char *blank = NULL;
    if (strncmp(line, head, sizeof head - 1) == 0)
        blank = strchr(line + sizeof head - 1, ' ');
    if (blank == NULL)
        return false;
    line += sizeof head - 1;
    bound = span_make(line, (size_t)(blank - line));
    target = span_str(blank + 1);
    size_t colon = bound.n;
    while (colon > 0 && bound.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct span host = span_sub(bound, 0, colon - 1);
    if (host.n >= 2 && host.p[0] == '[')
        host = span_sub(host, 1, host.n - 2);
    bool is_https = target.n >= 4 && memcmp(target.p + target.n - 4, ":443", 4) == 0;
    const char *scheme = f->letter == 'D' ? "socks5h://" : is_https ? "https://" : "http://";
    return variable_add(out, f->name, "ADDR", "", bound) && variable_add(out, f->name, "HOST", "", host) &&
           variable_add(out, f->name, "PORT", "", span_sub(bound, colon, SIZE_MAX)) &&
           variable_add(out, f->name, "URL", scheme, bound);
}
