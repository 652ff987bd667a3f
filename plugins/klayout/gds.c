/* Walks the records of a GDS II stream: two bytes of length (with the four of the head), a type, a
 * data type, data. */
#include "plugins/klayout/gds.h"

#include <errno.h>

enum {
    GDS_HEADER = 0x00,
    GDS_ENDLIB = 0x04,
    GDS_BGNSTR = 0x05,
    GDS_STRNAME = 0x06,
    GDS_BOUNDARY = 0x08,
    GDS_PATH = 0x09,
    GDS_SREF = 0x0a,
    GDS_AREF = 0x0b,
    GDS_BOX = 0x2d
};

struct gds_record {
    unsigned type;
    size_t len;
    unsigned char data[65536];
};

static bool read_record(FILE *file, struct gds_record *r)
{
    unsigned char head[4];
    if (fread(head, 1, sizeof head, file) != sizeof head)
        return false;
    size_t total = (size_t)head[0] << 8 | head[1];
    if (total < sizeof head)
        return false;
    r->type = head[2];
    r->len = total - sizeof head;
    return fread(r->data, 1, r->len, file) == r->len;
}

/* Names are padded to an even length with a NUL. */
static bool is_name_of(const struct gds_record *r, const char *name)
{
    size_t len = strnlen((const char *)r->data, r->len);
    return len == strlen(name) && memcmp(r->data, name, len) == 0;
}

static void count_record(const struct gds_record *r, const char *top, struct gds_counts *c)
{
    if (r->type == GDS_BGNSTR)
        c->structures++;
    else if (r->type == GDS_STRNAME)
        c->has_top = c->has_top || (c->structures > 0 && is_name_of(r, top));
    else if (r->type == GDS_SREF || r->type == GDS_AREF)
        c->references++;
    else if (r->type == GDS_BOUNDARY || r->type == GDS_PATH || r->type == GDS_BOX)
        c->shapes++;
}

static bool walk(FILE *file, const char *top, struct gds_counts *counts)
{
    struct gds_record record;
    if (!read_record(file, &record) || record.type != GDS_HEADER)
        return false;
    while (read_record(file, &record)) {
        if (record.type == GDS_ENDLIB)
            return true;
        count_record(&record, top, counts);
    }
    return false;
}

int gds_read(const char *path, const char *top, struct gds_counts *out, struct cq_err *err)
{
    struct gds_counts counts = {0};
    FILE *file = fopen(path, "re");
    if (!file)
        return cq_fail_errno(err, CQ_E_NOT_FOUND, errno, "%s", path);
    bool whole = walk(file, top, &counts);
    (void)fclose(file);
    if (!whole)
        return cq_fail(err, CQ_E_INVALID, "%s is not a whole GDS file", path);
    *out = counts;
    return 0;
}
