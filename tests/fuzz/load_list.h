/* A state as records, one behind the other in a few bytes, as the target fuzz_load takes it: so an
 * input needs no script to be read again, and each record can be changed for itself.
 *
 *   flags (1)  dice of what happens afterwards (1)  then for each record:
 *   type (1)  version (1)  bytes (2, low first)  payload
 *
 * Type 0 has no payload: the records behind it are ends that only have to be remembered. */
#ifndef TEST_FUZZ_LOAD_LIST_H
#define TEST_FUZZ_LOAD_LIST_H

#include "scheduler/core/record.h"
#include "tests/fuzz/fuzz.h"

enum { LIST_MAX = 512, LIST_HEAD = 2, ITEM_HEAD = 4, ITEM_BYTES_MAX = UINT16_MAX };
enum { FLAG_EASY = 1, FLAG_LACKS_JOBS = 2 };

struct list_item {
    uint8_t type, version;
    uint8_t *data; /* owned */
    size_t bytes;
};

struct list {
    uint8_t flags, dice;
    struct list_item items[LIST_MAX];
    size_t n;
};

static void list_free(struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].data);
    free(l);
}

/* Takes data. False: there are too many, and it is freed. */
static bool list_insert(struct list *l, size_t at, struct list_item item)
{
    if (l->n == LIST_MAX || item.bytes > ITEM_BYTES_MAX) {
        free(item.data);
        return false;
    }
    memmove(l->items + at + 1, l->items + at, (l->n - at) * sizeof *l->items);
    l->items[at] = item;
    l->n++;
    return true;
}

CQ_UNUSED static void list_remove(struct list *l, size_t at)
{
    free(l->items[at].data);
    memmove(l->items + at, l->items + at + 1, (l->n - at - 1) * sizeof *l->items);
    l->n--;
}

CQ_UNUSED static struct list_item item_of(const struct record *r)
{
    struct cq_str bytes = {0};
    record_encode(r, &bytes);
    struct list_item item = {.type = (uint8_t)r->type,
                             .version = (uint8_t)record_type_version(r->type),
                             .bytes = bytes.len};
    item.data = bytes.len ? (uint8_t *)cq_str_take(&bytes) : NULL;
    cq_str_fini(&bytes);
    return item;
}

/* NULL: it cannot be read. Caller frees. */
static struct record *item_record(const struct list_item *item)
{
    struct record *r = NULL;
    enum record_type type = (enum record_type)item->type;
    return record_decode(type, item->version, item->data, item->bytes, &r, NULL) == 0 ? r : NULL;
}

/* What does not fit the form ends it. Caller frees. */
static struct list *list_read(const uint8_t *data, size_t bytes)
{
    struct list *l = CQ_NEW(struct list);
    l->flags = bytes > 0 ? data[0] : 0;
    l->dice = bytes > 1 ? data[1] : 0;
    for (size_t at = LIST_HEAD; l->n < LIST_MAX && bytes >= at + ITEM_HEAD;) {
        size_t len = (size_t)data[at + 2] | (size_t)data[at + 3] << 8;
        struct list_item item = {.type = data[at], .version = data[at + 1], .bytes = len};
        at += ITEM_HEAD;
        if (len > bytes - at)
            break;
        item.data = len ? cq_memdup(data + at, len) : NULL;
        at += len;
        (void)list_insert(l, l->n, item);
    }
    return l;
}

/* As many records as fit. */
CQ_UNUSED static size_t list_write(const struct list *l, uint8_t *to, size_t room)
{
    if (room < LIST_HEAD)
        return 0;
    to[0] = l->flags;
    to[1] = l->dice;
    size_t at = LIST_HEAD;
    for (size_t i = 0; i < l->n; i++) {
        const struct list_item *item = &l->items[i];
        if (room - at < ITEM_HEAD + item->bytes)
            break;
        to[at] = item->type;
        to[at + 1] = item->version;
        to[at + 2] = (uint8_t)item->bytes;
        to[at + 3] = (uint8_t)(item->bytes >> 8);
        if (item->bytes)
            memcpy(to + at + ITEM_HEAD, item->data, item->bytes);
        at += ITEM_HEAD + item->bytes;
    }
    return at;
}

#endif
