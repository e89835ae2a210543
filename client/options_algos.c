#include "client/options_algos.h"

#include <string.h>

#include "client/patterns.h"
#include "client/texts.h"

/* `ssh -Q` of OpenSSH 7 to 10. */
static const char *const foreign[] = {
    [SSH_LIST_KEX] = "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,"
                     "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
                     "diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256,"
                     "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,"
                     "sntrup4591761x25519-sha512@tinyssh.org,mlkem768x25519-sha256",
    [SSH_LIST_CIPHER] = "3des-cbc,aes128-cbc,aes192-cbc,aes256-cbc,rijndael-cbc@lysator.liu.se,arcfour,"
                        "arcfour128,arcfour256,blowfish-cbc,cast128-cbc",
    [SSH_LIST_MAC] = "hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-ripemd160,umac-64@openssh.com,"
                     "umac-128@openssh.com,hmac-sha1-etm@openssh.com,hmac-sha1-96-etm@openssh.com,"
                     "hmac-md5-etm@openssh.com,hmac-md5-96-etm@openssh.com,hmac-ripemd160@openssh.com,"
                     "hmac-ripemd160-etm@openssh.com,umac-64-etm@openssh.com,umac-128-etm@openssh.com,"
                     "hmac-sha2-256-96,hmac-sha2-512-96",
#define KEY_TYPES                                                                                       \
    "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,"                          \
    "sk-ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp256-cert-v01@openssh.com," \
    "ecdsa-sha2-nistp384,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521,"                 \
    "ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,"                      \
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,"  \
    "ssh-dss-cert-v01@openssh.com,ssh-rsa,ssh-rsa-cert-v01@openssh.com,rsa-sha2-256,"                   \
    "rsa-sha2-256-cert-v01@openssh.com,rsa-sha2-512,rsa-sha2-512-cert-v01@openssh.com"
    [SSH_LIST_HOST_KEY] = KEY_TYPES,
    [SSH_LIST_PUBKEY] = KEY_TYPES,
    [SSH_LIST_SIG] = KEY_TYPES,
};

static bool list_has(const char *list, const char *name, size_t n)
{
    for (;;) {
        size_t len = strcspn(list, ",");
        if (len == n && memcmp(list, name, n) == 0)
            return true;
        if (list[len] == 0)
            return false;
        list += len + 1;
    }
}

static bool list_matches(const char *list, struct span pattern)
{
    struct span rest = span_str(list), name;
    while (text_comma(&rest, &name))
        if (pattern_matches(pattern, name))
            return true;
    return false;
}

static bool has_wildcard(struct span name)
{
    return memchr(name.p, '*', name.n) != NULL || memchr(name.p, '?', name.n) != NULL;
}

/* Wildcards are for types of keys alone; behind a '-' they are for all. */
static bool wildcard_is_fine(enum ssh_list which, struct span pattern)
{
    bool is_of_keys = which == SSH_LIST_HOST_KEY || which == SSH_LIST_PUBKEY || which == SSH_LIST_SIG;
    return is_of_keys &&
           (list_matches(ssh_list_default(which), pattern) || list_matches(foreign[which], pattern));
}

bool option_algos_fine(enum ssh_list which, const char *spec)
{
    struct span rest = span_str(spec + (*spec == '+' || *spec == '^' ? 1 : 0)), name;
    bool is_empty = true;
    if (*spec == '-')
        return true;
    while (text_comma(&rest, &name)) {
        if (name.n > 0 && has_wildcard(name) && !wildcard_is_fine(which, name))
            return false;
        is_empty = is_empty && name.n == 0;
    }
    return !is_empty;
}

struct built {
    char *out;
    size_t n, start; /* start: behind the sign */
    bool is_too_long;
};

static void built_add(struct built *b, struct span name)
{
    if (b->n + name.n + 2 > OPTION_ALGOS_CAP) {
        b->is_too_long = true;
        return;
    }
    if (b->n > b->start)
        b->out[b->n++] = ',';
    memcpy(b->out + b->n, name.p, name.n);
    b->n += name.n;
}

/* In the order in which ssh has its types of keys, which is not that of the defaults. */
static void built_add_matching(struct built *b, enum ssh_list which, struct span pattern)
{
    struct span rest = span_str(foreign[which]), name;
    while (text_comma(&rest, &name))
        if (pattern_matches(pattern, name) && list_has(ssh_list_default(which), (const char *)name.p, name.n))
            built_add(b, name);
}

bool option_algos_built(enum ssh_list which, const char *spec, char out[static OPTION_ALGOS_CAP])
{
    const char *built = ssh_list_default(which);
    bool is_minus = *spec == '-';
    struct built b = {.out = out};
    if (*spec != 0 && strchr("+-^", *spec) != NULL)
        out[b.n++] = *spec++;
    b.start = b.n;
    struct span rest = span_str(spec), name;
    while (text_comma(&rest, &name)) {
        bool is_here = list_has(built, (const char *)name.p, name.n);
        if (has_wildcard(name) && !is_minus)
            built_add_matching(&b, which, name);
        else if (is_here || !list_has(foreign[which], (const char *)name.p, name.n))
            built_add(&b, name);
    }
    out[b.n] = 0;
    return !b.is_too_long;
}
