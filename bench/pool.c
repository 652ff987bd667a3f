/* Keys, fleet, welcome. */
#include "bench/pool.h"
#include "bench/enrol.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <sys/random.h>
#include <time.h>

enum {
    LOOK_US = 1000,
    WELCOME_US = 60 * 1000 * 1000, /* patience with all workers' sessions... */
    WELCOME_US_EACH = 20 * 1000,   /* ...and for each of them */
};

void pool_init(struct pool *p)
{
    uint32_t tag;
    if (getrandom(&tag, sizeof tag, 0) != (ssize_t)sizeof tag)
        abort();
    *p = (struct pool){0};
    (void)snprintf(p->name, sizeof p->name, "virtual-%08x", tag);
    (void)snprintf(p->feature, sizeof p->feature, "fleet=%s", p->name);
}

static int wait_for_welcome(const struct pool *p, uint64_t n, struct cq_err *err)
{
    const struct fleet_counts *c = fleet_counts(p->fleet);
    const struct timespec look = {.tv_nsec = LOOK_US * 1000};
    int64_t until_us = clock_mono_us() + WELCOME_US + WELCOME_US_EACH * (int64_t)n;
    char why[256];
    while (c->welcome < n) {
        (void)nanosleep(&look, NULL);
        if (clock_mono_us() < until_us && c->errors == 0 && fleet_is_whole(p->fleet))
            continue;
        fleet_last_error(p->fleet, why, sizeof why);
        return cq_fail(err, CQ_E_TIMEOUT, "only %llu of %llu virtual workers have a session%s%s",
                       (unsigned long long)c->welcome, (unsigned long long)n, *why ? ": " : "",
                       why);
    }
    return 0;
}

static int start_fleet(struct pool *p, const struct bench *b, const struct curve_key *keys,
                       struct cq_err *err)
{
    struct curve_key key;
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/worker.key", b->dir);
    if (curve_key_read(path, &key, err) != 0)
        return -1;
    const struct fleet_options o = {.name = p->name,
                                    .feature = p->feature,
                                    .count = (size_t)b->count,
                                    .cores = (size_t)b->cores,
                                    .numa = (size_t)b->numa,
                                    .keys = keys,
                                    .server = key.servers[0],
                                    .endpoint = key.endpoint};
    p->fleet = fleet_start(&o, err);
    curve_key_wipe(&key);
    return p->fleet ? 0 : -1;
}

int pool_start(struct pool *p, struct bench *b, struct session *admin, struct cq_err *err)
{
    struct curve_key *keys = NULL;
    int64_t begun_us = clock_mono_us();
    int rc = enrol_workers(admin, p->name, (size_t)b->count, &keys, err);
    p->is_enrolled = rc == 0;
    report_count(&b->report, "enrol_us", clock_mono_us() - begun_us);
    begun_us = clock_mono_us();
    if (rc == 0)
        rc = start_fleet(p, b, keys, err);
    free(keys);
    if (rc == 0)
        rc = wait_for_welcome(p, b->count, err);
    if (rc == 0)
        report_count(&b->report, "connect_us", clock_mono_us() - begun_us);
    return rc;
}

int pool_stop(struct pool *p, const struct bench *b, struct session *admin, struct cq_err *err)
{
    fleet_stop(p->fleet);
    p->fleet = NULL;
    if (!p->is_enrolled)
        return 0;
    p->is_enrolled = false;
    return enrol_revoke(admin, p->name, (size_t)b->count, err);
}
