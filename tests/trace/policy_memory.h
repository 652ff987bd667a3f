/* What may never be of sizes of memory that were learned or have grown, told from the journal
 * alone: nothing of another enterprise is in them, no machine and no limit is too small for them,
 * and no task grows more than three times. */
#ifndef CHIPQ_TEST_POLICY_MEMORY_H
#define CHIPQ_TEST_POLICY_MEMORY_H

#include "scheduler/core/grow.h"
#include "scheduler/core/learn.h"
#include "tests/trace/policy_play.h"

static const struct job_submit *memory_submit(const struct play *p, uint64_t job)
{
    const struct world *w = &p->w;
    for (size_t i = w->n_journal; i-- > 0;)
        if (w->journal[i]->type == RECORD_JOB_SUBMIT && w->journal[i]->u.job_submit.id == job)
            return &w->journal[i]->u.job_submit;
    return NULL;
}

/* The names of this test are told apart by their second letter; their numbers do not count. */
static bool has_letter(const struct job_submit *s, char letter)
{
    return letter != 0 && s->name && s->name[1] == letter;
}

static bool is_run_of_kind(const struct attempt_end_rec *e, const struct job_submit *of,
                           const struct job_submit *s)
{
    bool is_need = e->verdict == VERDICT_PASS || e->verdict == VERDICT_FAIL
                   || e->verdict == VERDICT_TIMEOUT
                   || (e->verdict == VERDICT_OOM && e->next_mem_mib == 0);
    return is_need && e->peak_mem_kib > 0 && of && of->enterprise == s->enterprise
           && of->project == s->project && of->cores == s->cores
           && has_letter(of, s->name ? s->name[1] : 0);
}

/* One that got along with what it had tells no more than that it would again. */
static uint64_t memory_need(const struct attempt_end_rec *e)
{
    uint64_t peak = (e->peak_mem_kib + 1023) / 1024, same = e->mem_mib * 5 / 6;
    return e->verdict == VERDICT_OOM || peak > e->mem_mib || peak < same ? peak : same;
}

static int memory_by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The newest 64 peaks of its own enterprise, from the journal. */
static void check_learned(const struct play *p, const struct job_submit *s)
{
    uint64_t peaks[LEARN_RUNS_KEPT];
    size_t n = 0;
    for (size_t i = p->w.n_journal; i-- > 0 && n < LEARN_RUNS_KEPT;) {
        const struct record *r = p->w.journal[i];
        const struct attempt_end_rec *e = &r->u.attempt_end_rec;
        if (r->type == RECORD_ATTEMPT_END && e->peak_mem_kib > 0
            && is_run_of_kind(e, memory_submit(p, e->job), s))
            peaks[n++] = memory_need(e);
    }
    if (n != s->mem_runs || (n >= LEARN_RUNS_MIN) != (s->mem_source == MEM_LEARNED))
        play_fail(p, "a size was learned from other runs than its own enterprise's");
    if (s->mem_source != MEM_LEARNED)
        return;
    qsort(peaks, n, sizeof *peaks, memory_by_size);
    uint64_t p95 = peaks[(n * 95 + 99) / 100 - 1];
    if (s->mem_p95_mib != p95 || s->mem_mib > learn_request_mib(p95))
        play_fail(p, "a learned size is not that of its own runs");
}

/* No machine that is up has so much, or a limit of the path forbids it. */
static bool is_too_much(const struct core *c, const struct share_node *n, uint64_t mem_mib)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < c->pool.n; i++)
        if (c->pool.workers[i]->is_up && c->pool.workers[i]->mem_mib > largest)
            largest = c->pool.workers[i]->mem_mib;
    for (; n; n = n->parent)
        if (mem_mib > n->settings.max_mem_mib)
            return true;
    return largest > 0 && mem_mib > largest;
}

static void check_growth(const struct play *p, const struct attempt_end_rec *e)
{
    const struct core *c = p->w.core;
    const struct job *job = job_find(c, e->job);
    const struct job_submit *s = job->asked;
    uint64_t growths = 1;
    for (size_t i = 0; i < p->w.n_journal; i++) {
        const struct attempt_end_rec *old = &p->w.journal[i]->u.attempt_end_rec;
        growths += p->w.journal[i]->type == RECORD_ATTEMPT_END && old->next_mem_mib > 0
                   && old->job == e->job && old->task == e->task;
    }
    if (e->verdict != VERDICT_OOM || s->mem_source == MEM_ASKED || growths > GROWTHS_MAX)
        play_fail(p, "a task grew that may not");
    if (e->next_mem_mib <= e->mem_mib || e->next_mem_mib > 2 * e->mem_mib
        || is_too_much(c, job->class->leaf, e->next_mem_mib))
        play_fail(p, "a task grew to a size that may not be");
}

/* What was too little once is not given again. */
static void check_again(const struct play *p, const struct attempt_assign *a)
{
    const struct lease *l = lease_find(p->w.core, a->lease);
    for (size_t i = 0; l && a->attempt > 1 && i < p->w.n_journal; i++) {
        const struct attempt_end_rec *old = &p->w.journal[i]->u.attempt_end_rec;
        if (p->w.journal[i]->type == RECORD_ATTEMPT_END && old->job == a->job
            && old->task == a->task && old->next_mem_mib > l->mem_mib)
            play_fail(p, "a task that has grown runs with less again");
    }
}

/* A lease has what its class says. */
static void check_lease_sizes(const struct play *p)
{
    const struct core *c = p->w.core;
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        for (size_t k = 0; k < l->n; k++)
            if (l->queue[k].task->mem_mib != l->class->shape->mem_mib
                || l->class->leaf != l->queue[k].job->class->leaf)
                play_fail(p, "an attempt is in a lease of another size");
    }
}

static void check_memory(struct play *p)
{
    const struct effects *fx = &p->w.fx;
    check_lease_sizes(p);
    for (size_t i = 0; i < fx->n_records; i++) {
        const struct record *r = fx->records[i];
        const struct job_submit *s = &r->u.job_submit;
        if (r->type == RECORD_JOB_SUBMIT && s->mem_source != MEM_ASKED) {
            check_learned(p, s);
            const struct share_node *leaf = share_leaf_of(p->w.core, s->project, s->principal);
            if (s->mem_source == MEM_LEARNED && is_too_much(p->w.core, leaf, s->mem_mib))
                play_fail(p, "a learned size is above what there is");
        }
        if (r->type == RECORD_ATTEMPT_ASSIGN)
            check_again(p, &r->u.attempt_assign);
        if (r->type == RECORD_ATTEMPT_END && r->u.attempt_end_rec.next_mem_mib > 0)
            check_growth(p, &r->u.attempt_end_rec);
    }
}

#endif
