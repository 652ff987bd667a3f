/* A directory of this process's own, in memory, for decoders that look for their file by name. It
 * is empty but for what is put into it, and goes with the process. */
#ifndef TEST_FUZZ_DIR_H
#define TEST_FUZZ_DIR_H

#include "tests/fuzz/fuzz_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static char fuzz_dir_path[FUZZ_PATH_MAX];

static void fuzz_dir_remove(void)
{
    static const char *const names[] = {"chipq.conf", "db",           "wal",        "cache",
                                        "cores",      "chipq-tool-x", "result.json"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", fuzz_dir_path, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(fuzz_dir_path);
}

static inline const char *fuzz_dir(void)
{
    if (fuzz_dir_path[0] != '\0')
        return fuzz_dir_path;
    (void)snprintf(fuzz_dir_path, sizeof fuzz_dir_path, "/dev/shm/chipq-fuzz-XXXXXX");
    FUZZ_CHECK(mkdtemp(fuzz_dir_path) != NULL);
    FUZZ_CHECK(atexit(fuzz_dir_remove) == 0);
    return fuzz_dir_path;
}

/* Writes `name` there, anew; `path` is its place. */
static inline void fuzz_dir_put(const char *name, mode_t mode, const void *data, size_t bytes,
                                char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/%s", fuzz_dir(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    FUZZ_CHECK(fd >= 0);
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const char *)data + done, bytes - done);
        FUZZ_CHECK(n > 0);
        done += (size_t)n;
    }
    (void)close(fd);
}

#endif
