/* Writes workloads as tab-separated text with a JSON header. */
#include "scheduler/sim/tsv.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <zlib.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

static char *header(const struct workload *w)
{
    json_t *features = json_object(), *tenants = json_array();
    for (size_t i = 0; i < w->n_features; i++)
        json_object_set_new(features, w->features[i].name,
                            json_integer((json_int_t)w->features[i].count));
    for (size_t i = 0; i < w->enterprises.n; i++)
        json_array_append_new(tenants, json_pack("{s:s, s:f}", "name", w->enterprises.items[i],
                                                 "weight", w->weights[i]));
    json_t *all = json_pack("{s:I, s:I, s:o, s:o}", "cores", (json_int_t)w->cores, "mem_mb",
                            (json_int_t)w->mem_mib, "features", features, "tenants", tenants);
    char *text = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(all);
    return text;
}

static void add_seconds(struct cq_str *out, int64_t us)
{
    cq_str_printf(out, "%" PRId64, us / US_PER_S);
    if (us % US_PER_S)
        cq_str_printf(out, ".%06" PRId64, us % US_PER_S);
    cq_str_add_char(out, '\t');
}

static void format_row(const struct workload *w, const struct sim_row *r, struct cq_str *out)
{
    const struct sim_leaf *leaf = &w->leaves[r->leaf];
    const char *licence = w->licences.items[r->licence];
    cq_str_printf(out, "%" PRIu64 "\t", r->number);
    add_seconds(out, r->submit_us);
    add_seconds(out, r->run_us);
    add_seconds(out, r->limit_us);
    cq_str_printf(out, "%" PRIu32 "\t%" PRIu64 "\t%s\t%s\t%s\t%s\t%s\t%" PRIu64 "\t%s\n", r->cores,
                  r->mem_mib, *licence ? licence : "-", w->enterprises.items[leaf->enterprise],
                  w->projects.items[leaf->project], w->users.items[leaf->user],
                  w->classes.items[r->klass], r->array, sim_outcome_name(r->outcome));
}

static bool write_all_rows(gzFile file, const struct workload *w)
{
    char *head = header(w);
    struct cq_str line = {0};
    bool ok = gzputs(file, "# ") > 0 && gzputs(file, head) > 0 && gzputs(file, "\n") > 0;
    free(head);
    for (size_t i = 0; ok && i < w->n_rows; i++) {
        cq_str_clear(&line);
        format_row(w, &w->rows[i], &line);
        ok = gzwrite(file, line.data, (unsigned)line.len) == (int)line.len;
    }
    cq_str_fini(&line);
    return ok;
}

int tsv_write(const char *path, const struct workload *w, struct cq_err *err)
{
    size_t n = strlen(path);
    bool packs = n > 3 && strcmp(path + n - 3, ".gz") == 0;
    errno = 0;
    gzFile file = gzopen(path, packs ? "wbe6" : "wbeT");
    if (file == NULL)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write %s", path);
    bool ok = write_all_rows(file, w);
    if (gzclose(file) != Z_OK || !ok)
        return cq_fail_errno(err, CQ_E_IO, errno ? errno : ENOSPC, "cannot write %s", path);
    return 0;
}
