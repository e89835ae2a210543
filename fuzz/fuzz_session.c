#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"

enum { RECORDS_HEAD = 2 };
#include "fuzz/records.h"

/* The states behind the encryption: an honest server brings the session to the state that byte 0 names, then
 * seals each message of the input as it stands. Byte 1: the client's method, and whether the connection is
 * compressed: from the authentication on, or (STOP_IN_AUTH) from the first keys on. Then messages that begin
 * with 255 are what stands behind it, as the peer's zlib stream goes on: no honest one says that. */

enum { METHOD_MASK = 15, COMPRESSED = 16, PACKED = 255 };
enum stop { STOP_IN_KEX, STOP_IN_AUTH, STOP_OPEN, STOP_IN_REKEX, STOPS };

static enum stop stop;

static bool on_event(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    struct ssh *ssh = p->ssh[side];
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_SIGN && stop == STOP_IN_KEX)
        return true; /* no answer: the exchange stands */
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_AUTH_REQUEST && stop == STOP_IN_AUTH)
        return true;
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTHENTICATED) {
        for (uint32_t port = 1; port <= 2; port++)
            ALWAYS(ssh_open_direct_tcpip(ssh, span_str("host"), port, span_str("me"), 1, NULL) != NULL);
        ALWAYS(ssh_forward_request(ssh, span_str("localhost"), 0, NULL));
    }
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN)
        return ev->number == 2; /* one is confirmed, one stays open */
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_GLOBAL_REQUEST) {
        p->ssh[PAIR_SERVER]->answer_is_due = false; /* the answer comes from the input */
        return true;
    }
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN && ev->number % 2 == 1) {
        ssh_open_refuse(ssh, ev->channel, 1, "refused");
        return true;
    }
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_EOF)
        ssh_chan_close(ssh, ev->channel);
    return false;
}

/* Sealed by the server's keys, whatever it is; false when there is no room. */
static bool inject(struct ssh *server, struct span message)
{
    struct packer *packer = server->packet.packer;
    bool is_packed = packer != NULL && message.n > 1 && message.p[0] == PACKED;
    if (is_packed)
        message = span_sub(message, 1, SIZE_MAX);
    struct wspan to = packet_reserve(&server->packet, message.n);
    if (to.n == 0)
        return false;
    memcpy(to.p, message.p, message.n);
    server->packet.packer = is_packed ? NULL : packer;
    packet_seal(&server->packet, message.n);
    server->packet.packer = packer;
    return true;
}

/* Carries what the server has sealed to the client, whose answers go nowhere: the server is a voice only. */
static void deliver(struct pair *p)
{
    struct ssh *client = p->ssh[PAIR_CLIENT], *server = p->ssh[PAIR_SERVER];
    struct ssh_event ev;
    for (;;) {
        struct span out = ssh_out(server);
        struct wspan in = ssh_in_space(client);
        size_t n = out.n < in.n ? out.n : in.n;
        if (n == 0)
            return;
        memcpy(in.p, out.p, n);
        ssh_in_commit(client, n);
        ssh_out_consume(server, n);
        (void)ssh_tick(client, p->now_us += 10);
        while (ssh_next(client, &ev))
            pair_answer(p, PAIR_CLIENT, &ev);
        ssh_out_consume(client, ssh_out(client).n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"publickey", "probe", "password", "keyboard-interactive", "none"};
    static struct pair p;
    struct span message;
    if (size < 2)
        return 0;
    stop = data[0] % STOPS;
    pair_init(&p);
    p.method = methods[(data[1] & METHOD_MASK) % 5];
    if (data[1] & COMPRESSED)
        p.config[PAIR_CLIENT].compression = p.config[PAIR_SERVER].compression =
            stop == STOP_IN_AUTH ? "zlib" : "zlib@openssh.com";
    if (stop >= STOP_OPEN)
        p.method = "password";
    p.config[PAIR_CLIENT].kex = p.config[PAIR_SERVER].kex = "curve25519-sha256";
    p.config[PAIR_CLIENT].ciphers = p.config[PAIR_SERVER].ciphers = "chacha20-poly1305@openssh.com";
    p.on_event = on_event;
    pair_start(&p);
    ALWAYS(pair_run(&p));
    if (stop == STOP_IN_REKEX)
        ALWAYS(kex_start(&p.ssh[PAIR_SERVER]->kex, &p.ssh[PAIR_SERVER]->packet, &p.ssh[PAIR_SERVER]->error) ==
               ADIT_E_OK);
    size_t before = p.allocated;
    struct rd r = rd_init((struct span){data + 2, size - 2});
    while (next_message(&r, &message) && !ssh_is_ended(p.ssh[PAIR_CLIENT])) {
        if (!inject(p.ssh[PAIR_SERVER], message))
            break;
        deliver(&p);
        /* Nothing that a peer sends makes us hold more than the buffers, and a little for each channel. */
        ALWAYS(p.allocated <= before + 2 * (LIMIT_IN_BUFFER + LIMIT_OUT_BUFFER) +
                                  (size_t)p.ssh[PAIR_CLIENT]->channels.used * 2048 + 64 * 1024);
    }
    pair_free(&p);
    ALWAYS(p.allocated == 0);
    return 0;
}
