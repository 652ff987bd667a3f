/* Bookings: the door for their records, look-ups, snapshots. */
#include "scheduler/core/calendar.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/calendar_state.h"
#include "scheduler/core/policy.h"

enum { NODE_CORES_MAX = 1 << 20 };

/* ---- pieces ---- */

void pieces_free(struct piece *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i].node);
    free(list);
}

/* Rounded up, so that the parts never come to less than was asked. */
static uint64_t share_of(uint64_t mem_mib, uint64_t part, uint64_t all)
{
    return all > 0 ? (mem_mib * part + all - 1) / all : 0;
}

/* "n1:32" or "n1", `bytes` long. */
static bool parse_piece(const char *text, size_t bytes, struct piece *p)
{
    const char *colon = memchr(text, ':', bytes);
    size_t name = colon ? (size_t)(colon - text) : bytes;
    *p = (struct piece){.node = cq_strndup(text, name), .is_whole = colon == NULL};
    char *number CQ_CLEANUP(cq_free_ptr) = colon ? cq_strndup(colon + 1, bytes - name - 1) : NULL;
    return name > 0 && (colon == NULL || !parse_u64(number, 1, NODE_CORES_MAX, &p->cores, NULL));
}

static struct piece *new_piece(struct piece **list, size_t *cap, size_t *n)
{
    cq_grow(list, cap, *n);
    return &(*list)[(*n)++];
}

struct piece *pieces_parse(const char *text, uint64_t cores, uint64_t mem_mib, size_t *n)
{
    struct piece *list = NULL;
    size_t cap = 0;
    bool ok = true;
    *n = 0;
    for (const char *p = text; ok && *p;) {
        size_t bytes = strcspn(p, ",");
        struct piece *one = new_piece(&list, &cap, n);
        ok = parse_piece(p, bytes, one);
        one->mem_mib = share_of(mem_mib, one->cores, cores);
        p += bytes + (p[bytes] == ',');
    }
    if (ok)
        return list;
    pieces_free(list, *n);
    *n = 0;
    return NULL;
}

uint64_t piece_cores(const struct piece *p, const struct worker *w)
{
    return p->is_whole ? w->n_cores : p->cores;
}

uint64_t piece_mem_mib(const struct piece *p, const struct worker *w)
{
    return p->is_whole ? w->mem_mib : p->mem_mib;
}

const struct piece *booking_piece(const struct booking *b, const char *node)
{
    for (size_t i = 0; i < b->n_pieces; i++)
        if (strcmp(b->pieces[i].node, node) == 0)
            return &b->pieces[i];
    return NULL;
}

/* ---- what is booked on a machine ---- */

static struct line *find_line(const struct calendar *k, const char *node, uint64_t *hash)
{
    *hash = core_hash(CORE_HASH_SEED, node, strlen(node));
    struct line *line = map_find(&k->by_node, *hash);
    while (line && strcmp(line->node, node) != 0)
        line = line->next_same_hash;
    return line;
}

const struct line *calendar_line(const struct core *c, const char *node)
{
    uint64_t hash;
    return c->calendar.n > 0 ? find_line(&c->calendar, node, &hash) : NULL;
}

static void add_slot(struct calendar *k, const struct booking *b, const struct piece *p)
{
    uint64_t hash;
    struct line *line = find_line(k, p->node, &hash);
    if (line == NULL) {
        line = CQ_NEW(struct line);
        line->node = cq_strdup(p->node);
        line->next_same_hash = map_find(&k->by_node, hash);
        map_put(&k->by_node, hash, line);
    }
    cq_grow(&line->slots, &line->cap, line->n);
    line->slots[line->n++] = (struct slot){b, p};
}

/* Lines stay: there are no more than machines were ever booked. */
static void remove_slots(struct calendar *k, const struct booking *b)
{
    for (size_t i = 0; i < b->n_pieces; i++) {
        uint64_t hash;
        struct line *line = find_line(k, b->pieces[i].node, &hash);
        size_t at = 0;
        while (line->slots[at].booking != b)
            at++;
        line->n--;
        memmove(line->slots + at, line->slots + at + 1, (line->n - at) * sizeof *line->slots);
    }
}

/* ---- life ---- */

static void booking_free(struct booking *b)
{
    if (b == NULL)
        return;
    pieces_free(b->pieces, b->n_pieces);
    free(b->name);
    free(b->nodes);
    free(b);
}

void calendar_fini(struct calendar *k)
{
    void *item;
    for (size_t i = 0; i < k->n; i++)
        booking_free(k->items[i]);
    for (size_t i = 0; map_next(&k->by_node, &i, &item);)
        for (struct line *line = item, *next; line; line = next) {
            next = line->next_same_hash;
            free(line->node);
            free(line->slots);
            free(line);
        }
    map_fini(&k->by_node);
    free(k->items);
    free(k->gone);
}

/* ---- look-ups ---- */

static size_t place_of(const struct calendar *k, uint64_t id)
{
    size_t low = 0, high = k->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (k->items[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct booking *booking_find(const struct core *c, uint64_t id)
{
    const struct calendar *k = &c->calendar;
    size_t at = place_of(k, id);
    return at < k->n && k->items[at]->id == id ? k->items[at] : NULL;
}

struct booking *booking_named(const struct core *c, const struct enterprise *e, const char *name)
{
    for (size_t i = 0; i < c->calendar.n; i++) {
        struct booking *b = c->calendar.items[i];
        if (b->node->enterprise == e && strcmp(b->name, name) == 0)
            return b;
    }
    return NULL;
}

struct booking *booking_of(const struct core *c, const struct shape *s)
{
    return *s->reservation ? booking_named(c, s->owner, s->reservation) : NULL;
}

uint64_t calendar_id(const struct core *c, const struct shape *s)
{
    const struct booking *b = booking_of(c, s);
    return b ? b->id : 0;
}

bool calendar_asks(const struct core *c, const struct feature *f, const struct enterprise *but)
{
    for (size_t i = 0; i < c->calendar.n; i++) {
        const struct booking *b = c->calendar.items[i];
        if (b->node->enterprise != but && tokens_of(&b->tokens, f) > 0)
            return true;
    }
    return false;
}

bool calendar_has_occurrence(const struct core *c, uint64_t id, int64_t start_us)
{
    const struct booking *b = booking_find(c, id);
    if (b == NULL || start_us < b->asked.start_us)
        return false;
    int64_t since_us = start_us - b->asked.start_us, period_us = b->asked.period_us;
    return period_us == 0 ? since_us == 0 : since_us % period_us == 0;
}

bool booking_is_active(const struct booking *b)
{
    return b->state != BOOKING_AHEAD;
}

bool booking_is_for(const struct booking *b, const struct share_node *leaf)
{
    for (const struct share_node *n = leaf; n; n = n->parent)
        if (n == b->node)
            return true;
    return false;
}

/* ---- edges ---- */

int64_t booking_edge_us(const struct booking *b)
{
    if (b->node->enterprise->is_removed)
        return INT64_MIN;
    if (b->state == BOOKING_AHEAD)
        return b->span.start_us;
    int64_t back_us = b->span.start_us + GIVE_BACK_US;
    bool gives_back = b->state == BOOKING_BEGUN && b->is_flex && back_us < b->span.end_us;
    return gives_back ? back_us : b->span.end_us;
}

void calendar_renew_next(struct calendar *k)
{
    k->next_us = INT64_MAX;
    for (size_t i = 0; i < k->n; i++) {
        int64_t edge_us = booking_edge_us(k->items[i]);
        k->next_us = edge_us < k->next_us ? edge_us : k->next_us;
    }
}

static void set_changed(struct calendar *k)
{
    k->is_changed = k->has_news = true;
    calendar_renew_next(k);
}

/* ---- the door ---- */

static struct booking *booking_new(const struct reservation_add *r)
{
    struct booking *b = CQ_NEW(struct booking);
    const struct span asked = {r->start_us, r->end_us, (int64_t)r->every_days * DAY_US};
    *b = (struct booking){.id = r->id,
                          .name = cq_strdup(r->name ? r->name : ""),
                          .asked = asked,
                          .span = asked,
                          .every_days = r->every_days,
                          .cores = r->cores,
                          .mem_mib = r->mem_mib,
                          .nodes = cq_strdup(r->nodes ? r->nodes : ""),
                          .is_flex = r->flex != 0,
                          .is_changed = true};
    b->pieces = pieces_parse(b->nodes, b->cores, b->mem_mib, &b->n_pieces);
    return b;
}

static bool is_sound(const struct reservation_add *r)
{
    bool is_known_period = r->every_days == 0 || r->every_days == 1 || r->every_days == 7;
    return r->id != 0 && r->node != 0 && r->start_us > -INT64_MAX / 4 && r->end_us < INT64_MAX / 4
           && r->start_us < r->end_us && is_known_period;
}

static int apply_add(struct core *c, const struct reservation_add *r, struct cq_err *err)
{
    struct calendar *k = &c->calendar;
    struct share_node *node = share_node_find(c, r->node);
    if (!is_sound(r) || node == NULL || booking_find(c, r->id))
        return cq_fail(err, CQ_E_INTERNAL, "booking %" PRIu64 " does not fit", r->id);
    struct booking *b = booking_new(r);
    b->node = node;
    if (tokens_parse(c, node->enterprise, r->licences ? r->licences : "", &b->tokens, err) != 0
        || (*b->nodes && b->n_pieces == 0)) {
        booking_free(b);
        return cq_fail(err, CQ_E_INTERNAL, "booking %" PRIu64 " is damaged", r->id);
    }
    cq_grow(&k->items, &k->cap, k->n);
    size_t at = place_of(k, b->id);
    memmove(k->items + at + 1, k->items + at, (k->n - at) * sizeof(struct booking *));
    k->items[at] = b;
    k->n++;
    k->n_with_tokens += b->tokens.n > 0;
    for (size_t i = 0; i < b->n_pieces; i++)
        add_slot(k, b, &b->pieces[i]);
    core_saw_id(c, b->id);
    c->holds.is_overbooked = true;
    set_changed(k);
    return 0;
}

static int apply_remove(struct core *c, uint64_t id, struct cq_err *err)
{
    struct calendar *k = &c->calendar;
    struct booking *b = booking_find(c, id);
    if (b == NULL || b->state != BOOKING_AHEAD || b->rate != 0)
        return cq_fail(err, CQ_E_INTERNAL, "booking %" PRIu64 " cannot be removed", id);
    size_t at = place_of(k, id);
    k->n--;
    memmove(k->items + at, k->items + at + 1, (k->n - at) * sizeof(struct booking *));
    k->n_with_tokens -= b->tokens.n > 0;
    remove_slots(k, b);
    cq_grow(&k->gone, &k->cap_gone, k->n_gone);
    k->gone[k->n_gone++] = id;
    booking_free(b);
    set_changed(k);
    return 0;
}

/* From now on what runs in it is charged to who runs it. */
static void charge_inside(struct core *c, const struct booking *b, int64_t policy_us)
{
    for (size_t i = 0; i < c->pool.n; i++)
        for (size_t j = 0; j < c->pool.workers[i]->n_leases; j++) {
            struct lease *l = c->pool.workers[i]->leases[j];
            int64_t rate, inner;
            if (l->booking != b->id)
                continue;
            policy_charge(c, &(struct policy_load){l->n_cores, l->mem_mib, &l->tokens}, &rate,
                          &inner);
            lease_recharge(c, l, rate, inner, policy_us);
        }
}

/* A snapshot has no time: its charges are in those of the nodes and leases already. */
static int apply_edge(struct core *c, const struct reservation_edge *r, struct cq_err *err)
{
    struct booking *b = booking_find(c, r->id);
    if (b == NULL || r->state >= BOOKING_STATE_COUNT || r->start_us < b->asked.start_us
        || r->start_us > INT64_MAX / 4)
        return cq_fail(err, CQ_E_INTERNAL, "an edge of booking %" PRIu64 " does not fit", r->id);
    bool is_snapshot = r->at_us == 0;
    enum booking_state state = (enum booking_state)r->state;
    if (!is_snapshot && b->state == BOOKING_BEGUN && state != BOOKING_BEGUN)
        charge_inside(c, b, r->policy_us);
    if (!is_snapshot && (r->rate != b->rate || r->inner_rate != b->inner_rate))
        share_charge(c, b->node, r->rate - b->rate, r->inner_rate - b->inner_rate, r->policy_us);
    c->calendar.is_unclear |= state != BOOKING_GIVEN_BACK;
    b->state = state;
    b->rate = r->rate;
    b->inner_rate = r->inner_rate;
    b->span.start_us = r->start_us;
    b->span.end_us = r->start_us + span_length(&b->asked);
    b->is_changed = true;
    set_changed(&c->calendar);
    return 0;
}

int calendar_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    if (r->type == RECORD_RESERVATION_ADD)
        return apply_add(c, &r->u.reservation_add, err);
    if (r->type == RECORD_RESERVATION_REMOVE)
        return apply_remove(c, r->u.reservation_remove.id, err);
    return apply_edge(c, &r->u.reservation_edge, err);
}

/* ---- snapshots ---- */

/* Takes r. */
static void give(entity_view_fn fn, void *arg, struct record *r, uint64_t id, bool gone)
{
    const struct entity_view e = {.type = r->type, .id = id, .record = r, .gone = gone};
    fn(arg, &e);
    record_free(r);
}

static void give_gone(uint64_t id, entity_view_fn fn, void *arg)
{
    struct record *add = record_new(RECORD_RESERVATION_ADD);
    struct record *edge = record_new(RECORD_RESERVATION_EDGE);
    add->u.reservation_add.id = edge->u.reservation_edge.id = id;
    give(fn, arg, add, id, true);
    give(fn, arg, edge, id, true);
}

static void give_booking(struct booking *b, entity_view_fn fn, void *arg)
{
    struct cq_str tokens CQ_CLEANUP(cq_str_fini) = {0};
    tokens_format(&b->tokens, &tokens);
    struct record *add = record_new(RECORD_RESERVATION_ADD);
    add->u.reservation_add = (struct reservation_add){.id = b->id,
                                                      .name = cq_strdup(b->name),
                                                      .node = b->node->id,
                                                      .start_us = b->asked.start_us,
                                                      .end_us = b->asked.end_us,
                                                      .every_days = b->every_days,
                                                      .cores = b->cores,
                                                      .mem_mib = b->mem_mib,
                                                      .nodes = cq_strdup(b->nodes),
                                                      .licences = cq_str_take(&tokens),
                                                      .flex = b->is_flex};
    give(fn, arg, add, b->id, false);
    b->is_changed = false;
    if (b->state == BOOKING_AHEAD && b->span.start_us == b->asked.start_us)
        return;
    struct record *edge = record_new(RECORD_RESERVATION_EDGE);
    edge->u.reservation_edge = (struct reservation_edge){.id = b->id,
                                                         .state = b->state,
                                                         .rate = b->rate,
                                                         .inner_rate = b->inner_rate,
                                                         .start_us = b->span.start_us};
    give(fn, arg, edge, b->id, false);
}

void calendar_view_entities(struct core *c, entity_view_fn fn, void *arg)
{
    struct calendar *k = &c->calendar;
    for (size_t i = 0; i < k->n_gone; i++)
        give_gone(k->gone[i], fn, arg);
    k->n_gone = 0;
    for (size_t i = 0; k->has_news && i < k->n; i++)
        if (k->items[i]->is_changed)
            give_booking(k->items[i], fn, arg);
    k->has_news = false;
}
