#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/identity.h"
#include "client/secret_store.h"
#include "fake_prompt.h"
#include "few_files.h"
#include "fake_agent.h"
#include "no_reading.h"
#include "tests/no_memory.h"
#include "ssh/cert.h"

static char folder[] = "/tmp/adit-test-identity.XXXXXX";

struct fixture {
    struct options options;
    struct fake_prompt fake;
    struct identities ids;
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
    (void)state;
    secret_store_wipe();
    memset(&f, 0, sizeof f);
    fake_prompt_init(&f.fake);
    options_init(&f.options);
    unsetenv("SSH_AUTH_SOCK");
    unsetenv("ADIT_KEY");
    f.names = (struct expand_names){.home = folder, .host = "h", .given_host = "h", .port = 22};
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    identities_wipe(&f.ids);
    options_wipe(&f.options);
    snprintf(command, sizeof command, "rm -rf '%s'/* '%s'/.ssh", folder, folder);
    return system(command);
}

/* Copies a file of tests/keys into the folder. */
static void key(const char *name, const char *as, unsigned mode)
{
    char command[512];
    snprintf(command, sizeof command, "install -D -m %o 'tests/keys/%s' '%s/%s'", mode, name, folder, as);
    assert_int_equal(system(command), 0);
}

static void init(void)
{
    memset(&f.err, 0, sizeof f.err);
    assert_int_equal(identities_init(&f.ids, &f.options, &f.names, &f.fake.prompt, &f.err), ADIT_E_OK);
}

static enum adit_err sign(struct identity *id)
{
    uint8_t out[LIMIT_SIGNATURE];
    size_t len = 0;
    struct key public;
    struct span data = span_str("to be signed");
    struct span alg = span_str(key_type_name(id->type));
    struct span blob = span_make(id->blob, id->blob_len);
    if (id->type == KEY_RSA)
        alg = span_str("rsa-sha2-512");
    memset(&f.err, 0, sizeof f.err);
    enum adit_err e = identity_sign(&f.ids, id, alg, data, out, &len, &f.err);
    if (e == ADIT_E_OK) {
        assert_true(key_parse(&public, blob));
        assert_int_equal(key_verify(&public, alg, span_make(out, len), data, &f.err), ADIT_E_OK);
    }
    return e;
}

static void test_files_in_order(void **state)
{
    (void)state;
    key("rsa", "b", 0600);
    key("ed25519", "a", 0600);
    option("IdentityFile ~/b");
    option("IdentityFile %d/a");
    init();
    assert_int_equal(f.ids.count, 2);
    assert_int_equal(f.ids.item[0]->type, KEY_RSA);
    assert_int_equal(f.ids.item[1]->type, KEY_ED25519);
    assert_true(identity_needs_no_probe(f.ids.item[0]));
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_OK);
    assert_int_equal(sign(f.ids.item[1]), ADIT_E_OK);
    assert_string_equal(f.fake.log, "");
}

/* No verdict on keys that could not be read: it is an error, and another time they may be. */
static void test_without_descriptors(void **state)
{
    (void)state;
    key("ed25519", "a", 0600);
    option("IdentityFile ~/a");
    struct rlimit before = few_files_begin();
    enum adit_err e = identities_init(&f.ids, &f.options, &f.names, &f.fake.prompt, &f.err);
    few_files_end(before);
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_non_null(strstr(f.err.text, "/a: "));
    assert_string_equal(f.fake.log, "");
}

/* NAME in the folder is there and cannot be read just now: an error that tells of it. */
static void is_lacked(const char *name)
{
    char file[128], wanted[128];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    snprintf(wanted, sizeof wanted, "/%s: Input/output error", name);
    assert_int_equal(symlink(NO_READING, file), 0);
    assert_int_equal(identities_init(&f.ids, &f.options, &f.names, &f.fake.prompt, &f.err), ADIT_E_MEMORY);
    assert_non_null(strstr(f.err.text, wanted));
    assert_string_equal(f.fake.log, "");
}

static void test_certificate_that_cannot_be_read_now(void **state)
{
    (void)state;
    key("ed25519", "a", 0600);
    option("IdentityFile ~/a");
    is_lacked("a-cert.pub");
}

static void test_named_certificate_that_cannot_be_read_now(void **state)
{
    (void)state;
    key("ed25519", "a", 0600);
    option("IdentityFile ~/a");
    option("CertificateFile ~/named.pub");
    is_lacked("named.pub");
}

static void test_public_key_that_cannot_be_read_now(void **state)
{
    (void)state;
    option("IdentityFile ~/a"); /* an agent may have it */
    is_lacked("a.pub");
}

static struct span alg_of(const struct identity *id)
{
    if (id->type == KEY_RSA)
        return span_str(id->is_cert ? "rsa-sha2-512-cert-v01@openssh.com" : "rsa-sha2-512");
    return span_str(id->is_cert ? cert_type_name(id->type) : key_type_name(id->type));
}

/* What is signed with a certificate is verified with its key. */
static void signs(struct identity *id)
{
    uint8_t out[LIMIT_SIGNATURE];
    size_t len = 0;
    struct key public;
    struct span data = span_str("to be signed"), alg = alg_of(id);
    const char *behind = cert_sigalg(alg);
    struct span sigalg = behind != NULL ? span_str(behind) : alg;
    memset(&f.err, 0, sizeof f.err);
    assert_int_equal(identity_sign(&f.ids, id, alg, data, out, &len, &f.err), ADIT_E_OK);
    assert_true(key_parse(&public, identity_plain(id)));
    assert_int_equal(key_verify(&public, sigalg, span_make(out, len), data, NULL), ADIT_E_OK);
}

static void test_certificate_beside_a_key(void **state)
{
    (void)state;
    key("rsa", "r", 0600);
    key("cert_user_rsa.pub", "r-cert.pub", 0644);
    key("ed25519", "e", 0600);
    key("cert_user_ed25519.pub", "e-cert", 0644); /* ssh takes this name too */
    option("IdentityFile ~/r");
    option("IdentityFile ~/e");
    init();
    assert_int_equal(f.ids.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f.ids.item[i]->is_cert, i % 2 == 0); /* each before its key */
        assert_int_equal(f.ids.item[i]->type, i < 2 ? KEY_RSA : KEY_ED25519);
        assert_true(identity_needs_no_probe(f.ids.item[i]));
        signs(f.ids.item[i]);
    }
    assert_string_equal(f.fake.log, "");
}

static void test_certificate_file(void **state)
{
    (void)state;
    key("ed25519", "e", 0600);
    key("rsa", "r", 0600);
    key("cert_user_ed25519.pub", "named.pub", 0644);
    key("cert_user_rsa.pub", "r-cert.pub", 0644);       /* not looked for when some are named */
    key("cert_user_sk_ecdsa.pub", "keyless.pub", 0644); /* nobody has its key */
    key("cert_host_ed25519.pub", "host.pub", 0644);     /* not for users */
    option("IdentityFile ~/r");
    option("IdentityFile ~/e");
    option("CertificateFile ~/missing");
    option("CertificateFile ~/host.pub");
    option("CertificateFile ~/keyless.pub");
    option("CertificateFile %d/named.pub");
    init();
    assert_int_equal(f.ids.count, 3);
    assert_true(f.ids.item[0]->is_cert);
    assert_int_equal(f.ids.item[0]->type, KEY_ED25519);
    assert_int_equal(f.ids.item[1]->type, KEY_RSA);
    assert_false(f.ids.item[1]->is_cert);
    signs(f.ids.item[0]);
    identities_accepted(&f.ids, f.ids.item[0]);
    assert_true(f.ids.item[2]->was_accepted); /* the same key without its certificate */
    assert_false(f.ids.item[1]->was_accepted);
}

static void test_certificate_with_the_key_in_the_agent(void **state)
{
    static const char *const names[] = {"rsa", "ed25519"};
    struct fake_agent agent;
    char socket[128];
    (void)state;
    snprintf(socket, sizeof socket, "%s/agent", folder);
    fake_agent_start(&agent, socket, names, 2);
    setenv("SSH_AUTH_SOCK", socket, 1);
    key("ed25519.pub", "e.pub", 0644);
    key("cert_user_ed25519.pub", "e-cert.pub", 0644);
    option("IdentityFile ~/e");
    init();
    assert_int_equal(f.ids.count, 3);
    assert_true(f.ids.item[0]->is_cert);
    assert_true(f.ids.item[1]->type == KEY_ED25519 && f.ids.item[1]->in_agent);
    signs(f.ids.item[0]);
    signs(f.ids.item[1]);
    fake_agent_stop(&agent);
}

static void test_required_rsa_size(void **state)
{
    (void)state;
    key("rsa", "r", 0600);
    key("cert_user_rsa.pub", "r-cert.pub", 0644);
    key("rsa4096", "big", 0600);
    option("IdentityFile ~/r");
    option("IdentityFile ~/big");
    option("RequiredRSASize 4096");
    init();
    assert_int_equal(f.ids.count, 1);
    assert_non_null(strstr(f.fake.log, "RequiredRSASize"));
}

/* An encrypted PEM file has its public key inside: it is asked for when its turn comes. */
static void test_sealed_pem(void **state)
{
    (void)state;
    key("ecdsa384_pem_aes256", "e", 0600);
    option("IdentityFile ~/e");
    init();
    assert_int_equal(f.ids.count, 1);
    assert_int_equal(f.ids.item[0]->blob_len, 0);
    assert_false(identity_needs_no_probe(f.ids.item[0]));
    assert_int_equal(f.fake.asked, 0);
    f.fake.answers[0] = "wrong";
    f.fake.answers[1] = "open sesame";
    assert_true(identity_unlock(&f.ids, f.ids.item[0]));
    assert_int_equal(f.ids.item[0]->type, KEY_ECDSA_P384);
    assert_int_equal(f.fake.asked, 2);
    signs(f.ids.item[0]);
    assert_int_equal(f.fake.asked, 2);
}

static void test_sealed_pem_with_its_public_file(void **state)
{
    (void)state;
    key("ecdsa384_pem_aes256", "e", 0600);
    key("ecdsa384_pem_aes256.pub", "e.pub", 0644);
    key("ecdsa256_pem_des3", "x", 0600);
    key("ed25519.pub", "x.pub", 0644); /* another key's */
    option("IdentityFile ~/e");
    option("IdentityFile ~/x");
    init();
    assert_int_equal(f.ids.count, 2);
    assert_int_equal(f.ids.item[0]->type, KEY_ECDSA_P384);
    assert_true(identity_unlock(&f.ids, f.ids.item[0])); /* nothing to ask for yet */
    assert_int_equal(f.fake.asked, 0);
    f.fake.answers[0] = "open sesame";
    signs(f.ids.item[0]);
    f.fake.answers[1] = f.fake.answers[2] = f.fake.answers[3] = "open sesame";
    assert_int_equal(sign(f.ids.item[1]), ADIT_E_AUTH);
    assert_non_null(strstr(f.fake.log, "not that of its .pub file"));
}

static void test_sealed_pem_with_its_certificate(void **state)
{
    (void)state;
    key("rsa_pkcs8_sealed", "r", 0600);
    key("cert_user_sealed.pub", "r-cert.pub", 0644);
    option("IdentityFile ~/r");
    init();
    assert_int_equal(f.ids.count, 2);
    assert_true(f.ids.item[0]->is_cert);
    assert_int_equal(f.ids.item[1]->type, KEY_RSA);
    f.fake.answers[0] = "open sesame";
    signs(f.ids.item[0]);
    signs(f.ids.item[1]);
    assert_int_equal(f.fake.asked, 1);
}

/* Whatever allocation fails: no key is left out for that, and no passphrase called wrong. */
static void test_without_memory(void **state)
{
    (void)state;
    unsigned lacks = 0;
    bool has_failed = true;
    key("ed25519_ctr", "sealed", 0600);
    key("ed25519", "e", 0600);
    key("cert_user_ed25519.pub", "e-cert.pub", 0644);
    key("ecdsa384_pem_aes256", "pem", 0600);
    key("ecdsa384_pem_aes256.pub", "pem.pub", 0644);
    key("rsa_pkcs8_sealed", "r", 0600);
    key("cert_user_sealed.pub", "r-cert.pub", 0644);
    option("IdentityFile ~/sealed");
    option("IdentityFile ~/e");
    option("IdentityFile ~/pem");
    option("IdentityFile ~/r");
    for (long n = 0; has_failed; n++) {
        identities_wipe(&f.ids);
        memset(&f.err, 0, sizeof f.err);
        f.fake.asked = 0;
        f.fake.answers[0] = "open sesame";
        no_memory_begin(n, false);
        enum adit_err e = identities_init(&f.ids, &f.options, &f.names, &f.fake.prompt, &f.err);
        if (e == ADIT_E_OK)
            assert_int_equal(f.ids.count, 6);
        if (e == ADIT_E_OK)
            e = sign(f.ids.item[0]);
        has_failed = no_memory_end();
        assert_true(e == ADIT_E_OK || (has_failed && e == ADIT_E_MEMORY));
        lacks += e != ADIT_E_OK;
    }
    assert_true(lacks > 10);
}

/* Whoever is asked for the passphrase has it, and cannot say it just now. */
static void test_passphrase_that_cannot_be_had_now(void **state)
{
    (void)state;
    key("ecdsa384_pem_aes256", "e", 0600);
    key("ed25519_ctr", "sealed", 0600);
    option("IdentityFile ~/e");
    option("IdentityFile ~/sealed");
    f.fake.lack = "/pass: Input/output error";
    init();
    assert_false(identity_unlock(&f.ids, f.ids.item[0]));
    assert_int_equal(f.ids.lack->code, ADIT_E_MEMORY);
    assert_non_null(strstr(f.ids.lack->text, "/e: its passphrase: /pass: Input/output error"));
    assert_int_equal(sign(f.ids.item[1]), ADIT_E_MEMORY);
    assert_string_equal(f.err.text, "its passphrase: /pass: Input/output error");
    assert_int_equal(f.fake.asked, 2);
}

static void test_sealed_pem_in_batch_mode(void **state)
{
    (void)state;
    key("ecdsa384_pem_aes256", "e", 0600);
    option("IdentityFile ~/e");
    option("BatchMode yes");
    init();
    assert_int_equal(f.ids.count, 1);
    assert_false(identity_unlock(&f.ids, f.ids.item[0]));
    assert_true(f.ids.item[0]->is_dead);
    assert_int_equal(f.fake.asked, 0);
}

static void test_sealed_pem_that_is_there_already(void **state)
{
    (void)state;
    key("ecdsa384_sec1", "plain", 0600);
    key("ecdsa384_pem_aes256", "e", 0600);
    option("IdentityFile ~/plain");
    option("IdentityFile ~/e");
    init();
    assert_int_equal(f.ids.count, 2);
    f.fake.answers[0] = "open sesame";
    assert_false(identity_unlock(&f.ids, f.ids.item[1]));
}

static void test_default_files(void **state)
{
    (void)state;
    key("ecdsa256", ".ssh/id_ecdsa", 0600);
    init();
    assert_int_equal(f.ids.count, 1);
    assert_int_equal(f.ids.item[0]->type, KEY_ECDSA_P256);
    assert_string_equal(f.fake.log, ""); /* the missing ones are no news */
}

static void test_missing_file(void **state)
{
    (void)state;
    option("IdentityFile ~/nothing");
    init();
    assert_int_equal(f.ids.count, 0);
    assert_string_equal(f.fake.log, ""); /* as ssh: many configurations name keys of other machines */
}

static void test_none(void **state)
{
    (void)state;
    key("ecdsa256", ".ssh/id_ecdsa", 0600);
    option("IdentityFile none");
    init();
    assert_int_equal(f.ids.count, 0);
    assert_string_equal(f.fake.log, "");
}

static void test_exposed_file(void **state)
{
    (void)state;
    static const unsigned modes[] = {0644, 0640, 0604, 0620, 0601};
    for (size_t i = 0; i < ADIT_COUNT(modes); i++) {
        key("ed25519", "open", modes[i]);
        option("IdentityFile ~/open");
        f.fake.log[0] = 0;
        init();
        assert_int_equal(f.ids.count, 0);
        assert_non_null(strstr(f.fake.log, "too open"));
        identities_wipe(&f.ids);
    }
}

static void test_corrupt_file(void **state)
{
    (void)state;
    FILE *out;
    char path[64];
    snprintf(path, sizeof path, "%s/bad", folder);
    out = fopen(path, "w");
    fputs("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", out);
    fclose(out);
    assert_int_equal(chmod(path, 0600), 0);
    key("ed25519", "good", 0600);
    option("IdentityFile ~/bad");
    option("IdentityFile ~/good");
    init();
    assert_int_equal(f.ids.count, 1); /* and on it goes */
    assert_non_null(strstr(f.fake.log, path));
}

static void test_same_key_twice(void **state)
{
    (void)state;
    key("ed25519", "a", 0600);
    key("ed25519", "b", 0600);
    option("IdentityFile ~/a");
    option("IdentityFile ~/b");
    init();
    assert_int_equal(f.ids.count, 1);
}

static void test_passphrase(void **state)
{
    (void)state;
    key("ed25519_ctr", "sealed", 0600);
    option("IdentityFile ~/sealed");
    f.fake.answers[0] = "wrong";
    f.fake.answers[1] = "open sesame";
    init();
    assert_int_equal(f.ids.count, 1);
    assert_int_equal(f.fake.asked, 0); /* not before a signature is wanted */
    assert_false(identity_needs_no_probe(f.ids.item[0]));
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_OK);
    assert_int_equal(f.fake.asked, 2);
    assert_int_equal(f.fake.kinds[0], PROMPT_SECRET);
    assert_int_equal(f.fake.purposes[0], PROMPT_FOR_PASSPHRASE);
    assert_null(strstr(f.fake.log, "sesame"));
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_OK); /* open now */
    assert_int_equal(f.fake.asked, 2);
}

static void test_no_passphrase(void **state)
{
    (void)state;
    key("ed25519_ctr", "sealed", 0600);
    option("IdentityFile ~/sealed");
    option("NumberOfPasswordPrompts 2");
    f.fake.answers[0] = "wrong";
    f.fake.answers[1] = "wrong";
    init();
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_AUTH);
    assert_int_equal(f.fake.asked, 2);
    assert_true(f.ids.item[0]->is_dead);
}

static void test_batch_mode(void **state)
{
    (void)state;
    key("ed25519_ctr", "sealed", 0600);
    option("IdentityFile ~/sealed");
    option("BatchMode yes");
    init();
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_AUTH);
    assert_int_equal(f.fake.asked, 0);
}

static char *contents(const char *name)
{
    static char text[8192];
    char path[128];
    snprintf(path, sizeof path, "tests/keys/%s", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    fclose(in);
    return text;
}

static void test_environment(void **state)
{
    (void)state;
    key("ecdsa256", ".ssh/id_ecdsa", 0600);
    setenv("ADIT_KEY", contents("ed25519"), 1);
    setenv("MINE", contents("ecdsa384"), 1);
    option("IdentityFile env:MINE");
    init();
    assert_int_equal(f.ids.count, 2);
    assert_int_equal(f.ids.item[0]->type, KEY_ED25519);
    assert_int_equal(f.ids.item[1]->type, KEY_ECDSA_P384);
    assert_null(getenv("ADIT_KEY"));
    assert_null(getenv("MINE"));
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_OK);
}

static void test_descriptor(void **state)
{
    (void)state;
    char line[64];
    int fd = open("tests/keys/ed25519", O_RDONLY);
    assert_true(fd > 2);
    snprintf(line, sizeof line, "IdentityFile fd:%d", fd);
    option(line);
    option("IdentityFile fd:x");
    option("IdentityFile env:NOT_SET_AT_ALL");
    init();
    assert_int_equal(f.ids.count, 1);
    assert_non_null(strstr(f.fake.log, "fd:x"));
    assert_non_null(strstr(f.fake.log, "env:NOT_SET_AT_ALL"));
}

/* ---- With an agent that holds ed25519, ecdsa256 and rsa, in this order -------------------------------- */

static const char *const held[] = {"ed25519", "ecdsa256", "rsa"};

static void agent_start(struct fake_agent *agent)
{
    char path[80];
    snprintf(path, sizeof path, "%s/agent", folder);
    fake_agent_start(agent, path, held, ADIT_COUNT(held));
    setenv("SSH_AUTH_SOCK", path, 1);
}

static void test_agent(void **state)
{
    (void)state;
    struct fake_agent agent;
    agent_start(&agent);
    option("IdentityFile none");
    init();
    assert_int_equal(f.ids.count, 3);
    assert_true(f.ids.item[0]->in_agent && !f.ids.item[0]->is_named);
    assert_false(identity_needs_no_probe(f.ids.item[0])); /* it may be meant for another host */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sign(f.ids.item[i]), ADIT_E_OK);
    fake_agent_stop(&agent);
}

static void test_agent_and_files(void **state)
{
    (void)state;
    struct fake_agent agent;
    agent_start(&agent);
    key("ecdsa384", "file", 0600);
    key("rsa.pub", "held.pub", 0644);
    option("IdentityFile ~/file");
    option("IdentityFile ~/held.pub");
    init();
    assert_int_equal(f.ids.count, 4);
    assert_int_equal(f.ids.item[0]->type, KEY_RSA); /* named and held */
    assert_true(identity_needs_no_probe(f.ids.item[0]));
    assert_int_equal(f.ids.item[1]->type, KEY_ED25519); /* the agent's others */
    assert_int_equal(f.ids.item[2]->type, KEY_ECDSA_P256);
    assert_int_equal(f.ids.item[3]->type, KEY_ECDSA_P384); /* the file */
    fake_agent_stop(&agent);
}

static void test_identities_only(void **state)
{
    (void)state;
    struct fake_agent agent;
    agent_start(&agent);
    key("ed25519_ctr", "sealed", 0600);
    key("rsa.pub", "held.pub", 0644);
    key("ecdsa521.pub", "nowhere.pub", 0644);
    option("IdentitiesOnly yes");
    option("IdentityFile ~/sealed");
    option("IdentityFile ~/held.pub");
    option("IdentityFile ~/nowhere.pub");
    init();
    assert_int_equal(f.ids.count, 2);
    assert_int_equal(f.ids.item[0]->type, KEY_RSA);
    assert_false(f.ids.item[1]->in_agent);
    fake_agent_stop(&agent);
}

static void test_agent_gone(void **state)
{
    (void)state;
    struct fake_agent agent;
    agent_start(&agent);
    key("ed25519", "file", 0600);
    option("IdentityFile ~/file");
    option("IdentitiesOnly yes");
    init();
    fake_agent_stop(&agent);
    assert_int_equal(f.ids.count, 1);
    assert_true(f.ids.item[0]->in_agent);
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_OK); /* by the file */
}

static void test_agent_refused(void **state)
{
    (void)state;
    setenv("SSH_AUTH_SOCK", "/nonexistent/agent", 1);
    key("ed25519", "file", 0600);
    option("IdentityFile ~/file");
    init();
    assert_int_equal(f.ids.count, 1);
    assert_string_equal(f.fake.log, ""); /* as with ssh: an agent that has gone is none */
    option("IdentityAgent none");
    identities_wipe(&f.ids);
    init();
    assert_null(f.ids.agent_path);
}

/* The agent may have the key: without its answer there is no verdict on the others. */
static void test_agent_without_descriptors(void **state)
{
    (void)state;
    struct fake_agent agent;
    agent_start(&agent);
    option("IdentityFile none");
    struct rlimit before = few_files_begin();
    enum adit_err e = identities_init(&f.ids, &f.options, &f.names, &f.fake.prompt, &f.err);
    few_files_end(before);
    fake_agent_stop(&agent);
    assert_int_equal(e, ADIT_E_MEMORY);
    assert_non_null(strstr(f.err.text, "/agent: "));
    assert_non_null(strstr(f.err.text, "Too many open files"));
    assert_string_equal(f.fake.log, "");
}

static int connect_to(const struct sockaddr_un *to)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* What the agent holds is not known; the other keys may do, and who is refused with them may come again. */
static void test_agent_with_too_many_callers(void **state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), callers[8], count = 0;
    (void)state;
    snprintf(to.sun_path, sizeof to.sun_path, "%s/agent", folder);
    assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(listener, 0), 0);
    while ((callers[count] = connect_to(&to)) >= 0)
        assert_true(++count < 8);
    setenv("SSH_AUTH_SOCK", to.sun_path, 1);
    key("ed25519", "file", 0600);
    option("IdentityFile ~/file");
    init();
    assert_int_equal(f.ids.count, 1);
    assert_int_equal(sign(f.ids.item[0]), ADIT_E_OK);
    assert_true(adit_err_may_retry(f.ids.lack->code) && f.ids.lack->code != ADIT_E_OK);
    assert_non_null(strstr(f.ids.lack->text, "/agent: "));
    assert_non_null(strstr(f.fake.log, "The agent is not used: "));
    while (count > 0)
        close(callers[--count]);
    close(listener);
}

/* One that listens and does not answer is told of: its keys are missing. */
static void *hang_up(void *arg)
{
    int *listener = arg, fd = accept(*listener, NULL, NULL);
    close(fd);
    return NULL;
}

static void test_agent_that_hangs_up(void **state)
{
    (void)state;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    pthread_t thread;
    snprintf(to.sun_path, sizeof to.sun_path, "%s/agent", folder);
    setenv("SSH_AUTH_SOCK", to.sun_path, 1);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, hang_up, &listener), 0);
    key("ed25519", "file", 0600);
    option("IdentityFile ~/file");
    init();
    pthread_join(thread, NULL);
    close(listener);
    assert_int_equal(f.ids.count, 1);
    assert_non_null(strstr(f.fake.log, "The agent is not used: agent "));
}

static int make_folder(void **state)
{
    (void)state;
    return !(crypto_init() && mkdtemp(folder) != NULL);
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_files_in_order),
                                       T(test_without_descriptors),
                                       T(test_sealed_pem),
                                       T(test_sealed_pem_with_its_public_file),
                                       T(test_sealed_pem_with_its_certificate),
                                       T(test_sealed_pem_in_batch_mode),
                                       T(test_passphrase_that_cannot_be_had_now),
                                       T(test_without_memory),
                                       T(test_certificate_that_cannot_be_read_now),
                                       T(test_named_certificate_that_cannot_be_read_now),
                                       T(test_public_key_that_cannot_be_read_now),
                                       T(test_agent_with_too_many_callers),
                                       T(test_sealed_pem_that_is_there_already),
                                       T(test_required_rsa_size),
                                       T(test_certificate_beside_a_key),
                                       T(test_certificate_file),
                                       T(test_certificate_with_the_key_in_the_agent),
                                       T(test_default_files),
                                       T(test_missing_file),
                                       T(test_none),
                                       T(test_exposed_file),
                                       T(test_corrupt_file),
                                       T(test_same_key_twice),
                                       T(test_passphrase),
                                       T(test_no_passphrase),
                                       T(test_batch_mode),
                                       T(test_environment),
                                       T(test_descriptor),
                                       T(test_agent),
                                       T(test_agent_and_files),
                                       T(test_identities_only),
                                       T(test_agent_gone),
                                       T(test_agent_refused),
                                       T(test_agent_without_descriptors),
                                       T(test_agent_that_hangs_up)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
