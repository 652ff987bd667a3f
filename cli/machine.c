/* Counts cores in sysfs, memory by sysconf. */
#include "cli/machine.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"
#include "common/base/sys/files.h"

#include <unistd.h>

enum { CPUS_MAX = 65536 };

/* The threads of one core share a list, and the first of them counts for all. */
static bool is_first_thread(uint32_t cpu)
{
    struct cq_str text = {0};
    struct ranges threads = {0};
    CQ_CLEANUP(cq_free_ptr)
    char *path = path_format("/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    bool is_first = true;
    if (file_read(path, 4096, &text, NULL) == 0 && text.len) {
        cq_str_truncate(&text, strcspn(text.data, "\n"));
        if (ranges_parse(cq_str_text(&text), CPUS_MAX, CPUS_MAX, &threads, NULL) == 0)
            is_first = ranges_is_empty(&threads) || ranges_first(&threads) == cpu;
    }
    ranges_fini(&threads);
    cq_str_fini(&text);
    return is_first;
}

uint64_t machine_cores(void)
{
    struct cq_str text = {0};
    struct ranges cpus = {0};
    uint64_t n = 0;
    if (file_read("/sys/devices/system/cpu/online", 4096, &text, NULL) == 0 && text.len) {
        cq_str_truncate(&text, strcspn(text.data, "\n"));
        if (ranges_parse(cq_str_text(&text), CPUS_MAX, CPUS_MAX, &cpus, NULL) != 0)
            cpus = (struct ranges){0};
    }
    for (size_t i = 0; i < cpus.n; i++)
        for (uint32_t cpu = ranges_items(&cpus)[i].first; cpu <= ranges_items(&cpus)[i].last; cpu++)
            n += is_first_thread(cpu);
    ranges_fini(&cpus);
    cq_str_fini(&text);
    return n;
}

uint64_t machine_mem_mib(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || bytes <= 0)
        return 0;
    return ((uint64_t)pages * (uint64_t)bytes + 1048575) / 1048576;
}
