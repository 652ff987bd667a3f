/* Matching of lines against patterns: literal text, with `*` for any text. A `*` may be captured.
 * Enough for the messages of EDA tools, cheap on gigabytes of log, and cannot blow up. */
#ifndef MATCH_H
#define MATCH_H

#include "common/base/pure/compiler.h"

/* True when the whole of `line` fits `pattern`: "* Warning: *". Linear in the line's length for
 * each `*`. */
bool match_line(const char *pattern, const char *line);

/* The number that follows the first `prefix` in `line` ("worst slack " in "worst slack -0.25").
 * False when the prefix is not there or no finite number follows it. */
bool match_number(const char *line, const char *prefix, double *value);

/* The text after the first `prefix` in `line`, or NULL. Points into `line`. */
const char *match_after(const char *line, const char *prefix);

/* A "file:line:" or "file:line:col:" at the start of `text`: returns the text behind it and its
 * blanks, or NULL when there is none. */
const char *match_location(const char *text);

#endif
