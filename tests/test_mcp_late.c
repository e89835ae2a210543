/* `adit mcp` with tunnels that do not end in time: this program's own, in the place of daemon/mcp_own.c. */
#include "tests/test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/mcp.h"
#include "daemon/mcp_engine.h"

static bool call(struct mcp_engine *e, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    return e == NULL || tool == NULL || arguments == NULL || request == NULL;
}

static void on_fd(struct mcp_engine *e, struct loop_fd *f)
{
    fail_msg("%p %p", (void *)e, (void *)f);
}

static void on_timer(struct mcp_engine *e, struct loop_timer *t)
{
    fail_msg("%p %p", (void *)e, (void *)t);
}

static void end(struct mcp_engine *e)
{
    assert_non_null(e);
}

static bool has_ended(const struct mcp_engine *e)
{
    return e == NULL;
}

static void never_freed(struct mcp_engine *e)
{
    fail_msg("%p", (void *)e);
}

struct mcp_engine *mcp_own_new(const struct mcp_args *args, struct loop *loop, struct adit_error *err)
{
    static const struct mcp_engine_ops ops = {.call = call,
                                              .on_fd = on_fd,
                                              .on_timer = on_timer,
                                              .end = end,
                                              .has_ended = has_ended,
                                              .free = never_freed};
    static struct mcp_engine engine = {&ops};
    return args != NULL && loop != NULL && err != NULL ? &engine : NULL;
}

/* The process goes on to tell why the input failed, and the status is that reason's. */
static void test_an_error_is_not_lost(void **state)
{
    struct adit_error err = {0};
    struct mcp_args args = {.in_fd = open("/", O_RDONLY | O_CLOEXEC), .out_fd = 1, .log_fd = 2};
    (void)state;
    mcp_allow_init(&args.allow);
    assert_int_equal(mcp_run(&args, &err), ADIT_E_SYSTEM);
    assert_string_equal(err.text, "standard input: cannot read: Is a directory");
    (void)close(args.in_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_an_error_is_not_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
