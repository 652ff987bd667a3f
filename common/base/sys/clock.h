/* The only reader of clocks; everyone else is handed a struct now. */
#ifndef CQ_CLOCK_H
#define CQ_CLOCK_H

#include "common/base/pure/id.h"

struct now clock_now(void);  /* CLOCK_BOOTTIME and CLOCK_REALTIME */
int64_t clock_mono_us(void); /* CLOCK_BOOTTIME alone */

/* Processor time of this process, in nanoseconds: for measuring, never for deciding. */
int64_t clock_cpu_ns(void);
/* The same of this thread, in microseconds: what something costs, however busy the machine is. */
int64_t clock_thread_us(void);

/* This machine's boot id (/proc/sys/kernel/random/boot_id); all zero where the kernel gives none.
 */
struct cq_uuid clock_boot_id(void);

#endif
