/*
 * known_hosts.h - the text of known_hosts files: read, matched, judged and written as ssh does
 * (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
 *
 * Pure functions on text: no file is opened here, nothing is allocated, no name is looked up.
 */
#ifndef SSH_KNOWN_HOSTS_H
#define SSH_KNOWN_HOSTS_H

#include "adit.h"
#include "ssh/key.h"
#include "ssh/wire.h"

/* ---- Lines --------------------------------------------------------------------------------------- */

enum known_host_status { KNOWN_HOST_OK, KNOWN_HOST_BLANK /* or a comment */, KNOWN_HOST_BAD };
enum known_host_marker { KNOWN_HOST_PLAIN, KNOWN_HOST_REVOKED, KNOWN_HOST_CERT_AUTHORITY };

/* RSA 16384 takes 2.1 KiB; a line with a longer key is bad. */
enum { KNOWN_HOST_BLOB_MAX = 4096 };

struct known_host_line {
    enum known_host_status status;
    const char *why;  /* KNOWN_HOST_BAD: the reason, a constant text; else NULL */
    size_t number;    /* from 1 */
    struct span text; /* the whole line without its end */
    /* KNOWN_HOST_OK: */
    enum known_host_marker marker;
    struct span patterns;  /* as written: "a,b.example,!c" or "|1|salt|hash" */
    struct span type_name; /* as written */
    enum key_type type;    /* KEY_NONE for a type that this build does not know */
    struct span blob;      /* in the reader's buffer: until the next known_hosts_next */
    struct span comment;
};

/* About 4 KiB. Spans of the lines point into text, which must stay. */
struct known_hosts_reader {
    struct span rest;
    size_t number;
    uint8_t blob[KNOWN_HOST_BLOB_MAX];
};
void known_hosts_reader_init(struct known_hosts_reader *r, struct span text);
/* The next line, false at the end. A bad line never ends the iteration. */
bool known_hosts_next(struct known_hosts_reader *r, struct known_host_line *line);

/* ---- Matching ------------------------------------------------------------------------------------ */

/* The name under which ssh keeps a host: "host", or "[host]:port" for a port other than 22; in lower case. */
struct known_host_query {
    char name[LIMIT_HOST + sizeof "[]:65535"];
};
/* False for an empty or overlong host, and for characters that could not stand in a line (blanks, controls,
 * commas, and * ? ! | # @ where they would be read as something else). IPv6 addresses come without brackets.
 */
bool known_host_query_init(struct known_host_query *q, struct span host, uint16_t port) ADIT_MUST_USE;

/* Patterns with * and ?, "!" negation (one negated match loses the line), case-insensitive; or one hashed
 * name. */
bool known_host_matches(struct span patterns, const struct known_host_query *q);

/* Bits 1u << enum key_type of the keys known for the host in this text: unmarked lines alone; and
 * KNOWN_HOSTS_CA when a @cert-authority line matches. For the order of the host key algorithms. */
enum { KNOWN_HOSTS_CA = 1 << KEY_TYPES };
uint32_t known_hosts_types(struct known_hosts_reader *r, const struct known_host_query *q);

/* ---- The verdict on an offered key ----------------------------------------------------------------
 * known_hosts_check_init, known_hosts_check_text once a file, then read it. In ascending weight: */
enum known_hosts_verdict {
    KNOWN_HOSTS_UNKNOWN,     /* no key of this host */
    KNOWN_HOSTS_OTHER_TYPES, /* keys of other types are known. ssh treats it as unknown and says so */
    KNOWN_HOSTS_CHANGED,     /* another key of this type is known, and this one is not */
    KNOWN_HOSTS_MATCH,       /* this very key is known */
    KNOWN_HOSTS_REVOKED,     /* this very key is marked @revoked for this host: nothing outweighs it */
};

struct known_hosts_check {
    /* in */
    struct known_host_query query;
    struct span blob; /* the offered key; must stay */
    enum key_type type;
    struct span ca; /* empty, or: the key came in a certificate of this authority, and only lines about
                     * authorities count. MATCH: a @cert-authority line has it. REVOKED: it or the key is. Set
                     * it after known_hosts_check_init; must stay */
    /* out */
    enum known_hosts_verdict verdict;
    size_t file_index, line_number; /* the first line that gave the verdict; 0 and 0 for unknown */
    uint32_t types;                 /* as known_hosts_types */
    bool has_cert_authority;        /* a @cert-authority line matches the host */
    struct known_hosts_reader reader;
};
/* query for a port other than 22 finds "[host]:port" alone. ssh then takes a key known for the plain host
 * too, when nothing is known for the port: a caller that wants that makes a second check with port 22. False:
 * blob has no type name. */
bool known_hosts_check_init(struct known_hosts_check *c, const struct known_host_query *q,
                            struct span blob) ADIT_MUST_USE;
/* on_bad, where not NULL, is told of each bad line (for a warning with file and line). */
void known_hosts_check_text(struct known_hosts_check *c, size_t file_index, struct span text,
                            void (*on_bad)(void *ctx, size_t file_index, const struct known_host_line *line),
                            void *ctx);

/* ---- Writing -------------------------------------------------------------------------------------- */

/* Appends "name type base64\n". False when w has no room or blob has no type name. */
bool known_hosts_write(struct wr *w, const struct known_host_query *q, struct span blob) ADIT_MUST_USE;
/* The same with the name hashed: "|1|salt|hash". salt: random. */
bool known_hosts_write_hashed(struct wr *w, const struct known_host_query *q, const uint8_t salt[static 20],
                              struct span blob) ADIT_MUST_USE;

#endif
