#include "ssh/algo.h"

#include <string.h>

#include "ssh/cert.h"
#include "ssh/msg.h"

/* ---- what there is ---- */

/* [RFC 4251 6a 6c] */
static const char kex_names[] =
    "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,"
    "curve25519-sha256,curve25519-sha256@libssh.org,"
    "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521";
#define CERT "-cert-v01@openssh.com"
#if ADIT_WITH_RSA
#define RSA_SIGNATURES   ",rsa-sha2-512,rsa-sha2-256"
#define RSA_CERTIFICATES ",rsa-sha2-512" CERT ",rsa-sha2-256" CERT
#else
#define RSA_SIGNATURES   ""
#define RSA_CERTIFICATES ""
#endif
#define SIGNATURES                                                             \
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521," \
    "sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com" RSA_SIGNATURES
static const char sig_names[] = SIGNATURES;
/* Of host keys and of our own, in ssh's order. */
static const char key_names[] =
    "ssh-ed25519" CERT ",ecdsa-sha2-nistp256" CERT ",ecdsa-sha2-nistp384" CERT ",ecdsa-sha2-nistp521" CERT
    ",sk-ssh-ed25519" CERT ",sk-ecdsa-sha2-nistp256" CERT RSA_CERTIFICATES "," SIGNATURES;
static const char mac_names[] = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
                                "hmac-sha2-256,hmac-sha2-512";

#define AES256 "aes256-gcm@openssh.com"
#define AES128 "aes128-gcm@openssh.com"
#define CHACHA "chacha20-poly1305@openssh.com"
#define CTR    "aes128-ctr,aes192-ctr,aes256-ctr"

/* AES-GCM goes first only where the CPU makes it the fastest; elsewhere it stands behind the ciphers that are
 * fast in software, and is still there for a peer that wants it.
 * [RFC 4251 9.3.1a] [RFC 4252 8b] [RFC 4253 6.3d] */
static const char *cipher_names(void)
{
    bool fast256 = crypto_has_fast_gcm(256), fast128 = crypto_has_fast_gcm(128);
    if (fast256 && fast128)
        return AES256 "," AES128 "," CHACHA "," CTR;
    if (fast256)
        return AES256 "," CHACHA "," AES128 "," CTR;
    if (fast128)
        return AES128 "," CHACHA "," AES256 "," CTR;
    return CHACHA "," AES128 "," AES256 "," CTR;
}

const char *algo_default(enum algo_kind kind)
{
    switch (kind) {
    case ALGO_KEX:
        return kex_names;
    case ALGO_HOST_KEY:
        return key_names;
    case ALGO_CIPHER:
        return cipher_names();
    case ALGO_MAC:
        return mac_names;
    case ALGO_PUBKEY:
        return key_names;
    case ALGO_SIG:
        return sig_names;
    }
    return "";
}

/* ---- ssh's list syntax ---- */

static bool any_matches(struct span patterns, struct span name)
{
    struct span one;
    while (names_next(&patterns, &one))
        if (adit_text_matches(one, name, false))
            return true;
    return false;
}

static bool has_wildcard(struct span s)
{
    return memchr(s.p, '*', s.n) != NULL || memchr(s.p, '?', s.n) != NULL;
}

/* A list under construction; names are added once. */
struct list {
    char *p;
    size_t cap, n;
    bool overflow;
};

static void list_add(struct list *l, struct span name)
{
    if (names_has((struct span){(const uint8_t *)l->p, l->n}, name))
        return;
    if (l->n + name.n + 2 > l->cap) {
        l->overflow = true;
        return;
    }
    if (l->n > 0)
        l->p[l->n++] = ',';
    memcpy(l->p + l->n, name.p, name.n);
    l->n += name.n;
    l->p[l->n] = 0;
}

/* The names of `from`, all of them or only those that do (not) match. */
enum select { SELECT_ALL, SELECT_MATCHING, SELECT_OTHERS };
static void list_add_selected(struct list *l, struct span from, enum select what, struct span patterns)
{
    struct span name;
    while (names_next(&from, &name))
        if (what == SELECT_ALL || any_matches(patterns, name) == (what == SELECT_MATCHING))
            list_add(l, name);
}

/* Names in the order the user gave them; one with a wildcard stands for the known ones it matches. */
static bool list_add_given(struct list *l, struct span known, struct span given, struct adit_error *err)
{
    struct span name;
    while (names_next(&given, &name)) {
        if (name.n == 0 || (!has_wildcard(name) && !names_has(known, name))) {
            adit_fail(err, ADIT_E_CONFIG, "unknown algorithm '%.*s'; known are %.*s", (int)name.n,
                      name.n == 0 ? "" : (const char *)name.p, (int)known.n, (const char *)known.p);
            return false;
        }
        list_add_selected(l, known, SELECT_MATCHING, name);
    }
    return true;
}

/* [RFC 4253 7.1c] */
bool algo_resolve(enum algo_kind kind, const char *spec, char *out, size_t cap, struct adit_error *err)
{
    struct span known = span_str(algo_default(kind));
    struct list l = {.p = out, .cap = cap};
    char sign = spec[0];
    struct span given = span_str(sign == '+' || sign == '-' || sign == '^' ? spec + 1 : spec);
    if (cap == 0)
        return false;
    out[0] = 0;
    if (sign == '+')
        list_add_selected(&l, known, SELECT_ALL, given);
    /* Removing what is not there is no error, as in ssh. */
    if (sign == '-')
        list_add_selected(&l, known, SELECT_OTHERS, given);
    else if (!list_add_given(&l, known, given, err))
        return false;
    if (sign == '^')
        list_add_selected(&l, known, SELECT_ALL, given);
    if (l.n > 0 && !l.overflow)
        return true;
    adit_fail(err, ADIT_E_CONFIG, "no algorithm is left of '%s'; known are %.*s", spec, (int)known.n,
              (const char *)known.p);
    return false;
}

/* ---- KEXINIT ---- */

/* [RFC 4253 7.1r] */
bool kexinit_parse(struct span payload, struct kexinit *init, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r); /* SSH_MSG_KEXINIT */
    init->cookie = rd_bytes(&r, 16);
    for (size_t i = 0; i < KEXINIT_LISTS; i++) {
        init->lists[i] = rd_namelist(&r);
        if (!rd_ok(&r)) {
            adit_fail(
                err, ADIT_E_PROTOCOL,
                "KEXINIT: name-list %d runs past the packet or holds forbidden characters (RFC 4253 §7.1)",
                (int)i + 1);
            return false;
        }
    }
    init->first_follows = rd_bool(&r);
    (void)rd_u32(&r); /* reserved for future extension */
    if (rd_done(&r))
        return true;
    adit_fail(err, ADIT_E_PROTOCOL, "KEXINIT: wrong length behind the name-lists (RFC 4253 §7.1)");
    return false;
}

void kexinit_write(struct wr *w, const struct kexinit *init)
{
    wr_u8(w, SSH_MSG_KEXINIT);
    wr_bytes(w, init->cookie);
    for (size_t i = 0; i < KEXINIT_LISTS; i++)
        wr_string(w, init->lists[i]);
    wr_bool(w, init->first_follows);
    wr_u32(w, 0);
}

bool algo_has_marker(const struct kexinit *init, const char *marker)
{
    return names_has(init->lists[KEXINIT_KEX], span_str(marker));
}

/* ---- the choice ---- */

static const char *const list_titles[KEXINIT_LISTS] = {
    "key exchange method",
    "host key algorithm",
    "cipher client to server",
    "cipher server to client",
    "MAC client to server",
    "MAC server to client",
    "compression",
    "compression",
    "language",
    "language",
};

/* RFC 4253 §7.1: the first algorithm on the client's list that is also on the server's MUST be chosen.
 * [RFC 4253 7.1e 7.1f 7.1g 7.1k] */
static bool choose(const struct kexinit *client, const struct kexinit *server, size_t list,
                   bool self_is_client, struct span *name, struct adit_error *err)
{
    struct span names = client->lists[list];
    while (names_next(&names, name))
        if (names_has(server->lists[list], *name))
            return true;
    struct span ours = (self_is_client ? client : server)->lists[list];
    struct span theirs = (self_is_client ? server : client)->lists[list];
    adit_fail(err, ADIT_E_NEGOTIATION, "no common %s: ours are %.*s; the peer's are %.*s", list_titles[list],
              ours.n > 500 ? 500 : (int)ours.n, ours.n == 0 ? "" : (const char *)ours.p,
              theirs.n > 500 ? 500 : (int)theirs.n, theirs.n == 0 ? "" : (const char *)theirs.p);
    return false;
}

/* [RFC 8308 2.2c] */
static const struct agree_method *agree_find(struct span name)
{
    for (const struct agree_method *m = agree_methods; m->name != NULL; m++)
        if (span_is(name, m->name))
            return m;
    return NULL;
}

/* A name of ours with a lifetime: the peer's spelling lives in a buffer. */
static const char *host_key_find(struct span name)
{
    static const char *const names[] = {"ssh-ed25519",
                                        "ecdsa-sha2-nistp256",
                                        "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521",
                                        "sk-ssh-ed25519@openssh.com",
                                        "sk-ecdsa-sha2-nistp256@openssh.com",
                                        "rsa-sha2-512",
                                        "rsa-sha2-256"};
    const char *sigalg = cert_sigalg(name);
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        if (span_is(name, names[i]))
            return names[i];
        if (sigalg != NULL && strcmp(sigalg, names[i]) == 0)
            return cert_alg_of_sigalg(span_str(sigalg));
    }
    return NULL;
}

static bool first_names_equal(const struct kexinit *a, const struct kexinit *b, size_t list)
{
    struct span la = a->lists[list], lb = b->lists[list], na = {0}, nb = {0};
    return names_next(&la, &na) && names_next(&lb, &nb) && span_eq(na, nb);
}

static bool unusable(struct span name, struct adit_error *err)
{
    adit_fail(err, ADIT_E_NEGOTIATION, "the peer and we agree on '%.*s', which this build does not have",
              (int)name.n, (const char *)name.p);
    return false;
}

/* [RFC 4253 6.2b 6.3b 6.4c 7.1h 7.1i 7.1j] */
static bool choose_direction(const struct kexinit *client, const struct kexinit *server, size_t dir,
                             bool self_is_client, struct algo_choice *choice, struct adit_error *err)
{
    struct span name;
    if (!choose(client, server, KEXINIT_CIPHER_C2S + dir, self_is_client, &name, err))
        return false;
    choice->cipher[dir] = cipher_alg_find(name);
    choice->mac[dir] = NULL;
    if (choice->cipher[dir] == NULL)
        return unusable(name, err);
    if (choice->cipher[dir]->tag_len == 0) { /* RFC 5647 §5.1: with an AEAD the MAC lists do not count */
        if (!choose(client, server, KEXINIT_MAC_C2S + dir, self_is_client, &name, err))
            return false;
        choice->mac[dir] = mac_alg_find(name);
        if (choice->mac[dir] == NULL)
            return unusable(name, err);
    }
    return choose(client, server, KEXINIT_COMP_C2S + dir, self_is_client, &name, err) &&
           (compress_alg_find(name, &choice->compress[dir]) || unusable(name, err));
}

bool algo_choose(const struct kexinit *client, const struct kexinit *server, bool self_is_client,
                 struct algo_choice *choice, struct adit_error *err)
{
    struct span name;
    if (!choose(client, server, KEXINIT_KEX, self_is_client, &name, err))
        return false;
    choice->kex = agree_find(name);
    if (choice->kex == NULL)
        return unusable(name, err);
    if (!choose(client, server, KEXINIT_HOST_KEY, self_is_client, &name, err))
        return false;
    choice->host_key = host_key_find(name);
    if (choice->host_key == NULL)
        return unusable(name, err);
    /* RFC 4253 §7: the guess is wrong when the first kex or the first host key names differ. */
    choice->guess_is_wrong = !first_names_equal(client, server, KEXINIT_KEX) ||
                             !first_names_equal(client, server, KEXINIT_HOST_KEY);
    return choose_direction(client, server, 0, self_is_client, choice, err) &&
           choose_direction(client, server, 1, self_is_client, choice, err);
}
