/*
 * definition_more.h - `more_forwards`: the forwards of a tunnel behind its first one, as JSON.
 *
 *     [{forward_type, local_port, bind_address, remote_host, remote_port}, ...]
 *
 * Each is judged as if it were the only one of a tunnel.
 */
#ifndef DAEMON_DEFINITION_MORE_H
#define DAEMON_DEFINITION_MORE_H

#include <jansson.h>

#include "daemon/definition.h"

/* Instead of those that d has; its first one is there. On false d may have lost some, and error's field is
 * more_forwards or more_forwards[N].NAME. */
bool definition_more_take(struct definition *d, const json_t *list,
                          struct definition_error *error) ADIT_MUST_USE;
void definition_more_drop(struct definition *d);

/* error is about forward `at` of d (0: the first): its field says so. */
void definition_more_place(struct definition_error *error, size_t at);

#endif
