#include "client/environment.h"

#include <string.h>

#include "client/patterns.h"
#include "net/child.h"

static bool is_sent(const struct texts *patterns, struct span name)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (pattern_matches(span_str(patterns->item[i]), name))
            return true;
    return false;
}

bool environment_make(struct texts *out, const struct options *o, char *const environ_list[])
{
    texts_init(out);
    for (; *environ_list != NULL; environ_list++) {
        const char *equals = strchr(*environ_list, '=');
        if (equals == NULL || child_env_is_hidden(*environ_list) ||
            !is_sent(&o->send_env, span_make(*environ_list, (size_t)(equals - *environ_list))))
            continue;
        if (!texts_add(out, span_str(*environ_list)))
            return false;
    }
    for (size_t i = 0; i < o->set_env.count; i++)
        if (!texts_add(out, span_str(o->set_env.item[i])))
            return false;
    return true;
}

const char *environment_find(const struct texts *list, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = list->count; i > 0; i--)
        if (strncmp(list->item[i - 1], name, n) == 0 && list->item[i - 1][n] == '=')
            return list->item[i - 1] + n + 1;
    return NULL;
}
