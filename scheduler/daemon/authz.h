/* Who may do what: one table, one function, deny by default. Called by every entry. Identity comes
 * from the key alone; the enterprise of an object from the core or the store, never from a peer. */
#ifndef CHIPQ_AUTHZ_H
#define CHIPQ_AUTHZ_H

#include "scheduler/core/view.h"

#define VERBS(X)                                                                 \
    X(JOB_SUBMIT)  /* queue jobs in this enterprise */                           \
    X(JOB_SEE)     /* everything of a job: name, command, results */             \
    X(JOB_SHAPE)   /* number, state, resources; no names */                      \
    X(JOB_STOP)    /* cancel, hold, release */                                   \
    X(JOB_REQUEUE) /* call its running tasks back */                             \
    X(JOB_LOG)     /* its output */                                              \
    X(POOL_SEE)    /* nodes, tools, counts */                                    \
    X(USAGE_SEE)   /* what the enterprise used, and who in it */                 \
    X(AUDIT_SEE)   /* who changed its configuration and people */                \
    X(AUDIT_CHECK) /* whether the audit is what was written */                   \
    X(HISTORY_SEE) /* what ran: shapes and times, no names of jobs */            \
    X(NODE_CHANGE) /* drain, resume */                                           \
    X(ENTERPRISE_ADD)                                                            \
    X(USERS_SEE)     /* the users of this enterprise */                          \
    X(USERS_CHANGE)  /* add or revoke designers and admins of this enterprise */ \
    X(KEYS_CHANGE)   /* add or revoke platform admins and workers */             \
    X(SHARE_SEE)     /* shares, quotas, own features, bookings */                \
    X(CONFIG_SEE)    /* what is configured below this enterprise */              \
    X(SHARE_CHANGE)  /* settings of its projects and users; bookings for them */ \
    X(CONFIG_CHANGE) /* enterprises and their settings, licences, the feed */    \
    X(BACKUP)        /* copy the whole database to a file on chipqd's machine */ \
    X(WORK)          /* speak the worker protocol */

enum verb {
#define X(name) VERB_##name,
    VERBS(X)
#undef X
        VERB_COUNT
};

struct authz_object {
    struct enterprise_id enterprise; /* {0}: belongs to none (nodes, the pool) */
    const char *owner;               /* user name of a job's owner; NULL = nobody's */
};

bool authz(const struct principal_view *who, enum verb verb, const struct authz_object *what);
const char *verb_name(enum verb verb); /* "JOB_SEE" */

#endif
