/* A request: its part in the record, which the core reads, and its part in the run specification,
 * which only workers read otherwise. */
#include "scheduler/daemon/request_view.h"

#include "common/base/pure/mem.h"

enum { THREADS_OF_ALL = 2, ARRAY_BYTES = 4000 };

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static void add_features(struct request_view *v, const char *lines)
{
    v->features = cq_strdup(text_of(lines));
    for (char *p = v->features, *next; *p && v->row.n_node_has < CQ_COUNT(v->node_has); p = next) {
        next = p + strcspn(p, "\n");
        if (*next)
            *next++ = '\0';
        v->node_has[v->row.n_node_has++] = p;
    }
    v->row.node_has = v->node_has;
}

/* An answer must fit into one frame. */
static void add_array(struct request_view *v, const char *array)
{
    size_t len = strlen(text_of(array));
    cq_str_append(&v->array, text_of(array), len < ARRAY_BYTES ? len : ARRAY_BYTES);
    if (len > ARRAY_BYTES)
        cq_str_add(&v->array, "...");
    v->row.array = cq_str_text(&v->array);
}

/* A damaged specification has no cap and no grace to tell of. */
static void add_run(struct request_view *v, const struct job_submit *s)
{
    v->row.cwd = "";
    if (run_spec_decode(s->run.data, s->run.len, &v->spec, NULL) != 0)
        return;
    v->row.cwd = v->spec.cwd;
    v->row.grace_us = run_spec_grace_us(&v->spec);
    v->row.output_max_mib = run_spec_output_mib(&v->spec);
    v->row.output_full = v->spec.output_full;
}

void request_view_init(struct request_view *v, const struct job_submit *s)
{
    *v = (struct request_view){0};
    v->row = (struct request_row){.mem_source = s->mem_source,
                                  .mem_p95_mib = s->mem_p95_mib,
                                  .mem_runs = s->mem_runs,
                                  .array_max_running = s->array_max_running,
                                  .hold = s->hold != 0,
                                  .restart = s->restart,
                                  .on_lost = s->on_lost,
                                  .max_attempts = s->max_attempts,
                                  .max_own_failures = s->max_own_failures,
                                  .topo = text_of(s->topo),
                                  .exclusive = s->exclusive,
                                  .smt = s->smt ? s->smt : THREADS_OF_ALL,
                                  .membind = s->membind,
                                  .licences = text_of(s->licences),
                                  .reservation = text_of(s->reservation),
                                  .preemptible = s->preemptible != 0};
    add_array(v, s->array);
    add_features(v, s->node_has);
    add_run(v, s);
}

void request_view_fini(struct request_view *v)
{
    run_spec_fini(&v->spec);
    free(v->features);
    cq_str_fini(&v->array);
    *v = (struct request_view){0};
}
