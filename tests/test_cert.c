#include <string.h>

#include "../ssh/algo.h"
#include "../ssh/cert.h"
#include "keyfiles.h"

enum { BLOB_MAX = 4096, YEAR_2030 = 1893456000 };

struct made {
    uint8_t blob[BLOB_MAX];
    size_t n;
    struct cert cert;
};

static struct span blob_of(const struct made *m)
{
    return span_make(m->blob, m->n);
}

static void load(struct made *m, const char *name)
{
    m->n = file_public(name, m->blob, sizeof m->blob);
    assert_true(cert_is_one(blob_of(m)));
    assert_true(cert_parse(&m->cert, blob_of(m)));
}

static const struct {
    const char *name, *key;
    enum key_type type, ca;
    const char *ca_alg;
} rows[] = {
    {"cert_host_ed25519", "ed25519", KEY_ED25519, KEY_ED25519, "ssh-ed25519"},
    {"cert_host_ecdsa256", "ecdsa256", KEY_ECDSA_P256, KEY_ECDSA_P384, "ecdsa-sha2-nistp384"},
    {"cert_host_ecdsa384", "ecdsa384", KEY_ECDSA_P384, KEY_ECDSA_P521, "ecdsa-sha2-nistp521"},
    {"cert_host_ecdsa521", "ecdsa521", KEY_ECDSA_P521, KEY_RSA, "rsa-sha2-512"},
    {"cert_host_rsa", "rsa", KEY_RSA, KEY_ED25519, "ssh-ed25519"},
    {"cert_host_by_sha256", "ed25519", KEY_ED25519, KEY_RSA, "rsa-sha2-256"},
    {"cert_user_ed25519", "ed25519", KEY_ED25519, KEY_ED25519, "ssh-ed25519"},
    {"cert_user_rsa", "rsa", KEY_RSA, KEY_ED25519, "ssh-ed25519"},
    {"cert_user_sk_ed25519", "sk_ed25519", KEY_SK_ED25519, KEY_ED25519, "ssh-ed25519"},
    {"cert_user_sk_ecdsa", "sk_ecdsa", KEY_SK_ECDSA, KEY_ECDSA_P256, "ecdsa-sha2-nistp256"},
};

static void every_type_is_read_and_verified(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct made m;
        uint8_t plain[BLOB_MAX], want[BLOB_MAX];
        struct wr w = wr_init(plain, sizeof plain);
        load(&m, rows[i].name);
        assert_int_equal(m.cert.key.type, rows[i].type);
        assert_int_equal(m.cert.ca.type, rows[i].ca);
        assert_true(span_is(m.cert.signature_alg, rows[i].ca_alg));
        assert_int_equal(cert_verify(&m.cert, NULL), ADIT_E_OK);
        assert_true(cert_plain_key(&m.cert, &w));
        size_t n = file_public(rows[i].key, want, sizeof want);
        assert_true(span_eq(wr_done(&w), span_make(want, n)));
        struct key key;
        assert_false(key_parse(&key, blob_of(&m))); /* no plain key */
        struct cert none;
        assert_false(cert_is_one(wr_done(&w)));
        assert_false(cert_parse(&none, wr_done(&w)));
    }
}

static void the_fields_are_those_that_were_given(void **state)
{
    (void)state;
    struct made m;
    load(&m, "cert_user_ed25519");
    assert_int_equal(m.cert.kind, CERT_USER);
    assert_int_equal(m.cert.serial, 7);
    assert_true(span_is(m.cert.key_id, "user one"));
    assert_int_equal(m.cert.valid_after, 0);
    assert_true(m.cert.valid_before == UINT64_MAX);
    struct rd r = rd_init(m.cert.principals);
    assert_true(span_is(rd_string(&r), "root"));
    assert_true(span_is(rd_string(&r), "guest"));
    assert_true(rd_done(&r));
    r = rd_init(m.cert.critical);
    assert_true(span_is(rd_string(&r), "force-command"));
    r = rd_init(m.cert.extensions);
    assert_true(span_is(rd_string(&r), "permit-pty"));
    load(&m, "cert_host_ed25519");
    assert_int_equal(m.cert.kind, CERT_HOST);
    assert_int_equal(m.cert.serial, 42);
    assert_int_equal(m.cert.valid_after, 1577836800);
    assert_true(m.cert.valid_before == UINT64_C(2208988800));
}

static void sha1_is_no_signature(void **state)
{
    (void)state;
    struct made m;
    load(&m, "cert_host_by_sha1");
    assert_int_equal(cert_verify(&m.cert, NULL), ADIT_E_UNSUPPORTED);
}

/* Whatever byte is changed: it does not parse, or the signature is wrong. */
static void no_byte_can_be_changed(void **state)
{
    (void)state;
    static const char *const names[] = {"cert_host_ed25519", "cert_host_by_sha256", "cert_user_sk_ed25519"};
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        struct made m;
        struct cert cert;
        load(&m, names[i]);
        for (size_t at = 0; at < m.n; at++) {
            m.blob[at] ^= 1;
            assert_false(cert_parse(&cert, blob_of(&m)) && cert_verify(&cert, NULL) == ADIT_E_OK);
            m.blob[at] ^= 1;
        }
    }
}

static void no_part_of_it_is_one(void **state)
{
    (void)state;
    struct made m;
    struct cert cert;
    load(&m, "cert_host_rsa");
    for (size_t n = 0; n < m.n; n++)
        assert_false(cert_parse(&cert, span_make(m.blob, n)));
    m.blob[m.n] = 0;
    assert_false(cert_parse(&cert, span_make(m.blob, m.n + 1)));
}

static enum adit_err check(const char *name, const char *host, uint64_t now, const char *algs,
                           struct adit_error *err)
{
    struct made m;
    load(&m, name);
    memset(err, 0, sizeof *err);
    return cert_check_host(&m.cert, span_str(host), now, algs, err);
}

static void hosts_are_judged_as_ssh_judges_them(void **state)
{
    (void)state;
    static const char *const all = "ssh-ed25519,rsa-sha2-512";
    static const struct {
        const char *name, *host;
        uint64_t now;
        const char *why; /* NULL: fine */
    } cases[] = {
        {"cert_host_ed25519", "h.example", YEAR_2030, NULL},
        {"cert_host_ed25519", "h.example", 1577836800, NULL},
        {"cert_host_ed25519", "h.example", 1577836799, "not yet valid"},
        {"cert_host_ed25519", "h.example", UINT64_C(2208988799), NULL},
        {"cert_host_ed25519", "h.example", UINT64_C(2208988800), "expired"},
        {"cert_host_ed25519", "a.wild.example", YEAR_2030, NULL},
        {"cert_host_ed25519", "a.b.wild.example", YEAR_2030, NULL},
        {"cert_host_ed25519", "wild.example", YEAR_2030, "not a listed principal"},
        {"cert_host_ed25519", "h.exampl", YEAR_2030, "not a listed principal"},
        {"cert_host_ed25519", "h.example2", YEAR_2030, "not a listed principal"},
        {"cert_host_ed25519", "", YEAR_2030, "not a listed principal"},
        {"cert_host_empty", "h.example", YEAR_2030, "not a listed principal"},
        {"cert_host_critical", "h.example", YEAR_2030, "unsupported critical options"},
        {"cert_user_ed25519", "root", YEAR_2030, "not a host certificate"},
        {"cert_host_ecdsa521", "h.example", YEAR_2030, NULL},
        {"cert_host_by_sha256", "h.example", YEAR_2030, "disallowed algorithm"},
        {"cert_host_ecdsa256", "h.example", YEAR_2030, "disallowed algorithm"},
    };
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct adit_error err;
        enum adit_err e = check(cases[i].name, cases[i].host, cases[i].now, all, &err);
        assert_int_equal(e, cases[i].why == NULL ? ADIT_E_OK : ADIT_E_HOST_KEY);
        if (cases[i].why != NULL)
            assert_non_null(strstr(err.text, cases[i].why));
    }
}

/* A certificate in the place of the authority's key: PROTOCOL.certkeys forbids it. */
static void no_certificate_signs_another(void **state)
{
    (void)state;
    struct made m;
    struct cert cert;
    uint8_t forged[2 * BLOB_MAX];
    load(&m, "cert_host_ed25519");
    struct wr w = wr_init(forged, sizeof forged);
    size_t head = m.cert.signed_part.n - m.cert.ca.blob.n - 4;
    wr_bytes(&w, span_make(m.blob, head));
    wr_string(&w, blob_of(&m));
    wr_string(&w, m.cert.signature);
    assert_true(wr_ok(&w));
    assert_false(cert_parse(&cert, wr_done(&w)));
    w = wr_init(forged, sizeof forged); /* the same with the key itself is the certificate as it was */
    wr_bytes(&w, span_make(m.blob, head));
    wr_string(&w, m.cert.ca.blob);
    wr_string(&w, m.cert.signature);
    assert_true(cert_parse(&cert, wr_done(&w)));
}

/* A name that one reader ends at a zero byte and another does not: ssh takes no such certificate. */
static void no_text_holds_a_zero_byte(void **state)
{
    (void)state;
    struct made m;
    struct cert cert;
    load(&m, "cert_host_ed25519");
    const struct span texts[] = {m.cert.key_id, span_sub(m.cert.principals, 4, 1)};
    for (size_t i = 0; i < ADIT_COUNT(texts); i++) {
        uint8_t *at = m.blob + (texts[i].p - m.blob), was = *at;
        *at = 'z';
        assert_true(cert_parse(&cert, blob_of(&m)));
        *at = 0;
        assert_false(cert_parse(&cert, blob_of(&m)));
        *at = was;
    }
    assert_true(cert_parse(&cert, blob_of(&m)));
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int t = KEY_ED25519; t < KEY_TYPES; t++)
        assert_int_equal(cert_type_of_name(span_str(cert_type_name((enum key_type)t))), t);
    assert_string_equal(cert_type_name(KEY_NONE), "");
    assert_int_equal(cert_type_of_name(span_str("ssh-ed25519")), KEY_NONE);
    assert_int_equal(cert_type_of_name(span_str("rsa-sha2-512-cert-v01@openssh.com")), KEY_NONE);
    assert_null(cert_sigalg(span_str("ssh-rsa-cert-v01@openssh.com")));
    assert_null(cert_sigalg(span_str("ssh-ed25519")));
    assert_null(cert_alg_of_sigalg(span_str("ssh-rsa")));
    struct span all = span_str(algo_default(ALGO_SIG)), one;
    while (names_next(&all, &one)) {
        const char *name = cert_alg_of_sigalg(one);
        assert_non_null(name);
        assert_true(span_is(one, cert_sigalg(span_str(name))));
        assert_true(names_has(span_str(algo_default(ALGO_PUBKEY)), span_str(name)));
    }
}

static int start(void **state)
{
    (void)state;
    return crypto_init() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(every_type_is_read_and_verified),
        cmocka_unit_test(the_fields_are_those_that_were_given),
        cmocka_unit_test(sha1_is_no_signature),
        cmocka_unit_test(no_byte_can_be_changed),
        cmocka_unit_test(no_text_holds_a_zero_byte),
        cmocka_unit_test(no_part_of_it_is_one),
        cmocka_unit_test(hosts_are_judged_as_ssh_judges_them),
        cmocka_unit_test(no_certificate_signs_another),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
