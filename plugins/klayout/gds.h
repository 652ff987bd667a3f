/* A look at a GDS II file: is it whole, and what does it hold? */
#ifndef GDS_H
#define GDS_H

#include "common/base/pure/err.h"

struct gds_counts {
    uint64_t structures; /* cells */
    uint64_t references; /* SREF and AREF */
    uint64_t shapes;     /* BOUNDARY, PATH and BOX */
    bool has_top;        /* a structure with the name asked for */
};

/* Walks the records of `path` from header to ENDLIB, in bounded memory. `top` is the structure that
 * must be there. CQ_E_INVALID when the file is no GDS or is cut short. */
int gds_read(const char *path, const char *top, struct gds_counts *out,
             struct cq_err *err) CQ_MUST_CHECK;

#endif
