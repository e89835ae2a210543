/*
 * What the daemon says of itself, over a Unix socket and over TCP; prompts; reload; the page's address; the
 * end.
 */
#define _GNU_SOURCE /* memmem, strsep */
#include "tests/api_world.h"
#include "tests/no_reading.h"

#include <ctype.h>
#include <sys/resource.h>

static void small_answers(void **state)
{
    (void)state;
    api_world_open("Tunnel a\n Via h1\n LocalForward 8001 x:1\n AutoStart yes\n"
                   "Tunnel b\n Via h2\n LocalForward 8002 x:1\n");
    assert_int_equal(ask("GET", "/healthz", NULL), 200);
    assert_string_equal(aw.c.body, "{\"status\":\"ok\"}");
    assert_int_equal(ask("GET", "/version", NULL), 200);
    expect("version", "\"" ADIT_VERSION "\"");
    expect("api", "1");
    json_t *j = answer_member("pid");
    assert_int_equal(json_integer_value(j), getpid());
    json_decref(j);
    j = answer_member("started_at");
    const char *t = json_string_value(j);
    assert_int_equal(strlen(t), strlen("2026-11-21T03:06:00Z"));
    assert_true(t[4] == '-' && t[10] == 'T' && t[19] == 'Z');
    json_decref(j);
    assert_int_equal(ask("GET", "/readyz", NULL), 503);
    assert_string_equal(aw.c.body, "{\"ready\":false,\"not_ready\":[\"a\"]}");
    order(&aw.c, "POST", "/tunnels/a/start?wait=600", "", NULL);
    fake_connect(link_until(1));
    assert_int_equal(http_talk_answer(&aw.c), 200);
    assert_int_equal(ask("GET", "/readyz", NULL), 200);
    assert_string_equal(aw.c.body, "{\"ready\":true,\"not_ready\":[]}");
    api_world_close();
}

/* Who asks may send us traffic: better no answer than that all is well. */
static void ready_without_memory(void **state)
{
    (void)state;
    api_world_open("Tunnel a\n Via h1\n LocalForward 8001 x:1\n AutoStart yes\n");
    answer_is_whole("/readyz", 503, "{\"ready\":false,\"not_ready\":[\"a\"]}");
    api_world_close();
}

static void profiles(void **state)
{
    (void)state;
    api_world_open("Profile ops\n User alice\n Auth key\n IdentityFile /k\n ProxyJump gate\n"
                   "Profile pw\n Auth password\n PasswordFile /secret/place\n");
    assert_int_equal(ask("GET", "/profiles", NULL), 200);
    assert_string_equal(aw.c.body,
                        "{\"profiles\":[{\"id\":\"default\",\"auth\":\"auto\",\"user\":null,\"jump\":null},"
                        "{\"id\":\"ops\",\"auth\":\"key\",\"user\":\"alice\",\"jump\":\"gate\"},"
                        "{\"id\":\"pw\",\"auth\":\"password\",\"user\":null,\"jump\":null}]}");
    api_world_close();

    char conf[160];
    api_world_open("");
    write_text("ssh_config",
               "Host box\n User eve\n ProxyJump gate\nHost plain *.wild\nHost plain\n HostName h\n"
               "Host odd\n User \xff\nHost \xff\n",
               0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\n", world_path("ssh_config"));
    struct tunnels_reloaded counts;
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    assert_int_equal(ask("GET", "/profiles", NULL), 200);
    assert_string_equal(aw.c.body,
                        "{\"profiles\":[{\"id\":\"default\",\"auth\":\"auto\",\"user\":null,\"jump\":null},"
                        "{\"id\":\"box\",\"auth\":\"auto\",\"user\":\"eve\",\"jump\":\"gate\"},"
                        "{\"id\":\"plain\",\"auth\":\"auto\",\"user\":null,\"jump\":null},"
                        "{\"id\":\"odd\",\"auth\":\"auto\",\"user\":\"?\",\"jump\":null}]}");
    api_world_close();
}

/* What is there is listed whole: who is told of less believes that there is no more. */
static void profiles_that_cannot_be_had(void **state)
{
    char conf[160], *whole;
    struct tunnels_reloaded counts;
    struct rlimit before, none;

    (void)state;
    api_world_open("");
    write_text("ssh_config", "Host box\n User eve\n ProxyJump gate\nHost plain\n", 0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\nProfile ops\n User alice\n",
                      world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    assert_int_equal(ask("GET", "/profiles", NULL), 200);
    whole = strdup(aw.c.body);
    assert_non_null(strstr(whole, "\"plain\""));
    answer_is_whole("/profiles", 200, whole);
    free(whole);
    assert_int_equal(ask("GET", "/healthz", NULL), 200);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    ask("GET", "/profiles", NULL);
    http_talk_expect_error(&aw.c, 500, "internal", NULL);
    /* Nor is a tunnel's profile said to be unknown then. */
    ask("POST", "/tunnels",
        "{\"name\":\"web\",\"host\":\"h\",\"profile_id\":\"plain\",\"forward_type\":\"dynamic\","
        "\"local_port\":1099}");
    http_talk_expect_error(&aw.c, 500, "internal", NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(ask("GET", "/profiles", NULL), 200);
    api_world_close();
}

/* An alias whose words are not known is not one without a user. */
static void profiles_of_a_file_that_cannot_be_read(void **state)
{
    char conf[160];
    struct tunnels_reloaded counts;

    (void)state;
    api_world_open("");
    /* Of an alias alone: who lists them expands no variables. */
    write_text("ssh_config", "Host box\n Include ${ADIT_TEST_INCLUDE}\n", 0600);
    assert_int_equal(setenv("ADIT_TEST_INCLUDE", NO_READING, 1), 0);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\n", world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    ask("GET", "/profiles", NULL);
    http_talk_expect_error(&aw.c, 500, "internal", NULL);
    assert_int_equal(unsetenv("ADIT_TEST_INCLUDE"), 0);
    api_world_close();
}

/* ---- Metrics */

/* One line of the text format; its metric's name goes to name. False: it is none. */
static bool is_sample(const char *line, char name[static 128])
{
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    const char *p = line + n;
    char *end;

    if (n == 0 || n >= 128)
        return false;
    memcpy(name, line, n);
    name[n] = 0;
    if (*p == '{') {
        do {
            p++;
            p += strspn(p, "abcdefghijklmnopqrstuvwxyz_");
            if (*p++ != '=' || *p++ != '"')
                return false;
            for (; *p && *p != '"'; p++)
                if (*p == '\\' && (*++p != '\\' && *p != '"' && *p != 'n'))
                    return false;
            if (*p++ != '"')
                return false;
        } while (*p == ',');
        if (*p++ != '}')
            return false;
    }
    if (*p++ != ' ')
        return false;
    (void)strtod(p, &end);
    return end != p && *end == 0;
}

static void metrics_expect(const char *line)
{
    char whole[256];

    adit_format(whole, sizeof whole, "\n%s\n", line);
    if (!strstr(aw.c.body, whole))
        fail_msg("no '%s' in %s", line, aw.c.body);
}

static void metrics(void **state)
{
    char *type, *rest, *line, current[128] = "", name[128];

    (void)state;
    api_world_open("Tunnel b\n Via h\n LocalForward 8002 x:1\n");
    assert_int_equal(ask("POST", "/tunnels",
                         "{\"name\":\"a \\\"quote\\\" \\\\ \xc3\xa9\",\"host\":\"h\",\"profile_id\":"
                         "\"default\",\"forward_type\":\"dynamic\",\"local_port\":1080}"),
                     201);
    order(&aw.c, "POST", "/tunnels/b/start?wait=600", "", NULL);
    struct link *l = link_until(1);
    fake_connect(l);
    assert_int_equal(http_talk_answer(&aw.c), 200);
    l->forwards[0].stats.bytes_up = 1234567890123;
    l->forwards[0].stats.bytes_down = 42;
    l->forwards[0].stats.opened = 7;
    l->forwards[0].stats.open_now = 2;
    l->forwards[0].stats.refused = 3;
    assert_int_equal(ask("GET", "/metrics", NULL), 200);
    type = http_talk_header(&aw.c, "Content-Type");
    assert_memory_equal(type, "text/plain; version=0.0.4", 25);
    free(type);
    metrics_expect("adit_build_info{version=\"" ADIT_VERSION "\"} 1");
    metrics_expect("adit_tunnel_up{tunnel=\"b\",type=\"local\"} 1");
    metrics_expect("adit_tunnel_up{tunnel=\"a \\\"quote\\\" \\\\ \xc3\xa9\",type=\"dynamic\"} 0");
    metrics_expect("adit_tunnel_state{tunnel=\"b\",state=\"connected\"} 1");
    metrics_expect("adit_tunnel_state{tunnel=\"b\",state=\"failed\"} 0");
    metrics_expect("adit_tunnel_bytes_total{tunnel=\"b\",direction=\"sent\"} 1234567890123");
    metrics_expect("adit_tunnel_bytes_total{tunnel=\"b\",direction=\"received\"} 42");
    metrics_expect("adit_tunnel_connections_active{tunnel=\"b\"} 2");
    metrics_expect("adit_tunnel_connections_total{tunnel=\"b\"} 7");
    metrics_expect("adit_tunnel_connection_failures_total{tunnel=\"b\",reason=\"refused\"} 3");
    metrics_expect("adit_tunnel_connection_failures_total{tunnel=\"b\",reason=\"denied\"} 0");
    metrics_expect("adit_forward_bound{tunnel=\"b\"} 1");
    metrics_expect("adit_transport_reconnects_total{transport=\"h\"} 0");
    metrics_expect("adit_transport_rtt_seconds{transport=\"h\"} 0.002600");
    metrics_expect("adit_auth_failures_total 0");
    /* The whole of it: a family's lines stand together behind its HELP and TYPE. */
    char *text = strdup(aw.c.body);
    size_t samples = 0;
    assert_int_equal(text[strlen(text) - 1], '\n');
    text[strlen(text) - 1] = 0;
    for (rest = text; (line = strsep(&rest, "\n"));) {
        char help[128], kind[16];

        if (sscanf(line, "# HELP %127s", help) == 1) {
            assert_string_not_equal(help, current);
            adit_format(current, sizeof current, "%s", help);
            line = strsep(&rest, "\n");
            assert_int_equal(sscanf(line, "# TYPE %127s %15s", help, kind), 2);
            assert_string_equal(help, current);
            assert_true(strcmp(kind, "gauge") == 0 || strcmp(kind, "counter") == 0);
            assert_int_equal(strcmp(kind, "counter") == 0,
                             strlen(help) > 6 && strcmp(help + strlen(help) - 6, "_total") == 0);
        } else {
            if (!is_sample(line, name))
                fail_msg("'%s'", line);
            assert_string_equal(name, current);
            samples++;
        }
    }
    assert_true(samples > 40);
    free(text);

    /* A login that was refused counts once, however many tunnels it concerns. */
    fake_lost(l, KEEP_FAILED, 0, ADIT_E_AUTH, "Permission denied");
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    assert_int_equal(ask("GET", "/metrics", NULL), 200);
    metrics_expect("adit_auth_failures_total 1");
    metrics_expect("adit_tunnel_up{tunnel=\"b\",type=\"local\"} 0");
    api_world_close();
}

/* ---- Told as a whole */

static void reloading(void **state)
{
    (void)state;
    api_world_open("");
    assert_int_equal(ask("POST", "/reload", NULL), 200);
    assert_string_equal(aw.c.body, "{\"added\":1,\"removed\":0,\"changed\":2,\"unchanged\":7}");
    assert_false(aw.was_check);
    assert_int_equal(ask("POST", "/reload", "{\"check\":\"/etc/x\"}"), 200);
    assert_true(aw.was_check);
    assert_string_equal(aw.reload_path, "/etc/x");
    assert_int_equal(ask("POST", "/reload", "{\"check\":\"\"}"), 200);
    assert_string_equal(aw.reload_path, "-");
    aw.reload_fails = true;
    ask_fails("POST", "/reload", NULL, 400, "invalid_value", NULL);
    expect("error.message", "\"/etc/adit/adit.conf:3: Tunel: unknown keyword\"");
    ask_fails("POST", "/reload", "{\"check\":1}", 400, "invalid_value", "check");
    ask_fails("POST", "/reload", "{\"chek\":\"\"}", 400, "unknown_field", "chek");
    assert_int_equal(aw.reloads, 4);
    api_world_close();
}

static void draining(void **state)
{
    static const char *const changes[][2] = {{"POST", "/tunnels"},        {"PUT", "/tunnels/a"},
                                             {"DELETE", "/tunnels/a"},    {"POST", "/tunnels/a/start"},
                                             {"POST", "/sessions"},       {"POST", "/tunnels/start-all"},
                                             {"POST", "/tunnels/a/stop"}, {"POST", "/reload"}};

    (void)state;
    api_world_open("Tunnel a\n Via h1\n LocalForward 8001 x:1\n");
    api_drain(aw.api);
    for (size_t i = 0; i < ADIT_COUNT(changes); i++)
        ask_fails(changes[i][0], changes[i][1], "{}", 503, "draining", NULL);
    assert_int_equal(ask("GET", "/tunnels", NULL), 200);
    assert_int_equal(ask("GET", "/healthz", NULL), 200);
    assert_int_equal(ask("GET", "/readyz", NULL), 503);
    api_world_close();
}

/* ---- TCP */

/* "http://127.0.0.1:PORT/#token=HEX" of POST /ui */
static uint16_t ui_port(char host[static 64])
{
    assert_int_equal(ask("POST", "/ui", NULL), 200);
    json_t *url = answer_member("url");
    unsigned port;
    char token[128];

    assert_int_equal(sscanf(json_string_value(url), "http://127.0.0.1:%u/#token=%127s", &port, token), 2);
    assert_string_equal(token, api_token);
    json_decref(url);
    adit_format(host, 64, "Host: 127.0.0.1:%u\r\n", port);
    return (uint16_t)port;
}

static void over_tcp(void **state)
{
    struct http_talk c;
    struct sock_addr unix_at;
    char host[64], headers[256], again[64];
    static const char *const closed[] = {"/tunnels", "/events", "/metrics", "/version", "/logs", "/nothing"};

    (void)state;
    api_world_open("");
    unix_at = aw.at;
    uint16_t port = ui_port(host);
    assert_int_equal(ui_port(again), port); /* there is one now */
    assert_true(sock_addr_parse(&aw.at, "127.0.0.1", port));
    api_world_connect(&c);
    adit_format(headers, sizeof headers, "%sAuthorization: Bearer %s\r\n", host, api_token);
    assert_int_equal(http_talk_ask(&c, "GET", "/healthz", host, NULL), 200);
    assert_int_equal(http_talk_ask(&c, "GET", "/", host, NULL), 200);
    for (size_t i = 0; i < ADIT_COUNT(closed); i++) {
        http_talk_ask(&c, "GET", closed[i], host, NULL);
        http_talk_expect_error(&c, 401, "unauthorized", NULL);
    }
    http_talk_ask(&c, "POST", "/healthz", host, NULL);
    http_talk_expect_error(&c, 401, "unauthorized", NULL);
    http_talk_ask(&c, "POST", "/tunnels", host, "{}");
    http_talk_expect_error(&c, 401, "unauthorized", NULL);
    assert_int_equal(http_talk_ask(&c, "GET", "/tunnels", headers, NULL), 200);
    /* What is for the Unix socket alone is not there. */
    http_talk_ask(&c, "POST", "/ui", headers, NULL);
    http_talk_expect_error(&c, 404, "not_found", NULL);
    http_talk_ask(&c, "POST", "/reload", headers, NULL);
    http_talk_expect_error(&c, 404, "not_found", NULL);
    http_talk_ask(&c, "GET", "/tunnels/x/prompt", headers, NULL);
    assert_null(strstr(c.body, "Tunnel"));
    http_talk_ask(&c, "POST", "/sessions", headers,
                  "{\"host\":\"h\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080}],"
                  "\"keywords\":[\"ProxyCommand x\"]}");
    http_talk_expect_error(&c, 400, "unknown_field", "keywords");
    assert_int_equal(tunnels_count(world.t), 0);
    http_talk_close(&c);
    aw.at = unix_at;
    api_world_close();
}

static void only_loopback(void **state)
{
    struct adit_error err = {ADIT_E_OK, ""};
    char first[API_URL_CAP];
    int one, two, fds[2];

    (void)state;
    api_world_open("");
    assert_null(api_url(aw.api));
    assert_int_equal(api_listen_tcp(aw.api, "0.0.0.0", 0, &one, &err), ADIT_E_USAGE);
    err.code = ADIT_E_OK;
    assert_int_equal(api_listen_tcp(aw.api, "192.0.2.1", 7171, &one, &err), ADIT_E_USAGE);
    err.code = ADIT_E_OK;
    assert_int_equal(api_listen_tcp(aw.api, "evil.example", 0, &one, &err), ADIT_E_USAGE);
    assert_null(api_url(aw.api));
    err.code = ADIT_E_OK;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(api_listen(aw.api, fds[0], &err), ADIT_E_SYSTEM);
    assert_string_equal(err.text, "cannot find out where it listens: Socket operation on non-socket");
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
    err.code = ADIT_E_OK;
    assert_int_equal(api_listen_tcp(aw.api, "localhost", 0, &one, &err), ADIT_E_OK);
    (void)adit_format(first, sizeof first, "%s", api_url(aw.api));
    assert_int_equal(api_listen_tcp(aw.api, "127.0.0.1", 0, &two, &err), ADIT_E_OK);
    assert_string_equal(first, api_url(aw.api));
    api_unlisten(aw.api, one); /* the other one is the first now */
    assert_string_not_equal(first, api_url(aw.api));
    api_unlisten(aw.api, two);
    assert_null(api_url(aw.api));
    api_world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_answers),
        cmocka_unit_test(ready_without_memory),
        cmocka_unit_test(profiles),
        cmocka_unit_test(profiles_that_cannot_be_had),
        cmocka_unit_test(profiles_of_a_file_that_cannot_be_read),
        cmocka_unit_test(metrics),
        cmocka_unit_test(reloading),
        cmocka_unit_test(draining),
        cmocka_unit_test(over_tcp),
        cmocka_unit_test(only_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
