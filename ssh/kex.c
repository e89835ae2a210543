#include "ssh/kex.h"

#include <string.h>

#include "ssh/cert.h"
#include "ssh/key.h"
#include "ssh/msg.h"
#include "ssh/wire.h"

/* [RFC 8308 2.2b] */
const struct kex_side kex_side_client = {true, "ext-info-c", "kex-strict-c-v00@openssh.com", "ext-info-s",
                                         "kex-strict-s-v00@openssh.com"};
const struct kex_side kex_side_server = {false, "ext-info-s", "kex-strict-s-v00@openssh.com", "ext-info-c",
                                         "kex-strict-c-v00@openssh.com"};

enum { KEXINIT_MAX = 4096, KEX_LIST_MAX = 1024 };

struct kex_run {
    uint8_t init[KEXINIT_MAX]; /* our KEXINIT, until the peer's is known */
    size_t init_len;
    struct hash transcript; /* the exchange hash so far: V_C, V_S, I_C, I_S */
    const struct agree_method *method;
    struct agree_secret secret;
    uint8_t share[AGREE_SHARE_MAX]; /* our share */
    size_t share_len;
    uint8_t peer_share[AGREE_SHARE_MAX];
    size_t peer_share_len;
    uint8_t host_key[LIMIT_KEY_BLOB];
    size_t host_key_len;
    struct agree_k k;
    uint8_t h[HASH_MAX_LEN]; /* the exchange hash */
    size_t h_len;
};

void kex_init(struct kex *kex, const struct kex_side *side, const struct adit_alloc *memory,
              struct drbg *random)
{
    *kex = (struct kex){.side = side, .memory = memory, .random = random, .offers_strict = true};
}

/* [RFC 5656 9a] */
static void run_free(struct kex *kex)
{
    if (kex->run == NULL)
        return;
    adit_wipe(kex->run, sizeof(*kex->run));
    kex->memory->release(kex->memory->ctx, kex->run, sizeof(*kex->run));
    kex->run = NULL;
}

void kex_wipe(struct kex *kex)
{
    run_free(kex);
    if (kex->proof != NULL)
        kex->memory->release(kex->memory->ctx, kex->proof, kex->proof_len);
    adit_wipe(kex, sizeof(*kex));
}

static enum adit_err run_new(struct kex *kex, struct adit_error *err)
{
    kex->run = kex->memory->alloc(kex->memory->ctx, sizeof(*kex->run));
    if (kex->run == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for a key exchange");
    memset(kex->run, 0, sizeof(*kex->run));
    return ADIT_E_OK;
}

static enum adit_err send(struct packet *pk, const struct wr *w, struct adit_error *err)
{
    if (packet_send(pk, w))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_LIMIT, "no room for a key exchange message in the output buffer");
}

/* ---- KEXINIT ---- */

/* [RFC 4251 4.3a] [RFC 4253 7.1a] [RFC 8308 2.1a] */
static void fill_lists(const struct kex *kex, struct kexinit *init, uint8_t kex_list[KEX_LIST_MAX])
{
    struct wr w = wr_init(kex_list, KEX_LIST_MAX);
    wr_bytes(&w, span_str(kex->lists[0]));
    /* RFC 8308 §2.1 and PROTOCOL §1.9: markers, in the first KEXINIT only. */
    if (!kex->is_first_done) {
        wr_u8(&w, ',');
        wr_bytes(&w, span_str(kex->side->ext_info));
        if (kex->offers_strict) {
            wr_u8(&w, ',');
            wr_bytes(&w, span_str(kex->side->strict));
        }
    }
    init->lists[KEXINIT_KEX] = wr_done(&w);
    init->lists[KEXINIT_HOST_KEY] = span_str(kex->lists[1]);
    init->lists[KEXINIT_CIPHER_C2S] = init->lists[KEXINIT_CIPHER_S2C] = span_str(kex->lists[2]);
    init->lists[KEXINIT_MAC_C2S] = init->lists[KEXINIT_MAC_S2C] = span_str(kex->lists[3]);
    init->lists[KEXINIT_COMP_C2S] = init->lists[KEXINIT_COMP_S2C] =
        span_str(kex->compression != NULL ? kex->compression : "none");
}

/* Client: our share, made once the method is known, or guessed. */
static enum adit_err send_init(struct kex *kex, struct packet *pk, const struct agree_method *method,
                               struct adit_error *err)
{
    struct kex_run *run = kex->run;
    run->method = method;
    run->share_len = agree_begin(method, kex->random, &run->secret, run->share);
    struct wr w = packet_begin(pk, SSH_MSG_KEX_ECDH_INIT, 5 + run->share_len);
    wr_string(&w, (struct span){run->share, run->share_len});
    return send(pk, &w, err);
}

/* [RFC 4253 7.1b] */
static const struct agree_method *first_method(const struct kex *kex)
{
    struct span list = span_str(kex->lists[0]), name = {0};
    if (names_next(&list, &name))
        for (const struct agree_method *m = agree_methods; m->name != NULL; m++)
            if (span_is(name, m->name))
                return m;
    return NULL;
}

/* [RFC 4253 7.1c] */
enum adit_err kex_start(struct kex *kex, struct packet *pk, struct adit_error *err)
{
    uint8_t cookie[16], kex_list[KEX_LIST_MAX];
    if (run_new(kex, err) != ADIT_E_OK)
        return ADIT_E_MEMORY;
    struct kex_run *run = kex->run;
    /* [RFC 4253 7.1d] */
    drbg_bytes(kex->random, cookie, sizeof(cookie));
    struct kexinit init = {.cookie = {cookie, sizeof(cookie)}};
    const struct agree_method *guess = kex->guesses && kex->side->is_client ? first_method(kex) : NULL;
    /* [RFC 4253 7.1l] */
    init.first_follows = guess != NULL;
    fill_lists(kex, &init, kex_list);
    struct wr w = wr_init(run->init, sizeof(run->init));
    kexinit_write(&w, &init);
    if (!wr_ok(&w) || init.lists[KEXINIT_KEX].n == 0)
        return adit_fail(err, ADIT_E_CONFIG, "the algorithm lists are too long for KEXINIT");
    run->init_len = w.used;
    struct wr out = packet_begin(pk, SSH_MSG_KEXINIT, run->init_len);
    wr_bytes(&out, span_sub(wr_done(&w), 1, run->init_len));
    if (send(pk, &out, err) != ADIT_E_OK)
        return err->code;
    kex->self_started = true;
    return guess == NULL ? ADIT_E_OK : send_init(kex, pk, guess, err);
}

static void hash_string(struct hash *h, struct span s)
{
    uint8_t n[4];
    put_u32(n, (uint32_t)s.n);
    hash_update(h, n, sizeof(n));
    hash_update(h, s.p, s.n);
}

/* RFC 4253 §8: H begins with V_C, V_S, I_C, I_S; hashed at once, the peer's KEXINIT need not be kept.
 * [RFC 4253 4.2i 8c] */
static void transcript_begin(struct kex *kex, struct span init_peer)
{
    struct kex_run *run = kex->run;
    struct span init_self = {run->init, run->init_len};
    bool is_client = kex->side->is_client;
    hash_init(&run->transcript, kex->choice.kex->hash);
    hash_string(&run->transcript, is_client ? kex->ident_self : kex->ident_peer);
    hash_string(&run->transcript, is_client ? kex->ident_peer : kex->ident_self);
    hash_string(&run->transcript, is_client ? init_self : init_peer);
    hash_string(&run->transcript, is_client ? init_peer : init_self);
}

/* PROTOCOL §1.9: strict when both sides said so, decided in the first exchange alone. */
static enum adit_err note_markers(struct kex *kex, const struct packet *pk, const struct kexinit *peer,
                                  struct adit_error *err)
{
    if (kex->is_first_done)
        return ADIT_E_OK;
    kex->peer_has_ext_info = algo_has_marker(peer, kex->side->peer_ext_info);
    kex->is_strict = kex->offers_strict && algo_has_marker(peer, kex->side->peer_strict);
    if (kex->is_strict && pk->rx.packets > 1) /* sequence numbers wrap, this does not */
        return adit_fail(
            err, ADIT_E_PROTOCOL,
            "strict key exchange: KEXINIT was not the peer's first packet (OpenSSH PROTOCOL §1.9)");
    return ADIT_E_OK;
}

enum adit_err kex_on_kexinit(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err)
{
    struct kexinit peer, self;
    /* [RFC 4253 7.1p] */
    if (kex->peer_started)
        return adit_fail(err, ADIT_E_PROTOCOL, "KEXINIT in the middle of a key exchange (RFC 4253 §7.1)");
    if (!kexinit_parse(payload, &peer, err) || note_markers(kex, pk, &peer, err) != ADIT_E_OK)
        return err->code;
    /* [RFC 4253 9a] */
    if (!kex->self_started && kex_start(kex, pk, err) != ADIT_E_OK)
        return err->code;
    kex->peer_started = true;
    struct kex_run *run = kex->run;
    if (!kexinit_parse((struct span){run->init, run->init_len}, &self, err))
        return err->code;
    bool is_client = kex->side->is_client;
    if (!algo_choose(is_client ? &self : &peer, is_client ? &peer : &self, is_client, &kex->choice, err))
        return err->code;
    /* [RFC 4253 7b] */
    kex->ignore_next = peer.first_follows && kex->choice.guess_is_wrong;
    transcript_begin(kex, payload);
    /* [RFC 4253 7a] */
    bool has_guessed_right = self.first_follows && !kex->choice.guess_is_wrong;
    if (!is_client || has_guessed_right)
        return ADIT_E_OK;
    return send_init(kex, pk, kex->choice.kex, err);
}

/* ---- the exchange hash and the keys ---- */

/* K as it is hashed: an mpint, or the string of a hybrid method. Returns its length.
 * [RFC 4253 7.2b] [RFC 5656 4c] [RFC 8731 3.1a] */
static size_t encode_k(const struct kex *kex, uint8_t out[AGREE_K_MAX + 8])
{
    struct span k = {kex->run->k.bytes, kex->run->k.n};
    struct wr w = wr_init(out, AGREE_K_MAX + 8);
    if (kex->choice.kex->is_hybrid)
        wr_string(&w, k);
    else
        wr_mpint(&w, k);
    return w.used;
}

/* RFC 4253 §8, RFC 5656 §4: ... K_S, Q_C, Q_S, K. [RFC 4253 7.2d 8c 9c] */
static void finish_hash(struct kex *kex)
{
    struct kex_run *run = kex->run;
    struct span self = {run->share, run->share_len}, peer = {run->peer_share, run->peer_share_len};
    uint8_t k[AGREE_K_MAX + 8];
    size_t k_len = encode_k(kex, k);
    hash_string(&run->transcript, (struct span){run->host_key, run->host_key_len});
    hash_string(&run->transcript, kex->side->is_client ? self : peer);
    hash_string(&run->transcript, kex->side->is_client ? peer : self);
    hash_update(&run->transcript, k, k_len);
    hash_out(&run->transcript, run->h);
    run->h_len = hash_len(kex->choice.kex->hash);
    adit_wipe(k, sizeof(k));
    if (kex->session_id_len == 0) { /* RFC 4253 §7.2: the first H is the session identifier, for good */
        memcpy(kex->session_id, run->h, run->h_len);
        kex->session_id_len = run->h_len;
    }
}

/* RFC 4253 §7.2: HASH(K || H || X || session_id), extended by HASH(K || H || what there is so far).
 * [RFC 4253 7.2a 7.2b 7.2c] */
static void derive(const struct kex *kex, char letter, uint8_t *out, size_t n)
{
    enum hash_alg alg = kex->choice.kex->hash;
    uint8_t k[AGREE_K_MAX + 8], key[2 * HASH_MAX_LEN];
    size_t k_len = encode_k(kex, k), have = 0;
    while (have < n) {
        struct hash h;
        hash_init(&h, alg);
        hash_update(&h, k, k_len);
        hash_update(&h, kex->run->h, kex->run->h_len);
        if (have == 0) {
            hash_update(&h, &letter, 1);
            hash_update(&h, kex->session_id, kex->session_id_len);
        } else {
            hash_update(&h, key, have);
        }
        hash_out(&h, key + have);
        have += hash_len(alg);
        adit_wipe(&h, sizeof(h));
    }
    memcpy(out, key, n);
    adit_wipe(k, sizeof(k));
    adit_wipe(key, sizeof(key));
}

/* [RFC 4253 6.2b 6.2d] */
static enum adit_err start_compression(const struct kex *kex, struct packet *pk, bool is_tx,
                                       struct adit_error *err)
{
    enum compress_alg alg = kex->choice.compress[is_tx == kex->side->is_client ? 0 : 1];
    bool is_on = alg == COMPRESS_ZLIB || (alg == COMPRESS_DELAYED && kex->is_authenticated);
    if (is_tx ? packet_set_packing(pk, is_on) : packet_set_unpacking(pk, is_on))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_MEMORY, "no memory for compression");
}

enum adit_err kex_authenticated(struct kex *kex, struct packet *pk, struct adit_error *err)
{
    kex->is_authenticated = true;
    for (size_t is_tx = 0; is_tx < 2; is_tx++)
        if (kex->choice.compress[(is_tx == 1) == kex->side->is_client ? 0 : 1] == COMPRESS_DELAYED &&
            start_compression(kex, pk, is_tx == 1, err) != ADIT_E_OK)
            return ADIT_E_MEMORY;
    return ADIT_E_OK;
}

/* [RFC 4253 6.3b 6.4c 9b 9d] */
static void take_keys(const struct kex *kex, struct packet_side *side, bool is_tx)
{
    uint8_t iv[CIPHER_IV_MAX], key[CIPHER_KEY_MAX], mackey[CIPHER_MACKEY_MAX];
    size_t dir = is_tx == kex->side->is_client ? 0 : 1; /* 0: client to server */
    const struct cipher_alg *alg = kex->choice.cipher[dir];
    const struct mac_alg *mac = kex->choice.mac[dir];
    derive(kex, (char)('A' + dir), iv, alg->iv_len);
    derive(kex, (char)('C' + dir), key, alg->key_len);
    derive(kex, (char)('E' + dir), mackey, mac == NULL ? 0 : mac->key_len);
    packet_set_keys(side, alg, mac, key, iv, mackey);
    if (kex->is_strict) /* PROTOCOL §1.9: sequence numbers start anew with the keys */
        side->seq = 0;
    adit_wipe(iv, sizeof(iv));
    adit_wipe(key, sizeof(key));
    adit_wipe(mackey, sizeof(mackey));
}

/* ---- NEWKEYS ---- */

static void end_if_done(struct kex *kex)
{
    if (kex->self_started || kex->peer_started)
        return;
    kex->is_first_done = true;
    kex->done_count++;
    run_free(kex);
}

/* [RFC 4253 7.3a] */
static enum adit_err send_newkeys(struct kex *kex, struct packet *pk, struct adit_error *err)
{
    struct wr w = packet_begin(pk, SSH_MSG_NEWKEYS, 1);
    if (send(pk, &w, err) != ADIT_E_OK)
        return err->code;
    take_keys(kex, &pk->tx, true);
    /* RFC 4253 §6.2: compression starts anew with each key exchange. */
    if (start_compression(kex, pk, true, err) != ADIT_E_OK)
        return err->code;
    kex->self_started = false;
    end_if_done(kex);
    return ADIT_E_OK;
}

/* [RFC 4253 7.3b] */
enum adit_err kex_on_newkeys(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err)
{
    /* Our NEWKEYS went out when the exchange hash was known and the host key accepted. */
    if (!kex->peer_started || kex->self_started)
        return adit_fail(err, ADIT_E_PROTOCOL,
                         "NEWKEYS before the key exchange was finished (RFC 4253 §7.3)");
    if (payload.n != 1)
        return adit_fail(err, ADIT_E_PROTOCOL, "NEWKEYS with trailing bytes (RFC 4253 §7.3)");
    take_keys(kex, &pk->rx, false);
    if (start_compression(kex, pk, false, err) != ADIT_E_OK)
        return err->code;
    kex->peer_started = false;
    end_if_done(kex);
    return ADIT_E_OK;
}

/* ---- the shares: client ---- */

static enum adit_err check_same_host_key(struct kex *kex, struct span host_key, struct adit_error *err)
{
    uint8_t hash[32];
    hash_of(HASH_SHA256, host_key, hash);
    if (!kex->is_first_done)
        memcpy(kex->host_key_hash, hash, sizeof(hash));
    else if (!adit_ct_eq(hash, kex->host_key_hash, sizeof(hash)))
        return adit_fail(err, ADIT_E_HOST_KEY, "the server showed another host key at a re-exchange of keys");
    return ADIT_E_OK;
}

/* The key that signs the exchange: the host key itself, or the one that its certificate is about.
 * [RFC 4253 6.6b 8b] [RFC 8332 3.1a] */
static enum adit_err verify_exchange(const struct kex *kex, struct span signature, struct adit_error *err)
{
    struct span blob = kex_host_key(kex), name = span_str(kex->choice.host_key);
    const char *behind = cert_sigalg(name);
    struct cert cert;
    struct key key;
    if (behind == NULL ? !key_parse(&key, blob) : !cert_parse(&cert, blob))
        return adit_fail(err, ADIT_E_PROTOCOL, "the server's host key is malformed (RFC 4253 §6.6)");
    if (behind == NULL)
        return key_verify(&key, name, signature, kex_to_sign(kex), err);
    return key_verify(&cert.key, span_str(behind), signature, kex_to_sign(kex), err);
}

/* Agents and servers are shown it later: OpenSSH PROTOCOL §2.5 and PROTOCOL.agent. */
static enum adit_err keep_proof(struct kex *kex, struct span signature, struct adit_error *err)
{
    struct span key = kex_host_key(kex);
    if (kex->is_first_done || kex->proof != NULL)
        return ADIT_E_OK;
    kex->proof = kex->memory->alloc(kex->memory->ctx, key.n + signature.n);
    if (kex->proof == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for a key exchange");
    memcpy(kex->proof, key.p, key.n);
    memcpy(kex->proof + key.n, signature.p, signature.n);
    kex->proof_key_len = key.n;
    kex->proof_len = key.n + signature.n;
    return ADIT_E_OK;
}

struct span kex_first_host_key(const struct kex *kex)
{
    return span_make(kex->proof, kex->proof_key_len);
}

struct span kex_first_signature(const struct kex *kex)
{
    return span_sub(span_make(kex->proof, kex->proof_len), kex->proof_key_len, kex->proof_len);
}

enum adit_err kex_on_reply(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err)
{
    struct kex_run *run = kex->run;
    if (!kex->peer_started || !kex->self_started || run->h_len != 0)
        return adit_fail(err, ADIT_E_PROTOCOL, "KEX_ECDH_REPLY out of place (RFC 5656 §4)");
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    struct span host_key = rd_string_max(&r, LIMIT_KEY_BLOB);
    struct span share = rd_string_max(&r, AGREE_SHARE_MAX);
    struct span signature = rd_string_max(&r, LIMIT_SIGNATURE);
    if (!rd_done(&r))
        return adit_fail(err, ADIT_E_PROTOCOL, "KEX_ECDH_REPLY: wrong lengths (RFC 5656 §4)");
    kex->has_failed = !agree_finish(kex->choice.kex, &run->secret, share, &run->k, err);
    if (kex->has_failed)
        return err->code;
    memcpy(run->host_key, host_key.p, run->host_key_len = host_key.n);
    memcpy(run->peer_share, share.p, run->peer_share_len = share.n);
    finish_hash(kex);
    /* [RFC 4253 8d] */
    if (verify_exchange(kex, signature, err) != ADIT_E_OK ||
        check_same_host_key(kex, kex_host_key(kex), err) != ADIT_E_OK ||
        keep_proof(kex, signature, err) != ADIT_E_OK)
        return err->code;
    if (kex->is_first_done)
        return send_newkeys(kex, pk, err);
    kex->want = KEX_WANT_HOST_KEY_VERDICT;
    return ADIT_E_OK;
}

enum adit_err kex_accept_host_key(struct kex *kex, struct packet *pk, struct adit_error *err)
{
    kex->want = KEX_WANT_NOTHING;
    return send_newkeys(kex, pk, err);
}

struct span kex_host_key(const struct kex *kex)
{
    return kex->run == NULL ? (struct span){0} : (struct span){kex->run->host_key, kex->run->host_key_len};
}

/* ---- the shares: server ---- */

enum adit_err kex_on_init(struct kex *kex, struct packet *pk, struct span payload, struct adit_error *err)
{
    struct kex_run *run = kex->run;
    (void)pk;
    if (!kex->peer_started || !kex->self_started || run->peer_share_len != 0)
        return adit_fail(err, ADIT_E_PROTOCOL, "KEX_ECDH_INIT out of place (RFC 5656 §4)");
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    struct span share = rd_string_max(&r, AGREE_SHARE_MAX);
    if (!rd_done(&r))
        return adit_fail(err, ADIT_E_PROTOCOL, "KEX_ECDH_INIT: wrong lengths (RFC 5656 §4)");
    kex->has_failed =
        !agree_respond(kex->choice.kex, kex->random, share, run->share, &run->share_len, &run->k, err);
    if (kex->has_failed)
        return err->code;
    memcpy(run->peer_share, share.p, run->peer_share_len = share.n);
    kex->want = KEX_WANT_HOST_KEY;
    return ADIT_E_OK;
}

enum adit_err kex_give_host_key(struct kex *kex, struct span blob, struct adit_error *err)
{
    if (blob.n == 0 || blob.n > LIMIT_KEY_BLOB)
        return adit_fail(err, ADIT_E_CONFIG, "no host key for %s", kex->choice.host_key);
    memcpy(kex->run->host_key, blob.p, kex->run->host_key_len = blob.n);
    finish_hash(kex);
    kex->want = KEX_WANT_SIGNATURE;
    return ADIT_E_OK;
}

/* [RFC 4253 8b] */
struct span kex_to_sign(const struct kex *kex)
{
    return kex->run == NULL ? (struct span){0} : (struct span){kex->run->h, kex->run->h_len};
}

enum adit_err kex_give_signature(struct kex *kex, struct packet *pk, struct span signature,
                                 struct adit_error *err)
{
    struct kex_run *run = kex->run;
    kex->want = KEX_WANT_NOTHING;
    if (signature.n == 0)
        return adit_fail(err, ADIT_E_HOST_KEY, "the host key could not sign");
    struct wr w =
        packet_begin(pk, SSH_MSG_KEX_ECDH_REPLY, 13 + run->host_key_len + run->share_len + signature.n);
    wr_string(&w, (struct span){run->host_key, run->host_key_len});
    wr_string(&w, (struct span){run->share, run->share_len});
    wr_string(&w, signature);
    if (send(pk, &w, err) != ADIT_E_OK)
        return err->code;
    return send_newkeys(kex, pk, err);
}

/* ---- when it is time again ---- */

/* RFC 4344 §3.2: 2^(L/4) blocks with one key for L-bit blocks; with 64-bit blocks a gigabyte (RFC 4253 §9).
 * A sequence number is never used twice with one key: 2^31 packets (RFC 4344 §3.1), 2^28 at the very most
 * (RFC 4251 §9.3.2). [RFC 4251 9.3.2a 9.3.3a] */
static bool side_is_due(const struct packet_side *side, uint64_t limit)
{
    const uint64_t most_packets = (uint64_t)1 << 28;
    uint64_t most = side->cipher.block_len >= 16 ? (uint64_t)1 << 36 : (uint64_t)1 << 30;
    if (limit == 0 || limit > most)
        limit = most;
    return side->bytes >= limit || side->packets >= most_packets;
}

bool kex_is_due(const struct kex *kex, const struct packet *pk, uint64_t limit_bytes)
{
    return kex->is_first_done && !kex->self_started && !kex->peer_started &&
           (side_is_due(&pk->rx, limit_bytes) || side_is_due(&pk->tx, limit_bytes));
}
