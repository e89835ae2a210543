#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/definition.h"

static void set(char **to, const char *text)
{
    assert_true(definition_set(to, text));
}

/* Everything that can be written, written. */
static void make(struct definition *d)
{
    definition_init(d, DEFINITION_FILE);
    set(&d->id, "web");
    set(&d->name, "web");
    set(&d->host, "bastion");
    set(&d->user, "alice");
    d->port = 2222;
    set(&d->profile_id, "ops");
    set(&d->jump_host_id, "a,b");
    struct definition_forward *f = definition_forward_add(d, FORWARD_LOCAL);
    assert_non_null(f);
    set(&f->bind_address, "127.0.0.1");
    f->local_port = 8443;
    f->has_local_port = f->has_remote_port = true;
    set(&f->remote_host, "10.0.0.5");
    f->remote_port = 443;
    set(&d->description, "the web");
    set(&d->file, "/etc/adit/adit.conf");
    set(&d->socks_user, "u");
    set(&d->socks_password_file, "/p");
    set(&d->health.path, "/health");
    assert_true(texts_add(&d->keywords, span_str("Compression yes")));
    assert_true(texts_add(&d->allow, span_str("10.0.0.0/8")));
    assert_true(texts_add(&d->destinations, span_str("*:443")));
    d->line = 7;
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        enum definition_origin origin;
        uint32_t retries;
        bool reconnects;
        const char *name;
    } of[] = {{DEFINITION_API, 5, true, "api"},
              {DEFINITION_FILE, 0, true, "file"},
              {DEFINITION_SESSION, 0, false, "session"},
              {DEFINITION_MCP, 5, true, "mcp"}};
    for (size_t i = 0; i < ADIT_COUNT(of); i++) {
        struct definition d;
        definition_init(&d, of[i].origin);
        assert_int_equal(d.max_retries, of[i].retries);
        assert_int_equal(d.auto_reconnect, of[i].reconnects);
        assert_false(d.auto_start || d.lazy || d.detect_fast || d.allow_non_loopback);
        assert_int_equal(d.backoff_first_ms, 1000);
        assert_int_equal(d.backoff_cap_ms, 60000);
        assert_int_equal(d.jitter_percent, 100);
        assert_int_equal(d.hold_ms, 10000);
        assert_int_equal(d.hold_max, 64);
        assert_string_equal(definition_origin_name(of[i].origin), of[i].name);
        definition_wipe(&d);
    }
}

static void test_copy(void **state)
{
    (void)state;
    struct definition a, b;
    make(&a);
    assert_true(definition_copy(&b, &a));
    assert_true(definition_same(&a, &b));
    assert_false(definition_needs_restart(&a, &b));
    assert_ptr_not_equal(a.name, b.name);
    assert_ptr_not_equal(a.forwards, b.forwards);
    assert_ptr_not_equal(a.forwards[0].remote_host, b.forwards[0].remote_host);
    assert_string_equal(b.file, "/etc/adit/adit.conf");
    assert_int_equal(b.line, 7);
    assert_string_equal(b.keywords.item[0], "Compression yes");
    definition_wipe(&a);
    assert_string_equal(b.health.path, "/health");
    definition_wipe(&b);
}

/* What is changed, and what follows from it. */
enum change { NOTHING, POLICY, RESTART };

static void changes(void (*change)(struct definition *d), enum change wanted)
{
    struct definition a, b;
    make(&a);
    make(&b);
    change(&b);
    assert_int_equal(definition_same(&a, &b), wanted == NOTHING);
    assert_int_equal(definition_needs_restart(&a, &b), wanted == RESTART);
    assert_int_equal(definition_needs_restart(&b, &a), wanted == RESTART);
    definition_wipe(&a);
    definition_wipe(&b);
}

#define CHANGE(name, what)                          \
    static void change_##name(struct definition *d) \
    {                                               \
        what;                                       \
    }
CHANGE(line, d->line++)
CHANGE(file, set(&d->file, "/other"))
CHANGE(id, set(&d->id, "other"))
CHANGE(created, d->created_at++)
CHANGE(name, set(&d->name, "other"))
CHANGE(description, set(&d->description, NULL))
CHANGE(retries, d->max_retries++)
CHANGE(start, d->auto_start = true)
CHANGE(reconnect, d->auto_reconnect = false)
CHANGE(backoff, d->backoff_cap_ms++)
CHANGE(jitter, d->jitter_percent = 0)
CHANGE(lazy, d->lazy = true)
CHANGE(idle, d->idle_exit_s = 1)
CHANGE(health, d->health.interval_s = 9)
CHANGE(host, set(&d->host, "other"))
CHANGE(user, set(&d->user, NULL))
CHANGE(port, d->port = 0)
CHANGE(profile, set(&d->profile_id, "default"))
CHANGE(jump, set(&d->jump_host_id, "a"))
CHANGE(session, set(&d->jump_session_id, "x"))
CHANGE(keyword, assert_true(texts_add(&d->keywords, span_str("Port 1"))))
CHANGE(listen, d->forwards[0].local_port++)
CHANGE(bind, set(&d->forwards[0].bind_address, NULL))
CHANGE(target, set(&d->forwards[0].remote_host, "10.0.0.6"))
CHANGE(up, d->forwards[0].counts_up = true)
CHANGE(more, assert_non_null(definition_forward_add(d, FORWARD_DYNAMIC)))
CHANGE(allow, texts_remove(&d->allow, "10.0.0.0/8"))
CHANGE(destination, d->destinations.item[0][0] = 'x')
CHANGE(socks, set(&d->socks_user, "v"))
CHANGE(loopback, d->allow_non_loopback = true)
CHANGE(detect, d->detect_fast = true)
CHANGE(hold, d->hold_max = 1)

static void test_changes(void **state)
{
    (void)state;
    static void (*const none[])(struct definition *) = {change_line, change_file, change_id, change_created};
    static void (*const policy[])(struct definition *) = {
        change_name,   change_description, change_retries, change_start, change_reconnect,
        change_health, change_backoff,     change_jitter,  change_lazy,  change_idle};
    static void (*const restart[])(struct definition *) = {
        change_host,    change_user,   change_port, change_profile,     change_jump,     change_session,
        change_keyword, change_listen, change_bind, change_target,      change_up,       change_more,
        change_allow,   change_socks,  change_hold, change_destination, change_loopback, change_detect};
    for (size_t i = 0; i < ADIT_COUNT(none); i++)
        changes(none[i], NOTHING);
    for (size_t i = 0; i < ADIT_COUNT(policy); i++)
        changes(policy[i], POLICY);
    for (size_t i = 0; i < ADIT_COUNT(restart); i++)
        changes(restart[i], RESTART);
}

/* remote_port and local_port below 0: not given. */
static void shows(enum forward_type type, const char *bind, int local, const char *remote, int remote_port,
                  const char *plain, const char *utf8)
{
    char out[DEFINITION_SPEC_CAP];
    struct definition d;
    definition_init(&d, DEFINITION_API);
    definition_spec(&d, true, out);
    assert_string_equal(out, "");
    struct definition_forward *f = definition_forward_add(&d, type);
    set(&f->bind_address, bind);
    set(&f->remote_host, remote);
    f->has_local_port = local >= 0;
    f->has_remote_port = remote_port >= 0;
    f->local_port = (uint16_t)(local >= 0 ? local : 0);
    f->remote_port = (uint16_t)(remote_port >= 0 ? remote_port : 0);
    f->counts_up = local == 10000;
    definition_spec(&d, false, out);
    assert_string_equal(out, plain);
    definition_spec(&d, true, out);
    assert_string_equal(out, utf8);
    definition_wipe(&d);
}

#define ARROW "\xe2\x86\x92"

static void test_spec(void **state)
{
    (void)state;
    shows(FORWARD_LOCAL, "127.0.0.1", 8443, "10.0.0.5", 443, "L :8443 -> 10.0.0.5:443",
          "L :8443 " ARROW " 10.0.0.5:443");
    shows(FORWARD_LOCAL, NULL, 0, NULL, 80, "L :0 -> localhost:80", "L :0 " ARROW " localhost:80");
    shows(FORWARD_LOCAL, "::1", 10000, "fe80::1", 80, "L [::1]:10000+ -> [fe80::1]:80",
          "L [::1]:10000+ " ARROW " [fe80::1]:80");
    shows(FORWARD_LOCAL, "*", 1, "127.0.0.1", 80, "L *:1 -> 127.0.0.1:80", "L *:1 " ARROW " 127.0.0.1:80");
    shows(FORWARD_DYNAMIC, "localhost", 1080, NULL, -1, "D :1080 SOCKS5", "D :1080 SOCKS5");
    shows(FORWARD_REMOTE, "127.0.0.1", 3000, NULL, 8080, "R :8080 -> localhost:3000",
          "R :8080 " ARROW " localhost:3000");
    shows(FORWARD_REMOTE, "10.1.1.1", 3000, "*", 8080, "R *:8080 -> 10.1.1.1:3000",
          "R *:8080 " ARROW " 10.1.1.1:3000");
    shows(FORWARD_REMOTE, NULL, -1, NULL, 1080, "R :1080 SOCKS5", "R :1080 SOCKS5");
}

static void forward_is(enum forward_type type, const char *bind, int local, const char *remote, int port,
                       struct forward_spec wanted)
{
    struct forward_spec spec;
    struct definition_forward f = {.type = type,
                                   .bind_address = (char *)bind,
                                   .local_port = (uint16_t)(local >= 0 ? local : 0),
                                   .has_local_port = local >= 0,
                                   .remote_host = (char *)remote,
                                   .remote_port = (uint16_t)port,
                                   .has_remote_port = true};
    wanted.type = type;
    definition_forward_spec(&f, &spec);
    assert_true(forward_spec_same(&spec, &wanted));
}

static void test_forward_spec(void **state)
{
    (void)state;
    forward_is(FORWARD_LOCAL, NULL, 8443, "10.0.0.5", 443,
               (struct forward_spec){.bind = FORWARD_BIND_ADDRESS,
                                     .address = "127.0.0.1",
                                     .port = 8443,
                                     .host = "10.0.0.5",
                                     .host_port = 443});
    forward_is(FORWARD_LOCAL, "localhost", 0, NULL, 443,
               (struct forward_spec){.bind = FORWARD_BIND_LOCAL, .host = "localhost", .host_port = 443});
    forward_is(FORWARD_DYNAMIC, "*", 1080, NULL, 0,
               (struct forward_spec){.bind = FORWARD_BIND_ALL, .port = 1080});
    forward_is(FORWARD_REMOTE, NULL, 3000, NULL, 8080,
               (struct forward_spec){
                   .bind = FORWARD_BIND_LOCAL, .port = 8080, .host = "127.0.0.1", .host_port = 3000});
    forward_is(FORWARD_REMOTE, NULL, -1, "::", 0,
               (struct forward_spec){.bind = FORWARD_BIND_ADDRESS, .address = "::"});
}

static void test_key(void **state)
{
    (void)state;
    static void (*const same[])(struct definition *) = {
        change_name, change_listen, change_more, change_allow, change_lazy, change_start, change_health};
    static void (*const other[])(struct definition *) = {
        change_host, change_user, change_port, change_profile, change_jump, change_session, change_keyword};
    for (size_t i = 0; i < ADIT_COUNT(same) + ADIT_COUNT(other); i++) {
        bool is_same = i < ADIT_COUNT(same);
        struct definition a, b;
        make(&a);
        make(&b);
        (is_same ? same[i] : other[i - ADIT_COUNT(same)])(&b);
        char *x = definition_connection_key(&a), *y = definition_connection_key(&b);
        assert_non_null(x);
        assert_non_null(y);
        assert_int_equal(strcmp(x, y) == 0, is_same);
        free(x);
        free(y);
        definition_wipe(&a);
        definition_wipe(&b);
    }
}

/* A text that is not there is no empty one, and no text ends in another's place. */
static void test_key_parts(void **state)
{
    (void)state;
    struct definition a, b;
    definition_init(&a, DEFINITION_API);
    definition_init(&b, DEFINITION_API);
    set(&a.host, "h");
    set(&b.host, "h\n1 0\n");
    set(&b.user, "");
    char *x = definition_connection_key(&a), *y = definition_connection_key(&b);
    assert_string_not_equal(x, y);
    set(&b.host, "h");
    free(y);
    y = definition_connection_key(&b);
    assert_string_not_equal(x, y);
    free(x);
    free(y);
    definition_wipe(&a);
    definition_wipe(&b);
}

static void test_many_forwards(void **state)
{
    (void)state;
    struct definition d;
    definition_init(&d, DEFINITION_FILE);
    for (size_t i = 0; i < DEFINITION_FORWARDS_MAX; i++)
        assert_non_null(definition_forward_add(&d, FORWARD_DYNAMIC));
    assert_null(definition_forward_add(&d, FORWARD_DYNAMIC));
    assert_int_equal(d.forward_count, DEFINITION_FORWARDS_MAX);
    definition_wipe(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_copy),
        cmocka_unit_test(test_changes),   cmocka_unit_test(test_spec),
        cmocka_unit_test(test_key),       cmocka_unit_test(test_forward_spec),
        cmocka_unit_test(test_key_parts), cmocka_unit_test(test_many_forwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
