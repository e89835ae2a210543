/*
 * link_trust.c - host keys: what is told of them, and the one that may be accepted later.
 */
#include <stdlib.h>
#include <string.h>

#include "client/files.h"
#include "client/link_internal.h"
#include "net/loop.h"

static void forget(struct link *l)
{
    free(l->unknown_host);
    free(l->unknown_line);
    free(l->unknown_file);
    l->unknown_host = l->unknown_line = l->unknown_file = NULL;
    l->unknown_fingerprint[0] = 0;
}

void link_trust_wipe(struct link *l)
{
    forget(l);
}

static char *copy(const char *text)
{
    return text != NULL ? text_copy(span_str(text)) : NULL;
}

static void remember(struct link *l, const struct link_host_key *key)
{
    forget(l);
    l->unknown_host = copy(key->host);
    l->unknown_line = copy(key->line);
    l->unknown_file = copy(key->file);
    (void)adit_format(l->unknown_fingerprint, sizeof l->unknown_fingerprint, "%s", key->fingerprint);
}

void link_see_host_key(struct link *l, const struct client *client, const char *jump_host)
{
    const struct host_key_seen *seen = client_host_key(client);
    const struct link_host_key key = {.host = client_known_name(client),
                                      .jump_host = jump_host,
                                      .verdict = seen->verdict,
                                      .type = seen->type,
                                      .fingerprint = seen->fingerprint,
                                      .line = seen->line,
                                      .file = client_known_hosts(client)};
    struct link_notice n = {.kind = LINK_HOST_KEY, .host_key = &key};
    if (seen->verdict == HOST_KEY_NONE)
        return;
    if (seen->verdict == HOST_KEY_UNKNOWN)
        remember(l, &key);
    else if (l->unknown_host != NULL && strcmp(l->unknown_host, key.host) == 0)
        forget(l); /* it shows another one, or somebody has accepted it */
    link_notify(l, &n);
}

static enum adit_err trust(struct link *l, const char *fingerprint, struct adit_error *err)
{
    if (l->unknown_line == NULL || strcmp(l->unknown_fingerprint, fingerprint) != 0)
        return adit_fail(err, ADIT_E_HOST_KEY, "no unknown host key with this fingerprint was seen");
    if (l->unknown_file == NULL)
        return adit_fail(err, ADIT_E_CONFIG, "there is no known_hosts file to add the key to");
    enum adit_err e = file_append(l->unknown_file, span_str(l->unknown_line), LIMIT_FILE_KNOWN_HOSTS, err);
    if (e == ADIT_E_OK)
        forget(l);
    return e;
}

void link_on_trust(struct link *l)
{
    char fingerprint[LINK_FINGERPRINT_CAP];
    struct adit_error err = {ADIT_E_OK, ""};
    struct link_notice n = {.kind = LINK_TRUSTED, .error = &err};
    (void)pthread_mutex_lock(&l->lock);
    memcpy(fingerprint, l->trusted, sizeof fingerprint);
    (void)pthread_mutex_unlock(&l->lock);
    enum adit_err e = trust(l, fingerprint, &err);
    link_notify(l, &n);
    if (e == ADIT_E_OK)
        link_do(l, keep_file_changed(&l->keep, loop_now_ms()));
}
