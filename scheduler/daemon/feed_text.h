/* What the feed program prints, one licence feature a line: "NAME USED", for instance "vcs 7".
 * Empty lines and lines that begin with # are skipped. Anything else makes the whole text
 * worthless: half a truth about tokens would start jobs that then fail. */
#ifndef CHIPQ_FEED_TEXT_H
#define CHIPQ_FEED_TEXT_H

#include "common/base/pure/err.h"
#include "scheduler/core/input.h"

enum { FEED_BYTES_MAX = 64 << 10, FEED_FEATURES_MAX = 4096, FEED_USED_MAX = 1000000 };

struct feed_samples {
    struct in_licence_sample *items;
    size_t n;
    char *names; /* what the items' names point into */
};

/* Fills `samples` (feed_samples_fini frees). Errors: CQ_E_INVALID, CQ_E_LIMIT; the text says which
 * line and what is wrong with it, and shows it with nothing that a terminal would act on. */
int feed_text_parse(const char *text, size_t bytes, struct feed_samples *samples,
                    struct cq_err *err) CQ_MUST_CHECK;
void feed_samples_fini(struct feed_samples *samples); /* accepts zeroed memory */

#endif
