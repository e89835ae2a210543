#include "net/random.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static enum adit_err fail(struct adit_error *err, const char *what, int why)
{
    return adit_fail(err, ADIT_E_SYSTEM, "no randomness: %s: %s", what, strerror(why));
}

/* *known false: this kernel has no getrandom (before 3.17). */
static enum adit_err seed_by_call(uint8_t *out, size_t n, bool *known, struct adit_error *err)
{
    *known = true;
    for (size_t got = 0; got < n;) {
        ssize_t r = getrandom(out + got, n - got, 0);

        if (r > 0) {
            got += (size_t)r;
        } else if (r < 0 && errno == ENOSYS) {
            *known = false;
            return ADIT_E_OK;
        } else if (r == 0 || errno != EINTR) {
            return fail(err, "getrandom", r == 0 ? EIO : errno);
        }
    }
    return ADIT_E_OK;
}

/* A file of that name that is no device is somebody's mistake or trap, not a generator. */
static enum adit_err device_open(int *fd, const char *path, struct adit_error *err)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return fail(err, path, errno);
    if (fstat(*fd, &st) == 0 && S_ISCHR(st.st_mode))
        return ADIT_E_OK;
    close(*fd);
    return fail(err, path, ENODEV);
}

/* /dev/urandom answers even before it is seeded; /dev/random becomes readable when it is. */
static enum adit_err device_wait_seeded(struct adit_error *err)
{
    struct pollfd p = {.events = POLLIN};
    enum adit_err e = device_open(&p.fd, "/dev/random", err);
    int r;

    if (e != ADIT_E_OK)
        return e;
    do
        r = poll(&p, 1, -1);
    while (r < 0 && errno == EINTR);
    if (r != 1 || !(p.revents & POLLIN))
        e = fail(err, "/dev/random", r < 0 ? errno : EIO);
    close(p.fd);
    return e;
}

static enum adit_err seed_by_device(uint8_t *out, size_t n, struct adit_error *err)
{
    enum adit_err e = device_wait_seeded(err);
    int fd;

    if (e == ADIT_E_OK)
        e = device_open(&fd, "/dev/urandom", err);
    if (e != ADIT_E_OK)
        return e;
    for (size_t got = 0; got < n && e == ADIT_E_OK;) {
        ssize_t r = read(fd, out + got, n - got);

        if (r > 0)
            got += (size_t)r;
        else if (r == 0 || errno != EINTR)
            e = fail(err, "/dev/urandom", r == 0 ? EIO : errno);
    }
    close(fd);
    return e;
}

enum adit_err random_seed(void *out, size_t n, struct adit_error *err)
{
    bool known;
    enum adit_err e = seed_by_call(out, n, &known, err);

    if (!known)
        e = seed_by_device(out, n, err);
    if (e != ADIT_E_OK)
        adit_wipe(out, n);
    return e;
}
