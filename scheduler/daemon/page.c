/* Which rows of an answer go into this frame. */
#include "scheduler/daemon/page.h"

#include "common/base/pure/mem.h"

bool page_takes(struct page *p, size_t bytes)
{
    if (p->seen++ < p->skip)
        return false;
    if (p->has_more || p->n == PAGE_ROWS_MAX || p->bytes + bytes > PAGE_BYTES_MAX) {
        p->has_more = true;
        return false;
    }
    p->n++;
    p->bytes += bytes;
    return true;
}

/* FNV-1a, with the end of each text counted in. */
void page_note(struct page *p, const char *text)
{
    uint64_t h = p->revision ? p->revision : UINT64_C(0xcbf29ce484222325);
    size_t n = strlen(text) + 1;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    p->revision = h;
}

const char *page_keep(struct page *p, const char *text)
{
    char *copy = cq_strdup(text ? text : "");
    cq_grow(&p->texts, &p->cap_texts, p->n_texts);
    p->texts[p->n_texts++] = copy;
    return copy;
}

void page_fini(struct page *p)
{
    for (size_t i = 0; i < p->n_texts; i++)
        free(p->texts[i]);
    free(p->texts);
    *p = (struct page){0};
}
