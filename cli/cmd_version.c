/* chipq version: what this is. */
#include "cli/columns.h"
#include "cli/commands.h"

#include "common/wire/message.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)opts, (void)n_args, (void)args, (void)err;
    if (c->output == CLI_JSON) {
        json_t *o = json_pack("{s:s, s:i}", "version", CHIPQ_VERSION, "wire", WIRE_VERSION);
        json_print(c, o);
        json_decref(o);
    } else {
        printf("chipq %s\n", CHIPQ_VERSION);
    }
    return 0;
}

const struct command cmd_version = {
    .name = "version",
    .args = "",
    .summary = "Print the version of chipq",
    .examples = "chipq version\nchipq version --json",
    .run = run,
};
