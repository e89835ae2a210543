/*
 * httpd_check.h - what a request must meet before anybody looks at what it asks for. No state, no I/O.
 *
 * A page of any web site may make a browser of this machine speak to 127.0.0.1. What keeps it out of the API:
 * it cannot know the token; a name that was bound anew to 127.0.0.1 (DNS rebinding) still stands in Host, and
 * the page's own origin in Origin.
 */
#ifndef DAEMON_HTTPD_CHECK_H
#define DAEMON_HTTPD_CHECK_H

#include <sys/types.h>

#include "adit.h"

/* Host is exactly 127.0.0.1, [::1] or localhost with this port (which may be absent when it is 80). */
bool httpd_host_is_ours(const char *host, uint16_t port) ADIT_MUST_USE;
/* The same behind http:// */
bool httpd_origin_is_ours(const char *origin, uint16_t port) ADIT_MUST_USE;
/* "Bearer TOKEN"; the comparison takes as long whatever differs. A NULL or empty token matches nothing. */
bool httpd_token_matches(const char *authorization, const char *token) ADIT_MUST_USE;
/* application/json, with no parameter but charset=utf-8. */
bool httpd_type_is_json(const char *content_type) ADIT_MUST_USE;
/* No array or object of a JSON text lies deeper than max (the outermost is 1). A text that is no JSON may
 * pass. */
bool httpd_depth_is_at_most(struct span json, unsigned max) ADIT_MUST_USE;
/* It has no more than max members, elements, arrays and objects. A text that is no JSON may pass. */
bool httpd_values_are_at_most(struct span json, size_t max) ADIT_MUST_USE;
/* A piece of a path or a query, without its percent signs, as a text. False when it is badly escaped, holds a
 * zero byte or does not fit. */
bool httpd_unescape(char *out, size_t cap, struct span escaped) ADIT_MUST_USE;
/* The process at the other end of a Unix socket is our own user's, root's, or (with has_group) a member of
 * the group, when it connected. */
bool httpd_peer_is_allowed(int fd, bool has_group, gid_t group) ADIT_MUST_USE;

#endif
