/* The files a run has published under out/, with their digests. */
#ifndef ARTEFACT_H
#define ARTEFACT_H

#include "common/base/pure/err.h"

#define ARTEFACTS_MAX       128 /* listed; more are counted */
#define ARTEFACT_PATH_MAX   256
#define ARTEFACT_HASH_BYTES 32 /* BLAKE2b-256 */

struct artefact {
    char path[ARTEFACT_PATH_MAX]; /* relative to the work directory: "out/uart.v" */
    uint64_t bytes;
    char hex[2 * ARTEFACT_HASH_BYTES + 1];
};

struct artefacts {
    struct artefact *items; /* owned; sorted by path */
    size_t count, cap;
    size_t left_off;
};

/* Walks `dir`: regular files, no links followed, at most 8 levels deep. A missing directory is an
 * empty list. Reads every listed file once. */
int artefacts_collect(const char *dir, struct artefacts *out, struct cq_err *err) CQ_MUST_CHECK;
void artefacts_fini(struct artefacts *a);

/* The digest of one file as hex; `hex` has 2 * ARTEFACT_HASH_BYTES + 1 bytes. */
int artefact_digest(const char *path, char *hex, uint64_t *bytes, struct cq_err *err) CQ_MUST_CHECK;

#endif
