/* Any records as a state that is loaded: of chipqd's rows or its journal, changed, missing, twice,
 * out of order (load_mutate.h). A record that does not fit is refused, and says so; what was taken
 * must hold together: a pool goes on from it for some turns, whose books the oracle adds up, and
 * what that stores can be loaded again. */
#include "tests/fuzz/load_turns.h"

static void must_say_why(const struct cq_err *err)
{
    FUZZ_CHECK(err->code == CQ_E_INTERNAL && err->text[0] != '\0');
}

static bool load_one(struct loaded *x, struct record *r, bool is_end)
{
    struct cq_err err = {.code = CQ_OK};
    if (is_end) {
        core_remember_end(x->w.core, r);
        return true;
    }
    if (core_apply(x->w.core, r, &err) != 0) {
        must_say_why(&err);
        FUZZ_CHECK(strstr(err.text, record_type_name(r->type)) != NULL);
        return false;
    }
    if (r->type == RECORD_JOB_SUBMIT)
        loaded_keep_submit(x, r);
    return true;
}

static bool load_all(struct loaded *x, const struct list *l)
{
    struct cq_err err = {.code = CQ_OK};
    bool ok = true, are_ends = false;
    for (size_t i = 0; ok && i < l->n; i++) {
        struct record *r = item_record(&l->items[i]);
        are_ends = are_ends || l->items[i].type == RECORD_NONE;
        ok = r == NULL || load_one(x, r, are_ends);
        record_free(r);
    }
    if (!ok || core_check_load(x->w.core, &err) == 0)
        return ok;
    must_say_why(&err);
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct list *l = list_read(data, bytes);
    const struct core_config config = {.lease_us = 60000000,
                                       .grace_us = 5000000,
                                       .is_easy = l->flags & FLAG_EASY,
                                       .may_lack_jobs = l->flags & FLAG_LACKS_JOBS};
    struct loaded *x = loaded_new(&config, l->dice);
    if (load_all(x, l))
        loaded_go_on(x);
    loaded_free(x);
    list_free(l);
    return 0;
}

#ifdef CHIPQ_FUZZERS
#include "tests/fuzz/load_mutate.h"
#include "tests/fuzz/load_script.h"

/* Most changes are of one record; a new state now and then. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed)
{
    struct mutation m = {.dice = {.state = seed}};
    struct list *l = list_read(data, bytes);
    if (l->n < 2 || roll(&m.dice, 400) == 0) {
        list_free(l);
        l = script_play(dice_next(&m.dice));
    }
    find_ids(&m, l);
    for (uint64_t n = 1 + roll(&m.dice, 3) / 2; n-- > 0 && l->n > 0;)
        change_list(&m, l);
    size_t n = list_write(l, data, room);
    list_free(l);
    return n;
}
#endif
