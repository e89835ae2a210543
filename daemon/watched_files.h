/*
 * watched_files.h - what a connection depends on that failed for good: key files, known_hosts, ssh_config and
 * the secrets of its profile. When one of them is another, it is worth a new try.
 *
 * Which files these are is taken from the route and from the lines of ssh_config, whatever block they stand
 * in, and without its Includes: one too many costs a try, and reading ssh_config as ssh does may run commands
 * and look names up, for which the main thread has no time.
 */
#ifndef DAEMON_WATCHED_FILES_H
#define DAEMON_WATCHED_FILES_H

#include "client/texts.h"

struct route;

enum {
    WATCHED_FILES_MS = 2000, /* so often they are looked at */
    WATCHED_FILES_STEPS =
        5, /* tries for their changes that lead to nothing are up to WATCHED_FILES_MS * 2^5 apart */
};

struct watched_files {
    struct texts paths;
    uint64_t seen; /* of what stat(2) says of all of them */
};

/* Looks at them once. Without memory some are left out. */
void watched_files_init(struct watched_files *w, const struct route *route);
void watched_files_wipe(struct watched_files *w);
/* One is another than at the last look: it is there or gone, has another size, time or place. */
bool watched_files_changed(struct watched_files *w);

#endif
