/* When a start may be, beside bookings and holds, if all that runs ends by its limit. */
#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_query.h"

enum { LATER_TRIES_MAX = 64 };

static int64_t not_before(const struct query *q)
{
    struct feature *lacking;
    int64_t machine_us = query_machine_us(q);
    int64_t token_us = machine_us < INT64_MAX ? query_tokens_us(q, &lacking) : INT64_MAX;
    return token_us > machine_us ? token_us : machine_us;
}

int64_t calendar_earliest(const struct core *c, const struct shape *s, const struct worker *w,
                          const struct hold *own, int64_t from_us)
{
    if (from_us == INT64_MAX || (c->calendar.n == 0 && *s->reservation == '\0'))
        return from_us;
    int64_t wall_us = c->now_wall_us + (from_us - c->policy_us);
    for (int tries = 0; tries < LATER_TRIES_MAX && wall_us < INT64_MAX; tries++) {
        struct query q = query_of(c, s, w, wall_us);
        q.beside_holds = true;
        q.own = own;
        int64_t next_us = not_before(&q);
        if (next_us <= wall_us)
            return c->policy_us + (wall_us - c->now_wall_us);
        wall_us = next_us;
    }
    return INT64_MAX;
}
