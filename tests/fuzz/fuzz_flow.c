/* Flow files: any bytes give a flow or a list of places and texts, never a crash. */
#include "cli/flow.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow flow = {0};
    struct flow_errors errors = {0};
    struct cq_str text = {0}, messages = {0};
    cq_str_append(&text, data, size);
    flow_read("/nowhere/fuzz.yaml", cq_str_text(&text), text.len, &flow, &errors);
    flow_errors_sort(&errors);
    flow_errors_format(&errors, "fuzz.yaml", &messages);
    FUZZ_CHECK(errors.n || flow.n_jobs);
    flow_fini(&flow);
    flow_errors_fini(&errors);
    cq_str_fini(&messages);
    cq_str_fini(&text);
    return 0;
}
