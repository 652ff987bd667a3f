/* The input as a file, for decoders that take a path: in memory, no disk. */
#ifndef TEST_FUZZ_FILE_H
#define TEST_FUZZ_FILE_H

#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_PATH_MAX 64

/* Fills `path`, which is good until the returned descriptor is closed by the caller. */
static inline int fuzz_file(const uint8_t *data, size_t bytes, char path[FUZZ_PATH_MAX])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, data + done, bytes - done);
        FUZZ_CHECK(n > 0);
        done += (size_t)n;
    }
    (void)snprintf(path, FUZZ_PATH_MAX, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
