/* Sets of numbers as sorted ranges. */
#include "common/base/pure/ranges.h"
#include "common/base/pure/mem.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>

#define RANGES_MASK UINT64_C(0x7fffffff) /* of the fields' widths */
#define COUNT_MASK  UINT64_C(0x1ffffffff)

void ranges_fini(struct ranges *r)
{
    if (r->n > 1)
        free(r->at.many);
    *r = (struct ranges){0};
}

static struct range *items_of(struct ranges *r)
{
    return r->n > 1 ? r->at.many : &r->at.one;
}

/* Index of the first range that ends at or after `number`. */
static size_t lower_bound(const struct ranges *r, uint32_t number)
{
    const struct range *items = ranges_items(r);
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (items[mid].last < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Many are in an array with room for the next power of two, so that this need not be kept. */
static void make_room(struct ranges *r)
{
    if (r->n == 1) {
        struct range one = r->at.one;
        r->at.many = cq_calloc(2, sizeof one);
        r->at.many[0] = one;
    } else if (r->n > 1 && (r->n & (r->n - 1)) == 0) {
        r->at.many = cq_realloc(r->at.many, 2 * r->n, sizeof *r->at.many);
    }
}

static void insert_at(struct ranges *r, size_t i, struct range item)
{
    make_room(r);
    r->n++;
    struct range *items = items_of(r);
    memmove(items + i + 1, items + i, (r->n - 1 - i) * sizeof *items);
    items[i] = item;
}

static void remove_at(struct ranges *r, size_t i, size_t count)
{
    if (count == 0)
        return; /* not the whole tail onto itself */
    struct range *items = items_of(r);
    memmove(items + i, items + i + count, (r->n - i - count) * sizeof *items);
    bool were_many = r->n > 1;
    r->n = (r->n - count) & RANGES_MASK;
    if (!were_many || r->n > 1)
        return;
    struct range left = items[0];
    free(items);
    r->at.one = left;
}

static uint64_t width(struct range item)
{
    return (uint64_t)item.last - item.first + 1;
}

static void count_by(struct ranges *r, uint64_t more)
{
    r->count = (r->count + more) & COUNT_MASK;
}

void ranges_add(struct ranges *r, uint32_t first, uint32_t last)
{
    assert(first <= last);
    size_t i = lower_bound(r, first ? first - 1 : 0), end = i;
    struct range merged = {first, last}, *items = items_of(r);
    for (; end < r->n && (last == UINT32_MAX || items[end].first <= last + 1); end++) {
        count_by(r, -width(items[end]));
        if (items[end].first < merged.first)
            merged.first = items[end].first;
        if (items[end].last > merged.last)
            merged.last = items[end].last;
    }
    count_by(r, width(merged));
    if (end == i) {
        insert_at(r, i, merged);
        return;
    }
    items[i] = merged;
    remove_at(r, i + 1, end - i - 1);
}

bool ranges_remove(struct ranges *r, uint32_t number)
{
    size_t i = lower_bound(r, number);
    struct range *items = items_of(r);
    if (i == r->n || items[i].first > number)
        return false;
    struct range old = items[i];
    r->count--;
    if (old.first == old.last) {
        remove_at(r, i, 1);
    } else if (number == old.first) {
        items[i].first++;
    } else {
        items[i].last = number - 1;
        if (number < old.last)
            insert_at(r, i + 1, (struct range){number + 1, old.last});
    }
    return true;
}

void ranges_add_all(struct ranges *to, const struct ranges *from)
{
    for (size_t i = 0; i < from->n; i++)
        ranges_add(to, ranges_items(from)[i].first, ranges_items(from)[i].last);
}

void ranges_subtract(struct ranges *from, const struct ranges *what)
{
    struct ranges kept = {0};
    const struct range *all = ranges_items(from), *out = ranges_items(what);
    size_t k = 0;
    for (size_t i = 0; i < from->n; i++) {
        uint64_t first = all[i].first, last = all[i].last;
        while (k < what->n && out[k].last < first)
            k++;
        for (size_t j = k; first <= last && j < what->n && out[j].first <= last; j++) {
            if (out[j].first > first)
                ranges_add(&kept, (uint32_t)first, out[j].first - 1);
            first = (uint64_t)out[j].last + 1;
        }
        if (first <= last)
            ranges_add(&kept, (uint32_t)first, (uint32_t)last);
    }
    ranges_fini(from);
    *from = kept;
}

bool ranges_has(const struct ranges *r, uint32_t number)
{
    size_t i = lower_bound(r, number);
    return i < r->n && ranges_items(r)[i].first <= number;
}

uint64_t ranges_below(const struct ranges *r, uint32_t number)
{
    const struct range *items = ranges_items(r);
    size_t at = lower_bound(r, number);
    uint64_t n = 0;
    for (size_t i = 0; i < at; i++)
        n += width(items[i]);
    if (at < r->n && items[at].first < number)
        n += number - items[at].first;
    return n;
}

bool ranges_is_empty(const struct ranges *r)
{
    return r->n == 0;
}

uint32_t ranges_first(const struct ranges *r)
{
    assert(r->n > 0);
    return ranges_items(r)[0].first;
}

void ranges_copy(struct ranges *to, const struct ranges *from)
{
    struct ranges copy = *from;
    if (from->n > 1) {
        size_t room = 2;
        while (room < from->n)
            room *= 2;
        copy.at.many = cq_calloc(room, sizeof *copy.at.many);
        memcpy(copy.at.many, from->at.many, from->n * sizeof *copy.at.many);
    }
    ranges_fini(to);
    *to = copy;
}

void ranges_format(const struct ranges *r, struct cq_str *out)
{
    const struct range *items = ranges_items(r);
    for (size_t i = 0; i < r->n; i++) {
        cq_str_printf(out, "%s%" PRIu32, i ? "," : "", items[i].first);
        if (items[i].last > items[i].first)
            cq_str_printf(out, "-%" PRIu32, items[i].last);
    }
}

/* One number at *p, at most `max`; moves *p behind it. */
static bool scan_number(const char **p, uint32_t max, uint32_t *value)
{
    uint64_t n = 0;
    const char *start = *p;
    for (; isdigit((unsigned char)**p); (*p)++) {
        n = n * 10 + (uint64_t)(**p - '0');
        if (n > max)
            return false;
    }
    *value = (uint32_t)n;
    return *p > start;
}

/* The items of a text, as written: unsorted, overlapping. They are sorted once at the end, so that
 * no order of a hostile text costs more than n log n. */
struct item_list {
    struct range *items;
    size_t n, cap;
    uint64_t max_count;
};

static bool add_item(struct item_list *list, uint32_t first, uint32_t last)
{
    if (list->n >= list->max_count)
        return false;
    cq_grow(&list->items, &list->cap, list->n);
    list->items[list->n++] = (struct range){first, last};
    return true;
}

/* "7", "1-5" or "9-20:2". Returns -1 when it is none, 1 when the list is full. */
static int scan_item(const char **p, uint32_t max, struct item_list *out)
{
    uint32_t first, last, step = 1;
    if (!scan_number(p, max, &first))
        return -1;
    last = first;
    if (**p == '-' && ((*p)++, !scan_number(p, max, &last) || last < first))
        return -1;
    if (**p == ':' && ((*p)++, !scan_number(p, UINT32_MAX, &step) || step == 0))
        return -1;
    if (step == 1)
        return add_item(out, first, last) ? 0 : 1;
    for (uint64_t n = first; n <= last; n += step)
        if (!add_item(out, (uint32_t)n, (uint32_t)n))
            return 1;
    return 0;
}

/* -1: the item at *at cannot be read. */
static int scan_items(const char *p, uint32_t max, struct item_list *out, const char **at)
{
    for (;; p++) {
        *at = p;
        int rc = scan_item(&p, max, out);
        if (rc != 0 || *p == '\0')
            return rc;
        if (*p != ',')
            return -1;
    }
}

static int by_first(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

int ranges_parse(const char *text, uint32_t max_number, uint64_t max_count, struct ranges *out,
                 struct cq_err *err)
{
    struct item_list list = {.max_count = max_count};
    struct ranges parsed = {0};
    const char *at = text;
    int rc = scan_items(text, max_number, &list, &at);
    if (list.n > 1)
        qsort(list.items, list.n, sizeof *list.items, by_first);
    for (size_t i = 0; rc == 0 && i < list.n; i++)
        ranges_add(&parsed, list.items[i].first, list.items[i].last);
    free(list.items);
    if (rc == 0 && parsed.count <= max_count) {
        ranges_fini(out);
        *out = parsed;
        return 0;
    }
    ranges_fini(&parsed);
    if (rc >= 0)
        return cq_fail(err, CQ_E_LIMIT, "'%.60s' has more than %" PRIu64 " numbers", text,
                       max_count);
    return cq_fail(
        err, CQ_E_INVALID,
        "'%.60s' is not a range (character %zu); write 1-200, 1,5,9 or 1-99:2 (numbers up "
        "to %" PRIu32 ")",
        text, (size_t)(at - text) + 1, max_number);
}
