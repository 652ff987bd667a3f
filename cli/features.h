/* Licence features and instruments from the command line: pools of tokens that differ in name only.
 */
#ifndef FEATURES_H
#define FEATURES_H

#include "cli/cli.h"
#include "cli/columns.h"

extern const struct column feature_columns[];

/* `kind` is "licence" or "instrument". With `is_admin` it acts with the admin's key. */
int features_list(struct cli *c, const char *kind, bool is_admin, struct cq_err *err);
/* `owner` may be NULL (as it is) or "none" (everyone's). */
int features_set(struct cli *c, const char *kind, char *const name_count[2], const char *owner,
                 struct cq_err *err);
int features_remove(struct cli *c, const char *kind, const char *name, struct cq_err *err);

/* The program that asks the licence server: shows it; sets it (`every` may be NULL); "" ends it. */
int feed_show(struct cli *c, struct cq_err *err);
int feed_set(struct cli *c, const char *command, const char *every, struct cq_err *err);

#endif
