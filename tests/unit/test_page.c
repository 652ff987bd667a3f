// LINK: cq_daemon
/* Pages: every row once, in order, however small the pages; the revision tells changes. */
#include "scheduler/daemon/page.h"

#include <criterion/criterion.h>

enum { ROWS = 25000 };

/* One page over rows of `bytes` each; returns how many it took. */
static size_t take_page(struct page *p, size_t bytes)
{
    for (size_t i = 0; i < ROWS; i++) {
        bool takes = page_takes(p, bytes);
        cr_assert_eq(takes, i >= p->skip && i < p->skip + p->n);
    }
    return p->n;
}

static void expect_pages(size_t bytes, size_t expected_pages)
{
    uint64_t got = 0;
    size_t pages = 0;
    bool has_more = true;
    for (; has_more; pages++) {
        struct page p = {.skip = got};
        got += take_page(&p, bytes);
        cr_assert_leq(p.bytes, PAGE_BYTES_MAX);
        cr_assert_leq(p.n, PAGE_ROWS_MAX);
        cr_assert_lt(pages, ROWS);
        has_more = p.has_more;
        page_fini(&p);
    }
    cr_assert_eq(got, ROWS);
    cr_assert_eq(pages, expected_pages);
}

Test(page, every_row_comes_once)
{
    expect_pages(10, 3);                    /* bound by rows */
    expect_pages(1000, (ROWS + 715) / 716); /* bound by bytes: 716 fit */
    expect_pages(PAGE_BYTES_MAX / 100, (ROWS + 99) / 100);
}

Test(page, beyond_the_end_is_an_empty_page)
{
    struct page p = {.skip = ROWS + 7};
    cr_assert_eq(take_page(&p, 10), 0);
    cr_assert(!p.has_more);
}

Test(page, the_revision_tells_texts_and_where_they_end)
{
    struct page a = {0}, b = {0}, c = {0};
    page_note(&a, "ab"), page_note(&a, "c");
    page_note(&b, "a"), page_note(&b, "bc");
    page_note(&c, "ab"), page_note(&c, "c");
    cr_assert_neq(a.revision, b.revision);
    cr_assert_eq(a.revision, c.revision);
}

Test(page, kept_texts_are_copies)
{
    struct page p = {0};
    char text[] = "acme";
    const char *kept = page_keep(&p, text);
    text[0] = 'X';
    cr_assert_str_eq(kept, "acme");
    cr_assert_str_eq(page_keep(&p, NULL), "");
    page_fini(&p);
}
