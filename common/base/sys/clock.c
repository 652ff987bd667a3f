/* The only reader of clocks. */
#include "common/base/sys/clock.h"

#include <fcntl.h>
#include <unistd.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0)
        abort();
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

struct now clock_now(void)
{
    return (struct now){.mono_us = clock_mono_us(), .wall_us = read_us(CLOCK_REALTIME)};
}

int64_t clock_cpu_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
        abort(); /* it exists on every Linux */
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t clock_thread_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct cq_uuid clock_boot_id(void)
{
    struct cq_uuid id = {{0}};
    char text[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0)
        close(fd);
    size_t digits = 0;
    for (ssize_t i = 0; i < n && digits < 32; i++) {
        int value = hex_digit(text[i]);
        if (value < 0)
            continue;
        id.bytes[digits / 2] = (uint8_t)(id.bytes[digits / 2] << 4 | value);
        digits++;
    }
    return id;
}
