/*
 * One tunnel: its state from its connection's and its own forwards, errors, retries, start and stop, waiting,
 * trust, questions. Links are the test's own.
 */
#include "tests/tunnels_fake.h"

#include <poll.h>
#include <pthread.h>

static struct definition_error error;

/* ---- States ---- */

static void test_the_states(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    struct link *l = fake_links[0];
    assert_string_equal(state_of(a), "connecting");
    assert_true(tunnel_is_running(a));
    fake_connect(l);
    assert_string_equal(state_of(a), "connected");
    assert_true(tunnel_status(a)->listening);
    assert_true(tunnel_uptime(a) >= 0);
    assert_string_equal(tunnel_status(a)->forwards[0].listen[0], "127.0.0.1:8001");
    assert_int_equal(tunnel_status(a)->forwards[0].bound_port, 8001);
    fake_state(l, KEEP_SUSPECT, 0, "no answer");
    world_mail();
    assert_string_equal(state_of(a), "suspect");
    assert_true(tunnel_uptime(a) >= 0);
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_TIMEOUT, "the server does not answer");
    world_mail();
    assert_string_equal(state_of(a), "reconnecting");
    assert_int_equal(tunnel_uptime(a), -1);
    assert_int_equal(tunnel_status(a)->retry_count, 1);
    assert_true(tunnel_status(a)->next_retry_at > 0);
    assert_true(tunnel_status(a)->listening); /* whoever comes is held */
    assert_string_equal(tunnel_status(a)->last_error.text, "the server does not answer");
    assert_false(has_logged("a: still reconnecting: the server does not answer\n"));
    for (unsigned i = 2; i < 5; i++) {
        fake_lost(l, KEEP_RECONNECTING, i, ADIT_E_CONNECT, "refused");
        world_mail();
    }
    assert_int_equal(times_logged("a: still reconnecting: refused\n"), 1);
    assert_string_equal(tunnel_status(a)->last_error.text, "refused");
    fake_state(l, KEEP_CONNECTED, 1, "connected");
    world_mail();
    assert_string_equal(state_of(a), "connected");
    assert_int_equal(tunnel_status(a)->reconnects, 1);
    assert_string_equal(tunnel_status(a)->last_error.text, "refused");
    fake_state(l, KEEP_RECONNECTING, 0, "a fresh connection is wanted");
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_CONNECT, "refused"); /* as before, but not said of this loss */
    world_mail();
    assert_int_equal(times_logged("a: still reconnecting: refused\n"), 2);
    fake_state(l, KEEP_CONNECTED, 1, "connected");
    world_mail();
    fake_lost(l, KEEP_FAILED, 0, ADIT_E_AUTH, "no");
    fake_down(l, 0);
    world_mail();
    assert_string_equal(state_of(a), "failed");
    assert_true(tunnel_status(a)->permanent);
    assert_false(tunnel_status(a)->listening);
    assert_null(tunnel_status(a)->forwards[0].listen[0]);
    assert_false(tunnel_is_running(a));
    tunnel_stop(a);
    assert_string_equal(state_of(a), "disconnected");
    assert_true(has_logged("a: state disconnected -> connecting: started\n"));
    assert_true(has_logged("a: state connecting -> connected: connected\n"));
    assert_true(has_logged("a: state suspect -> reconnecting: the server does not answer\n"));
    assert_true(has_logged("a: state connected -> failed: no\n"));
    assert_true(has_logged("a: state failed -> disconnected: stopped\n"));
    world_close();
}

static void test_only_its_own_forwards_count(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001), *b = add_local("b", "h", 8002);
    start_it(a);
    start_it(b);
    struct link *l = fake_links[0];
    fake_failed(l, 1, "port 8002 is busy");
    fake_up(l, 0, 0, "127.0.0.1:8001", 8001);
    fake_state(l, KEEP_RECONNECTING, 0, "a forward is missing");
    world_mail();
    assert_string_equal(state_of(a), "connecting");
    assert_string_equal(state_of(b), "reconnecting"); /* the port is busy, the connection still to come */
    fake_state(l, KEEP_DEGRADED, 0, "a forward is missing");
    world_mail();
    assert_string_equal(state_of(a), "connected");
    assert_string_equal(state_of(b), "degraded");
    assert_string_equal(tunnel_status(b)->last_error.text, "port 8002 is busy");
    assert_string_equal(adit_err_kind(tunnel_status(b)->last_error.code), "forwarding");
    assert_string_equal(tunnel_status(b)->forwards[0].error, "port 8002 is busy");
    assert_int_equal(tunnel_status(a)->last_error.code, ADIT_E_OK);
    fake_up(l, 1, 0, "127.0.0.1:8002", 8002);
    world_mail();
    assert_string_equal(state_of(b), "connected");
    assert_null(tunnel_status(b)->forwards[0].error);
    world_close();
}

static void test_both_addresses_of_localhost(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    define(&d, "a", "h", 8001);
    assert_true(definition_set(&d.forwards[0].bind_address, "localhost"));
    struct tunnel *a = add_it(&d);
    start_it(a);
    struct link *l = fake_links[0];
    fake_up(l, 0, 0, "127.0.0.1:8001", 8001);
    fake_notify(l, (struct link_notice){.kind = LINK_FORWARD_FAILED,
                                        .id = l->forwards[0].id,
                                        .address_index = 1,
                                        .error = &(struct adit_error){ADIT_E_FORWARD, "[::1]:8001 is busy"}});
    fake_state(l, KEEP_DEGRADED, 0, "");
    world_mail();
    assert_string_equal(state_of(a), "degraded");
    fake_up(l, 0, 1, "[::1]:8001", 8001);
    world_mail();
    assert_string_equal(state_of(a), "connected");
    assert_string_equal(tunnel_status(a)->forwards[0].listen[1], "[::1]:8001");
    world_close();
}

static void test_a_remote_one_and_its_port(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    define(&d, "r", "h", 3000);
    d.forwards[0].type = FORWARD_REMOTE;
    d.forwards[0].remote_port = 0;
    assert_true(definition_set(&d.forwards[0].remote_host, NULL));
    struct tunnel *r = add_it(&d);
    start_it(r);
    struct link *l = fake_links[0];
    fake_up(l, 0, 0, "localhost:0", 0);
    fake_notify(l,
                (struct link_notice){
                    .kind = LINK_REMOTE_PORT, .id = l->forwards[0].id, .bound_port = 40001, .target = "-"});
    fake_state(l, KEEP_CONNECTED, 0, "");
    world_mail();
    assert_string_equal(state_of(r), "connected");
    assert_string_equal(tunnel_status(r)->forwards[0].listen[0], "localhost:40001");
    assert_int_equal(tunnel_status(r)->forwards[0].bound_port, 40001);
    fake_down(l, 0);
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "gone");
    world_mail();
    assert_null(tunnel_status(r)->forwards[0].listen[0]);
    assert_false(tunnel_status(r)->listening);
    world_close();
}

static void test_a_lazy_one_is_idle(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    define(&d, "a", "h", 8001);
    d.lazy = true;
    d.idle_exit_s = 7;
    struct tunnel *a = add_it(&d);
    start_it(a);
    assert_true(fake_links[0]->keep.is_lazy);
    assert_int_equal(fake_links[0]->config.idle_exit_ms, 7000);
    fake_up(fake_links[0], 0, 0, "127.0.0.1:8001", 8001);
    fake_state(fake_links[0], KEEP_IDLE, 0, "nobody wants it");
    world_mail();
    assert_string_equal(state_of(a), "idle");
    assert_true(tunnel_status(a)->listening);
    assert_int_equal(tunnel_uptime(a), -1);
    world_close();
}

/* What the server refused was that connection's: nobody asks for it now. */
static void test_a_refused_one_rests_as_well(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    define(&d, "a", "h", 8001);
    d.lazy = true;
    struct definition_forward *f = definition_forward_add(&d, FORWARD_REMOTE);
    f->local_port = f->remote_port = 9001;
    f->has_local_port = f->has_remote_port = true;
    struct tunnel *a = add_it(&d);
    start_it(a);
    struct link *l = fake_links[0];
    fake_up(l, 0, 0, "127.0.0.1:8001", 8001);
    fake_failed(l, 1, "the server refused it");
    fake_state(l, KEEP_DEGRADED, 0, "the server refused it");
    world_mail();
    assert_string_equal(state_of(a), "degraded");
    fake_state(l, KEEP_IDLE, 0, "nobody wants it");
    world_mail();
    assert_string_equal(state_of(a), "idle");
    assert_true(tunnel_status(a)->listening);
    fake_failed(l, 0, "out of memory");
    world_mail();
    assert_string_equal(state_of(a), "reconnecting");
    world_close();
}

/* ---- Who gives up before the connection does ---- */

static void test_patience_is_its_own(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    define(&d, "short", "h", 8001);
    d.max_retries = 2;
    struct tunnel *shorter = add_it(&d);
    define(&d, "once", "h", 8002);
    d.auto_reconnect = false;
    struct tunnel *once = add_it(&d);
    define(&d, "long", "h", 8003);
    d.max_retries = 0;
    struct tunnel *longer = add_it(&d);
    start_it(shorter);
    start_it(once);
    start_it(longer);
    struct link *l = fake_links[0];
    assert_int_equal(l->keep.max_retries, 0);
    fake_connect(l);
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "gone");
    world_mail();
    assert_string_equal(state_of(once), "reconnecting"); /* its listener is still there */
    fake_settle(l);
    world_mail();
    assert_string_equal(state_of(once), "failed");
    assert_string_equal(tunnel_status(once)->last_error.text, "Connection lost (auto_reconnect disabled)");
    assert_true(l->forwards[1].is_removed);
    assert_string_equal(state_of(shorter), "reconnecting");
    fake_lost(l, KEEP_RECONNECTING, 2, ADIT_E_CONNECT, "refused");
    world_mail();
    assert_string_equal(state_of(shorter), "reconnecting");
    fake_lost(l, KEEP_RECONNECTING, 3, ADIT_E_CONNECT, "refused");
    world_mail();
    fake_settle(l);
    world_mail();
    assert_string_equal(state_of(shorter), "failed");
    assert_int_equal(tunnel_status(shorter)->retry_count, 2);
    assert_false(tunnel_status(shorter)->permanent);
    assert_string_equal(tunnel_status(shorter)->last_error.text, "refused");
    assert_string_equal(state_of(longer), "reconnecting");
    assert_int_equal(tunnel_status(longer)->retry_count, 3);
    assert_int_equal(l->stops, 0);
    world_settle();
    /* A failed one begins anew, with the others. */
    start_it(shorter);
    assert_int_equal(fake_link_count, 1);
    assert_int_equal(l->forward_count, 4);
    assert_int_equal(tunnel_status(shorter)->retry_count, 0);
    fake_lost(l, KEEP_RECONNECTING, 5, ADIT_E_CONNECT, "refused");
    world_mail();
    assert_int_equal(tunnel_status(shorter)->retry_count, 2);
    assert_string_equal(state_of(shorter), "reconnecting");
    fake_state(l, KEEP_CONNECTED, 0, "");
    world_mail();
    assert_int_equal(tunnel_status(shorter)->retry_count, 0);
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_CONNECT, "refused");
    world_mail();
    assert_int_equal(tunnel_status(shorter)->retry_count, 1);
    world_close();
}

/* ---- Start and stop ---- */

static void test_start_and_stop_again(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    tunnel_stop(a); /* nothing */
    start_it(a);
    assert_false(tunnel_start(a, &error));
    assert_string_equal(error.code, "running");
    assert_string_equal(error.message, "Tunnel is already running");
    fake_connect(fake_links[0]);
    assert_true(tunnel_reconnect(a, &error));
    assert_int_equal(fake_links[0]->reconnects, 1);
    tunnel_stop(a);
    assert_string_equal(state_of(a), "disconnected");
    /* The listener is still there: it waits for that. */
    start_it(a);
    assert_string_equal(state_of(a), "connecting");
    assert_int_equal(fake_link_count, 1);
    world_settle();
    assert_int_equal(fake_link_count, 2);
    assert_int_equal(fake_links[1]->starts, 1);
    tunnel_stop(a);
    world_settle();
    assert_true(tunnel_reconnect(a, &error)); /* of a stopped one: a start */
    assert_int_equal(fake_link_count, 3);
    world_close();
}

static void test_a_failed_one_begins_anew(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    fake_connect(fake_links[0]);
    fake_down(fake_links[0], 0);
    fake_lost(fake_links[0], KEEP_FAILED, 0, ADIT_E_HOST_KEY, "another key");
    world_mail();
    start_it(a);
    assert_int_equal(fake_links[0]->stops, 1);
    assert_string_equal(state_of(a), "connecting");
    assert_false(tunnel_status(a)->permanent);
    world_settle();
    assert_int_equal(fake_link_count, 2);
    fake_connect(fake_links[1]);
    assert_string_equal(state_of(a), "connected");
    assert_int_equal(tunnel_status(a)->reconnects, 0);
    world_close();
}

/* ---- Waiting ---- */

struct told {
    unsigned count;
    bool is_so;
};

static void tell(void *ctx, struct tunnel *tunnel, bool is_so)
{
    struct told *told = ctx;
    (void)tunnel;
    told->count++;
    told->is_so = is_so;
}

/* It shares the connection of one that has failed: what is told of it comes from a try of its own. */
static void test_beside_a_failed_one(void **state)
{
    (void)state;
    struct told settled = {0, false};
    struct tunnel_wait wait = {.ctx = &settled, .done = tell};
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001), *b = add_local("b", "h", 8002);
    start_it(a);
    fake_connect(fake_links[0]);
    fake_down(fake_links[0], 0);
    fake_lost(fake_links[0], KEEP_FAILED, 0, ADIT_E_HOST_KEY, "another key");
    world_mail();
    assert_string_equal(state_of(a), "failed");
    start_it(b);
    assert_int_equal(fake_link_count, 1);
    assert_int_equal(fake_links[0]->starts, 2);
    assert_string_equal(state_of(b), "connecting");
    tunnel_wait(b, &wait, TUNNEL_WAIT_SETTLED, 60000);
    assert_int_equal(settled.count, 0);
    fake_lost(fake_links[0], KEEP_FAILED, 0, ADIT_E_HOST_KEY, "another key again");
    world_mail();
    assert_string_equal(state_of(b), "failed");
    assert_string_equal(tunnel_status(b)->last_error.text, "another key again");
    assert_true(tunnel_status(b)->permanent);
    assert_int_equal(settled.count, 1);
    world_close();
}

static void test_waiting(void **state)
{
    (void)state;
    struct told listeners = {0, false}, settled = {0, false}, cut = {0, false};
    struct tunnel_wait one = {.ctx = &listeners, .done = tell}, two = {.ctx = &settled, .done = tell},
                       three = {.ctx = &cut, .done = tell};
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    tunnel_wait(a, &one, TUNNEL_WAIT_LISTENERS, 60000);
    assert_int_equal(listeners.count, 1); /* nothing to wait for */
    start_it(a);
    tunnel_wait(a, &one, TUNNEL_WAIT_LISTENERS, 60000);
    tunnel_wait(a, &two, TUNNEL_WAIT_SETTLED, 60000);
    tunnel_wait(a, &three, TUNNEL_WAIT_SETTLED, 0);
    assert_int_equal(cut.count, 1);
    assert_false(cut.is_so);
    fake_up(fake_links[0], 0, 0, "127.0.0.1:8001", 8001);
    world_mail();
    assert_int_equal(listeners.count, 2);
    assert_int_equal(settled.count, 0);
    fake_connect(fake_links[0]);
    assert_int_equal(settled.count, 1);
    assert_true(settled.is_so);
    tunnel_stop(a);
    tunnel_wait(a, &one, TUNNEL_WAIT_LISTENERS, 60000);
    tunnel_wait(a, &two, TUNNEL_WAIT_SETTLED, 60000);
    tunnel_wait_cancel(&two);
    tunnel_wait_cancel(&two);
    assert_int_equal(listeners.count, 2);
    world_settle();
    assert_int_equal(listeners.count, 3);
    assert_int_equal(settled.count, 1);
    world_close();
}

/* ---- The host key ---- */

static void show_key(struct link *l, enum host_key_verdict verdict, const char *jump, const char *fingerprint)
{
    struct link_host_key key = {.host = "h",
                                .jump_host = jump,
                                .verdict = verdict,
                                .type = "ED25519",
                                .fingerprint = fingerprint,
                                .line = verdict == HOST_KEY_UNKNOWN ? "h ssh-ed25519 AAAA\n" : NULL,
                                .file = world_path("known_hosts")};
    fake_notify(l, (struct link_notice){.kind = LINK_HOST_KEY, .host_key = &key});
    world_mail();
}

static void test_trust(void **state)
{
    (void)state;
    char text[64] = "";
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    struct link *l = fake_links[0];
    assert_false(tunnel_trust(a, "SHA256:x", &error));
    show_key(l, HOST_KEY_KNOWN, "gate", "SHA256:gate"); /* nobody asks for that of a jump host */
    assert_null(tunnel_status(a)->host_key_fingerprint);
    show_key(l, HOST_KEY_CHANGED, NULL, "SHA256:other");
    assert_false(tunnel_trust(a, "SHA256:other", &error));
    show_key(l, HOST_KEY_UNKNOWN, NULL, "SHA256:new");
    assert_false(tunnel_status(a)->host_key_known);
    assert_true(tunnel_status(a)->host_key_can_be_trusted);
    fake_lost(l, KEEP_FAILED, 0, ADIT_E_HOST_KEY, "unknown");
    world_mail();
    assert_false(tunnel_trust(a, "SHA256:other", &error));
    assert_true(access(world_path("known_hosts"), F_OK) != 0);
    assert_true(tunnel_trust(a, "SHA256:new", &error));
    FILE *f = fopen(world_path("known_hosts"), "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_int_equal(fclose(f), 0);
    assert_string_equal(text, "h ssh-ed25519 AAAA\n");
    assert_int_equal(l->file_changes, 1);
    assert_true(tunnel_status(a)->host_key_known);
    assert_true(tunnel_trust(a, "SHA256:new", &error)); /* it is: nothing is added */
    assert_int_equal(l->file_changes, 1);

    /* A stopped one accepts too, and stays stopped. */
    show_key(l, HOST_KEY_UNKNOWN, NULL, "SHA256:third");
    tunnel_stop(a);
    assert_true(tunnel_trust(a, "SHA256:third", &error));
    assert_string_equal(state_of(a), "disconnected");
    world_close();
}

static void test_algorithms(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    fake_notify(fake_links[0], (struct link_notice){.kind = LINK_NEGOTIATED, .kex = "k", .cipher = "c"});
    fake_connect(fake_links[0]);
    assert_string_equal(tunnel_status(a)->kex, "k");
    assert_string_equal(tunnel_status(a)->cipher, "c");
    fake_lost(fake_links[0], KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "gone");
    world_mail();
    assert_null(tunnel_status(a)->kex);
    world_close();
}

/* ---- Questions ---- */

struct asker {
    const struct client_prompt *prompt;
    struct prompt_question question;
    char answer[64];
    bool ok;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    a->ok = a->prompt->ask(a->prompt->ctx, &a->question, a->answer, sizeof a->answer);
    return NULL;
}

/* Waits for letters until the tunnel has a question, or has none. */
static void wait_for_question(struct tunnel *u, bool is_there, struct tunnel_prompt *out)
{
    struct pollfd p = {mailbox_fd(&world.box), POLLIN, 0};
    while (tunnel_prompt_pending(u, out) != is_there) {
        assert_true(poll(&p, 1, 30000) == 1);
        world_mail();
    }
}

static void test_questions(void **state)
{
    (void)state;
    struct asker asker = {.question = {.kind = PROMPT_SECRET,
                                       .purpose = PROMPT_FOR_PASSPHRASE,
                                       .text = "Enter passphrase for key 'k': ",
                                       .subject = "k"}};
    struct tunnel_prompt prompt;
    pthread_t thread;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    tunnel_attend(a);
    start_it(a);
    asker.prompt = &fake_links[0]->config.prompt;
    assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
    wait_for_question(a, true, &prompt);
    assert_string_equal(prompt.text, "Enter passphrase for key 'k': ");
    assert_int_equal(prompt.kind, TUNNEL_PROMPT_SECRET);
    assert_false(tunnel_prompt_answer(a, prompt.id + 1, "wrong"));
    assert_true(tunnel_prompt_answer(a, prompt.id, "open sesame"));
    assert_false(tunnel_prompt_answer(a, prompt.id, "twice"));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(asker.ok);
    assert_string_equal(asker.answer, "open sesame");
    world_mail();
    assert_false(tunnel_prompt_pending(a, &prompt));

    assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
    wait_for_question(a, true, &prompt);
    assert_true(tunnel_prompt_answer(a, prompt.id, NULL));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(asker.ok);
    world_close();
}

static void test_questions_that_nobody_attends_to(void **state)
{
    (void)state;
    struct asker asker = {.question = {.kind = PROMPT_LINE, .purpose = PROMPT_FOR_HOST_KEY, .text = "yes?"}};
    struct definition d;
    assert_int_equal(setenv("ADIT_TEST_PASSWORD", "secret", 1), 0);
    world_open("Profile pw\n Auth password\n PasswordEnv ADIT_TEST_PASSWORD\n");
    define(&d, "a", "h", 8001);
    assert_true(definition_set(&d.profile_id, "pw"));
    struct tunnel *a = add_it(&d);
    start_it(a);
    asker.prompt = &fake_links[0]->config.prompt;
    (void)ask(&asker);
    assert_false(asker.ok);
    asker.question =
        (struct prompt_question){.kind = PROMPT_SECRET, .purpose = PROMPT_FOR_PASSWORD, .text = "?"};
    (void)ask(&asker);
    assert_true(asker.ok);
    assert_string_equal(asker.answer, "secret");
    asker.question.jump_host = "gate"; /* another machine gets no password of ours */
    (void)ask(&asker);
    assert_false(asker.ok);
    asker.question =
        (struct prompt_question){.kind = PROMPT_SECRET, .purpose = PROMPT_FOR_CODE, .text = "Code:"};
    (void)ask(&asker);
    assert_false(asker.ok);
    asker.question.text = "Password:";
    (void)ask(&asker);
    assert_true(asker.ok);
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_states),
        cmocka_unit_test(test_only_its_own_forwards_count),
        cmocka_unit_test(test_both_addresses_of_localhost),
        cmocka_unit_test(test_a_remote_one_and_its_port),
        cmocka_unit_test(test_a_lazy_one_is_idle),
        cmocka_unit_test(test_a_refused_one_rests_as_well),
        cmocka_unit_test(test_patience_is_its_own),
        cmocka_unit_test(test_start_and_stop_again),
        cmocka_unit_test(test_a_failed_one_begins_anew),
        cmocka_unit_test(test_beside_a_failed_one),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_questions_that_nobody_attends_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
