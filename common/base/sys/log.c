/* Log lines to standard error, one write each. */
#include "common/base/sys/log.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/str.h"
#include "common/base/sys/clock.h"

#include <stdarg.h>
#include <unistd.h>

static enum log_level threshold = LOG_INFO;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
    threshold = level;
}

bool log_set_level_by_name(const char *name)
{
    for (size_t i = 0; i < CQ_COUNT(level_names); i++)
        if (strcmp(name, level_names[i]) == 0) {
            threshold = (enum log_level)i;
            return true;
        }
    return false;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (level > threshold)
        return;
    char when[40], text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    struct cq_str line = {0};
    cq_str_printf(&line, "%s %-5s ", format_wall_us(clock_now().wall_us, when, sizeof when),
                  level_names[level]);
    cq_str_add_printable(&line, text, strlen(text));
    cq_str_add_char(&line, '\n');
    ssize_t written = write(STDERR_FILENO, line.data, line.len);
    (void)written; /* a log that cannot be written has nowhere to say so */
    cq_str_fini(&line);
}
