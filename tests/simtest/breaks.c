/* The breakages by name, and those of the network. */
#include "tests/simtest/breaks.h"

#include "common/wire/message.h"
#include "scheduler/core/input.h"

static const struct {
    const char *name, *rule, *doc;
} kinds[] = {
#define X(name, text, rule, doc) {text, rule, doc},
    BREAKS(X)
#undef X
};

static enum wire_break change(struct msg *m)
{
    if (breaks(BREAK_DEAF_WORKER) && m->code == MSG_LEASE_GRANT)
        return WIRE_LOST;
    if (breaks(BREAK_DEAF_CANCEL) && m->code == MSG_JOB_ACTION
        && m->u.job_action.action == ACTION_CANCEL) {
        m->u.job_action.action = ACTION_RELEASE;
        return WIRE_CHANGED;
    }
    if (breaks(BREAK_FALSE_REFUSAL) && m->code == MSG_ACCEPTED && dice_chance(200)) {
        m->code = MSG_ERROR;
        m->u.error.code = CQ_E_INVALID;
        m->u.error.text = "no";
        return WIRE_CHANGED;
    }
    return WIRE_WHOLE;
}

enum wire_break breaks_wire(const void *data, size_t bytes, struct cq_str *changed)
{
    struct msg m = {0};
    if (breaks(BREAK_NONE) || msg_decode(data, bytes, &m, NULL) != 0)
        return WIRE_WHOLE;
    enum wire_break what = change(&m);
    if (what == WIRE_CHANGED && msg_encode(&m, changed, NULL) != 0)
        abort();
    msg_fini(&m);
    return what;
}

bool breaks_find(const char *name, enum break_kind *kind)
{
    for (size_t i = 0; i < CQ_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *kind = (enum break_kind)i;
            return true;
        }
    return false;
}

const char *breaks_rule(enum break_kind kind)
{
    return kinds[kind].rule;
}

void breaks_list(FILE *out)
{
    for (size_t i = 1; i < CQ_COUNT(kinds); i++)
        (void)fprintf(out, "%-16s %-4s %s\n", kinds[i].name, kinds[i].rule, kinds[i].doc);
}

const char *breaks_name(enum break_kind kind)
{
    return kinds[kind].name;
}
