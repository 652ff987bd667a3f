/* The parts of `chipq admin`: one function an action, in files by what they are about. */
#ifndef ADMIN_H
#define ADMIN_H

#include "cli/audit_list.h"
#include "cli/setting_keys.h"

struct admin_opts {
    const char *role, *key_out, *endpoint;
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

struct msg;
struct column;

struct new_principal {
    const char *enterprise, *user, *principal; /* principal: as the key file calls it */
    uint64_t role;
    const char *role_name, *endpoint, *key_out; /* endpoint NULL: where the acting key goes */
};
/* Makes a key pair, writes the file, tells the scheduler; takes the file back when that fails. */
int admin_principal_add(struct cli *c, const struct new_principal *p, struct cq_err *err);
/* Sends it; with --json prints what it was done to. */
int admin_call(struct cli *c, const struct msg *ask, const char *name, struct cq_err *err);
/* Prints those users of whom `key` of their row is `value`; NULL: all that the asker may see. */
int admin_print_users(struct cli *c, const char *title, const struct column *columns,
                      const char *key, const char *value, struct cq_err *err);
int admin_enterprise_list(struct cli *c, const struct admin_opts *o, const char *name,
                          struct cq_err *err);
int admin_user_add(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err);
int admin_user_list(struct cli *c, const struct admin_opts *o, const char *name,
                    struct cq_err *err);
int admin_user_revoke(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err);

/* admin_workers.c */
int admin_worker_add(struct cli *c, const struct admin_opts *o, const char *name,
                     struct cq_err *err);
int admin_worker_list(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err);
int admin_worker_revoke(struct cli *c, const struct admin_opts *o, const char *name,
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

/* admin_backup.c: name may be NULL */
int admin_backup(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err);

#endif
