/* How large this machine is, for refusing a pool that is larger. */
#ifndef MACHINE_H
#define MACHINE_H

#include "common/base/pure/compiler.h"

/* Physical cores of all processors that are on line; 0 when the kernel does not say. */
uint64_t machine_cores(void);

/* Memory in MiB, rounded up; 0 when the kernel does not say. */
uint64_t machine_mem_mib(void);

#endif
