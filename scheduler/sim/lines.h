/* Text files line by line, plain or gzip, with errors that say where. */
#ifndef CHIPQ_SIM_LINES_H
#define CHIPQ_SIM_LINES_H

#include "common/base/pure/err.h"

enum { LINES_BYTES_MAX = 65536 /* of one line */, LINES_MAX = 16000000 /* of one file */ };

struct lines;

/* NULL with an error that names the file. Caller closes. Blocks, as all of these. */
struct lines *lines_open(const char *path, struct cq_err *err) CQ_MUST_CHECK;
void lines_close(struct lines *l); /* accepts NULL */

/* 1 and the next line without its end (borrowed until the next call, may be written to), 0 at the
 * end of the file, -1 when it cannot be read, is too long, has a zero byte or too many lines. */
int lines_next(struct lines *l, char **line, struct cq_err *err) CQ_MUST_CHECK;

/* Puts "FILE:LINE: " in front of an error that is filled. Returns -1. */
int lines_wrap(const struct lines *l, struct cq_err *err);

#endif
