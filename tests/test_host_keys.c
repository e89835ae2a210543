#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/host_keys.h"
#include "fake_prompt.h"
#include "few_files.h"
#include "no_reading.h"
#include "ssh/keyfile.h"

static const char ed[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO+Axu8qDvlykcNZuMoq24W6z4kmMXWw55ZB+BFflTE4";
static const char other[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIOvt4GdW2rsrtsS4cUv1XjdWpaWlna/rqIFjxCP8DoZ";
static const char sk_ecdsa[] =
    "sk-ecdsa-sha2-nistp256@openssh.com "
    "AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBLom0dUZ8h+bxVlAJJEHwkn/"
    "RI9whSYIX63ZVTW56aKNZt5xw9BkjGThOBYrnDoCPJol6Vdf4ubedOyrIQp1FsMAAAAEc3NoOg==";
static const char fingerprint[] = "SHA256:icSle8SDPwH/ChdT2speFwQ1ZQG0bqv+Sy2bqokDmTM";
static char folder[] = "/tmp/adit-test-host.XXXXXX";
static char path[64];

struct fixture {
    struct options options;
    struct fake_prompt fake;
    struct host_keys keys;
    struct expand_names names;
    struct adit_error err;
};
static struct fixture f;

static void option(const char *line)
{
    assert_int_equal(options_set_line(&f.options, line, &f.err), ADIT_E_OK);
}

static int setup(void **state)
{
    char line[128];
    (void)state;
    memset(&f, 0, sizeof f);
    fake_prompt_init(&f.fake);
    options_init(&f.options);
    unsetenv("ADIT_KNOWN_HOSTS");
    snprintf(line, sizeof line, "UserKnownHostsFile %s", path);
    option(line);
    option("GlobalKnownHostsFile none");
    (void)unlink(path);
    f.names = (struct expand_names){.home = folder, .host = "h.example", .given_host = "h", .port = 22};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_keys_wipe(&f.keys);
    options_wipe(&f.options);
    return 0;
}

static void put(const char *prefix, const char *key)
{
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    fprintf(out, "%s%s\n", prefix, key);
    fclose(out);
}

static const char *peer = "";

/* The verdict about the key `ed`. */
static enum adit_err check(void)
{
    uint8_t blob[256];
    struct known_hosts_reader reader;
    struct known_host_line line;
    char text[256];
    snprintf(text, sizeof text, "x %s", ed);
    known_hosts_reader_init(&reader, span_str(text));
    assert_true(known_hosts_next(&reader, &line));
    assert_int_equal(line.status, KNOWN_HOST_OK);
    memcpy(blob, line.blob.p, line.blob.n);
    host_keys_wipe(&f.keys);
    memset(&f.err, 0, sizeof f.err);
    assert_int_equal(host_keys_init(&f.keys, &f.options, &f.names, &f.fake.prompt, &f.err), ADIT_E_OK);
    return host_keys_check(&f.keys, span_make(blob, line.blob.n), peer, &f.err);
}

static void file_is(const char *text)
{
    struct file file;
    assert_int_equal(file_read(&file, path, 1 << 20, NULL, NULL, NULL), ADIT_E_OK);
    assert_int_equal(file.n, strlen(text));
    assert_memory_equal(file.p, text, file.n);
    file_wipe(&file);
}

static void test_known(void **state)
{
    (void)state;
    put("h.example ", ed);
    option("StrictHostKeyChecking yes");
    assert_int_equal(check(), ADIT_E_OK);
    assert_int_equal(f.fake.asked, 0);
    assert_string_equal(f.fake.log, "");
    assert_int_equal(f.keys.seen.verdict, HOST_KEY_KNOWN);
    assert_string_equal(f.keys.seen.fingerprint, fingerprint);
    assert_null(f.keys.seen.line);
}

/* A percent sign in a global file's name is one. */
static void test_global_file_has_no_tokens(void **state)
{
    char name[128], text[160];
    (void)state;
    snprintf(name, sizeof name, "%s/100%%d", folder);
    FILE *out = fopen(name, "w");
    assert_non_null(out);
    fprintf(out, "h.example %s\n", ed);
    fclose(out);
    snprintf(text, sizeof text, "GlobalKnownHostsFile %s", name);
    options_wipe(&f.options);
    options_init(&f.options);
    option("StrictHostKeyChecking yes");
    option("UserKnownHostsFile none");
    option(text);
    assert_int_equal(check(), ADIT_E_OK);
    assert_int_equal(unlink(name), 0);
}

/* [RFC 4251 4.1b] */
static void test_unknown_and_strict(void **state)
{
    (void)state;
    option("StrictHostKeyChecking yes");
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, fingerprint));
    assert_int_equal(access(path, F_OK), -1);
    char line[256];
    snprintf(line, sizeof line, "h.example %s\n", ed);
    assert_int_equal(f.keys.seen.verdict, HOST_KEY_UNKNOWN);
    assert_string_equal(f.keys.seen.line, line);
    assert_string_equal(f.keys.seen.type, "ED25519");
    assert_string_equal(f.keys.seen.fingerprint, fingerprint);
}

static void test_batch_does_not_ask(void **state)
{
    (void)state;
    option("BatchMode yes");
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_int_equal(f.fake.asked, 0);
}

static void test_ask(void **state)
{
    (void)state;
    f.fake.answers[0] = "maybe";
    f.fake.answers[1] = "yes";
    assert_int_equal(check(), ADIT_E_OK);
    assert_int_equal(f.fake.asked, 2);
    assert_non_null(strstr(f.fake.questions, "h.example"));
    assert_non_null(strstr(f.fake.questions, fingerprint));
    assert_int_equal(f.fake.kinds[0], PROMPT_LINE);
    assert_int_equal(f.fake.purposes[0], PROMPT_FOR_HOST_KEY);
    char line[256];
    snprintf(line, sizeof line, "h.example %s\n", ed);
    file_is(line);
}

static void test_ask_refused(void **state)
{
    (void)state;
    f.fake.answers[0] = "no";
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_null(strstr(f.fake.log, "accept-new"));
    f.fake.asked = 0;
    f.fake.answers[0] = NULL; /* nobody there: what to do is said */
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, "no terminal"));
    assert_non_null(strstr(f.fake.log, fingerprint));
    assert_non_null(strstr(f.fake.log, "accept-new"));
    assert_int_equal(access(path, F_OK), -1);
}

static void test_ask_by_fingerprint(void **state)
{
    (void)state;
    f.fake.answers[0] = "SHA256:AcSle8SDPwH/ChdT2speFwQ1ZQG0bqv+Sy2bqokDmTM";
    f.fake.answers[1] = fingerprint;
    assert_int_equal(check(), ADIT_E_OK);
    assert_int_equal(f.fake.asked, 2);
}

static void test_accept_new(void **state)
{
    (void)state;
    f.names.port = 2222;
    option("StrictHostKeyChecking accept-new");
    assert_int_equal(check(), ADIT_E_OK);
    char line[256];
    snprintf(line, sizeof line, "[h.example]:2222 %s\n", ed);
    file_is(line);
    assert_int_equal(check(), ADIT_E_OK);
    file_is(line); /* once */
}

/* A file that is there is not left out: it may hold another key of this host. */
static void test_without_descriptors(void **state)
{
    (void)state;
    option("StrictHostKeyChecking accept-new");
    put("h.example ", other);
    struct rlimit before = few_files_begin();
    enum adit_err e = host_keys_init(&f.keys, &f.options, &f.names, &f.fake.prompt, &f.err);
    few_files_end(before);
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_true(adit_err_may_retry(e));
    assert_string_equal(f.fake.log, "");
}

static void test_hashed(void **state)
{
    (void)state;
    struct file file;
    option("StrictHostKeyChecking accept-new");
    option("HashKnownHosts yes");
    assert_int_equal(check(), ADIT_E_OK);
    assert_int_equal(file_read(&file, path, 4096, NULL, NULL, NULL), ADIT_E_OK);
    assert_memory_equal(file.p, "|1|", 3);
    file_wipe(&file);
    f.options.strict_host_key = STRICT_YES;
    assert_int_equal(check(), ADIT_E_OK);
}

/* [RFC 4251 9.3.4a] [RFC 4254 11a] */
static void test_changed(void **state)
{
    (void)state;
    put("# a comment\nh.example ", other);
    static const char *const modes[] = {"yes", "ask", "accept-new", "no"};
    static const uint32_t values[] = {STRICT_YES, STRICT_ASK, STRICT_ACCEPT_NEW, STRICT_NO};
    for (size_t i = 0; i < ADIT_COUNT(modes); i++) {
        f.options.strict_host_key = values[i];
        f.fake.log[0] = 0;
        assert_int_equal(check(), ADIT_E_HOST_KEY);
        char place[80];
        snprintf(place, sizeof place, "%s:2", path);
        assert_non_null(strstr(f.fake.log, place));
        assert_non_null(strstr(f.err.text, place));
    }
    assert_int_equal(f.fake.asked, 0);
}

static void test_revoked(void **state)
{
    (void)state;
    put("h.example ", ed);
    put("@revoked * ", ed);
    option("StrictHostKeyChecking no");
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, "REVOKED"));
}

static void test_revoked_without_port(void **state)
{
    (void)state;
    f.names.port = 2222;
    put("@revoked h.example ", ed);
    option("StrictHostKeyChecking no");
    assert_int_equal(check(), ADIT_E_HOST_KEY);
}

static void test_port_falls_back(void **state)
{
    (void)state;
    f.names.port = 2222;
    put("h.example ", ed);
    option("StrictHostKeyChecking yes");
    assert_int_equal(check(), ADIT_E_OK);
}

static void test_alias(void **state)
{
    (void)state;
    f.names.port = 2222;
    put("theirs ", ed);
    option("HostKeyAlias theirs");
    option("StrictHostKeyChecking yes");
    assert_int_equal(check(), ADIT_E_OK);
}

/* A name as it stands in known_hosts, port and all. */
static void test_alias_with_port(void **state)
{
    (void)state;
    option("HostKeyAlias [Theirs]:2022");
    option("StrictHostKeyChecking yes");
    put("theirs ", ed);
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    put("[theirs]:2022 ", ed);
    assert_int_equal(check(), ADIT_E_OK);
}

static void test_environment(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "h.example %s", ed);
    setenv("ADIT_KNOWN_HOSTS", text, 1);
    option("StrictHostKeyChecking yes");
    assert_int_equal(check(), ADIT_E_OK);
}

static void test_pin(void **state)
{
    (void)state;
    char line[128];
    put("h.example ", other); /* not looked at */
    snprintf(line, sizeof line, "AditHostKeyFingerprint %s", fingerprint);
    option(line);
    assert_int_equal(check(), ADIT_E_OK);
    options_wipe(&f.options);
    options_init(&f.options);
    put("h.example ", ed);
    option("AditHostKeyFingerprint SHA256:AcSle8SDPwH/ChdT2speFwQ1ZQG0bqv+Sy2bqokDmTM");
    option("StrictHostKeyChecking no");
    assert_int_equal(check(), ADIT_E_HOST_KEY);
}

static void test_bad_line_is_a_warning(void **state)
{
    (void)state;
    put("h.example ", "ssh-ed25519 AAAA");
    put("h.example ", ed);
    option("StrictHostKeyChecking yes");
    assert_int_equal(check(), ADIT_E_OK);
    char place[80];
    snprintf(place, sizeof place, "%s:1", path);
    assert_non_null(strstr(f.fake.log, place));
}

static void test_malformed_key(void **state)
{
    (void)state;
    uint8_t junk[] = {0, 0, 0, 3, 'a', 'b', 'c'};
    assert_int_equal(host_keys_init(&f.keys, &f.options, &f.names, &f.fake.prompt, &f.err), ADIT_E_OK);
    assert_int_equal(host_keys_check(&f.keys, span_make(junk, sizeof junk), "", &f.err), ADIT_E_HOST_KEY);
    assert_int_equal(f.fake.asked, 0);
}

static void test_order(void **state)
{
    (void)state;
    char out[128], small[8];
    put("h.example ", ed);
    assert_int_equal(check(), ADIT_E_OK);
    assert_true(host_keys_order(&f.keys, "rsa-sha2-512,ssh-ed25519,ecdsa-sha2-nistp256", out, sizeof out));
    assert_string_equal(out, "ssh-ed25519,rsa-sha2-512,ecdsa-sha2-nistp256");
    assert_false(host_keys_order(&f.keys, "rsa-sha2-512", small, sizeof small));
}

#define SK       "sk-ecdsa-sha2-nistp256@openssh.com"
#define SK_CERT  "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
#define SK_ED    "sk-ssh-ed25519@openssh.com"
#define DEFAULTS SK_CERT ",ssh-ed25519," SK "," SK_ED

/* What the default list becomes, when this line is known. */
static const char *order_of_defaults(const char *prefix, const char *key, char out[static 256])
{
    put(prefix, key);
    (void)check();
    assert_true(host_keys_order(&f.keys, DEFAULTS, out, 256));
    return out;
}

/* Nobody's own list: a token's P-256 key is asked for where one is known, and nowhere else. */
static void test_token_of_old(void **state)
{
    (void)state;
    char out[256], given[] = DEFAULTS;
    option("StrictHostKeyChecking yes");
    assert_string_equal(order_of_defaults("other.example ", ed, out), "ssh-ed25519," SK_ED);
    f.options.host_key_algorithms = given;
    assert_string_equal(order_of_defaults("other.example ", ed, out), DEFAULTS);
    f.options.host_key_algorithms = NULL;
    assert_string_equal(order_of_defaults("@cert-authority h.example ", ed, out),
                        SK_CERT ",ssh-ed25519," SK_ED);
    assert_string_equal(order_of_defaults("h.example ", ed, out), SK_CERT ",ssh-ed25519," SK_ED);
    assert_string_equal(order_of_defaults("h.example ", sk_ecdsa, out), DEFAULTS);
}

/* A line "MARKER key" of a .pub file of tests/keys/. */
static void put_key(const char *prefix, const char *name)
{
    char from[64], line[2048];
    snprintf(from, sizeof from, "tests/keys/%s.pub", name);
    FILE *in = fopen(from, "r");
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof line, in));
    fclose(in);
    line[strcspn(line, "\n")] = 0;
    put(prefix, line);
}

/* The verdict about a certificate of tests/keys/; damage: which of its bytes, from the end, is changed first.
 */
static enum adit_err check_cert(const char *name, size_t damage)
{
    char from[64];
    uint8_t buffer[4096];
    struct file text;
    struct pubkey_line line;
    snprintf(from, sizeof from, "tests/keys/%s.pub", name);
    assert_int_equal(file_read(&text, from, 4096, NULL, NULL, NULL), ADIT_E_OK);
    assert_true(pubkey_line_parse(&line, span_make(text.p, text.n), (struct wspan){buffer, sizeof buffer}));
    file_wipe(&text);
    if (damage > 0)
        buffer[line.blob.n - damage] ^= 1;
    host_keys_wipe(&f.keys);
    memset(&f.err, 0, sizeof f.err);
    memset(f.fake.log, 0, sizeof f.fake.log);
    assert_int_equal(host_keys_init(&f.keys, &f.options, &f.names, &f.fake.prompt, &f.err), ADIT_E_OK);
    return host_keys_check(&f.keys, line.blob, "", &f.err);
}

static void test_certificate(void **state)
{
    (void)state;
    option("StrictHostKeyChecking yes");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_HOST_KEY); /* nobody is trusted */
    put_key("@cert-authority *.other ", "ca");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_HOST_KEY); /* for other hosts */
    put_key("@cert-authority *.example ", "ca");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_OK);
    assert_int_equal(check_cert("cert_host_by_sha256", 0), ADIT_E_HOST_KEY); /* another authority */
    assert_int_equal(check_cert("cert_host_critical", 0), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, "critical option"));
    assert_int_equal(check_cert("cert_user_ed25519", 0), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, "not a host certificate"));
    f.names.host = "x.wild.example";
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
    f.names.host = "y.example";
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, "not a listed principal"));
}

static void test_certificate_on_another_port(void **state)
{
    (void)state;
    option("StrictHostKeyChecking yes");
    f.names.port = 2222;
    put_key("@cert-authority [h.example]:2222 ", "ca");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK); /* principals have no ports */
    (void)unlink(path);
    put_key("@cert-authority h.example ", "ca");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
    (void)unlink(path);
    put_key("@cert-authority [h.example]:2223 ", "ca");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_HOST_KEY);
}

static void test_certificate_alias(void **state)
{
    (void)state;
    option("StrictHostKeyChecking yes");
    option("HostKeyAlias H.example");
    f.names.host = "10.0.0.1";
    put_key("@cert-authority h.example ", "ca");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
}

/* Whatever is wrong with a certificate but its signature: the key in it may be known by itself. */
static void test_certificate_falls_back_to_its_key(void **state)
{
    (void)state;
    option("StrictHostKeyChecking yes");
    put_key("h.example ", "ed25519");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
    put_key("@cert-authority * ", "ca");
    assert_int_equal(check_cert("cert_host_empty", 0), ADIT_E_OK);
    assert_non_null(strstr(f.fake.log, "not a listed principal"));
    assert_int_equal(check_cert("cert_host_ed25519", 1), ADIT_E_HOST_KEY); /* forged: nothing saves it */
    assert_int_equal(check_cert("cert_host_by_sha1", 0), ADIT_E_HOST_KEY);
}

static void test_certificate_and_unknown_key(void **state)
{
    (void)state;
    option("StrictHostKeyChecking accept-new");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
    struct file file;
    assert_int_equal(file_read(&file, path, 4096, NULL, NULL, NULL), ADIT_E_OK);
    assert_memory_equal(file.p, "h.example ssh-ed25519 ", 22); /* the key, not the certificate */
    file_wipe(&file);
}

static void test_certificate_revoked(void **state)
{
    (void)state;
    put_key("@cert-authority * ", "ca");
    option("StrictHostKeyChecking accept-new");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
    put_key("@revoked * ", "ed25519");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_HOST_KEY);
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_OK);
    put_key("@revoked * ", "ca");
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.err.text, "revoked"));
}

static void test_certificate_algorithms(void **state)
{
    (void)state;
    option("StrictHostKeyChecking yes");
    put_key("@cert-authority * ", "rsa");
    assert_int_equal(check_cert("cert_host_by_sha256", 0), ADIT_E_OK);
    option("CASignatureAlgorithms -rsa-sha2-256");
    assert_int_equal(check_cert("cert_host_by_sha256", 0), ADIT_E_HOST_KEY);
}

static void test_certificate_pinned(void **state)
{
    (void)state;
    option("AditHostKeyFingerprint SHA256:QRN64AtOinJqOOrnxlbiSBWcoeZPdIEf/ws7NeU1TLo");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK); /* the pin is of the key */
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_HOST_KEY);
}

#define CERT "-cert-v01@openssh.com"

static void test_order_with_certificates(void **state)
{
    (void)state;
    static const char list[] = "ssh-ed25519" CERT ",rsa-sha2-512" CERT ",ssh-ed25519,rsa-sha2-512";
    char out[256];
    put_key("h.example ", "rsa");
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_OK);
    assert_true(host_keys_order(&f.keys, list, out, sizeof out));
    assert_string_equal(out, "rsa-sha2-512" CERT ",rsa-sha2-512,ssh-ed25519" CERT ",ssh-ed25519");
    put_key("@cert-authority * ", "ca");
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_OK);
    assert_true(host_keys_order(&f.keys, list, out, sizeof out));
    assert_string_equal(out, "ssh-ed25519" CERT ",rsa-sha2-512" CERT ",rsa-sha2-512,ssh-ed25519");
    put_key("h.example ", "ed25519"); /* of the first algorithm's type: the list as it is */
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_OK);
    assert_true(host_keys_order(&f.keys, list, out, sizeof out));
    assert_string_equal(out, list);
}

/* Refused, but not for what the list says. */
static void test_revoked_list_that_cannot_be_read_now(void **state)
{
    (void)state;
    put("h.example ", ed);
    option("RevokedHostKeys " NO_READING);
    assert_int_equal(check(), ADIT_E_MEMORY);
    assert_int_equal(f.keys.seen.verdict, HOST_KEY_NONE);
    assert_string_equal(f.err.text, "RevokedHostKeys: " NO_READING ": Input/output error");
    assert_string_equal(f.fake.log, "");
}

static void test_revoked_list(void **state)
{
    (void)state;
    option("StrictHostKeyChecking accept-new");
    put_key("@cert-authority * ", "ca");
    option("RevokedHostKeys tests/keys/krl_empty");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
    assert_int_equal(check(), ADIT_E_OK); /* a plain key */
    options_wipe(&f.options);
    options_init(&f.options);
    option("RevokedHostKeys tests/keys/krl_serial");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, "revoked by file tests/keys/krl_serial"));
    /* Whatever else would do. */
    option("AditHostKeyFingerprint SHA256:QRN64AtOinJqOOrnxlbiSBWcoeZPdIEf/ws7NeU1TLo");
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_HOST_KEY);
}

static void test_no_revoked_list_means_all(void **state)
{
    static const char *const lists[] = {"/nonexistent/list", "tests/keys", "tests/keys/README"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(lists); i++) {
        char line[128];
        options_wipe(&f.options);
        options_init(&f.options);
        snprintf(line, sizeof line, "UserKnownHostsFile %s", path);
        option(line);
        option("StrictHostKeyChecking accept-new");
        snprintf(line, sizeof line, "RevokedHostKeys %s", lists[i]);
        option(line);
        assert_int_equal(check(), ADIT_E_HOST_KEY);
        assert_non_null(strstr(f.err.text, "revoked"));
        assert_non_null(strstr(f.fake.log, lists[i]));
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void test_required_rsa_size(void **state)
{
    (void)state;
    option("StrictHostKeyChecking accept-new");
    option("RequiredRSASize 4096");
    put_key("@cert-authority * ", "ca");
    assert_int_equal(check_cert("cert_host_rsa", 0), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.err.text, "too short"));
    assert_int_equal(check_cert("cert_host_ed25519", 0), ADIT_E_OK);
}

static int make_folder(void **state)
{
    (void)state;
    bool fine = crypto_init() && mkdtemp(folder) != NULL;
    snprintf(path, sizeof path, "%s/known", folder);
    return !fine;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void test_command(void **state)
{
    char line[512];
    (void)state;
    option("StrictHostKeyChecking yes");
    snprintf(line, sizeof line, "KnownHostsCommand /bin/echo %%H %s", ed);
    option(line);
    assert_int_equal(check(), ADIT_E_OK);
    assert_int_equal(access(path, F_OK), -1);
}

/* Asked for the order, then about the key: what it said first is not what is judged by. */
static void test_command_is_asked_twice(void **state)
{
    char line[512];
    (void)state;
    option("StrictHostKeyChecking yes");
    snprintf(line, sizeof line,
             "KnownHostsCommand /bin/sh -c \"test %%I = ORDER && echo h.example %s; true\"", ed);
    option(line);
    assert_int_equal(check(), ADIT_E_HOST_KEY);
}

static void test_command_that_fails(void **state)
{
    (void)state;
    put("h.example ", ed);
    option("HostKeyAlgorithms ssh-ed25519"); /* then it is not asked for the order */
    option("KnownHostsCommand /bin/false");
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.err.text, "KnownHostsCommand failed"));
}

/* Any key of this very machine will do, unless it has another name or the option is off. */
static void test_localhost(void **state)
{
    (void)state;
    put("h.example ", other);
    option("StrictHostKeyChecking yes");
    peer = "127.0.0.1";
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    option("NoHostAuthenticationForLocalhost yes");
    assert_int_equal(check(), ADIT_E_OK);
    peer = "::1";
    assert_int_equal(check(), ADIT_E_OK);
    peer = "192.0.2.1";
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    peer = ""; /* through a proxy nobody knows */
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    peer = "127.0.0.1";
    option("HostKeyAlias h.example");
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    peer = "";
}

static void both_are(const char *name)
{
    char text[512];
    snprintf(text, sizeof text, "h.example %s\n%s %s\n", ed, name, ed);
    file_is(text);
}

/* CheckHostIP: the address is remembered beside the name, and asked about when it has another key. */
static void test_address(void **state)
{
    (void)state;
    option("CheckHostIP yes");
    option("StrictHostKeyChecking accept-new");
    peer = "192.0.2.1";
    assert_int_equal(check(), ADIT_E_OK);
    both_are("192.0.2.1");
    assert_int_equal(check(), ADIT_E_OK); /* both are known now */
    both_are("192.0.2.1");
    (void)unlink(path);
    put("h.example ", ed);
    put("192.0.2.1 ", other);
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_non_null(strstr(f.fake.log, "differs from the key for the IP address"));
    peer = "127.0.0.1"; /* not looked at */
    assert_int_equal(check(), ADIT_E_OK);
    peer = "";
    assert_int_equal(check(), ADIT_E_OK);
}

static void test_address_asked(void **state)
{
    (void)state;
    option("CheckHostIP yes");
    peer = "192.0.2.1";
    put("h.example ", ed);
    put("192.0.2.1 ", other);
    f.fake.answers[0] = "yes";
    f.fake.answers[1] = "no";
    assert_int_equal(check(), ADIT_E_OK);
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    assert_int_equal(f.fake.asked, 2);
    (void)unlink(path);
    put("h.example ", ed);
    put("@revoked 192.0.2.1 ", ed);
    assert_int_equal(check(), ADIT_E_HOST_KEY);
    peer = "";
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_known),
                                       T(test_without_descriptors),
                                       T(test_global_file_has_no_tokens),
                                       T(test_address),
                                       T(test_address_asked),
                                       T(test_command),
                                       T(test_command_is_asked_twice),
                                       T(test_command_that_fails),
                                       T(test_localhost),
                                       T(test_unknown_and_strict),
                                       T(test_batch_does_not_ask),
                                       T(test_ask),
                                       T(test_ask_refused),
                                       T(test_ask_by_fingerprint),
                                       T(test_accept_new),
                                       T(test_hashed),
                                       T(test_changed),
                                       T(test_revoked),
                                       T(test_revoked_without_port),
                                       T(test_port_falls_back),
                                       T(test_alias),
                                       T(test_alias_with_port),
                                       T(test_environment),
                                       T(test_pin),
                                       T(test_bad_line_is_a_warning),
                                       T(test_malformed_key),
                                       T(test_order),
                                       T(test_token_of_old),
                                       T(test_revoked_list),
                                       T(test_revoked_list_that_cannot_be_read_now),
                                       T(test_no_revoked_list_means_all),
                                       T(test_required_rsa_size),
                                       T(test_certificate),
                                       T(test_certificate_on_another_port),
                                       T(test_certificate_alias),
                                       T(test_certificate_falls_back_to_its_key),
                                       T(test_certificate_and_unknown_key),
                                       T(test_certificate_revoked),
                                       T(test_certificate_algorithms),
                                       T(test_certificate_pinned),
                                       T(test_order_with_certificates)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
