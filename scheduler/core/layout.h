/* The inside of a machine: groups of cores that share a cache, memory domains (NUMA nodes) and
 * sockets; and which free cores suit a request best. Pure. docs/POLICY.md, "Placement", says the
 * rule in words. */
#ifndef CHIPQ_LAYOUT_H
#define CHIPQ_LAYOUT_H

#include "common/base/pure/bitset.h"

/* From the inside out; a core is its own, and a machine has one node. */
enum layout_level { LEVEL_CORE, LEVEL_L3, LEVEL_NUMA, LEVEL_SOCKET, LEVEL_NODE, LEVELS };
enum { LAYOUT_UNITS_MAX = 256 }; /* of one level */

struct layout_unit {
    struct bitset cores;
    uint64_t n_cores; /* 0: a NUMA node whose cores are offline, all of them */
    bool has_offline; /* of a NUMA node: cores that are not offered now; else false */
    unsigned socket;  /* its index; of a unit that lies in several, the first */
    uint64_t mem_mib; /* of a NUMA node; else 0 */
};

struct layout {
    struct layout_unit *units[LEVELS]; /* of L3, NUMA and SOCKET; the others have none */
    size_t n[LEVELS];
};

/* Reads the compact form (docs/WORKER.md) for those cores; `mem_mib` is shared among the NUMA nodes
 * in proportion to what it says. What it does not mention is one unit. Cores that only the form has
 * are offline: they are nobody's, but their NUMA node keeps its memory. CQ_E_PROTOCOL: what is
 * wrong and where. Caller calls fini. */
int layout_parse(const char *text, const struct bitset *cores, uint64_t mem_mib, struct layout *out,
                 struct cq_err *err) CQ_MUST_CHECK;
void layout_fini(struct layout *l); /* accepts zeroed memory */

/* One unit on each level. */
bool layout_is_flat(const struct layout *l);

/* What its NUMA nodes have in all, one number for each: LAYOUT_UNITS_MAX is enough room. */
void layout_all_memory(const struct layout *l, uint64_t *mem_mib);

/* ---- wishes ---- */

/* Of the nodes of its cores first, of all alike, of whichever has most. */
enum layout_memory { MEMORY_LOCAL, MEMORY_INTERLEAVE, MEMORY_ANY };

enum layout_way { WAY_PACK, WAY_SPREAD, WAY_ANY };

struct layout_wish {
    enum layout_way way;
    enum layout_level level;
    /* Packed: rather none than more units than it needs, whole ones and a rest, with its local
     * memory. Spread: rather none than uneven. Of WAY_ANY, cores and machines it asks nothing. */
    bool is_strict;
    bool is_whole; /* untouched units of the level, all of them: nobody else is there */
    enum layout_memory memory;
    uint64_t cores, mem_mib;
};

/* "pack|spread|any[:core|l3|numa|socket|node][!]"; "" is pack:numa. False: it is not that. */
bool layout_read_wish(const char *topo, struct layout_wish *out);
/* "pack:numa!": as it would be asked. Writes at most `size` bytes and returns buf. */
const char *layout_wish_text(const struct layout_wish *wish, char *buf, size_t size);

/* ---- what suits ---- */

/* How well it would be placed: the lesser is better. */
struct layout_rank {
    bool is_split;      /* over more units than it needs */
    uint64_t left_over; /* free cores beside it in its unit, and in untouched units beside it */
    bool is_untouched;  /* its unit was: one in use would be better */
};
bool layout_rank_before(const struct layout_rank *a, const struct layout_rank *b);

/* Which of the free cores (`free_cores`), and of which NUMA nodes the memory: mem_free has one
 * number for each, mem_taken (may be NULL) gets one for each. Of the nodes of its cores as far as
 * they have it. False: there is not enough, or only split and it is strict. `cores` may be NULL;
 * else it is set and the caller's. */
bool layout_choose(const struct layout *l, const struct bitset *free_cores,
                   const uint64_t *mem_free, const struct layout_wish *wish,
                   struct layout_rank *rank, struct bitset *cores, uint64_t *mem_taken);

/* So much memory beside those cores, as much of it as there is. */
void layout_take_memory(const struct layout *l, const struct bitset *cores,
                        const uint64_t *mem_free, uint64_t mem_mib, uint64_t *taken);

#endif
