/* getaddrinfo is this file's own: a name that begins with "slow" blocks until the gate opens, as a dead name
 * server would make it. Nothing here asks the network. */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "tests/test.h"

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static int inside, inside_max, calls;
static bool is_open;

static void gate_pass(void)
{
    (void)pthread_mutex_lock(&gate_lock);
    inside++;
    inside_max = inside > inside_max ? inside : inside_max;
    (void)pthread_cond_broadcast(&gate_changed);
    while (!is_open)
        (void)pthread_cond_wait(&gate_changed, &gate_lock);
    inside--;
    (void)pthread_cond_broadcast(&gate_changed);
    (void)pthread_mutex_unlock(&gate_lock);
}

static void gate_set(bool open)
{
    (void)pthread_mutex_lock(&gate_lock);
    is_open = open;
    (void)pthread_cond_broadcast(&gate_changed);
    (void)pthread_mutex_unlock(&gate_lock);
}

static void gate_wait_inside(int n)
{
    (void)pthread_mutex_lock(&gate_lock);
    while (inside != n)
        (void)pthread_cond_wait(&gate_changed, &gate_lock);
    (void)pthread_mutex_unlock(&gate_lock);
}

static int calls_now(void)
{
    int n;

    (void)pthread_mutex_lock(&gate_lock);
    n = calls;
    (void)pthread_mutex_unlock(&gate_lock);
    return n;
}

struct entry {
    struct addrinfo info;
    struct sockaddr_in6 addr; /* the larger one */
};

static struct addrinfo *entry_new(int family, struct addrinfo *next)
{
    struct entry *e = calloc(1, sizeof *e);

    if (!e)
        abort();
    e->addr.sin6_family = (sa_family_t)family;
    e->info.ai_family = family;
    e->info.ai_addrlen = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    e->info.ai_addr = (struct sockaddr *)(void *)&e->addr;
    e->info.ai_next = next;
    return &e->info;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    if (!host) /* the loopback addresses */
        host = "loopback";
    int many = strcmp(host, "many") == 0 ? 100 : 1;

    (void)service;
    (void)pthread_mutex_lock(&gate_lock);
    calls++;
    (void)pthread_mutex_unlock(&gate_lock);
    if (strncmp(host, "slow", 4) == 0)
        gate_pass();
    *out = NULL;
    if (strcmp(host, "none") == 0 || strcmp(host, "LocalHost") == 0)
        return EAI_NONAME;
    if (strcmp(host, "broken") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    if (strcmp(host, "strange") == 0) {
        *out = entry_new(AF_UNIX, NULL);
        return 0;
    }
    for (int i = 0; i < many; i++)
        *out = entry_new(hints->ai_family == AF_INET ? AF_INET : AF_INET6, *out);
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}

/* ---- */

static struct mailbox box;

static int setup(void **state)
{
    (void)state;
    return mailbox_init(&box, NULL) == ADIT_E_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mailbox_wipe(&box);
    return 0;
}

static struct resolve *start(const char *host, int kind)
{
    struct resolve *r;

    assert_int_equal(resolve_start(&r, host, 22, AF_UNSPEC, &box, kind, &box, NULL), ADIT_E_OK);
    assert_non_null(r);
    return r;
}

static struct resolve *wait_for_any(void)
{
    struct pollfd p = {.fd = mailbox_fd(&box), .events = POLLIN};
    struct mail *m;

    while ((m = mailbox_take(&box)) == NULL)
        assert_int_equal(poll(&p, 1, 20000), 1);
    assert_ptr_equal(m->owner, &box);
    return resolve_of_mail(m);
}

static enum adit_err result_of(const char *host, size_t *count, struct adit_error *err)
{
    struct resolve *r = start(host, 1);
    const struct sock_addr *addrs;
    enum adit_err e;

    assert_ptr_equal(wait_for_any(), r);
    e = resolve_result(r, &addrs, count, err);
    for (size_t i = 0; i < *count; i++)
        assert_int_equal(sock_addr_port(&addrs[i]), 22);
    resolve_free(r);
    return e;
}

static void literals_at_once(void **state)
{
    struct resolve *r;
    const struct sock_addr *addrs;
    char text[SOCK_TEXT_CAP];
    size_t count;
    int before = calls_now();
    struct adit_error err = {0};

    (void)state;
    assert_int_equal(resolve_start(&r, "::1", 22, AF_UNSPEC, &box, 5, &box, NULL), ADIT_E_OK);
    assert_ptr_equal(resolve_of_mail(mailbox_take(&box)), r);
    assert_int_equal(resolve_result(r, &addrs, &count, NULL), ADIT_E_OK);
    assert_int_equal(count, 1);
    sock_addr_text(&addrs[0], text);
    assert_string_equal(text, "[::1]:22");
    resolve_free(r);
    assert_int_equal(resolve_start(&r, "::1", 22, AF_INET, &box, 5, &box, NULL), ADIT_E_OK);
    assert_ptr_equal(resolve_of_mail(mailbox_take(&box)), r);
    assert_int_equal(resolve_result(r, &addrs, &count, &err), ADIT_E_RESOLVE);
    assert_non_null(strstr(err.text, "Could not resolve hostname ::1: "));
    resolve_free(r);
    assert_int_equal(calls_now(), before);
}

static void names(void **state)
{
    struct adit_error err = {0};
    size_t count;

    (void)state;
    assert_int_equal(result_of("good", &count, NULL), ADIT_E_OK);
    assert_int_equal(count, 1);
    assert_int_equal(result_of("many", &count, NULL), ADIT_E_OK);
    assert_int_equal(count, RESOLVE_ADDRS);
    assert_int_equal(result_of("none", &count, &err), ADIT_E_RESOLVE);
    assert_int_equal(count, 0);
    assert_non_null(strstr(err.text, "Could not resolve hostname none: "));
    assert_non_null(strstr(err.text, gai_strerror(EAI_NONAME)));
    /* A machine without a hosts file. */
    assert_int_equal(result_of("LocalHost", &count, NULL), ADIT_E_OK);
    assert_int_equal(count, 1);
    err = (struct adit_error){0};
    assert_int_equal(result_of("broken", &count, &err), ADIT_E_RESOLVE);
    assert_non_null(strstr(err.text, strerror(EMFILE)));
    assert_int_equal(result_of("strange", &count, NULL), ADIT_E_RESOLVE);
}

static void not_a_name(void **state)
{
    char text[RESOLVE_NAME_CAP + 1];
    struct resolve *r;

    (void)state;
    memset(text, 'n', sizeof text);
    text[RESOLVE_NAME_CAP] = '\0';
    assert_int_equal(resolve_start(&r, text, 22, AF_UNSPEC, &box, 1, NULL, NULL), ADIT_E_RESOLVE);
    assert_null(r);
    assert_int_equal(resolve_start(&r, "", 22, AF_UNSPEC, &box, 1, NULL, NULL), ADIT_E_RESOLVE);
    resolve_free(NULL);
}

/* Four at one time; the rest waits its turn and is answered all the same. */
static void four_threads_at_most(void **state)
{
    enum { N = 10 };
    struct resolve *r[N];
    int seen[N] = {0};

    (void)state;
    gate_set(false);
    inside_max = 0;
    for (int i = 0; i < N; i++)
        r[i] = start("slow", i);
    gate_wait_inside(RESOLVE_THREADS);
    assert_null(mailbox_take(&box));
    gate_set(true);
    for (int i = 0; i < N; i++) {
        struct resolve *got = wait_for_any();

        for (int k = 0; k < N; k++)
            seen[k] += got == r[k];
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(seen[i], 1);
        resolve_free(r[i]);
    }
    gate_wait_inside(0);
    assert_int_equal(inside_max, RESOLVE_THREADS);
}

/* Given up while it runs, while it waits in the queue, and with its letter unread: no letter comes, nothing
 * leaks. */
static void given_up(void **state)
{
    enum { N = RESOLVE_THREADS };
    struct resolve *running[N], *queued[5], *last;
    int left = 2;
    struct mailbox gone;

    (void)state;
    gate_set(false);
    /* Their mailbox is gone before they end. */
    assert_int_equal(mailbox_init(&gone, NULL), ADIT_E_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(resolve_start(&running[i], "slow", 22, AF_UNSPEC, &gone, 0, NULL, NULL), ADIT_E_OK);
    gate_wait_inside(N);
    for (int i = 0; i < 5; i++)
        queued[i] = start(i % 2 ? "good" : "none", 0);
    resolve_free(queued[2]);
    resolve_free(queued[4]);
    last = start("good", 0);
    resolve_free(queued[0]);
    for (int i = 0; i < N; i++)
        resolve_free(running[i]);
    mailbox_wipe(&gone);
    gate_set(true);
    while (left >= 0) { /* in whatever order their threads end */
        struct resolve *got = wait_for_any();

        assert_true(got == queued[1] || got == queued[3] || got == last);
        resolve_free(got);
        left--;
    }
    gate_wait_inside(0);
    assert_null(mailbox_take(&box));
    last = start("127.0.0.1", 0);
    resolve_free(last); /* unread */
    assert_null(mailbox_take(&box));
    gate_wait_inside(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literals_at_once), TEST(names), TEST(not_a_name), TEST(four_threads_at_most), TEST(given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
