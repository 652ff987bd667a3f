/* LD_PRELOAD: the wall clock of a program, moved by the microseconds that stand in the file of
 * CQ_TEST_WALL (8 bytes, as this machine writes them). They may change while it runs. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_us;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CQ_TEST_WALL");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd >= 0 ? mmap(NULL, sizeof *offset_us, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        (void)close(fd);
    if (map != MAP_FAILED)
        offset_us = map;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    long rc = syscall(SYS_clock_gettime, id, t);
    if (rc != 0 || id != CLOCK_REALTIME || offset_us == NULL)
        return (int)rc;
    int64_t us = (int64_t)t->tv_sec * 1000000 + t->tv_nsec / 1000 + *offset_us;
    t->tv_sec = us / 1000000;
    t->tv_nsec = us % 1000000 * 1000;
    return 0;
}
