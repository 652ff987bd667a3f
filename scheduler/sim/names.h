/* A growing list of distinct texts, each known by its place: users, projects, licences, classes of
 * a workload. Zeroed memory is the empty list. */
#ifndef CHIPQ_SIM_NAMES_H
#define CHIPQ_SIM_NAMES_H

#include "common/base/pure/map.h"

struct names {
    char **items; /* in order of first use */
    size_t n, cap;
    struct map by_hash;
};

void names_fini(struct names *n);
uint32_t names_id(struct names *n, const char *text);         /* its place; added when it is new */
uint32_t names_find(const struct names *n, const char *text); /* UINT32_MAX: not there */

#endif
