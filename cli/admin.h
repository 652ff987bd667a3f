/* The parts of `chipq admin`: one function an action, in files by what they are about. */
#ifndef ADMIN_H
#define ADMIN_H

#include "cli/audit_list.h"
#include "cli/setting_keys.h"

struct admin_opts {
    const char *role, *key_out;
    uint64_t role_number;
    const char *settings[SETTING_KEYS]; /* as given; NULL = not given */
    bool is_dry_run, is_sure, prunes;
    struct audit_list_opts audit;
};

/* `name` is the argument behind the action, NULL when there is none. */
typedef int (*admin_fn)(struct cli *c, const struct admin_opts *o, const char *name,
                        struct cq_err *err);

/* admin_people.c */
extern const char *const admin_roles[]; /* what --role takes; ends with NULL */
int admin_enterprise_list(struct cli *c, const struct admin_opts *o, const char *name,
                          struct cq_err *err);
int admin_user_add(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err);
int admin_user_list(struct cli *c, const struct admin_opts *o, const char *name,
                    struct cq_err *err);
int admin_user_revoke(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err);

/* admin_shares.c */
int admin_enterprise_add(struct cli *c, const struct admin_opts *o, const char *name,
                         struct cq_err *err);
int admin_enterprise_set(struct cli *c, const struct admin_opts *o, const char *name,
                         struct cq_err *err);
int admin_enterprise_remove(struct cli *c, const struct admin_opts *o, const char *name,
                            struct cq_err *err);
int admin_project_add(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err);
int admin_project_set(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err);
int admin_project_remove(struct cli *c, const struct admin_opts *o, const char *name,
                         struct cq_err *err);
int admin_user_set(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err);

/* admin_file.c */
int admin_apply(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err);
int admin_export(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err);

#endif
