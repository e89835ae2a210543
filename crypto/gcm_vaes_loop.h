/*
 * gcm_vaes_loop.h - the loop of gcm_x86.c in wider vectors: gcm_vaes.c includes it once for each width, with
 *
 *   W(name)       the name for this width
 *   VEC, BLOCKS   the vector's type and how many blocks it holds
 *   VECTOR        the functions' attributes
 *   OP(name)      the intrinsic of this width; VEC_ZERO, VEC_XOR, VEC_LOAD, VEC_STORE: those whose names end
 * with it BROADCAST(v)  a block in every place, WIDEN(v): in the first place and zeros elsewhere FIRST(v) the
 * first block FOLDED(v)     the XOR of all blocks COUNTERS      0, 1, 2... as the 32-bit counters of the
 * blocks; COUNTERS_STEP: BLOCKS in each place
 */
#define VECTOR_INLINE VECTOR __attribute__((always_inline)) static inline

struct W(product) {
    VEC low, middle, high;
};

VECTOR_INLINE VEC W(reversed)(VEC v)
{
    return OP(shuffle_epi8)(v, BROADCAST(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

VECTOR_INLINE VEC W(swapped)(VEC v)
{
    return OP(shuffle_epi32)(v, 0x4e);
}

VECTOR_INLINE void W(product_add)(struct W(product) * p, VEC a, VEC h)
{
    p->low = VEC_XOR(p->low, OP(clmulepi64_epi128)(a, h, 0x00));
    p->high = VEC_XOR(p->high, OP(clmulepi64_epi128)(a, h, 0x11));
    a = VEC_XOR(a, W(swapped)(a));
    h = VEC_XOR(h, W(swapped)(h));
    p->middle = VEC_XOR(p->middle, OP(clmulepi64_epi128)(a, h, 0x00));
    GCM_X86_KEEP(p);
}

/* Reducing is linear: the places are reduced beside each other and added at the end. */
VECTOR_INLINE __m128i W(product_reduced)(const struct W(product) * p)
{
    const VEC poly = BROADCAST(_mm_set_epi64x(0, (long long)0xc200000000000000));
    VEC middle = VEC_XOR(p->middle, VEC_XOR(p->low, p->high));
    middle = VEC_XOR(middle, W(swapped)(p->low));
    middle = VEC_XOR(middle, OP(clmulepi64_epi128)(p->low, poly, 0x00));
    VEC high = VEC_XOR(p->high, W(swapped)(middle));
    high = VEC_XOR(high, OP(clmulepi64_epi128)(middle, poly, 0x00));
    return FOLDED(high);
}

VECTOR_INLINE VEC W(round_key)(const struct gcm_x86_key *k, size_t round)
{
    return BROADCAST(_mm_load_si128((const __m128i *)(const void *)k->aes.round[round]));
}

VECTOR_INLINE void W(aes_start)(const struct gcm_x86_key *k, VEC *counter, VEC s[GCM_X86_VECTORS])
{
    VEC key = W(round_key)(k, 0);
    EACH
    {
        s[i] = VEC_XOR(W(reversed)(*counter), key);
        *counter = OP(add_epi32)(*counter, COUNTERS_STEP);
    }
}

VECTOR_INLINE void W(aes_round)(const struct gcm_x86_key *k, size_t round, VEC s[GCM_X86_VECTORS])
{
    VEC key = W(round_key)(k, round);
    EACH s[i] = OP(aesenc_epi128)(s[i], key);
}

VECTOR_INLINE void W(aes_end)(const struct gcm_x86_key *k, size_t from, VEC s[GCM_X86_VECTORS], uint8_t *data)
{
    for (size_t round = from; round < k->aes.rounds; round++)
        W(aes_round)(k, round, s);
    VEC key = W(round_key)(k, k->aes.rounds);
    EACH VEC_STORE(data + 16 * BLOCKS * i,
                   OP(aesenclast_epi128)(s[i], VEC_XOR(key, VEC_LOAD(data + 16 * BLOCKS * i))));
}

/* Adds vector j of a batch; the hash so far belongs to the first one. */
VECTOR_INLINE void W(hash_vector)(const struct gcm_x86_key *k, struct W(product) * sum, __m128i hash,
                                  const uint8_t *hashed, size_t j)
{
    const uint8_t *power = k->power[GCM_X86_POWERS - BLOCKS * GCM_X86_VECTORS + BLOCKS * j];
    VEC block = W(reversed)(VEC_LOAD(hashed + 16 * BLOCKS * j));
    if (j == 0)
        block = VEC_XOR(block, WIDEN(hash));
    W(product_add)(sum, block, VEC_LOAD(power));
}

/* The same steps as in gcm_x86.c. Return the hash. */
VECTOR_INLINE __m128i W(run_batch)(const struct gcm_x86_key *k, VEC *counter, __m128i hash, uint8_t *data,
                                   const uint8_t *hashed)
{
    struct W(product) sum = {VEC_ZERO, VEC_ZERO, VEC_ZERO};
    VEC s[GCM_X86_VECTORS];
    W(aes_start)(k, counter, s);
    _Pragma("GCC unroll 8") for (size_t j = 0; j < GCM_X86_VECTORS; j++)
    {
        W(aes_round)(k, j + 1, s);
        W(hash_vector)(k, &sum, hash, hashed, j);
    }
    W(aes_end)(k, GCM_X86_VECTORS + 1, s, data);
    return W(product_reduced)(&sum);
}

VECTOR_INLINE VEC W(load_counter)(const struct gcm_x86_run *r)
{
    return OP(add_epi32)(BROADCAST(_mm_load_si128((const __m128i *)(const void *)r->counter)), COUNTERS);
}

VECTOR static void W(run_batches)(const struct gcm_x86_key *k, struct gcm_x86_run *r, uint8_t *data,
                                  const uint8_t *hashed, size_t batches)
{
    const size_t len = 16 * BLOCKS * GCM_X86_VECTORS;
    __m128i hash = _mm_load_si128((const __m128i *)(const void *)r->hash);
    VEC counter = W(load_counter)(r);
    for (; batches > 0; batches--, data += len, hashed += len)
        hash = W(run_batch)(k, &counter, hash, data, hashed);
    _mm_store_si128((__m128i *)(void *)r->hash, hash);
    _mm_store_si128((__m128i *)(void *)r->counter, FIRST(counter));
    _mm256_zeroupper();
}

VECTOR static void W(crypt_batch)(const struct gcm_x86_key *k, struct gcm_x86_run *r, uint8_t *data)
{
    VEC s[GCM_X86_VECTORS], counter = W(load_counter)(r);
    W(aes_start)(k, &counter, s);
    W(aes_end)(k, 1, s, data);
    _mm_store_si128((__m128i *)(void *)r->counter, FIRST(counter));
    _mm256_zeroupper();
}

VECTOR static void W(hash_batch)(const struct gcm_x86_key *k, struct gcm_x86_run *r, const uint8_t *hashed)
{
    struct W(product) sum = {VEC_ZERO, VEC_ZERO, VEC_ZERO};
    __m128i hash = _mm_load_si128((const __m128i *)(const void *)r->hash);
    for (size_t j = 0; j < GCM_X86_VECTORS; j++)
        W(hash_vector)(k, &sum, hash, hashed, j);
    _mm_store_si128((__m128i *)(void *)r->hash, W(product_reduced)(&sum));
    _mm256_zeroupper();
}

static const struct gcm_x86_kernel W(kernel) = {(size_t)16 * BLOCKS * GCM_X86_VECTORS, W(run_batches),
                                                W(crypt_batch), W(hash_batch)};

#undef VECTOR_INLINE
