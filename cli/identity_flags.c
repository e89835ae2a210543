#include "cli/identity_flags.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/log.h"
#include "client/expand.h"

/* Keys that are no files, and a name that needs more than "~/" to become a path, are not looked at. */
static bool path_of(const char *text, char path[static EXPAND_PATH_CAP])
{
    char user[LIMIT_USER + 1];
    if (strncmp(text, "env:", 4) == 0 || strncmp(text, "fd:", 3) == 0 || text_same(text, "none") ||
        strpbrk(text, "%$") != NULL || (text[0] == '~' && text[1] != '/'))
        return false;
    if (text[0] != '~')
        return adit_format(path, EXPAND_PATH_CAP, "%s", text) == strlen(text);
    expand_user(path, user);
    size_t n = strlen(path);
    return adit_format(path + n, EXPAND_PATH_CAP - n, "%s", text + 1) == strlen(text + 1);
}

/* With its .pub beside it the key may be in the agent. */
static bool is_missing(const char *path)
{
    char pub[EXPAND_PATH_CAP + 8];
    struct stat status;
    (void)adit_format(pub, sizeof pub, "%s.pub", path);
    int why = stat(path, &status) == 0 ? 0 : errno;
    if (why == 0 || stat(pub, &status) == 0)
        return false;
    log_format(LOG_LEVEL_ERROR, "Warning: Identity file %s not accessible: %s.", path, strerror(why));
    return true;
}

void identity_flags_check(struct args *args)
{
    char path[EXPAND_PATH_CAP];
    for (size_t i = 0; i < args->identities.count; i++)
        if (path_of(args->identities.item[i], path) && is_missing(path))
            texts_remove(&args->options.identity_files, args->identities.item[i]);
}
