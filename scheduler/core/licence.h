/* Licence features and instruments: pools of tokens, taken as a bundle or not at all. */
#ifndef CHIPQ_LICENCE_H
#define CHIPQ_LICENCE_H

#include "scheduler/core/effects.h"
#include "scheduler/core/settings.h"
#include "scheduler/core/view.h"

enum feature_kind { FEATURE_LICENCE, FEATURE_INSTRUMENT };

struct feature {
    uint64_t id;
    size_t index; /* in features.items; counts of share nodes are kept by it */
    char *name;
    enum feature_kind kind;
    struct enterprise *owner; /* NULL: everyone's */
    uint64_t count, used;     /* used: by open leases */
    uint64_t external;        /* as the server said last, by anybody */
    uint64_t used_then;       /* `used` when it said so */
    int64_t fed_wall_us;      /* 0 = never */
    bool is_removed, is_changed, is_external_changed;
};

struct features {
    struct feature **items; /* in order of creation; names of removed ones may return as new ones */
    size_t n, cap;
    char *feed_command; /* NULL = none */
    int64_t feed_every_us;
    char *feed_error; /* of the newest run; NULL = it went well */
    bool is_feed_changed;
};

void features_fini(struct features *f);
struct feature *feature_find(const struct core *c, uint64_t id);
struct feature *feature_named(const struct core *c, const char *name); /* not removed ones */
bool feature_is_visible(const struct feature *f,
                        const struct enterprise *to); /* its own, or everyone's */

/* Tokens that can be taken now: count - max(used, external + what was taken since it was read). */
uint64_t feature_free(const struct feature *f);

/* The first feature of the bundle that has too few free now, or NULL. */
struct feature *licence_blocks(const struct tokens *t);
void licence_take(struct core *c, const struct tokens *t);
void licence_give_back(struct core *c, const struct tokens *t); /* shapes that now fit wake up */

/* The door for FEATURE_* and FEED_SET records. */
int licence_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;
void licence_view_entities(struct core *c, entity_view_fn fn, void *arg);

/* Input: one run of the external feed. */
void licence_feed_step(struct core *c, const struct input *in, struct now now, struct effects *out);

#endif
