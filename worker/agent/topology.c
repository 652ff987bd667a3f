/* hwloc's tree as a compact text and a core set. */
#include "worker/agent/topology.h"
#include "common/base/pure/mem.h"
#include "worker/agent/memory.h"

#include <errno.h>
#include <hwloc.h>
#include <inttypes.h>
#include <unistd.h>

static int open_source(hwloc_topology_t hw, const char *source, struct cq_err *err)
{
    if (source == NULL)
        return 0;
    if (cq_str_starts(source, "synthetic:")) {
        if (hwloc_topology_set_synthetic(hw, source + strlen("synthetic:")) == 0)
            return 0;
        return cq_fail(err, CQ_E_INVALID,
                       "hwloc does not understand the topology '%s'; for example: "
                       "synthetic:package:2 [numa(memory=16GB)] l3:2 core:4 pu:1",
                       source);
    }
    if (hwloc_topology_set_xml(hw, source) == 0)
        return 0;
    return cq_fail_errno(err, CQ_E_INVALID, errno, "cannot read the topology from %s", source);
}

/* What this process may use: its affinity, within its cpuset. NULL when everything may be. */
static hwloc_cpuset_t allowed_set(hwloc_topology_t hw)
{
    hwloc_cpuset_t set = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(hw));
    hwloc_cpuset_t own = hwloc_bitmap_alloc();
    if (hwloc_topology_is_thissystem(hw) && hwloc_get_cpubind(hw, own, HWLOC_CPUBIND_PROCESS) == 0)
        hwloc_bitmap_and(set, set, own);
    hwloc_bitmap_free(own);
    return set;
}

static void copy_bits(hwloc_const_bitmap_t from, struct bitset *to)
{
    for (int i = hwloc_bitmap_first(from); i >= 0 && i < BITSET_MAX; i = hwloc_bitmap_next(from, i))
        bitset_set(to, (size_t)i);
}

static void copy_nodes(const struct hwloc_obj *core, hwloc_const_nodeset_t allowed,
                       struct bitset *to)
{
    hwloc_nodeset_t nodes = hwloc_bitmap_dup(core->nodeset);
    hwloc_bitmap_and(nodes, nodes, allowed);
    copy_bits(nodes, to);
    hwloc_bitmap_free(nodes);
}

static void choose_cores(hwloc_topology_t hw, uint64_t cores_max, struct topology *t)
{
    int n = hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_CORE);
    hwloc_cpuset_t allowed = allowed_set(hw);
    hwloc_const_nodeset_t allowed_nodes = hwloc_topology_get_allowed_nodeset(hw);
    uint64_t chosen = 0;
    t->n_places = n > 0 ? (size_t)n : 0;
    t->places = cq_calloc(t->n_places + 1, sizeof *t->places);
    for (int i = 0; i < n && i < BITSET_MAX; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(hw, HWLOC_OBJ_CORE, (unsigned)i);
        hwloc_cpuset_t usable = hwloc_bitmap_dup(core->cpuset);
        hwloc_bitmap_and(usable, usable, allowed);
        if (!hwloc_bitmap_iszero(usable) && (cores_max == 0 || chosen < cores_max)) {
            copy_bits(usable, &t->places[i].cpus);
            copy_nodes(core, allowed_nodes, &t->places[i].nodes);
            bitset_set(&t->cores, (size_t)i);
            chosen++;
        }
        hwloc_bitmap_free(usable);
    }
    hwloc_bitmap_free(allowed);
}

/* The levels that placement knows; others are passed through. */
static const char *level_name(const struct hwloc_obj *o)
{
    if (o->type == HWLOC_OBJ_PACKAGE)
        return "pkg";
    return o->type == HWLOC_OBJ_L3CACHE ? "l3" : NULL;
}

static bool has_usable_core(hwloc_topology_t hw, const struct topology *t, hwloc_const_cpuset_t set)
{
    for (size_t i = bitset_next(&t->cores, 0); i != SIZE_MAX; i = bitset_next(&t->cores, i + 1))
        if (hwloc_bitmap_intersects(hwloc_get_obj_by_type(hw, HWLOC_OBJ_CORE, (unsigned)i)->cpuset,
                                    set))
            return true;
    return false;
}

static void separate(struct cq_str *out)
{
    if (out->len && out->data[out->len - 1] != '(')
        cq_str_add_char(out, ' ');
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the machine has levels, some 16 at most */
static void add_object(hwloc_topology_t hw, const struct topology *t, hwloc_obj_t o,
                       struct cq_str *out)
{
    if (o->type == HWLOC_OBJ_CORE) {
        if (!bitset_has(&t->cores, o->logical_index))
            return;
        separate(out);
        cq_str_printf(out, "%u", o->logical_index);
        return;
    }
    if (!has_usable_core(hw, t, o->cpuset))
        return;
    const char *name = level_name(o);
    unsigned opened = 0;
    if (name) {
        separate(out);
        if (o->type == HWLOC_OBJ_PACKAGE)
            cq_str_printf(out, "%s%u(", name, o->logical_index);
        else
            cq_str_printf(out, "%s(", name);
        opened++;
    }
    if (o->memory_arity > 0) {
        hwloc_obj_t node = o->memory_first_child;
        while (node && node->type != HWLOC_OBJ_NUMANODE) /* a memory-side cache above it */
            node = node->memory_first_child;
        separate(out);
        cq_str_printf(out, "numa%u:%llu(", node ? node->logical_index : 0,
                      node ? (unsigned long long)(node->attr->numanode.local_memory >> 20) : 0ULL);
        opened++;
    }
    for (hwloc_obj_t child = o->first_child; child; child = child->next_sibling)
        add_object(hw, t, child, out);
    while (opened-- > 0)
        cq_str_add_char(out, ')');
}

/* ---- kinds of cores ---- */

enum { KINDS_MAX = 3 };

struct kinds {
    const char *said[KINDS_MAX]; /* by the system, the least efficient for speed first */
    uint64_t n_cores[KINDS_MAX];
    size_t n;
};

/* What the system says of a kind. Clock rates alone are no difference: servers have a core or two
 * that may go faster. */
static const char *kind_said(const struct hwloc_info_s *infos, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(infos[i].name, "CoreType") == 0 || strcmp(infos[i].name, "LinuxCapacity") == 0)
            return infos[i].value;
    return NULL;
}

static uint64_t offered_in(hwloc_topology_t hw, const struct topology *t, hwloc_const_cpuset_t set)
{
    uint64_t n = 0;
    for (size_t i = bitset_next(&t->cores, 0); i != SIZE_MAX; i = bitset_next(&t->cores, i + 1)) {
        hwloc_obj_t core = hwloc_get_obj_by_type(hw, HWLOC_OBJ_CORE, (unsigned)i);
        n += hwloc_bitmap_intersects(core->cpuset, set) != 0;
    }
    return n;
}

static bool add_kind(struct kinds *k, const char *said, uint64_t n_cores)
{
    size_t i = 0;
    while (i < k->n && strcmp(k->said[i], said) != 0)
        i++;
    if (i == KINDS_MAX)
        return false;
    k->n += i == k->n;
    k->said[i] = said;
    k->n_cores[i] += n_cores;
    return true;
}

/* hwloc has them in order of efficiency, where it knows one. */
static bool read_kinds(hwloc_topology_t hw, const struct topology *t, struct kinds *k)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    int n = hwloc_cpukinds_get_nr(hw, 0);
    bool ok = n > 1;
    for (int i = 0; i < n && ok; i++) {
        struct hwloc_info_s *infos;
        unsigned n_infos;
        int efficiency;
        ok = hwloc_cpukinds_get_info(hw, (unsigned)i, set, &efficiency, &n_infos, &infos, 0) == 0
             && efficiency >= 0;
        const char *said = ok ? kind_said(infos, n_infos) : NULL;
        ok = said && add_kind(k, said, offered_in(hw, t, set));
    }
    hwloc_bitmap_free(set);
    return ok && k->n > 1;
}

/* Fast ones first. NULL: they are all alike, or it is not known. */
static char *kinds_text(hwloc_topology_t hw, const struct topology *t)
{
    static const char *const names[KINDS_MAX] = {"efficiency", "middle", "performance"};
    struct kinds k = {.n = 0};
    struct cq_str out = {0};
    if (!read_kinds(hw, t, &k))
        return NULL;
    for (size_t i = k.n; i-- > 0;)
        cq_str_printf(&out, "%s%s:%" PRIu64, out.len ? "," : "",
                      i + 1 == k.n ? names[KINDS_MAX - 1] : names[i], k.n_cores[i]);
    return cq_str_take(&out);
}

/* ---- memory ---- */

/* Firmware's sizes of NUMA nodes, scaled so that their sum is what the kernel has: a node may lack
 * memory that was added later. Returns that sum. */
static uint64_t settle_memory(hwloc_topology_t hw)
{
    uint64_t total = hwloc_get_root_obj(hw)->total_memory;
    uint64_t kernel = hwloc_topology_is_thissystem(hw) ? memory_total_bytes() : 0;
    if (kernel == 0 || total == 0)
        return kernel ? kernel : total;
    for (hwloc_obj_t node = NULL;
         (node = hwloc_get_next_obj_by_type(hw, HWLOC_OBJ_NUMANODE, node));)
        node->attr->numanode.local_memory =
            (hwloc_uint64_t)((double)node->attr->numanode.local_memory / (double)total
                             * (double)kernel);
    return kernel;
}

static uint64_t default_memory_mib(hwloc_topology_t hw, uint64_t total)
{
    bool is_real = hwloc_topology_is_thissystem(hw) != 0;
    return memory_offer_mib(total, is_real ? memory_group_limit_bytes() : MEMORY_NO_LIMIT);
}

int topology_load(const struct topology_options *o, struct topology *out, struct cq_err *err)
{
    hwloc_topology_t hw;
    struct topology t = {0};
    struct cq_str text = {0};
    if (hwloc_topology_init(&hw) != 0)
        return cq_fail(err, CQ_E_INTERNAL, "hwloc cannot be initialised");
    hwloc_topology_set_flags(hw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (open_source(hw, o->source, err) != 0 || hwloc_topology_load(hw) != 0) {
        hwloc_topology_destroy(hw);
        return o->source && err && err->code
                   ? -1
                   : cq_fail(err, CQ_E_INVALID, "cannot load the topology");
    }
    t.is_real = hwloc_topology_is_thissystem(hw) != 0;
    choose_cores(hw, o->cores_max, &t);
    uint64_t memory = settle_memory(hw);
    add_object(hw, &t, hwloc_get_root_obj(hw), &text);
    t.text = text.data ? cq_str_take(&text) : cq_strdup("");
    t.kinds = kinds_text(hw, &t);
    t.mem_mib = o->mem_mib ? o->mem_mib : default_memory_mib(hw, memory);
    hwloc_topology_destroy(hw);
    if (bitset_count(&t.cores) == 0) {
        topology_fini(&t);
        return cq_fail(err, CQ_E_IMPOSSIBLE, "this worker may not use any core");
    }
    *out = t;
    return 0;
}

void topology_fini(struct topology *t)
{
    bitset_fini(&t->cores);
    free(t->text);
    free(t->kinds);
    for (size_t i = 0; i < t->n_places; i++) {
        bitset_fini(&t->places[i].cpus);
        bitset_fini(&t->places[i].nodes);
    }
    free(t->places);
    *t = (struct topology){0};
}

static void add_first(struct bitset *to, const struct bitset *from, uint64_t most)
{
    uint64_t n = 0;
    for (size_t i = bitset_next(from, 0); i != SIZE_MAX && (most == 0 || n < most);
         i = bitset_next(from, i + 1), n++)
        bitset_set(to, i);
}

void topology_cpus(const struct topology *t, const struct bitset *cores, uint64_t smt,
                   struct cq_str *out)
{
    struct bitset cpus = {0};
    for (size_t i = bitset_next(cores, 0); t->is_real && i != SIZE_MAX && i < t->n_places;
         i = bitset_next(cores, i + 1))
        add_first(&cpus, &t->places[i].cpus, smt);
    bitset_format(&cpus, out);
    bitset_fini(&cpus);
}

void topology_mems(const struct topology *t, const struct bitset *cores, struct cq_str *out)
{
    struct bitset nodes = {0};
    for (size_t i = bitset_next(cores, 0); t->is_real && i != SIZE_MAX && i < t->n_places;
         i = bitset_next(cores, i + 1))
        bitset_or(&nodes, &t->places[i].nodes);
    bitset_format(&nodes, out);
    bitset_fini(&nodes);
}
