/* The job that the measurements submit. */
#include "bench/bench.h"
#include "common/wire/run_spec.h"

#include <sys/random.h>
#include <unistd.h>

void ticket_init(struct ticket *t, const struct bench *b, const char *argument)
{
    char *argv[] = {(char *)(uintptr_t)b->command, (char *)(uintptr_t)argument, NULL};
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char *env[] = {path, NULL};
    char cwd[] = "/";
    struct run_spec spec = {
        .argv = argv, .n_argv = argument ? 2 : 1, .env = env, .n_env = 1, .cwd = cwd};
    *t = (struct ticket){0};
    run_spec_encode(&spec, &t->run);
    t->job = (struct job_spec){.name = "bench",
                               .cores = 1,
                               .mem_mib = 16,
                               .run = {.data = t->run.data, .len = t->run.len}};
}

void ticket_ask(struct ticket *t, struct msg *req)
{
    if (getrandom(t->key, sizeof t->key, 0) != (ssize_t)sizeof t->key)
        abort();
    *req = (struct msg){.code = MSG_SUBMIT};
    req->u.submit = (struct msg_submit){
        .key = {.data = t->key, .len = sizeof t->key}, .jobs = &t->job, .n_jobs = 1};
}

void ticket_fini(struct ticket *t)
{
    cq_str_fini(&t->run);
}

int64_t process_cpu_us(int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *rest = strrchr(text, ')');
    unsigned long long user = 0, system_ = 0;
    if (rest == NULL
        || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                  &system_)
               != 2)
        return 0;
    return (int64_t)((user + system_) * 1000000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}
