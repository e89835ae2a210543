/*
 * pair.h - two machines in memory, one in each role, with a seeded scheduler that splits, joins and delays
 * their bytes. No socket, no clock, no thread: a run is a function of its seed.
 *
 * pair_init, set what differs from the defaults, pair_start, pair_run until nothing moves any more, look at
 * the log, pair_free. A test that wants to act on events sets on_event; what it returns true for is not
 * answered by the pair itself. The log holds one line an event ("c opened 0"), so that two runs can be
 * compared: the chunking law says that it does not depend on how bytes were cut. "The machine in memory" in
 * HACKING.md tells it step by step.
 */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

#include "ssh/key.h"
#include "ssh/ssh.h"

enum pair_side { PAIR_CLIENT, PAIR_SERVER };
enum pair_chunks { PAIR_ALL, PAIR_BYTES, PAIR_RANDOM };

struct pair {
    struct ssh *ssh[2];
    struct ssh_config config[2];
    struct adit_alloc memory;
    size_t allocated, allocations, fail_at; /* fail_at: this allocation (counted from 1) returns NULL */
    uint64_t now_us, random;
    enum pair_chunks chunks;
    struct key_secret host_key, user_key;
    uint8_t host_blob[KEY_PUBLIC_MAX], user_blob[KEY_PUBLIC_MAX];
    size_t host_blob_n, user_blob_n;
    const char *
        method; /* the client's: "publickey" (default), "probe", "password", "keyboard-interactive", "none" */
    const char *password; /* what the client says; the server wants "secret" */
    bool host_key_is_wrong;
    bool (*on_event)(struct pair *p, enum pair_side side, struct ssh_event *event);
    void *context;
    uint64_t data_in[2]; /* channel data received by a side */
    uint64_t data_hash[2];
    bool keep_data;  /* do not give the window back */
    bool stalled[2]; /* this side's input is not delivered */
    char log[64 * 1024];
    size_t log_n;
};

void pair_init(struct pair *p); /* the keys and defaults; then change p->config and others */
void pair_start(struct pair *p);
void pair_free(struct pair *p);
/* Until nothing moves. Time passes by 1 ms a round. False: it did not come to rest. */
bool pair_run(struct pair *p);

/* ---- message by message, instead of pair_run ---- */

/* Moves what one side has to say to the other, as much as that one takes now and `chunks` says. False:
 * nothing moved. */
bool pair_carry(struct pair *p, enum pair_side from);
/* All events that a side has for what has come in: logged and answered. False: there was none. */
bool pair_pull(struct pair *p, enum pair_side side);
/* A payload of one's own (its first byte is the message's number) as the next packet of one side, with its
 * number and under its keys; that side's machine does not know of it. False: no room. */
bool pair_say(struct pair *p, enum pair_side from, struct span payload) ADIT_MUST_USE;

/* What the pair itself does about an event, on_event first. */
void pair_answer(struct pair *p, enum pair_side side, struct ssh_event *event);
bool pair_is_up(const struct pair *p); /* both sides authenticated and alive */
bool pair_logged(const struct pair *p, const char *line);

#endif
