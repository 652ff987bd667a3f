/* Processors that go offline and come back under running jobs. The kernel tells changes at once
 * (uevents, not in every container), and every heartbeat and every new lease looks as well. What
 * the kernel does to a job: it goes on with the cores that are left, and with none left anywhere.
 * The scheduler gives a core that is offline to nobody, and a shepherd takes back one that returns.
 */
#include "common/base/pure/mem.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UEVENT_GROUP = 1, UEVENT_BYTES = 8192 };

/* One file for all; a shepherd reads it too. */
static bool read_online(char *to, size_t size)
{
    int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, to, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    to[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* ---- leases ---- */

void cores_bind(struct lease *l)
{
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_BIND, 0, 0, 0);
    if (l->state < LEASE_DYING && !l->is_dropped)
        shepherd_link_send(l, &cmd, -1);
}

static void say_lost(const struct lease *l, const struct bitset *lost)
{
    struct bitset own CQ_CLEANUP(bitset_fini) = {0}, left CQ_CLEANUP(bitset_fini) = {0};
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    bitset_copy(&own, &l->cores);
    bitset_and(&own, lost);
    if (bitset_count(&own) == 0 || !lease_is_in_use(l))
        return;
    bitset_copy(&left, &l->cores);
    bitset_and(&left, &l->agent->topology.cores);
    bitset_format(&own, &text);
    log_warn("lease.cores lease=%llu offline=%s left=%zu%s", (unsigned long long)l->id,
             cq_str_text(&text), bitset_count(&left),
             bitset_count(&left) ? "" : " why=\"it runs on the cores of others until it ends\"");
}

static void tell_leases(struct agent *a, const struct bitset *lost)
{
    size_t at = 0;
    void *value;
    while (map_next(&a->leases, &at, &value)) {
        say_lost(value, lost);
        cores_bind(value); /* a thread of its cores may be back too */
    }
}

/* ---- the machine ---- */

static void say(const char *event, const struct bitset *cores)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    bitset_format(cores, &text);
    if (text.len)
        log_warn("%s cores=%s", event, cq_str_text(&text));
}

void cores_look(struct agent *a)
{
    char online[sizeof a->online];
    struct cq_err err;
    struct bitset lost CQ_CLEANUP(bitset_fini) = {0}, back CQ_CLEANUP(bitset_fini) = {0};
    if (!a->topology.is_real || !read_online(online, sizeof online)
        || strcmp(online, a->online) == 0)
        return;
    bitset_copy(&lost, &a->topology.cores);
    if (topology_renew(&a->options.topology, &a->topology, &err) != 0) {
        log_error("cores.look error=\"%s\"", err.text); /* again at the next heartbeat */
        return;
    }
    (void)cq_copy_text(a->online, sizeof a->online, online);
    bitset_copy(&back, &a->topology.cores);
    bitset_and_not(&back, &lost);
    bitset_and_not(&lost, &a->topology.cores);
    say("cores.offline", &lost);
    say("cores.online", &back);
    tell_leases(a, &lost);
    if (bitset_count(&lost) + bitset_count(&back) > 0)
        session_tell_cores(a);
}

/* ---- uevents ---- */

static void on_uevent(void *arg, int fd, CQ_UNUSED unsigned events)
{
    char text[UEVENT_BYTES];
    bool is_ours = false;
    for (;;) {
        ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        is_ours |= n < 0 && errno == ENOBUFS; /* some were lost */
        if (n < 0)
            break;
        text[n] = '\0';
        is_ours |= strstr(text, "@/devices/system/cpu/cpu") != NULL;
    }
    if (is_ours)
        cores_look(arg);
}

void cores_init(struct agent *a)
{
    a->uevent_fd = -1;
    (void)read_online(a->online, sizeof a->online);
}

void cores_start(struct agent *a)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP};
    if (!a->topology.is_real)
        return;
    a->uevent_fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (a->uevent_fd >= 0 && bind(a->uevent_fd, (struct sockaddr *)&at, sizeof at) == 0)
        a->uevent_watch = loop_fd_new(a->loop, a->uevent_fd, LOOP_READ, on_uevent, a);
}

void cores_stop(struct agent *a)
{
    loop_fd_close(a->uevent_watch);
    if (a->uevent_fd >= 0)
        close(a->uevent_fd);
    a->uevent_watch = NULL;
    a->uevent_fd = -1;
}
