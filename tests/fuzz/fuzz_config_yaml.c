/* The configuration file: any bytes give rows within their bounds, or errors with a place. */
#include "cli/config_yaml.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct config_rows rows = {0};
    struct flow_errors errors = {0};
    struct cq_str messages = {0};
    char *text = fuzz_text(data, bytes);
    bool is_good = config_yaml_read(text, bytes, &rows, &errors);
    FUZZ_CHECK(is_good == (errors.n == 0));
    FUZZ_CHECK(rows.n <= CONFIG_ROWS_MAX || !is_good);
    for (size_t i = 0; i < rows.n; i++)
        FUZZ_CHECK(rows.items[i].kind && rows.items[i].path && rows.items[i].key
                   && rows.items[i].value && rows.items[i].op <= ROW_REMOVE);
    flow_errors_sort(&errors);
    flow_errors_format(&errors, "fuzz.yaml", &messages);
    config_rows_fini(&rows);
    flow_errors_fini(&errors);
    cq_str_fini(&messages);
    free(text);
    return 0;
}
