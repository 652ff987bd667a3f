// LINK: cq_daemon
/* Who is heard next: one who floods has his part of a batch and no more, who asks for little is in
 * the next one, and nothing is lost or overtaken. promises: P12 */
#include "scheduler/daemon/intake.h"

#include "common/base/pure/mem.h"

#include <criterion/criterion.h>

enum { FLOOD = 7, OTHER = 8, KEPT = 1000 };

struct kept {
    struct intake_item item;
    uint64_t enterprise, number;
};

static void park(struct intake *i, uint64_t enterprise, uint64_t number, size_t bytes)
{
    struct kept *k = CQ_NEW(struct kept);
    *k = (struct kept){{.bytes = bytes}, enterprise, number};
    cr_assert_eq(intake_way(i, enterprise), INTAKE_LATER);
    intake_park(i, enterprise, &k->item);
}

static void free_item(struct intake_item *item)
{
    free(item);
}

/* What is heard next, as enterprise * KEPT + number; 0 = nothing. Its cost is charged. */
static uint64_t hear(struct intake *i, bool all, uint64_t cost)
{
    struct kept *k = (struct kept *)intake_next(i, all);
    if (k == NULL)
        return 0;
    uint64_t what = k->enterprise * KEPT + k->number;
    intake_charge(i, k->enterprise, cost, 0);
    free(k);
    return what;
}

/* So much that it is over its part for now, but not after the next batch. */
static void use_up(struct intake *i, uint64_t enterprise, size_t n_active)
{
    intake_charge(i, enterprise, intake_quota(n_active), 0);
}

Test(intake, alone_one_has_much_of_a_batch_and_then_waits)
{
    struct intake *i = intake_new();
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_NOW);
    intake_charge(i, FLOOD, INTAKE_ALONE - 1, 0);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_NOW);
    intake_charge(i, FLOOD, 1, 0);
    park(i, FLOOD, 1, 100);
    cr_assert(intake_waits(i));
    cr_assert_eq(hear(i, false, 0), 0);
    intake_new_batch(i, 0);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_LATER); /* what waits is first */
    cr_assert_eq(hear(i, false, 0), FLOOD * KEPT + 1);
    cr_assert(!intake_waits(i));
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_NOW);
    intake_free(i, free_item);
}

Test(intake, beside_others_each_has_a_small_part)
{
    struct intake *i = intake_new();
    intake_charge(i, FLOOD, intake_quota(2), 0);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_NOW); /* it is alone */
    cr_assert_eq(intake_way(i, OTHER), INTAKE_NOW);
    intake_charge(i, OTHER, 1, 0);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_LATER);
    cr_assert_eq(intake_way(i, OTHER), INTAKE_NOW);
    cr_assert_lt(intake_quota(2), intake_quota(1) / 8);
    for (size_t n = 2; n < 100000; n = n * 3 / 2)
        cr_assert(intake_quota(n + 1) <= intake_quota(n) && intake_quota(n) > 0);
    intake_free(i, free_item);
}

Test(intake, who_asks_for_little_is_heard_before_what_waits_of_a_flood)
{
    struct intake *i = intake_new();
    intake_charge(i, OTHER, 1, 0);
    use_up(i, FLOOD, 2);
    for (uint64_t n = 1; n <= 500; n++)
        park(i, FLOOD, n, 100);
    cr_assert_eq(intake_way(i, OTHER), INTAKE_NOW);
    intake_free(i, free_item);
}

Test(intake, those_who_wait_are_heard_in_turn_each_in_its_order)
{
    struct intake *i = intake_new();
    use_up(i, FLOOD, 2);
    use_up(i, OTHER, 2);
    for (uint64_t n = 1; n <= 3; n++)
        park(i, FLOOD, n, 100);
    park(i, OTHER, 1, 100);
    cr_assert_eq(intake_pay(i, 0), 0);
    cr_assert_eq(hear(i, false, 1), FLOOD * KEPT + 1);
    cr_assert_eq(hear(i, false, 1), OTHER * KEPT + 1);
    cr_assert_eq(hear(i, false, intake_quota(2)), FLOOD * KEPT + 2);
    cr_assert_eq(hear(i, false, 1), 0); /* it had its part */
    cr_assert_eq(hear(i, true, 1), FLOOD * KEPT + 3);
    cr_assert(!intake_waits(i));
    intake_free(i, free_item);
}

Test(intake, what_was_too_much_is_less_later)
{
    struct intake *i = intake_new();
    intake_charge(i, OTHER, 1, 0);
    intake_charge(i, FLOOD, 3 * intake_quota(2), 0);
    park(i, FLOOD, 1, 100);
    for (size_t batch = 1; batch <= 2; batch++) {
        intake_new_batch(i, 0);
        cr_assert_eq(hear(i, false, 0), 0);
    }
    intake_new_batch(i, 0);
    cr_assert_eq(hear(i, false, 0), FLOOD * KEPT + 1);
    intake_free(i, free_item);
}

Test(intake, when_nothing_is_written_small_debts_are_forgiven_and_large_ones_take_time)
{
    struct intake *i = intake_new();
    intake_charge(i, OTHER, 1, 0);
    use_up(i, FLOOD, 2);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_LATER);
    cr_assert_eq(intake_pay(i, 0), INT64_MAX); /* nobody waits */
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_NOW);
    intake_charge(i, FLOOD, 1000000, 0);
    park(i, FLOOD, 1, 100);
    int64_t at_us = intake_pay(i, 1000);
    cr_assert_eq(hear(i, false, 0), 0);
    cr_assert_eq(at_us, (1000000 - INTAKE_FORGIVEN) / INTAKE_PAID_PER_US + 1);
    cr_assert_eq(intake_pay(i, at_us), at_us);
    cr_assert_eq(hear(i, false, 0), FLOOD * KEPT + 1);
    intake_free(i, free_item);
}

Test(intake, batches_of_others_pay_no_large_debt)
{
    struct intake *i = intake_new();
    intake_charge(i, OTHER, 1, 0);
    intake_charge(i, FLOOD, 1000000, 0);
    park(i, FLOOD, 1, 100);
    for (int64_t now_us = 0; now_us < 900000; now_us += 1000) {
        intake_new_batch(i, now_us);
        cr_assert_eq(hear(i, false, 0), 0);
    }
    use_up(i, OTHER, 2);
    park(i, OTHER, 1, 100); /* all wait: there is nobody to be spared */
    intake_new_batch(i, 900000 + 100000 / INTAKE_PAID_TOGETHER);
    cr_assert_eq(intake_pay(i, 900000 + 100000 / INTAKE_PAID_TOGETHER),
                 900000 + 100000 / INTAKE_PAID_TOGETHER);
    cr_assert_eq(hear(i, false, 0), FLOOD * KEPT + 1);
    intake_free(i, free_item);
}

Test(intake, for_who_waits_a_batch_begins_when_the_disk_was_free_for_as_long_as_it_wrote)
{
    struct intake *i = intake_new();
    intake_charge(i, OTHER, 1, 0);
    use_up(i, FLOOD, 2);
    park(i, FLOOD, 1, 100);
    intake_new_batch(i, 1000);
    cr_assert_eq(intake_opens_us(i), INT64_MAX);
    intake_batch_ended(i, 1400);
    cr_assert_eq(intake_opens_us(i), 1800);
    intake_new_batch(i, 2000);
    intake_batch_ended(i, 2000 + 10 * (int64_t)INTAKE_FREE_MAX_US);
    cr_assert_eq(intake_opens_us(i), 2000 + 11 * (int64_t)INTAKE_FREE_MAX_US);
    intake_free(i, free_item);
}

Test(intake, when_all_wait_or_one_is_alone_a_batch_begins_at_once)
{
    struct intake *i = intake_new();
    use_up(i, FLOOD, 1);
    park(i, FLOOD, 1, 100);
    intake_new_batch(i, 0);
    cr_assert_eq(intake_opens_us(i), 0);
    use_up(i, OTHER, 1);
    cr_assert_gt(intake_opens_us(i), 0);
    park(i, OTHER, 1, 100);
    cr_assert_eq(intake_opens_us(i), 0);
    intake_free(i, free_item);
}

Test(intake, who_has_been_silent_for_long_does_not_count)
{
    struct intake *i = intake_new();
    intake_charge(i, OTHER, 1, 0);
    intake_charge(i, FLOOD, intake_quota(2), INTAKE_ACTIVE_US);
    intake_new_batch(i, INTAKE_ACTIVE_US);
    use_up(i, FLOOD, 2);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_LATER);
    intake_charge(i, FLOOD, 0, INTAKE_ACTIVE_US + 1);
    intake_new_batch(i, INTAKE_ACTIVE_US + 1);
    intake_charge(i, FLOOD, intake_quota(2), INTAKE_ACTIVE_US + 1);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_NOW);
    intake_free(i, free_item);
}

Test(intake, who_waits_is_not_forgotten_however_long)
{
    struct intake *i = intake_new();
    intake_charge(i, FLOOD, 10 * INTAKE_ALONE, 0);
    park(i, FLOOD, 1, 100);
    intake_new_batch(i, 100 * (int64_t)INTAKE_ACTIVE_US);
    cr_assert_eq(hear(i, false, 0), 0);
    cr_assert_eq(intake_pay(i, 0), 0);
    cr_assert_eq(hear(i, false, 0), FLOOD * KEPT + 1);
    intake_free(i, free_item);
}

Test(intake, who_is_alone_is_held_back_beside_others_he_is_refused)
{
    struct intake *i = intake_new();
    use_up(i, FLOOD, 1);
    park(i, FLOOD, 1, INTAKE_KEPT_MAX - 1);
    cr_assert(!intake_is_full(i));
    park(i, FLOOD, 2, 1);
    cr_assert(intake_is_full(i));
    cr_assert_eq(intake_way(i, OTHER), INTAKE_NOW);
    intake_charge(i, OTHER, 1, 0);
    cr_assert(!intake_is_full(i));
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_REFUSE);
    cr_assert_eq(hear(i, true, 0), FLOOD * KEPT + 1);
    cr_assert_eq(intake_way(i, FLOOD), INTAKE_LATER);
    intake_free(i, free_item);
}

Test(intake, all_together_keep_no_more_than_the_bound_of_all)
{
    enum { PIECE = 1024 * 1024, ENTERPRISES = 100 };
    struct intake *i = intake_new();
    size_t bytes = 0;
    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t e = 1; e <= ENTERPRISES; e++) {
            use_up(i, e, 1);
            if (intake_way(i, e) != INTAKE_LATER)
                continue;
            park(i, e, round, PIECE);
            bytes += PIECE;
        }
    }
    cr_assert_geq(bytes, ENTERPRISES * PIECE); /* what each sent last was kept, too */
    cr_assert_leq(bytes, INTAKE_TOTAL_MAX + ENTERPRISES * PIECE);
    intake_free(i, free_item);
}
