/* core_step, core_plan and the life of the core. The files beside it hold one noun each. */
#include "scheduler/core/core.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/ahead.h"
#include "scheduler/core/config.h"
#include "scheduler/core/grant.h"
#include "scheduler/core/preempt.h"
#include "scheduler/core/quota.h"

#define HOUR_US (3600 * US_PER_S)

static void set_default(int64_t *value, int64_t standard)
{
    if (*value <= 0)
        *value = standard;
}

/* Negative says none. */
static void set_default_or_none(int64_t *value, int64_t standard)
{
    *value = *value == 0 ? standard : *value < 0 ? 0 : *value;
}

struct core *core_new(const struct core_config *config)
{
    struct core *c = CQ_NEW(struct core);
    c->config = *config;
    set_default(&c->config.lease_us, 600 * US_PER_S);
    set_default(&c->config.grace_us, 15 * US_PER_S);
    set_default(&c->config.suspect_us, 30 * US_PER_S);
    set_default(&c->config.default_time_us, 24 * HOUR_US);
    set_default(&c->config.ahead_us, US_PER_S / 4);
    set_default(&c->config.half_life_us, 24 * HOUR_US);
    set_default(&c->config.reclaim_grace_us, 60 * US_PER_S);
    set_default(&c->config.starve_us, 12 * HOUR_US);
    set_default_or_none(&c->config.array_step_us, US_PER_S);
    set_default_or_none(&c->config.replan_us, US_PER_S);
    if (!(c->config.beta > 0))
        c->config.beta = 3;
    if (c->config.carry == 0)
        c->config.carry = 0.1;
    if (c->config.default_mem_mib == 0)
        c->config.default_mem_mib = 1024;
    if (c->config.ahead_max == 0)
        c->config.ahead_max = 64;
    c->next_id = 1;
    c->is_loading = true;
    c->calendar.next_us = INT64_MAX;
    share_init(c);
    queue_init(c);
    workers_init(&c->pool);
    ahead_init(c);
    return c;
}

void core_free(struct core *c)
{
    if (c == NULL)
        return;
    c->queue.order_us = -1; /* shapes go one by one: none is ordered any more */
    leases_fini(c);
    ahead_fini(c);
    jobs_fini(c);
    dependents_fini(&c->dependents);
    queue_fini(c);
    calendar_fini(&c->calendar);
    share_fini(c);
    features_fini(&c->features);
    workers_fini(&c->pool);
    features_fini(&c->features);
    config_fini(c);
    people_fini(&c->people);
    usage_fini(&c->usage);
    free(c->holds.told.data);
    runs_fini(&c->runs);
    free(c);
}

uint64_t core_hash(uint64_t seed, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++)
        seed = (seed ^ p[i]) * UINT64_C(0x100000001b3);
    return seed ? seed : 1;
}

void core_saw_id(struct core *c, uint64_t id)
{
    if (id < c->next_id)
        return;
    c->next_id = id + 1;
    c->counters_changed = true;
}

uint64_t core_new_id(const struct core *c)
{
    return c->next_id;
}

uint64_t core_epoch(const struct core *c)
{
    return c->epoch;
}

void core_emit(struct core *c, struct effects *out, struct record *r)
{
    struct cq_err err;
    int bad = core_apply(c, r, &err);
    assert(!bad);
    (void)bad;
    effects_record(out, r);
}

void core_reply(struct effects *out, uint64_t request, const struct cq_err *err)
{
    if (request == 0)
        return;
    struct out *o = effects_out(out, OUT_REPLY);
    o->request = request;
    o->code = err->code;
    o->text = err->code == CQ_OK ? NULL : cq_strdup(err->text);
}

static void note_room(struct core *c, const struct input *in)
{
    c->room.is_tight = in->u.room.is_tight;
    c->room.need_mib = in->u.room.need_mib;
    (void)snprintf(c->room.mount, sizeof c->room.mount, "%s", in->u.room.mount);
}

static int dispatch(struct core *c, const struct input *in, struct now now, struct effects *out,
                    struct cq_err *err)
{
    switch (in->type) {
    case INPUT_TIMER:
        workers_timer(c, now, out);
        return 0;
    case INPUT_SUBMIT:
        return job_submit_step(c, in, now, out, err);
    case INPUT_ACTION:
        job_action_step(c, in, now, out);
        return 0;
    case INPUT_ENTERPRISE_ADD:
        people_enterprise_add(c, in, now, out);
        return 0;
    case INPUT_USER_ADD:
        people_user_add(c, in, now, out);
        return 0;
    case INPUT_USER_REVOKE:
        people_user_revoke(c, in, now, out);
        return 0;
    case INPUT_NODE_DRAIN:
        worker_drain_step(c, in, now, out);
        return 0;
    case INPUT_WORKER_HELLO:
        worker_hello_step(c, in, now, out);
        return 0;
    case INPUT_WORKER_HEARTBEAT:
        worker_heartbeat_step(c, in, out);
        return 0;
    case INPUT_WORKER_BYE:
        worker_bye_step(c, in, now, out);
        return 0;
    case INPUT_WORKER_EVENTS:
        lease_events_step(c, in, now, out);
        return 0;
    case INPUT_LEASE_REFUSE:
        lease_refuse_step(c, in, now, out);
        return 0;
    case INPUT_CONFIG_APPLY:
        config_step(c, in, now, out);
        return 0;
    case INPUT_LICENCE_FEED:
        licence_feed_step(c, in, now, out);
        return 0;
    case INPUT_RESERVATION_ADD:
        reservation_add_step(c, in, now, out);
        return 0;
    case INPUT_RESERVATION_REMOVE:
        reservation_remove_step(c, in, now, out);
        return 0;
    case INPUT_ROOM:
        note_room(c, in);
        return 0;
    }
    return cq_fail(err, CQ_E_INTERNAL, "input type %d is unknown", (int)in->type);
}

/* Policy time goes on with the boot clock; it starts from what was kept, or from the wall if that
 * is later: usage decays while nothing runs too. A wall that jumps moves calendars only. */
static void set_clock(struct core *c, struct now now)
{
    if (!c->has_clock)
        c->policy_us = now.wall_us > c->policy_us ? now.wall_us : c->policy_us;
    else if (now.mono_us > c->now_mono_us)
        c->policy_us += now.mono_us - c->now_mono_us;
    c->has_clock = true;
    c->is_loading = false;
    c->now_mono_us = now.mono_us;
    c->now_wall_us = now.wall_us;
}

int core_step(struct core *c, const struct input *in, struct now now, struct effects *out,
              struct cq_err *err)
{
    set_clock(c, now);
    int result = dispatch(c, in, now, out, err);
    depend_settle(c, now.wall_us, out);
    job_flush_dirty(c, out);
    return result;
}

void core_plan(struct core *c, struct now now, struct effects *out)
{
    set_clock(c, now);
    grant_plan(c, now.wall_us, out);
    job_flush_dirty(c, out);
}

/* A time of another clock on the boot clock, never in the past: a timer that fired early comes
 * again. */
static int64_t on_mono(const struct core *c, int64_t at_us, int64_t now_us)
{
    if (at_us == INT64_MAX)
        return INT64_MAX;
    return c->now_mono_us + (at_us > now_us ? at_us - now_us : 1);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t core_wake_at_us(const struct core *c)
{
    int64_t policy_us = holds_next_us(c), other = preempt_next_us(c);
    policy_us = other < policy_us ? other : policy_us;
    policy_us = earlier(policy_us, ahead_next_us(c));
    int64_t wall_us = budget_next_us(c);
    wall_us = c->calendar.next_us < wall_us ? c->calendar.next_us : wall_us;
    int64_t at_us = workers_wake_at_us(c);
    at_us = earlier(at_us, on_mono(c, policy_us, c->policy_us));
    return earlier(at_us, on_mono(c, wall_us, c->now_wall_us));
}

void core_load_done(struct core *c, struct now now, struct effects *out)
{
    set_clock(c, now);
    c->is_from_rows = false;
    share_load_done(c);
    job_flush_dirty(c, out);
    struct record *r = record_new(RECORD_EPOCH_START);
    r->u.epoch_start = (struct epoch_start){.epoch = c->epoch + 1, .at_us = now.wall_us};
    core_emit(c, out, r);
    workers_load_done(c);
    holds_load_done(c);
    grant_load_done(c);
    depend_settle(c, now.wall_us, out);
    job_flush_dirty(c, out);
}
