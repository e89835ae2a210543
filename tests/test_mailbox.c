#include "net/mailbox.h"

#include <poll.h>
#include <stdlib.h>
#include "net/loop.h"
#include "net/thread.h"
#include "tests/test.h"

static bool has_mail(struct mailbox *box)
{
    struct pollfd p = {.fd = mailbox_fd(box), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void in_order_and_quiet_when_empty(void **state)
{
    struct mailbox box;
    struct mail m[3] = {{.kind = 0}, {.kind = 1}, {.kind = 2}};

    (void)state;
    assert_int_equal(mailbox_init(&box, NULL), ADIT_E_OK);
    for (int round = 0; round < 3; round++) {
        assert_false(has_mail(&box));
        for (int i = 0; i < 3; i++)
            mailbox_post(&box, &m[i]);
        for (int i = 0; i < 3; i++) {
            assert_true(has_mail(&box));
            assert_ptr_equal(mailbox_take(&box), &m[i]);
        }
        assert_null(mailbox_take(&box));
    }
    mailbox_wipe(&box);
    mailbox_wipe(&box);
}

static void withdraw_from_any_place(void **state)
{
    struct mailbox box;
    struct mail m[3] = {{.kind = 0}, {.kind = 1}, {.kind = 2}};

    (void)state;
    assert_int_equal(mailbox_init(&box, NULL), ADIT_E_OK);
    for (int gone = 0; gone < 3; gone++) {
        for (int i = 0; i < 3; i++)
            mailbox_post(&box, &m[i]);
        assert_true(mailbox_withdraw(&box, &m[gone]));
        assert_false(mailbox_withdraw(&box, &m[gone]));
        mailbox_post(&box, &m[gone]);
        for (int i = 0; i < 3; i++)
            if (i != gone)
                assert_ptr_equal(mailbox_take(&box), &m[i]);
        assert_ptr_equal(mailbox_take(&box), &m[gone]);
        assert_false(mailbox_withdraw(&box, &m[gone]));
        assert_null(mailbox_take(&box));
        for (int i = 0; i < 3; i++)
            mailbox_post(&box, &m[i]);
        for (int i = 0; i < 3; i++) /* from each of them on, round the end */
            assert_true(mailbox_withdraw(&box, &m[(gone + i) % 3]));
        assert_null(mailbox_take(&box));
        assert_false(has_mail(&box));
    }
    mailbox_wipe(&box);
}

enum { POSTERS = 4, LETTERS = 5000 };

struct letter {
    struct mail mail;
    int serial;
};

static struct mailbox shared;

static void *poster_run(void *arg)
{
    for (int i = 0; i < LETTERS; i++) {
        struct letter *l = calloc(1, sizeof *l);

        if (!l)
            abort();
        l->mail.owner = arg;
        l->serial = i;
        mailbox_post(&shared, &l->mail);
    }
    return NULL;
}

/* Every letter arrives, in each poster's order, with an edge-triggered loop that takes until NULL. */
static void many_threads(void **state)
{
    int next[POSTERS] = {0}, left = POSTERS * LETTERS;
    pthread_t threads[POSTERS];
    struct loop loop;
    struct loop_fd f;

    (void)state;
    assert_int_equal(mailbox_init(&shared, NULL), ADIT_E_OK);
    assert_int_equal(loop_init(&loop, NULL), ADIT_E_OK);
    loop_fd_init(&f, 0, NULL);
    assert_int_equal(loop_add(&loop, &f, mailbox_fd(&shared), NULL), ADIT_E_OK);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(thread_start(&threads[i], 64 * 1024, poster_run, &next[i], NULL), ADIT_E_OK);
    while (left > 0) {
        struct mail *m;

        assert_int_equal(loop_wait(&loop, LOOP_NEVER, NULL), ADIT_E_OK);
        assert_ptr_equal(loop_next(&loop), &f);
        while ((m = mailbox_take(&shared)) != NULL) {
            struct letter *l = (struct letter *)(void *)m;
            int *expected = m->owner;

            assert_int_equal(l->serial, *expected);
            *expected += 1;
            left--;
            free(l);
        }
    }
    for (int i = 0; i < POSTERS; i++)
        (void)pthread_join(threads[i], NULL);
    loop_wipe(&loop);
    mailbox_wipe(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_quiet_when_empty),
        cmocka_unit_test(withdraw_from_any_place),
        cmocka_unit_test(many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
