/*
 * fuzz_mux_client.c - a client of a hostile master: the first byte says how many requests are made, the next
 * ones which; the rest is what the master says, whatever it is asked. A list of messages, each with a byte
 * before it: 0 it goes with its true length, otherwise as it stands.
 */
#include <fcntl.h>
#include <string.h>

#include "client/mux_client.h"
#include "fuzz/fuzz.h"
#include "net/sock.h"
#include "ssh/mux.h"
#include "tests/fake_master.h"

enum { REQUESTS_MAX = 7, WORDS_MAX = 48 * 1024 };

static struct fake_master master;
static uint8_t words[2 * WORDS_MAX];
static int null_fd;

static void begin(void)
{
    fake_master_init(&master);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    ALWAYS(null_fd >= 0);
}

static void end(void)
{
    fake_master_wipe(&master);
}

static size_t script(struct rd *r)
{
    struct wr w = wr_init(words, sizeof words);
    struct span message;
    while (next_message(r, &message)) {
        struct span body = span_sub(message, 1, SIZE_MAX);
        if (message.p[0] == 0)
            wr_u32(&w, (uint32_t)body.n);
        wr_bytes(&w, body);
    }
    ALWAYS(wr_ok(&w));
    return w.used;
}

/* ---- What is asked ---- */

static enum adit_err ask_forward(struct mux_client *m, uint8_t what, struct adit_error *err)
{
    const struct session_forward f = {
        .type = SESSION_FORWARD_REMOTE, .bind_port = what >> 4, .host = "web", .port = 80};
    uint32_t port = 99;
    enum adit_err e = mux_client_forward(m, &f, what & 8, &port, err);
    ALWAYS(e == ADIT_E_OK || port == 0);
    return e;
}

static enum adit_err ask_session(struct mux_client *m, uint8_t what, struct adit_error *err)
{
    static const char *const env[] = {"A=b"};
    const struct session_exec exec = {.kind = what & 8 ? SESSION_EXEC_SUBSYSTEM : SESSION_EXEC_COMMAND,
                                      .text = "sftp",
                                      .wants_pty = what & 16,
                                      .term = "vt100",
                                      .env = env,
                                      .env_count = 1,
                                      .in_fd = null_fd,
                                      .out_fd = null_fd,
                                      .err_fd = null_fd};
    const struct mux_client_session wanted = {.exec = &exec, .escape_char = what & 32 ? -1 : '~'};
    return mux_client_session(m, &wanted, err);
}

static enum adit_err ask(struct mux_client *m, uint8_t what, struct adit_error *err)
{
    static const struct session_forward stdio = {.type = SESSION_FORWARD_STDIO, .host = "web", .port = 80};
    uint32_t pid;
    enum adit_err e;
    switch (what & 7) {
    case 0:
        return mux_client_terminate(m, err);
    case 1:
        return mux_client_stop(m, err);
    case 2:
    case 3:
        return ask_forward(m, what, err);
    case 4:
    case 5:
        return ask_session(m, what, err);
    case 6:
        return mux_client_stdio(m, &stdio, null_fd, null_fd, err);
    default:
        e = mux_client_alive(m, &pid, err);
        ALWAYS(e == ADIT_E_OK ? pid >= 1 && pid <= INT32_MAX : pid == 0);
        return e;
    }
}

/* What is for a terminal is clean. */
static void check_text(const struct adit_error *err)
{
    for (const char *p = err->text; *p; p++)
        ALWAYS((uint8_t)*p >= 0x20 && *p != 0x7f);
}

static void listen_on(struct mux_client *m)
{
    enum mux_client_news news;
    do {
        uint32_t status = 12345;
        struct adit_error err = {ADIT_E_OK, ""};
        news = mux_client_next(m, &status, &err);
        check_text(&err);
        ALWAYS(news == MUX_CLIENT_EXIT || status == 12345);
    } while (news != MUX_CLIENT_OVER);
}

/* ---- What was heard ---- */

static size_t descriptors_of(uint32_t type)
{
    return type == MUX_C_NEW_SESSION ? 3 : type == MUX_C_NEW_STDIO_FWD ? 2 : 0;
}

/* Whatever the master says, it hears whole messages with rising numbers, and a byte with each descriptor. */
static void check_heard(void)
{
    struct span rest = span_make(master.heard, master.heard_len), message;
    size_t used, fds = 0;
    uint32_t last_id = 0;
    while (mux_frame(rest, &message, &used) == MUX_FRAME_WHOLE) {
        struct mux_message m;
        struct adit_error err = {0};
        ALWAYS(mux_parse(&m, message, &err) == ADIT_E_OK && m.is_known && m.type < 0x80000000);
        ALWAYS(m.type == MUX_MSG_HELLO ? last_id == 0 && m.version == MUX_VERSION : m.id == last_id + 1);
        last_id = m.id;
        rest = span_sub(rest, used, SIZE_MAX);
        size_t with = descriptors_of(m.type) < rest.n ? descriptors_of(m.type) : rest.n;
        fds += with;
        rest = span_sub(rest, with, SIZE_MAX);
    }
    ALWAYS(rest.n == 0 && fds == master.fd_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct adit_error err = {0};
    struct mux_client *m;
    int why;
    size_t count = size > 0 ? data[0] % (REQUESTS_MAX + 1) : 0;
    if (size < 1 + count || size > WORDS_MAX)
        return 0;
    if (!master.listener) {
        begin();
        atexit(end);
    }
    struct rd r = rd_init(span_make(data + 1 + count, size - 1 - count));
    master.words = words;
    master.words_len = script(&r);
    fake_master_start(&master);
    enum adit_err e = mux_client_open(&m, master.path, 0, &why, &err);
    ALWAYS(e == err.code && (m != NULL) == (e == ADIT_E_OK) && why == 0);
    check_text(&err);
    for (size_t i = 0; m && i < count; i++) {
        err = (struct adit_error){0};
        ALWAYS(ask(m, data[1 + i], &err) == err.code);
        check_text(&err);
    }
    if (m)
        listen_on(m);
    mux_client_free(m);
    fake_master_join(&master);
    check_heard();
    fake_master_close_fds(&master);
    return 0;
}
