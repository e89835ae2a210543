#include <stddef.h>
#include <string.h>

#include "daemon/conf_row.h"

static const char *const auth_names[] = {"auto", "key", "password", NULL};
_Static_assert(PROFILE_AUTH_AUTO == 0 && PROFILE_AUTH_KEY == 1 && PROFILE_AUTH_PASSWORD == 2,
               "as auth_names");

static enum adit_err set_user(struct conf_reader *r, void *target, const struct conf_row *row,
                              const struct conf_words *words, struct adit_error *err)
{
    struct profile *p = target;
    const char *name;
    (void)r;
    enum adit_err e = conf_keyword_add(&p->keywords, row->name, words->raw, &name, err);
    if (e == ADIT_E_OK && !definition_set(&p->user, words->item[0]))
        return conf_no_memory(err);
    return e;
}

/* A password has one place. */
static enum adit_err check_alone(const struct profile *p, struct adit_error *err)
{
    if (p->password_file == NULL && p->password_env == NULL && p->password_credential == NULL)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CONFIG,
                     "only one of PasswordFile, PasswordEnv and PasswordCredential can be given");
}

static enum adit_err set_password_file(struct conf_reader *r, void *target, const struct conf_row *row,
                                       const struct conf_words *words, struct adit_error *err)
{
    struct profile *p = target;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e == ADIT_E_OK)
        e = check_alone(p, err);
    return e == ADIT_E_OK ? conf_path_make(r, words->item[0], &p->password_file, err) : e;
}

static bool is_variable(const char *name)
{
    size_t n = 0;
    for (; name[n] != 0; n++) {
        bool is_letter =
            (name[n] >= 'a' && name[n] <= 'z') || (name[n] >= 'A' && name[n] <= 'Z') || name[n] == '_';
        if (!is_letter && (n == 0 || name[n] < '0' || name[n] > '9'))
            return false;
    }
    return n > 0 && n < 256;
}

static enum adit_err set_password_env(struct conf_reader *r, void *target, const struct conf_row *row,
                                      const struct conf_words *words, struct adit_error *err)
{
    struct profile *p = target;
    (void)r;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e == ADIT_E_OK && !is_variable(words->item[0]))
        e = adit_fail(err, ADIT_E_CONFIG, "the value is no name of a variable");
    if (e == ADIT_E_OK)
        e = check_alone(p, err);
    return e != ADIT_E_OK || definition_set(&p->password_env, words->item[0]) ? e : conf_no_memory(err);
}

/* It becomes the name of a file in a folder of systemd's: of that folder, and of no other. */
static bool is_credential(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < 256 && name[0] != '.' && strchr(name, '/') == NULL && definition_name_is_plain(name);
}

static enum adit_err set_credential(struct conf_reader *r, void *target, const struct conf_row *row,
                                    const struct conf_words *words, struct adit_error *err)
{
    struct profile *p = target;
    (void)r;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e == ADIT_E_OK && !is_credential(words->item[0]))
        e = adit_fail(err, ADIT_E_CONFIG, "the value is no name of a credential");
    if (e == ADIT_E_OK)
        e = check_alone(p, err);
    return e != ADIT_E_OK || definition_set(&p->password_credential, words->item[0]) ? e
                                                                                     : conf_no_memory(err);
}

#define AT(field) .offset = offsetof(struct profile, field), .size = sizeof(((struct profile *)0)->field)
static const struct conf_row rows[] = {
    {.name = "User", .kind = CONF_SPECIAL, .set = set_user},
    {.name = "Auth", .kind = CONF_CHOICE, AT(auth), .choices = auth_names},
    {.name = "PasswordFile", .kind = CONF_SPECIAL, .set = set_password_file},
    {.name = "PasswordEnv", .kind = CONF_SPECIAL, .set = set_password_env},
    {.name = "PasswordCredential", .kind = CONF_SPECIAL, .set = set_credential},
    {.name = "PassphraseFile", .kind = CONF_PATH, AT(passphrase_file), .max = 4095},
};
const struct conf_table conf_profile_table = {rows, ADIT_COUNT(rows)};
