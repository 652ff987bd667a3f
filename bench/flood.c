/* Promise P12: how long the submits of one enterprise take while another floods chipqd, beside how
 * long they take when it is quiet, measured in turn. */
#include "bench/enrol.h"
#include "bench/flooder.h"
#include "bench/pool.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <time.h>

enum {
    SAMPLES_MAX = 1 << 20,
    BEGIN_US = 60 * 1000 * 1000, /* patience with a flood's first answers */
    LOOK_NS = 1000 * 1000,
};

static const struct flood_shape shapes[] = {
    {.name = "arrays", .connections = 1, .jobs = 1, .array = "1-1000"},
    {.name = "jobs", .connections = 1, .jobs = 1},
    {.name = "connections", .connections = 64, .jobs = 1},
    {.name = "bytes_600", .connections = 1, .jobs = 1, .request_bytes = 600},
    {.name = "bytes_60000", .connections = 1, .jobs = 1, .request_bytes = 60000},
    {.name = "bytes_most", .connections = 1, .jobs = 4, .request_bytes = 260000},
    {.name = "jobs_most", .connections = 1, .jobs = 1000, .request_bytes = 600},
};

struct spread {
    int64_t *us;
    size_t n;
};

struct floods {
    struct bench *b;
    struct session *admin, *other; /* `other` is who must not notice */
    struct curve_key other_key, flood_key;
    struct ticket ticket;
    struct pool pool;
    const char *feature; /* of the nodes of the pool; NULL without one */
    double worst;
};

/* ---- the two enterprises ---- */

static int enrol(struct floods *f, const char *kind, struct curve_key *key, struct cq_err *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s-%s", kind, f->pool.name);
    return enrol_enterprise(f->admin, name, key, err);
}

static int revoke(struct floods *f, const char *kind, struct cq_err *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s-%s", kind, f->pool.name);
    return enrol_revoke_enterprise(f->admin, name, err);
}

static int open_sessions(struct floods *f, struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/admin.key", f->b->dir);
    if (curve_key_read(path, &f->other_key, err) != 0)
        return -1;
    f->flood_key = f->other_key; /* the same chipqd */
    f->admin = session_open(path, err);
    if (f->admin == NULL || enrol(f, "quiet", &f->other_key, err) != 0
        || enrol(f, "flood", &f->flood_key, err) != 0)
        return -1;
    f->other = session_open_key(&f->other_key, err);
    return f->other ? 0 : -1;
}

/* ---- one who submits, one job after the other ---- */

static int submit_one(struct floods *f, int64_t *us, struct cq_err *err)
{
    struct msg req, reply = {0};
    ticket_ask(&f->ticket, &req);
    int64_t begun_us = clock_mono_us();
    int rc = session_call(f->other, &req, &reply, err);
    *us = clock_mono_us() - begun_us;
    if (rc == 0 && reply.code != MSG_ACCEPTED)
        rc = cq_fail(err, CQ_E_PROTOCOL, "SUBMIT was answered with %s", msg_code_name(reply.code));
    msg_fini(&reply);
    return rc;
}

static int submit_for(struct floods *f, int64_t us, struct spread *to, struct cq_err *err)
{
    int64_t until_us = clock_mono_us() + us;
    do {
        if (to->n < SAMPLES_MAX && submit_one(f, &to->us[to->n++], err) != 0)
            return -1;
    } while (clock_mono_us() < until_us);
    return 0;
}

/* ---- one flood ---- */

static int wait_until_begun(const struct flooder *flooder, const struct flood_shape *s,
                            struct cq_err *err)
{
    const struct flooder_counts *c = flooder_counts(flooder);
    const struct timespec look = {.tv_nsec = LOOK_NS};
    int64_t until_us = clock_mono_us() + BEGIN_US;
    while (c->accepted + c->refused < s->connections && c->failed == 0
           && clock_mono_us() < until_us)
        (void)nanosleep(&look, NULL);
    if (c->accepted + c->refused >= s->connections)
        return 0;
    return cq_fail(err, CQ_E_TIMEOUT, "the flood '%s' does not begin: chipqd does not answer it",
                   s->name);
}

static void count(struct floods *f, const struct flood_shape *s, const char *what, double value)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s_%s", s->name, what);
    report_number(&f->b->report, name, value);
}

static int under_flood(struct floods *f, const struct flood_shape *s, struct spread *to,
                       struct cq_err *err)
{
    const struct flooder_options o = {
        .key = &f->flood_key, .shape = s, .feature = f->feature, .window = (size_t)f->b->window};
    struct flooder *flooder = flooder_start(f->b, &o, err);
    if (flooder == NULL)
        return -1;
    const struct flooder_counts *c = flooder_counts(flooder);
    int rc = wait_until_begun(flooder, s, err);
    int64_t begun_us = clock_mono_us();
    uint64_t accepted = c->accepted, refused = c->refused;
    if (rc == 0)
        rc = submit_for(f, (int64_t)f->b->duration_s * US_PER_S, to, err);
    double seconds = (double)(clock_mono_us() - begun_us) / 1e6;
    count(f, s, "flood_accepted_per_second", (double)(c->accepted - accepted) / seconds);
    count(f, s, "flood_refused_per_second", (double)(c->refused - refused) / seconds);
    flooder_stop(flooder);
    return rc;
}

/* What the flood sent last may still wait, and what its enterprise asks then is refused. */
static int clear_flood(struct floods *f, struct cq_err *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    int64_t until_us = clock_mono_us() + BEGIN_US;
    uint64_t jobs = 0;
    for (;;) {
        *err = (struct cq_err){0};
        struct session *s = session_open_key(&f->flood_key, err);
        int rc = s ? backlog_cancel_all(s, &jobs, err) : -1;
        session_close(s);
        if (rc == 0 || err->code != CQ_E_FULL || clock_mono_us() >= until_us)
            return rc;
        (void)nanosleep(&pause, NULL);
    }
}

static int clear(struct floods *f, struct cq_err *err)
{
    uint64_t jobs = 0;
    int rc = clear_flood(f, err);
    return rc == 0 ? backlog_cancel_all(f->other, &jobs, err) : -1;
}

static void tell(struct floods *f, const struct flood_shape *s, struct spread *quiet,
                 struct spread *flooded)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s_quiet", s->name);
    report_spread(&f->b->report, name, quiet->us, quiet->n);
    (void)snprintf(name, sizeof name, "%s_flooded", s->name);
    report_spread(&f->b->report, name, flooded->us, flooded->n);
    double ratio = (double)percentile(flooded->us, flooded->n, 99)
                   / (double)percentile(quiet->us, quiet->n, 99);
    count(f, s, "ratio_p99", ratio);
    f->worst = ratio > f->worst ? ratio : f->worst;
}

/* Quiet before and after, so that what drifts hits both. */
static int measure_shape(struct floods *f, const struct flood_shape *s, struct cq_err *err)
{
    int64_t half_us = (int64_t)f->b->duration_s * US_PER_S / 2;
    int64_t *us CQ_CLEANUP(cq_free_ptr) = cq_calloc(2 * SAMPLES_MAX, sizeof *us);
    struct spread quiet = {.us = us}, flooded = {.us = us + SAMPLES_MAX};
    if (submit_for(f, half_us, &quiet, err) != 0 || under_flood(f, s, &flooded, err) != 0
        || clear(f, err) != 0 || submit_for(f, half_us, &quiet, err) != 0)
        return -1;
    tell(f, s, &quiet, &flooded);
    return 0;
}

static bool is_wanted(const struct bench *b, const struct flood_shape *s)
{
    return b->flood == NULL || strcmp(b->flood, s->name) == 0;
}

static int check_name(const struct bench *b, struct cq_err *err)
{
    for (size_t i = 0; i < CQ_COUNT(shapes); i++)
        if (is_wanted(b, &shapes[i]))
            return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "no flood '%s'; there are: arrays, jobs, connections, bytes_600, bytes_60000, "
                   "bytes_most, jobs_most",
                   b->flood);
}

static int measure(struct floods *f, struct cq_err *err)
{
    if (open_sessions(f, err) != 0
        || (f->feature != NULL && pool_start(&f->pool, f->b, f->admin, err) != 0))
        return -1;
    if (f->feature != NULL)
        fleet_set_run_us(f->pool.fleet, (int64_t)f->b->run_ms * 1000);
    for (size_t i = 0; i < CQ_COUNT(shapes); i++)
        if (is_wanted(f->b, &shapes[i]) && measure_shape(f, &shapes[i], err) != 0)
            return -1;
    report_number(&f->b->report, "worst_ratio_p99", f->worst);
    return clear(f, err);
}

static int tear_down(struct floods *f, struct cq_err *err)
{
    int rc = f->admin ? pool_stop(&f->pool, f->b, f->admin, err) : 0;
    if (f->admin != NULL && (revoke(f, "quiet", err) != 0 || revoke(f, "flood", err) != 0))
        rc = -1;
    session_close(f->other);
    session_close(f->admin);
    curve_key_wipe(&f->other_key);
    curve_key_wipe(&f->flood_key);
    ticket_fini(&f->ticket);
    return rc;
}

int bench_flood(struct bench *b, struct cq_err *err)
{
    struct floods f = {.b = b};
    struct cq_err late = {0};
    if (check_name(b, err) != 0)
        return -1;
    pool_init(&f.pool);
    f.feature = b->count > 0 ? f.pool.feature : NULL;
    ticket_init(&f.ticket, b, NULL);
    f.ticket.job.hold = f.feature == NULL;
    f.ticket.job.node_has = &f.feature;
    f.ticket.job.n_node_has = f.feature != NULL;
    report_text(&b->report, "measurement", "submits of one enterprise while another floods");
    report_count(&b->report, "workers", (int64_t)b->count);
    report_count(&b->report, "window", (int64_t)b->window);
    int rc = measure(&f, err);
    if (tear_down(&f, &late) == 0 || rc != 0)
        return rc;
    *err = late;
    return -1;
}
