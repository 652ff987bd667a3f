/* Changes of configuration, feeds of licence servers, bookings: inputs beside those of people.h. */
#ifndef CHIPQ_CONFIG_H
#define CHIPQ_CONFIG_H

#include "scheduler/core/effects.h"

struct core;

void config_step(struct core *c, const struct input *in, struct now now, struct effects *out);
void reservation_add_step(struct core *c, const struct input *in, struct now now,
                          struct effects *out);
void reservation_remove_step(struct core *c, const struct input *in, struct now now,
                             struct effects *out);

#endif
