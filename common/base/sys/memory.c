/* The kernel's own figures about memory. */
#include "common/base/sys/memory.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"

#include <limits.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024 };

static char *read_text(const char *path)
{
    struct cq_str text = {0};
    if (file_read(path, FILE_MAX, &text, NULL) != 0 || text.len == 0) {
        cq_str_fini(&text);
        return NULL;
    }
    return cq_str_take(&text);
}

uint64_t memory_total_in(const char *meminfo)
{
    static const char name[] = "MemTotal:";
    for (const char *p = meminfo; p; p = (p = strchr(p, '\n')) ? p + 1 : NULL)
        if (strncmp(p, name, sizeof name - 1) == 0)
            return strtoull(p + sizeof name - 1, NULL, 10) << 10;
    return 0;
}

uint64_t memory_total_bytes(void)
{
    CQ_CLEANUP(cq_free_ptr) char *text = read_text("/proc/meminfo");
    return text ? memory_total_in(text) : 0;
}

static uint64_t number_in_file(const char *path)
{
    CQ_CLEANUP(cq_free_ptr) char *text = read_text(path);
    bool is_number = text && text[0] >= '0' && text[0] <= '9'; /* "max" is none */
    return is_number ? strtoull(text, NULL, 10) : MEMORY_NO_LIMIT;
}

/* The limit of group `path` ("/a/b") below `root` and of all above it. */
static uint64_t lowest_limit(const char *root, const char *path, const char *file)
{
    char group[PATH_MAX], full[2 * PATH_MAX];
    uint64_t lowest = MEMORY_NO_LIMIT;
    if (!cq_copy_text(group, sizeof group, path))
        return lowest;
    for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
        *end = '\0';
        snprintf(full, sizeof full, "%s%s/%s", root, group, file);
        uint64_t limit = number_in_file(full);
        lowest = limit < lowest ? limit : lowest;
    }
    return lowest;
}

/* A line of /proc/self/cgroup: "4:memory:/a/b" or "0::/a/b". */
static uint64_t limit_of_line(const char *line)
{
    const char *controllers = strchr(line, ':');
    const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL)
        return MEMORY_NO_LIMIT;
    path++;
    if (controllers[1] == ':')
        return lowest_limit("/sys/fs/cgroup", path, "memory.max");
    return strncmp(controllers, ":memory:", 8) == 0
               ? lowest_limit("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
               : MEMORY_NO_LIMIT;
}

uint64_t memory_group_limit_bytes(void)
{
    CQ_CLEANUP(cq_free_ptr) char *text = read_text("/proc/self/cgroup");
    uint64_t lowest = MEMORY_NO_LIMIT;
    for (char *line = text, *end = NULL; line && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        uint64_t limit = limit_of_line(line);
        lowest = limit < lowest ? limit : lowest;
    }
    return lowest;
}

/* The second number of statm is pages. */
uint64_t memory_resident_bytes(void)
{
    CQ_CLEANUP(cq_free_ptr) char *text = read_text("/proc/self/statm");
    const char *second = text ? strchr(text, ' ') : NULL;
    return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
