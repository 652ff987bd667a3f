/* Makes everything that exists before the first job. */
#include "scheduler/sim/setup.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

/* Rows with texts of their own. */
struct rows {
    struct in_config_row *items;
    size_t n, cap;
    char **texts;
    size_t n_texts, cap_texts;
};

static void rows_fini(struct rows *r)
{
    for (size_t i = 0; i < r->n_texts; i++)
        free(r->texts[i]);
    free(r->texts);
    free(r->items);
}

/* Takes `value`, which may be NULL; kind, path and key are borrowed. */
static void add_row(struct rows *r, enum config_op op, const char *kind, const char *path,
                    const char *key, char *value)
{
    cq_grow(&r->texts, &r->cap_texts, r->n_texts);
    r->texts[r->n_texts++] = value;
    cq_grow(&r->items, &r->cap, r->n);
    r->items[r->n++] = (struct in_config_row){
        .op = op, .kind = kind, .path = path, .key = key, .value = value ? value : ""};
}

static char *number_text(double value)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%.15g", value);
    return cq_strdup(text);
}

static char *count_text(uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return cq_strdup(text);
}

/* ---- configuration ---- */

static void add_enterprise_rows(struct rows *r, const struct workload *w, double min_share)
{
    double total = 0;
    for (size_t i = 0; i < w->n_weights; i++)
        total += w->weights[i];
    for (size_t i = 0; i < w->enterprises.n; i++) {
        const char *name = w->enterprises.items[i];
        uint64_t min = (uint64_t)(min_share * w->weights[i] / total * (double)w->cores);
        if (w->weights[i] < 1 || w->weights[i] > 1)
            add_row(r, CONFIG_SET, "enterprise", name, "weight", number_text(w->weights[i]));
        if (min > 0)
            add_row(r, CONFIG_SET, "enterprise", name, "min-cores", count_text(min));
    }
}

/* The configuration that comes later knows better what it is. */
static bool is_instrument(const struct run_options *o, const char *name)
{
    for (size_t i = 0; i < o->n_rows; i++)
        if (strcmp(o->rows[i].kind, "instrument") == 0 && strcmp(o->rows[i].path, name) == 0)
            return true;
    return false;
}

static void add_feature_rows(struct rows *r, const struct workload *w, const struct run_options *o)
{
    for (size_t i = 0; i < w->n_features; i++) {
        const struct sim_feature *f = &w->features[i];
        if (is_instrument(o, f->name))
            continue;
        add_row(r, CONFIG_PUT, "licence", f->name, "", NULL);
        add_row(r, CONFIG_SET, "licence", f->name, "count", count_text(f->count));
    }
}

/* What later rows say of a feature counts in the measures too. */
static void take_feature_row(struct workload *w, const struct in_config_row *row)
{
    if (strcmp(row->kind, "licence") != 0 || row->op != CONFIG_SET)
        return;
    struct sim_feature *f = workload_feature(w, row->path);
    if (strcmp(row->key, "owner") == 0)
        f->is_owned = *row->value != '\0';
    uint64_t count;
    if (strcmp(row->key, "count") == 0 && parse_u64(row->value, 0, UINT32_MAX, &count, NULL) == 0)
        f->count = count;
}

static void take_weight_row(struct workload *w, const struct in_config_row *row)
{
    bool is_weight = row->op == CONFIG_SET && strcmp(row->key, "weight") == 0;
    uint32_t at = names_find(&w->enterprises, row->path);
    double weight = 1;
    if (strcmp(row->kind, "enterprise") != 0 || at == UINT32_MAX
        || (!is_weight && row->op != CONFIG_CLEAR))
        return;
    if (!is_weight || *row->value == '\0' || parse_double(row->value, &weight, NULL) == 0)
        w->weights[at] = weight;
}

/* "the configuration is refused: row 3 (set ...): reason" becomes "pool.yaml:2:7: reason". */
static int fail_at(const struct run_options *o, struct cq_err *err)
{
    const struct cq_err given = *err;
    const char *number = strstr(given.text, "row "), *reason;
    uint64_t row = number ? strtoull(number + 4, NULL, 10) : 0;
    if (row == 0 || row > o->n_rows || o->row_places == NULL || *o->row_places[row - 1] == '\0')
        return -1;
    reason = strstr(number, ": ");
    return cq_fail(err, given.code, "%s: %s; nothing was simulated", o->row_places[row - 1],
                   reason ? reason + 2 : number);
}

static int configure(struct farm *f, struct workload *w, const struct run_options *o,
                     struct cq_err *err)
{
    struct rows r = {0};
    add_enterprise_rows(&r, w, o->min_share);
    add_feature_rows(&r, w, o);
    int rc = r.n ? farm_configure(f, r.items, r.n, err) : 0;
    rows_fini(&r);
    if (rc == 0 && o->n_rows)
        rc = farm_configure(f, o->rows, o->n_rows, err) == 0 ? 0 : fail_at(o, err);
    for (size_t i = 0; rc == 0 && i < o->n_rows; i++) {
        take_feature_row(w, &o->rows[i]);
        take_weight_row(w, &o->rows[i]);
    }
    return rc;
}

/* ---- who is there ---- */

static int add_people(struct farm *f, const struct workload *w, struct principal_id *who,
                      struct cq_err *err)
{
    struct names users = {0}; /* "enterprise user": one principal, in whatever project */
    struct principal_id *ids = cq_calloc(w->n_leaves, sizeof *ids);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < w->enterprises.n; i++)
        rc = farm_add_enterprise(f, w->enterprises.items[i], err);
    for (size_t i = 0; rc == 0 && i < w->n_leaves; i++) {
        char key[48];
        (void)snprintf(key, sizeof key, "%" PRIu32 " %" PRIu32, w->leaves[i].enterprise,
                       w->leaves[i].user);
        size_t n_known = users.n;
        uint32_t at = names_id(&users, key);
        if (at == n_known)
            rc = farm_add_user(f, w->enterprises.items[w->leaves[i].enterprise],
                               w->users.items[w->leaves[i].user], &ids[at], err);
        who[i] = ids[at];
    }
    names_fini(&users);
    free(ids);
    return rc;
}

static int add_nodes(struct farm *f, const struct workload *w, struct cq_err *err)
{
    for (uint64_t i = 0; i < w->n_nodes; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%" PRIu64, i + 1);
        if (farm_add_node(f, name, workload_node_cores(w, i), workload_node_mem(w, i),
                          w->topology ? w->topology : "", err)
            != 0)
            return -1;
    }
    return 0;
}

int setup_farm(struct farm *f, struct workload *w, const struct run_options *o,
               struct principal_id **who, struct cq_err *err)
{
    struct principal_id *ids = cq_calloc(w->n_leaves, sizeof *ids);
    if (add_people(f, w, ids, err) != 0 || add_nodes(f, w, err) != 0
        || configure(f, w, o, err) != 0) {
        free(ids);
        return -1;
    }
    farm_plan(f);
    *who = ids;
    return 0;
}
