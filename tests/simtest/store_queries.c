/* Questions to the store, answered from what is on the simulated disk: those that a submit or an
 * action has to ask. */
#include "common/base/pure/mem.h"
#include "tests/simtest/disk.h"

struct store_query *store_query_new(enum query_kind kind, void *owner)
{
    struct store_query *q = CQ_NEW(struct store_query);
    q->kind = kind;
    q->owner = owner;
    return q;
}

void store_query_free(struct store_query *q)
{
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->n_jobs; i++)
        stored_job_fini(&q->jobs[i]);
    free(q->jobs);
    free(q->numbers);
    free(q->user);
    free(q->project);
    free(q->flow);
    record_free(q->submit);
    free(q);
}

static void answer_numbers(struct store_query *q)
{
    q->jobs = cq_calloc(q->n_numbers + 1, sizeof *q->jobs);
    for (size_t i = 0; i < q->n_numbers; i++) {
        const struct disk_job *j = disk_job_by_number(q->enterprise.v, q->numbers[i]);
        if (j == NULL)
            continue;
        q->jobs[q->n_jobs++] = (struct stored_job){.id = j->id,
                                                   .enterprise = j->enterprise,
                                                   .number = j->number,
                                                   .principal = j->principal,
                                                   .user_name = cq_strdup("ann"),
                                                   .name = cq_strdup(j->name),
                                                   .is_array = j->is_array,
                                                   .tasks = j->tasks,
                                                   .state = (uint64_t)j->state,
                                                   .attempt = j->attempt,
                                                   .passed_ranges = cq_strdup(j->passed_ranges)};
    }
}

static void answer_key(struct store_query *q)
{
    for (size_t i = 0; i < disk.n_jobs && q->submit == NULL; i++) {
        const struct disk_job *j = &disk.jobs[i];
        const struct disk_record d = {.type = RECORD_JOB_SUBMIT,
                                      .version = record_type_version(RECORD_JOB_SUBMIT),
                                      .payload = j->submit};
        if (j->principal == q->principal.v && cq_uuid_equal(&j->key, &q->key))
            q->submit = disk_decode(&d);
    }
}

void disk_answer(struct store_query *q)
{
    if (q->kind == QUERY_NUMBERS)
        answer_numbers(q);
    else if (q->kind == QUERY_KEY)
        answer_key(q);
    else
        sim_fail("store", "a question of kind %d is not simulated", (int)q->kind);
}
