/* The compact form of a machine, read into units. */
#include "scheduler/core/layout.h"

#include <ctype.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"

enum { DEPTH_MAX = 16, NONE = LAYOUT_UNITS_MAX };

struct reading {
    const char *text, *at;
    const struct bitset *cores;
    struct layout *layout;
    struct bitset seen;
    unsigned now[LEVELS]; /* the unit that is open on each level, or NONE */
    unsigned depth;
};

static int fail(const struct reading *r, const char *what, struct cq_err *err)
{
    return cq_fail(err, CQ_E_PROTOCOL, "topology, character %zu: %s", (size_t)(r->at - r->text) + 1,
                   what);
}

static int open_unit(struct reading *r, enum layout_level level, uint64_t mem_mib,
                     struct cq_err *err)
{
    struct layout *l = r->layout;
    if (l->n[level] == LAYOUT_UNITS_MAX)
        return fail(r, "more than 256 of a kind", err);
    l->units[level] = cq_realloc(l->units[level], l->n[level] + 1, sizeof(struct layout_unit));
    r->now[level] = (unsigned)l->n[level]++;
    l->units[level][r->now[level]] = (struct layout_unit){.mem_mib = mem_mib, .socket = NONE};
    return 0;
}

static int add_core(struct reading *r, uint64_t core, struct cq_err *err)
{
    if (core >= BITSET_MAX || bitset_has(&r->seen, core))
        return fail(r, core >= BITSET_MAX ? "no such core" : "a core that is there twice", err);
    bitset_set(&r->seen, core);
    if (r->now[LEVEL_NUMA] != NONE)
        r->layout->units[LEVEL_NUMA][r->now[LEVEL_NUMA]].has_offline |= !bitset_has(r->cores, core);
    if (!bitset_has(r->cores, core))
        return 0;
    for (enum layout_level level = LEVEL_L3; level <= LEVEL_SOCKET; level++) {
        if (r->now[level] == NONE)
            continue;
        struct layout_unit *u = &r->layout->units[level][r->now[level]];
        bitset_set(&u->cores, core);
        u->n_cores++;
    }
    return 0;
}

static uint64_t number(struct reading *r)
{
    uint64_t n = 0;
    for (; isdigit((unsigned char)*r->at); r->at++)
        n = n < UINT32_MAX ? n * 10 + (uint64_t)(*r->at - '0') : n;
    return n;
}

static bool takes_word(struct reading *r, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* A core that is kept for the system is nobody's, and for showing only. */
static int skip_system(struct reading *r, struct cq_err *err)
{
    bool has_number = isdigit((unsigned char)*r->at);
    uint64_t core = number(r);
    if (!has_number || core >= BITSET_MAX || bitset_has(&r->seen, core))
        return fail(r, "expected another core after sys", err);
    bitset_set(&r->seen, core);
    return 0;
}

static int read_items(struct reading *r, struct cq_err *err);

/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep */
static int read_unit(struct reading *r, enum layout_level level, uint64_t mem_mib,
                     struct cq_err *err)
{
    unsigned outer = r->now[level];
    if (*r->at++ != '(' || ++r->depth > DEPTH_MAX)
        return fail(r, "expected '(', at most 16 deep", err);
    if (open_unit(r, level, mem_mib, err) != 0 || read_items(r, err) != 0)
        return -1;
    if (*r->at++ != ')')
        return fail(r, "expected ')'", err);
    r->now[level] = outer;
    r->depth--;
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep */
static int read_item(struct reading *r, struct cq_err *err)
{
    if (isdigit((unsigned char)*r->at))
        return add_core(r, number(r), err);
    if (takes_word(r, "gpu")) {
        r->at += strcspn(r->at, " ()"); /* for showing only */
        return 0;
    }
    if (takes_word(r, "sys"))
        return skip_system(r, err);
    if (takes_word(r, "l3"))
        return read_unit(r, LEVEL_L3, 0, err);
    if (takes_word(r, "pkg")) {
        (void)number(r);
        return read_unit(r, LEVEL_SOCKET, 0, err);
    }
    if (!takes_word(r, "numa"))
        return fail(r, "expected a core, pkg, numa, l3, gpu or sys", err);
    (void)number(r);
    if (*r->at++ != ':')
        return fail(r, "expected ':' and the memory in MiB", err);
    uint64_t mem_mib = number(r);
    return read_unit(r, LEVEL_NUMA, mem_mib, err);
}

/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep */
static int read_items(struct reading *r, struct cq_err *err)
{
    while (*r->at && *r->at != ')') {
        if (read_item(r, err) != 0)
            return -1;
        while (*r->at == ' ')
            r->at++;
    }
    return 0;
}

/* ---- what the text leaves out ---- */

static void unit_fini(struct layout_unit *u)
{
    bitset_fini(&u->cores);
}

/* Units without a core that is offered hold nobody; of a NUMA node the memory stays. */
static void drop_empty(struct layout *l, enum layout_level level)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n[level]; i++) {
        struct layout_unit *u = &l->units[level][i];
        if (u->n_cores > 0 || u->has_offline)
            l->units[level][kept++] = *u;
        else
            unit_fini(u);
    }
    l->n[level] = kept;
}

/* Cores that are in no unit of the level are one together. */
static int add_rest(struct reading *r, enum layout_level level, struct cq_err *err)
{
    struct layout *l = r->layout;
    struct bitset rest = {0};
    bitset_copy(&rest, r->cores);
    for (size_t i = 0; i < l->n[level]; i++)
        bitset_and_not(&rest, &l->units[level][i].cores);
    size_t n = bitset_count(&rest);
    int rc = n > 0 ? open_unit(r, level, 0, err) : 0;
    if (n > 0 && rc == 0) {
        struct layout_unit *u = &l->units[level][l->n[level] - 1];
        u->cores = rest;
        u->n_cores = n;
    } else {
        bitset_fini(&rest);
    }
    return rc;
}

static void set_sockets(struct layout *l)
{
    for (enum layout_level level = LEVEL_L3; level <= LEVEL_SOCKET; level++)
        for (size_t i = 0; i < l->n[level]; i++)
            for (size_t s = l->n[LEVEL_SOCKET]; s-- > 0;)
                if (bitset_intersects(&l->units[level][i].cores, &l->units[LEVEL_SOCKET][s].cores))
                    l->units[level][i].socket = (unsigned)s;
}

/* What jobs may use, in proportion to what the nodes have; what rounding leaves goes to the first.
 */
static void share_memory(struct layout *l, uint64_t mem_mib)
{
    uint64_t sum = 0, given = 0;
    struct layout_unit *nodes = l->units[LEVEL_NUMA];
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++)
        sum += nodes[i].mem_mib;
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++) {
        double part = sum > 0 ? (double)nodes[i].mem_mib / (double)sum : i == 0;
        nodes[i].mem_mib = (uint64_t)(part * (double)mem_mib);
        given += nodes[i].mem_mib;
    }
    if (l->n[LEVEL_NUMA] > 0)
        nodes[0].mem_mib += mem_mib - given;
}

int layout_parse(const char *text, const struct bitset *cores, uint64_t mem_mib, struct layout *out,
                 struct cq_err *err)
{
    *out = (struct layout){0};
    struct reading r = {.text = text, .at = text, .cores = cores, .layout = out};
    for (enum layout_level level = LEVEL_CORE; level < LEVELS; level++)
        r.now[level] = NONE;
    int rc = read_items(&r, err);
    if (rc == 0 && *r.at)
        rc = fail(&r, "')' without '('", err);
    for (enum layout_level level = LEVEL_L3; level <= LEVEL_SOCKET && rc == 0; level++) {
        drop_empty(out, level);
        rc = add_rest(&r, level, err);
    }
    bitset_fini(&r.seen);
    if (rc != 0) {
        layout_fini(out);
        return -1;
    }
    set_sockets(out);
    share_memory(out, mem_mib);
    return 0;
}

void layout_fini(struct layout *l)
{
    for (enum layout_level level = LEVEL_CORE; level < LEVELS; level++) {
        for (size_t i = 0; i < l->n[level]; i++)
            unit_fini(&l->units[level][i]);
        free(l->units[level]);
    }
    *l = (struct layout){0};
}

bool layout_is_flat(const struct layout *l)
{
    return l->n[LEVEL_L3] <= 1 && l->n[LEVEL_NUMA] <= 1 && l->n[LEVEL_SOCKET] <= 1;
}

void layout_all_memory(const struct layout *l, uint64_t *mem_mib)
{
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++)
        mem_mib[i] = l->units[LEVEL_NUMA][i].mem_mib;
}

/* ---- wishes ---- */

static const char *const level_names[LEVELS] = {"core", "l3", "numa", "socket", "node"};
static const char *const way_names[] = {"pack", "spread", "any"};

const char *layout_wish_text(const struct layout_wish *wish, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s:%s%s", way_names[wish->way], level_names[wish->level],
                   wish->is_strict ? "!" : "");
    return buf;
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

bool layout_read_wish(const char *topo, struct layout_wish *out)
{
    size_t n = strlen(topo);
    struct layout_wish wish = {.way = WAY_PACK, .level = LEVEL_NUMA};
    if (n > 0 && topo[n - 1] == '!') {
        wish.is_strict = true;
        n--;
    }
    const char *colon = memchr(topo, ':', n);
    size_t n_way = colon ? (size_t)(colon - topo) : n;
    size_t way = 0, level = 0;
    while (way < CQ_COUNT(way_names) && !is_word(topo, n_way, way_names[way]))
        way++;
    while (colon && level < LEVELS && !is_word(colon + 1, n - n_way - 1, level_names[level]))
        level++;
    if (*topo && (way == CQ_COUNT(way_names) || level == LEVELS))
        return false;
    wish.way = *topo ? (enum layout_way)way : WAY_PACK;
    wish.level = colon ? (enum layout_level)level : LEVEL_NUMA;
    wish.cores = out->cores;
    wish.mem_mib = out->mem_mib;
    *out = wish;
    return true;
}
