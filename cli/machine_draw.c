/* Reads the compact topology and the lines that say what is busy, then draws or counts. */
#include "cli/machine_draw.h"

#include "cli/to_json.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/places.h"

#include <inttypes.h>

enum { COLUMNS_MAX = 80, LEAD_COLUMNS = 30, CELLS_MAX = 16 };

/* "acme/12[3] 0-1" or "busy 0-1". */
struct use {
    char enterprise[64];
    uint64_t job, task; /* job 0: somebody's */
    struct bitset cores;
};

/* Where the cores of a machine are of several kinds, as the worker's features say. */
enum { KINDS = 3, KIND_COLUMNS = 13 };
static const char *const kind_names[KINDS] = {"performance", "middle", "efficiency"};

struct machine {
    const struct node_row *node;
    struct bitset kinds[KINDS];
    bool has_kinds;
    struct places places;
    struct bitset offline;
    struct use *uses;
    const struct use *by_core[BITSET_MAX];
};

/* ---- reading ---- */

/* "12[3]": false when it is not that. */
static bool read_task(const char *text, uint64_t *job, uint64_t *task)
{
    char *end;
    *job = strtoull(text, &end, 10);
    if (end == text || *end != '[')
        return false;
    const char *at = end + 1;
    *task = strtoull(at, &end, 10);
    return end != at && *end == ']';
}

/* A line that is not understood is "busy" on the cores that it ends with. */
static void read_use(const char *line, struct use *u)
{
    const char *cores = strrchr(line, ' '), *slash = strchr(line, '/');
    *u = (struct use){.job = 0};
    if (cores == NULL || bitset_parse(cores + 1, &u->cores, NULL) != 0)
        return;
    size_t n = slash ? (size_t)(slash - line) : 0;
    uint64_t job, task;
    if (n == 0 || n >= sizeof u->enterprise || !read_task(slash + 1, &job, &task))
        return;
    memcpy(u->enterprise, line, n);
    u->job = job;
    u->task = task;
}

/* "performance-cores=0-5". */
static void read_kinds(struct machine *m)
{
    for (size_t i = 0; i < m->node->n_features; i++) {
        const char *feature = m->node->features[i];
        for (size_t k = 0; k < KINDS; k++) {
            size_t n = strlen(kind_names[k]);
            if (strncmp(feature, kind_names[k], n) == 0 && cq_str_starts(feature + n, "-cores="))
                m->has_kinds |=
                    bitset_parse(feature + n + strlen("-cores="), &m->kinds[k], NULL) == 0;
        }
    }
}

static const char *kind_of(const struct machine *m, uint32_t core)
{
    for (size_t k = 0; k < KINDS; k++)
        if (bitset_has(&m->kinds[k], core))
            return kind_names[k];
    return "";
}

static struct machine *machine_new(const struct node_row *node)
{
    struct machine *m = CQ_NEW(struct machine);
    m->node = node;
    (void)places_read(node->topology, &m->places);
    if (node->offline && bitset_parse(node->offline, &m->offline, NULL) != 0)
        bitset_fini(&m->offline);
    read_kinds(m);
    m->uses = cq_calloc(node->n_busy + 1, sizeof *m->uses);
    for (size_t i = 0; i < node->n_busy; i++) {
        struct use *u = &m->uses[i];
        read_use(node->busy[i], u);
        for (size_t k = bitset_next(&u->cores, 0); k != SIZE_MAX; k = bitset_next(&u->cores, k + 1))
            m->by_core[k] = u;
    }
    return m;
}

static void machine_free(struct machine *m)
{
    for (size_t i = 0; i < m->node->n_busy; i++)
        bitset_fini(&m->uses[i].cores);
    free(m->uses);
    for (size_t k = 0; k < KINDS; k++)
        bitset_fini(&m->kinds[k]);
    bitset_fini(&m->offline);
    places_fini(&m->places);
    free(m);
}

/* The memory of the NUMA node that a core lies in; false: it was not told. */
static bool memory_at(const struct node_row *node, uint32_t numa_at, uint64_t *mib, uint64_t *used)
{
    if (numa_at >= node->n_numa_mib || node->n_numa_used_mib != node->n_numa_mib)
        return false;
    *mib = node->numa_mib[numa_at];
    *used = node->numa_used_mib[numa_at];
    return true;
}

/* ---- drawing ---- */

struct grid {
    unsigned width, per_row; /* of a cell; cells */
};

/* A job that was on a core when that went offline still holds it. */
static unsigned use_text(const struct machine *m, const struct place *p, char *text, size_t size)
{
    const struct use *u = m->by_core[p->core];
    if (p->is_system)
        return (unsigned)snprintf(text, size, "sys");
    if (bitset_has(&m->offline, p->core))
        return (unsigned)snprintf(text, size, "off");
    if (u == NULL)
        return (unsigned)snprintf(text, size, ".");
    if (u->job == 0)
        return (unsigned)snprintf(text, size, "busy");
    return (unsigned)snprintf(text, size, "%" PRIu64, u->job);
}

static bool same_numa(const struct place *a, const struct place *b)
{
    return a->package == b->package && a->numa_at == b->numa_at && a->numa == b->numa;
}

/* Two columns more where a shared cache begins in the middle of a row. */
static bool has_bar(const struct place *p, const struct place *row)
{
    return p > row && p->l3 != p[-1].l3;
}

/* As many cells as fit, a power of two: rows of machines look alike then. */
static struct grid grid_of(const struct machine *m)
{
    struct grid g = {.width = 2, .per_row = CELLS_MAX};
    const struct place *p = m->places.items;
    char text[24];
    for (size_t i = 0; i < m->places.n; i++) {
        unsigned n = use_text(m, &p[i], text, sizeof text) + 1;
        g.width = n > g.width ? n : g.width;
    }
    g.width = g.width < 5 ? 5 : g.width; /* the same whether or not it is busy */
    unsigned smallest = CELLS_MAX, run = 1;
    for (size_t i = 1; i < m->places.n; i++, run++)
        if (p[i].l3 != p[i - 1].l3) {
            smallest = run < smallest && same_numa(&p[i], &p[i - 1]) ? run : smallest;
            run = 0;
        }
    unsigned lead = LEAD_COLUMNS + (m->has_kinds ? KIND_COLUMNS : 0);
    while (g.per_row > 1
           && lead + g.per_row * g.width + 2 * ((g.per_row - 1) / smallest) > COLUMNS_MAX)
        g.per_row /= 2;
    return g;
}

static void draw_lead(const struct machine *m, const struct place *p, bool is_first,
                      struct cq_str *out)
{
    char numa[24] = "", memory[48] = "", a[24], b[24];
    uint64_t mib, used;
    if (is_first && p->numa != PLACE_NONE)
        (void)snprintf(numa, sizeof numa, "numa %" PRIu32, p->numa);
    if (is_first && memory_at(m->node, p->numa_at, &mib, &used))
        (void)snprintf(memory, sizeof memory, "%s/%s", format_size_mib(used, a, sizeof a),
                       format_size_mib(mib, b, sizeof b));
    cq_str_printf(out, "  %-8s %-13s%5" PRIu32 " ", numa, memory, p->core);
}

static bool is_next(const struct machine *m, const struct place *a, const struct place *b)
{
    return b->core == a->core + 1 && kind_of(m, a->core) == kind_of(m, b->core);
}

/* Cores of one kind with one number after the other, at most a row of them. Returns how many. */
static size_t draw_row(const struct machine *m, const struct grid *g, const struct place *row,
                       size_t n, struct cq_str *out)
{
    size_t i = 0;
    for (; i < n && i < g->per_row && (i == 0 || is_next(m, &row[i - 1], &row[i])); i++) {
        char text[24];
        (void)use_text(m, &row[i], text, sizeof text);
        cq_str_printf(out, "%s%*s", has_bar(&row[i], row) ? " |" : "", (int)g->width, text);
    }
    const char *kind = kind_of(m, row[0].core);
    cq_str_printf(out, "%s%s\n", *kind ? "  " : "", kind);
    return i;
}

static size_t draw_numa(const struct machine *m, const struct grid *g, const struct place *p,
                        size_t n, struct cq_str *out)
{
    size_t n_here = 1;
    while (n_here < n && same_numa(&p[n_here], p))
        n_here++;
    for (size_t i = 0; i < n_here;) {
        draw_lead(m, &p[i], i == 0, out);
        i += draw_row(m, g, &p[i], n_here - i, out);
    }
    return n_here;
}

static void draw_head(const struct node_row *n, struct cq_str *out)
{
    char used[24], all[24];
    cq_str_add_printable(out, n->name, strlen(n->name));
    cq_str_printf(out, ": %s, %" PRIu64 " of %" PRIu64 " cores and %s of %s used", n->state,
                  n->cores_used, n->cores, format_size_mib(n->mem_used_mib, used, sizeof used),
                  format_size_mib(n->mem_mib, all, sizeof all));
    if (n->offline && *n->offline)
        cq_str_printf(out, ", %s offline", n->offline);
    cq_str_add_char(out, '\n');
}

/* "nvidia:20b0@0000:3b:00.0 (numa 0)". */
static void gpu_text(const struct place_gpu *g, struct cq_str *out)
{
    cq_str_add_printable(out, g->name, strlen(g->name));
    if (g->near.numa != PLACE_NONE)
        cq_str_printf(out, "%s(numa %" PRIu32 ")", g->name[0] ? " " : "", g->near.numa);
}

static void draw_gpus(const struct machine *m, struct cq_str *out)
{
    for (size_t i = 0; i < m->places.n_gpus; i++) {
        cq_str_printf(out, "gpu %" PRIu32 "  ", m->places.gpus[i].gpu);
        gpu_text(&m->places.gpus[i], out);
        cq_str_add_char(out, '\n');
    }
}

static void draw_job(const struct machine *m, const struct use *u, struct cq_str *out)
{
    struct cq_str numa = {0};
    cq_str_add_printable(out, u->enterprise, strlen(u->enterprise));
    cq_str_printf(out, "/%" PRIu64, u->job);
    if (u->task)
        cq_str_printf(out, "[%" PRIu64 "]", u->task);
    cq_str_add(out, bitset_count(&u->cores) == 1 ? ": core " : ": cores ");
    bitset_format(&u->cores, out);
    places_numa(&m->places, &u->cores, &numa);
    if (numa.len)
        cq_str_printf(out, " (numa %s)", cq_str_text(&numa));
    cq_str_add_char(out, '\n');
    cq_str_fini(&numa);
}

void machine_draw(const struct node_row *node, struct cq_str *out)
{
    struct machine *m = machine_new(node);
    const struct grid g = grid_of(m);
    uint32_t package = PLACE_NONE;
    draw_head(node, out);
    if (m->places.n == 0)
        cq_str_add(out, "  it has not said where its cores lie\n");
    for (size_t i = 0; i < m->places.n;) {
        const struct place *p = &m->places.items[i];
        if (p->package != package && p->package != PLACE_NONE)
            cq_str_printf(out, "package %" PRIu32 "\n", p->package);
        package = p->package;
        i += draw_numa(m, &g, p, m->places.n - i, out);
    }
    draw_gpus(m, out);
    for (size_t i = 0; i < node->n_busy; i++)
        if (m->uses[i].job)
            draw_job(m, &m->uses[i], out);
    machine_free(m);
}

/* ---- data ---- */

static void set_count(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void set_number(json_t *o, const char *key, uint32_t value)
{
    json_object_set_new(o, key, value == PLACE_NONE ? json_null() : json_integer(value));
}

static json_t *place_json(const struct machine *m, const struct place *p)
{
    json_t *o = json_object();
    const struct use *u = m->by_core[p->core];
    set_number(o, "core", p->core);
    set_number(o, "package", p->package);
    set_number(o, "numa", p->numa);
    set_number(o, "l3", p->l3);
    if (m->has_kinds)
        json_object_set_new(o, "kind", json_string(kind_of(m, p->core)));
    json_object_set_new(o, "offline", json_boolean(bitset_has(&m->offline, p->core)));
    json_object_set_new(o, "use",
                        json_string(p->is_system ? "system"
                                    : u == NULL  ? "idle"
                                    : u->job     ? "job"
                                                 : "busy"));
    if (u && u->job) {
        json_object_set_new(o, "enterprise", json_text(u->enterprise));
        set_count(o, "job", u->job);
        set_count(o, "task", u->task);
    }
    return o;
}

static json_t *numa_json(const struct machine *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->places.n; i++) {
        const struct place *p = &m->places.items[i];
        uint64_t mib, used;
        if (p->numa_at != json_array_size(list) || !memory_at(m->node, p->numa_at, &mib, &used))
            continue;
        json_t *o = json_object();
        set_number(o, "numa", p->numa);
        set_count(o, "mem_mib", mib);
        set_count(o, "mem_used_mib", used);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *gpu_json(const struct place_gpu *g)
{
    json_t *o = json_object();
    set_number(o, "gpu", g->gpu);
    json_object_set_new(o, "name", json_text(g->name));
    set_number(o, "package", g->near.package);
    set_number(o, "numa", g->near.numa);
    return o;
}

json_t *machine_gpus(const char *topology)
{
    struct places places;
    json_t *list = json_array();
    if (!places_read(topology, &places))
        return list;
    for (size_t i = 0; i < places.n_gpus; i++) {
        struct cq_str text = {0};
        gpu_text(&places.gpus[i], &text);
        json_array_append_new(list, json_text(cq_str_text(&text)));
        cq_str_fini(&text);
    }
    places_fini(&places);
    return list;
}

json_t *machine_json(const struct node_row *node)
{
    struct machine *m = machine_new(node);
    json_t *o = json_object(), *places = json_array(), *gpus = json_array();
    json_object_set_new(o, "name", json_text(node->name));
    json_object_set_new(o, "state", json_text(node->state));
    set_count(o, "cores", node->cores);
    set_count(o, "cores_used", node->cores_used);
    set_count(o, "mem_mib", node->mem_mib);
    set_count(o, "mem_used_mib", node->mem_used_mib);
    json_object_set_new(o, "offline", json_text(node->offline ? node->offline : ""));
    for (size_t i = 0; i < m->places.n; i++)
        json_array_append_new(places, place_json(m, &m->places.items[i]));
    for (size_t i = 0; i < m->places.n_gpus; i++)
        json_array_append_new(gpus, gpu_json(&m->places.gpus[i]));
    json_object_set_new(o, "numa", numa_json(m));
    json_object_set_new(o, "gpus", gpus);
    json_object_set_new(o, "places", places);
    machine_free(m);
    return o;
}
