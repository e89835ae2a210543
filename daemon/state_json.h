/*
 * state_json.h - the text of state.json and what it says. No files here.
 */
#ifndef DAEMON_STATE_JSON_H
#define DAEMON_STATE_JSON_H

#include <jansson.h>

#include "daemon/definition.h"

/* What the file holds besides what we know, to be written again. All zero: nothing. */
struct state_extras {
    json_t *top;     /* an object of the members beside version and tunnels */
    json_t *tunnels; /* id: an object of that tunnel's further members */
};
void state_extras_wipe(struct state_extras *extras);

/* Reads a text; name is the file's, for messages. *out is an array from malloc of *count tunnels (origin API,
 * with id and created_at), all the caller's. extras, all zero before, is filled. On an error all three are
 * empty: ADIT_E_CONFIG "NAME:LINE:COLUMN: what", or "NAME: tunnels[N]: what"; ADIT_E_MEMORY. */
enum adit_err state_parse(struct span text, const char *name, struct definition **out, size_t *count,
                          struct state_extras *extras, struct adit_error *err) ADIT_MUST_USE;

/* The text for these tunnels with what extras holds: indented, from malloc, zero-terminated and ended by a
 * newline; free() it. NULL: no memory. */
char *state_format(const struct definition *const *tunnels, size_t count,
                   const struct state_extras *extras) ADIT_MUST_USE;

#endif
