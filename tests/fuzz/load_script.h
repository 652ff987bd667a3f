/* States to begin with: of pools at work, as the histories of tests/trace play them from dice; once
 * as the store's rows, once as the journal. */
#ifndef TEST_FUZZ_LOAD_SCRIPT_H
#define TEST_FUZZ_LOAD_SCRIPT_H

#include "tests/fuzz/load_list.h"
#include "tests/trace/policy_round.h"

enum { SCRIPT_STEPS = 14 };

static void add_record(struct list *l, const struct record *r)
{
    if (r)
        (void)list_insert(l, l->n, item_of(r));
}

static void add_rows(struct list *l, const struct world *w)
{
    for (size_t i = 0; i < w->n_rows; i++) {
        add_record(l, w->rows[i].submit);
        add_record(l, w->rows[i].record);
    }
    (void)list_insert(l, l->n, (struct list_item){.type = RECORD_NONE});
    for (size_t i = 0; i < w->n_journal; i++)
        if (w->journal[i]->type == RECORD_ATTEMPT_END)
            add_record(l, w->journal[i]);
}

static void script_step(struct play *p)
{
    play_advance(p, p->w.now.mono_us + (int64_t)roll(&p->dice, 900) * US_PER_S);
    switch (roll(&p->dice, 12)) {
    case 0:
        move_action(p);
        return;
    case 1:
        move_booking(p);
        return;
    case 2:
        play_disturb(p);
        play_random_config(p);
        return;
    case 3:
        move_feed(p);
        return;
    case 4:
        move_machine(p);
        return;
    case 5:
        play_restart(p);
        return;
    default:
        move_submit(p);
    }
}

/* Caller frees. */
static struct list *script_play(uint64_t seed)
{
    const struct dice dice = {.state = seed};
    struct play *p = CQ_NEW(struct play);
    struct list *l = CQ_NEW(struct list);
    make_pool(p, &dice);
    for (uint64_t i = roll(&p->dice, SCRIPT_STEPS); i-- > 0;)
        script_step(p);
    if (roll(&p->dice, 3))
        add_rows(l, &p->w);
    else
        for (size_t i = 0; i < p->w.n_journal; i++)
            add_record(l, p->w.journal[i]);
    l->dice = (uint8_t)roll(&p->dice, 256);
    play_fini(p);
    free(p);
    return l;
}

#endif
