/*
 * options.h - the resolved options of one connection, in ssh_config(5)'s words.
 *
 * One table knows every keyword. `-o` uses it, command-line flags set their keyword through it, and a reader
 * of ssh_config files will: whoever calls first wins (ssh_config(5): "the first obtained value will be
 * used"), except for the keywords that accumulate. A keyword of ssh that adit does not have yet is refused by
 * name unless the value asks for what adit does anyway ("Compression no").
 *
 * Nothing here opens a file, looks at the environment or prints.
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include "adit.h"
#include "client/forward_spec.h"
#include "client/texts.h"

enum strict_host_key { STRICT_ASK, STRICT_YES, STRICT_ACCEPT_NEW, STRICT_NO };
enum options_family { FAMILY_ANY, FAMILY_INET, FAMILY_INET6 };
enum log_level {
    LOG_LEVEL_QUIET,
    LOG_LEVEL_FATAL,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_INFO,
    LOG_LEVEL_VERBOSE,
    LOG_LEVEL_DEBUG1,
    LOG_LEVEL_DEBUG2,
    LOG_LEVEL_DEBUG3,
};

enum { OPTIONS_KEYWORDS_MAX = 160, OPTIONS_READY_NONE = -1 };

/* Texts are NULL until they are set. Read it freely; write it through options_set alone (but for log_level,
 * which -v and -q have the last word on). */
struct options {
    bool is_set[OPTIONS_KEYWORDS_MAX]; /* by row of the table; see options_is_set */

    char *host_name; /* HostName: where to connect to, if not the name that was given */
    char *user;
    uint16_t port;    /* 22 */
    char *proxy_jump; /* ProxyJump as given, "none" included; NULL: not given */
    uint32_t family;
    uint32_t connect_timeout_s; /* 0: the system's */
    bool tcp_keepalive;         /* yes */
    uint32_t alive_interval_s;  /* 0 */
    uint32_t alive_count_max;   /* 3 */
    uint64_t rekey_bytes;       /* 0: by the cipher */
    uint32_t rekey_seconds;     /* 0: not by time */

    char *kex, *ciphers, *macs; /* resolved lists; NULL: the default */
    char *host_key_algorithms;
    bool host_key_order_is_free; /* HostKeyAlgorithms was not given as a whole: known types go first */
    char *pubkey_algorithms;

    uint32_t strict_host_key;                          /* enum strict_host_key: ask */
    struct texts user_known_hosts, global_known_hosts; /* empty unless set: the default files; "none" alone:
                                                          no file */
    struct texts fingerprints; /* AditHostKeyFingerprint: "SHA256:..." each, any of them will do */
    char *host_key_alias;
    bool hash_known_hosts; /* no */

    bool pubkey_auth, password_auth, kbdint_auth; /* yes */
    char *preferred_auth;                         /* NULL: publickey,keyboard-interactive,password */
    uint32_t password_prompts;                    /* 3 */
    bool batch_mode;                              /* no */
    struct texts identity_files;                  /* as given, "none" included */
    bool identities_only;                         /* no */
    char *identity_agent;                         /* as given; NULL: SSH_AUTH_SOCK */

    struct forward_spec *forwards; /* forward_count of them, in the order given */
    size_t forward_count;
    bool clear_all_forwardings;
    bool exit_on_forward_failure;
    bool gateway_ports;
    bool no_session; /* SessionType none: -N */

    uint32_t log_level; /* enum log_level: INFO */
    bool exit_codes;    /* AditExitCodes */
    int ready_fd;       /* AditReadyFd, or OPTIONS_READY_NONE */
};

void options_init(struct options *o);
void options_wipe(struct options *o);

/* ADIT_E_USAGE: an unknown keyword or a bad value; ADIT_E_UNSUPPORTED: ssh has it and adit does not yet;
 * ADIT_E_MEMORY. The text names the keyword. A value that comes too late (an earlier one won) is still
 * checked. */
enum adit_err options_set(struct options *o, const char *keyword, const char *value,
                          struct adit_error *err) ADIT_MUST_USE;

/* "Keyword=value", "Keyword value", "Keyword = value": the argument of -o, or a line of a file. */
enum adit_err options_set_line(struct options *o, const char *line, struct adit_error *err) ADIT_MUST_USE;

/* True when somebody gave the keyword (its own spelling, any case). */
bool options_is_set(const struct options *o, const char *keyword);

/* Adds a forward that was parsed from a flag. */
enum adit_err options_add_forward(struct options *o, const struct forward_spec *spec,
                                  struct adit_error *err) ADIT_MUST_USE;

/* What the connection is to have when nobody said otherwise: a later caller's default for a keyword. value is
 * taken as it stands, without quotes or blanks having a meaning. */
enum adit_err options_default(struct options *o, const char *keyword, const char *value,
                              struct adit_error *err) ADIT_MUST_USE;

#endif
