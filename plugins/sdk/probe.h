/* Which tool is installed, and its version. */
#ifndef PROBE_H
#define PROBE_H

#include "plugins/sdk/plugin.h"

#include <limits.h>

#define PROBE_VERSION_MAX 64
#define PROBE_LIMIT_MS    5000 /* the worker gives `describe` 10 s */
#define PROBE_GRACE_MS    500

struct probe {
    bool found;
    char path[PATH_MAX];             /* absolute; "" when not found */
    char version[PROBE_VERSION_MAX]; /* "5.006"; "" when the tool did not say */
};

/* Looks `binary` up in PATH. */
bool probe_find(const char *binary, char *path, size_t size);

/* Finds the plugin's tool and asks for its version. Never fails: what is not known stays empty.
 * Blocks for as long as the tool takes to answer, at most PROBE_LIMIT_MS. */
void probe_tool(const struct plugin *plugin, struct probe *out);

/* The first thing in `line` that looks like a version: digits with at least one dot, "0.28.5".
 * False when there is none. */
bool probe_read_version(const char *line, char *version, size_t size);

/* Refuses a program that is not installed, naming the Debian package that brings it. */
int probe_need(const struct plugin_program *program, struct cq_err *err) CQ_MUST_CHECK;

#endif
