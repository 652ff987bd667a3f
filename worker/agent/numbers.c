/* Numbers of cores, and the file run/cores that keeps them. */
#include "worker/agent/numbers.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/places.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <ctype.h>
#include <jansson.h>

enum { FILE_MAX = 1 << 20, DEPTH_MAX = 16, BOOT_BYTES = 33 };

void numbers_fini(struct core_numbers *n)
{
    for (size_t i = 0; i < n->n; i++)
        bitset_fini(&n->cpus[i]);
    free(n->cpus);
    free(n->text);
    bitset_fini(&n->placed);
    *n = (struct core_numbers){0};
}

static size_t add(struct core_numbers *n)
{
    cq_grow(&n->cpus, &n->cap, n->n);
    n->cpus[n->n] = (struct bitset){0};
    return n->n++;
}

size_t numbers_of(struct core_numbers *n, const struct bitset *cpus)
{
    size_t i = 0;
    while (i < n->n && !bitset_intersects(&n->cpus[i], cpus))
        i++;
    if (i == BITSET_MAX)
        return SIZE_MAX;
    if (i == n->n)
        i = add(n);
    if (bitset_count_common(&n->cpus[i], cpus) == bitset_count(cpus))
        return i;
    bitset_or(&n->cpus[i], cpus);
    n->is_changed = true;
    return i;
}

void numbers_place(struct core_numbers *n, char *text, const struct bitset *cores)
{
    free(n->text);
    n->text = text;
    bitset_copy(&n->placed, cores);
    n->is_changed = true;
}

/* ---- a part of the text ---- */

void numbers_separate(struct cq_str *out)
{
    if (out->len && out->data[out->len - 1] != '(')
        cq_str_add_char(out, ' ');
}

struct group {
    size_t from, inside, n_cores; /* lengths of `out` before and in it; cores before it */
};

struct filter {
    struct cq_str out, far; /* far: GPUs near no core that is left */
    struct group open[DEPTH_MAX];
    size_t depth, n_cores;
    const struct bitset *cores, *system;
};

static void add_text(struct cq_str *to, const char *text, size_t n)
{
    numbers_separate(to);
    cq_str_append(to, text, n);
}

static const char *open_group(struct filter *f, const char *at)
{
    size_t n = strcspn(at, "(") + 1, from = f->out.len;
    add_text(&f->out, at, n);
    f->open[f->depth++] = (struct group){from, f->out.len, f->n_cores};
    return at + n;
}

/* A group without a core goes; all that is left in it are GPUs. */
static void close_group(struct filter *f)
{
    const struct group *g = &f->open[--f->depth];
    if (g->n_cores < f->n_cores) {
        cq_str_add_char(&f->out, ')');
        return;
    }
    if (f->out.len > g->inside)
        add_text(&f->far, f->out.data + g->inside, f->out.len - g->inside);
    cq_str_truncate(&f->out, g->from);
}

static void add_core(struct filter *f, size_t core)
{
    bool is_system = bitset_has(f->system, core);
    if (!is_system && !bitset_has(f->cores, core))
        return;
    numbers_separate(&f->out);
    cq_str_printf(&f->out, "%s%zu", is_system ? "sys" : "", core);
    f->n_cores++;
}

static const char *take_item(struct filter *f, const char *at)
{
    char *end;
    if (cq_str_starts(at, "gpu")) {
        size_t n = strcspn(at, " )");
        add_text(&f->out, at, n);
        return at + n;
    }
    if (!isdigit((unsigned char)*at))
        return open_group(f, at);
    size_t core = strtoul(at, &end, 10);
    add_core(f, core);
    return end;
}

char *numbers_text(const struct core_numbers *n, const struct bitset *cores,
                   const struct bitset *system)
{
    struct filter f = {.cores = cores, .system = system};
    for (const char *p = n->text ? n->text : ""; *p;) {
        if (*p == ')')
            close_group(&f);
        p = *p == ')' || *p == ' ' ? p + 1 : take_item(&f, p);
    }
    for (size_t i = 0; i < n->n; i++)
        if (!bitset_has(&n->placed, i))
            add_core(&f, i);
    if (f.far.len)
        add_text(&f.out, f.far.data, f.far.len);
    cq_str_fini(&f.far);
    return f.out.data ? cq_str_take(&f.out) : cq_strdup("");
}

/* ---- the file ---- */

static void boot_text(char to[BOOT_BYTES])
{
    const struct cq_uuid boot = clock_boot_id();
    for (size_t i = 0; i < sizeof boot.bytes; i++)
        (void)snprintf(to + 2 * i, 3, "%02x", boot.bytes[i]);
}

static bool take_cores(struct core_numbers *n, json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (i == BITSET_MAX || text == NULL)
            return false;
        size_t at = add(n);
        if (bitset_parse(text, &n->cpus[at], NULL) != 0)
            return false;
    }
    return json_is_array(list);
}

/* Every core that the form has must have a number; which are the system's it does not say. */
static bool take_text(struct core_numbers *n, const char *text)
{
    struct places places;
    bool ok = text && places_read(text, &places);
    if (!ok)
        return false;
    for (size_t i = 0; i < places.n; i++) {
        ok = ok && places.items[i].core < n->n && !places.items[i].is_system;
        bitset_set(&n->placed, places.items[i].core);
    }
    n->text = cq_strdup(text);
    places_fini(&places);
    return ok;
}

bool numbers_read(struct core_numbers *out, const char *path)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    char boot[BOOT_BYTES];
    boot_text(boot);
    *out = (struct core_numbers){0};
    if (file_read(path, FILE_MAX, &text, NULL) != 0)
        return false;
    json_t *root = json_loadb(cq_str_text(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
    const char *of = json_string_value(json_object_get(root, "boot"));
    bool ok = of && strcmp(of, boot) == 0 && take_cores(out, json_object_get(root, "cores"))
              && take_text(out, json_string_value(json_object_get(root, "topology")));
    json_decref(root);
    if (!ok)
        numbers_fini(out);
    return ok;
}

int numbers_write(struct core_numbers *n, const char *path, struct cq_err *err)
{
    char boot[BOOT_BYTES];
    json_t *cores = json_array();
    boot_text(boot);
    for (size_t i = 0; i < n->n; i++) {
        struct cq_str cpus = {0};
        bitset_format(&n->cpus[i], &cpus);
        json_array_append_new(cores, json_string(cq_str_text(&cpus)));
        cq_str_fini(&cpus);
    }
    json_t *root = json_pack("{s:s, s:s, s:o}", "boot", boot, "topology", n->text ? n->text : "",
                             "cores", cores);
    char *text = json_dumps(root, JSON_INDENT(1));
    int rc = file_write_atomic(path, text, strlen(text), 0600, err);
    n->is_changed = n->is_changed && rc != 0;
    free(text);
    json_decref(root);
    return rc;
}
