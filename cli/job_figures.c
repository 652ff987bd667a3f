/* Figures of an attempt: which are known, and how they are said. */
#include "cli/job_figures.h"

#include "cli/follow.h"
#include "cli/to_json.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

#include <inttypes.h>

enum { OUTPUTS_NONE = 1, OUTPUTS_PUBLISHED };

static void forget(json_t *row, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_object_set_new(row, keys[i], json_null());
}

/* No process runs without memory: where there is no peak, nobody was there to measure. The rest
 * came later to chipq than the peak: an old attempt has no largest process. */
static void forget_unknown(json_t *row, const struct task_row *t)
{
    static const char *const figures[] = {"peak_mem_kib", "peak_mem_mib", "cpu_user_us",
                                          "cpu_system_us"};
    static const char *const later[] = {"max_rss_kib", "io_read_bytes", "io_write_bytes",
                                        "switches", "switches_forced"};
    if (t->peak_mem_kib == 0)
        forget(row, figures, CQ_COUNT(figures));
    if (t->peak_mem_kib == 0 || t->max_rss_kib == 0)
        forget(row, later, CQ_COUNT(later));
    if (t->mem_mib == 0)
        json_object_set_new(row, "mem_mib", json_null());
}

void job_figures_add(json_t *row, const struct task_row *t)
{
    json_object_set_new(row, "peak_mem_mib",
                        json_integer((json_int_t)((t->peak_mem_kib + 1023) / 1024)));
    forget_unknown(row, t);
    json_object_set_new(row, "outputs",
                        json_string(t->outputs == OUTPUTS_PUBLISHED ? "published"
                                    : t->outputs == OUTPUTS_NONE    ? "none"
                                                                    : ""));
}

static bool is_known(const json_t *task, const char *key)
{
    return json_is_integer(json_object_get(task, key));
}

/* It ran, it is over, and nobody measured it. */
static bool is_unmeasured(const json_t *task)
{
    return row_number(task, "run_us") > 0 && !is_known(task, "peak_mem_kib");
}

/* "n1: cores 8-11 (numa 1), 9 offline". One that waits to run again is nowhere. */
static json_t *where_it_ran(const json_t *task)
{
    const char *node = row_text(task, "node"), *cores = row_text(task, "cores"),
               *numa = row_text(task, "numa"), *offline = row_text(task, "offline");
    struct cq_str text = {0};
    if (*node && *cores)
        cq_str_printf(&text, "%s: %s %s", node, strpbrk(cores, ",-") ? "cores" : "core", cores);
    if (text.len && *numa)
        cq_str_printf(&text, " (numa %s)", numa);
    if (text.len && *offline)
        cq_str_printf(&text, ", %s offline", strcmp(cores, offline) == 0 ? "all" : offline);
    json_t *where = json_text(cq_str_text(&text));
    cq_str_fini(&text);
    return where;
}

/* Of a few milliseconds a tenth counts: they are seldom none. */
static const char *format_cpu(int64_t us, char *buf, size_t size)
{
    if (us > 0 && us < 10 * 1000)
        (void)snprintf(buf, size, "%.1f ms", (double)us / 1e3);
    else
        (void)format_time_us(us, buf, size);
    return buf;
}

static json_t *cpu_words(const json_t *task)
{
    int64_t user_us = row_number(task, "cpu_user_us"),
            system_us = row_number(task, "cpu_system_us");
    char all[32], user[32], system[32], words[128] = "";
    if (is_known(task, "cpu_user_us"))
        (void)snprintf(words, sizeof words, "%s (%s user, %s system)",
                       format_cpu(user_us + system_us, all, sizeof all),
                       format_cpu(user_us, user, sizeof user),
                       format_cpu(system_us, system, sizeof system));
    else if (is_unmeasured(task))
        return json_string("-");
    return json_text(words);
}

/* Used against asked: "3.1G of 4G (largest process 2.2G)". The peak counts what the limit counts,
 * file cache too; the largest process is the other half of the truth. */
static json_t *peak_words(const json_t *job, const json_t *task)
{
    char peak[32] = "-", asked[32], largest[32], words[128] = "";
    uint64_t peak_mib = (uint64_t)row_number(task, "peak_mem_mib");
    uint64_t asked_mib = (uint64_t)row_number(task, "mem_mib"); /* 0: of an older chipqd */
    asked_mib = asked_mib ? asked_mib : (uint64_t)row_number(job, "mem_mib");
    uint64_t rss_mib = ((uint64_t)row_number(task, "max_rss_kib") + 1023) / 1024;
    if (peak_mib)
        (void)format_size_mib(peak_mib, peak, sizeof peak);
    if (peak_mib || is_unmeasured(task))
        (void)snprintf(words, sizeof words, "%s of %s", peak,
                       format_size_mib(asked_mib, asked, sizeof asked));
    size_t n = strlen(words);
    if (peak_mib && rss_mib && rss_mib < peak_mib)
        (void)snprintf(words + n, sizeof words - n, " (largest process %s)",
                       format_size_mib(rss_mib, largest, sizeof largest));
    return json_text(words);
}

static json_t *io_words(const json_t *task)
{
    char in[32], out[32], words[80] = "";
    if (is_known(task, "io_read_bytes"))
        (void)snprintf(
            words, sizeof words, "%s read, %s written",
            format_size_bytes((uint64_t)row_number(task, "io_read_bytes"), in, sizeof in),
            format_size_bytes((uint64_t)row_number(task, "io_write_bytes"), out, sizeof out));
    return json_text(words);
}

static json_t *switch_words(const json_t *task)
{
    char words[80] = "";
    if (is_known(task, "switches"))
        (void)snprintf(words, sizeof words, "%" PRId64 " voluntary, %" PRId64 " forced",
                       row_number(task, "switches"), row_number(task, "switches_forced"));
    return json_text(words);
}

/* Where it is another than the request. */
static json_t *grown_words(const json_t *job, const json_t *task)
{
    char size[32], words[320] = "";
    int64_t mib = row_number(task, "mem_mib");
    if (mib > row_number(job, "mem_mib") && json_is_true(json_object_get(job, "has_grown")))
        (void)snprintf(words, sizeof words, "%s: %s",
                       format_size_mib((uint64_t)mib, size, sizeof size),
                       row_text(task, "mem_why"));
    return json_text(words);
}

void job_figures_add_words(json_t *to, const json_t *task)
{
    bool has_cpu = is_known(task, "cpu_user_us");
    json_object_set_new(to, "where", where_it_ran(task));
    json_object_set_new(to, "peak_words", peak_words(to, task));
    json_object_set_new(to, "io_words", io_words(task));
    json_object_set_new(to, "switch_words", switch_words(task));
    json_object_set_new(to, "grown_words", grown_words(to, task));
    json_object_set_new(to, "cpu_words", cpu_words(task));
    json_object_set_new(
        to, "cpu_us",
        has_cpu ? json_integer(row_number(task, "cpu_user_us") + row_number(task, "cpu_system_us"))
                : json_null());
}
