#include "client/options_algos.h"

#include <string.h>

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

bool option_algos_built(enum ssh_list which, const char *spec, char out[static OPTION_ALGOS_CAP])
{
    const char *built = ssh_list_default(which);
    size_t n = 0;
    if (strlen(spec) >= OPTION_ALGOS_CAP)
        return false;
    bool has_sign = strchr("+-^", *spec) != NULL && *spec != 0, is_first = true;
    if (has_sign)
        out[n++] = *spec++;
    for (;;) {
        size_t len = strcspn(spec, ",");
        if (list_has(built, spec, len) || !list_has(foreign[which], spec, len)) {
            if (!is_first)
                out[n++] = ',';
            memcpy(out + n, spec, len);
            n += len;
            is_first = false;
        }
        if (spec[len] == 0)
            break;
        spec += len + 1;
    }
    out[n] = 0;
    return true;
}
