#include "cli/ttymodes.h"

#include <string.h>
#include <unistd.h>

#include "tests/test.h"

static struct ssh_mode modes[LIMIT_SESSION_MODES];
static size_t count;

static uint32_t value_of(uint8_t opcode)
{
    uint32_t value = 0;
    int found = 0;
    for (size_t i = 0; i < count; i++)
        if (modes[i].opcode == opcode) {
            value = modes[i].value;
            found++;
        }
    assert_int_equal(found, 1);
    return value;
}

/* RFC 4254 §8: each opcode once, none reserved. [RFC 4254 8b] */
static void test_modes(void **state)
{
    struct termios t;
    (void)state;
    memset(&t, 0, sizeof t);
    t.c_iflag = ICRNL | IUTF8;
    t.c_oflag = OPOST;
    t.c_cflag = CS8 | PARODD;
    t.c_lflag = ECHO | ISIG;
    t.c_cc[VINTR] = 3;
    t.c_cc[VERASE] = 127;
    t.c_cc[VSUSP] = _POSIX_VDISABLE;
    assert_int_equal(cfsetospeed(&t, B38400) + cfsetispeed(&t, B38400), 0);
    count = ttymodes_of(&t, modes);
    assert_true(count <= LIMIT_SESSION_MODES);
    for (size_t i = 0; i < count; i++) {
        assert_true(modes[i].opcode > 0 && modes[i].opcode < 160);
        (void)value_of(modes[i].opcode);
    }
    assert_int_equal(value_of(1), 3);
    assert_int_equal(value_of(3), 127);
    assert_int_equal(value_of(10), 255);
    assert_int_equal(value_of(36) + value_of(42) + value_of(70) + value_of(53) + value_of(50), 5);
    assert_int_equal(value_of(51) + value_of(38) + value_of(72), 0);
    assert_int_equal(value_of(90), 0);
    assert_int_equal(value_of(91) + value_of(93), 2);
    assert_int_equal(value_of(128), 38400);
    assert_int_equal(value_of(129), 38400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_modes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
