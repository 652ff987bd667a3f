/* The charge rate of one task. */
#include "scheduler/sim/charge.h"

double charge_of(const struct workload *w, const struct sim_row *r, bool plain)
{
    double cores = (double)r->cores / (double)w->cores;
    double mem = (double)r->mem_mib / (double)w->mem_mib;
    double most = cores > mem ? cores : mem;
    double floor = plain ? 1 : 2 * (double)w->enterprises.n;
    struct licence_part part;
    for (const char *at = w->licences.items[r->licence]; licence_next(&at, &part);) {
        const struct sim_feature *f = workload_find_feature(w, part.name, part.len);
        if (f == NULL || f->is_owned)
            continue;
        double count = (double)f->count > floor ? (double)f->count : floor;
        double g = (double)part.tokens / count;
        most = g > most ? g : most;
    }
    return most;
}
