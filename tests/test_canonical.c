#include "test.h"

#include <string.h>

#include "client/canonical.h"

static struct options o;
static unsigned lookups;

/* www.example. is an alias of real.cdn.example. */
static bool look_up(void *ctx, const char *name, char canonical[static LIMIT_HOST + 1])
{
    (void)ctx;
    lookups++;
    if (strncmp(name, "www.example", 11) == 0 || strcmp(name, "www") == 0) {
        adit_format(canonical, LIMIT_HOST + 1, "Real.CDN.example.");
        return true;
    }
    adit_format(canonical, LIMIT_HOST + 1, "%s", name);
    return strcmp(name, "mail.b.example.") == 0 || strcmp(name, "full.") == 0;
}

static bool address(void *ctx, const char *name, char out[static LIMIT_HOST + 1])
{
    (void)ctx;
    adit_format(out, LIMIT_HOST + 1, "::1");
    return strcmp(name, "::0001") == 0;
}

static const struct canonical_hooks hooks = {.look_up = look_up, .address = address};

static int setup(void **state)
{
    (void)state;
    options_init(&o);
    lookups = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    options_wipe(&o);
    return 0;
}

static void set(const char *line)
{
    struct adit_error err = {0};
    assert_int_equal(options_set_line(&o, line, &err), ADIT_E_OK);
}

static enum adit_err run(const char *given, const char *wanted)
{
    char host[LIMIT_HOST + 1];
    struct adit_error err = {0};
    adit_format(host, sizeof host, "%s", given);
    enum adit_err e = canonical_name(&o, host, &hooks, &err);
    if (e == ADIT_E_OK)
        assert_string_equal(host, wanted);
    return e;
}

static void test_off(void **state)
{
    (void)state;
    assert_int_equal(run("Mail", "mail"), ADIT_E_OK);
    assert_int_equal(run("::0001", "::1"), ADIT_E_OK);
    assert_int_equal(lookups, 0);
}

static void test_domains(void **state)
{
    (void)state;
    set("CanonicalizeHostname yes");
    set("CanonicalDomains a.example b.example example");
    assert_int_equal(run("mail", "mail.b.example"), ADIT_E_OK);
    assert_int_equal(lookups, 2);
    assert_int_equal(run("WWW", "www.example"), ADIT_E_OK);
    assert_int_equal(run("nobody", "nobody"), ADIT_E_OK);
    assert_int_equal(run("full.", "full"), ADIT_E_OK);
    lookups = 0;
    assert_int_equal(run("a.b.c", "a.b.c"), ADIT_E_OK); /* more dots than CanonicalizeMaxDots */
    assert_int_equal(lookups, 0);
}

static void test_no_fallback(void **state)
{
    (void)state;
    set("CanonicalizeHostname yes");
    set("CanonicalDomains a.example");
    set("CanonicalizeFallbackLocal no");
    assert_int_equal(run("nobody", ""), ADIT_E_RESOLVE);
    assert_int_equal(run("none.", ""), ADIT_E_RESOLVE);
    assert_int_equal(run("::0001", "::1"), ADIT_E_OK);
}

static void test_proxied(void **state)
{
    (void)state;
    set("CanonicalDomains b.example");
    set("ProxyJump hop");
    o.canonicalize_hostname = CANONICALIZE_YES;
    assert_int_equal(run("mail", "mail"), ADIT_E_OK); /* the proxy will look it up */
    assert_int_equal(lookups, 0);
    o.canonicalize_hostname = CANONICALIZE_ALWAYS;
    assert_int_equal(run("mail", "mail.b.example"), ADIT_E_OK);
}

static void test_cnames(void **state)
{
    (void)state;
    set("CanonicalizeHostname yes");
    set("CanonicalDomains example");
    set("CanonicalizePermittedCNAMEs x:y *.example:*.other,*.cdn.example");
    assert_int_equal(run("www", "real.cdn.example"), ADIT_E_OK);
    options_wipe(&o);
    options_init(&o);
    set("CanonicalizeHostname yes");
    set("CanonicalDomains example");
    set("CanonicalizePermittedCNAMEs *.example:*.other");
    assert_int_equal(run("www", "www.example"), ADIT_E_OK);
}

/* The rules alone, without CanonicalizeHostname. */
static void test_plain_cname(void **state)
{
    (void)state;
    set("CanonicalizePermittedCNAMEs www:*");
    assert_int_equal(run("www", "real.cdn.example"), ADIT_E_OK);
    assert_int_equal(run("nobody", ""), ADIT_E_RESOLVE);
    set("ProxyCommand nc %h %p");
    lookups = 0;
    assert_int_equal(run("www", "www"), ADIT_E_OK);
    assert_int_equal(lookups, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_off),     T(test_domains), T(test_no_fallback),
                                       T(test_proxied), T(test_cnames),  T(test_plain_cname)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
