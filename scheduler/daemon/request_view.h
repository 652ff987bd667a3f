/* What a job asked for, as a row of the wire. */
#ifndef CHIPQ_DAEMON_REQUEST_VIEW_H
#define CHIPQ_DAEMON_REQUEST_VIEW_H

#include "common/wire/message.h"
#include "common/wire/run_spec.h"
#include "scheduler/core/record.h"

/* `row` borrows from the rest and from the record. */
struct request_view {
    struct request_row row;
    struct run_spec spec;
    struct cq_str array;
    char *features; /* one a text, behind each other */
    const char *node_has[16];
};
void request_view_init(struct request_view *v, const struct job_submit *s);
void request_view_fini(struct request_view *v); /* accepts zeroed memory */

#endif
