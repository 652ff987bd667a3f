/* One line an event: `job.start job=17 worker=3`, to standard error with time and level. The event
 * name comes first, then key=value pairs; values from outside go through cq_str_add_printable or
 * LOG_TEXT. Library code never logs. */
#ifndef CQ_LOG_H
#define CQ_LOG_H

#include "common/base/pure/compiler.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* ERROR someone must act; WARN we carried on; INFO what an operator would tell the story with;
 * DEBUG free. */
void log_line(enum log_level level, const char *fmt, ...) CQ_PRINTF(2, 3);
void log_set_level(enum log_level level);
bool log_set_level_by_name(const char *name); /* error warn info debug */

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
