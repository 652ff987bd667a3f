/* Requests as real submits have them: the same environment and directory in all, as of one user's
 * shell, and of each a name and arguments of its own. */
#include "bench/backlog.h"
#include "common/base/pure/mem.h"
#include "common/wire/run_spec.h"

#include <inttypes.h>
#include <sys/random.h>

enum { TEXT_MAX = 65536 };

/* Hexadecimal digits with nothing to be found in them twice. */
static void draw_text(char *text, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[256];
    for (size_t i = 0; i < n; i++) {
        if (i % sizeof random == 0 && getrandom(random, sizeof random, 0) != sizeof random)
            abort();
        text[i] = digits[random[i % sizeof random] & 15];
    }
    text[n] = '\0';
}

static void encode(const struct backlog *k, uint64_t number, const char *own, const char *shared,
                   struct cq_str *out)
{
    char seed[40], result[64], word[TEXT_MAX], padding[TEXT_MAX + 2];
    (void)snprintf(seed, sizeof seed, "--seed=%" PRIu64, number * 7919 % 1000000007);
    (void)snprintf(result, sizeof result, "--out=results/run-%" PRIu64, number);
    (void)snprintf(word, sizeof word, "%s", own);
    (void)snprintf(padding, sizeof padding, "P=%s", shared);
    char *argv[] = {k->b->command, seed, result, word, NULL};
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", home[] = "HOME=/home/ann", cwd[] = "/tmp";
    char *env[] = {path, home, padding, NULL};
    const struct run_spec spec = {
        .argv = argv, .n_argv = 4, .env = env, .n_env = CQ_COUNT(env) - 1, .cwd = cwd};
    cq_str_clear(out);
    run_spec_encode(&spec, out);
}

/* Once to see what is missing, then with it. */
void own_request(struct backlog *k, uint64_t number, size_t n)
{
    char own[TEXT_MAX];
    struct cq_str *run = &k->runs[n];
    size_t bytes = k->b->request_bytes;
    draw_text(own, k->b->own_bytes);
    encode(k, number, own, "", run);
    size_t missing = run->len < bytes ? bytes - run->len : 0;
    if (k->shared == NULL) {
        k->shared = cq_malloc(TEXT_MAX);
        draw_text(k->shared, TEXT_MAX - 1);
    }
    char last = k->shared[missing];
    k->shared[missing] = '\0';
    encode(k, number, own, k->shared, run);
    k->shared[missing] = last;
    (void)snprintf(k->names[n], sizeof k->names[n], "%s-%" PRIu64, k->ticket.job.name, number);
    k->jobs[n].name = k->names[n];
    k->jobs[n].run.data = (uint8_t *)run->data;
    k->jobs[n].run.len = run->len;
}
