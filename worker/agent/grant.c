/* What the scheduler orders: leases, more attempts, closings, kills. Orders of an older reign, and
 * grants that cannot be honoured, are refused with the reason. */
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"
#include "worker/lease/journal.h"
#include "worker/lease/lease_spec.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINK_BUFFER_BYTES = 1 << 20 };

void grant_refuse(struct agent *a, uint64_t epoch, uint64_t lease, const char *text)
{
    struct msg m = {.code = MSG_LEASE_REFUSE,
                    .u.lease_refuse = {.epoch = epoch, .lease = lease, .text = text}};
    report_flush(
        a); /* a refusal says that nothing runs: it must not overtake the ends that say so */
    log_warn("lease.refuse lease=%llu why=\"%s\"", (unsigned long long)lease, text);
    if (!session_send(a, &m))
        zsock_reconnect(a->socket); /* the next HELLO says what is held */
}

static void free_job(struct lease_job *job)
{
    free(job->error);
    free(job->place);
    free(job);
}

static void take_order(struct lease *l, const struct run_order *o)
{
    struct cq_err err;
    uint32_t flags = 0;
    int fd = order_build(l, o, &flags, &err);
    struct lease_job *job = CQ_NEW(struct lease_job);
    *job = (struct lease_job){.job = o->job, .flags = flags};
    job->place = path_format("%s/%llu", o->enterprise, (unsigned long long)o->number);
    if (fd < 0) {
        job->error = cq_strdup(err.text);
        log_warn("lease.order lease=%llu job=%llu error=\"%s\"", (unsigned long long)l->id,
                 (unsigned long long)o->number, err.text);
    }
    struct lease_job *old = map_find(&l->jobs, o->job);
    map_put(&l->jobs, o->job, job);
    if (old)
        free_job(old);
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_ORDER, o->job, 0, 0);
    if (fd >= 0)
        shepherd_link_send(l, &cmd, fd);
}

static void take_attempt(struct lease *l, const struct attempt_ref *ref)
{
    if (ref->job == 0 || attempt_find(l->agent, ref->job, ref->task, ref->attempt))
        return; /* sent twice */
    struct attempt *t = attempt_add(l, ref->job, ref->task, ref->attempt);
    const struct lease_job *job = map_find(&l->jobs, ref->job);
    if (job) {
        t->place = path_format("%s/%llu", job->place, (unsigned long long)ref->task);
        t->flags = job->flags;
    }
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_QUEUE, ref->job, ref->task, ref->attempt);
    shepherd_link_send(l, &cmd, -1);
}

static void take_work(struct lease *l, const struct run_order *orders, size_t n_orders,
                      const struct attempt_ref *attempts, size_t n_attempts)
{
    for (size_t i = 0; i < n_orders; i++)
        if (orders[i].job)
            take_order(l, &orders[i]);
    for (size_t i = 0; i < n_attempts; i++)
        take_attempt(l, &attempts[i]);
}

/* Cores of every lease that may still run something. */
static void cores_in_use(struct agent *a, struct bitset *out)
{
    size_t at = 0;
    void *value;
    while (map_next(&a->leases, &at, &value))
        if (lease_is_in_use(value))
            bitset_or(out, &((struct lease *)value)->cores);
}

static int check_cores(struct agent *a, const struct bitset *wanted, struct cq_err *err)
{
    struct bitset missing = {0}, used = {0};
    int failed = 0;
    cores_look(a);
    bitset_copy(&missing, wanted);
    bitset_and_not(&missing, &a->topology.cores);
    cores_in_use(a, &used);
    if (bitset_count(wanted) == 0)
        failed = cq_fail(err, CQ_E_INVALID, "the grant names no core");
    else if (bitset_intersects(&missing, &a->topology.chosen))
        failed = cq_fail(err, CQ_E_CONFLICT, "the grant names cores that are offline");
    else if (bitset_count(&missing) > 0)
        failed = cq_fail(err, CQ_E_INVALID, "the grant names cores that this worker does not have");
    else if (bitset_intersects(wanted, &used))
        failed = cq_fail(err, CQ_E_CONFLICT, "the grant names cores that are in use");
    bitset_fini(&missing);
    bitset_fini(&used);
    return failed;
}

/* What the scheduler counts as free may still be held by what is being killed here. */
static int check_memory(struct agent *a, uint64_t wanted_mib, struct cq_err *err)
{
    uint64_t used_mib = 0;
    size_t at = 0;
    void *value;
    if (wanted_mib > a->topology.mem_mib)
        return cq_fail(err, CQ_E_INVALID, "the grant names more memory than this worker has");
    while (map_next(&a->leases, &at, &value))
        if (lease_is_in_use(value))
            used_mib += ((struct lease *)value)->mem_mib;
    if (used_mib + wanted_mib > a->topology.mem_mib)
        return cq_fail(err, CQ_E_CONFLICT, "the grant names memory that is in use");
    return 0;
}

/* When the lease ends, counted from when the heartbeat was sent that the scheduler had last. */
static int check_time(struct agent *a, uint64_t heartbeat, int64_t *until_us, struct cq_err *err)
{
    int64_t sent_us = session_heartbeat_sent_us(a, heartbeat);
    if (sent_us == 0)
        return cq_fail(err, CQ_E_STALE, "the grant names a heartbeat that was not sent");
    *until_us = sent_us + a->lease_us;
    if (clock_mono_us() >= *until_us)
        return cq_fail(err, CQ_E_STALE, "the grant came after its lease ran out");
    return 0;
}

static int make_journal(struct lease *l, struct cq_err *err)
{
    char name[64];
    struct lease_header h = {.lease = l->id,
                             .epoch = l->epoch,
                             .keeper_slot = UINT32_MAX,
                             .mem_mib = l->mem_mib,
                             .boot_id = l->agent->boot_id,
                             .made_us = loop_now(l->agent->loop).wall_us};
    (void)cq_copy_text(h.cores, sizeof h.cores, l->cores_text);
    snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)l->id);
    return journal_make(l->agent->leases_fd, name, &h, err);
}

static int make_spec(const struct lease *l, struct cq_err *err)
{
    struct lease_spec spec = {.lease = l->id,
                              .epoch = l->epoch,
                              .mem_mib = l->mem_mib,
                              .cores = bitset_count(&l->cores),
                              .membind = l->membind,
                              .until_us = l->until_us};
    struct cq_str cpus = {0}, mems = {0}, flat = {0};
    bool is_all_round = l->membind == MEMBIND_INTERLEAVE;
    topology_cpus(&l->agent->topology, &l->cores, l->smt, &cpus);
    topology_mems(&l->agent->topology, is_all_round ? &l->agent->topology.cores : &l->cores, &mems);
    (void)cq_copy_text(spec.cpus, sizeof spec.cpus, cq_str_text(&cpus));
    (void)cq_copy_text(spec.mems, sizeof spec.mems, cq_str_text(&mems));
    (void)cq_copy_text(spec.dir, sizeof spec.dir, l->agent->options.dir);
    lease_spec_encode(&spec, &flat);
    int fd = sealed_memory_make("chipq-lease", flat.data, flat.len, err);
    cq_str_fini(&cpus);
    cq_str_fini(&mems);
    cq_str_fini(&flat);
    return fd;
}

/* Hands the lease to execd; the shepherd inherits the journal's lock and our socket. */
static int start_shepherd(struct lease *l, struct cq_err *err)
{
    int pair[2] = {-1, -1}, buffer = LINK_BUFFER_BYTES, failed = 0;
    int fds[EXECD_START_FDS] = {-1, -1, -1};
    if ((fds[2] = make_journal(l, err)) < 0 || (fds[0] = make_spec(l, err)) < 0) {
        failed = -1;
    } else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        failed = cq_fail_errno(err, CQ_E_IO, errno, "cannot make a socket");
    } else {
        (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        fds[1] = pair[1];
        (void)CQ_FP("worker.order.before_start");
        if (execd_link_start(l->agent, l->id, fds) != 0)
            failed = cq_fail_errno(err, CQ_E_IO, errno, "chipq-execd does not answer");
        (void)CQ_FP("worker.order.after_start");
    }
    for (size_t i = 0; i < EXECD_START_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (failed && pair[0] >= 0)
        close(pair[0]);
    else if (!failed)
        shepherd_link_adopt_fd(l, pair[0]);
    return failed;
}

static void remove_journal(struct agent *a, uint64_t lease)
{
    char name[64];
    snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)lease);
    (void)unlinkat(a->leases_fd, name, 0);
}

static struct lease *open_lease(struct agent *a, const struct msg_lease_grant *m,
                                struct bitset *cores, struct cq_err *err)
{
    int64_t until_us = 0;
    if (check_time(a, m->heartbeat, &until_us, err) != 0 || check_cores(a, cores, err) != 0
        || check_memory(a, m->mem_mib, err) != 0)
        return NULL;
    struct lease *l = lease_new(a, m->lease, m->epoch);
    l->mem_mib = m->mem_mib;
    l->smt = m->smt == 1 ? 1 : 0; /* 0 and 2 are all */
    l->membind = m->membind;
    l->until_us = until_us;
    l->is_execds = true;
    bitset_copy(&l->cores, cores);
    l->cores_text = cq_strdup(m->cores);
    if (start_shepherd(l, err) == 0)
        return l;
    if (err->code != CQ_E_CONFLICT) /* a journal of that name is somebody else's */
        remove_journal(a, l->id);
    lease_forget(l);
    return NULL;
}

static bool is_of_old_reign(struct agent *a, uint64_t epoch, uint64_t lease)
{
    if (epoch >= a->epoch)
        return false;
    grant_refuse(a, epoch, lease, "the order is from an older reign of the scheduler");
    return true;
}

void grant_lease(struct agent *a, const struct msg_lease_grant *m)
{
    struct bitset cores = {0};
    struct cq_err err = {.code = CQ_OK};
    (void)CQ_FP("worker.order.after_recv");
    if (m->lease == 0 || is_of_old_reign(a, m->epoch, m->lease))
        return;
    if (m->heartbeat < a->hello) { /* from before our HELLO, which has settled it */
        log_info("lease.grant lease=%llu why=\"it is older than the last HELLO\"",
                 (unsigned long long)m->lease);
        return;
    }
    struct lease *l = lease_find(a, m->lease);
    bool is_new = l == NULL;
    if (a->is_stopping) {
        grant_refuse(a, m->epoch, m->lease, "the pool is being stopped");
        return;
    }
    if (is_new && bitset_parse(m->cores, &cores, &err) == 0)
        l = open_lease(a, m, &cores, &err);
    bitset_fini(&cores);
    if (l == NULL || l->state >= LEASE_DYING || l->is_dropped) {
        grant_refuse(a, m->epoch, m->lease, l ? "this lease is over" : err.text);
        return;
    }
    if (is_new)
        log_debug("lease.grant lease=%llu cores=%s attempts=%zu", (unsigned long long)l->id,
                  l->cores_text, m->n_attempts);
    take_work(l, m->orders, m->n_orders, m->attempts, m->n_attempts);
}

void grant_extend(struct agent *a, const struct msg_lease_extend *m)
{
    struct lease *l = lease_find(a, m->lease);
    if (is_of_old_reign(a, m->epoch, m->lease))
        return;
    if (l == NULL || l->state >= LEASE_DYING || l->is_dropped)
        grant_refuse(a, m->epoch, m->lease, "this worker does not hold that lease any more");
    else
        take_work(l, m->orders, m->n_orders, m->attempts, m->n_attempts);
}

void grant_close(struct agent *a, const struct msg_lease_close *m)
{
    struct lease *l = lease_find(a, m->lease);
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_CLOSE, 0, 0, 0);
    if (l == NULL || m->epoch < a->epoch)
        return;
    l->is_closed = true;
    if (l->state < LEASE_DYING)
        shepherd_link_send(l, &cmd, -1);
}

void grant_kill(struct agent *a, const struct msg_attempt_kill *m)
{
    struct attempt *t = attempt_find(a, m->job, m->task, m->attempt);
    if (t == NULL || t->lease->id != m->lease || m->epoch < a->epoch || t->state == ATTEMPT_ENDED)
        return; /* its end is on the way, or was never here and the next HELLO says so */
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_KILL, m->job, m->task, m->attempt);
    (void)cq_copy_text(cmd.cause, sizeof cmd.cause, m->cause && m->cause[0] ? m->cause : "killed");
    shepherd_link_send(t->lease, &cmd, -1);
}
