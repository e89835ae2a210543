/*
 * options_algos.h - algorithms that ssh knows by name and adit does not have.
 *
 * Files written for ssh name them ("HostKeyAlgorithms +ssh-rsa"). They are taken out of a list as if they
 * stood at its end: never offered, and no reason to refuse the file. A name that ssh does not know either
 * stays, for its refusal.
 */
#ifndef CLIENT_OPTIONS_ALGOS_H
#define CLIENT_OPTIONS_ALGOS_H

#include "adit.h"
#include "ssh/ssh.h"

enum { OPTION_ALGOS_CAP = 4096 };

/* What ssh refuses whatever the names are: nothing at all behind the sign, wildcards in a list of ciphers,
 * MACs or key exchanges that takes nothing away, a wildcard that no type of key matches. */
bool option_algos_fine(enum ssh_list which, const char *spec) ADIT_MUST_USE;

/* spec in ssh's syntax with its sign; out is empty when nothing but such names stood there. False: too long.
 */
bool option_algos_built(enum ssh_list which, const char *spec,
                        char out[static OPTION_ALGOS_CAP]) ADIT_MUST_USE;

#endif
