/* result.json: what a run leaves for chipq. */
#ifndef RESULT_H
#define RESULT_H

#include "common/base/pure/err.h"
#include "plugins/sdk/artefact.h"
#include "plugins/sdk/gate.h"

#include <jansson.h>

#define RESULT_MAX_BYTES ((size_t)64 * 1024)

struct result {
    const struct outcome *outcome;     /* after gates_apply */
    const struct gates *gates;         /* may be NULL */
    const struct artefacts *artefacts; /* may be NULL */
    const char *tool, *tool_version;   /* version "" when not known */
};

/* The JSON text, at most RESULT_MAX_BYTES: artefacts are left off, and counted, until it fits.
 * Text of the tool is made printable. Caller frees. */
char *result_text(const struct result *r);

/* Writes it to `path` by rename: readers see no half file. Not synced; a result does not outlive a
 * power loss by contract. */
int result_write(const struct result *r, const char *path, struct cq_err *err) CQ_MUST_CHECK;

#endif
