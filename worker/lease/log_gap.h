/* What is missing in the middle of an attempt's output, when `--output-full drop` has dropped it.
 * Offsets are those at which the job wrote, for ever: whoever follows the output goes on where it
 * was. While the job runs the gap is a hole in the file (open), behind a line that says so. In the
 * end the hole is closed: the file has what was kept and nothing else, and its last line tells the
 * offsets. A job that writes such lines itself only spoils its own output. */
#ifndef CHIPQ_LOG_GAP_H
#define CHIPQ_LOG_GAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOG_GAP_LINE_BYTES = 96,        /* the last bytes in front of the gap: a line of this length */
    LOG_GAP_MIN_BYTES = 512 * 1024, /* no output with a gap is shorter */
};

struct log_gap {
    uint64_t from, to; /* missing: from <= offset < to; equal: nothing is */
    bool is_closed;    /* what is at `to` stands at `from` in the file */
};

/* The line in front of a gap; exactly LOG_GAP_LINE_BYTES, no NUL. */
void log_gap_line(const struct log_gap *g, char line[LOG_GAP_LINE_BYTES]);
/* What the last line says of it, "bytes 524288 to 19480576 (18M) were dropped". */
void log_gap_words(const struct log_gap *g, char *to, size_t size);

/* Looks for the gap of an open file of that size; none: {0}. Does not move what others read; does
 * not block. */
struct log_gap log_gap_find(int fd, uint64_t size);

#endif
