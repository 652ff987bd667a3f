/* Finds the gap of an output: by its hole, or by its last line; each with the line in front of it.
 */
#include "worker/lease/log_gap.h"

#include "common/base/pure/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAST_LINE_BYTES = 256, HOLES_MAX = 64 };

static const char open_text[] =
    "\nchipq: output limit reached; what follows is dropped, but its end";
static const char closed_text[] = "\nchipq: output limit reached; dropped here:";

static const char limit_text[] = "\nchipq: output limit ";

void log_gap_line(const struct log_gap *g, char line[LOG_GAP_LINE_BYTES])
{
    char text[LOG_GAP_LINE_BYTES + 1], size[32];
    if (g->is_closed)
        (void)snprintf(text, sizeof text, "%s %s", closed_text,
                       format_size_bytes(g->to - g->from, size, sizeof size));
    else
        (void)snprintf(text, sizeof text, "%s", open_text);
    (void)snprintf(line, LOG_GAP_LINE_BYTES, "%-*s", LOG_GAP_LINE_BYTES - 1, text);
    line[LOG_GAP_LINE_BYTES - 1] = '\n'; /* in the place of the NUL */
}

void log_gap_words(const struct log_gap *g, char *to, size_t size)
{
    char amount[32];
    (void)snprintf(to, size, "bytes %" PRIu64 " to %" PRIu64 " (%s) were dropped", g->from, g->to,
                   format_size_bytes(g->to - g->from, amount, sizeof amount));
}

static bool has_line_before(int fd, uint64_t at, const char *text)
{
    char line[LOG_GAP_LINE_BYTES];
    return at >= sizeof line
           && pread(fd, line, sizeof line, (off_t)(at - sizeof line)) == (ssize_t)sizeof line
           && memcmp(line, text, strlen(text)) == 0 && line[sizeof line - 1] == '\n';
}

/* The job may have holes of its own, and a file system that stores no zeros makes some. */
static bool find_open(int fd, uint64_t size, struct log_gap *g)
{
    off_t from = 0, to = 0;
    for (int i = 0; i < HOLES_MAX && to >= 0 && (uint64_t)to < size; i++) {
        from = lseek(fd, to, SEEK_HOLE);
        to = from >= 0 && (uint64_t)from < size ? lseek(fd, from, SEEK_DATA) : -1;
        if (to > from && has_line_before(fd, (uint64_t)from, open_text)) {
            *g = (struct log_gap){.from = (uint64_t)from, .to = (uint64_t)to};
            return true;
        }
    }
    return false;
}

static bool read_number(const char **at, uint64_t *out)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0 && *out <= INT64_MAX;
}

static bool skip(const char **at, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(*at, text, n) != 0)
        return false;
    *at += n;
    return true;
}

/* "chipq: output limit 1M reached; bytes 524288 to 19480576 (18M) were dropped\n" */
static bool find_closed(int fd, uint64_t size, struct log_gap *g)
{
    char text[LAST_LINE_BYTES + 1];
    off_t at = (off_t)(size > LAST_LINE_BYTES ? size - LAST_LINE_BYTES : 0);
    ssize_t n = pread(fd, text, LAST_LINE_BYTES, at);
    if (n <= 1 || text[n - 1] != '\n')
        return false;
    text[n - 1] = '\0';
    const char *line = memrchr(text, '\n', (size_t)n - 1);
    const char *words = line && skip(&line, limit_text) ? strchr(line, ';') : NULL;
    struct log_gap found = {.is_closed = true};
    if (words == NULL || !skip(&words, "; bytes ") || !read_number(&words, &found.from)
        || !skip(&words, " to ") || !read_number(&words, &found.to) || found.from >= found.to
        || found.from > size || !has_line_before(fd, found.from, closed_text))
        return false;
    *g = found;
    return true;
}

struct log_gap log_gap_find(int fd, uint64_t size)
{
    struct log_gap g = {0};
    if (size >= LOG_GAP_MIN_BYTES && !find_open(fd, size, &g))
        (void)find_closed(fd, size, &g);
    return g;
}
