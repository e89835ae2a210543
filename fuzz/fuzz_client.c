#include <string.h>

#include "crypto/crypto.h"
#include "fuzz/fuzz.h"
#include "ssh/ssh.h"

/* Raw bytes at the machine: what anybody on the network can send before keys are in use, and whatever can be
 * made of a first exchange without the secrets. Byte 0: our role, and how many bytes come at a time. */

static void answer(struct ssh *ssh, const struct ssh_event *ev)
{
    switch (ev->kind) {
    case SSH_EVENT_HOST_KEY:
        abort(); /* the signature over this exchange cannot have been made */
    case SSH_EVENT_SIGN:
        ssh_sign_answer(ssh, span_str("signature"));
        break;
    case SSH_EVENT_AUTH:
    case SSH_EVENT_AUTH_REQUEST:
    case SSH_EVENT_AUTHENTICATED:
        abort(); /* nobody gets this far without keys */
    default:
        break;
    }
}

static void pull(struct ssh *ssh)
{
    struct ssh_event ev;
    while (ssh_next(ssh, &ev))
        answer(ssh, &ev);
    ssh_out_consume(ssh, ssh_out(ssh).n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32];
    static const struct ssh_config config = {.handshake_ms = 1000};
    struct fuzz_memory memory = {0};
    const struct adit_alloc alloc = {&memory, fuzz_alloc, fuzz_release};
    if (size < 1 || !crypto_init())
        return 0;
    struct ssh *ssh = ssh_new(data[0] & 1 ? &ssh_server : &ssh_client, &config, &alloc, seed);
    ALWAYS(ssh != NULL);
    size_t step = data[0] >> 1 == 0 ? size : data[0] >> 1;
    struct span in = {data + 1, size - 1};
    (void)ssh_tick(ssh, 1);
    while (in.n > 0 && !ssh_is_ended(ssh)) {
        struct wspan to = ssh_in_space(ssh);
        size_t n = in.n < step ? in.n : step;
        n = n < to.n ? n : to.n;
        ALWAYS(n > 0);
        memcpy(to.p, in.p, n);
        ssh_in_commit(ssh, n);
        in = span_sub(in, n, in.n);
        pull(ssh);
    }
    ssh_in_eof(ssh);
    pull(ssh);
    ALWAYS(ssh_is_ended(ssh) && ssh_error(ssh)->code != ADIT_E_OK);
    ALWAYS(memory.most < 1024 * 1024);
    ssh_free(ssh);
    ALWAYS(memory.now == 0);
    return 0;
}
