/* `describe`: the plugin's table as JSON, for workers and for whoever expands a flow. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "plugins/sdk/plugin.h"
#include "plugins/sdk/probe.h"

#define DESCRIBE_MAX_BYTES ((size_t)64 * 1024)

/* The JSON text (docs/PLUGINS.md has its shape); caller frees. */
char *describe_text(const struct plugin *plugin, const struct probe *probe);

#endif
