#include "subjects.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "net/random.h"

enum { PACKET_LEN = 1024 + 16, POOL = 32 };

static struct drbg drbg; /* seeded at first need */
static bool is_seeded;

static void random_bytes(void *out, size_t n)
{
    if (!is_seeded) {
        uint8_t seed[32];
        struct adit_error err = {0};
        if (random_seed(seed, sizeof seed, &err) != ADIT_E_OK)
            abort();
        drbg_init(&drbg, seed);
        is_seeded = true;
    }
    drbg_bytes(&drbg, out, n);
}

/* Zero, or random: the same work for both, since what a class does before the measurement can be felt within
 * it. */
static void fill(unsigned class, void *out, size_t n)
{
    uint8_t random[PACKET_LEN + 64], *to = out, mask = (uint8_t)(0U - class);
    random_bytes(random, n);
    for (size_t i = 0; i < n; i++)
        to[i] = random[i] & mask;
}

/* ---- comparisons ------------------------------------------------------------------------------------------ */

static struct {
    uint8_t a[32], b[32];
} pair;
static volatile bool seen;

static void pair_input(unsigned class)
{
    fill(class, pair.a, sizeof pair.a);
    memset(pair.b, 0, sizeof pair.b);
}

static void ct_eq_run(void)
{
    seen = adit_ct_eq(pair.a, pair.b, sizeof pair.a);
}

/* What a comparison must not be. */
static void early_exit_run(void)
{
    const volatile uint8_t *a = pair.a, *b = pair.b;
    size_t i = 0;
    while (i < sizeof pair.a && a[i] == b[i])
        i++;
    seen = i == sizeof pair.a;
}

/* ---- packets ---------------------------------------------------------------------------------------------- */

static struct {
    const struct cipher_alg *alg;
    const struct mac_alg *mac;
    size_t n;
    struct cipher cipher;
    _Alignas(64) uint8_t bytes[PACKET_LEN + 64 + CIPHER_TAG_MAX];
} packet;

static void packet_start(const char *alg, const char *mac, bool is_portable)
{
    crypto_force_portable(is_portable);
    if (!crypto_init())
        abort();
    packet.alg = cipher_alg_find(span_str(alg));
    packet.mac = mac == NULL ? NULL : mac_alg_find(span_str(mac));
    packet.n = PACKET_LEN + (packet.alg->tag_len > 0 || packet.mac->etm ? 4 : 0);
}

static void put_length(void)
{
    uint32_t n = (uint32_t)packet.n - 4;
    for (int i = 0; i < 4; i++)
        packet.bytes[i] = (uint8_t)(n >> (24 - 8 * i));
}

/* Keys and contents: all zero, or random. Where a counter starts is not among the secrets: its carry takes a
 * branch. */
static void seal_input(unsigned class)
{
    uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX] = {2}, mackey[CIPHER_MACKEY_MAX];
    fill(class, key, sizeof key);
    fill(class, mackey, sizeof mackey);
    fill(class, packet.bytes, packet.n);
    put_length();
    cipher_init(&packet.cipher, packet.alg, packet.mac, key, iv, mackey);
}

static void seal_run(void)
{
    cipher_seal(&packet.cipher, 1, packet.bytes, packet.n);
}

/* A tag that is wrong in its first byte, or in its last. */
static void open_input(unsigned class)
{
    uint8_t key[CIPHER_KEY_MAX] = {1}, iv[CIPHER_IV_MAX] = {2}, mackey[CIPHER_MACKEY_MAX] = {3};
    struct cipher sealing;
    fill(1, packet.bytes, packet.n);
    put_length();
    cipher_init(&sealing, packet.alg, packet.mac, key, iv, mackey);
    cipher_init(&packet.cipher, packet.alg, packet.mac, key, iv, mackey);
    cipher_seal(&sealing, 1, packet.bytes, packet.n);
    packet.bytes[packet.n] ^= (uint8_t)(1 - class);
    packet.bytes[packet.n + packet.cipher.tag_len - 1] ^= (uint8_t) class;
}

static void open_run(void)
{
    seen = cipher_open(&packet.cipher, 1, packet.bytes, packet.n);
}

#define PACKET_SUBJECT(id, alg, mac)   \
    static void start_##id(void)       \
    {                                  \
        packet_start(alg, mac, false); \
    }                                  \
    static void start_plain_##id(void) \
    {                                  \
        packet_start(alg, mac, true);  \
    }
PACKET_SUBJECT(chacha, "chacha20-poly1305@openssh.com", NULL)
PACKET_SUBJECT(gcm128, "aes128-gcm@openssh.com", NULL)
PACKET_SUBJECT(gcm256, "aes256-gcm@openssh.com", NULL)
PACKET_SUBJECT(ctr_etm, "aes128-ctr", "hmac-sha2-256-etm@openssh.com")
PACKET_SUBJECT(ctr_512, "aes256-ctr", "hmac-sha2-512")

/* ---- RSA: d mod (p - 1) ----------------------------------------------------------------------------------- */

static struct {
    uint8_t d[256], p[128], out[RSA_MAX_LEN / 2 + 1];
    size_t out_len;
} rsa;

/* Lengths and oddness are public. */
static void rsa_input(unsigned class)
{
    fill(class, rsa.d, sizeof rsa.d);
    fill(class, rsa.p, sizeof rsa.p);
    rsa.d[0] |= 0x80;
    rsa.p[0] |= 0x80;
    rsa.p[sizeof rsa.p - 1] |= 1;
}

static void rsa_run(void)
{
    seen = rsa_derive_exponent(span_make(rsa.d, sizeof rsa.d), span_make(rsa.p, sizeof rsa.p), rsa.out,
                               &rsa.out_len);
}

/* ---- sntrup761 -------------------------------------------------------------------------------------------- */

struct exchange {
    uint8_t seed[32], pk[SNTRUP761_PK_LEN], sk[SNTRUP761_SK_LEN], ct[SNTRUP761_CT_LEN];
};

static struct exchange pool[POOL], now;
static uint8_t shared[SNTRUP761_SS_LEN];

/* Whether a seed is good is public: a bad one is not used. */
static void pool_start(void)
{
    for (size_t i = 0; i < POOL; i++) {
        uint8_t seed[32];
        do
            random_bytes(pool[i].seed, sizeof pool[i].seed);
        while (!sntrup761_keypair(pool[i].pk, pool[i].sk, pool[i].seed));
        random_bytes(seed, sizeof seed);
        sntrup761_encaps(pool[i].ct, shared, pool[i].pk, seed);
    }
}

/* Always the same key, or any. Both are copied from the pool. */
static void key_input(unsigned class)
{
    uint8_t which;
    random_bytes(&which, 1);
    now = pool[(which % POOL) & (0U - class)];
}

/* A good ciphertext, or one that decapsulation must refuse without a sign. */
static void ciphertext_input(unsigned class)
{
    uint8_t which;
    random_bytes(&which, 1);
    now = pool[which % POOL];
    now.ct[which % 128] ^= (uint8_t) class;
}

static void decaps_run(void)
{
    sntrup761_decaps(shared, now.ct, now.sk);
}

static void keypair_run(void)
{
    seen = sntrup761_keypair(now.pk, now.sk, now.seed);
}

const struct subject subjects[] = {
    {"planted: a comparison that ends early", NULL, pair_input, early_exit_run, true},
    {"comparison of tags", NULL, pair_input, ct_eq_run, false},
    {"chacha20-poly1305, seal", start_chacha, seal_input, seal_run, false},
    {"chacha20-poly1305, seal, portable", start_plain_chacha, seal_input, seal_run, false},
    {"chacha20-poly1305, wrong tag", start_chacha, open_input, open_run, false},
    {"aes128-gcm, seal", start_gcm128, seal_input, seal_run, false},
    {"aes256-gcm, seal", start_gcm256, seal_input, seal_run, false},
    {"aes256-gcm, seal, portable", start_plain_gcm256, seal_input, seal_run, false},
    {"aes128-gcm, wrong tag", start_gcm128, open_input, open_run, false},
    {"aes128-gcm, wrong tag, portable", start_plain_gcm128, open_input, open_run, false},
    {"aes128-ctr with hmac-sha2-256-etm, seal", start_ctr_etm, seal_input, seal_run, false},
    {"aes128-ctr with hmac-sha2-256-etm, seal, portable", start_plain_ctr_etm, seal_input, seal_run, false},
    {"aes128-ctr with hmac-sha2-256-etm, wrong tag", start_ctr_etm, open_input, open_run, false},
    {"aes256-ctr with hmac-sha2-512, seal", start_ctr_512, seal_input, seal_run, false},
    {"aes256-ctr with hmac-sha2-512, seal, portable", start_plain_ctr_512, seal_input, seal_run, false},
    {"RSA, d mod (p - 1)", NULL, rsa_input, rsa_run, false},
    {"sntrup761, key pair, one seed or any", pool_start, key_input, keypair_run, false},
    {"sntrup761, decapsulation, one key or any", pool_start, key_input, decaps_run, false},
    {"sntrup761, decapsulation, good or refused", pool_start, ciphertext_input, decaps_run, false},
    {0},
};
