#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/auth_client.h"
#include "ssh/auth_server.h"
#include "ssh/msg.h"

enum { RECORDS_HEAD = 1 };
#include "fuzz/records.h"

/* Byte 0: our role and the client's method; the rest are the peer's messages. */

static enum adit_err try_method(struct auth_client *a, struct packet *pk, unsigned method)
{
    static const struct span session = SPAN_LIT("session"), blob = SPAN_LIT("key"),
                             alg = SPAN_LIT("ssh-ed25519");
    struct adit_error err = {0};
    switch (method % 5) {
    case 0:
        return auth_try_none(a, pk, &err);
    case 1:
        return auth_try_password(a, pk, span_str("secret"), &err);
    case 2:
        return auth_try_kbdint(a, pk, (struct span){0}, &err);
    default:
        return auth_try_publickey(a, pk, session, blob, alg, method % 2 == 0 ? blob : (struct span){0},
                                  method % 5 == 3, &err);
    }
}

static void answer(struct auth_client *a, struct packet *pk, unsigned method)
{
    struct span answers[LIMIT_KBDINT_PROMPTS];
    struct adit_error err = {0};
    for (size_t i = 0; i < LIMIT_KBDINT_PROMPTS; i++)
        answers[i] = span_str("answer");
    enum adit_err result = ADIT_E_OK;
    if (a->want == AUTH_WANT_SIGNATURE)
        result = auth_give_signature(a, pk, span_str("signature"), &err);
    else if (a->want == AUTH_WANT_ANSWERS)
        result = auth_answer_kbdint(a, pk, answers, a->prompt_count, &err);
    else if (a->want != AUTH_WANT_NOTHING)
        result = try_method(a, pk, method);
    (void)result;
    packet_out_consume(pk, packet_out(pk).n);
}

static enum adit_err to_client(struct auth_client *a, struct span message)
{
    struct adit_error err = {0};
    struct span text;
    switch (message.p[0]) {
    case SSH_MSG_USERAUTH_FAILURE:
        return auth_on_failure(a, message, &err);
    case SSH_MSG_USERAUTH_SUCCESS:
        return auth_on_success(a, message, &err);
    case SSH_MSG_USERAUTH_BANNER:
        return auth_on_banner(a, message, &text, &err);
    default:
        return auth_on_60(a, message, &err);
    }
}

static enum adit_err to_server(struct auth_server *a, struct packet *pk, struct span message)
{
    struct adit_error err = {0};
    bool done = false;
    enum adit_err result = message.p[0] == SSH_MSG_USERAUTH_INFO_RESPONSE
                               ? auth_on_info_response(a, message, &err)
                               : auth_on_request(a, pk, span_str("session"), message, &err);
    if (result == ADIT_E_OK && a->wants_verdict && a->kind == AUTH_REQUEST_KBDINT)
        result = auth_prompt(a, pk, NULL, 0, &err);
    else if (result == ADIT_E_OK && a->wants_verdict)
        result =
            auth_verdict(a, pk, a->kind == AUTH_REQUEST_PROBE, false, span_str("publickey"), &done, &err);
    packet_out_consume(pk, packet_out(pk).n);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32];
    struct fuzz_memory memory = {0};
    const struct adit_alloc alloc = {&memory, fuzz_alloc, fuzz_release};
    struct drbg random;
    struct packet pk;
    struct auth_client client;
    struct auth_server server;
    struct span message;
    enum adit_err result = ADIT_E_OK;
    if (size < 1 || !crypto_init())
        return 0;
    drbg_init(&random, seed);
    packet_init(&pk, &alloc, &random);
    auth_client_init(&client, &alloc);
    auth_server_init(&server);
    auth_client_user(&client, span_str("alice"));
    client.want = AUTH_WANT_METHOD;
    struct rd r = rd_init((struct span){data + 1, size - 1});
    while (result == ADIT_E_OK) {
        answer(&client, &pk, data[0] >> 1);
        if (!next_message(&r, &message))
            break;
        result = data[0] & 1 ? to_client(&client, message) : to_server(&server, &pk, message);
    }
    auth_client_wipe(&client);
    packet_wipe(&pk);
    ALWAYS(memory.now == 0);
    return 0;
}
