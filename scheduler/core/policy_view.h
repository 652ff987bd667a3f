/* What others may see of shares, limits, features, bookings and usage: views beside view.h. */
#ifndef CHIPQ_POLICY_VIEW_H
#define CHIPQ_POLICY_VIEW_H

#include "common/base/pure/id.h"

struct core;

/* ---- the share tree, quotas, features, bookings ----
 * Each call goes through all of them in a fixed order (parents before children, by name). Texts are
 * borrowed for one call of `fn`. `enterprise` is for the shell's authorisation: {0} = of the
 * platform, for everyone to see. */

struct share_view {
    struct enterprise_id enterprise;
    const char *kind, *path; /* enterprise acme, project acme/uart, user acme/uart/ann */
    double weight;
    double usage_core_hours; /* decayed, in core-hours of the whole pool's charge */
    double due, got; /* of the whole pool, 0..1: its weighted part among those that want something
                        now; what it holds now */
    uint64_t cores_used, tasks_running, tasks_waiting;
    const char *limit; /* of its own, that holds more of it back now: "max-cores"; NULL = none */
};
typedef void (*share_view_fn)(void *arg, const struct share_view *s);
void core_each_share(const struct core *c, struct now now, share_view_fn fn, void *arg);

struct quota_view {
    struct enterprise_id enterprise;
    const char *kind, *path, *key; /* key as in settings.def: max-cores, budget, ... */
    const char *limit;             /* as set: "64", "16G", "5000core-hours/month" */
    char used[64];                 /* in the same unit; "" when nothing is counted (max-wall) */
    double fraction;               /* used / limit, 0 when nothing is counted */
    bool is_reached;               /* it blocks starts now */
};
typedef void (*quota_view_fn)(void *arg, const struct quota_view *q);
void core_each_quota(const struct core *c, struct now now, quota_view_fn fn, void *arg);

struct feature_view {
    const char *kind, *name, *owner;      /* licence or instrument; owner "": everyone's */
    struct enterprise_id enterprise;      /* of the owner */
    uint64_t count, used, external, free; /* used: by chipq; external: as the server says, by all */
    uint64_t waiting;                     /* tasks that ask for it and wait; {0}'s sum */
    int64_t fed_wall_us;                  /* last good sample; 0 = never */
    const char *feed_error;               /* of the newest run, "" = it went well */
};
typedef void (*feature_view_fn)(void *arg, const struct feature_view *f);
void core_each_feature(const struct core *c, struct now now, feature_view_fn fn, void *arg);

/* The program that asks the licence server, as configured (CONFIG kind "feed", path "licences",
 * keys "command" and "every"): its words, separated by spaces; NULL = none. every_us: time between
 * runs. */
const char *core_feed_command(const struct core *c, int64_t *every_us);

struct reservation_view {
    struct enterprise_id enterprise;
    const char *name, *path, *nodes, *licences;
    int64_t start_us, end_us; /* the present or next occurrence, wall */
    uint64_t every_days, cores, mem_mib;
    bool is_flex, is_active;
    uint64_t cores_used; /* by jobs that run inside it */
};
typedef void (*reservation_view_fn)(void *arg, const struct reservation_view *r);
void core_each_reservation(const struct core *c, struct now now, reservation_view_fn fn, void *arg);

/* Everything that CONFIG_APPLY can set, as it is set (defaults left out); a row with key "" says
 * that the thing exists. In an order that CONFIG_APPLY accepts. */
struct setting_view {
    struct enterprise_id enterprise;
    const char *kind, *path, *key, *value;
};
typedef void (*setting_view_fn)(void *arg, const struct setting_view *s);
void core_each_setting(const struct core *c, setting_view_fn fn, void *arg);

/* What ended since the last call, per leaf and hour, for the store to add up in the transaction of
 * the records. Waits: from being ready to the first start, in buckets of usage_wait_bucket. */
enum { USAGE_WAIT_BUCKETS = 256 };
/* Bucket of a wait: 0 for under 1 ms, then 8 to an octave; and back, to its upper end. */
unsigned usage_wait_bucket(uint64_t wait_us);
uint64_t usage_wait_of_bucket(unsigned bucket);
struct usage_licence {
    const char *feature;
    uint64_t token_us;
};
struct usage_view {
    struct enterprise_id enterprise;
    struct project_id project;
    struct principal_id principal;
    const char *enterprise_name, *project_name, *user_name;
    int64_t hour_us; /* wall time at which the hour begins */
    uint64_t attempts, core_us, mem_mib_us;
    uint64_t waits, wait_us;
    const uint32_t *wait_buckets; /* USAGE_WAIT_BUCKETS */
    const struct usage_licence *licences;
    size_t n_licences;
};
typedef void (*usage_view_fn)(void *arg, const struct usage_view *u);
void core_take_usage(struct core *c, usage_view_fn fn, void *arg);

#endif
