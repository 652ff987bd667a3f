#include "scheduler/store/salvage_tree.h"

#include "common/base/pure/mem.h"

enum {
    INDEX_BRANCH = 2,
    TABLE_BRANCH = 5,
    INDEX_LEAF = 10,
    TABLE_LEAF = 13,
    FIRST_PAGE_HEAD = 100,
    DEPTH_MAX = 40,
    ROW_BYTES_MAX = 1 << 30
};

/* One page, with its cells found. */
struct node {
    const uint8_t *page;
    uint32_t usable, head; /* head: where the page's own header begins */
    uint8_t type;
    uint32_t n;     /* cells */
    uint32_t right; /* the last child of a branch */
};

/* The payload of one cell, put together. */
struct payload {
    uint8_t *data; /* owned */
    size_t bytes;
};

/* ---- numbers ---- */

/* Bytes it takes; 0 when it goes past the end. */
static size_t get_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++) {
        if (at + i >= end)
            return 0;
        v = v << 7 | (at[i] & 0x7f);
        if ((at[i] & 0x80) == 0) {
            *value = v;
            return i + 1;
        }
    }
    if (at + 8 >= end)
        return 0;
    *value = v << 8 | at[8];
    return 9;
}

static int64_t get_signed(const uint8_t *at, size_t bytes)
{
    uint64_t v = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return (int64_t)v;
}

/* ---- pages ---- */

static bool is_branch(const struct node *n)
{
    return n->type == INDEX_BRANCH || n->type == TABLE_BRANCH;
}

static bool open_node(const struct salvage_pages *p, uint32_t number, const uint8_t *page,
                      bool is_index, struct node *n)
{
    const uint8_t *h = page + (number == 1 ? FIRST_PAGE_HEAD : 0);
    *n = (struct node){.page = page, .usable = p->usable, .head = (uint32_t)(h - page)};
    n->type = h[0];
    n->n = page_u16(h + 3);
    bool fits = is_index ? n->type == INDEX_BRANCH || n->type == INDEX_LEAF
                         : n->type == TABLE_BRANCH || n->type == TABLE_LEAF;
    n->right = is_branch(n) ? page_u32(h + 8) : 0;
    return fits && n->head + 12 + 2 * n->n <= p->usable;
}

/* Where cell i begins; NULL when it lies outside. */
static const uint8_t *cell_of(const struct node *n, uint32_t i)
{
    size_t first = n->head + (is_branch(n) ? 12u : 8u);
    size_t at = page_u16(n->page + first + 2 * (size_t)i);
    return at < first + 2 * (size_t)n->n || at + 4 > n->usable ? NULL : n->page + at;
}

/* ---- payloads ---- */

/* Bytes of a payload that are in its page; the rest is in a chain of others. */
static size_t local_bytes(const struct node *n, uint64_t bytes)
{
    uint64_t u = n->usable, most = n->type == TABLE_LEAF ? u - 35 : (u - 12) * 64 / 255 - 23;
    uint64_t least = (u - 12) * 32 / 255 - 23;
    if (bytes <= most)
        return bytes;
    uint64_t k = least + (bytes - least) % (u - 4);
    return k <= most ? k : least;
}

static bool read_chain(struct salvage_pages *p, uint32_t page, struct payload *to, size_t have)
{
    uint8_t *buffer CQ_CLEANUP(cq_free_ptr) = cq_malloc((size_t)p->bytes + 8);
    while (have < to->bytes) {
        if (!pages_read(p, page, buffer))
            return false;
        pages_use(p, page);
        size_t bytes = to->bytes - have < p->usable - 4 ? to->bytes - have : p->usable - 4;
        memcpy(to->data + have, buffer + 4, bytes);
        have += bytes;
        page = page_u32(buffer);
    }
    return true;
}

/* `at` points behind the lengths. More than the file has pages for is not believed. */
static bool read_payload(struct salvage_pages *p, const struct node *n, const uint8_t *at,
                         uint64_t bytes, struct payload *to)
{
    const uint8_t *end = n->page + n->usable;
    size_t local = local_bytes(n, bytes);
    bool has_more = local < bytes;
    if (bytes > ROW_BYTES_MAX || bytes > (uint64_t)p->n * p->bytes
        || local + (has_more ? 4u : 0u) > (size_t)(end - at))
        return false;
    *to = (struct payload){.data = cq_malloc(bytes + 8), .bytes = bytes};
    memcpy(to->data, at, local);
    return !has_more || read_chain(p, page_u32(at + local), to, local);
}

/* ---- rows ---- */

static char kind_of(uint64_t type)
{
    if (type == 0)
        return 'n';
    if (type >= 12)
        return type % 2 == 0 ? 'b' : 't';
    return type == 7 ? 'r' : 'i';
}

static bool set_value(uint64_t type, const uint8_t **at, const uint8_t *end,
                      struct salvage_value *v)
{
    static const uint8_t widths[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    if (type == 10 || type == 11)
        return false;
    v->bytes = type < 10 ? widths[type] : (size_t)((type - 12) / 2);
    if (v->bytes > (size_t)(end - *at))
        return false;
    v->data = *at;
    *at += v->bytes;
    v->kind = kind_of(type);
    if (v->kind == 'i')
        v->i = v->bytes > 0 ? get_signed(v->data, v->bytes) : (int64_t)(type - 8);
    if (v->kind == 'r') {
        int64_t bits = get_signed(v->data, 8);
        memcpy(&v->r, &bits, sizeof v->r);
    }
    return true;
}

static bool parse_row(const struct payload *from, struct salvage_row *row)
{
    uint64_t head, type;
    const uint8_t *end = from->data + from->bytes;
    size_t used = get_varint(from->data, end, &head);
    if (used == 0 || head > from->bytes || head < used)
        return false;
    const uint8_t *types = from->data + used, *values = from->data + head;
    const uint8_t *types_end = values;
    row->n = 0;
    while (types < types_end) {
        used = get_varint(types, types_end, &type);
        if (used == 0 || row->n == SALVAGE_COLUMNS_MAX
            || !set_value(type, &values, end, &row->columns[row->n]))
            return false;
        types += used;
        row->n++;
    }
    return values == end;
}

static bool read_cell(struct salvage_pages *p, const struct node *n, const uint8_t *at,
                      const struct salvage_tree *t)
{
    const uint8_t *end = n->page + n->usable;
    struct salvage_row row = {0};
    struct payload payload = {0};
    uint64_t bytes, rowid = 0;
    at += is_branch(n) ? 4 : 0;
    size_t used = get_varint(at, end, &bytes);
    at += used;
    bool ok = used > 0;
    if (ok && n->type == TABLE_LEAF) {
        used = get_varint(at, end, &rowid);
        at += used;
        ok = used > 0;
    }
    row.rowid = (int64_t)rowid;
    ok = ok && read_payload(p, n, at, bytes, &payload) && parse_row(&payload, &row)
         && t->fn(t->arg, &row);
    free(payload.data);
    return ok;
}

static void take_cell(struct salvage_pages *p, const struct node *n, const uint8_t *cell,
                      struct salvage_tree *t)
{
    if (n->type == TABLE_BRANCH)
        return; /* keys alone */
    bool is_read = cell != NULL && read_cell(p, n, cell, t);
    t->n_rows += is_read;
    t->n_bad_rows += !is_read;
    t->is_end_lost = !is_read;
}

/* ---- the walk ---- */

static void note_bad(struct salvage_tree *t, int depth)
{
    t->n_bad_pages++;
    t->is_end_lost = true;
    if (t->highest_bad < 0 || depth < t->highest_bad)
        t->highest_bad = depth;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep */
static void walk(struct salvage_pages *p, uint32_t number, struct salvage_tree *t, int depth)
{
    struct node n;
    uint8_t *page CQ_CLEANUP(cq_free_ptr) = cq_malloc((size_t)p->bytes + 8);
    if (depth > DEPTH_MAX || !pages_read(p, number, page) || pages_is_used(p, number)
        || !open_node(p, number, page, t->is_index, &n)) {
        note_bad(t, depth);
        return;
    }
    pages_use(p, number);
    if (!is_branch(&n))
        t->leaf_depth = depth;
    t->is_end_lost = false;
    for (uint32_t i = 0; i < n.n; i++) {
        const uint8_t *cell = cell_of(&n, i);
        if (is_branch(&n) && cell == NULL)
            note_bad(t, depth + 1);
        else if (is_branch(&n))
            walk(p, page_u32(cell), t, depth + 1);
        take_cell(p, &n, cell, t);
    }
    if (is_branch(&n))
        walk(p, n.right, t, depth + 1);
}

void tree_read(struct salvage_pages *p, uint32_t root, struct salvage_tree *t)
{
    t->leaf_depth = t->highest_bad = -1;
    walk(p, root, t, 0);
    /* All leaves lie at one depth: what is broken there has nothing below it. */
    t->has_lost_branch =
        t->highest_bad >= 0 && (t->leaf_depth < 0 || t->highest_bad < t->leaf_depth);
}

bool tree_read_page(struct salvage_pages *p, uint32_t number, struct salvage_tree *t)
{
    struct node n;
    uint8_t *page CQ_CLEANUP(cq_free_ptr) = cq_malloc((size_t)p->bytes + 8);
    if (!pages_read(p, number, page) || !open_node(p, number, page, t->is_index, &n)
        || n.type == TABLE_BRANCH || n.n == 0)
        return false;
    uint64_t bad = t->n_bad_rows;
    for (uint32_t i = 0; i < n.n; i++)
        take_cell(p, &n, cell_of(&n, i), t);
    return t->n_bad_rows == bad;
}
