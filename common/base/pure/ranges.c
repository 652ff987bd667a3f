/* Sets of numbers as sorted ranges. */
#include "common/base/pure/ranges.h"
#include "common/base/pure/mem.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>

void ranges_fini(struct ranges *r)
{
    free(r->items);
    *r = (struct ranges){0};
}

/* Index of the first range that ends at or after `number`. */
static size_t lower_bound(const struct ranges *r, uint32_t number)
{
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->items[mid].last < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void insert_at(struct ranges *r, size_t i, struct range item)
{
    if (r->cap == 0) { /* most sets are one range */
        r->items = cq_calloc(1, sizeof *r->items);
        r->cap = 1;
    }
    cq_grow(&r->items, &r->cap, r->n);
    memmove(r->items + i + 1, r->items + i, (r->n - i) * sizeof *r->items);
    r->items[i] = item;
    r->n++;
}

static void remove_at(struct ranges *r, size_t i, size_t count)
{
    if (count == 0)
        return; /* not the whole tail onto itself */
    memmove(r->items + i, r->items + i + count, (r->n - i - count) * sizeof *r->items);
    r->n -= count;
}

static uint64_t width(struct range item)
{
    return (uint64_t)item.last - item.first + 1;
}

void ranges_add(struct ranges *r, uint32_t first, uint32_t last)
{
    assert(first <= last);
    size_t i = lower_bound(r, first ? first - 1 : 0), end = i;
    struct range merged = {first, last};
    for (; end < r->n && (last == UINT32_MAX || r->items[end].first <= last + 1); end++) {
        r->count -= width(r->items[end]);
        if (r->items[end].first < merged.first)
            merged.first = r->items[end].first;
        if (r->items[end].last > merged.last)
            merged.last = r->items[end].last;
    }
    r->count += width(merged);
    if (end == i) {
        insert_at(r, i, merged);
        return;
    }
    r->items[i] = merged;
    remove_at(r, i + 1, end - i - 1);
}

bool ranges_remove(struct ranges *r, uint32_t number)
{
    size_t i = lower_bound(r, number);
    if (i == r->n || r->items[i].first > number)
        return false;
    struct range old = r->items[i];
    r->count--;
    if (old.first == old.last) {
        remove_at(r, i, 1);
    } else if (number == old.first) {
        r->items[i].first++;
    } else {
        r->items[i].last = number - 1;
        if (number < old.last)
            insert_at(r, i + 1, (struct range){number + 1, old.last});
    }
    return true;
}

void ranges_subtract(struct ranges *from, const struct ranges *what)
{
    struct ranges kept = {0};
    size_t k = 0;
    for (size_t i = 0; i < from->n; i++) {
        uint64_t first = from->items[i].first, last = from->items[i].last;
        while (k < what->n && what->items[k].last < first)
            k++;
        for (size_t j = k; first <= last && j < what->n && what->items[j].first <= last; j++) {
            if (what->items[j].first > first)
                ranges_add(&kept, (uint32_t)first, what->items[j].first - 1);
            first = (uint64_t)what->items[j].last + 1;
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
    return i < r->n && r->items[i].first <= number;
}

uint64_t ranges_below(const struct ranges *r, uint32_t number)
{
    size_t at = lower_bound(r, number);
    uint64_t n = 0;
    for (size_t i = 0; i < at; i++)
        n += width(r->items[i]);
    if (at < r->n && r->items[at].first < number)
        n += number - r->items[at].first;
    return n;
}

bool ranges_is_empty(const struct ranges *r)
{
    return r->n == 0;
}

uint32_t ranges_first(const struct ranges *r)
{
    assert(r->n > 0);
    return r->items[0].first;
}

void ranges_copy(struct ranges *to, const struct ranges *from)
{
    struct range *items = cq_memdup(from->items, from->n * sizeof *items);
    ranges_fini(to);
    *to = (struct ranges){.items = items, .n = from->n, .cap = from->n, .count = from->count};
}

void ranges_format(const struct ranges *r, struct cq_str *out)
{
    for (size_t i = 0; i < r->n; i++) {
        cq_str_printf(out, "%s%" PRIu32, i ? "," : "", r->items[i].first);
        if (r->items[i].last > r->items[i].first)
            cq_str_printf(out, "-%" PRIu32, r->items[i].last);
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
