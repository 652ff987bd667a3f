/* A command line under construction. Zeroed memory is an empty one. */
#ifndef ARGS_H
#define ARGS_H

#include "common/base/pure/compiler.h"
#include "common/base/pure/str.h"

struct args {
    char **items; /* owned; NULL-terminated when not empty */
    size_t count, cap;
};

void args_fini(struct args *a);
void args_add(struct args *a, const char *text);
void args_addf(struct args *a, const char *fmt, ...) CQ_PRINTF(2, 3);
void args_add_all(struct args *a, const char *const *texts); /* NULL-terminated */

/* As one line that a shell reads back: quotes where needed. Appends to `out`. */
void args_quote(const struct args *a, struct cq_str *out);

#endif
