#define _GNU_SOURCE /* unshare */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/sock.h"
#include "net/watch.h"

/* ---- A network of our own, which may be changed: a namespace, in a child --------------------------- */

enum { CHILD_CANNOT = 77 };

static void must(bool condition, const char *what, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, line, what, strerror(errno));
    _exit(1);
}
#define MUST(condition) must(condition, #condition, __LINE__)

/* Runs it in a child; there MUST, here the verdict. */
static void in_child(void (*run)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_CANNOT)
        skip(); /* the child said why */
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void cannot(const char *why)
{
    fprintf(stderr, "skipped: %s: %s\n", why, strerror(errno));
    _exit(CHILD_CANNOT);
}

struct request {
    struct nlmsghdr head;
    uint8_t rest[256];
};

static void put(struct request *r, const void *p, size_t n)
{
    MUST(r->head.nlmsg_len + n <= sizeof *r);
    memcpy((uint8_t *)r + r->head.nlmsg_len, p, n);
    r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len + (uint32_t)n);
}

static void attribute(struct request *r, uint16_t type, const void *p, size_t n)
{
    const struct rtattr a = {.rta_len = (uint16_t)(sizeof a + n), .rta_type = type};
    put(r, &a, sizeof a);
    put(r, p, n);
}

static struct request request(uint16_t type, uint16_t flags, const void *body, size_t n)
{
    struct request r = {.head = {.nlmsg_len = NLMSG_HDRLEN,
                                 .nlmsg_type = type,
                                 .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)}};
    put(&r, body, n);
    return r;
}

/* Sends it and waits for the kernel's answer, by when it has told everybody. 0, or errno. */
static int ask(const struct request *r)
{
    static int fd = -1;
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t more[512];
    } answer;
    if (fd < 0)
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, r, r->head.nlmsg_len, 0) < 0)
        return errno;
    ssize_t n = recv(fd, &answer, sizeof answer, 0);
    MUST(n >= (ssize_t)(sizeof answer.head + sizeof answer.error) && answer.head.nlmsg_type == NLMSG_ERROR);
    return -answer.error.error;
}

static int set_flag(const char *name, unsigned flag, bool is_on)
{
    const struct ifinfomsg body = {
        .ifi_index = (int)if_nametoindex(name), .ifi_flags = is_on ? flag : 0, .ifi_change = flag};
    struct request r = request(RTM_NEWLINK, 0, &body, sizeof body);
    return ask(&r);
}

static int set_link(const char *name, bool is_up)
{
    return set_flag(name, IFF_UP, is_up);
}

static int set_ip(const char *name, const uint8_t ip[4], bool is_there)
{
    const struct ifaddrmsg body = {
        .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = if_nametoindex(name)};
    struct request r =
        request(is_there ? RTM_NEWADDR : RTM_DELADDR, is_there ? NLM_F_CREATE : 0, &body, sizeof body);
    attribute(&r, IFA_LOCAL, ip, 4);
    attribute(&r, IFA_ADDRESS, ip, 4);
    return ask(&r);
}

static int set_address(const char *name, uint8_t last, bool is_there)
{
    return set_ip(name, (uint8_t[]){192, 0, 2, last}, is_there);
}

static int set_default_route(uint8_t gateway, bool is_there)
{
    const struct rtmsg body = {.rtm_family = AF_INET,
                               .rtm_table = RT_TABLE_MAIN,
                               .rtm_protocol = RTPROT_STATIC,
                               .rtm_type = RTN_UNICAST};
    const uint8_t address[4] = {192, 0, 2, gateway};
    struct request r =
        request(is_there ? RTM_NEWROUTE : RTM_DELROUTE, is_there ? NLM_F_CREATE : 0, &body, sizeof body);
    attribute(&r, RTA_GATEWAY, address, 4);
    return ask(&r);
}

/* Two ends of a cable. */
static int make_cable(void)
{
    const struct ifinfomsg body = {0};
    struct {
        struct rtattr peer;
        struct ifinfomsg body;
        struct rtattr name;
        char text[8];
    } far = {.peer = {sizeof far, VETH_INFO_PEER},
             .name = {sizeof far.name + sizeof far.text, IFLA_IFNAME},
             .text = "far"};
    struct {
        struct rtattr kind;
        char text[4];
        struct rtattr data;
        uint8_t far[sizeof far];
    } info = {.kind = {sizeof info.kind + 4, IFLA_INFO_KIND},
              .data = {sizeof info.data + sizeof far, IFLA_INFO_DATA}};
    memcpy(info.text, "veth", 4);
    memcpy(info.far, &far, sizeof far);
    struct request r = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
    attribute(&r, IFLA_IFNAME, "near", 5);
    attribute(&r, IFLA_LINKINFO, &info, sizeof info);
    return ask(&r);
}

/* Addresses of IPv6 come and go by themselves. */
static void without_ipv6(void)
{
    int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1", 1) != 1)
        cannot("no setting without IPv6");
    sock_close(&fd);
}

static void own_network(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        cannot("no network of our own");
    without_ipv6();
    errno = set_link("lo", true);
    if (errno != 0)
        cannot("netlink takes no requests");
}

static void cable_network(void)
{
    own_network();
    errno = make_cable();
    if (errno != 0)
        cannot("no virtual cable");
}

static void watch_start(struct watch *w)
{
    struct adit_error err = {0};
    MUST(watch_init(w, &err) == ADIT_E_OK);
    if (w->netlink_fd < 0)
        cannot("no netlink groups");
    MUST(watch_take(w) == 0);
}

static bool has_flag(const char *name, short flag)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strncpy(r.ifr_name, name, sizeof r.ifr_name - 1);
    MUST(fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0);
    sock_close(&fd);
    return r.ifr_flags & flag;
}

/* The kernel looks at a cable a little after it was plugged in or pulled, and says so. */
static void until_running(struct watch *w, const char *name, bool is_wanted)
{
    bool has_changed = false;
    while (has_flag(name, IFF_RUNNING) != is_wanted || !has_changed) {
        struct pollfd p = {.fd = watch_fd(w), .events = POLLIN};
        MUST(poll(&p, 1, -1) == 1);
        has_changed |= watch_take(w) == WATCH_NETWORK;
    }
}

/* ---- Changes */

static void addresses(void)
{
    struct watch w;
    own_network();
    watch_start(&w);
    MUST(set_address("lo", 7, true) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK);
    MUST(watch_take(&w) == 0);
    MUST(set_address("lo", 7, false) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK);
    /* Several are one. */
    MUST(set_address("lo", 8, true) == 0 && set_address("lo", 9, true) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK);
    MUST(watch_take(&w) == 0);
    watch_wipe(&w);
}

static void test_addresses(void **state)
{
    (void)state;
    in_child(addresses);
}

static void links_and_routes(void)
{
    struct watch w;
    cable_network();
    watch_start(&w);
    MUST(set_address("near", 1, true) == 0 && set_link("near", true) == 0 && set_link("far", true) == 0);
    until_running(&w, "near", true);
    MUST(set_default_route(2, true) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK);
    MUST(set_default_route(2, false) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK);
    /* The cable is pulled at the other end. */
    MUST(set_link("far", false) == 0);
    until_running(&w, "near", false);
    watch_wipe(&w);
}

static void test_links_and_routes(void **state)
{
    (void)state;
    in_child(links_and_routes);
}

/* As its users have it: in a loop, by edges. */
static void in_a_loop(void)
{
    struct adit_error err = {0};
    struct loop loop;
    struct loop_fd f;
    struct watch w;
    own_network();
    watch_start(&w);
    MUST(loop_init(&loop, &err) == ADIT_E_OK);
    loop_fd_init(&f, 0, NULL);
    MUST(loop_add(&loop, &f, watch_fd(&w), &err) == ADIT_E_OK);
    while (loop_wait(&loop, 0, &err) == ADIT_E_OK && loop_next(&loop))
        loop_fd_not_readable(&f);
    for (uint8_t i = 1; i < 5; i++) {
        MUST(set_address("lo", i, true) == 0);
        MUST(loop_wait(&loop, LOOP_NEVER, &err) == ADIT_E_OK);
        MUST(loop_next(&loop) == &f && f.can_read);
        MUST(watch_take(&w) == WATCH_NETWORK);
        loop_fd_not_readable(&f);
    }
    loop_del(&loop, &f);
    loop_wipe(&loop);
    watch_wipe(&w);
}

static void test_in_a_loop(void **state)
{
    (void)state;
    in_child(in_a_loop);
}

/* All was taken: for what is left, no edge would come. */
static bool is_drained(const struct watch *w)
{
    char byte;
    return recv(w->netlink_fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* More than the kernel keeps for us: what was lost may have been a change, and the next one is told too. */
static void overflow(void)
{
    struct watch w;
    int small = 1;
    own_network();
    watch_start(&w);
    MUST(set_flag("lo", IFF_PROMISC, true) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK); /* the first that is said of this link */
    for (int i = 0; i < 4; i++)
        MUST(set_flag("lo", IFF_PROMISC, i % 2) == 0);
    MUST(watch_take(&w) == 0);
    MUST(setsockopt(w.netlink_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    for (int i = 0; i < 200; i++)
        MUST(set_flag("lo", IFF_PROMISC, i % 2) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK);
    MUST(is_drained(&w));
    MUST(watch_take(&w) == 0);
    MUST(set_address("lo", 6, true) == 0);
    MUST(watch_take(&w) == WATCH_NETWORK);
    watch_wipe(&w);
}

static void test_overflow(void **state)
{
    (void)state;
    in_child(overflow);
}

/* Somebody else sends what the kernel would say. */
static void forged(void)
{
    struct sockaddr_nl to;
    socklen_t to_len = sizeof to;
    const struct ifinfomsg body = {.ifi_index = 99, .ifi_flags = IFF_UP | IFF_RUNNING};
    struct request r = request(RTM_NEWLINK, 0, &body, sizeof body);
    struct watch w;
    own_network();
    watch_start(&w);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    MUST(getsockname(w.netlink_fd, (struct sockaddr *)&to, &to_len) == 0);
    MUST(sendto(fd, &r, r.head.nlmsg_len, 0, (struct sockaddr *)&to, sizeof to) > 0);
    MUST(watch_take(&w) == 0);
    MUST(is_drained(&w)); /* it had come */
    sock_close(&fd);
    watch_wipe(&w);
}

static void test_forged(void **state)
{
    (void)state;
    in_child(forged);
}

/* ---- What the system does not have */

static void no_netlink(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {ADIT_COUNT(code), code};
    struct adit_error err = {0};
    struct watch w;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        cannot("no seccomp");
    errno = 0;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd >= 0)
        cannot("seccomp does not see socket()");
    MUST(watch_init(&w, &err) == ADIT_E_OK);
    MUST(w.netlink_fd == -1 && watch_fd(&w) >= 0);
    MUST(watch_take(&w) == 0);
    w.asleep_ms -= 2 * WATCH_ASLEEP_MS; /* the clocks are still there */
    MUST(watch_take(&w) == WATCH_RESUMED);
    MUST(watch_has_route("server.example")); /* who knows */
    watch_wipe(&w);
    watch_wipe(&w);
}

static void test_no_netlink(void **state)
{
    (void)state;
    in_child(no_netlink);
}

/* ---- Sleep */

static void test_resumed(void **state)
{
    (void)state;
    struct adit_error err = {0};
    struct watch w;
    assert_int_equal(watch_init(&w, &err), ADIT_E_OK);
    assert_int_equal(watch_take(&w) & WATCH_RESUMED, 0);
    if (w.asleep_ms < 0)
        skip(); /* an emulator without CLOCK_BOOTTIME */
    /* As if it had slept since, and more than just long enough: the two clocks are not read in one instant.
     * Less than a second is no sleep. */
    w.asleep_ms -= 2 * WATCH_ASLEEP_MS;
    assert_int_equal(watch_take(&w) & WATCH_RESUMED, WATCH_RESUMED);
    assert_int_equal(watch_take(&w) & WATCH_RESUMED, 0);
    w.asleep_ms -= WATCH_ASLEEP_MS / 2;
    assert_int_equal(watch_take(&w) & WATCH_RESUMED, 0);
    watch_wipe(&w);
}

/* ---- Routes */

static void routes(void)
{
    struct watch w;
    cable_network();
    watch_start(&w);
    MUST(watch_has_route("127.0.0.1") && watch_has_route("localhost") && watch_has_route("LocalHost"));
    MUST(!watch_has_route("192.0.2.9") && !watch_has_route("2001:db8::1"));
    MUST(!watch_has_route("server.example") && !watch_has_route(NULL));
    /* An address of loopback's does not lead anywhere, nor does one whose cable has no other end. */
    MUST(set_address("lo", 77, true) == 0);
    MUST(!watch_has_route("server.example") && watch_has_route("192.0.2.77"));
    MUST(set_address("lo", 77, false) == 0);
    MUST(set_address("near", 1, true) == 0 && set_link("near", true) == 0);
    until_running(&w, "near", false);
    MUST(!watch_has_route("192.0.2.9") && !watch_has_route("server.example"));
    MUST(set_link("far", true) == 0);
    until_running(&w, "near", true);
    MUST(set_address("near", 1, false) == 0 && set_ip("near", (uint8_t[]){169, 254, 1, 1}, true) == 0);
    MUST(watch_has_route("169.254.1.9") && !watch_has_route("server.example"));
    MUST(set_address("near", 1, true) == 0);
    MUST(watch_has_route("192.0.2.9") && watch_has_route("server.example") && watch_has_route(NULL));
    MUST(!watch_has_route("198.51.100.1"));
    MUST(set_default_route(2, true) == 0);
    MUST(watch_has_route("198.51.100.1") && watch_has_route("::ffff:198.51.100.1"));
    /* Pulled: the kernel keeps address and route. */
    MUST(set_link("far", false) == 0);
    until_running(&w, "near", false);
    MUST(!watch_has_route("198.51.100.1") && !watch_has_route("server.example"));
    MUST(watch_has_route("192.0.2.1")); /* ourselves */
    watch_wipe(&w);
}

static void test_routes(void **state)
{
    (void)state;
    in_child(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_links_and_routes),
        cmocka_unit_test(test_in_a_loop), cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_forged),    cmocka_unit_test(test_no_netlink),
        cmocka_unit_test(test_resumed),   cmocka_unit_test(test_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
