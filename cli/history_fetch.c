/* Fetches what ran, and writes it as the simulator's workload. */
#include "cli/history_fetch.h"

#include "common/base/pure/id.h"
#include "common/base/pure/map.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

enum { ROWS_MAX = 4000000, WHO_BYTES = 256 };

struct row {
    char *who, *licences; /* who: enterprise, project and user with tabs between them */
    int64_t submit_us;
    uint64_t run_us, limit_us, cores, mem_mib, array;
    const char *outcome;
    size_t order; /* in which it came */
};

struct history {
    struct row *rows;
    size_t n, cap;
    struct map names, arrays; /* hash -> struct name: texts that many rows share */
    struct name *all;         /* a list of all of them */
    uint64_t n_arrays;
    json_t *header;
};

/* A text that is kept once, or an array's number in the file. */
struct name {
    struct name *next, *same_hash;
    uint64_t number;
    char text[];
};

static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

static struct name *intern(struct history *h, struct map *in, const char *text)
{
    uint64_t hash = hash_of(text);
    struct name *first = map_find(in, hash), *n = first;
    while (n && strcmp(n->text, text) != 0)
        n = n->same_hash;
    if (n)
        return n;
    size_t bytes = strlen(text) + 1;
    n = cq_malloc(sizeof *n + bytes);
    *n = (struct name){.next = h->all, .same_hash = first};
    memcpy(n->text, text, bytes);
    h->all = n;
    map_put(in, hash, n);
    return n;
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    while (h->all) {
        struct name *n = h->all;
        h->all = n->next;
        free(n);
    }
    map_fini(&h->names);
    map_fini(&h->arrays);
    free(h->rows);
    json_decref(h->header);
    free(h);
}

/* The simulator knows fewer ends; what was killed or lost had taken its time, too. */
static const char *outcome_of(const char *verdict)
{
    if (strcmp(verdict, "pass") == 0)
        return "ok";
    if (strcmp(verdict, "oom") == 0)
        return "oom";
    return strcmp(verdict, "timeout") == 0 ? "limit" : "fail";
}

/* The tasks of one array share a number; jobs of their own have 0. */
static uint64_t array_of(struct history *h, const struct history_entry *e)
{
    char key[128];
    if (!e->is_array)
        return 0;
    (void)snprintf(key, sizeof key, "%.63s/%" PRIu64, e->enterprise, e->number);
    struct name *n = intern(h, &h->arrays, key);
    if (n->number == 0)
        n->number = ++h->n_arrays;
    return n->number;
}

static int add_entry(struct history *h, const struct history_entry *e, struct cq_err *err)
{
    char who[WHO_BYTES];
    if (h->n == ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than %d tasks ran; choose a shorter time", ROWS_MAX);
    (void)snprintf(who, sizeof who, "%.63s\t%.63s\t%.63s", e->enterprise, e->project, e->user);
    cq_grow(&h->rows, &h->cap, h->n);
    h->rows[h->n] = (struct row){
        .who = intern(h, &h->names, who)->text,
        .licences = intern(h, &h->names, *e->licences ? e->licences : "-")->text,
        .submit_us = e->submit_us,
        .run_us = e->run_us,
        /* Stopped at its limit, it ran on until it was dead. */
        .limit_us = e->time_us > e->run_us ? e->time_us : e->run_us,
        .cores = e->cores,
        .mem_mib = e->mem_mib,
        .array = array_of(h, e),
        .outcome = outcome_of(e->verdict),
        .order = h->n,
    };
    h->n++;
    return 0;
}

/* The pool as it is when the last page comes. */
static void take_header(struct history *h, const struct msg_history *m)
{
    json_t *features = json_object(), *tenants = json_array();
    for (size_t i = 0; i < m->n_features; i++)
        json_object_set_new(features, m->features[i].name,
                            json_integer((json_int_t)m->features[i].count));
    for (size_t i = 0; i < m->n_shares; i++)
        json_array_append_new(tenants, json_pack("{s:s, s:f}", "name", m->shares[i].enterprise,
                                                 "weight", (double)m->shares[i].weight_ppm / 1e6));
    json_decref(h->header);
    h->header = json_pack("{s:I, s:I, s:o, s:o}", "cores", (json_int_t)m->cores, "mem_mb",
                          (json_int_t)m->mem_mib, "features", features, "tenants", tenants);
}

static int fetch(struct net_client *s, const struct history_options *o, struct history *h,
                 struct cq_err *err)
{
    struct msg ask = {.code = MSG_HISTORY_QUERY};
    ask.u.history_query = (struct msg_history_query){
        .enterprise = o->enterprise, .from_us = o->from_us, .to_us = o->to_us};
    for (bool has_more = true; has_more;) {
        struct msg reply = {0};
        if (session_call(s, &ask, MSG_HISTORY, &reply, err) != 0)
            return -1;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < reply.u.history.n_rows; i++)
            rc = add_entry(h, &reply.u.history.rows[i], err);
        /* A page moves on, or it was the last. */
        has_more = reply.u.history.has_more && reply.u.history.next > ask.u.history_query.after;
        ask.u.history_query.after = reply.u.history.next;
        take_header(h, &reply.u.history);
        msg_fini(&reply);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int by_submit(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->submit_us != y->submit_us)
        return x->submit_us < y->submit_us ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void add_seconds(struct cq_str *out, int64_t us)
{
    cq_str_printf(out, "\t%" PRId64, us / US_PER_S);
    if (us % US_PER_S)
        cq_str_printf(out, ".%06" PRId64, us % US_PER_S);
}

static void add_line(const struct history *h, size_t i, struct cq_str *out)
{
    const struct row *r = &h->rows[i];
    cq_str_printf(out, "%zu", i + 1);
    add_seconds(out, r->submit_us - h->rows[0].submit_us);
    add_seconds(out, (int64_t)(r->run_us < INT64_MAX ? r->run_us : INT64_MAX));
    add_seconds(out, (int64_t)(r->limit_us < INT64_MAX ? r->limit_us : INT64_MAX));
    cq_str_printf(out, "\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\t%s\t%" PRIu64 "\t%s\n", r->cores,
                  r->mem_mib, r->licences, r->who, r->array ? "array" : "job", r->array,
                  r->outcome);
}

size_t history_tasks(const struct history *h)
{
    return h->n;
}

bool history_has_leaf(const struct history *h, const char *path)
{
    char who[WHO_BYTES];
    if (!cq_copy_text(who, sizeof who, path))
        return false;
    for (char *p = who; *p; p++)
        if (*p == '/')
            *p = '\t';
    const struct name *n = map_find(&h->names, hash_of(who));
    while (n && strcmp(n->text, who) != 0)
        n = n->same_hash;
    return n != NULL;
}

int history_write(const struct history *h, FILE *out, struct cq_err *err)
{
    struct cq_str line = {0};
    CQ_CLEANUP(cq_free_ptr) char *header = json_dumps(h->header, JSON_REAL_PRECISION(12));
    (void)fprintf(out, "# %s\n", header);
    for (size_t i = 0; i < h->n; i++) {
        cq_str_clear(&line);
        add_line(h, i, &line);
        (void)fputs(cq_str_text(&line), out);
    }
    cq_str_fini(&line);
    if (fflush(out) != 0 || ferror(out))
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write the workload");
    return 0;
}

struct history *history_fetch(struct net_client *s, const struct history_options *o,
                              struct cq_err *err)
{
    struct history *h = CQ_NEW(struct history);
    int rc = fetch(s, o, h, err);
    if (rc == 0 && h->n == 0)
        rc = cq_fail(err, CQ_E_NOT_FOUND, "nothing ran in that time");
    if (rc != 0) {
        history_free(h);
        return NULL;
    }
    qsort(h->rows, h->n, sizeof *h->rows, by_submit);
    return h;
}
