/* What the core wants done: growable lists that the shell reuses turn after turn. */
#include "scheduler/core/effects.h"

#include "common/base/pure/mem.h"

void effects_clear(struct effects *e)
{
    for (size_t i = 0; i < e->n_records; i++)
        record_free(e->records[i]);
    for (size_t i = 0; i < e->n_outs; i++) {
        free(e->outs[i].text);
        free(e->outs[i].changes);
        free(e->outs[i].numbers);
        free(e->outs[i].attempts);
    }
    e->n_records = e->n_outs = e->n_dirty_jobs = 0;
}

void effects_fini(struct effects *e)
{
    effects_clear(e);
    free(e->records);
    free(e->outs);
    free(e->dirty_jobs);
    *e = (struct effects){0};
}

struct out *effects_out(struct effects *e, enum out_type type)
{
    cq_grow(&e->outs, &e->cap_outs, e->n_outs);
    struct out *o = &e->outs[e->n_outs++];
    *o = (struct out){.type = type};
    return o;
}

void effects_record(struct effects *e, struct record *r)
{
    cq_grow(&e->records, &e->cap_records, e->n_records);
    e->records[e->n_records++] = r;
}
