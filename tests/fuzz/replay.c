/* Feeds what is committed to a fuzz target, without libFuzzer. A target aborts on what must not be;
 * the last file named is the one that it was at. Fails also when there was nothing to feed. */
#include "tests/fuzz/fuzz.h"

#include "common/base/sys/files.h"

#include <dirent.h>

enum { INPUT_MAX = 1 << 20 };

static void replay_file(const char *path)
{
    struct cq_str text = {0};
    struct cq_err err = {0};
    if (file_read(path, INPUT_MAX, &text, &err) != 0) {
        (void)fprintf(stderr, "%s: %s\n", path, err.text);
        exit(1);
    }
    uint8_t *data = cq_memdup(text.data, text.len); /* of its very size: one byte more is seen */
    (void)fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(data, text.len);
    free(data);
    cq_str_fini(&text);
}

static size_t replay_all(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        char *file = path_format("%s/%s", path, e->d_name);
        replay_file(file);
        free(file);
        n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* The last line is as Criterion has it: scripts/test counts. */
int main(void)
{
    size_t n = replay_all(REPLAY_CORPUS) + replay_all(REPLAY_REGRESSIONS);
    (void)fprintf(
        stderr,
        "%zu inputs\n[====] Synthesis: Tested: 1 | Passing: %d | Failing: %d | Crashing: 0\n", n,
        n > 0, n == 0);
    return n == 0;
}
