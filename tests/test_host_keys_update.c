#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/host_keys_update.h"
#include "crypto/crypto.h"
#include "fake_prompt.h"

enum { KEYS = 3, LISTED = 80 };

/* The server's keys, all of one type, and the list that it shows. */
struct fixture {
    struct options options;
    struct fake_prompt fake;
    struct host_keys keys;
    struct host_keys_update update;
    struct adit_error err;
    struct key_secret secret[KEYS];
    uint8_t blob[KEYS][64], list[32 * 1024], proofs[1024];
    size_t blob_n[KEYS];
    struct wr w, proof;
};
static struct fixture f;
static char folder[] = "/tmp/adit-test-update.XXXXXX";
static char path[64];
static const char session_id[] = "the session id, thirty-two bytes";

static void option(const char *line)
{
    assert_int_equal(options_set_line(&f.options, line, &f.err), ADIT_E_OK);
}

static int setup(void **state)
{
    char line[128];
    struct drbg random;
    uint8_t seed[32] = {5};
    (void)state;
    memset(&f, 0, sizeof f);
    fake_prompt_init(&f.fake);
    options_init(&f.options);
    drbg_init(&random, seed);
    for (size_t i = 0; i < KEYS; i++) {
        struct wr w = wr_init(f.blob[i], sizeof f.blob[i]);
        assert_true(key_generate(KEY_ED25519, &random, &f.secret[i]));
        assert_true(key_secret_public(&f.secret[i], &w));
        f.blob_n[i] = w.used;
    }
    unsetenv("ADIT_KNOWN_HOSTS");
    snprintf(line, sizeof line, "UserKnownHostsFile %s", path);
    option(line);
    option("GlobalKnownHostsFile none");
    option("UpdateHostKeys yes");
    f.w = wr_init(f.list, sizeof f.list);
    f.proof = wr_init(f.proofs, sizeof f.proofs);
    (void)unlink(path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_keys_update_wipe(&f.update);
    host_keys_wipe(&f.keys);
    options_wipe(&f.options);
    return 0;
}

static struct span blob(size_t i)
{
    return span_make(f.blob[i], f.blob_n[i]);
}

/* A line for the file, as text. */
static const char *line(const char *name, size_t i)
{
    static char text[4][256];
    static size_t turn;
    char *out = text[turn++ % 4];
    struct known_host_query q;
    struct wr w = wr_init((uint8_t *)out, 256);
    assert_true(known_host_query_init(&q, span_str("x"), 22) && known_hosts_write(&w, &q, blob(i)));
    memmove(out + strlen(name), out + 1, w.used);
    memcpy(out, name, strlen(name));
    out[strlen(name) + w.used - 1] = 0;
    return out;
}

static void put(const char *text)
{
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void file_is(const char *text)
{
    struct file file;
    assert_int_equal(file_read(&file, path, 1 << 20, NULL, NULL, NULL), ADIT_E_OK);
    assert_int_equal(file.n, strlen(text));
    assert_memory_equal(file.p, text, file.n);
    file_wipe(&file);
}

static void show(size_t i)
{
    wr_string(&f.w, blob(i));
}

/* By `signer`: right when it is i itself. */
static void prove(size_t i, size_t signer, const char *id)
{
    uint8_t data[256], signature[KEY_SIGNATURE_MAX];
    struct wr d = wr_init(data, sizeof data), s = wr_init(signature, sizeof signature);
    wr_cstring(&d, "hostkeys-prove-00@openssh.com");
    wr_cstring(&d, id);
    wr_string(&d, blob(i));
    assert_int_equal(key_sign(&f.secret[signer], span_str("ssh-ed25519"), wr_done(&d), &s, &f.err),
                     ADIT_E_OK);
    wr_string(&f.proof, wr_done(&s));
}

/* The server has shown that it owns key 0. */
static void shown(struct span list)
{
    struct expand_names names = {.home = folder, .host = "h", .given_host = "h", .host_key = "h", .port = 22};
    host_keys_wipe(&f.keys);
    assert_int_equal(host_keys_init(&f.keys, &f.options, &names, &f.fake.prompt, &f.err), ADIT_E_OK);
    assert_int_equal(host_keys_check(&f.keys, blob(0), "", &f.err), ADIT_E_OK);
    host_keys_update_init(&f.update, &f.keys);
    host_keys_update_shown(&f.update, list);
}

static void proven(void)
{
    host_keys_update_proven(&f.update, span_str(session_id), wr_done(&f.proof));
}

static void test_learned(void **state)
{
    char text[1024];
    (void)state;
    put("# mine\n");
    put(line("h", 0));
    show(0);
    show(1);
    shown(wr_done(&f.w));
    assert_int_equal(f.update.prove_count, 1);
    assert_int_equal(f.update.prove[0].n, 4 + f.blob_n[1]);
    assert_memory_equal(f.update.prove[0].p + 4, f.blob[1], f.blob_n[1]);
    prove(1, 1, session_id);
    snprintf(text, sizeof text, "# mine\n%s", line("h", 0));
    file_is(text); /* nothing before it is proven */
    proven();
    snprintf(text, sizeof text, "# mine\n%s%s", line("h", 0), line("h", 1));
    file_is(text);
    assert_string_equal(f.fake.log, ""); /* at VERBOSE */
}

static void test_removed(void **state)
{
    char text[1024];
    (void)state;
    put(line("h", 0));
    put(line("h", 2));
    put(line("other", 1));
    show(0);
    shown(wr_done(&f.w));
    assert_int_equal(f.update.prove_count, 0);
    snprintf(text, sizeof text, "%s%s", line("h", 0), line("other", 1));
    file_is(text);
}

/* Wrong, missing, too many, or for another session: nothing is done, and it is said. */
static void test_wrong_proofs(void **state)
{
    (void)state;
    put(line("h", 0));
    show(0);
    show(1);
    show(2);
    for (int i = 0; i < 5; i++) {
        shown(wr_done(&f.w));
        assert_int_equal(f.update.prove_count, 2);
        f.proof = wr_init(f.proofs, sizeof f.proofs);
        f.fake.log[0] = 0;
        prove(1, 1, i == 0 ? "another session" : session_id);
        if (i != 1)
            prove(2, i == 2 ? 1 : 2, session_id);
        if (i == 3)
            wr_u8(&f.proof, 0);
        if (i == 4)
            f.proofs[f.proof.used - 1] ^= 1;
        proven();
        file_is(line("h", 0));
        assert_true(i == 3 || strstr(f.fake.log, "does not prove") != NULL);
        proven(); /* a second time: nothing is left of it */
        file_is(line("h", 0));
    }
}

static void refused(const char *why)
{
    f.fake.log[0] = 0;
    shown(span_make(f.list, f.w.used));
    assert_int_equal(f.update.prove_count, 0);
    file_is(line("h", 0));
    assert_non_null(strstr(f.fake.log, why));
    f.w = wr_init(f.list, sizeof f.list);
}

static void test_bad_lists(void **state)
{
    (void)state;
    put(line("h", 0));
    show(1);
    wr_u32(&f.w, 99);
    refused("malformed");
    show(1);
    wr_string(&f.w, span_sub(blob(2), 0, 20));
    refused("malformed");
    show(1);
    wr_cstring(&f.w, "");
    refused("malformed");
    show(1);
    show(2);
    show(1);
    refused("twice");
    for (uint8_t i = 0; i < LISTED; i++) {
        uint8_t more[64];
        memcpy(more, f.blob[1], f.blob_n[1]);
        more[f.blob_n[1] - 1] = i;
        wr_string(&f.w, span_make(more, f.blob_n[1]));
    }
    refused("too many");
}

static void test_unknown_types_are_passed_over(void **state)
{
    char text[1024];
    (void)state;
    put(line("h", 0));
    show(0);
    wr_u32(&f.w, 4 + 11);
    wr_cstring(&f.w, "ssh-unknown");
    show(1);
    shown(wr_done(&f.w));
    assert_int_equal(f.update.prove_count, 1);
    prove(1, 1, session_id);
    proven();
    snprintf(text, sizeof text, "%s%s", line("h", 0), line("h", 1));
    file_is(text);
}

static void test_not_when_nobody_agreed(void **state)
{
    (void)state;
    put(line("h", 0));
    option("StrictHostKeyChecking accept-new");
    (void)unlink(path);
    show(0);
    show(1);
    shown(wr_done(&f.w)); /* nobody has said yes */
    assert_int_equal(f.update.prove_count, 0);
    file_is(line("h", 0));
}

/* The file has changed while the server was asked. */
static void test_changed_meanwhile(void **state)
{
    char text[1024];
    (void)state;
    put(line("h", 0));
    show(0);
    show(1);
    shown(wr_done(&f.w));
    put(line("@revoked h", 2));
    prove(1, 1, session_id);
    proven();
    snprintf(text, sizeof text, "%s%s", line("h", 0), line("@revoked h", 2));
    file_is(text);
}

static void test_asked(void **state)
{
    (void)state;
    option("BatchMode yes");
    put(line("h", 0));
    f.options.update_host_keys = UPDATE_HOST_KEYS_ASK;
    show(0);
    show(1);
    shown(wr_done(&f.w));
    assert_false(host_keys_update_wanted(&f.keys));
    f.options.batch_mode = false;
    assert_true(host_keys_update_wanted(&f.keys));
    f.options.control_persist = true;
    assert_false(host_keys_update_wanted(&f.keys));
    f.options.control_persist = false;
    f.fake.answers[0] = "perhaps";
    f.fake.answers[1] = "no";
    prove(1, 1, session_id);
    proven();
    assert_int_equal(f.fake.asked, 2);
    assert_non_null(strstr(f.fake.log, "Learned new hostkey: ED25519 SHA256:"));
    file_is(line("h", 0));
}

static void test_address(void **state)
{
    char text[1024];
    (void)state;
    put(line("h,192.0.2.1", 0));
    show(0);
    show(1);
    shown(wr_done(&f.w));
    f.keys.has_address = true;
    assert_true(known_host_query_init(&f.keys.address, span_str("192.0.2.1"), 22));
    prove(1, 1, session_id);
    proven();
    snprintf(text, sizeof text, "%s%s", line("h,192.0.2.1", 0), line("h,192.0.2.1", 1));
    file_is(text);
}

static int make_folder(void **state)
{
    (void)state;
    if (!crypto_init() || mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/known", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_learned),
                                       T(test_removed),
                                       T(test_wrong_proofs),
                                       T(test_bad_lists),
                                       T(test_unknown_types_are_passed_over),
                                       T(test_not_when_nobody_agreed),
                                       T(test_changed_meanwhile),
                                       T(test_asked),
                                       T(test_address)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
