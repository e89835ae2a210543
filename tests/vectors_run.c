/*
 * vectors_run.c - all cases of the published vectors for ciphers, MACs, X25519, ML-KEM-768 and sntrup761.
 *
 * usage: vectors_run FOLDER, where FOLDER has wycheproof/ (testvectors_v1 of the project of that name),
 * acvp-mlkem/ and sntrup761/ (text files of "name: hex" lines). Every file named here must be there. AES runs
 * twice: as this CPU does it best, and in the portable code.
 */
#include "../crypto/crypto.h"
#include "vectors_json.h"

/* ---- Wycheproof ---------------------------------------------------------------------------------- */

/* Sealing must give the ciphertext and the tag; opening must give the message. */
static bool gcm_valid(struct span key, const uint8_t *iv, struct span aad, struct vec msg, struct vec ct,
                      struct vec tag)
{
    struct vec data = vec_copy(msg);
    uint8_t made[16];
    aes_gcm_seal(key, iv, aad, data.p, data.n, made);
    bool ok = vec_eq(ct, data.p, data.n) && vec_eq(tag, made, sizeof made);
    ok = ok && aes_gcm_open(key, iv, aad, data.p, data.n, tag.p) && vec_eq(msg, data.p, data.n);
    vec_free(data);
    return ok;
}

static bool gcm_invalid(struct span key, const uint8_t *iv, struct span aad, struct vec ct, struct vec tag)
{
    struct vec data = vec_copy(ct);
    bool ok = !aes_gcm_open(key, iv, aad, data.p, data.n, tag.p);
    vec_free(data);
    return ok;
}

static bool case_aes_gcm(json_t *group, json_t *test)
{
    struct vec key = vec_get(test, "key"), iv = vec_get(test, "iv"), aad = vec_get(test, "aad");
    struct vec msg = vec_get(test, "msg"), ct = vec_get(test, "ct"), tag = vec_get(test, "tag");
    (void)group;
    bool ok = iv.n == 12 && tag.n == 16 && (key.n == 16 || key.n == 24 || key.n == 32);
    if (ok && vec_is_valid(test))
        ok = gcm_valid(vec_span(key), iv.p, vec_span(aad), msg, ct, tag);
    else if (ok)
        ok = gcm_invalid(vec_span(key), iv.p, vec_span(aad), ct, tag);
    vec_free(key), vec_free(iv), vec_free(aad), vec_free(msg), vec_free(ct), vec_free(tag);
    return ok;
}

/* "acceptable" covers twist points and non-canonical u, which RFC 7748 §5 has us take, and the
 * small-order points, whose result is all zero and must be refused. */
static bool case_x25519(json_t *group, json_t *test)
{
    struct vec sk = vec_get(test, "private"), pk = vec_get(test, "public"), want = vec_get(test, "shared");
    static const uint8_t zero[32];
    uint8_t shared[32];
    (void)group;
    bool ok = sk.n == 32 && pk.n == 32 && want.n == 32;
    if (ok) {
        bool agreed = x25519_shared(shared, sk.p, pk.p);
        ok = vec_eq(want, shared, sizeof shared) && agreed == (memcmp(want.p, zero, 32) != 0);
        if (vec_has_flag(test, "ZeroSharedSecret"))
            ok = ok && !agreed;
    }
    vec_free(sk), vec_free(pk), vec_free(want);
    return ok;
}

static bool hmac_case(enum hash_alg alg, json_t *test)
{
    struct vec key = vec_get(test, "key"), msg = vec_get(test, "msg"), tag = vec_get(test, "tag");
    uint8_t out[HASH_MAX_LEN];
    hmac_of(alg, vec_span(key), vec_span(msg), out);
    bool is_right = tag.n <= hash_len(alg) && tag.n > 0 && memcmp(out, tag.p, tag.n) == 0;
    vec_free(key), vec_free(msg), vec_free(tag);
    return is_right == vec_is_valid(test);
}

static bool case_hmac_sha1(json_t *group, json_t *test)
{
    (void)group;
    return hmac_case(HASH_SHA1, test);
}

static bool case_hmac_sha256(json_t *group, json_t *test)
{
    (void)group;
    return hmac_case(HASH_SHA256, test);
}

static bool case_hmac_sha512(json_t *group, json_t *test)
{
    (void)group;
    return hmac_case(HASH_SHA512, test);
}

/* The interface takes fixed sizes, so that a case of another size is refused by whoever parses it. */
static unsigned refused_by_size;

static bool sizes_are(struct vec a, size_t a_len, struct vec b, size_t b_len)
{
    if (a.n == a_len && b.n == b_len)
        return true;
    refused_by_size++;
    return false;
}

static bool encaps_gives(struct vec pk, struct vec seed, struct vec ct, struct vec key)
{
    uint8_t made_ct[MLKEM768_CT_LEN], made_key[MLKEM768_SS_LEN];
    return mlkem768_encaps(made_ct, made_key, pk.p, seed.p) && vec_eq(ct, made_ct, sizeof made_ct) &&
           vec_eq(key, made_key, sizeof made_key);
}

static bool case_mlkem_encaps(json_t *group, json_t *test)
{
    struct vec m = vec_get(test, "m"), ek = vec_get(test, "ek"), c = vec_get(test, "c"),
               k = vec_get(test, "K");
    uint8_t ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
    (void)group;
    bool ok;
    if (vec_is_valid(test))
        ok = sizes_are(m, 32, ek, MLKEM768_PK_LEN) && encaps_gives(ek, m, c, k);
    else
        ok = !sizes_are(m, 32, ek, MLKEM768_PK_LEN) || !mlkem768_encaps(ct, ss, ek.p, m.p);
    vec_free(m), vec_free(ek), vec_free(c), vec_free(k);
    return ok;
}

static bool keygen_gives(struct vec seed, struct vec ek, struct vec dk)
{
    uint8_t pk[MLKEM768_PK_LEN], sk[MLKEM768_SK_LEN];
    return seed.n == 64 && mlkem768_keypair(pk, sk, seed.p) && vec_eq(ek, pk, sizeof pk) &&
           vec_eq(dk, sk, sizeof sk);
}

static bool case_mlkem_keygen(json_t *group, json_t *test)
{
    struct vec seed = vec_get(test, "seed"), ek = vec_get(test, "ek"), dk = vec_get(test, "dk");
    (void)group;
    bool ok = vec_is_valid(test) && keygen_gives(seed, ek, dk);
    vec_free(seed), vec_free(ek), vec_free(dk);
    return ok;
}

static bool decaps_gives(struct vec dk, struct vec c, struct vec k)
{
    uint8_t ss[MLKEM768_SS_LEN];
    return mlkem768_decaps(ss, c.p, dk.p) && vec_eq(k, ss, sizeof ss);
}

static bool case_mlkem_decaps_key(json_t *group, json_t *test)
{
    struct vec dk = vec_get(test, "dk"), c = vec_get(test, "c");
    uint8_t ss[MLKEM768_SS_LEN];
    (void)group;
    bool ok = sizes_are(dk, MLKEM768_SK_LEN, c, MLKEM768_CT_LEN);
    if (ok && vec_is_valid(test)) {
        struct vec k = vec_get(test, "K");
        ok = decaps_gives(dk, c, k);
        vec_free(k);
    } else if (ok) {
        ok = !mlkem768_decaps(ss, c.p, dk.p);
    } else {
        ok = !vec_is_valid(test);
    }
    vec_free(dk), vec_free(c);
    return ok;
}

/* From the seed of the key: the public key that the case names (where it names one), and the secret. */
static bool mlkem_from_seed(json_t *test, struct vec seed, struct vec c)
{
    uint8_t pk[MLKEM768_PK_LEN], sk[MLKEM768_SK_LEN];
    if (!mlkem768_keypair(pk, sk, seed.p))
        return false;
    struct vec dk = vec_alloc(sizeof sk), k = vec_get(test, "K"), ek = vec_get(test, "ek");
    memcpy(dk.p, sk, sizeof sk);
    bool ok = vec_eq(ek, pk, sizeof pk) && decaps_gives(dk, c, k);
    vec_free(dk), vec_free(k), vec_free(ek);
    return ok;
}

static bool case_mlkem(json_t *group, json_t *test)
{
    struct vec seed = vec_get(test, "seed"), c = vec_get(test, "c");
    (void)group;
    bool ok = sizes_are(seed, 64, c, MLKEM768_CT_LEN) && mlkem_from_seed(test, seed, c);
    vec_free(seed), vec_free(c);
    return ok == vec_is_valid(test);
}

/* ---- acvp-mlkem, sntrup761: blocks of "name: hex" lines --------------------------------------------------------- */

enum { FIELDS_MAX = 8 };

struct record {
    char name[FIELDS_MAX][24];
    struct vec value[FIELDS_MAX];
    size_t n;
    bool is_failure; /* result: fail */
};

static void record_clear(struct record *r)
{
    for (size_t i = 0; i < r->n; i++)
        vec_free(r->value[i]);
    memset(r, 0, sizeof *r);
}

static const struct vec *record_find(const struct record *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->name[i], name) == 0)
            return &r->value[i];
    return NULL;
}

static struct vec record_get(const struct record *r, const char *name)
{
    const struct vec *v = record_find(r, name);
    if (v == NULL)
        vec_die("a record lacks this field", name);
    return *v;
}

/* "name: value", "name = value" or "[name: value]". */
static void record_add(struct record *r, char *line)
{
    line += *line == '[';
    size_t name_len = strcspn(line, ": =");
    char *value = line + name_len + strspn(line + name_len, ": =");
    size_t digits = strcspn(value, "] \r\n");
    if (name_len == strlen("result") && memcmp(line, "result", name_len) == 0) {
        r->is_failure = strncmp(value, "fail", 4) == 0;
        return;
    }
    if (strncmp(line, "count ", 6) == 0 || strncmp(line, "case ", 5) == 0)
        return;
    if (r->n == FIELDS_MAX || name_len >= sizeof r->name[0])
        vec_die("too many fields in a record", line);
    memcpy(r->name[r->n], line, name_len);
    r->name[r->n][name_len] = 0;
    r->value[r->n++] = vec_unhex(value, digits);
}

/* What ends a record is an empty line or the end of the file. A line in brackets holds for all records
 * after it. */
typedef bool record_case(const struct record *r, const struct record *common);

static void run_records(const char *dir, const char *file, record_case *run, struct vec_tally *total)
{
    static char line[16384];
    char path[4096];
    struct vec_tally tally = {0, 0};
    struct record r = {0}, common = {0};
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        vec_die("cannot be opened", path);
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, f) != NULL;
        if (more && line[0] == '[') {
            record_add(&common, line);
        } else if (more && line[0] != '\n' && line[0] != '#') {
            record_add(&r, line);
        } else if ((!more || line[0] == '\n') && r.n > 0) {
            vec_count(&tally, run(&r, &common), file, (long long)(tally.passed + tally.failed));
            record_clear(&r);
        }
    }
    fclose(f);
    record_clear(&common);
    vec_file_done(file, tally, total);
}

static bool record_keygen(const struct record *r, const struct record *common)
{
    struct vec d = record_get(r, "d"), z = record_get(r, "z"), seed = vec_alloc(64);
    (void)common;
    bool ok = d.n == 32 && z.n == 32;
    if (ok) {
        memcpy(seed.p, d.p, 32);
        memcpy(seed.p + 32, z.p, 32);
        ok = keygen_gives(seed, record_get(r, "ek"), record_get(r, "dk"));
    }
    vec_free(seed);
    return ok;
}

static bool record_nist_decaps(const struct record *r, const struct record *common)
{
    struct vec dk = record_get(common, "dk"), c = record_get(r, "c");
    return sizes_are(dk, MLKEM768_SK_LEN, c, MLKEM768_CT_LEN) && decaps_gives(dk, c, record_get(r, "k"));
}

static bool record_ref_decaps(const struct record *r, const struct record *common)
{
    struct vec dk = record_get(r, "private_key"), c = record_get(r, "ciphertext");
    uint8_t ss[MLKEM768_SS_LEN];
    (void)common;
    if (!sizes_are(dk, MLKEM768_SK_LEN, c, MLKEM768_CT_LEN))
        return r->is_failure;
    if (r->is_failure)
        return !mlkem768_decaps(ss, c.p, dk.p);
    return decaps_gives(dk, c, record_get(r, "shared_secret"));
}

static bool record_ref_encaps(const struct record *r, const struct record *common)
{
    struct vec m = record_get(r, "entropy"), pk = record_get(r, "public_key");
    uint8_t ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
    (void)common;
    if (!sizes_are(m, 32, pk, MLKEM768_PK_LEN))
        return r->is_failure;
    if (r->is_failure)
        return !mlkem768_encaps(ct, ss, pk.p, m.p);
    return encaps_gives(pk, m, record_get(r, "ciphertext"), record_get(r, "shared_secret"));
}

/* Of a valid and of a tampered ciphertext: the secret, or that of the implicit rejection. */
static bool record_sntrup(const struct record *r, const struct record *common)
{
    struct vec sk = record_get(r, "sk"), ct = record_get(r, "ct"), ss = record_get(r, "ss");
    uint8_t made[SNTRUP761_SS_LEN];
    (void)common;
    if (sk.n != SNTRUP761_SK_LEN || ct.n != SNTRUP761_CT_LEN)
        return false;
    sntrup761_decaps(made, ct.p, sk.p);
    return vec_eq(ss, made, sizeof made);
}

/* The vector of draft-josefsson-ntruprime-ssh: three lines of hexadecimal digits, sk, ct and ss. */
static void run_sntrup_draft(const char *dir, struct vec_tally *total)
{
    static const char file[] = "sntrup761/draft-josefsson-sk-ct-ss.hex";
    static const char *const names[] = {"sk", "ct", "ss"};
    static char line[16384];
    char path[4096];
    struct vec_tally tally = {0, 0};
    struct record r = {0};
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        vec_die("cannot be opened", path);
    for (; r.n < 3 && fgets(line, sizeof line, f) != NULL; r.n++) {
        memcpy(r.name[r.n], names[r.n], 3);
        r.value[r.n] = vec_unhex(line, strcspn(line, "\r\n"));
    }
    fclose(f);
    vec_count(&tally, r.n == 3 && record_sntrup(&r, &r), file, 0);
    record_clear(&r);
    vec_file_done(file, tally, total);
}

/* ---------------------------------------------------------------------------------------------------- */

static void start_crypto(bool portable)
{
    crypto_force_portable(portable);
    if (!crypto_init())
        vec_die("crypto_init failed", "vectors");
}

int main(int argc, char **argv)
{
    struct vec_tally total = {0, 0};
    if (argc != 2)
        vec_die("usage: vectors_run FOLDER", "vectors");
    start_crypto(true);
    printf("AES-GCM in portable code:\n");
    vec_run_json(argv[1], "aes_gcm_test.json", case_aes_gcm, &total);
    start_crypto(false);
    printf("as this CPU does it best (AES-128-GCM in hardware: %s, AES-256-GCM: %s):\n",
           crypto_has_fast_gcm(128) ? "yes" : "no", crypto_has_fast_gcm(256) ? "yes" : "no");
    vec_run_json(argv[1], "aes_gcm_test.json", case_aes_gcm, &total);
    printf("%-50s skipped: the RFC 8439 AEAD is not SSH's construction and not in the product\n",
           "chacha20_poly1305_test.json");
    vec_run_json(argv[1], "x25519_test.json", case_x25519, &total);
    vec_run_json(argv[1], "hmac_sha1_test.json", case_hmac_sha1, &total);
    vec_run_json(argv[1], "hmac_sha256_test.json", case_hmac_sha256, &total);
    vec_run_json(argv[1], "hmac_sha512_test.json", case_hmac_sha512, &total);
    vec_run_json(argv[1], "mlkem_768_encaps_test.json", case_mlkem_encaps, &total);
    vec_run_json(argv[1], "mlkem_768_keygen_seed_test.json", case_mlkem_keygen, &total);
    vec_run_json(argv[1], "mlkem_768_semi_expanded_decaps_test.json", case_mlkem_decaps_key, &total);
    vec_run_json(argv[1], "mlkem_768_test.json", case_mlkem, &total);
    run_records(argv[1], "acvp-mlkem/mlkem768_nist_keygen_tests.txt", record_keygen, &total);
    run_records(argv[1], "acvp-mlkem/mlkem768_nist_decap_tests.txt", record_nist_decaps, &total);
    run_records(argv[1], "acvp-mlkem/mlkem768_ref_encap_first25.txt", record_ref_encaps, &total);
    run_records(argv[1], "acvp-mlkem/mlkem768_ref_decap_first25.txt", record_ref_decaps, &total);
    run_records(argv[1], "sntrup761/sntrup761-openssh-10.5-kat.txt", record_sntrup, &total);
    run_sntrup_draft(argv[1], &total);
    printf("of the ML-KEM cases %u were of a size that the interface cannot take\n", refused_by_size);
    return vec_end(total);
}
