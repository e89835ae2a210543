#include "fuzz/fuzz.h"
#include "ssh/kex.h"
#include "ssh/msg.h"

enum { RECORDS_HEAD = 1 };
#include "fuzz/records.h"

/* Byte 0: the method and our role. The rest are messages of a peer whose KEXINIT was honest: the share and
 * the reply, then anything. */

static bool begin(struct kex *kex, struct packet *pk, const char *method)
{
    static const uint8_t cookie[16];
    static uint8_t init[4096];
    struct kexinit peer = {.cookie = {cookie, sizeof(cookie)}};
    struct adit_error err = {0};
    kex->lists[0] = method;
    kex->lists[1] = "ssh-ed25519,rsa-sha2-512,ecdsa-sha2-nistp256";
    kex->lists[2] = algo_default(ALGO_CIPHER);
    kex->lists[3] = algo_default(ALGO_MAC);
    kex->ident_self = kex->ident_peer = span_str("SSH-2.0-fuzz");
    peer.lists[KEXINIT_KEX] = span_str(method);
    peer.lists[KEXINIT_HOST_KEY] = span_str(kex->lists[1]);
    for (size_t i = 0; i < 2; i++) {
        peer.lists[KEXINIT_CIPHER_C2S + i] = span_str(kex->lists[2]);
        peer.lists[KEXINIT_MAC_C2S + i] = span_str(kex->lists[3]);
        peer.lists[KEXINIT_COMP_C2S + i] = span_str("none");
    }
    struct wr w = wr_init(init, sizeof(init));
    kexinit_write(&w, &peer);
    return kex_start(kex, pk, &err) == ADIT_E_OK && kex_on_kexinit(kex, pk, wr_done(&w), &err) == ADIT_E_OK;
}

static enum adit_err one_message(struct kex *kex, struct packet *pk, struct span message)
{
    struct adit_error err = {0};
    switch (message.p[0]) {
    case SSH_MSG_KEXINIT:
        return kex_on_kexinit(kex, pk, message, &err);
    case SSH_MSG_KEX_ECDH_INIT:
        return kex_on_init(kex, pk, message, &err);
    case SSH_MSG_KEX_ECDH_REPLY:
        return kex_on_reply(kex, pk, message, &err);
    case SSH_MSG_NEWKEYS:
        return kex_on_newkeys(kex, pk, message, &err);
    default:
        return ADIT_E_OK;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32];
    struct fuzz_memory memory = {0};
    const struct adit_alloc alloc = {&memory, fuzz_alloc, fuzz_release};
    struct drbg random;
    struct packet pk;
    struct kex kex;
    struct span message;
    if (size < 1 || !crypto_init())
        return 0;
    drbg_init(&random, seed);
    packet_init(&pk, &alloc, &random);
    kex_init(&kex, data[0] & 1 ? &kex_side_client : &kex_side_server, &alloc, &random);
    ALWAYS(begin(&kex, &pk, agree_methods[(data[0] >> 1) % 6].name));
    struct rd r = rd_init((struct span){data + 1, size - 1});
    while (next_message(&r, &message) && one_message(&kex, &pk, message) == ADIT_E_OK)
        /* Nobody can sign for a key that it does not have: a made-up host key never comes this far. */
        ALWAYS(kex.want == KEX_WANT_NOTHING || kex.want == KEX_WANT_HOST_KEY || kex_host_key(&kex).n > 0);
    ALWAYS(memory.most < 1024 * 1024);
    kex_wipe(&kex);
    packet_wipe(&pk);
    ALWAYS(memory.now == 0);
    return 0;
}
