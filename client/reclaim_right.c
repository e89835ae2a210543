#include "client/reclaim_right.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct account {
    struct account *next;
    enum reclaim_right right; /* WAIT while somebody asks */
    char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct account *accounts; /* as many as there were; never freed */

/* The lock is held. */
static struct account *find(const char *name)
{
    struct account *a = accounts;
    while (a != NULL && strcmp(a->name, name) != 0)
        a = a->next;
    return a;
}

static struct account *add(const char *name)
{
    size_t n = strlen(name) + 1;
    struct account *a = calloc(1, sizeof *a + n);
    if (a == NULL)
        return NULL;
    memcpy(a->name, name, n);
    a->right = RECLAIM_RIGHT_FIRST;
    a->next = accounts;
    accounts = a;
    return a;
}

enum reclaim_right reclaim_right_of(const char *account)
{
    (void)pthread_mutex_lock(&lock);
    struct account *a = find(account);
    if (a == NULL)
        a = add(account);
    enum reclaim_right right = a != NULL ? a->right : RECLAIM_RIGHT_NO;
    if (right == RECLAIM_RIGHT_FIRST)
        a->right = RECLAIM_RIGHT_WAIT;
    (void)pthread_mutex_unlock(&lock);
    return right;
}

void reclaim_right_settle(const char *account, enum reclaim_right what)
{
    (void)pthread_mutex_lock(&lock);
    struct account *a = find(account);
    if (a != NULL && a->right != RECLAIM_RIGHT_NO)
        a->right = what;
    (void)pthread_mutex_unlock(&lock);
}
