#include "fuzz/fuzz.h"
#include "ssh/algo.h"

/* The peer's KEXINIT against our default lists, in both roles. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t cookie[16];
    struct kexinit peer, self = {.cookie = {cookie, sizeof(cookie)}}, again;
    struct adit_error err = {0};
    struct algo_choice choice;
    static uint8_t copy[LIMIT_PACKET];
    if (!crypto_init() || !kexinit_parse((struct span){data, size}, &peer, &err))
        return 0;
    self.lists[KEXINIT_KEX] = span_str(algo_default(ALGO_KEX));
    self.lists[KEXINIT_HOST_KEY] = span_str(algo_default(ALGO_HOST_KEY));
    for (size_t i = 0; i < 2; i++) {
        self.lists[KEXINIT_CIPHER_C2S + i] = span_str(algo_default(ALGO_CIPHER));
        self.lists[KEXINIT_MAC_C2S + i] = span_str(algo_default(ALGO_MAC));
        self.lists[KEXINIT_COMP_C2S + i] = span_str("none");
    }
    for (int client = 0; client < 2; client++) {
        struct adit_error why = {0};
        bool agreed = algo_choose(client ? &self : &peer, client ? &peer : &self, client, &choice, &why);
        ALWAYS(agreed == (why.code == ADIT_E_OK));
        if (agreed) /* only what both listed can be chosen */
            ALWAYS(names_has(peer.lists[KEXINIT_KEX], span_str(choice.kex->name)) &&
                   names_has(peer.lists[KEXINIT_HOST_KEY], span_str(choice.host_key)) &&
                   names_has(peer.lists[KEXINIT_CIPHER_C2S], span_str(choice.cipher[0]->name)) &&
                   names_has(peer.lists[KEXINIT_CIPHER_S2C], span_str(choice.cipher[1]->name)));
    }
    struct wr w = wr_init(copy, sizeof(copy));
    kexinit_write(&w, &peer);
    if (wr_ok(&w))
        ALWAYS(kexinit_parse(wr_done(&w), &again, &err) && span_eq(again.lists[0], peer.lists[0]) &&
               span_eq(again.lists[9], peer.lists[9]) && again.first_follows == peer.first_follows);
    return 0;
}
