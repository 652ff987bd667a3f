/* Words for what the machines have of what a job asks. */
#include <inttypes.h>

#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/placement.h"

#define SAY(field, ...) (void)snprintf((field), sizeof(field), __VA_ARGS__)

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void format_request(const struct shape *s, struct cq_str *out)
{
    char mem[32];
    if (s->exclusive)
        cq_str_add(out, "a whole machine with ");
    cq_str_printf(out, "%" PRIu64 " core%s and %s of memory", s->cores, s->cores == 1 ? "" : "s",
                  format_size_mib(s->mem_mib, mem, sizeof mem));
}

bool explain_impossible(const struct core *c, const struct shape *s, struct cq_str *out)
{
    uint64_t cores = 0, mem = 0, up = 0, with_features = 0;
    char has[32], asks[32];
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (!w->is_up)
            continue;
        if (placement_could_fit(s, w))
            return false;
        up++;
        with_features += placement_has_features(w->features, s->node_has);
        cores = w->n_cores > cores ? w->n_cores : cores;
        mem = w->mem_mib > mem ? w->mem_mib : mem;
    }
    if (up == 0)
        return false;
    if (s->cores > cores)
        cq_str_printf(out, "asks %" PRIu64 " cores; the largest worker has %" PRIu64, s->cores,
                      cores);
    else if (s->mem_mib > mem)
        cq_str_printf(out, "asks %s of memory; the largest worker has %s",
                      format_size_mib(s->mem_mib, asks, sizeof asks),
                      format_size_mib(mem, has, sizeof has));
    else if (with_features == 0)
        cq_str_printf(out, "asks a worker with %.*s%s; none has it",
                      (int)strcspn(s->node_has, "\n"), s->node_has,
                      strchr(s->node_has, '\n') ? " and more" : "");
    else
        cq_str_add(out, "asks more than any one worker has of cores, memory and features together");
    return true;
}

void explain_capacity(const struct core *c, const struct shape *s, struct reason *r)
{
    struct cq_str asks = {0};
    uint64_t fits = 0, working = 0, most = 0, most_mem = 0;
    char mem[32];
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (!w->is_up || !placement_could_fit(s, w))
            continue;
        fits++;
        if (!worker_takes_work(w))
            continue;
        working++;
        most = greater(most, w->n_free);
        most_mem = greater(most_mem, w->mem_mib - w->mem_used_mib);
    }
    format_request(s, &asks);
    if (working == 0) {
        SAY(r->text,
            "it asks %s; the %" PRIu64 " worker%s that could hold it %s (drained "
            "or silent)",
            cq_str_text(&asks), fits, fits == 1 ? "" : "s",
            fits == 1 ? "takes no work" : "take no work");
        SAY(r->advice, "chipq nodes shows their states");
    } else {
        SAY(r->text,
            "it asks %s; %" PRIu64 " worker%s could hold it, the most free on one now: %" PRIu64
            " core%s, %s of memory%s",
            cq_str_text(&asks), fits, fits == 1 ? "" : "s", most, most == 1 ? "" : "s",
            format_size_mib(most_mem, mem, sizeof mem),
            working > 1 && most >= s->cores && most_mem >= s->mem_mib && !s->exclusive
                    && !s->wish.is_strict
                ? " (not on the same one)"
                : "");
        SAY(r->advice, "it starts when running jobs end%s%s",
            most > 0 ? "; a smaller request starts sooner" : "",
            s->wish.is_strict && most >= s->cores ? ", and one whose --topo does not insist (!)"
                                                  : "");
    }
    cq_str_fini(&asks);
}
