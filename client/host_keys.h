/*
 * host_keys.h - which host keys are trusted: the known_hosts files, the pinned fingerprint, and what
 * StrictHostKeyChecking says about the rest.
 *
 * Files are read once, before the connection is made (the order of the algorithms needs them), and again
 * right before a line is added.
 */
#ifndef CLIENT_HOST_KEYS_H
#define CLIENT_HOST_KEYS_H

#include "adit.h"
#include "client/expand.h"
#include "client/files.h"
#include "client/known_hosts_command.h"
#include "client/options.h"
#include "client/prompt.h"
#include "ssh/known_hosts.h"

enum { HOST_KEYS_FILES_MAX = 32 };

/* What became of a key that was shown. */
enum host_key_verdict {
    HOST_KEY_NONE,    /* none was shown yet, or it is malformed */
    HOST_KEY_KNOWN,   /* trusted */
    HOST_KEY_UNKNOWN, /* nobody knows it, and nobody has accepted it */
    HOST_KEY_CHANGED, /* another one is known */
    HOST_KEY_REFUSED, /* revoked, not the pinned one, ...: not to be accepted either */
};

/* The last key that was judged, for whoever tells a person of it later. */
struct host_key_seen {
    enum host_key_verdict verdict;
    const char *type;                          /* "ED25519" */
    char fingerprint[KEY_FINGERPRINT_LEN + 1]; /* "SHA256:..." */
    char *line; /* UNKNOWN: what makes it known, for known_hosts, with its end; else NULL. Also NULL when
                 * there is no memory for it */
};

struct host_keys {
    const struct options *options; /* borrowed, as prompt is */
    const struct client_prompt *prompt;
    struct known_host_query query;
    struct known_host_query plain; /* the same host without its port: ssh takes its keys too */
    bool has_plain;
    uint16_t port;
    struct known_host_query address; /* CheckHostIP: the other end's, while a key is judged */
    bool has_address;
    struct known_hosts_command command;
    size_t command_at; /* which of the files is its output, when there is one */
    size_t count;
    size_t user_count; /* the first of them are the user's */
    struct host_keys_file {
        char *path;
        struct file text; /* empty for a missing file */
    } files[HOST_KEYS_FILES_MAX];
    struct texts revoked; /* RevokedHostKeys: paths */
    bool may_update;      /* the last key judged is a plain one that the user's files have, or that the user
                           * has said yes to: what UpdateHostKeys needs */
    char *add_to;         /* where new keys go: the first user file; NULL: nowhere */
    struct host_key_seen seen;
};

/* Reads the files. names->host_key is the name to look for (HostKeyAlias, then without the port). A missing
 * file is fine; one that cannot be read is a warning. ADIT_E_CONFIG, ADIT_E_MEMORY. */
enum adit_err host_keys_init(struct host_keys *h, const struct options *options,
                             const struct expand_names *names, const struct client_prompt *prompt,
                             struct adit_error *err) ADIT_MUST_USE;
void host_keys_wipe(struct host_keys *h);

/* The name-list `list` with the algorithms of keys that are known for this host moved to its front, and those
 * of certificates where it has an authority, as ssh does it, so that what is known is asked for. When the
 * options have no list, without sk-ecdsa-sha2-nistp256 where none is known. False when out is too small. */
bool host_keys_order(const struct host_keys *h, const char *list, char *out, size_t cap) ADIT_MUST_USE;

/* peer: the address of the other end, or empty when nobody knows it.
 * The decision about the key or certificate that the server has shown and proved to own. A certificate of an
 * authority that known_hosts has for this host must be right (cert_check_host, by the clock of the wall);
 * otherwise the key in it is judged like any other, as ssh does it. What RevokedHostKeys has is refused
 * whatever else is known, and so is everything when one of these files cannot be read. May ask the user and
 * may add a line. ADIT_E_OK: trusted. ADIT_E_HOST_KEY with the reason; a longer explanation goes to the
 * prompt's log. ADIT_E_MEMORY (also as of file_read): refused, and nothing is known of the key.
 */
enum adit_err host_keys_check(struct host_keys *h, struct span blob, const char *peer,
                              struct adit_error *err) ADIT_MUST_USE;

#endif
