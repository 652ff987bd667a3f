/* Files that tools and chipq leave for plugins: yosys' statistics, layouts, decks, task.json. The
 * first byte chooses. */
#include "plugins/klayout/deck.h"
#include "plugins/klayout/gds.h"
#include "plugins/sdk/gate.h"
#include "plugins/sdk/taskfile.h"
#include "plugins/yosys/yosys.h"
#include "tests/fuzz/fuzz_file.h"

static void check_metrics(const struct outcome *o)
{
    FUZZ_CHECK(o->metrics.count <= METRICS_MAX);
    for (size_t i = 0; i < o->metrics.count; i++)
        FUZZ_CHECK(o->metrics.items[i].value - o->metrics.items[i].value == 0);
}

/* The JSON and the text that `stat` wrote, with a NUL between them. */
static void try_stat(const uint8_t *data, size_t bytes)
{
    char json[FUZZ_PATH_MAX], text[FUZZ_PATH_MAX];
    const uint8_t *split = memchr(data, '\0', bytes);
    size_t n = split ? (size_t)(split - data) : bytes;
    size_t skip = split ? n + 1 : n;
    struct outcome o = {0};
    int a = fuzz_file(data, n, json), b = fuzz_file(data + skip, bytes - skip, text);
    FUZZ_CHECK(stat_read(json, text, "top", &o, NULL) == 0 || o.verdict != VERDICT_PASS);
    check_metrics(&o);
    size_t count = o.metrics.count;
    FUZZ_CHECK(stat_read_check(text, &o, NULL) != 0 || o.metrics.count >= count);
    check_metrics(&o);
    outcome_fini(&o);
    (void)close(a);
    (void)close(b);
}

static void try_gds(const char *path)
{
    struct gds_counts c = {0};
    if (gds_read(path, "TOP", &c, NULL) == 0)
        FUZZ_CHECK(!c.has_top || c.structures > 0);
}

static void try_deck(const char *path)
{
    const struct lyrdb none = {0};
    char missing[LYRDB_NAME_MAX] = "";
    if (deck_missing_rule(path, &none, missing, NULL) == 0)
        FUZZ_CHECK(memchr(missing, '\0', sizeof missing) != NULL);
}

/* With the gates that it asks for, on an outcome that has one of the metrics. */
static void try_task(const char *path)
{
    struct taskfile t = {0};
    struct gates *g = CQ_NEW(struct gates);
    struct outcome o = {0};
    if (taskfile_read(path, &t, NULL) == 0) {
        FUZZ_CHECK(t.tool && t.task && json_is_object(t.params));
        metrics_set(&o.metrics, "synth__design__instance__area", 17);
        outcome_pass(&o, "passed");
        if (gates_read(t.require, t.expect, g, NULL) == 0) {
            gates_apply(g, &o);
            FUZZ_CHECK(g->count <= GATES_MAX);
            FUZZ_CHECK(!g->expects_fail || o.verdict != VERDICT_PASS || g->count > 0);
        }
        taskfile_fini(&t);
    }
    outcome_fini(&o);
    free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[FUZZ_PATH_MAX];
    if (bytes == 0)
        return 0;
    if (data[0] % 4 == 0) {
        try_stat(data + 1, bytes - 1);
        return 0;
    }
    int fd = fuzz_file(data + 1, bytes - 1, path);
    if (data[0] % 4 == 1)
        try_gds(path);
    else if (data[0] % 4 == 2)
        try_deck(path);
    else
        try_task(path);
    (void)close(fd);
    return 0;
}
