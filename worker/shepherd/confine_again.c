/* Processors that come back online. Who was bound to one that went offline runs elsewhere since:
 * the kernel puts nobody back. So the group has its processors again, and every thread that is not
 * held by it is bound anew. What a job chose for itself within its cores stays. */
#include "common/base/pure/bitset.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/lease/tree.h"
#include "worker/shepherd/shepherd.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <unistd.h>

enum { ONLINE_MAX = 4096, MASK_WORDS = BITSET_MAX / 64 };

struct again {
    const struct shepherd *shepherd;
    struct bitset cpus;
};

/* Those of the lease that are online: v1 refuses all others. */
static bool find_cpus(const struct shepherd *s, struct bitset *cpus)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    struct bitset online CQ_CLEANUP(bitset_fini) = {0};
    if (s->spec.cpus[0] == '\0' || bitset_parse(s->spec.cpus, cpus, NULL) != 0
        || file_read("/sys/devices/system/cpu/online", ONLINE_MAX, &text, NULL) != 0)
        return false;
    for (size_t n = text.len; n > 0 && text.data[n - 1] == '\n'; n--)
        cq_str_truncate(&text, n - 1);
    if (bitset_parse(cq_str_text(&text), &online, NULL) != 0)
        return false;
    bitset_and(cpus, &online);
    return bitset_count(cpus) > 0;
}

static void bind_thread(const struct bitset *cpus, pid_t thread)
{
    uint64_t words[MASK_WORDS] = {0};
    struct bitset now = {words, MASK_WORDS};
    if (sched_getaffinity(thread, sizeof words, (cpu_set_t *)words) == 0
        && bitset_count_common(&now, cpus) < bitset_count(&now))
        (void)sched_setaffinity(thread, cpus->n * sizeof cpus->words[0], (cpu_set_t *)cpus->words);
}

static void take_back(void *arg, pid_t pid)
{
    const struct again *a = arg;
    char path[64];
    (void)limits_take_in(&a->shepherd->limits, pid);
    (void)snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    for (struct dirent *e = threads ? readdir(threads) : NULL; e; e = readdir(threads))
        if (e->d_name[0] != '.')
            bind_thread(&a->cpus, (pid_t)strtol(e->d_name, NULL, 10));
    if (threads)
        closedir(threads);
}

void confine_again(const struct shepherd *s)
{
    struct again a = {.shepherd = s};
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    if (find_cpus(s, &a.cpus)) {
        bitset_format(&a.cpus, &text);
        if (limits_set_cpus(&s->limits, cq_str_text(&text)) != 0)
            log_warn("shepherd.cpus lease=%llu error=\"%s\"", (unsigned long long)s->spec.lease,
                     strerror(errno));
        tree_each(s->group_fd, take_back, &a);
    }
    bitset_fini(&a.cpus);
}
