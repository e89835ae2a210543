#include "daemon/api_route.h"

#include <string.h>
#include "daemon/httpd_check.h"

static const char param[] = "{id}";

/* The first segment of a path, which begins with '/'; *path moves on to the next '/' or the end. */
static struct span segment_next(const char **path)
{
    const char *from = *path + 1;
    size_t n = strcspn(from, "/");

    *path = from + n;
    return span_make(from, n);
}

/* How a path fits a pattern: 0 not, 1 by {id}, 2 literally. *at is {id}'s segment. */
static int path_fit(const char *pattern, const char *path, struct span *at)
{
    int fit = 2;

    *at = span_make(NULL, 0);
    while (*pattern == '/' && *path == '/') {
        struct span want = segment_next(&pattern), have = segment_next(&path);

        if (span_is(want, param) && have.n > 0) {
            *at = have;
            fit = 1;
        } else if (!span_eq(want, have)) {
            return 0;
        }
    }
    return *pattern == 0 && *path == 0 ? fit : 0;
}

static void allow_add(char allow[static API_ROUTE_ALLOW_CAP], const char *method)
{
    size_t n = strlen(allow);

    adit_format(allow + n, API_ROUTE_ALLOW_CAP - n, "%s%s%s", n ? ", " : "", method,
                strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

enum api_route_found api_route_find(const struct api_route *table, size_t count, bool is_tcp,
                                    const char *method, const char *path, const struct api_route **out,
                                    char id[static API_ROUTE_PARAM_CAP],
                                    char allow[static API_ROUTE_ALLOW_CAP])
{
    struct span at, best_at = span_make(NULL, 0);
    int best = 0;

    *out = NULL;
    id[0] = allow[0] = 0;
    for (size_t i = 0; i < count; i++) {
        int fit = path_fit(table[i].path, path, &at);

        if (fit == 0 || fit < best || (is_tcp && (table[i].flags & API_ROUTE_UNIX_ONLY)))
            continue;
        if (fit > best) { /* what only {id} fitted does not count any more */
            allow[0] = 0;
            *out = NULL;
        }
        best = fit;
        allow_add(allow, table[i].method);
        if (strcmp(table[i].method, method) == 0) {
            *out = &table[i];
            best_at = at;
        }
    }
    if (!*out)
        return best ? API_ROUTE_NO_METHOD : API_ROUTE_NO_PATH;
    return httpd_unescape(id, API_ROUTE_PARAM_CAP, best_at) ? API_ROUTE_FOUND : API_ROUTE_BAD_PARAM;
}
