/* The job that the measurements submit. */
#include "bench/bench.h"
#include "common/wire/run_spec.h"

#include <sys/random.h>

enum { PADDING_MAX = 65536 };

void ticket_init(struct ticket *t, const struct bench *b, char *argument)
{
    char *argv[] = {b->command, argument, NULL};
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char padding[PADDING_MAX] = "P=";
    char *env[] = {path, padding, NULL};
    char cwd[] = "/";
    struct run_spec spec = {
        .argv = argv, .n_argv = argument ? 2 : 1, .env = env, .n_env = 1, .cwd = cwd};
    *t = (struct ticket){0};
    run_spec_encode(&spec, &t->run);
    if (b->request_bytes > t->run.len) { /* padded: once to see what is missing, then with it */
        for (spec.n_env = 2; t->run.len < b->request_bytes;) {
            cq_str_clear(&t->run);
            run_spec_encode(&spec, &t->run);
            if (t->run.len < b->request_bytes)
                memset(padding + strlen(padding), 'x', b->request_bytes - t->run.len);
        }
    }
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
