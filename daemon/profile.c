#include "daemon/profile.h"

#include <stdlib.h>
#include <string.h>

void profile_init(struct profile *p)
{
    memset(p, 0, sizeof *p);
}

void profile_wipe(struct profile *p)
{
    char *owned[] = {p->name,           p->user,         p->file,
                     p->password_file,  p->password_env, p->password_credential,
                     p->passphrase_file};
    for (size_t i = 0; i < ADIT_COUNT(owned); i++)
        free(owned[i]);
    for (size_t i = 0; i < p->keywords.count; i++) /* AditProxy may hold a password */
        adit_wipe(p->keywords.item[i], strlen(p->keywords.item[i]));
    texts_wipe(&p->keywords);
    profile_init(p);
}

const char *profile_auth_name(enum profile_auth auth)
{
    static const char *const names[] = {
        [PROFILE_AUTH_AUTO] = "auto", [PROFILE_AUTH_KEY] = "key", [PROFILE_AUTH_PASSWORD] = "password"};
    return names[auth];
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool profile_same(const struct profile *a, const struct profile *b)
{
    if (!same_text(a->name, b->name) || a->auth != b->auth ||
        !same_text(a->password_file, b->password_file) || !same_text(a->password_env, b->password_env) ||
        !same_text(a->password_credential, b->password_credential) ||
        !same_text(a->passphrase_file, b->passphrase_file) || a->keywords.count != b->keywords.count)
        return false;
    for (size_t i = 0; i < a->keywords.count; i++)
        if (strcmp(a->keywords.item[i], b->keywords.item[i]) != 0)
            return false;
    return true;
}
