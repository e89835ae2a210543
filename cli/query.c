#include "cli/query.h"

#include <string.h>

#include "client/texts.h"

static const struct {
    const char *name;
    bool is_keyword; /* in any case */
    enum algorithms list;
} rows[] = {
    {"cipher", false, ALGORITHMS_CIPHER},
    {"cipher-auth", false, ALGORITHMS_CIPHER_AUTH},
    {"compression", false, ALGORITHMS_COMPRESSION},
    {"kex", false, ALGORITHMS_KEX},
    {"key", false, ALGORITHMS_KEY},
    {"key-ca-sign", false, ALGORITHMS_SIGNATURE_PLAIN},
    {"key-cert", false, ALGORITHMS_KEY_CERT},
    {"key-plain", false, ALGORITHMS_KEY_PLAIN},
    {"key-sig", false, ALGORITHMS_SIGNATURE},
    {"mac", false, ALGORITHMS_MAC},
    {"sig", false, ALGORITHMS_SIGNATURE_PLAIN},
    {"Ciphers", true, ALGORITHMS_CIPHER},
    {"CASignatureAlgorithms", true, ALGORITHMS_SIGNATURE_PLAIN},
    {"HostbasedAcceptedAlgorithms", true, ALGORITHMS_SIGNATURE},
    {"HostbasedAcceptedKeyTypes", true, ALGORITHMS_SIGNATURE},
    {"HostbasedKeyTypes", true, ALGORITHMS_SIGNATURE},
    {"HostKeyAlgorithms", true, ALGORITHMS_SIGNATURE},
    {"KexAlgorithms", true, ALGORITHMS_KEX},
    {"MACs", true, ALGORITHMS_MAC},
    {"PubkeyAcceptedAlgorithms", true, ALGORITHMS_SIGNATURE},
    {"PubkeyAcceptedKeyTypes", true, ALGORITHMS_SIGNATURE},
};

static void answer_help(char out[static ALGORITHMS_CAP])
{
    size_t n = 0;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        if (!rows[i].is_keyword)
            n += adit_format(out + n, ALGORITHMS_CAP - n, "%s\n", rows[i].name);
    (void)adit_format(out + n, ALGORITHMS_CAP - n, "protocol-version\n");
}

/* What this adit is made with: a word a line. */
static void answer_features(bool has_daemon, char out[static ALGORITHMS_CAP])
{
    (void)adit_format(out, ALGORITHMS_CAP, "client\n%s%s%s", has_daemon ? "daemon\n" : "",
                      ADIT_WITH_RSA ? "rsa\n" : "", ADIT_WITH_ZLIB ? "zlib\n" : "");
}

enum adit_err query_answer(const char *name, bool has_daemon, char out[static ALGORITHMS_CAP],
                           struct adit_error *err)
{
    if (strcmp(name, "help") == 0) {
        answer_help(out);
        return ADIT_E_OK;
    }
    if (strcmp(name, "features") == 0) {
        answer_features(has_daemon, out);
        return ADIT_E_OK;
    }
    if (strcmp(name, "protocol-version") == 0) {
        (void)adit_format(out, ALGORITHMS_CAP, "2\n");
        return ADIT_E_OK;
    }
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        if (rows[i].is_keyword ? !text_same(rows[i].name, name) : strcmp(rows[i].name, name) != 0)
            continue;
        algorithms_list(rows[i].list, out);
        return ADIT_E_OK;
    }
    return adit_fail(err, ADIT_E_USAGE, "Unsupported query \"%s\"", name);
}
