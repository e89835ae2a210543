/*
 * gcm_x86.c - AES-GCM by AES-NI and PCLMULQDQ, eight blocks at a time.
 *
 * GHASH's bits are reflected: byte-reversed, a block is the polynomial that PCLMULQDQ multiplies, but for a
 * factor of x. That factor is put into the powers of H once, when the key is made. Products are summed up
 * before they are reduced (one reduction for eight blocks), with Karatsuba's three multiplications for each
 * block; the reduction is Montgomery's, 64 bits at a time. From S. Gueron and M. Kounavis, "Intel Carry-Less
 * Multiplication Instruction and its Usage for Computing the GCM Mode", and S. Gueron, "AES-GCM for Efficient
 * Authenticated Encryption" (2013).
 *
 * AES waits for its own results most of the time, GHASH for its multiplier: the loop gives both to the CPU at
 * once. Nothing here branches on or looks up by anything but lengths.
 */
#include "gcm_x86.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#define X86        __attribute__((target("aes,pclmul,sse4.1")))
#define X86_INLINE X86 __attribute__((always_inline)) static inline
#define EACH       _Pragma("GCC unroll 8") for (size_t i = 0; i < GCM_X86_VECTORS; i++)

enum { BATCH_LEN = 16 * GCM_X86_VECTORS };

X86_INLINE __m128i load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

X86_INLINE void store(void *p, __m128i v)
{
    _mm_storeu_si128((__m128i *)p, v);
}

X86_INLINE __m128i reversed(__m128i v)
{
    return _mm_shuffle_epi8(v, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

X86_INLINE __m128i swapped(__m128i v)
{
    return _mm_shuffle_epi32(v, 0x4e);
}

/* ---- GHASH ------------------------------------------------------------------------------------------ */

/* A sum of 256-bit products; middle as Karatsuba has it, with low and high in it. */
struct product {
    __m128i low, middle, high;
};

X86_INLINE void product_add(struct product *p, __m128i a, __m128i h)
{
    p->low = _mm_xor_si128(p->low, _mm_clmulepi64_si128(a, h, 0x00));
    p->high = _mm_xor_si128(p->high, _mm_clmulepi64_si128(a, h, 0x11));
    a = _mm_xor_si128(a, swapped(a));
    h = _mm_xor_si128(h, swapped(h));
    p->middle = _mm_xor_si128(p->middle, _mm_clmulepi64_si128(a, h, 0x00));
    GCM_X86_KEEP(p);
}

/* The low 64 bits go away twice, each time as a multiple of the polynomial: x^128 + x^127 + x^126 + x^121 +
 * 1, reflected, whose upper half is the constant. */
X86_INLINE __m128i product_reduced(const struct product *p)
{
    const __m128i poly = _mm_set_epi64x(0, (long long)0xc200000000000000);
    __m128i middle = _mm_xor_si128(p->middle, _mm_xor_si128(p->low, p->high));
    middle = _mm_xor_si128(middle, swapped(p->low));
    middle = _mm_xor_si128(middle, _mm_clmulepi64_si128(p->low, poly, 0x00));
    __m128i high = _mm_xor_si128(p->high, swapped(middle));
    return _mm_xor_si128(high, _mm_clmulepi64_si128(middle, poly, 0x00));
}

X86_INLINE __m128i multiplied(__m128i a, __m128i h)
{
    struct product p = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    product_add(&p, a, h);
    return product_reduced(&p);
}

/* H^exponent. */
X86_INLINE __m128i power(const struct gcm_x86_key *k, size_t exponent)
{
    return load(k->power[GCM_X86_POWERS - exponent]);
}

/* v times x: one to the left; what falls out at x^128 comes back as the polynomial's other terms. */
X86 static __m128i doubled(__m128i v)
{
    const __m128i poly = _mm_set_epi64x((long long)0xc200000000000000, 1);
    __m128i carries = _mm_srli_epi64(v, 63);
    __m128i out = _mm_shuffle_epi32(_mm_srai_epi32(v, 31), 0xff);
    v = _mm_or_si128(_mm_slli_epi64(v, 1), _mm_slli_si128(carries, 8));
    return _mm_xor_si128(v, _mm_and_si128(out, poly));
}

X86 static void hash_aad(const struct gcm_x86_key *k, struct gcm_x86_run *r, struct span aad)
{
    __m128i hash = _mm_setzero_si128();
    for (size_t at = 0; at < aad.n; at += 16) {
        uint8_t block[16] = {0};
        memcpy(block, aad.p + at, aad.n - at < 16 ? aad.n - at : 16);
        hash = multiplied(_mm_xor_si128(hash, reversed(load(block))), power(k, 1));
    }
    store(r->hash, hash);
}

X86 static void hash_batch(const struct gcm_x86_key *k, struct gcm_x86_run *r, const uint8_t *p,
                           size_t blocks)
{
    struct product sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    __m128i x = load(r->hash);
    for (size_t i = 0; i < blocks; i++) {
        product_add(&sum, _mm_xor_si128(x, reversed(load(p + 16 * i))), power(k, blocks - i));
        x = _mm_setzero_si128();
    }
    store(r->hash, product_reduced(&sum));
}

/* ---- AES: eight blocks ------------------------------------------------------------------------------- */

/* The next eight counter blocks after the XOR with the first round key. */
X86_INLINE void aes_start(const struct gcm_x86_key *k, struct gcm_x86_run *r, __m128i s[GCM_X86_VECTORS])
{
    const __m128i one = _mm_set_epi32(0, 0, 0, 1);
    __m128i counter = load(r->counter), key = load(k->aes.round[0]);
    EACH
    {
        s[i] = _mm_xor_si128(reversed(counter), key);
        counter = _mm_add_epi32(counter, one);
    }
    store(r->counter, counter);
}

X86_INLINE void aes_round(const struct gcm_x86_key *k, size_t round, __m128i s[GCM_X86_VECTORS])
{
    __m128i key = load(k->aes.round[round]);
    EACH s[i] = _mm_aesenc_si128(s[i], key);
}

X86_INLINE void aes_rounds(const struct gcm_x86_key *k, size_t from, __m128i s[GCM_X86_VECTORS])
{
    for (size_t round = from; round < k->aes.rounds; round++)
        aes_round(k, round, s);
}

/* The last round and the XOR with the data are one: AESENCLAST ends with the XOR of its key. */
X86_INLINE void aes_end(const struct gcm_x86_key *k, __m128i s[GCM_X86_VECTORS], uint8_t *data)
{
    __m128i key = load(k->aes.round[k->aes.rounds]);
    EACH store(data + 16 * i, _mm_aesenclast_si128(s[i], _mm_xor_si128(key, load(data + 16 * i))));
}

X86 static void crypt_batch(const struct gcm_x86_key *k, struct gcm_x86_run *r, uint8_t *data)
{
    __m128i s[GCM_X86_VECTORS];
    aes_start(k, r, s);
    aes_rounds(k, 1, s);
    aes_end(k, s, data);
}

/* struct gcm_x86_kernel.run: each of the first eight rounds hashes a block. */
X86 static void run_batches(const struct gcm_x86_key *k, struct gcm_x86_run *r, uint8_t *data,
                            const uint8_t *hashed, size_t batches)
{
    struct gcm_x86_run run = *r;
    for (; batches > 0; batches--, data += BATCH_LEN, hashed += BATCH_LEN) {
        struct product sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
        __m128i s[GCM_X86_VECTORS], hash = load(run.hash);
        aes_start(k, &run, s);
        _Pragma("GCC unroll 8") for (size_t j = 0; j < GCM_X86_VECTORS; j++)
        {
            aes_round(k, j + 1, s);
            __m128i block = reversed(load(hashed + 16 * j));
            product_add(&sum, j == 0 ? _mm_xor_si128(block, hash) : block, power(k, GCM_X86_VECTORS - j));
        }
        aes_rounds(k, GCM_X86_VECTORS + 1, s);
        store(run.hash, product_reduced(&sum));
        aes_end(k, s, data);
    }
    *r = run;
}

X86 static void hash_whole_batch(const struct gcm_x86_key *k, struct gcm_x86_run *r, const uint8_t *hashed)
{
    hash_batch(k, r, hashed, GCM_X86_VECTORS);
}

static const struct gcm_x86_kernel narrow = {BATCH_LEN, run_batches, crypt_batch, hash_whole_batch};

/* ---- A message --------------------------------------------------------------------------------------- */

X86 static __m128i aes_block(const struct gcm_x86_key *k, __m128i block)
{
    block = _mm_xor_si128(block, load(k->aes.round[0]));
    for (size_t round = 1; round < k->aes.rounds; round++)
        block = _mm_aesenc_si128(block, load(k->aes.round[round]));
    return _mm_aesenclast_si128(block, load(k->aes.round[k->aes.rounds]));
}

/* SP 800-38D §7.1: J0 is the IV with the counter at 1; sealed, it masks the tag. The data begins with 2. The
 * mask goes to memory that is wiped: it has to outlive calls, and a register would be put where nobody wipes.
 */
X86 static void run_start(const struct gcm_x86_key *k, struct gcm_x86_run *r, const uint8_t iv[12],
                          struct span aad, uint8_t mask[16])
{
    uint32_t last;
    memcpy(&last, iv + 8, sizeof last);
    __m128i j0 = _mm_insert_epi32(_mm_loadl_epi64((const __m128i *)(const void *)iv), (int)last, 2);
    j0 = _mm_insert_epi32(j0, 0x01000000, 3);
    store(r->counter, _mm_add_epi32(reversed(j0), _mm_set_epi32(0, 0, 0, 1)));
    hash_aad(k, r, aad);
    store(mask, aes_block(k, j0));
    __asm__ volatile("" : : "r"(mask) : "memory");
}

/* All batches of the kernel that there are. To seal, hashing is one batch behind. Returns the bytes done. */
X86 static size_t run_kernel(const struct gcm_x86_kernel *kernel, const struct gcm_x86_key *k,
                             struct gcm_x86_run *r, uint8_t *data, size_t n, bool seals)
{
    size_t len = kernel->batch_len, batches = n / len;
    if (batches == 0)
        return 0;
    if (!seals)
        kernel->run(k, r, data, data, batches);
    else {
        kernel->crypt(k, r, data);
        kernel->run(k, r, data + len, data, batches - 1);
        kernel->hash(k, r, data + (batches - 1) * len);
    }
    return batches * len;
}

/* Blocks one by one: packets consist of whole ones, and memcpy would be called for a few bytes. */
X86_INLINE void copy(uint8_t *to, const uint8_t *from, size_t n)
{
    for (; n >= 16; n -= 16, to += 16, from += 16)
        store(to, load(from));
    if (n > 0)
        memcpy(to, from, n);
}

/* adit_wipe for a known number of whole blocks. The barrier stands inside the loop: the compiler would make
 * memset or "rep stos" of it, and their start costs a small packet as much as half of its AES (so does
 * zeroing by -ftrivial-auto-var-init: rest is declared uninitialized). */
X86_INLINE void zero(void *p, size_t n)
{
    for (size_t at = 0; at < n; at += 16) {
        store((uint8_t *)p + at, _mm_setzero_si128());
        __asm__ volatile("" : : "r"(p) : "memory");
    }
}

/* What is left, less than a batch, padded with zeros, and the block of lengths. */
X86 static void run_end(const struct gcm_x86_key *k, struct gcm_x86_run *r, uint8_t *data, size_t n,
                        __m128i lengths, bool seals)
{
    __attribute__((uninitialized)) uint8_t rest[BATCH_LEN + 16];
    size_t blocks = (n + 15) / 16;
    zero(rest, sizeof rest);
    copy(rest, data, n);
    if (seals) {
        crypt_batch(k, r, rest);
        copy(data, rest, n);
        if (n % 16 != 0)
            memset(rest + n, 0, 16 - n % 16);
    }
    store(rest + 16 * blocks, reversed(lengths));
    hash_batch(k, r, rest, blocks + 1);
    if (!seals) {
        crypt_batch(k, r, rest);
        copy(data, rest, n);
    }
    zero(rest, sizeof rest);
}

X86 static void run_message(const struct gcm_x86_key *k, const uint8_t iv[12], struct span aad, uint8_t *data,
                            size_t n, bool seals, uint8_t tag[16])
{
    struct gcm_x86_run r;
    uint8_t mask[16];
    uint64_t aad_bits = 8 * (uint64_t)aad.n, data_bits = 8 * (uint64_t)n;
    __m128i lengths = _mm_set_epi64x((long long)aad_bits, (long long)data_bits);
    run_start(k, &r, iv, aad, mask);
    size_t at = k->wide != NULL ? run_kernel(k->wide, k, &r, data, n, seals) : 0;
    at += run_kernel(&narrow, k, &r, data + at, n - at, seals);
    run_end(k, &r, data + at, n - at, lengths, seals);
    store(tag, _mm_xor_si128(reversed(load(r.hash)), load(mask)));
    zero(&r, sizeof r);
    zero(mask, sizeof mask);
}

X86 void gcm_x86_key_init(struct gcm_x86_key *k, struct span key, const struct gcm_x86_kernel *wide)
{
    memset(k, 0, sizeof *k);
    k->wide = wide;
    aes_x86_key_init(&k->aes, key);
    __m128i h = doubled(reversed(aes_block(k, _mm_setzero_si128()))), p = h;
    for (size_t i = GCM_X86_POWERS; i > 0; i--) {
        store(k->power[i - 1], p);
        p = multiplied(p, h);
    }
}

X86 void gcm_x86_seal(const struct gcm_x86_key *k, const uint8_t iv[12], struct span aad, uint8_t *data,
                      size_t n, uint8_t tag[16])
{
    run_message(k, iv, aad, data, n, true, tag);
}

X86 bool gcm_x86_open(const struct gcm_x86_key *k, const uint8_t iv[12], struct span aad, uint8_t *data,
                      size_t n, const uint8_t tag[16])
{
    uint8_t mine[16];
    run_message(k, iv, aad, data, n, false, mine);
    bool ok = adit_ct_eq(mine, tag, sizeof mine);
    zero(mine, sizeof mine);
    return ok;
}
#endif
