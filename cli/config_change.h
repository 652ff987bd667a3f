/* Changing the configuration from a command: what is configured now, rows sent, the difference
 * printed. */
#ifndef CONFIG_CHANGE_H
#define CONFIG_CHANGE_H

#include "cli/config_rows.h"
#include "cli/session.h"

struct config_now {
    struct setting_row *rows; /* texts owned */
    size_t n, cap;
};

/* Everything that is configured and that this key may see, of one moment. */
int config_fetch(struct net_client *s, struct config_now *now, struct cq_err *err) CQ_MUST_CHECK;
void config_now_fini(struct config_now *now);

/* Sends CONFIG_APPLY; `reply` is CONFIG_DONE, released with msg_fini. */
int config_send(struct net_client *s, const struct config_rows *rows, bool is_dry_run,
                struct msg *reply, struct cq_err *err) CQ_MUST_CHECK;

/* The row, from 1, that an error of the scheduler names: "row 3 (set enterprise acme weight): ..."
 * or "row 3: ..."; 0 when it names none. *reason is what follows, in `text`. */
size_t config_row_of(const char *text, const char **reason);
/* "row 3 (set enterprise acme weight): weight: reason" becomes "set enterprise acme: weight:
 * reason"; other texts stay. */
void config_drop_row(struct cq_err *err);

/* The difference, a line each, to stdout; warnings to stderr. */
void config_print_changes(const struct msg_config_done *done);

/* {"changes": [...], "warnings": [...]}; caller owns. */
json_t *config_changes_json(const struct msg_config_done *done);

/* Opens a session with the admin's key, applies the rows, prints what changed; with --json one
 * object, with `name` in it. Takes what `rows` holds. */
int config_change(struct cli *c, struct config_rows *rows, const char *name, struct cq_err *err);

#endif
