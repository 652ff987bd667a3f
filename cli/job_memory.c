/* What each attempt's memory follows from: the request, or the attempt before it. */
#include "cli/job_memory.h"
#include "cli/follow.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"
#include "common/base/pure/str.h"

static const json_t *find(const json_t *rows, int64_t task, int64_t attempt)
{
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row)
    {
        if (row_number(row, "task") == task && row_number(row, "attempt") == attempt)
            return row;
    }
    return NULL;
}

/* Most tasks of the array before it ran out of what it asked at first. */
static const char *const others = "most tasks before it ran out of less";

/* Whole machines have what they have. */
static bool is_raised(const json_t *job, const json_t *row)
{
    return json_is_true(json_object_get(job, "is_array"))
           && !json_is_true(json_object_get(job, "is_whole"))
           && row_number(row, "mem_mib") > row_number(job, "mem_mib");
}

/* The first attempt. */
static void begin_with(const json_t *job, json_t *row, struct cq_str *why)
{
    const char *first = row_text(job, "mem_why");
    bool is_more = is_raised(job, row);
    struct cq_str source = {0};
    /* "the default", "p95 of 7 runs of sim in acme/uart": the figures are told once, with the job
     */
    cq_str_append(&source, first, strcspn(first, ":"));
    json_object_set_new(row, "sized",
                        json_text(is_more  ? others
                                  : *first ? cq_str_text(&source)
                                           : "the request"));
    cq_str_fini(&source);
    if (row_number(row, "mem_mib") > 0)
        cq_str_add(why, is_more ? others : *first ? first : "as asked");
}

/* Nothing: it is the first attempt. */
static void follow(const json_t *before, const json_t *row, struct cq_str *out)
{
    char had[32];
    if (before == NULL || row_number(before, "mem_mib") == 0)
        return;
    unsigned long long attempt = (unsigned long long)row_number(before, "attempt");
    uint64_t mib = (uint64_t)row_number(before, "mem_mib");
    bool is_more = row_number(row, "mem_mib") > row_number(before, "mem_mib");
    if (is_more && strcmp(row_text(before, "verdict"), "oom") == 0)
        cq_str_printf(out, "attempt %llu ran out of %s", attempt,
                      format_size_mib(mib, had, sizeof had));
    else if (is_more)
        cq_str_add(out, others);
    else
        cq_str_printf(out, "as attempt %llu", attempt);
}

static bool explain_rows(json_t *rows, const json_t *job)
{
    const json_t *earlier = json_object_get(job, "earlier");
    bool has_grown = false;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        struct cq_str why = {0};
        const json_t *before =
            find(earlier, row_number(row, "task"), row_number(row, "attempt") - 1);
        follow(before, row, &why);
        has_grown = has_grown || cq_str_starts(cq_str_text(&why), "attempt");
        if (why.len == 0)
            begin_with(job, row, &why);
        else
            json_object_set_new(row, "sized", json_text(cq_str_text(&why)));
        json_object_set_new(row, "mem_why", json_text(cq_str_text(&why)));
        cq_str_fini(&why);
    }
    return has_grown;
}

bool job_memory_explain(json_t *job)
{
    bool now = explain_rows(json_object_get(job, "task_list"), job);
    bool before = explain_rows(json_object_get(job, "earlier"), job);
    return now || before;
}
