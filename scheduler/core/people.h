/* Who and for whom: enterprises, principals (users, admins, workers' keys), projects. None is ever
 * deleted; a principal can be revoked, an enterprise removed: look-ups by name pass over those. */
#ifndef CHIPQ_PEOPLE_H
#define CHIPQ_PEOPLE_H

#include "common/base/pure/map.h"
#include "scheduler/core/input.h"
#include "scheduler/core/record.h"
#include "scheduler/core/view.h"

struct core;
struct job;

enum { PROJECTS_MAX = 10000 }; /* of one enterprise: they stay, and fill the memory of all */

struct enterprise {
    uint64_t id;
    char *name;
    uint64_t next_number; /* of its jobs */
    struct map jobs;      /* live ones by number */
    struct counts counts; /* of its jobs and leases, kept up to date */
    struct share_node *share;
    bool is_removed;              /* its name is free again, its keys are revoked */
    bool changed, number_changed; /* since the last core_view_entities */
};

struct principal {
    uint64_t id;
    struct enterprise *enterprise; /* NULL: belongs to none */
    char *name, *public_key;
    enum role role;
    bool revoked, changed;
    struct principal *next_same_hash;
};

struct project {
    uint64_t id;
    struct enterprise *enterprise;
    struct share_node *share;
    char *name;
    struct learned *learned; /* how much memory its runs took; NULL: nothing yet */
    bool changed;
};

struct people {
    struct map by_id;                /* of all three: their ids come from one sequence */
    struct map by_key;               /* hash of public key -> principals, chained */
    struct enterprise **enterprises; /* the vectors are in order of creation */
    size_t n_enterprises, cap_enterprises;
    struct principal **principals;
    size_t n_principals, cap_principals;
    bool is_principal_changed; /* some principal's row is */
    struct project **projects;
    size_t n_projects, cap_projects;
};

void people_fini(struct people *p);
struct enterprise *people_enterprise(const struct core *c, uint64_t id); /* NULL: none */
struct enterprise *people_enterprise_named(const struct core *c, const char *name);
struct principal *people_principal(const struct core *c, uint64_t id);
struct project *people_project(const struct core *c, uint64_t id);
struct project *people_project_named(const struct core *c, const struct enterprise *e,
                                     const char *name);
struct principal *people_principal_named(const struct core *c, const struct enterprise *e,
                                         const char *name); /* e NULL: of those without one */

/* The door. */
int people_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;

/* Inputs. */
void people_enterprise_add(struct core *c, const struct input *in, struct now now,
                           struct effects *out);
void people_user_add(struct core *c, const struct input *in, struct now now, struct effects *out);
void people_user_revoke(struct core *c, const struct input *in, struct now now,
                        struct effects *out);

#endif
