#include "client/texts.h"

#include <stdlib.h>
#include <string.h>

char *text_copy(struct span text)
{
    if (text.n > 0 && memchr(text.p, 0, text.n) != NULL)
        return NULL;
    char *copy = malloc(text.n + 1);
    if (copy == NULL)
        return NULL;
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    return copy;
}

void texts_init(struct texts *t)
{
    t->item = NULL;
    t->count = 0;
}

void texts_wipe(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->item[i]);
    free(t->item);
    texts_init(t);
}

bool texts_add(struct texts *t, struct span text)
{
    char **bigger = realloc(t->item, (t->count + 1) * sizeof *bigger);
    if (bigger == NULL)
        return false;
    t->item = bigger;
    char *copy = text_copy(text);
    if (copy == NULL)
        return false;
    t->item[t->count++] = copy;
    return true;
}

bool texts_has(const struct texts *t, const char *text)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->item[i], text) == 0)
            return true;
    return false;
}

void texts_remove(struct texts *t, const char *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->item[i], text) == 0)
            free(t->item[i]);
        else
            t->item[kept++] = t->item[i];
    }
    t->count = kept;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip(struct span *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

bool text_word(struct span *rest, char *word, size_t cap, bool *bad)
{
    while (rest->n > 0 && is_blank(rest->p[0]))
        skip(rest, 1);
    *bad = false;
    if (rest->n == 0)
        return false;
    bool quoted = false;
    size_t n = 0;
    for (; rest->n > 0 && (quoted || !is_blank(rest->p[0])); skip(rest, 1)) {
        if (rest->p[0] == '"') {
            quoted = !quoted;
            continue;
        }
        if (rest->p[0] == '\\' && rest->n > 1 && (rest->p[1] == '"' || rest->p[1] == '\\'))
            skip(rest, 1);
        if (n + 1 >= cap || rest->p[0] == 0) {
            *bad = true;
            return false;
        }
        word[n++] = (char)rest->p[0];
    }
    word[n] = 0;
    *bad = quoted;
    return !quoted;
}

static struct span trimmed(struct span s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        skip(&s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool text_comma(struct span *rest, struct span *piece)
{
    while (rest->n > 0) {
        const uint8_t *comma = memchr(rest->p, ',', rest->n);
        size_t n = comma == NULL ? rest->n : (size_t)(comma - rest->p);
        *piece = trimmed(span_make(rest->p, n));
        skip(rest, comma == NULL ? n : n + 1);
        if (piece->n > 0)
            return true;
    }
    return false;
}

bool text_line(struct span *rest, struct span *line)
{
    if (rest->n == 0)
        return false;
    const uint8_t *end = memchr(rest->p, '\n', rest->n);
    size_t n = end == NULL ? rest->n : (size_t)(end - rest->p);
    *line = span_make(rest->p, n);
    skip(rest, end == NULL ? n : n + 1);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_same(const char *a, const char *b)
{
    while (*a != 0 && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}
