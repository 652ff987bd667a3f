/* The tool plugins of this worker, as they describe themselves. */
#ifndef CHIPQ_WORKER_TOOLS_H
#define CHIPQ_WORKER_TOOLS_H

#include "common/wire/message.h"

enum { TOOLS_MAX = 64, TOOL_DESCRIBE_MAX = 65536, TOOL_PREFIX_BYTES = 11 };

struct tools {
    struct tool_row rows[TOOLS_MAX]; /* texts are owned */
    size_t n;
    char *features[TOOLS_MAX]; /* "tool=verilator=5.006": of those that found their tool */
    size_t n_features;
};

/* Runs every DIR/chipq-tool-NAME with `describe`, all at once, 10 s at most; what takes longer,
 * says more than 64 KiB or is not valid is left out and logged. Answers are kept in `cache` by
 * path, time and size of the plugin. Blocks: at start only. */
void tools_load(const char *dir, const char *cache, struct tools *out);
void tools_fini(struct tools *t);

#endif
