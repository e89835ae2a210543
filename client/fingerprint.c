#include "client/fingerprint.h"

#include <string.h>

#include "crypto/crypto.h"
#include "ssh/key.h"

enum {
    ART_WIDTH = 17,
    ART_HEIGHT = 9,
    DIGEST_MAX = HASH_MAX_LEN,
};

static const struct {
    const char *name;
    enum hash_alg alg; /* not of MD5 */
} hashes[] = {
    [FINGERPRINT_SHA256] = {"SHA256", HASH_SHA256}, [FINGERPRINT_MD5] = {"MD5", HASH_SHA256},
    [FINGERPRINT_SHA1] = {"SHA1", HASH_SHA1},       [FINGERPRINT_SHA384] = {"SHA384", HASH_SHA384},
    [FINGERPRINT_SHA512] = {"SHA512", HASH_SHA512},
};

static size_t digest_of(struct span blob, enum fingerprint_hash hash, uint8_t out[static DIGEST_MAX])
{
    if (hash == FINGERPRINT_MD5) {
        md5_of(blob, out);
        return MD5_LEN;
    }
    hash_of(hashes[hash].alg, blob, out);
    return hash_len(hashes[hash].alg);
}

void fingerprint_text(struct span blob, enum fingerprint_hash hash, char out[static FINGERPRINT_CAP])
{
    uint8_t digest[DIGEST_MAX];
    size_t len = digest_of(blob, hash, digest),
           n = adit_format(out, FINGERPRINT_CAP, "%s", hashes[hash].name);
    if (hash != FINGERPRINT_MD5) {
        out[n++] = ':';
        key_digest_text(span_make(digest, len), out + n);
        return;
    }
    for (size_t i = 0; i < len; i++)
        n += adit_format(out + n, FINGERPRINT_CAP - n, ":%02x", (unsigned)digest[i]);
}

/* ---- The picture: a walk on a field, one diagonal step for each two bits, lowest bits first ----
 * "The drunken bishop: An analysis of the OpenSSH fingerprint visualization algorithm", Loss, Limmer, von
 * Gernler, 2009. */

struct field {
    uint8_t visits[ART_WIDTH][ART_HEIGHT];
    int x, y;
};

static int step(int at, bool forward, int size)
{
    at += forward ? 1 : -1;
    return at < 0 ? 0 : at >= size ? size - 1 : at;
}

static void walk(struct field *f, const uint8_t *digest, size_t len)
{
    memset(f, 0, sizeof *f);
    f->x = ART_WIDTH / 2;
    f->y = ART_HEIGHT / 2;
    for (size_t i = 0; i < 4 * len; i++) {
        unsigned bits = (unsigned)digest[i / 4] >> (2 * (i % 4));
        f->x = step(f->x, (bits & 1) != 0, ART_WIDTH);
        f->y = step(f->y, (bits & 2) != 0, ART_HEIGHT);
        f->visits[f->x][f->y]++;
    }
}

/* A field that was visited more often than there are signs has the last one. Where the walk ends where it
 * began the end is shown, as by ssh. */
static char sign_of(const struct field *f, int x, int y)
{
    static const char signs[] = " .o+=*BOX@%&#/^";
    size_t visits = f->visits[x][y], last = sizeof signs - 2;
    if (x == f->x && y == f->y)
        return 'E';
    if (x == ART_WIDTH / 2 && y == ART_HEIGHT / 2)
        return 'S';
    return signs[visits < last ? visits : last];
}

/* "+--[ED25519 256]--+" */
static size_t border(char *out, const char *title)
{
    size_t n = 0, len = strlen(title), left = (ART_WIDTH - len) / 2;
    out[n++] = '+';
    memset(out + n, '-', ART_WIDTH);
    for (size_t i = 0; i < len; i++)
        out[n + left + i] = title[i];
    n += ART_WIDTH;
    out[n++] = '+';
    return n;
}

static void title_of(struct span blob, char title[static ART_WIDTH + 1])
{
    struct key key;
    title[0] = 0;
    if (!key_parse(&key, blob))
        return;
    const char *name = key_short_name(key.type);
    if (adit_format(title, ART_WIDTH + 1, "[%s %u]", name, key_bits(&key)) == ART_WIDTH)
        (void)adit_format(title, ART_WIDTH + 1, "[%s]", name); /* it may have been cut */
}

void fingerprint_art(struct span blob, enum fingerprint_hash hash, char out[static FINGERPRINT_ART_CAP])
{
    uint8_t digest[DIGEST_MAX];
    char title[ART_WIDTH + 1] = {0};
    struct field f;
    size_t len = digest_of(blob, hash, digest);
    walk(&f, digest, len);
    title_of(blob, title);
    size_t n = border(out, title);
    for (int y = 0; y < ART_HEIGHT; y++) {
        out[n++] = '\n';
        out[n++] = '|';
        for (int x = 0; x < ART_WIDTH; x++)
            out[n++] = sign_of(&f, x, y);
        out[n++] = '|';
    }
    out[n++] = '\n';
    char name[ART_WIDTH + 1];
    (void)adit_format(name, sizeof name, "[%s]", hashes[hash].name);
    n += border(out + n, name);
    out[n] = 0;
}
