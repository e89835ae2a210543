/*
 * seam.c - linked into the client that a few cases run (build/asan/tests/hostile/client), which is adit but
 * for this: its packets may have been counted for years. ADIT_SEAM is "WHEN NUMBER IN OUT".
 *
 *   WHEN    plain: from the first packet on. keyed: from the first keys on, in each direction
 *   NUMBER  the sequence number of the next packet, in both directions (RFC 4253 §6.4)
 *   IN OUT  how many packets came in and went out with these keys before (RFC 4344 §3.1)
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/packet.h"

void __real_packet_init(struct packet *pk, const struct adit_alloc *memory, struct drbg *random);
void __real_packet_set_keys(struct packet_side *side, const struct cipher_alg *alg, const struct mac_alg *mac,
                            const uint8_t *key, const uint8_t *iv, const uint8_t *mackey);
void __wrap_packet_init(struct packet *pk, const struct adit_alloc *memory, struct drbg *random);
void __wrap_packet_set_keys(struct packet_side *side, const struct cipher_alg *alg, const struct mac_alg *mac,
                            const uint8_t *key, const uint8_t *iv, const uint8_t *mackey);

static struct packet *only; /* the program has one connection */
static unsigned keyed;      /* directions that have had their first keys */

static bool wants(const char *when, unsigned *number, unsigned long long packets[2])
{
    const char *text = getenv("ADIT_SEAM");
    char word[16];
    return text != NULL && sscanf(text, "%15s %u %llu %llu", word, number, &packets[0], &packets[1]) == 4 &&
           strcmp(word, when) == 0;
}

static void count(struct packet_side *side, unsigned number, uint64_t packets)
{
    side->seq = number;
    side->packets = packets;
}

void __wrap_packet_init(struct packet *pk, const struct adit_alloc *memory, struct drbg *random)
{
    unsigned number;
    unsigned long long packets[2];
    __real_packet_init(pk, memory, random);
    only = pk;
    if (wants("plain", &number, packets)) {
        count(&pk->rx, number, packets[0]);
        count(&pk->tx, number, packets[1]);
    }
}

void __wrap_packet_set_keys(struct packet_side *side, const struct cipher_alg *alg, const struct mac_alg *mac,
                            const uint8_t *key, const uint8_t *iv, const uint8_t *mackey)
{
    unsigned number;
    unsigned long long packets[2];
    __real_packet_set_keys(side, alg, mac, key, iv, mackey);
    if (keyed++ < 2 && wants("keyed", &number, packets))
        count(side, number, packets[side == &only->tx]);
}
