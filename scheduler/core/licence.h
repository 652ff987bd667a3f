/* Licence features and instruments: pools of tokens, taken as a bundle or not at all. */
#ifndef CHIPQ_LICENCE_H
#define CHIPQ_LICENCE_H

#include "scheduler/core/effects.h"
#include "scheduler/core/holders.h"
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
    uint64_t used_then;       /* of `used`, what is in that number: it may be slow to show ours */
    int64_t fed_wall_us;      /* 0 = never */
    struct holders holders;   /* the open leases that have some */
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
/* Those that are not removed; caller frees. */
size_t features_by_name(const struct core *c, const struct feature ***sorted);
bool feature_is_visible(const struct feature *f,
                        const struct enterprise *to); /* its own, or everyone's */

/* Tokens that can be taken now: count - max(used, external + what of ours is not in that yet). A
 * token of ours is not in it when it was taken later, nor before the number rose for it or 120 s
 * passed. */
uint64_t feature_free(const struct feature *f);
/* Tokens that we may take in all: those that strangers have, as the server said last, are not ours.
 * What we hold does not change it. */
uint64_t feature_ours(const struct feature *f);
int64_t feature_left(const struct feature *f); /* below 0: more is taken than there is */

/* The first feature of the bundle that has too few free now, or NULL. */
struct feature *licence_blocks(const struct tokens *t);
/* More is taken than there is now: the count was lowered, or strangers took some. */
bool licence_is_exceeded(const struct tokens *held);
void licence_take(struct core *c, const struct tokens *t);
void licence_give_back(struct core *c, const struct tokens *t); /* shapes that now fit wake up */

/* Live jobs that ask for it or hold it, but those of `but` (NULL: all count). Looks at every job.
 */
uint64_t licence_asked(const struct core *c, const struct feature *f, const struct enterprise *but);

/* The door for FEATURE_* and FEED_SET records. */
int licence_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;
void licence_view_entities(struct core *c, entity_view_fn fn, void *arg);

/* Input: one run of the external feed. */
void licence_feed_step(struct core *c, const struct input *in, struct now now, struct effects *out);

#endif
