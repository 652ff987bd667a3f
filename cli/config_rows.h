/* A change of configuration as a list of rows: what CONFIG_APPLY carries. */
#ifndef CONFIG_ROWS_H
#define CONFIG_ROWS_H

#include "cli/flow.h"

#define CONFIG_ROWS_MAX 10000 /* of one change */

enum config_rows_op { ROW_ADD, ROW_PUT, ROW_CLEAR, ROW_SET, ROW_REMOVE };

struct config_rows {
    struct config_row *items; /* texts owned */
    struct flow_at *ats;      /* where each comes from; line 0 = no file */
    size_t n, cap, cap_ats;
};

struct config_row_spec { /* a row as it is added; NULL texts are "" */
    enum config_rows_op op;
    const char *kind, *path, *key, *value;
    struct flow_at at;
};

void config_rows_add(struct config_rows *rows, struct config_row_spec spec); /* copies */
void config_rows_move(struct config_rows *to, struct config_rows *from);     /* empties `from` */
void config_rows_fini(struct config_rows *rows); /* accepts zeroed memory */

/* Leaves out what is so already: the rows of each thing that `now` has with the same settings in
 * the same words. */
void config_rows_drop_same(struct config_rows *rows, const struct setting_row *now, size_t n_now);

/* Removes enterprises, licences and instruments of `now` that no row names. */
void config_rows_add_prunes(struct config_rows *rows, const struct setting_row *now, size_t n_now);

/* For the admin of an enterprise, who may not touch the enterprise's own settings: leaves out rows
 * that only say that an enterprise is there and has none. */
void config_rows_drop_bare_enterprises(struct config_rows *rows);

#endif
