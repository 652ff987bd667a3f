/* Changes of configuration: all rows of a request are planned, checked, and then done, or none is.
 */
#include "scheduler/core/config.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/config_plan.h"
#include "scheduler/core/core_state.h"

static void answer(struct effects *out, uint64_t request, const struct cq_err *err,
                   struct cq_str texts[2])
{
    if (request == 0)
        return;
    struct out *o = effects_out(out, OUT_CONFIG_DONE);
    o->request = request;
    o->code = err->code;
    if (err->code != CQ_OK)
        o->text = cq_strdup(err->text);
    else if (texts[0].len > 0)
        o->text = cq_str_take(&texts[0]);
    if (err->code == CQ_OK)
        o->changes = cq_str_take(&texts[1]);
}

void config_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct plan plan;
    struct cq_err err = {.code = CQ_OK};
    struct cq_str texts[2] = {{0}}; /* warnings, changes */
    plan_init(&plan, c);
    if (plan_rows(&plan, &in->u.config, &err) == 0 && plan_check(&plan, &err) == 0) {
        plan_warnings(&plan, &texts[0]);
        plan_changes(&plan, &texts[1]);
    }
    plan_undo(&plan);
    if (err.code == CQ_OK && !in->u.config.is_dry_run)
        plan_emit(&plan, (struct plan_author){in->principal.v, now.wall_us}, out);
    answer(out, in->request, &err, texts);
    plan_fini(&plan);
    cq_str_fini(&texts[0]);
    cq_str_fini(&texts[1]);
}
