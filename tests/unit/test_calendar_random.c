// LINK: cq_core
/* Random bookings and jobs on a small pool. What starts is checked minute by minute against what is
 * booked, by a count of its own; nothing that might start may wait; and now and then the state is
 * rebuilt from journal and views.
 *
 * A failing seed prints itself; CHIPQ_SEED=N CHIPQ_ROUNDS=1 replays it. */
#include "scheduler/core/calendar_query.h"
#include "tests/unit/calendar_fixture.h"

enum { STEPS = 120, JOBS_MAX = 512, BOOKINGS_MAX = 64, TOKENS = 4 };

static uint64_t dice, seed;

static uint64_t roll(uint64_t below) /* splitmix64 */
{
    uint64_t z = (dice += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static void fail_seed(const char *what)
{
    (void)fprintf(stderr, "seed %" PRIu64 ": %s; replay: CHIPQ_SEED=%" PRIu64 " CHIPQ_ROUNDS=1\n",
                  seed, what, seed);
    abort();
}

/* ---- what the test knows of its jobs ---- */

struct known {
    uint64_t number, cores, vcs;
    int64_t time_us, started_us; /* 0: it waits. Both clocks go alike here */
    char booking[8];
    const char *node;
    int64_t killed_us; /* called back: gone by then */
    bool is_over;
};

static struct known jobs[JOBS_MAX];
static size_t n_jobs;

static struct reservation_view booked[BOOKINGS_MAX];
static char booked_nodes[BOOKINGS_MAX][64], booked_names[BOOKINGS_MAX][8];
static uint64_t booked_vcs[BOOKINGS_MAX];
static size_t n_booked;

static void note_booking(void *arg, const struct reservation_view *v)
{
    (void)arg;
    cr_assert_lt(n_booked, (size_t)BOOKINGS_MAX);
    booked[n_booked] = *v;
    (void)cq_copy_text(booked_nodes[n_booked], sizeof booked_nodes[0], v->nodes);
    (void)cq_copy_text(booked_names[n_booked], sizeof booked_names[0], v->name);
    const char *vcs = strstr(v->licences, "vcs:");
    booked_vcs[n_booked++] = vcs ? strtoull(vcs + 4, NULL, 10) : 0;
}

static uint64_t cores_of_node(const char *node)
{
    return strcmp(node, "n1") == 0 ? 16 : 8;
}

/* Cores that booking `i` has of a node, from its text. */
static uint64_t booked_cores(size_t i, const char *node)
{
    const char *at = strstr(booked_nodes[i], node);
    if (at == NULL)
        return 0;
    return at[2] == ':' ? strtoull(at + 3, NULL, 10) : cores_of_node(node);
}

/* It gave back what it did not use. */
static bool gave_back(size_t i)
{
    const struct booking *b = NULL;
    for (size_t k = 0; k < world.core->calendar.n; k++)
        if (strcmp(world.core->calendar.items[k]->name, booked_names[i]) == 0)
            b = world.core->calendar.items[k];
    return b && b->state == BOOKING_GIVEN_BACK;
}

/* 0: not in an occurrence at `t`; 1: in a later one; 2: in the present one. */
static int booked_at(size_t i, int64_t t)
{
    const struct reservation_view *v = &booked[i];
    int64_t period_us = (int64_t)v->every_days * DAY;
    if (v->is_active && t < v->end_us)
        return 2;
    for (int64_t k = v->is_active; k < 40; k++) {
        int64_t shift_us = k * period_us;
        if (t >= v->start_us + shift_us && t < v->end_us + shift_us)
            return v->is_active && period_us == 0 ? 0 : 1;
        if (period_us == 0)
            break;
    }
    return 0;
}

/* At the latest: by its limit, or some time after it was called back. */
static int64_t limit_us(const struct known *k)
{
    int64_t end_us = k->started_us + k->time_us;
    return k->killed_us && k->killed_us < end_us ? k->killed_us : end_us;
}

static int64_t ends_at(const struct known *k)
{
    int64_t end_us = limit_us(k);
    return end_us > world.now.wall_us ? end_us : world.now.wall_us + 1;
}

static bool is_live(const struct known *k)
{
    return k->started_us != 0 && !k->is_over;
}

/* What of a node (or, NULL, of the tokens) is promised at a moment, if all run to their limits. */
static uint64_t promised_at(const char *node, int64_t t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n_booked; i++) {
        uint64_t has = node ? booked_cores(i, node) : booked_vcs[i], inside = 0;
        int when = booked_at(i, t);
        for (size_t k = 0; when == 2 && k < n_jobs; k++)
            if (is_live(&jobs[k]) && ends_at(&jobs[k]) > t
                && strcmp(jobs[k].booking, booked_names[i]) == 0)
                inside += node == NULL                 ? jobs[k].vcs
                          : strcmp(jobs[k].node, node) ? 0
                                                       : jobs[k].cores;
        bool is_kept = when == 1 || (when == 2 && !gave_back(i));
        sum += !is_kept || has == 0 ? 0 : has > inside ? has : inside;
    }
    for (size_t k = 0; k < n_jobs; k++) {
        bool counted = false;
        for (size_t i = 0; i < n_booked; i++)
            counted |= strcmp(jobs[k].booking, booked_names[i]) == 0 && booked[i].is_active
                       && !gave_back(i) && (node ? booked_cores(i, node) : booked_vcs[i]) > 0;
        if (is_live(&jobs[k]) && !counted && ends_at(&jobs[k]) > t
            && (node == NULL || strcmp(jobs[k].node, node) == 0))
            sum += node ? jobs[k].cores : jobs[k].vcs;
    }
    return sum;
}

/* ---- checks ---- */

static void check_inside(const struct known *k)
{
    for (size_t i = 0; i < n_booked; i++) {
        if (strcmp(k->booking, booked_names[i]) != 0)
            continue;
        if (!booked[i].is_active || ends_at(k) > booked[i].end_us)
            fail_seed("a job runs beyond its booking");
        uint64_t has = booked_cores(i, k->node), inside = 0;
        for (size_t j = 0; j < n_jobs; j++)
            if (is_live(&jobs[j]) && strcmp(jobs[j].booking, k->booking) == 0
                && strcmp(jobs[j].node, k->node) == 0)
                inside += jobs[j].cores;
        if (*booked_nodes[i] && inside > has)
            fail_seed("more runs in a booking than it has");
        return;
    }
    fail_seed("a job runs in a booking that is not there");
}

/* A start beside bookings leaves each its place, until it ends. */
static void check_beside(const struct known *k)
{
    for (int64_t t = world.now.wall_us; t < ends_at(k); t += 5 * MINUTE) {
        if (promised_at(k->node, t) > cores_of_node(k->node))
            fail_seed("a job is in the way of a booking");
        if (k->vcs > 0 && promised_at(NULL, t) > TOKENS)
            fail_seed("a job has tokens of a booking");
    }
}

static void look(void)
{
    bool is_new[JOBS_MAX] = {false};
    n_booked = 0;
    core_each_reservation(world.core, world.now, note_booking, NULL);
    for (size_t i = 0; i < n_jobs; i++) {
        struct known *k = &jobs[i];
        struct found f = k->is_over ? (struct found){0} : find("acme", k->number);
        is_new[i] = f.n > 0 && k->started_us == 0;
        const struct lease *l = f.n > 0 ? lease_find(world.core, f.lease.id.v) : NULL;
        k->started_us = l ? l->head_since_us : 0;
        k->killed_us = l && l->is_recalled ? l->end_us : 0;
        k->node = f.node;
    }
    for (size_t i = 0; i < n_jobs; i++) {
        if (is_new[i] && *jobs[i].booking)
            check_inside(&jobs[i]);
        else if (is_new[i])
            check_beside(&jobs[i]);
    }
    for (size_t i = 0; i < n_jobs; i++)
        if (!jobs[i].is_over && jobs[i].started_us == 0
            && strcmp(why(jobs[i].number), "WAIT_TURN") == 0)
            fail_seed("a job waits that might start");
}

/* ---- when ---- */

static bool may_start_at(const struct shape *s, const struct worker *w, int64_t at_us)
{
    struct feature *lacking = NULL;
    struct query q = query_of(world.core, s, w, at_us);
    return query_machine_us(&q) <= at_us && query_tokens_us(&q, &lacking) <= at_us;
}

/* Where bookings do not look: what runs until then leaves room. */
static bool has_room_at(const struct shape *s, const struct worker *w, int64_t at_us)
{
    uint64_t vcs = s->tokens.n > 0 ? s->tokens.items[0].count : 0;
    const struct booking *own = booking_of(world.core, s);
    bool has_place = own && own->n_pieces > 0, has_tokens = own && own->tokens.n > 0;
    return (has_place || promised_at(w->name, at_us) + s->cores <= w->n_cores)
           && (vcs == 0 || has_tokens || promised_at(NULL, at_us) + vcs <= TOKENS);
}

/* No moment before it will do; edges are at multiples of five minutes, ends between them. */
static void check_earliest(const struct shape *s, const struct worker *w)
{
    const struct core *c = world.core;
    int64_t at_us = calendar_earliest(c, s, w, NULL, c->policy_us);
    int64_t start_us = at_us < INT64_MAX ? c->now_wall_us + (at_us - c->policy_us) : at_us;
    if (at_us < INT64_MAX && !may_start_at(s, w, start_us))
        fail_seed("a start is foretold that will not be");
    for (int64_t t = world.now.wall_us; t < start_us && t < world.now.wall_us + 9 * DAY;
         t += 5 * MINUTE)
        if (may_start_at(s, w, t) && has_room_at(s, w, t))
            fail_seed("a start could be sooner than is foretold");
}

static void look_ahead(void)
{
    const struct known *k = n_jobs > 0 ? &jobs[roll(n_jobs)] : NULL;
    struct enterprise_id e = {0};
    if (k == NULL || k->is_over || world.core->holds.n > 0)
        return;
    (void)core_find_enterprise(world.core, "acme", &e);
    check_earliest(job_find_number(world.core, e, k->number)->class->shape,
                   worker_named(world.core, roll(2) ? "n1" : "n2"));
}

/* ---- what happens ---- */

static void random_booking(void)
{
    static const char *const nodes[] = {"n1", "n2", "n1,n2"};
    static const char *const tokens[] = {"", "", "vcs:1", "vcs:3"};
    static const uint64_t periods[] = {0, 0, 1, 7};
    char name[8];
    (void)snprintf(name, sizeof name, "b%" PRIu64, roll(8));
    int64_t from_us = world.now.wall_us - zero_us + (int64_t)roll(48) * 30 * MINUTE;
    struct in_reservation r = {.name = name,
                               .path = roll(2) ? "acme" : "acme/uart",
                               .start_us = from_us,
                               .end_us = from_us + (int64_t)(1 + roll(16)) * 30 * MINUTE,
                               .every_days = periods[roll(CQ_COUNT(periods))],
                               .licences = tokens[roll(CQ_COUNT(tokens))],
                               .is_flex = roll(2)};
    if (roll(3) == 0)
        r.nodes = nodes[roll(CQ_COUNT(nodes))];
    else if (roll(4) > 0)
        r.cores = 1 + roll(20);
    (void)book_as("root", r);
}

static void random_submit(void)
{
    char name[8];
    (void)snprintf(name, sizeof name, "b%" PRIu64, roll(8));
    bool inside = roll(3) == 0;
    struct known k = {.cores = 1 + roll(8), .vcs = roll(3) == 0 ? 1 + roll(2) : 0};
    k.time_us = (int64_t)(1 + roll(24)) * 20 * MINUTE - (int64_t)n_jobs; /* each its own shape */
    char tokens[16] = "";
    if (k.vcs > 0)
        (void)snprintf(tokens, sizeof tokens, "vcs:%" PRIu64, k.vcs);
    if (n_jobs == JOBS_MAX)
        return;
    k.number = SUBMIT(.cores = k.cores, .time_us = k.time_us, .licences = tokens,
                      .reservation = inside ? name : "", .is_preemptible = roll(2));
    if (inside)
        (void)cq_copy_text(k.booking, sizeof k.booking, name);
    if (k.number != 0)
        jobs[n_jobs++] = k;
}

static bool is_due(const struct known *k)
{
    return is_live(k) && world.now.wall_us >= limit_us(k);
}

static void end_job(struct known *k)
{
    struct enterprise_id e = {0};
    end_of("acme", k->number);
    (void)core_find_enterprise(world.core, "acme", &e);
    k->is_over = core_find_job(world.core, e, k->number).v == 0;
    k->started_us = 0;
    look();
}

static void random_ends(void)
{
    for (size_t i = 0; i < n_jobs; i++)
        if (is_live(&jobs[i]) && roll(6) == 0)
            end_job(&jobs[i]);
}

/* Each job runs to its limit at most. */
static void pass_time(int64_t until_us)
{
    while (world.now.wall_us < until_us) {
        int64_t next_us = world.now.wall_us + 5 * MINUTE; /* edges are at multiples of that */
        for (size_t i = 0; i < n_jobs; i++)
            if (is_live(&jobs[i]) && ends_at(&jobs[i]) < next_us)
                next_us = ends_at(&jobs[i]);
        go_to((next_us < until_us ? next_us : until_us) - zero_us);
        for (size_t i = 0; i < n_jobs; i++)
            if (is_due(&jobs[i]))
                end_job(&jobs[i]);
        look();
    }
}

static void random_step(void)
{
    char name[16];
    (void)snprintf(name, sizeof name, "acme/b%" PRIu64, roll(8));
    uint64_t n = roll(12);
    if (n < 3)
        random_booking();
    else if (n < 8)
        random_submit();
    else if (n < 9)
        random_ends();
    else if (n < 10 && roll(4) == 0)
        (void)remove_booking("root", name);
    else
        pass_time(world.now.wall_us + (int64_t)(1 + roll(12)) * 5 * MINUTE);
}

static void run_seed(uint64_t number)
{
    dice = seed = number;
    n_jobs = 0;
    memset(jobs, 0, sizeof jobs);
    set_up();
    for (int i = 0; i < STEPS; i++) {
        random_step();
        look();
        look_ahead();
        if (i % 20 == 19)
            expect_same_after_restart();
    }
    tear_down();
}

Test(calendar_random, bookings_keep_their_place)
{
    const char *first = getenv("CHIPQ_SEED"), *rounds = getenv("CHIPQ_ROUNDS");
    uint64_t from = first ? strtoull(first, NULL, 10) : 1;
    uint64_t n = rounds ? strtoull(rounds, NULL, 10) : 15;
    for (uint64_t i = 0; i < n; i++)
        run_seed(from + i);
}
