/* Rings of peak memory by kind, hung at projects. */
#include "scheduler/core/learn.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

enum {
    STATE_VERSION = 1,
    SLOT_BITS = 6, /* of a row's id, below its project's */
    FLOOR_MIB = 64,
    STEPS = 8, /* sizes of an octave */
};

struct kind {
    char *what; /* owned */
    uint64_t cores;
    uint64_t used;                       /* the project's run that was its newest */
    uint32_t peaks_mib[LEARN_RUNS_KEPT]; /* a ring */
    size_t n, next;
    bool is_changed; /* since its row was given */
};

struct learned {
    struct kind kinds[LEARN_KINDS_MAX];
    size_t n;
    uint64_t runs; /* ever */
    bool is_changed;
};

static_assert(LEARN_KINDS_MAX == 1 << SLOT_BITS, "a slot is part of a row's id");

void learned_free(struct learned *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n; i++)
        free(l->kinds[i].what);
    free(l);
}

/* ---- kinds ---- */

/* Numbers of a name become '#'. */
static void add_name(const char *name, char buf[LEARN_WHAT_BYTES])
{
    size_t n = 0;
    bool was_digit = false;
    for (; *name && n + 1 < LEARN_WHAT_BYTES; name++) {
        bool is_digit = *name >= '0' && *name <= '9';
        if (!is_digit)
            buf[n++] = *name;
        else if (!was_digit)
            buf[n++] = '#';
        was_digit = is_digit;
    }
    buf[n] = '\0';
}

/* What a stage's name has behind that of its flow's job: ".build". */
static const char *stage_suffix(const char *stage_of, const char *name)
{
    size_t n = stage_of ? strlen(stage_of) : 0;
    return n > 0 && name && strncmp(name, stage_of, n) == 0 ? name + n : "";
}

const char *learn_what(const char *tool, const char *stage_of, const char *name,
                       char buf[LEARN_WHAT_BYTES])
{
    if (tool && *tool)
        (void)snprintf(buf, LEARN_WHAT_BYTES, "%s%s", tool, stage_suffix(stage_of, name));
    else
        add_name(name ? name : "", buf);
    return buf;
}

/* Whole sockets and NUMA nodes are sized by memory too: how many there are is no part of a kind. */
static uint64_t key_cores(uint64_t cores, uint64_t exclusive)
{
    return exclusive == EXCLUSIVE_SOCKET || exclusive == EXCLUSIVE_NUMA ? 0 : cores;
}

static struct kind *find(const struct learned *l, const char *what, uint64_t cores)
{
    for (size_t i = 0; l && i < l->n; i++)
        if (l->kinds[i].cores == cores && strcmp(l->kinds[i].what, what) == 0)
            return (struct kind *)&l->kinds[i];
    return NULL;
}

/* A new kind, in the place of the one that ran longest ago when all are taken. */
static struct kind *add_kind(struct learned *l, const char *what, uint64_t cores)
{
    struct kind *k = &l->kinds[l->n < LEARN_KINDS_MAX ? l->n : 0];
    for (size_t i = 1; l->n == LEARN_KINDS_MAX && i < l->n; i++)
        k = l->kinds[i].used < k->used ? &l->kinds[i] : k;
    l->n += l->n < LEARN_KINDS_MAX;
    free(k->what);
    *k = (struct kind){.what = cq_strdup(what), .cores = cores};
    return k;
}

/* Its peak is what the run needs: it came to its end, or to the limit of its memory for good. */
static bool tells_need(const struct attempt_end_rec *end)
{
    if (end->peak_mem_kib == 0)
        return false;
    return end->verdict == VERDICT_PASS || end->verdict == VERDICT_FAIL
           || end->verdict == VERDICT_TIMEOUT
           || (end->verdict == VERDICT_OOM && end->next_mem_mib == 0);
}

/* File cache fills what there is: a run that got along with what it had never argues for more. */
static uint64_t need_mib(const struct attempt_end_rec *end)
{
    uint64_t peak = end->peak_mem_kib / 1024 + (end->peak_mem_kib % 1024 != 0);
    uint64_t most = end->mem_mib - (end->mem_mib + 5) / 6; /* the same request again */
    bool got_along = end->verdict != VERDICT_OOM && peak <= end->mem_mib;
    return got_along && peak > most ? most : peak;
}

void learn_add(const struct job *job, const struct attempt_end_rec *end)
{
    const struct job_submit *s = job->asked;
    char what[LEARN_WHAT_BYTES];
    const char *name = own_part_name(job->own);
    if (!tells_need(end) || *learn_what(s->tool, s->stage_of, name, what) == '\0')
        return;
    uint64_t cores = key_cores(s->cores, s->exclusive);
    uint64_t mib = need_mib(end);
    if (job->project->learned == NULL)
        job->project->learned = CQ_NEW(struct learned);
    struct learned *l = job->project->learned;
    struct kind *k = find(l, what, cores);
    if (k == NULL)
        k = add_kind(l, what, cores);
    k->peaks_mib[k->next] = mib < UINT32_MAX ? (uint32_t)mib : UINT32_MAX;
    k->next = (k->next + 1) % LEARN_RUNS_KEPT;
    k->n += k->n < LEARN_RUNS_KEPT;
    k->used = ++l->runs;
    k->is_changed = l->is_changed = true;
}

/* ---- sizes ---- */

uint64_t learn_request_mib(uint64_t peak_mib)
{
    uint64_t want = peak_mib + peak_mib / 5 + (peak_mib % 5 != 0), octave = FLOOR_MIB;
    if (want <= octave)
        return octave;
    while (octave <= want / 2)
        octave *= 2;
    uint64_t step = octave / STEPS;
    return (want + step - 1) / step * step;
}

uint64_t learn_largest_mib(const struct core *c, uint64_t cores)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (w->is_up && w->n_cores >= cores && w->mem_mib > most)
            most = w->mem_mib;
    }
    return most;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* 19 of 20 took no more. */
static uint64_t p95_of(const struct kind *k)
{
    uint32_t sorted[LEARN_RUNS_KEPT];
    memcpy(sorted, k->peaks_mib, k->n * sizeof *sorted);
    qsort(sorted, k->n, sizeof *sorted, by_size);
    return sorted[(k->n * 95 + 99) / 100 - 1];
}

struct mem_size learn_size(const struct core *c, const struct learn_asked *a)
{
    char what[LEARN_WHAT_BYTES];
    uint64_t largest = learn_largest_mib(c, a->cores), cap = quota_most_mem_mib(a->node);
    const struct kind *k = NULL;
    if (a->project && *learn_what(a->tool, a->stage_of, a->name, what))
        k = find(a->project->learned, what, key_cores(a->cores, a->exclusive));
    if (largest > 0 && largest < cap)
        cap = largest;
    cap = cap > 0 ? cap : 1; /* a limit of nothing is told as such */
    if (k == NULL || k->n < LEARN_RUNS_MIN) {
        uint64_t first_mib = a->first_mib ? a->first_mib : c->config.default_mem_mib;
        return (struct mem_size){.mem_mib = first_mib < cap ? first_mib : cap,
                                 .runs = k ? k->n : 0,
                                 .source = MEM_DEFAULT};
    }
    uint64_t p95 = p95_of(k), mib = learn_request_mib(p95);
    return (struct mem_size){
        .mem_mib = mib < cap ? mib : cap, .p95_mib = p95, .runs = k->n, .source = MEM_LEARNED};
}

/* ---- words ---- */

static void add_history(const struct job_submit *s, struct cq_str *out)
{
    char what[LEARN_WHAT_BYTES];
    cq_str_printf(out, "%" PRIu64 " run%s", s->mem_runs, s->mem_runs == 1 ? "" : "s");
    if (*learn_what(s->tool, s->stage_of, s->name, what)) {
        cq_str_add(out, " of ");
        cq_str_add_printable(out, what, strlen(what));
    }
}

void core_explain_mem(const struct job_submit *s, const char *enterprise, const char *project,
                      struct cq_str *out)
{
    char size[32];
    if (s->mem_source == MEM_DEFAULT) {
        cq_str_add(out, "the default: ");
        add_history(s, out);
        cq_str_printf(out, " in %s/%s known, %d are needed", enterprise, project, LEARN_RUNS_MIN);
    }
    if (s->mem_source != MEM_LEARNED)
        return;
    cq_str_add(out, "p95 of ");
    add_history(s, out);
    cq_str_printf(out, " in %s/%s: %s + 20 %%", enterprise, project,
                  format_size_mib(s->mem_p95_mib, size, sizeof size));
    if (s->mem_mib < learn_request_mib(s->mem_p95_mib))
        cq_str_add(out, ", cut to the most that it can get");
}

/* ---- rows ---- */

static void encode(const struct kind *k, struct cq_str *out)
{
    flat_put_u64(out, STATE_VERSION);
    flat_put_text(out, k->what);
    flat_put_u64(out, k->cores);
    flat_put_u64(out, k->used);
    flat_put_u64(out, k->next);
    flat_put_u64(out, k->n);
    for (size_t i = 0; i < k->n; i++)
        flat_put_u64(out, k->peaks_mib[i]);
}

static bool decode(struct flat_reader *in, struct kind *k)
{
    bool is_known = flat_get_u64(in) == STATE_VERSION;
    k->what = flat_get_text(in, LEARN_WHAT_BYTES);
    k->cores = flat_get_u64(in);
    k->used = flat_get_u64(in);
    k->next = (size_t)flat_get_u64(in);
    k->n = flat_get_count(in, LEARN_RUNS_KEPT);
    for (size_t i = 0; i < k->n; i++) {
        uint64_t mib = flat_get_u64(in);
        k->peaks_mib[i] = mib < UINT32_MAX ? (uint32_t)mib : UINT32_MAX;
    }
    return is_known && flat_at_end(in) && k->next < LEARN_RUNS_KEPT && k->n > 0
           && k->next == (k->n < LEARN_RUNS_KEPT ? k->n : k->next);
}

/* Slots come in order: rows are loaded by their id. */
int learn_apply(struct core *c, const struct mem_learned *r, struct cq_err *err)
{
    struct project *p = people_project(c, r->project);
    struct flat_reader in = flat_reader_of(r->state.data, r->state.len);
    struct kind k = {0};
    bool fits = p && r->slot < LEARN_KINDS_MAX && r->slot == (p->learned ? p->learned->n : 0);
    if (!decode(&in, &k) || !fits) {
        free(k.what);
        return cq_fail(err, CQ_E_INTERNAL, "what project %" PRIu64 " learned is damaged",
                       r->project);
    }
    if (p->learned == NULL)
        p->learned = CQ_NEW(struct learned);
    k.is_changed = p->learned->is_changed = true;
    p->learned->kinds[p->learned->n++] = k;
    if (k.used > p->learned->runs)
        p->learned->runs = k.used;
    return 0;
}

static void give_kind(const struct project *p, size_t slot, entity_view_fn fn, void *arg)
{
    struct kind *k = &p->learned->kinds[slot];
    struct cq_str bytes = {0};
    if (!k->is_changed)
        return;
    encode(k, &bytes);
    struct record *r = record_new(RECORD_MEM_LEARNED);
    size_t len = bytes.len;
    r->u.mem_learned = (struct mem_learned){
        .project = p->id, .slot = slot, .state = {(uint8_t *)cq_str_take(&bytes), len}};
    fn(arg, &(struct entity_view){.type = r->type, .id = p->id << SLOT_BITS | slot, .record = r});
    record_free(r);
    k->is_changed = false;
}

void learn_view_entities(struct core *c, entity_view_fn fn, void *arg)
{
    for (size_t i = 0; i < c->people.n_projects; i++) {
        const struct project *p = c->people.projects[i];
        if (p->learned == NULL || !p->learned->is_changed)
            continue;
        for (size_t slot = 0; slot < p->learned->n; slot++)
            give_kind(p, slot, fn, arg);
        p->learned->is_changed = false;
    }
}
