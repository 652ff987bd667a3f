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
static uint64_t key_of_class(const struct class *class)
{
    const struct shape *s = class->shape;
    const uint64_t numbers[] = {class->leaf->id, s->cores, s->mem_mib, s->exclusive,
                                s->is_preemptible};
    uint64_t key = core_hash(CORE_HASH_SEED, numbers, sizeof numbers);
    for (size_t i = 0; i < s->tokens.n; i++) {
        const uint64_t token[] = {s->tokens.items[i].feature->id, s->tokens.items[i].count};
        key = core_hash(key, token, sizeof token);
    }
    key = core_hash(key, s->node_has, strlen(s->node_has) + 1);
    return core_hash(key, s->topo, strlen(s->topo) + 1);
}

/* Of thousands that wait in one class it is asked at once: the class remembers its part. */
static uint64_t key_of(const struct job *job)
{
    const char *tool = job->asked->tool;
    if (job->class->runs_key == 0)
        job->class->runs_key = key_of_class(job->class);
    return tool ? core_hash(job->class->runs_key, tool, strlen(tool)) : job->class->runs_key;
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

/* The first that is longer than `us`; n when none is. */
static size_t first_longer(const int64_t *sorted, size_t n, int64_t us)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (sorted[mid] <= us)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void sorted_remove(struct run_kind *k, int64_t us)
{
    size_t at = first_longer(k->sorted, k->n, us) - 1;
    k->n--;
    memmove(k->sorted + at, k->sorted + at + 1, (k->n - at) * sizeof k->sorted[0]);
}

static void sorted_insert(struct run_kind *k, int64_t us)
{
    size_t at = first_longer(k->sorted, k->n, us);
    memmove(k->sorted + at + 1, k->sorted + at, (k->n - at) * sizeof k->sorted[0]);
    k->sorted[at] = us;
    k->n++;
}

static int64_t mean_of(const struct run_kind *k)
{
    double sum = 0;
    for (size_t i = 0; i < k->n; i++)
        sum += (double)k->sorted[i];
    return (int64_t)(sum / (double)k->n);
}

void runs_add(struct core *c, const struct job *job, int64_t run_us)
{
    uint64_t key = key_of(job);
    struct run_kind *k = map_find(&c->runs.by_key, key);
    if (k == NULL)
        k = kind_new(&c->runs, key);
    if (k->n == RUNS_KEPT)
        sorted_remove(k, k->run_us[k->next]);
    k->run_us[k->next] = run_us;
    k->next = (k->next + 1) % RUNS_KEPT;
    sorted_insert(k, run_us);
    k->mean_us = mean_of(k);
}

int64_t runs_p90(const struct core *c, const struct job *job, int64_t longer_us)
{
    const struct run_kind *k = map_find(&c->runs.by_key, key_of(job));
    size_t shorter = k ? first_longer(k->sorted, k->n, longer_us) : 0, n = k ? k->n - shorter : 0;
    return n > 0 ? k->sorted[shorter + (n * 9 + 9) / 10 - 1] : 0;
}

int64_t runs_mean(const struct core *c, const struct job *job)
{
    const struct run_kind *k = map_find(&c->runs.by_key, key_of(job));
    return k ? k->mean_us : 0;
}
