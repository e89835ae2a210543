#include "client/algorithms.h"

#include <string.h>

#include "client/texts.h"
#include "ssh/ssh.h"

static bool ends_with(struct span s, const char *end)
{
    size_t n = strlen(end);
    return s.n >= n && span_is(span_sub(s, s.n - n, n), end);
}

static bool is_cert(struct span name)
{
    return ends_with(name, "-cert-v01@openssh.com");
}

/* RSA keys are named after their format, whichever way they sign. */
static struct span key_of(struct span name)
{
    if (span_is(name, "rsa-sha2-512") || span_is(name, "rsa-sha2-256"))
        return span_str("ssh-rsa");
    if (span_is(name, "rsa-sha2-512-cert-v01@openssh.com") ||
        span_is(name, "rsa-sha2-256-cert-v01@openssh.com"))
        return span_str("ssh-rsa-cert-v01@openssh.com");
    return name;
}

static bool is_aead(struct span name)
{
    return ends_with(name, "-gcm@openssh.com") || ends_with(name, "-poly1305@openssh.com");
}

static bool wanted(enum algorithms which, struct span name)
{
    switch (which) {
    case ALGORITHMS_CIPHER_AUTH:
        return is_aead(name);
    case ALGORITHMS_KEY_CERT:
        return is_cert(name);
    case ALGORITHMS_KEY_PLAIN:
    case ALGORITHMS_SIGNATURE_PLAIN:
        return !is_cert(name);
    default:
        return true;
    }
}

static bool is_of_keys(enum algorithms which)
{
    return which == ALGORITHMS_KEY || which == ALGORITHMS_KEY_CERT || which == ALGORITHMS_KEY_PLAIN;
}

/* Once each: two ways to sign may name one key. */
static bool is_there(struct span list, struct span name)
{
    struct span line;
    while (text_line(&list, &line))
        if (span_eq(line, name))
            return true;
    return false;
}

static const char *names_of(enum algorithms which)
{
    switch (which) {
    case ALGORITHMS_KEX:
        return ssh_list_default(SSH_LIST_KEX);
    case ALGORITHMS_CIPHER:
    case ALGORITHMS_CIPHER_AUTH:
        return ssh_list_default(SSH_LIST_CIPHER);
    case ALGORITHMS_MAC:
        return ssh_list_default(SSH_LIST_MAC);
    case ALGORITHMS_KEY:
    case ALGORITHMS_KEY_CERT:
    case ALGORITHMS_KEY_PLAIN:
    case ALGORITHMS_SIGNATURE:
    case ALGORITHMS_SIGNATURE_PLAIN:
        return ssh_list_default(SSH_LIST_PUBKEY);
    case ALGORITHMS_COMPRESSION:
        return ADIT_WITH_ZLIB ? "none,zlib@openssh.com,zlib" : "none";
    }
    return "";
}

void algorithms_list(enum algorithms which, char out[static ALGORITHMS_CAP])
{
    struct span rest = span_str(names_of(which)), name;
    size_t n = 0;
    out[0] = 0;
    while (text_comma(&rest, &name)) {
        struct span shown = is_of_keys(which) ? key_of(name) : name;
        if (wanted(which, name) && !is_there(span_make(out, n), shown))
            n += adit_format(out + n, ALGORITHMS_CAP - n, "%.*s\n", (int)shown.n, (const char *)shown.p);
    }
}
