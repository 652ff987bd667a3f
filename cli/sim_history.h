/* chipq simulate --history: what this instance ran, with its configuration or a changed one. */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "cli/cli.h"

struct sim_history_opts {
    bool is_wanted;
    const char *from, *to, *enterprise, *with; /* as typed; NULL = not given */
};

/* Where chipq-sim finds them: memory files that stay open across exec. */
struct sim_history_files {
    char workload[32], rows[32];
    char changes[32]; /* of `with`; "" without it */
};

/* Asks the pool for what ran and how it is configured, reads the file `with`, whose settings
 * win.
 * What it cannot take into the simulation (people of whom nothing ran, the licence feed) is left
 * out. */
int sim_history_make(struct cli *c, const struct sim_history_opts *o,
                     struct sim_history_files *files, struct cq_err *err) CQ_MUST_CHECK;

#endif
