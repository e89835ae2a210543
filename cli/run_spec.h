/*
 * run_spec.h - the command line of `adit run`: which words are ssh's, what the forwards are called, and the
 * command behind "--". Nothing is run here.
 *
 *     adit run [ssh options] DEST -L [NAME=]spec... [--timeout 30s] -- CMD...
 */
#ifndef CLI_RUN_SPEC_H
#define CLI_RUN_SPEC_H

#include "adit.h"
#include "client/texts.h"

enum { RUN_NAME_CAP = 64, RUN_FORWARDS_MAX = 64 };

struct run_forward {
    char letter;             /* 'L', 'R' or 'D' */
    char name[RUN_NAME_CAP]; /* as in ADIT_<name>_PORT: "DB", or "L1" */
};

struct run_spec {
    struct texts options; /* for ssh, in order, the forwards without their names */
    struct run_forward forwards[RUN_FORWARDS_MAX];
    size_t forward_count;
    uint32_t timeout_ms;
    size_t command; /* where in argv the command begins */
    bool wants_help;
};

/* argv: what stands behind the verb. ADIT_E_USAGE with what is wrong; run_spec_wipe it in any case. */
enum adit_err run_spec_parse(struct run_spec *r, int argc, char *const argv[],
                             struct adit_error *err) ADIT_MUST_USE;
void run_spec_wipe(struct run_spec *r);

/* What one `listening` line of that forward means: the variables "ADIT_DB_ADDR=127.0.0.1:5432" and _HOST,
 * _PORT, _URL, added to out. False: it is no such line, or no memory (errno is ENOMEM). */
bool run_spec_variables(const struct run_forward *f, const char *line, struct texts *out) ADIT_MUST_USE;

#endif
