/* chipq admin apply and export: the whole configuration as one YAML file. */
#include "cli/admin.h"

#include "cli/columns.h"
#include "cli/config_change.h"
#include "cli/config_yaml.h"
#include "cli/file_errors.h"
#include "cli/to_json.h"

#include "common/base/sys/files.h"

#include <unistd.h>

#define UNCHANGED "nothing was changed"

static int read_config(struct cli *c, const char *path, struct config_rows *rows,
                       struct cq_err *err)
{
    struct cq_str text = {0};
    struct flow_errors e = {0};
    int rc = file_read(path, CONFIG_FILE_MAX, &text, err);
    if (rc == 0 && !config_yaml_read(cq_str_text(&text), text.len, rows, &e))
        rc = file_errors_fail(c, &e, path, UNCHANGED, err);
    flow_errors_fini(&e);
    cq_str_fini(&text);
    return rc;
}

/* The scheduler names rows by their number in what was sent; the file knows the place. Makes
 * "pool.yaml:4:13: ..." of it. Returns -1. */
static int fail_at(struct cli *c, const char *path, const struct config_rows *rows,
                   struct cq_err *err)
{
    const char *reason;
    const struct cq_err given = *err;
    size_t row = config_row_of(given.text, &reason);
    if (row == 0 || row > rows->n)
        return -1;
    if (rows->ats[row - 1].line == 0) { /* a row that --prune added */
        config_drop_row(err);
        return cq_wrap(err, "--prune: " UNCHANGED);
    }
    struct flow_errors e = {0};
    flow_errors_add(&e, rows->ats[row - 1], "%s", reason);
    (void)file_errors_fail(c, &e, path, UNCHANGED, err);
    err->code = given.code;
    flow_errors_fini(&e);
    return -1;
}

/* On a terminal the change is shown and asked for. */
static bool may_ask(const struct cli *c, const struct admin_opts *o)
{
    return !o->is_sure && c->output != CLI_JSON && c->stdout_is_tty && isatty(STDIN_FILENO);
}

static bool is_wanted(const struct msg_config_done *planned)
{
    char answer[16];
    config_print_changes(planned);
    (void)fprintf(stderr, "Apply %s? [y/N] ",
                  planned->n_changes == 1 ? "this change" : "these changes");
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void print_done(struct cli *c, const struct msg_config_done *done, bool is_applied)
{
    if (c->output == CLI_JSON) {
        json_t *object = config_changes_json(done);
        json_object_set_new(object, "applied", json_boolean(is_applied));
        json_print(c, object);
        json_decref(object);
        return;
    }
    config_print_changes(done);
    if (done->n_changes == 0)
        (void)puts("no changes");
    else if (!is_applied)
        cli_talk("dry run: " UNCHANGED);
}

/* First as a dry run: what is wrong, or not wanted after a look, changes nothing. */
static int apply_rows(struct cli *c, const struct admin_opts *o, struct net_client *s,
                      const struct config_rows *rows, struct cq_err *err)
{
    struct msg planned = {0}, done = {0};
    const struct msg_config_done *plan = &planned.u.config_done;
    int rc = config_send(s, rows, true, &planned, err);
    if (rc != 0)
        return -1;
    bool asks = may_ask(c, o);
    if (o->is_dry_run || plan->n_changes == 0) {
        print_done(c, plan, false);
    } else if (asks && !is_wanted(plan)) {
        rc = cq_fail(err, CQ_E_CONFLICT, UNCHANGED);
    } else {
        rc = config_send(s, rows, false, &done, err);
        if (rc == 0 && !asks)
            print_done(c, &done.u.config_done, true);
        msg_fini(&done);
    }
    msg_fini(&planned);
    return rc;
}

static void print_nothing(struct cli *c)
{
    const struct msg_config_done none = {.n_changes = 0};
    print_done(c, &none, false);
}

int admin_apply(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err)
{
    struct config_rows rows = {0};
    struct config_now now = {0};
    int rc = read_config(c, name, &rows, err);
    struct net_client *s = rc == 0 ? session_open(c, AS_ADMIN, err) : NULL;
    if (s == NULL || config_fetch(s, &now, err) != 0)
        rc = -1;
    if (rc == 0) {
        if (strcmp(net_client_welcome(s)->role, "platform") != 0)
            config_rows_drop_bare_enterprises(&rows);
        if (o->prunes)
            config_rows_add_prunes(&rows, now.rows, now.n);
        config_rows_drop_same(&rows, now.rows, now.n);
        if (rows.n == 0)
            print_nothing(c);
        else if (apply_rows(c, o, s, &rows, err) != 0)
            rc = fail_at(c, name, &rows, err);
    }
    net_client_close(s);
    config_now_fini(&now);
    config_rows_fini(&rows);
    return rc;
}

static void print_json(struct cli *c, const struct config_now *now)
{
    json_t *list = json_array();
    for (size_t i = 0; i < now->n; i++)
        json_array_append_new(list, json_of_setting_row(&now->rows[i]));
    json_t *object = json_pack("{s:o}", "settings", list);
    json_print(c, object);
    json_decref(object);
}

int admin_export(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err)
{
    struct config_now now = {0};
    (void)o, (void)name;
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? config_fetch(s, &now, err) : -1;
    if (rc == 0 && c->output == CLI_JSON) {
        print_json(c, &now);
    } else if (rc == 0) {
        struct cq_str yaml = {0};
        config_yaml_write(now.rows, now.n, &yaml);
        (void)fputs(cq_str_text(&yaml), stdout);
        cq_str_fini(&yaml);
    }
    net_client_close(s);
    config_now_fini(&now);
    return rc;
}
