#include <stdlib.h>
#include <string.h>

#include "../ssh/krl.h"
#include "keyfiles.h"

enum { BLOB_MAX = 4096 };

/* A key or certificate of tests/keys/, as what a list is asked about. */
struct asked {
    uint8_t blob[BLOB_MAX], plain[BLOB_MAX];
    struct cert cert;
    struct krl_subject subject;
};

static void ask(struct asked *a, const char *name)
{
    struct span blob = span_make(a->blob, file_public(name, a->blob, sizeof a->blob));
    struct wr w = wr_init(a->plain, sizeof a->plain);
    a->subject = (struct krl_subject){.key = blob};
    if (!cert_is_one(blob))
        return;
    assert_true(cert_parse(&a->cert, blob) && cert_plain_key(&a->cert, &w));
    a->subject = (struct krl_subject){.key = wr_done(&w), .cert = &a->cert};
}

static enum krl_verdict check(struct span list, const struct asked *a, size_t *line)
{
    static uint8_t scratch[BLOB_MAX];
    const char *why;
    enum krl_verdict verdict =
        krl_check(list, &a->subject, (struct wspan){scratch, sizeof scratch}, &why, line);
    assert_int_equal(verdict == KRL_BAD, why != NULL);
    return verdict;
}

/* What ssh-keygen -Q says of the same files. */
static void the_lists_of_ssh_keygen(void **state)
{
    (void)state;
    static const struct {
        const char *list, *name;
        bool revoked;
    } rows[] = {
        {"krl_empty", "ed25519", false},
        {"krl_empty", "cert_host_ed25519", false},
        {"krl_key", "ed25519", true},
        {"krl_key", "ecdsa256", false},
        {"krl_key", "cert_host_ed25519", true}, /* its key */
        {"krl_key", "cert_host_rsa", false},
        {"krl_hash", "rsa", true},
        {"krl_hash", "ecdsa256", true},
        {"krl_hash", "ed25519", false},
        {"krl_hash", "cert_host_ecdsa256", true},
        {"krl_hash", "cert_host_ecdsa521", true}, /* RSA has signed it */
        {"krl_ca", "cert_host_ed25519", true},
        {"krl_ca", "cert_host_ecdsa256", false},
        {"krl_ca", "ca", true},
        {"krl_serial", "cert_host_ed25519", true},   /* 42 */
        {"krl_serial", "cert_host_ecdsa256", false}, /* 42 of another authority */
        {"krl_serial", "cert_user_ed25519", true},   /* by its id */
        {"krl_serial", "cert_user_rsa", false},      /* serial 0 */
        {"krl_serial", "ed25519", false},
        {"krl_range", "cert_host_ed25519", true},
        {"krl_range", "cert_user_ed25519", false}, /* 7 */
        {"krl_bitmap", "cert_host_ed25519", true},
        {"krl_bitmap", "cert_user_ed25519", true},
        {"krl_bitmap", "cert_host_empty", false},
        {"krl_any_ca", "cert_host_ed25519", true},
        {"krl_any_ca", "cert_host_ecdsa256", true},
        {"krl_any_ca", "cert_user_ed25519", false},
        {"krl_text", "ecdsa384", true},
        {"krl_text", "rsa", true}, /* as a certificate */
        {"krl_text", "cert_host_ecdsa384", true},
        {"krl_text", "cert_host_ecdsa256", true}, /* that key has signed it */
        {"krl_text", "ed25519", false},
        {"krl_text", "cert_host_ed25519", false},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct asked a;
        struct file_text list;
        size_t line;
        ask(&a, rows[i].name);
        file_read(&list, rows[i].list, "");
        if (check(file_span(&list), &a, &line) != (rows[i].revoked ? KRL_REVOKED : KRL_FINE))
            fail_msg("%s and %s", rows[i].list, rows[i].name);
    }
}

/* A part of a list is no list, but where it ends between two sections. */
static void what_is_cut_is_bad(void **state)
{
    (void)state;
    static const char *const names[] = {"krl_key", "krl_hash", "krl_serial", "krl_bitmap", "krl_range"};
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        struct asked a;
        struct file_text list;
        size_t line, good = 0;
        ask(&a, "cert_host_ecdsa384");
        file_read(&list, names[i], "");
        for (size_t n = 8; n < list.n; n++)
            good += check(span_make(list.bytes, n), &a, &line) != KRL_BAD;
        /* The header alone, and for two kinds of fingerprints the first of them. */
        assert_int_equal(good, strcmp(names[i], "krl_hash") == 0 ? 2 : 1);
    }
}

struct section {
    uint8_t type;
    const char *bytes;
    size_t n;
};

static enum krl_verdict verdict_of(uint32_t version, struct section section)
{
    uint8_t bytes[256];
    struct wr w = wr_init(bytes, sizeof bytes);
    struct asked a;
    size_t line;
    wr_bytes(&w, span_make("SSHKRL\n\0", 8));
    wr_u32(&w, version);
    for (int i = 0; i < 3; i++)
        wr_u64(&w, 0);
    wr_cstring(&w, "");
    wr_cstring(&w, "");
    wr_u8(&w, section.type);
    wr_string(&w, span_make(section.bytes, section.n));
    if (section.type == 4)
        wr_cstring(&w, "signature");
    ask(&a, "cert_host_ed25519");
    return check(wr_done(&w), &a, &line);
}

#define SECTION(type, bytes) ((struct section){type, bytes, sizeof(bytes) - 1})

static void what_is_not_known_is_bad_when_it_matters(void **state)
{
    (void)state;
    static const char plain[] = "\0\0\0\1x\0\0\0\0\1y", critical[] = "\0\0\0\1x\1\0\0\0\1y";
    assert_int_equal(verdict_of(1, SECTION(255, plain)), KRL_FINE);
    assert_int_equal(verdict_of(1, SECTION(255, critical)), KRL_BAD);
    assert_int_equal(verdict_of(1, SECTION(255, "x")), KRL_BAD);
    assert_int_equal(verdict_of(1, SECTION(6, "")), KRL_BAD);
    assert_int_equal(verdict_of(2, SECTION(255, plain)), KRL_BAD);
    assert_int_equal(verdict_of(1, SECTION(4, "key")), KRL_FINE); /* a signature */
    assert_int_equal(verdict_of(1, SECTION(3, "\0\0\0\2ab")), KRL_BAD);
    /* certificates of every authority: nothing, an unknown part, extensions, ranges, bitmaps, serials */
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0")), KRL_FINE);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x24\0\0\0\0")), KRL_BAD);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x39\0\0\0\x0a\0\0\0\1x\1\0\0\0\0")), KRL_BAD);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x39\0\0\0\x0a\0\0\0\1x\0\0\0\0\0")),
                     KRL_FINE);
    assert_int_equal(
        verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x21\0\0\0\x10\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0\x29")),
        KRL_BAD);
    assert_int_equal(
        verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x21\0\0\0\x10\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0\x2a")),
        KRL_REVOKED);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x20\0\0\0\x08\0\0\0\0\0\0\0\x2a")),
                     KRL_REVOKED);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x20\0\0\0\x07\0\0\0\0\0\0\0")), KRL_BAD);
    /* Serial number 0 is no number: ssh takes no list that has it. */
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x20\0\0\0\x08\0\0\0\0\0\0\0\0")), KRL_BAD);
    assert_int_equal(
        verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x21\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x29")),
        KRL_BAD);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x22\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\1\3")),
                     KRL_BAD);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x22\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\1\2")),
                     KRL_FINE);
    /* The last serial number of all, and one above. */
    assert_int_equal(
        verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x22\0\0\0\x0d\377\377\377\377\377\377\377\377\0\0\0\1\1")),
        KRL_FINE);
    assert_int_equal(
        verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x22\0\0\0\x0d\377\377\377\377\377\377\377\377\0\0\0\1\2")),
        KRL_BAD);
    /* offset 40, bits 1 and 2: 41 and 42; then bit 0 alone; then an offset above */
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x22\0\0\0\x0d\0\0\0\0\0\0\0\x28\0\0\0\1\6")),
                     KRL_REVOKED);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x22\0\0\0\x0d\0\0\0\0\0\0\0\x28\0\0\0\1\1")),
                     KRL_FINE);
    assert_int_equal(verdict_of(1, SECTION(1, "\0\0\0\0\0\0\0\0\x22\0\0\0\x0d\0\0\0\0\0\0\0\x2b\0\0\0\1\6")),
                     KRL_FINE);
}

static void a_bad_line_makes_a_text_list_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {"x", "ssh-ed25519", "ssh-ed25519 !", "ssh-rsa AAAAC3NzaC1lZDI1NTE5",
                                      "ssh-ed25519 AAAA x"};
    struct asked a;
    size_t line;
    ask(&a, "ed25519");
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        char text[256];
        snprintf(text, sizeof text, "# one\r\n\r\n\t %s\r\n", bad[i]);
        assert_int_equal(check(span_str(text), &a, &line), KRL_BAD);
        assert_int_equal(line, 3);
    }
    assert_int_equal(check(span_str(""), &a, &line), KRL_FINE);
    assert_int_equal(check(span_str("#\n\n \n"), &a, &line), KRL_FINE);
}

static int start(void **state)
{
    (void)state;
    return crypto_init() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lists_of_ssh_keygen),
        cmocka_unit_test(what_is_cut_is_bad),
        cmocka_unit_test(what_is_not_known_is_bad_when_it_matters),
        cmocka_unit_test(a_bad_line_makes_a_text_list_bad),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
