/* The judges of all tools: the first byte chooses one, the second how the tool ended, the rest is
 * what it printed. A log that may say anything gives one of three verdicts, in bounded text; a tool
 * that was killed never passes. */
#include "plugins/sdk/plugin.h"
#include "plugins/sdk/recorded.h"
#include "plugins/sdk/signature.h"
#include "tests/fuzz/fuzz_file.h"

extern const struct judge synth_judge, check_judge, klayout_judge, lint_judge, sim_build_judge,
    sim_run_judge;
extern const struct plugin yosys_plugin, opensta_plugin, klayout_plugin, verilator_plugin;

static const struct {
    const struct judge *judge;
    const struct plugin *plugin;
    const char *task;
} judges[] = {
    {&synth_judge, &yosys_plugin, "synth"},       {&check_judge, &opensta_plugin, "check"},
    {&klayout_judge, &klayout_plugin, "drc"},     {&lint_judge, &verilator_plugin, "lint"},
    {&sim_build_judge, &verilator_plugin, "sim"}, {&sim_run_judge, &verilator_plugin, "sim"},
};

static void check_outcome(const struct outcome *o, const struct proc_end *end)
{
    char first[SIGNATURE_MAX], second[SIGNATURE_MAX];
    FUZZ_CHECK(memchr(o->message, '\0', OUTCOME_TEXT_MAX)
               && memchr(o->summary, '\0', OUTCOME_TEXT_MAX));
    FUZZ_CHECK(o->metrics.count <= METRICS_MAX);
    FUZZ_CHECK(end->signal == 0 || o->verdict != VERDICT_PASS);
    signature_make(o->message, first);
    signature_make(first, second);
    FUZZ_CHECK(strcmp(first, second) == 0);
    FUZZ_CHECK(signature_has(o->message, first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[FUZZ_PATH_MAX];
    struct params params = {0};
    struct outcome o = {0};
    if (bytes < 2)
        return 0;
    size_t which = data[0] % CQ_COUNT(judges);
    const struct proc_end end = {.exit_status = data[1] % 4 == 3 ? 0 : data[1] % 4,
                                 .signal = data[1] % 4 == 3 ? 11 : 0};
    const struct plugin_task *task = plugin_find_task(judges[which].plugin, judges[which].task);
    const char *const none[] = {NULL};
    json_t *given = json_object();
    FUZZ_CHECK(task != NULL && params_read(task->params, none, given, &params, NULL) == 0);
    int fd = fuzz_file(data + 2, bytes - 2, path);
    if (recorded_read(judges[which].judge, &params, path, &end, &o, NULL) == 0)
        check_outcome(&o, &end);
    char *text = recorded_text(&o);
    FUZZ_CHECK(text != NULL);
    free(text);
    outcome_fini(&o);
    params_fini(&params);
    json_decref(given);
    (void)close(fd);
    return 0;
}
