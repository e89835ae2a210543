/*
 * secrets.c - see secrets.h.
 */
#include "daemon/secrets.h"

#include <stdlib.h>
#include <string.h>

#include "client/texts.h"
#include "daemon/conf_secret.h"
#include "daemon/profile.h"

/* ---- Where they are ---- */

static bool copy(char **to, const char *text)
{
    *to = text ? text_copy(span_str(text)) : NULL;
    return *to || !text;
}

bool secrets_init(struct secrets *s, const struct profile *profile)
{
    memset(s, 0, sizeof *s);
    if (!profile)
        return true;
    bool ok = copy(&s->password_file, profile->password_file);
    ok = copy(&s->password_env, profile->password_env) && ok;
    ok = copy(&s->password_credential, profile->password_credential) && ok;
    ok = copy(&s->passphrase_file, profile->passphrase_file) && ok;
    if (!ok)
        secrets_wipe(s);
    return ok;
}

void secrets_wipe(struct secrets *s)
{
    free(s->password_file);
    free(s->password_env);
    free(s->password_credential);
    free(s->passphrase_file);
    memset(s, 0, sizeof *s);
}

bool secrets_have_password(const struct secrets *s)
{
    return s->password_file || s->password_env || s->password_credential;
}

bool secrets_have_passphrase(const struct secrets *s)
{
    return s->passphrase_file != NULL;
}

/* ---- Their texts ---- */

/* secret is wiped here, read or not. */
static enum adit_err hand_out(enum adit_err e, struct conf_secret *secret, char *out, size_t cap,
                              struct adit_error *err)
{
    if (e == ADIT_E_OK && strlen(secret->text) >= cap)
        e = adit_fail(err, ADIT_E_CONFIG, "a secret is longer than %zu bytes", cap - 1);
    if (e == ADIT_E_OK)
        memcpy(out, secret->text, strlen(secret->text) + 1);
    conf_secret_wipe(secret);
    return e;
}

enum adit_err secrets_file(const char *path, char *out, size_t cap, struct adit_error *err)
{
    struct conf_secret secret;
    memset(&secret, 0, sizeof secret);
    enum adit_err e = conf_secret_read(&secret, path, err);
    return hand_out(e, &secret, out, cap, err);
}

enum adit_err secrets_password(const struct secrets *s, char *out, size_t cap, struct adit_error *err)
{
    struct conf_secret secret;
    enum adit_err e;
    memset(&secret, 0, sizeof secret);
    if (s->password_file)
        e = conf_secret_read(&secret, s->password_file, err);
    else if (s->password_env)
        e = conf_secret_env(&secret, s->password_env, err);
    else if (s->password_credential)
        e = conf_secret_credential(&secret, s->password_credential, err);
    else
        e = adit_fail(err, ADIT_E_CONFIG, "no password was given");
    return hand_out(e, &secret, out, cap, err);
}

enum adit_err secrets_passphrase(const struct secrets *s, char *out, size_t cap, struct adit_error *err)
{
    if (!s->passphrase_file)
        return adit_fail(err, ADIT_E_CONFIG, "no passphrase was given");
    return secrets_file(s->passphrase_file, out, cap, err);
}
