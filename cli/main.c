/*
 * main.c - adit [options] [user@]host: see adit(1).
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/log.h"
#include "cli/run.h"
#include "client/client.h"

/* A parent may have closed some of these; what we open must not become one of them. */
static bool standard_descriptors_open(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

static int usage_error(const struct args *args, const struct adit_error *err)
{
    log_set_level(LOG_LEVEL_INFO); /* -q hides what a connection says, not this */
    log_format(LOG_LEVEL_FATAL, "adit: %s", err->text);
    if (!args->has_destination)
        (void)log_write_all(STDERR_FILENO, args_usage, strlen(args_usage));
    /* To whoever wrote it an option that is not there yet is a wrong one. */
    enum adit_err e = err->code == ADIT_E_UNSUPPORTED ? ADIT_E_USAGE : err->code;
    return run_exit_status(args->options.exit_codes, e, 0);
}

static int run(const struct args *args, const struct adit_error *err)
{
    static const char version[] = "adit " ADIT_VERSION "\n";
    if (args->wants_help)
        return log_write_all(STDOUT_FILENO, args_usage, strlen(args_usage)) ? 0 : 1;
    if (args->wants_version)
        return log_write_all(STDERR_FILENO, version, strlen(version)) ? 0 : 1;
    return err->code != ADIT_E_OK ? usage_error(args, err) : run_connection(args);
}

int main(int argc, char **argv)
{
    struct args args = {0};
    struct adit_error err = {0};
    if (!standard_descriptors_open())
        return 255;
    /* First of all: the order of the algorithms, which options change, depends on what the CPU can do. */
    enum adit_err e = client_setup(&err);
    if (e == ADIT_E_OK)
        e = args_parse(&args, argc, argv, &err);
    (void)e; /* also in err */
    int status = run(&args, &err);
    args_wipe(&args);
    return status;
}
