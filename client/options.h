/*
 * options.h - the resolved options of one connection, in ssh_config(5)'s words.
 *
 * One table (options_table.c) knows every keyword. `-o` uses it, command-line flags set their keyword through
 * it, and ssh_config.h's reader does: whoever calls first wins (ssh_config(5): "the first obtained value will
 * be used"), except for the keywords that accumulate. A value is judged as ssh judges it and kept as given:
 * tokens, "~" and variables are expanded at their use (expand.h). What adit cannot do yet is kept too, so
 * that -G can show it; options_check refuses it by name.
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
enum canonicalize { CANONICALIZE_NO, CANONICALIZE_YES, CANONICALIZE_ALWAYS };
enum session_type { SESSION_TYPE_DEFAULT, SESSION_TYPE_NONE, SESSION_TYPE_SUBSYSTEM };
enum request_tty { REQUEST_TTY_AUTO, REQUEST_TTY_NO, REQUEST_TTY_YES, REQUEST_TTY_FORCE };
enum add_keys { ADD_KEYS_NO, ADD_KEYS_YES, ADD_KEYS_ASK, ADD_KEYS_CONFIRM };
enum update_host_keys { UPDATE_HOST_KEYS_NO, UPDATE_HOST_KEYS_YES, UPDATE_HOST_KEYS_ASK };
enum fingerprint_hash {
    FINGERPRINT_SHA256,
    FINGERPRINT_MD5,
    FINGERPRINT_SHA1,
    FINGERPRINT_SHA384,
    FINGERPRINT_SHA512,
};
enum control_master {
    CONTROL_MASTER_NO,
    CONTROL_MASTER_YES,
    CONTROL_MASTER_AUTO,
    CONTROL_MASTER_ASK,
    CONTROL_MASTER_AUTO_ASK,
};
enum pubkey_auth { PUBKEY_AUTH_NO, PUBKEY_AUTH_YES, PUBKEY_AUTH_UNBOUND, PUBKEY_AUTH_HOST_BOUND };
enum tunnel_mode { TUNNEL_NO, TUNNEL_POINT_TO_POINT, TUNNEL_ETHERNET };
enum detect { DETECT_NORMAL, DETECT_FAST };
enum verify_dns { VERIFY_DNS_NO, VERIFY_DNS_YES, VERIFY_DNS_ASK };
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

enum {
    OPTIONS_KEYWORDS_MAX = 192,
    OPTIONS_READY_NONE = -1,
    OPTIONS_ESCAPE_NONE = -1,
    OPTIONS_IP_QOS_NONE = -1,
    OPTIONS_KEYSTROKE_MS = 20, /* ObscureKeystrokeTiming yes */
};

/* Texts are NULL until they are set. A text that takes "none" keeps it as given: option_text() tells. Read it
 * freely; write it through options_set and its neighbours alone. */
struct options {
    bool is_set[OPTIONS_KEYWORDS_MAX]; /* by row of the table; see options_is_set */

    /* where and how to connect */
    char *host_name;         /* HostName: where to connect to, if not the name that was given */
    bool host_name_is_final; /* it has no tokens any more: ssh_config_resolve was there */
    char *user;
    bool user_is_literal; /* it was given beside the host's name or with -l: it has no tokens */
    uint16_t port;        /* 22 */
    uint32_t family;
    char *bind_address, *bind_interface;
    uint32_t connect_timeout_s;   /* 0: the system's */
    uint32_t connection_attempts; /* 1 */
    bool tcp_keepalive;           /* yes */
    uint32_t alive_interval_s;    /* 0 */
    uint32_t alive_count_max;     /* 3 */
    uint64_t rekey_bytes;         /* 0: by the cipher */
    uint32_t rekey_seconds;       /* 0: not by time */
    bool compression;             /* no */
    char *version_addendum;
    int ip_qos_interactive, ip_qos_bulk; /* IP_TOS values; OPTIONS_IP_QOS_NONE: leave it alone */
    char *proxy_command;                 /* "none" kept */
    char *proxy_jump;                    /* "none" kept; never set together with proxy_command */
    bool proxy_use_fdpass;               /* no */
    char *proxy_url;                     /* AditProxy: "none" kept */

    /* the name's canonical form: used by ssh_config.h */
    uint32_t canonicalize_hostname; /* enum canonicalize: no */
    struct texts canonical_domains;
    bool canonicalize_fallback_local;           /* yes */
    uint32_t canonicalize_max_dots;             /* 1 */
    struct texts canonicalize_permitted_cnames; /* "SOURCES:TARGETS" each, or "none" alone */

    /* algorithms: resolved lists; NULL: the default */
    char *kex, *ciphers, *macs;
    char *host_key_algorithms;
    bool host_key_order_is_free; /* HostKeyAlgorithms was not given as a whole: known types go first */
    char *pubkey_algorithms, *ca_algorithms;
    uint32_t required_rsa_size; /* RequiredRSASize: 1024; the key code's own floor of 2048 holds anyway */
    bool warn_weak_crypto;      /* yes */

    /* the server's key */
    uint32_t strict_host_key;                          /* enum strict_host_key: ask */
    struct texts user_known_hosts, global_known_hosts; /* empty unless set: the default files; "none" alone:
                                                          no file */
    struct texts fingerprints; /* AditHostKeyFingerprint: "SHA256:..." each, any of them will do */
    char *host_key_alias;
    bool hash_known_hosts; /* no */
    bool check_host_ip;    /* no */
    bool no_host_auth_localhost;
    bool visual_host_key;
    uint32_t fingerprint_hash;      /* enum fingerprint_hash: SHA256 */
    struct texts revoked_host_keys; /* empty, or "none" alone: none */
    char *known_hosts_command;      /* "none" kept */
    uint32_t update_host_keys;      /* enum update_host_keys: see options_update_host_keys */
    bool update_host_keys_is_set;
    uint32_t verify_host_key_dns; /* enum verify_dns: no. Accepted, with a note, and taken as no */

    /* who we are */
    uint32_t pubkey_auth_mode; /* enum pubkey_auth: yes. The next line is what most want to know */
    bool pubkey_auth, password_auth, kbdint_auth; /* yes */
    char *preferred_auth;                         /* NULL: publickey,keyboard-interactive,password */
    char *kbdint_devices;
    uint32_t password_prompts;      /* 3 */
    bool batch_mode;                /* no */
    struct texts identity_files;    /* as given, "none" included */
    struct texts certificate_files; /* as given, "none" included */
    bool identities_only;           /* no */
    char *identity_agent;           /* as given; NULL: SSH_AUTH_SOCK */
    bool forward_agent;             /* no */
    char *forward_agent_path;       /* ForwardAgent with a path or $VARIABLE; NULL: identity_agent */
    uint32_t add_keys_to_agent;     /* enum add_keys: no */
    uint32_t add_keys_lifetime_s;   /* 0: for ever */

    /* forwards */
    struct forward_spec *forwards; /* forward_count of them, in the order given */
    size_t forward_count;
    bool clear_all_forwardings;
    bool exit_on_forward_failure;
    bool any_address_will_do; /* for that: no keyword, but under the name ssh one of a forward's is enough */
    bool gateway_ports;
    uint32_t stream_local_bind_mask;  /* 0177 */
    bool stream_local_bind_unlink;    /* no */
    struct texts permit_remote_opens; /* "HOST:PORT" each; empty or "any" alone: all; "none" alone: nothing */
    struct texts channel_timeouts;    /* "TYPE=INTERVAL" each; empty or "none" alone: none */

    /* the session */
    uint32_t session_type; /* enum session_type: default; -N is none, -s subsystem */
    char *remote_command;  /* "none" kept */
    uint32_t request_tty;  /* enum request_tty: auto */
    bool stdin_null, fork_after_auth;
    struct texts send_env;          /* patterns */
    struct texts set_env;           /* "NAME=value" each */
    int escape_char;                /* '~'; OPTIONS_ESCAPE_NONE */
    bool enable_escape_commandline; /* no */
    char *local_command;            /* "none" kept */
    bool permit_local_command;      /* no */
    uint32_t obscure_keystroke_ms;  /* OPTIONS_KEYSTROKE_MS; 0: off */
    uint32_t control_master;        /* enum control_master: no */
    char *control_path;             /* "none" kept */
    bool control_persist;           /* no */
    uint32_t control_persist_s;     /* 0: for ever */

    /* ourselves */
    uint32_t log_level; /* enum log_level: INFO */
    struct texts log_verbose;
    char *syslog_facility; /* a name of syslog(3) as ssh_config has it; NULL: USER */
    char *tag, *refuse_connection;
    char *ignore_unknown;                      /* a pattern list */
    bool exit_codes;                           /* AditExitCodes */
    int ready_fd;                              /* AditReadyFd, or OPTIONS_READY_NONE */
    bool reconnect;                            /* AditReconnect */
    bool reclaim;                              /* AditReclaim: nothing without the one before */
    bool sandbox;                              /* AditSandbox: yes */
    uint32_t detect;                           /* enum detect: normal */
    uint32_t backoff_first_ms, backoff_cap_ms; /* AditBackoff; 0: the defaults of keep.h */

    /* what adit does not do: kept for -G; a note each when given */
    bool forward_x11, forward_x11_trusted; /* no, yes */
    uint32_t forward_x11_timeout_s;        /* 1200 */
    char *xauth_location;
    bool gssapi_auth, gssapi_delegate, gssapi_key_exchange, gssapi_renewal, gssapi_trust_dns;
    char *gssapi_client, *gssapi_server, *gssapi_kex;
    bool hostbased_auth, enable_ssh_keysign;
    char *hostbased_algorithms;
    char *pkcs11_provider, *security_key_provider;
    uint32_t tunnel;          /* enum tunnel_mode */
    char *tunnel_device;      /* "any:any" and the like */
    struct texts notes;       /* one line each, for the caller's log at INFO; filled by options_check */
    struct texts debug_notes; /* the same for DEBUG1 */
};

void options_init(struct options *o);
void options_wipe(struct options *o);

/* ADIT_E_USAGE: an unknown keyword or a bad value, with ssh's words; ADIT_E_MEMORY. A value that comes too
 * late (an earlier one won) is still checked. An unknown keyword that IgnoreUnknown (given before) matches is
 * fine and forgotten. */
enum adit_err options_set(struct options *o, const char *keyword, const char *value,
                          struct adit_error *err) ADIT_MUST_USE;

/* The same with a value that is one word as it stands: a flag's. */
enum adit_err options_set_word(struct options *o, const char *keyword, const char *value,
                               struct adit_error *err) ADIT_MUST_USE;

/* "Keyword=value", "Keyword value", "Keyword = value": the argument of -o. An empty one and a comment are
 * fine.
 */
enum adit_err options_set_line(struct options *o, const char *line, struct adit_error *err) ADIT_MUST_USE;

/* Blanks, a comment, or a lone '='. */
bool options_line_is_empty(const char *line);

/* A line's keyword and the rest of the line, as ssh_config(5) writes them. *value points into line, behind
 * blanks and one '='. False when there is no keyword (an empty line) or it is longer than any; quotes around
 * the keyword are taken off. */
enum { OPTIONS_KEYWORD_CAP = 64 };
bool options_split_line(const char *line, char keyword[static OPTIONS_KEYWORD_CAP],
                        const char **value) ADIT_MUST_USE;

/* The same as options_set for a line of a block that does not apply: checked and forgotten. */
enum adit_err options_check_value(const struct options *o, const char *keyword, const char *value,
                                  struct adit_error *err) ADIT_MUST_USE;

/* What is wrong with a line, around its keyword in lower case, as ssh shows it. Returns ADIT_E_USAGE. */
enum adit_err options_bad_keyword(struct adit_error *err, const char *before, const char *keyword,
                                  const char *behind);

/* Adds where a line stands to what is wrong with it, as ssh does: "NAME line N: ", or "NAME: line N: " where
 * the keyword is unknown. Returns code. */
enum adit_err options_bad_line(struct adit_error *err, enum adit_err code, const char *name, unsigned line,
                               const char *text);

/* True when somebody gave the keyword (its own spelling, any case). */
bool options_is_set(const struct options *o, const char *keyword);

/* Adds a forward that was parsed from a flag. */
enum adit_err options_add_forward(struct options *o, const struct forward_spec *spec,
                                  struct adit_error *err) ADIT_MUST_USE;

/* What the connection is to have when nobody said otherwise: a later caller's default for a keyword. value is
 * taken as it stands, without quotes or blanks having a meaning. */
enum adit_err options_default(struct options *o, const char *keyword, const char *value,
                              struct adit_error *err) ADIT_MUST_USE;
/* The user that stands beside a host's name or behind -l, unless another one was given before. */
enum adit_err options_set_user(struct options *o, const char *user, struct adit_error *err) ADIT_MUST_USE;

/* The last word: replaces what was given. value as options_default has it. Not for keywords that accumulate.
 */
enum adit_err options_override(struct options *o, const char *keyword, const char *value,
                               struct adit_error *err) ADIT_MUST_USE;

/* Once all is known, before connecting: ADIT_E_UNSUPPORTED "X is not supported yet" for a value that asks for
 * what is not built; makes the notes. */
enum adit_err options_check(struct options *o, struct adit_error *err) ADIT_MUST_USE;

/* ssh's default: yes while the user's known_hosts files are the default ones. */
enum update_host_keys options_update_host_keys(const struct options *o);

/* text, or NULL when it is NULL or "none" in any case. */
const char *option_text(const char *text);

#endif
