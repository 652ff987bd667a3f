/* What a worker reads that others wrote: a plugin's result.json, its description, the kernel's
 * figures, the numbers of cores. The first byte chooses. */
#include "common/base/pure/places.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/log.h"
#include "tests/fuzz/fuzz_dir.h"
#include "worker/agent/memory.h"
#include "worker/agent/numbers.h"
#include "worker/agent/tools.h"
#include "worker/agent/verdict.h"
#include "worker/lease/limits.h"

#include <jansson.h>

static void try_result(const char *text, size_t bytes)
{
    static const uint32_t flags[] = {LEASE_F_TOOL, 0, LEASE_F_TOOL | LEASE_F_OOM};
    struct tool_result r = {0};
    struct cq_err err = {0};
    int rc = bytes <= RESULT_MAX_BYTES ? tool_result_parse(text, bytes, &r, &err) : -1;
    for (size_t i = 0; i < CQ_COUNT(flags); i++) {
        const struct lease_record end = {.type = LEASE_REC_END, .flags = flags[i]};
        struct meaning m = {0};
        verdict_decide(&end, &r, rc == 0 ? NULL : err.text, &m);
        FUZZ_CHECK(m.verdict != WORKER_VERDICT_NONE);
        FUZZ_CHECK(cq_is_utf8(m.summary, strlen(m.summary))
                   && cq_is_utf8(m.signature, strlen(m.signature)));
    }
    cq_str_fini(&r.text);
}

/* Known from the cache, so that nothing is started: under the plugin's name and stamp. */
static void try_description(const char *text)
{
    char plugin[PATH_MAX], cache[PATH_MAX], stamp[64];
    struct stat st;
    struct tools tools;
    fuzz_dir_put("chipq-tool-x", 0700, "#!/bin/false\n", 13, plugin);
    FUZZ_CHECK(stat(plugin, &st) == 0);
    (void)snprintf(stamp, sizeof stamp, "%lld.%09ld %lld", (long long)st.st_mtim.tv_sec,
                   st.st_mtim.tv_nsec, (long long)st.st_size);
    json_t *root = json_pack("{s:{s:s, s:s}}", plugin, "stamp", stamp, "describe", text);
    char *json = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (json) { /* else it is no UTF-8, which no cache has */
        fuzz_dir_put("cache", 0600, json, strlen(json), cache);
        tools_load(fuzz_dir(), cache, &tools);
        FUZZ_CHECK(tools.n <= 1 && tools.n_features <= tools.n);
        tools_fini(&tools);
    }
    free(json);
    json_decref(root);
}

/* A cache that is not as we wrote it: without plugins nobody is in it. */
static void try_cache(const char *text, size_t bytes)
{
    char path[PATH_MAX];
    struct tools tools;
    (void)snprintf(path, sizeof path, "%s/chipq-tool-x", fuzz_dir());
    (void)unlink(path);
    fuzz_dir_put("cache", 0600, text, bytes, path);
    tools_load(fuzz_dir(), path, &tools);
    FUZZ_CHECK(tools.n == 0);
    tools_fini(&tools);
}

static void try_kernel(const uint8_t *data, size_t bytes, const char *text)
{
    char path[FUZZ_PATH_MAX];
    int fd = fuzz_file(data, bytes, path);
    const struct limits l = {.peak_fd = fd, .events_fd = fd, .pids_fd = fd, .cpu_fd = fd};
    struct limits_reading r;
    limits_read(&l, &r);
    FUZZ_CHECK(r.has_cpu == (bytes > 0 && text[0] != '\0'));
    (void)memory_total_in(text);
    (void)close(fd);
}

/* A line of processors for each core, then the form: in a file of this boot, and in any other. */
static void put_numbers(char *text, char path[PATH_MAX])
{
    struct cq_uuid boot = clock_boot_id();
    char hex[33] = "";
    json_t *cores = json_array();
    const char *line, *form = "";
    for (size_t i = 0; i < sizeof boot.bytes; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", boot.bytes[i]);
    while ((line = strsep(&text, "\n")) != NULL) {
        form = line;
        if (text)
            json_array_append_new(cores, json_string(line));
    }
    json_t *root = json_pack("{s:s, s:s, s:o}", "boot", hex, "topology", form, "cores", cores);
    char *json = root ? json_dumps(root, 0) : NULL;
    fuzz_dir_put("cores", 0600, json ? json : "", json ? strlen(json) : 0, path);
    free(json);
    json_decref(root);
}

static void read_numbers(const char *path)
{
    struct core_numbers n = {0};
    struct bitset system = {0};
    if (numbers_read(&n, path)) {
        char *all = numbers_text(&n, &n.placed, &system);
        bitset_set(&system, 0);
        char *rest = numbers_text(&n, &n.placed, &system);
        FUZZ_CHECK(all != NULL && rest != NULL);
        free(all);
        free(rest);
    }
    numbers_fini(&n);
    bitset_fini(&system);
}

static void try_numbers(char *text, size_t bytes)
{
    char path[PATH_MAX];
    struct places places = {0};
    fuzz_dir_put("cores", 0600, text, bytes, path);
    read_numbers(path);
    if (places_read(text, &places))
        places_fini(&places);
    put_numbers(text, path);
    read_numbers(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    char *text = fuzz_text(data + 1, bytes - 1);
    log_set_level(LOG_ERROR);
    switch (data[0] % 5) {
    case 0:
        try_result(text, bytes - 1);
        break;
    case 1:
        try_description(text);
        break;
    case 2:
        try_cache(text, bytes - 1);
        break;
    case 3:
        try_kernel(data + 1, bytes - 1, text);
        break;
    default:
        try_numbers(text, bytes - 1);
        break;
    }
    free(text);
    return 0;
}
