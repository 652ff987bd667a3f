/* task.json: what chipq asks of a plugin. Read once, with bounds and strict types. */
#ifndef TASKFILE_H
#define TASKFILE_H

#include "common/base/pure/err.h"

#include <jansson.h>

#define TASKFILE_MAX_BYTES ((size_t)1024 * 1024)
#define TASKFILE_VERSION   1

struct taskfile {
    json_t *root; /* owned; everything below points into it */
    const char *tool, *task;
    const char *stage;   /* "" when absent */
    const char *job;     /* "" when absent */
    uint32_t array_task; /* 0: not an array */
    uint64_t seed;       /* 1 when neither the file nor the environment gives one */
    json_t *params;      /* object */
    json_t *require;     /* object or NULL */
    json_t *expect;      /* object or NULL */
    json_t *deps;        /* object of strings or NULL */
};

/* Reads `path`. CHIPQ_TASK and CHIPQ_SEED of the environment win over the file, which the tasks of
 * an array may share. Keys that are not known are skipped, except inside params, which are checked
 * later. Errors name the file and the key. Release with taskfile_fini. */
int taskfile_read(const char *path, struct taskfile *out, struct cq_err *err) CQ_MUST_CHECK;
void taskfile_fini(struct taskfile *t);

#endif
