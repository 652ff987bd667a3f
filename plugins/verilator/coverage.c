/* Counts the points of a coverage.dat: lines "C '<\1key\2value...>' COUNT". */
#include "plugins/verilator/coverage.h"

#include "common/base/pure/str.h"
#include "plugins/sdk/lines.h"

#include <errno.h>

struct reading {
    struct coverage counts;
    bool header_seen, malformed;
};

static void count(uint64_t *points, uint64_t *hit, bool is_hit)
{
    (*points)++;
    *hit += is_hit ? 1 : 0;
}

static void on_line(void *context, const char *line)
{
    struct reading *r = context;
    if (cq_str_starts(line, "# SystemC::Coverage"))
        r->header_seen = true;
    if (line[0] != 'C')
        return;
    const char *end = strrchr(line, '\'');
    char *number_end = NULL;
    unsigned long long hits = end ? strtoull(end + 1, &number_end, 10) : 0;
    if (!end || end[1] != ' ' || *number_end != '\0' || number_end == end + 1) {
        r->malformed = true;
        return;
    }
    if (strstr(line, "\001page\002v_line") || strstr(line, "\001page\002v_branch"))
        count(&r->counts.line_points, &r->counts.line_hit, hits > 0);
    else if (strstr(line, "\001page\002v_user"))
        count(&r->counts.user_points, &r->counts.user_hit, hits > 0);
}

int coverage_read(const char *path, struct coverage *out, struct cq_err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return cq_fail_errno(err, CQ_E_NOT_FOUND, errno, "%s", path);
    struct reading r = {0};
    struct lines lines;
    char buf[65536];
    size_t n;
    lines_init(&lines, on_line, &r);
    while ((n = fread(buf, 1, sizeof buf, file)) > 0)
        lines_feed(&lines, buf, n);
    lines_finish(&lines);
    bool broken = ferror(file) != 0;
    (void)fclose(file);
    if (broken || !r.header_seen || r.malformed)
        return cq_fail(err, CQ_E_INVALID, "%s is not a whole coverage file", path);
    *out = r.counts;
    return 0;
}
