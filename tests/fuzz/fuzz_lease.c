/* What agent and shepherd hand each other in files and memory: the journal of a lease, its
 * specification, the order of a job, the gap of an output. The first byte chooses. */
#include "tests/fuzz/fuzz_file.h"
#include "worker/lease/journal.h"
#include "worker/lease/lease_spec.h"
#include "worker/lease/log_gap.h"
#include "worker/lease/order.h"

static void count_record(void *arg, const struct lease_record *r)
{
    size_t *n = arg;
    FUZZ_CHECK(memchr(r->place, '\0', sizeof r->place) && memchr(r->cause, '\0', sizeof r->cause));
    FUZZ_CHECK(limit_kind_text(r->limit) != NULL);
    ++*n;
}

/* The header is long and mostly empty: the input says where it is not zero. */
static void try_journal(const uint8_t *data, size_t bytes)
{
    char path[FUZZ_PATH_MAX];
    struct lease_header h = {.magic = "chipqls"}, out;
    struct lease_record r = {.version = LEASE_RECORD_VERSION};
    size_t head = bytes < 96 ? bytes : 96, n = 0;
    struct cq_str file = {0};
    h.magic[7] = '3';
    memcpy(&h, data, head < sizeof h.magic ? 0 : head);
    cq_str_append(&file, &h, sizeof h);
    for (size_t at = head; at < bytes; at += 64) {
        memcpy((char *)&r + (at % 5) * 16, data + at, bytes - at < 64 ? bytes - at : 64);
        cq_str_append(&file, &r, at + 64 <= bytes ? sizeof r : sizeof r / 2);
    }
    int fd = fuzz_file((const uint8_t *)file.data, file.len, path);
    if (journal_read_header(fd, &out, NULL) == 0)
        FUZZ_CHECK(memchr(out.cores, '\0', sizeof out.cores) != NULL);
    FUZZ_CHECK(journal_read(fd, count_record, &n, NULL) != 0 || n >= (bytes - head) / 64);
    FUZZ_CHECK(n <= bytes / 64 + 1);
    (void)close(fd);
    cq_str_fini(&file);
}

static void try_spec(const uint8_t *data, size_t bytes)
{
    static struct lease_spec first, second;
    struct cq_str one = {0};
    if (lease_spec_decode(data, bytes, &first, NULL) == 0) {
        lease_spec_encode(&first, &one);
        FUZZ_CHECK(lease_spec_decode(one.data, one.len, &second, NULL) == 0);
        FUZZ_CHECK(first.lease == second.lease && strcmp(first.cpus, second.cpus) == 0
                   && strcmp(first.dir, second.dir) == 0 && first.until_us == second.until_us);
    }
    cq_str_fini(&one);
}

static void try_order(const uint8_t *data, size_t bytes)
{
    struct order first, second;
    struct cq_str one = {0};
    if (order_decode(data, bytes, &first, NULL) != 0)
        return;
    FUZZ_CHECK(first.n_argv <= ORDER_ARGV_MAX && first.n_env <= ORDER_ENV_MAX);
    char **argv = cq_calloc(first.n_argv + 1, sizeof *argv);
    char **env = cq_calloc(first.n_env + 1, sizeof *env);
    order_fill(&first, argv, env);
    FUZZ_CHECK(argv[first.n_argv] == NULL);
    order_encode(&first, (const char *const *)argv, (const char *const *)env, &one);
    FUZZ_CHECK(order_decode(one.data, one.len, &second, NULL) == 0);
    FUZZ_CHECK(second.job == first.job && second.n_argv == first.n_argv
               && second.n_env == first.n_env && strcmp(second.place, first.place) == 0);
    free(argv);
    free(env);
    cq_str_fini(&one);
}

/* An output whose first part ends, and whose second begins, with half of the input; between them is
 * a hole, or zeros when the input has an even number of bytes. */
static void try_gap(const uint8_t *data, size_t bytes)
{
    char path[FUZZ_PATH_MAX];
    uint64_t size = 2 * LOG_GAP_MIN_BYTES + bytes;
    int fd = fuzz_file((const uint8_t *)"", 0, path);
    size_t first = bytes / 2, second = bytes - first;
    off_t end = (off_t)(size - second);
    if (first > LOG_GAP_MIN_BYTES)
        first = 0;
    FUZZ_CHECK(pwrite(fd, data, first, (off_t)(LOG_GAP_MIN_BYTES - first)) == (ssize_t)first);
    FUZZ_CHECK(pwrite(fd, data + bytes - second, second, end) == (ssize_t)second);
    for (off_t zero = LOG_GAP_MIN_BYTES; bytes % 2 == 0 && zero < end; zero += 4096)
        FUZZ_CHECK(pwrite(fd, "", 1, zero) == 1);
    struct log_gap g = log_gap_find(fd, size);
    FUZZ_CHECK(g.from <= g.to && g.from <= size);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        try_journal(data + 1, bytes - 1);
        break;
    case 1:
        try_spec(data + 1, bytes - 1);
        break;
    case 2:
        try_order(data + 1, bytes - 1);
        break;
    default:
        try_gap(data + 1, bytes - 1);
        break;
    }
    return 0;
}
