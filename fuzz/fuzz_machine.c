/*
 * fuzz_machine.c - two whole machines in memory, one in each role, led by a script: the input is a head that
 * says what the two were told at their birth, and then records, each what one side does next. So the states
 * behind the encryption are reached by inputs that a fuzzer can find: keys, signatures and tags are always
 * right, until a record says otherwise.
 *
 * Whatever the script: no crash, nothing leaks, memory is bounded. And as long as the script only lets both
 * sides do what their commands allow (no record has forged, bent or cut anything, and memory was there),
 * neither of the two ever finds that the other has broken the protocol.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/keyfile.h"
#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"

enum {
    ROUNDS_MAX = 400,    /* of one RUN: who rekeys at every byte has no rest */
    RECORDS_MAX = 120,   /* more of them show nothing new, and cost time */
    MESSAGE_MAX = 60000, /* made-up ones */
    MEMORY_MOST = 4 * (LIMIT_IN_BUFFER + LIMIT_OUT_BUFFER),
};

/* The head, byte by byte. */
enum head {
    HEAD_KEX,         /* 0: the default list, else one method */
    HEAD_CIPHER,      /* low half: likewise a cipher; high half: a MAC */
    HEAD_COMPRESSION, /* low two bits of each half: one side's */
    HEAD_KEYS,        /* low half: the host key's type; high half: the user's */
    HEAD_FLAGS,
    HEAD_METHODS, /* two bits for each try of the client's */
    HEAD_POLICY,  /* as DEED_POLICY */
    HEAD_LIMITS,
    HEAD_FAIL, /* the allocation that fails; 0: none */
    HEAD_LEN
};

enum { RECORDS_HEAD = HEAD_LEN };
#include "fuzz/records.h"

enum flags {
    FLAG_GUESS = 1,
    FLAG_NOT_STRICT = 2,   /* the client */
    FLAG_SERVER_OLD = 4,   /* offers no strict exchange and says nothing of signatures */
    FLAG_NO_EARLY = 8,     /* nothing rides with the authentication */
    FLAG_NO_BOUND = 16,    /* signatures do not name the host key */
    FLAG_OPENSSH = 32,     /* the server says that it is OpenSSH's */
    FLAG_FEW_METHODS = 64, /* the server's verdicts: partial successes */
    FLAG_HANDSHAKE = 128,  /* of one second */
};

/* What a side answers when it is asked: low half the client's, high half the server's. */
enum policy {
    POLICY_REFUSE = 1, /* host keys, channels, requests */
    POLICY_WAIT = 2,   /* no answer: DEED_ANSWER gives it later */
    POLICY_KEEP = 4,   /* data is not given back */
    POLICY_WRONG = 8,  /* signatures are empty, or of something else */
};

enum deed {
    DEED_RUN,  /* until nothing moves */
    DEED_STEP, /* one byte: so many rounds */
    DEED_POLICY,
    DEED_SAY,  /* a message, sealed as it stands */
    DEED_RAW,  /* bytes behind what is on the way */
    DEED_BEND, /* a byte of what is on the way */
    DEED_CUT,  /* the transport ends */
    DEED_OPEN,
    DEED_WRITE,
    DEED_SPACE, /* the same in place */
    DEED_END,   /* EOF, CLOSE, the owner's leaving */
    DEED_CONSUME,
    DEED_ASK,    /* a request on a channel */
    DEED_GLOBAL, /* a global one */
    DEED_ANSWER,
    DEED_REKEY,
    DEED_WAIT, /* time passes */
    DEED_PING,
    DEED_LEAVE,
    DEED_STALL, /* what is for this side waits, or no longer */
    DEEDS
};

static struct pair p;
static uint8_t policy, flags, methods;
static unsigned tries;
static bool is_honest;

static bool has(enum pair_side side, enum policy what)
{
    return (side == PAIR_CLIENT ? policy : policy >> 4) & what;
}

/* ---- What the two are ---- */

/* The n-th name of a list, from 1 on; NULL: the default. */
static const char *pick(const char *list, unsigned n, char out[64])
{
    struct span rest = span_str(list), name;
    for (unsigned i = 1; names_next(&rest, &name); i++)
        if (i == n) {
            adit_format(out, 64, "%.*s", (int)name.n, (const char *)name.p);
            return out;
        }
    return NULL;
}

/* Made once: a key of P-521 costs more than a run. */
static const struct key_secret *key_of(unsigned type)
{
    static struct key_secret keys[4];
    static const enum key_type types[] = {KEY_ED25519, KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_ECDSA_P521};
    struct key_secret *key = &keys[type % 4];
    static const uint8_t seed[32] = {9};
    struct drbg random;
    drbg_init(&random, seed);
    if (key->type == KEY_NONE)
        ALWAYS(key_generate(types[type % 4], &random, key));
    return key;
}

static void set_keys(uint8_t which)
{
    struct wr w = wr_init(p.host_blob, sizeof p.host_blob);
    p.host_key = *key_of(which & 3);
    ALWAYS(key_secret_public(&p.host_key, &w));
    p.host_blob_n = w.used;
    w = wr_init(p.user_blob, sizeof p.user_blob);
    p.user_key = *key_of(which >> 4 & 3);
    ALWAYS(key_secret_public(&p.user_key, &w));
    p.user_blob_n = w.used;
}

static void set_lists(const uint8_t *head)
{
    static char kex[64], cipher[64], mac[64], host[64];
    static const char *const compressions[] = {NULL, "zlib@openssh.com", "zlib,none",
                                               "zlib@openssh.com,none"};
    for (int side = 0; side < 2; side++) {
        struct ssh_config *c = &p.config[side];
        c->kex = pick(algo_default(ALGO_KEX), head[HEAD_KEX] % 9, kex);
        c->ciphers = pick(algo_default(ALGO_CIPHER), (head[HEAD_CIPHER] & 15) % 7, cipher);
        c->macs = pick(algo_default(ALGO_MAC), (head[HEAD_CIPHER] >> 4) % 5, mac);
        c->compression = compressions[head[HEAD_COMPRESSION] >> (4 * side) & 3];
    }
    adit_format(host, sizeof host, "%s", key_type_name(p.host_key.type));
    p.config[PAIR_SERVER].host_keys = host;
}

static void set_limits(uint8_t limits)
{
    struct ssh_config *client = &p.config[PAIR_CLIENT], *server = &p.config[PAIR_SERVER];
    client->rekey_bytes = limits & 1 ? 20000 : 0;
    server->rekey_bytes = limits & 2 ? 1 : 0;
    client->rekey_seconds = limits & 4 ? 5 : 0;
    client->alive_interval_s = limits & 8 ? 3 : 0;
    client->alive_count_max = limits >> 4 & 3;
    server->receive_budget = limits & 64 ? 1 : 0;
    client->receive_budget = limits & 128 ? 100000 : 0;
}

static void set_flags(void)
{
    struct ssh_config *client = &p.config[PAIR_CLIENT], *server = &p.config[PAIR_SERVER];
    client->guess = flags & FLAG_GUESS;
    client->no_strict_kex = flags & FLAG_NOT_STRICT;
    server->no_strict_kex = flags & FLAG_SERVER_OLD;
    server->sig_algs = flags & FLAG_SERVER_OLD ? "" : NULL;
    client->no_early_open = flags & FLAG_NO_EARLY;
    client->no_host_bound = flags & FLAG_NO_BOUND;
    server->ident = flags & FLAG_OPENSSH ? "OpenSSH_9.2p1" : NULL;
    client->handshake_ms = flags & FLAG_HANDSHAKE ? 1000 : 0;
}

/* ---- What they answer ---- */

static void try_method(struct ssh *ssh)
{
    static const struct adit_error over = {ADIT_E_AUTH, "no more methods"};
    struct span blob = {p.user_blob, p.user_blob_n};
    unsigned method = methods >> (2 * (tries++ % 4)) & 3;
    const char *alg = key_type_name(p.user_key.type);
    ssh_auth_user(ssh, span_str("alice"));
    if (tries > 6)
        ssh_auth_give_up(ssh, &over);
    else if (method == 0)
        ssh_auth_publickey(ssh, blob, span_str(alg), tries % 2 == 0);
    else if (method == 1)
        ssh_auth_password(ssh, span_str(has(PAIR_CLIENT, POLICY_WRONG) ? "wrong" : "secret"));
    else if (method == 2)
        ssh_auth_kbdint(ssh, (struct span){0});
    else
        ssh_auth_none(ssh);
}

static void answer_prompts(struct ssh *ssh)
{
    struct span answers[LIMIT_KBDINT_PROMPTS];
    bool echo;
    size_t count = ssh_kbdint_count(ssh);
    for (size_t i = 0; i < LIMIT_KBDINT_PROMPTS; i++)
        answers[i] = span_str(i == 0 ? "secret" : "more");
    ALWAYS(count <= LIMIT_KBDINT_PROMPTS && ssh_kbdint_prompt(ssh, count, &echo).n == 0);
    for (size_t i = 0; i < count; i++)
        (void)ssh_kbdint_prompt(ssh, i, &echo);
    ssh_auth_kbdint_answer(ssh, answers, count);
}

static bool client_answers(struct ssh *ssh, const struct ssh_event *ev)
{
    static const struct adit_error why = {ADIT_E_HOST_KEY, "not this one"};
    switch (ev->kind) {
    case SSH_EVENT_HOST_KEY:
        if (has(PAIR_CLIENT, POLICY_REFUSE))
            ssh_host_key_answer(ssh, false, has(PAIR_CLIENT, POLICY_WRONG) ? &why : NULL);
        return has(PAIR_CLIENT, POLICY_REFUSE);
    case SSH_EVENT_AUTH:
        try_method(ssh);
        return true;
    case SSH_EVENT_KBDINT:
        answer_prompts(ssh);
        return true;
    case SSH_EVENT_PASSWORD_CHANGE:
        if (has(PAIR_CLIENT, POLICY_REFUSE))
            try_method(ssh);
        else
            ssh_auth_password_change(ssh, span_str("secret"), span_str("new"));
        return true;
    default:
        return false;
    }
}

static bool server_answers(struct ssh *ssh, const struct ssh_event *ev)
{
    static const struct span prompts[] = {SPAN_LIT("Code: "), SPAN_LIT("Name: ")};
    if (ev->kind != SSH_EVENT_AUTH_REQUEST)
        return false;
    if (has(PAIR_SERVER, POLICY_WAIT) && (flags & FLAG_FEW_METHODS))
        return true; /* what it says then is in the script */
    if (span_is(ev->names, "keyboard-interactive") && !ev->first)
        ssh_auth_request_prompt(ssh, prompts, tries % 3);
    else if (flags & FLAG_FEW_METHODS)
        ssh_auth_request_answer(ssh, tries > 2, tries < 3, span_str("publickey,password"));
    else
        return false;
    return true;
}

static void answer_wrongly(struct ssh *ssh, enum pair_side side)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    const struct key_secret *key = side == PAIR_CLIENT ? &p.user_key : &p.host_key;
    struct wr w = wr_init(signature, sizeof signature);
    is_honest = false;
    if (has(side, POLICY_REFUSE)) {
        ssh_sign_answer(ssh, (struct span){0});
        return;
    }
    ALWAYS(key_sign(key, span_str(key_type_name(key->type)), span_str("other"), &w, NULL) == ADIT_E_OK);
    ssh_sign_answer(ssh, wr_done(&w));
}

static bool on_event(struct pair *pair, enum pair_side side, struct ssh_event *ev)
{
    struct ssh *ssh = pair->ssh[side];
    if (ev->kind == SSH_EVENT_SIGN && has(side, POLICY_WRONG)) {
        answer_wrongly(ssh, side);
        return true;
    }
    if (side == PAIR_CLIENT ? client_answers(ssh, ev) : server_answers(ssh, ev))
        return true;
    bool waits = has(side, POLICY_WAIT), refuses = has(side, POLICY_REFUSE);
    switch (ev->kind) {
    case SSH_EVENT_CHANNEL_REQUESTED_OPEN:
        if (refuses && !waits)
            ssh_open_refuse(ssh, ev->channel, 1, "refused");
        return waits || refuses;
    case SSH_EVENT_CHANNEL_REQUEST:
        if (ev->flag && refuses && !waits)
            ssh_chan_request_answer(ssh, ev->channel, false);
        return waits || refuses;
    case SSH_EVENT_GLOBAL_REQUEST:
        if (ev->flag && !waits)
            ssh_global_answer(ssh, !refuses,
                              ev->number == 0 ? span_make("\0\0\x9c\x41", 4) : (struct span){0});
        return true;
    case SSH_EVENT_CHANNEL_DATA:
        return has(side, POLICY_KEEP);
    default:
        return false;
    }
}

/* ---- How they speak ---- */

static bool pull(enum pair_side side)
{
    struct ssh_event ev;
    bool any = false;
    while (ssh_next(p.ssh[side], &ev)) {
        any = true;
        pair_answer(&p, side, &ev);
    }
    return any;
}

static bool carry(enum pair_side from, size_t most)
{
    struct ssh *a = p.ssh[from], *b = p.ssh[1 - from];
    struct span out = ssh_out(a);
    if (p.stalled[1 - from] || out.n == 0)
        return false;
    struct wspan in = ssh_in_space(b);
    size_t n = out.n < in.n ? out.n : in.n;
    n = n < most ? n : most;
    if (ssh_is_ended(b)) {
        ssh_out_consume(a, out.n);
        return true;
    }
    if (n == 0)
        return false;
    memcpy(in.p, out.p, n);
    ssh_in_commit(b, n);
    ssh_out_consume(a, n);
    return true;
}

static void run(unsigned rounds, size_t most)
{
    bool moved = true;
    for (unsigned i = 0; i < rounds && moved; i++) {
        moved = false;
        p.now_us += 1000;
        for (enum pair_side side = PAIR_CLIENT; side <= PAIR_SERVER; side++) {
            (void)ssh_tick(p.ssh[side], p.now_us);
            moved |= pull(side);
            moved |= carry(side, most);
        }
    }
}

/* ---- The deeds ---- */

/* One of the channels that the side still has; NULL: there is none. */
static struct channel *channel_of(const struct ssh *ssh, unsigned n)
{
    const struct channels *t = &ssh->channels;
    for (uint32_t i = 0; i < t->slot_count; i++) {
        struct channel *ch = t->slots[(i + n) % t->slot_count];
        if (ch != NULL && !ch->is_gone && (ch->due & DUE_REFUSE) == 0)
            return ch;
    }
    return NULL;
}

/* Sealed by the side's own keys, whatever it is. 255 before it: as its zlib stream goes on. */
static void say(struct ssh *ssh, struct span message)
{
    struct packer *packer = ssh->packet.packer;
    bool is_packed = packer != NULL && message.n > 1 && message.p[0] == 255;
    if (is_packed)
        message = span_sub(message, 1, SIZE_MAX);
    if (message.n == 0 || message.n > MESSAGE_MAX || ssh_is_ended(ssh))
        return;
    struct wspan to = packet_reserve(&ssh->packet, message.n);
    is_honest = false;
    if (to.n == 0)
        return;
    memcpy(to.p, message.p, message.n);
    ssh->packet.packer = is_packed ? NULL : packer;
    packet_seal(&ssh->packet, message.n);
    ssh->packet.packer = packer;
}

static void bend(struct ssh *ssh, struct span with)
{
    struct packet_buffer *out = &ssh->packet.out;
    if (with.n < 3 || out->start == out->end)
        return;
    is_honest = false;
    out->p[out->start + ((size_t)with.p[0] << 8 | with.p[1]) % (out->end - out->start)] ^= with.p[2];
}

static void open_one(struct ssh *ssh, unsigned kind, struct span text)
{
    struct span me = span_str("me");
    struct channel *ch = NULL;
    if (ssh->role == &ssh_client) {
        ch = kind % 4 == 0   ? ssh_open_direct_tcpip(ssh, text, kind, me, 1, NULL)
             : kind % 4 == 1 ? ssh_open_session(ssh, NULL)
             : kind % 4 == 2 ? ssh_open_direct_streamlocal(ssh, text, NULL)
                             : ssh_open(ssh, "unknown", text, NULL);
    } else {
        ch = kind % 4 == 0   ? ssh_open_forwarded_tcpip(ssh, text, kind, me, 1, NULL)
             : kind % 4 == 1 ? ssh_open(ssh, "auth-agent@openssh.com", (struct span){0}, NULL)
             : kind % 4 == 2 ? ssh_open_forwarded_streamlocal(ssh, text, NULL)
                             : ssh_open(ssh, "unknown", text, NULL);
    }
    if (ch != NULL)
        ssh_chan_set_owner(ch, ssh_chan_owner(ch));
}

static void write_some(struct ssh *ssh, struct channel *ch, unsigned kind, struct span text)
{
    static const uint8_t many[40000];
    struct span data = kind & 2 ? span_make(many, (size_t)(kind >> 2) * 600) : text;
    size_t n = kind & 1 ? ssh_chan_write_stderr(ssh, ch, data) : ssh_chan_write(ssh, ch, data);
    ALWAYS(n <= data.n);
}

static void write_in_place(struct ssh *ssh, struct channel *ch, unsigned kind)
{
    struct wspan places[8];
    size_t total = 0, count = ssh_chan_space(ssh, ch, places, 1 + kind % 8, (size_t)kind * 1000);
    for (size_t i = 0; i < count; i++) {
        memset(places[i].p, (int)kind, places[i].n);
        total += places[i].n;
    }
    ALWAYS(total <= (size_t)kind * 1000);
    if (count > 0)
        ssh_chan_commit(ssh, ch, kind & 64 ? total / 2 : total);
}

static void end_one(struct ssh *ssh, struct channel *ch, unsigned how)
{
    if (how % 3 == 0)
        ssh_chan_eof(ssh, ch);
    else
        ssh_chan_close(ssh, ch);
    ALWAYS(ch->state != CHANNEL_OPEN || how % 3 != 0 || ssh_chan_eof_sent(ch) || (ch->due & DUE_EOF) != 0 ||
           ssh_is_ended(ssh) || ch->close_sent || (ch->due & DUE_CLOSE) != 0);
}

static void ask(struct ssh *ssh, struct channel *ch, unsigned what, struct span text)
{
    static const struct ssh_mode modes[] = {{53, 1}, {128, 38400}, {0, 0}};
    static const struct ssh_window window = {80, 24, 0, 0};
    char name[16];
    adit_format(name, sizeof name, "%.*s", (int)(text.n < 15 ? text.n : 15),
                text.n == 0 ? "" : (const char *)text.p);
    switch (what % 10) {
    case 0:
        (void)!ssh_session_pty(ssh, ch, text, window, modes, what >> 4 & 3);
        break;
    case 1:
        (void)!ssh_session_env(ssh, ch, text, span_str("C"));
        break;
    case 2:
        (void)!ssh_session_shell(ssh, ch);
        break;
    case 3:
        (void)!ssh_session_exec(ssh, ch, text);
        break;
    case 4:
        (void)!ssh_session_subsystem(ssh, ch, text);
        break;
    case 5:
        (void)!ssh_session_window_change(ssh, ch, window);
        break;
    case 6:
        (void)!ssh_session_signal(ssh, ch, name);
        break;
    case 7:
        (void)!ssh_session_break(ssh, ch, what);
        break;
    case 8:
        (void)!ssh_session_eow(ssh, ch);
        break;
    default:
        (void)!ssh_chan_request(ssh, ch, "anything", text, what & 16);
    }
}

/* What a server may say of itself. */
static void show(struct ssh *ssh, unsigned what, struct span text)
{
    if (what % 2 == 0)
        ssh_send_banner(ssh, text);
    else
        (void)!ssh_global_request(ssh, "hostkeys-00@openssh.com", text, what & 2, NULL);
}

static void ask_globally(struct ssh *ssh, unsigned what, struct span text)
{
    if (ssh->role == &ssh_server)
        show(ssh, what, text);
    else if (what % 5 == 0)
        (void)!ssh_forward_request(ssh, text, what & 16 ? 80 : 0, NULL);
    else if (what % 5 == 1)
        (void)!ssh_forward_cancel(ssh, text, 80, NULL);
    else if (what % 5 == 2)
        (void)!ssh_streamlocal_forward_request(ssh, text, NULL);
    else if (what % 5 == 3)
        (void)!ssh_streamlocal_forward_cancel(ssh, text, NULL);
    else
        (void)!ssh_global_request(ssh, "anything", text, what & 16, NULL);
}

/* What was left open by POLICY_WAIT. */
static void answer_late(struct ssh *ssh, unsigned how, struct span text)
{
    struct channel *ch = channel_of(ssh, how >> 2);
    bool yes = how & 1;
    if (how & 2) {
        /* What a success carries is its sender's: a port, or a lie. */
        struct rd r = rd_init(text);
        uint32_t port = rd_u32(&r);
        is_honest = is_honest && (!ssh->answer_is_due || !yes || (rd_done(&r) && port > 0 && port <= 65535));
        ssh_global_answer(ssh, yes, text);
    } else if (ch != NULL && ch->state == CHANNEL_REQUESTED && yes && (ch->due & DUE_CONFIRM) == 0)
        ssh_open_accept(ssh, ch, NULL);
    else if (ch != NULL && ch->state == CHANNEL_REQUESTED && (ch->due & DUE_CONFIRM) == 0)
        ssh_open_refuse(ssh, ch, 2, "later refused");
}

static void on_channel(struct ssh *ssh, enum deed deed, unsigned n, struct span rest)
{
    struct channel *ch = channel_of(ssh, n >> 4);
    unsigned how = rest.n > 0 ? rest.p[0] : 0;
    struct span text = span_sub(rest, 1, SIZE_MAX);
    if (ch == NULL || ssh_is_ended(ssh))
        return;
    if (deed == DEED_ASK)
        ask(ssh, ch, how, text);
    else if (deed == DEED_END)
        end_one(ssh, ch, how);
    else if (deed == DEED_CONSUME)
        ssh_chan_consumed(ssh, ch, ch->rx_held < how * 300 ? ch->rx_held : how * 300, n & 1);
    else if (ch->state == CHANNEL_REQUESTED)
        return; /* data is for who was accepted */
    else if (deed == DEED_WRITE)
        write_some(ssh, ch, how, text);
    else
        write_in_place(ssh, ch, how);
}

static void pass_time(unsigned n)
{
    p.now_us += (uint64_t)n * n * 1000;
    run(ROUNDS_MAX, SIZE_MAX);
}

static void leave(struct ssh *ssh, unsigned how, struct span text)
{
    if (how % 2 == 0)
        ssh_disconnect(ssh, 11, "done");
    else
        ssh_fail(ssh, ADIT_E_CLOSED, "gone");
    (void)text;
}

static void small_deed(struct ssh *ssh, enum deed deed, unsigned n, struct span rest)
{
    unsigned how = rest.n > 0 ? rest.p[0] : 0;
    struct span text = span_sub(rest, 1, SIZE_MAX);
    switch (deed) {
    case DEED_RUN:
        run(ROUNDS_MAX, n >> 4 == 0 ? SIZE_MAX : n >> 4);
        break;
    case DEED_STEP:
        run(how, SIZE_MAX);
        break;
    case DEED_POLICY:
        policy = (uint8_t)how;
        break;
    case DEED_CUT:
        is_honest = false;
        ssh_in_eof(ssh);
        break;
    case DEED_OPEN:
        open_one(ssh, how, text);
        break;
    case DEED_GLOBAL:
        ask_globally(ssh, how, text);
        break;
    case DEED_ANSWER:
        answer_late(ssh, how, text);
        break;
    case DEED_REKEY:
        ssh_rekey(ssh);
        break;
    case DEED_WAIT:
        pass_time(how);
        break;
    case DEED_PING:
        if (how % 2 == 0)
            ALWAYS(!ssh_ping(ssh, text) || ssh_has_ping(ssh));
        else {
            is_honest = is_honest && ssh_is_authenticated(ssh); /* a strict exchange takes none */
            ssh_ignore(ssh, text);
        }
        break;
    case DEED_LEAVE:
        leave(ssh, how, text);
        break;
    default:
        p.stalled[ssh->role == &ssh_server] ^= true;
    }
}

static void do_record(struct span record)
{
    enum pair_side side = record.p[0] & 1;
    enum deed deed = record.n > 1 ? record.p[1] % DEEDS : DEED_RUN;
    struct ssh *ssh = p.ssh[side];
    struct span rest = span_sub(record, 2, SIZE_MAX);
    if (deed == DEED_SAY)
        say(ssh, rest);
    else if (deed == DEED_BEND)
        bend(ssh, rest);
    else if (deed == DEED_RAW && rest.n > 0 && !ssh_is_ended(ssh)) {
        is_honest = false;
        packet_out_raw(&ssh->packet, span_sub(rest, 0, 4096));
    } else if (deed == DEED_WRITE || deed == DEED_SPACE || deed == DEED_END || deed == DEED_CONSUME ||
               deed == DEED_ASK)
        on_channel(ssh, deed, record.p[0], rest);
    else
        small_deed(ssh, deed, record.p[0], rest);
}

/* ---- What holds ---- */

static void check_questions(const struct ssh *ssh)
{
    uint8_t bind[4096];
    struct ssh_algorithms a = ssh_algorithms(ssh);
    size_t n = ssh->role == &ssh_client ? ssh_agent_bind(ssh, (struct wspan){bind, sizeof bind}) : 0;
    ALWAYS(a.kex != NULL && a.cipher_in != NULL && n <= sizeof bind);
    ALWAYS(ssh_host_key(ssh).n > 0 || ssh_host_signature(ssh).n == 0);
    ALWAYS(ssh_server_sig_algs(ssh).n <= SIG_ALGS_MAX && ssh_rekey_count(ssh) <= ssh->kex.done_count);
    (void)ssh_rtt_us(ssh);
    ALWAYS(ssh_last_heard_us(ssh) <= p.now_us && (!ssh_is_compressed(ssh) || ssh->packet.unpacker != NULL));
}

static void check(void)
{
    for (int side = 0; side < 2; side++) {
        const struct ssh *ssh = p.ssh[side];
        enum adit_err code = ssh_error(ssh)->code;
        ALWAYS(!is_honest || (code != ADIT_E_PROTOCOL && code != ADIT_E_INTEGRITY && code != ADIT_E_MEMORY));
        for (uint32_t i = 0; i < ssh->channels.slot_count; i++)
            if (ssh->channels.slots[i] != NULL)
                (void)ssh_chan_receive_window(ssh->channels.slots[i]);
        check_questions(ssh);
    }
    ALWAYS(p.allocated <= MEMORY_MOST + (p.ssh[0]->channels.used + p.ssh[1]->channels.used) * 8192u);
}

static void begin(const uint8_t *head)
{
    pair_init(&p);
    set_keys(head[HEAD_KEYS]);
    set_lists(head);
    flags = head[HEAD_FLAGS];
    methods = head[HEAD_METHODS];
    policy = head[HEAD_POLICY];
    tries = 0;
    set_flags();
    set_limits(head[HEAD_LIMITS]);
    p.fail_at = head[HEAD_FAIL];
    /* What rides with the authentication OpenSSH answers with UNIMPLEMENTED, our server by ending. */
    is_honest = p.fail_at == 0 && (flags & FLAG_OPENSSH) == 0;
    p.on_event = on_event;
    pair_start(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span record;
    if (size < HEAD_LEN || !crypto_init())
        return 0;
    begin(data);
    struct rd r = rd_init((struct span){data + HEAD_LEN, size - HEAD_LEN});
    if (p.ssh[0] != NULL && p.ssh[1] != NULL) {
        for (unsigned i = 0; i < RECORDS_MAX && next_message(&r, &record); i++) {
            do_record(record);
            check();
        }
        run(ROUNDS_MAX, SIZE_MAX);
        check();
    }
    pair_free(&p);
    ALWAYS(p.allocated == 0);
    return 0;
}
