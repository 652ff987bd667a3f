/* What a process uses. */
#include "bench/bench.h"

#include <inttypes.h>
#include <time.h>

int64_t process_cpu_us(int64_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid((pid_t)pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t process_resident_kib(int64_t pid)
{
    char path[64], line[256];
    long long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/status", pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "VmRSS: %lld", &kib) != 1)
        ;
    if (f)
        (void)fclose(f);
    return kib;
}
