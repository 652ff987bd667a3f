/* The live picture of a flow: one line a job, a bar on arrays. Redrawn in place on a terminal;
 * elsewhere a plain line whenever a job changes its state. Goes to stderr. */
#ifndef RUN_VIEW_H
#define RUN_VIEW_H

#include "cli/flow.h"
#include "cli/follow.h"

struct run_view {
    const struct cli *c;
    const char *flow;             /* borrowed; name for --attach, may be NULL */
    const struct flow_plan *plan; /* borrowed; job i of it is number i of the follow */
    bool redraws;
    size_t drawn;     /* lines on the terminal */
    int64_t drawn_us; /* when, boot clock */
    char **last_said; /* of each job, when not redrawing */
};

void run_view_init(struct run_view *v, const struct cli *c, const struct flow_plan *plan);
void run_view_fini(struct run_view *v);

/* Draws the last state: a picture that came too soon after another was left out. */
void run_view_finish(struct run_view *v, const struct follow *f);

/* A follow_fn; `arg` is the view. */
void run_view_update(void *arg, const struct follow *f, int64_t index);

/* Appends `line`, cut with "..." when it takes more than `columns` places; escape sequences take
 * none. */
void run_view_cut(const char *line, size_t columns, struct cq_str *out);

/* "[=====>    ]  52/100  50 pass  2 fail  1 running" */
void run_view_bar(const json_t *row, struct cq_str *out);

#endif
