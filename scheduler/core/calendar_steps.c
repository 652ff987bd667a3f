/* What people ask of the calendar: to book, to give up a booking, to see them, to run in one. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/calendar_state.h"

#define AHEAD_MAX_US  (400 * DAY_US)
#define WINDOW_MAX_US (400 * DAY_US)
enum { BOOKINGS_MAX = 2000, OWN_MAX = 200, CORES_MAX = 1000000, MEM_BITS = 40 };

/* ---- who asks, for whom ---- */

/* NULL: it may see all enterprises. */
static const struct enterprise *home_of(const struct core *c, const struct input *in)
{
    const struct principal *p = people_principal(c, in->principal.v);
    return p == NULL || p->role == ROLE_PLATFORM_ADMIN ? NULL : p->enterprise;
}

struct names {
    const char **items;
    size_t n, cap;
};

static void add_name(struct names *list, const char *name)
{
    cq_grow(&list->items, &list->cap, list->n);
    list->items[list->n++] = name;
}

/* Takes the list. */
static void no_such(const char *what, const char *name, struct names *list, struct cq_err *err)
{
    add_name(list, NULL);
    const char *near = cq_closest(name, list->items);
    if (near)
        (void)cq_fail(err, CQ_E_NOT_FOUND, "no %s '%.63s'; did you mean %s?", what, name, near);
    else
        (void)cq_fail(err, CQ_E_NOT_FOUND, "no %s '%.63s'; 'chipq share' shows those there are",
                      what, name);
    free(list->items);
}

/* The three: NULL, with an error, when there is none. */
static struct enterprise *find_enterprise(const struct core *c, const struct enterprise *home,
                                          const char *name, struct cq_err *err)
{
    struct names seen = {0};
    struct enterprise *e = people_enterprise_named(c, name);
    if (e && (home == NULL || home == e))
        return e;
    for (size_t i = 0; i < c->people.n_enterprises; i++) {
        const struct enterprise *one = c->people.enterprises[i];
        if (!one->is_removed && (home == NULL || home == one))
            add_name(&seen, one->name);
    }
    no_such("enterprise", name, &seen, err);
    return NULL;
}

static struct project *find_project(const struct core *c, const struct enterprise *e,
                                    const char *name, struct cq_err *err)
{
    struct names seen = {0};
    struct project *p = people_project_named(c, e, name);
    if (p)
        return p;
    for (size_t i = 0; i < c->people.n_projects; i++)
        if (c->people.projects[i]->enterprise == e)
            add_name(&seen, c->people.projects[i]->name);
    no_such("project", name, &seen, err);
    return NULL;
}

static struct principal *find_user(const struct core *c, const struct enterprise *e,
                                   const char *name, struct cq_err *err)
{
    struct names seen = {0};
    struct principal *p = people_principal_named(c, e, name);
    if (p && !p->revoked)
        return p;
    for (size_t i = 0; i < c->people.n_principals; i++) {
        const struct principal *one = c->people.principals[i];
        if (one->enterprise == e && !one->revoked)
            add_name(&seen, one->name);
    }
    no_such("user", name, &seen, err);
    return NULL;
}

/* Where a booking goes: the leaf of a user may have to be made first. */
struct place {
    struct enterprise *enterprise;
    struct share_node *node; /* NULL: that leaf is not there yet */
    uint64_t project, user;
};

static int find_below(const struct core *c, const char *project_name, const char *user_name,
                      struct place *at, struct cq_err *err)
{
    const struct project *project = find_project(c, at->enterprise, project_name, err);
    if (project == NULL)
        return -1;
    at->node = project->share;
    if (user_name == NULL)
        return 0;
    const struct principal *user = find_user(c, at->enterprise, user_name, err);
    if (user == NULL)
        return -1;
    at->project = project->id;
    at->user = user->id;
    at->node = share_leaf_of(c, project->id, user->id);
    return 0;
}

static int find_place(const struct core *c, const struct enterprise *home, const char *path,
                      struct place *at, struct cq_err *err)
{
    char *copy CQ_CLEANUP(cq_free_ptr) = cq_strdup(path), *rest = copy;
    const char *parts[3] = {NULL};
    size_t n = 0;
    for (char *part; (part = strsep(&rest, "/")); n++)
        if (n < CQ_COUNT(parts))
            parts[n] = part;
    if (n > CQ_COUNT(parts) || *path == '\0') {
        (void)cq_fail(err, CQ_E_INVALID,
                      "'%.63s' is no node of the share tree; write acme, acme/uart or "
                      "acme/uart/ann",
                      path);
        return -1;
    }
    struct enterprise *e = find_enterprise(c, home, parts[0], err);
    if (e == NULL)
        return -1;
    *at = (struct place){.enterprise = e, .node = e->share};
    return parts[1] ? find_below(c, parts[1], parts[2], at, err) : 0;
}

static void make_node(struct core *c, struct place *at, struct effects *out)
{
    if (at->node)
        return;
    struct record *r = record_new(RECORD_LEAF_ADD);
    r->u.leaf_add =
        (struct leaf_add){.id = core_new_id(c), .project = at->project, .principal = at->user};
    core_emit(c, out, r);
    at->node = share_leaf_of(c, at->project, at->user);
}

/* ---- to book ---- */

static int check_window(const struct in_reservation *r, int64_t now_us, struct cq_err *err)
{
    int64_t day_us = DAY_US;
    if (r->every_days != 0 && r->every_days != 1 && r->every_days != 7)
        return cq_fail(err, CQ_E_INVALID, "it comes every %" PRIu64 " days; every day or week can",
                       r->every_days);
    if (r->start_us < 0 || r->end_us <= r->start_us)
        return cq_fail(err, CQ_E_INVALID, "it ends before it begins: --start must be before --end");
    if (r->end_us <= now_us)
        return cq_fail(err, CQ_E_INVALID, "it is over already: --end must be in the future");
    if (r->start_us > now_us + AHEAD_MAX_US)
        return cq_fail(err, CQ_E_INVALID,
                       "it begins more than %" PRId64 " days ahead; book it later",
                       AHEAD_MAX_US / day_us);
    if (r->end_us - r->start_us > WINDOW_MAX_US)
        return cq_fail(err, CQ_E_INVALID, "it is longer than %" PRId64 " days",
                       WINDOW_MAX_US / day_us);
    if (r->every_days > 0 && r->end_us - r->start_us > (int64_t)r->every_days * DAY_US)
        return cq_fail(err, CQ_E_INVALID,
                       "it would begin again before it ends: at most %s long can come every %s",
                       r->every_days == 1 ? "a day" : "a week",
                       r->every_days == 1 ? "day" : "week");
    return 0;
}

static int check_amounts(const struct in_reservation *r, struct cq_err *err)
{
    if (r->cores == 0 && *r->nodes == '\0' && *r->licences == '\0')
        return cq_fail(err, CQ_E_INVALID,
                       "it books nothing; name cores, nodes, licences or instruments");
    if (r->cores > CORES_MAX)
        return cq_fail(err, CQ_E_INVALID, "it asks %" PRIu64 " cores; at most %d can be booked",
                       r->cores, CORES_MAX);
    if (r->mem_mib >> MEM_BITS)
        return cq_fail(err, CQ_E_INVALID, "its memory is out of range");
    if (r->cores > 0 && *r->nodes)
        return cq_fail(err, CQ_E_INVALID,
                       "nodes are booked whole: name nodes or a number of cores, not both");
    if (r->mem_mib > 0 && r->cores == 0)
        return cq_fail(err, CQ_E_INVALID,
                       "memory goes with a number of cores; nodes are booked with all they have");
    return 0;
}

static int check_name(const struct core *c, const struct enterprise *e, const char *name,
                      struct cq_err *err)
{
    size_t own = 0;
    if (!is_name(name))
        return cq_fail(err, CQ_E_INVALID,
                       "'%.63s' is no name for a booking; use letters, digits, '.', '_', '-', at "
                       "most 63",
                       name);
    if (booking_named(c, e, name))
        return cq_fail(err, CQ_E_CONFLICT,
                       "booking '%s' of %s exists already: remove it first, or choose another name",
                       name, e->name);
    for (size_t i = 0; i < c->calendar.n; i++)
        own += c->calendar.items[i]->node->enterprise == e;
    if (own >= OWN_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%s has %zu bookings; remove some first", e->name, own);
    if (c->calendar.n >= BOOKINGS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "the calendar is full: a platform admin must make room");
    return 0;
}

/* Jobs that wait for a booking of that name from an earlier one would run in this: they must be of
 * whom it is for. A count: the order of the map does not show. */
static int check_waiting(const struct core *c, const struct place *at, const char *name,
                         struct cq_err *err)
{
    size_t n = 0;
    void *item;
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item);)
        for (const struct class *k = item; k; k = k->next_same_hash) {
            bool is_below = false;
            for (const struct share_node *p = k->leaf; p; p = p->parent)
                is_below |= p == at->node;
            n += k->shape->owner == at->enterprise && strcmp(k->shape->reservation, name) == 0
                 && !is_below;
        }
    if (n == 0)
        return 0;
    return cq_fail(err, CQ_E_CONFLICT,
                   "live jobs of others of %s name a booking '%s': cancel them first, or choose "
                   "another name",
                   at->enterprise->name, name);
}

static int plan_booking(const struct core *c, const struct input *in, struct place *at,
                        struct wish *wish, struct cq_str *nodes, struct cq_err *err)
{
    const struct in_reservation *r = &in->u.reservation_add;
    if (find_place(c, home_of(c, in), r->path, at, err) != 0
        || check_name(c, at->enterprise, r->name, err) != 0
        || check_window(r, c->now_wall_us, err) != 0 || check_amounts(r, err) != 0
        || check_waiting(c, at, r->name, err) != 0)
        return -1;
    *wish = (struct wish){.enterprise = at->enterprise,
                          .span = {r->start_us, r->end_us, (int64_t)r->every_days * DAY_US},
                          .cores = r->cores,
                          .mem_mib = r->mem_mib,
                          .nodes = r->nodes,
                          .now_us = c->now_wall_us};
    if (tokens_parse(c, at->enterprise, r->licences, &wish->tokens, err) != 0)
        return -1;
    return calendar_plan_wish(c, wish, nodes, err);
}

static int book(struct core *c, const struct input *in, struct now now, struct effects *out,
                struct cq_err *err)
{
    const struct in_reservation *asked = &in->u.reservation_add;
    struct cq_str nodes CQ_CLEANUP(cq_str_fini) = {0}, tokens CQ_CLEANUP(cq_str_fini) = {0};
    struct place at = {0};
    struct wish wish;
    if (plan_booking(c, in, &at, &wish, &nodes, err) != 0)
        return cq_wrap(err, "booking '%.63s'", asked->name);
    make_node(c, &at, out);
    tokens_format(&wish.tokens, &tokens);
    struct record *r = record_new(RECORD_RESERVATION_ADD);
    r->u.reservation_add = (struct reservation_add){.id = core_new_id(c),
                                                    .name = cq_strdup(asked->name),
                                                    .node = at.node->id,
                                                    .start_us = asked->start_us,
                                                    .end_us = asked->end_us,
                                                    .every_days = asked->every_days,
                                                    .cores = asked->cores,
                                                    .mem_mib = asked->mem_mib,
                                                    .nodes = cq_str_take(&nodes),
                                                    .licences = cq_str_take(&tokens),
                                                    .flex = asked->is_flex,
                                                    .principal = in->principal.v,
                                                    .at_us = now.wall_us};
    core_emit(c, out, r);
    return 0;
}

void reservation_add_step(struct core *c, const struct input *in, struct now now,
                          struct effects *out)
{
    struct cq_err err = {.code = CQ_OK};
    (void)book(c, in, now, out, &err);
    core_reply(out, in->request, &err);
}

/* ---- to give up a booking ---- */

static int no_such_booking(const struct core *c, const struct enterprise *home, const char *name,
                           struct cq_err *err)
{
    const char **names CQ_CLEANUP(cq_free_ptr) = cq_calloc(c->calendar.n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < c->calendar.n; i++)
        if (home == NULL || c->calendar.items[i]->node->enterprise == home)
            names[n++] = c->calendar.items[i]->name;
    const char *near = cq_closest(name, names);
    if (near)
        return cq_fail(err, CQ_E_NOT_FOUND, "no booking '%.63s'; did you mean %s?", name, near);
    return cq_fail(err, CQ_E_NOT_FOUND,
                   "no booking '%.63s'; 'chipq reservation list' shows those there are", name);
}

/* "night" of one's own enterprise, or of the only one that has it; "acme/night". */
static int find_booking(const struct core *c, const struct enterprise *home, const char *name,
                        const struct booking **found, struct cq_err *err)
{
    const char *slash = strchr(name, '/'), *plain = slash ? slash + 1 : name;
    size_t bytes = slash ? (size_t)(slash - name) : 0, n = 0;
    for (size_t i = 0; i < c->calendar.n; i++) {
        const struct booking *b = c->calendar.items[i];
        const struct enterprise *e = b->node->enterprise;
        bool is_named =
            slash == NULL || (strlen(e->name) == bytes && !memcmp(e->name, name, bytes));
        if ((home && e != home) || !is_named || strcmp(b->name, plain) != 0)
            continue;
        *found = b;
        n++;
    }
    if (n == 0)
        return no_such_booking(c, home, plain, err);
    if (n == 1)
        return 0;
    return cq_fail(err, CQ_E_CONFLICT,
                   "%zu enterprises have a booking '%s'; write it with its enterprise: acme/%s", n,
                   plain, plain);
}

void reservation_remove_step(struct core *c, const struct input *in, struct now now,
                             struct effects *out)
{
    struct cq_err err = {.code = CQ_OK};
    const struct booking *b = NULL;
    (void)now;
    if (find_booking(c, home_of(c, in), in->u.reservation_remove.name, &b, &err) == 0)
        booking_emit_remove(c, b, in->principal.v, out);
    core_reply(out, in->request, &err);
}

/* ---- to run in one ---- */

/* Longer than any occurrence that is left. */
static int check_time(const struct core *c, const struct booking *b, uint64_t time_us,
                      struct cq_err *err)
{
    char asks[32], has[32];
    int64_t left_us = span_length(&b->span);
    if (b->every_days == 0 && c->now_wall_us > b->span.start_us)
        left_us = b->span.end_us > c->now_wall_us ? b->span.end_us - c->now_wall_us : 0;
    if (time_us <= (uint64_t)left_us)
        return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "it may run %s, and booking '%s' has %s: give a shorter --time",
                   format_time_us((int64_t)time_us, asks, sizeof asks), b->name,
                   format_time_us(left_us, has, sizeof has));
}

int calendar_check_job(const struct core *c, const struct share_node *leaf, const char *name,
                       uint64_t time_us, struct cq_err *err)
{
    struct names seen = {0};
    const struct booking *b = booking_named(c, leaf->enterprise, name);
    if (b && booking_is_for(b, leaf))
        return check_time(c, b, time_us, err);
    for (size_t i = 0; i < c->calendar.n; i++)
        if (booking_is_for(c->calendar.items[i], leaf))
            add_name(&seen, c->calendar.items[i]->name);
    add_name(&seen, NULL);
    const char *near = cq_closest(name, seen.items);
    if (near)
        (void)cq_fail(err, CQ_E_NOT_FOUND, "no booking '%.63s' for it; did you mean %s?", name,
                      near);
    else
        (void)cq_fail(err, CQ_E_NOT_FOUND,
                      "no booking '%.63s' for it; 'chipq reservation list' shows those there are",
                      name);
    free(seen.items);
    return -1;
}

/* ---- to see them ---- */

static int by_owner(const void *a, const void *b)
{
    const struct booking *x = *(struct booking *const *)a, *y = *(struct booking *const *)b;
    int order = strcmp(x->node->enterprise->name, y->node->enterprise->name);
    return order != 0 ? order : strcmp(x->name, y->name);
}

static uint64_t cores_of(const struct core *c, const struct booking *b)
{
    uint64_t n = 0;
    for (size_t i = 0; i < b->n_pieces; i++) {
        const struct worker *w = worker_named(c, b->pieces[i].node);
        n += w ? piece_cores(&b->pieces[i], w) : b->pieces[i].cores;
    }
    return n;
}

/* A sum: the order of the map does not show. */
static uint64_t cores_used(const struct core *c, const struct booking *b)
{
    uint64_t n = 0;
    void *item;
    for (size_t i = 0; booking_is_active(b) && map_next(&c->leases.by_id, &i, &item);)
        n += ((struct lease *)item)->booking == b->id ? ((struct lease *)item)->n_cores : 0;
    return n;
}

static void show(const struct core *c, const struct booking *b, reservation_view_fn fn, void *arg)
{
    struct cq_str path CQ_CLEANUP(cq_str_fini) = {0}, tokens CQ_CLEANUP(cq_str_fini) = {0};
    share_path(b->node, &path);
    tokens_format(&b->tokens, &tokens);
    const struct reservation_view v = {.enterprise = {b->node->enterprise->id},
                                       .name = b->name,
                                       .path = cq_str_text(&path),
                                       .nodes = b->nodes,
                                       .licences = cq_str_text(&tokens),
                                       .start_us = b->span.start_us,
                                       .end_us = b->span.end_us,
                                       .every_days = b->every_days,
                                       .cores = cores_of(c, b),
                                       .mem_mib = b->mem_mib,
                                       .is_flex = b->is_flex,
                                       .is_active = booking_is_active(b),
                                       .cores_used = cores_used(c, b)};
    fn(arg, &v);
}

void core_each_reservation(const struct core *c, struct now now, reservation_view_fn fn, void *arg)
{
    size_t n = c->calendar.n;
    struct booking **list = cq_memdup(c->calendar.items, n * sizeof(struct booking *));
    (void)now;
    if (n > 0)
        qsort(list, n, sizeof(struct booking *), by_owner);
    for (size_t i = 0; i < n; i++)
        show(c, list[i], fn, arg);
    free(list);
}
