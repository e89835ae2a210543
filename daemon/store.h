/*
 * store.h - the state folder: what outlives the daemon.
 *
 *     state.json   the tunnels that the API made: {"version":1,"tunnels":[...]}
 *     token        64 hex digits: who knows them may use the API over TCP
 *     lock         held as long as the daemon lives, with its process id inside
 *
 * All of mode 0600, in a folder of mode 0700. A file is replaced in one step: whoever reads it after any
 * crash, at any instant, finds all of the old one or all of the new one. No secret is ever in state.json.
 */
#ifndef DAEMON_STORE_H
#define DAEMON_STORE_H

#include "daemon/definition.h"

enum {
    STORE_TOKEN_CAP = 65,               /* with its zero */
    STORE_STATE_MAX = 16 * 1024 * 1024, /* a tunnel is about 500 bytes */
};

struct store;

/* Makes the folder with its parents where it is missing, and takes the lock, which belongs to this process:
 * one made by fork does not have it, so fork first. ADIT_E_SYSTEM: "another daemon (pid N) holds FOLDER"; a
 * folder that is another user's, or that others may write to; or the system's reason. A folder (or file
 * system) that may only be read is no error: the store can be loaded then, and not saved; two daemons on one
 * such folder do not notice each other. */
enum adit_err store_open(struct store **out, const char *folder, struct adit_error *err) ADIT_MUST_USE;
/* Gives the lock back; wipes the token. NULL is fine. */
void store_free(struct store *store);

const char *store_folder(const struct store *store);
/* False: every save would fail. */
bool store_is_writable(const struct store *store);

/* Reads state.json: *out gets *count tunnels of origin API with id and created_at, an array from malloc
 * that is the caller's, with all in it (definition_wipe each). A missing file is no tunnels. ADIT_E_CONFIG
 * with the file and the place: too large, no JSON (line and column), a newer version, a tunnel that is wrong
 * (its place and field); ADIT_E_SYSTEM, ADIT_E_LIMIT, ADIT_E_MEMORY. After an error the file stays as it is:
 * store_save refuses too. Members that this version does not know are kept for the next store_save. */
enum adit_err store_load(struct store *store, struct definition **out, size_t *count,
                         struct adit_error *err) ADIT_MUST_USE;

/* Writes these tunnels, in this order, those of origin API alone. The file is on the disk when it returns.
 * ADIT_E_SYSTEM with the reason (a folder that may only be read, a full disk): the old file is still there.
 */
enum adit_err store_save(struct store *store, const struct definition *const *tunnels, size_t count,
                         struct adit_error *err) ADIT_MUST_USE;

/* The token, read or made at the first call. One that is damaged, or that others could read, is replaced;
 * *note (NULL: nothing to say) says so in a sentence that does not change. Where it cannot be saved it is
 * kept in memory alone, with a note. ADIT_E_SYSTEM when there is no randomness. */
enum adit_err store_token(struct store *store, char out[static STORE_TOKEN_CAP], const char **note,
                          struct adit_error *err) ADIT_MUST_USE;

#endif
