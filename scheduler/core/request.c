/* What jobs asked for, shared and packed. */
#include "scheduler/core/request.h"

#include <assert.h>

#include "common/base/pure/delta.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"

enum { TEXTS = 8, PACKED_MIN = 64 /* bytes: what is shorter is kept as it is */ };

struct request {
    struct job_submit asked; /* first: who has its address has the request's */
    unsigned refs;
    uint64_t hash;
    struct request *next_same_hash;
};

/* A run specification that others are told apart from. */
struct stem {
    unsigned refs;
    uint32_t bytes;
    uint8_t data[];
};

/* A new field belongs to the job: then keep_shared clears it; or to what is shared: nothing is to
 * be done unless it is a text, which goes to texts_of. */
_Static_assert(sizeof(struct job_submit) == 360, "is the new field of JOB_SUBMIT shared?");

static void texts_of(struct job_submit *s, char **texts[TEXTS])
{
    char **const all[TEXTS] = {&s->flow, &s->tool,     &s->stage_of, &s->array,
                               &s->topo, &s->node_has, &s->licences, &s->reservation};
    memcpy(texts, all, sizeof all);
}

static void keep_shared(struct job_submit *s)
{
    memset(s, 0, offsetof(struct job_submit, id)); /* bytes between fields are hashed too */
    s->id = s->number = s->submit_index = s->submit_count = 0;
    s->at_us = s->policy_us = 0;
    s->client_key = (struct cq_uuid){0};
    s->name = NULL;
    s->digest = s->deps = s->run = (struct record_bytes){0};
}

/* The numbers alone, and a hash of them and the texts. */
static uint64_t numbers_of(struct job_submit *s)
{
    char **texts[TEXTS];
    uint64_t hash = CORE_HASH_SEED, words[sizeof *s / sizeof(uint64_t)];
    texts_of(s, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        if (*texts[i])
            hash = core_hash(hash, *texts[i], strlen(*texts[i]));
        hash += i;
        *texts[i] = NULL;
    }
    memcpy(words, s, sizeof words);
    for (size_t i = 0; i < CQ_COUNT(words); i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash ? hash : 1;
}

static bool is_same(const struct request *r, const struct job_submit *s,
                    const struct job_submit *numbers)
{
    struct job_submit mine = r->asked, theirs = *s;
    char **a[TEXTS], **b[TEXTS];
    texts_of(&mine, a);
    texts_of(&theirs, b);
    for (size_t i = 0; i < TEXTS; i++) {
        if ((*a[i] == NULL) != (*b[i] == NULL) || (*a[i] && strcmp(*a[i], *b[i]) != 0))
            return false;
        *a[i] = NULL;
    }
    return memcmp(&mine, numbers, sizeof mine) == 0;
}

const struct job_submit *request_ref(struct core *c, const struct job_submit *s)
{
    struct job_submit shared = *s;
    keep_shared(&shared);
    struct job_submit numbers = shared;
    uint64_t hash = numbers_of(&numbers);
    struct request *first = map_find(&c->requests.by_hash, hash), *r = first;
    while (r && !is_same(r, &shared, &numbers))
        r = r->next_same_hash;
    if (r == NULL) {
        char **texts[TEXTS];
        r = CQ_NEW(struct request);
        *r = (struct request){.hash = hash, .next_same_hash = first};
        memcpy(&r->asked, &shared, sizeof shared);
        texts_of(&r->asked, texts);
        for (size_t i = 0; i < TEXTS; i++)
            *texts[i] = cq_strdup(*texts[i]);
        map_put(&c->requests.by_hash, hash, r);
    }
    r->refs++;
    return &r->asked;
}

static void request_free(struct request *r)
{
    char **texts[TEXTS];
    texts_of(&r->asked, texts);
    for (size_t i = 0; i < TEXTS; i++)
        free(*texts[i]);
    free(r);
}

void request_unref(struct core *c, const struct job_submit *asked)
{
    if (asked == NULL)
        return;
    struct request *first = NULL, **link = &first;
    first = map_find(&c->requests.by_hash, ((const struct request *)asked)->hash);
    while (&(*link)->asked != asked)
        link = &(*link)->next_same_hash;
    struct request *r = *link;
    if (--r->refs > 0)
        return;
    *link = r->next_same_hash;
    if (first)
        map_put(&c->requests.by_hash, r->hash, first);
    else
        map_remove(&c->requests.by_hash, r->hash);
    request_free(r);
}

/* ---- what is a job's own ---- */

static void stem_unref(struct stem *s)
{
    if (s && --s->refs == 0)
        free(s);
}

static void slot_clear(struct stem_slot *slot)
{
    delta_index_free(slot->index);
    stem_unref(slot->stem);
    slot->index = NULL;
    slot->stem = NULL;
}

void requests_fini(struct core *c)
{
    for (size_t i = 0; i < STEM_SLOTS; i++)
        slot_clear(&c->requests.slots[i]);
    map_fini(&c->requests.by_hash);
    cq_str_fini(&c->requests.packed);
}

static void slot_set(struct stem_slot *slot, const struct record_bytes *run)
{
    slot_clear(slot);
    slot->stem = cq_malloc(sizeof *slot->stem + run->len);
    slot->stem->refs = 1;
    slot->stem->bytes = (uint32_t)run->len;
    memcpy(slot->stem->data, run->data, run->len);
    slot->index = delta_index_new(slot->stem->data, run->len);
}

/* Who differs too much from the stem may be somewhere else now: then the specification is the next
 * stem. When that does not help either, there is little in common, and it is tried more seldom. */
static bool is_next_stem(struct stem_slot *slot, size_t packed_bytes, size_t run_bytes)
{
    if (packed_bytes <= run_bytes / 2) {
        slot->misses = 0;
        return false;
    }
    slot->misses++;
    return (slot->misses & (slot->misses - 1)) == 0;
}

static struct stem *pack(struct core *c, const struct job_submit *s, struct cq_str *packed)
{
    if (s->run.len < PACKED_MIN) {
        cq_str_append(packed, s->run.data, s->run.len);
        return NULL;
    }
    uint64_t whose = (s->principal * UINT64_C(31) + s->project) * UINT64_C(0x9e3779b97f4a7c15);
    struct stem_slot *slot = &c->requests.slots[(whose >> 32) % STEM_SLOTS];
    if (slot->stem)
        delta_put(slot->index, s->run.data, s->run.len, packed);
    if (slot->stem == NULL || is_next_stem(slot, packed->len, s->run.len)) {
        cq_str_clear(packed);
        slot_set(slot, &s->run);
        delta_put(slot->index, s->run.data, s->run.len, packed);
    }
    slot->stem->refs++;
    return slot->stem;
}

struct own_part *own_part_new(struct core *c, const struct job_submit *s)
{
    struct cq_str *packed = &c->requests.packed;
    size_t name_bytes = (s->name ? strlen(s->name) : 0) + 1;
    cq_str_clear(packed);
    struct stem *stem = pack(c, s, packed);
    struct own_part *p = cq_malloc(sizeof *p + name_bytes + packed->len);
    p->stem = stem;
    p->run_bytes = (uint32_t)s->run.len;
    p->packed_bytes = (uint32_t)packed->len;
    memcpy(p->text, s->name ? s->name : "", name_bytes);
    if (packed->len > 0)
        memcpy(p->text + name_bytes, packed->data, packed->len);
    return p;
}

void own_part_free(struct own_part *p)
{
    if (p)
        stem_unref(p->stem);
    free(p);
}

const char *own_part_name(const struct own_part *p)
{
    return p->text;
}

void *own_part_run(const struct own_part *p)
{
    const char *packed = p->text + strlen(p->text) + 1;
    uint8_t *run = cq_malloc(p->run_bytes);
    if (p->stem == NULL) {
        memcpy(run, packed, p->run_bytes);
        return run;
    }
    bool is_whole =
        delta_get(p->stem->data, p->stem->bytes, packed, p->packed_bytes, run, p->run_bytes);
    assert(is_whole); /* both are ours */
    (void)is_whole;
    return run;
}
