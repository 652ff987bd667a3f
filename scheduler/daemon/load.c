#include "scheduler/daemon/load.h"

struct core_config load_config(const struct daemon_options *o)
{
    return (struct core_config){.lease_us = o->lease_us,
                                .grace_us = o->grace_us,
                                .suspect_us = o->suspect_us,
                                .reclaim_grace_us = o->reclaim_grace_us,
                                .default_time_us = o->default_time_us,
                                .default_mem_mib = o->default_mem_mib};
}

static int apply(void *core, const struct record *r, struct cq_err *err)
{
    return core_apply(core, r, err);
}

static int remember(void *core, const struct record *r, struct cq_err *err)
{
    (void)err;
    core_remember_end(core, r);
    return 0;
}

int load_live(struct store *s, struct core *c, struct cq_err *err)
{
    return store_load(s, apply, c, err) == 0 ? core_check_load(c, err) : -1;
}

int load_all(struct store *s, struct core *c, struct cq_err *err)
{
    return load_live(s, c, err) == 0 ? store_load_ends(s, remember, c, err) : -1;
}
