/*
 * chain.h - the connections that one destination takes: its jump hosts, the nearest one first, and itself.
 *
 * Every hop is a struct client and a session of its own. The session of a jump host carries one stream: one
 * end of a pair of sockets, whose other end is the transport of the next hop's session. So a jump host's
 * connection knows nothing of what it carries, and the next one is encrypted from here to its own host.
 *
 *     chain_new(&chain, &query, &prompt, &err);
 *     for each hop i: chain_start(chain, i, &ops, &session, &err), once hop i - 1 has said
 * ALL_FORWARDS_DONE;
 *     ... all sessions are joined, the last hop's first ...
 *     chain_free(chain);
 *
 * A jump host of ProxyJump takes its options from its own name alone, as the ssh does that ssh starts for it:
 * user and port as ProxyJump gives them, -F and -v, and nothing else of the command line.
 */
#ifndef CLIENT_CHAIN_H
#define CLIENT_CHAIN_H

#include "adit.h"
#include "client/client.h"
#include "client/options.h"
#include "client/prompt.h"
#include "client/texts.h"
#include "forward/session.h"

struct chain;

/* A jump host that somebody describes, instead of ProxyJump's words. Borrowed, all of it. */
struct chain_hop {
    const char *name;             /* for messages */
    const char *host;             /* an alias, a name or a literal; its ssh_config applies */
    const char *user;             /* NULL: ssh_config's */
    uint16_t port;                /* 0: ssh_config's */
    const struct texts *settings; /* "Keyword value", over ssh_config; the first one of a keyword wins */
};

struct chain_query {
    const struct options *options;    /* the destination's; borrowed until chain_free, as the rest */
    const char *host;                 /* the destination as the user gave it */
    const char *config_file;          /* for the jump hosts: see ssh_config.h */
    const struct forward_spec *stdio; /* -W, or NULL */
    /* ServerAliveInterval and ConnectTimeout of jump hosts that say nothing of them; NULL: ssh's. */
    const char *alive_interval, *connect_timeout;
    /* The jump hosts right before the destination, the nearest to it first. Only the last one's ProxyJump, or
     * ProxyCommand, leads on from there; what is said of those before it does not count. */
    const struct chain_hop *hops;
    size_t hop_count;
};

/* Resolves all hops. ADIT_E_CONFIG for a host that would jump through itself; otherwise as client_new, with
 * the jump host's name in the text. */
enum adit_err chain_new(struct chain **out, const struct chain_query *query,
                        const struct client_prompt *prompt, struct adit_error *err) ADIT_MUST_USE;
/* Takes from options what is to be forwarded or run: what is left only carries. */
void chain_make_bare(struct options *options);
void chain_free(struct chain *chain); /* after all sessions were joined; NULL is fine */

size_t chain_count(const struct chain *chain); /* 1: no jump host */
/* The hop's client; the last one is the destination's. */
struct client *chain_client(struct chain *chain, size_t hop);
/* What messages call the jump host: as ProxyJump has it. NULL for the destination. */
const char *chain_name(const struct chain *chain, size_t hop);

/* Starts the hop's session. Hops are started in order, each once. */
enum adit_err chain_start(struct chain *chain, size_t hop, const struct session_ops *ops,
                          struct session **out, struct adit_error *err) ADIT_MUST_USE;

/* Instead of chain_start of the last hop, for a session that exists already: what its session_connect is to
 * have as transport_fd, the caller's; -1: it connects by itself. Once. */
enum adit_err chain_transport(struct chain *chain, int *fd, struct adit_error *err) ADIT_MUST_USE;

#endif
