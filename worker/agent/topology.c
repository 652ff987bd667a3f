/* hwloc's tree as a compact text and a core set. */
#include "worker/agent/topology.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/agent/gpus.h"
#include "worker/agent/memory.h"

#include <errno.h>
#include <hwloc.h>
#include <inttypes.h>
#include <unistd.h>

enum { STATUS_MAX = 65536 };

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

/* What the kernel would let this process run on, offline processors too. Read once, before hwloc
 * looks around: it goes from processor to processor and comes back to those alone that are online;
 * and when the last of them goes offline the kernel lets a process run anywhere. */
static hwloc_bitmap_t read_affinity(void)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    static const char key[] = "\nCpus_allowed_list:";
    hwloc_bitmap_t set = hwloc_bitmap_alloc_full();
    if (file_read("/proc/self/status", STATUS_MAX, &text, NULL) != 0)
        return set;
    char *at = text.data ? strstr(text.data, key) : NULL;
    if (at == NULL)
        return set;
    at += strlen(key);
    at += strspn(at, " \t");
    at[strcspn(at, "\n")] = '\0';
    if (hwloc_bitmap_list_sscanf(set, at) != 0)
        hwloc_bitmap_fill(set);
    return set;
}

static void restore_affinity(hwloc_topology_t hw, hwloc_const_bitmap_t affinity)
{
    hwloc_bitmap_t set = hwloc_bitmap_dup(hwloc_topology_get_complete_cpuset(hw));
    hwloc_bitmap_and(set, set, affinity);
    (void)hwloc_set_cpubind(hw, set, HWLOC_CPUBIND_PROCESS);
    hwloc_bitmap_free(set);
}

static void copy_bits(hwloc_const_bitmap_t from, struct bitset *to)
{
    for (int i = hwloc_bitmap_first(from); i >= 0 && i < BITSET_MAX; i = hwloc_bitmap_next(from, i))
        bitset_set(to, (size_t)i);
}

static void copy_common(hwloc_const_bitmap_t a, hwloc_const_bitmap_t b, struct bitset *to)
{
    hwloc_bitmap_t both = hwloc_bitmap_dup(a);
    hwloc_bitmap_and(both, both, b);
    copy_bits(both, to);
    hwloc_bitmap_free(both);
}

/* ---- numbers ---- */

/* The cores that hwloc lists, in its order, and their numbers. */
struct seen {
    hwloc_topology_t hw;
    size_t *numbers; /* SIZE_MAX: beyond what can be named */
    unsigned n;
    struct bitset all;
    struct gpus gpus;
};

static hwloc_obj_t core_at(const struct seen *s, unsigned i)
{
    return hwloc_get_obj_by_type(s->hw, HWLOC_OBJ_CORE, i);
}

static void seen_init(struct seen *s, hwloc_topology_t hw, struct core_numbers *numbers)
{
    int n = hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_CORE);
    *s = (struct seen){.hw = hw, .n = n > 0 ? (unsigned)n : 0};
    s->numbers = cq_calloc(s->n + 1, sizeof *s->numbers);
    for (unsigned i = 0; i < s->n; i++) {
        struct bitset cpus CQ_CLEANUP(bitset_fini) = {0};
        copy_bits(core_at(s, i)->cpuset, &cpus);
        s->numbers[i] = bitset_count(&cpus) ? numbers_of(numbers, &cpus) : SIZE_MAX;
        if (s->numbers[i] != SIZE_MAX)
            bitset_set(&s->all, s->numbers[i]);
    }
    gpus_find(hw, &s->gpus);
}

static void seen_fini(struct seen *s)
{
    free(s->numbers);
    bitset_fini(&s->all);
}

/* ---- what is offered ---- */

static void forget_places(struct topology *t)
{
    for (size_t i = 0; i < t->n_places; i++) {
        bitset_fini(&t->places[i].cpus);
        bitset_fini(&t->places[i].nodes);
    }
    free(t->places);
    t->places = NULL;
    t->n_places = 0;
}

/* Cores that are online and may be used, with the threads of them for which both is so. */
static void find_usable(const struct seen *s, struct topology *t, struct bitset *usable)
{
    hwloc_const_nodeset_t nodes = hwloc_topology_get_allowed_nodeset(s->hw);
    hwloc_cpuset_t allowed = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(s->hw));
    if (t->affinity)
        hwloc_bitmap_and(allowed, allowed, t->affinity);
    forget_places(t);
    t->n_places = t->numbers.n;
    t->places = cq_calloc(t->n_places + 1, sizeof *t->places);
    for (unsigned i = 0; i < s->n; i++) {
        hwloc_obj_t core = core_at(s, i);
        if (s->numbers[i] == SIZE_MAX || !hwloc_bitmap_intersects(core->cpuset, allowed))
            continue;
        struct core_place *place = &t->places[s->numbers[i]];
        copy_common(core->cpuset, allowed, &place->cpus);
        copy_common(core->nodeset, nodes, &place->nodes);
        bitset_set(usable, s->numbers[i]);
    }
    hwloc_bitmap_free(allowed);
}

/* Cores that hwloc does not list, because all their threads are offline. */
static void find_offline(const struct seen *s, const struct topology *t, struct bitset *offline)
{
    struct bitset cpus CQ_CLEANUP(bitset_fini) = {0};
    hwloc_bitmap_t set = hwloc_bitmap_dup(hwloc_topology_get_complete_cpuset(s->hw));
    hwloc_bitmap_andnot(set, set, hwloc_topology_get_topology_cpuset(s->hw));
    if (t->affinity)
        hwloc_bitmap_and(set, set, t->affinity);
    copy_bits(set, &cpus);
    hwloc_bitmap_free(set);
    for (size_t i = 0; i < t->numbers.n; i++)
        if (!bitset_has(&s->all, i) && bitset_intersects(&t->numbers.cpus[i], &cpus))
            bitset_set(offline, i);
}

/* The lowest, so many of them; once chosen they stay, online or not. */
static void choose(const struct bitset *from, uint64_t cores_max, struct bitset *to)
{
    uint64_t n = bitset_count(to);
    for (size_t i = bitset_next(from, 0); i != SIZE_MAX && (cores_max == 0 || n < cores_max);
         i = bitset_next(from, i + 1)) {
        n += !bitset_has(to, i);
        bitset_set(to, i);
    }
}

static void offer(const struct seen *s, const struct topology_options *o, struct topology *t)
{
    struct bitset usable CQ_CLEANUP(bitset_fini) = {0}, could CQ_CLEANUP(bitset_fini) = {0};
    find_usable(s, t, &usable);
    bitset_copy(&could, &usable);
    find_offline(s, t, &could);
    bitset_and_not(&could, &o->system);
    choose(&could, o->cores_max, &t->chosen);
    bitset_copy(&t->cores, &t->chosen);
    bitset_and(&t->cores, &usable);
    for (size_t i = 0; i < t->n_places; i++)
        if (!bitset_has(&t->cores, i)) {
            bitset_fini(&t->places[i].cpus);
            bitset_fini(&t->places[i].nodes);
        }
}

/* ---- the compact form ---- */

/* The levels that placement knows; others are passed through. */
static const char *level_name(const struct hwloc_obj *o)
{
    if (o->type == HWLOC_OBJ_PACKAGE)
        return "pkg";
    return o->type == HWLOC_OBJ_L3CACHE ? "l3" : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the machine has levels, some 16 at most */
static void add_object(const struct seen *s, hwloc_obj_t o, struct cq_str *out)
{
    if (o->type == HWLOC_OBJ_CORE) {
        if (s->numbers[o->logical_index] != SIZE_MAX) {
            numbers_separate(out);
            cq_str_printf(out, "%zu", s->numbers[o->logical_index]);
        }
        gpus_add_near(&s->gpus, o, out);
        return;
    }
    const char *name = level_name(o);
    unsigned opened = 0;
    if (name) {
        numbers_separate(out);
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
        numbers_separate(out);
        cq_str_printf(out, "numa%u:%llu(", node ? node->logical_index : 0,
                      node ? (unsigned long long)(node->attr->numanode.local_memory >> 20) : 0ULL);
        opened++;
    }
    for (hwloc_obj_t child = o->first_child; child; child = child->next_sibling)
        add_object(s, child, out);
    gpus_add_near(&s->gpus, o, out);
    while (opened-- > 0)
        cq_str_add_char(out, ')');
}

/* A core that is seen for the first time makes the form anew; else it stays, also where a whole
 * package is offline and hwloc counts the others differently. */
static void tell_places(const struct seen *s, const struct bitset *system, struct topology *t)
{
    struct bitset news CQ_CLEANUP(bitset_fini) = {0};
    bitset_copy(&news, &s->all);
    bitset_and_not(&news, &t->numbers.placed);
    if (bitset_count(&news) > 0) {
        struct cq_str text = {0};
        add_object(s, hwloc_get_root_obj(s->hw), &text);
        numbers_place(&t->numbers, cq_str_take(&text), &s->all);
    }
    free(t->text);
    t->text = numbers_text(&t->numbers, &t->chosen, system);
}

/* ---- kinds of cores ---- */

enum { KINDS_MAX = 3 };

struct kinds {
    const char *said[KINDS_MAX]; /* by the system, the least efficient for speed first */
    struct bitset cores[KINDS_MAX], offered[KINDS_MAX];
    size_t n;
};

static void kinds_fini(struct kinds *k)
{
    for (size_t i = 0; i < KINDS_MAX; i++) {
        bitset_fini(&k->cores[i]);
        bitset_fini(&k->offered[i]);
    }
}

/* What the system says of a kind. Clock rates alone are no difference: servers have a core or two
 * that may go faster. */
static const char *kind_said(const struct hwloc_info_s *infos, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(infos[i].name, "CoreType") == 0 || strcmp(infos[i].name, "LinuxCapacity") == 0)
            return infos[i].value;
    return NULL;
}

static void add_kind_cores(const struct seen *s, const struct topology *t, hwloc_const_cpuset_t set,
                           struct bitset *cores, struct bitset *offered)
{
    for (unsigned i = 0; i < s->n; i++) {
        size_t number = s->numbers[i];
        if (number == SIZE_MAX || !hwloc_bitmap_intersects(core_at(s, i)->cpuset, set))
            continue;
        bitset_set(cores, number);
        if (bitset_has(&t->cores, number))
            bitset_set(offered, number);
    }
}

static bool add_kind(struct kinds *k, const struct seen *s, const struct topology *t,
                     const char *said, hwloc_const_cpuset_t set)
{
    size_t i = 0;
    while (i < k->n && strcmp(k->said[i], said) != 0)
        i++;
    if (i == KINDS_MAX)
        return false;
    k->n += i == k->n;
    k->said[i] = said;
    add_kind_cores(s, t, set, &k->cores[i], &k->offered[i]);
    return true;
}

/* hwloc has them in order of efficiency, where it knows one. */
static bool read_kinds(const struct seen *s, const struct topology *t, struct kinds *k)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    int n = hwloc_cpukinds_get_nr(s->hw, 0);
    bool ok = n > 1;
    for (int i = 0; i < n && ok; i++) {
        struct hwloc_info_s *infos;
        unsigned n_infos;
        int efficiency;
        ok = hwloc_cpukinds_get_info(s->hw, (unsigned)i, set, &efficiency, &n_infos, &infos, 0) == 0
             && efficiency >= 0;
        const char *said = ok ? kind_said(infos, n_infos) : NULL;
        ok = said && add_kind(k, s, t, said, set);
    }
    hwloc_bitmap_free(set);
    return ok && k->n > 1;
}

/* Fast ones first. Nothing: they are all alike, or it is not known. */
static void tell_kinds(const struct seen *s, struct topology *t)
{
    static const char *const names[KINDS_MAX] = {"efficiency", "middle", "performance"};
    struct kinds k CQ_CLEANUP(kinds_fini) = {.n = 0};
    struct cq_str counts = {0}, cores = {0};
    if (!read_kinds(s, t, &k))
        return;
    for (size_t i = k.n; i-- > 0;) {
        const char *name = i + 1 == k.n ? names[KINDS_MAX - 1] : names[i];
        cq_str_printf(&counts, "%s%s:%zu", counts.len ? "," : "", name,
                      (size_t)bitset_count(&k.offered[i]));
        cq_str_printf(&cores, "%s%s-cores=", cores.len ? "\n" : "", name);
        bitset_format(&k.cores[i], &cores);
    }
    t->kinds = cq_str_take(&counts);
    t->kind_cores = cq_str_take(&cores);
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

/* What jobs may use when nobody says; with a reserve that somebody says. 0: that is all there is.
 */
static uint64_t default_memory_mib(hwloc_topology_t hw, uint64_t total, uint64_t reserve_mib)
{
    bool is_real = hwloc_topology_is_thissystem(hw) != 0;
    uint64_t limit = is_real ? memory_group_limit_bytes() : MEMORY_NO_LIMIT;
    return reserve_mib ? memory_left_mib(total, limit, reserve_mib)
                       : memory_offer_mib(total, limit);
}

/* ---- the whole ---- */

static int open_machine(const char *source, hwloc_const_bitmap_t affinity, hwloc_topology_t *out,
                        struct cq_err *err)
{
    hwloc_topology_t hw;
    if (hwloc_topology_init(&hw) != 0)
        return cq_fail(err, CQ_E_INTERNAL, "hwloc cannot be initialised");
    hwloc_topology_set_flags(hw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    gpus_want(hw);
    int failed = open_source(hw, source, err);
    if (failed == 0 && hwloc_topology_load(hw) != 0)
        failed = cq_fail(err, CQ_E_INVALID, "cannot load the topology");
    if (failed) {
        hwloc_topology_destroy(hw);
        return -1;
    }
    if (affinity)
        restore_affinity(hw, affinity);
    *out = hw;
    return 0;
}

static void keep_numbers(const struct topology_options *o, struct topology *t)
{
    struct cq_err err;
    if (o->numbers_path && t->numbers.is_changed
        && numbers_write(&t->numbers, o->numbers_path, &err) != 0)
        log_warn("topology.numbers error=\"%s\"", err.text);
}

static int check_offer(const struct topology_options *o, const struct topology *t,
                       struct cq_err *err)
{
    struct bitset strange CQ_CLEANUP(bitset_fini) = {0};
    bitset_copy(&strange, &o->system);
    for (size_t i = 0; i < t->numbers.n; i++)
        bitset_clear(&strange, i);
    if (bitset_count(&strange) > 0)
        return cq_fail(err, CQ_E_INVALID,
                       "--system-cores names core %zu; this machine has 0 to %zu (chipq nodes "
                       "--topology shows them)",
                       bitset_next(&strange, 0), t->numbers.n - 1);
    if (bitset_count(&t->chosen) == 0 && bitset_count(&o->system) > 0)
        return cq_fail(err, CQ_E_IMPOSSIBLE,
                       "--system-cores leaves no core for jobs; this worker may use no other");
    if (bitset_count(&t->chosen) == 0)
        return cq_fail(err, CQ_E_IMPOSSIBLE, "this worker may not use any core");
    if (t->mem_mib == 0)
        return cq_fail(err, CQ_E_IMPOSSIBLE, "--system-mem leaves no memory for jobs");
    return 0;
}

int topology_load(const struct topology_options *o, struct topology *out, struct cq_err *err)
{
    hwloc_topology_t hw = NULL;
    struct seen seen;
    struct topology t = {0};
    struct cq_str gpus = {0};
    t.affinity = o->source ? NULL : read_affinity();
    if (open_machine(o->source, t.affinity, &hw, err) != 0) {
        topology_fini(&t);
        return -1;
    }
    t.is_real = hwloc_topology_is_thissystem(hw) != 0;
    if (o->numbers_path)
        (void)numbers_read(&t.numbers, o->numbers_path);
    seen_init(&seen, hw, &t.numbers);
    offer(&seen, o, &t);
    uint64_t memory = settle_memory(hw);
    tell_places(&seen, &o->system, &t);
    tell_kinds(&seen, &t);
    gpus_add_features(&seen.gpus, &gpus);
    t.gpus = gpus.data ? cq_str_take(&gpus) : NULL;
    t.mem_mib = o->mem_mib ? o->mem_mib : default_memory_mib(hw, memory, o->system_mem_mib);
    seen_fini(&seen);
    hwloc_topology_destroy(hw);
    if (check_offer(o, &t, err) != 0) {
        topology_fini(&t);
        return -1;
    }
    keep_numbers(o, &t);
    *out = t;
    return 0;
}

int topology_renew(const struct topology_options *o, struct topology *t, struct cq_err *err)
{
    hwloc_topology_t hw = NULL;
    struct seen seen;
    if (open_machine(o->source, t->affinity, &hw, err) != 0)
        return -1;
    seen_init(&seen, hw, &t->numbers);
    offer(&seen, o, t);
    (void)settle_memory(hw);
    tell_places(&seen, &o->system, t);
    seen_fini(&seen);
    hwloc_topology_destroy(hw);
    keep_numbers(o, t);
    return 0;
}

void topology_fini(struct topology *t)
{
    bitset_fini(&t->cores);
    bitset_fini(&t->chosen);
    free(t->text);
    free(t->kinds);
    free(t->kind_cores);
    free(t->gpus);
    forget_places(t);
    hwloc_bitmap_free(t->affinity);
    numbers_fini(&t->numbers);
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
