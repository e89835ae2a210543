/*
 * keyfile.h - private key files and .pub lines: from the bytes of a file to a key.
 *
 * Formats: openssh-key-v1 (OpenSSH PROTOCOL.key), plain and encrypted (bcrypt; aes256-ctr, aes256-cbc,
 * aes256-gcm@openssh.com); PEM PKCS#1 RSA, SEC1 EC (RFC 5915) and PKCS#8 (RFC 5208: RSA, EC; RFC 8410:
 * Ed25519), plain and encrypted (keyfile_seal.h). DSA and formats of other programs are refused by name with
 * what to do.
 *
 * Reads no file. Allocates nothing: the caller lends scratch memory, which is wiped before the call
 * returns. The caller wipes the text itself.
 */
#ifndef SSH_KEYFILE_H
#define SSH_KEYFILE_H

#include "adit.h"
#include "ssh/key.h"

enum keyfile_status {
    KEYFILE_OK,
    KEYFILE_NEEDS_PASSPHRASE, /* encrypted, and no passphrase was given; the public key is known for
                                 openssh-key-v1 */
    KEYFILE_WRONG_PASSPHRASE, /* as above */
    KEYFILE_UNSUPPORTED,      /* a valid file of a kind that is not used: err says what, and what to do */
    KEYFILE_CORRUPT,          /* err says what */
};

/* A passphrase costs rounds x ~5 ms. ssh-keygen's default is 16 (24 since 10.0); a file that asks for more
 * than this would keep us busy for over a minute and is refused. */
enum { KEYFILE_ROUNDS_MAX = 16 * 1024, KEYFILE_COMMENT_MAX = 255 };

struct keyfile {
    enum keyfile_status status;
    struct key_secret secret;              /* KEYFILE_OK alone; else empty */
    uint8_t public_blob[KEY_PUBLIC_MAX];   /* public_len bytes, 0 while not known. Also of an encrypted */
    size_t public_len;                     /* openssh-key-v1 file without its passphrase, and of sk-* files */
    char comment[KEYFILE_COMMENT_MAX + 1]; /* cleaned; "" when it is empty, still sealed, or there is none */
    bool has_comment;                      /* an open openssh-key-v1 file: no other format has any */
};

/* Parses text (at most LIMIT_FILE_KEY bytes). passphrase: NULL when none was given. scratch: at least text.n
 * bytes, wiped on return, not overlapping text. The text of err has no file name: the caller puts it before.
 * Returns out->status. Error codes: ADIT_E_KEY_FILE, and ADIT_E_AUTH for the two passphrase results. */
enum keyfile_status keyfile_parse(struct keyfile *out, struct span text, const struct span *passphrase,
                                  struct wspan scratch, struct adit_error *err) ADIT_MUST_USE;
void keyfile_wipe(struct keyfile *file);

/* One line of a .pub file: "type base64 [comment]". type is the key's own name; blob is decoded into the
 * memory of buffer (3/4 of the line is always enough; keys above LIMIT_KEY_BLOB are refused); comment points
 * into the line. False for anything else, or when the type is not that of the blob. Types that we do not know
 * pass (an agent may hold the key). */
struct pubkey_line {
    struct span type, blob, comment;
};
bool pubkey_line_parse(struct pubkey_line *out, struct span line, struct wspan buffer) ADIT_MUST_USE;

#endif
