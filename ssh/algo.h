/*
 * algo.h - algorithm names: what this build has, KEXINIT, and the choice between two offers
 * (RFC 4253 §7.1; OpenSSH PROTOCOL §1.9 strict key exchange; RFC 8308 §2.1 ext-info).
 */
#ifndef SSH_ALGO_H
#define SSH_ALGO_H

#include "adit.h"
#include "crypto/crypto.h"
#include "ssh/agree.h"
#include "ssh/compress.h"
#include "ssh/wire.h"

/* SIG: signature algorithms alone, without the names of certificates (CASignatureAlgorithms,
 * server-sig-algs). */
enum algo_kind { ALGO_KEX, ALGO_HOST_KEY, ALGO_CIPHER, ALGO_MAC, ALGO_PUBKEY, ALGO_SIG };

/* Every name of a kind that this build knows, in the default order, comma-separated. The order of the
 * ciphers depends on the CPU (call crypto_init first). Lives as long as the program. */
const char *algo_default(enum algo_kind kind);
/* A list of ssh's syntax (names, or +names, -names, ^names, with * and ? where they select among the known)
 * applied to the default list. False: an unknown name, or nothing is left. */
bool algo_resolve(enum algo_kind kind, const char *spec, char *out, size_t cap,
                  struct adit_error *err) ADIT_MUST_USE;

/* The ten name-lists of KEXINIT, in its order. */
enum {
    KEXINIT_KEX,
    KEXINIT_HOST_KEY,
    KEXINIT_CIPHER_C2S,
    KEXINIT_CIPHER_S2C,
    KEXINIT_MAC_C2S,
    KEXINIT_MAC_S2C,
    KEXINIT_COMP_C2S,
    KEXINIT_COMP_S2C,
    KEXINIT_LANG_C2S,
    KEXINIT_LANG_S2C,
    KEXINIT_LISTS
};

struct kexinit {
    struct span cookie; /* 16 bytes */
    struct span lists[KEXINIT_LISTS];
    bool first_follows;
};

/* payload starts with the message number. The spans point into it. */
bool kexinit_parse(struct span payload, struct kexinit *init, struct adit_error *err) ADIT_MUST_USE;
void kexinit_write(struct wr *w, const struct kexinit *init);

/* What both sides want, by the first name of the client's that the server has too. */
struct algo_choice {
    const struct agree_method *kex;
    const char *host_key;               /* signature algorithm, or a certificate's name for one: see cert.h */
    const struct cipher_alg *cipher[2]; /* [0] client to server, [1] server to client */
    const struct mac_alg *mac[2];       /* NULL with an AEAD */
    enum compress_alg compress[2];
    bool guess_is_wrong; /* RFC 4253 §7: a guessed packet is to be ignored */
};

/* False: nothing in common for one list; err prints both sides' lists. */
bool algo_choose(const struct kexinit *client, const struct kexinit *server, bool self_is_client,
                 struct algo_choice *choice, struct adit_error *err) ADIT_MUST_USE;

/* True when the kex list has the marker (kex-strict-c-v00@openssh.com, ext-info-c, ...). */
bool algo_has_marker(const struct kexinit *init, const char *marker);

#endif
