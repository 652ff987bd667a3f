/* The table of security.md section 4. */
#include "scheduler/daemon/authz.h"

/* How far a role's right reaches. What the table does not name is NEVER. */
enum scope {
    NEVER,
    OWN,    /* objects that this user owns, in the own enterprise */
    TENANT, /* everything of the own enterprise */
    ANY,
};

static const enum scope table[ROLE_COUNT][VERB_COUNT] = {
    [ROLE_DESIGNER] = {[VERB_JOB_SUBMIT] = TENANT,
                       [VERB_JOB_SEE] = TENANT,
                       [VERB_JOB_SHAPE] = TENANT,
                       [VERB_JOB_STOP] = OWN,
                       [VERB_JOB_REQUEUE] = OWN,
                       [VERB_JOB_LOG] = TENANT,
                       [VERB_USAGE_SEE] = TENANT,
                       [VERB_POOL_SEE] = ANY,
                       [VERB_SHARE_SEE] = TENANT},
    [ROLE_ENTERPRISE_ADMIN] = {[VERB_JOB_SUBMIT] = TENANT,
                               [VERB_JOB_SEE] = TENANT,
                               [VERB_JOB_SHAPE] = TENANT,
                               [VERB_JOB_STOP] = TENANT,
                               [VERB_JOB_REQUEUE] = TENANT,
                               [VERB_JOB_LOG] = TENANT,
                               [VERB_USAGE_SEE] = TENANT,
                               [VERB_AUDIT_SEE] = TENANT,
                               [VERB_HISTORY_SEE] = TENANT,
                               [VERB_POOL_SEE] = ANY,
                               [VERB_USERS_SEE] = TENANT,
                               [VERB_USERS_CHANGE] = TENANT,
                               [VERB_SHARE_SEE] = TENANT,
                               [VERB_CONFIG_SEE] = TENANT,
                               [VERB_SHARE_CHANGE] = TENANT},
    [ROLE_PLATFORM_ADMIN] = {[VERB_JOB_SHAPE] = ANY,
                             [VERB_JOB_STOP] = ANY,
                             [VERB_USAGE_SEE] = ANY,
                             [VERB_AUDIT_SEE] = ANY,
                             [VERB_AUDIT_CHECK] = ANY,
                             [VERB_HISTORY_SEE] = ANY,
                             [VERB_POOL_SEE] = ANY,
                             [VERB_NODE_CHANGE] = ANY,
                             [VERB_ENTERPRISE_ADD] = ANY,
                             [VERB_USERS_SEE] = ANY,
                             [VERB_USERS_CHANGE] = ANY,
                             [VERB_KEYS_CHANGE] = ANY,
                             [VERB_SHARE_SEE] = ANY,
                             [VERB_CONFIG_SEE] = ANY,
                             [VERB_SHARE_CHANGE] = ANY,
                             [VERB_CONFIG_CHANGE] = ANY,
                             [VERB_BACKUP] = ANY},
    [ROLE_WORKER] = {[VERB_WORK] = ANY},
};

bool authz(const struct principal_view *who, enum verb verb, const struct authz_object *what)
{
    if (who == NULL || who->revoked || (unsigned)who->role >= ROLE_COUNT
        || (unsigned)verb >= VERB_COUNT)
        return false;
    bool is_same = what->enterprise.v != 0 && what->enterprise.v == who->enterprise.v;
    switch (table[who->role][verb]) {
    case NEVER:
        return false;
    case OWN:
        return is_same && what->owner != NULL && strcmp(what->owner, who->name) == 0;
    case TENANT:
        return is_same;
    case ANY:
        return true;
    }
    return false;
}

const char *verb_name(enum verb verb)
{
    static const char *const names[] = {
#define X(name) #name,
        VERBS(X)
#undef X
    };
    return (unsigned)verb < VERB_COUNT ? names[verb] : "?";
}
