/* Pages of a database that SQLite would not read any more: those of the file, under those of the
 * WAL's transactions; each with a judgement whether it is what was written. Nothing is changed. */
#ifndef CHIPQ_SALVAGE_PAGES_H
#define CHIPQ_SALVAGE_PAGES_H

#include "scheduler/store/internal.h"

#include "common/base/pure/map.h"

struct salvage_pages {
    int fd, wal_fd;
    uint32_t bytes, usable; /* of a page */
    uint32_t n;             /* pages 1 to n */
    bool has_sums;
    struct map in_wal; /* page -> where in the WAL, an uint64_t; owned */
    struct wal_use wal;
    uint8_t *used; /* a bit for each page: it was read for a row, a tree or the free list */
};

/* Errors: CQ_E_NOT_FOUND, CQ_E_IO. Caller closes, also after an error. */
int pages_open(struct salvage_pages *p, const char *path, struct cq_err *err) CQ_MUST_CHECK;
void pages_close(struct salvage_pages *p);

/* Into `to`, of p->bytes + 8 bytes. False: it is not there, or not as it was written. */
bool pages_read(const struct salvage_pages *p, uint32_t page, uint8_t *to);
uint32_t pages_count_bad(const struct salvage_pages *p, uint32_t *first, size_t max, size_t *n);

void pages_use(struct salvage_pages *p, uint32_t page);
bool pages_is_used(const struct salvage_pages *p, uint32_t page);

uint16_t page_u16(const uint8_t *at);
uint32_t page_u32(const uint8_t *at);

#endif
