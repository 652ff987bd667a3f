/* chipq admin audit: who changed configuration or people. */
#ifndef AUDIT_LIST_H
#define AUDIT_LIST_H

#include "cli/cli.h"

struct audit_list_opts {
    const char *from, *to, *limit; /* as typed; NULL = not given */
    bool is_verify;
};

/* Prints the newest `limit` (100) changes in [from, to), the newest last; or whether all rows still
 * are what was written. Exit status 1: they are not. */
int audit_list(struct cli *c, const struct audit_list_opts *o, struct cq_err *err) CQ_MUST_CHECK;

#endif
