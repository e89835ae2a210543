/*
 * query.h - -Q: what this build can do, by ssh's names for the lists or by a keyword that takes such names.
 */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include "adit.h"
#include "client/algorithms.h"

/* The answer to -Q name: one name a line. Keywords in any case, the other names as they stand; "features" is
 * adit's own: what it is made with. ADIT_E_USAGE for a list that does not exist. */
enum adit_err query_answer(const char *name, bool has_daemon, char out[static ALGORITHMS_CAP],
                           struct adit_error *err) ADIT_MUST_USE;

#endif
