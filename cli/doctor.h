/* The checks of `chipq doctor`. Each adds rows {status, check, text, advice}. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "cli/cli.h"

#include <jansson.h>

struct doctor {
    struct cli *cli;
    json_t *rows;
    int failed; /* rows with "fail" */
};

enum doctor_status { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/* `advice` may be NULL. Texts are cut at 512 bytes. */
void doctor_add(struct doctor *d, enum doctor_status status, const char *check, const char *advice,
                const char *fmt, ...) CQ_PRINTF(5, 6);

void doctor_check_instance(struct doctor *d); /* directory, programs, keys, disk */
void doctor_check_machine(struct doctor *d);  /* cores, limits, namespaces, cgroups, tools */
void doctor_check_pool(struct doctor *d);     /* scheduler and workers */

#endif
