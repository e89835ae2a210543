/*
 * definition.h - what a tunnel is meant to be: its written fields, whoever wrote them (the API, a
 * configuration file, a session, MCP), and the one judge of them.
 *
 *     definition_init(&d, DEFINITION_API); ... fill it, texts on the heap ...
 *     if (!definition_check(&d, &error)) ...   error.code, .field and .message as the API answers them
 *     definition_wipe(&d);
 *
 * A struct owns all that it points to. Nothing here does I/O; what only the registry can know (does the
 * profile exist, is the name free, does jump_session_id lead to a tunnel) is not judged here.
 */
#ifndef DAEMON_DEFINITION_H
#define DAEMON_DEFINITION_H

#include "adit.h"
#include "client/forward_spec.h"
#include "client/texts.h"

enum {
    DEFINITION_NAME_MAX = 64,          /* characters of a name */
    DEFINITION_DESCRIPTION_MAX = 1024, /* bytes */
    DEFINITION_FORWARDS_MAX = 256,     /* of one tunnel */
    DEFINITION_FIELD_CAP = 72,
    DEFINITION_SPEC_CAP = 2 * (LIMIT_HOST + 16) + 8,
    DEFINITION_HOLD_MAX = 4096, /* clients held while down: a descriptor each */
};

/* Who wrote it. What may be in it, and some defaults, follow from that. */
enum definition_origin {
    DEFINITION_API,
    DEFINITION_FILE,
    DEFINITION_SESSION, /* lives as long as a stream of the API */
    DEFINITION_MCP,
};
const char *definition_origin_name(enum definition_origin origin); /* "api", "file", "session", "mcp" */

enum definition_health_kind { DEFINITION_HEALTH_NONE, DEFINITION_HEALTH_TCP, DEFINITION_HEALTH_HTTP };

struct definition_health {
    enum definition_health_kind kind;
    char *path;          /* HTTP: begins with '/' */
    uint32_t interval_s; /* at least 1 with TCP and HTTP */
};

/* FORWARD_LOCAL, FORWARD_DYNAMIC: bind_address:local_port is the listener here; LOCAL leads to
 * remote_host:remote_port as the server sees it.
 * FORWARD_REMOTE: remote_host:remote_port is the listener at the server, bind_address:local_port the target
 * as seen from here; without a local port the server's clients name it by SOCKS (files alone). */
struct definition_forward {
    enum forward_type type;
    char *bind_address;  /* NULL: 127.0.0.1. "localhost" is both families; "*" (files alone) every address */
    uint16_t local_port; /* 0: any free one */
    bool has_local_port;
    bool counts_up;    /* the first free port from local_port on: "10000+" */
    char *remote_host; /* LOCAL, REMOTE; NULL: localhost. REMOTE: "*" is every address */
    uint16_t remote_port;
    bool has_remote_port;
    unsigned line; /* in the file that has it; 0: none has */
};

/* A text that is NULL was not given. */
struct definition {
    char *id;           /* a file's: its name. Else the registry's */
    char *name;         /* of people */
    char *host;         /* an alias of ssh_config, or a host */
    char *user;         /* "user@" before the host */
    uint16_t port;      /* 0: none was given, ssh_config's Port holds */
    char *profile_id;   /* "default": plain ssh_config */
    char *jump_host_id; /* a ProxyJump value ("none" too); a file's ProxyJump stands here, not in keywords */
    char *jump_session_id; /* the id or name of the tunnel whose host and profile are the hop */
    struct definition_forward *forwards;
    size_t forward_count;
    bool auto_start, auto_reconnect;
    uint32_t max_retries; /* 0: unlimited */
    char *description;
    bool lazy;
    uint32_t idle_exit_s; /* lazy: 0: never */

    enum definition_origin origin;
    char *file; /* origin FILE: where it begins */
    unsigned line;
    int64_t created_at; /* milliseconds since 1970 */

    /* Only a file says these; the others have the defaults. */
    struct texts keywords; /* "Keyword value" of ssh_config, as options_set_line takes them, in order: the
                            * first value wins, all of them over the profile's */
    uint32_t backoff_first_ms, backoff_cap_ms; /* 1 s, 60 s */
    uint32_t jitter_percent;                   /* 100 */
    struct definition_health health;
    uint32_t hold_ms, hold_max; /* 10 s, 64 */
    bool detect_fast;
    bool reclaim; /* AditReclaim */
    bool allow_non_loopback;
    struct texts allow;                     /* clients: "192.168.1.0/24"; none: everybody */
    struct texts destinations;              /* "HOST:PORT", either part a glob; none: everything. MCP's too */
    char *socks_user, *socks_password_file; /* both or neither */
};

/* Defaults of its origin: a file's and a session's max_retries are 0, the others' 5; a session's
 * auto_reconnect is false. */
void definition_init(struct definition *d, enum definition_origin origin);
/* False: no memory, and then to is as after definition_init. to holds nothing before. */
bool definition_copy(struct definition *to, const struct definition *from) ADIT_MUST_USE;
void definition_wipe(struct definition *d);

/* Room for one more forward, all zero but its type; NULL: no memory or too many. */
struct definition_forward *definition_forward_add(struct definition *d, enum forward_type type);

/* Replaces a text by a copy (text NULL: by NULL). False: no memory, the old one stays. */
bool definition_set(char **to, const char *text) ADIT_MUST_USE;

/* Equal in everything that was written: neither id, nor origin, place or created_at matter. */
bool definition_same(const struct definition *a, const struct definition *b);
/* What differs touches the connection or a forward: a running tunnel must be restarted. */
bool definition_needs_restart(const struct definition *a, const struct definition *b);

/* ---- Errors, as the API answers them */

#define DEFINITION_E_MISSING  "missing_field"
#define DEFINITION_E_INVALID  "invalid_value"
#define DEFINITION_E_UNKNOWN  "unknown_field"
#define DEFINITION_E_INTERNAL "internal" /* not the fault of what was asked */

struct definition_error {
    const char *code;                 /* a literal; NULL: no error yet */
    char field[DEFINITION_FIELD_CAP]; /* empty: about no field */
    size_t forward;                   /* which forward it is about; SIZE_MAX: none of them */
    char message[LIMIT_ERROR_TEXT];   /* valid UTF-8 without control characters */
};

/* Writes it all anew; returns false. field NULL: none. */
bool definition_fail(struct definition_error *e, const char *code, const char *field, const char *fmt, ...)
    ADIT_PRINTF(4, 5);

/* "Out of memory", DEFINITION_E_INTERNAL, about no field; returns false. */
bool definition_no_memory(struct definition_error *e);

/* The first thing that is wrong, in the order of the fields of the API. */
bool definition_check(const struct definition *d, struct definition_error *error) ADIT_MUST_USE;

/* 1 to 64 printable characters of UTF-8 without '/'. */
bool definition_name_is_fine(const char *name);
/* A file's: 1 to 64 of A-Z a-z 0-9 . _ - and the blank. */
bool definition_name_is_plain(const char *name);

/* The host as the API and `add` give it, "[user@]host": sets host and user. False, with what is wrong (no
 * memory too). Characters are judged by definition_check. */
bool definition_set_host(struct definition *d, const char *text,
                         struct definition_error *error) ADIT_MUST_USE;

/* "local", "dynamic", "remote" */
const char *definition_type_name(enum forward_type type);
/* False with the error that lists the three. */
bool definition_type_parse(enum forward_type *out, const char *text,
                           struct definition_error *error) ADIT_MUST_USE;
/* "10000+". False: it is something else. */
bool definition_port_counts_up(const char *text, uint16_t *first) ADIT_MUST_USE;

/* ---- What it says, for others. d was checked. */

/* The first forward: "L :8443 -> 10.0.0.5:443", "D :1080 SOCKS5", "R :8080 -> localhost:3000"; an arrow of
 * its own with utf8. A loopback address that is nothing special is not shown. */
void definition_spec(const struct definition *d, bool utf8, char out[static DEFINITION_SPEC_CAP]);
void definition_forward_text(const struct definition_forward *f, bool utf8,
                             char out[static DEFINITION_SPEC_CAP]);

/* For a session. counts_up is not in it: port is the first one to try. */
void definition_forward_spec(const struct definition_forward *f, struct forward_spec *out);

/* Equal texts: one connection can serve both, as far as that is known without ssh_config: host, port, user,
 * profile, jump hosts and the keywords given in the Tunnel. free() it; NULL: no memory. */
char *definition_connection_key(const struct definition *d) ADIT_MUST_USE;

#endif
