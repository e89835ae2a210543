/*
 * json_text.h - a JSON document as text, text as a document, and lists, where memory may end.
 *
 * Not json_dumps: without memory for a member's name, jansson (2.15) goes on without it, and returns what no
 * parser takes. Not json_loadb: it calls a lack of memory bad JSON.
 */
#ifndef DAEMON_JSON_TEXT_H
#define DAEMON_JSON_TEXT_H

#include <jansson.h>

#include "adit.h"

/* To be freed; flags are json_dumps'. NULL: no document, or no memory for all of it. */
char *json_text(const json_t *document, size_t flags);

/* To be json_decref'ed; flags are json_loadb's. NULL: where says what is wrong with the text and where; its
 * json_error_code is json_error_out_of_memory when nothing is. */
json_t *json_read(struct span text, size_t flags, json_error_t *where);

/* The text as a value; as adit_text_clean shows it where it is no UTF-8 (a file's may be anything), for JSON
 * has nothing else. NULL: no memory. */
json_t *json_utf8(const char *text);

/* A new object with the members of another, which both have then. NULL: no memory. Not json_copy, which
 * leaves out the members for which there was none. */
json_t *json_copy_object(const json_t *object);

/* Takes value, to the end of *list. No memory, for one value or for the list: *list is NULL from then on, for
 * a shorter one would say something else. */
void json_list_add(json_t **list, json_t *value);

#endif
