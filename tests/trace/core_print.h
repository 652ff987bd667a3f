/* Everything that a core knows, as text: two cores with the same history have the same. And the
 * core that a replay of the journal makes. */
#ifndef CHIPQ_TEST_CORE_PRINT_H
#define CHIPQ_TEST_CORE_PRINT_H

#include "scheduler/core/core_state.h"
#include "tests/trace/world.h"

static void print_entity(void *arg, const struct entity_view *e)
{
    struct cq_str *out = arg;
    cq_str_printf(out, "%s %" PRIu64 " ", record_type_name(e->type), e->id);
    if (e->gone)
        cq_str_add(out, "gone");
    else
        record_format_json(e->record, out);
    cq_str_add_char(out, '\n');
}

static void print_job(struct core *c, uint64_t id, struct cq_str *out)
{
    struct job_view v;
    core_view_job(c, (struct job_id){id}, &v);
    cq_str_printf(out,
                  "job %" PRIu64 " %s w%" PRIu64 " r%" PRIu64 " p%" PRIu64 " f%" PRIu64 " k%" PRIu64
                  " l%" PRIu64 " %s start %" PRId64 " ",
                  v.number, job_state_name(v.state), v.waiting, v.running, v.passed, v.failed,
                  v.killed, v.lost, verdict_name(v.verdict), v.start_us);
    if (v.state_record)
        record_format_json(v.state_record, out);
    cq_str_add_char(out, '\n');
    job_view_fini(&v);
    core_forget(c, (struct job_id){id});
}

/* Usage and carry, to the last bit. */
static void print_shares(const struct core *c, struct cq_str *out)
{
    for (uint64_t id = 0; id < c->next_id; id++) {
        const struct share_node *n = share_node_find(c, id);
        if (n == NULL)
            continue;
        cq_str_printf(out,
                      "node %" PRIu64 " r %" PRId64
                      " c %a owed %a carry %a step %a in %d at %" PRId64 " group r %" PRId64
                      " c %a w %a level %a ready %u waiting %" PRIu64 " paid %" PRId64 "\n",
                      n->id, n->rate, n->c, n->carry.deficit, n->carry.rate, n->carry.step,
                      n->carry.is_in, n->carry.at_us, n->group.rate, n->group.c, n->group.weight,
                      n->group.level, n->n_ready, n->waiting, n->submits_paid_us);
    }
}

/* Everything the core knows, of all jobs that the store has. Leaves it undamaged. */
static char *print_core(struct core *c, const struct world *w)
{
    struct cq_str out = {0};
    for (size_t i = 0; i < w->n_rows; i++)
        if (w->rows[i].type == RECORD_JOB_SNAPSHOT)
            print_job(c, w->rows[i].id, &out);
    core_view_entities(c, print_entity, &out);
    print_shares(c, &out);
    struct counts n;
    core_counts(c, (struct enterprise_id){0}, &n);
    cq_str_printf(&out, "counts %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                  n.jobs_waiting, n.jobs_running, n.tasks_waiting, n.tasks_running, n.cores_used);
    return cq_str_take(&out);
}

/* Jobs that ended leave a replayed core as they left the live one. */
static struct core *replayed(const struct world *w)
{
    struct core *c = core_from_journal(w);
    for (uint64_t id = 1; id < 100000 && id < w->n_journal * 8 + 64; id++)
        core_forget(c, (struct job_id){id});
    return c;
}

static void drain_entities(struct core *c)
{
    struct cq_str sink = {0};
    core_view_entities(c, print_entity, &sink);
    cq_str_fini(&sink);
}

#endif
