/* Reads one message of Verilator. */
#include "plugins/verilator/vmessage.h"

#include "common/base/pure/str.h"
#include "plugins/sdk/match.h"

static const char *skip_time(const char *line)
{
    if (line[0] != '[')
        return line;
    const char *end = strstr(line, "] ");
    return end ? end + 2 : line;
}

struct vmessage vmessage_read(const char *line)
{
    struct vmessage m = {.kind = VMESSAGE_NONE};
    const char *at = skip_time(line);
    if (cq_str_starts(at, "%Error"))
        m.kind = VMESSAGE_ERROR;
    else if (cq_str_starts(at, "%Warning"))
        m.kind = VMESSAGE_WARNING;
    const char *colon = m.kind == VMESSAGE_NONE ? NULL : strstr(at, ": ");
    if (!colon)
        return (struct vmessage){.kind = VMESSAGE_NONE};
    m.text = colon + 2;
    m.located = match_location(m.text) && !cq_str_starts(m.text, "COMMAND_LINE:");
    m.summary = cq_str_starts(m.text, "Exiting due to") || cq_str_starts(m.text, "Command Failed")
                || cq_str_starts(m.text, "Cannot continue");
    return m;
}
