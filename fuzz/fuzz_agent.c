#include "fuzz/fuzz.h"
#include "ssh/agent.h"

/* The input is what an agent sent, with its length or without. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size}, reply, signature;
    struct adit_error err = {0};
    size_t wanted;
    struct agent_keys keys;
    struct agent_key key;
    enum agent_frame frame = agent_frame(in, &reply, &wanted, &err);
    ALWAYS((frame == AGENT_FRAME_MORE) == (wanted > 0));
    ALWAYS(wanted <= LIMIT_AGENT_REPLY && (frame == AGENT_FRAME_BAD) == (err.code != ADIT_E_OK));
    if (frame != AGENT_FRAME_WHOLE)
        reply = in;
    if (agent_keys_init(&keys, reply, NULL) == ADIT_E_OK) {
        size_t total = 5;
        while (agent_keys_next(&keys, &key))
            total += 8 + key.blob.n + key.comment.n;
        ALWAYS(total == reply.n);
    }
    if (agent_signature(reply, span_str("ssh-ed25519"), &signature, NULL) == ADIT_E_OK)
        ALWAYS(signature.n + 5 == reply.n);
    else
        ALWAYS(signature.n == 0);
    ALWAYS(agent_success(reply, NULL) != ADIT_E_OK || reply.n == 1);
    return 0;
}
