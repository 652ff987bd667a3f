/* Bundles of tokens as people type them: "vcs:2,dc:1"; a name alone means one token. */
#ifndef TOKENS_H
#define TOKENS_H

#include "common/base/pure/err.h"

/* Adds what `text` says to the bundle *list (owned, may be NULL), in canonical form. CQ_E_INVALID
 * for what is no NAME:COUNT and for a feature that is in `text`, *list or `other` (may be NULL)
 * already; CQ_E_LIMIT beyond REQUEST_TOKENS_MAX features in all. Nothing is changed then. */
int tokens_add(char **list, const char *other, const char *text, struct cq_err *err) CQ_MUST_CHECK;

#endif
