/*
 * api_route.h - which handler a method and a path lead to. One table says which routes there are; 404, 405
 * with its Allow, and the check of openapi.json come from the same.
 */
#ifndef DAEMON_API_ROUTE_H
#define DAEMON_API_ROUTE_H

#include <jansson.h>

#include "adit.h"

struct api;
struct httpd_request;

enum {
    API_ROUTE_PARAM_CAP = 1024, /* of {id}, decoded: a name of 64 characters of UTF-8, or an id */
    API_ROUTE_ALLOW_CAP = 64,
};

enum api_route_flags {
    API_ROUTE_READS = 0,
    API_ROUTE_CHANGES = 1,    /* refused while draining */
    API_ROUTE_TAKES_BODY = 2, /* a JSON object is needed */
    API_ROUTE_MAY_BODY = 4,   /* there may be one */
    API_ROUTE_OPEN = 8,       /* without the token too */
    API_ROUTE_UNIX_ONLY = 16, /* there is nothing of this name on TCP */
};

/* What a handler is given: body NULL without one, id empty where the path has none. */
struct api_call {
    struct api *api;
    struct httpd_request *request;
    const json_t *body;
    char id[API_ROUTE_PARAM_CAP];
};

struct api_route {
    const char *method, *path; /* "/tunnels/{id}/start"; {id} is one segment */
    unsigned flags;
    void (*handle)(const struct api_call *call);
};

extern const struct api_route api_routes[];
extern const size_t api_route_count;

enum api_route_found {
    API_ROUTE_FOUND,
    API_ROUTE_NO_PATH,
    API_ROUTE_NO_METHOD, /* allow says which there are: "GET, POST" */
    API_ROUTE_BAD_PARAM, /* {id} is no text */
};
/* path as it was sent. A literal segment goes before {id}. id and allow are written always. */
enum api_route_found api_route_find(const struct api_route *table, size_t count, bool is_tcp,
                                    const char *method, const char *path, const struct api_route **out,
                                    char id[static API_ROUTE_PARAM_CAP],
                                    char allow[static API_ROUTE_ALLOW_CAP]);

#endif
