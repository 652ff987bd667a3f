/* Tells when files grow. A subscription is called once after it was armed. */
#ifndef CHIPQ_WORKER_LOGWATCH_H
#define CHIPQ_WORKER_LOGWATCH_H

#include "worker/agent/agent.h"

struct log_sub;

void logwatch_init(struct agent *a);
void logwatch_fini(struct agent *a);

typedef void (*log_sub_fn)(void *arg);
struct log_sub *logwatch_add(struct agent *a, const char *path, log_sub_fn fn, void *arg);

/* From now on the next growth calls fn, once. Look at the file after arming: what grew before is
 * not told. False when the file is not there. */
bool logwatch_arm(struct log_sub *s);
void logwatch_remove(struct log_sub *s); /* accepts NULL; allowed in its own callback */

#endif
