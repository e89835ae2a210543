#include "client/line_words.h"

#include <stdlib.h>
#include <string.h>

#include "client/texts.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

void line_words_wipe(struct line_words *w)
{
    free(w->raw);
    free(w->text);
    w->raw = w->text = NULL;
    w->count = 0;
}

static bool is_escape(const char *t, char quote)
{
    return t[0] == '\\' && (t[1] == '"' || t[1] == '\'' || t[1] == '\\' || (quote == 0 && t[1] == ' '));
}

/* One word. False: a quote is open. */
static bool word_take(const char **in, char **out)
{
    const char *t = *in;
    char *o = *out, quote = 0;
    for (; *t != 0 && (quote != 0 || (*t != ' ' && *t != '\t')); t++) {
        if (is_escape(t, quote))
            *o++ = *++t;
        else if (quote == 0 && (*t == '"' || *t == '\''))
            quote = *t;
        else if (quote != 0 && *t == quote)
            quote = 0;
        else
            *o++ = *t;
    }
    *o++ = 0;
    *in = t;
    *out = o;
    return quote == 0;
}

enum adit_err line_words_split(struct line_words *w, const char *text, struct adit_error *err)
{
    size_t n = strlen(text);
    while (n > 0 && is_blank(text[n - 1]))
        n--;
    w->raw = text_copy(span_make(text, n));
    w->text = malloc(n + 2); /* each word is no longer than its place, with the blank behind it */
    w->count = 0;
    w->has_open_quote = false;
    if (w->raw == NULL || w->text == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    const char *in = w->raw;
    for (char *out = w->text;;) {
        while (*in == ' ' || *in == '\t')
            in++;
        if (*in == 0 || *in == '#')
            return ADIT_E_OK;
        if (w->count == LINE_WORDS_MAX)
            return adit_fail(err, ADIT_E_USAGE, "too many arguments");
        w->item[w->count++] = out;
        w->has_open_quote = !word_take(&in, &out);
        if (w->has_open_quote)
            return adit_fail(err, ADIT_E_USAGE, "invalid quotes");
    }
}
