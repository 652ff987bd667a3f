/* Inputs that change the configuration, feed licences, book machines: beside input.h. */
#ifndef CHIPQ_INPUT_CONFIG_H
#define CHIPQ_INPUT_CONFIG_H

#include "common/base/pure/compiler.h"

/* One step of a change of configuration; all rows of one input are applied together or not at all.
 * Kinds and paths: "enterprise" acme, "project" acme/uart, "user" acme/uart/ann (the leaf of the
 * share tree), "licence" vcs, "instrument" palladium, "feed" licences. Keys of share nodes: weight,
 * max-cores, max-mem, max-running, max-pending, max-submit-rate, max-wall, max-licence
 * (vcs:4,dc:2), min-cores, min-mem, lend-cores, lend-mem, borrow-cores, borrow-mem,
 * budget (5000core-hours/month; day week month quarter year). Of features: count, owner. Of the
 * feed: command, every. Values are texts as people write them; the core parses and canonises them.
 */
enum config_op {
    CONFIG_ADD,   /* it must not exist */
    CONFIG_PUT,   /* made when it does not exist */
    CONFIG_CLEAR, /* all its settings go back to their defaults */
    CONFIG_SET,   /* key, value; "" = default. It must exist (or be made by an earlier row) */
    CONFIG_REMOVE
};
struct in_config_row {
    enum config_op op;
    const char *kind, *path, *key, *value; /* never NULL */
};
struct in_config {
    const struct in_config_row *rows;
    size_t n_rows;
    bool is_dry_run; /* checks and tells the changes, changes nothing */
};

/* What a licence server says is in use, by anybody. */
struct in_licence_sample {
    const char *feature;
    int64_t used;
};
struct in_licence_feed {
    const struct in_licence_sample *samples;
    size_t n_samples;
    const char *error; /* the feed failed: last good values stay; NULL = it went well */
};

struct in_reservation {
    const char *name, *path;  /* for whom: acme, acme/uart, acme/uart/ann */
    int64_t start_us, end_us; /* wall */
    uint64_t every_days;      /* 0 once, 1 every day, 7 every week */
    uint64_t cores, mem_mib;
    const char *nodes;    /* whole machines, "n1,n2", or "" */
    const char *licences; /* "vcs:2,palladium:4", or "" */
    bool is_flex;         /* what is unused after 15 min is given back */
};

#endif
