// LINK: cq_core
/* Transcripts: each tests/trace/NAME.trace is a script of inputs with the log that it must give, in
 * virtual time. Lines that start with '[' are output; all others are input. To accept a changed
 * log after reading it: CHIPQ_TRACE_UPDATE=1 runs this program and rewrites the files.
 *
 *   enterprise acme | user acme/ann [role] | worker w1        keys are the names
 *   hello w1 [node=n1] cores=0-1 mem=4096 [of=0,1,2] [inc=1] [boot=1] [home=0]
 * [has=gpu,tool=yosys=0.23]
 * [held=L9:8/0/1=2;8/1/1=0,...] heartbeat w1 2 [cores=0 of=0,1,2] | bye w1 [stopping] | refuse w1
 * L9 text | drain w1 | resume w1 submit ann [key=1] [digest=1] name=a cores=1 ...
 * [after=ok:#1,any:3] + name=b ... after=aftercorr:4:notok:tasks=6:passed=1-5 start w1 L9 8/0/1...
 * | end w1 L9 8/0/1=pass... [run_us=N] [limit=lease|stop] [ran=0] [epoch=N]
 *   cancel|hold|release|requeue ann NUMBER [tasks]
 *   at MS | restart | why acme NUMBER | nodes | revoke acme/ann */
#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>

#include "tests/trace/world.h"

enum { WORDS_MAX = 128, LIST_MAX = 64 };

struct words {
    char *v[WORDS_MAX];
    size_t n;
};

static void split(char *line, const char *between, struct words *out)
{
    char *save = NULL;
    out->n = 0;
    for (char *p = strtok_r(line, between, &save); p; p = strtok_r(NULL, between, &save)) {
        cr_assert_lt(out->n, (size_t)WORDS_MAX);
        out->v[out->n++] = p;
    }
}

static const char *option(const struct words *w, const char *name, const char *otherwise)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < w->n; i++)
        if (strncmp(w->v[i], name, n) == 0 && w->v[i][n] == '=')
            return w->v[i] + n + 1;
    return otherwise;
}

static uint64_t number(const struct words *w, const char *name, uint64_t otherwise)
{
    const char *text = option(w, name, NULL);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static char *lines_of(const char *commas)
{
    char *copy = cq_strdup(commas);
    for (char *p = copy; *p; p++)
        if (*p == ',')
            *p = '\n';
    return copy;
}

/* "8/0/1=pass" -> attempt, text after '=' */
static const char *scan_attempt(const char *text, uint64_t *job, uint64_t *task, uint64_t *attempt)
{
    char *end;
    *job = strtoull(text, &end, 10);
    *task = strtoull(end + 1, &end, 10);
    *attempt = strtoull(end + 1, &end, 10);
    return *end == '=' ? end + 1 : "";
}

/* ---- commands ---- */

static void do_user(struct world *w, struct words *a)
{
    char *slash = strchr(a->v[1], '/');
    enum role role = ROLE_DESIGNER;
    if (a->n > 2)
        cr_assert(role_from_name(a->v[2], &role));
    *slash = '\0';
    world_add_user(w, a->v[1], slash + 1, role);
}

struct held {
    struct in_held_lease leases[LIST_MAX];
    struct in_held_attempt attempts[LIST_MAX][LIST_MAX];
    size_t n;
};

/* held=L9:8/0/1=2;8/1/1=0,L10:... */
static void scan_held(char *text, struct held *h, uint64_t epoch)
{
    struct words leases;
    split(text, ",", &leases);
    for (size_t i = 0; i < leases.n; i++) {
        struct words parts;
        char *rest;
        uint64_t id = strtoull(leases.v[i] + 1, &rest, 10);
        h->leases[i] =
            (struct in_held_lease){.lease = id, .epoch = epoch, .attempts = h->attempts[i]};
        split(*rest ? rest + 1 : rest, ";", &parts);
        for (size_t k = 0; k < parts.n; k++) {
            struct in_held_attempt *at = &h->attempts[i][k];
            at->state =
                strtoull(scan_attempt(parts.v[k], &at->job, &at->task, &at->attempt), NULL, 10);
            h->leases[i].n_attempts++;
        }
        h->n++;
    }
}

/* "of=0,1": the compact form "0 1". */
static const char *topology_of(const struct words *a, char to[256])
{
    (void)cq_copy_text(to, 256, option(a, "of", ""));
    for (char *p = to; (p = strchr(p, ',')) != NULL;)
        *p = ' ';
    return to;
}

static void do_hello(struct world *w, struct words *a)
{
    char topology[256];
    struct held *held = CQ_NEW(struct held);
    char *has = lines_of(option(a, "has", "")), *text = cq_strdup(option(a, "held", ""));
    scan_held(text, held, core_epoch(w->core));
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(w, a->v[1])};
    in.u.worker_hello = (struct in_worker_hello){.node = option(a, "node", a->v[1]),
                                                 .cores = option(a, "cores", "0-1"),
                                                 .topology = topology_of(a, topology),
                                                 .features = has,
                                                 .mem_mib = number(a, "mem", 4096),
                                                 .heartbeat = number(a, "hb", 1),
                                                 .leases = held->leases,
                                                 .n_leases = held->n};
    in.u.worker_hello.incarnation.bytes[0] = (uint8_t)number(a, "inc", 1);
    in.u.worker_hello.boot_id.bytes[0] = (uint8_t)number(a, "boot", 1);
    in.u.worker_hello.home.bytes[0] = (uint8_t)number(a, "home", 0);
    (void)world_step(w, &in);
    free(has);
    free(text);
    free(held);
}

static void scan_deps(char *text, struct in_dep *deps, size_t *n)
{
    static const char *const kinds[] = {"ok", "any", "notok", "aftercorr"};
    struct words list;
    split(text, ",", &list);
    for (size_t i = 0; i < list.n; i++) {
        char *colon = strchr(list.v[i], ':');
        *colon = '\0';
        struct in_dep *d = &deps[(*n)++];
        *d = (struct in_dep){.outcome = OUTCOME_LIVE, .name = ""};
        for (size_t k = 0; k < CQ_COUNT(kinds); k++)
            if (strcmp(kinds[k], list.v[i]) == 0)
                d->when = (enum dep_when)k;
        if (colon[1] == '#')
            d->index = strtoull(colon + 2, NULL, 10);
        else
            d->number = strtoull(colon + 1, NULL, 10);
        if (strstr(colon + 1, ":ok"))
            d->outcome = OUTCOME_OK;
        if (strstr(colon + 1, ":notok"))
            d->outcome = OUTCOME_NOTOK;
        const char *passed = strstr(colon + 1, ":passed="); /* ...:tasks=6:passed=1-4 */
        const char *tasks = strstr(colon + 1, ":tasks=");
        d->is_array = tasks != NULL;
        d->tasks = tasks ? strtoull(tasks + 7, NULL, 10) : 0;
        d->passed = passed ? passed + 8 : NULL;
        if (strstr(colon + 1, ":none"))
            d->outcome = OUTCOME_NO_SUCH_JOB;
    }
}

static struct in_job scan_job(struct words *a, struct in_dep *deps, char *dep_text, char *has)
{
    struct in_job job = IN_JOB_PLAIN;
    job.name = option(a, "name", "");
    job.cores = number(a, "cores", 1);
    job.mem_mib = number(a, "mem", 100);
    job.array = option(a, "array", "");
    job.topo = option(a, "topo", "");
    job.array_max_running = number(a, "max", 0);
    job.hold = number(a, "hold", 0) != 0;
    job.exclusive = number(a, "exclusive", 0) != 0;
    job.restart = strcmp(option(a, "restart", ""), "never") == 0;
    const char *on_lost = option(a, "on_lost", "requeue");
    job.on_lost = strcmp(on_lost, "fail") == 0 ? 1 : strcmp(on_lost, "wait") == 0 ? 2 : 0;
    job.max_attempts = number(a, "max_attempts", 0);
    job.max_own_failures = number(a, "own", 0);
    job.priority = strtoll(option(a, "priority", "0"), NULL, 10);
    job.node_has = has;
    job.deps = deps;
    scan_deps(dep_text, deps, &job.n_deps);
    return job;
}

static void do_submit(struct world *w, const char *line)
{
    char *copy = cq_strdup(line), *save = NULL;
    struct in_job jobs[LIST_MAX];
    char *owned[LIST_MAX * 2];
    static struct in_dep deps[LIST_MAX][LIST_MAX];
    static struct words words[LIST_MAX];
    size_t n = 0;
    for (char *part = strtok_r(copy, "+", &save); part; part = strtok_r(NULL, "+", &save), n++) {
        split(part, " ", &words[n]);
        owned[2 * n] = cq_strdup(option(&words[n], "after", ""));
        owned[2 * n + 1] = lines_of(option(&words[n], "has", ""));
        jobs[n] = scan_job(&words[n], deps[n], owned[2 * n], owned[2 * n + 1]);
    }
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(w, words[0].v[1])};
    uint64_t key = number(&words[0], "key", w->request + 1000);
    in.u.submit = (struct in_submit){.flow = option(&words[0], "flow", ""),
                                     .project = option(&words[0], "project", ""),
                                     .jobs = jobs,
                                     .n_jobs = n};
    memcpy(in.u.submit.key.bytes, &key, sizeof key);
    in.u.submit.digest[0] = (uint8_t)number(&words[0], "digest", 0);
    (void)world_step(w, &in);
    for (size_t i = 0; i < 2 * n; i++)
        free(owned[i]);
    free(copy);
}

static enum verdict verdict_from(const char *name)
{
    for (unsigned v = 0; v < VERDICT_COUNT; v++)
        if (strcmp(verdict_name((enum verdict)v), name) == 0)
            return (enum verdict)v;
    cr_assert(false, "no verdict '%s'", name);
    return VERDICT_NONE;
}

static void do_events(struct world *w, struct words *a, bool is_end)
{
    struct in_attempt_start starts[LIST_MAX];
    struct in_attempt_end ends[LIST_MAX];
    size_t n = 0;
    for (size_t i = 3; i < a->n && isdigit((unsigned char)a->v[i][0]); i++, n++) {
        struct in_attempt at = {.lease = strtoull(a->v[2] + 1, NULL, 10),
                                .epoch = number(a, "epoch", core_epoch(w->core))};
        const char *verdict = scan_attempt(a->v[i], &at.job, &at.task, &at.attempt);
        starts[n] = (struct in_attempt_start){.at = at, .start_us = w->now.wall_us};
        ends[n] = (struct in_attempt_end){.at = at,
                                          .verdict = is_end ? verdict_from(verdict) : VERDICT_NONE,
                                          .run_us = number(a, "run_us", 1000000),
                                          .start_us = number(a, "ran", 1) ? w->now.wall_us - 1 : 0,
                                          .end_us = w->now.wall_us,
                                          .limit = option(a, "limit", ""),
                                          .summary = option(a, "summary", ""),
                                          .signature = "",
                                          .result = "",
                                          .cause = ""};
    }
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(w, a->v[1])};
    in.u.events.starts = starts;
    in.u.events.n_starts = is_end ? 0 : n;
    in.u.events.ends = ends;
    in.u.events.n_ends = is_end ? n : 0;
    (void)world_step(w, &in);
}

static void do_action(struct world *w, struct words *a)
{
    static const char *const verbs[] = {"cancel", "hold", "release", "requeue"};
    struct principal_view v;
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(w, a->v[1])};
    cr_assert(core_view_principal(w->core, in.principal, &v));
    for (size_t i = 0; i < CQ_COUNT(verbs); i++)
        if (strcmp(verbs[i], a->v[0]) == 0)
            in.u.action.action = (enum job_action)i;
    in.u.action.enterprise = v.enterprise;
    in.u.action.number = strtoull(a->v[2], NULL, 10);
    in.u.action.tasks = a->n > 3 ? a->v[3] : "";
    (void)world_step(w, &in);
}

static void do_why(struct world *w, struct words *a)
{
    struct enterprise_id e = {0};
    struct reason reasons[8];
    cr_assert(core_find_enterprise(w->core, a->v[1], &e));
    struct job_id id = core_find_job(w->core, e, strtoull(a->v[2], NULL, 10));
    size_t n = core_explain(w->core, id, w->now, reasons, CQ_COUNT(reasons));
    for (size_t i = 0; i < n; i++) {
        log_stamp(w);
        cq_str_printf(&w->log, "%s %" PRIu64 ": %s | %s\n", reasons[i].code, reasons[i].tasks,
                      reasons[i].text, reasons[i].advice);
    }
}

static void log_node(void *arg, const struct worker_view *v)
{
    struct world *w = arg;
    log_stamp(w);
    cq_str_printf(
        &w->log,
        "node %s %s cores %" PRIu64 "/%" PRIu64 " mem %" PRIu64 "/%" PRIu64 " leases %" PRIu64 "\n",
        v->name, v->state, v->cores_used, v->cores, v->mem_used_mib, v->mem_mib, v->leases);
}

static void do_simple(struct world *w, struct words *a)
{
    char topology[256];
    struct input in = {.principal = world_principal(w, a->v[1])};
    const char *verb = a->v[0];
    if (strcmp(verb, "heartbeat") == 0) {
        in.type = INPUT_WORKER_HEARTBEAT;
        in.u.heartbeat.heartbeat = strtoull(a->v[2], NULL, 10);
        in.u.heartbeat.cores = option(a, "cores", "");
        in.u.heartbeat.topology = topology_of(a, topology);
    } else if (strcmp(verb, "bye") == 0) {
        in.type = INPUT_WORKER_BYE;
        in.u.bye.is_stopping = a->n > 2 && strcmp(a->v[2], "stopping") == 0;
    } else if (strcmp(verb, "refuse") == 0) {
        in.type = INPUT_LEASE_REFUSE;
        in.u.refuse.lease = strtoull(a->v[2] + 1, NULL, 10);
        in.u.refuse.epoch = core_epoch(w->core);
        in.u.refuse.text = a->n > 3 ? a->v[3] : "";
    } else if (strcmp(verb, "revoke") == 0) {
        char *slash = strchr(a->v[1], '/');
        *slash = '\0';
        in.type = INPUT_USER_REVOKE;
        in.u.user_revoke.enterprise = a->v[1];
        in.u.user_revoke.name = slash + 1;
    } else {
        in.type = INPUT_NODE_DRAIN;
        in.u.node_drain.name = a->v[1];
        in.u.node_drain.drain = strcmp(verb, "drain") == 0;
        cr_assert(in.u.node_drain.drain || strcmp(verb, "resume") == 0, "unknown command '%s'",
                  verb);
    }
    (void)world_step(w, &in);
}

static bool is_verb(const struct words *a, const char *verb)
{
    return strcmp(a->v[0], verb) == 0;
}

static void run_line(struct world *w, const char *line)
{
    static struct words a;
    char *copy = cq_strdup(line);
    split(copy, " ", &a);
    if (a.n == 0 || a.v[0][0] == '#')
        ;
    else if (is_verb(&a, "at"))
        world_advance(w, strtoll(a.v[1], NULL, 10) * 1000);
    else if (is_verb(&a, "restart"))
        world_restart(w);
    else if (is_verb(&a, "enterprise"))
        world_add_enterprise(w, a.v[1]);
    else if (is_verb(&a, "user"))
        do_user(w, &a);
    else if (is_verb(&a, "worker"))
        world_add_user(w, "", a.v[1], ROLE_WORKER);
    else if (is_verb(&a, "hello"))
        do_hello(w, &a);
    else if (is_verb(&a, "submit"))
        do_submit(w, line);
    else if (is_verb(&a, "start") || is_verb(&a, "end"))
        do_events(w, &a, is_verb(&a, "end"));
    else if (is_verb(&a, "why"))
        do_why(w, &a);
    else if (is_verb(&a, "nodes"))
        core_each_worker(w->core, w->now, log_node, w);
    else if (is_verb(&a, "cancel") || is_verb(&a, "hold") || is_verb(&a, "release")
             || is_verb(&a, "requeue"))
        do_action(w, &a);
    else
        do_simple(w, &a);
    free(copy);
}

/* ---- files ---- */

static char *read_file(const char *path)
{
    struct cq_str s = {0};
    char buf[4096];
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
        cq_str_append(&s, buf, n);
    (void)fclose(f);
    return cq_str_take(&s);
}

static char *run_script(const char *script)
{
    struct world w;
    const struct core_config config = {.lease_us = 60 * US_PER_S, .grace_us = 5 * US_PER_S};
    world_init(&w, &config);
    char *copy = cq_strdup(script), *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '[')
            continue;
        cq_str_printf(&w.log, "%s\n", line);
        run_line(&w, line);
    }
    free(copy);
    char *log = cq_strdup(cq_str_text(&w.log));
    world_fini(&w);
    return log;
}

static void check_file(const char *path)
{
    char *expected = read_file(path), *got = run_script(expected);
    if (strcmp(expected, got) != 0 && getenv("CHIPQ_TRACE_UPDATE")) {
        FILE *f = fopen(path, "w");
        (void)fputs(got, f);
        (void)fclose(f);
    } else if (strcmp(expected, got) != 0) {
        size_t i = 0, line = 1;
        for (; expected[i] && expected[i] == got[i]; i++)
            line += expected[i] == '\n';
        while (i > 0 && got[i - 1] != '\n')
            i--;
        cr_expect(false, "%s differs at line %zu; got: %.*s", path, line,
                  (int)strcspn(got + i, "\n"), got + i);
    }
    free(expected);
    free(got);
}

static int is_trace(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 6 && strcmp(d->d_name + n - 6, ".trace") == 0;
}

Test(core_trace, every_transcript_gives_its_log)
{
    struct dirent **names;
    int n = scandir(CHIPQ_SOURCE_DIR "/tests/trace", &names, is_trace, alphasort);
    cr_assert_gt(n, 0);
    for (int i = 0; i < n; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, CHIPQ_SOURCE_DIR "/tests/trace/%s", names[i]->d_name);
        check_file(path);
        free(names[i]);
    }
    free(names);
}
