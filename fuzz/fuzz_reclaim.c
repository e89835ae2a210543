#include <string.h>

#include "client/reclaim.h"
#include "fuzz/fuzz.h"

/* An answer to either command. Whatever was read of it, what is sent back of it is digits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[LIMIT_ERRAND + 1], command[RECLAIM_COMMAND_CAP];
    struct reclaim_id id = {0};
    (void)adit_text_clean(text, sizeof text, span_make(data, size), true); /* as the session hands it on */
    if (reclaim_read_who(text, &id) == RECLAIM_WHO_KNOWN)
        ALWAYS(id.pid >= 2 && id.pid <= INT32_MAX && id.parent <= INT32_MAX);
    else
        ALWAYS(id.pid == 0);
    ALWAYS(reclaim_read_end(text) <= RECLAIM_END_FOREIGN);
    reclaim_end(&id, command);
    ALWAYS(strlen(command) < RECLAIM_COMMAND_CAP - 1 && strchr(command, '\n') == NULL);
    return 0;
}
