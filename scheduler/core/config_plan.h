/* A change of configuration while it is thought through: copies of what its rows touch, so that all
 * of it can be checked before anything of it is done. Private to config*.c.
 *
 *   plan_init -> rows (config_rows.c) -> plan_check -> plan_changes, plan_warnings -> plan_undo
 *   -> plan_emit, when all is well -> plan_fini
 *
 * Nodes of the share tree are copied. Features are tried in place, because settings name them:
 * until plan_undo they are in the core as the rows want them, new ones too. */
#ifndef CHIPQ_CONFIG_PLAN_H
#define CHIPQ_CONFIG_PLAN_H

#include "common/base/pure/map.h"
#include "scheduler/core/effects.h"
#include "scheduler/core/licence.h"
#include "scheduler/core/people.h"
#include "scheduler/core/share.h"

struct plan_node {
    enum share_level level;
    char *path;                          /* "acme/uart/ann" */
    const char *name;                    /* its last part */
    struct plan_node *parent;            /* NULL: an enterprise */
    struct share_node *node;             /* NULL: it is to be made */
    struct enterprise *enterprise, made; /* made: stands for one that is not there yet */
    struct principal *principal;         /* of a leaf */
    struct settings settings;            /* as wanted */
    bool is_removed;                     /* an enterprise; others only lose their settings */
    size_t n_made;                       /* children that are to be made, of an enterprise */
    size_t row, row_below; /* the newest row that set something of it, of its children; from 1 */
    uint64_t id;           /* once made */
    size_t place;          /* in plan.nodes, for the checks */
    struct plan_node *next_same_hash;
};

struct plan_feature {
    struct feature *feature; /* in the core; after plan_undo only when `is_made` is not set */
    bool is_made;
    char *name;
    struct feature before, after; /* names are not theirs */
    size_t row;
};

struct plan {
    struct core *c;
    struct plan_node **nodes; /* after plan_check: by path, parents first */
    size_t n_nodes, cap_nodes;
    struct map by_id, by_path;     /* by_path: of those to be made, by hash */
    struct plan_node *last;        /* found */
    struct plan_feature *features; /* after plan_check: by name */
    size_t n_features, cap_features;
    char *feed_command; /* as wanted */
    int64_t feed_every_us;
    size_t row; /* the one at work, from 1 */
};

void plan_init(struct plan *p, struct core *c);
void plan_fini(struct plan *p);
void plan_undo(struct plan *p); /* the features are as they were */

extern const char *const plan_kinds[SHARE_LEVELS]; /* "enterprise" ... of share nodes */
extern const char *const plan_feature_kinds[2];    /* by enum feature_kind */

/* A node by its path. With `may_make` it is made when it is not there, and a user's project with
 * it. CQ_E_INVALID: a bad path. CQ_E_NOT_FOUND names a near one. */
struct plan_node *plan_find(struct plan *p, enum share_level level, const char *path, bool may_make,
                            struct cq_err *err);
struct plan_node *plan_node_of(struct plan *p, struct share_node *n); /* of one that is there */
void plan_clear(struct plan *p, struct plan_node *n);                 /* all defaults */

/* The feature as tried; NULL: there is none of that name. plan_touch before it is changed. */
void plan_touch(struct plan *p, struct feature *f);
struct feature *plan_make_feature(struct plan *p, const char *name, enum feature_kind kind);
uint64_t plan_count_of(enum feature_kind kind); /* the default */

/* config_check.c: the whole of it, and what is allowed but worth a word. */
int plan_check(struct plan *p, struct cq_err *err) CQ_MUST_CHECK;
void plan_warnings(const struct plan *p, struct cq_str *out);

/* config_emit.c: what changes, as text and as records. */
struct plan_author {
    uint64_t principal;
    int64_t at_us;
};
void plan_changes(const struct plan *p, struct cq_str *out);
void plan_emit(struct plan *p, struct plan_author by, struct effects *out);

/* config_rows.c: the rows of the request, in order. */
int plan_rows(struct plan *p, const struct in_config *in, struct cq_err *err) CQ_MUST_CHECK;

#endif
