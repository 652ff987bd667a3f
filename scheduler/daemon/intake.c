/* A lane for each enterprise that added to a batch lately, in the order in which they last did. */
#include "scheduler/daemon/intake.h"

#include "common/base/pure/map.h"
#include "common/base/pure/mem.h"

struct lane {
    uint64_t enterprise;
    uint64_t spent; /* of this batch, and what it had too much of those before */
    int64_t added_us, paid_us;
    struct intake_item *first, **last; /* what waits */
    size_t bytes;
    struct lane *older, *newer; /* all lanes */
    struct lane *next_waiting;  /* those with something that waits, in turn */
};

struct intake {
    struct map lanes; /* enterprise + 1 -> struct lane */
    struct lane *oldest, *newest;
    struct lane *waiting, **waiting_last;
    size_t n_waiting;           /* lanes */
    int64_t began_us, opens_us; /* the last batch; when one for those who wait may begin */
};

struct intake *intake_new(void)
{
    struct intake *i = CQ_NEW(struct intake);
    i->waiting_last = &i->waiting;
    return i;
}

uint64_t intake_quota(size_t n_active)
{
    return n_active <= 1 ? (uint64_t)INTAKE_ALONE : INTAKE_SHARED / n_active + 1;
}

static bool everybody_waits(const struct intake *i)
{
    return i->n_waiting == i->lanes.n;
}

static uint64_t quota(const struct intake *i)
{
    return intake_quota(i->lanes.n);
}

/* ---- lanes ---- */

static void unlink_lane(struct intake *i, struct lane *l)
{
    *(l->older ? &l->older->newer : &i->oldest) = l->newer;
    *(l->newer ? &l->newer->older : &i->newest) = l->older;
}

static void link_newest(struct intake *i, struct lane *l)
{
    l->older = i->newest;
    l->newer = NULL;
    *(i->newest ? &i->newest->newer : &i->oldest) = l;
    i->newest = l;
}

static struct lane *find_lane(const struct intake *i, uint64_t enterprise)
{
    return map_find(&i->lanes, enterprise + 1);
}

static struct lane *touch_lane(struct intake *i, uint64_t enterprise, int64_t now_us)
{
    struct lane *l = find_lane(i, enterprise);
    if (l != NULL) {
        unlink_lane(i, l);
    } else {
        l = CQ_NEW(struct lane);
        l->enterprise = enterprise;
        l->last = &l->first;
        map_put(&i->lanes, enterprise + 1, l);
    }
    link_newest(i, l);
    l->added_us = now_us;
    return l;
}

static void drop_lane(struct intake *i, struct lane *l)
{
    unlink_lane(i, l);
    (void)map_remove(&i->lanes, l->enterprise + 1);
    free(l);
}

void intake_free(struct intake *i, void (*free_item)(struct intake_item *item))
{
    if (i == NULL)
        return;
    for (struct intake_item *item; (item = intake_next(i, true)) != NULL;)
        free_item(item);
    while (i->oldest != NULL)
        drop_lane(i, i->oldest);
    map_fini(&i->lanes);
    free(i);
}

/* ---- what waits ---- */

static void push_waiting(struct intake *i, struct lane *l)
{
    l->next_waiting = NULL;
    *i->waiting_last = l;
    i->waiting_last = &l->next_waiting;
    i->n_waiting++;
}

static struct lane *pop_waiting(struct intake *i)
{
    struct lane *l = i->waiting;
    i->waiting = l->next_waiting;
    if (i->waiting == NULL)
        i->waiting_last = &i->waiting;
    i->n_waiting--;
    return l;
}

static bool is_full(const struct intake *i, const struct lane *l)
{
    size_t part = INTAKE_TOTAL_MAX / (i->n_waiting + 1);
    return l->bytes >= (part < INTAKE_KEPT_MAX ? part : (size_t)INTAKE_KEPT_MAX);
}

/* Who has not added to a batch lately has no lane. */
enum intake_way intake_way(const struct intake *i, uint64_t enterprise)
{
    const struct lane *l = find_lane(i, enterprise);
    if (l == NULL || (l->first == NULL && l->spent < quota(i)))
        return INTAKE_NOW;
    return i->lanes.n > 1 && is_full(i, l) ? INTAKE_REFUSE : INTAKE_LATER;
}

void intake_park(struct intake *i, uint64_t enterprise, struct intake_item *item)
{
    struct lane *l = find_lane(i, enterprise); /* it must wait: it has one */
    if (l->first == NULL)
        push_waiting(i, l);
    item->next = NULL;
    *l->last = item;
    l->last = &item->next;
    l->bytes += item->bytes;
}

static struct intake_item *pop_item(struct lane *l)
{
    struct intake_item *item = l->first;
    l->first = item->next;
    if (l->first == NULL)
        l->last = &l->first;
    l->bytes -= item->bytes;
    return item;
}

struct intake_item *intake_next(struct intake *i, bool all)
{
    for (size_t left = i->n_waiting; left > 0; left--) {
        struct lane *l = pop_waiting(i);
        struct intake_item *item = all || l->spent < quota(i) ? pop_item(l) : NULL;
        if (l->first != NULL)
            push_waiting(i, l);
        if (item != NULL)
            return item;
    }
    return NULL;
}

/* ---- costs ---- */

void intake_charge(struct intake *i, uint64_t enterprise, uint64_t cost, int64_t now_us)
{
    struct lane *l = touch_lane(i, enterprise, now_us);
    if (l->spent == 0)
        l->paid_us = now_us;
    l->spent += cost;
}

/* Who has something that waits will add to it. */
static void drop_idle(struct intake *i, int64_t now_us)
{
    for (struct lane *l = i->oldest, *next; l && now_us - l->added_us > INTAKE_ACTIVE_US;
         l = next) {
        next = l->newer;
        if (l->first == NULL)
            drop_lane(i, l);
    }
}

static uint64_t paid_per_us(const struct intake *i)
{
    return everybody_waits(i) ? INTAKE_PAID_TOGETHER : INTAKE_PAID_PER_US;
}

static void pay(const struct intake *i, struct lane *l, int64_t now_us)
{
    uint64_t paid = (uint64_t)(now_us - l->paid_us) * paid_per_us(i);
    l->paid_us = now_us;
    l->spent -= paid < l->spent ? paid : l->spent;
}

void intake_new_batch(struct intake *i, int64_t now_us)
{
    drop_idle(i, now_us);
    uint64_t part = quota(i);
    for (struct lane *l = i->oldest; l != NULL; l = l->newer) {
        if (i->lanes.n > 1 && l->spent > INTAKE_FORGIVEN)
            pay(i, l, now_us);
        else
            l->spent -= l->spent < part ? l->spent : part;
        l->paid_us = now_us;
    }
    i->began_us = now_us;
    i->opens_us = INT64_MAX;
}

void intake_batch_ended(struct intake *i, int64_t now_us)
{
    int64_t took_us = now_us - i->began_us;
    i->opens_us = now_us + (took_us < INTAKE_FREE_MAX_US ? took_us : INTAKE_FREE_MAX_US);
}

int64_t intake_opens_us(const struct intake *i)
{
    return everybody_waits(i) ? 0 : i->opens_us;
}

/* When it will be so little that it is forgiven. */
static int64_t paid_us(const struct intake *i, const struct lane *l, int64_t now_us)
{
    return l->spent == 0 ? now_us
                         : now_us + (int64_t)((l->spent - INTAKE_FORGIVEN) / paid_per_us(i)) + 1;
}

int64_t intake_pay(struct intake *i, int64_t now_us)
{
    int64_t at_us = INT64_MAX;
    bool is_alone = i->lanes.n <= 1;
    for (struct lane *l = i->oldest; l != NULL; l = l->newer) {
        pay(i, l, now_us);
        if (is_alone || l->spent <= INTAKE_FORGIVEN)
            l->spent = 0;
        if (l->first != NULL && paid_us(i, l, now_us) < at_us)
            at_us = paid_us(i, l, now_us);
    }
    return at_us;
}

bool intake_waits(const struct intake *i)
{
    return i->waiting != NULL;
}

bool intake_is_full(const struct intake *i)
{
    return i->lanes.n == 1 && is_full(i, i->oldest);
}
