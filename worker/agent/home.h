/* Which machine and directory an agent works from. chipqd tells by it two agents that were given
 * one key from one agent that was started again. */
#ifndef CHIPQ_WORKER_HOME_H
#define CHIPQ_WORKER_HOME_H

#include "common/base/pure/err.h"
#include "common/base/pure/id.h"

/* A digest of the machine's id (machine-id(5)), the node's name, and the path and inode of the
 * instance's directory: the same after every start, another in a copy. CQ_E_IO when there is no
 * such directory. Blocks. */
int home_id(const char *dir, const char *node, struct cq_uuid *out,
            struct cq_err *err) CQ_MUST_CHECK;

#endif
