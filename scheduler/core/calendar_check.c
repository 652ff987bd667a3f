/* Is there room in the calendar for a booking, and which cores does it get? */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/calendar_state.h"

#define COMPARED_US (800 * DAY_US) /* no single booking ends later: all of them are compared */
enum { PIECES_MAX = 1024 };

static int64_t compared_until(const struct wish *wish)
{
    return wish->now_us + COMPARED_US;
}

/* ---- who is in the way ---- */

/* What a booking has while the wish is there. When the clock was set back, one that is active goes
 * on from now to its end. */
static void add_booked(struct timeline *t, const struct booking *b, const struct wish *wish,
                       struct amount a)
{
    timeline_add_common(t, &b->span, &wish->span, compared_until(wish), a);
    if (!booking_is_active(b) || wish->now_us >= b->span.start_us)
        return;
    const struct span early = {wish->now_us, b->span.start_us, 0};
    timeline_add_common(t, &early, &wish->span, compared_until(wish), a);
}

static bool do_meet(const struct wish *wish, const struct booking *b)
{
    struct timeline t = {0};
    add_booked(&t, b, wish, (struct amount){1, 0});
    bool yes = t.n > 0;
    timeline_fini(&t);
    return yes;
}

static const char *period_text(const struct booking *b)
{
    return b->every_days == 0 ? "" : b->every_days == 1 ? ", every day" : ", every week";
}

/* Of others' bookings it says no more than that there is one. */
static int conflict(const char *what, const struct booking *own, struct cq_err *err)
{
    char from[32], to[32];
    if (own == NULL)
        return cq_fail(err, CQ_E_CONFLICT,
                       "another booking has %.100s then; choose another time, or less", what);
    return cq_fail(err, CQ_E_CONFLICT,
                   "booking '%s' has %.100s then (%s to %s%s); choose another time or less, or "
                   "remove it",
                   own->name, what, format_wall_us(own->span.start_us, from, sizeof from),
                   format_wall_us(own->span.end_us, to, sizeof to), period_text(own));
}

static const struct booking *own_on_line(const struct wish *wish, const struct line *line)
{
    for (size_t i = 0; line && i < line->n; i++) {
        const struct booking *b = line->slots[i].booking;
        if (b->node->enterprise == wish->enterprise && do_meet(wish, b))
            return b;
    }
    return NULL;
}

/* ---- machines ---- */

/* What others have of a machine at most at any moment of the wish. */
static struct amount booked_on(const struct wish *wish, const struct worker *w,
                               const struct line *line, bool *meets)
{
    struct timeline t = {0};
    for (size_t i = 0; line && i < line->n; i++)
        add_booked(&t, line->slots[i].booking, wish,
                   (struct amount){piece_cores(line->slots[i].piece, w),
                                   piece_mem_mib(line->slots[i].piece, w)});
    struct amount most = timeline_peak(&t);
    *meets = t.n > 0;
    timeline_fini(&t);
    return most;
}

static int no_such_node(const struct core *c, const char *name, struct cq_err *err)
{
    const char **names CQ_CLEANUP(cq_free_ptr) = cq_calloc(c->pool.n + 1, sizeof *names);
    for (size_t i = 0; i < c->pool.n; i++)
        names[i] = c->pool.workers[i]->name;
    const char *near = cq_closest(name, names);
    if (near)
        return cq_fail(err, CQ_E_NOT_FOUND, "no node '%.63s'; did you mean %s?", name, near);
    return cq_fail(err, CQ_E_NOT_FOUND, "no node '%.63s'; 'chipq nodes' shows those there are",
                   name);
}

static int check_whole(const struct core *c, const struct wish *wish, const char *name,
                       struct cq_err *err)
{
    bool meets;
    if (!is_name(name))
        return cq_fail(err, CQ_E_INVALID, "'%.63s' is no name of a node; write n1,n2", name);
    const struct worker *w = worker_named(c, name);
    if (w == NULL)
        return no_such_node(c, name, err);
    const struct line *line = calendar_line(c, name);
    (void)booked_on(wish, w, line, &meets);
    return meets ? conflict(w->name, own_on_line(wish, line), err) : 0;
}

static int check_twice(const struct piece *list, size_t n, struct cq_err *err)
{
    if (n > PIECES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "it names more than %d nodes", PIECES_MAX);
    for (size_t i = 0; i + 1 < n; i++)
        if (strcmp(list[i].node, list[n - 1].node) == 0)
            return cq_fail(err, CQ_E_INVALID, "it names node '%.63s' twice", list[i].node);
    return 0;
}

static int check_nodes(const struct core *c, const struct wish *wish, struct cq_err *err)
{
    size_t n;
    struct piece *list = pieces_parse(wish->nodes, 0, 0, &n);
    int rc = 0;
    if (list == NULL)
        return cq_fail(err, CQ_E_INVALID, "'%.63s' names no nodes; write n1,n2", wish->nodes);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = check_twice(list, i + 1, err);
        if (rc == 0 && !list[i].is_whole)
            rc = cq_fail(err, CQ_E_INVALID,
                         "nodes are booked whole; write %.63s, or ask a number of cores",
                         list[i].node);
        rc = rc == 0 ? check_whole(c, wish, list[i].node, err) : rc;
    }
    pieces_free(list, n);
    return rc;
}

/* ---- cores ---- */

struct offer {
    const struct worker *worker;
    uint64_t cores;
};

static int by_cores(const void *a, const void *b)
{
    const struct offer *x = a, *y = b;
    if (x->cores != y->cores)
        return x->cores > y->cores ? -1 : 1;
    return (x->worker->id > y->worker->id) - (x->worker->id < y->worker->id);
}

/* As many cores as there is memory for, when memory is asked. */
static uint64_t cores_with_mem(const struct wish *wish, struct amount room)
{
    if (wish->mem_mib == 0)
        return room.cores;
    uint64_t by_mem = room.mem_mib / ((wish->mem_mib + wish->cores - 1) / wish->cores);
    return by_mem < room.cores ? by_mem : room.cores;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

struct choice {
    struct offer *offers;
    size_t n;
    uint64_t could; /* cores without any booking */
    const struct booking *own;
};

static void list_offers(const struct core *c, const struct wish *wish, struct choice *choice)
{
    choice->offers = cq_calloc(c->pool.n + 1, sizeof *choice->offers);
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        const struct line *line = calendar_line(c, w->name);
        bool meets;
        if (!w->is_up || w->is_drained)
            continue;
        struct amount booked = booked_on(wish, w, line, &meets);
        struct amount all = {w->n_cores, w->mem_mib};
        struct amount room = {less(all.cores, booked.cores), less(all.mem_mib, booked.mem_mib)};
        choice->could += cores_with_mem(wish, all);
        choice->offers[choice->n++] = (struct offer){w, cores_with_mem(wish, room)};
        if (meets && choice->own == NULL)
            choice->own = own_on_line(wish, line);
    }
    if (choice->n > 0)
        qsort(choice->offers, choice->n, sizeof *choice->offers, by_cores);
}

static int take_cores(const struct wish *wish, const struct choice *choice, struct cq_str *nodes,
                      struct cq_err *err)
{
    uint64_t left = wish->cores;
    if (choice->could < wish->cores)
        return cq_fail(err, CQ_E_IMPOSSIBLE,
                       "it asks %" PRIu64 " cores; the workers that are up have %" PRIu64
                       "%s: ask for less",
                       wish->cores, choice->could, wish->mem_mib ? " with so much memory" : "");
    size_t before = nodes->len;
    for (size_t i = 0; i < choice->n && i < PIECES_MAX && left > 0; i++) {
        uint64_t take = choice->offers[i].cores < left ? choice->offers[i].cores : left;
        if (take == 0)
            break;
        cq_str_printf(nodes, "%s%s:%" PRIu64, i ? "," : "", choice->offers[i].worker->name, take);
        left -= take;
    }
    if (left == 0)
        return 0;
    cq_str_truncate(nodes, before);
    return conflict("some of the cores", choice->own, err);
}

static int choose_cores(const struct core *c, const struct wish *wish, struct cq_str *nodes,
                        struct cq_err *err)
{
    struct choice choice = {0};
    list_offers(c, wish, &choice);
    int rc = take_cores(wish, &choice, nodes, err);
    free(choice.offers);
    return rc;
}

/* ---- tokens ---- */

static int check_token(const struct core *c, const struct wish *wish, const struct token *t,
                       struct cq_err *err)
{
    struct timeline line = {0};
    const struct booking *own = NULL;
    const struct feature *f = t->feature;
    if (t->count > f->count)
        return cq_fail(err, CQ_E_IMPOSSIBLE,
                       "it asks %" PRIu64 " of %s, and there are %" PRIu64 ": ask for less",
                       t->count, f->name, f->count);
    for (size_t i = 0; i < c->calendar.n; i++) {
        const struct booking *b = c->calendar.items[i];
        uint64_t count = tokens_of(&b->tokens, f);
        if (count == 0)
            continue;
        add_booked(&line, b, wish, (struct amount){count, 0});
        if (own == NULL && b->node->enterprise == wish->enterprise && do_meet(wish, b))
            own = b;
    }
    uint64_t most = timeline_peak(&line).cores;
    timeline_fini(&line);
    return most + t->count > f->count ? conflict(f->name, own, err) : 0;
}

int calendar_plan_wish(const struct core *c, const struct wish *wish, struct cq_str *nodes,
                       struct cq_err *err)
{
    for (size_t i = 0; i < wish->tokens.n; i++)
        if (check_token(c, wish, &wish->tokens.items[i], err) != 0)
            return -1;
    if (wish->cores > 0)
        return choose_cores(c, wish, nodes, err);
    if (*wish->nodes && check_nodes(c, wish, err) != 0)
        return -1;
    cq_str_add(nodes, wish->nodes);
    return 0;
}
