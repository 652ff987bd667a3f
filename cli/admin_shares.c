/* Enterprises, projects and users of the share tree with their settings, as `chipq admin` changes
 * them one at a time. */
#include "cli/admin.h"

#include "cli/config_change.h"

#include "common/base/pure/parse.h"

/* Checks "acme", "acme/uart" or "acme/uart/ann": `parts` names with slashes between them. */
static int check_path(const char *path, size_t parts, const char *what, struct cq_err *err)
{
    const char *p = path;
    bool is_good = true;
    for (size_t i = 0; i < parts && is_good; i++) {
        size_t len = strcspn(p, "/");
        CQ_CLEANUP(cq_free_ptr) char *name = cq_strndup(p, len);
        is_good = is_name(name) && (p[len] == '/') == (i + 1 < parts);
        p += len + (p[len] == '/');
    }
    if (is_good)
        return 0;
    return cq_fail(err, CQ_E_INVALID, "'%.100s' is no %s (names of letters, digits, '.', '_', '-')",
                   path, what);
}

struct node {
    const char *kind, *path;
};

static void add_row(struct config_rows *rows, const struct node *node, enum config_rows_op op)
{
    config_rows_add(rows,
                    (struct config_row_spec){.op = op, .kind = node->kind, .path = node->path});
}

static void add_setting(struct config_rows *rows, const struct node *node, size_t key,
                        const char *value)
{
    bool is_none = strcmp(value, "none") == 0;
    config_rows_add(rows, (struct config_row_spec){.op = ROW_SET,
                                                   .kind = node->kind,
                                                   .path = node->path,
                                                   .key = setting_keys[key].key,
                                                   .value = is_none ? "" : value});
}

/* Rows for the settings that were given. */
static size_t add_settings(struct config_rows *rows, const struct node *node,
                           const struct admin_opts *o)
{
    size_t n = 0;
    for (size_t i = 0; i < SETTING_KEYS; i++)
        if (o->settings[i]) {
            add_setting(rows, node, i, o->settings[i]);
            n++;
        }
    return n;
}

static int fail_no_setting(const struct node *node, struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID,
                   "admin %s set %s: say what to set, as in --weight 2; see: chipq admin --help",
                   node->kind, node->path);
}

int admin_enterprise_add(struct cli *c, const struct admin_opts *o, const char *name,
                         struct cq_err *err)
{
    struct config_rows rows = {0};
    const struct node node = {"enterprise", name};
    if (check_path(name, 1, "name of an enterprise", err) != 0)
        return -1;
    add_row(&rows, &node, ROW_ADD);
    if (o->settings[SETTING_KEY_MAX_PENDING] == NULL)
        add_setting(&rows, &node, SETTING_KEY_MAX_PENDING, "100000");
    if (o->settings[SETTING_KEY_MAX_SUBMIT_RATE] == NULL)
        add_setting(&rows, &node, SETTING_KEY_MAX_SUBMIT_RATE, "200");
    (void)add_settings(&rows, &node, o);
    return config_change(c, &rows, name, err);
}

/* Settings of what must be there, or (`op` ROW_PUT) may be made by this. */
static int set_node(struct cli *c, const struct admin_opts *o, const struct node *node,
                    enum config_rows_op op, struct cq_err *err)
{
    struct config_rows rows = {0};
    if (op != ROW_SET)
        add_row(&rows, node, op);
    if (add_settings(&rows, node, o) == 0 && op != ROW_ADD) {
        config_rows_fini(&rows);
        return fail_no_setting(node, err);
    }
    return config_change(c, &rows, node->path, err);
}

static int remove_node(struct cli *c, const struct node *node, struct cq_err *err)
{
    struct config_rows rows = {0};
    add_row(&rows, node, ROW_REMOVE);
    return config_change(c, &rows, node->path, err);
}

int admin_enterprise_set(struct cli *c, const struct admin_opts *o, const char *name,
                         struct cq_err *err)
{
    const struct node node = {"enterprise", name};
    if (check_path(name, 1, "name of an enterprise", err) != 0)
        return -1;
    return set_node(c, o, &node, ROW_SET, err);
}

int admin_enterprise_remove(struct cli *c, const struct admin_opts *o, const char *name,
                            struct cq_err *err)
{
    const struct node node = {"enterprise", name};
    (void)o;
    if (check_path(name, 1, "name of an enterprise", err) != 0)
        return -1;
    return remove_node(c, &node, err);
}

int admin_project_add(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err)
{
    const struct node node = {"project", name};
    if (check_path(name, 2, "ENTERPRISE/PROJECT", err) != 0)
        return -1;
    return set_node(c, o, &node, ROW_ADD, err);
}

int admin_project_set(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err)
{
    const struct node node = {"project", name};
    if (check_path(name, 2, "ENTERPRISE/PROJECT", err) != 0)
        return -1;
    return set_node(c, o, &node, ROW_SET, err);
}

int admin_project_remove(struct cli *c, const struct admin_opts *o, const char *name,
                         struct cq_err *err)
{
    const struct node node = {"project", name};
    (void)o;
    if (check_path(name, 2, "ENTERPRISE/PROJECT", err) != 0)
        return -1;
    return remove_node(c, &node, err);
}

/* A user's place in a project is made at first use; settings may come before. */
int admin_user_set(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err)
{
    const struct node node = {"user", name};
    if (check_path(name, 3, "ENTERPRISE/PROJECT/USER", err) != 0)
        return -1;
    return set_node(c, o, &node, ROW_PUT, err);
}
