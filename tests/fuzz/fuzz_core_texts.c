/* Texts that the core reads by itself: the inside of machines, wishes, settings. The first byte
 * chooses. */
#include "scheduler/core/domains.h"
#include "scheduler/core/layout.h"
#include "scheduler/core/settings.h"
#include "tests/fuzz/fuzz.h"

enum { MEM_MIB = 4000 };

static void check_units(const struct layout *l, const struct bitset *cores)
{
    for (enum layout_level level = LEVEL_L3; level <= LEVEL_SOCKET; level++) {
        size_t n = 0;
        FUZZ_CHECK(l->n[level] <= LAYOUT_UNITS_MAX);
        for (size_t i = 0; i < l->n[level]; i++) {
            const struct layout_unit *u = &l->units[level][i];
            FUZZ_CHECK(bitset_count(&u->cores) == u->n_cores);
            FUZZ_CHECK(bitset_count_common(&u->cores, cores) == u->n_cores);
            n += u->n_cores;
        }
        FUZZ_CHECK(n >= bitset_count(cores)); /* nested groups of a kind have theirs twice */
    }
}

/* Chosen cores are free ones, as many as were asked for, with all their memory. */
static void choose(const struct layout *l, const struct bitset *cores, const char *topo)
{
    struct layout_wish wish = {.memory = MEMORY_LOCAL};
    struct layout_rank rank;
    struct bitset chosen = {0};
    uint64_t mem[LAYOUT_UNITS_MAX], taken[LAYOUT_UNITS_MAX], sum = 0;
    if (!layout_read_wish(topo, &wish))
        return;
    wish.cores = 1 + bitset_count(cores) / 2;
    wish.mem_mib = MEM_MIB / 3;
    layout_all_memory(l, mem);
    if (layout_choose(l, cores, mem, &wish, &rank, &chosen, taken)) {
        FUZZ_CHECK(bitset_count(&chosen) >= wish.cores
                   && bitset_count_common(&chosen, cores) == bitset_count(&chosen));
        for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++) {
            FUZZ_CHECK(taken[i] <= mem[i]);
            sum += taken[i];
        }
        FUZZ_CHECK(sum == wish.mem_mib);
    }
    bitset_fini(&chosen);
}

/* "CORES\nWISH\nTOPOLOGY" */
static void try_layout(char *text)
{
    char *topo = strchr(text, '\n'), *form = topo ? strchr(topo + 1, '\n') : NULL;
    struct bitset cores = {0};
    struct layout l;
    uint64_t mem[LAYOUT_UNITS_MAX], sum = 0;
    if (form == NULL)
        return;
    *topo++ = *form++ = '\0';
    if (bitset_parse(text, &cores, NULL) == 0) {
        if (layout_parse(form, &cores, MEM_MIB, &l, NULL) == 0) {
            check_units(&l, &cores);
            layout_all_memory(&l, mem);
            for (size_t i = 0; i < l.n[LEVEL_NUMA]; i++)
                sum += mem[i];
            FUZZ_CHECK(l.n[LEVEL_NUMA] == 0 || sum == MEM_MIB);
            if (bitset_count(&cores) > 0)
                choose(&l, &cores, topo);
            layout_fini(&l);
        }
    }
    bitset_fini(&cores);
}

static void try_wish(const char *text)
{
    struct layout_wish first = {0}, second = {0};
    char shown[64];
    if (!layout_read_wish(text, &first))
        return;
    FUZZ_CHECK(layout_read_wish(layout_wish_text(&first, shown, sizeof shown), &second));
    FUZZ_CHECK(first.way == second.way && first.is_strict == second.is_strict);
}

static void try_domains(const char *text)
{
    struct domain_memory first = {0}, second = {0};
    struct cq_str out = {0};
    if (domain_memory_parse(text, &first)) {
        domain_memory_format(&first, &out);
        FUZZ_CHECK(domain_memory_parse(cq_str_text(&out), &second) && first.n == second.n);
        FUZZ_CHECK(first.n == 0 || memcmp(first.mib, second.mib, first.n * sizeof *first.mib) == 0);
    }
    domain_memory_fini(&first);
    domain_memory_fini(&second);
    cq_str_fini(&out);
}

/* "key=value" a line; what is taken has a canonical form that says the same. */
static void try_settings(char *text)
{
    struct settings first, second;
    struct cq_str one = {0}, two = {0};
    settings_init(&first);
    settings_init(&second);
    for (char *line; (line = strsep(&text, "\n"));) {
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        struct cq_err err = {0};
        FUZZ_CHECK(settings_set(NULL, NULL, &first, line, value, &err) == 0 || err.code != CQ_OK);
    }
    settings_format(&first, &one);
    FUZZ_CHECK(settings_parse(NULL, NULL, cq_str_text(&one), &second, NULL) == 0);
    settings_format(&second, &two);
    FUZZ_CHECK(strcmp(cq_str_text(&one), cq_str_text(&two)) == 0);
    FUZZ_CHECK(first.max_cores == second.max_cores && first.min_mem_mib == second.min_mem_mib
               && first.budget_core_us == second.budget_core_us);
    settings_fini(&first);
    settings_fini(&second);
    cq_str_fini(&one);
    cq_str_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    char *text = fuzz_text(data + 1, bytes - 1);
    switch (data[0] % 4) {
    case 0:
        try_layout(text);
        break;
    case 1:
        try_wish(text);
        break;
    case 2:
        try_domains(text);
        break;
    default:
        try_settings(text);
        break;
    }
    free(text);
    return 0;
}
