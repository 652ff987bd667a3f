/* Changes of configuration: inputs beside those of people.h; and what is configured. */
#ifndef CHIPQ_CONFIG_H
#define CHIPQ_CONFIG_H

#include "scheduler/core/effects.h"
#include "scheduler/core/view.h"

struct core;

/* The feed's time between runs when none is set. */
#define FEED_EVERY_US (30 * US_PER_S)
#define FEED_PATH     "licences"

void config_fini(struct core *c);

/* The door for NODE_SETTINGS. */
int config_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;

/* Leaves and settings that changed since the last call. */
void config_view_entities(struct core *c, entity_view_fn fn, void *arg);

/* The feed's time between runs as it is set, appended; nothing for the default. */
void config_every_text(int64_t every_us, struct cq_str *out);

void config_step(struct core *c, const struct input *in, struct now now, struct effects *out);

#endif
