/* What chipq-sim was asked for. */
#ifndef CHIPQ_SIM_OPTIONS_H
#define CHIPQ_SIM_OPTIONS_H

#include "scheduler/sim/eda.h"
#include "scheduler/sim/placement_bench.h"
#include "scheduler/sim/policy_bench.h"
#include "scheduler/sim/run.h"
#include "scheduler/sim/saturate.h"
#include "scheduler/sim/swf.h"

struct window {
    size_t start, count;
};

enum source {
    SOURCE_NONE,
    SOURCE_SWF,
    SOURCE_TSV,
    SOURCE_EDA,
    SOURCE_SATURATE,
    SOURCE_PLACEMENT,
    SOURCE_POLICY
};

struct options {
    const char *program; /* "chipq" when that started us: errors speak in its name */
    enum source source;
    const char *path;                  /* of the trace; borrowed from argv, as all texts here */
    uint64_t cores, nodes, node_cores; /* 0 = as the source says */
    struct swf_options swf;
    struct eda eda;
    struct saturation saturation;
    struct policy_bench policy;
    struct placement_bench placement;
    struct run_options run; /* without rows */
    bool has_order;
    struct window *windows; /* owned */
    size_t n_windows, cap_windows;
    const char *write_tsv, *csv, *config_rows, *config_changes;
    bool as_json, is_quiet;
    struct cq_err err;
};

/* Parses argv; ends the program for --help and for wrong usage (status 2). Free with options_fini.
 * The options that chipq simulate hands on are in common/base/pure/sim_options.def, which its help
 * is made of too. */
void options_parse(struct options *o, int argc, char **argv);
void options_fini(struct options *o);

#endif
