#include "ssh/cert.h"

#include <string.h>

/* ---- names ---- */

/* The names that differ from one another: a certificate's type, and the algorithm it stands for. */
static const struct cert_name {
    enum key_type type;
    bool is_type;       /* a blob may start with it */
    const char *name;   /* in KEXINIT, in publickey requests */
    const char *sigalg; /* NULL: SHA-1 */
} names[] = {
    {KEY_ED25519, true, "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"},
    {KEY_ECDSA_P256, true, "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256"},
    {KEY_ECDSA_P384, true, "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384"},
    {KEY_ECDSA_P521, true, "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521"},
    {KEY_SK_ED25519, true, "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com"},
    {KEY_SK_ECDSA, true, "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"},
    {KEY_RSA, true, "ssh-rsa-cert-v01@openssh.com", NULL},
    {KEY_RSA, false, "rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512"},
    {KEY_RSA, false, "rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-256"},
};

enum key_type cert_type_of_name(struct span name)
{
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        if (names[i].is_type && span_is(name, names[i].name))
            return names[i].type;
    return KEY_NONE;
}

const char *cert_type_name(enum key_type type)
{
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        if (names[i].is_type && names[i].type == type)
            return names[i].name;
    return "";
}

const char *cert_sigalg(struct span alg)
{
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        if (span_is(alg, names[i].name))
            return names[i].sigalg;
    return NULL;
}

const char *cert_alg_of_sigalg(struct span sigalg)
{
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        if (names[i].sigalg != NULL && span_is(sigalg, names[i].sigalg))
            return names[i].name;
    return NULL;
}

/* ---- parsing ---- */

/* A zero byte would end it for one reader and not for another. */
static bool is_text(struct span s)
{
    return s.n == 0 || memchr(s.p, 0, s.n) == NULL;
}

static bool is_list_of_texts(struct span list)
{
    struct rd r = rd_init(list);
    while (rd_ok(&r) && r.n > 0)
        if (!is_text(rd_string(&r)))
            rd_fail(&r);
    return rd_done(&r);
}

/* Pairs of name and data. PROTOCOL.certkeys wants them in the order of their names; ssh takes any order, and
 * there are authorities that keep none. */
static bool is_list_of_options(struct span list)
{
    struct rd r = rd_init(list);
    while (rd_ok(&r) && r.n > 0) {
        (void)rd_string(&r);
        (void)rd_string(&r);
    }
    return rd_done(&r);
}

static struct span between(const uint8_t *from, const uint8_t *to)
{
    return span_make(from, (size_t)(to - from));
}

static void read_cert(struct rd *r, struct cert *c)
{
    const uint8_t *start = r->p;
    enum key_type type = cert_type_of_name(rd_string(r));
    (void)rd_string(r); /* the nonce, of any length */
    const uint8_t *key_start = r->p;
    key_read_fields(r, type, &c->key);
    c->fields = rd_ok(r) ? between(key_start, r->p) : (struct span){0};
    c->serial = rd_u64(r);
    c->kind = rd_u32(r);
    c->key_id = rd_string(r);
    c->principals = rd_string(r);
    c->valid_after = rd_u64(r);
    c->valid_before = rd_u64(r);
    c->critical = rd_string(r);
    c->extensions = rd_string(r);
    (void)rd_string(r); /* reserved */
    struct span ca = rd_string(r);
    c->signed_part = rd_ok(r) ? between(start, r->p) : (struct span){0};
    c->signature = rd_string_max(r, LIMIT_SIGNATURE);
    struct rd signature = rd_init(c->signature);
    c->signature_alg = rd_string(&signature);
    if (!rd_ok(&signature) || (c->kind != CERT_USER && c->kind != CERT_HOST) || !is_text(c->key_id) ||
        !is_list_of_texts(c->principals) || !is_list_of_options(c->critical) ||
        !is_list_of_options(c->extensions))
        rd_fail(r);
    if (rd_ok(r) && (!key_point_is_valid(&c->key) || !key_parse(&c->ca, ca)))
        rd_fail(r);
}

bool cert_parse(struct cert *c, struct span blob)
{
    *c = (struct cert){.blob = blob};
    struct rd r = rd_init(blob);
    if (blob.n > LIMIT_KEY_BLOB)
        rd_fail(&r);
    else
        read_cert(&r, c);
    if (rd_done(&r))
        return true;
    *c = (struct cert){0};
    return false;
}

bool cert_is_one(struct span blob)
{
    struct rd r = rd_init(blob);
    return key_name_is_cert(rd_string(&r));
}

bool cert_plain_key(const struct cert *c, struct wr *w)
{
    wr_cstring(w, key_type_name(c->key.type));
    wr_bytes(w, c->fields);
    return wr_ok(w);
}

/* ---- judging ---- */

enum adit_err cert_verify(const struct cert *c, struct adit_error *err)
{
    if (key_type_for_sigalg(c->signature_alg) == KEY_NONE)
        return adit_fail(err, ADIT_E_UNSUPPORTED, "a certificate signed with an algorithm that is not used");
    return key_verify(&c->ca, c->signature_alg, c->signature, c->signed_part, err);
}

static bool is_for_host(const struct cert *c, struct span host)
{
    struct rd r = rd_init(c->principals);
    while (r.n > 0)
        if (adit_text_matches(rd_string(&r), host, false))
            return true;
    return false;
}

enum adit_err cert_check_host(const struct cert *c, struct span host, uint64_t now_s, const char *ca_algs,
                              struct adit_error *err)
{
    const char *why = NULL;
    if (c->kind != CERT_HOST)
        why = "Certificate invalid: not a host certificate";
    else if (now_s < c->valid_after)
        why = "Certificate invalid: not yet valid";
    else if (now_s >= c->valid_before)
        why = "Certificate invalid: expired";
    else if (!is_for_host(c, host))
        why = "Certificate invalid: name is not a listed principal";
    else if (c->critical.n > 0)
        why = "Certificate contains unsupported critical options(s)";
    else if (!names_has(span_str(ca_algs), c->signature_alg))
        why = "Certificate signed with disallowed algorithm";
    return why == NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_HOST_KEY, "%s", why);
}
