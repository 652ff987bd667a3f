/* Rings of run times by kind. */
#include "scheduler/core/runs.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"

void runs_fini(struct runs *r)
{
    for (size_t i = 0; i < RUNS_KINDS_MAX; i++)
        free(r->kinds[i]);
    map_fini(&r->by_key);
    *r = (struct runs){0};
}

/* The time limit is not in it: people change that, and the run stays what it was. */
static uint64_t key_of(const struct job *job)
{
    const struct shape *s = job->class->shape;
    const char *tool = job->submit->u.job_submit.tool;
    const uint64_t numbers[] = {job->class->leaf->id, s->cores, s->mem_mib, s->exclusive,
                                s->is_preemptible};
    uint64_t key = core_hash(CORE_HASH_SEED, numbers, sizeof numbers);
    for (size_t i = 0; i < s->tokens.n; i++) {
        const uint64_t token[] = {s->tokens.items[i].feature->id, s->tokens.items[i].count};
        key = core_hash(key, token, sizeof token);
    }
    key = core_hash(key, s->node_has, strlen(s->node_has) + 1);
    key = core_hash(key, s->topo, strlen(s->topo) + 1);
    return tool ? core_hash(key, tool, strlen(tool)) : key;
}

static struct run_kind *kind_new(struct runs *r, uint64_t key)
{
    struct run_kind **place = &r->kinds[r->next], *k = *place;
    r->next = (r->next + 1) % RUNS_KINDS_MAX;
    if (k)
        (void)map_remove(&r->by_key, k->key);
    else
        k = *place = CQ_NEW(struct run_kind);
    *k = (struct run_kind){.key = key};
    map_put(&r->by_key, key, k);
    return k;
}

void runs_add(struct core *c, const struct job *job, int64_t run_us)
{
    uint64_t key = key_of(job);
    struct run_kind *k = map_find(&c->runs.by_key, key);
    if (k == NULL)
        k = kind_new(&c->runs, key);
    k->run_us[k->next] = run_us;
    k->next = (k->next + 1) % RUNS_KEPT;
    k->n += k->n < RUNS_KEPT;
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t runs_p90(const struct core *c, const struct job *job, int64_t longer_us)
{
    const struct run_kind *k = map_find(&c->runs.by_key, key_of(job));
    int64_t longer[RUNS_KEPT];
    size_t n = 0;
    for (size_t i = 0; k && i < k->n; i++)
        if (k->run_us[i] > longer_us)
            longer[n++] = k->run_us[i];
    if (n == 0)
        return 0;
    qsort(longer, n, sizeof *longer, by_length);
    return longer[(n * 9 + 9) / 10 - 1];
}

int64_t runs_mean(const struct core *c, const struct job *job)
{
    const struct run_kind *k = map_find(&c->runs.by_key, key_of(job));
    double sum = 0;
    for (size_t i = 0; k && i < k->n; i++)
        sum += (double)k->run_us[i];
    return k ? (int64_t)(sum / (double)k->n) : 0;
}
