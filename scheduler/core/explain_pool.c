/* What of the pool holds a job back: limits, guarantees, tokens, bookings, holds, room. It asks the
 * functions that decide, in their order, and never tells one enterprise anything of another. */
#include <inttypes.h>

#include "common/base/pure/parse.h"
#include "scheduler/core/calendar_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/preempt.h"

#define SAY(field, ...) (void)snprintf((field), sizeof(field), __VA_ARGS__)

/* ---- guarantees ---- */

/* "in 42s", "now"; appended. */
static void add_when(const struct core *c, int64_t at_us, const char *before, struct cq_str *out)
{
    int64_t left_us = at_us - c->policy_us;
    if (left_us <= 0) {
        cq_str_add(out, "now");
        return;
    }
    cq_str_add(out, before);
    settings_format_time((left_us + US_PER_S - 1) / US_PER_S * US_PER_S, out);
}

static void add_guarantee(const struct share_node *n, struct cq_str *out)
{
    char mem[32];
    share_path(n, out);
    if (n->settings.min_cores > 0)
        cq_str_printf(out, " is below its min-cores %" PRIu64, n->settings.min_cores);
    else
        cq_str_printf(out, " is below its min-mem %s",
                      format_size_mib(n->settings.min_mem_mib, mem, sizeof mem));
}

static void say_claim(const struct core *c, const struct claim *claim, struct reason *r)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    add_guarantee(claim->node, &text);
    if (claim->is_called) {
        cq_str_add(&text, ": what it lent out has been called back for this job, and is free ");
        add_when(c, claim->at_us, "within ", &text);
        SAY(r->advice, "it starts then");
    } else if (claim->before > 0) {
        cq_str_printf(&text,
                      ": what it lent out is called back for one task after the other; %" PRIu64
                      " come%s first",
                      claim->before, claim->before == 1 ? "s" : "");
        SAY(r->advice, "it starts in its turn, or when running jobs end");
    } else {
        cq_str_add(&text, ": what it lent out is called back for this job ");
        add_when(c, claim->at_us, "in ", &text);
        SAY(r->advice, "it starts when that has stopped, or when running jobs end before");
    }
    SAY(r->text, "%s", cq_str_text(&text));
}

/* It has no room, but within a guarantee it gets some. */
static bool try_claim(const struct reason_list *l, struct reason *r)
{
    struct claim claim;
    if (!preempt_claim((struct core *)l->core, l->job, &claim)) /* looks only, as first_of_shape */
        return false;
    say_claim(l->core, &claim, r);
    return true;
}

static void say_impossible(const struct core *c, const struct shape *s, struct reason *r)
{
    struct cq_str why = {0};
    if (explain_impossible(c, s, &why))
        SAY(r->text, "it %s", cq_str_text(&why));
    else
        SAY(r->text, "a worker that can run it has just joined");
    SAY(r->advice, "ask for less, or wait until such a worker joins");
    cq_str_fini(&why);
}

/* Jobs of one's own enterprise are named; others are not even counted. */
static void say_turn(const struct reason_list *l, const struct job *first, struct reason *r)
{
    if (first && first->enterprise == l->job->enterprise && first != l->job)
        SAY(r->text, "job %" PRIu64 " of your enterprise comes first (priority %" PRId64 ")",
            first->number, first->asked->priority);
    else
        SAY(r->text, "others come first");
    SAY(r->advice, "chipq share shows what each side has and is due");
}

static void say_licence(const struct core *c, const struct feature *f, const struct shape *s,
                        struct reason *r)
{
    if (licence_blocks(&s->tokens) == NULL) {
        struct shape moment = *s;
        moment.time_us = 1;
        SAY(r->text, "it asks %" PRIu64 " of %.63s; bookings keep too many of them until its limit",
            tokens_of(&s->tokens, f), f->name);
        SAY(r->advice, "%s",
            calendar_lacks(c, &moment) ? "it starts when such a booking is over"
                                       : "a shorter --time may fit before them");
        return;
    }
    SAY(r->text, "it asks %" PRIu64 " of %.63s; %" PRIu64 " of %" PRIu64 " free",
        tokens_of(&s->tokens, f), f->name, feature_free(f), f->count);
    if (tokens_of(&s->tokens, f) > f->count)
        SAY(r->advice, "there are not so many: ask for less");
    else
        SAY(r->advice, "it goes on when tokens are given back; chipq licence shows them");
}

/* ---- bookings ---- */

/* Where there is room, not even a moment is left before a booking. */
static bool is_booked_now(const struct core *c, const struct shape *asked)
{
    struct shape s = *asked;
    s.time_us = 1;
    for (size_t i = 0; i < c->pool.n_fit; i++)
        if (placement_fits(&s, c->pool.fit[i], NULL)
            && calendar_allows(c, &s, c->pool.fit[i], NULL))
            return false;
    return true;
}

/* A booking of its own that is under way where there is room, or NULL. */
static const struct booking *own_booking(const struct reason_list *l, const struct shape *s)
{
    const struct core *c = l->core;
    for (size_t i = 0; i < c->calendar.n; i++) {
        const struct booking *b = c->calendar.items[i];
        for (size_t k = 0; k < c->pool.n_fit && booking_is_active(b); k++)
            if (booking_piece(b, c->pool.fit[k]->name) && placement_fits(s, c->pool.fit[k], NULL)
                && booking_is_for(b, l->job->class->leaf))
                return b;
    }
    return NULL;
}

/* Until the next booking begins where there is room, whoever it is for. */
static int64_t booking_in_us(const struct core *c, const struct shape *s)
{
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < c->pool.n_fit; i++) {
        const struct line *line = calendar_line(c, c->pool.fit[i]->name);
        for (size_t k = 0; line && k < line->n && placement_fits(s, c->pool.fit[i], NULL); k++) {
            int64_t start_us = span_start(&line->slots[k].booking->span, c->now_wall_us);
            next_us = start_us > c->now_wall_us && start_us < next_us ? start_us : next_us;
        }
    }
    return next_us < INT64_MAX ? next_us - c->now_wall_us : 0;
}

static void say_ahead(const struct core *c, const struct shape *s, struct reason *r)
{
    struct cq_str in CQ_CLEANUP(cq_str_fini) = {0}, limit CQ_CLEANUP(cq_str_fini) = {0};
    settings_format_time(booking_in_us(c, s) / US_PER_S * US_PER_S, &in);
    settings_format_time((int64_t)s->time_us, &limit);
    SAY(r->text, "a booking begins in %s, before its time limit of %s would end", cq_str_text(&in),
        cq_str_text(&limit));
}

static void say_own_booking(const struct core *c, const struct booking *own, const struct shape *s,
                            struct reason *r)
{
    struct cq_str left CQ_CLEANUP(cq_str_fini) = {0};
    int64_t left_us = (own->span.end_us - c->now_wall_us) / US_PER_S * US_PER_S;
    SAY(r->text, "what is free is booked, and '%.63s' is under way", own->name);
    settings_format_time(left_us, &left);
    if ((uint64_t)left_us >= s->time_us)
        SAY(r->advice, "with --reserve %.63s it may run in it; else it starts after that",
            own->name);
    else
        SAY(r->advice,
            "with --reserve %.63s and a --time of at most %s it may run in it; else it starts "
            "after that",
            own->name, cq_str_text(&left));
}

static void say_booked(const struct reason_list *l, const struct shape *s, struct reason *r)
{
    if (!is_booked_now(l->core, s)) {
        say_ahead(l->core, s, r);
        SAY(r->advice, "a shorter --time may fit before it; chipq reservation list shows yours");
        return;
    }
    const struct booking *own = own_booking(l, s);
    if (own) {
        say_own_booking(l->core, own, s, r);
    } else {
        SAY(r->text, "what is free is booked, and the booking is under way");
        SAY(r->advice, "it starts when that is over");
    }
}

/* A guarantee that finds nothing to call back helps nobody: its owner should know. */
static void say_no_claim(const struct reason_list *l, const struct shape *s, struct reason *r)
{
    for (const struct share_node *n = l->job->class->leaf; n; n = n->parent) {
        struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
        if (!quota_is_guaranteed(n, s))
            continue;
        add_guarantee(n, &text);
        SAY(r->advice,
            "%s, but what runs there may not be called back (it is not --preemptible, or others "
            "keep it); it starts when running jobs end",
            cq_str_text(&text));
        return;
    }
}

static void say(const struct reason_list *l, enum wait_reason why, const struct job *first,
                struct reason *r)
{
    const struct shape *s = l->job->class->shape;
    switch (why) {
    case WAIT_NO_WORKER:
        SAY(r->text, "no worker is up");
        SAY(r->advice, "chipq nodes shows the machines");
        return;
    case WAIT_NO_NODE:
        say_impossible(l->core, s, r);
        return;
    case WAIT_SETTLING:
        SAY(r->text, "after a restart of the scheduler, the workers that could run it have not yet "
                     "said what they hold");
        SAY(r->advice, "it goes on when they report, or when their leases run out");
        return;
    case WAIT_CAPACITY:
        explain_capacity(l->core, s, r);
        say_no_claim(l, s, r);
        return;
    case WAIT_RESERVED:
        SAY(r->text, "there is room, but it is kept for a job that has waited for more of it, and "
                     "would still be taken then");
        SAY(r->advice, "it starts after that job; a shorter --time may fit before it");
        return;
    case WAIT_GUARANTEE:
        SAY(r->text, "what is free belongs to guarantees of others");
        SAY(r->advice, "it goes on when running jobs end");
        return;
    case WAIT_BOOKED:
        say_booked(l, s, r);
        return;
    case WAIT_BOOKING:
        SAY(r->text, "its booking '%.63s' is not open, or ends too soon", s->reservation);
        SAY(r->advice, "chipq reservation list shows when it begins");
        return;
    case WAIT_TURN:
    case WAIT_NONE:
    case WAIT_HELD:
    case WAIT_DEPENDENCY:
    case WAIT_ARRAY_LIMIT:
    case WAIT_LOST_DECISION:
    case WAIT_LIMIT:
    case WAIT_BUDGET:
    case WAIT_LICENCE:
    case WAIT_OUT_OF_SERVICE:
    case WAIT_DISK:
    case WAIT_REASON_COUNT:
        say_turn(l, first, r);
        return;
    }
}

/* Which limit the free machines are too large for. */
static enum wait_reason machine_reason(const struct core *c, const struct job *job,
                                       struct quota_block *b)
{
    const struct class *k = job->class;
    for (size_t i = 0; i < c->pool.n_fit; i++) {
        const struct worker *w = c->pool.fit[i];
        if (placement_fits(k->shape, w, NULL) && quota_blocks_machine(c, k->leaf, k->shape, w, b)
            && b->node)
            return b->which == SETTING_BUDGET ? WAIT_BUDGET : WAIT_LIMIT;
    }
    return WAIT_GUARANTEE;
}

/* What the pass would answer for this job now: the same questions, in the same order. */
static enum wait_reason decide(const struct core *c, const struct job *job, struct quota_block *b,
                               struct feature **scarce)
{
    const struct class *k = job->class;
    const struct shape *s = k->shape;
    enum wait_reason why = WAIT_TURN;
    struct placement p = {0};
    if (quota_blocks(k->leaf, s, b))
        return b->which == SETTING_BUDGET ? WAIT_BUDGET : WAIT_LIMIT;
    if (quota_is_withheld(c, k->leaf, s))
        return WAIT_GUARANTEE;
    if ((*scarce = licence_blocks(&s->tokens)) || (*scarce = calendar_lacks(c, s)))
        return WAIT_LICENCE;
    if (!calendar_is_open(c, s))
        return WAIT_BOOKING;
    if (placement_choose(c, s, job, &p, &why))
        why = WAIT_TURN;
    placement_fini(&p);
    return why == WAIT_LIMIT ? machine_reason(c, job, b) : why;
}

/* The job that what comes free would go to, of those with the same shape. */
static const struct job *first_of_shape(const struct core *c, struct shape *s)
{
    /* Looking moves only what the choice remembers, never what it is. */
    const struct class *k = queue_best_of((struct core *)c, s);
    return k ? queue_class_head(k) : NULL;
}

/* ---- what it can never pass ---- */

static void add_limit_for_ever(struct reason_list *l, const struct quota_block *told,
                               uint64_t ready)
{
    struct quota_block b;
    const struct class *k = l->job->class;
    if (!quota_blocks_for_ever(k->leaf, k->shape, &b))
        return;
    if (b.node == told->node && b.which == told->which && b.feature == told->feature)
        return;
    explain_limit_for_ever(
        &b, reasons_add(l, b.which == SETTING_BUDGET ? WAIT_BUDGET : WAIT_LIMIT, ready));
}

/* Behind the reason of now: what is in its way for ever, so that nobody waits for nothing. */
static void add_for_ever(struct reason_list *l, enum wait_reason why,
                         const struct quota_block *told, uint64_t ready)
{
    const struct shape *s = l->job->class->shape;
    const struct token *t = why != WAIT_LICENCE ? explain_impossible_token(s) : NULL;
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    struct reason *r;
    add_limit_for_ever(l, told, ready);
    if (t) {
        r = reasons_add(l, WAIT_LICENCE, ready);
        SAY(r->text, "also: it asks %" PRIu64 " of %.63s; there are %" PRIu64, t->count,
            t->feature->name, t->feature->count);
        SAY(r->advice, "ask for less");
    }
    if (why != WAIT_NO_NODE && explain_impossible(l->core, s, &text)) {
        r = reasons_add(l, WAIT_NO_NODE, ready);
        SAY(r->text, "also: it %.240s", cq_str_text(&text));
        SAY(r->advice, "ask for less, or wait until such a worker joins");
    }
}

/* Room will not come by waiting: who is first for it says nothing. */
static bool is_of_room(enum wait_reason why)
{
    return why == WAIT_CAPACITY || why == WAIT_NO_WORKER || why == WAIT_NO_NODE
           || why == WAIT_RESERVED || why == WAIT_TURN;
}

static void add_out_of_service(struct reason_list *l, uint64_t ready)
{
    struct reason *r = reasons_add(l, WAIT_OUT_OF_SERVICE, ready);
    if (r == NULL)
        return;
    explain_out_of_service(l->core, l->job->class->shape, r);
    if (l->before == 0 && !l->is_brief)
        advise(l->core, l->job, NULL, r);
}

/* What decides now, of all but the machines' being there. */
static void add_deciding(struct reason_list *l, enum wait_reason why, struct quota_block *block,
                         const struct feature *scarce, uint64_t ready)
{
    const struct shape *s = l->job->class->shape;
    const struct job *first = first_of_shape(l->core, l->job->class->shape);
    bool is_turn = why == WAIT_CAPACITY && first && first != l->job;
    if (is_turn)
        why = WAIT_TURN; /* its shape has no room, and what is freed goes to others first */
    struct reason *r = reasons_add(l, why, ready);
    if (r == NULL)
        return;
    if (why == WAIT_LIMIT || why == WAIT_BUDGET)
        explain_limit(block, r);
    else if (why == WAIT_LICENCE)
        say_licence(l->core, scarce, s, r);
    else if ((why != WAIT_CAPACITY && why != WAIT_RESERVED) || !try_claim(l, r))
        say(l, why, first, r);
    if (l->before == 0 && !l->is_brief)
        advise(l->core, l->job, why == WAIT_LIMIT ? block : NULL, r);
    if (is_turn && !l->is_brief && (r = reasons_add(l, WAIT_CAPACITY, ready)) && !try_claim(l, r))
        explain_capacity(l->core, s, r);
}

/* Nothing starts, whatever there is room for: no other reason is one now. */
static void add_disk(struct reason_list *l, uint64_t ready)
{
    char need[32];
    struct reason *r = reasons_add(l, WAIT_DISK, ready);
    if (r == NULL)
        return;
    SAY(r->text, "no job starts: the scheduler's disk is nearly full, on %.100s",
        l->core->room.mount);
    SAY(r->advice,
        "it goes on when %s are free there: make room, or tell who runs the scheduler; nothing "
        "that was accepted is lost",
        format_size_mib(l->core->room.need_mib, need, sizeof need));
}

/* ---- many of one class ---- */

/* What is found for it holds for all of its class: no hold or claim is its own, and it is not the
 * one that comes first. */
static bool is_one_of_many(const struct reason_list *l)
{
    return l->memo && l->core->holds.n == 0
           && first_of_shape(l->core, l->job->class->shape) != l->job;
}

static bool recall(struct reason_list *l, uint64_t ready)
{
    if (l->memo->like != l->job->class)
        return false;
    struct reason *r = reasons_add(l, WAIT_NONE, ready);
    if (r == NULL)
        return false;
    *r = l->memo->reason;
    r->tasks = ready;
    return true;
}

/* Claims are told with what is before the job itself. */
static void note(const struct reason_list *l)
{
    const struct reason *r = &l->items[0];
    bool may_claim =
        r->code == wait_reason_name(WAIT_CAPACITY) || r->code == wait_reason_name(WAIT_RESERVED);
    if (l->n == 1 && !may_claim)
        *l->memo = (struct brief_memo){l->job->class, *r};
}

static void add_pool(struct reason_list *l, uint64_t ready)
{
    struct quota_block block = {0};
    struct feature *scarce = NULL;
    bool is_paused = l->core->room.is_tight;
    enum wait_reason why = is_paused ? WAIT_TURN : decide(l->core, l->job, &block, &scarce);
    bool is_out = explain_is_out_of_service(l->core, l->job->class->shape);
    if (is_paused)
        add_disk(l, ready);
    if (is_out)
        add_out_of_service(l, ready);
    if (!is_paused && (!is_out || !is_of_room(why)))
        add_deciding(l, why, &block, scarce, ready);
    if (!l->is_brief)
        add_for_ever(l, is_out ? WAIT_NO_NODE : why, &block, ready);
}

void explain_pool(struct reason_list *l, uint64_t ready)
{
    bool is_like_others = is_one_of_many(l);
    if (is_like_others && recall(l, ready))
        return;
    add_pool(l, ready);
    if (is_like_others)
        note(l);
}
