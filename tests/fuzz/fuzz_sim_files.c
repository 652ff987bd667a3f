/* Files of the simulator: traces (SWF), workloads, rows of configuration. The first byte chooses.
 * What was read is built into a workload, or refused with a place. */
#include "scheduler/sim/config_rows.h"
#include "scheduler/sim/swf.h"
#include "scheduler/sim/tsv.h"
#include "tests/fuzz/fuzz_file.h"

static void try_workload(const char *path, bool is_swf)
{
    const struct swf_options o = {.one_leaf = false};
    struct workload w = {0};
    struct cq_err err = {0};
    int rc = is_swf ? swf_read(path, &o, &w, &err) : tsv_read(path, &w, &err);
    if (rc == 0 && w.n_rows > 0)
        rc = workload_build(&w, &err);
    FUZZ_CHECK(rc == 0 || (err.code != CQ_OK && err.text[0] != '\0'));
    workload_fini(&w);
}

static void try_rows(const char *path)
{
    struct config_rows rows = {0};
    if (config_rows_read(path, &rows, NULL) == 0)
        for (size_t i = 0; i < rows.n; i++)
            FUZZ_CHECK(rows.items[i].kind && rows.items[i].path && rows.items[i].key
                       && rows.items[i].value && rows.items[i].op <= CONFIG_REMOVE);
    config_rows_fini(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[FUZZ_PATH_MAX];
    if (bytes == 0)
        return 0;
    int fd = fuzz_file(data + 1, bytes - 1, path);
    switch (data[0] % 3) {
    case 0:
        try_workload(path, true);
        break;
    case 1:
        try_workload(path, false);
        break;
    default:
        try_rows(path);
        break;
    }
    (void)close(fd);
    return 0;
}
