/* Shepherds: started on the agent's word, reaped here, ended with us. */
#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/log.h"
#include "worker/execd/execd.h"
#include "worker/lease/journal.h"
#include "worker/lease/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FIRST_FREE_FD = 16,
    ORPHANS_MAX = 4096,
    STOP_WAIT_US = 5 * 1000 * 1000,
    LEFTOVER_ROUNDS = 1000
};

static const char *const passed_names[] = {
    "CQ_FAILPOINTS=", "CQ_FAILPOINTS_LOG=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};

/* A shepherd needs no environment; builds for tests read these. */
static void fill_environment(char **to, size_t size)
{
    size_t n = 0;
    for (char **e = environ; *e; e++)
        for (size_t i = 0; i < CQ_COUNT(passed_names) && n + 1 < size; i++)
            if (strncmp(*e, passed_names[i], strlen(passed_names[i])) == 0)
                to[n++] = *e;
    to[n] = NULL;
}

static struct shepherd_child *find_lease(struct execd *x, uint64_t lease)
{
    for (size_t i = 0; i < x->n_children; i++)
        if (x->children[i].lease == lease && x->children[i].state == CHILD_LIVES)
            return &x->children[i];
    return NULL;
}

static pid_t start_one(struct execd *x, uint64_t lease, const int fds[EXECD_START_FDS],
                       const struct group *g)
{
    char name[48], *env[8];
    CQ_CLEANUP(cq_free_ptr) char *program = NULL;
    if (asprintf(&program, "%s/chipq-shepherd", x->bin_dir) < 0)
        abort();
    snprintf(name, sizeof name, "lease-%llu", (unsigned long long)lease);
    const char *mode = x->keeper == KEEPER_USER_NAMESPACE ? "--user-namespace" : "--lease";
    char *argv[] = {(char *)"chipq-shepherd", (char *)mode, name, NULL};
    fill_environment(env, CQ_COUNT(env));
    struct isolated i = {.keeper = x->keeper,
                         .leases_fd = x->leases_fd,
                         .null_fd = x->null_fd,
                         .born_fd = group_born_fd(&x->slots.root, g),
                         .program = program,
                         .argv = argv,
                         .env = env};
    memcpy(i.group_fds, g->fd, sizeof i.group_fds);
    for (size_t k = 0; k < EXECD_START_FDS; k++)
        i.fds[k] = fcntl(fds[k], F_DUPFD_CLOEXEC, FIRST_FREE_FD); /* clear of 3..10 */
    pid_t pid = isolate_start(&i);
    int why = errno;
    for (size_t k = 0; k < EXECD_START_FDS; k++)
        close(i.fds[k]);
    errno = why;
    return pid;
}

static void add_child(struct execd *x, uint64_t lease, pid_t pid, const struct group *g)
{
    cq_grow(&x->children, &x->children_cap, x->n_children);
    x->children[x->n_children++] = (struct shepherd_child){.lease = lease, .pid = pid, .group = *g};
}

void shepherds_start(struct execd *x, uint64_t lease, const int fds[EXECD_START_FDS])
{
    struct execd_event e = {.version = EXECD_PROTO_VERSION, .type = EXECD_STARTED, .lease = lease};
    bool is_there = lease == 0 || find_lease(x, lease) != NULL;
    struct group g = {.slot = SLOT_NONE};
    if (!is_there)
        g = slots_take(&x->slots);
    pid_t pid = is_there ? -1 : start_one(x, lease, fds, &g);
    e.pid = pid;
    if (pid < 0) {
        e.type = EXECD_FAILED;
        e.error = is_there ? EEXIST : errno;
        log_error("execd.shepherd lease=%llu error=\"%s\"", (unsigned long long)lease,
                  strerror(e.error));
        slots_give(&x->slots, &g);
    } else {
        journal_set_keeper(fds[2], pid, g.slot);
        add_child(x, lease, pid, &g);
        log_debug("execd.shepherd lease=%llu pid=%ld", (unsigned long long)lease, (long)pid);
    }
    agent_process_send(x, &e);
}

void shepherds_kill(struct execd *x, uint64_t lease)
{
    struct shepherd_child *c = find_lease(x, lease);
    if (c)
        (void)kill(c->pid, SIGKILL);
}

/* Without a namespace the kernel leaves the tree alone: what came to us as orphans is killed here.
 */
static void kill_leftovers(struct execd *x, uint32_t slot)
{
    for (int i = 0; slot != SLOT_NONE && i < LEFTOVER_ROUNDS; i++)
        if (group_kill(&x->slots.root, slot))
            (void)usleep(1000);
        else
            break;
    if (x->keeper != KEEPER_SUBREAPER)
        return;
    size_t n = 0;
    pid_t *spare = cq_calloc(x->n_children + 1, sizeof *spare);
    if (x->agent_pid > 0)
        spare[n++] = x->agent_pid;
    for (size_t i = 0; i < x->n_children; i++)
        if (x->children[i].state == CHILD_LIVES)
            spare[n++] = x->children[i].pid;
    for (int i = 0; i < LEFTOVER_ROUNDS && tree_kill_descendants(spare, n) > 0; i++)
        (void)usleep(1000);
    free(spare);
}

bool shepherds_ended(struct execd *x, pid_t pid, int status)
{
    for (size_t i = 0; i < x->n_children; i++) {
        struct shepherd_child *c = &x->children[i];
        if (c->pid != pid || c->state != CHILD_LIVES)
            continue;
        c->state = CHILD_ENDED;
        c->status = status;
        if (x->keeper == KEEPER_CONTROL_GROUP || x->keeper == KEEPER_SUBREAPER)
            kill_leftovers(x, c->group.slot);
        slots_give(&x->slots, &c->group);
        return true;
    }
    return false;
}

void shepherds_tell(struct execd *x)
{
    for (size_t i = 0; i < x->n_children; i++) {
        struct shepherd_child *c = &x->children[i];
        if (c->state != CHILD_ENDED)
            continue;
        struct execd_event e = {.version = EXECD_PROTO_VERSION,
                                .type = EXECD_ENDED,
                                .lease = c->lease,
                                .pid = c->pid,
                                .status = c->status};
        agent_process_send(x, &e); /* with no agent: the next one finds the journal unlocked */
        x->children[i--] = x->children[--x->n_children];
    }
}

/* True when this pid is a shepherd's: a stranger's number in a journal must not get it killed. */
static bool is_shepherd(int64_t pid)
{
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%lld/exe", (long long)pid);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *base = strrchr(target, '/');
    return base && cq_str_starts(base + 1, "chipq-shepherd");
}

/* From here on the next agent knows that its attempts were ended by us, on purpose. */
static void mark_stopped(int journal_fd, uint64_t lease)
{
    struct lease_record stop = {
        .version = LEASE_RECORD_VERSION, .type = LEASE_REC_STOP, .lease = lease};
    struct cq_err err;
    if (journal_fd >= 0 && journal_append(journal_fd, &stop, false, &err) != 0)
        log_warn("execd.stop lease=%llu error=\"%s\"", (unsigned long long)lease, err.text);
}

static void mark_child_stopped(const struct execd *x, uint64_t lease)
{
    char name[64];
    snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)lease);
    int fd = openat(x->leases_fd, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    mark_stopped(fd, lease);
    if (fd >= 0)
        close(fd);
}

/* Shepherds of an execd before us. Returns a pidfd, or -1. */
static int kill_orphan(struct execd *x, const char *name)
{
    struct lease_header header;
    int fd = openat(x->leases_fd, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW), pid_fd = -1;
    if (fd >= 0 && journal_read_header(fd, &header, NULL) == 0
        && find_lease(x, header.lease) == NULL && journal_keeper_lives(&header)
        && is_shepherd(header.keeper_pid)) {
        mark_stopped(fd, header.lease);
        pid_fd = (int)syscall(SYS_pidfd_open, (pid_t)header.keeper_pid, 0U);
        if (pid_fd >= 0 && journal_keeper_lives(&header))
            (void)syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0U);
        if (header.keeper_slot != SLOT_NONE)
            (void)group_kill(&x->slots.root, header.keeper_slot);
    }
    if (fd >= 0)
        close(fd);
    return pid_fd;
}

static size_t kill_orphans(struct execd *x, struct pollfd *fds)
{
    size_t n = 0;
    int copy = openat(x->leases_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && n < ORPHANS_MAX; e = readdir(dir)) {
        const char *dot = strrchr(e->d_name, '.');
        int fd = dot && strcmp(dot, ".journal") == 0 ? kill_orphan(x, e->d_name) : -1;
        if (fd >= 0)
            fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    if (dir)
        closedir(dir);
    return n;
}

static void wait_for(struct pollfd *p, int64_t until_us)
{
    int64_t left_us = until_us - clock_mono_us();
    (void)poll(p, 1, left_us > 0 ? (int)(left_us / 1000) : 0);
    close(p->fd);
}

void shepherds_stop_all(struct execd *x)
{
    static struct pollfd orphans[ORPHANS_MAX];
    int64_t until_us = clock_mono_us() + STOP_WAIT_US;
    size_t n = kill_orphans(x, orphans), killed = n;
    for (size_t i = 0; i < x->n_children; i++) {
        if (x->children[i].state != CHILD_LIVES)
            continue;
        mark_child_stopped(x, x->children[i].lease);
        killed += kill(x->children[i].pid, SIGKILL) == 0;
    }
    for (size_t i = 0; i < x->n_children; i++) {
        int status = 0;
        pid_t pid = x->children[i].pid;
        if (x->children[i].state == CHILD_LIVES && waitpid(pid, &status, 0) == pid)
            (void)shepherds_ended(x, pid, status);
    }
    for (size_t i = 0; i < n; i++)
        wait_for(&orphans[i], until_us);
    log_info("execd.stop shepherds=%zu", killed);
}
