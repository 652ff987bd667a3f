/* Changes to a list of records that leave nearly all of it as it was: one field has another value,
 * one record is missing, comes twice, at another place, or from another state. */
#ifndef TEST_FUZZ_LOAD_MUTATE_H
#define TEST_FUZZ_LOAD_MUTATE_H

#include "common/base/pure/flat.h"
#include "tests/fuzz/load_list.h"
#include "tests/trace/dice.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed);

/* ---- values ---- */

struct mutation {
    struct dice dice;
    uint64_t ids[64]; /* that the list's records begin with: of somebody that is there */
    size_t n_ids;
    size_t which; /* the field to change, counted down */
};

static uint64_t other_number(struct mutation *m, uint64_t old)
{
    static const uint64_t edges[] = {0,          1,          2,         UINT64_MAX, INT64_MAX,
                                     UINT32_MAX, 1ULL << 32, INT32_MAX, 1ULL << 40, 1ULL << 58,
                                     1ULL << 56, 1ULL << 62, 4096,      1000000000, 100000};
    switch (roll(&m->dice, 6)) {
    case 0:
        return old + 1;
    case 1:
        return old - 1;
    case 2:
        return m->n_ids > 0 ? m->ids[roll(&m->dice, m->n_ids)] : 1;
    case 3:
        return edges[roll(&m->dice, CQ_COUNT(edges))] - roll(&m->dice, 2);
    case 4:
        return old ^ 1ULL << roll(&m->dice, 64);
    default:
        return roll(&m->dice, 16);
    }
}

static void change_u64(struct mutation *m, uint64_t *f)
{
    *f = other_number(m, *f);
}

static void change_i64(struct mutation *m, int64_t *f)
{
    uint64_t x = other_number(m, (uint64_t)*f);
    *f = (int64_t)(roll(&m->dice, 4) ? x : 0 - x);
}

static void change_uuid(struct mutation *m, struct cq_uuid *f)
{
    f->bytes[roll(&m->dice, sizeof f->bytes)] ^= (uint8_t)(1 + roll(&m->dice, 255));
}

static void change_text(struct mutation *m, char **f)
{
    static const char *const words[] = {
        "",        "0",      "1-4",       "0-3",       "2",     "1,3",          "4095",
        "0-4095",  "vcs:1",  "vcs:9999",  "emu:1",     "n0",    "n0:1,n0:1",    "n1:4",
        "1-99999", "pack",   "spread!",   "numa0:1(0", "gpu",   "b0",           "weight=0.001\n",
        "x",       "1,2,3,", "dc:1,dc:1", "pt",        "0,0,0", "max-cores=0\n"};
    size_t n = *f ? strlen(*f) : 0;
    if (n > 0 && roll(&m->dice, 2)) {
        (*f)[roll(&m->dice, n)] = (char)(' ' + roll(&m->dice, 95));
        return;
    }
    free(*f);
    *f = cq_strdup(words[roll(&m->dice, CQ_COUNT(words))]);
}

/* One number of what is packed, which says nothing of where its fields begin. */
static void change_bytes(struct mutation *m, struct record_bytes *f)
{
    struct cq_str out = {0};
    size_t n = 0, wanted, k = 0;
    for (size_t i = 0; i < f->len; i++)
        n += (f->data[i] & 0x80) == 0;
    wanted = n > 0 ? (size_t)roll(&m->dice, n) : 0;
    struct flat_reader in = flat_reader_of(f->data, f->len);
    for (; in.pos < in.len && !in.failed; k++) {
        uint64_t x = flat_get_u64(&in);
        if (k == wanted && roll(&m->dice, 16) == 0)
            continue; /* it is missing */
        flat_put_u64(&out, k == wanted ? other_number(m, x) : x);
    }
    if (in.failed || f->len == 0) {
        cq_str_fini(&out);
        return;
    }
    free(f->data);
    f->len = out.len;
    f->data = (uint8_t *)cq_str_take(&out);
}

/* ---- one field of a record ---- */
/* clang-format off */
#define RECORD(NAME, name, type, version, doc) \
    CQ_UNUSED static size_t count_##name(void) { return 0
#define FIELD(kind, name, doc) + 1
#define END(name)              ; }
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END

#define RECORD(NAME, name, type, version, doc) \
    static void change_##name(struct mutation *m, struct name *r) {
#define FIELD(kind, name, doc)                 if (m->which-- == 0) change_##kind(m, &r->name);
#define END(name)                              }
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
/* clang-format on */

static void change_record(struct mutation *m, struct record *r)
{
    switch (r->type) {
    case RECORD_NONE:
        return;
#define RECORD(NAME, name, type, version, doc)             \
    case RECORD_##NAME:                                    \
        m->which = (size_t)roll(&m->dice, count_##name()); \
        change_##name(m, &r->u.name);                      \
        return;
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    }
}

/* ---- the list ---- */

static void find_ids(struct mutation *m, const struct list *l)
{
    for (size_t i = 0; i < l->n && m->n_ids < CQ_COUNT(m->ids); i++) {
        struct flat_reader in = flat_reader_of(l->items[i].data, l->items[i].bytes);
        uint64_t id = flat_get_u64(&in);
        if (!in.failed && id != 0)
            m->ids[m->n_ids++] = id;
    }
}

static void change_item(struct mutation *m, struct list_item *item)
{
    struct record *r = item_record(item);
    if (r == NULL || roll(&m->dice, 12) == 0) {
        uint8_t *more = cq_malloc(item->bytes + 64);
        if (item->bytes)
            memcpy(more, item->data, item->bytes);
        free(item->data);
        item->data = more;
        item->bytes = LLVMFuzzerMutate(more, item->bytes, item->bytes + 64);
        record_free(r);
        return;
    }
    change_record(m, r);
    free(item->data);
    *item = item_of(r);
    record_free(r);
}

static struct list_item copy_item(const struct list_item *item)
{
    struct list_item copy = *item;
    copy.data = item->bytes ? cq_memdup(item->data, item->bytes) : NULL;
    return copy;
}

/* A record of any type, all of whose fields are drawn. */
static struct list_item draw_item(struct mutation *m)
{
    struct record *r = NULL;
    while (r == NULL) {
        enum record_type type = (enum record_type)roll(&m->dice, 64);
        if (record_type_version(type) > 0)
            r = record_new(type);
    }
    for (size_t i = 0; i < 24; i++)
        change_record(m, r);
    struct list_item item = item_of(r);
    record_free(r);
    return item;
}

/* There are most of people and of nodes; the most can be wrong with those that are packed. */
static size_t draw_place(struct mutation *m, const struct list *l)
{
    size_t at = (size_t)roll(&m->dice, l->n);
    for (size_t i = roll(&m->dice, 3) ? 16 : 0; i > 0; i--) {
        unsigned type = l->items[at].type;
        if (type == RECORD_JOB_SUBMIT || type == RECORD_JOB_SNAPSHOT
            || type == RECORD_LEASE_SNAPSHOT || type == RECORD_PLANS
            || type == RECORD_RESERVATION_EDGE || type == RECORD_ATTEMPT_ASSIGN
            || type == RECORD_ATTEMPT_END)
            break;
        at = (size_t)roll(&m->dice, l->n);
    }
    return at;
}

static void change_list(struct mutation *m, struct list *l)
{
    size_t at = draw_place(m, l), to = (size_t)roll(&m->dice, l->n);
    switch (roll(&m->dice, 16)) {
    case 0:
        list_remove(l, at);
        return;
    case 1:
        (void)list_insert(l, to, copy_item(&l->items[at]));
        return;
    case 2: {
        struct list_item item = l->items[at];
        l->items[at] = l->items[to];
        l->items[to] = item;
        return;
    }
    case 3:
        (void)list_insert(l, to, draw_item(m));
        return;
    case 4:
        l->dice = (uint8_t)roll(&m->dice, 256);
        return;
    case 5:
        l->flags ^= (uint8_t)(1 << roll(&m->dice, 2));
        return;
    default:
        change_item(m, &l->items[at]);
    }
}

#endif
