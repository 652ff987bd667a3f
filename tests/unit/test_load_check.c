// LINK: cq_core
/* Records that decode, and yet do not fit the state that they are loaded into: each is refused with
 * CQ_E_INTERNAL, by its name, before anything relies on it. promises: P1 */
#include "tests/unit/calendar_fixture.h"

#include <math.h>

#include "common/base/pure/flat.h"

/* One that runs with a licence, an array that is held, one whose tasks wait for those of the array,
 * one for which a place is kept, a booking that has begun, and one that has ended. */
static void pool_at_work(void)
{
    set_up();
    cr_assert(SUBMIT(.cores = 2, .time_us = 9 * HOUR, .licences = "vcs:1"));
    cr_assert(SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-9", .hold = true));
    cr_assert(SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-9", .pass_by_task_of = 2));
    cr_assert(SUBMIT(.cores = 1, .time_us = HOUR));
    cr_assert(SUBMIT(.cores = 8, .time_us = 3 * HOUR) && SUBMIT(.cores = 6, .time_us = 9 * HOUR));
    cr_assert(SUBMIT(.user = "amy", .cores = 16, .time_us = HOUR));
    cr_assert(SUBMIT(.user = "bob", .cores = 1, .time_us = HOUR));
    EXPECT_BOOKED(.name = "b1", .start_us = HOUR, .end_us = 2 * HOUR, .every_days = 1,
                  .licences = "palladium:1");
    end_of("acme", 4);
    go_to(HOUR + MINUTE);
    cr_assert_eq(world.core->holds.n, 1);
}

TestSuite(load_check, .init = pool_at_work, .fini = tear_down);

static struct cq_err err;

typedef void (*change_fn)(struct record *r);

static int apply_changed(struct core *c, const struct record *r, change_fn change)
{
    if (r == NULL)
        return 0;
    struct record *copy = recode(r);
    if (change)
        change(copy);
    int rc = core_apply(c, copy, &err);
    record_free(copy);
    return rc;
}

/* Takes the core. Its refusal; "" when it takes all. */
static const char *refusal(struct core *c, int rc)
{
    if (rc == 0)
        rc = core_check_load(c, &err);
    core_free(c);
    if (rc == 0)
        return "";
    cr_expect_eq(err.code, CQ_E_INTERNAL, "%s", err.text);
    return err.text;
}

/* The store's rows, but for those of a type. */
static const char *load(change_fn change, enum record_type but)
{
    struct core *c = core_new(&world.config);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < world.n_rows; i++) {
        rc = apply_changed(c, world.rows[i].submit, change);
        if (rc == 0 && world.rows[i].type != but)
            rc = apply_changed(c, world.rows[i].record, change);
    }
    return refusal(c, rc);
}

static const char *replay(change_fn change)
{
    struct core *c = core_new(&world.config);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < world.n_journal; i++)
        rc = apply_changed(c, world.journal[i], change);
    return refusal(c, rc);
}

struct refused {
    change_fn change;
    const char *record, *why;
};

static void expect_refused(const char *text, const struct refused *x)
{
    cr_expect(strstr(text, x->record) && strstr(text, x->why), "not '%s ... %s': '%s'", x->record,
              x->why, text);
}

#define EXPECT_ROWS_REFUSED(list)                  \
    for (size_t i_ = 0; i_ < CQ_COUNT(list); i_++) \
    expect_refused(load((list)[i_].change, RECORD_NONE), &(list)[i_])
#define EXPECT_JOURNAL_REFUSED(list)               \
    for (size_t i_ = 0; i_ < CQ_COUNT(list); i_++) \
    expect_refused(replay((list)[i_].change), &(list)[i_])

/* A change of a field of all records of a type. */
#define CHANGE(function, TYPE, name, field, value) \
    static void function(struct record *r)         \
    {                                              \
        if (r->type == RECORD_##TYPE)              \
            r->u.name.field = (value);             \
    }

Test(load_check, what_is_sound_is_taken)
{
    cr_expect_str_eq(load(NULL, RECORD_NONE), "");
    cr_expect_str_eq(replay(NULL), "");
}

/* ---- numbers ---- */

CHANGE(far_priority, JOB_SUBMIT, job_submit, priority, INT64_MAX / US_PER_S)
CHANGE(far_time, JOB_SUBMIT, job_submit, at_us, INT64_MAX)
CHANGE(no_cores, JOB_SUBMIT, job_submit, cores, 0)
CHANGE(last_job_id, JOB_SUBMIT, job_submit, id, UINT64_MAX)
CHANGE(no_such_place, JOB_SUBMIT, job_submit, exclusive, EXCLUSIVE_COUNT)
CHANGE(last_id, COUNTERS, counters, next_id, UINT64_MAX)
CHANGE(counted_later, COUNTERS, counters, landmark_us, r->u.counters.policy_us + 1)
CHANGE(last_number, NUMBERING, numbering, next_number, UINT64_MAX)
CHANGE(last_enterprise, ENTERPRISE_ADD, enterprise_add, id, UINT64_MAX)
CHANGE(much_memory, WORKER_UP, worker_up, mem_mib, UINT64_MAX)
CHANGE(many_tokens, FEATURE_SET, feature_set, count, UINT64_MAX)
CHANGE(no_such_role, PRINCIPAL_ADD, principal_add, role, ROLE_COUNT)

Test(load_check, a_number_out_of_range_is_refused)
{
    const struct refused list[] = {
        {far_priority, "JOB_SUBMIT of job", "priority"},
        {far_time, "JOB_SUBMIT of job", "at_us"},
        {no_cores, "JOB_SUBMIT of job", "cores"},
        {last_job_id, "JOB_SUBMIT of job", "id"},
        {no_such_place, "JOB_SUBMIT of job", "exclusive"},
        {last_id, "COUNTERS", "next_id"},
        {counted_later, "COUNTERS", "not yet"},
        {last_number, "NUMBERING", "next_number"},
        {last_enterprise, "ENTERPRISE_ADD", "id"},
        {much_memory, "WORKER_UP of worker", "mem_mib"},
        {many_tokens, "FEATURE_SET of feature", "count"},
        {no_such_role, "PRINCIPAL_ADD of user", "does not fit"},
    };
    EXPECT_ROWS_REFUSED(list);
}

/* ---- who and where ---- */

static void of_another_enterprise(struct record *r)
{
    if (r->type == RECORD_JOB_SUBMIT)
        r->u.job_submit.principal = world_principal(&world, "bob").v;
}

static void leaf_of_another(struct record *r)
{
    if (r->type == RECORD_LEAF_ADD)
        r->u.leaf_add.principal = world_principal(&world, "n1").v;
}

static void set_text(char **text, const char *to)
{
    free(*text);
    *text = cq_strdup(to);
}

static void strange_topo(struct record *r)
{
    if (r->type == RECORD_JOB_SUBMIT)
        set_text(&r->u.job_submit.topo, "sideways");
}

static void strange_array(struct record *r)
{
    if (r->type == RECORD_JOB_SUBMIT)
        set_text(&r->u.job_submit.array, "1-");
}

static void renamed_licence(struct record *r)
{
    if (r->type == RECORD_FEATURE_SET && strcmp(r->u.feature_set.name, "vcs") == 0)
        set_text(&r->u.feature_set.name, "vcx");
}

static void strange_licence(struct record *r)
{
    if (r->type == RECORD_FEATURE_SET)
        set_text(&r->u.feature_set.name, "v cs");
}

static void strange_cores(struct record *r)
{
    if (r->type == RECORD_WORKER_UP)
        set_text(&r->u.worker_up.cores, "0-4096");
}

static void strange_settings(struct record *r)
{
    if (r->type == RECORD_PROJECT_ADD)
        r->u.project_add.enterprise = 4711;
}

CHANGE(off_phase, RESERVATION_EDGE, reservation_edge, start_us, r->u.reservation_edge.start_us + 1)
CHANGE(too_long, RESERVATION_ADD, reservation_add, end_us, r->u.reservation_add.end_us + 2 * DAY)

CHANGE(charged_when_over, RESERVATION_EDGE, reservation_edge, state, 0)

Test(load_check, who_is_not_there_and_what_cannot_be_read_is_refused)
{
    const struct refused list[] = {
        {of_another_enterprise, "JOB_SUBMIT of job", "user is not of its enterprise"},
        {leaf_of_another, "LEAF_ADD of share node", "not of its project's enterprise"},
        {strange_topo, "JOB_SUBMIT of job", "sideways"},
        {strange_array, "JOB_SUBMIT of job", "1-"},
        {renamed_licence, "JOB_SUBMIT of job", "vcs"},
        {strange_licence, "FEATURE_SET of feature", "v cs"},
        {strange_cores, "WORKER_UP of worker", "0-4096"},
        {strange_settings, "PROJECT_ADD of project", "no enterprise"},
        {off_phase, "RESERVATION_EDGE of booking", "does not begin then"},
        {charged_when_over, "RESERVATION_EDGE of booking", "has not begun"},
        {too_long, "RESERVATION_ADD of booking", "too long"},
    };
    EXPECT_ROWS_REFUSED(list);
}

/* ---- what is packed: a number of it, by its place ---- */

static void set_number(struct record_bytes *b, size_t at, uint64_t value)
{
    struct cq_str out = {0};
    struct flat_reader in = flat_reader_of(b->data, b->len);
    for (size_t i = 0; in.pos < in.len; i++) {
        uint64_t old = flat_get_u64(&in);
        flat_put_u64(&out, i == at ? value : old);
    }
    free(b->data);
    b->len = out.len;
    b->data = (uint8_t *)cq_str_take(&out);
}

static uint64_t id_of(uint64_t number)
{
    struct enterprise_id e = {0};
    (void)core_find_enterprise(world.core, "acme", &e);
    return core_find_job(world.core, e, number).v;
}

static struct record_bytes *snapshot_of(struct record *r, uint64_t number)
{
    bool is = r->type == RECORD_JOB_SNAPSHOT && r->u.job_snapshot.job == id_of(number);
    return is ? &r->u.job_snapshot.state : NULL;
}

/* Of an array that waits; and of one whose tasks are blocked, with one dependency. */
enum { AT_MEAN = 4, AT_FIRST = 9, AT_TASKS = 16, AT_READY = 19, AT_MEM = 21 };
enum { AT_DEP_STATE = 18, AT_LEFT = 21 };

#define CHANGE_SNAPSHOT(function, number, at, value)                   \
    static void function(struct record *r)                             \
    {                                                                  \
        if (snapshot_of(r, number))                                    \
            set_number(snapshot_of(r, number), at, (uint64_t)(value)); \
    }

CHANGE_SNAPSHOT(other_tasks, 2, AT_FIRST, 2)
CHANGE_SNAPSHOT(tasks_beyond, 2, AT_FIRST, UINT32_MAX - 1)
CHANGE_SNAPSHOT(fewer_tasks, 2, AT_FIRST + 1, 7)
CHANGE_SNAPSHOT(long_mean, 2, AT_MEAN, UINT64_MAX)
CHANGE_SNAPSHOT(early_ready, 2, AT_READY, UINT64_MAX)
CHANGE_SNAPSHOT(large_task, 2, AT_MEM, UINT64_C(1) << 50)
CHANGE_SNAPSHOT(waits_for_others, 3, AT_LEFT, 5)

/* It says that it waits, and does not say for whom. */
static void waits_for_nobody(struct record *r)
{
    enum { AT_DEP_JOB = 2, AT_STATE = 4 };
    if (r->type != RECORD_JOB_SUBMIT || r->u.job_submit.id != id_of(3))
        return;
    set_number(&r->u.job_submit.deps, AT_DEP_JOB, 0);
    set_number(&r->u.job_submit.deps, AT_STATE, DEP_MET);
}

static void waits_for_itself(struct record *r)
{
    enum { AT_DEP_JOB = 2 };
    if (r->type == RECORD_JOB_SUBMIT && r->u.job_submit.id == id_of(3))
        set_number(&r->u.job_submit.deps, AT_DEP_JOB, id_of(3));
}

Test(load_check, a_state_that_is_not_that_of_its_job_is_refused)
{
    const struct refused list[] = {
        {other_tasks, "JOB_SNAPSHOT of job", "not those of the job"},
        {tasks_beyond, "JOB_SNAPSHOT of job", "damaged"},
        {fewer_tasks, "JOB_SNAPSHOT of job", "not those of the job"},
        {long_mean, "JOB_SNAPSHOT of job", "out of range"},
        {early_ready, "JOB_SNAPSHOT of job", "out of range"},
        {large_task, "JOB_SNAPSHOT of job", "out of range"},
        {waits_for_others, "JOB_SNAPSHOT of job", "waits for"},
        {waits_for_nobody, "JOB_SNAPSHOT of job", "damaged"},
        {waits_for_itself, "JOB_SUBMIT of job", "waits for job"},
    };
    EXPECT_ROWS_REFUSED(list);
}

static int apply_twice(struct core *c, enum record_type type)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < world.n_rows; i++) {
        rc = apply_changed(c, world.rows[i].submit, NULL);
        if (rc == 0)
            rc = apply_changed(c, world.rows[i].record, NULL);
        if (rc == 0 && world.rows[i].type == type)
            rc = apply_changed(c, world.rows[i].record, NULL);
    }
    return rc;
}

Test(load_check, a_state_that_comes_twice_is_refused)
{
    const struct refused job = {NULL, "JOB_SNAPSHOT of job", "does not follow"};
    const struct refused lease = {NULL, "LEASE_SNAPSHOT of lease", "does not fit"};
    struct core *c = core_new(&world.config);
    expect_refused(refusal(c, apply_twice(c, RECORD_JOB_SNAPSHOT)), &job);
    c = core_new(&world.config);
    expect_refused(refusal(c, apply_twice(c, RECORD_LEASE_SNAPSHOT)), &lease);
}

static int apply_again_at_the_end(struct core *c, enum record_type type)
{
    int rc = 0;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; rc == 0 && i < world.n_rows; i++) {
            if (k == 1 && world.rows[i].type != type)
                continue;
            rc = apply_changed(c, world.rows[i].submit, NULL);
            if (rc == 0)
                rc = apply_changed(c, world.rows[i].record, NULL);
        }
    return rc;
}

Test(load_check, what_sums_up_jobs_comes_before_them)
{
    static const enum record_type types[] = {RECORD_COUNTERS, RECORD_SHARE_STATE};
    for (size_t i = 0; i < CQ_COUNT(types); i++) {
        const struct refused late = {NULL, record_type_name(types[i]), "behind jobs"};
        struct core *c = core_new(&world.config);
        expect_refused(refusal(c, apply_again_at_the_end(c, types[i])), &late);
    }
}

/* ---- leases ---- */

enum { AT_WORKER = 1, AT_PRINCIPAL = 4, AT_EPOCH = 6, AT_LEASE_MEAN = 7, AT_LEASE_MEM = 8 };
enum { AT_CORES = 26, AT_RATE = 30, AT_OPENED = 32 };

#define CHANGE_LEASE(function, at, value)                                  \
    static void function(struct record *r)                                 \
    {                                                                      \
        if (r->type == RECORD_LEASE_SNAPSHOT                               \
            && r->u.lease_snapshot.lease == find("acme", 1).lease.id.v)    \
            set_number(&r->u.lease_snapshot.state, at, (uint64_t)(value)); \
    }

CHANGE_LEASE(no_worker, AT_WORKER, 4711)
CHANGE_LEASE(of_bob, AT_PRINCIPAL, world_principal(&world, "bob").v)
CHANGE_LEASE(of_amy, AT_PRINCIPAL, world_principal(&world, "amy").v)
CHANGE_LEASE(later_epoch, AT_EPOCH, 99)
CHANGE_LEASE(long_lease, AT_LEASE_MEAN, UINT64_MAX)
CHANGE_LEASE(large_lease, AT_LEASE_MEM, UINT64_C(1) << 50)
CHANGE_LEASE(other_cores, AT_CORES + 1, '5')
CHANGE_LEASE(more_charge, AT_RATE, 2)
CHANGE_LEASE(negative_charge, AT_RATE, 3)
CHANGE_LEASE(opened_early, AT_OPENED, UINT64_MAX)

Test(load_check, a_lease_that_cannot_be_is_refused)
{
    const struct refused list[] = {
        {no_worker, "LEASE_SNAPSHOT of lease", "does not fit"},
        {of_bob, "LEASE_SNAPSHOT of lease", "damaged"},
        {of_amy, "LEASE_SNAPSHOT of lease", "damaged"},
        {later_epoch, "epoch 99", "the newest is"},
        {long_lease, "LEASE_SNAPSHOT of lease", "out of range"},
        {large_lease, "LEASE_SNAPSHOT of lease", "memory"},
        {other_cores, "LEASE_SNAPSHOT of lease", "damaged"},
        {more_charge, "is charged", "its leases and bookings come to"},
        {negative_charge, "LEASE_SNAPSHOT of lease", "charge"},
        {opened_early, "LEASE_SNAPSHOT of lease", "out of range"},
    };
    EXPECT_ROWS_REFUSED(list);
}

Test(load_check, a_record_that_is_missing_is_noticed)
{
    const struct refused lease = {NULL, "runs, and the lease", "is missing"};
    const struct refused up = {NULL, "LEASE_SNAPSHOT of lease", "not up"};
    const struct refused state = {NULL, "is charged", "its leases and bookings come to"};
    expect_refused(load(NULL, RECORD_LEASE_SNAPSHOT), &lease);
    expect_refused(load(NULL, RECORD_WORKER_UP), &up);
    expect_refused(load(NULL, RECORD_SHARE_STATE), &state);
}

/* ---- usage, plans ---- */

static void no_number(struct record *r)
{
    const double nan_ = NAN;
    if (r->type == RECORD_SHARE_STATE)
        memcpy(r->u.share_state.state.data + 2, &nan_, sizeof nan_);
}

/* By which what its children used is divided. */
static void nearly_no_weight(struct record *r)
{
    enum { DOUBLE_BYTES = 9, NTH = 8 }; /* each with its length, behind the version */
    const double tiny = 1e-150;
    if (r->type == RECORD_SHARE_STATE)
        memcpy(r->u.share_state.state.data + 2 + NTH * DOUBLE_BYTES, &tiny, sizeof tiny);
}

static void damaged_plans(struct record *r)
{
    if (r->type == RECORD_PLANS)
        r->u.plans.state.len--;
}

static void early_plans(struct record *r)
{
    enum { AT_TIME = 4 };
    if (r->type == RECORD_PLANS)
        set_number(&r->u.plans.state, AT_TIME, UINT64_MAX);
}

Test(load_check, usage_and_plans_that_cannot_be_are_refused)
{
    const struct refused list[] = {
        {no_number, "SHARE_STATE", "damaged"},
        {nearly_no_weight, "SHARE_STATE", "damaged"},
        {damaged_plans, "PLANS", "damaged"},
        {early_plans, "PLANS", "damaged"},
    };
    EXPECT_ROWS_REFUSED(list);
}

/* Two holds of one job: when it starts, one would be left of a job that is gone. */
Test(load_check, a_plan_that_is_told_twice_is_taken_once)
{
    struct core *c = core_new(&world.config);
    struct effects fx = {0};
    for (size_t i = 0; i < world.n_rows; i++) {
        struct record *r = recode(world.rows[i].record);
        if (r->type == RECORD_PLANS) {
            struct record_bytes *b = &r->u.plans.state, old = *b;
            size_t hold = old.len - 3; /* behind the version and the count; no claims follow */
            b->len += hold;
            b->data = cq_calloc(b->len, 1);
            memcpy(b->data, old.data, old.len - 1);
            memcpy(b->data + old.len - 1, old.data + 2, hold);
            b->data[1] = 2;
            free(old.data);
        }
        cr_assert_eq(apply_changed(c, world.rows[i].submit, NULL), 0);
        cr_assert_eq(core_apply(c, r, &err), 0, "%s", err.text);
        record_free(r);
    }
    core_load_done(c, world.now, &fx);
    cr_expect_eq(c->holds.n, 1);
    effects_fini(&fx);
    core_free(c);
}

/* ---- the journal, as a repair replays it ---- */

CHANGE(no_verdict, ATTEMPT_END, attempt_end_rec, verdict, VERDICT_NONE)
CHANGE(told_by_another, ATTEMPT_END, attempt_end_rec, worker, 4711)
CHANGE(endless, ATTEMPT_END, attempt_end_rec, next_mem_mib, UINT64_MAX)
CHANGE(task_beyond, ATTEMPT_ASSIGN, attempt_assign, task, (UINT64_C(1) << 32))
CHANGE(no_such_job, ATTEMPT_ASSIGN, attempt_assign, job, 4711)
CHANGE(paid_back, LEASE_OPEN, lease_open, rate, -1)
CHANGE(charged_before, LEASE_CLOSE, lease_close_rec, policy_us, 1)
CHANGE(adopted_before, LEASE_OPEN, lease_open, epoch, 99)
CHANGE(late_day, DAY_BEGIN, day_begin, at_us, INT64_MAX)
CHANGE(late_plans, PLANS, plans, policy_us, INT64_MAX)

static void no_cores_leased(struct record *r)
{
    if (r->type == RECORD_LEASE_OPEN)
        set_text(&r->u.lease_open.cores, "");
}

Test(load_check, a_journal_that_does_not_fit_is_refused)
{
    const struct refused list[] = {
        {no_verdict, "ATTEMPT_END of job", "verdict"},
        {told_by_another, "ATTEMPT_END of job", "another worker"},
        {endless, "ATTEMPT_END of job", "next_mem_mib"},
        {task_beyond, "ATTEMPT_ASSIGN of job", "task"},
        {no_such_job, "ATTEMPT_ASSIGN of job", "4711"},
        {paid_back, "LEASE_OPEN of lease", "charge"},
        {charged_before, "LEASE_CLOSE of lease", "policy_us"},
        {adopted_before, "epoch 99", "the newest is"},
        {late_day, "DAY_BEGIN", "at_us"},
        {late_plans, "PLANS", "policy_us"},
        {no_cores_leased, "LEASE_OPEN of lease", "cores"},
        {no_cores, "JOB_SUBMIT of job", "cores"},
    };
    EXPECT_JOURNAL_REFUSED(list);
}
