/* The pool of control groups. */
#include "worker/execd/slots.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"

#include <unistd.h>

enum { FREE_MAX = 64, KEPT_BYTES = 4 << 20, LIST_MAX = 64 * 1024, IN_USE_MAX = 4096 };

/* The same places in another order of a restart are the same file. */
static void list_places(const struct group_root *root, struct cq_str *out)
{
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++)
        if (root->at[k].fd >= 0)
            cq_str_printf(out, "%s\n", root->at[k].path);
}

static void sweep_list(const char *text, const char *prefix)
{
    char path[PATH_MAX];
    for (const char *p = text; *p; p += *p != '\0') {
        size_t n = strcspn(p, "\n");
        if (n > 0 && n < sizeof path && p[0] == '/') {
            memcpy(path, p, n);
            path[n] = '\0';
            group_sweep(path, prefix);
        }
        p += n;
    }
}

/* Our own group may be another one than last time: what lies in the old place is removed too. */
static void sweep_and_note(const struct slots *s, const char *dir)
{
    struct cq_str old = {0}, now = {0};
    struct cq_err err;
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/run/groups", dir);
    list_places(&s->root, &now);
    sweep_list(cq_str_text(&now), s->root.prefix);
    if (file_read(path, LIST_MAX, &old, NULL) == 0)
        sweep_list(cq_str_text(&old), s->root.prefix);
    if (strcmp(cq_str_text(&old), cq_str_text(&now)) != 0
        && file_write_atomic(path, cq_str_text(&now), now.len, 0600, &err) != 0)
        log_warn("execd.groups error=\"%s\"", err.text);
    cq_str_fini(&old);
    cq_str_fini(&now);
}

void slots_open(struct slots *s, const char *dir, const char *tag)
{
    const char *choice = getenv("CHIPQ_LIMITS"); /* tests of life without control groups */
    bool has_limits = choice == NULL || strcmp(choice, "none") != 0;
    char text[96];
    *s = (struct slots){0};
    group_root_open(&s->root, tag, has_limits);
    group_root_describe(&s->root, text, sizeof text);
    sweep_and_note(s, dir);
    log_info("execd.limits have=\"%s\"", text);
    if (s->root.lost[0])
        log_warn("execd.limits lost=\"%s\"", s->root.lost);
}

struct group slots_take(struct slots *s)
{
    struct group g;
    if (s->n_free > 0)
        return s->free[--s->n_free];
    for (int i = 0; i < IN_USE_MAX; i++) {
        enum group_made made = group_make(&s->root, s->next, &g);
        if (made != GROUP_FAILED)
            s->next++;
        if (made == GROUP_MADE)
            return g;
        if (made == GROUP_FAILED)
            break;
    }
    if (!s->has_warned && group_root_has(&s->root, GROUP_TREE))
        log_warn("execd.limits error=\"no control group can be made\"");
    s->has_warned = true;
    g.slot = SLOT_NONE;
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++)
        g.fd[k] = -1;
    return g;
}

static void keep(struct slots *s, const struct group *g)
{
    cq_grow(&s->free, &s->free_cap, s->n_free);
    s->free[s->n_free++] = *g;
}

void slots_give(struct slots *s, struct group *g)
{
    if (g->slot == SLOT_NONE)
        return;
    if (s->n_free < FREE_MAX && group_is_empty(g) && group_memory_bytes(g) <= KEPT_BYTES) {
        keep(s, g);
        return;
    }
    group_close(g);
    group_remove(&s->root, g->slot); /* one that is not empty stays until the next sweep */
}

void slots_close(struct slots *s)
{
    while (s->n_free > 0) {
        struct group *g = &s->free[--s->n_free];
        group_close(g);
        group_remove(&s->root, g->slot);
    }
    free(s->free);
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++)
        if (s->root.at[k].fd >= 0)
            group_sweep(s->root.at[k].path, s->root.prefix);
    group_root_close(&s->root);
}
