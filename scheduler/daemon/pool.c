/* The pool: nodes, tools, counts, draining. What a tenant sees of others' use is "busy". */
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/layout.h"

#include <inttypes.h>

enum { NODES_MAX = 4096, TOOLS_MAX = 256, NODES_BYTES_MAX = 800 * 1024 };

static bool may(struct daemon *d, const struct asker *a, enum verb verb)
{
    struct authz_object pool = {.owner = NULL};
    if (authz(&a->who, verb, &pool))
        return true;
    struct cq_err err = {0};
    (void)cq_fail(&err, CQ_E_DENIED, "a %s may not do that; a platform admin may",
                  role_name(a->who.role));
    reply_error(d, a, &err);
    return false;
}

/* ---- NODES ---- */

struct node_busy {
    char **lines;
    size_t n, cap;
};

struct nodes {
    struct daemon *d;
    const struct asker *asker;
    struct node_row *rows;
    struct node_busy *busy;
    uint64_t **numa; /* memory of each node, then what is used of it */
    char ***features;
    char **feature_texts, **offline;
    size_t n, bytes;
    uint64_t skip, seen;
    bool has_more;
    struct node_busy *filling;
};

static void add_lease(void *arg, const struct lease_view *l)
{
    struct nodes *w = arg;
    struct node_busy *b = w->filling;
    struct authz_object what = {.enterprise = l->enterprise};
    struct cq_str text = {0};
    if (l->job.v != 0 && authz(&w->asker->who, VERB_JOB_SEE, &what))
        cq_str_printf(&text, "%s/%" PRIu64 "[%" PRIu64 "] %s", l->enterprise_name, l->number,
                      l->task, l->cores);
    else
        cq_str_printf(&text, "busy %s", l->cores);
    w->bytes += text.len + 8;
    cq_grow(&b->lines, &b->cap, b->n);
    b->lines[b->n++] = cq_str_take(&text);
}

static size_t split_lines(char *text, char ***lines)
{
    size_t n = 0, cap = 0;
    for (char *p = text; p != NULL && *p; n++) {
        cq_grow(lines, &cap, n);
        (*lines)[n] = p;
        p = strchr(p, '\n');
        if (p != NULL)
            *p++ = '\0';
    }
    return n;
}

static size_t add_numa(struct nodes *w, struct worker_id id)
{
    uint64_t mib[LAYOUT_UNITS_MAX], used_mib[LAYOUT_UNITS_MAX];
    size_t n = core_worker_numa(w->d->core, id, mib, used_mib);
    w->numa[w->n] = cq_calloc(2 * n + 1, sizeof *w->numa[0]);
    memcpy(w->numa[w->n], mib, n * sizeof *mib);
    memcpy(w->numa[w->n] + n, used_mib, n * sizeof *used_mib);
    return n;
}

static char *offline_text(const struct nodes *w, struct worker_id id)
{
    struct bitset offline = {0};
    struct cq_str text = {0};
    core_worker_offline(w->d->core, id, &offline);
    bitset_format(&offline, &text);
    bitset_fini(&offline);
    return cq_str_take(&text);
}

static void add_node(void *arg, const struct worker_view *v)
{
    struct nodes *w = arg;
    if (w->seen++ < w->skip)
        return;
    w->has_more = w->has_more || w->n == NODES_MAX || w->bytes > NODES_BYTES_MAX;
    if (w->has_more)
        return;
    struct now now = loop_now(w->d->loop);
    w->filling = &w->busy[w->n];
    core_each_lease(w->d->core, v->id, add_lease, w);
    w->feature_texts[w->n] = cq_strdup(v->features ? v->features : "");
    size_t n_features = split_lines(w->feature_texts[w->n], &w->features[w->n]);
    size_t n_numa = add_numa(w, v->id);
    bool is_secret =
        v->is_drained_by_chipqd && w->asker->who.role != ROLE_PLATFORM_ADMIN; /* a job's words */
    w->offline[w->n] = offline_text(w, v->id);
    w->rows[w->n] = (struct node_row){
        .name = v->name,
        .state = v->state,
        .cores = v->cores,
        .cores_used = v->cores_used,
        .mem_mib = v->mem_mib,
        .mem_used_mib = v->mem_used_mib,
        .leases = v->leases,
        .topology = v->topology,
        .features = (const char *const *)w->features[w->n],
        .n_features = n_features,
        .busy = (const char *const *)w->busy[w->n].lines,
        .n_busy = w->busy[w->n].n,
        .numa_mib = w->numa[w->n],
        .n_numa_mib = n_numa,
        .numa_used_mib = w->numa[w->n] + n_numa,
        .n_numa_used_mib = n_numa,
        .drain_why = v->drain_why && !is_secret ? v->drain_why : "",
        .offline = w->offline[w->n],
        .last_seen_us =
            v->last_seen_mono_us ? now.wall_us - (now.mono_us - v->last_seen_mono_us) : 0};
    w->bytes +=
        700 + 18 * n_numa + strlen(v->topology ? v->topology : "") + strlen(w->feature_texts[w->n]);
    w->n++;
}

static void count_node(void *arg, const struct worker_view *v)
{
    (void)v;
    ++*(size_t *)arg;
}

void on_nodes_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    if (!may(d, a, VERB_POOL_SEE))
        return;
    size_t n = 0;
    core_each_worker(d->core, loop_now(d->loop), count_node, &n);
    struct nodes w = {.d = d, .asker = a, .skip = m->u.nodes_query.skip};
    w.rows = cq_calloc(n + 1, sizeof *w.rows);
    w.busy = cq_calloc(n + 1, sizeof *w.busy);
    w.numa = cq_calloc(n + 1, sizeof *w.numa);
    w.features = cq_calloc(n + 1, sizeof *w.features);
    w.feature_texts = cq_calloc(n + 1, sizeof *w.feature_texts);
    w.offline = cq_calloc(n + 1, sizeof *w.offline);
    core_each_worker(d->core, loop_now(d->loop), add_node, &w);
    struct msg answer = {.code = MSG_NODES};
    answer.u.nodes.nodes = w.rows;
    answer.u.nodes.n_nodes = w.n;
    answer.u.nodes.has_more = w.has_more;
    reply(d, a, &answer);
    for (size_t i = 0; i < w.n; i++) {
        for (size_t k = 0; k < w.busy[i].n; k++)
            free(w.busy[i].lines[k]);
        free(w.busy[i].lines);
        free(w.numa[i]);
        free(w.features[i]);
        free(w.feature_texts[i]);
        free(w.offline[i]);
    }
    free(w.rows);
    free(w.busy);
    free(w.numa);
    free(w.features);
    free(w.feature_texts);
    free(w.offline);
}

void on_node_action(struct daemon *d, const struct asker *a, struct msg *m)
{
    if (!may(d, a, VERB_NODE_CHANGE))
        return;
    struct input in = {.type = INPUT_NODE_DRAIN, .principal = a->who.id};
    in.request = reply_handle(d, a, NULL, 0);
    in.u.node_drain.name = m->u.node_action.node;
    in.u.node_drain.why = m->u.node_action.why;
    in.u.node_drain.drain = m->u.node_action.action == 0;
    struct cq_err err = {0};
    uint64_t handle = in.request;
    if (turn_step(d, &in, &err) != 0) {
        free(map_remove(&d->replies, handle));
        reply_error(d, a, &err);
    }
}

/* ---- TOOLS: the union of what the workers' plugins describe; the same name counts once ---- */

static bool has_tool(const struct tool_row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0)
            return true;
    return false;
}

void on_tools_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    (void)m;
    if (!may(d, a, VERB_POOL_SEE))
        return;
    struct tool_row rows[TOOLS_MAX];
    size_t n = 0, bytes = 0, at = 0;
    void *value;
    while (map_next(&d->worker_sessions, &at, &value)) {
        const struct worker_session *s = value;
        for (size_t i = 0; i < s->n_tools && n < TOOLS_MAX; i++) {
            bytes += strlen(s->tools[i].describe) + 80;
            if (bytes < NODES_BYTES_MAX && !has_tool(rows, n, s->tools[i].name))
                rows[n++] = s->tools[i];
        }
    }
    struct msg answer = {.code = MSG_TOOLS};
    answer.u.tools.tools = rows;
    answer.u.tools.n_tools = n;
    reply(d, a, &answer);
}

void on_status_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    (void)m;
    if (!may(d, a, VERB_POOL_SEE))
        return;
    struct enterprise_id only =
        a->who.role == ROLE_PLATFORM_ADMIN ? (struct enterprise_id){0} : a->who.enterprise;
    struct counts c = {0}, pool = {0};
    core_counts(d->core, only, &c);
    core_counts(d->core, (struct enterprise_id){0}, &pool);
    struct store_space disk = store_space(d->store);
    struct msg answer = {.code = MSG_STATUS};
    answer.u.status =
        (struct msg_status){.epoch = core_epoch(d->core),
                            .uptime_us = (uint64_t)(loop_now(d->loop).mono_us - d->start_mono_us),
                            .jobs_waiting = c.jobs_waiting,
                            .jobs_running = c.jobs_running,
                            .tasks_waiting = c.tasks_waiting,
                            .tasks_running = c.tasks_running,
                            .workers_up = c.workers_up,
                            .cores = c.cores,
                            .cores_used = pool.cores_used,
                            .journal_seq = store_durable_seq(d->store),
                            .disk = space_word(d),
                            .disk_free_mib = disk.free_bytes >> 20,
                            .disk_needed_mib = disk.low_water_bytes >> 20,
                            .disk_mount = disk.mount};
    reply(d, a, &answer);
}
