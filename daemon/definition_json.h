/*
 * definition_json.h - a tunnel's written fields as JSON: what POST and PUT take, what T begins with, and what
 * is kept on disk.
 *
 *     name host port profile_id jump_host_id jump_session_id forward_type local_port bind_address remote_host
 *     remote_port more_forwards auto_start auto_reconnect max_retries description lazy idle_exit
 *
 * Of a tunnel with several forwards these are the first one's; the others are in more_forwards
 * (definition_more.h). Port and forward numbers are integers; local_port may be "10000+" too.
 */
#ifndef DAEMON_DEFINITION_JSON_H
#define DAEMON_DEFINITION_JSON_H

#include <jansson.h>

#include "daemon/definition.h"

/* A new object, which the caller gives back by json_decref: all fields in the order above, more_forwards only
 * where there are more. port is 22
 * where none was given; a text that was not given is null; bind_address is never null. NULL: no memory. */
json_t *definition_to_json(const struct definition *d) ADIT_MUST_USE;

/* Takes the fields of an object into out, which was initialised and whose origin is the
 * caller's. is_new: a POST, absent fields get the API's defaults and out keeps its id, origin and created_at;
 * else a PUT: absent fields keep what is in out. null stands for the default; for a required field
 * it counts as missing. A PUT's port 22 where none was given is T sent back, and changes nothing. T's read
 * fields are skipped, any other is refused. The whole is judged by definition_check. On false out is as
 * before, and error says what to answer. */
bool definition_from_json(struct definition *out, const json_t *object, bool is_new,
                          struct definition_error *error) ADIT_MUST_USE;

/* One of these; one of T's others. */
bool definition_field_is_written(const char *name);
bool definition_field_is_read(const char *name);

#endif
