/* The GPUs of a machine, as hwloc sees them on the PCI bus and among the system's devices. They are
 * told and can be asked for as a feature; nothing counts who uses one. */
#ifndef CHIPQ_WORKER_GPUS_H
#define CHIPQ_WORKER_GPUS_H

#include "common/base/pure/str.h"

struct hwloc_obj;
struct hwloc_topology;

enum { GPUS_MAX = 64 };

struct gpu {
    const struct hwloc_obj *device, *near; /* near: the part of the machine that it is wired to */
    char vendor[8];                        /* nvidia, amd, intel, or PCI's number; "" = unknown */
    char name[64]; /* "nvidia:20b0@0000:3b:00.0", or the system's name where it is on no bus */
};

struct gpus {
    struct gpu items[GPUS_MAX];
    size_t n;
};

/* Before a topology is loaded: it shall look at devices too, but start no driver for it. */
void gpus_want(struct hwloc_topology *hw);

/* Borrows from the loaded topology. What only shows a console is none. */
void gpus_find(struct hwloc_topology *hw, struct gpus *out);

/* The compact form of those near `o`, " gpu0:NAME gpu1:NAME", appended to `out`. */
void gpus_add_near(const struct gpus *g, const struct hwloc_obj *o, struct cq_str *out);

/* Features, one a line: "gpu=3", then "gpu-nvidia=2" and so on. "" without any. Appended. */
void gpus_add_features(const struct gpus *g, struct cq_str *out);

#endif
