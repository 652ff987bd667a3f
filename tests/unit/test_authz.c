// LINK: cq_daemon
/* Every verb x role x whose: the table of security.md, written a second time as letters.
 * '-' never, 'o' own jobs only, 't' own enterprise, 'a' any. */
#include "scheduler/daemon/authz.h"

#include <criterion/criterion.h>

static const struct {
    enum verb verb;
    const char *reach; /* designer, admin, platform, worker */
} expected[] = {
    {VERB_JOB_SUBMIT, "tt--"},    {VERB_JOB_SEE, "tt--"},      {VERB_JOB_SHAPE, "tta-"},
    {VERB_JOB_STOP, "ota-"},      {VERB_JOB_REQUEUE, "ot--"},  {VERB_JOB_LOG, "tt--"},
    {VERB_POOL_SEE, "aaa-"},      {VERB_NODE_CHANGE, "--a-"},  {VERB_ENTERPRISE_ADD, "--a-"},
    {VERB_USERS_SEE, "-ta-"},     {VERB_USERS_CHANGE, "-ta-"}, {VERB_KEYS_CHANGE, "--a-"},
    {VERB_SHARE_SEE, "tta-"},     {VERB_CONFIG_SEE, "-ta-"},   {VERB_SHARE_CHANGE, "-ta-"},
    {VERB_CONFIG_CHANGE, "--a-"}, {VERB_WORK, "---a"},         {VERB_USAGE_SEE, "tta-"},
    {VERB_BACKUP, "--a-"},        {VERB_AUDIT_SEE, "-ta-"},    {VERB_AUDIT_CHECK, "--a-"},
    {VERB_HISTORY_SEE, "-ta-"},
};

static struct principal_view ann(enum role role)
{
    return (struct principal_view){.id = {7}, .enterprise = {1}, .name = "ann", .role = role};
}

static bool expect(char reach, bool is_own, bool is_tenant)
{
    return reach == 'a' || (reach == 't' && is_tenant) || (reach == 'o' && is_own && is_tenant);
}

Test(authz, every_verb_role_and_object)
{
    static const struct authz_object objects[] = {
        {{1}, "ann"}, {{1}, "bob"}, {{1}, NULL},  {{2}, "ann"},
        {{2}, "eve"}, {{0}, NULL},  {{0}, "ann"},
    };
    cr_assert_eq(CQ_COUNT(expected), VERB_COUNT);
    for (size_t v = 0; v < CQ_COUNT(expected); v++)
        for (unsigned role = 0; role < ROLE_COUNT; role++)
            for (size_t i = 0; i < CQ_COUNT(objects); i++) {
                struct principal_view who = ann((enum role)role);
                const struct authz_object *o = &objects[i];
                bool is_own = o->owner != NULL && strcmp(o->owner, "ann") == 0;
                bool want = expect(expected[v].reach[role], is_own, o->enterprise.v == 1);
                cr_expect_eq(authz(&who, expected[v].verb, o), want, "%s by %s on object %zu",
                             verb_name(expected[v].verb), role_name((enum role)role), i);
            }
}

Test(authz, revoked_unknown_and_nobody_may_nothing)
{
    struct authz_object pool = {{0}, NULL};
    struct principal_view who = ann(ROLE_PLATFORM_ADMIN);
    cr_assert(authz(&who, VERB_NODE_CHANGE, &pool));
    who.revoked = true;
    for (unsigned v = 0; v < VERB_COUNT; v++)
        cr_assert(!authz(&who, (enum verb)v, &pool));
    who.revoked = false;
    cr_assert(!authz(&who, VERB_COUNT, &pool));
    who.role = ROLE_COUNT;
    cr_assert(!authz(&who, VERB_POOL_SEE, &pool));
    cr_assert(!authz(NULL, VERB_POOL_SEE, &pool));
}

/* A platform admin without an enterprise must not pass for a member of "no enterprise". */
Test(authz, no_enterprise_is_nobody_s_tenant)
{
    struct principal_view who = {.enterprise = {0}, .name = "w", .role = ROLE_DESIGNER};
    struct authz_object none = {{0}, "w"};
    cr_assert(!authz(&who, VERB_JOB_SEE, &none));
    cr_assert(!authz(&who, VERB_JOB_STOP, &none));
}
