/* Long answers, fetched page by page into one list of JSON rows. */
#ifndef PAGES_H
#define PAGES_H

#include "cli/session.h"

#include <argp.h>
#include <jansson.h>

struct pager {
    enum msg_code ask, answer;
    void (*set_skip)(struct msg *ask, uint64_t skip);
    bool (*take)(const struct msg *answer, json_t *rows); /* appends; true = there are more */
};

extern const struct pager pager_shares, pager_quotas, pager_features, pager_reservations;

/* With the key of `who` (AS_USER, AS_ADMIN). The list is the caller's; NULL on errors. */
json_t *pages_fetch(struct cli *c, const char *who, const struct pager *pager,
                    struct cq_err *err) CQ_MUST_CHECK;

/* The option --all of commands that list what the asker may see: with it they act AS_ADMIN. */
struct all_opts {
    bool all;
};
extern const struct argp_option all_options[];
int all_options_set(void *opts, int key, const char *arg, struct cq_err *err);

#endif
