/* Verilator's coverage files: what is hit is not more than what there is. */
#include "plugins/verilator/coverage.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[FUZZ_PATH_MAX];
    struct coverage c = {0};
    int fd = fuzz_file(data, bytes, path);
    int rc = coverage_read(path, &c, NULL);
    FUZZ_CHECK(c.line_hit <= c.line_points && c.user_hit <= c.user_points);
    FUZZ_CHECK(rc == 0 || (c.line_points == 0 && c.user_points == 0));
    FUZZ_CHECK(c.line_points + c.user_points <= bytes);
    (void)close(fd);
    return 0;
}
