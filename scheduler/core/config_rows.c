/* The rows of a change of configuration, carried out on its plan. Enterprises come first, then
 * features, then the rest, so that an owner and the features of a bundle are known wherever in the
 * request they stand; rows of one thing keep their order. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/config.h"
#include "scheduler/core/config_plan.h"
#include "scheduler/core/core_state.h"

#define TOKENS_COUNT_MAX  UINT64_C(1000000)
#define FEED_EVERY_MIN_US US_PER_S
#define FEED_EVERY_MAX_US (INT64_C(86400) * US_PER_S)
enum { ROWS_MAX = 10000, FEED_COMMAND_MAX_BYTES = 4095 };

enum phase { PHASE_ENTERPRISES, PHASE_FEATURES, PHASE_REST, PHASE_COUNT };
enum thing { THING_SHARE, THING_FEATURE, THING_FEED };

static const char *const op_names[] = {"add", "put", "clear", "set", "remove"};

/* ---- enterprises, projects, users ---- */

static int check_no_jobs(const struct enterprise *e, struct cq_err *err)
{
    if (e->counts.jobs_running == 0 && e->counts.jobs_waiting == 0)
        return 0;
    return cq_fail(err, CQ_E_CONFLICT,
                   "%s has %" PRIu64 " running and %" PRIu64
                   " waiting jobs: cancel them first, or wait: chipq jobs --enterprise %s --live",
                   e->name, e->counts.jobs_running, e->counts.jobs_waiting, e->name);
}

/* Who removes the enterprise of a platform admin may shut everyone out. */
static int check_no_admins(const struct core *c, const struct enterprise *e, struct cq_err *err)
{
    for (size_t i = 0; i < c->people.n_principals; i++) {
        const struct principal *who = c->people.principals[i];
        if (who->enterprise == e && !who->revoked && who->role == ROLE_PLATFORM_ADMIN)
            return cq_fail(err, CQ_E_CONFLICT,
                           "'%s', a platform admin, belongs to %s and would lose the key: revoke "
                           "it first",
                           who->name, e->name);
    }
    return 0;
}

static int remove_enterprise(struct plan *p, struct plan_node *n, struct cq_err *err)
{
    if (n->node == NULL)
        return cq_fail(err, CQ_E_CONFLICT, "it is added by this same change");
    if (check_no_jobs(n->enterprise, err) != 0 || check_no_admins(p->c, n->enterprise, err) != 0)
        return -1;
    plan_clear(p, n);
    n->is_removed = true;
    for (size_t i = 0; i < n->node->n_children; i++) {
        struct share_node *project = n->node->children[i];
        plan_clear(p, plan_node_of(p, project));
        for (size_t k = 0; k < project->n_children; k++)
            plan_clear(p, plan_node_of(p, project->children[k]));
    }
    return 0;
}

static int add_node(struct plan *p, enum share_level level, const char *path, struct cq_err *err)
{
    if (plan_find(p, level, path, false, NULL))
        return cq_fail(err, CQ_E_CONFLICT, "it exists already");
    return plan_find(p, level, path, true, err) ? 0 : -1;
}

static int set_node(struct plan *p, enum share_level level, const struct in_config_row *row,
                    struct cq_err *err)
{
    struct plan_node *n = plan_find(p, level, row->path, level == SHARE_LEAF, err);
    if (n == NULL)
        return -1;
    n->row = p->row;
    return settings_set(p->c, n->enterprise, &n->settings, row->key, row->value, err);
}

static int node_row(struct plan *p, enum share_level level, const struct in_config_row *row,
                    struct cq_err *err)
{
    if (row->op == CONFIG_ADD)
        return add_node(p, level, row->path, err);
    if (row->op == CONFIG_SET)
        return set_node(p, level, row, err);
    struct plan_node *n = plan_find(p, level, row->path, row->op == CONFIG_PUT, err);
    if (n == NULL)
        return -1;
    if (row->op == CONFIG_REMOVE && level == SHARE_ENTERPRISE)
        return remove_enterprise(p, n, err);
    if (row->op != CONFIG_PUT)
        plan_clear(p, n);
    return 0;
}

/* ---- features ---- */

static int no_such_feature(const struct core *c, const struct in_config_row *row,
                           struct cq_err *err)
{
    const char **names CQ_CLEANUP(cq_free_ptr) = cq_calloc(c->features.n + 1, sizeof *names);
    for (size_t i = 0, n = 0; i < c->features.n; i++)
        if (!c->features.items[i]->is_removed)
            names[n++] = c->features.items[i]->name;
    const char *near = cq_closest(row->path, names);
    if (near)
        return cq_fail(err, CQ_E_NOT_FOUND, "no %s '%s'; did you mean %s?", row->kind, row->path,
                       near);
    return cq_fail(err, CQ_E_NOT_FOUND, "no %s '%s'; add it first", row->kind, row->path);
}

static int set_owner(struct plan *p, struct feature *f, const char *name, struct cq_err *err)
{
    struct plan_node *n = NULL;
    if (*name && (n = plan_find(p, SHARE_ENTERPRISE, name, false, err)) == NULL)
        return cq_wrap(err, "owner");
    f->owner = n ? n->enterprise : NULL;
    return 0;
}

static int set_feature(struct plan *p, struct feature *f, const struct in_config_row *row,
                       struct cq_err *err)
{
    static const char *const keys[] = {"count", "owner", NULL};
    plan_touch(p, f);
    if (strcmp(row->key, "owner") == 0)
        return set_owner(p, f, row->value, err);
    if (strcmp(row->key, "count") != 0) {
        const char *near = cq_closest(row->key, keys);
        return cq_fail(err, CQ_E_INVALID, "no setting '%.40s' of a %s; %s%s", row->key, row->kind,
                       near ? "did you mean " : "there are count and owner", near ? near : "");
    }
    f->count = plan_count_of(f->kind);
    if (*row->value && parse_u64(row->value, 0, TOKENS_COUNT_MAX, &f->count, err) != 0)
        return cq_wrap(err, "count");
    return 0;
}

static int remove_feature(struct plan *p, struct feature *f, struct cq_err *err)
{
    uint64_t jobs = licence_asked(p->c, f, NULL);
    if (f->used > 0 || jobs > 0)
        return cq_fail(err, CQ_E_CONFLICT,
                       "%" PRIu64 " tokens are in use and %" PRIu64
                       " live jobs ask for it: cancel them first, or wait",
                       f->used, jobs);
    if (calendar_asks(p->c, f, NULL))
        return cq_fail(err, CQ_E_CONFLICT, "bookings hold it: remove them first");
    plan_touch(p, f);
    f->is_removed = true;
    return 0;
}

static int feature_row(struct plan *p, enum feature_kind kind, const struct in_config_row *row,
                       struct cq_err *err)
{
    if (!is_name(row->path))
        return cq_fail(err, CQ_E_INVALID,
                       "'%.63s' is no name for a %s; use letters, digits, '.', '_', '-', at most "
                       "63",
                       row->path, row->kind);
    struct feature *f = feature_named(p->c, row->path);
    if (f && f->kind != kind)
        return cq_fail(err, CQ_E_CONFLICT, "'%s' is there as a%s %s", f->name,
                       f->kind == FEATURE_INSTRUMENT ? "n" : "", plan_feature_kinds[f->kind]);
    if (f && row->op == CONFIG_ADD)
        return cq_fail(err, CQ_E_CONFLICT, "it exists already");
    if (f == NULL && (row->op == CONFIG_ADD || row->op == CONFIG_PUT))
        return plan_make_feature(p, row->path, kind) ? 0 : -1;
    if (f == NULL)
        return no_such_feature(p->c, row, err);
    if (row->op == CONFIG_SET)
        return set_feature(p, f, row, err);
    if (row->op == CONFIG_REMOVE)
        return remove_feature(p, f, err);
    if (row->op == CONFIG_PUT)
        return 0;
    plan_touch(p, f);
    f->count = plan_count_of(kind);
    f->owner = NULL;
    return 0;
}

/* ---- the feed ---- */

/* Words with one space between them. NULL: none. */
static char *squeeze(const char *text)
{
    struct cq_str out = {0};
    for (const char *p = text; *p;) {
        size_t blank = strspn(p, " "), word = strcspn(p + blank, " ");
        if (word > 0 && out.len > 0)
            cq_str_add_char(&out, ' ');
        cq_str_append(&out, p + blank, word);
        p += blank + word;
    }
    if (out.len > 0)
        return cq_str_take(&out);
    cq_str_fini(&out);
    return NULL;
}

static int set_feed_command(struct plan *p, const char *value, struct cq_err *err)
{
    struct cq_str printable CQ_CLEANUP(cq_str_fini) = {0};
    size_t bytes = strlen(value);
    if (bytes > FEED_COMMAND_MAX_BYTES)
        return cq_fail(err, CQ_E_LIMIT, "command: it has %zu bytes, at most %d are taken", bytes,
                       FEED_COMMAND_MAX_BYTES);
    cq_str_add_printable(&printable, value, bytes);
    if (strcmp(cq_str_text(&printable), value) != 0)
        return cq_fail(err, CQ_E_INVALID, "command: '%.80s' is not plain text on one line",
                       cq_str_text(&printable));
    free(p->feed_command);
    p->feed_command = squeeze(value);
    return 0;
}

static int set_feed_every(struct plan *p, const char *value, struct cq_err *err)
{
    int64_t every_us = FEED_EVERY_US;
    if (*value && parse_time_us(value, &every_us, err) != 0)
        return cq_wrap(err, "every");
    if (every_us < FEED_EVERY_MIN_US || every_us > FEED_EVERY_MAX_US)
        return cq_fail(err, CQ_E_INVALID, "every: '%.40s' is not between 1s and 1d", value);
    p->feed_every_us = every_us;
    return 0;
}

static int feed_row(struct plan *p, const struct in_config_row *row, struct cq_err *err)
{
    if (strcmp(row->path, FEED_PATH) != 0)
        return cq_fail(err, CQ_E_NOT_FOUND, "no feed '%.63s'; the only one is " FEED_PATH,
                       row->path);
    if (row->op == CONFIG_ADD || row->op == CONFIG_PUT)
        return 0;
    if (row->op != CONFIG_SET) {
        free(p->feed_command);
        p->feed_command = NULL;
        p->feed_every_us = FEED_EVERY_US;
        return 0;
    }
    if (strcmp(row->key, "command") == 0)
        return set_feed_command(p, row->value, err);
    if (strcmp(row->key, "every") == 0)
        return set_feed_every(p, row->value, err);
    return cq_fail(err, CQ_E_INVALID, "no setting '%.40s' of a feed; there are command and every",
                   row->key);
}

/* ---- all of them ---- */

static int find_kind(const char *kind, enum thing *thing, unsigned *which, struct cq_err *err)
{
    static const struct {
        const char *name;
        enum thing thing;
        unsigned which;
    } kinds[] = {{"enterprise", THING_SHARE, SHARE_ENTERPRISE},
                 {"project", THING_SHARE, SHARE_PROJECT},
                 {"user", THING_SHARE, SHARE_LEAF},
                 {"licence", THING_FEATURE, FEATURE_LICENCE},
                 {"instrument", THING_FEATURE, FEATURE_INSTRUMENT},
                 {"feed", THING_FEED, 0}};
    for (size_t i = 0; i < CQ_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, kind) != 0)
            continue;
        *thing = kinds[i].thing;
        *which = kinds[i].which;
        return 0;
    }
    return cq_fail(err, CQ_E_INVALID,
                   "'%.40s' cannot be configured; write enterprise, project, user, licence, "
                   "instrument or feed",
                   kind);
}

static enum phase phase_of(enum thing thing, unsigned which, enum config_op op)
{
    if (thing != THING_SHARE)
        return PHASE_FEATURES;
    bool makes = op == CONFIG_ADD || op == CONFIG_PUT;
    return which == SHARE_ENTERPRISE && makes ? PHASE_ENTERPRISES : PHASE_REST;
}

static int one_row(struct plan *p, const struct in_config_row *row, enum phase now,
                   struct cq_err *err)
{
    enum thing thing = THING_SHARE;
    unsigned which = 0;
    if ((unsigned)row->op >= CQ_COUNT(op_names))
        return cq_fail(err, CQ_E_INVALID, "unknown step %u", (unsigned)row->op);
    if (find_kind(row->kind, &thing, &which, err) != 0)
        return -1;
    if (phase_of(thing, which, row->op) != now)
        return 0;
    if (thing == THING_SHARE)
        return node_row(p, (enum share_level)which, row, err);
    if (thing == THING_FEATURE)
        return feature_row(p, (enum feature_kind)which, row, err);
    return feed_row(p, row, err);
}

static int wrap(const struct in_config_row *row, size_t number, struct cq_err *err)
{
    bool is_set = row->op == CONFIG_SET;
    const char *op = (unsigned)row->op < CQ_COUNT(op_names) ? op_names[row->op] : "?";
    return cq_wrap(err, "row %zu (%s %.15s %.191s%s%.40s)", number, op, row->kind, row->path,
                   is_set ? " " : "", is_set ? row->key : "");
}

int plan_rows(struct plan *p, const struct in_config *in, struct cq_err *err)
{
    if (in->n_rows > ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%zu rows; at most %d are changed at once", in->n_rows,
                       ROWS_MAX);
    for (enum phase phase = 0; phase < PHASE_COUNT; phase++)
        for (size_t i = 0; i < in->n_rows; i++) {
            p->row = i + 1;
            if (one_row(p, &in->rows[i], phase, err) != 0)
                return wrap(&in->rows[i], i + 1, err);
        }
    return 0;
}
