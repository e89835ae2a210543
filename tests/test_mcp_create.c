/* Arguments of ssh_tunnel_create as a definition: the texts of what is wrong, who may be asked for, and that
 * no word of it could become a command or an option. */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/mcp_create.h"

static struct conf conf;
static struct mcp_allow allow;
static const struct mcp_limits limits = {.allow = &allow, .conf = &conf, .max_ttl_s = 7200};
static struct mcp_wish wish;
static struct adit_error err;
static char folder[] = "/tmp/adit-mcp-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[96];
    (void)adit_format(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* An alias `box`, a Profile `ops`, a Tunnel `way`. */
static int group_begin(void **state)
{
    char text[512];
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_text("ssh_config", "Host box web-*\n Port 2222\nHost *\n ProxyCommand nc %h %p\n");
    (void)adit_format(
        text, sizeof text,
        "SshConfig %s\nProfile ops\n User alice\nTunnel way\n Via bob@bastion.example.net:2022\n "
        "Profile ops\n LocalForward 8443 10.0.0.5:443\n",
        path_of("ssh_config"));
    write_text("adit.conf", text);
    conf_init(&conf);
    if (conf_load(&conf, path_of("adit.conf"), &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int group_end(void **state)
{
    (void)state;
    conf_wipe(&conf);
    assert_int_equal(unlink(path_of("adit.conf")), 0);
    assert_int_equal(unlink(path_of("ssh_config")), 0);
    return rmdir(folder);
}

static int begin(void **state)
{
    (void)state;
    mcp_allow_init(&allow);
    assert_int_equal(mcp_allow_add(&allow.targets, "10.0.0.*:443", NULL), ADIT_E_OK);
    assert_int_equal(mcp_allow_add(&allow.locals, "127.0.0.1:3000", NULL), ADIT_E_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    mcp_allow_wipe(&allow);
    return 0;
}

static bool reads(const char *json)
{
    json_t *arguments = json_loads(json, 0, NULL);
    assert_true(json_is_object(arguments));
    err = (struct adit_error){0};
    enum adit_err e = mcp_wish_read(&wish, arguments, &limits, "mcp-1", &err);
    json_decref(arguments);
    assert_int_equal(e, err.code);
    return e == ADIT_E_OK;
}

static const char *text_of(const char *json)
{
    assert_false(reads(json));
    assert_null(wish.server);
    assert_int_equal(wish.definition.forward_count, 0);
    return err.text;
}

#define LOCAL(server, more)                                                                         \
    "{\"server\":\"" server "\",\"type\":\"local\",\"localPort\":8443,\"remoteHost\":\"10.0.0.5\"," \
    "\"remotePort\":443" more "}"

static void test_a_local_one(void **state)
{
    (void)state;
    assert_true(reads(LOCAL("box", "")));
    const struct definition *d = &wish.definition;
    assert_int_equal(d->origin, DEFINITION_MCP);
    assert_string_equal(d->host, "box");
    assert_string_equal(d->name, "mcp-1");
    assert_string_equal(d->profile_id, "default");
    assert_int_equal(d->port, 0);
    assert_int_equal(d->max_retries, 5);
    assert_int_equal(d->backoff_first_ms, 2000);
    assert_int_equal(d->backoff_cap_ms, 30000);
    assert_int_equal(d->jitter_percent, 0);
    assert_int_equal(d->forwards[0].local_port, 8443);
    assert_null(d->forwards[0].bind_address);
    assert_int_equal(wish.ttl_s, 3600);
    assert_int_equal(d->destinations.count, 0);
    mcp_wish_wipe(&wish);
    assert_true(reads(LOCAL("box", ",\"name\":\"web\",\"ttl\":60,\"localHost\":\"::1\"")));
    assert_string_equal(wish.definition.name, "web");
    assert_string_equal(wish.definition.forwards[0].bind_address, "::1");
    assert_int_equal(wish.ttl_s, 60);
    mcp_wish_wipe(&wish);
    assert_true(reads(LOCAL("box", ",\"ttl\":100000,\"name\":null")));
    assert_int_equal(wish.ttl_s, 7200); /* cut, not refused */
    mcp_wish_wipe(&wish);
}

static void test_the_texts(void **state)
{
    (void)state;
    assert_string_equal(text_of("{\"type\":\"tun\",\"server\":\"box\"}"), "Invalid tunnel type: tun");
    assert_string_equal(text_of("{\"server\":\"box\",\"type\":\"local\",\"localPort\":1}"),
                        "Remote host and port required for port forwarding");
    assert_string_equal(
        text_of("{\"server\":\"box\",\"type\":\"remote\",\"localPort\":1,\"remoteHost\":\"a\"}"),
        "Remote host and port required for port forwarding");
    assert_string_equal(text_of("{\"server\":\"box\",\"type\":\"dynamic\"}"), "Local port required");
    assert_string_equal(
        text_of("{\"server\":\"box\",\"type\":\"local\",\"remoteHost\":\"10.0.0.5\",\"remotePort\":443}"),
        "Local port required");
    assert_string_equal(text_of("{\"type\":\"dynamic\",\"localPort\":0}"), "Server required");
    assert_string_equal(text_of("{\"serve\":\"box\"}"), "Unknown argument: serve");
    assert_string_equal(text_of("{\"server\":5,\"type\":\"dynamic\",\"localPort\":0}"),
                        "server must be a string");
    assert_string_equal(text_of("{\"server\":\"box\",\"type\":\"dynamic\",\"localPort\":\"0\"}"),
                        "localPort must be an integer from 0 to 65535");
    assert_string_equal(text_of("{\"server\":\"box\",\"type\":\"dynamic\",\"localPort\":65536}"),
                        "localPort must be an integer from 0 to 65535");
    assert_non_null(strstr(text_of(LOCAL("box", ",\"localHost\":\"0.0.0.0\"")), "loopback"));
    assert_non_null(strstr(text_of(LOCAL("box", ",\"ttl\":0")), "ttl must be"));
    assert_int_equal(err.code, ADIT_E_USAGE);
}

static void test_destinations(void **state)
{
    (void)state;
    assert_string_equal(
        text_of("{\"server\":\"box\",\"type\":\"local\",\"localPort\":0,\"remoteHost\":\"10.0.0.5\","
                "\"remotePort\":80}"),
        "destination not allowed: 10.0.0.5:80 (start adit mcp with --allow 10.0.0.5:80)");
    assert_string_equal(adit_err_kind(err.code), "forwarding");
    assert_string_equal(text_of("{\"server\":\"box\",\"type\":\"local\",\"localPort\":0,\"remoteHost\":\"::"
                                "1\",\"remotePort\":80}"),
                        "destination not allowed: [::1]:80 (start adit mcp with --allow [::1]:80)");
    assert_string_equal(
        text_of("{\"server\":\"box\",\"type\":\"remote\",\"localPort\":443,\"remoteHost\":\"10.0.0.5\","
                "\"remotePort\":443}"),
        "destination not allowed: 127.0.0.1:443 (start adit mcp with --allow-local 127.0.0.1:443)");
    assert_true(
        reads("{\"server\":\"box\",\"type\":\"remote\",\"localPort\":3000,\"remoteHost\":\"localhost\","
              "\"remotePort\":0}"));
    mcp_wish_wipe(&wish);
    assert_int_equal(mcp_allow_add(&allow.locals, "192.168.1.*:80", NULL), ADIT_E_OK);
    assert_true(
        reads("{\"server\":\"box\",\"type\":\"remote\",\"localPort\":80,\"localHost\":\"192.168.1.7\","
              "\"remoteHost\":\"localhost\",\"remotePort\":8080}"));
    mcp_wish_wipe(&wish);
}

/* Each connection of a dynamic one is judged by the same list; without a list there is nothing to reach. */
static void test_a_dynamic_one(void **state)
{
    static const char dynamic[] = "{\"server\":\"box\",\"type\":\"dynamic\",\"localPort\":0}";
    (void)state;
    assert_true(reads(dynamic));
    assert_int_equal(wish.definition.destinations.count, 1);
    assert_string_equal(wish.definition.destinations.item[0], "10.0.0.*:443");
    mcp_wish_wipe(&wish);
    mcp_allow_wipe(&allow);
    assert_true(reads(dynamic));
    assert_int_equal(wish.definition.destinations.count, 1);
    assert_string_equal(wish.definition.destinations.item[0], "none");
    mcp_wish_wipe(&wish);
    assert_non_null(
        strstr(text_of("{\"server\":\"box\",\"type\":\"dynamic\",\"localPort\":0,\"remotePort\":1}"),
               "not for type dynamic"));
}

static void test_servers(void **state)
{
    (void)state;
    assert_true(reads(LOCAL("ops", "")));
    assert_string_equal(wish.definition.profile_id, "ops");
    mcp_wish_wipe(&wish);
    assert_true(reads(LOCAL("way", "")));
    assert_string_equal(wish.definition.host, "bastion.example.net");
    assert_string_equal(wish.definition.user, "bob");
    assert_int_equal(wish.definition.port, 2022);
    assert_string_equal(wish.definition.profile_id, "ops");
    assert_string_equal(wish.server, "way");
    mcp_wish_wipe(&wish);
    assert_string_equal(text_of(LOCAL("web-1", "")),
                        "server not allowed: web-1 (start adit mcp with --allow-server web-1)");
    assert_non_null(strstr(text_of(LOCAL("root@box", "")), "not allowed"));
    assert_non_null(strstr(text_of(LOCAL("web-*", "")), "not allowed"));
    assert_int_equal(mcp_allow_add_server(&allow, "web-*", NULL), ADIT_E_OK);
    assert_true(reads(LOCAL("root@web-1:2200", "")));
    assert_string_equal(wish.definition.host, "web-1");
    assert_string_equal(wish.definition.user, "root");
    assert_int_equal(wish.definition.port, 2200);
    mcp_wish_wipe(&wish);
}

/* Whatever may be reached: what a shell or an option parser would take for its own is no host. */
static void test_no_word_for_a_shell(void **state)
{
    static const char *const words[] = {"x;touch F",  "-oProxyCommand=x",
                                        "$(touch F)", "`touch F`",
                                        "a|b",        "a&b",
                                        "a>b",        "a b",
                                        "a\nb",       "'a'",
                                        "\"a\"",      "a\\b",
                                        "-x@y",       "${HOME}",
                                        "a,b"};
    (void)state;
    assert_int_equal(mcp_allow_add_server(&allow, "*", NULL), ADIT_E_OK);
    assert_int_equal(mcp_allow_add(&allow.targets, "*:*", NULL), ADIT_E_OK);
    for (size_t i = 0; i < ADIT_COUNT(words); i++) {
        for (int is_server = 0; is_server < 2; is_server++) {
            json_t *arguments = json_pack("{s:s, s:s, s:i, s:s, s:i}", "server", is_server ? words[i] : "box",
                                          "type", "local", "localPort", 0, "remoteHost",
                                          is_server ? "10.0.0.5" : words[i], "remotePort", 443);
            err = (struct adit_error){0};
            assert_int_equal(mcp_wish_read(&wish, arguments, &limits, "n", &err), ADIT_E_USAGE);
            json_decref(arguments);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_local_one, begin, end),
        cmocka_unit_test_setup_teardown(test_the_texts, begin, end),
        cmocka_unit_test_setup_teardown(test_destinations, begin, end),
        cmocka_unit_test_setup_teardown(test_a_dynamic_one, begin, end),
        cmocka_unit_test_setup_teardown(test_servers, begin, end),
        cmocka_unit_test_setup_teardown(test_no_word_for_a_shell, begin, end),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
