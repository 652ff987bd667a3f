/* Cuts a stream of bytes into lines of bounded length, in bounded memory. A longer line is handed
 * on cut; the rest of it is skipped. Carriage returns before a newline and NUL bytes are dropped,
 * so that a line is always a plain C string. */
#ifndef LINES_H
#define LINES_H

#include "common/base/pure/compiler.h"

#define LINES_MAX_BYTES 8192 /* with the terminating NUL */

typedef void (*lines_fn)(void *context, const char *line);

struct lines {
    lines_fn fn;
    void *context;
    size_t len;
    bool skipping;
    uint64_t cut_count; /* lines that were too long */
    char buf[LINES_MAX_BYTES];
};

void lines_init(struct lines *l, lines_fn fn, void *context);
void lines_feed(struct lines *l, const char *data, size_t bytes); /* calls fn for each whole line */
void lines_finish(struct lines *l);                               /* a last line without newline */

#endif
