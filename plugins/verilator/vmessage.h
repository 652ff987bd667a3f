/* One message of Verilator, or of a simulation it built: "%Error-CODE: file:line:col: text", with
 * "[time] " in front when a simulation says it. */
#ifndef VMESSAGE_H
#define VMESSAGE_H

#include "common/base/pure/compiler.h"

enum vmessage_kind { VMESSAGE_NONE, VMESSAGE_WARNING, VMESSAGE_ERROR };

struct vmessage {
    enum vmessage_kind kind;
    const char *text; /* behind "%Error: ": location and text; points into the line */
    bool located;     /* the text begins with file:line: so it is about the design */
    bool summary;     /* "Exiting due to ...", "Cannot continue": speaks of others, never a cause */
};

struct vmessage vmessage_read(const char *line);

#endif
