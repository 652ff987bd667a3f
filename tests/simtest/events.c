/* Virtual time: a heap of events, chance, and the hash of all that happened. */
#include "tests/simtest/sim.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

#include <inttypes.h>
#include <stdarg.h>

struct sim sim;

/* ---- chance: splitmix64 ---- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t dice_roll(uint64_t below)
{
    sim.dice += UINT64_C(0x9e3779b97f4a7c15);
    return mix(sim.dice) % below;
}

int64_t dice_between(int64_t from, int64_t to)
{
    return from + (int64_t)dice_roll((uint64_t)(to - from) + 1);
}

bool dice_chance(uint64_t per_mille)
{
    return dice_roll(1000) < per_mille;
}

int64_t dice_span(int64_t typical_us)
{
    int64_t us = dice_between(1, typical_us * 2);
    return dice_chance(20) ? us * 10 : dice_chance(300) ? us / 8 + 1 : us;
}

/* ---- events ---- */

struct event {
    int64_t at_us;
    uint64_t seq;
    event_fn fn;
    void *arg;
    uint64_t n;
};

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->seq < b->seq);
}

static void swap(size_t a, size_t b)
{
    struct event t = sim.heap[a];
    sim.heap[a] = sim.heap[b];
    sim.heap[b] = t;
}

void event_at(int64_t at_us, event_fn fn, void *arg, uint64_t n)
{
    struct heap *old = heap_enter(&sim.world);
    cq_grow(&sim.heap, &sim.cap_heap, sim.n_heap);
    heap_leave(old);
    size_t i = sim.n_heap++;
    if (at_us < sim.now_us)
        at_us = sim.now_us;
    sim.heap[i] = (struct event){at_us, sim.next_seq++, fn, arg, n};
    for (; i > 0 && is_before(&sim.heap[i], &sim.heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

static struct event pop(void)
{
    struct event first = sim.heap[0];
    sim.heap[0] = sim.heap[--sim.n_heap];
    for (size_t i = 0, child; (child = 2 * i + 1) < sim.n_heap; i = child) {
        if (child + 1 < sim.n_heap && is_before(&sim.heap[child + 1], &sim.heap[child]))
            child++;
        if (!is_before(&sim.heap[child], &sim.heap[i]))
            break;
        swap(i, child);
    }
    return first;
}

bool event_step(int64_t until_us)
{
    if (sim.n_heap == 0 || sim.heap[0].at_us > until_us)
        return false;
    struct event e = pop();
    sim.now_us = e.at_us;
    sim.n_events++;
    e.fn(e.arg, e.n);
    return true;
}

/* ---- what happened ---- */

enum { LAST_EVENTS = 60 };

struct noted {
    int64_t at_us;
    const char *what;
    uint64_t a, b, c, d;
};
static struct noted last[LAST_EVENTS];
static uint64_t n_noted;

static void print_noted(const struct noted *n, FILE *out)
{
    (void)fprintf(out, "%12.6f  %-22s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                  (double)n->at_us / 1e6, n->what, n->a, n->b, n->c, n->d);
}

void note_bytes(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t h = sim.hash;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    sim.hash = mix(h + bytes);
}

void note(const char *what, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct noted *n = &last[n_noted++ % LAST_EVENTS];
    *n = (struct noted){sim.now_us, what, a, b, c, d};
    note_bytes(what, strlen(what));
    sim.hash = mix(sim.hash ^ mix((uint64_t)sim.now_us));
    sim.hash = mix(sim.hash ^ mix(a) ^ mix(b + 1) * 3 ^ mix(c + 2) * 5 ^ mix(d + 3) * 7);
    if (sim.is_verbose)
        print_noted(n, stdout);
}

void note_print_last(FILE *out)
{
    uint64_t first = n_noted > LAST_EVENTS ? n_noted - LAST_EVENTS : 0;
    for (uint64_t i = first; i < n_noted; i++)
        print_noted(&last[i % LAST_EVENTS], out);
}

void note_clear(void)
{
    n_noted = 0;
}

void sim_fail(const char *rule, const char *fmt, ...)
{
    va_list args;
    if (sim.is_failed)
        return;
    sim.is_failed = true;
    (void)cq_copy_text(sim.failed_rule, sizeof sim.failed_rule, rule);
    va_start(args, fmt);
    (void)vsnprintf(sim.failed_text, sizeof sim.failed_text, fmt, args);
    va_end(args);
}
