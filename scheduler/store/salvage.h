/* What the files of a salvage share. */
#ifndef CHIPQ_SALVAGE_H
#define CHIPQ_SALVAGE_H

#include "scheduler/store/repair.h"
#include "scheduler/store/salvage_tree.h"

struct salvage_kind {
    const char *name, *columns;
    size_t least; /* columns */
    bool (*check)(const struct salvage_row *row);
    bool is_index; /* WITHOUT ROWID */
    bool is_append_only;
};

/* salvage_kinds.c */
extern const struct salvage_kind salvage_kinds[SALVAGE_TABLES];
bool salvage_fits(const struct salvage_kind *k, const struct salvage_row *row);

struct salvage_run {
    struct salvage_pages p;
    struct store *s; /* the new database, inside a transaction */
    struct salvage *out;
    const char *made;
    uint32_t version; /* of the old one's schema */
    uint32_t root[SALVAGE_TABLES], root_number, root_live;
    struct salvage_tree trees[SALVAGE_TABLES];
    bool is_schema_known, is_free_known;
    bool must_see;       /* jobs are missing: what indices know of them is of use */
    bool are_live_known; /* the index of live jobs is whole */
    bool are_numbers_known;
    sqlite3_stmt *see; /* notes a row of an index */
    /* the table that is read */
    const struct salvage_kind *kind;
    struct salvaged_table *table;
    sqlite3_stmt *insert;
    size_t n_insert; /* columns */
    uint64_t n_written;
    bool has_failed; /* the new database: err says how */
    struct cq_err *err;
};

/* salvage_fill.c: the indices of jobs, after the tables. */
void salvage_see_indices(struct salvage_run *x);
/* salvage_fill.c: what tables tell of each other, and what is lost after that. */
void salvage_complete(struct salvage_run *x);

#endif
