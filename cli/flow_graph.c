/* The graph of a flow: who needs whom, by place; circles are found and shown. */
#include "cli/flow_graph.h"

#include "common/base/pure/mem.h"

static const struct flow_job *find_job(const struct flow *f, const char *name)
{
    for (size_t i = 0; i < f->n_jobs; i++)
        if (strcmp(f->jobs[i].name, name) == 0)
            return &f->jobs[i];
    return NULL;
}

static void link_needs(const struct flow *f, struct flow_job *job, struct flow_errors *e)
{
    const char **names = cq_calloc(f->n_jobs + 1, sizeof *names);
    size_t kept = 0;
    for (size_t i = 0; i < f->n_jobs; i++)
        names[i] = f->jobs[i].name;
    for (size_t i = 0; i < job->n_needs; i++) {
        struct flow_need *need = &job->needs[i];
        const struct flow_job *found = find_job(f, need->job);
        if (found) {
            need->index = (size_t)(found - f->jobs);
            job->needs[kept++] = *need;
            continue;
        }
        const char *meant = cq_closest(need->job, names);
        flow_errors_add(e, need->at, "job '%s' needs '%s', which is not in this flow%s%s%s",
                        job->name, need->job, meant ? "; did you mean '" : "", meant ? meant : "",
                        meant ? "'?" : "");
        free(need->job);
    }
    job->n_needs = kept;
    free(names);
}

/* Looks for a way from a job back to one on the path. */
enum mark { MARK_NEW, MARK_ON_PATH, MARK_DONE };

struct cycle {
    const struct flow *f;
    struct flow_errors *e;
    uint8_t *marks; /* enum mark, one a job */
    size_t *path;   /* job indexes */
    size_t n_path;
};

static void report_cycle(const struct cycle *c, size_t back_to, struct flow_at at)
{
    struct cq_str text = {0};
    size_t first = 0;
    while (c->path[first] != back_to)
        first++;
    for (size_t i = first; i < c->n_path; i++)
        cq_str_printf(&text, "%s → ", c->f->jobs[c->path[i]].name);
    cq_str_add(&text, c->f->jobs[back_to].name);
    flow_errors_add(c->e, at, "jobs need each other in a circle: %s", cq_str_text(&text));
    cq_str_fini(&text);
}

static void walk_cycle(struct cycle *c, size_t at) // NOLINT(misc-no-recursion): at most 1,000 deep
{
    const struct flow_job *job = &c->f->jobs[at];
    c->path[c->n_path++] = at;
    c->marks[at] = MARK_ON_PATH;
    for (size_t i = 0; i < job->n_needs; i++) {
        size_t next = job->needs[i].index;
        if (c->marks[next] == MARK_ON_PATH && c->e->n < FLOW_ERRORS_MAX)
            report_cycle(c, next, job->needs[i].at);
        else if (c->marks[next] == MARK_NEW)
            walk_cycle(c, next);
    }
    c->n_path--;
    c->marks[at] = MARK_DONE;
}

static void find_cycles(const struct flow *f, struct flow_errors *e)
{
    struct cycle c = {.f = f, .e = e};
    c.marks = cq_calloc(f->n_jobs + 1, 1);
    c.path = cq_calloc(f->n_jobs + 1, sizeof *c.path);
    for (size_t i = 0; i < f->n_jobs; i++)
        if (c.marks[i] == MARK_NEW)
            walk_cycle(&c, i);
    free(c.marks);
    free(c.path);
}

void flow_graph_link(struct flow *f, struct flow_errors *e)
{
    for (size_t i = 0; i < f->n_jobs; i++)
        link_needs(f, &f->jobs[i], e);
    find_cycles(f, e);
}
