/* A scanner of KLayout's report databases (.lyrdb, XML): the categories it declares and how many
 * items each has. Bounded memory whatever the size of the report; only the parts of XML that
 * KLayout writes. */
#ifndef LYRDB_H
#define LYRDB_H

#include "common/base/pure/err.h"

#define LYRDB_NAME_MAX  128
#define LYRDB_RULES_MAX 8192
#define LYRDB_DEPTH_MAX 64

struct lyrdb_rule {
    char name[LYRDB_NAME_MAX]; /* "METAL1.1"; below another one: "A.B" with the path's dots */
    uint64_t items;
};

struct lyrdb {
    struct lyrdb_rule *rules; /* owned; in the order of the report */
    size_t count, cap;
    uint64_t items; /* of all rules */
};

/* CQ_E_INVALID when the file is not a whole report, or an item names a category that was not
 * declared; CQ_E_LIMIT over LYRDB_RULES_MAX. Release with lyrdb_fini. */
int lyrdb_read(const char *path, struct lyrdb *out, struct cq_err *err) CQ_MUST_CHECK;
void lyrdb_fini(struct lyrdb *db);

/* NULL when there is none. */
struct lyrdb_rule *lyrdb_find(const struct lyrdb *db, const char *name);

#endif
