/* The core's whole state, for the files of this folder only. */
#ifndef CHIPQ_CORE_STATE_H
#define CHIPQ_CORE_STATE_H

#include "common/base/pure/map.h"
#include "scheduler/core/calendar.h"
#include "scheduler/core/core.h"
#include "scheduler/core/depend.h"
#include "scheduler/core/holds.h"
#include "scheduler/core/job.h"
#include "scheduler/core/lease.h"
#include "scheduler/core/licence.h"
#include "scheduler/core/people.h"
#include "scheduler/core/queue.h"
#include "scheduler/core/request.h"
#include "scheduler/core/runs.h"
#include "scheduler/core/share.h"
#include "scheduler/core/usage.h"
#include "scheduler/core/workers.h"

struct core {
    struct core_config config;
    uint64_t epoch, next_id;
    int64_t told_us; /* newest policy time in a record: what a restart goes on from */
    bool epoch_changed, counters_changed; /* since the last core_view_entities */
    int64_t now_mono_us; /* of the step or plan that runs; decides nothing durable */
    int64_t now_wall_us; /* the same: for calendars and people */
    int64_t policy_us;   /* the same: starts from the wall, advances with mono, never runs back */
    bool has_clock;      /* the three are set */
    struct {
        bool is_tight;
        char mount[128];
        uint64_t need_mib;
    } room;            /* on the scheduler's disk, as it was told last */
    bool is_loading;   /* until core_load_done, or the first step */
    bool is_from_rows; /* while loading: from the store's rows, not from the journal */
    struct people people;
    struct share share;
    struct features features;
    struct holds holds;
    struct calendar calendar;
    struct share_node **settings_changed; /* nodes, since the last core_view_entities */
    size_t n_settings_changed, cap_settings_changed;
    size_t n_nodes_seen; /* of the share tree, by core_view_entities */
    struct jobs jobs;
    struct requests requests;
    struct dependents dependents;
    struct queue queue;
    struct pool pool;
    struct leases leases;
    struct usage usage;
    struct runs runs;
};

/* Applies a record of our own making and hands it to `out`. Takes r. A record that does not apply
 * is a bug of ours. */
void core_emit(struct core *c, struct effects *out, struct record *r);

/* Raises next_id above `id`: every record that brings an id calls it. */
void core_saw_id(struct core *c, uint64_t id);
/* Policy time in a record: a restart goes on from the newest. */
void core_saw_time(struct core *c, int64_t policy_us);
uint64_t core_new_id(const struct core *c); /* the id the next record may bring */

/* A reply with a printf text; code CQ_OK needs no text. */
void core_reply(struct effects *out, uint64_t request, const struct cq_err *err);

/* FNV-1a over bytes, continued from `seed`; never 0, so that it can be a key of struct map. */
uint64_t core_hash(uint64_t seed, const void *data, size_t bytes);
#define CORE_HASH_SEED UINT64_C(0xcbf29ce484222325)

#endif
