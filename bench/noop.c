/* chipq-noop: the cheapest job there is. Without arguments it does nothing, successfully. With a
 * path it writes the boot clock, as read at its very start, into that FIFO: for the latency from
 * submit to start. */
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    if (argc < 2)
        return 0;
    int64_t boot_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    int fd = open(argv[1], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, &boot_us, sizeof boot_us) != sizeof boot_us)
        return 1;
    return 0;
}
