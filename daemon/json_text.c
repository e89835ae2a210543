#include "daemon/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/buffer.h"

static int add(const char *bytes, size_t n, void *ctx)
{
    struct buffer *b = ctx;
    buffer_add(b, span_make(bytes, n));
    return b->is_failed ? -1 : 0;
}

char *json_text(const json_t *document, size_t flags)
{
    struct buffer b = {0};
    /* Both: the library forgets what some of the calls returned. */
    if (json_dump_callback(document, add, &b, flags) != 0 || b.is_failed)
        buffer_wipe(&b);
    return b.p;
}

json_t *json_read(struct span text, size_t flags, json_error_t *where)
{
    errno = 0; /* all that the library leaves of a call that got no memory */
    json_t *document = json_loadb(text.p != NULL ? (const char *)text.p : "", text.n, flags, where);
    if (document == NULL && errno == ENOMEM) {
        memset(where->text, 0, sizeof where->text);
        strcpy(where->text, "out of memory");
        where->text[sizeof where->text - 1] =
            (char)json_error_out_of_memory; /* where jansson keeps the code */
    }
    return document;
}

static json_t *shown(const char *text)
{
    size_t cap = strlen(text) + 1;
    char *clean = malloc(cap);
    if (clean == NULL)
        return NULL;
    (void)adit_text_clean(clean, cap, span_str(text), false);
    json_t *value = json_string(clean);
    free(clean);
    return value;
}

json_t *json_utf8(const char *text)
{
    errno = 0;
    json_t *value = json_string(text);
    return value != NULL || errno == ENOMEM ? value : shown(text);
}

json_t *json_copy_object(const json_t *object)
{
    json_t *copy = json_object();
    if (json_object_update(copy, (json_t *)object) == 0)
        return copy;
    json_decref(copy);
    return NULL;
}

void json_list_add(json_t **list, json_t *value)
{
    if (json_array_append_new(*list, value) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}
