/*
 * keyfile_seal.h - the encryption around a secret key in DER: RFC 1421's headers as OpenSSL writes them, and
 * PKCS#8's EncryptedPrivateKeyInfo (RFC 5958 §3) with PBES2 (RFC 8018 §6.2: PBKDF2 or scrypt, and AES or
 * triple DES in CBC) or PKCS#12's derivation and triple DES. For keyfile.c. Single DES, RC2, Camellia and the
 * like are unsupported: OpenSSL itself has given most of them up.
 */
#ifndef SSH_KEYFILE_SEAL_H
#define SSH_KEYFILE_SEAL_H

#include "adit.h"
#include "crypto/crypto.h"
#include "ssh/keyfile_der.h"

/* As many rounds of PBKDF2 cost some ten seconds. OpenSSL's default is 2048; people have gone to a million.
 */
enum { DER_SEAL_ROUNDS_MAX = 10 * 1000 * 1000 };

enum der_kdf {
    DER_KDF_MD5, /* with the IV's first 8 bytes as its salt */
    DER_KDF_PBKDF2,
    DER_KDF_SCRYPT, /* takes up to 32 MiB of memory for a while */
    DER_KDF_PKCS12, /* makes the IV too */
};

struct der_seal {
    bool is_des; /* triple DES; else AES with a key of key_len */
    size_t key_len, block_len;
    uint8_t iv[16]; /* block_len of them */
    enum der_kdf kdf;
    enum hash_alg prf; /* of PBKDF2 */
    struct span salt;
    uint32_t rounds;                     /* of PBKDF2 and PKCS#12 */
    uint32_t cost, block_size, parallel; /* of scrypt: they are affordable */
    struct wspan data;                   /* sealed */
};

/* dek_info: the value of the header, "AES-128-CBC,IV in hex"; data: what the PEM body has. */
enum der_result der_seal_read_pem(struct der_seal *seal, struct span dek_info,
                                  struct wspan data) ADIT_MUST_USE;
/* der: the body of an "ENCRYPTED PRIVATE KEY". */
enum der_result der_seal_read_pkcs8(struct der_seal *seal, struct wspan der) ADIT_MUST_USE;

/* Decrypts in place; *opened is the DER inside. False: the padding is wrong, so that the passphrase is. True
 * may still be a wrong passphrase, once in 256 times: the DER is then nonsense. */
bool der_seal_open(struct der_seal *seal, struct span passphrase, struct span *opened) ADIT_MUST_USE;

#endif
