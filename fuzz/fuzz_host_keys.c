/*
 * fuzz_host_keys.c - is this host key trusted: a byte of options, then three messages: the key or certificate
 * that the server shows, the text of known_hosts, and a list of revoked keys. Files are anonymous ones, read
 * through their descriptors.
 *
 * Nobody answers a question: what is trusted then is in the file, or StrictHostKeyChecking is off, and never
 * what is revoked.
 */
#define _GNU_SOURCE /* memfd_create */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/fingerprint.h"
#include "client/host_keys.h"
#include "fuzz/fuzz.h"
#include "ssh/ssh.h"

enum { RECORDS_HEAD = 1 };
#include "fuzz/records.h"

enum option {
    STRICT_OFF = 1,
    STRICT_NEW = 2,
    HASH = 4,
    CHECK_ADDRESS = 8,
    HAS_REVOKED = 16,
    PORT = 32,
    VISUAL = 64,
    ALIAS = 128
};

static bool nobody(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    (void)ctx;
    (void)answer;
    (void)cap;
    ALWAYS(q->text != NULL);
    return false;
}

/* Several lines are a warning's; nothing else of what a terminal obeys may be in them. */
static void on_line(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    ALWAYS(level <= LOG_LEVEL_DEBUG3);
    for (; *line != 0; line++)
        ALWAYS((uint8_t)*line >= 0x20 || *line == '\n' || *line == '\r' || *line == '\t');
}

static int file_of(struct span text)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    ALWAYS(fd >= 0 && (text.n == 0 || write(fd, text.p, text.n) == (ssize_t)text.n));
    return fd;
}

static void set(struct options *o, const char *keyword, int fd)
{
    char line[96];
    adit_format(line, sizeof line, "%s /proc/self/fd/%d", keyword, fd);
    ALWAYS(options_set_line(o, line, NULL) == ADIT_E_OK);
}

static void set_options(struct options *o, uint8_t how, int known, int revoked)
{
    set(o, "UserKnownHostsFile", known);
    if (how & HAS_REVOKED)
        set(o, "RevokedHostKeys", revoked);
    static const char *const lines[] = {"StrictHostKeyChecking no", "StrictHostKeyChecking accept-new",
                                        "HashKnownHosts yes", "CheckHostIP yes"};
    for (size_t i = 0; i < ADIT_COUNT(lines); i++)
        if (how >> i & 1)
            (void)!options_set_line(o, lines[i], NULL);
    if (how & VISUAL)
        (void)!options_set_line(o, "VisualHostKey yes", NULL);
    if (how & ALIAS)
        ALWAYS(options_set_line(o, "HostKeyAlias [alias]:2222", NULL) == ADIT_E_OK);
    (void)!options_set_line(o, "GlobalKnownHostsFile none", NULL);
}

static void check_seen(const struct host_keys *h, enum adit_err e, uint8_t how, const struct adit_error *err)
{
    ALWAYS(e == err->code && (e == ADIT_E_OK || e == ADIT_E_HOST_KEY || e == ADIT_E_MEMORY));
    if (e == ADIT_E_OK && (how & (STRICT_OFF | STRICT_NEW)) == 0)
        ALWAYS(h->seen.verdict == HOST_KEY_KNOWN);
    ALWAYS(e != ADIT_E_OK || h->seen.verdict != HOST_KEY_REFUSED);
    ALWAYS(h->seen.verdict != HOST_KEY_UNKNOWN || h->seen.line == NULL || strchr(h->seen.line, '\n') != NULL);
}

static void judge(struct options *o, uint8_t how, struct span blob)
{
    static struct host_keys h;
    char order[LIMIT_PACKET > 4096 ? 4096 : LIMIT_PACKET], art[FINGERPRINT_ART_CAP], text[FINGERPRINT_CAP];
    struct client_prompt prompt = {.ask = nobody, .log = on_line, .cancel_fd = -1};
    struct expand_names names = {
        .home = "/nowhere", .host = "h.example", .given_host = "h", .port = how & PORT ? 2222 : 22};
    struct adit_error err = {0};
    memset(&h, 0, sizeof h);
    if (host_keys_init(&h, o, &names, &prompt, &err) == ADIT_E_OK) {
        ALWAYS(host_keys_order(&h, ssh_list_default(SSH_LIST_HOST_KEY), order, sizeof order));
        err = (struct adit_error){0};
        enum adit_err e = host_keys_check(&h, blob, how & CHECK_ADDRESS ? "192.0.2.1" : "", &err);
        check_seen(&h, e, how, &err);
    }
    host_keys_wipe(&h);
    fingerprint_text(blob, (enum fingerprint_hash)(how % (FINGERPRINT_SHA512 + 1)), text);
    fingerprint_art(blob, (enum fingerprint_hash)(how % (FINGERPRINT_SHA512 + 1)), art);
    ALWAYS(strlen(text) < sizeof text && strlen(art) == 11 * 19 + 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options o;
    struct span blob = {0}, known = {0}, revoked = {0};
    if (size < 1 || !crypto_init())
        return 0;
    struct rd r = rd_init((struct span){data + 1, size - 1});
    (void)next_message(&r, &blob);
    (void)next_message(&r, &known);
    (void)next_message(&r, &revoked);
    int known_fd = file_of(known), revoked_fd = file_of(revoked);
    options_init(&o);
    set_options(&o, data[0], known_fd, revoked_fd);
    judge(&o, data[0], blob);
    options_wipe(&o);
    close(known_fd);
    close(revoked_fd);
    return 0;
}
