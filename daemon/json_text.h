/*
 * json_text.h - a JSON document as text.
 *
 * Not json_dumps: without memory for a member's name, jansson (2.15) goes on without it, and returns what no
 * parser takes.
 */
#ifndef DAEMON_JSON_TEXT_H
#define DAEMON_JSON_TEXT_H

#include <jansson.h>

/* To be freed; flags are json_dumps'. NULL: no document, or no memory for all of it. */
char *json_text(const json_t *document, size_t flags);

#endif
