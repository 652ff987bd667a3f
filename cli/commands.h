/* One row a command; each is defined in cmd_NAME.c. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli/command.h"

extern const struct command cmd_admin, cmd_cancel, cmd_doctor, cmd_down, cmd_help, cmd_hold,
    cmd_job, cmd_jobs, cmd_logs, cmd_node, cmd_nodes, cmd_release, cmd_requeue, cmd_run, cmd_status,
    cmd_submit, cmd_tools, cmd_up, cmd_version, cmd_wait, cmd_why;

#endif
