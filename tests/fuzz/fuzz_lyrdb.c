/* KLayout's report databases: a report that is taken has rules with names, and items that add up.
 */
#include "plugins/klayout/lyrdb.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[FUZZ_PATH_MAX];
    struct lyrdb report = {0};
    int fd = fuzz_file(data, bytes, path);
    if (lyrdb_read(path, &report, NULL) == 0) {
        uint64_t items = 0;
        FUZZ_CHECK(report.count <= LYRDB_RULES_MAX);
        for (size_t i = 0; i < report.count; i++) {
            FUZZ_CHECK(memchr(report.rules[i].name, '\0', LYRDB_NAME_MAX) != NULL);
            FUZZ_CHECK(lyrdb_find(&report, report.rules[i].name) == &report.rules[i]);
            items += report.rules[i].items;
        }
        FUZZ_CHECK(items == report.items);
        lyrdb_fini(&report);
    }
    FUZZ_CHECK(report.rules == NULL);
    (void)close(fd);
    return 0;
}
