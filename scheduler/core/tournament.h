/* A kinetic tournament: which of many lines m*A + b is lowest at A, while A only grows. Lines
 * change now and then; asking costs nothing while no two lines have crossed (Basch, Guibas,
 * Hershberger, Data structures for mobile data, SODA 1997).
 *
 * Used for the children of a share node: m and b are usage terms divided by the weight, A is the
 * clock of the half-life, and the lowest is served next.
 *
 * Promise: tournament_top is the item that a scan of all lines would find by comparing the doubles
 * `m * A + b` and, where these are equal, the ids; the smaller wins both. Rounding is part of it:
 * near a crossing, where the computed order may go to and fro, the tournament looks again each
 * time.
 *
 * Items are borrowed pointers, ids are all different, m, b and A are finite, A >= 0 and never less
 * than in an earlier call (tournament_clear forgets it). An item learns its slot from `set_slot`;
 * slots are 0 .. tournament_count - 1 and may change at each add or remove. */
#ifndef CHIPQ_TOURNAMENT_H
#define CHIPQ_TOURNAMENT_H

#include "common/base/pure/compiler.h"

#define TOURNAMENT_NOWHERE SIZE_MAX

typedef void (*tournament_set_slot_fn)(void *item, size_t slot); /* TOURNAMENT_NOWHERE: it left */

struct tournament_line;
struct tournament_vertex;

struct tournament {
    struct tournament_line *lines;      /* by slot */
    struct tournament_vertex *vertices; /* 1 the root, 2i and 2i+1 below i, leaves from `cap` on */
    size_t n, cap;                      /* cap: 0 or a power of two */
    double latest_a;
    tournament_set_slot_fn set_slot;
    uint64_t n_recomputed; /* vertices so far: what the work costs, for tests and benchmarks */
};

void tournament_init(struct tournament *t, tournament_set_slot_fn set_slot);
void tournament_fini(struct tournament *t);  /* accepts zeroed memory; the items are not touched */
void tournament_clear(struct tournament *t); /* tells all items that they left; A may start anew */

/* Each costs about log(n) vertices, amortised. Adding may double the memory, which looks at all. */
void tournament_add(struct tournament *t, void *item, uint64_t id, double m, double b, double a);
void tournament_change(struct tournament *t, size_t slot, double m, double b, double a);
void tournament_remove(struct tournament *t, size_t slot, double a);

void *tournament_top(struct tournament *t, double a); /* NULL when empty */

size_t tournament_count(const struct tournament *t);
void *tournament_item(const struct tournament *t, size_t slot);

#endif
