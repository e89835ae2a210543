/*
 * identity.h - the keys and certificates that we may offer: from files, from the environment, from the agent.
 *
 * Order: keys given as text ($ADIT_KEY, then -i env: and fd:), the certificates that CertificateFile names,
 * agent keys that an IdentityFile names too, the other agent keys (not with IdentitiesOnly), then the files'
 * keys, all as ssh orders them; a certificate goes before the key that it is about. Without a
 * CertificateFile, KEY-cert.pub beside a key file is looked for. Without an IdentityFile the default files
 * ~/.ssh/id_rsa, id_ecdsa and id_ed25519 are looked at, in that order (and, behind its kind, the .pub files
 * of the -sk ones, whose keys only an agent can use).
 *
 * Passphrases are asked for only when a signature is wanted, that is after the server has said that the key
 * would do.
 */
#ifndef CLIENT_IDENTITY_H
#define CLIENT_IDENTITY_H

#include "adit.h"
#include "client/expand.h"
#include "client/files.h"
#include "client/options.h"
#include "client/prompt.h"
#include "ssh/keyfile.h"

enum { IDENTITY_MAX = 128 }; /* more keys than any server lets us try */

struct identity {
    char *name;    /* a path, "$ADIT_KEY", or the agent's comment, cleaned */
    uint8_t *blob; /* the public key, or the certificate: what is offered */
    size_t
        blob_len; /* 0: not known before the key is unlocked (PEM without a .pub file): see identity_unlock */
    bool is_cert;
    uint8_t *plain; /* the key that a certificate is about; NULL when it is none: see identity_plain */
    size_t plain_len;
    enum key_type type;      /* of the key, also where it is a certificate */
    struct identity *signer; /* certificates: the identity of the same key, which can sign; NULL: the agent
                              * has the certificate itself */
    bool in_agent;
    bool is_named;             /* an IdentityFile or a .pub names it */
    bool is_default;           /* ... because it lies where ssh looks by itself */
    bool is_text;              /* came as text, not as a file */
    struct key_secret *secret; /* secret_new memory; NULL: in the agent, or still encrypted */
    char *comment;             /* of the file that held the secret, cleaned; NULL: its format has none */
    struct file sealed;        /* the text of an encrypted key, while there is no secret */
    /* for whoever walks the list */
    bool was_added;    /* to the agent, or it was tried (AddKeysToAgent) */
    bool was_accepted; /* by the server, in a partial success: not offered again */
    bool is_dead;      /* cannot sign: not offered again */
};

struct identities {
    const struct options *options; /* borrowed, as prompt is */
    const struct client_prompt *prompt;
    /* The first credential that could not be had just now: ADIT_E_MEMORY, or ADIT_E_LIMIT of an agent with
     * too many callers. Who is refused without it is not refused for good. The pointer leads to the other. */
    struct adit_error lacking, *lack;
    char *agent_path; /* NULL: no agent */
    /* borrowed, set before identity_sign: what the agent is shown of the server; empty: nothing */
    struct span host_key, host_signature, session_id;
    size_t count;
    struct identity *item[IDENTITY_MAX];
};

/* Reads files and asks the agent; what cannot be used is a warning in the prompt's log (a missing default
 * file not even that). ADIT_E_CONFIG for an option that cannot be expanded, ADIT_E_MEMORY
 * (also as of file_read and agent_call: a key that is there is not left out for that). */
enum adit_err identities_init(struct identities *ids, const struct options *options,
                              const struct expand_names *names, const struct client_prompt *prompt,
                              struct adit_error *err) ADIT_MUST_USE;
/* The socket that a value of IdentityAgent or ForwardAgent stands for (NULL: SSH_AUTH_SOCK), as a text to be
 * freed; NULL: there is none. ADIT_E_CONFIG, ADIT_E_MEMORY. */
enum adit_err identity_agent_path(char **out, const char *option, const struct expand_names *names,
                                  struct adit_error *err) ADIT_MUST_USE;
void identities_wipe(struct identities *ids);

/* The key itself, without its certificate: what fingerprints are made of. */
struct span identity_plain(const struct identity *id);

/* What a log calls it, as ssh: "NAME KIND FINGERPRINT", then " explicit" and " agent". */
enum { IDENTITY_TEXT_CAP = EXPAND_PATH_CAP + 128 };
void identity_describe(const struct identity *id, char out[static IDENTITY_TEXT_CAP]);

/* The server has accepted id in a partial success: neither it nor another form of its key is offered again.
 */
void identities_accepted(struct identities *ids, const struct identity *id);

/* NULL when there is none. */
struct identity *identities_find(struct identities *ids, struct span blob);

/* Asks for the passphrase of a key whose public half is sealed too. False: it was not given, BatchMode, or
 * the key is in the list already; id is dead then. True at once for the others. */
bool identity_unlock(struct identities *ids, struct identity *id) ADIT_MUST_USE;

/* May be signed with before the server was asked: nobody has to unlock, confirm or touch anything, and the
 * key was meant for this (an unencrypted file, or an agent key that is named and is no sk-* one). */
bool identity_needs_no_probe(const struct identity *id);

/* Makes an SSH signature blob over data. alg: as it is offered, a certificate's name included. Asks for a
 * passphrase when the key is encrypted, as often as NumberOfPasswordPrompts says; the key of a file is added
 * to the agent as AddKeysToAgent says. *len: what was written to out (LIMIT_SIGNATURE bytes). An error
 * with the reason; the identity is dead then. */
enum adit_err identity_sign(struct identities *ids, struct identity *id, struct span alg, struct span data,
                            uint8_t out[static LIMIT_SIGNATURE], size_t *len,
                            struct adit_error *err) ADIT_MUST_USE;

#endif
