/*
 * mcp_internal.h - what the tools' files share: mcp_tools.c (which there are), mcp_show.c (list, status,
 * wait), mcp_make.c (create), mcp_close.c; mcp_made.c and mcp_job.c hold what lasts longer than a call.
 */
#ifndef DAEMON_MCP_INTERNAL_H
#define DAEMON_MCP_INTERNAL_H

#include "client/texts.h"
#include "daemon/mcp_answer.h"
#include "daemon/mcp_tools.h"

/* One that was made here; the registry has the tunnel of this id, unless somebody has taken it out. */
struct mcp_made {
    struct mcp_made *next;
    struct mcp_tools *tools;
    char *id, *server;
    uint32_t ttl_s;
    int64_t expires; /* Unix time; 0: its maker has no answer yet */
    struct loop_timer ttl;
};

/* A call that waits. */
struct mcp_job {
    struct mcp_job *next;
    struct mcp_tools *tools;
    struct mcp_request *request;
    struct tunnel_wait wait;
    bool is_waiting; /* for a tunnel */
    struct tunnels_refresh refresh;
    bool is_refreshing;
    char *id;     /* the tunnel's; NULL: of all */
    char *server; /* list: only this one's */
    uint32_t seconds;
    uint64_t deadline_ms;
    struct mcp_closing *closing;
};

/* One ssh_tunnel_close: a job for each tunnel, one answer for all. */
struct mcp_closing {
    struct mcp_closing *next;
    struct mcp_request *request;
    size_t waiting; /* jobs, and one while they are made; 0: answered */
    json_t *ids;
};

struct mcp_tools {
    struct mcp_tools_config config;
    struct mcp_made *made; /* in their order */
    size_t made_count;
    struct mcp_job *jobs;
    size_t job_count;
    struct mcp_closing *closings; /* those that were answered go with the next call */
    struct texts closed;          /* ids: to close one of them again is no error */
    unsigned named;               /* names that we have given */
};

/* ---- Tunnels that were made here ---- */

struct mcp_made *mcp_made_find(const struct mcp_tools *t, const char *id); /* NULL: not one of ours */
/* NULL: no memory. */
struct mcp_made *mcp_made_new(struct mcp_tools *t, const struct tunnel *u, const struct mcp_wish *w);
/* Out of the registry, and out of our list. was_shown: its maker knows its id. */
void mcp_made_remove(struct mcp_made *m, bool was_shown);
/* Frees it; the tunnel stays. */
void mcp_made_release(struct mcp_made *m);

/* ---- Calls that wait. id NULL: about no tunnel ---- */

struct mcp_job *mcp_job_new(struct mcp_tools *t, struct mcp_request *request, const char *id);
void mcp_job_free(struct mcp_job *j);
void mcp_job_release(struct mcp_job *j); /* the same, left in the list: at its end */
void mcp_job_wait(struct mcp_job *j, struct tunnel *u, enum tunnel_wait_for what, uint32_t limit_ms,
                  void (*done)(void *ctx, struct tunnel *u, bool is_so));
void mcp_job_refresh(struct mcp_job *j, void (*done)(void *ctx));
bool mcp_job_is_active(const struct tunnel *u);
/* Answers why a tunnel is not active: what its last try came to. */
void mcp_job_fail_inactive(struct mcp_request *request, const struct tunnel *u, uint32_t seconds);

/* ---- The tools ---- */

void mcp_tool_list(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request);
void mcp_tool_status(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request);
void mcp_tool_wait(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request);
void mcp_tool_create(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request);
void mcp_tool_close(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request);
/* The end of a job: shows its tunnel. */
void mcp_show_one(void *job);
/* Frees those that were answered, or all. */
void mcp_closings_sweep(struct mcp_tools *t, bool all);

#endif
