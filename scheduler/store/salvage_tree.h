/* Trees of SQLite's file format, read page by page, so that what is broken costs only itself.
 * (The format: sqlite.org/fileformat2.html, sections 1.5, 1.6 and 2.) */
#ifndef CHIPQ_SALVAGE_TREE_H
#define CHIPQ_SALVAGE_TREE_H

#include "scheduler/store/salvage_pages.h"

enum { SALVAGE_COLUMNS_MAX = 64 };

struct salvage_value {
    char kind; /* n null, i integer, r real, t text, b blob */
    int64_t i;
    double r;
    const uint8_t *data;
    size_t bytes;
};

struct salvage_row {
    int64_t rowid; /* of a table; column 0 of ours is its name */
    struct salvage_value columns[SALVAGE_COLUMNS_MAX];
    size_t n;
};

/* False: it is not a row of this tree. */
typedef bool (*salvage_row_fn)(void *arg, const struct salvage_row *row);

struct salvage_tree {
    bool is_index; /* WITHOUT ROWID, or an index: rows are in all pages */
    salvage_row_fn fn;
    void *arg;
    /* the outcome */
    uint64_t n_rows, n_bad_rows; /* given; those that could not be read, though their page could */
    uint64_t n_bad_pages;        /* to which the tree points */
    bool has_lost_branch; /* pages below a bad one may be sound, and nothing points to them */
    bool is_end_lost;     /* the last rows of all are among what is bad */
    /* the walk's */
    int leaf_depth; /* -1: not known */
    int highest_bad;
};

void tree_read(struct salvage_pages *p, uint32_t root, struct salvage_tree *t);
/* The rows of one page; false: it is none of such a tree, or `fn` does not take them all. */
bool tree_read_page(struct salvage_pages *p, uint32_t page, struct salvage_tree *t);

#endif
