#include <string.h>

#include "../ssh/base64.h"
#include "../ssh/known_hosts.h"
#include "../ssh/keyfile.h"
#include "keyfiles.h"
#include "test.h"

#define KEY_A       "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII4EGD57d7NPzjGs0RWkQkokovckaZiklEm5HahWeJ3I"
#define KEY_B       "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP4ul3olhjrnDf6Ha29vw6lq7Rc0yWtgyB/b+n5lQNYi"
#define HASHED      "|1|6sW3SfJSFTo/ZSyjY51MHkJc8VM=|ONTmC/ShVzWymJIwj+ahyUN0CJ4="
#define HASHED_PORT "|1|wrmuF6ppl5emux6u1Jk4ljwFVbg=|tUSAURDXK4Pf03ABI8Q7MljL7iQ="

static const char file[] =
    "plain.example " KEY_A "\n"
    "*.wild.example,!not.wild.example " KEY_A "\n"
    "[ported.example]:2222 " KEY_A "\n"
    "UPPER.example,10.0.0.? " KEY_A "\n" HASHED " " KEY_A "\n" HASHED_PORT " " KEY_A "\n";

static struct known_host_query query(const char *host, unsigned port)
{
    struct known_host_query q;
    assert_true(known_host_query_init(&q, span_str(host), (uint16_t)port));
    return q;
}

struct blob {
    uint8_t bytes[128];
    size_t n;
};

static struct span blob_of(struct blob *b, const char *key)
{
    assert_true(base64_decode((struct wspan){b->bytes, sizeof b->bytes}, span_str(strchr(key, ' ') + 1),
                              false, &b->n));
    return span_make(b->bytes, b->n);
}

static void check(struct known_hosts_check *c, const char *host, const char *key, struct blob *b,
                  const char *text)
{
    struct known_host_query q = query(host, 22);
    assert_true(known_hosts_check_init(c, &q, blob_of(b, key)));
    known_hosts_check_text(c, 3, span_str(text), NULL, NULL);
}

/* The line numbers are those that ssh-keygen -F of OpenSSH 9.2 gave for this file; 0: not found. */
static void hosts_match_as_ssh_keygen_says(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        unsigned port;
        size_t line;
    } rows[] = {
        {"plain.example", 22, 1},    {"Plain.Example", 22, 1},  {"sub.wild.example", 22, 2},
        {"not.wild.example", 22, 0}, {"wild.example", 22, 0},   {"ported.example", 22, 0},
        {"ported.example", 2222, 3}, {"upper.example", 22, 4},  {"10.0.0.5", 22, 4},
        {"10.0.0.55", 22, 0},        {"hashed.example", 22, 5}, {"hp.example", 2200, 6},
        {"hp.example", 22, 0},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct blob b;
        struct known_hosts_check c;
        struct known_host_query q = query(rows[i].host, rows[i].port);
        assert_true(known_hosts_check_init(&c, &q, blob_of(&b, KEY_A)));
        known_hosts_check_text(&c, 0, span_str(file), NULL, NULL);
        assert_int_equal(c.line_number, rows[i].line);
        assert_int_equal(c.verdict, rows[i].line == 0 ? KNOWN_HOSTS_UNKNOWN : KNOWN_HOSTS_MATCH);
    }
}

static void patterns(void **state)
{
    (void)state;
    static const struct {
        const char *patterns;
        bool matches;
    } rows[] = {
        {"*", true},
        {"host.a", true},
        {"HOST.A", true},
        {"h?st.*", true},
        {"h*t*a", true},
        {"host", false},
        {"host.a.b", false},
        {"?", false},
        {"", false},
        {"!host.a", false},
        {"*,!host.a", false},
        {"!x,*", true},
        {"!host.a,host.a", false},
        {"x,host.a,y", true},
        {"**a", true},
        {"host.a,", true},
        {"|1|", false},
        {"|1|AAAA|AAAA", false},
        {"|2|x", false},
        {"[host.a]:22", false},
    };
    struct known_host_query q = query("host.a", 22);
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        assert_int_equal(known_host_matches(span_str(rows[i].patterns), &q), rows[i].matches);
}

/* "host rsa-sha2-512 AAAAB3NzaC1yc2E...": ssh takes the key, and so the lines are made. */
static void a_type_may_be_written_as_its_signature(void **state)
{
    (void)state;
    static const struct {
        const char *written, *key;
        bool is_good;
    } rows[] = {{"ssh-rsa", "rsa", true},        {"rsa-sha2-512", "rsa", true},
                {"rsa-sha2-256", "rsa", true},   {"rsa-sha2-384", "rsa", false},
                {"ssh-ed25519", "rsa", false},   {"rsa-sha2-512", "ed25519", false},
                {"ssh-ed25519", "ed25519", true}};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        static struct known_hosts_reader r;
        struct known_host_line line;
        struct pubkey_line pub;
        uint8_t blob[1024], again[1024];
        char base64[2048], text[2048];
        size_t n = file_public(rows[i].key, blob, sizeof blob);
        base64_encode(base64, sizeof base64, span_make(blob, n));
        adit_format(text, sizeof text, "host %s %s", rows[i].written, base64);
        known_hosts_reader_init(&r, span_str(text));
        assert_true(known_hosts_next(&r, &line));
        assert_int_equal(line.status, rows[i].is_good ? KNOWN_HOST_OK : KNOWN_HOST_BAD);
        assert_true(!rows[i].is_good || line.type == (i < 4 ? KEY_RSA : KEY_ED25519));
        struct span of_file = span_sub(span_str(text), 5, SIZE_MAX);
        assert_int_equal(pubkey_line_parse(&pub, of_file, (struct wspan){again, sizeof again}),
                         rows[i].is_good);
        assert_true(!rows[i].is_good || span_is(pub.type, i < 4 ? "ssh-rsa" : "ssh-ed25519"));
    }
}

/* ssh gives up a list at a pattern that is longer than its buffer. */
static void a_pattern_that_is_too_long_ends_the_list(void **state)
{
    (void)state;
    struct known_host_query q = query("host.a", 22);
    char list[1100] = "host.a,";
    memset(list + 7, 'x', 1022);
    assert_true(known_host_matches(span_str(list), &q));
    list[7 + 1022] = 'x';
    assert_false(known_host_matches(span_str(list), &q));
    list[7 + 1023] = ',';
    list[7 + 1024] = '*';
    assert_false(known_host_matches(span_str(list), &q));
}

static void names_that_could_not_stand_in_a_line_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "a b", "a,b", "*",    "a?",  "!a",
                                      "|1|a", "#a",  "@a",  "a\nb", "[a]", "a\x7f"};
    struct known_host_query q;
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(known_host_query_init(&q, span_str(bad[i]), 22));
    char longest[LIMIT_HOST + 2] = {0};
    memset(longest, 'a', LIMIT_HOST);
    assert_true(known_host_query_init(&q, span_str(longest), 65535));
    assert_int_equal(strlen(q.name), LIMIT_HOST + 8);
    longest[LIMIT_HOST] = 'a';
    assert_false(known_host_query_init(&q, span_str(longest), 22));
    q = query("FE80::1%eth0", 2222);
    assert_string_equal(q.name, "[fe80::1%eth0]:2222");
}

static void verdicts(void **state)
{
    (void)state;
    static const char revoked[] = "h " KEY_A "\n@revoked * " KEY_A "\n";
    static const char ca[] = "@cert-authority * " KEY_A "\n";
    static const char other[] =
        "h ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    struct known_hosts_check c;
    struct blob b;
    check(&c, "h", KEY_A, &b, revoked);
    assert_int_equal(c.verdict, KNOWN_HOSTS_REVOKED);
    assert_int_equal(c.line_number, 2);
    assert_int_equal(c.file_index, 3);
    check(&c, "h", KEY_B, &b, revoked);
    assert_int_equal(c.verdict, KNOWN_HOSTS_CHANGED);
    assert_int_equal(c.line_number, 1);
    check(&c, "h", KEY_A, &b, ca);
    assert_int_equal(c.verdict, KNOWN_HOSTS_UNKNOWN);
    assert_true(c.has_cert_authority);
    check(&c, "h", KEY_B, &b, "h " KEY_A "\nh " KEY_B "\n");
    assert_int_equal(c.verdict, KNOWN_HOSTS_MATCH); /* one of several */
    assert_int_equal(c.line_number, 2);
    check(&c, "h", KEY_A, &b, other);
    assert_int_equal(c.verdict, KNOWN_HOSTS_OTHER_TYPES);
    assert_int_equal(c.types, 1u << KEY_ECDSA_P256);
    known_hosts_check_text(&c, 4, span_str(revoked), NULL, NULL); /* a second file */
    assert_int_equal(c.verdict, KNOWN_HOSTS_REVOKED);
    assert_int_equal(c.file_index, 4);
}

static void count_bad(void *ctx, size_t file_index, const struct known_host_line *line)
{
    assert_int_equal(file_index, 1);
    assert_non_null(line->why);
    *(size_t *)ctx |= (size_t)1 << line->number;
}

static void bad_lines_are_told_and_do_not_stop(void **state)
{
    (void)state;
    static const char text[] =
        "# comment\n\n  \t\nh\nh ssh-ed25519\n@unknown h " KEY_B "\nh ssh-ed25519 !!!!\n"
        "h ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAII4EGD57d7NPzjGs0RWkQkokovckaZiklEm5HahWeJ3I\n"
        "h 1024 35 1234\n"
        "|1|6sW3SfJSFTo/ZSyjY51MHkJc8VM=|short " KEY_B "\n|2|x|y " KEY_B "\n|1|AAAA|AAAA " KEY_B "\n"
        "h\tssh-ed25519  AAAAC3NzaC1lZDI1NTE5AAAAII4EGD57d7NPzjGs0RWkQkokovckaZiklEm5HahWeJ3I c d\r\n";
    struct known_host_query q = query("h", 22);
    struct known_hosts_check c;
    struct blob b;
    size_t bad = 0;
    assert_true(known_hosts_check_init(&c, &q, blob_of(&b, KEY_A)));
    known_hosts_check_text(&c, 1, span_str(text), count_bad, &bad);
    assert_int_equal(bad, 0x1ff << 4);
    assert_int_equal(c.verdict, KNOWN_HOSTS_MATCH);
    assert_int_equal(c.line_number, 13);
}

static void written_lines_read_back(void **state)
{
    (void)state;
    static const uint8_t salt[20] = {0xea, 0xc5, 0xb7, 0x49, 0xf2, 0x52, 0x15, 0x3a, 0x3f, 0x65,
                                     0x2c, 0xa3, 0x63, 0x9d, 0x4c, 0x1e, 0x42, 0x5c, 0xf1, 0x53};
    struct known_host_query q = query("hashed.example", 22);
    struct blob b;
    uint8_t out[512];
    struct wr w = wr_init(out, sizeof out);
    assert_true(known_hosts_write_hashed(&w, &q, salt, blob_of(&b, KEY_A)));
    assert_true(span_is(wr_done(&w), HASHED " " KEY_A "\n")); /* as ssh-keygen -H wrote it with this salt */
    w = wr_init(out, sizeof out);
    q = query("Ported.example", 2222);
    assert_true(known_hosts_write(&w, &q, blob_of(&b, KEY_A)));
    assert_true(span_is(wr_done(&w), "[ported.example]:2222 " KEY_A "\n"));
    w = wr_init(out, 40);
    assert_false(known_hosts_write(&w, &q, blob_of(&b, KEY_A)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_match_as_ssh_keygen_says),
        cmocka_unit_test(patterns),
        cmocka_unit_test(a_pattern_that_is_too_long_ends_the_list),
        cmocka_unit_test(a_type_may_be_written_as_its_signature),
        cmocka_unit_test(names_that_could_not_stand_in_a_line_are_refused),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(bad_lines_are_told_and_do_not_stop),
        cmocka_unit_test(written_lines_read_back),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
