#include "test.h"

#include <string.h>

#include "client/algorithms.h"

/* Every list ends each name with a newline, names nothing twice, and fits by far. */
static void test_every_list(void **state)
{
    char list[ALGORITHMS_CAP];
    (void)state;
    for (int which = ALGORITHMS_KEX; which <= ALGORITHMS_COMPRESSION; which++) {
        algorithms_list((enum algorithms)which, list);
        size_t n = strlen(list);
        assert_true(n < sizeof list / 2);
        assert_true(n > 0 ? list[n - 1] == '\n' : which == ALGORITHMS_KEY_CERT);
        for (const char *line = list; *line != 0; line = strchr(line, '\n') + 1) {
            char name[128];
            size_t len = (size_t)(strchr(line, '\n') + 1 - line);
            memcpy(name, line, len);
            name[len] = 0;
            for (const char *other = line + len; *other != 0; other = strchr(other, '\n') + 1)
                assert_true(strncmp(other, name, len) != 0);
        }
    }
}

static void test_parts_of_a_whole(void **state)
{
    char all[ALGORITHMS_CAP], cert[ALGORITHMS_CAP], plain[ALGORITHMS_CAP];
    (void)state;
    algorithms_list(ALGORITHMS_KEY, all);
    algorithms_list(ALGORITHMS_KEY_CERT, cert);
    algorithms_list(ALGORITHMS_KEY_PLAIN, plain);
    assert_int_equal(strlen(all), strlen(cert) + strlen(plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_list),
                                       cmocka_unit_test(test_parts_of_a_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
