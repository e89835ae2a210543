/*
 * access_list.c - see access_list.h.
 */
#include "daemon/access_list.h"

#include <stdlib.h>
#include <string.h>

#include "client/cidr.h"
#include "daemon/secrets.h"
#include "net/pages.h"

static enum adit_err no_memory(struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "no memory for the access rules");
}

static enum adit_err read_nets(struct access_list *list, const struct definition *d, struct adit_error *err)
{
    if (d->allow.count == 0)
        return ADIT_E_OK;
    list->nets = calloc(d->allow.count, sizeof *list->nets);
    if (!list->nets)
        return no_memory(err);
    for (size_t i = 0; i < d->allow.count; i++)
        if (!cidr_parse(&list->nets[i], d->allow.item[i]))
            return adit_fail(err, ADIT_E_CONFIG, "%s is no network", d->allow.item[i]);
    list->access.allow = list->nets;
    list->access.allow_count = d->allow.count;
    return ADIT_E_OK;
}

static enum adit_err read_destinations(struct access_list *list, const struct definition *d,
                                       struct adit_error *err)
{
    for (size_t i = 0; i < d->destinations.count; i++)
        if (!texts_add(&list->destinations, span_str(d->destinations.item[i])))
            return no_memory(err);
    list->access.destinations = (const char *const *)list->destinations.item;
    list->access.destination_count = list->destinations.count;
    return ADIT_E_OK;
}

static enum adit_err read_user(struct access_list *list, const struct definition *d, struct adit_error *err)
{
    if (!d->socks_user || !d->socks_password_file)
        return ADIT_E_OK;
    list->user = text_copy(span_str(d->socks_user));
    list->password = pages_new(ACCESS_PASSWORD_CAP);
    if (!list->user || !list->password)
        return no_memory(err);
    list->access.socks_user = list->user;
    list->access.socks_password = list->password;
    return secrets_file(d->socks_password_file, list->password, ACCESS_PASSWORD_CAP, err);
}

enum adit_err access_list_init(struct access_list *list, const struct definition *d, struct adit_error *err)
{
    memset(list, 0, sizeof *list);
    list->access.http_connect = true;
    enum adit_err e = read_nets(list, d, err);
    if (e == ADIT_E_OK)
        e = read_destinations(list, d, err);
    if (e == ADIT_E_OK)
        e = read_user(list, d, err);
    if (e != ADIT_E_OK)
        access_list_wipe(list);
    return e;
}

void access_list_wipe(struct access_list *list)
{
    free(list->nets);
    free(list->user);
    texts_wipe(&list->destinations);
    pages_free(list->password, ACCESS_PASSWORD_CAP);
    memset(list, 0, sizeof *list);
}
