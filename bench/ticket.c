/* The job that the measurements submit. */
#include "bench/bench.h"
#include "common/wire/run_spec.h"

#include <sys/random.h>

enum { PADDING = 60000, PADDINGS = 8 }; /* bytes of one, how many at most */

void ticket_init(struct ticket *t, const struct bench *b, char *argument)
{
    char *argv[] = {b->command, argument, NULL};
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char full[PADDING + 1] = "P=", rest[PADDING + 1] = "Q=";
    char *env[PADDINGS + 3] = {path};
    char cwd[] = "/";
    struct run_spec spec = {
        .argv = argv, .n_argv = argument ? 2 : 1, .env = env, .n_env = 1, .cwd = cwd};
    *t = (struct ticket){0};
    memset(full + 2, 'x', PADDING - 2);
    run_spec_encode(&spec, &t->run);
    while (t->run.len < b->request_bytes && spec.n_env <= PADDINGS) {
        uint64_t missing = b->request_bytes - t->run.len;
        if (missing < PADDING)
            memset(rest + 2, 'x', missing > 2 ? missing - 2 : 0);
        env[spec.n_env++] = missing < PADDING ? rest : full;
        cq_str_clear(&t->run);
        run_spec_encode(&spec, &t->run);
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
