/* chipqd --dump: the journal, then the job rows, as JSON lines. */
#include "scheduler/daemon/serve.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "scheduler/store/store.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

static int print_record(void *arg, uint64_t seq, int64_t at_us, const struct record *r,
                        struct cq_err *err)
{
    (void)arg;
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    record_format_json(r, &text);
    if (printf("{\"seq\":%llu,\"at_us\":%lld,\"record\":%s}\n", (unsigned long long)seq,
               (long long)at_us, cq_str_text(&text))
        < 0)
        return cq_fail(err, CQ_E_IO, "cannot write to standard output");
    return 0;
}

static void set_text(json_t *to, const char *name, const char *text)
{
    if (text == NULL)
        text = "";
    /* Bytes that are no UTF-8 cannot be JSON: shown escaped. */
    if (json_object_set_new(to, name, json_string(text)) == 0)
        return;
    struct cq_str printable CQ_CLEANUP(cq_str_fini) = {0};
    cq_str_add_printable(&printable, text, strlen(text));
    (void)json_object_set_new(to, name, json_string(cq_str_text(&printable)));
}

#define SET_u64(name)       (void)json_object_set_new(row, #name, json_integer((json_int_t)j->name));
#define SET_most(name)      SET_u64(name)
#define SET_i64(name)       (void)json_object_set_new(row, #name, json_integer(j->name));
#define SET_text(name)      set_text(row, #name, j->name);
#define SET_keep(name)      set_text(row, #name, j->name);
#define SET_JOB(kind, name) SET_##kind(name)

static int print_job(void *arg, const struct stored_job *j, struct cq_err *err)
{
    (void)arg;
    json_t *row = json_object();
    STORED_JOB_FIXED(SET_JOB)
    STORED_JOB_LIVE(SET_JOB)
    (void)json_object_set_new(row, "state", json_string(job_state_name((enum job_state)j->state)));
    (void)json_object_set_new(row, "verdict", json_string(verdict_name((enum verdict)j->verdict)));
    char *text = json_dumps(row, JSON_COMPACT);
    json_decref(row);
    int n = text ? printf("{\"job\":%s}\n", text) : -1;
    free(text);
    return n < 0 ? cq_fail(err, CQ_E_IO, "cannot write to standard output") : 0;
}

int daemon_dump(const struct daemon_options *o, struct cq_err *err)
{
    char *pid_path CQ_CLEANUP(cq_free_ptr) = path_format("%s/run/chipqd.pid", o->dir);
    char *path CQ_CLEANUP(cq_free_ptr) = daemon_database_path(o);
    struct stat st;
    if (stat(path, &st) != 0)
        return cq_fail(err, CQ_E_NOT_FOUND, "no database in %s", o->dir);
    pid_t holder = file_lock_holder(pid_path);
    if (holder != 0)
        return cq_fail(err, CQ_E_CONFLICT, "chipqd runs there (pid %d); stop it first",
                       (int)holder);
    struct store_options so = {.path = path, .low_water_bytes = o->low_water_mib << 20};
    struct store *s = store_open(&so, err);
    if (s == NULL)
        return -1;
    int rc = store_each_journal(s, 0, print_record, NULL, err);
    if (rc == 0)
        rc = store_each_job(s, print_job, NULL, err);
    store_close(s);
    if (fflush(stdout) != 0 && rc == 0)
        rc = cq_fail(err, CQ_E_IO, "cannot write to standard output");
    return rc;
}
