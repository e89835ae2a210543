/*
 * fake_agent.h - an agent on a Unix socket, on a thread of its own, that holds files of tests/keys/.
 */
#ifndef FAKE_AGENT_H
#define FAKE_AGENT_H

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../ssh/agent.h"
#include "../ssh/keyfile.h"
#include "test.h"

enum { FAKE_AGENT_KEYS = 4 };

struct fake_agent {
    int listener;
    pthread_t thread;
    struct keyfile keys[FAKE_AGENT_KEYS];
    size_t count;
};

static inline void fake_agent_load(struct keyfile *key, const char *name)
{
    char path[128];
    uint8_t text[8192], scratch[8192];
    struct adit_error err = {0};
    snprintf(path, sizeof path, "tests/keys/%s", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t n = fread(text, 1, sizeof text, in);
    fclose(in);
    assert_int_equal(
        keyfile_parse(key, span_make(text, n), NULL, (struct wspan){scratch, sizeof scratch}, &err),
        KEYFILE_OK);
}

static inline void fake_agent_list(const struct fake_agent *a, struct wr *w)
{
    wr_u8(w, 12); /* SSH_AGENT_IDENTITIES_ANSWER */
    wr_u32(w, (uint32_t)a->count);
    for (size_t i = 0; i < a->count; i++) {
        wr_string(w, span_make(a->keys[i].public_blob, a->keys[i].public_len));
        wr_cstring(w, "held");
    }
}

static inline void fake_agent_sign(const struct fake_agent *a, struct rd *r, struct wr *w)
{
    struct span blob = rd_string(r), data = rd_string(r);
    uint32_t flags = rd_u32(r);
    for (size_t i = 0; i < a->count; i++) {
        const struct keyfile *k = &a->keys[i];
        if (!span_eq(blob, span_make(k->public_blob, k->public_len)))
            continue;
        const char *alg = k->secret.type != KEY_RSA     ? key_type_name(k->secret.type)
                          : flags == AGENT_RSA_SHA2_256 ? "rsa-sha2-256"
                                                        : "rsa-sha2-512";
        uint8_t signature[KEY_SIGNATURE_MAX];
        struct wr s = wr_init(signature, sizeof signature);
        if (key_sign(&k->secret, span_str(alg), data, &s, NULL) != ADIT_E_OK)
            break;
        wr_u8(w, 14); /* SSH_AGENT_SIGN_RESPONSE */
        wr_string(w, wr_done(&s));
        return;
    }
    wr_u8(w, 5); /* SSH_AGENT_FAILURE */
}

static inline bool fake_agent_read(int fd, uint8_t *p, size_t n)
{
    for (ssize_t got; n > 0; p += got, n -= (size_t)got)
        if ((got = read(fd, p, n)) <= 0)
            return false;
    return true;
}

static inline void fake_agent_answer(const struct fake_agent *a, int fd)
{
    uint8_t in[8192], out[8192];
    if (!fake_agent_read(fd, in, 4) || get_u32(in) > sizeof in - 4 ||
        !fake_agent_read(fd, in + 4, get_u32(in)))
        return;
    struct rd r = rd_init(span_make(in + 4, get_u32(in)));
    struct wr w = wr_init(out, sizeof out);
    size_t at = wr_string_begin(&w);
    if (rd_u8(&r) == 11) /* SSH_AGENTC_REQUEST_IDENTITIES */
        fake_agent_list(a, &w);
    else
        fake_agent_sign(a, &r, &w);
    wr_string_end(&w, at);
    /* Byte by byte: the other side must put the reply together. */
    for (size_t i = 0; i < wr_done(&w).n; i++)
        if (write(fd, out + i, 1) != 1)
            return;
}

static inline void *fake_agent_run(void *arg)
{
    const struct fake_agent *a = arg;
    for (int fd; (fd = accept(a->listener, NULL, NULL)) >= 0; close(fd))
        fake_agent_answer(a, fd);
    return NULL;
}

static inline void fake_agent_start(struct fake_agent *a, const char *path, const char *const *names,
                                    size_t count)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memset(a, 0, sizeof *a);
    a->count = count;
    for (size_t i = 0; i < count; i++)
        fake_agent_load(&a->keys[i], names[i]);
    strcpy(to.sun_path, path);
    a->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(a->listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(a->listener, 8), 0);
    assert_int_equal(pthread_create(&a->thread, NULL, fake_agent_run, a), 0);
}

static inline void fake_agent_stop(struct fake_agent *a)
{
    assert_int_equal(shutdown(a->listener, SHUT_RDWR), 0);
    pthread_join(a->thread, NULL);
    close(a->listener);
    for (size_t i = 0; i < a->count; i++)
        keyfile_wipe(&a->keys[i]);
}

#endif
