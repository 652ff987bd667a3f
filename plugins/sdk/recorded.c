/* Judges recorded logs. */
#include "plugins/sdk/recorded.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "plugins/sdk/lines.h"
#include "plugins/sdk/result.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct feeding {
    const struct judge *judge;
    void *state;
};

static void on_line(void *context, const char *line)
{
    const struct feeding *f = context;
    f->judge->line(f->state, line);
}

static int feed_file(const char *path, struct lines *lines, struct cq_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cq_fail_errno(err, CQ_E_NOT_FOUND, errno, "%s", path);
    char buf[65536];
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        lines_feed(lines, buf, (size_t)n);
    int errnum = errno;
    (void)close(fd);
    if (n < 0)
        return cq_fail_errno(err, CQ_E_IO, errnum, "%s", path);
    lines_finish(lines);
    return 0;
}

int recorded_read(const struct judge *judge, const struct params *params, const char *path,
                  const struct proc_end *end, struct outcome *out, struct cq_err *err)
{
    void *CQ_CLEANUP(cq_free_ptr) state = cq_calloc(1, judge->state_bytes);
    struct feeding feeding = {.judge = judge, .state = state};
    struct lines lines;
    lines_init(&lines, on_line, &feeding);
    if (judge->begin)
        judge->begin(state, params);
    if (feed_file(path, &lines, err))
        return -1;
    judge->end(state, end, out);
    return 0;
}

static const struct plugin_stage *find_stage(const struct plugin *plugin, const char *name,
                                             const struct plugin_task **task)
{
    char copy[128];
    if (!cq_copy_text(copy, sizeof copy, name))
        return NULL;
    char *dot = strchr(copy, '.');
    if (dot)
        *dot = '\0';
    *task = plugin_find_task(plugin, copy);
    return *task ? plugin_find_stage(*task, dot ? dot + 1 : "") : NULL;
}

static int read_option(char **argv, int left, struct proc_end *end, struct cq_err *err)
{
    uint64_t number = 0;
    if (left < 2)
        return cq_fail(err, CQ_E_INVALID, "judge: %s needs a number", argv[0]);
    if (parse_u64(argv[1], 0, 255, &number, err))
        return cq_wrap(err, "judge: %s", argv[0]);
    if (strcmp(argv[0], "--exit") == 0)
        end->exit_status = (int)number;
    else if (strcmp(argv[0], "--signal") == 0)
        end->signal = (int)number;
    else
        return cq_fail(err, CQ_E_INVALID, "judge: unknown option %s", argv[0]);
    return 0;
}

static int read_pair(const char *pair, json_t *params, struct cq_err *err)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return cq_fail(err, CQ_E_INVALID, "judge: '%.64s': expected PARAM=VALUE", pair);
    char *CQ_CLEANUP(cq_free_ptr) key = cq_strndup(pair, (size_t)(equals - pair));
    json_t *value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
    if (!value)
        value = json_string(equals + 1);
    if (!value || json_object_set_new(params, key, value))
        return cq_fail(err, CQ_E_INVALID, "judge: '%.64s' is not text", pair);
    return 0;
}

static int read_rest(int argc, char **argv, struct proc_end *end, json_t *params,
                     struct cq_err *err)
{
    for (int i = 0; i < argc; i++) {
        bool option = argv[i][0] == '-' && argv[i][1] == '-';
        if (option ? read_option(argv + i, argc - i, end, err) : read_pair(argv[i], params, err))
            return -1;
        i += option ? 1 : 0;
    }
    return 0;
}

int recorded_judge(const struct plugin *plugin, int argc, char **argv, struct outcome *out,
                   struct cq_err *err)
{
    static const char *const none_required[] = {NULL};
    const struct plugin_task *task = NULL;
    if (argc < 2)
        return cq_fail(err, CQ_E_INVALID, "judge: TASK and LOG expected");
    const struct plugin_stage *stage = find_stage(plugin, argv[0], &task);
    if (!stage || !stage->judge)
        return cq_fail(err, CQ_E_NOT_FOUND, "judge: no task or stage '%.64s'", argv[0]);
    struct proc_end end = {0};
    struct params params = {0};
    json_t *given = json_object();
    int rc = read_rest(argc - 2, argv + 2, &end, given, err);
    rc = rc ? rc : params_read(task->params, none_required, given, &params, err);
    json_decref(given);
    if (rc)
        return -1;
    rc = recorded_read(stage->judge, &params, argv[1], &end, out, err);
    params_fini(&params);
    return rc;
}

char *recorded_text(const struct outcome *outcome)
{
    const struct result result = {.outcome = outcome, .tool = "", .tool_version = ""};
    return result_text(&result);
}
