/* Pages of a long answer: what fits a frame goes, the rest is asked for with `skip`. Also keeps the
 * texts of rows that the core lends only for a call. */
#ifndef CHIPQ_DAEMON_PAGE_H
#define CHIPQ_DAEMON_PAGE_H

#include "scheduler/daemon/daemon.h"

enum { PAGE_ROWS_MAX = 10000, PAGE_BYTES_MAX = 700 * 1024 };

struct page {
    uint64_t skip;     /* rows that the asker has already */
    uint64_t seen;     /* rows that it may see, up to here */
    size_t n, bytes;   /* on this page */
    bool has_more;     /* rows after this page */
    uint64_t revision; /* of all rows that it may see */
    char **texts;      /* owned */
    size_t n_texts, cap_texts;
};

/* Is the next row (which the asker may see, `bytes` long at most) on this page? Then its place is
 * page.n - 1. */
bool page_takes(struct page *p, size_t bytes);

/* Goes into the revision. */
void page_note(struct page *p, const char *text);

const char *page_keep(struct page *p, const char *text); /* a copy that lives as long as the page */
void page_fini(struct page *p);

#endif
