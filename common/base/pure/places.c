/* A walk along the text with the open groups on a stack. */
#include "common/base/pure/places.h"

#include <ctype.h>

#include "common/base/pure/mem.h"

enum { DEPTH_MAX = 16, NUMBER_MAX = 1000000 };

struct walk {
    const char *at;
    struct places *places;
    struct place now;             /* what is open */
    struct place open[DEPTH_MAX]; /* what was, outside of each open group */
    uint32_t n_l3;
    uint32_t numa_seen; /* groups of a NUMA node with a core so far */
    bool numa_has_core; /* the open one */
    unsigned depth;
};

static uint32_t number(struct walk *w)
{
    uint32_t n = 0;
    for (; isdigit((unsigned char)*w->at); w->at++)
        n = n < NUMBER_MAX ? n * 10 + (uint32_t)(*w->at - '0') : n;
    return n;
}

static bool takes(struct walk *w, const char *word)
{
    if (!cq_str_starts(w->at, word))
        return false;
    w->at += strlen(word);
    return true;
}

static bool open_group(struct walk *w)
{
    if (w->depth == DEPTH_MAX)
        return false;
    w->open[w->depth++] = w->now;
    if (takes(w, "pkg")) {
        w->now.package = number(w);
    } else if (takes(w, "numa")) {
        w->now.numa = number(w);
        w->numa_has_core = false;
        if (!takes(w, ":"))
            return false;
        (void)number(w);
    } else if (takes(w, "l3")) {
        w->now.l3 = w->n_l3++;
    } else {
        return false;
    }
    return takes(w, "(");
}

static bool add_core(struct walk *w, bool is_system)
{
    struct places *p = w->places;
    struct place place = w->now;
    bool has_number = isdigit((unsigned char)*w->at);
    place.core = number(w);
    place.is_system = is_system;
    if (!has_number || place.core >= BITSET_MAX || p->n == BITSET_MAX)
        return false;
    if (place.numa != PLACE_NONE && !w->numa_has_core && !is_system) {
        w->numa_has_core = true;
        w->numa_seen++;
    }
    place.numa_at = place.numa == PLACE_NONE ? PLACE_NONE : w->numa_seen - 1;
    cq_grow(&p->items, &p->cap, p->n);
    p->items[p->n++] = place;
    return true;
}

/* "gpu0:NAME": an item of its own, no beginning of another. */
static bool add_gpu(struct walk *w)
{
    struct places *p = w->places;
    bool has_number = isdigit((unsigned char)*w->at);
    struct place_gpu g = {.gpu = number(w), .near = w->now};
    if (takes(w, ":")) {
        size_t n = strcspn(w->at, " ()");
        if (n >= sizeof g.name)
            return false;
        memcpy(g.name, w->at, n);
        w->at += n;
    }
    if (!has_number || strchr(" )", *w->at) == NULL || p->n_gpus == BITSET_MAX)
        return false; /* the text's end is found there, too */
    cq_grow(&p->gpus, &p->cap_gpus, p->n_gpus);
    p->gpus[p->n_gpus++] = g;
    return true;
}

static bool take_item(struct walk *w)
{
    if (isdigit((unsigned char)*w->at))
        return add_core(w, false);
    if (takes(w, "sys"))
        return add_core(w, true);
    if (takes(w, "gpu"))
        return add_gpu(w);
    if (*w->at != ')')
        return open_group(w);
    if (w->depth == 0)
        return false;
    w->at++;
    w->now = w->open[--w->depth];
    return true;
}

/* The place of its NUMA node among those that jobs have cores of; none if it is not one of them. */
static void find_numa_of_system(struct places *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct place *at = &p->items[i];
        if (!at->is_system || at->numa == PLACE_NONE)
            continue;
        at->numa_at = PLACE_NONE;
        for (size_t k = 0; k < p->n; k++) {
            const struct place *o = &p->items[k];
            if (!o->is_system && o->numa == at->numa && o->package == at->package)
                at->numa_at = o->numa_at;
        }
    }
}

bool places_read(const char *text, struct places *out)
{
    *out = (struct places){0};
    struct walk w = {.at = text,
                     .places = out,
                     .now = {.package = PLACE_NONE, .numa = PLACE_NONE, .l3 = PLACE_NONE}};
    bool ok = true;
    while (ok && *w.at) {
        ok = take_item(&w);
        while (*w.at == ' ')
            w.at++;
    }
    if (!ok || w.depth > 0) {
        places_fini(out);
        return false;
    }
    out->n_numa = w.numa_seen;
    for (size_t i = 0; i < out->n; i++)
        if (out->items[i].numa == PLACE_NONE)
            out->items[i].numa_at = w.numa_seen;
    find_numa_of_system(out);
    return true;
}

void places_fini(struct places *p)
{
    free(p->items);
    free(p->gpus);
    *p = (struct places){0};
}

void places_numa(const struct places *p, const struct bitset *cores, struct cq_str *out)
{
    struct bitset nodes = {0};
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].numa < BITSET_MAX && bitset_has(cores, p->items[i].core))
            bitset_set(&nodes, p->items[i].numa);
    bitset_format(&nodes, out);
    bitset_fini(&nodes);
}
