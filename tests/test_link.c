/*
 * A link against adit's own server role behind a listener on this machine. Nothing waits for time alone: what
 * is awaited is a notice, and a back-off is one millisecond, or an hour where nothing may come by itself.
 */
#include "tests/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/link_internal.h"
#include "forward/forwarder.h"
#include "net/watch.h"
#include "tests/session_server.h"

enum { SERVERS = 64, STATES = 256, FORWARD_IDS = 4, HOUR_MS = 3600 * 1000 };

/* ---- What the system refuses ---- */

/* The allocations of one size are those of one thing. */
enum { REMOTE_LISTENER_SIZE = 4 /* struct remote_listener */ };
static struct {
    atomic_size_t size; /* 0: all is well */
    atomic_int spared;  /* so many are granted first, */
    atomic_int rest;    /* and so many refused then */
    atomic_uint refused;
    atomic_int deaf_fd; /* that poll cannot look at; 0: none */
} scarce;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);

void *__wrap_calloc(size_t count, size_t size)
{
    if (size != atomic_load(&scarce.size) || atomic_fetch_sub(&scarce.spared, 1) > 0 ||
        atomic_fetch_sub(&scarce.rest, 1) <= 0)
        return __real_calloc(count, size);
    atomic_fetch_add(&scarce.refused, 1);
    errno = ENOMEM;
    return NULL;
}

/* Who waits for memory does not take a test's time. */
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
    if (n == 1 && fds[0].fd == atomic_load(&scarce.deaf_fd) && fds[0].fd > 0) {
        errno = ENOMEM;
        return -1;
    }
    return __real_poll(fds, n, n == 0 ? 0 : ms);
}

static void refuse_behind(int spared, size_t size, int times)
{
    atomic_store(&scarce.refused, 0);
    atomic_store(&scarce.spared, spared);
    atomic_store(&scarce.rest, times);
    atomic_store(&scarce.size, size);
}

static void refuse(size_t size, int times)
{
    refuse_behind(0, size, times);
}

/* ---- Servers ---- */

enum manner { SERVES, CLOSES, SAYS_NOTHING };

struct fake {
    int listener, silent[SERVERS];
    uint16_t port;
    pthread_t thread;
    struct key_secret host_key;
    char known[256]; /* its line for known_hosts */
    atomic_bool is_over, relays, is_shy, refuses_remote;
    struct server_answers answers;
    bool has_answers;
    atomic_int manner;
    atomic_uint accepted;
    pthread_mutex_t lock;
    struct server *servers[SERVERS];
    size_t count, silent_count;
};

static void fake_serve(struct fake *k, int fd)
{
    struct server *v = calloc(1, sizeof *v);
    must(v != NULL && k->count < SERVERS);
    v->host_key = k->host_key;
    v->fd = fd;
    atomic_store(&v->relays, atomic_load(&k->relays));
    atomic_store(&v->is_shy, atomic_load(&k->is_shy));
    atomic_store(&v->refuses_remote, atomic_load(&k->refuses_remote));
    v->answers = k->has_answers ? &k->answers : NULL;
    pthread_mutex_lock(&k->lock);
    k->servers[k->count++] = v;
    must(pthread_create(&v->thread, NULL, server_thread, v) == 0);
    pthread_mutex_unlock(&k->lock);
}

static void *fake_thread(void *arg)
{
    struct fake *k = arg;
    int fd;
    while ((fd = accept(k->listener, NULL, NULL)) >= 0 && !atomic_load(&k->is_over)) {
        atomic_fetch_add(&k->accepted, 1);
        if (atomic_load(&k->manner) == SERVES)
            fake_serve(k, fd);
        else if (atomic_load(&k->manner) == CLOSES || k->silent_count == SERVERS)
            close(fd);
        else
            k->silent[k->silent_count++] = fd;
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void fake_key(struct fake *k, uint8_t seed)
{
    struct drbg random;
    uint8_t bytes[32] = {seed}, blob[KEY_PUBLIC_MAX], line[KEY_PUBLIC_MAX * 2];
    struct known_host_query query;
    struct wr w = wr_init(blob, sizeof blob), text = wr_init(line, sizeof line);
    drbg_init(&random, bytes);
    assert_true(key_generate(KEY_ED25519, &random, &k->host_key));
    assert_true(key_secret_public(&k->host_key, &w));
    assert_true(known_host_query_init(&query, span_str("127.0.0.1"), k->port));
    assert_true(known_hosts_write(&text, &query, wr_done(&w)));
    snprintf(k->known, sizeof k->known, "%.*s", (int)wr_done(&text).n, (const char *)line);
}

static void fake_start(struct fake *k, uint8_t seed)
{
    memset(k, 0, sizeof *k);
    k->listener = listen_here(&k->port);
    pthread_mutex_init(&k->lock, NULL);
    fake_key(k, seed);
    assert_int_equal(pthread_create(&k->thread, NULL, fake_thread, k), 0);
}

/* All connections that there are. */
static void fake_cut(struct fake *k)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->count; i++)
        atomic_store(&k->servers[i]->die, true);
    pthread_mutex_unlock(&k->lock);
}

static void fake_stop(struct fake *k)
{
    atomic_store(&k->is_over, true);
    close(dial(AF_INET, k->port));
    pthread_join(k->thread, NULL);
    close(k->listener);
    fake_cut(k);
    for (size_t i = 0; i < k->count; i++) {
        pthread_join(k->servers[i]->thread, NULL);
        free(k->servers[i]);
    }
    for (size_t i = 0; i < k->silent_count; i++)
        close(k->silent[i]);
    key_secret_wipe(&k->host_key);
    pthread_mutex_destroy(&k->lock);
}

/* ---- A link and what it says ---- */

struct fixture {
    struct fake server, jump;
    struct link *link;
    struct link_config config;
    struct texts settings;
    char folder[64], known_hosts[128];
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /* With the lock: what was said. */
    enum keep_state states[STATES];
    size_t state_count, seen; /* of them, those that the test has waited for */
    struct link_status status;
    unsigned ups[FORWARD_IDS], failures[FORWARD_IDS], downs[FORWARD_IDS], gone[FORWARD_IDS], trusted, asked;
    uint16_t port[FORWARD_IDS];
    unsigned reclaim_known, reclaim_off, reclaim_error; /* lines that say so */
    char failure[LIMIT_ERROR_TEXT];                     /* of the forward that failed last */
    struct adit_error trust_error;
    enum host_key_verdict verdict;
    unsigned keys;
    char fingerprint[80], key_line[256], key_file[128], key_jump[64], negotiated[128];
    bool is_ended, asks_for_ever, knows_no_host;
    const char *password;
};
static struct fixture f;

static void told(void)
{
    pthread_cond_broadcast(&f.changed);
    pthread_mutex_unlock(&f.lock);
}

static void on_host_key(const struct link_host_key *k)
{
    f.keys++;
    f.verdict = k->verdict;
    snprintf(f.fingerprint, sizeof f.fingerprint, "%s", k->fingerprint);
    snprintf(f.key_line, sizeof f.key_line, "%s", k->line ? k->line : "");
    snprintf(f.key_file, sizeof f.key_file, "%s", k->file ? k->file : "");
    snprintf(f.key_jump, sizeof f.key_jump, "%s", k->jump_host ? k->jump_host : "");
}

/* One of our own descriptors listens there. */
static bool listens(uint16_t port)
{
    for (int fd = 0; fd < 1024; fd++) {
        struct sock_addr at;
        int is_listener = 0;
        socklen_t n = sizeof is_listener;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listener, &n) == 0 && is_listener &&
            sock_local(fd, &at) && sock_addr_port(&at) == port)
            return true;
    }
    return false;
}

static void on_state(const struct link_notice *n)
{
    /* Who is told that it has failed finds nobody listening any more. */
    must(n->status->state != KEEP_FAILED || f.ups[0] == 0 || !listens(f.port[0]));
    must(n->reason != NULL && n->reason[0] != 0 && strchr(n->reason, '\n') == NULL);
    must(n->old_state == f.status.state);
    f.status = *n->status;
    if (n->old_state != n->status->state) {
        must(f.state_count < STATES);
        f.states[f.state_count++] = n->status->state;
    }
}

static void on_notify(void *ctx, const struct link_notice *n)
{
    must(ctx == &f);
    pthread_mutex_lock(&f.lock);
    must(!f.is_ended);
    switch (n->kind) {
    case LINK_STATE:
        on_state(n);
        break;
    case LINK_HOST_KEY:
        on_host_key(n->host_key);
        break;
    case LINK_NEGOTIATED:
        snprintf(f.negotiated, sizeof f.negotiated, "%s %s %s", n->kex, n->host_key_alg, n->cipher);
        break;
    case LINK_FORWARD_UP:
        f.ups[n->id]++;
        f.port[n->id] = n->bound_port;
        break;
    case LINK_FORWARD_FAILED:
        must(n->error->code != ADIT_E_OK);
        snprintf(f.failure, sizeof f.failure, "%s", n->error->text);
        f.failures[n->id]++;
        break;
    case LINK_FORWARD_DOWN:
        f.downs[n->id]++;
        break;
    case LINK_FORWARD_GONE:
        f.gone[n->id]++;
        break;
    case LINK_TRUSTED:
        f.trusted++;
        f.trust_error = *n->error;
        break;
    case LINK_ENDED:
        f.is_ended = true;
        break;
    default:
        break;
    }
    told();
}

static void on_log(void *ctx, enum session_level level, enum session_about about, const char *line)
{
    must(ctx == &f && level <= SESSION_DEBUG3 && about < SESSION_ABOUT_COUNT && strchr(line, '\n') == NULL);
    if (strncmp(line, "AditReclaim", 11) != 0)
        return;
    pthread_mutex_lock(&f.lock);
    f.reclaim_known += strstr(line, "this session is process") != NULL;
    f.reclaim_off += strstr(line, "is off for") != NULL;
    f.reclaim_error++;
    told();
}

/* A person who may take for ever. */
static bool on_ask(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    must(ctx == &f && q->text != NULL);
    pthread_mutex_lock(&f.lock);
    f.asked++;
    bool is_host = q->purpose == PROMPT_FOR_HOST_KEY, waits = f.asks_for_ever;
    (void)adit_format(answer, cap, "%s", is_host ? "no" : f.password);
    bool is_there = !(is_host && f.knows_no_host);
    told();
    if (waits) {
        struct pollfd p = {link_cancel_fd(f.link), POLLIN, 0};
        must(poll(&p, 1, -1) == 1);
        return false;
    }
    return is_there;
}

static void set(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    assert_true(texts_add(&f.settings, span_str(line)));
}

static void know(const struct fake *k)
{
    FILE *out = fopen(f.known_hosts, "a");
    assert_non_null(out);
    fputs(k->known, out);
    fclose(out);
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    refuse(0, 0);
    atomic_store(&scarce.deaf_fd, 0);
    assert_true(crypto_init());
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&f.lock, NULL);
    pthread_cond_init(&f.changed, NULL);
    snprintf(f.folder, sizeof f.folder, "/tmp/test_link.XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    snprintf(f.known_hosts, sizeof f.known_hosts, "%s/.ssh", f.folder);
    assert_int_equal(mkdir(f.known_hosts, 0700), 0);
    snprintf(f.known_hosts, sizeof f.known_hosts, "%s/.ssh/known_hosts", f.folder);
    setenv("HOME", f.folder, 1);
    unsetenv("SSH_AUTH_SOCK");
    unsetenv("ADIT_KEY");
    fake_start(&f.server, 1);
    fake_start(&f.jump, 2);
    atomic_store(&f.jump.relays, true);
    f.password = "secret";
    f.config = (struct link_config){
        .host = "127.0.0.1",
        .config_file = "none",
        .settings = &f.settings,
        .user = "alice",
        .port = f.server.port,
        .keep = {.first_ms = 1, .cap_ms = 1, .auto_reconnect = true},
        .hold_ms = SESSION_HOLD_MS,
        .hold_max = SESSION_HOLD_MAX,
        .probe_ms = LINK_PROBE_MS,
        .probe_limit_ms = LINK_PROBE_LIMIT_MS,
        .log_level = SESSION_DEBUG3,
        .prompt = {.ctx = &f, .ask = on_ask, .cancel_fd = -1},
    };
    set("GlobalKnownHostsFile none");
    set("KexAlgorithms curve25519-sha256");
    set("IdentityFile none");
    return 0;
}

/* ---- Waiting ---- */

static void wait_count(const unsigned *what, unsigned count)
{
    pthread_mutex_lock(&f.lock);
    while (*what < count && !f.is_ended)
        pthread_cond_wait(&f.changed, &f.lock);
    bool came = *what >= count;
    pthread_mutex_unlock(&f.lock);
    assert_true(came);
}

static unsigned count_of(const unsigned *what)
{
    pthread_mutex_lock(&f.lock);
    unsigned n = *what;
    pthread_mutex_unlock(&f.lock);
    return n;
}

/* Goes on behind the last state that was waited for. */
static void wait_state(enum keep_state state)
{
    bool came = false;
    pthread_mutex_lock(&f.lock);
    while (!came) {
        while (f.seen < f.state_count && !came)
            came = f.states[f.seen++] == state;
        if (!came)
            pthread_cond_wait(&f.changed, &f.lock);
    }
    pthread_mutex_unlock(&f.lock);
}

static struct link_status status(void)
{
    pthread_mutex_lock(&f.lock);
    struct link_status s = f.status;
    pthread_mutex_unlock(&f.lock);
    return s;
}

static void wait_accepted(struct fake *k, unsigned count)
{
    while (atomic_load(&k->accepted) < count)
        usleep(1000);
}

/* ---- Doing ---- */

static void make(void)
{
    const struct link_ops ops = {&f, on_notify, on_log};
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(link_new(&f.link, &f.config, &ops, &err), ADIT_E_OK);
}

static void add(size_t id, enum forward_type type, uint16_t port)
{
    struct forward_spec spec = {
        .type = type, .bind = FORWARD_BIND_ADDRESS, .address = "127.0.0.1", .port = port, .host_port = 7};
    struct adit_error err = {ADIT_E_OK, ""};
    if (type != FORWARD_DYNAMIC)
        (void)adit_format(spec.host, sizeof spec.host, "echo");
    assert_int_equal(link_forward_add(f.link, id, &spec, NULL, &err), ADIT_E_OK);
}

static void start(void)
{
    make();
    add(0, FORWARD_LOCAL, 0);
    link_start(f.link);
}

static void start_known(void)
{
    know(&f.server);
    start();
    wait_state(KEEP_CONNECTED);
}

static void stop(void)
{
    link_stop(f.link);
    pthread_mutex_lock(&f.lock);
    while (!f.is_ended)
        pthread_cond_wait(&f.changed, &f.lock);
    pthread_mutex_unlock(&f.lock);
    link_join(f.link);
    f.link = NULL;
    assert_int_equal(f.status.state, KEEP_DISCONNECTED);
}

static int teardown(void **state)
{
    (void)state;
    if (f.link != NULL) {
        link_stop(f.link);
        link_stop(f.link);
        link_join(f.link);
    }
    fake_stop(&f.server);
    fake_stop(&f.jump);
    texts_wipe(&f.settings);
    unlink(f.known_hosts);
    snprintf(f.known_hosts, sizeof f.known_hosts, "%s/.ssh", f.folder);
    rmdir(f.known_hosts);
    rmdir(f.folder);
    pthread_mutex_destroy(&f.lock);
    pthread_cond_destroy(&f.changed);
    return 0;
}

static void check_served(size_t id)
{
    check_echo(dial(AF_INET, f.port[id]), 1000);
}

/* ---- Up, lost, up ---- */

static void test_connects(void **state)
{
    (void)state;
    know(&f.server);
    start();
    wait_state(KEEP_CONNECTING);
    wait_state(KEEP_CONNECTED);
    check_served(0);
    assert_int_equal(f.verdict, HOST_KEY_KNOWN);
    assert_int_equal(status().retry_count, 0);
    assert_true(status().up_since_ms != KEEP_NEVER);
    assert_non_null(strstr(f.negotiated, "curve25519-sha256 ssh-ed25519 "));
    stop();
    assert_int_equal(f.state_count, 3);
    assert_int_equal(f.ups[0], 1);
}

static void test_lost(void **state)
{
    (void)state;
    start_known();
    uint16_t port = f.port[0];
    for (unsigned i = 0; i < 3; i++) {
        fake_cut(&f.server);
        wait_state(KEEP_RECONNECTING);
        wait_state(KEEP_CONNECTED);
        assert_int_equal(status().error.code, ADIT_E_CLOSED);
        check_served(0);
    }
    assert_true(status().retry_count >= 3); /* it was not up for long enough */
    assert_int_equal(f.port[0], port);
    assert_int_equal(f.ups[0], 1); /* it never went */
    stop();
}

static void test_held(void **state)
{
    (void)state;
    start_known();
    atomic_store(&f.server.manner, CLOSES);
    fake_cut(&f.server);
    wait_state(KEEP_RECONNECTING);
    int fd = dial(AF_INET, f.port[0]);
    atomic_store(&f.server.manner, SERVES);
    check_echo(fd, 1000);
    stop();
}

static void test_gives_up(void **state)
{
    (void)state;
    atomic_store(&f.server.manner, CLOSES);
    f.config.keep.max_retries = 2;
    start();
    wait_state(KEEP_FAILED);
    assert_int_equal(atomic_load(&f.server.accepted), 3);
    assert_int_equal(status().retry_count, 2);
    assert_true(status().gave_up);
    assert_false(status().is_permanent);
    wait_count(&f.downs[0], 1);
    atomic_store(&f.server.manner, SERVES);
    know(&f.server);
    link_start(f.link);
    wait_state(KEEP_CONNECTED);
    check_served(0);
    assert_int_equal(f.ups[0], 2);
    stop();
}

static void test_permanent(void **state)
{
    (void)state;
    know(&f.server);
    f.password = "wrong";
    start();
    wait_state(KEEP_FAILED);
    assert_int_equal(status().error.code, ADIT_E_AUTH);
    assert_true(status().is_permanent);
    assert_int_equal(atomic_load(&f.server.accepted), 1);
    pthread_mutex_lock(&f.lock);
    f.password = "secret";
    pthread_mutex_unlock(&f.lock);
    link_reconnect(f.link);
    wait_state(KEEP_CONNECTED);
    stop();
}

static void test_bad_setting(void **state)
{
    (void)state;
    set("NoSuchKeyword 1");
    start();
    wait_state(KEEP_FAILED);
    assert_true(status().is_permanent);
    assert_non_null(strstr(status().error.text, "nosuchkeyword"));
    assert_int_equal(atomic_load(&f.server.accepted), 0);
    stop();
}

/* It has shown its key, and says nothing any more. */
static void test_silent_after_its_key(void **state)
{
    (void)state;
    know(&f.server);
    set("ConnectTimeout 1");
    atomic_store(&f.server.is_shy, true);
    start();
    wait_state(KEEP_RECONNECTING);
    assert_int_equal(status().error.code, ADIT_E_TIMEOUT);
    atomic_store(&f.server.is_shy, false);
    wait_state(KEEP_CONNECTED);
    stop();
}

static void test_file_changed(void **state)
{
    (void)state;
    set("StrictHostKeyChecking yes");
    start();
    wait_state(KEEP_FAILED);
    know(&f.server);
    link_file_changed(f.link);
    wait_state(KEEP_CONNECTED);
    stop();
}

/* ---- Stopped ---- */

static void test_stop_before_start(void **state)
{
    (void)state;
    make();
    add(0, FORWARD_LOCAL, 0);
    stop();
    assert_int_equal(f.state_count, 0);
}

static void test_stop_while_connecting(void **state)
{
    (void)state;
    atomic_store(&f.server.manner, SAYS_NOTHING);
    start();
    wait_accepted(&f.server, 1);
    stop();
    assert_int_equal(f.states[f.state_count - 1], KEEP_DISCONNECTED);
}

static void test_stop_while_waiting(void **state)
{
    (void)state;
    f.config.keep.first_ms = f.config.keep.cap_ms = HOUR_MS;
    atomic_store(&f.server.manner, CLOSES);
    start();
    wait_state(KEEP_RECONNECTING);
    stop();
}

static void test_stop_while_asked(void **state)
{
    (void)state;
    know(&f.server);
    f.asks_for_ever = true;
    start();
    wait_count(&f.asked, 1);
    stop();
    assert_int_equal(f.asked, 1);
}

static void test_stop_while_open(void **state)
{
    (void)state;
    uint8_t got[4];
    start_known();
    int fd = dial(AF_INET, f.port[0]);
    assert_int_equal(write(fd, "ping", 4), 4);
    assert_int_equal(read_all(fd, got, 4), 4);
    link_stop(f.link); /* at once: it does not wait for this one */
    stop();
    assert_int_not_equal(read(fd, got, 1), 1);
    close(fd);
}

/* A command of the configuration's that does not end. */
static void test_stop_while_reading(void **state)
{
    (void)state;
    char path[128], mark[128], line[512];
    snprintf(path, sizeof path, "%s/config", f.folder);
    snprintf(mark, sizeof mark, "%s/mark", f.folder);
    snprintf(line, sizeof line, "Match exec \"echo >%s; exec sleep 1000\"\nUser bob\n", mark);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(line, out);
    fclose(out);
    f.config.config_file = path;
    start();
    while (access(mark, F_OK) != 0)
        usleep(1000);
    stop();
    unlink(path);
    unlink(mark);
}

static void test_stop_failed(void **state)
{
    (void)state;
    set("NoSuchKeyword 1");
    start();
    wait_state(KEEP_FAILED);
    stop();
}

/* ---- Connected anew ---- */

static void test_reconnect_while_waiting(void **state)
{
    (void)state;
    start_known();
    struct keep_config slow = f.config.keep;
    slow.first_ms = slow.cap_ms = HOUR_MS;
    link_configure(f.link, &slow);
    fake_cut(&f.server);
    wait_state(KEEP_RECONNECTING);
    assert_true(status().next_try_ms > loop_now_ms() + HOUR_MS / 2);
    link_reconnect(f.link);
    wait_state(KEEP_CONNECTED);
    stop();
}

static void test_reconnect_while_up(void **state)
{
    (void)state;
    f.config.keep.first_ms = f.config.keep.cap_ms = HOUR_MS;
    start_known();
    link_reconnect(f.link);
    wait_state(KEEP_RECONNECTING);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(atomic_load(&f.server.accepted), 2);
    check_served(0);
    stop();
}

static void test_reconnect_while_asked(void **state)
{
    (void)state;
    f.config.keep.first_ms = f.config.keep.cap_ms = HOUR_MS;
    know(&f.server);
    f.asks_for_ever = true;
    start();
    wait_count(&f.asked, 1);
    pthread_mutex_lock(&f.lock);
    f.asks_for_ever = false;
    pthread_mutex_unlock(&f.lock);
    link_reconnect(f.link);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(status().error.code == ADIT_E_AUTH, 0);
    stop();
}

static void test_network(void **state)
{
    (void)state;
    f.config.keep.first_ms = f.config.keep.cap_ms = HOUR_MS;
    atomic_store(&f.server.manner, CLOSES);
    know(&f.server);
    start();
    wait_state(KEEP_RECONNECTING);
    atomic_store(&f.server.manner, SERVES);
    link_network(f.link, WATCH_NETWORK);
    wait_state(KEEP_CONNECTED);
    link_network(f.link, WATCH_RESUMED);
    wait_state(KEEP_SUSPECT);
    wait_state(KEEP_CONNECTED); /* it was probed, and has answered */
    stop();
}

static void test_health(void **state)
{
    (void)state;
    start_known();
    size_t before = f.seen;
    /* Letters that are alike may become one: so many as it takes. */
    while (status().state == KEEP_CONNECTED)
        link_health(f.link, false);
    f.seen = before;
    wait_state(KEEP_RECONNECTING);
    wait_state(KEEP_DEGRADED); /* until a check succeeds */
    link_health(f.link, true);
    wait_state(KEEP_CONNECTED);
    stop();
}

/* ---- Forwards ---- */

static void test_forwards_come_and_go(void **state)
{
    (void)state;
    start_known();
    add(1, FORWARD_LOCAL, 0);
    add(2, FORWARD_REMOTE, 4242);
    wait_count(&f.ups[1], 1);
    wait_count(&f.ups[2], 1);
    check_served(1);
    link_forward_remove(f.link, 1);
    link_forward_remove(f.link, 1);
    link_forward_remove(f.link, 2);
    wait_count(&f.gone[1], 1);
    wait_count(&f.gone[2], 1);
    add(1, FORWARD_LOCAL, 0);
    wait_count(&f.ups[1], 2);
    check_served(1);
    check_served(0);
    stop();
    assert_int_equal(f.gone[1], 1);
}

static void test_forward_before_start(void **state)
{
    (void)state;
    know(&f.server);
    make();
    add(0, FORWARD_LOCAL, 0);
    add(1, FORWARD_LOCAL, 0);
    link_forward_remove(f.link, 1);
    wait_count(&f.gone[1], 1);
    link_start(f.link);
    wait_state(KEEP_CONNECTED);
    check_served(0);
    stop();
    assert_int_equal(f.ups[1], 0);
}

static void test_remote_forward_returns(void **state)
{
    (void)state;
    know(&f.server);
    make();
    add(2, FORWARD_REMOTE, 4242);
    link_start(f.link);
    wait_state(KEEP_CONNECTED);
    fake_cut(&f.server);
    wait_count(&f.downs[2], 1);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(count_of(&f.ups[2]), 2);
    stop();
}

static void test_port_is_busy(void **state)
{
    (void)state;
    uint16_t port;
    int taken = listen_here(&port);
    know(&f.server);
    make();
    add(0, FORWARD_LOCAL, 0);
    add(1, FORWARD_LOCAL, port);
    link_start(f.link);
    wait_state(KEEP_DEGRADED);
    assert_true(count_of(&f.failures[1]) > 0);
    check_served(0);
    close(taken);
    wait_state(KEEP_CONNECTED);
    check_served(1);
    stop();
}

enum { FORWARDERS_OF_ITS_OWN = 1 /* a session makes at its start */ };

/* What fails first is not tried again before a connection: its loss forgets what is missing. */
static void check_comes_back(int spared, size_t refused_size)
{
    enum { ID = 2 };
    know(&f.server);
    f.config.keep.first_ms = f.config.keep.cap_ms = HOUR_MS;
    atomic_store(&f.server.manner, CLOSES);
    make();
    refuse_behind(spared, refused_size, 1);
    add(ID, FORWARD_REMOTE, 0);
    link_start(f.link);
    wait_state(KEEP_RECONNECTING);
    wait_count(&f.failures[ID], 1);
    assert_non_null(strstr(f.failure, "out of memory"));
    assert_int_equal(atomic_load(&scarce.refused), 1);
    atomic_store(&f.server.manner, SERVES);
    link_reconnect(f.link);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(count_of(&f.ups[ID]), 1);
    stop();
}

static void test_remote_forward_without_memory(void **state)
{
    (void)state;
    check_comes_back(FORWARDERS_OF_ITS_OWN, sizeof(struct forwarder));
}

static void test_remote_listener_without_memory(void **state)
{
    (void)state;
    check_comes_back(0, REMOTE_LISTENER_SIZE);
}

/* No connection says that it is up: it is enough that the next one will ask for it. */
static void check_rests(int spared, size_t refused_size)
{
    enum { ID = 2 };
    know(&f.server);
    f.config.keep.first_ms = f.config.keep.cap_ms = 50;
    f.config.keep.is_lazy = true;
    make();
    refuse_behind(spared, refused_size, 2);
    add(ID, FORWARD_REMOTE, 0);
    link_start(f.link);
    wait_state(KEEP_RECONNECTING);
    wait_state(KEEP_IDLE);
    assert_int_equal(count_of(&f.failures[ID]), 2);
    assert_int_equal(count_of(&f.downs[ID]), 1);
    assert_int_equal(atomic_load(&f.server.accepted), 0);
    link_reconnect(f.link);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(count_of(&f.ups[ID]), 1);
    stop();
}

static void test_lazy_without_memory(void **state)
{
    (void)state;
    check_rests(FORWARDERS_OF_ITS_OWN, sizeof(struct forwarder));
}

static void test_lazy_remote_listener_without_memory(void **state)
{
    (void)state;
    check_rests(0, REMOTE_LISTENER_SIZE);
}

/* It failed before the listeners were closed, and opens with them. */
static void test_local_forward_without_memory(void **state)
{
    (void)state;
    know(&f.server);
    f.config.keep.first_ms = f.config.keep.cap_ms = HOUR_MS;
    f.config.keep.is_lazy = true;
    f.password = "wrong";
    make();
    refuse_behind(FORWARDERS_OF_ITS_OWN, sizeof(struct forwarder), 2);
    add(0, FORWARD_LOCAL, 0);
    link_start(f.link);
    wait_count(&f.failures[0], 1);
    link_reconnect(f.link); /* asks for it again */
    wait_state(KEEP_FAILED);
    assert_int_equal(count_of(&f.failures[0]), 2);
    assert_int_equal(count_of(&f.ups[0]), 0);
    pthread_mutex_lock(&f.lock);
    f.password = "secret";
    pthread_mutex_unlock(&f.lock);
    link_start(f.link);
    wait_count(&f.ups[0], 1);
    check_served(0);
    stop();
}

/* The session does not have its letter: it is the link's to free, once. */
static void test_forward_without_memory_is_removed(void **state)
{
    (void)state;
    start_known();
    refuse(sizeof(struct forwarder), 1000000);
    add(2, FORWARD_REMOTE, 4242);
    wait_count(&f.failures[2], 3);
    link_forward_remove(f.link, 2);
    wait_count(&f.gone[2], 1);
    refuse(0, 0);
    wait_state(KEEP_CONNECTED);
    add(2, FORWARD_REMOTE, 4242);
    wait_count(&f.ups[2], 1);
    stop();
    assert_int_equal(f.gone[2], 1);
}

static void test_wrong_forward(void **state)
{
    (void)state;
    const struct forward_spec stdio = {.type = FORWARD_STDIO};
    struct adit_error err = {ADIT_E_OK, ""};
    make();
    assert_int_equal(link_forward_add(f.link, 1, &stdio, NULL, &err), ADIT_E_UNSUPPORTED);
    stop();
}

/* ---- Lazy ---- */

static void test_lazy(void **state)
{
    (void)state;
    know(&f.server);
    f.config.keep.is_lazy = true;
    f.config.idle_exit_ms = 1;
    start();
    wait_state(KEEP_IDLE);
    wait_count(&f.ups[0], 1);
    assert_int_equal(atomic_load(&f.server.accepted), 0);
    for (int i = 0; i < 2; i++) {
        check_served(0);
        wait_state(KEEP_CONNECTING);
        wait_state(KEEP_IDLE);
    }
    stop();
}

/* ---- Jump hosts ---- */

static void jump_through(void)
{
    know(&f.jump);
    know(&f.server);
    set("ProxyJump alice@127.0.0.1:%u", (unsigned)f.jump.port);
}

static void test_jump_host(void **state)
{
    (void)state;
    jump_through();
    start();
    wait_state(KEEP_CONNECTED);
    check_served(0);
    assert_int_equal(f.keys, 2);
    fake_cut(&f.jump);
    wait_state(KEEP_RECONNECTING);
    wait_state(KEEP_CONNECTED);
    assert_non_null(strstr(status().error.text, "jump host alice@127.0.0.1:"));
    check_served(0);
    fake_cut(&f.server);
    wait_state(KEEP_RECONNECTING);
    wait_state(KEEP_CONNECTED);
    assert_null(strstr(status().error.text, "jump host"));
    check_served(0);
    stop();
    assert_int_equal(atomic_load(&f.jump.accepted), 3);
}

static void test_jump_host_closes(void **state)
{
    (void)state;
    jump_through();
    atomic_store(&f.jump.manner, CLOSES);
    start();
    wait_state(KEEP_RECONNECTING);
    assert_non_null(strstr(status().error.text, "jump host alice@127.0.0.1:"));
    atomic_store(&f.jump.manner, SERVES);
    wait_state(KEEP_CONNECTED);
    stop();
}

static void test_jump_host_is_silent(void **state)
{
    (void)state;
    FILE *out;
    char path[128];
    jump_through();
    snprintf(path, sizeof path, "%s/config", f.folder);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs("ConnectTimeout 1\n", out); /* for jump hosts, too */
    fclose(out);
    f.config.config_file = path;
    atomic_store(&f.jump.is_shy, true);
    start();
    wait_state(KEEP_RECONNECTING);
    assert_int_equal(status().error.code, ADIT_E_TIMEOUT);
    assert_non_null(strstr(status().error.text, "jump host"));
    atomic_store(&f.jump.is_shy, false);
    wait_state(KEEP_CONNECTED);
    stop();
    unlink(path);
}

static void test_stop_at_jump_host(void **state)
{
    (void)state;
    jump_through();
    atomic_store(&f.server.manner, SAYS_NOTHING);
    start();
    wait_accepted(&f.server, 1);
    stop();
}

static void test_stop_before_jump_host(void **state)
{
    (void)state;
    jump_through();
    atomic_store(&f.jump.manner, SAYS_NOTHING);
    start();
    wait_accepted(&f.jump, 1);
    stop();
}

/* ---- Without memory to say it ---- */

/* A notice without a text. */
static void refuse_notices(void)
{
    refuse(sizeof(struct link_news), 1000000);
}

static void check_unheard(const char *why)
{
    refuse_notices();
    start();
    wait_state(KEEP_RECONNECTING);
    assert_int_equal(status().error.code, ADIT_E_MEMORY);
    assert_string_equal(status().error.text, why);
    refuse(0, 0);
    wait_state(KEEP_CONNECTED);
    check_served(0);
    stop();
}

static void test_unheard(void **state)
{
    (void)state;
    know(&f.server);
    check_unheard("out of memory");
}

static void test_unheard_jump_host(void **state)
{
    (void)state;
    char why[96];
    jump_through();
    snprintf(why, sizeof why, "jump host alice@127.0.0.1:%u: out of memory", (unsigned)f.jump.port);
    check_unheard(why);
}

/* That the server is there is said again: the connection is well. */
static void test_unheard_answer(void **state)
{
    (void)state;
    set("ServerAliveInterval 1");
    start_known();
    refuse_notices();
    link_network(f.link, WATCH_RESUMED);
    wait_state(KEEP_SUSPECT);
    while (atomic_load(&scarce.refused) == 0)
        usleep(1000);
    refuse(0, 0);
    wait_state(KEEP_CONNECTED);
    check_served(0);
    stop();
    assert_int_equal(atomic_load(&f.server.accepted), 1);
}

/* A link that cannot look whether somebody wants to stop it asks. */
static void test_asks_although_poll_fails(void **state)
{
    (void)state;
    know(&f.server);
    make();
    atomic_store(&scarce.deaf_fd, link_cancel_fd(f.link));
    link_start(f.link);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(f.asked, 1);
    stop();
}

/* ---- Host keys ---- */

static void test_unknown_host(void **state)
{
    (void)state;
    f.knows_no_host = true;
    start();
    wait_state(KEEP_FAILED);
    assert_int_equal(status().error.code, ADIT_E_HOST_KEY);
    assert_int_equal(f.verdict, HOST_KEY_UNKNOWN);
    assert_string_equal(f.key_line, f.server.known);
    assert_string_equal(f.key_file, f.known_hosts);
    assert_string_equal(f.key_jump, "");
    link_trust(f.link, "SHA256:another");
    wait_count(&f.trusted, 1);
    assert_int_equal(f.trust_error.code, ADIT_E_HOST_KEY);
    link_trust(f.link, f.fingerprint);
    wait_count(&f.trusted, 2);
    assert_int_equal(f.trust_error.code, ADIT_E_OK);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(f.verdict, HOST_KEY_KNOWN);
    link_trust(f.link, f.fingerprint); /* it is known already */
    wait_count(&f.trusted, 3);
    assert_int_equal(f.trust_error.code, ADIT_E_HOST_KEY);
    stop();
}

static void test_changed_host(void **state)
{
    (void)state;
    struct key_secret was = f.server.host_key;
    know(&f.server);
    fake_key(&f.server, 77);
    start();
    wait_state(KEEP_FAILED);
    assert_int_equal(f.verdict, HOST_KEY_CHANGED);
    assert_string_equal(f.key_line, "");
    link_trust(f.link, f.fingerprint);
    wait_count(&f.trusted, 1);
    assert_int_equal(f.trust_error.code, ADIT_E_HOST_KEY);
    stop();
    key_secret_wipe(&was);
}

static void test_unknown_jump_host(void **state)
{
    (void)state;
    jump_through();
    unlink(f.known_hosts);
    know(&f.server);
    f.knows_no_host = true;
    start();
    wait_state(KEEP_FAILED);
    assert_string_equal(f.key_line, f.jump.known);
    assert_non_null(strstr(f.key_jump, "127.0.0.1"));
    link_trust(f.link, f.fingerprint);
    wait_state(KEEP_CONNECTED);
    stop();
}

/* ---- The rest ---- */

static void test_proxy_command_is_reaped(void **state)
{
    (void)state;
    f.config.keep.max_retries = 2;
    set("ProxyCommand /bin/false");
    start();
    wait_state(KEEP_FAILED);
    assert_true(status().gave_up);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    stop();
}

static uint64_t opened(void)
{
    struct mailbox box;
    struct session_snapshot shot = {.reply_to = &box, .only_index = SIZE_MAX};
    struct adit_error err = {ADIT_E_OK, ""};
    shot.stats.opened = 99;
    assert_int_equal(mailbox_init(&box, &err), ADIT_E_OK);
    link_snapshot(f.link, &shot);
    struct pollfd p = {mailbox_fd(&box), POLLIN, 0};
    assert_int_equal(poll(&p, 1, -1), 1);
    assert_non_null(mailbox_take(&box));
    mailbox_wipe(&box);
    return shot.stats.opened;
}

static void test_snapshot(void **state)
{
    (void)state;
    know(&f.server);
    make();
    add(0, FORWARD_LOCAL, 0);
    assert_int_equal(opened(), 0);
    link_start(f.link);
    wait_state(KEEP_CONNECTED);
    check_served(0);
    check_served(0);
    assert_int_equal(opened(), 2);
    fake_cut(&f.server);
    wait_state(KEEP_RECONNECTING);
    wait_state(KEEP_CONNECTED);
    assert_int_equal(opened(), 2);
    stop();
}

/* The command line's. What it says of forwards is for whoever adds them. */
static void test_given_options(void **state)
{
    (void)state;
    struct options o;
    struct adit_error err = {ADIT_E_OK, ""};
    know(&f.server);
    options_init(&o);
    set("User alice");
    set("Port %u", (unsigned)f.server.port);
    set("LocalForward 1 nowhere:1");
    for (size_t i = 0; i < f.settings.count; i++)
        assert_int_equal(options_set_line(&o, f.settings.item[i], &err), ADIT_E_OK);
    f.config.options = &o;
    f.config.user = NULL;
    f.config.port = 0;
    f.config.settings = NULL;
    start();
    wait_state(KEEP_CONNECTED);
    check_served(0);
    stop();
    options_wipe(&o);
}

/* ---- AditReclaim ---- */

#define WHO "adit-reclaim: 100 50 777\n"

/* Up with a remote forward at a server that says so. Another user for each test: what one has found out of an
 * account holds for the whole process. */
static void begin_reclaim(const char *user, const char *who, const char *end)
{
    f.config.user = user;
    f.config.reclaim = true;
    f.server.has_answers = true;
    atomic_store(&f.server.answers.who, who);
    atomic_store(&f.server.answers.end, end);
    know(&f.server);
    make();
    add(2, FORWARD_REMOTE, 4242);
    link_start(f.link);
    wait_state(KEEP_CONNECTED);
}

/* A new connection, whose port is held by the old one. */
static void lose_port(void)
{
    atomic_store(&f.server.refuses_remote, true);
    fake_cut(&f.server);
}

static void test_reclaims(void **state)
{
    (void)state;
    begin_reclaim("r1", WHO, "adit-reclaim: ended\n");
    wait_count(&f.reclaim_known, 1);
    atomic_store(&f.server.answers.who, "Hello!\nadit-reclaim: 101 50 778\n");
    lose_port();
    wait_count(&f.ups[2], 2);
    wait_count(&f.reclaim_known, 2);
    assert_int_equal(atomic_load(&f.server.answers.ends), 1);
    assert_non_null(strstr(f.server.answers.command, "kill 100 "));
    assert_non_null(strstr(f.server.answers.command, " 50/777)"));
    /* And that of the new one is the next to be ended. */
    lose_port();
    wait_count(&f.ups[2], 3);
    assert_int_equal(atomic_load(&f.server.answers.ends), 2);
    assert_non_null(strstr(f.server.answers.command, "kill 101 "));
    stop();
}

/* It is tried once, and the reason stays with the forward. */
static void check_not_reclaimed(const char *user, const char *end, const char *why)
{
    begin_reclaim(user, WHO, end);
    wait_count(&f.reclaim_known, 1);
    lose_port();
    wait_state(KEEP_DEGRADED);
    wait_count(&f.failures[2], 4);
    stop();
    assert_non_null(strstr(f.failure, why));
    assert_int_equal(atomic_load(&f.server.answers.ends), 1);
}

static void test_another_process(void **state)
{
    (void)state;
    check_not_reclaimed("r2", "adit-reclaim: other\n", "left alone");
}

static void test_may_not_end_it(void **state)
{
    (void)state;
    check_not_reclaimed("r3", "adit-reclaim: denied\n", "does not let us");
}

static void test_end_is_not_run(void **state)
{
    (void)state;
    check_not_reclaimed("r4", ANSWER_REFUSAL, "did not answer");
    assert_int_equal(f.reclaim_off, 0);
}

static void test_end_is_another_command(void **state)
{
    (void)state;
    check_not_reclaimed("r5", "ended\n", "another command");
    assert_int_equal(f.reclaim_off, 1);
}

/* Whatever it was that was run, it is not run again, by no link. */
static void check_off(const char *user, const char *who)
{
    begin_reclaim(user, who, "adit-reclaim: ended\n");
    wait_count(&f.reclaim_off, 1);
    for (unsigned i = 2; i < 4; i++) {
        fake_cut(&f.server);
        wait_count(&f.ups[2], i);
    }
    lose_port();
    wait_count(&f.failures[2], 2);
    stop();
    assert_int_equal(atomic_load(&f.server.answers.whos), 1);
    assert_int_equal(atomic_load(&f.server.answers.ends), 0);
}

static void test_forced_command(void **state)
{
    (void)state;
    check_off("r6", "Welcome.\n");
}

static void test_no_proc(void **state)
{
    (void)state;
    check_off("r7", "adit-reclaim: 100\n");
}

static void test_says_too_much(void **state)
{
    static char much[5000];
    (void)state;
    memset(much, 'x', sizeof much - 1);
    memcpy(much + sizeof much - 1 - strlen(WHO), "\n" WHO, strlen(WHO)); /* its end alone would do */
    check_off("r8", much);
}

/* Nobody knows whether it was run. */
static void test_lost_before_the_answer(void **state)
{
    (void)state;
    begin_reclaim("r9", ANSWER_SILENCE, "adit-reclaim: ended\n");
    while (atomic_load(&f.server.answers.whos) == 0)
        usleep(1000);
    fake_cut(&f.server);
    wait_count(&f.reclaim_off, 1);
    wait_count(&f.ups[2], 2);
    stop();
    assert_int_equal(atomic_load(&f.server.answers.whos), 1);
}

/* It was not run: the next connection asks again. */
static void test_command_is_refused(void **state)
{
    (void)state;
    begin_reclaim("r10", ANSWER_REFUSAL, "adit-reclaim: ended\n");
    wait_count(&f.reclaim_error, 1);
    atomic_store(&f.server.answers.who, WHO);
    fake_cut(&f.server);
    wait_count(&f.reclaim_known, 1);
    stop();
    assert_int_equal(atomic_load(&f.server.answers.whos), 2);
    assert_int_equal(f.reclaim_off, 0);
}

static void write_user(const char *path, const char *user)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fprintf(out, "User %s\n", user) > 0);
    assert_int_equal(fclose(out), 0);
}

/* ssh_config leads the next connection to somebody else, whose processes have nothing to do with it. */
static void test_another_account(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof path, "%s/config", f.folder);
    write_user(path, "r12");
    f.config.config_file = path;
    begin_reclaim(NULL, WHO, "adit-reclaim: ended\n");
    wait_count(&f.reclaim_known, 1);
    write_user(path, "r13");
    lose_port();
    wait_count(&f.failures[2], 3);
    stop();
    unlink(path);
    assert_non_null(strstr(f.failure, "another account"));
    assert_int_equal(atomic_load(&f.server.answers.ends), 0);
}

/* A port that the server chose is never refused, a local forward holds none there, and it may be off. */
static void test_nothing_to_reclaim(void **state)
{
    (void)state;
    f.config.user = "r11";
    f.config.reclaim = true;
    f.server.has_answers = true;
    atomic_store(&f.server.answers.who, WHO);
    know(&f.server);
    make();
    add(0, FORWARD_LOCAL, 0);
    add(1, FORWARD_REMOTE, 0);
    link_start(f.link);
    wait_state(KEEP_CONNECTED);
    stop();
    assert_int_equal(atomic_load(&f.server.answers.whos), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connects),
        TEST(test_lost),
        TEST(test_held),
        TEST(test_gives_up),
        TEST(test_permanent),
        TEST(test_bad_setting),
        TEST(test_silent_after_its_key),
        TEST(test_file_changed),
        TEST(test_stop_before_start),
        TEST(test_stop_while_connecting),
        TEST(test_stop_while_waiting),
        TEST(test_stop_while_asked),
        TEST(test_stop_while_open),
        TEST(test_stop_while_reading),
        TEST(test_stop_failed),
        TEST(test_reconnect_while_waiting),
        TEST(test_reconnect_while_up),
        TEST(test_reconnect_while_asked),
        TEST(test_network),
        TEST(test_health),
        TEST(test_forwards_come_and_go),
        TEST(test_forward_before_start),
        TEST(test_remote_forward_returns),
        TEST(test_port_is_busy),
        TEST(test_remote_forward_without_memory),
        TEST(test_remote_listener_without_memory),
        TEST(test_lazy_without_memory),
        TEST(test_lazy_remote_listener_without_memory),
        TEST(test_local_forward_without_memory),
        TEST(test_forward_without_memory_is_removed),
        TEST(test_wrong_forward),
        TEST(test_lazy),
        TEST(test_jump_host),
        TEST(test_jump_host_closes),
        TEST(test_jump_host_is_silent),
        TEST(test_stop_at_jump_host),
        TEST(test_stop_before_jump_host),
        TEST(test_unheard),
        TEST(test_unheard_jump_host),
        TEST(test_unheard_answer),
        TEST(test_asks_although_poll_fails),
        TEST(test_unknown_host),
        TEST(test_changed_host),
        TEST(test_unknown_jump_host),
        TEST(test_proxy_command_is_reaped),
        TEST(test_snapshot),
        TEST(test_given_options),
        TEST(test_reclaims),
        TEST(test_another_process),
        TEST(test_may_not_end_it),
        TEST(test_end_is_not_run),
        TEST(test_end_is_another_command),
        TEST(test_forced_command),
        TEST(test_no_proc),
        TEST(test_says_too_much),
        TEST(test_lost_before_the_answer),
        TEST(test_command_is_refused),
        TEST(test_another_account),
        TEST(test_nothing_to_reclaim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
